"""Step 5, the loop: when it ends, what it shows and when, its luck, and that it is `generate`, token by token."""

import dataclasses
import threading

import pytest
import torch
from scripted import IM_END, VOCAB_SIZE, ByteTokenizer, ScriptedBackbone, almost_certain

from nanochat_helpers.errors import CannotChatError, ContextError, SettingsError, TokenError
from nanochat_helpers.generation import TOP_TOKENS, new_seed, stream
from nanochat_helpers.prompts import encode_prompt
from nanochat_helpers.sampling import draw, luck, process_logits, to_probs
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.stopping import room_for_reply

PROMPT = list(b"Hi")
ENGINES = ("transformers", "llama.cpp")


def run(script, settings=None, **backbone):
    return list(stream(ScriptedBackbone(script, **backbone), PROMPT, settings or GenerationSettings()))


def text_of(steps):
    return "".join(step.text for step in steps)


def even_logits(input_ids):
    """Many tokens are about as likely, and which ones depends on the last token: luck decides."""
    return torch.sin(torch.arange(VOCAB_SIZE) * (1 + input_ids[-1] / 100))


# --- how a reply ends


@pytest.mark.parametrize("engine", ENGINES)
def test_the_end_token_ends_the_reply_and_is_not_shown(engine):
    steps = run("Hello.", engine=engine)
    assert text_of(steps) == "Hello."
    assert [step.finish_reason for step in steps] == [None] * 6 + ["stop"]
    assert (steps[-1].token_id, steps[-1].text) == (IM_END, "")


@pytest.mark.parametrize("engine", ENGINES)
def test_the_end_token_is_shown_where_special_tokens_are_not_skipped(engine):
    backbone = ScriptedBackbone("Hi", engine=engine)
    steps = list(stream(backbone, PROMPT, GenerationSettings(), skip_special_tokens=False))
    assert text_of(steps) == "Hi<|im_end|>"
    assert steps[-1].finish_reason == "stop"


def test_any_of_several_end_tokens_ends_the_reply():
    backbone = ScriptedBackbone("Hello.")
    backbone.eos_token_ids = frozenset([IM_END, ord("l")])
    steps = list(stream(backbone, PROMPT, GenerationSettings()))
    assert text_of(steps) == "He"
    assert steps[-1].finish_reason == "stop"


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("knobs", "expected", "finish_reason"),
    [
        ({"max_new_tokens": 3}, "Hel", "length"),
        ({"max_new_tokens": 1}, "H", "length"),
        ({"max_new_tokens": 6}, "Hello.", "length"),
        ({"max_new_tokens": 7}, "Hello.", "stop"),  # the end token is a token, too
        ({"max_length": 5}, "Hel", "length"),  # the prompt has two
        ({"max_length": 5, "max_new_tokens": 4}, "Hell", "length"),
    ],
)
def test_the_reply_ends_at_its_length(engine, knobs, expected, finish_reason):
    steps = run("Hello.", GenerationSettings(**knobs), engine=engine)
    assert text_of(steps) == expected
    assert steps[-1].finish_reason == finish_reason
    assert all(step.finish_reason is None for step in steps[:-1])


def test_without_a_limit_a_reply_has_256_tokens():
    assert len(run("Hello.", ends=False)) == 256


def test_max_length_that_the_prompt_uses_up_is_an_error_that_says_so():
    with pytest.raises(SettingsError, match=r"^max_length=2 counts the prompt, too, which already has 2 tokens"):
        run("Hello.", GenerationSettings(max_length=2))


def test_the_context_is_never_exceeded():
    backbone = ScriptedBackbone("Hello.", context_length=6, ends=False)
    steps = list(stream(backbone, PROMPT, GenerationSettings(max_new_tokens=100)))
    assert len(steps) == 4
    assert steps[-1].finish_reason == "length"
    assert max(map(len, backbone.calls)) < 6


