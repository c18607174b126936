"""The journal and the folder of a run: what was written is read again, and what is damaged counts as not there."""

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat_helpers.errors import GradingError
from nanochat_helpers.grading.batch.folder import Asked, RunFolder, write_atomically
from nanochat_helpers.grading.batch.journal import Journal
from nanochat_helpers.grading.grader import ungraded
from nanochat_helpers.grading.grades import GRADED, INFRA_ERROR, Grade
from nanochat_helpers.grading.master import Master, find_master

ROOT = Path(__file__).parents[1]
EMPTY = Master("03", {"cells": []})


def grade(key: str, status: str = GRADED, note: str = "") -> Grade:
    return Grade("Ana", status, "03", (), notes=(note,), key=key)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def write(path, *grades):
    with Journal(path) as journal:
        for each in grades:
            journal.add(each)


def test_what_was_added_is_there_again_after_a_restart(path):
    whole = ungraded(find_master("03", ROOT), "Zoë \ud800", GRADED, 'a "note"\nin two lines')
    whole = Grade(**{**vars(whole), "key": "k"})
    write(path, grade("a"), whole)
    with Journal(path) as journal:
        assert journal["k"] == whole
        assert "a" in journal and "b" not in journal and journal.get("b") is None


def test_the_last_line_for_a_key_holds(path):
    write(path, grade("a", note="old"), grade("b"), grade("a", note="new"))
    with Journal(path) as journal:
        assert journal["a"].notes == ("new",)


def test_what_the_grader_failed_at_is_there_but_counts_as_ungraded(path):
    write(path, grade("a", INFRA_ERROR), grade("b", INFRA_ERROR), grade("b"))
    with Journal(path) as journal:
        assert "a" not in journal and journal.get("a").status == INFRA_ERROR
        assert "b" in journal and journal["b"].status == GRADED


def test_a_file_cut_anywhere_keeps_all_whole_lines_and_takes_more(path):
    write(path, grade("a"), grade("b"))
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in (0, 1, first - 1, first, first + 1, len(whole) - 1):
        path.write_bytes(whole[:cut])
        write(path, grade("c"))
        with Journal(path) as journal:
            assert ("a" in journal, "b" in journal, "c" in journal) == (cut >= first, False, True)


@given(st.data())
def test_a_changed_byte_costs_one_line_or_two_and_never_changes_a_grade(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "journal.jsonl"
    grades = [grade(key, note=f"note {key}") for key in "abc"]
    write(path, *grades)
    raw = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] = data.draw(st.integers(0, 255))
    path.write_bytes(raw)
    with Journal(path) as journal:
        known = [journal.get(each.key) for each in grades]
    assert all(found in (None, wanted) for found, wanted in zip(known, grades, strict=True))
    assert sum(found is None for found in known) <= 2


@pytest.mark.parametrize("line", [b"[]", b"{}", b'{"check": "", "grade": 3}', b"null", b"[" * 100_000, b"\xff"])
def test_a_line_that_is_no_grade_is_left_out(path, line):
    path.write_bytes(line + b"\n")
    write(path, grade("a"))
    with Journal(path) as journal:
        assert "a" in journal


def test_a_full_disk_is_one_sentence_and_keeps_what_was_there(path, monkeypatch):
    with Journal(path) as journal:
        journal.add(grade("a"))
        before = path.read_bytes()

        def full(part):
            os.pwrite(journal._file.fileno(), b"{torn", len(before))
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(journal, "_write", full)
        with pytest.raises(GradingError, match=r"No space left on device.*--resume"):
            journal.add(grade("b"))
        assert path.read_bytes() == before
        assert "b" not in journal


def test_a_disk_that_takes_a_line_in_parts_gets_all_of_it(path):
    class Slow:
        def __init__(self, file):
            self._file = file

        def write(self, part):
            return self._file.write(part[:7])

        def __getattr__(self, name):
            return getattr(self._file, name)

    with Journal(path) as journal:
        journal._file = Slow(journal._file)
        journal.add(grade("a"))
        assert journal["a"] == grade("a")


