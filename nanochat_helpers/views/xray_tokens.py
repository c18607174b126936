"""What the stations of the pipeline X-ray show about one token: its logits, the draw, and its place in the raw text.

In: an XRay and the place of a token, from 0. Out: HTML, around which `xray` puts a frame.
"""

import re

from ..language import later, tr, tr_later
from ..trace import milliseconds
from .filmstrip import running_text
from .markup import bar, count, rounded_percentages, visible
from .xray_data import XRay
from .xray_style import gap_html, long_text, split_ends

CHANGES = (later("the model"), later("the repetition penalty"), "temperature 0", "top_k", "top_p", "min_p")
_COLOURS = ("86,180,233", "230,159,0", "0,158,115", "204,121,167", "240,228,66", "213,94,0")


# --- one token


def logits_station(data: XRay, token: int) -> str:
    """The table of candidates: from the model's logits to the final percentages."""
    choice = data.choices[token]
    if not choice.rows:
        return so_far_html(data, token) + _untold(data, choice)
    settings = data.trace.settings
    percents = rounded_percentages([row.prob for row in choice.rows] + [choice.rest])
    rows = "".join(_row(row, percent, choice) for row, percent in zip(choice.rows, percents, strict=False))
    head = "".join(f"<th scope=col>{name}<small>{running_text(note)}</small></th>" for name, note in _columns(settings))
    others, empty = tr("all other tokens"), "<td></td>" * 4
    rest = f"<tr><th scope=row>{others}</th>{empty}<td>{_share(percents[-1], choice.rest)}</td></tr>"
    table = f'<table class="nc-xr-table"><thead><tr>{head}</tr></thead><tbody>{rows}{rest}</tbody></table>'
    return so_far_html(data, token) + table + _own(choice)


def _columns(settings):
    """The heads of the columns, and the settings that belong to them."""
    temperature = 0 if settings.get("do_sample") is False else settings.get("temperature", 1)
    divided = {0: tr("0: the best one"), 1: tr("off")}.get(temperature, f"÷ {temperature}")
    penalty = settings.get("repetition_penalty", 1)
    cuts = [f"{name} {settings[name]}" for name, off in _CUTS.items() if settings.get(name, off) != off]
    return [
        (tr("token"), ""),
        (tr("logit"), tr("of the model")),
        (tr("penalty"), tr("off") if penalty == 1 else tr("÷ or × {penalty}", penalty=penalty)),
        (tr("temper&shy;ature"), divided),
        (tr("kept?"), ", ".join(cuts) if cuts and temperature else tr("no cuts")),
        (tr("final %"), tr("adds up to 100")),
    ]


_CUTS = {"top_k": 0, "top_p": 1.0, "min_p": 0.0}


def _row(row, percent, choice):
    removed = next((name for name, logit in zip(CHANGES, row.logits, strict=False) if logit is None), None)
    is_chosen = row.token_id == choice.record.token_id
    kind = "nc-xr-chosen" if is_chosen else "nc-xr-out" if removed else ""
    sign = "➜ " if is_chosen else ""
    numbers = "".join(f"<td>{number_text(logit)}</td>" for logit in row.logits[:3])
    return (
        f'<tr class="{kind}"><th scope=row>{sign}{visible(row.text, limit=40) or _italic(tr("empty"))}</th>{numbers}'
        f"<td>{f'✗ {tr_later(removed)}' if removed else '✓'}</td><td>{_share(percent, row.prob)}</td></tr>"
    )


def _italic(word):
    return f"<i>{word}</i>"


def _share(percent, prob):
    return f'<span class="nc-xr-share"><span>{percent:.1f}</span>{bar(prob, label=f"{percent:.1f} %")}</span>'


def number_text(value: float | None) -> str:
    """A logit with two decimals; a dash for a token that was removed."""
    return "–" if value is None else f"{value:.2f}".replace("-", "−")


def _own(choice, *, was_marked=True):
    """The model's own probability of the token, and how long the model took."""
    record, sentences = choice.record, [tr("➜ was drawn.")] * was_marked
    if record.prob is not None:
        sentences.append(tr("Without any settings its probability was {percent:.1f} %.", percent=100 * record.prob))
    time = milliseconds(record.seconds)
    if record.model_seconds is None:
        sentences.append(tr("This token took {time}.", time=time))
    else:
        of_model = milliseconds(record.model_seconds)
        sentences.append(tr("This token took {time}, of which the model took {part}.", time=time, part=of_model))
    return f'<p class="nc-dim">{" ".join(sentences)}</p>'


