"""What each of the seven steps took and gave for one reply. Cell, widget, API and test all read this one object.

It only records; it saves to JSON and loads back equal.
"""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import get_origin

from .errors import TraceError
from .language import later, tr, tr_later

VERSION = 2
STEPS = (
    later("user input"),
    later("tokenization"),
    later("prompt construction"),
    later("model inference"),
    later("generation control"),
    later("post-processing"),
    later("delivery"),
)


@dataclass(frozen=True)
class Candidate:
    """One of the most likely tokens at one step, and what became of it.

    logits: its logit at first and after each change (repetition_penalty, temperature, top_k, top_p, min_p);
        None from the change on that removed it. prob: its final probability.
    """

    token_id: int
    text: str
    logits: list[float | None]
    prob: float


@dataclass(frozen=True)
class TokenRecord:
    """One token of the reply: the model's own probability of it, the needle u, and the tokens it could have been.

    seconds: from the token before it, or from the prompt, to this one; model_seconds: the model's share of it.
    For llama.cpp u and model_seconds are None and there are no candidates. A server tells only pieces of text, perhaps
    of several tokens: there token_id and prob are None, too.
    """

    token_id: int | None
    text: str
    prob: float | None
    u: float | None
    candidates: list[Candidate]
    seconds: float
    model_seconds: float | None = None


