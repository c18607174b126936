"""The prompt strip: every token of the prompt is in it once, under the right name, and nothing else."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import ByteTokenizer, ScriptedBackbone

from nanochat_helpers.chat import RESERVED_FOR_REPLY, Chat
from nanochat_helpers.errors import ContextError, MessageError, SettingsError
from nanochat_helpers.history import LastTurns, PinnedNotes, RelevantTurns, RunningSummary
from nanochat_helpers.passages import Passage
from nanochat_helpers.prompts import encode_prompt
from nanochat_helpers.retrieval import Hit
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.trace import Trace
from nanochat_helpers.views.prompt_strip import (
    KINDS,
    Fallen,
    PromptStrip,
    Segment,
    prompt_strip_data,
    prompt_strip_html,
)

TOKENIZER = ByteTokenizer()


def message(role, content):
    return {"role": role, "content": content}


# One token a byte. <|im_start|>, "user\n", <|im_end|> and "\n" are the template's.
MESSAGES = [
    message("system", "Be brief."),
    message("user", "one"),
    message("assistant", "ONE!"),
    message("user", "two"),
    message("assistant", "TWO!"),
    message("user", "three"),
]


def strip(messages=MESSAGES, **options):
    return prompt_strip_data(messages, TOKENIZER, **options)


def words(data):
    return [(part.kind, part.n_tokens, part.text) for part in data.segments if part.message is not None]


# --- data from messages


def test_each_message_is_a_segment_with_its_own_tokens_and_the_template_stands_between():
    data = strip(max_length=300, reserved=50)
    assert words(data) == [
        ("system", 9, "Be brief."),
        ("user", 3, "one"),
        ("assistant", 4, "ONE!"),
        ("user", 3, "two"),
        ("assistant", 4, "TWO!"),
        ("user", 5, "three"),
    ]
    kinds = [segment.kind for segment in data.segments]
    assert kinds[0:13:2] == ["template"] * 7 and kinds[13:] == ["reply", "free"]
    assert data.segments[0].n_tokens == len("\0system\n")  # <|im_start|> is one token
    assert [segment.message for segment in data.segments[1:12:2]] == [0, 1, 2, 3, 4, 5]


def test_prompt_reply_and_rest_make_the_whole_bar():
    data = strip(max_length=300, reserved=50)
    n_prompt = len(encode_prompt(MESSAGES, TOKENIZER).input_ids)
    assert (data.n_prompt, data.n_tokens("reply"), data.n_tokens("free")) == (n_prompt, 50, 250 - n_prompt)
    assert data.max_length == 300


@given(st.integers(1, 400), st.none() | st.integers(0, 100), st.integers(0, 4))
def test_the_bar_is_never_longer_than_max_length_and_everything_is_either_in_it_or_fell_out(longest, reserved, turns):
    try:
        data = strip(max_length=longest, reserved=reserved, history=LastTurns(turns))
    except ContextError:
        return
    assert sum(segment.n_tokens for segment in data.segments) == longest
    assert data.n_tokens("reply") == (min(RESERVED_FOR_REPLY, longest // 2) if reserved is None else reserved)
    kept = [text for _, _, text in words(data)]
    assert [kept[0], *(said.text for said in data.fallen), *kept[1:]] == [said["content"] for said in MESSAGES]


def test_what_fell_out_stands_in_the_order_in_which_it_fell_with_its_length():
    data = strip(max_length=300, history=LastTurns(0))
    assert data.fallen == (
        Fallen("user", "one", 3),
        Fallen("assistant", "ONE!", 4),
        Fallen("user", "two", 3),
        Fallen("assistant", "TWO!", 4),
    )


@pytest.mark.parametrize(
    ("history", "added"),
    [
        (PinnedNotes(["a cat"], LastTurns(0)), "\n\nWhat you know about the user:\n- a cat"),
        (RunningSummary(lambda so_far, messages: "some talk", 0), "\n\nWhat was said before: some talk"),
    ],
)
def test_what_a_strategy_adds_to_the_system_message_is_a_segment_of_its_own(history, added):
    assert words(strip(history=history)) == [
        ("system", 9, "Be brief."),
        ("notes", len(added), added),
        ("user", 5, "three"),
    ]
    without = words(strip(MESSAGES[1:], history=history))
    assert without == [("notes", len(added) - 2, added.strip()), ("user", 5, "three")]


def test_turns_that_were_looked_up_are_segments_and_the_others_fell_out():
    data = strip(history=RelevantTurns(lambda question, turns: [0], max_history=0))
    assert [text for _, _, text in words(data)] == ["Be brief.", "one", "ONE!", "three"]
    assert [said.text for said in data.fallen] == ["two", "TWO!"]


def test_empty_messages_and_a_base_model_are_no_trouble():
    assert [text for _, _, text in words(strip([message("user", ""), message("assistant", "A")]))] == ["A"]
    data = prompt_strip_data(MESSAGES, ByteTokenizer(is_chat=False))
    assert sum(n for _, n, _ in words(data)) + data.n_tokens("template") == data.n_prompt


def test_without_a_number_the_bar_is_the_context_of_smollm2_and_the_reply_gets_what_a_chat_keeps_free():
    data = strip()
    assert (data.max_length, data.n_tokens("reply")) == (8192, RESERVED_FOR_REPLY)


def test_what_cannot_be_measured_is_one_sentence():
    with pytest.raises(ContextError, match="shorten the system message"):
        strip(max_length=40)
    with pytest.raises(ContextError, match="reserved=50 leaves no room in max_length=50"):
        strip(max_length=50, reserved=50)
    with pytest.raises(SettingsError, match="max_length=0 is not allowed"):
        strip(max_length=0)
    with pytest.raises(SettingsError, match="reserved=-1 is not allowed"):
        strip(reserved=-1)
    with pytest.raises(MessageError, match="a tokenizer is needed"):
        prompt_strip_data(MESSAGES)


# --- data from a trace


def chat_trace(**parts):
    chat = Chat(ScriptedBackbone("Fine."), system="Be brief.", settings=GenerationSettings(max_new_tokens=20), **parts)
    for text in ("one", "two", "three"):
        chat.send(text)
    return chat.last_reply.trace


def test_a_trace_gives_the_same_strip_as_its_messages():
    trace = chat_trace(history=LastTurns(1))
    by_messages = strip(trace.messages, max_length=500, history=LastTurns(1), reserved=20)
    assert prompt_strip_data(trace, TOKENIZER, max_length=500) == by_messages
    without = prompt_strip_data(trace, max_length=500)
    assert without.segments == by_messages.segments
    assert [said.n_tokens for said in without.fallen] == [None, None]


def test_without_a_length_the_bar_of_a_trace_is_its_own_max_length_or_prompt_and_reply():
    trace = chat_trace()
    data = prompt_strip_data(trace)
    assert data.max_length == data.n_prompt + 20 and data.n_tokens("free") == 0
    trace.settings = {"max_length": 400, "max_new_tokens": None}
    data = prompt_strip_data(trace)
    assert (data.max_length, data.n_tokens("reply")) == (400, RESERVED_FOR_REPLY)


def test_passages_are_told_apart_from_the_question_exactly_with_a_tokenizer_and_nearly_without():
    passage = Passage("Logits are numbers – many.", "a.md", "line 1")
    trace = chat_trace(retriever=lambda text: [Hit(passage, 1.0)])
    exact, near = prompt_strip_data(trace, TOKENIZER), prompt_strip_data(trace)
    assert exact.n_prompt == near.n_prompt == len(trace.input_ids)
    newest = [part for part in exact.segments if part.kind == "user"][-1]
    assert (newest.text, newest.n_tokens) == ("three", 5)
    passages = [part for part in exact.segments if part.kind == "passages"]
    assert passages[0].n_tokens == len(passages[0].text.encode()) and "Logits are numbers" in passages[0].text
    assert not passages[0].is_estimate
    guess = next(part for part in near.segments if part.kind == "passages")
    assert guess.is_estimate and abs(guess.n_tokens - passages[0].n_tokens) <= 2
    assert f"≈{guess.n_tokens}" in prompt_strip_html(near) and "≈" not in prompt_strip_html(exact)


def test_a_trace_without_a_prompt_has_only_room():
    blocked = Trace(model="toy", engine="transformers", settings={}, user_message="Hi")
    data = prompt_strip_data(blocked, max_length=100)
    assert [(part.kind, part.n_tokens) for part in data.segments] == [("reply", 64), ("free", 36)]
    assert "The prompt: 0 of 100 tokens" in prompt_strip_html(data)


def test_a_prompt_that_is_too_long_for_the_bar_says_so():
    data = prompt_strip_data(chat_trace(), max_length=60)
    assert data.n_prompt > 60 and data.n_tokens("reply", "free") == 0
    assert f"{data.n_prompt - 60} tokens too many" in prompt_strip_html(data)


# --- drawing


def test_every_kind_has_a_colour_a_pattern_and_its_number_as_text():
    data = PromptStrip(tuple(Segment(kind, 1000 + n) for n, kind in enumerate(KINDS)), (), 8028)
    drawn = prompt_strip_html(data)
    for n, (kind, name) in enumerate(KINDS.items()):
        assert f'nc-ps-{kind}"></i>{name} <b>1,00{n}</b>' in drawn
    patterns = re.findall(r"\.nc-ps-(\w+)::after\{background:([^}]+)\}", drawn)
    assert {kind for kind, _ in patterns} >= set(KINDS)
    assert len({re.sub(r"rgba?\([\d,.]+\)", "", pattern) for _, pattern in patterns}) == len(KINDS)


def lengths(drawn):
    return [(kind, int(n)) for kind, n in re.findall(r'<i class="nc-ps-(\w+)[^"]*" style="flex-grow:(\d+)"', drawn)]


def test_pieces_are_as_long_as_their_tokens_but_much_free_room_is_drawn_shorter_and_says_so():
    data = strip(max_length=200, reserved=20)
    assert lengths(prompt_strip_html(data)) == [(part.kind, part.n_tokens) for part in data.segments]
    assert "drawn shorter" not in prompt_strip_html(data)
    wide = strip(max_length=8192, reserved=20)
    drawn = prompt_strip_html(wide)
    assert lengths(drawn)[-1] == ("free", wide.n_prompt + 20)
    assert "drawn shorter" in drawn and f"<b>{wide.n_tokens('free'):,}</b>" in drawn


def test_what_fell_out_is_struck_through_with_its_place_in_the_order():
    drawn = prompt_strip_html(strip(history=LastTurns(0)))
    assert re.findall(r"<li>(\d+)\. <s>([^<]*)</s>", drawn) == [
        ("1", "user: one"), ("2", "assistant: ONE!"), ("3", "user: two"), ("4", "assistant: TWO!"),
    ]  # fmt: skip
    assert "Fell out" not in prompt_strip_html(strip())


def test_of_many_messages_the_newest_are_listed_and_the_others_counted():
    many = [message("user", f"q{n}") for n in range(40)]
    drawn = prompt_strip_html(strip(many, history=LastTurns(14)))
    assert "… 15 messages before these" in drawn and "16. <s>user: q15</s>" in drawn
    assert "… 5 more before these" in drawn
    assert "more before" not in prompt_strip_html(strip(many, history=LastTurns(14)), with_messages=False)


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "\"'><img src=x>", "a\u202eb", "x" * 9999, "</style>"])
def test_hostile_text_is_shown_as_text(text):
    messages = [message("user", text), message("assistant", text), message("user", text)]
    drawn = prompt_strip_html(strip(messages, max_length=40_000, history=LastTurns(0)))
    assert "<script" not in drawn and "<img" not in drawn and "\u202e" not in drawn
    assert drawn.count("<style") == drawn.count("</style>") == 2
    assert len(drawn) < 20_000


def test_two_hundred_turns_are_drawn_with_a_piece_for_each_message():
    turns = [[message("user", f"question {n}, please?"), message("assistant", f"answer {n}.")] for n in range(200)]
    data = strip([said for turn in turns for said in turn], max_length=40_000)
    assert len(data.segments) > 800
    assert len(prompt_strip_html(data)) < 200_000


def test_a_strategy_that_returns_no_fitted_is_told_so():
    with pytest.raises(SettingsError, match="must return Fitted"):
        prompt_strip_data(MESSAGES, TOKENIZER, history=lambda messages, count_tokens, max_tokens: messages)
