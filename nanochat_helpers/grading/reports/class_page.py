"""The page on the class: what to teach again tomorrow, exercise by exercise, and which sheets to look at.

In: grades, of which only counts and short rows are kept. Out: class.html.
"""

from collections import Counter
from dataclasses import dataclass

from ...checks.diagnosis import title_of
from ...checks.result import FAILED, NOT_ATTEMPTED, PASSED
from ...language import later, tr_later
from ..grades import GRADED, INFRA_ERROR, MISSING, REJECTED, REVIEW, Grade
from ..master import Master
from .files import Folder
from .pages import page
from .text import one_line

COLUMNS = 11  # of the picture of points, at most
TO_TEACH = 3
STATUSES = (GRADED, REVIEW, REJECTED, MISSING, INFRA_ERROR)
BROKE_OFF = later("The grading broke off.")
TO_READ = later("There is an answer to be read.")


@dataclass(frozen=True)
class Met:
    """A misconception, how many students show it, and the hint that they got."""

    exercise_id: str
    title: str
    name: str
    hint: str
    students: int


@dataclass(frozen=True)
class Column:
    """A bar in the picture of points: "0–1", how many students have so many points, and its height in percent."""

    label: str
    students: int
    height: float


class ClassPage:
    """Takes grades one by one and counts."""

    def __init__(self, folder: Folder, master: Master, run):
        self._folder, self._master, self._run = folder, master, run
        self._statuses: Counter = Counter()
        self._scores: Counter = Counter()
        self._results: Counter = Counter()
        self._met: Counter = Counter()
        self._look: dict[str, list] = {REVIEW: [], REJECTED: [], INFRA_ERROR: [], MISSING: []}

    def add(self, grade: Grade, name: str) -> None:
        """Take a grade."""
        self._statuses[grade.status] += 1
        if grade.status in self._look:
            self._look[grade.status].append((grade.student, name, _reason(grade), one_line(grade.source, 120)))
        if grade.status not in (GRADED, REVIEW):
            return
        self._scores[sum(each.points for each in grade.exercises)] += 1
        for each in grade.exercises:
            self._results[each.id, each.result.status] += 1
            if each.result.misconception and each.result.status == FAILED:
                self._met[each.id, one_line(each.result.misconception)] += 1

    def finish(self) -> None:
        """Write the page."""
        html = page(
            "class.html.jinja",
            run=self._run,
            statuses=[(status, self._statuses[status]) for status in STATUSES],
            students=sum(self._statuses.values()),
            graded=self._statuses[GRADED] + self._statuses[REVIEW],
            columns=self._columns(),
            most=self._most(),
            by_hand=sum(each.max_points for each in self._master.questions),
            mean=self._mean(),
            rows=[self._row(each) for each in self._master.exercises],
            teach=self._teach(),
            look={status: sorted(found) for status, found in self._look.items()},
        )
        self._folder.write("class.html", html)

    def _most(self):
        return sum(each.points for each in self._master.exercises)

    def _mean(self):
        n = sum(self._scores.values())
        return sum(points * number for points, number in self._scores.items()) / n if n else 0.0

    def _columns(self):
        """The picture of points: a bar for each number of points, or for two or three of them together."""
        width = -(-(self._most() + 1) // COLUMNS)
        starts = range(0, self._most() + 1, width)
        counts = [sum(self._scores[points] for points in range(start, start + width)) for start in starts]
        labels = [_span(start, min(start + width - 1, self._most())) for start in starts]
        highest = max(counts) or 1
        return [
            Column(label, number, round(100 * number / highest, 1))
            for label, number in zip(labels, counts, strict=True)
        ]

    def _row(self, exercise):
        """An exercise with its counts, and its misconceptions, the most frequent first."""
        counts = {status: number for (known, status), number in self._results.items() if known == exercise.id}
        n_passed, n_idle = counts.get(PASSED, 0), counts.get(NOT_ATTEMPTED, 0)
        n_failed = sum(counts.values()) - n_passed - n_idle
        parts = [(later("passed"), n_passed, "✔"), (later("failed"), n_failed, "✘"), (later("not tried"), n_idle, "○")]
        not_run = n_failed - counts.get(FAILED, 0)
        row = {"parts": parts, "not_run": not_run, "met": self._of(exercise)}
        return {"exercise": exercise, "title": title_of(exercise), **row}

    def _of(self, exercise):
        hints = {each.name: each.hint for each in exercise.misconceptions}
        found = [
            Met(exercise.id, title_of(exercise), tr_later(name), tr_later(hints.get(name, "")), number)
            for (known, name), number in self._met.items()
            if known == exercise.id
        ]
        return sorted(found, key=lambda met: (-met.students, met.name))

    def _teach(self):
        found = [met for exercise in self._master.exercises for met in self._of(exercise)]
        return sorted(found, key=lambda met: -met.students)[:TO_TEACH]


def _span(first, last):
    return str(first) if first == last else f"{first}–{last}"


def _reason(grade):
    """Why somebody has to look at a sheet."""
    if grade.remarks:
        return one_line(" ".join(grade.remarks))
    return tr_later({INFRA_ERROR: BROKE_OFF, REVIEW: TO_READ}.get(grade.status, ""))
