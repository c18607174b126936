"""Step 4 for many texts at once: they begin with the same prompt, and one pass gives each of them its next logits.

A pass reads every weight of the model once, for one text or for a hundred; that is why a batch is so much faster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Batch:
    """Texts that are written together.

    logits: the scores for the next token of each text, shape (n_texts, vocab_size). At first there is one text, the
    prompt; `step` lets texts go on, branch and end.
    """

    def __init__(self, model: PreTrainedModel, input_ids: list[int]):
        from transformers import DynamicCache

        self._model, self._cache = model, DynamicCache(config=model.config)
        self.logits = self._forward([input_ids])

    def step(self, parents: list[int], token_ids: list[int]) -> None:
        """Make the next texts: each is one of the texts so far (its place in `logits`) and one token more.

        A text that is named twice branches; one that is not named ends.
        """
        if parents != list(range(len(self.logits))):
            self._cache.batch_select_indices(torch.tensor(parents))
        self.logits = self._forward([[token_id] for token_id in token_ids])

    def _forward(self, new_ids):
        with torch.inference_mode():
            output = self._model(
                input_ids=torch.tensor(new_ids), past_key_values=self._cache, use_cache=True, logits_to_keep=1
            )
        return output.logits[:, -1].clone()
