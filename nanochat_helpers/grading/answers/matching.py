"""Which of the cells that were handed in is which cell of the sheet; and whether this is the sheet at all.

In: the cells that were read, and the sheet as it was given out. Out: the same cells, sorted. Code is not run.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ...checks.sheets import SHEETS
from ...errors import RejectedError
from ...language import tr
from ..master import Master
from ..sheets import cell_of
from .code_names import LONGEST, Names, names_in
from .damage import Cell

EXERCISE_ID = re.compile(r"\d\d\.\d+")
CHECK = re.compile(r"""^\s*(?:check|progress)\(\s*["'](\d\d)\b""")
LESSON_TITLE = re.compile(r"#\s+(\d\d) · ")
MOST_CODE = 1_000_000  # characters of code in which definitions are looked for: far more than a class writes


@dataclass(frozen=True)
class Handed:
    """The cells of a submission. known: the grade_id of a cell of the sheet → all its copies. own: the student's own.

    below: the grade_id of a cell of the sheet → the student's own texts that follow it.
    """

    known: dict[str, list[Cell]]
    own: list[Cell]
    below: dict[str, list[Cell]]

    @cached_property
    def defining(self) -> list[tuple[Cell, str, Names]]:
        """Each cell with code, its grade_id ("" for one of the student's own), and its names."""
        of_sheet = [(cell, name) for name, copies in self.known.items() for cell in copies]
        found, size = [], 0
        for cell, name in [*of_sheet, *((cell, "") for cell in self.own)]:
            size += min(len(cell.source), LONGEST)
            if cell.kind == "code" and size < MOST_CODE:
                found.append((cell, name, names_in(cell.source)))
        return found


def match(cells: Sequence[Cell], master: Master) -> Handed:
    """Sort the cells: by nbgrader's grade_id, else by the exercise that they name, else by their id."""
    exercises = {grade_id(cell): _exercise(cell) for cell in master.notebook["cells"]}
    known, own, below, last = {}, [], {}, ""
    for cell in cells:
        name = _name(cell, exercises, master)
        if name:
            known.setdefault(name, []).append(cell)
            last = name
        else:
            own.append(cell)
            if cell.kind == "markdown":
                below.setdefault(last, []).append(cell)
    return Handed(known, own, below)


def grade_id(cell: dict) -> str:
    """The name of a cell of the sheet."""
    return cell["metadata"]["nbgrader"]["grade_id"]


def answer_name(exercise_id: str, master: Master) -> str:
    """The name of the answer cell of an exercise."""
    return grade_id(cell_of(master.notebook, exercise_id, "answer"))


def check_name(exercise_id: str, master: Master) -> str:
    """The name of the check cell of an exercise."""
    return grade_id(cell_of(master.notebook, exercise_id, "check"))


def _exercise(cell):
    return cell["metadata"].get("nanochat", {}).get("exercise", "")


def _name(cell, exercises, master):
    if cell.exercise and cell.exercise not in master.stubs:
        return ""  # pasted from another sheet, whose cells have the same names
    if cell.grade_id in exercises:
        return cell.grade_id
    if cell.exercise:
        if exercises.get(cell.id) == cell.exercise:
            return cell.id
        is_check = CHECK.match(cell.source)
        return (check_name if is_check else answer_name)(cell.exercise, master)
    return cell.id if cell.id in exercises else ""


def refuse_other_sheets(cells: Sequence[Cell], master: Master) -> None:
    """Raise RejectedError for another sheet, and for a lesson."""
    numbers = [cell.exercise[:2] for cell in cells if EXERCISE_ID.fullmatch(cell.exercise)]
    numbers += [found[1] for cell in cells if cell.kind == "code" and (found := CHECK.match(cell.source))]
    file = master_file(master)
    if numbers and master.number not in numbers:
        raise RejectedError(
            tr(
                "This is sheet {other}, and sheet {number} is graded. Hand in exercises/{file}.",
                other=numbers[0],
                number=master.number,
                file=file,
            )
        )
    lesson = LESSON_TITLE.match(next((cell.source for cell in cells if cell.kind == "markdown"), ""))
    if lesson and not numbers and not any(cell.grade_id for cell in cells):
        raise RejectedError(
            tr(
                "This is lesson {lesson}, not the sheet with the exercises. Hand in exercises/{file}.",
                lesson=lesson[1],
                file=file,
            )
        )


def refuse_without_answers(handed: Handed, master: Master) -> None:
    """Raise RejectedError where there is nothing that could be an answer."""
    if any(answer_name(each.id, master) in handed.known for each in master.exercises):
        return
    asked = [each.name for each in master.exercises]
    if not any(name in names.binds for _, _, names in handed.defining for name in asked):
        raise RejectedError(
            tr(
                "No answer cell of sheet {number} is in this notebook, and no cell defines `{name}` or another "
                "function that is asked for. Hand in exercises/{file}.",
                number=master.number,
                name=asked[0],
                file=master_file(master),
            )
        )


def master_file(master: Master) -> str:
    """The name of the sheet's file."""
    return f"{master.number}_{SHEETS[master.number]}.ipynb"
