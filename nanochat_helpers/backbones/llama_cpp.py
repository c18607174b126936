"""Step 4 with llama.cpp: the same weights, still packed in 4 bits, several times faster.

llama.cpp keeps the logits to itself: it also chooses the tokens (step 5), and tells of each one its probability. The
settings mean the same as in `sampling`, in the same order, but the luck is llama.cpp's own.
"""

import math
import queue
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from ..errors import EngineError
from ..settings import GenerationSettings
from ..tokens import token_bytes
from . import usable_cores

END = object()
# Memory for the whole context is taken at load, 23 kB a token: half of SmolLM2's 8192 tokens is plenty for a chat.
MAX_CONTEXT = 4096
# Read prompts are kept, so that a conversation goes on quickly when others came between; 8 GB would be llama.cpp's own.
MEGABYTES_FOR_PROMPTS = 128
TOP_TOKENS = 12


class DrawnToken(NamedTuple):
    """A token that the engine chose; prob is the model's own probability of it, before any setting.

    top_tokens: the most likely tokens with their own probabilities, the best first.
    """

    token_id: int
    prob: float | None
    top_tokens: tuple[tuple[int, float], ...] = ()


class LlamaCppBackbone:
    """A model in one .gguf file that runs in this process, in llama.cpp's own threads.

    The same seed gives the same reply after the same texts. What llama.cpp keeps of another text that begins alike
    saves time, and can move its probabilities by up to 0.03.
    """

    engine = "llama.cpp"
    family = "decoder"
    device = "cpu"

    def __init__(self, name: str, gguf: Path | str, tokenizer, *, context_length: int, threads: int | None = None):
        xllamacpp = _import_xllamacpp()
        self.name, self.tokenizer, self.context_length = name, tokenizer, context_length
        self.is_chat = bool(getattr(tokenizer, "chat_template", None))
        self.eos_token_ids = frozenset([tokenizer.eos_token_id])
        params = xllamacpp.CommonParams()
        params.model.path = str(gguf)
        params.n_ctx, params.n_parallel = context_length, 1
        params.cache_ram_mib = MEGABYTES_FOR_PROMPTS
        params.n_batch = params.n_ubatch = 128  # larger steps take more memory and are no faster on a CPU
        self.threads = params.cpuparams.n_threads = threads or free_cores()
        params.warmup, params.verbosity = False, -1
        # xllamacpp opens a web server of its own, too; with a key that nobody knows it answers nobody.
        params.api_keys, params.ui, params.endpoint_slots = [secrets.token_hex(32)], False, False
        self._server = xllamacpp.Server(params)

    @classmethod
    def load(cls, name: str, gguf: Path | str, *, tokenizer_folder: Path | str) -> "LlamaCppBackbone":
        """Load the weights from a .gguf file and the tokenizer from a folder that transformers wrote."""
        from transformers import PreTrainedTokenizerFast  # from 5.18 on it does not import torch; AutoTokenizer does

        tokenizer = PreTrainedTokenizerFast.from_pretrained(tokenizer_folder, local_files_only=True)
        return cls(name, gguf, tokenizer, context_length=min(tokenizer.model_max_length, MAX_CONTEXT))

    def draw_tokens(
        self,
        input_ids: list[int],
        settings: GenerationSettings,
        *,
        max_new_tokens: int,
        seed: int,
        cancel: threading.Event | None = None,
    ) -> Iterator[DrawnToken]:
        """Yield tokens as llama.cpp chooses them; the end token, too, where the model wrote it.

        Closing the iterator, or setting `cancel`, stops llama.cpp at its next token, or at the next 128 tokens of a
        prompt that it still reads. Raises EngineError.
        """
        request = _request(input_ids, settings, max_new_tokens, seed)
        chunks: queue.SimpleQueue = queue.SimpleQueue()
        stopped = threading.Event()

        def receive(chunk):
            chunks.put(chunk)
            return stopped.is_set() or bool(cancel and cancel.is_set())  # True tells llama.cpp to stop

        def work():
            try:
                self._server.handle_completions(request, receive)
            except Exception as error:  # it must reach the reader, who waits in another thread
                chunks.put({"error": {"message": str(error)}})
            finally:
                chunks.put(END)

        worker = threading.Thread(target=work, name="llama.cpp", daemon=True)
        worker.start()
        try:
            while (chunk := chunks.get()) is not END:
                yield from self._read(chunk)
        finally:
            stopped.set()
            worker.join()

    def next_token_probs(self, input_ids: list[int], n: int) -> dict[int, float]:
        """The n most likely next tokens and the model's own probabilities of them, the best first. Raises EngineError.

        It takes longer the more are asked for: half a second for all 49,152 of SmolLM2, 15 milliseconds for 1000.
        """
        request = {"prompt": list(input_ids), "max_tokens": 1, "logprobs": n, "temperature": 0, "cache_prompt": True}
        answers: list[dict] = []
        self._server.handle_completions(request, lambda answer: answers.append(answer) and False)
        if "error" in answers[0]:
            raise EngineError(f"llama.cpp could not do this: {answers[0]['error'].get('message', answers[0])}")
        entry = answers[0]["choices"][0]["logprobs"]["content"][0]
        return {token["id"]: math.exp(token["logprob"]) for token in entry["top_logprobs"]}

    def _read(self, chunk):
        if chunk is None:
            return
        if "error" in chunk:
            raise EngineError(f"llama.cpp could not do this: {chunk['error'].get('message', chunk['error'])}")
        choice = chunk["choices"][0]
        for entry in (choice.get("logprobs") or {}).get("content", ()):
            yield from self._tokens_of(entry)
        if choice.get("finish_reason") == "stop":
            yield DrawnToken(self.tokenizer.eos_token_id, None)

    def _tokens_of(self, entry):
        """The tokens of one entry: llama.cpp tells a character of several tokens as one, with only its last id."""
        top_tokens = tuple((top["id"], math.exp(top["logprob"])) for top in entry.get("top_logprobs", ()))
        last = DrawnToken(entry["id"], math.exp(entry["logprob"]), top_tokens)
        data = bytes(entry["bytes"])
        if data.isascii() or data == token_bytes(last.token_id, self.tokenizer):
            return [last]
        ids = self.tokenizer(data.decode("utf-8", "replace"), add_special_tokens=False)["input_ids"]
        return [*(DrawnToken(token_id, None) for token_id in ids[:-1]), last]


