"""results.json for Gradescope, a folder a student. In: grades. Out: the format of its autograders.

Where nothing was graded no file is written, as Gradescope would take it for a zero. All texts are marked as plain text.
"""

import json

from ...checks.result import PASSED, CheckResult
from ...language import tr, tr_later
from ..grades import INFRA_ERROR, MISSING, REVIEW, Grade
from .files import Folder
from .text import clean, one_line


class Gradescope:
    """Takes grades one by one and writes a file for each."""

    def __init__(self, folder: Folder):
        self._folder = folder

    def add(self, grade: Grade, name: str) -> None:
        """Write a student's results."""
        if grade.status not in (MISSING, INFRA_ERROR):
            text = json.dumps(results(grade), ensure_ascii=False, indent=1)
            self._folder.write(f"gradescope/{name}/results.json", f"{text}\n")

    def finish(self) -> None:
        """Nothing is left to be written."""


def results(grade: Grade) -> dict:
    """A grade as Gradescope reads it."""
    notes = [one_line(note) for note in grade.notes]
    if grade.status == REVIEW:
        notes.insert(0, tr("Your teacher still looks at this sheet."))
    questions = [_question(each) for each in grade.questions if each.answer]
    return {
        "score": grade.score,
        "output": "\n".join(notes),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [*(_exercise(each) for each in grade.exercises), *questions],
    }


def _question(question):
    if question.is_unread:
        return _test(tr_later(question.title), tr("Your teacher reads it."))
    points = {"score": question.points, "max_score": question.max_points}
    return {**points, **_test(tr_later(question.title), tr("Your teacher has read it."))}


def _exercise(exercise):
    status = "passed" if exercise.result.status == PASSED else "failed"
    name = f"{exercise.id} {exercise.result.title}"
    points = {"score": exercise.points, "max_score": exercise.max_points, "status": status, "number": exercise.id}
    return {**points, **_test(name, result_text(exercise.result))}


def _test(name, output):
    return {"name": one_line(name), "output": output, "visibility": "visible"}


def result_text(result: CheckResult) -> str:
    """What was found out about an exercise, as lines of plain text."""
    lines = [result.sentence, *(f"{tr_later(word)}: {text}" for word, text in result.rows)]
    hints = [tr("Hint: {hint}", hint=hint) for hint in result.hints]
    return "\n".join(clean(line) for line in [*lines, *hints, *result.notes])
