"""A conversation as bubbles, each with what was done to it: how it ended, edits, findings of rules, sources.

In: messages, and a ReplyNote for each reply of which more is known than its text. Out: HTML. A little Markdown is
shown (**bold**, `code`, fences); everything else stands there as it was written, and nothing of it can do harm.
"""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..language import later, tr, tr_later
from .chat_style import STYLE
from .markup import count, figure

SHOWN_TURNS = 40
SHOWN_CHARACTERS = 4000  # of one message
SPEAKERS = {"system": later("System message"), "user": later("You"), "assistant": later("Chatbot")}
ENDINGS = {
    "stop": later("finished by itself"),
    "length": later("cut off by max_new_tokens"),
    "stop_string": later("ended at a stop string"),
    "cancelled": later("stopped by you"),
    "blocked": later("blocked by a rule"),
}
# What cannot be seen and could hide or turn round what stands beside it.
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]")
_FENCE = re.compile(r"```[^\n`]*\n(.*?)(?:\n?```|\Z)", re.DOTALL)


@dataclass(frozen=True)
class ReplyNote:
    """What is kept of a Reply beside its text: a trace of each would take too much memory in a long conversation.

    seconds: how long the model worked. edits: the names of what post-processing changed.
    findings, sources: as in Trace.
    """

    finish_reason: str
    n_tokens: int
    seconds: float
    edits: tuple[str, ...] = ()
    findings: tuple[dict, ...] = ()
    sources: tuple[dict, ...] = ()

    @classmethod
    def of(cls, reply: Any) -> "ReplyNote":
        """The note about a Reply."""
        trace = reply.trace
        seconds = sum(token.seconds for token in trace.tokens)
        edits = tuple(dict.fromkeys(edit["name"] for edit in trace.edits))
        found = tuple(trace.findings), tuple(trace.sources)
        return cls(reply.finish_reason, len(trace.tokens), seconds, edits, *found)


@dataclass(frozen=True)
class Bubble:
    """One message. turn: which turn it belongs to, 0 for the first; None for a system message.

    is_leaving: it will be forgotten when the message that is being edited is sent.
    """

    role: str
    text: str
    turn: int | None = None
    note: ReplyNote | None = None
    findings: tuple[dict, ...] = ()
    is_leaving: bool = False


@dataclass(frozen=True)
class ChatData:
    """The bubbles from top to bottom, and how many turns before them are not shown."""

    bubbles: tuple[Bubble, ...]
    n_hidden: int = 0


def chat_data(
    messages: Sequence[dict],
    notes: Mapping[int, ReplyNote] | None = None,
    *,
    editing: int | None = None,
    shown_turns: int = SHOWN_TURNS,
) -> ChatData:
    """The newest turns of a conversation.

    notes: place in the messages → what is known about the reply there. editing: the turn that is being edited.
    """
    notes, bubbles, turn = notes or {}, [], -1
    for place, message in enumerate(messages):
        role = message["role"]
        turn += role == "user"
        note = notes.get(place)
        next_note = notes.get(place + 1) if role == "user" else None  # what rules found in a message is known with it
        about = note or next_note
        where = "input" if role == "user" else "output"
        findings = tuple(each for each in about.findings if each["where"] == where) if about else ()
        is_leaving = editing is not None and turn >= editing
        number = None if role == "system" else max(turn, 0)
        bubbles.append(Bubble(role, message["content"], number, note, findings, is_leaving))
    n_hidden = max(0, turn + 1 - shown_turns)
    kept = [bubble for bubble in bubbles if bubble.turn is None or bubble.turn >= n_hidden]
    return ChatData(tuple(kept), n_hidden)


def chat_html(data: ChatData) -> str:
    """Draw the bubbles, the oldest first."""
    bubbles = [_bubble_html(bubble) for bubble in data.bubbles]
    if data.n_hidden:
        first = next((place for place, bubble in enumerate(data.bubbles) if bubble.turn is not None), 0)
        hidden = tr("{turns}: see the export", turns=count(data.n_hidden, "earlier turn"))
        bubbles.insert(first, f'<p class="nc-chat-more">{hidden}</p>')
    if not any(bubble.turn is not None for bubble in data.bubbles):
        bubbles.append(f'<p class="nc-chat-more">{tr("The conversation begins here.")}</p>')
    n_turns = len({bubble.turn for bubble in data.bubbles} - {None}) + data.n_hidden
    label = tr("A conversation of {turns}", turns=count(n_turns, "turn"))
    return figure(f'{STYLE}<div class="nc-chat" tabindex="0">{"".join(bubbles)}</div>', label=label)


