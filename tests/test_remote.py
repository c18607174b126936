"""A model on a server: what is asked, what comes back, and what each failure says. The client is the real one.

`Server` plays a server with faults that no real one shows on request. llama.cpp's own HTTP server is real.
"""

import gc
import json
import threading
import time
import types
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from nanochat_helpers import Chat, GenerationSettings, connect, stream
from nanochat_helpers.backbones.remote import DEFAULT_CONTEXT, RemoteBackbone
from nanochat_helpers.errors import ContextError, EngineError, ModelError, NanoChatError, RemoteError, SettingsError
from nanochat_helpers.history import RunningSummary
from nanochat_helpers.memory import summarise_with
from nanochat_helpers.views.xray import xray_html
from nanochat_helpers.views.xray_data import xray_data
from nanochat_helpers.widgets import chat_panel

KEY = "sk-a-secret-that-nobody-may-see"


class Server:
    """It says `pieces`, one event each, unless the next of `faults` says otherwise.

    faults: a status such as 429 (with `says` as the server's words), "silent" (no answer for a while), "cut" (the line
        is dead after the first piece), "endless" (no last event), "late cut" (nonsense behind it), "garbage" (no
        JSON), or None for a good answer.
    requests: the bodies that came; headers: the headers of each; models: what /v1/models lists, None for no list.
    """

    def __init__(self, pieces=("Hi", " there"), *, faults=(), models=({"id": "big"},), says="no", finish_reason="stop"):
        self.pieces, self.faults, self.models = pieces, list(faults), models
        self.says, self.finish_reason, self.stop_reason = says, finish_reason, None
        self.page: tuple[bytes, str] | None = None  # what it shows in place of its models and its errors, and its kind
        self.brackets = False  # Google's server puts its errors into a list
        self.requests, self.headers, self.hung_up, self.pause = [], [], threading.Event(), 0.0

    def __enter__(self):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"play": self}))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    play: Server

    def do_GET(self):
        self.play.headers.append({name.lower(): value for name, value in self.headers.items()})
        if self.play.page:
            return self._answer(200, self.play.page[0], kind=self.play.page[1])
        if self.play.models is None:
            return self._answer(404, b'{"error": {"message": "nothing here"}}')
        models = [{"object": "model", "created": 0, "owned_by": "me", **model} for model in self.play.models]
        self._answer(200, json.dumps({"object": "list", "data": models}).encode())

    def do_POST(self):
        play = self.play
        play.headers.append({name.lower(): value for name, value in self.headers.items()})
        play.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        fault = play.faults.pop(0) if play.faults else None
        if isinstance(fault, int):
            body = {"error": {"message": play.says, "type": "t", "code": None}}
            body = json.dumps([body] if play.brackets else body).encode()
            return self._answer(fault, play.page[0] if play.page else body, {"Retry-After-Ms": "10"})
        if fault == "silent":
            time.sleep(1)
        if fault == "garbage":
            return self._answer(200, b"data: no json\n\n", kind="text/event-stream")
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        if fault == "cut chunks":
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for piece in play.pieces:
                self._event({"content": piece})
                if fault == "cut":
                    return self.connection.close()
                time.sleep(play.pause)
            if fault != "endless":
                self._event({}, play.finish_reason)
                self.wfile.write(b"data: no json\n\n" if fault == "late cut" else b"data: [DONE]\n\n")
        except OSError:
            play.hung_up.set()

    def _event(self, delta, finish_reason=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "stop_reason": self.play.stop_reason}
        chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "big", "choices": [choice]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()

    def _answer(self, status, body, headers=None, kind="application/json"):
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in ("NANOCHAT_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    with Server() as server:
        yield server


# --- connecting


def test_the_only_model_of_a_server_is_taken(server):
    assert connect(server.url).name == "big"


def test_of_several_models_one_has_to_be_named(server):
    server.models = [{"id": "big"}, {"id": "small"}]
    with pytest.raises(RemoteError, match="these models: big, small"):
        connect(server.url)
    assert connect(server.url, "small").name == "small"


def test_a_model_that_the_server_has_not_got_is_refused_with_those_it_has(server):
    with pytest.raises(RemoteError, match="no model 'huge'; it has big"):
        connect(server.url, "huge")


def test_a_server_without_a_list_of_models_is_believed(server):
    server.models = None
    assert connect(server.url, "anything").name == "anything"


@pytest.mark.parametrize(
    "told",
    [{"context_length": 77}, {"max_model_len": 77}, {"meta": {"n_ctx": 77}}, {"meta": {"n_ctx_train": 77}}],
    ids=["ours", "vllm", "llama.cpp", "older llama.cpp"],
)
def test_the_context_length_is_what_the_server_tells(server, told):
    server.models = [{"id": "big", **told}]
    assert connect(server.url).context_length == 77


@pytest.mark.parametrize("told", [{}, {"context_length": "many"}, {"meta": None}, {"max_model_len": -1}], ids=str)
def test_where_no_context_length_is_told_a_cautious_one_is_taken(server, told):
    server.models = [{"id": "big", **told}]
    assert connect(server.url).context_length == DEFAULT_CONTEXT
    assert connect(server.url, context_length=50).context_length == 50


@pytest.mark.parametrize(
    "address",
    [
        "",
        "127.0.0.1:8000",
        "ftp://host/v1",
        "http://",
        "http://host:port/v1",
        "http://[",
        "http://ho st/v1",
        "http://host/v1\n",
        " http://host/v1",
        None,
        8000,
    ],
    ids=str,
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(RemoteError, match="is no address of a server"):
        connect(address)


@pytest.mark.parametrize("address", [f"http://me:{KEY}@host/v1", f"http://host/v1?key={KEY}"])
def test_a_key_in_the_address_is_refused_and_not_repeated(address):
    with pytest.raises(RemoteError, match="must not hold a key") as caught:
        connect(address)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"), [("timeout", 0), ("timeout", "soon"), ("max_retries", -1), ("context_length", 0)]
)
def test_a_senseless_patience_is_refused(server, name, value):
    with pytest.raises(SettingsError, match=name):
        connect(server.url, **{name: value})


def test_a_server_that_is_not_there_is_said_in_a_sentence():
    with pytest.raises(RemoteError, match=r"127\.0\.0\.1:9/v1 cannot be reached\. Is the server running"):
        connect("http://127.0.0.1:9/v1", max_retries=0)


@pytest.mark.parametrize("path", ["", "/", "/v1/models", "/v1/chat/completions"])
def test_an_address_with_too_little_or_too_much_behind_it_is_told_how_most_end(server, path):
    server.models = None
    with pytest.raises(RemoteError, match=r"most end in /v1\. If it does: Name the one"):
        connect(server.url.removesuffix("/v1") + path)


@pytest.mark.parametrize("body", [b"<html>Welcome</html>", b"[]", b"null", b'{"data": [3]}', b'{"data":', b"\xff", b""])
@pytest.mark.parametrize("kind", ["text/html", "application/json"])
def test_a_page_that_is_no_list_of_models_is_told(server, body, kind):
    server.page = body, kind
    with pytest.raises(RemoteError, match=r"answers, but with no list of models\. Check the address"):
        connect(server.url, "big")


def test_a_model_without_a_name_is_none(server):
    server.models = [{"id": None}, {"id": 5}, {"id": "big"}]
    assert connect(server.url).name == "big"


@pytest.mark.parametrize("model", [5, "", ["big"], object()], ids=["a number", "nothing", "a list", "an object"])
@pytest.mark.parametrize("models", [None, [{"id": "big"}]], ids=["unlisted", "listed"])
def test_what_is_no_name_of_a_model_is_refused(server, models, model):
    server.models = models
    with pytest.raises(RemoteError, match="is no name of a model"):
        connect(server.url, model)


def test_https_where_there_is_none_is_told(server):
    with pytest.raises(RemoteError, match=r"do not agree on https.*http://"):
        connect(server.url.replace("http:", "https:"), max_retries=0)


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (b'{"error": "no such thing"}', r"\(400\): no such thing\. "),
        (b'{"detail": "no such thing"}', r"\(400\): no such thing\. "),
        (b'{"detail": [{"msg": "x"}]}', r"\(400\)\. "),
        (b"<html>no such thing</html>", r"\(400\)\. "),
    ],
)
def test_the_servers_words_are_found_wherever_it_puts_them_but_no_web_page_is_shown(server, page, words):
    chat = Chat(connect(server.url))
    server.faults, server.page = [400], (page, "application/json")
    with pytest.raises(RemoteError, match=words):
        chat.send("Hello")


