"""What a child tells, message by message, taken apart with care: it may be forged.

In: messages as plain data. Out: what is known so far, and in the end why it ended. It believes nothing that matters.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import WireError
from .task import DONE, INFRA, Problem
from .wire import BROKEN, unpack_answer

MOST = 16_000_000  # bytes that one task may send back


@dataclass
class Heard:
    """What a child has told so far."""

    nonce: str
    found: dict[str, Any] | None = None
    answers: list[Any] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    last_cell: int = -1
    ended: str = ""
    n_bytes: int = 0


def take(message: Any, heard: Heard) -> None:
    """Note one message of a child. Raises WireError for what is none."""
    try:
        if message["nonce"] != heard.nonce:
            raise WireError("another child's message")
        heard.n_bytes += len(str(message))
        if heard.n_bytes > MOST:
            raise WireError("too many messages")
        if "cell" in message:
            heard.last_cell = max(heard.last_cell, int(message["cell"]))
        elif "problem" in message:
            place, error, said, line = message["problem"]
            heard.problems.append(Problem(int(place), str(error)[:60], str(said)[:300], _line(line)))
        elif "found" in message:
            heard.found = _found(**message["found"])
        elif "answer" in message:
            heard.answers.append(unpack_answer(message["answer"]))
        else:
            heard.ended = str(message["ended"])
    except BROKEN as error:
        raise WireError(f"no message: {type(error).__name__}") from None


def _found(there, objection, near, others):
    """What a child says of the function, cut to size."""
    return {
        "there": there is True, "objection": str(objection)[:1000], "near": str(near)[:60],
        "others": [str(other)[:60] for other in list(others)[:20]],
    }  # fmt: skip


def _line(line):
    return None if line is None else (int(line[0]), str(line[1])[:200])


def reason(ended: Mapping[str, Any], heard: Heard) -> str:
    """Why a child ended: what the warm process saw counts more than what the child said."""
    if ended["why"] in ("time", "memory", INFRA):
        return ended["why"]
    if heard.ended in (DONE, "output"):
        return heard.ended
    if ended["why"] == "late":
        return "time"  # it pretended to end
    return "crash" if heard.last_cell >= 0 else INFRA  # before the first cell, all code is the grader's own