@pytest.mark.parametrize("context_length", [1, 2])
def test_a_prompt_that_fills_the_context_is_refused(context_length):
    with pytest.raises(ContextError, match=f"prompt has 2 tokens, but scripted takes {context_length}"):
        run("Hello.", context_length=context_length)


def test_room_for_reply_is_what_settings_and_context_allow():
    backbone = ScriptedBackbone("", context_length=100)
    assert room_for_reply(backbone, 10, GenerationSettings(max_new_tokens=20)) == 20
    assert room_for_reply(backbone, 90, GenerationSettings(max_new_tokens=20)) == 10
    assert room_for_reply(backbone, 99, GenerationSettings()) == 1
    assert room_for_reply(backbone, 10, GenerationSettings(max_length=1000)) == 90


def test_an_encoder_is_refused_with_the_reason():
    with pytest.raises(CannotChatError, match=r"scripted is an encoder: .* cannot write"):
        run("Hello.", family="encoder")


# --- cancel


@pytest.mark.parametrize("engine", ENGINES)
def test_cancel_ends_the_reply_at_the_next_token_without_a_reason(engine):
    cancel, seen = threading.Event(), []
    for step in stream(ScriptedBackbone("Hello.", engine=engine), PROMPT, GenerationSettings(), cancel=cancel):
        seen.append(step)
        if len(seen) == 3:
            cancel.set()
    assert text_of(seen) == "Hel"
    assert seen[-1].finish_reason is None


def test_cancel_before_the_first_token_writes_nothing_and_asks_the_model_nothing():
    cancel = threading.Event()
    cancel.set()
    backbone = ScriptedBackbone("Hello.")
    assert list(stream(backbone, PROMPT, GenerationSettings(), cancel=cancel)) == []
    assert backbone.calls == []


def test_the_model_works_only_when_the_next_token_is_asked_for():
    backbone = ScriptedBackbone("Hello.")
    steps = stream(backbone, PROMPT, GenerationSettings())
    assert backbone.calls == []
    next(steps)
    assert len(backbone.calls) == 1
    steps.close()
    assert len(backbone.calls) == 1


# --- stop strings


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("script", "stop", "expected", "finish_reason"),
    [
        ("Fine.\nUser: And", ("\nUser:",), "Fine.", "stop_string"),  # one token is one byte: it comes in six parts
        ("Fine.\nUsual.", ("\nUser:",), "Fine.\nUsual.", "stop"),
        ("Fine.\nUse", ("\nUser:",), "Fine.\nUse", "stop"),  # what waited is shown at the end
        ("\nUser:", ("\nUser:",), "", "stop_string"),
        ("aaab!", ("aab",), "a", "stop_string"),  # the start of the first try is not lost
        ("ababac", ("abac",), "ab", "stop_string"),
        ("one two", ("two", "one"), "", "stop_string"),
        ("café!", ("é",), "caf", "stop_string"),
        ("Hi. ", (" ",), "Hi.", "stop_string"),
    ],
)
def test_a_stop_string_ends_the_reply_and_none_of_it_is_shown(engine, script, stop, expected, finish_reason):
    steps = run(script, GenerationSettings(stop=stop), engine=engine)
    assert text_of(steps) == expected
    assert steps[-1].finish_reason == finish_reason


def test_a_stop_string_at_the_length_limit_counts_as_a_stop_string():
    steps = run("ab!", GenerationSettings(stop=("b",), max_new_tokens=2))
    assert (text_of(steps), steps[-1].finish_reason) == ("a", "stop_string")


def test_text_that_waits_for_a_stop_string_is_shown_when_the_length_is_up():
    steps = run("Fine.\nUser", GenerationSettings(stop=("\nUser:",), max_new_tokens=8))
    assert (text_of(steps), steps[-1].finish_reason) == ("Fine.\nUs", "length")


def test_nothing_is_shown_that_a_later_token_could_take_back():
    steps = run("a\nUs!", GenerationSettings(stop=("\nUser:",)))
    assert [step.text for step in steps] == ["a", "", "", "", "\nUs!", ""]