# --- what is asked


def test_messages_and_settings_go_out_as_they_are(server):
    settings = GenerationSettings(temperature=0.3, top_p=0.5, seed=7, max_new_tokens=5, stop=("X",), top_k=3)
    Chat(connect(server.url), system="Be brief.", settings=settings).send("Hello")
    request = server.requests[0]
    assert request["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
    ]
    expected = {"temperature": 0.3, "top_p": 0.5, "seed": 7, "max_tokens": 5, "stop": ["X"], "top_k": 3, "stream": True}
    assert expected.items() <= request.items()


def test_extra_settings_are_sent_when_they_are_off_because_a_server_may_have_them_on(server):
    Chat(connect(server.url)).send("Hello")
    assert {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0, "repeat_penalty": 1.0}.items() <= server.requests[
        0
    ].items()


def test_greedy_is_a_temperature_of_zero_for_a_server(server):
    Chat(connect(server.url), settings=GenerationSettings(do_sample=False)).send("Hello")
    assert server.requests[0]["temperature"] == 0


def test_a_server_that_knows_no_extra_settings_is_asked_again_without_them(server):
    server.faults, server.says = [400], "Unrecognized request argument supplied: top_k"
    chat = Chat(connect(server.url))
    assert chat.send("Hello").text == "Hi there"
    assert "top_k" not in server.requests[1]
    chat.send("Again")
    assert "top_k" not in server.requests[2] and len(server.requests) == 3  # it is remembered


