"""What is asked of a sandbox and what it tells: plain data."""

from dataclasses import dataclass
from typing import Any

from ...checks.calling import Answer

DONE, INFRA = "done", "infra"  # ends: a good one, and one that is the grader's own fault


@dataclass(frozen=True)
class Limits:
    """What each exercise may take: seconds of processor time, and megabytes of memory."""

    seconds: int = 10
    memory_mb: int = 1024


@dataclass(frozen=True)
class Task:
    """What a child is told, and nothing that is a secret.

    cells: (label, code), in their order. call: the module in `checks.toys` and the name of the function in it that
    calls the student's, or None. cases: the arguments of each.
    """

    id: str
    signature: str
    cells: tuple[tuple[str, str], ...]
    cases: tuple[tuple[Any, ...], ...]
    call: tuple[str, str] | None = None


@dataclass(frozen=True)
class Problem:
    """A cell that failed: its place among the cells, the error's type and words, and the line as (number, code)."""

    cell: int
    error: str
    said: str
    line: tuple[int, str] | None


@dataclass(frozen=True)
class Outcome:
    """What came of a task.

    found: what `child` says of the function: "there", "objection", "near", "others"; None where it did not come so far.
    answers: an answer and the arguments afterwards, for each case, and once more for the first.
    ended: "done", or why it ended early: "time", "memory", "output", "crash", "infra" (a fault of the grader).
    last_cell: the place of the cell that ran last. seconds: of processor time.
    """

    ended: str
    found: dict[str, Any] | None = None
    answers: tuple[tuple[Answer, tuple[Any, ...]], ...] = ()
    problems: tuple[Problem, ...] = ()
    last_cell: int = -1
    said: str = ""
    seconds: float = 0.0
