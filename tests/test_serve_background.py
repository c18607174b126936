"""A server beside the program: it starts on a free port, stops gracefully, and says in words when it cannot start."""

import signal
import socket
import threading
import time

import httpx
import pytest
from scripted import ScriptedBackbone
from serving import HELLO, answer_of, body_of, connect, echo, endless, until

from nanochat_helpers.errors import ServeError
from nanochat_helpers.serve.api import make_app
from nanochat_helpers.serve.background import BackgroundServer, listen
from nanochat_helpers.serve.worker import ModelWorker

LONG = [{"role": "user", "content": "a reply of some length"}]


def names():
    return [thread.name for thread in threading.enumerate()]


def test_it_answers_as_soon_as_it_has_started_and_no_more_when_it_has_stopped():
    server = BackgroundServer(make_app(echo()))
    with server:
        assert httpx.get(f"{server.url}/models").status_code == 200
        assert server.url == f"http://127.0.0.1:{server.port}/v1"
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{server.url}/models")
    assert "server" not in names()


def test_starting_and_stopping_twice_does_nothing_more():
    server = BackgroundServer(make_app(echo()))
    assert server.start() is server.start()
    assert names().count("server") == 1
    server.stop()
    server.stop()


def test_it_stops_when_the_block_fails():
    with pytest.raises(ZeroDivisionError), BackgroundServer(make_app(echo())):
        raise ZeroDivisionError
    assert "server" not in names()


def test_a_port_that_is_taken_is_told_in_words_and_is_free_again_after_the_stop():
    with BackgroundServer(make_app(echo())) as first:
        second = BackgroundServer(make_app(echo()), port=first.port)
        with pytest.raises(ServeError, match=f"Port {first.port}.*--port"):
            second.start()
        second.stop()
    with second:
        assert httpx.get(f"{second.url}/models").status_code == 200


@pytest.mark.parametrize(("host", "port"), [("no.such.host.invalid", 0), ("203.0.113.1", 0), ("127.0.0.1", 99_999)])
def test_an_address_that_cannot_be_had_is_told_in_words(host, port):
    with pytest.raises(ServeError, match="cannot be had"):
        listen(host, port)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", "8000"), ("127.0.0.1", 1.5), ("127.0.0.1", True), (5, 0)])
def test_what_is_no_address_is_told_in_words(host, port):
    with pytest.raises(ServeError, match="is no address"):
        BackgroundServer(make_app(echo()), host=host, port=port).start()


@pytest.mark.parametrize("app", [None, ScriptedBackbone("Hi")])
def test_what_is_no_app_is_told_in_words(app):
    with pytest.raises(ServeError, match="make_app"):
        BackgroundServer(app)


@pytest.mark.parametrize("key", ["", "  ", 5, b"secret"])
def test_a_key_that_is_none_is_told_in_words(key):
    with pytest.raises(ServeError, match="api_key must be"):
        make_app(echo(), api_key=key)


def test_a_reply_that_runs_is_finished_and_a_new_one_refused_while_it_stops():
    worker = ModelWorker(echo(0.03))
    server = BackgroundServer(make_app(worker), grace=10).start()
    with (
        connect(server, body_of(messages=LONG)) as running,
        socket.create_connection((server.host, server.port)) as late,
    ):
        assert until(lambda: not worker.is_free)
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        assert until(lambda: server.app.state.is_stopping)
        body = body_of()
        head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        late.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        status, refused = answer_of(late)
        assert (status, refused["error"]["code"]) == (503, "server_stopping")
        status, reply = answer_of(running)
        assert (status, reply["choices"][0]["message"]["content"]) == (200, LONG[0]["content"])
        stopper.join(5)
    assert not stopper.is_alive()


def test_a_reply_that_takes_too_long_is_broken_off_and_the_model_is_free():
    backbone = endless()
    worker = ModelWorker(backbone)
    server = BackgroundServer(make_app(worker), grace=0.2).start()
    with connect(server, body_of(max_tokens=1000)) as running:
        assert until(lambda: len(backbone.calls) > 3)
        start = time.perf_counter()
        stopper = threading.Thread(target=server.stop)
        stopper.start()
        status, refused = answer_of(running)
        assert (status, refused["error"]["code"]) == (503, "server_stopping")
        stopper.join(5)
    assert 0.15 < time.perf_counter() - start < 3
    assert until(lambda: worker.is_free)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_breaks_off_the_running_reply_at_once_and_says_so(how):
    worker = ModelWorker(endless())
    with BackgroundServer(make_app(worker), grace=10) as server, connect(server, body_of(max_tokens=1000)) as running:
        assert until(lambda: not worker.is_free)
        start = time.perf_counter()
        for _ in range(2):
            server._server.handle_exit(how, None)
        assert answer_of(running)[0] == 503
        assert time.perf_counter() - start < 2


def test_who_is_connected_and_says_nothing_whole_is_hung_up_on(monkeypatch):
    monkeypatch.setattr("nanochat_helpers.serve.background.SILENT_SECONDS", 0.2)
    worker = ModelWorker(echo(0.03))
    with BackgroundServer(make_app(worker)) as server, connect(server, body_of(messages=LONG)) as busy:
        address = server.host, server.port
        with socket.create_connection(address, 5) as silent, socket.create_connection(address, 5) as slow:
            slow.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            answer = slow.recv(1000)
            while not answer.endswith(b"}"):  # the body may come after the headers
                answer += slow.recv(1000)
            assert answer.startswith(b"HTTP/1.1 200")
            slow.sendall(b"GET /hea")
            assert hung_up(silent) and hung_up(slow)
        assert answer_of(busy)[0] == 200  # though its reply takes longer than that


def hung_up(connection):
    try:
        return connection.recv(1000) == b""
    except ConnectionResetError:
        return True


def test_only_so_many_are_connected_at_once(monkeypatch):
    monkeypatch.setattr("nanochat_helpers.serve.background.MAX_CONNECTIONS", 3)
    with BackgroundServer(make_app(echo())) as server:
        connections = [socket.create_connection((server.host, server.port), 5) for _ in range(4)]
        assert hung_up(connections[3])
        connections[0].close()
        assert until(lambda: len(server._server.server_state.connections) == 2)
        assert httpx.get(f"{server.url}/models").status_code == 200
        for connection in connections[1:]:
            connection.close()


def test_headers_that_do_not_end_are_refused():
    with BackgroundServer(make_app(echo())) as server, socket.create_connection((server.host, server.port), 5) as one:
        one.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * 1_000_000)
        assert b" 400 " in one.recv(1000)


def test_those_in_line_are_not_forgotten_when_it_stops():
    worker = ModelWorker(endless())
    server = BackgroundServer(make_app(worker)).start()
    connections = [connect(server, body_of(max_tokens=1000)) for _ in range(3)]
    assert until(lambda: worker.waiting == 2)
    server.stop()
    assert [answer_of(connection)[0] for connection in connections] == [503] * 3
    for connection in connections:
        connection.close()


def test_the_worker_of_a_stopped_server_serves_others_on():
    worker = ModelWorker(ScriptedBackbone("Hi"))
    with BackgroundServer(make_app(worker)):
        pass
    assert "".join(worker.stream(HELLO)) == "Hi"
