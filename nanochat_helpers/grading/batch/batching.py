"""Grade all that a class handed in: on this machine, with several processes, or on a Dask cluster.

In: the folder of a run, and what is to be done. Out: a journal in that folder. It writes no report.
"""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TextIO

from .flow import flow
from .folder import RunFolder
from .job import MAKE_GRADER, Job, Result, Task
from .progress import Progress
from .todo import Todo
from .workers import Workers


def run_batch(
    folder: RunFolder, todo: Todo, *, jobs: int, stream: TextIO, dask: str | None = None, grader: str = MAKE_GRADER
) -> None:
    """Grade what the journal does not have yet, line by line. Raises GradingError; what was graded then is kept.

    jobs: so many processes. stream: where progress is shown. dask: the address of a cluster to grade on.
    grader: where the function is that makes a grader, "module:name".
    """
    job = folder.settings.job(todo.master, grader)
    n_left = todo.n_left(job, folder.journal)
    if not n_left:
        return
    tasks = todo.tasks(job, folder.journal)
    results = grade_on_cluster(tasks, job, dask) if dask else grade_here(tasks, job, min(jobs, n_left))
    with closing(results), Progress(len(todo), len(todo) - n_left, stream) as progress:
        for result in results:
            if result.level and result.level not in folder.settings.sandbox:
                folder.held_by({result.level})
            folder.journal.add(result.grade)
            progress.one_more()


def grade_here(tasks: Iterable[Task], job: Job, n: int) -> Iterator[Result]:
    """Grade with `n` processes of this machine."""
    with ThreadPoolExecutor(n) as pool, Workers(job) as workers:
        for future in flow(tasks, lambda task: pool.submit(workers.grade, task), lambda: n + 1):
            yield future.result()


def grade_on_cluster(tasks: Iterable[Task], job: Job, address: str) -> Iterator[Result]:
    """Grade on an existing Dask cluster. Raises GradingError where Dask is not installed."""
    try:
        from .cluster import grade_on_cluster as grade_there
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in ("distributed", "dask"):
            raise
        from ...errors import GradingError

        raise GradingError(
            '--dask needs the package distributed: install it with pip install "nanochat_helpers[grade]", or leave '
            "--dask out."
        ) from None
    yield from grade_there(tasks, job, address)
