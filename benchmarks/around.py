"""What stands around the model, measured against the model: milliseconds, and shares of the time of one token.

python benchmarks/around.py    one minute; medians of several runs
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from nanochat_helpers import Chat, GenerationSettings, Safety, load_model, stream
from nanochat_helpers.history import TokenBudget
from nanochat_helpers.passages import Passage, read_folder
from nanochat_helpers.prompts import encode_prompt
from nanochat_helpers.retrieval import BM25Search, MiniLMSearch
from nanochat_helpers.trace import record_token
from nanochat_helpers.views.prompt_strip import prompt_strip_data, prompt_strip_html
from nanochat_helpers.views.xray import xray_data, xray_html

QUESTION = "What does the temperature do when a token is drawn?"


def milliseconds(work: Callable[[], object], rounds: int = 15) -> float:
    """The median time of some work, after one round to warm up."""
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def main() -> None:
    """Measure each part and print its figures."""
    backbone = load_model("smollm2")
    chat = Chat(backbone, settings=GenerationSettings(max_new_tokens=60, seed=0, temperature=1.0))
    reply = chat.send("Tell me a story about a lighthouse.")
    one_token = 1000 * statistics.median(token.model_seconds for token in reply.trace.tokens)
    long_talk = [chat.messages[0], *chat.messages[1:] * 200]
    strip = prompt_strip_data(long_talk, backbone.tokenizer, max_length=8192)
    passages = read_folder()
    thousand = [Passage(f"{passage.text} {n}", passage.source, n) for n in range(1000) for passage in passages][:1000]
    by_words, by_meaning = BM25Search(thousand), MiniLMSearch(passages)
    steps = list(stream(backbone, reply.trace.input_ids, chat.settings))  # the same reply, with its logits
    long_text = f"{reply.text} " * (10_000 // len(reply.text))

    def xray():
        for step in steps:
            record_token(step, backbone.tokenizer, 0.0)
        xray_html(xray_data(reply.trace), 4)

    parts = {
        f"X-ray of {len(steps)} tokens: record, data, one station": xray,
        "prompt strip of 200 turns: draw it again": lambda: prompt_strip_html(strip),
        "history: 200 turns into 2,000 tokens": lambda: TokenBudget(2000)(long_talk, chat.count_tokens, 8000),
        "BM25: search 1,000 passages": lambda: by_words.search(QUESTION),
        f"MiniLM: search {len(passages)} passages": lambda: by_meaning.search(QUESTION),
        "safety: all rules on 10,000 characters": lambda: Safety().check_input(long_text),
        "prompt of a first message": lambda: encode_prompt(chat.messages[:2], backbone.tokenizer),
    }
    print(f"{'one token of the model':<52} {one_token:8.2f} ms")
    for name, work in parts.items():
        taken = milliseconds(work)
        print(f"{name:<52} {taken:8.2f} ms {taken / one_token:8.3f} tokens", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        reply.trace.save(Path(folder) / "trace.json")
        size = (Path(folder) / "trace.json").stat().st_size / 1000
    print(f"{f'trace file of {len(steps)} tokens':<52} {size:8.0f} kB")


if __name__ == "__main__":
    main()
