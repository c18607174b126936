"""A text as FilmTokens while it is written, also one whose beginning is given: what the live pictures of texts draw.

In: a backbone, input_ids and settings. Out: the text again and again, one token longer each time.
"""

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from ..errors import EngineError
from ..generation import check_input_ids, stream
from ..settings import GenerationSettings
from ..views.filmstrip import FilmToken, film_token


def written(
    backbone: Any,
    input_ids: Sequence[int],
    settings: GenerationSettings,
    cancel: threading.Event | None = None,
    beginning: Sequence[FilmToken] = (),
) -> Iterator[tuple[FilmToken, ...]]:
    """A text, again and again while it grows by one token a time.

    beginning: its first tokens, which are given; the luck of all later ones stays what it would have been.
    Raises what `generation.stream` raises, and EngineError where an engine can take no beginning.
    """
    input_ids = check_input_ids(input_ids, backbone)
    if beginning:
        backbone = _Given(backbone, len(input_ids), [token.token_id for token in beginning])
    tokens = ()
    for place, step in enumerate(stream(backbone, input_ids, settings, cancel=cancel)):
        tokens += (beginning[place] if place < len(beginning) else film_token(step, backbone.tokenizer),)
        yield tokens


class _Given:
    """A backbone that is certain of some first tokens: the loop walks through them, and the model is not asked."""

    def __init__(self, backbone, n_prompt, token_ids):
        if backbone.engine == "llama.cpp":
            raise EngineError(
                "llama.cpp chooses the tokens itself and takes no fork: load the model with engine='transformers'."
            )
        self._backbone, self._n_prompt, self._token_ids = backbone, n_prompt, token_ids

    def __getattr__(self, name):
        return getattr(self._backbone, name)

    def next_token_logits(self, input_ids):
        place = len(input_ids) - self._n_prompt
        if place >= len(self._token_ids):
            return self._backbone.next_token_logits(input_ids)
        logits = torch.full((self._backbone.vocab_size,), -torch.inf)
        logits[self._token_ids[place]] = 0.0
        return logits