def growing_html(message: str, reply: str, turn: int) -> str:
    """The turn that is being written, without style sheets: the message, and as much of the reply as there is."""
    answer = _rich(reply) if reply else '<span class="nc-dim">…</span>'
    written = _frame("assistant", turn, f'<div class="nc-chat-text">{answer}</div>', tr("is writing …"))
    return f'<div class="nc"><div class="nc-chat">{_bubble_html(Bubble("user", message, turn))}{written}</div></div>'


def blocked_html(refusal: str, findings: Sequence[dict]) -> str:
    """The notice in place of a turn that a rule has blocked, without style sheets."""
    inside = f'<div class="nc-chat-text">{_rich(refusal)}</div>{_findings_html(findings)}'
    notice = f'<div class="nc-chat-bubble nc-chat-blocked"><b>⛔ {tr("Blocked, and not kept")}</b>{inside}</div>'
    return f'<div class="nc"><div class="nc-chat" role="alert">{notice}</div></div>'


def _bubble_html(bubble):
    text = _rich(bubble.text) if bubble.text else f'<span class="nc-dim">{tr("(no words)")}</span>'
    inside = f'<div class="nc-chat-text">{text}</div>{_findings_html(bubble.findings)}{_note_html(bubble.note)}'
    state = tr("will be replaced") if bubble.is_leaving else ""
    return _frame(bubble.role, bubble.turn, inside, state, is_leaving=bubble.is_leaving)


def _frame(role, turn, inside, state, *, is_leaving=False):
    speaker = tr_later(SPEAKERS[role]) + ("" if turn is None else f" · {turn + 1}")
    leaving = " nc-chat-leaving" if is_leaving else ""
    state = f' <span class="nc-chat-state">{state}</span>' if state else ""
    return f'<div class="nc-chat-bubble nc-chat-{role}{leaving}"><b>{speaker}</b>{state}{inside}</div>'


def _note_html(note):
    """The small print under a reply, and its sources."""
    if note is None:
        return ""
    ended, tokens = tr_later(ENDINGS.get(note.finish_reason, note.finish_reason)), count(note.n_tokens, "token")
    facts = [tr("{tokens} in {seconds:.1f} s", tokens=tokens, seconds=note.seconds), ended]
    if not note.n_tokens:
        facts = [tr("answered without the model")]
    if note.edits:
        facts.append(tr("edits: {names}", names=", ".join(note.edits)))
    return f'<p class="nc-chat-note">{html.escape(" · ".join(facts))}</p>{_sources_html(note.sources)}'


def _findings_html(findings):
    lines = "".join(
        f"<li><b>{html.escape(str(each['action']))}</b> ({html.escape(str(each['rule']))}): "
        f"{_safe(tr_later(str(each['says'])))}</li>"
        for each in findings
    )
    return f'<ul class="nc-chat-findings" aria-label="{tr("What the rules found")}">{lines}</ul>' if lines else ""


def _sources_html(sources):
    lines = "".join(
        f"<details><summary>[{each['number']}] {_safe(str(each['source']))}, {_safe(str(each['place']))}"
        f'</summary><div class="nc-chat-passage">{_safe(_shortened(str(each["text"])))}</div></details>'
        for each in sources
    )
    if not lines:
        return ""
    return f'<div class="nc-chat-sources" aria-label="{tr("Sources")}">{tr("Sources:")} {lines}</div>'


# --- text from anybody


def _rich(text):
    """Text as HTML, with its code and its bold words; fences first, for nothing inside them means anything."""
    parts = _FENCE.split(_shortened(text))
    return "".join(
        f"<pre><code>{_safe(part)}</code></pre>" if place % 2 else _inline(part) for place, part in enumerate(parts)
    )


def _inline(text):
    parts = re.split(r"`([^`\n]+)`", text)
    return "".join(f"<code>{_safe(part)}</code>" if place % 2 else _bold(part) for place, part in enumerate(parts))


def _bold(text):
    parts = re.split(r"\*\*(?=[^\s*])([^*\n]+)(?<=\S)\*\*", text)
    return "".join(f"<b>{_safe(part)}</b>" if place % 2 else _safe(part) for place, part in enumerate(parts))


def _safe(text):
    """Escaped, and with the number of each character that could hide something."""
    return _HARMFUL.sub(lambda found: f"[U+{ord(found[0]):04X}]", html.escape(text))


def _shortened(text):
    rest = len(text) - SHOWN_CHARACTERS
    return text if rest <= 0 else f"{text[:SHOWN_CHARACTERS]} … {count(rest, 'more character')}"
