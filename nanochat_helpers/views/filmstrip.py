"""The filmstrip: a text as a row of chips, one a token, and two texts side by side with the first difference marked.

In: the steps of the loop that wrote a text. Out: FilmTokens and HTML. The strip that can be clicked is in
`widgets.filmstrip`; it looks the same, for both use the classes and the style sheet of this module.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import TokenError
from ..settings import GenerationSettings
from ..tokens import group_characters, special_token_ids, token_bytes, token_text
from .markup import attribute, count, figure, visible

if TYPE_CHECKING:
    from ..generation import GenerationStep
    from .candidates import Candidates

SHADES = (0.01, 0.1, 0.3, 0.6, 0.9)  # where one shade of a chip ends and the next begins
TALLEST = 12  # bits; a chip does not grow beyond


@dataclass(frozen=True)
class FilmToken:
    """One token of a text that a model wrote.

    text: as `tokens.token_text` gives it. prob: the model's own probability of it, before any setting changed it.
    entropy: of the model's own probabilities at this place, in bits. candidates: what else it could have been.
    prob, entropy and candidates are None where the engine does not tell.
    raw: its bytes, which may be half a character; None: those of the text.
    """

    token_id: int
    text: str
    prob: float | None = None
    entropy: float | None = None
    candidates: Candidates | None = None
    raw: bytes | None = None
    is_special: bool = False

    @property
    def bytes(self) -> bytes:
        """The bytes it stands for."""
        return self.text.encode("utf-8", errors="replace") if self.raw is None else self.raw


# --- what is shown


def film_token(
    step: GenerationStep, tokenizer: Any, settings: GenerationSettings, used_ids: Sequence[int]
) -> FilmToken:
    """One step of the loop as a chip.

    used_ids: the tokens that counted as used for the repetition penalty at this step.
    """
    text, raw, is_special = _spelled(step.token_id, tokenizer)
    if step.stages is None:
        return FilmToken(step.token_id, text, step.prob, raw=raw, is_special=is_special)
    from ..sampling import entropy, to_probs
    from .candidates import candidates_data

    logits = step.stages.logits
    candidates = candidates_data(logits, tokenizer, settings, input_ids=list(used_ids))
    return FilmToken(step.token_id, text, step.prob, entropy(to_probs(logits)), candidates, raw, is_special)


def filmstrip_data(
    steps: Iterable[GenerationStep], tokenizer: Any, settings: GenerationSettings, prompt_ids: Sequence[int]
) -> list[FilmToken]:
    """The steps of `generation.stream` as chips. prompt_ids, settings: what `stream` was given."""
    used_ids = list(prompt_ids) if settings.penalise_prompt else []
    tokens = []
    for step in steps:
        tokens.append(film_token(step, tokenizer, settings, used_ids))
        used_ids.append(step.token_id)
    return tokens


def comparison_data(a: Sequence[FilmToken], b: Sequence[FilmToken]) -> int | None:
    """The first place where two texts have different tokens, counted from 0; None when they are the same.

    Where one text is the beginning of the other, that is the place after its end.
    """
    for place, (left, right) in enumerate(zip(a, b, strict=False)):
        if left.token_id != right.token_id:
            return place
    return None if len(a) == len(b) else min(len(a), len(b))


def _spelled(token_id, tokenizer):
    """The text of a token, its bytes, and whether it is a control token."""
    text = token_text(token_id, tokenizer)
    if isinstance(tokenizer, (list, tuple)):
        return text, None, False
    try:
        raw = token_bytes(token_id, tokenizer)
    except TokenError:  # a model may have more outputs than its vocabulary has words
        raw = None
    return text, raw, token_id in special_token_ids(tokenizer)


# --- the strip


def filmstrip_html(
    tokens: Sequence[FilmToken], *, selected: int | None = None, first_difference: int | None = None, limit: int = 400
) -> str:
    """Draw a text as chips: darker where the model found the token more likely, taller where the choice was more open.

    selected, first_difference: places (from 0) that get a mark. limit: how many chips are drawn at most.
    Hover over a chip, or move to it with Tab, to read its numbers.
    """
    chips = "".join(
        _chip(token, place, selected == place, first_difference == place) for place, token in enumerate(tokens[:limit])
    )
    rest = len(tokens) - limit
    more = f'<p class="nc-dim">… and {count(rest, "token")} more, not drawn.</p>' if rest > 0 else ""
    if selected is not None and selected < len(tokens):
        line = f"<b>token {selected + 1}:</b> {html.escape(sentence(tokens[selected]))}"
    else:
        line = "Point at a token, or press Tab, to see its numbers." if tokens else "No tokens yet."
    return figure(
        f'{STYLE}<div class="nc-film"><div class="nc-film-strip">{chips}</div>{more}'
        f'<div class="nc-film-line">{line}</div></div>{KEY}',
        label=f"A text of {count(len(tokens), 'token')}, one chip each",
    )


def chip_label(token: FilmToken, *, is_first_difference: bool = False) -> str:
    """What stands on a chip, as plain text; a space becomes ·, a newline ⏎."""
    text = token.text[:20]
    short = (text if _is_part(token) else _plain(text)) + "…" * (len(token.text) > 20)
    return f"≠ {short}" if is_first_difference else short


def chip_classes(token: FilmToken, *, is_selected: bool = False, is_first_difference: bool = False) -> tuple[str, ...]:
    """The classes that give a chip its shade, its height and its marks in the style sheet of this module."""
    shade = "nc-film-none" if token.prob is None else f"nc-film-p{sum(token.prob >= edge for edge in SHADES)}"
    height = f"nc-film-h{min(round(token.entropy or 0), TALLEST)}"
    marks = ("nc-film-on",) * is_selected + ("nc-film-diff",) * is_first_difference
    return ("nc-film-chip", shade, height, *marks)


def sentence(token: FilmToken) -> str:
    """The numbers of a token, as plain text: ' Paris' · 62.1 % · 1.3 bits."""
    spaced = " ".join(_plain(part, limit=60) for part in token.text.split(" "))
    numbers = [f"'{spaced}'"]
    if token.prob is not None:
        numbers.append(_percent(token.prob))
    if token.entropy is not None:
        numbers.append(f"{token.entropy:.1f} bits")
    return " · ".join(numbers)


def _chip(token, place, is_selected, is_first_difference):
    classes = chip_classes(token, is_selected=is_selected, is_first_difference=is_first_difference)
    label = chip_label(token, is_first_difference=is_first_difference)
    spoken = f"token {place + 1}: {sentence(token)}" + (", the first difference" if is_first_difference else "")
    return (
        f'<span class="{" ".join(classes)}" tabindex="0" role="note" aria-label="{attribute(spoken)}">'
        f'{html.escape(label)}<span class="nc-film-detail">{html.escape(spoken)}</span></span>'
    )


def _is_part(token):
    """Are its bytes no whole characters? Then its text is hexadecimal numbers."""
    return "\ufffd" in token.bytes.decode("utf-8", errors="replace") and "\ufffd" not in token.text


def _plain(text, *, limit=200):
    """Text in which every character can be seen, without HTML, for where none is read."""
    return html.unescape(re.sub(r"<[^>]*>", "", visible(text, limit=limit)))


def _percent(prob):
    if 0 < prob < 0.0001:
        return "below 0.01 %"
    return f"{100 * prob:.2f} %" if 0 < prob < 0.001 else f"{100 * prob:.1f} %"


# --- two texts


def comparison_html(
    a: Sequence[FilmToken], b: Sequence[FilmToken], *, titles: tuple[str, str] = ("first text", "second text")
) -> str:
    """Draw two texts side by side: what they share is pale, the first differing token has a frame and a number.

    titles: one line above each, such as `settings.as_code()`.
    """
    place = comparison_data(a, b)
    if place is None:
        head = f"<b>No difference:</b> all {count(len(a), 'token')} are the same."
    else:
        head = f"<b>First difference: token {place + 1}</b>"
        head += f' <span class="nc-dim">· the {count(place, "token")} before it: the same</span>' * bool(place)
    texts = "".join(_column(tokens, title, place) for tokens, title in zip((a, b), titles, strict=True))
    label = "Two texts: no difference" if place is None else f"Two texts: first difference at token {place + 1}"
    return figure(f'{STYLE}<p>{head}</p><div class="nc-film-two">{texts}</div>', label=label)


def _column(tokens, title, place):
    shared, rest = (tokens, ()) if place is None else (tokens[:place], tokens[place:])
    text = f'<span class="nc-film-same">{_flow(shared)}</span>'
    line = ""
    if place is not None:
        number = f"<small>{place + 1}</small>"
        if rest:
            text += f'<mark class="nc-film-first">{number}{_flow(rest[:1])}</mark>{_flow(rest[1:])}'
            line = f'<div class="nc-dim">token {place + 1}: {html.escape(sentence(rest[0]))}</div>'
        else:
            text += f'<mark class="nc-film-first">{number}<span class="nc-sign">ends here</span></mark>'
    return (
        f'<div class="nc-film-text"><div class="nc-film-title"><code>{html.escape(title)}</code></div>'
        f'<div class="nc-film-body" tabindex="0">{text}</div>{line}</div>'
    )


def _flow(tokens):
    """Tokens as running text: spaces and newlines do what they do in a text; all other signs are shown, but pale."""
    drawn, running = "", ""
    for group in group_characters(tokens):
        data = b"".join(token.bytes for token in group)
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = None
        if text is None or group[0].is_special:
            sign = data.hex(" ").upper() if text is None else visible(text)
            drawn, running = f'{drawn}{_running(running)}<span class="nc-sign">{sign}</span>', ""
        else:
            running += text
    return drawn + _running(running)


def _running(text):
    lines = (" ".join(visible(word, limit=len(word)) for word in line.split(" ")) for line in text.split("\n"))
    return '<span class="nc-sign">⏎</span>\n'.join(lines)


_SHADE_NAMES = ("< 1 %", "1–10", "10–30", "30–60", "60–90", "> 90 %")
_ALPHAS = (0.03, 0.12, 0.24, 0.38, 0.54, 0.7)

# What the shades and heights mean, to stand below a strip.
KEY = (
    '<div class="nc-film-key"><span>Shade: the model\'s own probability '
    + "".join(f'<i class="nc-film-p{level}">{name}</i>' for level, name in enumerate(_SHADE_NAMES))
    + "</span><span>Height: entropy "
    '<i class="nc-film-h0">0</i><i class="nc-film-h4">4</i><i class="nc-film-h8">8 bits</i></span></div>'
)

# The chips of the live strip are buttons: ".nc-film .nc-film-chip" is stronger than Jupyter's own rules for those.
STYLE = f"""<style>
.nc-film{{position:relative}}
.nc-film .nc-film-strip{{display:flex;flex-flow:row wrap;align-items:flex-end;gap:.35em .2em;padding:3px;
 overflow:visible}}
