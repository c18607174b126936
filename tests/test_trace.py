"""The record of one reply: it says what happened, saves and loads back equal, and refuses what is no trace."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scripted import VOCAB_SIZE, ByteTokenizer, ScriptedBackbone

from nanochat_helpers.chat import Chat
from nanochat_helpers.errors import TraceError
from nanochat_helpers.generation import TOP_TOKENS, GenerationStep, stream
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.trace import STEPS, VERSION, Candidate, TokenRecord, Trace, record_token


def traced(script="Hé 😀 <b>.", engine="transformers", **knobs):
    chat = Chat(ScriptedBackbone(script, engine=engine), settings=GenerationSettings(seed=1, **knobs))
    return chat.send("Say “hi”\n<|im_end|>").trace


def saved(tmp_path, change):
    """A saved trace that was changed afterwards, as JSON data."""
    path = tmp_path / "trace.json"
    traced().save(path)
    path.write_text(json.dumps(change(json.loads(path.read_text("utf-8")))), "utf-8")
    return path


# --- saving and loading


@pytest.mark.parametrize("engine", ["transformers", "llama.cpp"])
def test_a_trace_loads_back_equal(tmp_path, engine):
    trace = traced(engine=engine, stop="x")
    trace.save(tmp_path / "trace.json")
    assert Trace.load(tmp_path / "trace.json") == trace
    assert Trace.load(str(tmp_path / "trace.json")) == trace


JSON_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(JSON_TEXT, st.lists(st.floats(allow_nan=False, allow_infinity=False)), st.integers(0, 10**12))
def test_any_text_and_number_survives(tmp_path_factory, text, numbers, token_id):
    path = tmp_path_factory.getbasetemp() / "any.json"
    candidates = [Candidate(token_id, text, [None, *numbers], 0.5)]
    trace = Trace(
        "m", "transformers", {"stop": [text]}, text, tokens=[TokenRecord(1, text, None, 0.1, candidates, 0.2)]
    )
    trace.save(path)
    assert Trace.load(path) == trace


def test_the_file_is_json_that_others_can_read(tmp_path):
    traced().save(tmp_path / "trace.json")
    data = json.loads((tmp_path / "trace.json").read_text("utf-8"))
    assert data["version"] == VERSION
    assert data["user_message"] == "Say “hi”\n<|im_end|>"
    assert data["settings"]["seed"] == 1
    assert "NaN" not in (tmp_path / "trace.json").read_text("utf-8")
    assert "Infinity" not in (tmp_path / "trace.json").read_text("utf-8")


def without(name):
    return lambda data: {key: value for key, value in data.items() if key != name}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data: data | {"version": VERSION + 1}, f"no trace of version {VERSION}"),
        (lambda data: data | {"version": str(VERSION)}, "no trace of version"),
        (without("version"), "no trace of version"),
        (lambda data: [data], "no trace of version"),
        (lambda data: None, "no trace of version"),
        (without("tokens"), "damaged"),
        (without("model"), "damaged"),
        (lambda data: data | {"colour": "red"}, "damaged"),
        (lambda data: data | {"tokens": 5}, "damaged"),
        (lambda data: data | {"tokens": [5]}, "damaged"),
        (lambda data: data | {"tokens": [{}]}, "damaged"),
        (lambda data: data | {"tokens": [data["tokens"][0] | {"candidates": [{}]}]}, "damaged"),
        (lambda data: data | {"tokens": [data["tokens"][0] | {"candidates": None}]}, "damaged"),
        (lambda data: data | {"text": 5}, "damaged"),
        (lambda data: data | {"edits": None}, "damaged"),
        (lambda data: data | {"seconds": []}, "damaged"),
        (lambda data: data | {"messages": "Hi"}, "damaged"),
    ],
)
def test_a_file_from_another_version_or_damaged_is_refused(tmp_path, change, why):
    path = saved(tmp_path, change)
    with pytest.raises(TraceError, match=why) as caught:
        Trace.load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"Hello", b"\xff\xfe", b'{"version": 1', b"[" * 100_000], ids=lambda content: content[:9]
)
def test_a_file_that_is_no_json_is_refused(tmp_path, content):
    path = tmp_path / "trace.json"
    path.write_bytes(content)
    with pytest.raises(TraceError, match="cannot be read as a trace"):
        Trace.load(path)


def test_a_file_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "trace.json"
    traced("Hi").save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(TraceError):
            Trace.load(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(TraceError, match="cannot be read as a trace") as caught:
            Trace.load(path)
        assert "Errno" not in str(caught.value)  # a number that tells a reader nothing


# --- what it records


def test_the_seven_steps_of_a_reply():
    trace = traced("Fine.", stop="x")
    assert list(trace.seconds) == list(STEPS)
    assert all(seconds >= 0 for seconds in trace.seconds.values())
    assert bytes(trace.user_ids).decode() == trace.user_message  # one token a byte
    assert len(trace.roles) == len(trace.input_ids)
    assert trace.messages[-1] == {"role": "user", "content": trace.user_message}
    assert trace.prompt.endswith("<|im_start|>assistant\n")
    assert trace.raw_text == "".join(token.text for token in trace.tokens) == "Fine."
    assert (trace.text, trace.finish_reason, trace.edits, trace.dropped) == ("Fine.", "stop", [], [])
    assert trace.settings["stop"] == ["x"]


def test_the_summary_has_a_row_for_each_step_and_names_what_happened():
    rows = traced(" Hi ").summary()
    assert [name for name, _, _ in rows] == list(STEPS)
    took_gave = {name: (took, gave) for name, took, gave in rows}
    assert took_gave["post-processing"] == ("'Hi'", "tidy_white_space")
    assert took_gave["delivery"] == ("'Hi'", "shown")
    assert "'stop'" in took_gave["generation control"][1]


def test_the_printed_trace_has_eight_lines():
    lines = str(traced("A long answer. " * 20)).splitlines()
    assert len(lines) == 1 + len(STEPS)
    assert lines[0] == "scripted with transformers"
    assert [line.split()[0] for line in lines[1:]] == list("1234567")
    assert all(line.endswith(" ms") for line in lines[1:])


def test_what_was_dropped_is_in_the_summary():
    trace = Trace("m", "transformers", {}, "Hi", dropped=[{"role": "user", "content": "a"}] * 2)
    assert "2 messages dropped" in {name: gave for name, _, gave in trace.summary()}["prompt construction"]


def test_the_traces_of_two_replies_share_nothing():
    a, b = Trace("m", "e", {}, "Hi"), Trace("m", "e", {}, "Hi")
    a.tokens.append(1)
    a.seconds["x"] = 1
    assert (b.tokens, b.seconds) == ([], {})


# --- one token


def step_of(logits, settings, token_id):
    top = torch.softmax(logits, -1).topk(3)
    top_tokens = tuple(zip(top.indices.tolist(), top.values.tolist(), strict=True))
    given = {"u": 0.5, "logits": logits, "settings": settings}
    return GenerationStep(token_id=token_id, text="b", prob=0.25, top_tokens=top_tokens, **given)


def test_a_token_is_recorded_with_its_rivals_and_what_became_of_each():
    logits = torch.full((VOCAB_SIZE,), -50.0)
    logits[ord("a")], logits[ord("b")], logits[ord("c")] = 2.0, 1.0, 0.0
    settings = GenerationSettings(temperature=0.5, top_k=2, top_p=1.0)
    record = record_token(step_of(logits, settings, ord("b")), ByteTokenizer(), 0.125)
    assert [(row.token_id, row.text) for row in record.candidates] == [(97, "a"), (98, "b"), (99, "c")]
    assert record.candidates[0].logits == [2.0, 2.0, 4.0, 4.0, 4.0, 4.0]
    assert record.candidates[2].logits == [0.0, 0.0, 0.0, None, None, None]
    assert record.candidates[2].prob == 0
    assert sum(row.prob for row in record.candidates) == pytest.approx(1, abs=1e-4)
    assert (record.token_id, record.prob, record.u, record.seconds) == (98, 0.25, 0.5, 0.125)


def test_the_chosen_token_is_among_the_candidates_however_unlikely():
    step = step_of(torch.arange(float(VOCAB_SIZE)) / 100, GenerationSettings(top_p=1.0), 5)
    record = record_token(step, ByteTokenizer(), 0.1)
    assert [row.token_id for row in record.candidates] == [257, 256, 255, 5]


def test_a_reply_of_the_real_model_keeps_only_the_top_tokens(backbone, tmp_path):
    settings = GenerationSettings(max_new_tokens=3, seed=1)
    steps = list(stream(backbone, backbone.tokenizer.encode("Once upon"), settings))
    for step in steps:
        record = record_token(step, backbone.tokenizer, 0.1)
        assert len(record.candidates) in (TOP_TOKENS, TOP_TOKENS + 1)
        assert record.prob == pytest.approx(step.prob, rel=1e-5)
        assert step.token_id in [row.token_id for row in record.candidates]


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "missing" / "trace.json", "a\0b"):
        with pytest.raises(TraceError, match="cannot be written to"):
            Trace("toy", "transformers", {}, "Hi").save(path)
