"""What the API costs, against the same engine without it: `python benchmarks/serving.py` (about three minutes).

Every comparison runs its sides in turn, several times, and takes medians: machines differ and are shared.
`--seconds 5` makes the crowd's part shorter, `--quick` also runs each comparison only once.
"""

import argparse
import http.client
import json
import statistics
import threading
import time
from collections import Counter

import psutil

from nanochat_helpers import Chat, GenerationSettings, load_model
from nanochat_helpers.generation import stream
from nanochat_helpers.models import find_model
from nanochat_helpers.serve.api import make_app
from nanochat_helpers.serve.background import BackgroundServer
from nanochat_helpers.serve.worker import ModelWorker

STORY = [{"role": "user", "content": "Tell me a long story about a fox, a hen and a lighthouse."}]
NEW_TOKENS, CLIENTS = 100, 50


def ask(address: str, messages: list[dict], **fields) -> tuple[int, dict | list, list[float], dict]:
    """Send one request; give its status, its answer (a list of chunks for a stream), when bytes came, its headers.

    The times are in seconds since the request was sent; nothing is parsed until all has come.
    """
    connection = http.client.HTTPConnection(address, timeout=120)
    body = json.dumps({"model": "smollm2", "messages": messages, **fields})
    start = time.perf_counter()
    connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    lines, times = [], []
    for line in answer:
        if line.strip():
            lines.append(line)
            times.append(time.perf_counter() - start)
    connection.close()
    if not fields.get("stream"):
        return answer.status, json.loads(b"".join(lines)), times, dict(answer.getheaders())
    chunks = [json.loads(line.removeprefix(b"data: ")) for line in lines if b"[DONE]" not in line]
    return answer.status, chunks, times, dict(answer.getheaders())


def gap(times: list[float]) -> float:
    """Milliseconds from one token to the next, on average, without the reading of the prompt."""
    return 1000 * (times[-1] - times[0]) / (len(times) - 1)


def per_token(backbone, address: str, peer: str, rounds: int) -> dict[str, list[float]]:
    """Milliseconds per token of the engine alone, of a Chat, of our API and of the peer's."""
    settings = GenerationSettings(max_new_tokens=NEW_TOKENS, temperature=0.7, top_p=0.9, seed=1)
    fields = {"max_tokens": NEW_TOKENS, "temperature": 0.7, "top_p": 0.9, "seed": 1, "stream": True}
    chat = Chat(backbone, settings=settings)
    list(chat.stream(STORY[0]["content"]))
    input_ids = chat.last_reply.trace.input_ids

    def timed(steps):
        return [time.perf_counter() for _ in steps]

    sides = {
        "engine": lambda: timed(stream(backbone, input_ids, settings)),
        "chat": lambda: timed(Chat(backbone, settings=settings).stream(STORY[0]["content"])),
        "api": lambda: ask(address, STORY, **fields)[2][1:-2],  # without the chunk of the role, and those of the end
        "peer": lambda: ask(peer, STORY, **fields, top_k=0, min_p=0)[2][1:-2],
    }
    gaps = [[gap(run()) for run in sides.values()] for _ in range(rounds)]
    return dict(zip(sides, zip(*gaps, strict=True), strict=True))


class Replay:
    """An engine that takes no time: it says what another one said. What is left is the cost of all around it."""

    def __init__(self, backbone):
        self._tokens = list(backbone.draw_tokens([1], GenerationSettings(), max_new_tokens=NEW_TOKENS, seed=1))
        self.__dict__ |= {name: getattr(backbone, name) for name in ("name", "engine", "family", "context_length")}
        self.tokenizer, self.is_chat, self.eos_token_ids = backbone.tokenizer, True, frozenset()

    def draw_tokens(self, input_ids, settings, **limits):
        """Say it again, token by token."""
        yield from self._tokens


def around(backbone, rounds: int) -> list[float]:
    """Milliseconds per token of our API when the engine takes no time, its client included."""
    gaps = []
    with BackgroundServer(make_app(Replay(backbone))) as server:
        for _ in range(rounds):
            _, chunks, times, _ = ask(f"{server.host}:{server.port}", STORY, max_tokens=NEW_TOKENS, stream=True)
            gaps.append(1000 * times[-1] / len(chunks))
    return gaps


