"""The picture of luck: how often each token comes when one draws 1,000 times, next to how often it should come.

`draws_data` draws and counts, `draws_html` draws the picture. The rule of drawing is in `sampling`.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..language import grouped, tr
from ..sampling import Stages, draw_many, luck, process_logits
from ..settings import GenerationSettings, check_count
from ..tokens import token_text
from .markup import attribute, count, figure, visible


@dataclass(frozen=True)
class DrawnRow:
    """One token, or all other tokens together (token_id None): its probability, and how often it was drawn."""

    token_id: int | None
    text: str
    prob: float
    n_drawn: int
    n_draws: int

    @property
    def predicted(self) -> float:
        """How often it comes on average: n · p."""
        return self.n_draws * self.prob

    @property
    def noise(self) -> float:
        """How far luck alone often takes the count from there: two standard deviations, 2 · √(n · p · (1 − p)).

        About 19 of 20 counts are nearer than that (fewer where less than about five are predicted).
        """
        return 2 * math.sqrt(max(0.0, self.predicted * (1 - self.prob)))

    @property
    def within_noise(self) -> bool:
        """Is the count as near as luck alone explains?"""
        return abs(self.n_drawn - self.predicted) <= self.noise + 1e-3  # 1e-3: p itself is rounded


@dataclass(frozen=True)
class Draws:
    """What n_draws draws gave: the tokens in the order of their logits, and last all others."""

    rows: tuple[DrawnRow, ...]
    n_draws: int
    seed: int

    @property
    def n_within_noise(self) -> int:
        """In how many rows the count is as near to the prediction as luck alone explains."""
        return sum(row.within_noise for row in self.rows)


def draws_data(
    logits: torch.Tensor,
    tokenizer: Any,
    settings: GenerationSettings,
    *,
    input_ids: Sequence[int] = (),
    n_draws: int = 1000,
    seed: int = 0,
    n: int = 12,
    stages: Stages | None = None,
) -> Draws:
    """Draw again and again from the same probabilities, with the luck of the seed, and count.

    logits: of shape (vocab_size,). tokenizer: of the model, or a list of texts. n: how many tokens get their own row.
    stages: what `process_logits` made of these logits, where that is known already.

    The rows are the most likely tokens after the repetition penalty: no other change alters their order, so they stay
    where they are while a slider moves; a removed token has probability 0.
    """
    check_count("n", n, least=1)
    check_count("n_draws", n_draws, least=1)
    stages = stages or process_logits(logits, list(input_ids), settings)
    probs = stages.probs
    drawn = Counter(draw_many(probs, luck(seed, n_draws)))
    shown = stages.after_repetition_penalty.topk(min(n, len(logits))).indices
    rows = [
        DrawnRow(token_id, token_text(token_id, tokenizer), prob, drawn[token_id], n_draws)
        for token_id, prob in zip(shown.tolist(), probs[shown].tolist(), strict=True)
    ]
    n_rest = len(logits) - len(rows)
    if n_rest:
        rest = probs.index_fill(0, shown, 0).sum().item()
        n_drawn = n_draws - sum(row.n_drawn for row in rows)
        rows.append(DrawnRow(None, count(n_rest, "other"), rest, n_drawn, n_draws))
    return Draws(tuple(rows), n_draws, seed)


def draws_html(draws: Draws) -> str:
    """Draw one row a token: a bar for the prediction, a bracket for the noise to expect, a dot for the count."""
    end = _axis_end(draws)
    rows = "".join(_row(row, end) for row in draws.rows)
    ticks = "".join(f"<span>{tr('{value:,g}', value=value)}</span>" for value in (0, end / 2, end))
    n_draws, counts = count(draws.n_draws, "draw"), count(len(draws.rows), "count")
    within = tr("{n} of {counts} within the noise to expect", n=draws.n_within_noise, counts=counts)
    title = tr("{draws}, seed {seed}", draws=n_draws, seed=draws.seed)
    head = f'<div class="nc-head"><b>{title}</b><span class="nc-dim">{within}</span></div>'
    names = (
        f'<div class="nc-draw nc-dim"><span>{tr("token")}</span><span></span><span>{tr("predicted")}</span>'
        f"<span>{tr('counted')}</span></div>"
    )
    axis = f'<div class="nc-draw nc-dim" aria-hidden="true"><span></span><div class="nc-draw-axis">{ticks}</div></div>'
    label = tr("{draws} with seed {seed}: predicted and counted", draws=n_draws, seed=draws.seed)
    return figure(f'{_STYLE}{head}<div class="nc-draws">{names}{rows}{axis}</div>{_legend()}', label=label)


def _axis_end(draws):
    """All draws, or a half, a quarter … of them where no token reaches further: noise is small."""
    most = max(max(_high(row), row.n_drawn) for row in draws.rows if row.token_id is not None)
    shares = (share for share in (0.05, 0.1, 0.25, 0.5) if most <= share * draws.n_draws)
    return draws.n_draws * next(shares, 1)


def _low(row):
    return max(0.0, row.predicted - row.noise)


def _high(row):
    return min(float(row.n_draws), row.predicted + row.noise)


def _row(row, end):
    is_rest = row.token_id is None
    text = row.text if is_rest else visible(row.text[:24]) + "…" * (len(row.text) > 24)
    out = not row.within_noise
    numbers = {"token": repr(row.text[:30]), "predicted": _predicted(row), "n": row.n_drawn}
    label = tr("{token}: predicted {predicted}, counted {n}", **numbers)
    if out:
        label = tr("{token}: predicted {predicted}, counted {n}, beyond the noise", **numbers)
    return (
        f'<div class="nc-draw{" nc-draw-out" * out}{" nc-draw-rest" * is_rest}"><span>{text}</span>'
        f'<div class="nc-draw-track" role="img" aria-label="{attribute(label)}">{_marks(row, end)}</div>'
        f"<span>{_predicted(row)}</span><span>{grouped(row.n_drawn)}</span></div>"
    )


def _marks(row, end):
    if max(_high(row), row.n_drawn) > end:  # only all others together can be more than the axis is long
        return f'<i class="nc-draw-torn" style="width:100%">{tr("further than this axis")}</i>'
    return (
        f'<i style="width:{_css(row.predicted / end)}"></i>'
        f'<u style="left:{_css(_low(row) / end)};width:{_css((_high(row) - _low(row)) / end)}"></u>'
        f'<b style="left:{_css(row.n_drawn / end)}"></b>'
    )


def _predicted(row):
    decimals = 0 if row.predicted >= 9.95 or row.prob == 0 else 1  # 0.4 draws are not 0
    return tr(
        "{predicted:,.{decimals}f} ± {noise:,.{decimals}f}", predicted=row.predicted, noise=row.noise, decimals=decimals
    )


def _css(share):
    return f"{100 * share:.4g}%"


def _legend():
    noise = tr("noise to expect: ± 2 · √(n · p · (1 − p)), about 19 times of 20")
    return (
        f'<p class="nc-draw-legend nc-dim"><span><i></i>{tr("predicted: n · p")}</span><span><u></u>{noise}</span>'
        f"<span><b></b>{tr('counted')}</span>"
        f'<span class="nc-draw-out"><b></b>{tr("counted, beyond the noise")}</span></p>'
    )


_STYLE = """<style>
.nc-draws{max-width:66em}
.nc-draw{display:grid;grid-template-columns:9em 1fr 6.5em 4.2em;gap:0 .8em;align-items:center;line-height:1.8;
 font-variant-numeric:tabular-nums}
