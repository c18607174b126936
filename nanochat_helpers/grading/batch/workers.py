"""Graders in processes of their own. One that dies, hangs or sends nonsense is replaced, and the task tried again.

In: a job and tasks. Out: grades. Which tasks come when is decided elsewhere (`flow`).
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ...errors import GradingError
from ...language import tr
from ..grades import INFRA_ERROR, Grade
from ..sandbox import clear_away
from .frames import receive_until, send
from .job import Job, Result, Task, grader_failed

TRIES = 3
TO_START = 300.0  # seconds: torch may come from a slow disk
TO_END = 15.0
MODULE = "nanochat_helpers.grading.batch.worker"
ROOT = Path(__file__).parents[3]  # where `nanochat_helpers` is imported from


class Worker:
    """A process with one grader. It ends with this one.

    level: which walls hold students' code in. Raises ConnectionError, and GradingError where no walls can be put up.
    """

    def __init__(self, job: Job):
        self._longest, self._sheet = job.longest, job.sheet
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `kill`)
        self._link, theirs = socket.socketpair()
        self._folder = Path(tempfile.mkdtemp(prefix="nanochat-grade-"))  # all that it writes lies in here
        with theirs:
            try:
                self._process = self._begun(theirs.fileno())
            except OSError:  # too many processes, or too many open files
                self._folder.rmdir()
                self._link.close()
                self._errors.close()
                raise
        try:
            answer = self._ask(job.to_json(), b"", TO_START)
            if "level" not in answer:
                raise GradingError(str(answer.get("refused")))
            self.level = str(answer["level"])
        except BaseException:
            self.kill()
            raise

    def _begun(self, handle):
        return subprocess.Popen(
            [sys.executable, "-P", "-m", MODULE, str(handle), str(self._folder)],
            pass_fds=[handle],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
            env={**_environment(os.environ), "TMPDIR": str(self._folder)},
            start_new_session=True,  # Ctrl-C is for the main process, which then ends this one
        )

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def grade(self, task: Task) -> Grade:
        """Grade one submission. Raises ConnectionError, and then this worker is of no more use."""
        asked = {"student": task.student, "source": task.source, "notes": task.notes}
        answer = self._ask(asked, task.raw, self._longest)
        try:
            grade = Grade.from_json(answer)
        except (TypeError, KeyError, AttributeError, ValueError):
            raise ConnectionError(tr("it sent something that is no grade")) from None
        if grade.sheet != self._sheet:
            raise ConnectionError(tr("it graded another sheet"))
        return task.named(grade)

    def _ask(self, data, raw, seconds):
        try:
            self._link.settimeout(seconds)
            send(self._link, data, raw)
        except TimeoutError:
            raise ConnectionError(tr("it took nothing in {seconds} s", seconds=f"{seconds:.0f}")) from None
        except OSError:
            raise ConnectionError(f"{tr('it ended')}{self._last_words()}") from None
        try:
            answer, _ = receive_until(self._link, seconds, lambda: self.is_alive)
        except ConnectionError as error:
            raise ConnectionError(f"{error}{self._last_words()}") from None
        if not isinstance(answer, dict):
            raise ConnectionError(tr("it sent something that is no answer"))
        return answer

    def _last_words(self):
        """The signal that ended it, or the last line of its error messages."""
        try:
            code = self._process.wait(0.2)
        except subprocess.TimeoutExpired:
            return ""
        if code < 0:
            return f" ({signal.Signals(-code).name})"
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - 2000))
        lines = self._errors.read().decode("utf-8", "replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        return f" ({said[-1][:300]})" if said else ""

    def close(self) -> None:
        """Let it take down what it has begun, and end it. May be called from any thread."""
        with suppress(OSError):  # it may have ended already
            self._link.shutdown(socket.SHUT_RDWR)  # this also ends a wait for its answer
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(TO_END)
        self.kill()

    def kill(self) -> None:
        """End it at once, with all processes of its group."""
        if self.is_alive:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._link.close()
        self._errors.close()
        if self._folder.exists():  # it did not come to take it down itself
            clear_away(self._folder)


class Workers:
    """Workers for one job, as many as grade at a time; each is started when it is first needed."""

    def __init__(self, job: Job):
        self.job = job
        self._free: list[Worker] = []
        self._busy: set[Worker] = set()
        self._lock = threading.Lock()
        self._closed = False

    def grade(self, task: Task) -> Result:
        """Grade one submission, if need be with several workers, one after the other. For any number of threads.

        After `TRIES` failures it is an infra_error, which costs no points. Raises GradingError where no grader starts.
        """
        reason = ""
        for _ in range(TRIES):
            worker = self._take()
            try:
                grade = worker.grade(task)
            except ConnectionError as error:
                self._drop(worker)
                reason = str(error)
                continue
            self._give_back(worker)
            reason, result = "", Result(grade, worker.level)
            if grade.status != INFRA_ERROR:
                return result
        if not reason:
            return result
        return Result(grader_failed(self.job, task, tr("{n} times: {reason}", n=TRIES, reason=reason)))

    def _take(self):
        with self._lock:
            while self._free:
                worker = self._free.pop()
                if worker.is_alive:
                    self._busy.add(worker)
                    return worker
                worker.kill()
        worker = self._start()
        with self._lock:
            self._busy.add(worker)
            is_late = self._closed
        if is_late:
            worker.close()
            raise GradingError("Grading was stopped.")
        return worker

    def _start(self):
        for left in reversed(range(TRIES)):
            if self._closed:
                break
            try:
                return Worker(self.job)
            except ConnectionError as error:
                if not left:
                    raise GradingError(
                        f"No grader starts on this machine: {error}. Mend that, and go on with --resume; what was "
                        "graded is kept."
                    ) from None
        raise GradingError("Grading was stopped.")

    def _give_back(self, worker):
        with self._lock:
            self._busy.discard(worker)
            self._free.append(worker)

    def _drop(self, worker):
        with self._lock:
            self._busy.discard(worker)
        worker.kill()

    def close(self) -> None:
        """End all workers, also those that are at work."""
        with self._lock:
            self._closed = True
            workers = [*self._free, *self._busy]
            self._free.clear()
        threads = [threading.Thread(target=worker.close) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    """One thread for each grader: they would only wait for one another."""
    paths = [str(ROOT), *filter(None, [own.get("PYTHONPATH")])]
    return {**own, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
