"""The roulette strip: one bar from 0 to 1, shared by all tokens, and the needle u that points at one of them.

`roulette_data` computes, `roulette_html` draws. The rule is `sampling.draw`: the needle points at what it draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..language import tr
from ..sampling import Stages, point_at, process_logits, roulette
from ..settings import GenerationSettings
from ..tokens import token_text
from .candidates import most_likely, plain
from .markup import count, figure, rounded_percentages, visible


@dataclass(frozen=True)
class Segment:
    """One token's part of the bar, from start to end, and its place in the model's own ranking, 0 = the best."""

    token_id: int
    text: str
    start: float
    end: float
    own_rank: int


@dataclass(frozen=True)
class RouletteStrip:
    """The bar: the most likely tokens in the order of `sampling.roulette`, and all others at its end.

    others_start: where the others begin, 1.0 if there are none; n_others: how many tokens they are.
    u: where the needle points, 0 to 1; drawn: the token it points at, which may be one of the others.
    """

    segments: tuple[Segment, ...]
    others_start: float
    n_others: int
    u: float
    drawn: Segment


def roulette_data(
    logits: torch.Tensor,
    tokenizer: Any,
    settings: GenerationSettings,
    u: float,
    *,
    input_ids: Sequence[int] = (),
    n: int = 12,
    stages: Stages | None = None,
) -> RouletteStrip:
    """Share a bar of length 1 among the tokens, by their final probabilities, and see where the needle u points.

    logits: the model's own, shape (vocab_size,). tokenizer: a model's, or a list with the text of each token.
    input_ids: the tokens that count as used. n: how many tokens get a part of their own.
    stages: what `process_logits` made of these logits, where that is known already.
    Raises SettingsError for a u below 0, or not below 1.
    """
    probs = (stages or process_logits(logits, list(input_ids), settings)).probs
    ranked, ends = roulette(probs)
    place = point_at(ends, [u]).item()
    ends = ends / ends[-1]
    own_ranks = {token_id: rank for rank, token_id in enumerate(most_likely(logits, n).tolist())}

    def segment(place):
        token_id = ranked[place].item()
        start = ends[place - 1].item() if place else 0.0
        rank = own_ranks.get(token_id)
        if rank is None:
            rank = _own_rank(logits, token_id)
        return Segment(token_id, token_text(token_id, tokenizer), start, ends[place].item(), rank)

    segments = tuple(segment(place) for place in range(min(n, len(ranked))))
    drawn = segments[place] if place < len(segments) else segment(place)
    return RouletteStrip(segments, segments[-1].end, len(ranked) - len(segments), u, drawn)


def _own_rank(logits, token_id):
    """How many tokens the model itself ranks before this one; of equals, the smaller id first."""
    value = logits[token_id]
    return (torch.count_nonzero(logits > value) + torch.count_nonzero(logits[:token_id] == value)).item()


def roulette_html(strip: RouletteStrip) -> str:
    """Draw the bar, the needle above it, and below it the token that the needle points at."""
    u = f"{strip.u:.3f}".removesuffix("0")
    parts = _parts(strip)
    told = tr("{parts} of a bar from 0 to 1", parts=count(len(parts), "part"))
    bar = (
        f'<div class=nc-rn style="--u:{strip.u:.5f}"><b>u = {u}</b></div>'
        f'<div class=nc-rb role=group aria-label="{told}">'
        f"{''.join(parts)}</div>"
        "<div class=nc-ra aria-hidden=true><small>0</small><small>0.5</small><small>1</small></div>"
    )
    label = tr("Roulette: the needle at {u} points at {text}", u=u, text=repr(strip.drawn.text[:60]))
    return figure(f"{_STYLE}<div class=nc-ro>{bar}<p>{_said(strip)}</p></div>", label=label)


def _said(strip):
    """The sentence about the token that the needle points at."""
    drawn, is_other = strip.drawn, strip.drawn not in strip.segments
    name = visible(drawn.text, limit=60) or f"<small>{tr('empty')}</small>"
    token, ends = f"<b class={'nc-rx' if is_other else _colour(drawn)}>{name}</b>", _ends(drawn.start, drawn.end)
    if is_other:
        others = _others(strip)
        return tr("The needle points at {token} ({ends}, one of the {others}).", token=token, ends=ends, others=others)
    return tr("The needle points at {token} ({ends}).", token=token, ends=ends)


def _parts(strip):
    lengths = [segment.end - segment.start for segment in strip.segments] + [1 - strip.others_start]
    percents = rounded_percentages(lengths)
    parts = [_part(*part) for part in zip(strip.segments, lengths, percents, strict=False)]
    if strip.n_others:
        words = f"<span>{_others(strip)}<small>{percents[-1]} %</small></span>" if lengths[-1] >= 0.09 else ""
        parts.append(
            f'<i class="nc-rx{"" if lengths[-1] >= 0.25 else " nc-rs"}" tabindex=-1 role=img '
            f'style="width:{_width(lengths[-1])}" '
            f'aria-label="{_others(strip)}: {_ends(strip.others_start, 1)}">{words}</i>'
        )
    return parts


def _part(segment, length, percent):
    name = visible(segment.text[:24]) + "…" * (len(segment.text) > 24) or f"<small>{tr('empty')}</small>"
    words = f"<span>{name}<small>{percent} %</small></span>" if length >= 0.05 else ""
    return (
        f'<i class="{_colour(segment)}{"" if length >= 0.14 else " nc-rs"}" tabindex=-1 role=img '
        f'style="width:{_width(length)}" aria-label="{plain(name)}: {_ends(segment.start, segment.end)}">{words}</i>'
    )


def _colour(segment):
    return f"nc-rw{segment.own_rank}" if segment.own_rank < 12 else "nc-ry"


def _others(strip):
    return count(strip.n_others, "other")


def _width(length):
    return f"{100 * length:.3f}".rstrip("0").rstrip(".") + "%"


def _ends(start, end):
    """Where a part begins and ends, with as many digits as it takes to tell them apart."""
    digits = next((digits for digits in range(3, 9) if round(start, digits) < round(end, digits)), 9)
    return f"{start:.{digits}f}–{end:.{digits}f}"


_COLOURS = ("86,180,233", "230,159,0", "0,158,115", "204,121,167", "240,228,66", "213,94,0")
_PATTERNS = "".join(
    f".nc-rw{rank}{{--c:{_COLOURS[rank % 6]}}}"
    f"{f'.nc-rw{rank}{{--h:rgba({_COLOURS[rank % 6]},.75)}}' if rank > 5 else ''}"
    for rank in range(12)
)

# A token has the colour and the stripes of its place in the model's own ranking, whatever the settings are.
_STYLE = f"""<style>
{_PATTERNS}
.nc-ro{{position:relative;padding-bottom:1.8em}}
.nc-ro :is(i,p b){{background:repeating-linear-gradient(135deg,var(--h,transparent) 0 2px,transparent 2px 8px),
 rgba(var(--c),.42);box-shadow:inset 1px 0 rgb(var(--c)),inset -1px 0 rgb(var(--c))}}
