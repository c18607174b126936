"""Step 4, remembered: the logits after every text that was asked for, so that asking again costs nothing.

Texts that are written with the same luck share their beginnings. Whoever changes one setting, and perhaps goes back to
the one before, pays only for the tokens that are new. It wraps a backbone and can be used wherever one can.
"""

import threading
from array import array
from collections import OrderedDict
from typing import Any

import torch


class LogitsCache:
    """A backbone that keeps its answers; when they take more than max_bytes, those not asked for the longest go.

    SmolLM2's logits take 197 kB for each text, so 200 MB hold about a thousand of them.
    hits, misses: how often an answer was there, and how often the model was needed.
    The tensors are shared with whoever asked: change none of them in place.
    """

    def __init__(self, backbone: Any, *, max_bytes: int = 200_000_000):
        self.backbone, self.max_bytes = backbone, max_bytes
        self.hits = self.misses = self.n_bytes = 0
        self._logits: OrderedDict[bytes, torch.Tensor] = OrderedDict()
        self._lock = threading.Lock()  # a picture may ask while a text is being written

    @classmethod
    def of(cls, backbone: Any) -> "LogitsCache":
        """The one cache that all pictures of a backbone share, so that its memory is taken only once."""
        return vars(backbone).setdefault("logits_cache", cls(backbone))

    def __getattr__(self, name: str) -> Any:
        """Everything else is the backbone's own."""
        return getattr(self.backbone, name)

    def next_token_logits(self, input_ids: list[int]) -> torch.Tensor:
        """The backbone's logits after these tokens: kept ones, or new ones that are kept from now on."""
        key = array("I", input_ids).tobytes()
        with self._lock:
            if key in self._logits:
                self.hits += 1
                self._logits.move_to_end(key)
                return self._logits[key]
            self.misses += 1
            logits = self.backbone.next_token_logits(input_ids)
            self._logits[key] = logits
            self.n_bytes += _size(key, logits)
            while self.n_bytes > self.max_bytes:
                self.n_bytes -= _size(*self._logits.popitem(last=False))
            return logits

    def forget(self) -> None:
        """Drop all that is kept, in the backbone, too."""
        with self._lock:
            self._logits.clear()
            self.n_bytes = 0
            self.backbone.forget()


def _size(key, logits):
    return len(key) + logits.nbytes
