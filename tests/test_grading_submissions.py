"""Finding what was handed in: every kind of folder, zip and export gives one submission a student, and none is lost."""

import io
import json
import os
import zipfile
from pathlib import Path

import pytest

from nanochat_helpers.errors import GradingError, RejectedError
from nanochat_helpers.grading.master import find_master
from nanochat_helpers.grading.submissions import Student, find_submissions, missing

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def master():
    return find_master("04", ROOT)


def sheet(text="", number="04"):
    cell = {"cell_type": "code", "metadata": {"nanochat": {"exercise": f"{number}.1"}}, "source": text}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()


def put(folder, *names, **texts):
    """Write files: names with a sheet in them, or name=bytes."""
    for name, raw in [*((name, sheet(name)) for name in names), *texts.items()]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)
    return folder


def zipped(*names, **texts):
    """The bytes of a zip with files: names with a sheet in them, or name=bytes."""
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, raw in [*((name, sheet(name)) for name in names), *texts.items()]:
            archive.writestr(name, raw)
    return room.getvalue()


def found(where, master, roster=()):
    return {each.student: each for each in find_submissions(where, master, roster)}


def names(where, master, roster=()):
    return [each.student for each in find_submissions(where, master, roster)]


def test_a_folder_of_notebooks_is_named_by_its_files(tmp_path, master):
    put(tmp_path, "anna.ipynb", "04_sampling_ben.ipynb", "carla-04-sampling.ipynb", "student_04.ipynb")
    submissions = find_submissions(tmp_path, master)
    assert [each.student for each in submissions] == ["anna", "ben", "carla", "student_04"]
    assert submissions[1].read() == sheet("04_sampling_ben.ipynb")
    assert submissions[1].source == "04_sampling_ben.ipynb"


def test_a_word_that_all_files_share_is_the_sheets(tmp_path, master):
    put(tmp_path, "anna_sampling.ipynb", "ben_sampling.ipynb")
    assert names(tmp_path, master) == ["anna", "ben"]
    put(tmp_path, "carla.ipynb")
    assert names(tmp_path, master) == ["anna_sampling", "ben_sampling", "carla"]


def test_a_folder_a_student_is_named_by_the_folder(tmp_path, master):
    put(tmp_path, "Anna Ek/04_sampling.ipynb", "ben/04_sampling/04_sampling.ipynb", "carla/work/a/b/x.ipynb")
    put(tmp_path, "ben/04_sampling/.ipynb_checkpoints/04_sampling-checkpoint.ipynb", "__MACOSX/anna/._x.ipynb")
    put(tmp_path, **{".DS_Store": b"", "ben/.DS_Store": b""})
    submissions = find_submissions(tmp_path, master)
    assert [each.student for each in submissions] == ["Anna Ek", "ben", "carla"]
    assert submissions[1].source == "ben/04_sampling/04_sampling.ipynb" and not submissions[1].notes


def test_a_student_without_a_notebook_is_kept_and_says_why(tmp_path, master):
    put(tmp_path, "anna/04_sampling.ipynb", **{"ben/a.pdf": b"x", "dora.rar": b"x", "list.csv": b"x"})
    (tmp_path / "carla").mkdir()
    by_name = found(tmp_path, master)
    assert list(by_name) == ["anna", "ben", "carla", "dora"]
    assert by_name["ben"].problem == "no notebook was handed in, but a.pdf"
    assert "there is nothing in it" in by_name["carla"].problem
    with pytest.raises(RejectedError, match=r"no notebook was handed in, but a\.pdf"):
        by_name["ben"].read()


def test_one_file_is_one_submission(tmp_path, master):
    put(tmp_path, "anna.ipynb", "04_sampling.ipynb", "ben.ipynb.txt")
    assert names(tmp_path / "anna.ipynb", master) == ["anna"]
    assert names(tmp_path / "04_sampling.ipynb", master) == ["04_sampling"]
    assert names(tmp_path / "ben.ipynb.txt", master) == ["ben"]


