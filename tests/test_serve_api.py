"""The API as its users see it: the real openai client for every call and every error, and curl for a stream."""

import json
import math
import subprocess
import threading
from types import SimpleNamespace

import httpx
import openai
import pytest
from scripted import ByteTokenizer, ScriptedBackbone
from serving import HELLO, body_of, echo, endless, run_async, served, until

from nanochat_helpers.chat import DEFAULT_SYSTEM, Chat
from nanochat_helpers.serve.api import make_app
from nanochat_helpers.serve.background import BackgroundServer
from nanochat_helpers.serve.requests import Limits
from nanochat_helpers.serve.responses import stop_string_of
from nanochat_helpers.serve.worker import ModelWorker
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.trace import Trace

TEXT = "Hello, dear café friend."


@pytest.fixture(scope="module")
def server():
    with served(ScriptedBackbone(TEXT)) as server:
        yield server


@pytest.fixture(scope="module")
def llama(llama_cpp_backbone):
    with served(llama_cpp_backbone) as server:
        yield server


def client_of(server, **parts):
    plain = openai.DefaultHttpxClient(verify=False)  # certificates would take longer to load than a reply to write
    usual = {"base_url": server.url, "api_key": "none", "max_retries": 0, "timeout": 30, "http_client": plain}
    return openai.OpenAI(**usual | parts)


def ask(server, messages=HELLO, *, model="scripted", **fields):
    with client_of(server) as client:
        return client.chat.completions.create(model=model, messages=messages, **fields)


def stream(server, messages=HELLO, *, model="scripted", **fields):
    with client_of(server) as client:
        return list(client.chat.completions.create(model=model, messages=messages, stream=True, **fields))


def refused(server, kind, messages=HELLO, *, model="scripted", **fields):
    with pytest.raises(kind) as error:
        ask(server, messages, model=model, **fields)
    assert error.value.body["message"].endswith(".")
    assert set(error.value.body) == {"message", "type", "param", "code"}
    return error.value


# --- a reply


def test_a_reply_has_openais_shape(server):
    reply = ask(server)
    choice = reply.choices[0]
    assert (reply.object, reply.model, len(reply.choices)) == ("chat.completion", "scripted", 1)
    assert reply.id.startswith("chatcmpl-")
    assert isinstance(reply.created, int)
    assert (choice.message.role, choice.message.content, choice.message.refusal) == ("assistant", TEXT, None)
    assert (choice.index, choice.finish_reason, choice.logprobs, choice.stop_reason) == (0, "stop", None, None)
    assert reply.usage.completion_tokens == len(TEXT.encode()) + 1  # and the end token
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + reply.usage.completion_tokens
    assert "trace" not in reply.model_extra


def test_a_stream_has_openais_shape_and_gives_the_same_text(server):
    chunks = stream(server)
    first, *middle, last = chunks
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1
    assert first.object == "chat.completion.chunk"
    assert (first.choices[0].delta.role, first.choices[0].delta.content) == ("assistant", "")
    assert "".join(chunk.choices[0].delta.content for chunk in middle) == TEXT == ask(server).choices[0].message.content
    assert {chunk.choices[0].finish_reason for chunk in [first, *middle]} == {None}
    assert (last.choices[0].delta.content, last.choices[0].finish_reason) == (None, "stop")
    assert {chunk.usage for chunk in chunks} == {None}


def test_the_clients_own_helper_for_streams_understands_it(server):
    with client_of(server) as client, client.chat.completions.stream(model="scripted", messages=HELLO) as events:
        reply = events.get_final_completion()
    assert reply.choices[0].message.content == TEXT


def test_a_stream_counts_tokens_where_it_is_asked_to(server):
    *chunks, last = stream(server, stream_options={"include_usage": True})
    assert {chunk.usage for chunk in chunks} == {None}
    assert last.choices == []
    assert last.usage == ask(server).usage


def test_an_asynchronous_client_gets_the_same(server):
    async def talk():
        async with openai.AsyncOpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
            return await client.chat.completions.create(model="scripted", messages=HELLO)

    assert run_async(talk()).choices[0].message.content == TEXT


@pytest.mark.parametrize("length", [{"max_tokens": 5}, {"max_completion_tokens": 5}])
def test_the_length_limit_is_told(server, length):
    reply = ask(server, **length)
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == (TEXT[:5], "length")
    assert reply.usage.completion_tokens == 5


