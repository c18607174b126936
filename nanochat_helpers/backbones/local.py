"""Step 4 with transformers: input_ids go in, the logits for the next token come out.

What was computed for the last inputs is kept (the KV cache): of a new input only what differs from one of them, from
the first differing token on, goes through the model. Tokens are chosen elsewhere: see `sampling`.
"""

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import ContextError, EngineError
from ..tokens import common_prefix_length
from . import check_can_write, check_input_ids
from .batch import Batch
from .encoder import embed
from .tuning import tune

KEPT_INPUTS = 2  # a lab may write in the background while a cell writes, too


@dataclass(frozen=True)
class _Kept:
    """An input, what the model computed for it, and who asked."""

    input_ids: list[int]
    cache: Any
    writer: threading.Thread

    def is_free_for(self, input_ids: list[int]) -> bool:
        """Whether it may be cut and filled anew: not while another one is still writing with it."""
        continues = self.input_ids == input_ids[: len(self.input_ids)]
        return continues or self.writer is threading.current_thread() or not self.writer.is_alive()


class LocalBackbone:
    """A model that runs in this process, with float32 weights, on the CPU or on a GPU.

    device: where it computes, "cpu", "cuda" or "mps". What it gives is always on the CPU.
    """

    engine = "transformers"

    def __init__(self, name: str, model, tokenizer, *, family: str = "decoder"):
        self.name, self.model, self.tokenizer, self.family = name, model.eval(), tokenizer, family
        self.device = model.device.type
        self.context_length = _context_length(model.config, tokenizer)
        self.is_chat = bool(getattr(tokenizer, "chat_template", None))
        self.eos_token_ids = _eos_token_ids(model, tokenizer)
        self.vocab_size = model.config.vocab_size
        self._lock = threading.RLock()
        self.forget()
        if family != "encoder" and self.device == "cpu":
            tune(model)

    @classmethod
    def load(cls, name: str, folder: Path | str, *, family: str = "decoder", device: str = "cpu") -> "LocalBackbone":
        """Load a folder with config.json, model.safetensors and tokenizer files. Weights are data: never unpickled.

        device: see `devices`. Raises EngineError where it has no room for the model.
        """
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer
        from transformers.utils import logging

        classes = {"decoder": AutoModelForCausalLM, "encoder": AutoModel, "encoder-decoder": AutoModelForSeq2SeqLM}
        logging.disable_progress_bar()
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = classes[family].from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
        return cls(name, _moved(model, device, name), tokenizer, family=family)

    def next_token_logits(self, input_ids: list[int]) -> torch.Tensor:
        """The model's score for every token of the vocabulary to come next: shape (vocab_size,), float32.

        Raises ContextError when there are more input_ids than the context holds, TokenError for what is no token id,
        CannotChatError for an encoder.
        """
        input_ids = self._fitting(self._checked(input_ids))
        with self._lock:
            return self._next_token_logits(input_ids)

    def start_batch(self, input_ids: list[int]) -> Batch:
        """Begin many texts that all go on from these tokens; see `Batch`. It keeps a cache of its own."""
        return Batch(self._forward, self._new_cache(), self._fitting(self._checked(input_ids)))

    def embed(self, texts: Sequence[str]) -> torch.Tensor:
        """One vector of length 1 for each text, shape (texts, 384) for MiniLM. Encoders only; see `encoder`."""
        return embed(self, texts)

    def forget(self) -> None:
        """Drop what is kept of the last inputs; the next one goes through the model as a whole."""
        self._kept: list[_Kept] = []  # the newest is the last

    def _next_token_logits(self, input_ids):
        # The last token always goes through the model: its output is what we want.
        n_known, cache = self._take_nearest(input_ids[:-1])
        logits = self._forward([input_ids[n_known:]], cache)[0]
        self._kept = [*self._kept, _Kept(input_ids, cache, threading.current_thread())][-KEPT_INPUTS:]
        return logits

    def _take_nearest(self, input_ids):
        """How many of these tokens need not go through the model again, and the cache that holds them and no others.

        It is taken out of what is kept: should the pass be interrupted, no half-filled cache survives.
        """
        lengths = [
            common_prefix_length(kept.input_ids, input_ids) if kept.is_free_for(input_ids) else 0 for kept in self._kept
        ]
        n_known = max(lengths, default=0)
        if n_known == 0:
            return 0, self._new_cache()
        nearest = self._kept.pop(lengths.index(n_known))
        surplus = len(nearest.input_ids) - n_known
        if surplus:
            nearest.cache.crop(-surplus)
        return n_known, nearest.cache

    def _new_cache(self):
        from transformers import DynamicCache

        return DynamicCache(config=self.model.config)

    def _forward(self, new_ids, cache):
        """Run the model on the new tokens of each text: (n_texts, n_new) gives logits (n_texts, vocab_size)."""
        new_ids = torch.tensor(new_ids, device=self.device)
        with torch.inference_mode():
            output = self.model(input_ids=new_ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return last_logits(output)

    def _checked(self, input_ids):
        check_can_write(self.name, self.family)
        input_ids = check_input_ids(input_ids, self)
        if not input_ids:
            raise ContextError("There are no input_ids: a model needs at least one token to go on from.")
        return input_ids

    def _fitting(self, input_ids, what="input_ids"):
        if len(input_ids) > self.context_length:
            raise ContextError(
                f"{len(input_ids)} {what} are too many: {self.name} takes at most {self.context_length}, "
                "so some must be dropped."
            )
        return input_ids


def last_logits(output) -> torch.Tensor:
    """The logits after the last token of each text, float32 and on the CPU, in memory of their own."""
    return output.logits[:, -1].to("cpu", torch.float32, copy=True)


def _context_length(config, tokenizer) -> int:
    names = ("max_position_embeddings", "n_positions")  # T5's settings have only the second
    known = [getattr(tokenizer, "model_max_length", None), *(getattr(config, name, None) for name in names)]
    return min(int(length) for length in known if length)


def _eos_token_ids(model, tokenizer) -> frozenset[int]:
    from_model = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    ids = from_model if isinstance(from_model, list) else [from_model]
    return frozenset(token_id for token_id in [*ids, tokenizer.eos_token_id] if token_id is not None)


def _moved(model, device, name):
    """The model on this device. Its memory may be too small, and PyTorch says so in a RuntimeError."""
    try:
        return model.to(device)
    except RuntimeError as problem:
        why = next(iter(str(problem).splitlines()), "no reason given").rstrip(".")
        raise EngineError(
            f"{name} cannot be put on device={device!r} ({why}). Load it with device='cpu', or a smaller model."
        ) from problem
