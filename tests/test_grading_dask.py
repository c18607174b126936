"""A batch on a Dask cluster of this machine: the same grades, whoever dies, no noise, and nothing left behind."""

import io
import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import fake_graders
import psutil
import pytest
from example_class import make_class
from test_grading_batch import MASTER, HandedIn, ended, lines

from nanochat_helpers.errors import GradingError
from nanochat_helpers.grading.batch import batching, cluster, flow
from nanochat_helpers.grading.batch.folder import Asked, RunFolder
from nanochat_helpers.grading.batch.todo import Todo
from nanochat_helpers.grading.grades import GRADED, INFRA_ERROR

TESTS = Path(__file__).parent
SHEET = "07"


class Cluster:
    """A scheduler and workers as processes on loopback; `address` is the scheduler's."""

    def __init__(self, folder: Path, n_workers: int, **env: str):
        self._env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{TESTS.parent}{os.pathsep}{TESTS}", **env}
        self._folder = folder
        self._open = ExitStack()
        self.scheduler, line = self._start("Scheduler at:", "scheduler", "--host", "127.0.0.1", "--port", "0")
        self.address = line.split()[-1]
        self.workers = [self.add_worker() for _ in range(n_workers)]

    def add_worker(self, n_threads: int = 1):
        options = ["--nthreads", str(n_threads), "--no-nanny", "--local-directory", str(self._folder)]
        return self._start("Registered to:", "worker", self.address, *options)[0]

    def _start(self, ready, what, *options):
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *options, "--no-dashboard"]
        process = self._open.enter_context(
            subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=self._env, cwd=self._folder)
        )
        return process, next(line for line in process.stderr if ready in line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in (*self.workers, self.scheduler):
            process.kill()
        self._open.close()


@pytest.fixture
def noted(tmp_path, monkeypatch):
    """The folder in which fake graders note what they did."""
    folder = tmp_path / "noted"
    folder.mkdir()
    monkeypatch.setenv("FAKE_GRADERS", str(folder))
    return folder


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    """A cluster of one worker with two threads, for tests that kill nothing; `noted` is its fake graders' folder."""
    folder = tmp_path_factory.mktemp("machine")
    with Cluster(folder, 0, FAKE_GRADERS=str(folder)) as machines:
        machines.noted = folder
        machines.workers.append(machines.add_worker(n_threads=2))
        yield machines


def grade(out: Path, address: str, *texts: str):
    """Grade texts, "student: text", with fake graders; returns the statuses by student."""
    todo = Todo(MASTER, [HandedIn(*text.split(": ", 1)) for text in texts])
    with RunFolder(out) as folder:
        folder.begin(MASTER, Asked(resume=True), todo.draw_seed)
        batching.run_batch(folder, todo, jobs=1, stream=io.StringIO(), dask=address, grader=fake_graders.NAME)
        return {each.student: each.status for each in todo.grades(folder.journal)}


def nanochat_grade(handed_in, out, *options):
    command = [sys.executable, "-m", "nanochat_helpers.cli", "grade", SHEET, handed_in, "--out", out, *options]
    return subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=TESTS.parent
    )


def test_with_a_worker_killed_in_the_middle_the_grades_are_byte_for_byte_those_of_this_machine(tmp_path):
    make_class(tmp_path / "in", SHEET, 30)
    with nanochat_grade(tmp_path / "in", tmp_path / "here") as process:
        said_here, _ = process.communicate()
    with Cluster(tmp_path, 2) as machines:
        doomed, other = (psutil.Process(worker.pid) for worker in machines.workers)
        with nanochat_grade(tmp_path / "in", tmp_path / "there", "--dask", machines.address) as process:
            said = [process.stderr.readline(), process.stderr.readline()]
            graders = [each.pid for each in doomed.children(recursive=True)]
            doomed.kill()
            said_there, rest = process.communicate()
        assert graders and ended(graders)
        assert not other.children(recursive=True)
        assert process.returncode == 3
    assert (tmp_path / "there" / "grades.csv").read_bytes() == (tmp_path / "here" / "grades.csv").read_bytes()
    assert said_there.partition(", in ")[0] == said_here.partition(", in ")[0]
    assert all(" of 30 graded, " in line for line in [*said, *rest.splitlines()]), "Dask makes no noise"


def test_a_worker_of_the_cluster_grades_as_many_at_a_time_as_it_has_threads_and_closes_its_graders(tmp_path, machine):
    statuses = grade(tmp_path / "out", machine.address, *(f"{name}: fine" for name in ("Ana", "Ben", "Cem", "Dan")))
    assert statuses == dict.fromkeys(["Ana", "Ben", "Cem", "Dan"], GRADED)
    assert sorted(lines(machine.noted, "all")) == ["Ana", "Ben", "Cem", "Dan"]
    assert len(lines(machine.noted, "started")) == 2
    assert sorted(lines(machine.noted, "started")) == sorted(lines(machine.noted, "closed"))


