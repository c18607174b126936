"""The points that a teacher gives for the questions of a sheet, in a table that `nanochat grade` writes.

In: questions.csv in the folder of the reports, with points filled in. Out: grades that have these points. The table is
written by `reports.questions`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ..errors import GradingError
from ..language import later
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
    (_, header), *rows = read_rows(path, later("The table")) or [(1, [])]
    if tuple(header[:3]) != COLUMNS[:3]:
        raise GradingError(f"The table {path} should begin with the columns student, question, points: put them back.")
    points = {}
    for line, (student, question, given, *_) in ((line, [*row, "", "", ""]) for line, row in rows):
        if given.strip():
            place = f"{path}, line {line}"
            number = _question(question.strip(), most, place)
            points[student, number] = _number(given.strip(), most[number], place)
    return points


def refuse_strangers(points: Points, students: Iterable[str], out: Path) -> None:
    """Raise GradingError for points of a student who is not there: the next table would be without them."""
    known = {str(cell(student)) for student in students}
    unknown = sorted({student for student, _ in points} - known)
    if unknown:
        raise GradingError(
            f"{out / FILE} has points for {unknown[0][:60]!r}, and nobody of that name is in this run: write the name "
            "as it is in grades.csv, or empty the cell with the points."
        )


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


def _question(text, numbers, place):
    """The number of the question that a cell names: also "3.6", which a table program makes of "03.6"."""
    found = next((number for number in numbers if number.lstrip("0") == text.lstrip("0")), None)
    if found is None:
        raise GradingError(
            f"{place}: there is no question {text[:20]!r} on this sheet. Write {' or '.join(numbers) or 'nothing'} "
            "into that cell, as text: a table program may have made a date of it."
        )
    return found


def _number(text, most, place):
    if not text.isdecimal() or len(text) > 9 or int(text) > most:
        raise GradingError(f"{place}: points are a whole number from 0 to {most}, not {text[:20]!r}. Mend that cell.")
    return int(text)