@dataclass(repr=False)
class Trace:
    """The record of one reply.

    user_message: as it was typed, also what a rule of `safety` masked then. messages: the conversation with it;
        dropped: those of them that did not fit into the prompt.
    kept: the messages that the prompt was made of, with what a strategy of `history` or a retriever added to them.
    findings: what the rules of `safety` found, and where: {"where": "input" or "output", "rule", "action", …}.
    sources: the passages that a retriever found: {"number", "source", "place", "text", "score"}.
    prompt, input_ids: what the model got, as text and as numbers. A server gets the messages: then the prompt is these,
        as JSON, and there are no ids.
    roles: whose words each of the input_ids is. seconds: how long each of the seven STEPS took; llama.cpp does not tell
        its steps 4 and 5 apart, and both stand under 4. Step 7 is the time that the reader of the reply took.
    """

    model: str
    engine: str
    settings: dict
    user_message: str
    user_ids: list[int] = field(default_factory=list)
    messages: list[dict] = field(default_factory=list)
    dropped: list[dict] = field(default_factory=list)
    kept: list[dict] = field(default_factory=list)
    findings: list[dict] = field(default_factory=list)
    sources: list[dict] = field(default_factory=list)
    prompt: str = ""
    input_ids: list[int] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    tokens: list[TokenRecord] = field(default_factory=list)
    raw_text: str = ""
    edits: list[dict] = field(default_factory=list)
    text: str = ""
    finish_reason: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the time that this block takes to a step."""
        start = time.perf_counter()
        yield
        self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - start

    def close(self) -> None:
        """Share the time of the tokens between steps 4 and 5, and put the steps into their order."""
        if self.prompt:  # else the reply was there without the model
            writing = sum(token.seconds for token in self.tokens)
            self.seconds["model inference"] = writing
            if self.engine == "transformers":  # llama.cpp does not tell its two shares apart
                self.seconds["model inference"] = inference = sum(token.model_seconds for token in self.tokens)
                self.seconds["generation control"] = writing - inference
        self.seconds = {name: round(self.seconds[name], 6) for name in STEPS if name in self.seconds}

    def summary(self) -> list[tuple[str, str, str]]:
        """One row for each of the seven steps: its English name, and what went in and came out, as a reader sees it."""
        edited = ", ".join(edit["name"] for edit in self.edits) or tr("nothing to mend")
        rules = {where: self._rules(where) for where in ("input", "output")}
        messages, written = _count(len(self.messages), "message"), _count(len(self.tokens), "token")
        user_ids, input_ids = _count(len(self.user_ids), "token id"), _count(len(self.input_ids), "token id")
        prompt = [tr("a prompt of {tokens}", tokens=_count(len(self.input_ids), "token"))]
        given, told = tr("logits and settings"), tr("logits for {tokens}", tokens=written)
        if self.engine == "remote":  # a server does all of this itself, and tells only the text
            user_ids, input_ids = tr("left to the server"), tr("messages, sent as they are")
            prompt = [tr("{messages} to send", messages=_count(len(self.kept), "message"))]
            written = _count(len(self.tokens), "piece")
            given, told = tr("text and settings"), tr("text for {pieces}", pieces=written)
        if self.sources:
            prompt.append(_count(len(self.sources), "source"))
        if self.dropped:
            prompt.append(tr("{messages} dropped", messages=_count(len(self.dropped), "message")))
        made = [
            (_short(self.user_message), messages + rules["input"]),
            (_short(self.user_message), user_ids),
            (messages, ", ".join(prompt)),
            (input_ids, told),
            (given, tr("{written}, ended by {reason}", written=written, reason=repr(self.finish_reason))),
            (_short(self.raw_text), edited + rules["output"]),
            (_short(self.text), tr("shown")),
        ]
        return [(name, took, gave) for name, (took, gave) in zip(STEPS, made, strict=True)]

    def _rules(self, where):
        """The rules of `safety` that found something there, as the end of a sentence."""
        found = dict.fromkeys((each["action"], each["rule"]) for each in self.findings if each["where"] == where)
        return "".join(f", {tr('{action} by {rule}', action=action, rule=rule)}" for action, rule in found)

    def __str__(self) -> str:
        rows = [
            f"{number} {tr_later(name):<20} {took:<44} → {gave:<44} {milliseconds(self.seconds.get(name)):>10}".rstrip()
            for number, (name, took, gave) in enumerate(self.summary(), start=1)
        ]
        return "\n".join([tr("{model} with {engine}", model=self.model, engine=self.engine), *rows])

    __repr__ = __str__  # in a notebook, the seven rows say more than all fields in one line

    def save(self, path: str | Path) -> None:
        """Write the trace as JSON. Raises TraceError where the file cannot be written."""
        text = json.dumps({"version": VERSION, **asdict(self)}, ensure_ascii=False)
        try:
            Path(path).write_text(text, encoding="utf-8")
        except (OSError, ValueError) as error:  # ValueError: a NUL byte in the path
            why = getattr(error, "strerror", None) or error
            raise TraceError(f"The trace cannot be written to {str(path)!r} ({why}): choose another file.") from error

    @classmethod
    def load(cls, path: str | Path) -> "Trace":
        """Read a trace back. Raises TraceError for a file that is missing, damaged or from another version."""
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            why = getattr(error, "strerror", None) or error
            raise TraceError(f"{path} cannot be read as a trace: {why}") from error
        if not isinstance(data, dict) or data.pop("version", None) != VERSION:
            raise TraceError(f"{path} is no trace of version {VERSION}: make it again with this NanoChat.")
        try:
            tokens = [
                TokenRecord(**{**token, "candidates": [Candidate(**row) for row in token["candidates"]]})
                for token in data.pop("tokens")
            ]
            trace = cls(tokens=tokens, **data)
            for part in fields(cls):
                kind = get_origin(part.type) or part.type
                if not isinstance(getattr(trace, part.name), kind):
                    raise TypeError(f"{part.name} is no {kind.__name__}")
        except (TypeError, KeyError) as error:
            known = ", ".join(part.name for part in fields(cls))
            raise TraceError(f"{path} is a damaged trace ({error}); a trace has: {known}.") from error
        return trace


def milliseconds(seconds: float | None) -> str:
    """A time as people read it: 0.0123 gives "12.3 ms", and what was not measured "–"."""
    return "–" if seconds is None else tr("{n:,.1f} ms", n=1000 * seconds)


def record_token(step, tokenizer, seconds: float) -> TokenRecord:
    """Turn a GenerationStep, with its logits for the whole vocabulary, into a small record of the top tokens."""
    candidates = []
    if step.stages is not None:
        stages = step.stages
        changes = [
            stages.logits,
            stages.after_repetition_penalty,
            stages.after_temperature,
            stages.after_top_k,
            stages.after_top_p,
            stages.after_min_p,
        ]
        probs = stages.probs
        chosen_too = dict.fromkeys([token_id for token_id, _ in step.top_tokens] + [step.token_id])
        candidates = [
            Candidate(
                token_id=token_id,
                text=tokenizer.decode([token_id]),
                logits=[_finite(change[token_id].item()) for change in changes],
                prob=_rounded(probs[token_id].item()),
            )
            for token_id in chosen_too
        ]
    prob = None if step.prob is None else _rounded(step.prob)
    model_seconds = None if step.model_seconds is None else round(step.model_seconds, 6)
    return TokenRecord(step.token_id, step.text, prob, step.u, candidates, round(seconds, 6), model_seconds)


def _finite(logit: float) -> float | None:
    return round(logit, 5) if math.isfinite(logit) else None


def _rounded(prob: float) -> float:
    return float(f"{prob:.6g}")


def _count(number: int, noun: str) -> str:
    return tr_later(f"{{n}} {noun}{'' if number == 1 else 's'}", n=number)


def _short(text: str, length: int = 40) -> str:
    one_line = " ".join(text.split())
    return repr(one_line if len(one_line) <= length else one_line[: length - 1] + "…")