def test_an_extra_setting_that_is_on_is_never_dropped_silently(server):
    server.faults, server.says = [400], "Unrecognized request argument supplied: top_k"
    chat = Chat(connect(server.url), settings=GenerationSettings(top_k=5))
    with pytest.raises(SettingsError, match=r"does not know top_k: leave it off"):
        chat.send("Hello")
    assert len(chat.messages) == 1


def test_a_server_that_knows_no_seed_is_asked_again_without_one(server):
    server.faults, server.brackets = [400], True
    server.says = 'Unknown name "top_k": Cannot find field.\nUnknown name "seed": Cannot find field.'
    chat = Chat(connect(server.url), settings=GenerationSettings(seed=7))
    assert chat.send("Hello").text == "Hi there"
    assert not {"seed", "top_k"} & set(server.requests[1])
    chat.send("Again")
    assert "seed" not in server.requests[2] and len(server.requests) == 3  # it is remembered


def test_a_server_that_knows_no_seed_but_extra_settings_keeps_these(server):
    server.faults, server.says = [400], 'Unknown name "seed"'
    assert Chat(connect(server.url), settings=GenerationSettings(top_k=3)).send("Hello").text == "Hi there"
    assert server.requests[1]["top_k"] == 3


def test_an_error_in_brackets_is_said_too(server):
    server.faults, server.brackets, server.says = [400], True, "the name of the model is wrong"
    with pytest.raises(RemoteError, match="the name of the model is wrong"):
        Chat(connect(server.url)).send("Hello")


