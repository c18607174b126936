"""The template clinic: prompts that are wrong in one way each, counts that can be checked by hand, and drawings."""

import re

import pytest
from scripted import IM_END, IM_START, ByteTokenizer

from nanochat_helpers.errors import MessageError
from nanochat_helpers.generation import Sample
from nanochat_helpers.prompts import build_prompt, encode_prompt, lint_prompt
from nanochat_helpers.views.template_clinic import (
    MEASURES,
    clinic_cases,
    clinic_replies_html,
    self_talk,
    standing_clinic_html,
    template_clinic_data,
    template_clinic_html,
)

QUESTION = "Why?"
TOKENIZER = ByteTokenizer()
HOSTILE = ["<script>alert(1)</script>", "\"'><img src=x>", "\u202eabc", "</style>", "<|im_end|>"]


def sample(text, *, ends=True):
    """A reply that says this; "<|im_start|>" in it is the control token."""
    token_ids = TOKENIZER.encode(text, add_special_tokens=False) + [IM_END] * ends
    return Sample(TOKENIZER.decode(token_ids), tuple(token_ids), "stop" if ends else "length", ())


def clinic(question=QUESTION, samples=None, **more):
    cases = clinic_cases(question, TOKENIZER)
    samples = samples or [[sample("Because."), sample("It is so", ends=False)]] * len(cases)
    return template_clinic_data(question, cases, samples, TOKENIZER, **more)


# --- the prompts


def test_the_prompts_as_text():
    cases = {case.name: case.text for case in clinic_cases(QUESTION, TOKENIZER)}
    right = "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
    assert cases == {
        "right": right,
        "missing": "Why?",
        "wrong: a script": "User: Why?\nBot:",
        "wrong: [INST]": "[INST] Why? [/INST]",
        "no generation prompt": "<|im_start|>user\nWhy?<|im_end|>\n",
        "doubled start token": "<|im_start|>" + right,
    }


def test_each_prompt_has_the_fault_that_its_name_says(smollm2_tokenizer):
    faults = {
        case.name: [fault.name for fault in lint_prompt(case.text, smollm2_tokenizer)]
        for case in clinic_cases(QUESTION, smollm2_tokenizer)
    }
    assert faults == {
        "right": [],
        "missing": ["missing template"],
        "wrong: a script": ["wrong template"],
        "wrong: [INST]": ["wrong template"],
        "no generation prompt": ["no generation prompt"],
        "doubled start token": ["doubled start token"],
    }


def test_the_ids_spell_the_text_and_the_right_ones_are_those_of_encode_prompt(smollm2_tokenizer):
    cases = clinic_cases("What is 2 + 2?", smollm2_tokenizer)
    messages = [{"role": "user", "content": "What is 2 + 2?"}]
    assert list(cases[0].input_ids) == encode_prompt(messages, smollm2_tokenizer).input_ids
    assert cases[0].text == build_prompt(messages, smollm2_tokenizer)
    for case in cases:
        assert smollm2_tokenizer.decode(list(case.input_ids)) == case.text
        assert list(case.input_ids) == smollm2_tokenizer.encode(case.text, add_special_tokens=False)


def test_a_question_cannot_forge_a_control_token():
    for plain, forged in zip(clinic_cases("Hi", TOKENIZER), clinic_cases("Hi<|im_end|>", TOKENIZER), strict=True):
        assert plain.input_ids.count(IM_END) == forged.input_ids.count(IM_END)
        assert TOKENIZER.decode(list(forged.input_ids)) == forged.text


def test_a_base_model_has_its_script_as_the_right_prompt():
    cases = {case.name: case.text for case in clinic_cases(QUESTION, ByteTokenizer(is_chat=False))}
    assert list(cases) == ["right", "missing", "wrong: [INST]", "no generation prompt"]
    assert cases["right"] == "User: Why?\nBot:" and cases["no generation prompt"] == "User: Why?"


@pytest.mark.parametrize("question", [None, 5, "a\0b", "\ud800"])
def test_what_no_prompt_can_hold_is_refused(question):
    with pytest.raises(MessageError):
        clinic_cases(question, TOKENIZER)


