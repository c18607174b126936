"""What rounding does to a block of weights: each weight, the levels it can have, and how far it had to move.

In: a row of weights that share a step and a lowest value, and a number of bits. Rounding itself is in `quantization`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..errors import SettingsError
from ..language import tr
from ..quantization import as_numbers, quantize
from .markup import attribute, count, figure

MOST_WEIGHTS = 64
MOST_LINES = 32  # levels that are drawn as lines
MOST_NUMBERS = 8  # weights whose numbers stand below the picture


@dataclass(frozen=True)
class RoundedWeight:
    """One weight: its value, the number of its level, and the value that comes back."""

    value: float
    code: int
    rounded: float

    @property
    def error(self) -> float:
        """How far the weight has moved."""
        return self.rounded - self.value


@dataclass(frozen=True)
class RoundedRow:
    """A block of weights, rounded. step: between two levels; bits_per_weight: with the share of step and lowest."""

    weights: tuple[RoundedWeight, ...]
    bits: int
    step: float
    lowest: float
    bits_per_weight: float

    @property
    def n_levels(self) -> int:
        """How many values a weight can have."""
        return 2**self.bits

    @property
    def highest(self) -> float:
        """The value of the last level."""
        return self.lowest + (self.n_levels - 1) * self.step

    @property
    def largest_error(self) -> float:
        """How far the weight has moved that moved most."""
        return max(abs(weight.error) for weight in self.weights)

    @property
    def mean_error(self) -> float:
        """How far a weight has moved on average."""
        return sum(abs(weight.error) for weight in self.weights) / len(self.weights)


# --- data


def rounded_row_data(weights: torch.Tensor | Sequence[float], bits: int = 4) -> RoundedRow:
    """Round a row as one block: it has one step and one lowest value. Raises SettingsError.

    weights: shape (n,), at most 64 of them. bits: from 2 to 8.
    """
    if bits == 1:
        raise SettingsError("bits=1 is not allowed: a picture of rounding needs at least 2 bits.")
    weights = as_numbers(weights)
    if weights.dim() != 1 or not 1 <= len(weights) <= MOST_WEIGHTS:
        raise SettingsError(
            f"A picture of shape {tuple(weights.shape)} cannot be drawn: give one row of 1 to {MOST_WEIGHTS} weights."
        )
    quantized = quantize(weights, bits, block_size=len(weights))
    numbers = zip(weights.tolist(), quantized.codes[0].tolist(), quantized.dequantize().tolist(), strict=True)
    return RoundedRow(
        weights=tuple(RoundedWeight(*of_one) for of_one in numbers),
        bits=bits,
        step=quantized.steps.item(),
        lowest=quantized.lowest.item(),
        bits_per_weight=quantized.bits_per_weight,
    )


# --- drawing


def rounded_row_html(row: RoundedRow) -> str:
    """Draw each weight as a ring, its level as a full square, and below how far it moved; the mouse tells numbers."""
    bottom, height = _frame(row)
    columns = "".join(_column(weight, bottom, height) for weight in row.weights)
    errors = "".join(_error(weight, height) for weight in row.weights)
    shown = len(row.weights) <= MOST_NUMBERS
    label = tr(
        "{weights} rounded to {levels}: the largest error is {largest:.2g}, the mean error {mean:.2g}",
        weights=count(len(row.weights), "weight"),
        levels=count(row.n_levels, "level"),
        largest=row.largest_error,
        mean=row.mean_error,
    )
    return figure(
        f'{_STYLE}{_head(row)}<div class="nc-qn{" nc-qn-few" if shown else ""}" style="--n:{len(row.weights)}">'
        f'<div class="nc-qn-plot">{_levels(row, bottom, height)}<div class="nc-qn-columns">{columns}</div></div>'
        f'<p class="nc-qn-title">{tr("error of each weight")}</p>'
        f'<div class="nc-qn-errors">{errors}</div>{_numbers(row) if shown else ""}</div>',
        label=label,
    )


def _frame(row):
    """Where the plot begins, and how high it is: as step and lowest are rounded themselves, weights can lie outside."""
    values = [value for weight in row.weights for value in (weight.value, weight.rounded)]
    bottom, top = min(row.lowest, *values), max(row.highest, *values)
    return bottom, top - bottom if row.step else max(1.0, top - bottom)


def _head(row):
    numbers = {"low": row.lowest, "high": row.highest, "step": row.step}
    levels = tr("from {low:.3g} to {high:.3g}, step {step:.3g}", **numbers)
    if row.n_levels > MOST_LINES:
        levels = tr("from {low:.3g} to {high:.3g}, step {step:.3g}, too close together to draw", **numbers)
    return (
        f'<div class="nc-head"><b>{tr("{bits} bits: {n} levels", bits=row.bits, n=row.n_levels)}</b>'
        f"<span>{levels}</span></div>"
        f'<div class="nc-head"><span>{tr("largest error <b>{error:.2g}</b>", error=row.largest_error)}</span>'
        f"<span>{tr('mean error <b>{error:.2g}</b>', error=row.mean_error)}</span></div>"
        f'<p class="nc-qn-key"><i class="nc-qn-ring"></i> {tr("the weight")} '
        f'<i class="nc-qn-square"></i> {tr("its level")}</p>'
    )


def _levels(row, bottom, height):
    if row.n_levels > MOST_LINES:
        return ""
    values = (row.lowest + level * row.step for level in range(row.n_levels))
    places = (100 * (value - bottom) / height for value in values)
    return "".join(f'<i class="nc-qn-level" style="bottom:{place:.2f}%"></i>' for place in places)


def _column(weight, bottom, height):
    true, moved = (100 * (value - bottom) / height for value in (weight.value, weight.rounded))
    low, high = sorted((true, moved))
    told = tr(
        "{weight:.3g} becomes level {level}, which is {rounded:.3g}",
        weight=weight.value,
        level=weight.code,
        rounded=weight.rounded,
    )
    return (
        f'<span class="nc-qn-column" role="img" aria-label="{attribute(told)}" title="{attribute(told)}">'
        f'<i class="nc-qn-way" style="bottom:{low:.2f}%;height:{high - low:.2f}%"></i>'
        f'<i class="nc-qn-square" style="bottom:{moved:.2f}%"></i>'
        f'<i class="nc-qn-ring" style="bottom:{true:.2f}%"></i></span>'
    )


def _error(weight, height):
    percent = 100 * weight.error / height
    side = "bottom:50%" if percent > 0 else "top:50%"
    # The plot is three times as high as this strip. With 2 bits, the largest errors are a sixth of the plot; only what
    # the rounding of a tiny step or a large lowest value adds can be more, and is cut off.
    high = min(3 * abs(percent), 50)
    return f'<span class="nc-qn-column"><i class="nc-qn-way" style="{side};height:{high:.2f}%"></i></span>'


def _numbers(row):
    lines = {
        tr("weight"): [_short(weight.value) for weight in row.weights],
        tr("code"): [str(weight.code) for weight in row.weights],
        tr("back"): [_short(weight.rounded) for weight in row.weights],
        tr("error"): [_short(weight.error) for weight in row.weights],
    }
    rows = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{number}</td>" for number in numbers)}</tr>'
        for name, numbers in lines.items()
    )
    return f'<table class="nc-qn-numbers">{rows}</table>'


def _short(number):
    """Three digits, so that eight numbers find room side by side on a phone."""
    digits = 2 if abs(number) < 9.995 else 1 if abs(number) < 99.95 else 0
    return f"{number:.{digits}f}".replace("-0.00", "0.00")


_STYLE = """<style>
.nc .nc-qn{--side:1.2em;max-width:52em}
.nc .nc-qn-few{--side:3.6em}
.nc .nc-qn-plot{position:relative;height:15em;margin:.9em .5em .9em var(--side)}
.nc .nc-qn-level{position:absolute;left:0;right:0;border-top:1px solid rgba(128,128,128,.55)}
.nc .nc-qn-columns,.nc .nc-qn-errors{display:grid;grid-template-columns:repeat(var(--n),1fr)}
.nc .nc-qn-columns{position:absolute;inset:0}
.nc .nc-qn-errors{position:relative;height:5em;margin:0 .5em .4em var(--side);border:1px solid rgba(128,128,128,.6);
 border-width:1px 0;background:linear-gradient(rgba(128,128,128,.8),rgba(128,128,128,.8)) 0 50%/100% 1px no-repeat}
