"""The flat list of a folder or a zip: limits hold, what cannot be read says so, and nothing is kept open or written."""

import io
import os
import zipfile

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanochat_helpers.errors import GradingError, RejectedError
from nanochat_helpers.grading.submissions import entries
from nanochat_helpers.grading.submissions.entries import BOX, NOTEBOOK, OTHER, list_entries, read_file, stem


def zipped(files):
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in files.items():
            archive.writestr(name, raw)
    return room.getvalue()


def save(folder, files):
    for name, raw in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return folder


def listed(where):
    return sorted((each.parts, each.kind) for each in list_entries(where))


def test_a_zip_on_disk_and_in_a_zip_is_like_a_folder(tmp_path):
    files = {"anna/x.ipynb": b"", "anna/y.txt": b"", ".git/x.ipynb": b"", "__MACOSX/anna/._x.ipynb": b""}
    expected = [
        (("c",), BOX),
        (("c", "anna"), BOX),
        (("c", "anna", "x.ipynb"), NOTEBOOK),
        (("c", "anna", "y.txt"), OTHER),
    ]
    assert listed(save(tmp_path / "plain", {f"c/{name}": raw for name, raw in files.items()})) == expected
    of_zip = [each for each in expected if each != (("c", "anna"), BOX)]  # a zip may leave folders out
    assert listed(save(tmp_path / "zips", {"c.zip": zipped(files)})) == of_zip
    save(tmp_path, {"all.zip": zipped({"c.zip": zipped(files)})})
    assert listed(tmp_path / "all.zip") == of_zip


def test_a_members_way_leads_to_its_bytes(tmp_path):
    save(tmp_path, {"all.zip": zipped({"b/c.zip": zipped({"d.ipynb": b"text"})})})
    (entry,) = [each for each in list_entries(tmp_path / "all.zip") if each.kind == NOTEBOOK]
    assert entry.inside == ("b/c.zip", "d.ipynb")
    assert read_file(tmp_path / "all.zip", entry.inside) == b"text"
    with pytest.raises(RejectedError, match="not in the zip any more"):
        read_file(tmp_path / "all.zip", ("b/c.zip", "e.ipynb"))


def test_a_zip_that_was_replaced_is_listed_again(tmp_path):
    path = save(tmp_path, {"all.zip": zipped({"a.ipynb": b"old"})}) / "all.zip"
    assert read_file(path, ("a.ipynb",)) == b"old"
    path.write_bytes(zipped({"b.ipynb": b"much newer", "a.ipynb": b"new"}))
    assert read_file(path, ("a.ipynb",)) == b"new"


@pytest.mark.parametrize("way", [("submissions.zip",), ("a.zip", "b.zip")])
def test_a_classs_zip_in_a_zip_is_unpacked_once_for_all_notebooks(tmp_path, monkeypatch, way):
    students = {
        **{f"{n:02}.ipynb": b"text" for n in range(20)},
        **{f"{n}.zip": zipped({"x.ipynb": b"text"}) for n in range(9)},
    }
    raw = zipped(students)
    for name in reversed(way):
        raw = zipped({name: raw})
    save(tmp_path, {"class.zip": raw})
    found = [each for each in list_entries(tmp_path / "class.zip") if each.kind == NOTEBOOK]
    unpacked = []
    really = zipfile.ZipFile.open
    monkeypatch.setattr(
        zipfile.ZipFile, "open", lambda self, info: unpacked.append(info.filename) or really(self, info)
    )
    assert [read_file(each.path, each.inside) for each in found] == [b"text"] * 29
    assert [unpacked.count(name) for name in way] == [1] * len(way)
    assert len(unpacked) == len(way) + 20 + 2 * 9


def test_no_file_stays_open(tmp_path):
    save(tmp_path, {"all.zip": zipped({"b.zip": zipped({"a.ipynb": b"x"})}), "in/all.zip": zipped({"a.ipynb": b"x"})})
    before = psutil.Process().open_files()
    for where in (tmp_path, tmp_path / "all.zip"):
        for entry in list_entries(where):
            if entry.kind == NOTEBOOK:
                read_file(entry.path, entry.inside)
    assert psutil.Process().open_files() == before