@pytest.mark.parametrize("layout", ["{}.ipynb", "{}/04_sampling.ipynb", "class 5/{}.ipynb", "out/{}/04_sampling.ipynb"])
def test_a_zip_is_read_like_a_folder(tmp_path, master, layout):
    put(tmp_path, **{"all.zip": zipped(layout.format("anna"), layout.format("ben"))})
    put(tmp_path / "all", layout.format("anna"), layout.format("ben"))
    assert names(tmp_path / "all.zip", master) == ["anna", "ben"] == names(tmp_path / "all", master)
    assert find_submissions(tmp_path / "all.zip", master)[1].read() == sheet(layout.format("ben"))


def test_a_zip_of_one_student_is_named_by_the_zip(tmp_path, master):
    put(tmp_path, **{"anna.zip": zipped("04_sampling.ipynb"), "b/ben.zip": zipped("04_sampling.ipynb")})
    assert names(tmp_path / "anna.zip", master) == ["anna"]


def test_zips_in_zips_and_in_folders_are_followed(tmp_path, master):
    anna, ben = zipped("04_sampling.ipynb"), zipped("ben's work/04_sampling.ipynb")
    put(tmp_path, **{"anna.zip": anna, "ben.ZIP": ben, "carla/work.zip": anna})
    inner = zipped(**{"anna.zip": anna, "ben.zip": ben, "carla/work.zip": anna})
    put(tmp_path / "outer", **{"all.zip": inner, "export.zip": zipped(**{"all.zip": inner})})
    for where in (tmp_path, tmp_path / "outer" / "all.zip", tmp_path / "outer" / "export.zip"):
        submissions = [each for each in find_submissions(where, master) if each.student != "outer"]
        assert [each.student for each in submissions] == ["anna", "ben", "carla"]
        assert all(each.read() == sheet("04_sampling.ipynb") for each in submissions[::2])


def test_zips_too_deep_and_damaged_ones_are_rejected_and_the_others_stay(tmp_path, master):
    deep = zipped("04_sampling.ipynb")
    for _ in range(5):
        deep = zipped(**{"more.zip": deep})
    put(tmp_path, "anna.ipynb", **{"ben.zip": b"no zip", "carla.zip": zipped("a.ipynb")[:-30], "dora.zip": deep})
    by_name = found(tmp_path, master)
    assert list(by_name) == ["anna", "ben", "carla", "dora"] and not by_name["anna"].problem
    assert "this is no zip" in by_name["ben"].problem and "the zip is damaged" in by_name["carla"].problem
    assert "more than 3 deep" in by_name["dora"].problem


@pytest.mark.parametrize("name", ["../../anna.ipynb", "/etc/anna.ipynb", "C:\\x\\anna.ipynb", "\\\\server\\anna.ipynb"])
def test_a_name_that_leads_out_of_the_zip_is_rejected(tmp_path, master, name):
    put(tmp_path, **{"all.zip": zipped("ben.ipynb", name)})
    by_name = {each.source.rpartition("/")[2]: each for each in find_submissions(tmp_path / "all.zip", master)}
    assert len(by_name) == 2 and not by_name["ben.ipynb"].problem
    assert "leads out of the zip" in next(each for name, each in by_name.items() if "anna" in name).problem


def test_links_and_locked_files_in_a_zip_are_rejected(tmp_path, master):
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w") as archive:
        link = zipfile.ZipInfo("anna.ipynb")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("ben.ipynb", sheet())
    raw = bytearray(room.getvalue())
    raw[raw.rindex(b"PK\1\2") + 8] |= 1
    put(tmp_path, **{"all.zip": bytes(raw)})
    by_name = found(tmp_path / "all.zip", master)
    assert "links are not followed" in by_name["anna"].problem and "password" in by_name["ben"].problem


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_two_members_with_one_name_give_the_last_and_a_note(tmp_path, master):
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w") as archive:
        archive.writestr("anna.ipynb", sheet("old"))
        archive.writestr("anna.ipynb", sheet("new"))
    put(tmp_path, **{"all.zip": room.getvalue()})
    (only,) = find_submissions(tmp_path / "all.zip", master)
    assert only.read() == sheet("new") and "two files in the zip are named anna.ipynb" in only.notes[0]


