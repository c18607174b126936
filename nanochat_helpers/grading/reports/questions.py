"""The answers that a teacher reads, as a table with room for points.

In: grades. Out: questions.csv, which `by_hand` reads again; points that are there already stay.
"""

from ..grades import Grade
from ..master import Master
from .files import Folder
from .tables import csv_text
from .text import cell

FILE = "questions.csv"
COLUMNS = ("student", "question", "points", "max_points", "answer")
ANSWER = 10_000  # letters of an answer


class Questions:
    """Takes grades one by one and keeps the answers that a teacher reads."""

    def __init__(self, folder: Folder, master: Master):
        self._folder, self._master = folder, master
        self._rows: list[list] = []

    def add(self, grade: Grade, name: str) -> None:
        """Take a grade."""
        for each in grade.questions:
            if each.answer:
                answer = cell(each.answer, ANSWER)
                self._rows.append([cell(grade.student), each.number, cell(each.points), each.max_points, answer])

    def finish(self) -> None:
        """Write the table, for a sheet that has questions."""
        if self._master.questions:
            rows = sorted(self._rows, key=lambda row: [str(each) for each in row])
            self._folder.write(FILE, csv_text([COLUMNS, *rows]))
