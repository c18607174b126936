"""Replies on their way: who leaves frees the model, who reads slowly holds up nobody, each gets their own words."""

import asyncio
import json
import statistics
import threading
import time

import httpx
import pytest
from scripted import ScriptedBackbone
from serving import HELLO, answer_of, body_of, connect, echo, endless, served, until

from nanochat_helpers.serve.delivery import PatientStream
from nanochat_helpers.serve.requests import Limits
from nanochat_helpers.serve.worker import ModelWorker


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_frees_the_model(stream):
    backbone = endless()
    worker = ModelWorker(backbone)
    with served(worker, limits=Limits(max_tokens=100_000)) as server:
        connection = connect(server, body_of(stream=stream, max_tokens=1900))
        assert until(lambda: len(backbone.calls) > 5)
        connection.close()
        assert until(lambda: worker.is_free, 1)
        assert len(backbone.calls) < 200
        assert until(lambda: not server.app.state.open_deliveries)  # the client has its last byte a moment earlier


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_the_line_makes_room(stream):
    worker = ModelWorker(endless(), max_waiting=1)
    with served(worker) as server:
        running = worker.stream(HELLO)
        connection = connect(server, body_of(stream=stream))
        assert until(lambda: worker.waiting == 1)
        connection.close()
        assert until(lambda: worker.waiting == 0, 1)
        running.cancel()


def test_the_first_event_comes_before_the_first_token():
    with served(endless(0.5)) as server:
        start = time.perf_counter()
        with connect(server, body_of(stream=True, max_tokens=1)) as connection:
            received = b""
            while b"assistant" not in received:
                received += connection.recv(1000)
        assert time.perf_counter() - start < 0.4


def test_every_token_is_sent_as_it_comes():
    with served(echo(0.05)) as server, httpx.Client() as client:
        body = body_of(stream=True, messages=[{"role": "user", "content": "slowly"}])
        headers = {"Content-Type": "application/json"}
        with client.stream("POST", f"{server.url}/chat/completions", content=body, headers=headers) as answer:
            times = [time.perf_counter() for line in answer.iter_lines() if '"content":"' in line]
    gaps = [later - earlier for earlier, later in zip(times[1:], times[2:], strict=False)]
    assert statistics.median(gaps) > 0.03


def test_many_at_once_get_their_own_words_and_never_anothers():
    worker, got = ModelWorker(echo(), max_waiting=50), {}
    with served(worker) as server:

        def talk(number):
            for turn in range(3):
                said = f"client {number} turn {turn}"
                body = body_of(stream=number % 2 == 0, messages=[{"role": "user", "content": said}])
                if number % 2:
                    with connect(server, body) as connection:
                        text = answer_of(connection)[1]["choices"][0]["message"]["content"]
                else:
                    with connect(server, body) as connection:
                        text = streamed(connection)
                got[said] = text

        threads = [threading.Thread(target=talk, args=(number,)) for number in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert until(lambda: worker.is_free)
        assert until(lambda: not server.app.state.open_deliveries)  # the client has its last byte a moment earlier
    assert len(got) == 36
    assert all(said == text for said, text in got.items())


def streamed(connection):
    received = b""
    while b"[DONE]" not in received:
        received += connection.recv(10_000)
    chunks = [line for line in received.decode().splitlines() if line.startswith("data: {")]
    deltas = [json.loads(line.removeprefix("data: "))["choices"][0]["delta"] for line in chunks]
    return "".join(delta.get("content") or "" for delta in deltas)


def test_a_client_that_does_not_read_holds_up_nobody():
    backbone = endless(0)
    with served(backbone) as server:
        lazy = connect(server, body_of(stream=True, max_tokens=500, logprobs=True, top_logprobs=12))
        with connect(server, body_of(max_tokens=3)) as quick:
            assert answer_of(quick)[0] == 200
        assert len(backbone.calls) == 503
        lazy.close()


def test_a_client_that_takes_nothing_for_too_long_is_hung_up_on():
    class Events:
        ended = False

        async def events(self, form):
            yield b"data: 1"

        def end(self):
            self.ended = True

    async def take_nothing(message):
        await asyncio.sleep(60)

    async def stay():
        await asyncio.sleep(60)

    async def deliver():
        async with asyncio.timeout(5):
            await PatientStream(events, None, 0.05)({"type": "http"}, stay, take_nothing)

    events = Events()
    asyncio.run(deliver())
    assert events.ended


def test_a_reply_that_is_broken_off_by_the_end_of_the_server_says_so():
    with served(endless()) as server:
        server.grace = 0.0
        connection = connect(server, body_of(stream=True, max_tokens=1000))
        assert b"200 OK" in connection.recv(1000)
        threading.Thread(target=server.stop).start()
        received = b""
        while piece := connection.recv(10_000):
            received += piece
        connection.close()
    last = [line for line in received.decode().splitlines() if line.startswith("data: ")][-1]
    assert "stopping" in json.loads(last.removeprefix("data: "))["error"]["message"]


def test_a_defect_reaches_only_its_own_client():
    def sometimes(input_ids):
        if b"bad" in bytes(token_id for token_id in input_ids if token_id < 256):
            raise ZeroDivisionError
        return good._script(input_ids)

    good = echo()
    with served(ScriptedBackbone(sometimes)) as server:
        for said, status in [("good", 200), ("bad", 500), ("good", 200)]:
            with connect(server, body_of(messages=[{"role": "user", "content": said}])) as connection:
                assert answer_of(connection)[0] == status