def _untold(data, choice):
    """For an engine that chooses the tokens itself."""
    engine = tr("The server") if data.trace.engine == "remote" else running_text(data.trace.engine)
    told = tr(
        "{engine} chooses the tokens itself: it tells neither its logits nor where its needle pointed. "
        "A model loaded with the engine “transformers” shows them here.",
        engine=engine,
    )
    return f'<p class="nc-note">{told}</p>{_own(choice, was_marked=False)}'


def so_far_html(data: XRay, token: int, tail: int = 60) -> str:
    """Which token it is, and the text that it goes on."""
    records = data.trace.tokens
    before = "".join(record.text for record in records[max(0, token - tail) : token])
    before = ("…" if token > tail or len(before) > tail else "") + before[-tail:]
    name = visible(records[token].text, limit=60) or _italic(tr("no text"))
    where = tr("Token {n:,} of {total:,}:", n=token + 1, total=len(records))
    return (
        f'<p class="nc-xr-so-far"><b>{where}</b> '
        f'<span class="nc-dim">{long_text(before)}</span><span class="nc-xr-token">{name}</span></p>'
    )


# --- the draw


def draw_station(data: XRay, token: int) -> str:
    """The bar from 0 to 1, the needle, and what it points at."""
    choice = data.choices[token]
    if not choice.bar:
        return so_far_html(data, token) + _untold(data, choice)
    u = choice.record.u
    percents = rounded_percentages([part.end - part.start for part in choice.bar])
    parts = "".join(_part(part, percent) for part, percent in zip(choice.bar, percents, strict=True))
    n_parts = count(len(choice.bar), "part")
    label = tr("A bar from 0 to 1 with {parts}; the needle is at {u:.3f}", parts=n_parts, u=u)
    return (
        f"{so_far_html(data, token)}"
        f'<div class="nc-xr-wheel" style="--u:{u:.5f}" role="img" aria-label="{label}">'
        f'<span class="nc-xr-needle">u = {u:.3f}</span><div class="nc-xr-parts">{parts}</div></div>'
        '<div class="nc-xr-ends" aria-hidden="true"><span>0</span><span>0.5</span><span>1</span></div>'
        f"{_pointed_at(choice)}"
    )


def _part(part, percent):
    length = part.end - part.start
    colour, hatch = ("128,128,128", ".6") if part.rank is None else _colour(part.rank)
    name = part.text if part.rank is None else visible(part.text, limit=16) or tr("empty")
    words = f"<span>{name}</span><span>{percent:.1f} %</span>" if length >= 0.06 else ""
    kind = ("nc-xr-hit " if part.is_drawn else "") + ("nc-xr-slim" if length < 0.18 else "")
    return (
        f'<i class="{kind}" style="width:{100 * length:.3f}%;--c:{colour};--h:{hatch}" '
        f'title="{_plain(part.text)}: {percent:.1f} %">{words}</i>'
    )


def _plain(text):
    """Text for the label of a part: the same signs for what cannot be seen, without tags."""
    return re.sub(r"<[^>]*>", "", visible(text, limit=40))


def _colour(rank):
    """The colour and the stripes that a token of this place in the ranking has in all pictures."""
    return _COLOURS[rank % 6], ".75" if rank > 5 else "0"


def _pointed_at(choice):
    drawn = next((part for part in choice.bar if part.is_drawn), None)
    if drawn is None:
        return ""
    token = f'<b class="nc-xr-token">{visible(drawn.text, limit=60) or _italic(tr("empty"))}</b>'
    said = tr(
        "The needle points at {token}, whose part goes from {start:.3f} to {end:.3f}.",
        token=token,
        start=drawn.start,
        end=drawn.end,
    )
    alone = " " + tr("Only one token was possible, so the needle had no say.") if len(choice.bar) == 1 else ""
    return f"<p>{said}{alone}</p>"


# --- the raw text


def raw_text_station(data: XRay, token: int) -> str:
    """All tokens as small boxes; one of them is the one that the other stations show."""
    boxes = [_box(record, place == token) for place, record in enumerate(data.trace.tokens)]
    first, between, last = split_ends(boxes, 160)
    gap = gap_html(count(len(between), "token")) if between else ""
    characters = count(len(data.trace.raw_text), "character")
    head = f"<p>{tr('{tokens}, {characters}.', tokens=count(len(boxes), 'token'), characters=characters)}</p>"
    return f'{head}<div class="nc-xr-tokens">{"".join(first)}{gap}{"".join(last)}</div>'


def _box(record, is_chosen):
    own = ""
    if record.prob is not None:
        own = f' title="{tr("own probability {percent:.1f} %", percent=100 * record.prob)}"'
    text = visible(record.text) or f'<span class="nc-dim">{tr("no text")}</span>'
    return f'<span class="nc-xr-one{" nc-xr-token" * is_chosen}"{own}>{text}</span>'
