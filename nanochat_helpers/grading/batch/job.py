"""What a grader has to know beside the submission, as plain data, and how one graded submission is known again.

It reads no file and grades nothing.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from ... import __version__
from ...language import tr
from ..grader import ungraded
from ..grades import INFRA_ERROR, Grade
from ..master import Master
from ..sheets import Notebook

DEFAULT_SECONDS, DEFAULT_MEMORY = 10, 1024
MOST_SECONDS, MOST_MEMORY = 3600, 2**20  # an hour, and a terabyte: systems do not know how to keep much more
MAKE_GRADER = "nanochat_helpers.grading.batch.worker:make_grader"


@dataclass(frozen=True)
class Job:
    """A sheet to be graded: which one, with which secret seed, and what each answer may use.

    grader: where the function is that makes the grader, "module:name". language: of what is said about the answers.
    """

    sheet: str
    notebook: Notebook
    seed: int
    seconds: int = DEFAULT_SECONDS
    memory_mb: int = DEFAULT_MEMORY
    grader: str = MAKE_GRADER
    language: str = "en"

    @property
    def limits(self) -> dict[str, Any]:
        """What one exercise may use."""
        return {"seconds": self.seconds, "memory_mb": self.memory_mb}

    @property
    def longest(self) -> float:
        """Seconds after which a grader itself must be stuck: far more than all limits of a sheet together."""
        n_cells = sum(cell["cell_type"] == "code" for cell in self.notebook["cells"])
        return 120 + n_cells * (3 * self.seconds + 30)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return asdict(self)

    @cached_property
    def master(self) -> Master:
        """The sheet."""
        return Master(self.sheet, self.notebook)


@dataclass(frozen=True)
class Task:
    """One submission to be graded: whose it is, where it was, its bytes, and what the journal knows it by."""

    student: str
    source: str
    notes: tuple[str, ...]
    raw: bytes
    key: str

    def named(self, grade: Grade) -> Grade:
        """The grade under this student's name, whatever the grader calls it."""
        return replace(grade, student=self.student, source=self.source, key=self.key)


@dataclass(frozen=True)
class Result:
    """A grade, and what held the student's code in: a sentence, or "" where nothing ran."""

    grade: Grade
    level: str = ""


def hash_of(raw: bytes) -> str:
    """The hash of what was handed in."""
    return hashlib.sha256(raw).hexdigest()


def key_of(job: Job, digest: str, student: str, source: str, notes: Sequence[str]) -> str:
    """What the journal knows a submission by: a hash over all that its grade depends on. digest: of its bytes."""
    parts = [digest, job.master.digest, __version__, job.seed, job.limits, student, source, list(notes)]
    return hash_of(json.dumps(parts).encode())


def grader_failed(job: Job, task: Task, reason: str) -> Grade:
    """The grade where the grader itself failed, which costs no points. reason: such as "3 times: it ended"."""
    note = tr("The grader itself failed here, {reason}. No points are lost: grade again with --resume.", reason=reason)
    grade = ungraded(job.master, task.student, INFRA_ERROR, note)
    return task.named(replace(grade, notes=(*task.notes, note)))


@cache
def versions() -> dict[str, str]:
    """What has to be the same on all machines that grade together: NanoChat's own code and words, Python and torch."""
    import platform
    from importlib.metadata import version

    package, code = Path(__file__).parents[2], hashlib.sha256()
    for path in sorted([*package.rglob("*.py"), *package.glob("data/languages/*/*.json")]):
        code.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes() + b"\0")
    return {
        "NanoChat": f"{__version__} ({code.hexdigest()[:8]})",
        "Python": platform.python_version().rpartition(".")[0],
        "torch": version("torch").partition("+")[0],
    }
