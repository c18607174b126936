"""Pictures of step 6: each edit of the cleaning, with what it took away struck through.

In: the raw text and the list of edits from `postprocess.clean` or a trace. Out: data, and HTML for it.
"""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from ..errors import MessageError
from ..language import later, tr, tr_later
from ..postprocess import Edit
from .markup import attribute, count, figure, visible

MEANINGS = {
    "remove_special_tokens": later("Control tokens that were written as text are taken out."),
    "remove_prompt": later("The beginning only repeated the prompt, so it is taken away."),
    "remove_own_name": later("The reply opened with the name of the speaker, as in a script; the name is taken away."),
    "cut_at_stop_string": later("The text ends where the first stop string begins."),
    "cut_loop": later("It ended by saying the same thing over and over; two rounds are kept."),
    "cut_half_sentence": later("The token limit broke off the last sentence, so it is dropped."),
    "tidy_white_space": later("Spaces and empty lines that nobody needs are removed."),
}
ENDINGS = {
    "stop": later("the model was done"),
    "length": later("the token limit cut it off"),
    "stop_string": later("it wrote a stop string"),
    "blocked": later("a safety rule held it back"),
    "cancelled": later("somebody stopped it"),
}
_SPACE = '<span class="nc-sign">·</span>'
_BETWEEN_WORDS = re.compile(rf"(?<=[^>\n]){_SPACE}(?=[^<])")  # not at an end of the text or line, and no second one
_LAST_BREAK = re.compile(r'⏎</span>(?!<span class="nc-sign">⏎)')  # empty lines take no line each
_PIECES = re.compile(r"<\|[^|<>]*\|>|\w+|.", re.DOTALL)


@dataclass(frozen=True)
class Part:
    """A stretch of a text. kind: "kept", "removed" or "added" (no edit of `postprocess` adds anything)."""

    text: str
    kind: str


@dataclass(frozen=True)
class EditStep:
    """One edit: its name, what it does in a sentence, and the text before and after in parts.

    The parts that are not "added" make the text before; those that are not "removed" the text after.
    """

    name: str
    says: str
    parts: tuple[Part, ...]

    @property
    def n_removed(self) -> int:
        """How many characters it took away."""
        return sum(len(part.text) for part in self.parts if part.kind == "removed")


@dataclass(frozen=True)
class EditsView:
    """The raw text, the edits in order, and the text that is left. finish_reason: "" where it is not known."""

    raw_text: str
    steps: tuple[EditStep, ...]
    text: str
    finish_reason: str = ""


# --- data


def edits_data(raw_text: str, edits: Sequence[Edit | Mapping[str, str]], *, finish_reason: str = "") -> EditsView:
    """Compare the text before and after each edit.

    edits: from `clean(…).edits`, or as a trace keeps them: dicts with name, before, after. None at all is fine.
    Raises MessageError where raw_text is no text or edits is no such list.
    """
    if not isinstance(raw_text, str):
        raise MessageError(f"raw_text must be a text, such as reply.trace.raw_text, not {raw_text!r:.60}.")
    try:
        edits = [edit if isinstance(edit, Edit) else Edit(**edit) for edit in edits]
    except TypeError:
        raise MessageError(f"edits must be a list such as clean(…).edits, not {edits!r:.60}.") from None
    steps = tuple(EditStep(edit.name, tr_later(MEANINGS.get(edit.name, "")), _parts(edit)) for edit in edits)
    return EditsView(raw_text, steps, edits[-1].after if edits else raw_text, finish_reason)


def _parts(edit):
    """What an edit kept and removed. A cut keeps the beginning, all others rather the end."""
    is_cut = edit.name.startswith("cut_")
    return compare(edit.before, edit.after, place=(edit.before.find if is_cut else edit.before.rfind)(edit.after))


def compare(before: str, after: str, *, place: int | None = None) -> tuple[Part, ...]:
    """What was kept and removed between two texts, in order and in whole words where possible.

    "Hi <|im_end|>" → "Hi": "Hi" is kept, " <|im_end|>" removed. Where something was added, all is removed and added.
    place: where the whole text after stands in the one before, -1 for nowhere; None: the first such place.
    """
    place = before.find(after) if place is None else place
    if place >= 0:
        parts = [("removed", before[:place]), ("kept", after), ("removed", before[place + len(after) :])]
    else:
        parts = _thinned(before, after) or [("removed", before), ("added", after)]
    return tuple(Part(text, kind) for kind, text in parts if text)


def _thinned(before, after):
    """Which pieces of a text were taken out of it, where that alone makes the text after; else nothing."""
    room = _room(before, after)
    if room[0] < len(after):
        return []
    pieces, parts, start, done = _PIECES.findall(before)[::-1], [], 0, 0
    while pieces:
        piece = pieces.pop()
        end, left = start + len(piece), len(after) - done
        is_next = after.startswith(piece, done)  # what can be kept is: the rest then finds its place, too
        if not is_next and room[end] < left:  # a part of this piece is kept
            pieces += reversed(piece)
            continue
        parts.append(("kept" if is_next else "removed", piece))
        start, done = end, done + len(piece) * is_next
    return [(kind, "".join(piece for _, piece in run)) for kind, run in groupby(parts, key=lambda part: part[0])]


def _room(before, after):
    """For each place of a text: how many of the last characters of `after` can be found in order from there on."""
    room = [0]
    for character in reversed(before):
        found = room[-1]
        room.append(found + (found < len(after) and character == after[-1 - found]))
    return room[::-1]


# --- drawing


