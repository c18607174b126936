"""junit.xml: a suite a student, a test an exercise, for tools that show test results.

In: grades. Out: one file, sorted by student. What was not tried is skipped; where the grader failed it is an error.
"""

from collections import Counter
from typing import BinaryIO
from xml.sax.saxutils import escape, quoteattr

from ...checks.result import NOT_ATTEMPTED, PASSED
from ..grades import INFRA_ERROR, REJECTED, Grade
from .files import Folder
from .gradescope import result_text
from .text import one_line

COUNTS = ("tests", "failures", "errors", "skipped")


class JUnit:
    """Takes grades one by one; their suites wait in a file, open for writing and reading, until all are there."""

    def __init__(self, folder: Folder, title: str, waiting: BinaryIO):
        self._folder, self._title, self._waiting = folder, title, waiting
        self._places: list[tuple[str, str, int, int]] = []
        self._counts: Counter = Counter()

    def add(self, grade: Grade, name: str) -> None:
        """Take a grade."""
        text, counts = suite(grade)
        data, place = text.encode(), self._waiting.tell()
        self._places.append((grade.student, name, place, self._waiting.write(data)))
        self._counts.update(counts)

    def finish(self) -> None:
        """Write the file."""
        self._folder.write("junit.xml", self._parts())

    def _parts(self):
        yield '<?xml version="1.0" encoding="UTF-8"?>\n'
        yield f"<testsuites name={quoteattr(one_line(self._title))}{_attributes(self._counts)}>\n"
        for _, _, place, size in sorted(self._places):
            self._waiting.seek(place)
            yield self._waiting.read(size).decode()
        yield "</testsuites>\n"


def suite(grade: Grade) -> tuple[str, Counter]:
    """A student's tests as XML, and how many there are of each kind."""
    counts = Counter(tests=len(grade.exercises))
    cases = "".join(_case(grade, each, counts) for each in grade.exercises)
    notes = "\n".join(one_line(note) for note in grade.notes)
    out = f"  <system-out>{escape(notes)}</system-out>\n" if notes else ""
    head = f" <testsuite name={quoteattr(one_line(grade.student))}{_attributes(counts)}>"
    return f"{head}\n{cases}{out} </testsuite>\n", counts


def _case(grade, exercise, counts):
    name = quoteattr(one_line(f"{exercise.id} {exercise.result.title}"))
    head = f"  <testcase classname={quoteattr(one_line(grade.student))} name={name}"
    kind = _kind(grade, exercise)
    if not kind:
        return f"{head}/>\n"
    tag = {"failures": "failure", "errors": "error", "skipped": "skipped"}[kind]
    counts[kind] += 1
    says = grade.status if kind == "errors" else exercise.result.sentence
    body = "" if kind == "skipped" else escape(result_text(exercise.result))
    return f"{head}>\n   <{tag} message={quoteattr(one_line(says))}>{body}</{tag}>\n  </testcase>\n"


def _kind(grade, exercise):
    if grade.status in (INFRA_ERROR, REJECTED):
        return "errors"
    if exercise.result.status == NOT_ATTEMPTED:
        return "skipped"
    return "" if exercise.result.status == PASSED else "failures"


def _attributes(counts):
    return "".join(f' {name}="{counts[name]}"' for name in COUNTS)
