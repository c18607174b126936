"""What a client may send: whatever comes is either a request or refused with a sentence that names the field."""

import json

import pytest
from fastapi import HTTPException
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from nanochat_helpers.serve.requests import UNABLE, ChatRequest, Limits, messages_of, parse_request, settings_of
from nanochat_helpers.settings import GenerationSettings

USER = {"role": "user", "content": "Hi"}
LIMITS = Limits()
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def request(**fields):
    return parse_request(json.dumps({"model": "m", "messages": [USER], **fields}).encode(), LIMITS)


def refusal(**fields):
    with pytest.raises(HTTPException) as error:
        parsed = request(**fields)
        messages_of(parsed, LIMITS)
        settings_of(parsed, LIMITS)
    assert error.value.status_code == 400
    return error.value.detail["error"]


def test_what_is_not_set_has_the_usual_value():
    usual = GenerationSettings(max_new_tokens=256)
    assert settings_of(request(), LIMITS) == usual
    assert settings_of(request(temperature=None, stop=None, max_tokens=None), LIMITS) == usual
    assert settings_of(request(), Limits(max_tokens=10)).max_new_tokens == 10


def test_the_newer_name_of_the_length_wins():
    assert settings_of(request(max_tokens=5, max_completion_tokens=7), LIMITS).max_new_tokens == 7


def test_parts_of_text_become_lines_and_the_developer_is_the_system():
    parts = [{"type": "text", "text": "One"}, {"type": "text", "text": "two"}]
    told = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": parts, "name": "Ada"}]
    assert messages_of(request(messages=told), LIMITS) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One\ntwo"},
    ]


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"messages": 3}, "messages", "messages=3"),
        ({"messages": [3]}, "messages[0]", "an object"),
        ({"messages": [USER, {"content": "x"}]}, "messages[1].role", "missing"),
        ({"messages": [USER, {"role": "user"}]}, "messages[1].content", "missing"),
        ({"messages": [{"role": 5, "content": "x"}]}, "messages[0].role", "system, user or assistant"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "a text, or a list of parts"),
        ({"messages": [{"role": "user", "content": [5]}]}, "messages[0].content[0]", "an object"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content", "text only"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content", "'image_url'"),
        ({"messages": [{**USER, "tool_calls": [{}]}]}, "messages", "tools"),
        ({"messages": [{"role": "user", "content": "x" * 32_001}]}, "messages[0].content", "32000"),
        ({"messages": [USER] * 201}, "messages", "200"),
        ({"model": None}, "model", "GET /v1/models"),
        ({"stream": "yes"}, "stream", "true or false"),
        ({"stream": 1}, "stream", "true or false"),
        ({"stream_options": True}, "stream_options", "include_usage"),
        ({"stream_options": {"include_usage": 3}}, "stream_options.include_usage", "true or false"),
        ({"temperature": "0.7"}, "temperature", "a number"),
        ({"temperature": True}, "temperature", "a number"),
        ({"temperature": -0.5}, "temperature", "-0.5"),
        ({"temperature": 1e-9}, "temperature", "0.00001"),
        ({"max_tokens": 5.5}, "max_tokens", "a whole number"),
        ({"max_tokens": -5}, "max_tokens", "max_tokens=-5"),
        ({"max_completion_tokens": 0}, "max_completion_tokens", "1 or more"),
        ({"seed": "x"}, "seed", "a whole number"),
        ({"stop": 5}, "stop", "a list of texts"),
        ({"stop": ["a", 5]}, "stop[1]", "a text"),
        ({"stop": ["a", ""]}, "stop", "empty"),
        ({"top_k": 1.5}, "top_k", "a whole number"),
        ({"min_p": 2}, "min_p", "between 0 and 1"),
        ({"logprobs": 3}, "logprobs", "true or false"),
        ({"trace": "x"}, "trace", "true or false"),
        ({"n": 0}, "n", "one reply"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_mistake_is_told_with_the_field_and_what_it_must_be(fields, param, words):
    error = refusal(**fields)
    assert error["param"] == param
    assert words in error["message"]
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_a_field_that_must_be_there(missing):
    body = {"model": "m", "messages": [USER]}
    del body[missing]
    with pytest.raises(HTTPException) as error:
        parse_request(json.dumps(body).encode(), LIMITS)
    assert error.value.detail["error"]["message"].startswith(f"{missing} is missing")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"\xff\xfe", b'{"model": "\xff"}', b'{"model": "\\ud800", "messages": []}', b"[]", b"3", b"null",
        b"[" * 100_000, b'{"a":' * 100_000, b'{"model": NaN, "messages": []}', b"\x00", b"{}",
        b'{"model": "m", "messages": [], "temperature": NaN}', b'{"model": "m", "messages": [], "top_p": Infinity}',
        b'{"model": "m", "messages": [], "temperature": 1e999}', b'{"model": "m", "messages": [], "seed": 1e400}',
        b'{"model": "m", "messages": [], "n": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"model": "m", "messages": [], "seed": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:30]),
)  # fmt: skip
def test_a_body_that_is_no_request_is_refused(body):
    with pytest.raises(HTTPException) as error:
        parse_request(body, LIMITS)
    assert error.value.status_code == 400
    assert len(error.value.detail["error"]["message"]) < 300


@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"m","messages":[' + b"3," * 1000 + b"3]}",
        b'{"model":"m","messages":[],"stop":[' + b"3," * 1000 + b"3]}",
        b'{"model":"m","messages":[{"role":"user","content":[' + b"3," * 1000 + b"3]}]}",
    ],
)
def test_of_a_thousand_mistakes_only_the_first_is_looked_at(body):
    with pytest.raises(ValidationError) as error:
        ChatRequest.model_validate_json(body)
    assert error.value.error_count() <= 2  # one for each of the two things that the field may be


@settings(max_examples=50)
@given(ANYTHING)
def test_whatever_a_body_holds_it_is_a_request_or_refused(anything):
    check(json.dumps(anything))


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from([*ChatRequest.model_fields, "user"]), ANYTHING))
def test_whatever_a_field_holds_it_is_taken_or_refused(fields):
    check(json.dumps({"model": "m", "messages": [USER], **fields}))


@settings(max_examples=50)
@given(st.lists(st.dictionaries(st.sampled_from(["role", "content", "tool_calls"]), ANYTHING), max_size=3))
def test_whatever_the_messages_hold_they_are_taken_or_refused(messages):
    check(json.dumps({"model": "m", "messages": messages}))


@given(st.binary())
def test_whatever_bytes_come_they_are_refused(body):
    with pytest.raises(HTTPException):
        parse_request(body, LIMITS)


def check(body):
    try:
        parsed = parse_request(body.encode(), LIMITS)
        messages_of(parsed, LIMITS)
        assert isinstance(settings_of(parsed, LIMITS), GenerationSettings)
    except HTTPException as error:
        assert error.status_code == 400
        assert error.detail["error"]["message"].endswith(".")
        json.dumps(error.detail).encode()


def test_all_that_we_cannot_do_is_a_field_we_know():
    assert UNABLE.keys() <= ChatRequest.model_fields.keys()