def test_a_proxy_is_not_asked_for_this_very_machine(server, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert Chat(connect(server.url)).send("Hello").text == "Hi there"


def test_the_second_message_takes_the_conversation_along(server):
    chat = Chat(connect(server.url))
    chat.send("One")
    chat.send("Two")
    assert [message["content"] for message in server.requests[1]["messages"][1:]] == ["One", "Hi there", "Two"]


def test_what_does_not_fit_into_the_servers_context_is_dropped_first(server):
    chat = Chat(connect(server.url, context_length=200), settings=GenerationSettings(max_new_tokens=20))
    for _ in range(12):
        reply = chat.send("word " * 20)
    assert reply.trace.dropped
    assert len(server.requests[-1]["messages"]) < len(chat.messages)


def test_a_message_longer_than_the_servers_context_is_refused_before_it_is_sent(server):
    chat = Chat(connect(server.url, context_length=100))
    with pytest.raises(ContextError, match="shorter"):
        chat.send("word " * 500)
    assert not server.requests


# --- what comes back


def test_the_reply_comes_piece_by_piece(server):
    chat = Chat(connect(server.url))
    assert list(chat.stream("Hello")) == ["Hi", " there", ""]
    assert chat.last_reply.text == "Hi there"
    assert chat.last_reply.finish_reason == "stop"


def test_a_stop_string_is_found_here_even_if_the_server_ignores_it(server):
    server.pieces = ("one EN", "D two")
    reply = Chat(connect(server.url), settings=GenerationSettings(stop=("END",))).send("Count")
    assert (reply.text, reply.finish_reason) == ("one", "stop_string")


def test_a_server_that_names_the_stop_string_is_understood(server):
    server.stop_reason = "END"
    assert Chat(connect(server.url)).send("Hello").finish_reason == "stop_string"


def test_a_length_limit_of_the_server_is_told(server):
    server.finish_reason = "length"
    assert Chat(connect(server.url)).send("Hello").finish_reason == "length"


def test_cancel_hangs_up_so_that_the_server_can_stop(server):
    server.pieces, server.pause = ["word "] * 400, 0.01
    chat = Chat(connect(server.url))
    for place, _ in enumerate(chat.stream("Hello")):
        if place == 2:
            chat.cancel()
    assert chat.last_reply.finish_reason == "cancelled"
    assert chat.last_reply.text.startswith("word word")
    assert server.hung_up.wait(10)


def test_the_trace_says_what_went_out_and_invents_no_ids(server, tmp_path):
    trace = Chat(connect(server.url)).send("Hello").trace
    assert json.loads(trace.prompt) == server.requests[0]["messages"]
    assert (trace.engine, trace.input_ids, trace.user_ids) == ("remote", [], [])
    assert {token.token_id for token in trace.tokens} == {None}
    assert "left to the server" in str(trace)
    trace.save(tmp_path / "trace.json")
    assert type(trace).load(tmp_path / "trace.json") == trace


def test_the_x_ray_of_a_reply_from_a_server_can_be_walked_through(server):
    data = xray_data(Chat(connect(server.url)).send("Hello").trace)
    pages = [xray_html(data, place) for place in range(len(data.stations))]
    assert any("does not tell them" in page for page in pages)
    assert any("The server chooses the tokens itself" in page for page in pages)


def test_a_model_on_a_server_can_sum_up_old_turns(server):
    history = RunningSummary(summarise_with(connect(server.url)), max_history=0)
    chat = Chat(connect(server.url), history=history)
    server.pieces = ("They spoke", " of the sea.")
    chat.send("Tell me about the sea.")
    chat.send("And the land?")
    sent = server.requests[-1]["messages"]
    assert "They spoke of the sea." in sent[0]["content"] and len(sent) == 2


def test_the_chat_panel_talks_with_a_model_on_a_server(server):
    panel = chat_panel(Chat(connect(server.url)))
    panel.controls["message"].value = "Hello"
    panel.controls["send"].click()
    panel.wait()
    assert panel.chat.last_reply.text == "Hi there"
    assert panel.controls["message"].value == ""


def test_whoever_needs_tokens_is_told_that_a_server_gives_none(server):
    with pytest.raises(EngineError, match="takes messages and no input_ids"):
        next(stream(connect(server.url), [1, 2], GenerationSettings()))


def test_nothing_of_a_finished_reply_waits_to_be_cleaned_up(server):
    """What the client leaves open would be closed at any later time, and may then complain in the middle of a cell."""
    gc.collect()
    Chat(connect(server.url)).send("Hello")
    generators = [thing for thing in gc.get_objects() if type(thing) is types.GeneratorType and thing.gi_frame]
    assert "_iter_events" not in {generator.__name__ for generator in generators}


def test_a_line_that_breaks_behind_the_last_word_does_no_harm(server):
    server.faults = ["late cut"]
    assert Chat(connect(server.url)).send("Hello").finish_reason == "stop"


# --- what goes wrong


def chat_with(server, **options):
    return Chat(connect(server.url, **{"max_retries": 2, **options}))


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_or_broken_server_is_asked_again(server, status):
    server.faults = [status, status]
    assert chat_with(server).send("Hello").text == "Hi there"
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "refuses the key"),
        (403, "refuses the key"),
        (404, "has no such model"),
        (405, "no chat completions"),
        (413, "too long"),
        (400, "refuses the request"),
        (422, "refuses the request"),
        (429, "is busy, or a quota is used up"),
        (500, "has a fault of its own"),
        (503, "has a fault of its own"),
    ],
)
def test_each_refusal_has_a_sentence_of_its_own_with_the_servers_words(server, status, sentence):
    server.faults, server.says = [status] * 3, "because I say so."
    chat = chat_with(server)
    with pytest.raises(RemoteError, match=sentence) as caught:
        chat.send("Hello")
    assert f"({status}): because I say so. " in str(caught.value)
    assert len(chat.messages) == 1  # nothing is lost: the conversation is what it was


def test_a_request_that_is_wrong_is_not_sent_again(server):
    server.faults = [400, 400]
    with pytest.raises(RemoteError):
        chat_with(server).send("Hello")
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", ["cut", "cut chunks", "endless", "garbage"])
def test_an_answer_that_breaks_off_is_an_error_and_no_reply(server, fault):
    server.faults = [fault]
    chat = chat_with(server)
    with pytest.raises(RemoteError, match="broke off in the middle"):
        chat.send("Hello")
    assert len(chat.messages) == 1


