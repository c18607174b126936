"""Live pictures of one choice: the table of candidates, the ghost bars and the roulette strip, with sliders on top.

In: the model's logits, once. Out: pictures that apply the settings anew, to the same logits, whenever a slider moves.
"""

from collections.abc import Sequence
from typing import Any

import torch

from ..settings import GenerationSettings
from ..views import candidates, roulette
from .controls import follow_sliders
from .live import LiveView, StaticView


def five_columns_widget(
    logits: torch.Tensor,
    tokenizer: Any,
    settings: GenerationSettings | None = None,
    *,
    input_ids: Sequence[int] = (),
    sliders: Sequence[str] = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty"),
) -> LiveView | StaticView:
    """The table of candidates: logit, after penalty, ÷ temperature, kept or not, final %. `data` is `Candidates`.

    logits: shape (vocab_size,). tokenizer: a model's, or a list with the text of each token.
    settings: where the sliders start; None = everything off. input_ids: the tokens that count as used.
    """

    def compute(settings):
        return candidates.candidates_data(logits, tokenizer, settings, input_ids=input_ids)

    return follow_sliders(compute, candidates.five_columns_html, settings, sliders)


def ghost_bars_widget(
    logits: torch.Tensor,
    tokenizer: Any,
    settings: GenerationSettings | None = None,
    *,
    input_ids: Sequence[int] = (),
    sliders: Sequence[str] = ("temperature",),
) -> LiveView | StaticView:
    """The model's own probabilities (pale) and those after the settings (solid). `data` is `Candidates`.

    The parameters are those of `five_columns_widget`.
    """

    def compute(settings):
        return candidates.candidates_data(logits, tokenizer, settings, input_ids=input_ids)

    return follow_sliders(compute, candidates.ghost_bars_html, settings, sliders)


def roulette_widget(
    logits: torch.Tensor,
    tokenizer: Any,
    settings: GenerationSettings | None = None,
    *,
    input_ids: Sequence[int] = (),
    sliders: Sequence[str] = ("temperature",),
    u: float = 0.5,
) -> LiveView | StaticView:
    """The bar that all tokens share, and the needle u, which has a slider of its own. `data` is `RouletteStrip`.

    The other parameters are those of `five_columns_widget`.
    """

    def compute(settings, u=u):
        return roulette.roulette_data(logits, tokenizer, settings, u, input_ids=input_ids)

    return follow_sliders(compute, roulette.roulette_html, settings, sliders, u=u)