.nc-ro p b{{padding:.05em .4em;overflow-wrap:anywhere;unicode-bidi:isolate}}
.nc-rn{{position:relative;height:1.9em}}
.nc-rn b{{position:absolute;left:calc(var(--u)*100%);transform:translateX(calc(var(--u)*-100%));white-space:nowrap}}
.nc-rn::before,.nc-rn::after{{content:"";position:absolute;left:calc(var(--u)*100%);z-index:1;pointer-events:none}}
.nc-rn::before{{top:1.45em;margin-left:-.45em;border:.45em solid transparent;border-top-color:currentColor;
 border-bottom:0}}
.nc-rn::after{{top:1.5em;height:3.8em;margin-left:-1px;border-left:2px solid currentColor}}
.nc-rb{{display:flex;height:3.1em;border:1px solid rgba(128,128,128,.7)}}
.nc-ro i>span{{min-width:0;max-width:100%;overflow:hidden;text-overflow:ellipsis}}
.nc-ro i{{flex:none;overflow:hidden;font-style:normal;display:flex;align-items:center;justify-content:center;
 text-align:center;white-space:nowrap;line-height:1.2}}
.nc-ra{{display:flex;justify-content:space-between;font-variant-numeric:tabular-nums}}
.nc-ro small{{display:block;font-size:.82em}}
.nc-ry{{--c:170,170,170}}
.nc-ro .nc-rx{{--c:128,128,128;--h:rgba(128,128,128,.6)}}
.nc .nc-ro p{{margin:.2em 0 0}}
.nc-ro i::after{{display:none;content:attr(aria-label);position:absolute;left:0;bottom:0;padding:0 .7em;
 border-left:.3em solid rgb(var(--c))}}
.nc-ro i:is(:hover,:focus){{outline:3px solid rgb(var(--c))}}
.nc-ro i:hover::after,.nc-ro:not(:has(i:hover)) i:focus::after{{display:block}}
@container (max-width:640px){{.nc-rs span{{display:none}}}}
</style>"""
