"""grades.csv, and the same points as Canvas and Moodle take them.

In: grades, and the roster's ids. Out: three tables, sorted by student; the same grades give the same bytes in any
order. Where nothing was graded the points are left empty, which neither Canvas nor Moodle takes for a zero. Names of
columns and statuses are English in every language, as other programs read them.
Moodle looks for these names of columns where it is set to English.
"""

import csv
import html
import io
from collections.abc import Mapping, Sequence

from ...checks.result import NOT_ATTEMPTED, PASSED
from ...language import tr, tr_later
from ..grades import INFRA_ERROR, MISSING, REJECTED, ExerciseGrade, Grade
from ..master import Master
from ..submissions.roster import EMAIL
from .files import Folder
from .text import cell, one_line

SENTENCE = 200  # characters of what is said about one exercise
CANVAS = ("ID", "SIS User ID", "SIS Login ID", "Section")
# Moodle needs Identifier, Grade and the date of the last grade; "-" is what it writes itself where there is no date.
MOODLE = ("Identifier", "Full name", "Email address", "Status", "Grade", "Maximum Grade", "Last modified (grade)")
NOTHING_GRADED = (MISSING, INFRA_ERROR)


class Tables:
    """Takes grades one by one and keeps a small row of each. ids: student → column of the roster → value."""

    def __init__(self, folder: Folder, master: Master, title: str, ids: Mapping[str, Mapping[str, str]]):
        self._folder, self._master, self._title, self._ids = folder, master, title, ids
        self._grades: list[list] = []
        self._canvas: list[list] = []
        self._moodle: list[list] = []

    def add(self, grade: Grade, name: str) -> None:
        """Take a grade."""
        ids = {_plain(column): value for column, value in self._ids.get(grade.student, {}).items()}
        self._grades.append(_row(grade, self._master))
        known = [_canvas_id(ids), *(cell(ids.get(_plain(column), "")) for column in CANVAS[1:])]
        self._canvas.append([cell(grade.student), *known, cell(grade.score)])
        self._moodle.append(_moodle_row(grade, self._master, ids))

    def finish(self) -> None:
        """Write the tables."""
        exercises, questions = self._master.exercises, self._master.questions
        columns = [*(each.id for each in exercises), *(each.number for each in questions)]
        header = ["student", "status", "score", "max_score", *columns, "notes"]
        self._folder.write("grades.csv", csv_text([header, *sorted(self._grades, key=_by_text)]))
        possible = ["    Points Possible", *[""] * len(CANVAS), max_score(self._master)]
        head = [["Student", *CANVAS, cell(self._title)], possible]
        self._folder.write("canvas.csv", csv_text([*head, *sorted(self._canvas, key=_by_text)]))
        moodle = sorted(self._moodle, key=lambda row: (_by_text(row[1:]), _by_text(row)))
        self._folder.write("moodle.csv", csv_text([[*MOODLE, "Feedback comments"], *moodle]))


def csv_text(rows: Sequence[Sequence[str | int]]) -> str:
    """A table as text, every cell in quotes."""
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(rows)
    return file.getvalue()


def max_score(master: Master) -> int:
    """The points of a sheet, with those of its questions; the same for all, also for those who handed in nothing."""
    return sum(each.points for each in master.exercises) + sum(each.max_points for each in master.questions)


def said(exercise: ExerciseGrade, limit: int = SENTENCE) -> str:
    """What was found out about an exercise that did not pass, on one line."""
    result = exercise.result
    if result.status == NOT_ATTEMPTED:
        return tr("{exercise}: not attempted", exercise=exercise.id)
    known = f" ({tr_later(result.misconception)})" if result.misconception else ""
    return f"{exercise.id}: {one_line(result.sentence.replace('`', ''), limit)}{known}"


def _plain(column):
    """A column's name in small letters and without signs."""
    return "".join(each for each in column.lower() if each.isalnum())


def _canvas_id(ids):
    """Canvas's own number of a student; a column "ID" of a list that Canvas has not written may be any number."""
    return cell(ids.get("canvasid") or (ids.get("id", "") if "section" in ids else ""))


def _by_text(row):
    return [str(each) for each in row]


def _row(grade, master):
    by_id = {each.id: each for each in grade.exercises}
    points = [by_id[each.id].points if each.id in by_id else 0 for each in master.exercises]
    by_hand = [_question_points(grade, each.id) for each in master.questions]
    if grade.status in NOTHING_GRADED:
        points = [None] * len(points)
    numbers = [cell(each) for each in (grade.score, max_score(master), *points, *by_hand)]
    failed = [said(each) for each in grade.exercises if each.result.status != PASSED]
    notes = [*grade.remarks, *(failed if grade.status not in (*NOTHING_GRADED, REJECTED) else ())]
    return [cell(grade.student), grade.status, *numbers, cell(" | ".join(one_line(note) for note in notes), 5_000)]


def _question_points(grade, question_id):
    """Empty where a teacher still has to read the answer; 0 where there is none."""
    found = next((each for each in grade.questions if each.id == question_id), None)
    if grade.status in NOTHING_GRADED or (found and found.is_unread):
        return None
    return (found and found.points) or 0


def _moodle_row(grade, master, ids):
    email = next((ids[column] for column in EMAIL if ids.get(column)), "")
    known = [cell(ids.get("identifier", "")), cell(ids.get("fullname") or grade.student), cell(email)]
    date = ids.get("lastmodifiedgrade") or "-"
    return [
        *known,
        cell(ids.get("status", "")),
        cell(grade.score),
        max_score(master),
        date if date == "-" else cell(date),
        _feedback(grade),
    ]


def _feedback(grade):
    """What Moodle shows a student, which is HTML."""
    lines = [*grade.remarks]
    if grade.status not in (*NOTHING_GRADED, REJECTED):
        lines += [_exercise_line(each) for each in grade.exercises]
    return cell("<br>".join(html.escape(one_line(line, 400)) for line in lines), 8_000)


def _exercise_line(exercise):
    result = exercise.result
    points = {"points": exercise.points, "most": exercise.max_points}
    head = tr("{exercise}: {points} of {most}.", exercise=f"{exercise.id} {result.title}", **points)
    if result.status == PASSED:
        return head
    if result.status == NOT_ATTEMPTED:
        return f"{head} {tr('Not attempted yet.')}"
    hint = " " + tr("Hint: {hint}", hint=result.hints[0]) if result.hints else ""
    return f"{head} {result.sentence}{hint}".replace("`", "")
