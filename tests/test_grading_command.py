"""`nanochat grade`: what a teacher types, sees and gets, some of it with the real grader; one line for a mistake."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import fake_graders
import psutil
import pytest
from example_answers import answers_of
from test_grading_batch import ended, lines

from nanochat_helpers import cli
from nanochat_helpers.errors import GradingError
from nanochat_helpers.grading import grade_command
from nanochat_helpers.grading.batch.folder import Asked
from nanochat_helpers.grading.grade_command import Request, grade_class
from nanochat_helpers.grading.sheets import cell_of

ROOT = Path(__file__).parents[1]
SHEET = "07"


@pytest.fixture
def handed_in(tmp_path):
    """Two students: Ana has answered all, and Ben's file is no notebook."""
    folder = tmp_path / "handed_in"
    folder.mkdir()
    answers = answers_of(SHEET)
    sheet = json.loads(json.dumps(answers.sheet))
    for each in answers.exercises:
        cell_of(sheet, each.id, "answer")["source"] = answers.right[each.id][0]
    (folder / "ana.ipynb").write_text(json.dumps(sheet))
    (folder / "ben.ipynb").write_text("<<<<<<< HEAD")
    return folder


@pytest.fixture
def run(tmp_path, handed_in, monkeypatch):
    """Grade with fake graders; returns the exit code and the line at the end."""
    monkeypatch.setenv("FAKE_GRADERS", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))

    def grade(out="out", submissions=handed_in, stream=None, **options):
        asked = Asked(options.pop("seed", None), resume=options.pop("resume", False))
        said = []
        request = Request(
            SHEET, submissions, tmp_path / out, folder=ROOT, asked=asked, grader=fake_graders.NAME, jobs=1, **options
        )
        code = grade_class(request, said.append, stream or io.StringIO())
        return code, *said

    return grade


def nanochat(*arguments, **options):
    command = [sys.executable, "-m", "nanochat_helpers.cli", "grade", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, **options)


def rows(out):
    with (out / "grades.csv").open(newline="", encoding="utf-8") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def test_a_class_is_graded_with_the_real_grader_and_again_with_the_same_bytes(tmp_path, handed_in):
    (tmp_path / "class.csv").write_text("name\nana\nben\nzoe\n")
    out = tmp_path / "out"
    done = nanochat(SHEET, handed_in, "--out", out, "--roster", tmp_path / "class.csv", "--jobs", 2)
    assert (done.returncode, done.stderr.splitlines()[-1].partition(",")[0]) == (3, "2 of 2 graded")
    assert done.stdout.startswith("1 of 3 students graded, 1 rejected, 1 missing, in ")
    assert done.stdout.count("\n") == 1 and str(out / "class.html") in done.stdout and (out / "class.html").exists()
    found = rows(out)
    assert [(name, row["status"]) for name, row in found.items()] == [
        ("ana", "graded"), ("ben", "rejected"), ("zoe", "missing"),
    ]  # fmt: skip
    assert int(found["ana"]["score"]) > 0 and (found["ben"]["score"], found["zoe"]["score"]) == ("0", "")
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    again = nanochat(SHEET, handed_in, "--out", out, "--roster", tmp_path / "class.csv", "--resume")
    assert again.returncode == 3
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_the_seed_stands_in_no_report(tmp_path, handed_in):
    assert nanochat(SHEET, handed_in, "--out", tmp_path / "out", "--seed", 31415926535).returncode == 3
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert [path.name for path in files if b"31415926535" in path.read_bytes()] == ["run.json"]


def test_all_graded_is_0_also_if_some_are_missing(tmp_path, handed_in, run):
    (handed_in / "ben.ipynb").unlink()
    (handed_in / "ana.ipynb").write_text("fine")
    (tmp_path / "class.csv").write_text("name\nana\nzoe\n")
    code, said = run(roster=tmp_path / "class.csv")
    assert code == 0 and said.startswith("1 of 2 students graded, 1 missing, in ")


