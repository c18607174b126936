"""A batch on this machine: workers that die, hang or talk nonsense, a kill at any moment, and the same result after."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import fake_graders
import psutil
import pytest

from nanochat_helpers.errors import GradingError, RejectedError
from nanochat_helpers.grading.batch import workers
from nanochat_helpers.grading.batch.batching import run_batch
from nanochat_helpers.grading.batch.flow import flow
from nanochat_helpers.grading.batch.folder import Asked, RunFolder
from nanochat_helpers.grading.batch.job import Job
from nanochat_helpers.grading.batch.progress import Progress, duration
from nanochat_helpers.grading.batch.secret import own_secret
from nanochat_helpers.grading.batch.todo import Todo
from nanochat_helpers.grading.grades import GRADED, INFRA_ERROR, MISSING, REJECTED
from nanochat_helpers.grading.master import find_master

TESTS = Path(__file__).parent
MASTER = find_master("03", TESTS.parent)


@dataclass(frozen=True)
class HandedIn:
    """A submission as the batch sees it."""

    student: str
    text: str
    problem: str = ""
    notes: tuple[str, ...] = ()
    source: str = "here"

    def read(self):
        if self.text == "unreadable":
            raise RejectedError("It cannot be read.")
        return self.text.encode()


@pytest.fixture
def noted(tmp_path, monkeypatch):
    """The folder in which the fake graders note what they did."""
    folder = tmp_path / "noted"
    folder.mkdir()
    monkeypatch.setenv("FAKE_GRADERS", str(folder))
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    return folder


@pytest.fixture
def batch(tmp_path, noted):
    """Grade texts, "student: text"; returns the grades by student, as the reports get them."""

    def run(*texts, jobs=1, missing=(), out="out", stream=None, grader=fake_graders.NAME, **asked):
        handed_in = [HandedIn(*text.split(": ", 1)) if isinstance(text, str) else text for text in texts]
        todo = Todo(MASTER, handed_in, missing)
        with RunFolder(tmp_path / out) as folder:
            folder.begin(MASTER, Asked(**asked), todo.draw_seed)
            try:
                run_batch(folder, todo, jobs=jobs, stream=stream or io.StringIO(), grader=grader)
            finally:
                grades = {grade.student: grade for grade in todo.grades(folder.journal)}
        return grades

    return run


def lines(noted, name):
    path = noted / name
    return path.read_text().splitlines() if path.exists() else []


def test_each_submission_is_graded_once_and_in_the_name_of_its_student(batch, noted):
    grades = batch("Ana: fine", "Ben: fine too", "Cem: ", jobs=2)
    assert [(name, grade.student, grade.status) for name, grade in grades.items()] == [
        (name, name, GRADED) for name in ("Ana", "Ben", "Cem")
    ]
    assert sorted(lines(noted, "all")) == ["Ana", "Ben", "Cem"]


def test_workers_are_closed_in_the_end_and_none_is_left(batch, noted):
    batch("Ana: fine", "Ben: fine", jobs=2)
    started = lines(noted, "started")
    assert sorted(started) == sorted(lines(noted, "closed"))
    assert not [pid for pid in started if psutil.pid_exists(int(pid))]


def test_as_many_workers_as_asked_for_and_no_more_than_there_is_work(batch, noted):
    batch("Ana: fine", "Ben: fine", jobs=9)
    assert len(lines(noted, "started")) <= 2


def test_a_killed_worker_is_replaced_and_its_submission_graded(batch, noted):
    grades = batch("Ana: killed_once", "Ben: fine")
    assert {grade.status for grade in grades.values()} == {GRADED}
    assert lines(noted, "all").count("Ana") == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("killed", r"3 times: it ended \(SIGKILL\)"),
        ("garbage", "3 times: it sent something that is no answer"),
        ("nonsense", "3 times: it sent something that is no answer"),
        ("raises", r"3 times: it ended \(ValueError: a mistake of the grader\)"),
    ],
)
def test_a_fault_of_the_grader_is_tried_three_times_and_costs_no_points(batch, noted, text, why):
    grades = batch(f"Ana: {text}", "Ben: fine")
    assert grades["Ana"].status == INFRA_ERROR and grades["Ana"].score is None
    assert {each.result.status for each in grades["Ana"].exercises} == {"problem"}
    assert lines(noted, "all").count("Ana") == 3
    assert re.search(why, grades["Ana"].notes[-1])
    assert grades["Ben"].status == GRADED


def test_a_worker_that_does_not_answer_is_replaced(batch, noted, monkeypatch):
    monkeypatch.setattr(Job, "longest", 0.3)
    grades = batch("Ana: hangs")
    assert grades["Ana"].status == INFRA_ERROR
    assert "3 times: no answer came" in grades["Ana"].notes[-1]
    assert not [pid for pid in lines(noted, "started") if psutil.pid_exists(int(pid))]


def test_what_a_worker_prints_is_not_taken_for_an_answer(batch):
    assert batch("Ana: prints")["Ana"].status == GRADED


def test_an_infra_error_of_the_grader_is_tried_again(batch, noted):
    grades = batch("Ana: infra_once", "Ben: infra")
    assert (grades["Ana"].status, grades["Ben"].status) == (GRADED, INFRA_ERROR)
    assert (lines(noted, "all").count("Ana"), lines(noted, "all").count("Ben")) == (2, 3)


def test_graders_that_cannot_start_end_the_batch_with_the_reason(batch):
    with pytest.raises(GradingError, match=r"No grader starts on this machine.*no walls can be built here.*--resume"):
        batch("Ana: fine", grader="fake_graders:cannot_start")


def test_a_machine_without_walls_ends_the_batch_at_once_with_the_graders_sentence(batch):
    with pytest.raises(GradingError, match=r"^This machine is too weak\.$"):
        batch("Ana: fine", grader="fake_graders:refuses")


def test_what_cannot_be_read_is_rejected_and_who_is_missing_is_said(batch, noted):
    grades = batch("Ana: unreadable", HandedIn("Ben", "", problem="The folder is empty."), "Cem: fine", missing=["Ali"])
    assert list(grades) == ["Ali", "Ana", "Ben", "Cem"]
    assert [grade.status for grade in grades.values()] == [MISSING, REJECTED, REJECTED, GRADED]
    assert grades["Ana"].notes == ("It cannot be read.",) and grades["Ana"].score == 0
    assert grades["Ben"].notes == ("The folder is empty.",) and grades["Ali"].score is None
    assert lines(noted, "all") == ["Cem"]


def test_a_batch_of_nothing_that_can_be_read_starts_no_worker(batch, noted):
    batch("Ana: unreadable")
    assert not lines(noted, "started")


def test_the_seed_is_drawn_from_all_that_was_handed_in_the_sheet_and_a_secret(tmp_path, monkeypatch):
    def seed(*texts, master=MASTER):
        return Todo(master, [HandedIn(*text.split(": ")) for text in texts]).draw_seed()

    one = seed("Ana: a", "Ben: b")
    others = [seed("Ana: a", "Ben: c"), seed("Ana: a"), seed("Ana: a", "Bob: b")]
    changed = replace(MASTER, notebook={**MASTER.notebook, "changed": True})
    others.append(seed("Ana: a", "Ben: b", master=changed))
    assert one == seed("Ana: a", "Ben: b")
    assert len({one, *others}) == 5
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    elsewhere = seed("Ana: a", "Ben: b")
    assert elsewhere != one and elsewhere == seed("Ana: a", "Ben: b")
    secret = tmp_path / "nanochat" / "grading_secret"
    assert (len(secret.read_bytes()), secret.stat().st_mode & 0o777) == (32, 0o600)
    assert [each.name for each in secret.parent.iterdir()] == ["grading_secret"]


def test_where_no_secret_can_be_kept_another_one_is_drawn(tmp_path, monkeypatch):
    (tmp_path / "nanochat").write_text("no folder")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert len({own_secret(), own_secret()}) == 2


def test_resume_grades_what_is_new_changed_or_failed_and_nothing_else(batch, noted):
    before = batch("Ana: fine", "Ben: fine", "Cem: infra", "Dan: fine")
    (noted / "all").unlink()
    after = batch("Ana: fine", "Ben: changed", "Cem: infra", "Eve: fine", resume=True)
    assert sorted(set(lines(noted, "all"))) == ["Ben", "Cem", "Eve"]
    assert after["Ana"] == before["Ana"]
    assert after["Ben"].key != before["Ben"].key
    assert list(after) == ["Ana", "Ben", "Cem", "Eve"]
    assert {note for name in ["Ana", "Ben", "Eve"] for note in after[name].notes} == set(before["Ana"].notes), "a seed"


def test_the_same_text_of_two_students_is_graded_twice(batch, noted):
    grades = batch("Ana: fine", "Ben: fine")
    assert grades["Ana"].key != grades["Ben"].key


def test_submissions_are_read_when_their_turn_comes():
    read = []

    class Future:
        def add_done_callback(self, done):
            done(self)

    def tasks():
        for number in range(100):
            read.append(number)
            yield number

    for n_done, _ in enumerate(flow(tasks(), lambda _: Future(), lambda: 3)):
        assert len(read) <= n_done + 3
    assert len(read) == 100


RUN = """
import io, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_grading_batch import MASTER, HandedIn
from nanochat_helpers.grading.batch.batching import run_batch
from nanochat_helpers.grading.batch.folder import Asked, RunFolder
from nanochat_helpers.grading.batch.secret import own_secret
from nanochat_helpers.grading.batch.todo import Todo
todo = Todo(MASTER, [HandedIn(f"s{n:02}", "waits" if n == 12 else f"fine {n * 'x'}") for n in range(20)])
with RunFolder(Path(sys.argv[2])) as folder:
    folder.begin(MASTER, Asked(resume=True), todo.draw_seed)
    run_batch(folder, todo, jobs=2, stream=sys.stderr, grader="fake_graders:make")
    for grade in todo.grades(folder.journal):
        print(grade)
