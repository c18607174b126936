"""The same batch on an existing Dask cluster. Import it only where Dask is asked for: it needs `distributed`.

In: tasks and the address of a scheduler. Out: results. Each machine needs NanoChat, in the same version.
"""

import logging
import time
import uuid
import warnings
from asyncio import CancelledError
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict

import dask
from distributed import Client, KilledWorker
from distributed.comm import get_address_host_port
from distributed.comm.core import CommClosedError

from ...errors import GradingError
from ...language import tr
from ..grades import Grade
from .flow import flow
from .job import Job, Result, Task, grader_failed, versions
from .remote import end_there, grade_there

TO_CONNECT = 15  # seconds
LONELY = 60.0  # seconds without any worker, after which nobody seems to come back
GO_ON = "What was graded is kept: when the cluster is there again, go on with --resume."
QUIET = {"distributed.admin.large-graph-warning-threshold": "2GB", "distributed.comm.timeouts.connect": "15s"}


def grade_on_cluster(tasks: Iterable[Task], job: Job, address: str) -> Iterator[Result]:
    """Grade on all workers of a cluster, a few submissions ahead for each of them. Raises GradingError."""
    with _silence(), _connected(address) as client:
        cluster = _Cluster(client, job, address)
        try:
            for future, task in cluster.at_work(tasks):
                yield cluster.result(future, task)
        finally:
            cluster.end()


class _Cluster:
    def __init__(self, client: Client, job: Job, address: str):
        self._client, self._job, self._address = client, job, address
        self._run, self._data = uuid.uuid4().hex, job.to_json()
        self._tasks: dict[str, Task] = {}  # key of a future → what it grades
        self._alone_since: float | None = None

    def at_work(self, tasks):
        for future in flow(tasks, self._submit, self._room, self._look):
            yield future, self._tasks.pop(future.key)

    def _submit(self, task):
        plain = {name: value for name, value in asdict(task).items() if name != "raw"}
        key = f"nanochat-{self._run}-{task.key}"
        self._tasks[key] = task
        return self._client.submit(grade_there, self._run, versions(), self._data, plain, task.raw, key=key)

    def _room(self):
        return max(2, 2 * sum(self._threads().values()))

    def _threads(self):
        try:
            return self._client.nthreads()
        except (OSError, CommClosedError, TimeoutError, ValueError):
            raise GradingError(f"The Dask scheduler at {self._address} is gone. {GO_ON}") from None

    def _look(self):
        """Whether there is still a worker; one that is lost may come back, or another one."""
        if self._threads():
            self._alone_since = None
            return
        now = time.monotonic()
        self._alone_since = self._alone_since or now
        if now - self._alone_since > LONELY:
            raise GradingError(f"The Dask cluster at {self._address} has had no worker for {LONELY:.0f} s. {GO_ON}")

    def result(self, future, task) -> Result:
        """What came back. Raises GradingError where the cluster, and not one submission, is at fault."""
        try:
            answer = future.result(timeout=self._job.longest)
        except KilledWorker:
            return Result(grader_failed(self._job, task, tr("and each time with a worker of the cluster")))
        except GradingError:
            raise
        except (Exception, CancelledError) as error:
            if isinstance(error, ModuleNotFoundError) or "deserialization" in str(error):
                raise self._unfit("lacks NanoChat, which workers and the scheduler need") from None
            why = ": ".join([type(error).__name__, *str(error).splitlines()[:1]])
            raise GradingError(f"The Dask cluster at {self._address} failed ({why}). {GO_ON}") from None
        if "problem" in answer:
            raise self._unfit(answer["problem"])
        return Result(Grade.from_json(answer["grade"]), answer["level"])

    def _unfit(self, why):
        return GradingError(
            f"A machine of the Dask cluster at {self._address} {why}: install the same on all machines, and go on with "
            "--resume. What was graded is kept."
        )

    def end(self):
        """Leave nothing behind on the cluster."""
        with suppress(Exception):  # it may be gone, and all that is here too
            self._client.run(end_there, self._run, on_error="ignore")


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    try:
        get_address_host_port(address)  # Client itself does not end with an address that is none
        client = Client(address, timeout=TO_CONNECT, set_as_default=False)
    except (OSError, ValueError, TypeError, CommClosedError) as error:
        why = str(error).partition("\n")[0]
        raise GradingError(
            f"No Dask scheduler answers at {address} ({why}): is it running, and is this its address, such as "
            "tcp://127.0.0.1:8786?"
        ) from None
    try:
        _wait_for_a_worker(client, address)
        yield client
    finally:
        client.close(timeout=5)


def _wait_for_a_worker(client, address):
    try:
        client.wait_for_workers(1, timeout=LONELY)
    except TimeoutError:
        raise GradingError(
            f"The Dask cluster at {address} has no workers: start some with `dask worker {address}`."
        ) from None


@contextmanager
def _silence() -> Iterator[None]:
    """Dask tells much that is of no use to a teacher; what matters is said as an error."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), dask.config.set(QUIET):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
