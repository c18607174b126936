"""What `nanochat grade` does: find what a class handed in, grade it, write the reports.

In: what was typed. Out: files in a folder, one line at the end, and an exit code.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from .. import __version__
from ..errors import GradingError
from ..language import VARIABLE, later, set_language, tr, tr_later
from .batch.batching import run_batch
from .batch.folder import Asked, RunFolder, language_of
from .batch.job import MAKE_GRADER
from .batch.progress import duration
from .batch.todo import Todo
from .by_hand import read_points, refuse_strangers, with_points
from .command import how_many
from .grades import GRADED, INFRA_ERROR, MISSING, REJECTED, REVIEW
from .master import Master, find_master
from .reports import Run, write_reports
from .sandbox import MIDDLE, STRONG, WEAK
from .sheets import source
from .submissions import find_submissions, missing, read_roster

ALL_GRADED, SOME_NEED_REVIEW = 0, 3
WORDS = {REVIEW: "to review", REJECTED: "rejected", MISSING: "missing", INFRA_ERROR: "failed in the grader"}
WALLS = {
    STRONG: later(
        "Students' code ran in Linux namespaces: without network, other programs, or files of this machine but "
        "Python's own."
    ),
    MIDDLE: later(
        "This system allows no namespaces. Students' code ran behind Landlock and a filter of system calls: "
        "without network, other programs, or files of this machine but Python's own."
    ),
    WEAK: later(
        "This system has no namespaces and no Landlock. Students' code ran with limits of time, memory and size "
        "only: code that means harm could have read files here."
    ),
}


@dataclass(frozen=True)
class Request:
    """What a teacher asks for. folder: a copy of the project. asked: what the run is begun with, or gone on with.

    jobs: None for as many as there are cores. grader: where the function is that makes a grader, "module:name".
    """

    sheet: str
    submissions: Path
    out: Path
    folder: Path = Path()
    roster: Path | None = None
    jobs: int | None = None
    dask: str | None = None
    asked: Asked = field(default_factory=Asked)
    grader: str = MAKE_GRADER


def grade_class(request: Request, say: Callable[[str], object], stream: TextIO) -> int:
    """Grade a class. Returns 0 where all is graded, 3 where somebody has to look at some. Raises GradingError.

    say: for the line at the end. stream: for the progress.
    """
    _check(request)
    begin = time.monotonic()
    try:
        with _spoken(language_of(request.out, request.asked)):
            counts = _grade(request, stream)
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise GradingError(
            f"{request.out} cannot be written, or something else cannot be read{where}: {error.strerror or error}. "
            "What was graded is kept: mend that, and go on with --resume."
        ) from None
    except KeyboardInterrupt:
        stream.write("\nWhat was graded is kept: the same command with --resume goes on.\n")
        raise
    say(_summary(counts, time.monotonic() - begin, request.out))
    return SOME_NEED_REVIEW if any(counts[each] for each in (REVIEW, REJECTED, INFRA_ERROR)) else ALL_GRADED


def _check(request):
    if request.dask and request.jobs:
        raise GradingError("--jobs is for this machine: leave it out together with --dask.")
    out, where = request.out.resolve(), request.submissions.resolve()
    if out.is_relative_to(where):
        raise GradingError(
            f"{request.out} lies inside of {request.submissions}, and would be taken for something that was handed "
            "in: name a folder outside of it with --out."
        )
    if out.exists() and not out.is_dir():
        raise GradingError(f"{request.out} is a file: name a folder with --out.")


@contextmanager
def _spoken(code: str) -> Iterator[None]:
    """Speak this language, and afterwards that from before."""
    before = os.environ.get(VARIABLE)
    set_language(code)
    try:
        yield
    finally:
        os.environ.pop(VARIABLE, None)
        if before is not None:
            os.environ[VARIABLE] = before


def _grade(request, stream):
    master = find_master(request.sheet, request.folder)
    roster = read_roster(request.roster) if request.roster else []
    submissions = find_submissions(request.submissions, master, roster)
    with RunFolder(request.out) as folder:
        absent = missing(submissions, roster)
        todo = Todo(master, submissions, absent)
        folder.begin(master, request.asked, todo.draw_seed)
        points = read_points(request.out, master)
        refuse_strangers(points, [*(each.student for each in submissions), *absent], request.out)
        jobs = request.jobs or _cores()
        run_batch(folder, todo, jobs=jobs, stream=stream, dask=request.dask, grader=request.grader)
        counts = Counter(with_points(grade, points).status for grade in todo.grades(folder.journal))
        grades = (with_points(grade, points) for grade in todo.grades(folder.journal))
        write_reports(request.out, _run(folder.settings, master), master, grades, roster)
    return counts


def _run(settings, master):
    most = {"seconds": settings.seconds, "memory": settings.memory_mb}
    limits = tr("{seconds} s and {memory:,} MB for each exercise.", **most)
    sandbox = " ".join(tr_later(WALLS.get(level, level)) for level in settings.sandbox) or tr("No code was run.")
    return Run(master.number, _title(master), sandbox, limits, __version__)


def _title(master: Master) -> str:
    heads = (line for cell in master.notebook["cells"] for line in source(cell).splitlines() if line.startswith("# "))
    return next(heads, master.number).lstrip("# ")


def _cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _summary(counts, seconds, out):
    n, done = sum(counts.values()), counts[GRADED]
    rest = [f"{counts[status]} {words}" for status, words in WORDS.items() if counts[status]]
    parts = ", ".join([f"{done} of {how_many(n, 'student')} graded", *rest])
    return f"{parts}, in {duration(seconds)}: see {out / 'class.html'}"