@pytest.mark.parametrize("stop", [" dear", [" dear"], ["friend", " dear"], [" d", " dear"]])
def test_a_stop_string_ends_the_reply_and_is_named(server, stop):
    choice = ask(server, stop=stop).choices[0]
    named = stop if isinstance(stop, str) else next(text for text in stop if " dear".startswith(text))
    assert (choice.message.content, choice.finish_reason, choice.stop_reason) == ("Hello,", "stop", named)
    chunks = stream(server, stop=stop)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello,"
    assert chunks[-1].choices[0].stop_reason == named


def test_of_several_stop_strings_in_one_token_the_one_that_cut_the_text_is_named():
    tokens = [SimpleNamespace(token_id=byte) for byte in b"abcd"]
    trace = SimpleNamespace(tokens=tokens, raw_text="ab", settings={"stop": ["d", "cd"]})
    assert stop_string_of(SimpleNamespace(trace=trace), ByteTokenizer()) == "cd"


def test_a_base_model_stops_where_its_script_goes_on():
    with served(ScriptedBackbone("Fine.\nUser: And", tokenizer=ByteTokenizer(is_chat=False))) as server:
        choice = ask(server).choices[0]
    assert (choice.message.content, choice.stop_reason) == ("Fine.", "\nUser:")


def test_it_is_the_reply_of_a_chat_with_these_settings(llama, llama_cpp_backbone):
    settings = GenerationSettings(seed=3, temperature=1.3, top_p=0.8, max_new_tokens=12, repetition_penalty=1.1)
    chat = Chat(llama_cpp_backbone, system="Be brief.", settings=settings)
    chat.send("Hi")  # from now on llama.cpp keeps the same text before each of the three
    chat.reset()
    written = "".join(chat.stream("Hi"))
    messages = [{"role": "developer", "content": "Be brief."}, {"role": "user", "content": [text_part("Hi")]}]
    fields = {"seed": 3, "temperature": 1.3, "top_p": 0.8, "max_tokens": 12, "extra_body": {"repetition_penalty": 1.1}}
    assert ask(llama, messages, model="smollm2", **fields).choices[0].message.content == written
    chunks = stream(llama, messages, model="smollm2", **fields)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == written


def text_part(text):
    return {"type": "text", "text": text}


def test_our_own_settings_and_the_trace_come_through(server):
    own = {"top_k": 7, "min_p": 0.1, "repetition_penalty": 1.5, "penalise_prompt": False, "trace": True}
    trace = ask(server, max_tokens=3, seed=5, temperature=0.5, top_p=0.5, extra_body=own).trace
    knobs = {**own, "max_new_tokens": 3, "seed": 5, "temperature": 0.5, "top_p": 0.5}
    del knobs["trace"]
    assert knobs.items() <= trace["settings"].items()
    assert trace["messages"][0] == {"role": "system", "content": DEFAULT_SYSTEM}


def test_the_trace_can_be_loaded_as_the_one_of_a_chat(server, tmp_path):
    whole = ask(server, extra_body={"trace": True}).trace
    (tmp_path / "trace.json").write_text(json.dumps(whole), encoding="utf-8")
    assert Trace.load(tmp_path / "trace.json").text == TEXT
    for options in (None, {"include_usage": True}):
        *others, last = stream(server, extra_body={"trace": True, "stream_options": options})
        assert last.trace["text"] == TEXT
        assert not any("trace" in chunk.model_extra for chunk in others)


def test_the_conversation_is_in_the_prompt_and_what_does_not_fit_is_dropped():
    told = [{"role": "user", "content": "My name is Ada."}, {"role": "assistant", "content": "Hi Ada."}]
    backbone = ScriptedBackbone("Yes.", context_length=400)
    with served(backbone) as server:
        trace = ask(server, [*told, *HELLO], extra_body={"trace": True}).trace
        assert trace["kept"][1:] == [*told, *HELLO]
        trace = ask(server, [*told * 10, *HELLO], extra_body={"trace": True}).trace
        assert trace["dropped"]
        assert trace["kept"][-1] == HELLO[0]
        error = refused(server, openai.BadRequestError, [{"role": "user", "content": "x" * 500}])
        assert error.code == "context_length_exceeded"
        with pytest.raises(openai.BadRequestError, match="shorter"):
            stream(server, [{"role": "user", "content": "x" * 500}])