def test_moodle_folders_and_flat_files(tmp_path, master):
    put(
        tmp_path, "Anna Müller_101_assignsubmission_file_/04_sampling.ipynb", "Ben Ek_102_assignsubmission_file_x.ipynb"
    )
    put(tmp_path, **{"Ben Ek_102_assignsubmission_onlinetext_/onlinetext.html": b"x"})
    put(tmp_path, "Cleo_103_assignsubmission_file/a/b_9_assignsubmission_file_/04_sampling.ipynb")
    assert names(tmp_path, master) == ["Anna Müller", "Ben Ek", "Cleo"]


def test_moodle_students_with_one_name_are_both_kept(tmp_path, master):
    put(tmp_path, "Anna Ek_101_assignsubmission_file_/a.ipynb", "Anna Ek_102_assignsubmission_file_/a.ipynb")
    first, second = find_submissions(tmp_path, master)
    assert (first.student, second.student) == ("Anna Ek", "Anna Ek (2)")
    assert all("more than one submission belongs to the name Anna Ek" in each.notes[0] for each in (first, second))


def test_moodle_matches_the_roster_by_its_number(tmp_path, master):
    put(tmp_path, "Participant_101_assignsubmission_file_/a.ipynb", "Participant_102_assignsubmission_file_/a.ipynb")
    roster = [Student("Ben", {"Identifier": "Participant 102"}), Student("Ann", {"ID number": "101"})]
    assert names(tmp_path, master, roster) == ["Ben", "Participant"]


def test_canvas_files_also_late_and_handed_in_again(tmp_path, master):
    put(tmp_path, "ekanna_1234_777001_04_sampling.ipynb", "ekanna_1234_777009_04_sampling-1.ipynb")
    put(
        tmp_path,
        "müllerben_LATE_1235_777002_04_sampling.ipynb",
        **{"ocleo_1236_777003_w.zip": zipped("04_sampling.ipynb")},
    )
    put(tmp_path, "LATE_anon_aB3_777004_04_sampling.ipynb")
    by_name = found(tmp_path, master)
    assert list(by_name) == ["anon_aB3", "ekanna", "müllerben", "ocleo"]
    assert by_name["ekanna"].source.endswith("777009_04_sampling-1.ipynb")
    assert "2 notebooks were handed in" in by_name["ekanna"].notes[0]


def test_canvas_matches_the_roster_by_number_or_by_the_squeezed_name(tmp_path, master):
    put(tmp_path, "x_1234_777001_a.ipynb", "müllerannalena_1235_777002_a.ipynb", "obrientim_1236_777003_a.ipynb")
    roster = [Student("Ek, Anna", {"ID": "1234"}), Student("Müller, Anna-Lena", {}), Student("Tim O'Brien", {})]
    assert names(tmp_path, master, roster) == ["Ek, Anna", "Müller, Anna-Lena", "Tim O'Brien"]


def test_gradescope_folders_are_named_by_its_list(tmp_path, master):
    listed = (
        "submission_11:\n  :submitters:\n  - :name: Anna Ek\n    :sid: '0017'\n    :email: anna@x.org\n  :score: 2.0\n"
        "submission_12:\n  :submitters:\n  - :name: Ben\n  - :name: Cleo\n"
    )
    put(tmp_path, "submission_11/04_sampling.ipynb", "submission_12/04_sampling.ipynb")
    put(tmp_path, **{"submission_metadata.yml": listed.encode()})
    by_name = found(tmp_path, master, [Student("E. Anna", {"SID": "0017"})])
    assert list(by_name) == ["Ben", "Cleo", "E. Anna"]
    assert by_name["Ben"].notes[0] == "handed in together with Cleo"
    assert by_name["Ben"].read() == by_name["Cleo"].read()