# --- characters


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("text", ["é", "Hi 😀!", "汉字", "👩‍👩‍👧", "a\u0301"])
def test_half_a_character_is_never_shown(engine, text):
    steps = run(text, engine=engine)
    assert text_of(steps) == text
    assert not any("\ufffd" in step.text for step in steps)
    assert all(len(step.text) <= 1 for step in steps)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_character_that_the_length_cuts_is_shown_as_damaged_and_only_at_the_end(engine):
    steps = run("a😀", GenerationSettings(max_new_tokens=3), engine=engine)
    assert [step.text for step in steps] == ["a", "", "\ufffd"]


def test_a_special_token_in_the_middle_is_not_shown():
    ids = [ord("a"), 256, ord("b"), IM_END]
    backbone = ScriptedBackbone(lambda input_ids: almost_certain(ids[len(input_ids) - len(PROMPT)]))
    steps = list(stream(backbone, PROMPT, GenerationSettings()))
    assert [step.text for step in steps] == ["a", "", "b", ""]


# --- luck


def replies(settings, n=2):
    return [run(even_logits, settings) for _ in range(n)]


def ids_of(steps):
    return [step.token_id for step in steps]


def test_the_same_seed_gives_the_same_reply_and_another_seed_another():
    settings = GenerationSettings(temperature=1.0, seed=7, max_new_tokens=40)
    first, second = replies(settings)
    assert ids_of(first) == ids_of(second)
    assert [step.u for step in first] == luck(7, 40)[: len(first)]
    assert ids_of(run(even_logits, settings.change(seed=8))) != ids_of(first)


def test_without_a_seed_each_reply_has_its_own_luck():
    first, second = replies(GenerationSettings(temperature=1.0, max_new_tokens=40))
    assert [step.u for step in first][:5] != [step.u for step in second][:5]
    assert len({new_seed() for _ in range(20)}) == 20


def test_the_luck_stays_when_a_knob_is_moved():
    settings = GenerationSettings(seed=3, max_new_tokens=20)
    hot, cold = run(even_logits, settings.change(temperature=2.0)), run(even_logits, settings.change(temperature=0.1))
    n = min(len(hot), len(cold))
    assert [step.u for step in hot][:n] == [step.u for step in cold][:n]


def test_each_step_says_how_its_token_was_chosen():
    settings = GenerationSettings(temperature=1.3, top_k=40, top_p=0.95, repetition_penalty=1.2, seed=1)
    steps = run(even_logits, settings.change(max_new_tokens=15))
    input_ids = list(PROMPT)
    for step in steps:
        logits = even_logits(input_ids)
        assert torch.equal(step.stages.logits, logits)
        assert torch.equal(step.stages.after_min_p, process_logits(logits, input_ids, settings).after_min_p)
        assert draw(step.stages.probs, step.u) == step.token_id
        assert step.prob == to_probs(logits)[step.token_id].item()  # the model's own, before any setting
        assert len(step.top_tokens) == TOP_TOKENS
        assert [prob for _, prob in step.top_tokens] == sorted((p for _, p in step.top_tokens), reverse=True)
        assert step.top_tokens[0][0] == logits.argmax()
        assert step.model_seconds >= 0
        input_ids.append(step.token_id)


def test_llama_cpp_keeps_its_logits_to_itself():
    step = run("Hi", engine="llama.cpp")[0]
    assert (step.prob, step.u, step.stages, step.top_tokens, step.model_seconds) == (0.5, None, None, (), None)


@pytest.mark.parametrize("knobs", [{"do_sample": False}, {"temperature": 0}])
def test_greedy_takes_the_most_likely_token_whatever_the_luck(knobs):
    steps = run(even_logits, GenerationSettings(max_new_tokens=20, **knobs))
    input_ids = list(PROMPT)
    for step in steps:
        assert step.token_id == even_logits(input_ids).argmax()
        input_ids.append(step.token_id)