def free_cores() -> int:
    """How many cores nobody else keeps busy right now, at most 8: more threads than that slow llama.cpp down.

    Its threads wait for each other at every layer, so one that has to share its core holds up all the others.
    """
    use = psutil.cpu_percent(interval=0.1, percpu=True)
    free = sum(percent < 50 for percent in use)
    return max(1, min(free, usable_cores(), psutil.cpu_count(logical=False) or 8, 8))


def check_able(settings: GenerationSettings) -> None:
    """Refuse what llama.cpp cannot do. Raises EngineError."""
    if settings.repetition_penalty != 1 and not settings.penalise_prompt:
        raise EngineError(
            "llama.cpp always counts the prompt for the repetition penalty: for penalise_prompt=False load the model "
            'with engine="transformers".'
        )


def _request(input_ids, settings, max_new_tokens, seed):
    check_able(settings)
    return {
        "prompt": list(input_ids),
        "max_tokens": max_new_tokens,
        "stream": True,
        "return_progress": True,  # to be asked while it reads a long prompt, too, whether to stop
        "logprobs": TOP_TOKENS,
        "cache_prompt": True,
        "seed": seed % 2**32,
        "samplers": ["penalties", "temperature", "top_k", "top_p", "min_p"],  # transformers' order, not llama.cpp's
        "temperature": 0 if settings.greedy else settings.temperature,
        "top_k": min(settings.top_k, 2**31 - 1),  # what its whole numbers have room for
        "top_p": settings.top_p,
        "min_p": settings.min_p,
        "repeat_penalty": settings.repetition_penalty,
        "repeat_last_n": len(input_ids) + max_new_tokens,
    }


def _import_xllamacpp():
    try:
        import xllamacpp
    except ImportError as error:
        raise EngineError(
            "The llama.cpp engine is not installed: run `pip install xllamacpp`, or load the model with "
            'engine="transformers".'
        ) from error
    return xllamacpp