"""


def start(out):
    command = [sys.executable, "-c", RUN, str(TESTS), str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=TESTS.parent)


def ended(pids):
    """Wait until these processes have ended."""
    there = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            there.append(psutil.Process(pid))
    return not psutil.wait_procs(there, timeout=30)[1]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_batch_leaves_no_process_and_goes_on_to_the_same_result(tmp_path, noted, how):
    with start(tmp_path / "whole") as process:
        whole = process.communicate()[0]
    os.mkfifo(noted / "gate")
    (noted / "started").unlink()
    with start(tmp_path / "cut") as process:
        process.stderr.readline()  # the first line of progress
        process.send_signal(how)
        process.communicate()
    assert process.returncode == -how
    assert ended(map(int, lines(noted, "started")))
    n_before = len((tmp_path / "cut" / "journal.jsonl").read_bytes().splitlines())
    assert 2 <= n_before < 20
    (noted / "gate").unlink()
    (noted / "all").unlink()
    with start(tmp_path / "cut") as process:
        assert process.communicate()[0] == whole
    assert len(lines(noted, "all")) <= 20 - n_before
    assert len(whole.splitlines()) >= 20 and "s12" in whole


def test_a_worker_in_the_middle_of_a_submission_ends_with_the_batch(tmp_path, noted):
    os.mkfifo(noted / "gate")
    with start(tmp_path / "out") as process, (noted / "gate").open("wb"):  # opens when the worker reads from it
        process.kill()
        process.communicate()
        assert ended(map(int, lines(noted, "started")))


def test_ctrl_c_ends_the_workers_in_order(tmp_path, noted):
    os.mkfifo(noted / "gate")
    with start(tmp_path / "out") as process, (noted / "gate").open("wb"):
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert sorted(lines(noted, "started")) == sorted(lines(noted, "closed"))


def test_a_batch_of_two_at_a_time_has_the_result_of_one_at_a_time(batch):
    texts = [f"s{n}: fine {'x' * n}" for n in range(8)]
    assert batch(*texts, jobs=1, out="one") == batch(*texts, jobs=3, out="three")


def test_a_full_journal_ends_the_batch_and_its_workers(batch, noted, monkeypatch):
    def full(*_):
        raise GradingError("No room.")

    monkeypatch.setattr("nanochat_helpers.grading.batch.journal.Journal.add", full)
    with pytest.raises(GradingError, match="No room"):
        batch("Ana: fine", "Ben: fine", jobs=2)
    assert ended(map(int, lines(noted, "started")))


def test_a_worker_gets_one_thread_and_the_same_package(monkeypatch):
    own = workers._environment({"PYTHONPATH": "mine", "HOME": "home", "OMP_NUM_THREADS": "8"})
    assert own["PYTHONPATH"] == f"{TESTS.parent}{os.pathsep}mine"
    assert (own["OMP_NUM_THREADS"], own["HOME"]) == ("1", "home")


def test_a_log_gets_a_line_for_each_tenth():
    stream = io.StringIO()
    with Progress(40, 4, stream) as progress:
        for _ in range(36):
            progress.one_more()
    said = stream.getvalue().splitlines()
    assert [line.split(" graded")[0] for line in said] == [f"{n} of 40" for n in range(8, 41, 4)]
    assert "left" in said[0] and "left" not in said[-1]


def test_a_terminal_gets_a_bar():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    with Progress(4, 1, stream) as progress:
        progress.one_more()
    assert "2/4" in stream.getvalue() and "of 4 graded" not in stream.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.6, "1 min 0 s"), (185, "3 min 5 s"), (3600, "1 h 0 min"), (7800, "2 h 10 min")],
)
def test_a_duration_reads_as_one_says_it(seconds, text):
    assert duration(seconds) == text
