"""All that is written at the end of a batch: tables, pages, answers, and files for other tools.

In: the grades of a class, which may come one by one and are read once. Out: files in a folder. The same grades give
the same bytes, in whichever order they come.
"""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...language import tr_later
from ..grades import Grade
from ..master import Master
from ..submissions.roster import Student
from .class_page import ClassPage
from .code import Answers
from .files import Folder
from .gradescope import Gradescope
from .junit import JUnit
from .questions import Questions
from .similar import Similar
from .student import StudentPages
from .tables import Tables
from .text import file_name, short_hash


@dataclass(frozen=True)
class Run:
    """What the class page says about a batch. sandbox: a sentence on what held the code in. limits: of time, memory."""

    sheet: str
    title: str
    sandbox: str
    limits: str
    version: str
    notes: tuple[str, ...] = ()


def write_reports(out: Path, run: Run, master: Master, grades: Iterable[Grade], roster: Sequence[Student] = ()) -> None:
    """Write all reports into a folder; those of an earlier run are replaced, and nothing else is touched.

    roster: its ids go into the tables for Canvas and Moodle. Raises GradingError where a file cannot be written.
    """
    title = tr_later(run.title)  # on pages; what other programs read keeps the sheet's own
    with Folder(out) as folder, tempfile.TemporaryFile() as waiting:
        parts = [
            StudentPages(folder, master, title),
            Gradescope(folder),
            Answers(folder, master),
            Tables(folder, master, run.title, {student.name: student.ids for student in roster}),
            Questions(folder, master),
            JUnit(folder, run.title, waiting),
            Similar(folder, master, title),
            ClassPage(folder, master, replace(run, title=title)),
        ]
        taken: set[str] = set()
        for grade in grades:
            name = _own_name(grade, taken)
            for part in parts:
                part.add(grade, name)
        for part in parts:
            part.finish()
        folder.finish()


def _own_name(grade, taken):
    """The name of a student's files; of two sheets under one name, the second has its own."""
    name = file_name(grade.student)
    while name in taken:
        name = f"{name[:20]}-{short_hash(f'{name} {grade.source} {grade.key}')}"
    taken.add(name)
    return name
