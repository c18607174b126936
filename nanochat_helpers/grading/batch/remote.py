"""What a machine of a cluster does: grade one submission with graders of its own, as the main machine would.

In and out: plain data. It knows nothing of Dask: the cluster calls these functions.
"""

import atexit
import threading
from typing import Any

from ...language import set_language
from .job import Job, Task, versions
from .workers import Workers

_RUNS: dict[str, Workers] = {}  # run → its graders in this process
_LOCK = threading.Lock()


def grade_there(
    run: str, known: dict[str, str], job: dict[str, Any], task: dict[str, Any], raw: bytes
) -> dict[str, Any]:
    """Grade one submission; the answer is {"grade": …, "level": …}, or {"problem": …} where this machine cannot."""
    for name, version in versions().items():
        if known[name] != version:
            return {"problem": f"has {name} {version}, and this machine has {known[name]}"}
    set_language(job["language"])  # of this process: also what is said here where a grader fails
    result = _workers(run, job).grade(Task(**task, raw=raw))
    return {"grade": result.grade.to_json(), "level": result.level}


def end_there(run: str) -> None:
    """End the graders of a run in this process."""
    with _LOCK:
        workers = _RUNS.pop(run, None)
    if workers is not None:
        workers.close()


def _workers(run, job):
    with _LOCK:
        if run not in _RUNS:
            _RUNS[run] = Workers(Job(**job))
        return _RUNS[run]


@atexit.register
def _end_all():
    for run in list(_RUNS):
        end_there(run)