def edits_html(data: EditsView, *, limit: int = 220) -> str:
    """Draw the raw text, one box for each edit, and what is left.

    What an edit removed is struck through, between ⟦ and ⟧, with every space and line break as a sign. Elsewhere a
    space between two words is just a space.
    limit: a stretch with more characters than this is shown with its beginning and end only.
    """
    boxes = "".join(_step(step, number, limit) for number, step in enumerate(data.steps, start=1))
    nothing = tr("No edit changed anything: the raw text is the reply.")
    boxes = boxes or f'<li class="nc-ed-box nc-ed-none">{nothing}</li>'
    removed = count(max(len(data.raw_text) - len(data.text), 0), "character")
    summary = tr("{edits}, {characters} removed", edits=count(len(data.steps), "edit"), characters=removed)
    return figure(
        f'{_STYLE}<div class="nc-head"><b>{summary}</b><span>{_ending(data.finish_reason)}</span></div>'
        f'<ol class="nc-ed">{_end(tr("raw text"), data.raw_text, tr("what the model wrote"), limit)}{boxes}'
        f"{_end(tr('reply'), data.text, tr('what is shown'), limit)}</ol>",
        label=tr("From the raw text to the reply: {summary}", summary=summary),
    )


def _ending(reason):
    """Why the text ended, where that is known."""
    if not reason:
        return ""
    ended = tr("ended by <b>{reason}</b>", reason=html.escape(reason))
    return f"{ended}: {tr_later(ENDINGS[reason])}" if reason in ENDINGS else ended


def _end(name, text, meaning, limit):
    """The first or the last box: a whole text."""
    shown = _seen(text, 3 * limit) or f'<span class="nc-dim">{tr("nothing")}</span>'
    return (
        f'<li class="nc-ed-box nc-ed-end"><div class="nc-ed-head"><b>{name}</b><span>{meaning}</span>'
        f'<span class="nc-ed-count">{count(len(text), "character")}</span></div>'
        f'<div class="nc-ed-text">{shown}</div></li>'
    )


def _step(step, number, limit):
    parts = "".join(_part(part, limit) for part in step.parts)
    removed = count(step.n_removed, "character")
    spoken = tr("edit {number}, {name}: {characters} removed", number=number, name=step.name, characters=removed)
    return (
        f'<li class="nc-ed-box" aria-label="{attribute(spoken)}"><div class="nc-ed-head">'
        f'<b class="nc-mono">{number} {html.escape(step.name)}</b><span>{html.escape(step.says)}</span>'
        f'<span class="nc-ed-count">−{count(step.n_removed, "character")}</span></div>'
        f'<div class="nc-ed-text">{parts}</div></li>'
    )


def _part(part: Part, limit):
    if part.kind == "kept":
        return _seen(part.text, limit)
    tag, signs = ("del", "⟦⟧") if part.kind == "removed" else ("ins", "⁅⁆")
    shown = _seen(part.text, limit, spaces=True)
    line, end = shown.removesuffix("\n"), "\n" * shown.endswith("\n")  # the closing sign stays on the line
    return f'<{tag} class="nc-ed-{tag}">{signs[0]}<span>{line}</span>{signs[1]}</{tag}>{end}'


def _seen(text: str, limit: int, *, spaces: bool = False) -> str:
    """A text with signs for line breaks and odd spaces, or with `spaces` for all; a long one is cut in the middle."""
    if len(text) > limit + 60:
        characters = count(len(text) - 2 * (limit // 2), "character")
        left_out = tr("… {characters} not drawn …", characters=characters)
        ends = [_seen(end, limit, spaces=spaces) for end in (text[: limit // 2], text[-(limit // 2) :])]
        return f'<span class="nc-ed-gap">{left_out}</span>'.join(ends)
    shown = visible(text, limit=len(text))
    shown = shown if spaces else _BETWEEN_WORDS.sub(" ", shown)
    return _LAST_BREAK.sub(r"\g<0>\n", shown)


# A removed part is marked three times: struck through, in brackets, and tinted.
_STYLE = """<style>
.nc-ed{list-style:none;margin:0!important;padding:0!important;display:grid;gap:.5em}
.nc-ed-box{border:1px solid rgba(128,128,128,.5);border-left:.35em solid rgba(128,128,128,.6);border-radius:.35em;
 padding:.35em .7em;margin:0;min-width:0}
.nc-ed-box:not(.nc-ed-end):not(.nc-ed-none){border-left-color:#D55E00}
.nc-ed-end{border-left-color:#0072B2}
.nc-ed-head{display:grid;grid-template-columns:14.5em 1fr auto;gap:.1em 1em;align-items:baseline}
.nc-ed-count{font-variant-numeric:tabular-nums;opacity:.8}
.nc-ed-text{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate;margin-top:.25em}
.nc-ed-del{background:rgba(213,94,0,.2);text-decoration:none;border-radius:.2em;color:inherit}
.nc-ed-del>span{text-decoration:line-through;text-decoration-color:#D55E00;text-decoration-thickness:2px}
.nc-ed-del .nc-sign,.nc-ed-del .nc-ed-gap{display:inline-block;text-decoration:none;opacity:1}
.nc-ed-ins{background:rgba(0,158,115,.25);text-decoration:none;border-bottom:2px solid #009E73}
.nc-ed-gap{font-size:.88em;opacity:.8;border:1px dashed rgba(128,128,128,.8);border-radius:.3em;padding:0 .4em;
 margin:0 .3em}
.nc-ed-none{font-style:italic}
.nc-ed-head>*{min-width:0}
@container (max-width:640px){.nc-ed-head{display:flex;flex-wrap:wrap;justify-content:space-between}
 .nc-ed-head>:nth-child(2){order:3;flex-basis:100%}}
</style>"""
