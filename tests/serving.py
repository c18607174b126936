"""What the tests of the server share: models that echo or write for ever, a server for one test, and raw HTTP."""

import asyncio
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from scripted import IM_END, IM_START, ScriptedBackbone, almost_certain

from nanochat_helpers.serve.api import make_app
from nanochat_helpers.serve.background import BackgroundServer

HELLO = [{"role": "user", "content": "Hi"}]


def echo(seconds: float = 0.0) -> ScriptedBackbone:
    """A model that says what the newest message says; each token takes so many seconds."""

    def script(input_ids):
        time.sleep(seconds)
        starts = [place for place, token_id in enumerate(input_ids) if token_id == IM_START]
        said = input_ids[starts[-2] + len("\nuser ") : starts[-1]]
        said = said[: said.index(IM_END)]
        written = len(input_ids) - starts[-1] - len("\nassistant ")
        return almost_certain(said[written] if written < len(said) else IM_END)

    return ScriptedBackbone(script)


def endless(seconds: float = 0.005) -> ScriptedBackbone:
    """A model that writes dots and never ends."""

    def script(input_ids):
        time.sleep(seconds)
        return almost_certain(ord("."))

    return ScriptedBackbone(script)


@contextmanager
def served(model, **parts):
    """A server for a model: the parts are those of make_app."""
    with BackgroundServer(make_app(model, **parts)) as server:
        yield server


def until(is_so, seconds: float = 5.0) -> bool:
    """Wait until something is so; False if it does not become so in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def body_of(**fields) -> bytes:
    """The body of a request to the scripted model."""
    return json.dumps({"model": "scripted", "messages": HELLO, **fields}).encode()


def connect(server, body: bytes, *, length: int | None = None, headers: str = "") -> socket.socket:
    """Send a request and give the connection, on which nothing was read yet."""
    connection = socket.create_connection((server.host, server.port), timeout=10)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {server.host}:{server.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body) if length is None else length}\r\n{headers}\r\n"
    )
    connection.sendall(head.encode("latin-1") + body)
    return connection


def answer_of(connection: socket.socket) -> tuple[int, dict]:
    """The status and the JSON of the answer that comes over a connection."""
    reader = connection.makefile("rb")
    status, length = int(reader.readline().split()[1]), 0
    while (line := reader.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return status, json.loads(reader.read(length))


def run_async(coroutine):
    """Run it in a thread of its own: where browser tests ran before, this thread has an event loop already."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()
