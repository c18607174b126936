"""Pictures that stand still, drawn with matplotlib: data goes in, the Axes that were drawn on come out.

Tokens and names are shown as they are: a `$` starts no formula, what cannot be seen or is in no font gets a sign or its
number, and long text is cut. What moves is in `views`.
"""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FONT_SIZE = 13  # points: to be read from the last row
LONGEST_LABEL = 16  # characters
# Okabe and Ito (2008) without yellow, which is too pale on white. Dashes and marks tell lines apart without any colour.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
_DASHES = ("-", "--", "-.", ":")
_MARKS = ("o", "s", "^", "D", "v")
_SIGNS = {" ": "·", "\n": "⏎", "\t": "⇥"}
_HIDDEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"}
# With Chinese, Japanese and Korean signs; most computers have one of them.
_MORE_FONTS = ("Noto Sans CJK SC", "PingFang SC", "Hiragino Sans GB", "Microsoft YaHei", "WenQuanYi Micro Hei")


def plot_token_bars(
    texts: Sequence[str], values: Sequence[float | None], *, ylabel: str, ax: "Axes | None" = None
) -> "Axes":
    """Draw one bar a token, with its text below and its value at its end; a space is shown as `·`.

    values: as many as texts. None, where a token has no value, gives a dash in place of a bar; infinity fills the plot.
    ax: where to draw; by default on a new figure. Raises ValueError when there are more texts than values, or fewer.
    """
    if len(texts) != len(values):
        raise ValueError(f"texts and values must be equally many, not {len(texts)} and {len(values)}.")
    numbers = [math.nan if value is None else float(value) for value in values]
    longest = max((abs(number) for number in numbers if math.isfinite(number)), default=0) or 1
    heights = [0 if math.isnan(number) else max(-1.2 * longest, min(number, 1.2 * longest)) for number in numbers]
    if ax is None:
        ax = _new_axes(width=max(7, min(0.8 * len(texts), 11)))
    bars = ax.bar(range(len(texts)), heights, width=0.75, color=_COLOURS[0], edgecolor="black")
    numerals = [_numeral(number, longest) for number in numbers]
    upright = len(texts) <= 24
    ax.bar_label(bars, numerals, padding=3, fontsize=FONT_SIZE, rotation=0 if upright else 90)
    labels = [_shown(text) for text in texts]
    slanted = {"rotation": 45, "rotation_mode": "anchor", "ha": "right"} if _crowded(labels, ax) else {}
    ax.set_xticks(range(len(texts)), labels, **_text_style(), **slanted)
    ax.margins(y=0.16 if upright else 0.3)
    return _finish(ax, ylabel)


def plot_lines(lines: Mapping[str, Sequence[float]], *, xlabel: str, ylabel: str, ax: "Axes | None" = None) -> "Axes":
    """Draw lines by name, each with its own colour, dashes and marks; the first point of a line stands at x = 1.

    Where no value is negative, the y axis begins at 0, so that twice as high is twice as much.
    ax: where to draw; by default on a new figure.
    """
    if ax is None:
        ax = _new_axes(width=8)
    for number, points in enumerate(lines.values()):
        ax.plot(
            range(1, len(points) + 1),
            points,
            color=_COLOURS[number % len(_COLOURS)],
            linestyle=_DASHES[number % len(_DASHES)],
            marker=_MARKS[number % len(_MARKS)],
            markevery=max(1, len(points) // 12),
            markersize=7,
            linewidth=2,
        )
    if lines:
        # Names are put in afterwards: a legend leaves out what begins with "_".
        legend = ax.legend(ax.lines[-len(lines) :], ["name"] * len(lines))
        for text, name in zip(legend.get_texts(), lines, strict=True):
            text.set(text=_shown(name, blank=" "), **_text_style())
    ax.set_xticks(_whole_places(max(map(len, lines.values()), default=0)))
    if not ax.dataLim.y0 < 0:
        ax.set_ylim(bottom=0)
    ax.set_xlabel(xlabel, **_text_style())
    return _finish(ax, ylabel)


def _new_axes(width):
    import matplotlib.pyplot as plt

    _, ax = plt.subplots(figsize=(width, 4), layout="constrained")
    return ax


def _finish(ax, ylabel):
    ax.set_ylabel(ylabel, **_text_style())
    ax.tick_params(labelsize=FONT_SIZE)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", alpha=0.3)
    ax.set_axisbelow(True)
    return ax


def _whole_places(n):
    """At most a dozen of the places 1 to n, the first among them: 1, 2, 3, … or 1, 5, 10, … or 1, 10, 20, …"""
    step = next(width for power in count() for width in (10**power, 5 * 10**power) if n <= 12 * width)
    return sorted({min(1, n), *range(step, n + 1, step)} - {0})


def _numeral(number, longest):
    """A value as text, with as many decimals for all as the longest bar needs."""
    if math.isnan(number):
        return "–"
    if math.isinf(number):
        return "∞" if number > 0 else "-∞"
    return f"{number:.{2 if longest < 1.5 else 1 if longest < 100 else 0}f}"


def _crowded(labels, ax):
    """Would two neighbours touch if the labels were written side by side?"""
    inches = ax.get_figure().get_figwidth() * ax.get_position().width
    room = inches / max(1, len(labels)) / (0.65 * FONT_SIZE / 72)  # characters for each label
    return any((len(left) + len(right)) / 2 + 1 > room for left, right in zip(labels, labels[1:], strict=False))


def _text_style():
    return {"parse_math": False, "fontsize": FONT_SIZE, "fontfamily": _font_families()}


def _font_families():
    from matplotlib import font_manager, rcParams

    installed = font_manager.fontManager.get_font_names()
    return [*rcParams["font.family"], *(name for name in _MORE_FONTS if name in installed)]


def _shown(text, *, blank=_SIGNS[" "]):
    """Text as a label: on one line, not too long, and with a sign or a number for what could not be seen."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    fonts = [get_font(findfont(FontProperties(family=[family]))) for family in _font_families()]
    signs = _SIGNS | {" ": blank}
    shown = ""
    for character in text[:LONGEST_LABEL]:
        in_a_font = any(font.get_char_index(ord(character)) for font in fonts)
        if character in signs:
            shown += signs[character]
        elif unicodedata.category(character) in _HIDDEN or not in_a_font:
            shown += f"U+{ord(character):04X}"
        else:
            shown += character
    return shown + "…" * (len(text) > LONGEST_LABEL)
