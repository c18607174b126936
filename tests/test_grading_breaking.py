"""A class in which somebody wants to break the batch: the others are graded, and nothing grows without end."""

import io
import struct
import sys
import tracemalloc
import zipfile

import pytest
from handed_in import ROOT

from nanochat_helpers import cli
from nanochat_helpers.errors import RejectedError
from nanochat_helpers.grading.master import find_master
from nanochat_helpers.grading.submissions import find_submissions
from nanochat_helpers.grading.submissions.archives import MAX_NAME, members

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


def test_names_in_a_zip_that_no_system_has_are_refused():
    assert len(members(io.BytesIO(directory_of([b"a" * MAX_NAME])), 10)) == 1
    with pytest.raises(RejectedError, match="far too long"):
        members(io.BytesIO(directory_of([b"a" * (MAX_NAME + 1)])), 10)


def test_a_small_zip_full_of_deep_folders_takes_little_memory(tmp_path):
    deep = [b"%04d/" % n + b"a/" * 2000 + b"x.ipynb" for n in range(500)]
    (tmp_path / "anna.ipynb").write_bytes(SHEET)
    (tmp_path / "kim.zip").write_bytes(zip_of(**{"deep.zip": directory_of(deep)}))
    tracemalloc.start()
    found = find_submissions(tmp_path, MASTER)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(each.student, bool(each.problem)) for each in found] == [("anna", False), ("kim", True)]
    assert "more than 20 deep" in found[1].problem
    assert most < 20_000_000


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