@pytest.mark.parametrize(("text", "words"), [("review", "1 to review"), ("infra", "1 failed in the grader")])
def test_what_somebody_has_to_look_at_is_3(handed_in, run, text, words):
    (handed_in / "ben.ipynb").write_text("fine")
    (handed_in / "ana.ipynb").write_text(text)
    code, said = run()
    assert code == 3 and said.startswith(f"1 of 2 students graded, {words}, in ")


def test_nothing_is_graded_twice_and_nothing_is_overwritten(tmp_path, handed_in, run):
    run()
    before = (tmp_path / "out" / "grades.csv").read_bytes()
    with pytest.raises(GradingError, match="holds a run already"):
        run()
    assert run(resume=True)[0] == 0
    assert (tmp_path / "out" / "grades.csv").read_bytes() == before
    assert len(lines(tmp_path, "all")) == 2


@pytest.mark.parametrize("inside", ["handed_in", "handed_in/graded", "handed_in/a/b"])
def test_reports_among_the_submissions_are_refused(run, inside):
    with pytest.raises(GradingError, match=r"lies inside of .*handed_in, and would be taken for"):
        run(out=inside)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path, run):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(GradingError, match="is a file: name a folder with --out"):
        run()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path, run):
    (tmp_path / "file").touch()
    with pytest.raises(GradingError, match=r"out cannot be written.*: Not a directory\. .*--resume"):
        run(out="file/out")


def test_a_system_without_fork_is_told_where_it_works(monkeypatch, capsys):
    monkeypatch.delattr(os, "fork")
    monkeypatch.setitem(sys.modules, "nanochat_helpers.grading.grade_command", None)  # it could not be imported there
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(SystemExit) as ended_with:
        cli.main(["grade", SHEET, "in", "--out", "out"])
    said = capsys.readouterr().err
    assert ended_with.value.code == 2 and said.count("\n") == 1
    assert "Grading needs Linux or macOS" in said and "WSL" in said and "Colab" in said


def test_jobs_are_not_for_a_cluster(run):
    with pytest.raises(GradingError, match="--jobs is for this machine"):
        run(dask="tcp://127.0.0.1:9")


def test_ctrl_c_keeps_what_was_graded_and_says_how_to_go_on(tmp_path, handed_in, run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(grade_command, "run_batch", interrupted)
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        run(stream=stream)
    assert "the same command with --resume goes on" in stream.getvalue()


def test_ctrl_c_in_a_terminal_is_130_and_leaves_no_process(tmp_path, handed_in):
    for number in range(30):
        (handed_in / f"s{number}.ipynb").write_bytes((handed_in / "ana.ipynb").read_bytes())
    command = [sys.executable, "-m", "nanochat_helpers.cli", "grade", SHEET, handed_in, "--out", tmp_path / "out"]
    with subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        process.stderr.readline()
        below = [each.pid for each in psutil.Process(process.pid).children(recursive=True)]
        process.send_signal(signal.SIGINT)
        said = process.communicate()[1]
    assert process.returncode == 130
    assert said.endswith("What was graded is kept: the same command with --resume goes on.\n\nStopped.\n")
    assert below and ended(below)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["99", "in", "--out", "out"], "There is no sheet '99'"),
        (["04", "in"], "Missing option '--out'"),
        (["04", "nowhere", "--out", "out"], "nowhere"),
        (["04", "in", "--out", "out", "--jobs", "0"], "'--jobs'"),
        (["04", "in", "--out", "out", "--time-limit", "0"], "'--time-limit'"),
        (["04", "in", "--out", "out", "--memory-limit", "1"], "'--memory-limit'"),
        (["04", "in", "--out", "out", "--roster", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_a_mistake_is_one_line_and_2(monkeypatch, tmp_path, capsys, arguments, said):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ana.ipynb").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(SystemExit) as ended_with:
        cli.main(["grade", *arguments, "--folder", str(ROOT)])
    error = capsys.readouterr().err
    assert ended_with.value.code == 2
    assert error.count("\n") == 1 and said in error
    assert not (tmp_path / "out").exists()
