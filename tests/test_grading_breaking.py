"""A class in which somebody wants to break the batch: the others are graded, and nothing grows without end."""

import html
import io
import json
import re
import socket
import struct
import sys
import tempfile
import time
import tracemalloc
import types
import zipfile

import pytest
import torch
from handed_in import ROOT

from nanochat_helpers import cli
from nanochat_helpers.errors import GradingError, TooMuchError, WireError
from nanochat_helpers.grading import sandbox
from nanochat_helpers.grading.batch import worker, workers
from nanochat_helpers.grading.batch.folder import Asked, RunFolder
from nanochat_helpers.grading.batch.frames import send
from nanochat_helpers.grading.batch.job import Job, Task
from nanochat_helpers.grading.batch.progress import Progress
from nanochat_helpers.grading.by_hand import read_points, refuse_strangers
from nanochat_helpers.grading.master import find_master
from nanochat_helpers.grading.reports import Run, write_reports
from nanochat_helpers.grading.sandbox import wire
from nanochat_helpers.grading.submissions import find_submissions, read_roster

MASTER = find_master("04", ROOT)
SHEET = (ROOT / "exercises" / "04_sampling.ipynb").read_bytes()


# --- zips


def directory_of(names):
    """A zip that is nothing but a list of empty files with these names."""
    form = "<4sHHHHHHIIIHHHHHII"
    heads = [struct.pack(form, b"PK\1\2", 0x0314, 20, *[0] * 7, len(name), *[0] * 6) + name for name in names]
    listed, first = b"".join(heads), b"PK\3\4" + bytes(26)
    return (
        first + listed + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, len(names), len(names), len(listed), len(first), 0)
    )


def zip_of(**files):
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return room.getvalue()


def test_a_name_in_a_zip_that_no_system_has_is_cut_and_the_others_are_read(tmp_path):
    names = [b"a" * 60_000 + b".ipynb", b"anna/x.ipynb"]
    (tmp_path / "class.zip").write_bytes(directory_of(names))
    found = find_submissions(tmp_path / "class.zip", MASTER)
    assert [(each.student[:5], each.problem[-26:]) for each in found] == [
        ("aaaaa", "in the zip is far too long"), ("anna", ""),
    ]  # fmt: skip


def test_a_small_zip_full_of_deep_folders_takes_little_memory(tmp_path):
    deep = [b"%04d/" % n + b"a/" * 2000 + b"x.ipynb" for n in range(500)]
    (tmp_path / "anna.ipynb").write_bytes(SHEET)
    (tmp_path / "kim.zip").write_bytes(zip_of(**{"deep.zip": directory_of(deep)}))
    tracemalloc.start()
    found = find_submissions(tmp_path, MASTER)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(each.student, bool(each.problem)) for each in found] == [("anna", False), ("kim", False)]
    assert most < 20_000_000


def test_a_student_has_a_name_that_can_be_seen(tmp_path):
    for name in (" ", "\u00a0", "\u200b", "?!", "\u5b89"):
        (tmp_path / f"{name}.ipynb").write_bytes(SHEET)
    assert [each.student for each in find_submissions(tmp_path, MASTER)] == ["?", "? (2)", "? (3)", "?!", "\u5b89"]


