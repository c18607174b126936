"""The sheet that a class was given, as the grader needs it: the cells that count are the teacher's own.

In: a sheet's number, and a copy of the project. Out: a Master.
"""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..checks.exercise import Exercise
from ..checks.sheets import SHEETS, sheet_exercises
from ..errors import GradingError
from .grades import Question
from .sheets import Notebook, cell_of, read_notebook, role, source


@dataclass(frozen=True)
class Master:
    """A sheet as it was given out. number: such as "04". notebook: the student's sheet, untouched."""

    number: str
    notebook: Notebook

    @cached_property
    def exercises(self) -> tuple[Exercise, ...]:
        """Its exercises, with their references."""
        return sheet_exercises(self.number)

    @cached_property
    def stubs(self) -> dict[str, str]:
        """Exercise id → the code of its answer cell before anything was written into it."""
        return {each.id: source(cell_of(self.notebook, each.id, "answer")) for each in self.exercises}

    @cached_property
    def questions(self) -> tuple[Question, ...]:
        """The questions that a teacher reads, without answers."""
        cells = [cell for cell in self.notebook["cells"] if role(cell) == "question"]
        return tuple(Question(_grade_id(cell), self._title(cell), _points(cell)) for cell in cells)

    @cached_property
    def digest(self) -> str:
        """A hash of the sheet: another sheet gives another journal."""
        return hashlib.sha256(json.dumps(self.notebook, sort_keys=True).encode()).hexdigest()

    def _title(self, cell):
        """The title of the task cell that stands before a question."""
        cells = self.notebook["cells"]
        before = [source(each) for each in cells[: cells.index(cell)] if each["cell_type"] == "markdown"]
        heads = [line.lstrip("# ") for text in before for line in text.splitlines() if line.startswith("## ")]
        return heads[-1] if heads else _grade_id(cell)


def find_master(sheet: str, folder: Path) -> Master:
    """The sheet with this number, name or path ("04", "sampling", "exercises/04_sampling.ipynb").

    folder: a copy of the project, with `exercises/`. Raises GradingError for a sheet that does not exist.
    """
    stem = Path(sheet).stem
    number = next((n for n, name in SHEETS.items() if stem in (n, n.lstrip("0"), name, f"{n}_{name}")), None)
    if number is None:
        raise GradingError(f"There is no sheet {sheet!r}: name it by its number, {min(SHEETS)} to {max(SHEETS)}.")
    path = folder / "exercises" / f"{number}_{SHEETS[number]}.ipynb"
    if not path.is_file():
        raise GradingError(
            f"{path} is not there: run this in the folder that holds NanoChat's notebooks, or name that folder with "
            "--folder."
        )
    return Master(number, read_notebook(path))


def _grade_id(cell):
    return cell["metadata"]["nbgrader"]["grade_id"]


def _points(cell):
    return cell["metadata"]["nbgrader"]["points"]
