"""nanochat serve: what it says, who it lets in, and how it stops."""

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from scripted import ScriptedBackbone
from serving import body_of, connect

from nanochat_helpers import cli
from nanochat_helpers.errors import ServeError
from nanochat_helpers.serve import command
from nanochat_helpers.serve.background import listen
from nanochat_helpers.serve.command import check_packages, greeting, is_loopback, serve, settle_key

TESTS = Path(__file__).parent


@pytest.fixture(autouse=True)
def no_key_and_nothing_typed(monkeypatch):
    monkeypatch.delenv(command.KEY_NAME, raising=False)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))


def mistake(capsys, *arguments):
    with pytest.raises(SystemExit) as left:
        cli.main(["serve", *arguments])
    out, err = capsys.readouterr()
    assert (left.value.code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("nanochat: ")
    return err


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["serve", "--help"])
    assert left.value.code == 0
    assert "Example: nanochat serve" in capsys.readouterr().out


def test_a_port_that_is_taken_is_one_line(capsys):
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert f"Port {port}" in mistake(capsys, "--port", str(port))


@pytest.mark.parametrize(
    "arguments", [["--port", "70000"], ["--port", "x"], ["--max-waiting", "-1"], ["--max-waiting", "101"]]
)
def test_a_number_that_cannot_be_is_one_line(capsys, arguments):
    assert arguments[0] in mistake(capsys, *arguments)


def test_a_server_for_others_needs_a_key_or_the_word_that_it_needs_none(capsys):
    assert "--no-key" in mistake(capsys, "--host", "0.0.0.0")
    assert "opposite" in mistake(capsys, "--new-key", "--no-key")


def test_an_unknown_model_is_one_line(capsys):
    assert "smollm2" in mistake(capsys, "--model", "smollm3", "--port", "0")


def test_a_package_that_is_missing_is_one_line_that_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "fastapi" else name)
    with pytest.raises(ServeError, match=re.escape("pip install 'nanochat-helpers[serve]'")):
        check_packages("fastapi", "uvicorn", extra="serve")


@pytest.mark.parametrize(
    ("host", "options", "environment", "key"),
    [
        ("127.0.0.1", {}, "", None),
        ("127.0.0.1", {}, "secret", "secret"),
        ("0.0.0.0", {}, "secret", "secret"),
        ("0.0.0.0", {"no_key": True}, "", None),
        ("127.0.0.1", {"no_key": True}, "secret", None),
    ],
)
def test_where_the_key_comes_from(monkeypatch, host, options, environment, key):
    monkeypatch.setenv(command.KEY_NAME, environment)
    assert settle_key(host, **options) == key


@pytest.mark.parametrize("key", ["two words", "two\nlines", "schlüssel", "a\x7fb"])
def test_a_key_that_no_client_could_send_is_refused_and_not_repeated(monkeypatch, key):
    monkeypatch.setenv(command.KEY_NAME, key)
    with pytest.raises(ServeError, match=command.KEY_NAME) as refused:
        settle_key("127.0.0.1")
    assert key not in str(refused.value)


def test_a_new_key_is_long_and_never_the_same():
    keys = {settle_key("0.0.0.0", new_key=True) for _ in range(20)}
    assert len(keys) == 20
    assert min(map(len, keys)) >= 32


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("localhost", True), ("::1", True)]
    + [("0.0.0.0", False), ("::", False), ("192.168.0.5", False), ("class.example", False)],
)
def test_which_addresses_only_this_machine_can_reach(host, local):
    assert is_loopback(host) == local


def test_the_line_to_try_is_a_command_with_json_in_it():
    words = shlex.split(greeting("smollm2", "0.0.0.0", 8000, has_key=True).splitlines()[1])
    assert words[:2] == ["curl", "http://127.0.0.1:8000/v1/chat/completions"]
    assert json.loads(words[-1])["model"] == "smollm2"
    assert any("Bearer" in word for word in words)
    assert "Bearer" not in greeting("smollm2", "127.0.0.1", 8000, has_key=False)
    assert "http://[::1]:8000/v1" in greeting("smollm2", "::", 8000, has_key=False)


def test_a_new_key_is_shown_once_and_the_server_asks_for_it(monkeypatch):
    said, seen = [], {}

    def run(app, listening, *, grace):
        from fastapi.testclient import TestClient

        key = re.search(rf"{command.KEY_NAME}=(\S+)", said[1])[1]
        client = TestClient(app, base_url="http://127.0.0.1")
        seen["without"] = client.get("/v1/models").status_code
        seen["with"] = client.get("/v1/models", headers={"Authorization": f"Bearer {key}"}).status_code

    monkeypatch.setattr("nanochat_helpers.serve.background.run", run)
    serve(lambda: ScriptedBackbone("Hi"), port=0, new_key=True, say=said.append)
    assert seen == {"without": 401, "with": 200}
    assert len(said) == 3


STOPPABLE = f"""
import sys
sys.path.insert(0, {str(TESTS)!r})
from serving import echo
from nanochat_helpers.serve.command import serve
serve(lambda: echo(0.05), port=0, say=lambda text: print(text, flush=True))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM that a program could answer")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_running_reply_end_and_then_the_server_leaves_with_0(how):
    process = subprocess.Popen([sys.executable, "-c", STOPPABLE], stdout=subprocess.PIPE, text=True)
    try:
        server = Address(int(re.search(r":(\d+)/v1", process.stdout.readline())[1]))
        process.stdout.readline()
        with connect(server, body_of(messages=[{"role": "user", "content": "to the end"}], stream=True)) as running:
            received = running.recv(1000)
            process.send_signal(how)
            while piece := running.recv(10_000):
                received += piece
        assert received.rstrip(b"\r\n0").endswith(b"data: [DONE]")
        assert process.wait(10) == 0
        assert "stopped" in process.stdout.read()
    finally:
        process.kill()
        process.stdout.close()


class Address:
    """What `connect` needs to know of a server."""

    def __init__(self, port):
        self.host, self.port = "127.0.0.1", port