def test_nobody_else_can_read_the_journal_and_the_seed(tmp_path):
    with RunFolder(tmp_path / "out") as folder:
        folder.begin(EMPTY, Asked(), lambda: 7)
    for name in ("journal.jsonl", "run.json"):
        assert (tmp_path / "out" / name).stat().st_mode & 0o077 == 0


def begin(path, master=EMPTY, **asked):
    with RunFolder(path) as folder:
        folder.begin(master, Asked(**asked), lambda: 7)
        return folder.settings


def test_a_run_begins_with_a_drawn_seed_and_the_usual_limits(tmp_path):
    settings = begin(tmp_path)
    assert (settings.seed, settings.seconds, settings.memory_mb) == (7, 10, 1024)
    assert begin(tmp_path, resume=True) == settings


def test_a_run_that_goes_on_keeps_its_seed_and_limits(tmp_path):
    begun = begin(tmp_path, seed=3, seconds=2, memory_mb=512)
    assert (begun.seed, begun.seconds, begun.memory_mb) == (3, 2, 512)
    assert begin(tmp_path, resume=True, seed=3) == begun


def test_a_folder_with_a_run_is_refused_without_resume(tmp_path):
    begin(tmp_path)
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(GradingError, match="holds a run already: go on with it with --resume"):
        begin(tmp_path, seed=9)
    assert (tmp_path / "run.json").read_bytes() == before


@pytest.mark.parametrize("resume", [True, False])
def test_a_folder_with_other_files_is_refused(tmp_path, resume):
    (tmp_path / "grades.csv").write_text("mine")
    with pytest.raises(GradingError, match="holds other files, and no run"):
        begin(tmp_path, resume=resume)


@pytest.mark.parametrize(
    ("asked", "name"),
    [({"seed": 8}, "seed"), ({"seconds": 3}, "time limit"), ({"memory_mb": 512}, "memory limit")],
)
def test_a_run_does_not_go_on_with_other_settings(tmp_path, asked, name):
    begin(tmp_path)
    with pytest.raises(GradingError, match=f"was begun with another {name}") as caught:
        begin(tmp_path, resume=True, **asked)
    assert "7" not in str(caught.value).replace(str(tmp_path), ""), "the seed is a secret"


def test_a_run_does_not_go_on_with_another_sheet(tmp_path):
    begin(tmp_path)
    with pytest.raises(GradingError, match="begun with another sheet"):
        begin(tmp_path, Master("04", {"cells": []}), resume=True)
    with pytest.raises(GradingError, match="sheet 03 has changed"):
        begin(tmp_path, Master("03", {"cells": [], "changed": 1}), resume=True)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"seed": 3}', "null", "\x00"])
def test_a_damaged_run_is_one_sentence(tmp_path, text):
    begin(tmp_path)
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(GradingError, match=r"run\.json is damaged"):
        begin(tmp_path, resume=True)


def test_only_one_run_at_a_time(tmp_path):
    with RunFolder(tmp_path), pytest.raises(GradingError, match="Another run is at work"), RunFolder(tmp_path):
        pass
    with RunFolder(tmp_path):
        pass


def test_a_kill_before_the_run_was_noted_leaves_a_folder_that_can_be_used(tmp_path):
    (tmp_path / ".lock").touch()
    (tmp_path / "run.json.part").write_text("{torn")
    assert begin(tmp_path).seed == 7


def test_what_held_the_code_in_is_kept_each_way_once(tmp_path):
    with RunFolder(tmp_path) as folder:
        folder.begin(EMPTY, Asked(), lambda: 7)
        folder.held_by({"b"})
        folder.held_by({"a", "b"})
    assert begin(tmp_path, resume=True).sandbox == ("a", "b")


def test_a_file_is_written_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_atomically(path, "old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, json.dumps("new"))
    assert path.read_text() == "old"
