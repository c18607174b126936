"""The prompt strip: a prompt as one bar of max_length. Whose words fill it, what is left, and what fell out.

`prompt_strip_data` measures a conversation, or reads the Trace of a reply; `prompt_strip_html` draws it.
"""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from ..chat import RESERVED_FOR_REPLY
from ..errors import ContextError, MessageError
from ..history import Fitted, TokenBudget, check_result
from ..language import grouped, later, tr, tr_later
from ..prompts import encode_prompt, encode_text
from ..settings import check_count
from ..trace import Trace
from .markup import attribute, count, figure
from .prompt_strip_style import STYLE

# kind → its name in the picture. Each has a colour and a pattern of its own in the style sheet.
KINDS = {
    "system": later("system message"),
    "notes": later("notes or summary"),
    "user": later("user"),
    "passages": later("passages"),
    "assistant": later("assistant"),
    "template": later("template"),
    "reply": later("room for the reply"),
    "free": later("free"),
}
ADDED = {"system": "notes", "user": "passages"}  # what a strategy or a retriever adds to a message of this role
SHOWN_MESSAGES = 10  # the newest of each list; how many more there are is said


@dataclass(frozen=True)
class Segment:
    """A piece of the bar. kind: a key of KINDS; n_tokens: its length; text: the words, where they are known.

    message: the place of its message among those that are kept. is_estimate: n_tokens is a share of a message, shared
        out by the number of characters, because no tokenizer was given.
    """

    kind: str
    n_tokens: int
    text: str = ""
    message: int | None = None
    is_estimate: bool = False


@dataclass(frozen=True)
class Fallen:
    """A message that did not fit. n_tokens: its length; None where no tokenizer was given."""

    role: str
    text: str
    n_tokens: int | None = None


@dataclass(frozen=True)
class PromptStrip:
    """The segments from the first token to max_length, and what fell out, in the order in which it fell."""

    segments: tuple[Segment, ...]
    fallen: tuple[Fallen, ...]
    max_length: int

    def n_tokens(self, *kinds: str) -> int:
        """How many tokens the segments of these kinds have together."""
        return sum(segment.n_tokens for segment in self.segments if segment.kind in kinds)

    @property
    def n_prompt(self) -> int:
        """The length of the prompt in tokens."""
        return sum(segment.n_tokens for segment in self.segments) - self.n_tokens("reply", "free")


# --- data


def prompt_strip_data(
    source: Trace | Sequence[dict],
    tokenizer: Any = None,
    *,
    max_length: int | None = None,
    history: Callable[..., Fitted] | None = None,
    reserved: int | None = None,
) -> PromptStrip:
    """Measure the prompt of a Trace, or the one that some messages make.

    tokenizer: needed for messages; with a Trace it also counts what fell out, and the shares of one message exactly.
    max_length: the length of the bar. None: with a Trace its own max_length or, where it has none, just prompt and
        reply; with messages 8192, the context of SmolLM2.
    history: for messages, the strategy that chooses; None keeps whatever fits. reserved: room for the reply; None: as
        many as a Chat keeps free.
    Raises ContextError where not even the system message and the newest message fit.
    """
    check_count("max_length", max_length, least=1, none_allowed=True)
    check_count("reserved", reserved, least=0, none_allowed=True)
    if isinstance(source, Trace):
        return _from_trace(source, tokenizer, max_length, reserved)
    return _from_messages(list(source), tokenizer, max_length or 8192, history or TokenBudget(), reserved)


def _from_trace(trace, tokenizer, max_length, reserved):
    settings, n_prompt = trace.settings, len(trace.input_ids)
    if reserved is None:
        reserved = settings.get("max_new_tokens") or RESERVED_FOR_REPLY
    max_length = max_length or settings.get("max_length") or n_prompt + reserved
    said = _segments(trace.messages, trace.kept, trace.roles, tokenizer)
    return _strip(said, n_prompt, trace.dropped, tokenizer, max_length, reserved)


