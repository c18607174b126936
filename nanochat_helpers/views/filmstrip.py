"""The filmstrip: a text as a row of chips, one a token, and two texts side by side with the first difference marked.

In: the steps of the loop that wrote a text. Out: FilmTokens and HTML. The strip that can be clicked is in
`widgets.filmstrip`; it looks the same, for both use the classes of this module and the same style sheet.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ..errors import TokenError
from ..language import tr
from ..tokens import group_characters, special_token_ids, token_bytes, token_text
from .filmstrip_style import SHADES, STYLE, TALLEST, key_html
from .markup import attribute, count, figure, visible

if TYPE_CHECKING:
    from ..generation import GenerationStep
    from .candidates import Candidates


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


def film_token(step: GenerationStep, tokenizer: Any) -> FilmToken:
    """One step of the loop as a chip."""
    text, raw, is_special = _spelled(step.token_id, tokenizer)
    if step.logits is None:
        return FilmToken(step.token_id, text, step.prob, raw=raw, is_special=is_special)
    from ..sampling import entropy, to_probs
    from .candidates import candidates_data

    candidates = candidates_data(step.logits, tokenizer, step.settings, input_ids=step.used_ids)
    return FilmToken(step.token_id, text, step.prob, entropy(to_probs(step.logits)), candidates, raw, is_special)


def filmstrip_data(steps: Iterable[GenerationStep], tokenizer: Any) -> list[FilmToken]:
    """The steps of `generation.stream` as chips."""
    return [film_token(step, tokenizer) for step in steps]


def take_instead(token: FilmToken, token_id: int, tokenizer: Any) -> FilmToken:
    """The chip that would stand here, had another of its candidates been chosen."""
    text, raw, is_special = _spelled(token_id, tokenizer)
    prob = next((row.own_prob for row in token.candidates.rows if row.token_id == token_id), None)
    return replace(token, token_id=token_id, text=text, prob=prob, raw=raw, is_special=is_special)


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
    left_out = tr("… and {tokens} more, not drawn.", tokens=count(rest, "token"))
    more = f'<p class="nc-dim">{left_out}</p>' if rest > 0 else ""
    if selected is not None and selected < len(tokens):
        line = line_html(tokens[selected], selected)
    else:
        line = tr("Point at a token, or press Tab, to see its numbers.") if tokens else tr("No tokens yet.")
    return figure(
        f'{STYLE}<div class="nc-film"><div class="nc-film-strip">{chips}</div>{more}'
        f'<div class="nc-film-line">{line}</div></div>{key_html()}',
        label=tr("A text of {tokens}, one chip each", tokens=count(len(tokens), "token")),
    )


def line_html(token: FilmToken, place: int) -> str:
    """What stands below a strip about the chosen token. place: counted from 0."""
    return f"<b>{tr('token {n}:', n=place + 1)}</b> {html.escape(sentence(token))}"


def chip_label(token: FilmToken, *, is_first_difference: bool = False) -> str:
    """What stands on a chip, as plain text; a space becomes ·, a newline ⏎."""
    text = token.text[:20]
    short = (text if _is_part(token) else _plain(text)) + "…" * (len(token.text) > 20)
    return f"≠ {short}" if is_first_difference else short


def chip_classes(token: FilmToken, *, is_selected: bool = False, is_first_difference: bool = False) -> tuple[str, ...]:
    """The classes that give a chip its shade, its height and its marks in the style sheet."""
    shade = "nc-film-none" if token.prob is None else f"nc-film-p{sum(token.prob >= edge for edge in SHADES)}"
    height = f"nc-film-h{min(round(token.entropy or 0), TALLEST)}"
    marks = ("nc-film-on",) * is_selected + ("nc-film-diff",) * is_first_difference
    return ("nc-film-chip", shade, height, *marks)


def sentence(token: FilmToken) -> str:
    """The numbers of a token, as plain text: ' Paris' · 62.1 % · entropy 1.3 bits."""
    spaced = " ".join(_plain(part, limit=60) for part in token.text.split(" "))
    numbers = [f"'{spaced}'"]
    if token.prob is not None:
        numbers.append(_percent(token.prob))
    if token.entropy is not None:
        numbers.append(tr("entropy {bits:.1f} bits", bits=token.entropy))
    return " · ".join(numbers)


def _chip(token, place, is_selected, is_first_difference):
    classes = chip_classes(token, is_selected=is_selected, is_first_difference=is_first_difference)
    label = chip_label(token, is_first_difference=is_first_difference)
    spoken = tr("token {n}: {text}", n=place + 1, text=sentence(token))
    if is_first_difference:
        spoken = tr("token {n}: {text}, the first difference", n=place + 1, text=sentence(token))
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
        return tr("below 0.01 %")
    return f"{100 * prob:.2f} %" if 0 < prob < 0.001 else f"{100 * prob:.1f} %"


# --- two texts


def comparison_html(a: Sequence[FilmToken], b: Sequence[FilmToken], *, titles: tuple[str, str] | None = None) -> str:
    """Draw two texts side by side: what they share is pale, the first differing token has a frame and a number.

    titles: one line above each, such as `settings.as_code()`; None: first and second text.
    """
    place, titles = comparison_data(a, b), titles or (tr("first text"), tr("second text"))
    if place is None:
        head = tr("<b>No difference:</b> all {tokens} are the same.", tokens=count(len(a), "token"))
    else:
        head = f"<b>{tr('First difference: token {n}', n=place + 1)}</b>"
        before = tr("the {tokens} before it: the same", tokens=count(place, "token"))
        head += f' <span class="nc-dim">· {before}</span>' * bool(place)
    texts = "".join(_column(tokens, title, place) for tokens, title in zip((a, b), titles, strict=True))
    label = tr("Two texts: no difference")
    if place is not None:
        label = tr("Two texts: first difference at token {n}", n=place + 1)
    return figure(f'{STYLE}<p>{head}</p><div class="nc-film-two">{texts}</div>', label=label)


def _column(tokens, title, place):
    shared, rest = (tokens, ()) if place is None else (tokens[:place], tokens[place:])
    text = f'<span class="nc-film-same">{_flow(shared)}</span>'
    line = ""
    if place is not None:
        number = f"<small>{place + 1}</small>"
        if rest:
            text += f'<mark class="nc-film-first">{number}{_flow(rest[:1])}</mark>{_flow(rest[1:])}'
            line = tr("token {n}: {text}", n=place + 1, text=html.escape(sentence(rest[0])))
            line = f'<div class="nc-dim">{line}</div>'
        else:
            text += f'<mark class="nc-film-first">{number}<span class="nc-sign">{tr("ends here")}</span></mark>'
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
            drawn, running = f'{drawn}{running_text(running)}<span class="nc-sign">{sign}</span>', ""
        else:
            running += text
    return drawn + running_text(running)


def running_text(text: str) -> str:
    """Text as HTML for where white space is kept (`white-space:pre-wrap`): only what cannot be seen is a sign."""
    lines = (" ".join(visible(word, limit=len(word)) for word in line.split(" ")) for line in text.split("\n"))
    return '<span class="nc-sign">⏎</span>\n'.join(lines)
