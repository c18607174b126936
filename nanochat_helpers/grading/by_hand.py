"""The points that a teacher gives for the questions of a sheet, in a table that `nanochat grade` writes.

In: questions.csv in the folder of the reports, with points filled in. Out: grades that have these points. The table is
written by `reports.questions`.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ..errors import GradingError
from .grades import INFRA_ERROR, MISSING, REJECTED, Grade, status_of
from .master import Master
from .reports.questions import COLUMNS, FILE
from .reports.text import cell
from .submissions.rows import read_rows

Points = Mapping[tuple[str, str], int]  # (student as the table names it, question) → points


def read_points(out: Path, master: Master) -> Points:
    """The points that were filled in so far. Raises GradingError for what is no number of points, with its line."""
    path = out / FILE
    if not path.exists():
        return {}
    most = {each.number: each.max_points for each in master.questions}
    (_, header), *rows = read_rows(path, "The table") or [(1, [])]
    if tuple(header[:3]) != COLUMNS[:3]:
        raise GradingError(f"The table {path} should begin with the columns student, question, points: put them back.")
    points = {}
    for line, (student, question, given, *_) in ((line, [*row, "", "", ""]) for line, row in rows):
        if given.strip():
            points[student, question] = _number(given.strip(), most.get(question, 0), f"{path}, line {line}")
    return points


def with_points(grade: Grade, points: Points) -> Grade:
    """A grade with the points that a teacher gave; nothing is left to be read then."""
    if grade.status in (MISSING, REJECTED, INFRA_ERROR):
        return grade
    student = str(cell(grade.student))
    given = {each.number: points[student, each.number] for each in grade.questions if (student, each.number) in points}
    if not given:
        return grade
    questions = tuple(replace(each, points=given.get(each.number)) for each in grade.questions)
    status = status_of(grade.exercises, questions, to_look_at=grade.to_look_at)
    return replace(grade, questions=questions, status=status)


def _number(text, most, place):
    if not text.isdecimal() or int(text) > most:
        raise GradingError(f"{place}: points are a whole number from 0 to {most}, not {text[:20]!r}. Mend that cell.")
    return int(text)