def test_a_silent_server_is_given_up_in_time(server):
    server.faults = ["silent"] * 2
    with pytest.raises(RemoteError, match="did not answer in time"):
        chat_with(server, timeout=0.2, max_retries=1).send("Hello")


def test_a_filter_of_the_servers_own_is_told(server):
    server.finish_reason = "content_filter"
    with pytest.raises(RemoteError, match="own filter"):
        chat_with(server).send("Hello")


def test_every_failure_is_one_of_ours(server):
    server.faults = [418]
    with pytest.raises(NanoChatError) as caught:
        chat_with(server).send("Hello")
    assert isinstance(caught.value, ModelError)


# --- keys


def test_a_key_comes_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("NANOCHAT_API_KEY", KEY)
    connect(server.url)
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_the_key_for_openai_goes_to_openai_only(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    connect(server.url)
    assert KEY not in str(server.headers)


def test_without_a_key_a_servers_words_stay_as_they_are(server):
    server.faults, server.says = [401], "no key, no-key, none"
    with pytest.raises(RemoteError, match="no key, no-key, none"):
        chat_with(server).send("Hello")


def test_no_key_is_shown_stored_or_traced(server, monkeypatch, tmp_path):
    monkeypatch.setenv("NANOCHAT_API_KEY", KEY)
    chat = Chat(connect(server.url))
    trace = chat.send("Hello").trace
    trace.save(tmp_path / "trace.json")
    shown = [repr(chat.backbone), str(trace), chat.as_json(), chat.as_markdown(), (tmp_path / "trace.json").read_text()]
    assert KEY not in "".join(shown)


def test_a_server_that_repeats_the_key_does_not_get_it_shown(server, monkeypatch):
    monkeypatch.setenv("NANOCHAT_API_KEY", KEY)
    server.faults, server.says = [401], f"Incorrect API key provided: {KEY}"
    with pytest.raises(RemoteError, match="refuses the key") as caught:
        chat_with(server).send("Hello")
    import traceback

    assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "key", [f"{KEY}\n", f" {KEY}", "schlüssel", "a\x00b"], ids=["line end", "space", "umlaut", "NUL"]
)
def test_a_key_that_was_copied_wrongly_is_refused_without_showing_it(server, key):
    with pytest.raises(RemoteError, match="copy it again") as caught:
        connect(server.url, api_key=key)
    assert KEY not in str(caught.value)


# --- a real server that is not ours


@pytest.fixture(scope="module")
def llama_cpp_server(smollm2_files):
    """llama.cpp's own HTTP server, on a port that it finds free."""
    import socket

    import xllamacpp

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    params = xllamacpp.CommonParams()
    params.model.path, params.hostnames, params.port = str(smollm2_files.gguf), ["127.0.0.1"], port
    params.n_ctx, params.n_parallel, params.cpuparams.n_threads = 1024, 1, 1
    params.warmup, params.verbosity = False, -1
    server = xllamacpp.Server(params)
    yield f"{server.listening_address}/v1"
    del server


def test_a_conversation_with_llama_cpps_own_server(llama_cpp_server):
    backbone = connect(llama_cpp_server)
    assert isinstance(backbone, RemoteBackbone) and backbone.context_length == 1024
    chat = Chat(backbone, settings=GenerationSettings(temperature=0, max_new_tokens=20))
    assert "Paris" in chat.send("What is the capital of France?").text
    assert chat.last_reply.finish_reason == "stop"
    assert chat.send("And what did I just ask you about?").text
    assert len(chat.messages) == 5


def test_llama_cpps_server_keeps_to_settings(llama_cpp_server):
    settings = GenerationSettings(temperature=0.9, top_p=0.95, seed=5, max_new_tokens=12)
    chat = Chat(connect(llama_cpp_server), settings=settings)
    first = chat.send("Tell me a story about the sea.")
    chat.reset()
    again = chat.send("Tell me a story about the sea.")
    assert first.text == again.text and first.finish_reason == again.finish_reason == "length"
    chat.settings = settings.change(temperature=0, stop=("Paris",), max_new_tokens=20)
    chat.reset()
    assert "Paris" not in chat.send("What is the capital of France?").text


def test_a_refusal_of_llama_cpps_server_is_a_sentence(llama_cpp_server):
    with pytest.raises(RemoteError, match="has no model 'other'"):
        connect(llama_cpp_server, "other")
    chat = Chat(connect(llama_cpp_server, context_length=100_000))
    with pytest.raises(RemoteError, match=r"finds the conversation too long \(400\)"):
        chat.send("word " * 3000)
