"""The pictures of the sampling lab in one piece: the question, the roulette strip, and one picture to choose.

In: the logits at one place of a text, and the settings. Out: one HTML string, drawn anew for each move of a slider.
"""

import html
from dataclasses import dataclass
from typing import Any

import torch

from ..language import later, tr
from ..sampling import luck, process_logits
from ..settings import GenerationSettings
from .candidates import Candidates, candidates_data, five_columns_html
from .cumulative_cut import CumulativeCut, cumulative_cut_data, cumulative_cut_html
from .draws import Draws, draws_data, draws_html
from .markup import figure, visible
from .penalty_arrows import PenaltyArrows, penalty_arrows_data, penalty_arrows_html
from .roulette import RouletteStrip, roulette_data, roulette_html

PICTURES = (later("table"), later("cumulative cut"), later("1,000 draws"), later("penalty arrows"))
TAIL = 40  # characters of the text that the question repeats


@dataclass(frozen=True)
class LabData:
    """What the lab shows for one place of a text.

    before: the end of the text up to there. place: how many tokens were written before it.
    strip: where the needle points that belongs to this place. picture: the numbers of the chosen picture.
    """

    before: str
    place: int
    strip: RouletteStrip
    picture: Candidates | CumulativeCut | Draws | PenaltyArrows


def lab_data(
    logits: torch.Tensor,
    tokenizer: Any,
    settings: GenerationSettings,
    *,
    prompt_ids: list[int],
    new_ids: list[int],
    picture: str = "table",
) -> LabData:
    """The numbers of the strip and of one picture.

    logits: the model's own after prompt_ids and new_ids, shape (vocab_size,). settings: with a seed.
    picture: one of PICTURES.
    """
    used_ids = prompt_ids + new_ids if settings.penalise_prompt else new_ids
    stages = process_logits(logits, used_ids, settings)
    given, known = (logits, tokenizer, settings), {"input_ids": used_ids, "stages": stages}
    strip = roulette_data(*given, luck(settings.seed, len(new_ids) + 1)[-1], **known)
    if picture == "penalty arrows":
        numbers = penalty_arrows_data(*given, prompt_ids=prompt_ids, new_ids=new_ids)
    elif picture == "1,000 draws":
        numbers = draws_data(*given, seed=settings.seed, **known)
    else:
        compute = {"table": candidates_data, "cumulative cut": cumulative_cut_data}[picture]
        numbers = compute(*given, **known)
    before = tokenizer.decode((prompt_ids + new_ids)[-TAIL:])[-TAIL:]
    return LabData(before, len(new_ids), strip, numbers)


def lab_html(data: LabData) -> str:
    """Draw the question, the strip and the chosen picture, from top to bottom."""
    place = tr("token {n} of the text", n=data.place + 1)
    asked = tr("What comes after {text} ?", text=f"<b>{visible(data.before)}</b>")
    question = f'<p style="overflow-wrap:anywhere">{asked} <i class="nc-dim">({place})</i></p>'
    label = tr("The candidates for token {n} of the text", n=data.place + 1)
    return figure(question, label=label) + roulette_html(data.strip) + _picture(data.picture)


def _picture(numbers):
    if isinstance(numbers, Candidates):
        return five_columns_html(numbers, bars=True)
    drawings = {CumulativeCut: cumulative_cut_html, Draws: draws_html, PenaltyArrows: penalty_arrows_html}
    return drawings[type(numbers)](numbers)


def written_html(prompt: str, text: str) -> str:
    """The prompt, pale, and what was written after it."""
    body = f'<span class="nc-dim">{html.escape(prompt)}</span>{html.escape(text)}'
    style = "white-space:pre-wrap;overflow-wrap:anywhere;max-height:16em;overflow-y:auto"
    return figure(f'<p style="{style}" tabindex="0">{body}</p>', label=tr("The text so far"))
