"""The page that a student gets: what was asked, what came back, the hint, the points.

In: grades. Out: students/<name>.html. Nothing of it comes from other students, from the references or from the
teacher's disk.
"""

from collections.abc import Mapping

from ...language import later, tr, tr_later
from ..grades import INFRA_ERROR, MISSING, REJECTED, REVIEW, Grade
from ..master import Master
from .files import Folder
from .pages import page, student_page
from .tables import max_score

SAYS: Mapping[str, str] = {
    REVIEW: later("Your teacher still looks at this sheet. The points may change."),
    REJECTED: later("This sheet could not be read, so it has no points. Ask your teacher how to hand it in again."),
    MISSING: later("Nothing was handed in for this sheet yet."),
    INFRA_ERROR: later(
        "The grading broke off. That is not your fault, and costs you no points: it will be done again."
    ),
}


class StudentPages:
    """Takes grades one by one and writes a page for each."""

    def __init__(self, folder: Folder, master: Master, title: str):
        self._folder, self._master, self._title = folder, master, title

    def add(self, grade: Grade, name: str) -> None:
        """Write a student's page."""
        self._folder.write(student_page(name), student_html(grade, self._master, self._title))

    def finish(self) -> None:
        """Nothing is left to be written."""


def student_html(grade: Grade, master: Master, title: str) -> str:
    """A student's page."""
    return page(
        "student.html.jinja",
        grade=grade,
        title=title,
        points=points_text(grade, max_score(master)),
        says=tr_later(SAYS.get(grade.status, "")),
        notes=grade.notes if grade.status != MISSING else (),
        signatures={each.id: each.signature for each in master.exercises},
        exercises=grade.exercises if grade.status not in SAYS or grade.status == REVIEW else (),
    )


def points_text(grade: Grade, most: int) -> str:
    """The points in words: "12 of 18 points", or why there are none."""
    if grade.score is None:
        return tr("nothing handed in") if grade.status == MISSING else tr("not graded yet")
    if grade.status == REVIEW:
        return tr("{points} of {most} points so far", points=grade.score, most=most)
    return tr("{points} of {most} points", points=grade.score, most=most)