def test_too_many_files_of_one_student_are_that_students_problem(tmp_path, monkeypatch):
    monkeypatch.setattr(entries, "MAX_FILES", 5)
    many = {f"{n}.ipynb": b"" for n in range(9)}
    save(
        tmp_path, {"anna/x.ipynb": b"", **{f"ben/{name}": raw for name, raw in many.items()}, "cleo.zip": zipped(many)}
    )
    found = list_entries(tmp_path)
    assert len([each for each in found if each.parts[0] == "ben" and each.kind == NOTEBOOK]) == 5
    assert [each.note for each in found if each.note] == [entries.TOO_MANY.format(n=entries.MAX_FILES)]
    assert [(each.parts, each.problem) for each in found if each.problem] == [
        (("cleo",), "the zip holds more than 5 files")
    ]
    assert len(listed(save(tmp_path / "class", {"all.zip": zipped(many)}) / "all.zip")) == 9


def test_one_students_zips_cannot_use_up_what_others_may_unpack(tmp_path, monkeypatch):
    monkeypatch.setattr(entries, "MAX_BYTES", 40_000)
    monkeypatch.setattr(entries, "MAX_FILES", 6)
    large, many = zipped({"x.ipynb": os.urandom(15_000)}), zipped({f"{n}.ipynb": b"" for n in range(4)})
    greedy = zipped({"1.zip": large, "2.zip": large})  # 30 kB, and then 15 kB again
    save(
        tmp_path,
        {"all.zip": zipped({"a.zip": large, "b.zip": greedy, "c.zip": zipped({"1.zip": many}), "d.zip": many})},
    )
    assert _problems(tmp_path / "all.zip") == {
        ("b", "1"): "together with the zips around it, it is larger than 0 MB: hand in the notebook itself",
        ("b", "2"): "together with the zips around it, it is larger than 0 MB: hand in the notebook itself",
    }
    save(tmp_path, {"all.zip": zipped({"c.zip": zipped({"1.zip": many, "2.zip": many}), "d.zip": many, "e.zip": many})})
    assert _problems(tmp_path / "all.zip") == {
        ("c", "2"): "together with the zips around it, it holds more than 6 files: hand in the notebook itself"
    }
    save(tmp_path, {"export.zip": zipped({"all.zip": zipped({f"{n}.zip": many for n in range(3)})})})
    assert not _problems(tmp_path / "export.zip")


def test_a_member_with_an_impossible_place_takes_no_other_with_it(tmp_path):
    raw = bytearray(zipped({"a.zip": zipped({"x.ipynb": b"x"}), "b.zip": zipped({"x.ipynb": b"x"})}))
    at = raw.rindex(b"PK\1\2")
    raw[at + 42 : at + 46] = b"\xfe\xff\xff\xff"
    (tmp_path / "all.zip").write_bytes(raw)
    found = list_entries(tmp_path / "all.zip")
    assert len([each for each in found if each.problem]) == 1 and [each for each in found if each.kind == NOTEBOOK]


def _problems(where):
    return {each.parts: each.problem for each in list_entries(where) if each.problem}


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("a.ipynb", "a"),
        ("a.IPYNB", "a"),
        ("a.ipynb.json", "a"),
        ("a.b.pdf", "a.b"),
        ("a", "a"),
        ("b.ek@x.org", "b.ek@x"),
    ],
)
def test_the_stem_of_a_name(name, short):
    assert stem(name) == short


@settings(deadline=None)
@given(st.data())
def test_damage_in_a_zip_of_zips_only_ever_raises_grading_errors(tmp_path_factory, data):
    inner = zipped({"04_sampling.ipynb": b"x" * 300, "b.txt": b"y"})
    raw = bytearray(zipped({"anna.zip": inner, "ben/c.ipynb": b"{}", "cleo/": b""}))
    for _ in range(data.draw(st.integers(0, 6))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("damaged") / "all.zip"
    path.write_bytes(raw[: data.draw(st.integers(0, len(raw)))])
    for where in (path, path.parent):
        try:
            found = list_entries(where)
        except GradingError:
            continue
        for entry in found:
            if entry.kind == NOTEBOOK and not entry.problem:
                try:
                    read_file(entry.path, entry.inside)
                except RejectedError as error:
                    assert str(error)
