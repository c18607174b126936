"""What all views share: escaping, signs for what cannot be seen, colours, and one style sheet for every theme.

In: text from anywhere, also hostile text. Out: HTML that shows it as text. It draws nothing itself.
"""

import html
import math
import re
import unicodedata
from collections.abc import Sequence

from ..language import language, tr, tr_later

# Okabe and Ito (2008): told apart with every kind of colour vision. A view never relies on colour alone.
OKABE_ITO = {
    "orange": "#E69F00",
    "sky blue": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
}

_SHEET = re.compile(r"<style>.*?</style>", re.DOTALL)
_SIGNS = {" ": "·", "\n": "⏎", "\t": "⇥", "\r": "␍", "\x7f": "␡"}
_HIDDEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"}


def visible(text: str, *, limit: int = 200) -> str:
    """Text as HTML in which every character can be seen and none can do harm.

    A space becomes ·, a newline ⏎, a tab ⇥; a mark that turns the writing direction, a joiner or another invisible
    character becomes its number (U+202E). After `limit` characters it says how many more there are.
    """
    shown = "".join(_visible_character(character, at_start=not number) for number, character in enumerate(text[:limit]))
    rest = len(text) - limit
    if rest <= 0:
        return shown
    return f'{shown}<span class="nc-sign">{tr("… {rest:,} more characters", rest=rest)}</span>'


def _visible_character(character, *, at_start):
    category = unicodedata.category(character)
    if character in _SIGNS:
        return f'<span class="nc-sign">{_SIGNS[character]}</span>'
    if character < " ":
        return f'<span class="nc-sign">{chr(0x2400 + ord(character))}</span>'
    if category in _HIDDEN or "\ufe00" <= character <= "\ufe0f":
        return f'<span class="nc-sign">U+{ord(character):04X}</span>'
    if at_start and category.startswith("M"):
        return "◌" + character
    return html.escape(character)


def attribute(text: str) -> str:
    """Text for an HTML attribute such as aria-label, on one line."""
    return html.escape(" ".join(text.split()), quote=True)


def count(number: int, noun: str) -> str:
    """A number with its noun, an English one that is written out where this is called; shown in the present language.

    >>> count(1, "token"), count(1200, "token")
    ('1 token', '1,200 tokens')
    """
    return tr_later(f"{{n:,}} {noun}{'' if number == 1 else 's'}", n=number)


def rounded_percentages(probs: Sequence[float]) -> list[float]:
    """Shares in percent with one decimal that add up to exactly 100.0, as one reads them.

    Each is rounded down, and the tenths that are missing go to those that lost most (the largest remainder, of equals
    the first). A share may so be up to one tenth off; a share of 0 stays 0. Only 0s, or nothing: only 0s again.

    >>> rounded_percentages([1 / 3, 1 / 3, 1 / 3])
    [33.4, 33.3, 33.3]
    """
    total = math.fsum(probs)
    tenths = [1000 * (prob / total) if total else 0.0 for prob in probs]
    rounded = [math.floor(tenth) for tenth in tenths]
    missing = 1000 - sum(rounded) if total else 0
    by_loss = sorted(range(len(tenths)), key=lambda place: rounded[place] - tenths[place])
    for place in by_loss[:missing]:
        rounded[place] += 1
    return [tenth / 10 for tenth in rounded]


def figure(body: str, *, label: str) -> str:
    """A whole view: the style sheet and the body, with a label that a screen reader says first."""
    spoken = "" if language() == "en" else f' lang="{language()}"'
    return f'{_STYLE}<div class="nc"{spoken} role="figure" aria-label="{attribute(label)}">{body}</div>'


def split_styles(view: str) -> tuple[str, str]:
    """The style sheets of one or more views, each of them once, and the views without them."""
    return "".join(dict.fromkeys(_SHEET.findall(view))), _SHEET.sub("", view)


def message(text: str) -> str:
    """A sentence in place of a picture, such as an error that the reader can mend."""
    return figure(f'<p class="nc-note">{html.escape(text)}</p>', label=text)


def bar(share: float, *, label: str) -> str:
    """A horizontal bar, 0 to 1 of the width it is given."""
    percent = round(100 * min(max(share, 0), 1), 1)
    return f'<span class="nc-bar" role="img" aria-label="{attribute(label)}"><i style="width:{percent}%"></i></span>'