def _from_messages(messages, tokenizer, max_length, history, reserved):
    if tokenizer is None:
        raise MessageError(
            "To measure messages a tokenizer is needed: prompt_strip_data(messages, backbone.tokenizer)."
        )
    reserved = min(RESERVED_FOR_REPLY, max_length // 2) if reserved is None else reserved
    if reserved >= max_length:
        raise ContextError(f"reserved={reserved} leaves no room in max_length={max_length}: please make it smaller.")

    def count_tokens(messages):
        return len(encode_prompt(messages, tokenizer).input_ids)

    fitted = check_result(history(messages, count_tokens, max_length - reserved))
    prompt = encode_prompt(fitted.messages, tokenizer)
    said = _segments(messages, fitted.messages, prompt.roles, tokenizer)
    return _strip(said, len(prompt.input_ids), fitted.dropped, tokenizer, max_length, reserved)


def _strip(said, n_prompt, dropped, tokenizer, max_length, reserved):
    n_reply = min(reserved, max(0, max_length - n_prompt))
    rest = [Segment("reply", n_reply), Segment("free", max(0, max_length - n_prompt - n_reply))]
    fallen = [
        Fallen(
            message["role"],
            message["content"],
            None if tokenizer is None else len(encode_text(message["content"], tokenizer)),
        )
        for message in dropped
    ]
    return PromptStrip((*said, *(segment for segment in rest if segment.n_tokens)), tuple(fallen), max_length)


def _segments(messages, kept, roles, tokenizer):
    """One segment for each run of tokens of one role; what was added to a message is a segment of its own."""
    runs = [(role, len(list(run))) for role, run in groupby(roles)]
    spoken = iter(place for place, message in enumerate(kept) if message["content"])
    segments = []
    for role, n_tokens in runs:
        place = None if role == "template" else next(spoken, None)
        if place is None:
            segments.append(Segment(role, n_tokens))
        else:
            parts = _parts(kept[place], _original(messages, kept, place))
            segments += _share_out(parts, n_tokens, tokenizer, place)
    return segments


def _original(messages, kept, place):
    """What a kept message was before something was added to it; only to the first and the newest one is it ever."""
    role = kept[place]["role"]
    if role == "system":
        return messages[0]["content"] if messages and messages[0]["role"] == "system" else ""
    if role == "user" and place == len(kept) - 1 and messages:
        return messages[-1]["content"]
    return kept[place]["content"]


def _parts(message, original):
    """A message as pairs (kind, text): the words themselves, and what stands before and after them."""
    role, content = message["role"], message["content"]
    before, found, after = content.rpartition(original) if original else (content, "", "")
    if original and not found:  # it was changed, not added to
        return [(role, content)]
    parts = [(ADDED.get(role, role), before), (role, found), (ADDED.get(role, role), after)]
    return [(kind, text) for kind, text in parts if text]


def _share_out(parts, n_tokens, tokenizer, place):
    """The tokens of one message, shared out among its parts; the last part gets the rest, so that the sum is right."""
    measures = [len(text) if tokenizer is None else len(encode_text(text, tokenizer)) for _, text in parts]
    scale = n_tokens / max(1, sum(measures)) if tokenizer is None else 1
    ends = [min(n_tokens, round(scale * sum(measures[:n]))) for n in range(1, len(parts))]
    is_estimate = tokenizer is None and len(parts) > 1
    return [
        Segment(kind, end - start, text, place, is_estimate)
        for (kind, text), start, end in zip(parts, [0, *ends], [*ends, n_tokens], strict=True)
    ]


# --- drawing


def prompt_strip_html(data: PromptStrip, *, with_messages: bool = True) -> str:
    """Draw the strip. with_messages: also list the messages in it, each with the number of its tokens."""
    length = tr("The prompt: {n:,} of {tokens}", n=data.n_prompt, tokens=count(data.max_length, "token"))
    head = f'<div class="nc-head"><b>{length}</b><span class="nc-dim">{_rest_in_words(data)}</span></div>'
    listed = _messages(data) if with_messages else ""
    body = f"{STYLE}{head}{_fallen(data.fallen)}{_bar(data)}{_legend(data)}{listed}"
    return figure(body, label=tr("The prompt strip: what fills the context window"))


def _rest_in_words(data):
    if data.n_prompt > data.max_length:
        return tr("{tokens} too many", tokens=count(data.n_prompt - data.max_length, "token"))
    return tr("room for the reply {reply:,} · free {free:,}", reply=data.n_tokens("reply"), free=data.n_tokens("free"))


def _bar(data):
    used = data.n_prompt + data.n_tokens("reply")
    # What is free is drawn no longer than all the rest: in 8,192 tokens a short chat could not be seen.
    shown = used + min(used, data.n_tokens("free"))
    drawn = "".join(_segment(segment, used, shown) for segment in data.segments)
    said = ", ".join(f"{tr_later(KINDS[kind])} {grouped(n)}" for kind, n in _totals(data).items())
    ends = f"<span>0</span><span>{grouped(data.max_length)}</span>"
    return (
        f'<div class="nc-ps-bar" role="img" aria-label="{attribute(said)}">{drawn}</div>'
        f'<div class="nc-ps-ends" aria-hidden="true">{ends}</div>'
    )


def _segment(segment, used, shown):
    kind, n_tokens, name = segment.kind, segment.n_tokens, tr_later(KINDS[segment.kind])
    is_cut = kind == "free" and n_tokens > used
    length = min(n_tokens, used) if is_cut else n_tokens
    number = ("≈" if segment.is_estimate else "") + grouped(n_tokens)
    told = tr("{kind}, {n} tokens", kind=name, n=number)
    told = attribute(f"{told}: {_short(segment.text)}" if segment.text else told)
    label = ""
    if length >= 0.06 * shown:
        label = f"<b>{number}</b>"
    if length >= 0.16 * shown:
        label = f"<span>{name}</span> {label}" + (f"<span> {tr('(drawn shorter)')}</span>" if is_cut else "")
    cut = " nc-ps-cut" if is_cut else ""
    return f'<i class="nc-ps-{kind}{cut}" style="flex-grow:{length}" title="{told}">{label}</i>'


def _totals(data):
    totals = {kind: data.n_tokens(kind) for kind in KINDS}
    return {kind: n_tokens for kind, n_tokens in totals.items() if n_tokens}


def _legend(data):
    estimated = {segment.kind for segment in data.segments if segment.is_estimate}
    items = "".join(
        f'<li><i class="nc-ps-key nc-ps-{kind}"></i>{tr_later(KINDS[kind])} '
        f"<b>{'≈' * (kind in estimated)}{grouped(n_tokens)}</b></li>"
        for kind, n_tokens in _totals(data).items()
    )
    return f'<ul class="nc-ps-legend">{items}</ul>'


def _fallen(fallen):
    """What fell out, struck through, in the order in which it fell; of many, the last ones."""
    if not fallen:
        return ""
    start = max(0, len(fallen) - SHOWN_MESSAGES)
    before = tr("… {messages} before these", messages=count(start, "message"))
    more = f"<li>{before}</li>" if start else ""
    items = "".join(
        f"<li>{number}. <s>{said.role}: {html.escape(_short(said.text))}</s>{_length(said.n_tokens)}</li>"
        for number, said in enumerate(fallen[start:], start=start + 1)
    )
    return f'<div class="nc-ps-out"><b>{tr("Fell out, in this order:")}</b><ul>{more}{items}</ul></div>'


def _messages(data):
    said = [segment for segment in data.segments if segment.message is not None]
    start = max(0, len(said) - SHOWN_MESSAGES)
    more = f'<li class="nc-ps-wide">{tr("… {n:,} more before these", n=start)}</li>' if start else ""
    items = "".join(
        f'<li><i class="nc-ps-key nc-ps-{part.kind}"></i>{tr_later(KINDS[part.kind])}</li>'
        f"<li><b>{'≈' * part.is_estimate}{grouped(part.n_tokens)}</b></li><li>{html.escape(_short(part.text, 90))}</li>"
        for part in said[start:]
    )
    return f'<ul class="nc-ps-said">{more}{items}</ul>'


def _length(n_tokens):
    return "" if n_tokens is None else f' <span class="nc-dim nc-ps-length">{count(n_tokens, "token")}</span>'


def _short(text, length=40):
    """The beginning of a text on one line, without characters that cannot be seen."""
    line = " ".join(text[: 4 * length].split())
    shown = "".join(character if character.isprintable() else "�" for character in line)
    return shown if len(shown) <= length else shown[: length - 1] + "…"
