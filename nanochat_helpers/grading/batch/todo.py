"""What a class handed in, as tasks for the graders and as rows for the reports.

In: submissions, and the names of students without one. A submission is read when it is due, one at a time.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...errors import RejectedError
from ...language import later, tr_later
from ..grader import rejected, ungraded
from ..grades import MISSING, Grade
from ..master import Master
from ..submissions import Submission
from .job import Job, Task, hash_of, key_of
from .journal import Journal
from .secret import own_secret

NOTHING = later("Nothing was handed in.")


@dataclass
class Seen:
    """A submission and the hash of its bytes; where it cannot be read, `problem` says why."""

    submission: Submission
    digest: str = ""
    problem: str = ""
    key: str = ""

    def read(self) -> bytes | None:
        """Its bytes; None where it cannot be read."""
        if self.problem:
            return None
        try:
            raw = self.submission.read()
        except RejectedError as error:
            self.problem = str(error)
            return None
        self.digest = hash_of(raw)
        return raw

    def name(self, job: Job) -> None:
        """Work out what the journal knows it by."""
        found = self.submission
        self.key = key_of(job, self.digest, found.student, found.source, found.notes)


class Todo:
    """All that a class handed in. It looks into every submission once: that gives the seed, and what is known."""

    def __init__(self, master: Master, submissions: Sequence[Submission], missing: Sequence[str] = ()):
        self.master, self._missing = master, missing
        self._seen = [Seen(each, problem=each.problem) for each in submissions]
        for each in self._seen:
            each.read()

    def __len__(self) -> int:
        """How many submissions can be read."""
        return sum(not each.problem for each in self._seen)

    def draw_seed(self) -> int:
        """A seed that no student can know, and that the same batch always gives to this user."""
        digest = hashlib.sha256(own_secret() + self.master.digest.encode())
        for each in self._seen:
            digest.update(f"\0{each.submission.student}\0{each.digest}".encode("utf-8", "surrogatepass"))
        return int.from_bytes(digest.digest()[:8], "big")

    def n_left(self, job: Job, journal: Journal) -> int:
        """How many submissions the journal does not have yet."""
        for each in self._seen:
            each.name(job)
        return sum(not each.problem and each.key not in journal for each in self._seen)

    def tasks(self, job: Job, journal: Journal) -> Iterator[Task]:
        """The submissions that the journal does not have yet."""
        for each in self._seen:
            if each.key in journal or (raw := each.read()) is None:
                continue
            each.name(job)  # again: it may have been changed since it was looked into
            found = each.submission
            yield Task(found.student, found.source, tuple(found.notes), raw, each.key)

    def grades(self, journal: Journal) -> Iterator[Grade]:
        """What is known of each student, sorted by name; what is not graded yet is left out."""
        absent = [ungraded(self.master, student, MISSING, tr_later(NOTHING)) for student in self._missing]
        for row in sorted([*self._seen, *absent], key=_student):
            grade = row if isinstance(row, Grade) else self._grade(row, journal)
            if grade is not None:
                yield grade

    def _grade(self, seen, journal):
        if not seen.problem:
            return journal.get(seen.key)
        found = seen.submission
        return rejected(self.master, found.student, found.source, seen.problem, found.notes)


def _student(row):
    return row.student if isinstance(row, Grade) else row.submission.student