def test_a_fault_of_a_grader_is_tried_again_there(tmp_path, machine):
    statuses = grade(tmp_path / "out", machine.address, "Eva: killed_once", "Fay: killed")
    assert statuses == {"Eva": GRADED, "Fay": INFRA_ERROR}
    assert lines(machine.noted, "all").count("Fay") == 3


def test_a_submission_that_ends_its_machine_costs_no_points_and_the_others_are_graded(tmp_path, noted):
    with Cluster(tmp_path, 2, DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0") as machines:
        statuses = grade(tmp_path / "out", machines.address, "Ana: ends_its_parent", "Ben: fine", "Cem: fine")
    assert statuses["Ana"] == INFRA_ERROR
    assert GRADED in statuses.values()


def test_a_cluster_without_workers_for_long_ends_the_batch_which_then_goes_on(tmp_path, noted, monkeypatch):
    os.mkfifo(noted / "gate")
    monkeypatch.setattr(flow, "PATIENCE", 0.2)
    monkeypatch.setattr(cluster, "LONELY", 0.5)
    with Cluster(tmp_path, 1) as machines:
        (worker,) = machines.workers

        def last_words(*_):
            with (noted / "gate").open("wb"):  # opens when Ben's sheet is at work
                worker.send_signal(signal.SIGKILL)

        monkeypatch.setattr(batching.Progress, "one_more", last_words)
        with pytest.raises(GradingError, match=r"has had no worker for .* s\. What was graded is kept.*--resume"):
            grade(tmp_path / "out", machines.address, "Ana: fine", "Ben: waits")
        monkeypatch.undo()
        os.environ["FAKE_GRADERS"] = str(noted)
        (noted / "gate").unlink()
        machines.workers.append(machines.add_worker())
        after = grade(tmp_path / "out", machines.address, "Ana: fine", "Ben: waits")
    assert after == {"Ana": GRADED, "Ben": GRADED}
    assert lines(noted, "all").count("Ana") == 1


def test_a_scheduler_that_is_not_there_is_one_sentence(tmp_path, noted, monkeypatch):
    monkeypatch.setattr(cluster, "TO_CONNECT", 1)
    with pytest.raises(GradingError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:9 "):
        grade(tmp_path / "out", "tcp://127.0.0.1:9", "Ana: fine")


@pytest.mark.parametrize("address", ["nonsense://x", "127.0.0.1", "tcp://", "tcp://127.0.0.1:port"])
def test_an_address_that_is_none_is_one_sentence(tmp_path, noted, monkeypatch, address):
    monkeypatch.setattr(cluster, "TO_CONNECT", 1)
    with pytest.raises(GradingError, match="No Dask scheduler answers at"):
        grade(tmp_path / "out", address, "Ana: fine")


def test_a_cluster_that_never_had_workers_is_one_sentence(tmp_path, noted, monkeypatch):
    monkeypatch.setattr(cluster, "LONELY", 0.2)
    with Cluster(tmp_path, 0) as machines, pytest.raises(GradingError, match="has no workers: start some with `dask"):
        grade(tmp_path / "out", machines.address, "Ana: fine")


def test_a_machine_with_another_version_is_one_sentence(tmp_path, machine, monkeypatch):
    monkeypatch.setattr(cluster, "versions", lambda: {"NanoChat": "9.9"})
    with pytest.raises(GradingError, match=r"has NanoChat .* this machine has 9\.9: install the same on all machines"):
        grade(tmp_path / "out", machine.address, "Ana: fine")


def test_a_machine_without_nanochat_is_one_sentence(tmp_path, noted):
    (tmp_path / "nanochat_helpers.py").write_text("raise ModuleNotFoundError('No NanoChat', name='nanochat_helpers')")
    with (
        Cluster(tmp_path, 1, PYTHONPATH="") as machines,
        pytest.raises(GradingError, match=r"lacks NanoChat.*: install the same on all machines"),
    ):
        grade(tmp_path / "out", machines.address, "Ana: fine")


def test_without_dask_it_is_said_what_to_install(tmp_path, noted, monkeypatch):
    monkeypatch.setitem(sys.modules, "nanochat_helpers.grading.batch.cluster", None)
    monkeypatch.delitem(sys.modules, "nanochat_helpers.grading.batch.cluster")
    monkeypatch.setitem(sys.modules, "dask", None)
    with pytest.raises(GradingError, match=r"pip install \"nanochat_helpers\[grade\]\""):
        grade(tmp_path / "out", "tcp://127.0.0.1:9", "Ana: fine")