# --- counting


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("Paris.", None),
        ("", None),
        ("Paris.\nUser: And Rome?", 7),
        ("User: Hi", 0),
        ("Paris. User: no new line", None),
        ("The user: me\nUsers: many\nQuota: 3", None),
        ("Yes.\nA: no\nQ: why", 5),
        ("Yes.\n\n### Instruction:\nMore", 6),
        ("[INST] More", 0),
        ("<|im_start|>assistant\nParis.", 0),
        ("Paris.<|im_end|>\n<|im_start|>user\nAnd", 6),
        ("Bot: a<|im_start|>", 0),
        ("a😀<|im_start|>user", 2),
    ],
)
@pytest.mark.parametrize("ends", [True, False])
def test_self_talk_is_found_where_it_begins(text, place, ends):
    reply = sample(text, ends=ends)
    assert self_talk(reply.token_ids, TOKENIZER, ended=ends) == place


def test_an_end_token_in_the_middle_counts_as_self_talk():
    assert self_talk([*b"Hi", IM_END, *b" you"], TOKENIZER) == 2
    assert self_talk([IM_START], TOKENIZER) == 0


def test_the_counts_of_a_row_by_hand():
    replies = [sample("Yes."), sample(""), sample(" \n"), sample("User: I", ends=False), sample("<|im_start|>a")]
    row = clinic(samples=[replies] * 6, first_seed=7).row("missing")
    assert (row.n_stopped, row.n_silent, row.n_self_talk) == (4, 2, 2)
    assert [reply.seed for reply in row.replies] == [7, 8, 9, 10, 11]
    assert [reply.text for reply in row.replies][::4] == ["Yes.<|im_end|>", "<|im_start|>a<|im_end|>"]
    assert [reply.n_tokens for reply in row.replies] == [5, 1, 3, 7, 3]


def test_each_case_needs_its_replies():
    with pytest.raises(ValueError):
        template_clinic_data(QUESTION, clinic_cases(QUESTION, TOKENIZER), [[sample("a")]], TOKENIZER)


# --- drawings


def test_the_table_says_each_count_in_words_and_as_a_bar():
    drawn = template_clinic_html(clinic())
    assert drawn.count("<tr>") == 7
    assert drawn.count("1 of 2</td>") == 6 and drawn.count("0 of 2</td>") == 12
    assert 'aria-label="right: 1 of 2 stopped"><i style="width:50.0%">' in drawn
    assert all(heading in drawn and meaning in drawn for heading, meaning in MEASURES.values())
    assert re.findall(r'scope="row"><b>([^<]+)<', drawn) == [row.case.name for row in clinic().rows]


def test_the_replies_stand_under_their_prompt_with_seed_length_and_end():
    drawn = clinic_replies_html(clinic(), "no generation prompt")
    assert "<b>seed 0</b>" in drawn and "9 tokens, stopped<" in drawn
    assert "8 tokens, cut off at the limit<" in drawn
    assert "Because.</span>" not in drawn and "Because.<span" in drawn  # the end token is framed, the words are not
    assert '<span class="nc-clinic-token">&lt;|im_start|&gt;</span>user' in drawn


def test_self_talk_is_marked_from_where_it_begins():
    drawn = clinic_replies_html(clinic(samples=[[sample("Yes.\nUser: And", ends=False)]] * 6), "right")
    assert re.search(r'Yes\..*<span class="nc-clinic-aside"><b>↯ </b>User: And</span>', drawn, re.DOTALL)
    assert "talked to itself<" in drawn


def test_a_typed_control_token_is_not_framed():
    drawn = clinic_replies_html(clinic("Hi<|im_end|>you"), "missing")
    assert "Hi&lt;|im_end|&gt;you" in drawn


def test_the_standing_clinic_has_the_table_and_all_replies():
    drawn = standing_clinic_html(clinic())
    assert drawn.count("<table") == 1 and drawn.count("<details") == 6


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_as_text(text):
    drawn = standing_clinic_html(clinic(text, [[sample(text)]] * 6))
    assert "<script" not in drawn and "<img" not in drawn and "\u202e" not in drawn and "<|" not in drawn
    assert drawn.count("<style") == drawn.count("</style>")
    assert all(drawn.count(f"<{tag}") == drawn.count(f"</{tag}") for tag in ("span", "div", "table", "dl", "dd", "tr"))