def first_byte(address: str, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds to the first event and to the first text of a stream, the server being idle."""
    events, texts = [], []
    for number in range(rounds):
        question = [{"role": "user", "content": f"What is {number} and {number}?"}]
        _, chunks, times, _ = ask(address, question, max_tokens=4, stream=True)
        place = next(place for place, chunk in enumerate(chunks) if chunk["choices"][0]["delta"].get("content"))
        events.append(1000 * times[0])
        texts.append(1000 * times[place])
    return events, texts


def cancel(worker: ModelWorker, rounds: int) -> list[float]:
    """Milliseconds from the moment when a reader leaves until the model is free."""
    taken = []
    for _ in range(rounds):
        answer = worker.stream(STORY, GenerationSettings(max_new_tokens=500))
        next(iter(answer))
        start = time.perf_counter()
        answer.cancel()
        while not worker.is_free:
            time.sleep(0.0005)
        taken.append(1000 * (time.perf_counter() - start))
    return taken


def crowd(backbone, address: str, seconds: float) -> dict:
    """Many clients at once, each with a question of its own, whose answer is known; half of them as streams."""
    fields = {"max_tokens": 8, "temperature": 1.5}
    questions = [f"Tell me something about the number {number}." for number in range(CLIENTS)]
    knobs = [GenerationSettings(max_new_tokens=8, temperature=1.5, seed=number) for number in range(CLIENTS)]
    known = [
        "".join(Chat(backbone, settings=settings).stream(question))
        for question, settings in zip(questions, knobs, strict=True)
    ]
    seen, process, memory, deadline = Counter(), psutil.Process(), [], time.perf_counter() + seconds

    def talk(number):
        while time.perf_counter() < deadline:
            messages = [{"role": "user", "content": questions[number]}]
            status, answer, _, headers = ask(address, messages, **fields, seed=number, stream=number % 2 == 0)
            if status == 429:
                seen["429"] += 1
                time.sleep(int(headers["retry-after"]))
            elif status != 200:
                seen[f"error {status}"] += 1
            else:
                text = text_of(answer)
                kinds = dict.fromkeys(known, "another's answer") | {known[number]: "own answer"}
                seen[kinds.get(text, "a changed answer")] += 1

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        time.sleep(min(1.0, seconds / 10))
        memory.append(process.memory_info().rss / 2**20)
    return {
        **seen,
        "different answers": len(set(known)),
        "MB after a tenth": round(memory[len(memory) // 10]),
        "MB at the end": round(memory[-1]),
    }


def text_of(answer: dict | list) -> str:
    """The text of a reply, whole or streamed."""
    if isinstance(answer, dict):
        return answer["choices"][0]["message"]["content"]
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in answer)


def peer_server(threads: int):
    """The HTTP server that comes with xllamacpp, with the same file and as many threads."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path, params.n_ctx, params.n_parallel = str(find_model("smollm2").gguf), 4096, 1
    params.verbosity, params.warmup, params.cpuparams.n_threads = -1, False, threads
    return xllamacpp.Server(params)


def main() -> None:
    """Measure each part and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="how long the crowd asks")
    parser.add_argument("--quick", action="store_true", help="one round of everything")
    options = parser.parse_args()
    rounds = 1 if options.quick else 7
    backbone = load_model("smollm2", engine="llama.cpp")
    worker, peer = ModelWorker(backbone), peer_server(backbone.threads)
    print(f"llama.cpp with {backbone.threads} threads")
    gaps = around(backbone, 3 * rounds)
    print(f"{'api: ms a token, the engine taking no time':<44} {statistics.median(gaps):8.2f}")
    with BackgroundServer(make_app(worker)) as server:
        address = f"{server.host}:{server.port}"
        rows = per_token(backbone, address, peer.listening_address.removeprefix("http://"), rounds)
        engine = rows.pop("engine")
        print(f"{'engine: ms a token':<44} {statistics.median(engine):8.2f}")
        for name, gaps in rows.items():
            over = statistics.median(ours - alone for ours, alone in zip(gaps, engine, strict=True))
            print(f"{f'{name}: ms a token, and over the engine':<44} {statistics.median(gaps):8.2f} {over:+8.2f}")
        for title, values in zip(("first event", "first text"), first_byte(address, 3 * rounds), strict=True):
            print(f"{f'{title}: ms, median and worst':<44} {statistics.median(values):8.1f} {max(values):8.1f}")
        values = cancel(worker, rounds)
        print(f"{'cancelled: ms until the model is free':<44} {statistics.median(values):8.1f} {max(values):8.1f}")
        print(f"{CLIENTS} clients for {options.seconds:g} s: {crowd(backbone, address, options.seconds)}", flush=True)


if __name__ == "__main__":
    main()