.nc-draw>span{white-space:nowrap;min-width:0}
.nc-draw>span:first-child{overflow:hidden;text-overflow:ellipsis}
.nc-draw>span:nth-child(n+3){text-align:right}
.nc-draw>span:last-child{font-weight:bold}
.nc-draw.nc-dim>span{font-weight:normal;font-size:.9em}
.nc-draw-track{position:relative;height:1.8em;border-left:2px solid;
 background:linear-gradient(rgba(128,128,128,.5),rgba(128,128,128,.5)) 50%/1px 100% no-repeat}
.nc-draw-track>i,.nc-draw-legend i{background:rgba(86,180,233,.45);border:1px solid #56B4E9}
.nc-draw-track>i{position:absolute;left:0;top:20%;bottom:20%;border-left:0}
.nc-draw-rest .nc-draw-track>i{background:repeating-linear-gradient(135deg,rgba(128,128,128,.6) 0 1px,
 rgba(128,128,128,.12) 1px 6px);border-color:rgba(128,128,128,.8)}
.nc-draw-track>.nc-draw-torn{border-right:3px dotted;text-align:right;padding-right:.6em;font-size:.85em;
 font-style:normal;display:flex;align-items:center;justify-content:flex-end}
.nc-draw-track>u,.nc-draw-legend u{border:solid currentColor;border-width:0 2px;height:1.2em;
 background:linear-gradient(currentColor,currentColor) 0 50%/100% 2px no-repeat}
.nc-draw-track>u{position:absolute;top:calc(50% - .6em);min-width:4px}
.nc-draw-track>b,.nc-draw-legend b{width:.7em;height:.7em;border-radius:50%;background:#D55E00;border:1px solid #fff;
 box-shadow:0 0 0 1px #000}
.nc-draw-track>b{position:absolute;top:calc(50% - .35em);margin-left:-.35em}
.nc-draw-out .nc-draw-track>b,.nc-draw-legend .nc-draw-out b{border-radius:0;transform:rotate(45deg)}
.nc-draw-out>span:last-child::before{content:"◆ ";color:#D55E00}
.nc-draw-axis{display:grid;grid-template-columns:repeat(3,1fr);border-top:1px solid;font-size:.9em}
.nc-draw-axis :nth-child(2){text-align:center}.nc-draw-axis :nth-child(3){text-align:right}
.nc .nc-draw-legend{display:flex;flex-wrap:wrap;gap:.1em 1.4em;margin-top:.7em;font-size:.92em}
.nc-draw-legend :is(i,u,b){display:inline-block;margin-right:.5em;vertical-align:-.08em}
.nc-draw-legend i{width:1.2em;height:.9em}.nc-draw-legend u{width:1.6em;height:.9em}
@container (max-width:640px){
.nc-draw{grid-template-columns:6.5em 1fr 5.8em 3.8em;gap:0 .5em}}
@container (max-width:480px){
.nc-draw{grid-template-columns:1fr 6.5em 4.2em;line-height:1.5;padding-top:.25em}
.nc-draw>:nth-child(2){grid-column:1/-1;grid-row:2}.nc-draw-track{height:1.3em}}
</style>"""