# --- probabilities


def test_logprobs_are_the_models_own_probabilities(server):
    content = ask(server, logprobs=True, top_logprobs=2).choices[0].logprobs.content
    assert [entry.bytes for entry in content] == [[byte] for byte in TEXT.encode()]
    assert content[0].token == content[0].top_logprobs[0].token == "H"
    assert content[0].logprob == content[0].top_logprobs[0].logprob == pytest.approx(0, abs=1e-4)
    assert {len(entry.top_logprobs) for entry in content} == {2}
    assert content[0].top_logprobs[1].logprob < -30
    assert {len(entry.top_logprobs) for entry in ask(server, logprobs=True).choices[0].logprobs.content} == {0}


def test_a_stream_gives_the_same_logprobs_token_by_token(server):
    chunks = stream(server, logprobs=True, top_logprobs=1)
    told = [entry for chunk in chunks if (found := chunk.choices[0].logprobs) for entry in found.content]
    assert told == ask(server, logprobs=True, top_logprobs=1).choices[0].logprobs.content


def test_logprobs_of_llama_cpp_are_those_of_its_tokens(llama, llama_cpp_backbone):
    fields = {"model": "smollm2", "max_tokens": 6, "temperature": 0, "logprobs": True, "top_logprobs": 3}
    reply = ask(llama, **fields)
    content = reply.choices[0].logprobs.content
    assert "".join(entry.token for entry in content) == reply.choices[0].message.content
    assert len(content) == 6
    for entry in content:
        logprobs = [top.logprob for top in entry.top_logprobs]
        assert logprobs == sorted(logprobs, reverse=True)
        assert len(logprobs) == 3
        assert entry.logprob == pytest.approx(logprobs[0], abs=1e-3)  # greedy: the likeliest was taken
        assert sum(map(math.exp, logprobs)) <= 1.001
        assert entry.top_logprobs[0].token == entry.token


# --- models and health


def test_the_list_of_models_has_the_one_and_its_context(server):
    with client_of(server) as client:
        models = client.models.list().data
        assert [(model.id, model.object, model.context_length) for model in models] == [("scripted", "model", 2000)]
        assert client.models.retrieve("scripted") == models[0]
        with pytest.raises(openai.NotFoundError) as error:
            client.models.retrieve("gpt-5")
    assert error.value.code == "model_not_found"


def test_health_needs_no_key_and_tells_how_many_wait():
    worker = ModelWorker(endless())
    with served(worker, api_key="secret") as server:
        answers = [worker.stream(HELLO) for _ in range(3)]
        assert until(lambda: worker.waiting == 2)
        health = httpx.get(f"{server.url.removesuffix('/v1')}/health")
        assert health.json() == {"status": "ok", "model": "scripted", "waiting": 2}
        for answer in answers:
            answer.cancel()


# --- errors, as the client raises them


def test_an_unknown_model_is_not_found(server):
    error = refused(server, openai.NotFoundError, model="gpt-5")
    assert (error.code, error.param) == ("model_not_found", "model")
    assert "'scripted'" in str(error)


@pytest.mark.parametrize("stream", [False, True])
def test_a_full_line_is_a_rate_limit_with_the_time_to_wait(stream):
    worker = ModelWorker(endless(), max_waiting=1)
    with served(worker) as server:
        answers = [worker.stream(HELLO), worker.stream(HELLO)]
        error = refused(server, openai.RateLimitError, stream=stream)
        assert 1 <= int(error.response.headers["retry-after"]) <= 60
        assert error.code == "rate_limit_exceeded"
        for answer in answers:
            answer.cancel()


def test_the_client_waits_and_asks_again_as_it_is_told():
    worker = ModelWorker(endless(), max_waiting=0)
    with served(worker) as server, client_of(server, max_retries=3) as client:
        worker._seconds = 0.0  # "in about 1 second"
        answer = worker.stream(HELLO)
        threading.Timer(0.3, answer.cancel).start()
        reply = client.chat.completions.create(model="scripted", messages=HELLO, max_tokens=2)
    assert reply.choices[0].message.content == ".."


