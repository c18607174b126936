"""Graders that do what is written in a submission, for tests of the batch. They run in the batch's own processes.

FAKE_GRADERS names a folder in which they note what they did, so that a thing happens once, or a test can see it.
"""

import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

from nanochat_helpers.checks.result import PASSED
from nanochat_helpers.errors import GradingError
from nanochat_helpers.grading.grader import ungraded
from nanochat_helpers.grading.grades import GRADED, INFRA_ERROR, REVIEW

NAME = "fake_graders:make"
LEVEL = "Nothing holds this code in: it is a test."


def make(master, seed, limits):
    return FakeGrader(master, seed, limits)


def refuses(master, seed, limits):
    raise GradingError("This machine is too weak.")


def cannot_start(master, seed, limits):
    raise RuntimeError("no walls can be built here")


class FakeGrader:
    """The first word of a submission says what happens; "A" to "Z" say how many exercises come out right."""

    level = LEVEL

    def __init__(self, master, seed, limits):
        self.master, self.seed, self.limits = master, seed, limits
        self.notes = Path(os.environ["FAKE_GRADERS"])
        self._note("started")

    def grade(self, student, source, raw, notes=()):
        self._note("graded")
        with (self.notes / "all").open("a") as file:
            file.write(f"{student}\n")
        words = raw.decode().split()
        status = getattr(self, f"_{words[0]}", lambda: GRADED)() if words else GRADED
        grade = ungraded(self.master, student, status, f"seed {self.seed}, {self.limits['seconds']} s", source)
        n_right = len(raw) % (len(grade.exercises) + 1)
        right = [replace(each, result=replace(each.result, status=PASSED)) for each in grade.exercises[:n_right]]
        return replace(grade, exercises=(*right, *grade.exercises[n_right:]))

    def close(self):
        self._note("closed")

    def _note(self, name):
        with (self.notes / name).open("a") as file:
            file.write(f"{os.getpid()}\n")

    def _is_first(self, name):
        """Whether this happens for the first time in this test."""
        try:
            (self.notes / name).touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    def _killed(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def _killed_once(self):
        return self._killed() if self._is_first("kill") else GRADED

    def _hangs(self):
        threading.Event().wait()

    def _waits(self):
        """Wait until the test opens the other end of the pipe `gate`, if there is one."""
        if (self.notes / "gate").exists():
            (self.notes / "gate").read_bytes()
        return GRADED

    def _ends_its_parent(self):
        os.kill(os.getppid(), signal.SIGKILL)
        threading.Event().wait()

    def _garbage(self):
        os.write(int(sys.argv[1]), b"\xff" * 5000)
        return GRADED

    def _nonsense(self):
        os.write(int(sys.argv[1]), (2).to_bytes(4, "big") + bytes(4) + b"42")
        return GRADED

    def _prints(self):
        print("x" * 100_000, flush=True)
        return GRADED

    def _raises(self):
        raise ValueError("a mistake of the grader")

    def _infra(self):
        return INFRA_ERROR

    def _infra_once(self):
        return INFRA_ERROR if self._is_first("infra") else GRADED

    def _review(self):
        return REVIEW