.nc-film .nc-film-chip,.nc-film-key i{{display:inline-flex;align-items:flex-end;justify-content:center;
 height:calc(1.75em + .22em*var(--nc-bits,0));background:rgba(0,114,178,var(--nc-shade,0));
 border:1px solid rgba(46,147,206,.9);border-radius:.3em;padding:.1em .32em;line-height:1.4;white-space:pre}}
.nc-film .nc-film-chip{{width:auto;min-width:1.3em;max-width:100%;margin:0;overflow:hidden;unicode-bidi:isolate;
 font-size:15px;font-family:var(--jp-code-font-family,ui-monospace,Menlo,Consolas,"DejaVu Sans Mono",monospace);
 color:inherit;box-shadow:none;cursor:pointer}}
.nc-film .nc-film-chip.nc-film-p0,.nc-film-key .nc-film-p0{{border-style:dotted;border-width:2px}}
.nc-film .nc-film-chip:hover,.nc-film .nc-film-chip:focus{{outline:2px solid rgb(86,180,233);outline-offset:1px}}
.nc-film .nc-film-chip.nc-film-diff{{border:2px dashed #D55E00;font-weight:bold}}
.nc-film .nc-film-chip.nc-film-on{{outline:3px solid #E69F00;outline-offset:1px;font-weight:bold}}
.nc-film-line,.nc-film-detail{{font-size:15px;line-height:1.6;font-weight:normal;text-align:left;white-space:nowrap;
 overflow:hidden;text-overflow:ellipsis}}
.nc-film .nc-film-detail{{display:none;position:absolute;left:0;right:0;bottom:0;
 font-family:var(--jp-ui-font-family,sans-serif)}}
.nc-film-strip:not(:hover) .nc-film-chip:focus .nc-film-detail,.nc-film .nc-film-chip:hover .nc-film-detail{{
 display:block}}
.nc-film:has(span.nc-film-chip:hover,span.nc-film-chip:focus) .nc-film-line{{visibility:hidden}}
.nc-film-key{{display:flex;flex-wrap:wrap;gap:.3em 1.6em;font-size:14px;margin-top:.3em;align-items:flex-end}}
.nc-film-key span{{display:flex;flex-wrap:wrap;align-items:flex-end;gap:.25em}}
.nc-film-key i{{font-style:normal;font-variant-numeric:tabular-nums}}
.nc-film-two{{display:grid;grid-template-columns:1fr 1fr;gap:.8em 1.6em;margin-top:.5em}}
.nc-film-text{{border-left:.25em solid rgba(128,128,128,.5);padding-left:.7em;min-width:0;overflow-wrap:anywhere}}
.nc-film-title{{margin-bottom:.3em;font-size:.9em}}
.nc-film-title code{{background:none;color:inherit;padding:0}}
.nc-film-body{{white-space:pre-wrap;unicode-bidi:isolate;margin-bottom:.3em;max-height:24em;
 overflow-y:auto}}
.nc-film-same{{opacity:.62}}
.nc .nc-film-first{{background:rgba(213,94,0,.16);color:inherit;border:2px solid #D55E00;border-radius:.3em;
 padding:0 .15em}}
.nc-film-first small{{font-size:.72em;font-weight:bold;padding-right:.3em}}
@container (max-width:640px){{.nc-film-two{{grid-template-columns:1fr}}}}
{"".join(f".nc-film-p{level}{{--nc-shade:{alpha}}}" for level, alpha in enumerate(_ALPHAS))}
{"".join(f".nc-film-h{bits}{{--nc-bits:{bits}}}" for bits in range(TALLEST + 1))}
</style>"""
