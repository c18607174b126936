"""Step 4 for many texts at once: they begin with the same prompt, and one pass gives each of them its next logits.

A pass reads every weight of the model once, for one text or for a hundred; that is why a batch is so much faster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import Cache


class Batch:
    """Texts that are written together.

    forward: runs the model. It takes the new tokens of each text, all equally many, and the cache of what was before;
        it gives the scores for the next token of each, shape (n_texts, vocab_size).
    logits: these scores. At first there is one text, the prompt; `step` lets texts go on, branch and end.
    """

    def __init__(self, forward: Callable[[list[list[int]], Cache], torch.Tensor], cache: Cache, input_ids: list[int]):
        self._forward, self._cache = forward, cache
        self.logits = forward([input_ids], cache)

    def step(self, parents: list[int], token_ids: list[int]) -> None:
        """Make the next texts: each is one of the texts so far (its place in `logits`) and one token more.

        A text that is named twice branches; one that is not named ends.
        """
        if parents != list(range(len(self.logits))):
            self._cache.batch_select_indices(torch.tensor(parents))
        self.logits = self._forward([[token_id] for token_id in token_ids], self._cache)
