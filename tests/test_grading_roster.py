"""Class lists as schools write them are read, names are matched where it is certain, and mistakes are named."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanochat_helpers.errors import GradingError
from nanochat_helpers.grading.submissions.roster import Matcher, Student, read_roster


def roster(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
    return read_roster(path)


def names(*arguments):
    return [each.name for each in roster(*arguments)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_encodings_and_separators(tmp_path, encoding, separator):
    text = 'name,id\r\n"Müller, Anna",7\r\nBen,8\r\n\r\n'.replace(",", separator).replace(f"r{separator} A", "r, A")
    assert roster(tmp_path, text, encoding) == [
        Student("Müller, Anna", {"name": "Müller, Anna", "id": "7"}),
        Student("Ben", {"name": "Ben", "id": "8"}),
    ]


@pytest.mark.parametrize(
    ("header", "row", "name"),
    [
        ("First name,Last name", "Anna,Ek", "Anna Ek"),
        ("Surname,Given name", "Ek,Anna", "Anna Ek"),
        ("Vorname,Nachname,E-Mail-Adresse", "Anna,Ek,a@x.org", "Anna Ek"),
        ("Prénom,Nom", "Anna,Ek", "Anna Ek"),
        ("Email", "a@x.org", "a@x.org"),
        ("points,username", "3,anna", "anna"),
        ("STUDENT NAME", "Anna", "Anna"),
    ],
)
def test_columns_by_many_names(tmp_path, header, row, name):
    assert names(tmp_path, f"{header}\n{row}\n") == [name]


def test_a_canvas_gradebook_is_read_as_it_is(tmp_path):
    text = (
        "Student,ID,SIS User ID,SIS Login ID,Section,Sheet 4 (99)\n,,,,,Manual Posting\n"
        '    Points Possible,,,,,10\n"Ek, Anna",12,U1,anna,A,\n"Student, Test",99,,abc,A,\n'
    )
    assert roster(tmp_path, text) == [
        Student(
            "Ek, Anna", {"Student": "Ek, Anna", "ID": "12", "SIS User ID": "U1", "SIS Login ID": "anna", "Section": "A"}
        )
    ]


def test_a_moodle_worksheet_is_read_as_it_is(tmp_path):
    text = 'Identifier,"Full name","Email address",Status,Grade\n"Participant 101","Anna Ek",a@x.org,"No submission",\n'
    (student,) = roster(tmp_path, text)
    assert student.name == "Anna Ek"
    assert Matcher([student]).find(["?"], {"moodle": "101"})[0] == student


def test_a_gradescope_roster_is_read_without_its_teachers(tmp_path):
    text = (
        "First Name,Last Name,SID,Email,Role\nAnna,Ek,17,a@x.org,Student\nTea,Cher,,t@x.org,Instructor\nT,A,,x@x,TA\n"
    )
    assert names(tmp_path, text) == ["Anna Ek"]


def test_excels_first_line_is_skipped(tmp_path):
    assert names(tmp_path, "sep=;\nname;id\nAnna;1\n") == ["Anna"]


def test_students_who_share_a_name_are_told_apart_by_an_id(tmp_path):
    assert names(tmp_path, "name,id\nAnna,1\nAnna,2\n") == ["Anna", "Anna (2)"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("name,id\n", "has no students"),
        ("points,grade\n1,2\n", "no column that names a student"),
        ("name,id\nAnna,1\n\n ,,\n,2x\n", ""),
        ("name,points\nAnna,1\n,2\n", "line 3, names no student"),
        ("name,id\nAnna,1\nBen,2,3\n", "line 3, has 3 cells, and the header 2"),
        ("name\nAnna\nBen\nAnna\n", "line 4, names 'Anna', who stands already in line 2"),
        ("name,id\nAnna,1\nAnna,1\n", "line 3, names 'Anna', who stands already in line 2"),
        ('name,id\nAnna,1\nBen,"2\n', "line 3, cannot be read"),
        ('name,id\n"A\nB",1\n,\n"C"x,2\n', "line 5, cannot be read"),
        (b"PK\3\4xlsx", "save it as CSV"),
        (b"name\nA\x81\xff\n", "not text"),
        ("name\n" + "x" * 140_000 + "\n", "line 2, cannot be read"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, text, says):
    if not says:
        assert names(tmp_path, text) == ["Anna", "2x"]
        return
    with pytest.raises(GradingError) as caught:
        roster(tmp_path, text)
    assert says in str(caught.value) and "list.csv" in str(caught.value)


def test_a_roster_that_is_not_there_is_named(tmp_path):
    for path in (tmp_path / "nowhere.csv", tmp_path):
        with pytest.raises(GradingError, match=r"The roster .* cannot be read"):
            read_roster(path)


def test_a_long_name_is_cut(tmp_path):
    assert names(tmp_path, f"name\n{'x' * 5000}\n") == ["x" * 200]


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_file_gives_students_or_one_sentence(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("any") / "list.csv"
    path.write_bytes(b"name,id\n" + raw)
    try:
        found = read_roster(path)
    except GradingError:
        return
    assert len({each.name for each in found}) == len(found) > 0


@pytest.mark.parametrize(
    "label",
    [
        "Anna-Lena Müller",
        "müller_anna-lena",
        "MUELLER, Anna Lena",
        "muller.anna.lena",
        "müllerannalena",
        "anna lena mueller",
    ],
)
def test_a_name_is_found_in_any_order_and_without_accents(label):
    student = Student("Anna-Lena Müller", {})
    assert Matcher([student, Student("Anna Müller", {})]).find([label]) == (student, "")


@pytest.mark.parametrize("label", ["Anna", "Müller", "Lena Müller", "", "annalen", "\u200b"])
def test_a_part_of_a_name_is_not_enough(label):
    assert Matcher([Student("Anna-Lena Müller", {})]).find([label]) == (None, "not in the roster")


def test_an_id_counts_before_a_name():
    anna, ben = Student("Anna", {"login": "ben"}), Student("Ben", {"login": "x"})
    assert Matcher([anna, ben]).find(["ben"])[0] == anna
    assert Matcher([anna, ben]).find(["Ben"], {"email": "nobody@x.org"})[0] == anna


def test_a_number_of_one_system_is_not_taken_for_that_of_another():
    student = Student("Anna", {"Student ID": "101", "ID": "55"})
    matcher = Matcher([student])
    assert matcher.find(["?"], {"moodle": "101"})[0] is None and matcher.find(["?"], {"canvas": "101"})[0] is None
    assert matcher.find(["?"], {"canvas": "55"})[0] == student == matcher.find(["?"], {"sid": "101"})[0]


def test_names_in_other_scripts_stay_apart():
    students = [Student(name, {}) for name in ("किरण", "करण", "李娜", "李那", "Ωμέγα")]
    matcher = Matcher(students)
    assert [matcher.find([each.name])[0] for each in students] == students


def test_two_who_fit_are_a_note_and_no_choice():
    matcher = Matcher([Student("Anna Ek", {"id": "1"}), Student("Ek, Anna", {"id": "2"})])
    student, note = matcher.find(["anna ek"])
    assert student is None and "more than one student of the roster (Anna Ek, Ek, Anna)" in note
