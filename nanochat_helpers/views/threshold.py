"""What a threshold costs: a dot for each question at its score, and a line that what is left of it does not pass.

In: scores of questions, as `search_quality.question_scores` gives them, and a min_score. Out: two rows of dots.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..language import tr
from ..search_quality import QuestionScore, ThresholdCost, threshold_cost
from .markup import attribute, count, figure


@dataclass(frozen=True)
class Dot:
    """One question: its text and score, where its dot stands (0 to 1 of the axis, and a level), whether it passes."""

    text: str
    score: float | None
    place: float
    level: int
    passes: bool


@dataclass(frozen=True)
class ThresholdView:
    """Two rows of dots and the line between passed and refused. line: 0 to 1 of the axis, which ends at `highest`."""

    answered: tuple[Dot, ...]
    unanswered: tuple[Dot, ...]
    cost: ThresholdCost
    line: float
    highest: float


# --- data


def threshold_data(scores: Sequence[QuestionScore], min_score: float) -> ThresholdView:
    """Where the dots of the questions and the line of the threshold stand. What was not found stands at 0."""
    cost = threshold_cost(scores, min_score)
    highest = float(math.ceil(max(1.0, *(each.score or 0.0 for each in scores))))
    answered = [each for each in scores if each.question.kind != "no answer"]
    unanswered = [each for each in scores if each.question.kind == "no answer"]
    line = min(max(min_score / highest, 0.0), 1.0)
    return ThresholdView(
        _dots(answered, min_score, highest), _dots(unanswered, min_score, highest), cost, line, highest
    )


def _dots(scores, min_score, highest, width=1 / 40) -> tuple[Dot, ...]:
    """Each dot stands at its own score, on the lowest level that has room for it. width: of a dot."""
    dots, ends = [], []  # where the last dot of each level stands
    for each in sorted(scores, key=lambda each: each.score or 0.0):
        place = min(max((each.score or 0.0) / highest, 0.0), 1.0)
        level = next((level for level, end in enumerate(ends) if place - end >= width), len(ends))
        ends[level : level + 1] = [place]
        dots.append(Dot(each.question.text, each.score, place, level, each.passes(min_score)))
    return tuple(dots)


# --- drawing


def threshold_html(data: ThresholdView) -> str:
    """Draw both rows; a dot that passes is full, one that is refused is a ring. The mouse shows its question."""
    cost = data.cost
    n_refused = sum(not dot.passes for dot in data.answered)
    n_through = sum(dot.passes for dot in data.unanswered)
    price, danger = tr("{n} refused: the price", n=n_refused), tr("{n} let through: the danger", n=n_through)
    n_answered, n_unanswered = (count(len(dots), "question") for dots in (data.answered, data.unanswered))
    answered = tr("The collection answers them: {questions}", questions=n_answered)
    unanswered = tr("Nothing answers them: {questions}", questions=n_unanswered)
    rows = _row(data, data.answered, answered, price, "answered")
    rows += _row(data, data.unanswered, unanswered, danger, "unanswered")
    marks = (tr("0 or not found"), tr("score {score:g}", score=data.highest / 2), f"{data.highest:g}")
    axis = f'<div class="nc-thr-axis">{"".join(f"<span>{mark}</span>" for mark in marks)}</div>'
    key = f"<span>{tr('full: gets a passage')}</span><span>{tr('ring: gets none')}</span>"
    head = f'<div class="nc-head"><b>min_score = {cost.min_score:g}</b>{key}</div>'
    label = tr(
        "With min_score {min_score:g}, {refused} of {answered} questions that have an answer are refused, "
        "and {through} of {unanswered} that have none get through.",
        min_score=cost.min_score,
        refused=n_refused,
        answered=len(data.answered),
        through=n_through,
        unanswered=len(data.unanswered),
    )
    return figure(f"{_STYLE}{head}{rows}{axis}", label=label)


def _row(data, dots, title, told, kind):
    levels = max((dot.level for dot in dots), default=0) + 1
    circles = "".join(_circle(dot) for dot in dots)
    line = f'<i class="nc-thr-line" style="left:{100 * data.line:.1f}%"></i>'
    return (
        f'<div class="nc-thr-head"><span>{title}</span><b>{told}</b></div>'
        f'<div class="nc-thr-row nc-thr-{kind}" style="--levels:{levels}">'
        f'<div class="nc-thr-dots">{line}{circles}</div></div>'
    )


def _circle(dot):
    told = attribute(f"{dot.text} {tr('not found') if dot.score is None else f'{dot.score:.2f}'}")
    kind = "nc-thr-full" if dot.passes else "nc-thr-ring"
    place = f"left:{100 * dot.place:.1f}%;--level:{dot.level}"
    return f'<span class="nc-thr-dot {kind}" role="img" aria-label="{told}" title="{told}" style="{place}"></span>'


_STYLE = """<style>
.nc .nc-thr-head{display:flex;flex-wrap:wrap;justify-content:space-between;gap:.1em 1em;margin-top:.6em}
.nc .nc-thr-row{padding:.2em .6em;border-bottom:1px solid rgba(128,128,128,.7)}
.nc .nc-thr-dots{position:relative;height:calc(.85em*var(--levels) + .4em)}
.nc .nc-thr-dot{position:absolute;bottom:calc(.1em + .85em*var(--level));width:.75em;height:.75em;margin-left:-.375em;
 border-radius:50%;border:2px solid #0072B2}
.nc .nc-thr-unanswered .nc-thr-dot{border-color:#D55E00;border-radius:15%}
.nc .nc-thr-answered .nc-thr-full{background:#56B4E9}
.nc .nc-thr-unanswered .nc-thr-full{background:#E69F00}
.nc .nc-thr-line{position:absolute;top:-.2em;bottom:-.2em;border-left:3px dashed currentColor;margin-left:-1.5px}
.nc .nc-thr-axis{display:grid;grid-template-columns:1fr auto 1fr;padding:0 .6em;font-variant-numeric:tabular-nums}
.nc .nc-thr-axis>:last-child{text-align:right}
</style>"""