def test_a_list_in_a_students_own_folder_is_not_believed(tmp_path, master):
    put(tmp_path, "anna/04_sampling.ipynb", "ben/x/04_sampling.ipynb", "ben/Anna_1_assignsubmission_file_/b.ipynb")
    put(tmp_path, **{"ben/submission_metadata.json": b'{"x": {"users": [{"name": "anna"}]}}'})
    assert names(tmp_path, master) == ["anna", "ben"]


def test_nbgraders_folders_are_read_from_the_course_or_below(tmp_path, master):
    put(tmp_path, "submitted/anna/04_sampling/04_sampling.ipynb", "submitted/ben/03_next_token/03_next_token.ipynb")
    put(tmp_path, "submitted/ben/04_sampling/04_sampling.ipynb", "source/04_sampling/04_sampling.ipynb")
    put(tmp_path, **{"gradebook.db": b"", "submitted/anna/04_sampling/timestamp.txt": b"2026"})
    for where in (tmp_path, tmp_path / "submitted"):
        by_name = found(where, master)
        assert list(by_name) == ["anna", "ben"]
        assert by_name["ben"].source.endswith("ben/04_sampling/04_sampling.ipynb")


def test_of_several_notebooks_the_newest_of_this_sheet_is_taken(tmp_path, master):
    put(tmp_path, "anna/04_sampling.ipynb", "anna/04_sampling (1).ipynb", "anna/03_next_token.ipynb", "ben/x.ipynb")
    for name, time in (
        ("04_sampling.ipynb", 10_000),
        ("04_sampling (1).ipynb", 10_001),
        ("03_next_token.ipynb", 99_999),
    ):
        os.utime(tmp_path / "anna" / name, (time, time))
    taken = found(tmp_path, master)["anna"]
    assert taken.source == "anna/04_sampling (1).ipynb" and "it is the newest" in taken.notes[0]
    os.utime(tmp_path / "anna" / "04_sampling.ipynb", (50_000, 50_000))
    assert found(tmp_path, master)["anna"].source == "anna/04_sampling.ipynb"


def test_of_notebooks_without_the_sheets_name_the_one_with_its_cells_is_taken(tmp_path, master):
    put(
        tmp_path,
        "ben/04_sampling.ipynb",
        **{"anna/a.ipynb": sheet(), "anna/b.ipynb": sheet(number="05"), "anna/c.ipynb": b"damaged"},
    )
    taken = found(tmp_path, master)["anna"]
    assert taken.source == "anna/a.ipynb" and "it is the one of this sheet" in taken.notes[0]


def test_a_notebook_of_another_sheet_stays_a_submission(tmp_path, master):
    put(tmp_path, "anna/03_next_token.ipynb", "ben/03_next_token.ipynb", "ben/05_generation.ipynb")
    assert names(tmp_path, master) == ["anna", "ben"]


def test_a_copy_from_a_browser_belongs_to_the_first_file(tmp_path, master):
    put(tmp_path, "anna.ipynb", "anna (1).ipynb", "student-1.ipynb", "student-2.ipynb")
    assert names(tmp_path, master) == ["anna", "student-1", "student-2"]


def test_two_with_one_name_are_both_kept(tmp_path, master):
    put(tmp_path, "anna_04_sampling.ipynb", "04_sampling_anna.ipynb", "anna (2).ipynb")
    submissions = find_submissions(tmp_path, master)
    assert [each.student for each in submissions] == ["anna", "anna (2)", "anna (3)"]
    assert len({each.read() for each in submissions}) == 3


