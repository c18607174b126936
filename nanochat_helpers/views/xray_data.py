"""The numbers of the pipeline X-ray: one reply, taken apart into the nine stations that it came through.

In: a Trace. Out: an XRay, computed once; `xray` draws it. Nothing is run again and no model is needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..language import later, tr, tr_later
from ..trace import STEPS, Candidate, TokenRecord, Trace
from .pipeline import MODULES
from .xray_check import check_trace

# name, what it shows, and which of the seven steps it belongs to (counted from 1)
STATIONS = (
    (later("messages"), later("The conversation, with the new message at its end."), (1,)),
    (later("what fits"), later("What stays for the prompt, and what had to go."), (3,)),
    (later("prompt"), later("The one text that the model goes on from."), (3,)),
    (later("ids"), later("The same text as numbers: this is all that the model sees."), (2, 3)),
    (later("logits"), later("What the model said about one next token, and what each setting made of it."), (4, 5)),
    (later("the draw"), later("The final probabilities share a bar from 0 to 1, and a needle picks one token."), (5,)),
    (later("raw text"), later("All tokens, one after another: what the model wrote."), (5,)),
    (later("edits"), later("What was cleaned before anybody saw it."), (6,)),
    (later("reply"), later("What the reader gets."), (7,)),
)
TOKEN_STATIONS = (4, 5, 6)  # places of the stations that show one token


@dataclass(frozen=True)
class Timing:
    """One of the seven steps: its number, name and module, and its time. seconds: None where it was not measured."""

    number: int
    name: str
    module: str
    seconds: float | None
    share: float  # of the time of all steps, 0 to 1


@dataclass(frozen=True)
class Station:
    """One stop on the way of a reply: its name, what it shows, and the steps of the pipeline that it belongs to."""

    name: str
    says: str
    steps: tuple[Timing, ...]


@dataclass(frozen=True)
class Run:
    """Neighbouring tokens of the prompt that are the same one's words. text: None where it cannot be told apart."""

    role: str
    text: str | None
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Part:
    """A token's part of the bar from 0 to 1; rank: its place in the model's own ranking, None for other tokens."""

    text: str
    start: float
    end: float
    rank: int | None = None
    is_drawn: bool = False


@dataclass(frozen=True)
class Choice:
    """How one token of the reply was chosen.

    rows: the most likely tokens as the trace has them; rest: what all other tokens have together, 0 to 1.
    bar: the parts at which the needle `record.u` may point. Both empty for llama.cpp and for a server, which
        keep them to themselves.
    """

    record: TokenRecord
    rows: tuple[Candidate, ...]
    rest: float
    bar: tuple[Part, ...]


@dataclass(frozen=True)
class XRay:
    """One reply as a tuple of stations, and what they show.

    timings: all seven steps of the pipeline. kept: the messages that the prompt was made of.
    runs: the prompt, cut where its words become another one's.
    choices: one for each token of the reply.
    """

    trace: Trace
    stations: tuple[Station, ...]
    timings: tuple[Timing, ...]
    kept: tuple[dict, ...]
    runs: tuple[Run, ...]
    choices: tuple[Choice, ...]

    @property
    def was_asked(self) -> bool:
        """Was the model asked at all? Not where a rule blocked the message, or no passage fitted."""
        return bool(self.trace.prompt)


def xray_data(trace: Trace) -> XRay:
    """Take the reply that this trace recorded apart. Raises TraceError where a part of it is not what it should be."""
    check_trace(trace)
    timings = _timings(trace)
    stations = tuple(
        Station(tr_later(name), tr_later(says), tuple(timings[step - 1] for step in steps))
        for name, says, steps in STATIONS
    )
    kept = trace.kept or [message for message in trace.messages if message not in trace.dropped]
    runs = prompt_runs(trace.prompt, trace.input_ids, trace.roles, kept)
    choices = tuple(_choice(record) for record in trace.tokens)
    return XRay(trace, stations, timings, tuple(kept) if trace.prompt else (), runs, choices)


def _timings(trace):
    total = sum(trace.seconds.values()) or 1.0
    return tuple(
        Timing(number, name, module, trace.seconds.get(name), trace.seconds.get(name, 0.0) / total)
        for number, (name, module) in enumerate(zip(STEPS, MODULES, strict=True), start=1)
    )


# --- the prompt, cut by roles


def prompt_runs(prompt: str, input_ids: Sequence[int], roles: Sequence[str], kept: Sequence[dict]) -> tuple[Run, ...]:
    """The prompt, cut where its words become another one's; each part with its ids and its text.

    kept: the messages that the prompt was made of. A trace has no tokenizer: the texts are found by looking for the
    messages in the prompt, and are None where that does not give one text for each run of ids.
    """
    runs = []
    for token_id, role in zip(input_ids, roles, strict=False):
        if not runs or runs[-1][0] != role:
            runs.append((role, []))
        runs[-1][1].append(token_id)
    parts = _cut(prompt, kept)
    fits = [role for role, _ in runs] == [role for role, _ in parts]
    texts = [text for _, text in parts] if fits else [None] * len(runs)
    return tuple(Run(role, text, tuple(ids)) for (role, ids), text in zip(runs, texts, strict=True))


def _cut(prompt, messages):
    """The prompt as pairs of a role and a text."""
    parts, end = [], 0
    for message in messages:
        if not message["content"]:
            continue
        start = _find(prompt, message["content"], end)
        if start < 0:
            return []
        parts += [("template", prompt[end:start])] * (start > end) + [(message["role"], message["content"])]
        end = start + len(message["content"])
    return parts + [("template", prompt[end:])] * (end < len(prompt))


def _find(prompt, content, start):
    """Where a message begins: after white space if possible, so that "user" is not found in "<|im_start|>user"."""
    found = prompt.find(content, start)
    while found > 0 and not prompt[found - 1].isspace():
        found = prompt.find(content, found + 1)
    return found if found >= 0 else prompt.find(content, start)


# --- the tokens


def _choice(record):
    rest = max(0.0, 1 - sum(row.prob for row in record.candidates)) if record.candidates else 0.0
    return Choice(record, tuple(record.candidates), rest if rest > 1e-5 else 0.0, _bar(record))


def _bar(record):
    """The parts of the bar, by descending probability, as in `sampling.roulette`.

    A trace has the most likely tokens only; of all others it has but the sum. Where the needle shows that some of them
    stand before the drawn token, so much of the bar is theirs there; what is left of them stands at the end.
    """
    if not record.candidates or record.u is None:
        return ()
    ranked = sorted(enumerate(record.candidates), key=lambda row: (-row[1].prob, row[1].token_id))
    parts, end = [], 0.0
    for rank, row in ranked:
        if row.prob == 0:
            continue
        is_drawn = row.token_id == record.token_id
        before = max(0.0, record.u - end - row.prob) if is_drawn else 0.0
        if before > 1e-5:
            parts.append(Part(tr("other tokens"), end, end + before))
            end += before
        parts.append(Part(row.text, end, end + row.prob, rank, is_drawn))
        end += row.prob
    if 1 - end > 1e-5:
        parts.append(Part(tr("other tokens"), end, 1.0))
    return tuple(parts)
