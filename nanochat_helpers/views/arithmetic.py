"""The sums behind the table of candidates, as sentences: what happened to one token at one change.

In: a row of `candidates.Candidates` and its settings. Out: plain text, not escaped. It computes no probabilities.
"""

import math
from typing import TYPE_CHECKING

from ..language import tr
from ..settings import GenerationSettings

if TYPE_CHECKING:
    from .candidates import CandidateRow, Candidates

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


# --- numbers


def number(value: float) -> str:
    """A logit with two decimals and a real minus sign; very large ones as a power of ten.

    >>> number(-9.3149), number(2_000_000.0), number(float("-inf"))
    ('−9.31', '2×10⁶', '−∞')
    """
    if math.isinf(value):
        return "−∞" if value < 0 else "∞"
    text = f"{value:z.2f}" if abs(value) < 1e5 else _scientific(value)
    return text.replace("-", "−", 1)


def operand(value: float) -> str:
    """A logit as precise as a reader needs it to check a sum: four decimals at most, none where it has none."""
    if abs(value) >= 1e5:
        return number(value)
    return f"{value:z.4f}".rstrip("0").rstrip(".").replace("-", "−", 1)


def percent(prob: float) -> str:
    """A probability in percent, finer than the table's.

    >>> percent(0.61849), percent(0.00012), percent(0.0)
    ('61.85 %', '0.012 %', '<0.001 %')
    """
    value = 100 * prob
    return "<0.001 %" if value < 0.001 else f"{value:.2g} %" if value < 0.1 else f"{value:.2f} %"


def power_of_e(exponent: float) -> str:
    """The number e to the power of another, with five digits, however large it is.

    >>> power_of_e(2.0), power_of_e(18.9), power_of_e(1000.0)
    ('7.3891', '1.615×10⁸', '1.9701×10⁴³⁴')
    """
    tens = exponent / math.log(10)
    whole = math.floor(tens)
    if not -4 < whole < 5:
        return _times_ten(10 ** (tens - whole), whole)
    text = f"{math.exp(exponent):,.{4 - whole}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _scientific(value):
    mantissa, exponent = f"{value:.3e}".split("e")
    return _times_ten(float(mantissa), int(exponent))


def _times_ten(mantissa, exponent):
    if round(abs(mantissa), 4) == 10:
        mantissa, exponent = mantissa / 10, exponent + 1
    return f"{mantissa:.5g}×10{str(exponent).translate(_SUPERSCRIPTS)}"


def _beside(value: float, limit: float) -> str:
    """A number with as many digits as it takes to see on which side of the limit, and of 0, it lies: two at least."""
    for digits in range(2, 7):
        shown = round(value, digits)
        if shown != limit and (shown < limit) == (value < limit) and (shown or not value):
            break
    return f"{value:.{digits}f}"


# --- one sentence a change


def logit_step(row: "CandidateRow") -> str:
    """What the logit means on its own."""
    return tr("the model’s own score: {share} without any settings", share=percent(row.own_prob))


def penalty_step(row: "CandidateRow", settings: GenerationSettings) -> str:
    """What the repetition penalty did."""
    penalty = settings.repetition_penalty
    if penalty == 1:
        return tr("no penalty (1 = off)")
    if not row.used:
        return tr("not used before: stays {logit}", logit=operand(row.logit))
    sum_ = f"{operand(row.logit)} {'×' if row.logit < 0 else '÷'} {penalty:g} = {number(row.penalised)}"
    if row.logit < 0:
        return tr("{sum} (used before, negative: multiplied)", sum=sum_)
    return tr("{sum} (used before, positive: divided)", sum=sum_)


def temperature_step(row: "CandidateRow", settings: GenerationSettings) -> str:
    """What the temperature did."""
    if row.tempered is None:
        return tr("greedy: nothing is divided")
    if settings.temperature == 1:
        return tr("not divided (1 = off)")
    return f"{operand(row.penalised)} ÷ {settings.temperature:g} = {number(row.tempered)}"


def cut_step(row: "CandidateRow", candidates: "Candidates") -> str:
    """Why the token was kept or removed."""
    settings = candidates.settings
    if row.removed_by == "model":
        return tr("out: the model itself gave −∞")
    if settings.greedy:
        return tr("out: greedy keeps only the largest") if row.removed_by else tr("kept: the largest of all")
    reasons = dict(_reasons(row, settings, candidates.best_share))
    if row.removed_by:
        return tr("out: {reason}", reason=reasons.get(row.removed_by, row.removed_by))
    if reasons:
        return tr("kept: {reasons}", reasons="; ".join(reasons.values()))
    return tr("kept: no setting removes tokens")


def _reasons(row, settings, best_share):
    """Pairs of a setting and what it saw in this token, in order, up to the setting that removed it."""
    if row.rank is not None:
        yield "top_k", tr("rank {rank:,}, top_k keeps {top_k:,}", rank=row.rank, top_k=settings.top_k)
    if row.sum_before is not None:
        yield "top_p", _reason_of_top_p(row, settings.top_p)
    if row.share is not None:
        limit = settings.min_p * best_share
        sign = "<" if row.removed_by == "min_p" else "≥"
        yield (
            "min_p",
            f"{_beside(row.share, limit)} {sign} "
            + tr("min_p × best = {sum}", sum=f"{settings.min_p:g} × {best_share:.3g} = {limit:.3g}"),
        )


def _reason_of_top_p(row, top_p):
    before = _beside(row.sum_before, top_p)
    if row.removed_by == "top_p":
        return tr("the running sum before it is {sum}, not below top_p {top_p:g}", sum=before, top_p=top_p)
    if top_p == 0:
        return tr("top_p always keeps the best")
    return tr("the running sum before it is {sum}, below top_p {top_p:g}", sum=before, top_p=top_p)


def softmax_step(row: "CandidateRow", candidates: "Candidates") -> str:
    """How the final logit became the final probability."""
    if row.removed_by:
        return tr("out: 0 %")
    if candidates.n_kept == 1:
        return tr("the only one kept: 100 %")
    exponent = row.penalised if row.tempered is None else row.tempered
    sum_ = f"{power_of_e(exponent)} ÷ {power_of_e(candidates.log_sum)} = {percent(row.prob)}"
    power = f"e^{operand(exponent)}"
    return tr("{power} ÷ sum over the {n:,} kept = {sum}", power=power, n=candidates.n_kept, sum=sum_)


def whole_row(row: "CandidateRow", candidates: "Candidates") -> str:
    """All changes of one token on one line."""
    settings, steps = candidates.settings, [operand(row.logit)]
    if row.used and settings.repetition_penalty != 1:
        steps.append(f"{'×' if row.logit < 0 else '÷'} {settings.repetition_penalty:g} = {number(row.penalised)}")
    if row.tempered is not None and settings.temperature != 1:
        steps.append(f"÷ {settings.temperature:g} = {number(row.tempered)}")
    end = "" if row.removed_by else f" → {percent(row.prob)}"
    return f"{' '.join(steps)} → {cut_step(row, candidates)}{end}"