.nc .nc-qn-column{position:relative}
.nc .nc-qn-column>i{position:absolute;left:50%}
.nc .nc-qn-way{width:.4em;margin-left:-.2em;background:#D55E00}
.nc .nc-qn-ring{display:inline-block;width:.8em;height:.8em;border:2.5px solid #0072B2;border-radius:50%}
.nc .nc-qn-square{display:inline-block;width:.6em;height:.6em;background:#E69F00;border:1px solid #7a5500}
.nc .nc-qn-column .nc-qn-ring{margin:0 0 -.4em -.4em}
.nc .nc-qn-column .nc-qn-square{margin:0 0 -.3em -.3em}
.nc .nc-qn-key i{vertical-align:-.1em;margin-left:.8em}
.nc .nc-qn-key i:first-child{margin-left:0}
.nc .nc-qn-title{font-size:.9em;opacity:.85}
.nc table.nc-qn-numbers{width:calc(100% - .5em);table-layout:fixed;border-collapse:collapse;margin:0;
 font-variant-numeric:tabular-nums;border:0;font-size:.95em;color:inherit;background:none}
.nc .nc-qn-numbers tr{background:none!important}
.nc .nc-qn-numbers td,.nc .nc-qn-numbers th{padding:.15em 0;text-align:center;border:0}
.nc .nc-qn-numbers th{width:calc(var(--side)/.95);text-align:left;font-weight:normal;opacity:.85}
@container (max-width:640px){
.nc .nc-qn-ring{width:.6em;height:.6em;border-width:2px}.nc .nc-qn-square{width:.42em;height:.42em}
.nc .nc-qn-column .nc-qn-ring{margin:0 0 -.3em -.3em}.nc .nc-qn-column .nc-qn-square{margin:0 0 -.21em -.21em}
.nc .nc-qn-way{width:.3em;margin-left:-.15em}.nc .nc-qn-numbers{font-size:.875em!important}
.nc .nc-qn-few{--side:3.1em}.nc .nc-qn-numbers th{width:calc(var(--side)/.875)}}
</style>"""