def test_the_roster_names_students_and_says_who_is_not_in_it(tmp_path, master):
    put(tmp_path, "mueller_anna.ipynb", "b.ek@school.org.ipynb", "s-17/04_sampling.ipynb", "zoe.ipynb", "tim.ipynb")
    roster = [
        Student("Anna Müller", {"name": "Anna Müller"}),
        Student("Ben Ek", {"email": "B.Ek@school.org"}),
        Student("Cleo", {"login": "S-17"}),
        Student("Tim A", {"login": "tim", "id": "1"}),
        Student("Tim B", {"id": "tim"}),
        Student("Udo", {}),
    ]
    by_name = found(tmp_path, master, roster)
    assert list(by_name) == ["Anna Müller", "Ben Ek", "Cleo", "tim", "zoe"]
    assert by_name["zoe"].notes == ("not in the roster",)
    assert by_name["tim"].notes == ("it fits more than one student of the roster (Tim A, Tim B), so none was chosen",)
    assert missing(by_name.values(), roster) == ["Tim A", "Tim B", "Udo"]


def test_the_roster_decides_whether_a_sheets_name_is_part_of_a_name(tmp_path, master):
    put(tmp_path, "student_04.ipynb", "sampling_ben.ipynb")
    roster = [Student("Four", {"id": "student_04"}), Student("Ben", {})]
    assert names(tmp_path, master, roster) == ["Ben", "Four"]


def test_what_is_no_plain_file_is_rejected_and_nothing_hangs(tmp_path, master):
    secret = put(tmp_path / "out", "secret.ipynb") / "secret.ipynb"
    where = put(tmp_path / "in", "anna.ipynb")
    (where / "broken.ipynb").symlink_to(where / "nowhere")
    (where / "outside.ipynb").symlink_to(secret)
    (where / "folderlink").symlink_to(tmp_path / "out", target_is_directory=True)
    (where / "zip.zip").symlink_to(secret)
    os.mkfifo(where / "pipe.ipynb")
    (where / "folder.ipynb").mkdir()
    by_name = found(where, master)
    assert list(by_name) == ["anna", "broken", "folder", "folderlink", "outside", "pipe", "zip"]
    assert all("links are not followed" in by_name[name].problem for name in ("broken", "folderlink", "outside", "zip"))
    assert "a folder" in by_name["folder"].problem and "a pipe" in by_name["pipe"].problem


def test_a_file_that_is_too_large_is_rejected_when_read(tmp_path, master):
    put(tmp_path, "anna.ipynb")
    os.truncate(tmp_path / "anna.ipynb", 256 * 2**20 + 1)
    (only,) = find_submissions(tmp_path, master)
    with pytest.raises(RejectedError, match="larger than 256 MB"):
        only.read()


def test_a_file_that_went_away_or_became_a_pipe_is_rejected_when_read(tmp_path, master):
    put(tmp_path, "anna.ipynb", "ben.ipynb")
    anna, ben = find_submissions(tmp_path, master)
    anna.path.unlink(), ben.path.unlink()
    os.mkfifo(ben.path)
    for each in (anna, ben):
        with pytest.raises(RejectedError):
            each.read()