def test_the_penalty_counts_the_prompt_only_if_told_to():
    a, b, c = ord("a"), ord("b"), ord("c")

    def prefers_a(input_ids):
        logits = torch.zeros(VOCAB_SIZE)
        logits[a], logits[b], logits[c] = 3.0, 2.0, 1.8
        return logits

    settings = GenerationSettings(temperature=0, repetition_penalty=2.0, max_new_tokens=3)
    prompt = list(b"a")

    def reply(penalise_prompt):
        backbone = ScriptedBackbone(prefers_a)
        return text_of(stream(backbone, prompt, settings.change(penalise_prompt=penalise_prompt)))

    assert reply(True) == "bca"  # a was used in the prompt
    assert reply(False) == "abc"


# --- the real model


def encoded(backbone, text):
    return encode_prompt([{"role": "user", "content": text}], backbone.tokenizer).input_ids


@pytest.mark.parametrize(
    ("text", "knobs"),
    [
        ("Tell me about the sea.", {}),
        ("Count from one to twenty.", {"repetition_penalty": 1.3}),
    ],
)
def test_greedy_is_transformers_generate_token_by_token(backbone, text, knobs):
    input_ids = encoded(backbone, text)
    steps = list(stream(backbone, input_ids, GenerationSettings(do_sample=False, max_new_tokens=40, **knobs)))
    theirs = backbone.model.generate(
        torch.tensor([input_ids]),
        attention_mask=torch.ones(1, len(input_ids), dtype=torch.long),
        do_sample=False,
        max_new_tokens=40,
        **knobs,
    )[0, len(input_ids) :].tolist()
    assert len(theirs) >= 30
    assert ids_of(steps) == theirs


def test_a_sampled_reply_of_the_real_model_can_be_drawn_again_from_its_steps(backbone):
    settings = GenerationSettings(temperature=1.0, top_k=50, seed=11, max_new_tokens=12)
    steps = list(stream(backbone, encoded(backbone, "Hi"), settings))
    assert [draw(step.stages.probs, step.u) for step in steps] == ids_of(steps)
    assert [step.u for step in steps] == luck(11, len(steps))
    again = list(stream(backbone, encoded(backbone, "Hi"), settings))
    assert ids_of(again) == ids_of(steps)


def test_the_steps_spell_what_the_tokenizer_decodes(backbone):
    settings = GenerationSettings(temperature=1.5, top_p=1.0, seed=5, max_new_tokens=25)
    steps = list(stream(backbone, encoded(backbone, "Write three emojis."), settings))
    assert text_of(steps) == backbone.tokenizer.decode(ids_of(steps), skip_special_tokens=True)


def test_a_step_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        run("Hi")[0].text = "Ho"


def test_a_base_models_tokenizer_works_as_well():
    steps = list(stream(ScriptedBackbone("Hi", tokenizer=ByteTokenizer(is_chat=False)), PROMPT, GenerationSettings()))
    assert text_of(steps) == "Hi"


@pytest.mark.parametrize("engine", ["transformers", "llama.cpp"])
@pytest.mark.parametrize("input_ids", ["Hi", [[1, 2]], ["Hi"], [1.5], [-1], [10**6]])
def test_what_are_no_token_ids_is_refused_before_the_model_sees_it(engine, input_ids):
    backbone = ScriptedBackbone("Hello.", engine=engine)
    with pytest.raises(TokenError):
        next(stream(backbone, input_ids, GenerationSettings()))
    assert not backbone.calls


def test_token_ids_of_numpy_and_torch_are_welcome():
    for input_ids in (torch.tensor([65, 66]), torch.tensor([65, 66]).numpy()):
        steps = list(stream(ScriptedBackbone("Hello."), input_ids, GenerationSettings(temperature=0)))
        assert "".join(step.text for step in steps) == "Hello."


def test_settings_that_are_none_are_one_sentence():
    with pytest.raises(SettingsError, match=r"must be GenerationSettings\(\.\.\.\), not \{'seed': 1\}"):
        next(stream(ScriptedBackbone("Hi"), PROMPT, {"seed": 1}))