# Text takes the colour of the page and tints are see-through, so that light and dark themes both work.
_STYLE = """<style>
.nc{font-size:16px;line-height:1.45;margin:.4em 0;padding-right:.9em;max-width:70em;container-type:inline-size;
 position:relative}
.nc *{box-sizing:border-box}
.nc p{margin:.2em 0}
.nc-head{display:flex;flex-wrap:wrap;gap:.1em 1.2em;margin-bottom:.5em}
.nc-head b{font-size:1.15em}
.nc-dim{opacity:.78}
.nc-note{border-left:.3em solid #D55E00;padding:.2em .7em}
.nc-sign{opacity:.7}
.nc-mono,.nc-chip,.nc-piece{font-family:var(--jp-code-font-family,ui-monospace,Menlo,Consolas,
 "DejaVu Sans Mono",monospace)}
.nc-chips{display:flex;flex-wrap:wrap;gap:.35em .3em;padding-bottom:4.1em}
.nc-chip{--tint:86,180,233;display:inline-flex;flex-direction:column;max-width:100%;cursor:default;text-align:center;
 border:1px solid rgba(var(--tint),.95);border-radius:.4em;outline-offset:1px}
.nc-chip.nc-1{--tint:230,159,0}.nc-chip.nc-2{--tint:0,158,115}.nc-chip.nc-3{--tint:204,121,167}
.nc-chip.nc-special{--tint:213,94,0;border-style:dashed;border-width:2px}
.nc-text{padding:.15em .45em;background:rgba(var(--tint),.26);border-radius:.35em .35em 0 0;overflow-wrap:anywhere;
 white-space:pre-wrap;unicode-bidi:isolate;min-height:1.75em}
.nc-ids{display:flex;justify-content:center;font-size:.76em;font-variant-numeric:tabular-nums}
.nc-ids span{flex:1;padding:.1em .5em}
.nc-ids span+span{border-left:1px dotted rgba(var(--tint),1)}
.nc-chip:hover,.nc-chip:focus{outline:3px solid rgb(var(--tint))}
.nc-chip:hover .nc-text,.nc-chip:focus .nc-text,.nc-chip:hover .nc-ids,.nc-chip:focus .nc-ids{
 background:rgba(var(--tint),.5)}
.nc-detail{display:none;position:absolute;left:0;right:0;bottom:0;height:3.5em;overflow:hidden;text-align:left;
 font-size:.9em;padding:.3em .7em;border-left:.3em solid rgb(var(--tint))}
.nc-chips:not(:hover) .nc-chip:focus .nc-detail,.nc-chip:hover .nc-detail{display:block}
.nc-hint{position:absolute;left:0;bottom:0;height:3.2em;font-size:.9em;padding:.3em .7em;opacity:.7;
 border-left:.3em solid rgba(128,128,128,.5)}
.nc:has(.nc-chip:hover,.nc-chip:focus) .nc-hint{display:none}
.nc-rows{display:grid;gap:.2em}
.nc-row{display:grid;grid-template-columns:11em 1fr 7.5em;gap:.2em .9em;align-items:start;padding:.5em 0;
 border-top:1px solid rgba(128,128,128,.4)}
.nc-row>:last-child{text-align:right;font-variant-numeric:tabular-nums}
.nc-pieces{display:flex;flex-wrap:wrap;gap:.25em .2em}
.nc-piece{padding:.05em .3em;border:1px solid rgba(128,128,128,.75);border-radius:.3em;overflow-wrap:anywhere;
 white-space:pre-wrap;unicode-bidi:isolate;max-width:100%}
.nc-piece:nth-child(2n+1){background:rgba(86,180,233,.24)}
.nc-piece:nth-child(2n){background:rgba(230,159,0,.2)}
.nc-piece small{opacity:.85;font-size:.72em}
.nc-piece.nc-lost{border:2px dashed #D55E00;background:none}
.nc-bar{display:inline-block;width:100%;height:.7em;border:1px solid rgba(128,128,128,.6);border-radius:.2em}
.nc-bar i{display:block;height:100%;background:#0072B2;
 background:repeating-linear-gradient(135deg,#0072B2 0 6px,#56B4E9 6px 8px)}
.nc-two{display:grid;grid-template-columns:1fr 20em;gap:.6em 2em;align-items:start}
.nc-words{display:flex;flex-wrap:wrap;gap:.6em 1.3em}
.nc-word{display:inline-flex;align-items:center;gap:.2em;max-width:100%;flex-wrap:wrap}
.nc-word .nc-piece{font-size:1.15em}
.nc-next{display:inline-flex;gap:.2em;border:3px solid #D55E00;border-radius:.5em;padding:.12em}
.nc-pairs{display:grid;grid-template-columns:auto 1fr auto;gap:.3em .7em;align-items:center}
.nc-pairs>.nc-first{font-weight:bold}
@container (max-width:640px){
.nc-row{grid-template-columns:1fr auto}.nc-row>:nth-child(2){grid-column:1/-1;grid-row:2}
.nc-two{grid-template-columns:1fr}.nc-chips{padding-bottom:6em}.nc-detail{height:5.4em}}
</style>"""