def test_one_student_does_not_fill_the_reports_with_notes(tmp_path):
    names = [b"%03d.txt" % (n // 2) for n in range(200)]
    (tmp_path / "kim.zip").write_bytes(zip_of(**{"04.ipynb": SHEET, "twice.zip": directory_of(names)}))
    (found,) = find_submissions(tmp_path, MASTER)
    assert len(found.notes) == 5 and "two files in the zip are named 000.txt" in found.notes[0]


# --- what is typed


@pytest.mark.parametrize("option", ["--time-limit", "--memory-limit"])
def test_limits_that_no_system_can_keep_are_refused_before_anything_is_begun(tmp_path, capsys, monkeypatch, option):
    (tmp_path / "class").mkdir()
    (tmp_path / "class" / "anna.ipynb").write_bytes(SHEET)
    out = tmp_path / "out"
    words = ["grade", "04", str(tmp_path / "class"), "--out", str(out), "--folder", str(ROOT), option, str(10**20)]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    assert f"Invalid value for '{option}'" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.parametrize("place", [2, 4, 6, 8])
def test_an_empty_word_is_not_the_folder_in_which_one_is(tmp_path, capsys, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "anna.ipynb").write_bytes(SHEET)
    words = ["grade", "04", "in", "--out", "out", "--roster", "class.csv", "--dask", "tcp://127.0.0.1:1"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(SystemExit) as ended:
        cli.main([*words[:place], "", *words[place + 1 :], "--folder", str(ROOT)])
    assert ended.value.code == 2
    assert "is empty: is a variable in the command not set?" in capsys.readouterr().err


def test_an_address_that_is_none_is_told_at_once():
    cluster = pytest.importorskip("nanochat_helpers.grading.batch.cluster")
    begin = time.monotonic()
    with pytest.raises(GradingError, match=r"No Dask scheduler answers at foo \(missing port number"):
        list(cluster.grade_on_cluster([], Job("04", MASTER.notebook, 7), "foo"))
    assert time.monotonic() - begin < 10


# --- nothing is left behind


class ToldToLeave:
    """A grader that is told to leave while it starts."""

    closed = 0

    @property
    def level(self):
        raise SystemExit  # as the signal's handler does

    def close(self):
        ToldToLeave.closed += 1


def test_a_worker_that_has_to_leave_while_it_starts_takes_down_what_it_has_begun(monkeypatch, tmp_path):
    monkeypatch.setattr(worker, "_end_with", lambda number: None)
    monkeypatch.setattr(worker.signal, "signal", lambda *_: None)
    monkeypatch.setattr(worker, "make", lambda *_: ToldToLeave(), raising=False)
    job = Job("04", MASTER.notebook, 7, grader="nanochat_helpers.grading.batch.worker:make")
    here, there = socket.socketpair()
    monkeypatch.setattr(worker, "socket", types.SimpleNamespace(socket=lambda fileno: there))
    (own := tmp_path / "own").mkdir()
    with here, there:
        send(here, job.to_json())
        with pytest.raises(SystemExit):
            worker.main(there.fileno(), own)
    assert ToldToLeave.closed == 1
    assert not own.exists()


def test_a_sandbox_whose_process_cannot_be_started_leaves_no_folder(monkeypatch, tmp_path):
    def no_more(*_, **__):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(sandbox.subprocess, "Popen", no_more)
    held = sandbox.Sandbox("")
    with pytest.raises(BlockingIOError):
        str(held.level)
    held.close()
    assert list(tmp_path.iterdir()) == []


LITTER = """
import os, signal, tempfile

class Litter:
    level = ""

    def grade(self, *_):
        open(tempfile.mkdtemp() + "/of_a_student", "w").close()
        os.kill(os.getpid(), signal.SIGKILL)

    def close(self):
        pass

def make(master, seed, limits):
    return Litter()
"""


def test_of_a_worker_that_is_killed_no_file_is_left(monkeypatch, tmp_path):
    (tmp_path / "litter.py").write_text(LITTER)
    (room := tmp_path / "room").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    monkeypatch.setattr(workers, "TRIES", 1)
    with workers.Workers(Job("04", MASTER.notebook, 7, grader="litter:make")) as started:
        result = started.grade(Task("kim", "kim.ipynb", (), b"", "key"))
    assert "SIGKILL" in result.grade.notes[0]
    assert list(room.iterdir()) == []


def test_a_worker_that_cannot_be_started_leaves_no_folder(monkeypatch, tmp_path):
    def no_more(*_, **__):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(workers.subprocess, "Popen", no_more)
    with pytest.raises(OSError, match="Too many open files"):
        workers.Worker(Job("04", MASTER.notebook, 7))
    assert list(tmp_path.iterdir()) == []


# --- the folder of a run, and who looks at it


@pytest.mark.parametrize("name, value", [("seed", None), ("seed", "7"), ("seconds", -5), ("memory_mb", 10**20)])
def test_a_run_with_settings_that_none_began_with_is_damaged(tmp_path, name, value):
    with RunFolder(tmp_path / "out") as folder:
        folder.begin(MASTER, Asked(), lambda: 7)
    path = tmp_path / "out" / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    with RunFolder(tmp_path / "out") as folder, pytest.raises(GradingError, match=r"run\.json is damaged"):
        folder.begin(MASTER, Asked(resume=True), lambda: 7)


class Gone(io.StringIO):
    """A stream whose reader has left."""

    def __init__(self, is_terminal):
        super().__init__()
        self.isatty = lambda: is_terminal

    def write(self, text):
        raise BrokenPipeError(32, "Broken pipe")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_that_nobody_can_see_any_more_ends_no_batch(is_terminal):
    with Progress(3, 0, Gone(is_terminal)) as progress:
        for _ in range(3):
            progress.one_more()


def test_the_command_works_where_input_and_output_are_closed(monkeypatch):
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)  # as Python does for `<&- >&- 2>&-`
    with pytest.raises(SystemExit) as ended:
        cli.main(["grade", "99", "nowhere", "--out", "out"])
    assert ended.value.code == 2
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.close()


# --- a table that a table program has saved


def test_a_question_is_known_again_without_its_zero_and_a_date_is_told(tmp_path):
    sheet = find_master("03", ROOT)
    (question,) = sheet.questions
    head, number = "student;question;points;max_points;answer", question.number
    (tmp_path / "questions.csv").write_text(f"{head}\nKim;{number.lstrip('0')};2;3;B.\n")
    assert read_points(tmp_path, sheet) == {("Kim", number): 2}
    (tmp_path / "questions.csv").write_text(f"{head}\nKim;03. Jun;0;3;B.\n")
    with pytest.raises(GradingError, match=rf"line 2: there is no question '03\. Jun'.*Write {number}"):
        read_points(tmp_path, sheet)


def test_points_of_somebody_who_is_not_there_are_not_lost_in_silence(tmp_path):
    refuse_strangers({("0042", "03.6"): 2, ("'=a", "03.6"): 1}, ["0042", "=a"], tmp_path)
    with pytest.raises(GradingError, match="points for '42', and nobody of that name"):
        refuse_strangers({("42", "03.6"): 2}, ["0042"], tmp_path)


# --- what comes back


def test_thousands_of_empty_tensors_do_not_fill_the_memory_of_the_grader():
    assert len(wire.unpack(wire.pack([torch.zeros(0)] * 2000))) == 2000
    with pytest.raises(TooMuchError):
        wire.pack([torch.zeros(0)] * 3000)  # each was an object of its own where it arrived
    for what in ({"tensor": ["bool", [0], []]}, {"other": ["", "", ""]}):
        with pytest.raises(WireError):
            wire.unpack({"list": [what] * 10_000})


# --- rosters


def test_one_of_two_students_with_one_name_is_not_guessed(tmp_path):
    (tmp_path / "class.csv").write_text("name,id\nAnna,1\nAnna,2\nBen,3\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "anna.ipynb").write_bytes(SHEET)
    roster = read_roster(tmp_path / "class.csv")
    found = find_submissions(tmp_path / "in", MASTER, roster)
    assert [each.student for each in found] == ["anna"]
    assert "it fits more than one student of the roster (Anna, Anna (2))" in found[0].notes[0]
    (tmp_path / "in" / "anna.ipynb").rename(tmp_path / "in" / "2.ipynb")
    assert [each.student for each in find_submissions(tmp_path / "in", MASTER, roster)] == ["Anna (2)"]


@pytest.mark.parametrize("text", ["name\nAnna\n".encode("utf-16-le"), "name\nAnna\n".encode("utf-32"), b"name\n\0\n"])
def test_a_roster_in_an_unusual_encoding_is_told_and_not_garbled(tmp_path, text):
    (tmp_path / "class.csv").write_bytes(text)
    with pytest.raises(GradingError, match="not text that can be read: save it as CSV in UTF-8"):
        read_roster(tmp_path / "class.csv")


# --- what a teacher reads


def test_the_class_page_says_what_held_the_code_in_once(tmp_path):
    sentence = "Students' code ran in a cage."
    write_reports(tmp_path, Run("04", "Sheet 04", sentence, "1 s", "1"), MASTER, [])
    shown = html.unescape(re.sub(r"<[^>]+>", " ", (tmp_path / "class.html").read_text("utf-8")))
    assert f"sandbox {sentence}" in " ".join(shown.split())


# --- walls


def test_a_start_that_was_killed_gives_no_weaker_walls(monkeypatch):
    held, started = sandbox.Sandbox("", level=None), []
    held._wanted = ["strong", "weak"]

    def launch():
        started.append(held._wanted[0])
        held._socket, other = socket.socketpair()
        held._process = types.SimpleNamespace(poll=lambda: None, wait=lambda *_: 0, kill=lambda: None)
        with other:
            if len(started) > 1:
                wire.send(other, {"state": "ready", "landlock": True})

    monkeypatch.setattr(held, "_launch", launch)
    held._start()
    held.close()
    assert (started, held._wanted) == (["strong", "strong"], ["strong", "weak"])
