"""Is a trace, which may come from somebody's file, what the X-ray can draw? It says where it is not."""

from collections.abc import Iterator
from typing import Any

from ..errors import TraceError
from ..language import later
from ..prompts import ROLES
from ..trace import Trace

REASONS = {
    "": later("it is not finished"),
    "stop": later("the model was done and said so by its end token"),
    "length": later("there was room for no more tokens"),
    "stop_string": later("the text came to a stop string"),
    "blocked": later("a safety rule blocked it"),
    "cancelled": later("it was stopped on the way"),
}
_NUMBER = (int, float)
_MAYBE = (int, float, type(None))
_MESSAGE = {"role": str, "content": str}
# The lists of a trace, and what each of their parts holds.
_PARTS = {
    "messages": _MESSAGE,
    "dropped": _MESSAGE,
    "kept": _MESSAGE,
    "findings": {"where": str, "rule": str, "action": str, "says": str},
    "sources": {"number": int, "source": str, "place": (str, int), "text": str, "score": _NUMBER},
    "edits": {"name": str, "before": str, "after": str},
}
_SETTINGS = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "max_new_tokens", "max_length")
_ID = (int, type(None))  # a server tells none
_TOKEN = {"token_id": _ID, "text": str, "prob": _MAYBE, "u": _MAYBE, "seconds": _NUMBER, "model_seconds": _MAYBE}
_CANDIDATE = {"token_id": int, "text": str, "prob": _NUMBER, "logits": list}


def check_trace(trace: Trace) -> None:
    """Refuse a trace with a part of another kind than it should be. Raises TraceError, which names the part."""
    for wrong in _wrong_parts(trace):
        raise TraceError(f"The trace is damaged ({wrong} is not what it should be): make it again with this NanoChat.")


def _wrong_parts(trace) -> Iterator[str]:
    for name, kinds in _PARTS.items():
        for place, part in enumerate(getattr(trace, name)):
            if not isinstance(part, dict) or not _fits(part, kinds) or part.get("role", "user") not in ROLES:
                yield f"{name}[{place}]"
    for name in ("input_ids", "user_ids"):
        if not all(isinstance(token_id, int) for token_id in getattr(trace, name)):
            yield name
    if not all(role in (*ROLES, "template") for role in trace.roles):
        yield "roles"
    for place, edit in enumerate(trace.edits):
        if not edit["name"].isidentifier():
            yield f"edits[{place}]"
    if trace.finish_reason not in REASONS:
        yield "finish_reason"
    for name in _SETTINGS:
        if not isinstance(trace.settings.get(name), _MAYBE):
            yield f"settings: {name}"
    if not all(isinstance(seconds, _NUMBER) for seconds in trace.seconds.values()):
        yield "seconds"
    for place, record in enumerate(trace.tokens):
        if not _fits(vars(record), _TOKEN) or not all(map(_is_candidate, record.candidates)):
            yield f"tokens[{place}]"
        elif record.u is not None and not 0 <= record.u < 1:
            yield f"tokens[{place}].u"


def _is_candidate(row):
    n_changes = 6  # see trace.Candidate
    return _fits(vars(row), _CANDIDATE) and len(row.logits) == n_changes and _are_numbers(row.logits)


def _are_numbers(logits):
    return all(isinstance(logit, _MAYBE) for logit in logits)


def _fits(part: dict[str, Any], kinds: dict[str, Any]) -> bool:
    return all(isinstance(part.get(key), kind) for key, kind in kinds.items())