class Listing(list):
    """What a folder held when it was listed."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    close = __exit__


def test_a_file_that_goes_away_meanwhile_does_not_take_the_others_with_it(tmp_path, master, monkeypatch):
    put(tmp_path, "anna.ipynb", "ben.ipynb", "cleo.ipynb")
    with os.scandir(tmp_path) as found_first:
        listing = Listing(found_first)
    (tmp_path / "ben.ipynb").unlink()
    monkeypatch.setattr(os, "scandir", lambda path: listing)
    by_name = found(tmp_path, master)
    assert list(by_name) == ["anna", "ben", "cleo"]
    assert [name for name, each in by_name.items() if each.problem] == ["ben"]


def test_what_lies_beside_a_notebook_belongs_to_it(tmp_path, master):
    put(tmp_path, "anna.ipynb", "ben.ipynb", **{"anna.pdf": b"x", "README.txt": b"x"})
    assert names(tmp_path, master) == ["anna", "ben"]
    put(tmp_path, **{"cleo.zip": zipped("04_sampling.ipynb", "helper.py", "data.txt")})
    (only,) = find_submissions(tmp_path / "cleo.zip", master)
    assert only.student == "cleo" and not only.problem


def test_a_folder_that_cannot_be_opened_is_one_students_problem(tmp_path, master, monkeypatch):
    put(tmp_path, "anna/04_sampling.ipynb", "ben/04_sampling.ipynb")
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("ben"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    by_name = found(tmp_path, master)
    assert not by_name["anna"].problem and "Permission denied" in by_name["ben"].problem
    with pytest.raises(GradingError, match="cannot be opened"):
        find_submissions(tmp_path / "ben", master)


def test_bad_calls_are_one_sentence(tmp_path, master):
    put(tmp_path, **{"a.pdf": b"%PDF", "b.zip": b"PK\3\4", "c.zip": b"no", "d/x.txt": b"x"})
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").mkdir()
    for name in ("nowhere", "a.pdf", "b.zip", "c.zip", "d", "pipe", "empty"):
        with pytest.raises(GradingError) as caught:
            find_submissions(tmp_path / name, master)
        assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a,b", 'q"uote', "=cmd()", "🦜" * 20, "\u202eevil", "line\nbreak", "-", "%s{}"])
def test_a_name_may_hold_anything(tmp_path, master, name):
    put(tmp_path, f"{name}/04_sampling.ipynb", "zz/04_sampling.ipynb")
    assert name in names(tmp_path, master)


def test_a_long_name_is_cut_and_bytes_that_are_no_text_are_replaced(tmp_path, master):
    put(tmp_path, **{"all.zip": zipped("x" * 5000 + ".ipynb", "_" * 60_000 + ".ipynb", "ben.ipynb")})
    submissions = find_submissions(tmp_path / "all.zip", master)
    assert [each.student for each in submissions] == ["_" * 200, "ben", "x" * 200]
    assert all(len(each.source) < 310 for each in submissions)
    put(tmp_path / "raw", **{os.fsdecode(b"M\xfcller.ipynb"): sheet(), "ben.ipynb": sheet()})
    submissions = find_submissions(tmp_path / "raw", master)
    assert [each.student for each in submissions] == ["M\ufffdller", "ben"]
    assert all(each.read() == sheet() and each.source.encode() for each in submissions)


def test_a_folder_nested_deeper_than_python_can_call_is_no_fault(tmp_path, master):
    put(tmp_path, "anna/04_sampling.ipynb", **{"ben.zip": zipped("/".join("d" * 2000) + "/x.ipynb")})
    put(tmp_path, "cleo/" + "d/" * 200 + "x.ipynb")
    by_name = found(tmp_path, master)
    assert (
        list(by_name) == ["anna", "ben", "cleo"]
        and not by_name["ben"].problem
        and "more than 20 deep" in by_name["cleo"].problem
    )


def test_half_a_letter_in_a_list_is_replaced(tmp_path, master):
    listed = rb'{"s": {"users": [{"name": "A\ud800"}, {"name": "B\udc00"}]}}'
    put(tmp_path, "s/04_sampling.ipynb", "t/04_sampling.ipynb", **{"submission_metadata.json": listed})
    submissions = find_submissions(tmp_path, master, [Student("Cleo", {})])
    assert [each.student for each in submissions] == ["A\ufffd", "B\ufffd", "t"]
    assert all(text.encode() for each in submissions for text in each.notes)


def test_the_same_folder_gives_the_same_list(tmp_path, master):
    put(tmp_path, *(f"{n}/04_sampling{c}.ipynb" for n in "zyxab" for c in ("", "-1", " (2)")), "q.ipynb", "r.ipynb")
    assert find_submissions(tmp_path, master) == find_submissions(tmp_path, master)