@pytest.mark.parametrize("key", ["none", "", "wrong", "secre", "secret2", "gehëim"])
def test_a_wrong_key_is_an_authentication_error(key):
    with served(ScriptedBackbone(TEXT), api_key="secret") as server:
        answer = httpx.get(f"{server.url}/models", headers={"Authorization": f"Bearer {key}".strip().encode()})
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
        with client_of(server, api_key="wrong") as client, pytest.raises(openai.AuthenticationError):
            client.chat.completions.create(model="scripted", messages=HELLO)


@pytest.mark.parametrize("key", ["secret", "gehëim"])
def test_with_the_right_key_all_is_well(key):
    with served(ScriptedBackbone(TEXT), api_key=key) as server:
        answer = httpx.get(f"{server.url}/models", headers={"Authorization": f"Bearer {key}".encode()})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"presence_penalty": -1}, "presence_penalty"),
        ({"logit_bias": {"5": 3}}, "logit_bias"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"seed": -1}, "seed"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"max_tokens": 10**9}, "max_tokens"),
        ({"stop": ""}, "stop"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 99}, "top_logprobs"),
        ({"stop": ["x"] * 17}, "stop"),
        ({"stop": "x" * 201}, "stop"),
        ({"extra_body": {"top_k": -1}}, "top_k"),
        ({"extra_body": {"repetition_penalty": 0}}, "repetition_penalty"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_refused_and_named(server, fields, param):
    assert refused(server, openai.BadRequestError, **fields).param == param


def test_what_asks_for_nothing_is_taken(server):
    harmless = {
        "n": 1, "tools": [], "response_format": {"type": "text"}, "frequency_penalty": 0, "presence_penalty": 0.0,
        "logit_bias": {}, "user": "me", "metadata": {"a": "b"}, "store": False, "temperature": None, "stop": None,
        "extra_body": {"something_new": [1]},
    }  # fmt: skip
    assert ask(server, **harmless).choices[0].message.content == TEXT


def test_a_limit_can_be_set():
    with served(ScriptedBackbone(TEXT), limits=Limits(max_tokens=4, messages=1, characters=10)) as server:
        assert ask(server).usage.completion_tokens == 4
        assert refused(server, openai.BadRequestError, max_tokens=5).param == "max_tokens"
        assert refused(server, openai.BadRequestError, HELLO * 2).param == "messages"
        long = [{"role": "user", "content": [text_part("x" * 6)] * 2}]
        assert refused(server, openai.BadRequestError, long).param == "messages[0].content"


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v2", 404), ("GET", "/v1/chat/completions", 405)])
def test_an_unknown_address_is_answered_in_the_same_shape(server, method, path, status):
    answer = httpx.request(method, server.url.removesuffix("/v1") + path)
    assert answer.status_code == status
    assert path in answer.json()["error"]["message"]


def test_a_defect_of_ours_is_told_and_logged_without_the_clients_words(caplog):
    def broken(input_ids):
        raise ValueError("what a client said\nINFO all is well")

    with served(ScriptedBackbone(broken)) as server:
        error = refused(server, openai.InternalServerError)
        with pytest.raises(openai.APIError, match="ValueError"):
            stream(server)
    assert error.status_code == 500
    assert "INFO" not in error.body["message"]
    assert "\nINFO" not in caplog.text
    assert "in broken" in caplog.text


# --- curl, and the thread


def test_curl_sees_one_event_a_token_and_done_at_the_end(server):
    url, data = f"{server.url}/chat/completions", body_of(stream=True, max_tokens=3).decode()
    command = ["curl", "-sN", url, "-H", "Content-Type: application/json", "-d", data, "-D", "-"]
    head, _, body = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.partition("\n\n")
    assert "content-type: text/event-stream" in head.lower()
    events = body.strip().split("\n\n")
    assert all(event.startswith("data: ") for event in events)
    assert events[-1] == "data: [DONE]"
    written = [json.loads(event.removeprefix("data: "))["choices"][0]["delta"] for event in events[:-1]]
    assert [delta.get("content") for delta in written] == ["", *TEXT[:3], None]


def test_one_worker_can_serve_two_apps_and_an_app_can_start_twice():
    worker = ModelWorker(echo())
    app = make_app(worker)
    for _ in range(2):
        with BackgroundServer(app) as one, served(worker) as other:
            assert [ask(server).choices[0].message.content for server in (one, other)] == ["Hi", "Hi"]
