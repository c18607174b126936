"""What is known about one student's sheet after grading: data that is written to the journal and read by all reports.

In and out: plain JSON. It decides nothing: see `grader`.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..checks.result import PASSED, PROBLEM, CheckResult
from ..language import tr, tr_later

GRADED, REVIEW, REJECTED, MISSING, INFRA_ERROR = "graded", "review", "rejected", "missing", "infra_error"


@dataclass(frozen=True)
class ExerciseGrade:
    """One exercise: what was found out, the points it has, and the code that was handed in ("" where there is none)."""

    result: CheckResult
    max_points: int
    code: str = ""

    @property
    def id(self) -> str:
        """The exercise's id, such as "04.3"."""
        return self.result.exercise_id

    @property
    def points(self) -> int:
        """All points or none: nothing but an explicit "passed" counts."""
        return self.max_points if self.result.status == PASSED else 0


@dataclass(frozen=True)
class Question:
    """A question that a teacher reads: its cell's grade_id, its title, its points, and the answer ("" for none).

    points: what the teacher gave, or None.
    """

    id: str
    title: str
    max_points: int
    answer: str = ""
    points: int | None = None

    @property
    def number(self) -> str:
        """Its number in the sheet, such as "03.6"."""
        found = re.match(r"\d+\.\d+", self.title)
        return found[0] if found else self.id

    @property
    def is_unread(self) -> bool:
        """Whether a teacher still has to read an answer."""
        return bool(self.answer) and self.points is None


@dataclass(frozen=True)
class Grade:
    """A student's sheet. status: "graded"; "review": somebody has to look at it, and `notes` say why; "rejected": it
    could not be read; "missing": nothing was handed in; "infra_error": the grader itself failed, which costs no points.

    notes: sentences for teacher and student. source: where it was found. key: what the journal knows it by.
    to_look_at: whether a teacher has to look at something besides the answers to questions.
    """

    student: str
    status: str
    sheet: str
    exercises: tuple[ExerciseGrade, ...]
    questions: tuple[Question, ...] = ()
    notes: tuple[str, ...] = ()
    source: str = ""
    key: str = ""
    to_look_at: bool = False

    @property
    def score(self) -> int | None:
        """The points so far; None where nothing was graded: then it must not be taken for a zero."""
        if self.status in (MISSING, INFRA_ERROR):
            return None
        return sum(each.points or 0 for each in (*self.exercises, *self.questions))

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, and which answers a teacher still has to read."""
        unread = (
            tr("{question}: a teacher reads the answer.", question=tr_later(each.title))
            for each in self.questions
            if each.is_unread
        )
        return (*self.notes, *unread)

    @property
    def max_score(self) -> int:
        """The points of the whole sheet, with those of its questions."""
        return sum(each.max_points for each in (*self.exercises, *self.questions))

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Grade":
        """The grade that `to_json` wrote. Raises TypeError, KeyError or AttributeError for anything else."""
        exercises = tuple(
            ExerciseGrade(_tuples(CheckResult, each["result"]), each["max_points"], each["code"])
            for each in data["exercises"]
        )
        questions = tuple(Question(**each) for each in data["questions"])
        return _tuples(cls, {**data, "exercises": exercises, "questions": questions})


def status_of(exercises: Sequence[ExerciseGrade], questions: Sequence[Question], *, to_look_at: bool) -> str:
    """The status of a sheet that could be read."""
    if any(each.result.status == PROBLEM for each in exercises):
        return INFRA_ERROR
    return REVIEW if to_look_at or any(each.is_unread for each in questions) else GRADED


def _tuples(kind, data):
    """A frozen dataclass out of JSON, which has lists for tuples."""
    unknown = set(data) - {each.name for each in fields(kind)}
    if unknown:
        raise TypeError(f"{kind.__name__} has no {sorted(unknown)[0]!r}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in data.items()})
