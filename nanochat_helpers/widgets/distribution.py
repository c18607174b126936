"""Live pictures of one distribution: where top_p cuts it, 1,000 draws from it, and what the repetition penalty moves.

In: the logits of the next token, from one run of the model. A slider applies the settings anew, over the whole
vocabulary, and runs no model.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ..settings import GenerationSettings
from ..views.cumulative_cut import cumulative_cut_data, cumulative_cut_html
from ..views.draws import draws_data, draws_html
from ..views.penalty_arrows import penalty_arrows_data, penalty_arrows_html
from .controls import follow_sliders
from .live import LiveView, StaticView


def cumulative_cut_widget(
    logits: torch.Tensor | Mapping[str, torch.Tensor],
    tokenizer: Any,
    settings: GenerationSettings | None = None,
    *,
    sliders: Sequence[str] = ("top_p", "temperature"),
    n: int = 20,
    compare_top_k: int = 50,
) -> LiveView | StaticView:
    """See where top_p cuts; a dict of title → logits is drawn side by side. `data` is the cut, or a dict of them.

    settings: where the sliders start; None: all off. n, compare_top_k: see `cumulative_cut_data`.
    """

    def cut(logits, changed):
        return cumulative_cut_data(logits, tokenizer, changed, n=n, compare_top_k=compare_top_k)

    def compute(changed):
        if isinstance(logits, Mapping):
            return {title: cut(each, changed) for title, each in logits.items()}
        return cut(logits, changed)

    return follow_sliders(compute, cumulative_cut_html, settings, sliders)


def draws_widget(
    logits: torch.Tensor,
    tokenizer: Any,
    settings: GenerationSettings | None = None,
    *,
    input_ids: Sequence[int] = (),
    n_draws: int = 1000,
    sliders: Sequence[str] = ("temperature", "seed"),
    n: int = 12,
) -> LiveView | StaticView:
    """Draw 1,000 times and compare the counts with the prediction; the seed is the luck. `data` is a `Draws`.

    settings: where the sliders start; None: all off, seed 0.
    """

    def compute(changed):
        return draws_data(logits, tokenizer, changed, input_ids=input_ids, n_draws=n_draws, seed=changed.seed or 0, n=n)

    return follow_sliders(compute, draws_html, settings, sliders)


def penalty_arrows_widget(
    logits: torch.Tensor,
    tokenizer: Any,
    settings: GenerationSettings | None = None,
    *,
    prompt_ids: Sequence[int],
    new_ids: Sequence[int] = (),
    n: int = 12,
) -> LiveView | StaticView:
    """See how far the repetition penalty moves the logits of the used tokens. `data` is a `PenaltyArrows`."""

    def compute(changed):
        return penalty_arrows_data(logits, tokenizer, changed, prompt_ids=prompt_ids, new_ids=new_ids, n=n)

    return follow_sliders(compute, penalty_arrows_html, settings, ("repetition_penalty",))
