"""Reports say the same everywhere, hold student's text as text only, and leave no secret and no old file behind."""

import csv
import functools
import html
import inspect
import itertools
import json
import random
import re
import textwrap
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from test_views_tokens import Page

from nanochat_helpers.checks.diagnosis import examine, problem
from nanochat_helpers.checks.result import FAILED, CheckResult
from nanochat_helpers.errors import GradingError
from nanochat_helpers.grading.grades import (
    GRADED,
    INFRA_ERROR,
    MISSING,
    REJECTED,
    REVIEW,
    ExerciseGrade,
    Grade,
)
from nanochat_helpers.grading.master import find_master
from nanochat_helpers.grading.reports import Run, files, write_reports
from nanochat_helpers.grading.reports.pages import heading
from nanochat_helpers.grading.reports.text import cell, clean, file_name, one_line
from nanochat_helpers.grading.submissions.roster import Student

ROOT = Path(__file__).parents[1]
MASTER = find_master("03", ROOT)
RUN = Run("03", "Exercises 03 · The next token", "separate processes without network", "10 s, 1,024 MB", "0.1.0")
EVIL = "<script>alert(1)</script>\"'&\x00\x07\x1b[31m\u202egpj\ud800\ufffe]]> `x` {{ 7*7 }} {% raw %}"


def untouched(*_):
    raise NotImplementedError()


@functools.cache
def exercise_grade(place, kind):
    """A real result. kind: "right", "idle", "absent", or the place of a misconception."""
    exercise = MASTER.exercises[place]
    if kind == "absent":
        said = f"There is no function `{exercise.name}`: was it renamed?"
        return ExerciseGrade(problem(exercise, said), exercise.points, "def other(): ...\n")
    wrong = exercise.misconceptions
    function = {"right": exercise.reference, "idle": untouched}.get(kind) or wrong[kind % len(wrong)].wrong
    code = MASTER.stubs[exercise.id] if kind == "idle" else textwrap.dedent(inspect.getsource(function))
    return ExerciseGrade(examine(exercise, function), exercise.points, code)


def make(student, kinds="right", status=GRADED, answers=(), **more):
    """A student's grade. kinds: for each exercise what `exercise_grade` takes; one word for all of them."""
    places = range(len(MASTER.exercises))
    each = [kinds] * len(places) if isinstance(kinds, str) else kinds
    exercises = tuple(exercise_grade(place, kind) for place, kind in zip(places, each, strict=True))
    questions = tuple(
        replace(question, answer=answer)
        for question, answer in itertools.zip_longest(MASTER.questions, answers, fillvalue="")
    )
    return Grade(student, status, "03", exercises, questions, **more)


def absent(student, status):
    """A grade of somebody of whom nothing was graded."""
    return replace(make(student, "idle", status), notes=(), questions=MASTER.questions)


def some_class(n=30, seed=1):
    """A class as it may be: right, wrong in known ways, idle, and each status."""
    rng = random.Random(seed)
    kinds = ["right", "right", "right", "idle", 0, 0, 1, 2, "absent"]
    grades = [make(f"student{place:02}", [rng.choice(kinds) for _ in MASTER.exercises]) for place in range(n)]
    grades[1] = replace(
        make("Anna Müller", "right", REVIEW, ["Because it was met most often."]), source="Anna Müller/03.ipynb"
    )
    grades[2] = make("Zoë", "right", REVIEW, notes=("The answer cell of 03.2 is there twice: the last one was taken.",))
    grades[3] = replace(absent("Ben", REJECTED), notes=("03.ipynb is no notebook: it is not JSON (line 3).",))
    grades[4], grades[5] = absent("Cem", MISSING), absent("Dora", INFRA_ERROR)
    return grades


def write(out, grades, roster=(), run=RUN):
    write_reports(out, run, MASTER, iter(grades), roster)
    return out


def rows(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def every_file(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def grade_row(tmp_path, grade):
    return rows(write(tmp_path, [grade]) / "grades.csv")[0]


# --- tables


NUMBERS = [*(each.id for each in MASTER.exercises), *(each.number for each in MASTER.questions)]


def test_the_columns_are_those_of_the_contract(tmp_path):
    row = grade_row(tmp_path, make("anna"))
    assert list(row) == ["student", "status", "score", "max_score", *NUMBERS, "notes"] and "03.6" in NUMBERS


def test_points_are_those_of_the_exercises_that_passed(tmp_path):
    row = grade_row(tmp_path, make("anna", ["right", 0, "idle", "absent", "right"]))
    first, last = MASTER.exercises[0], MASTER.exercises[-1]
    assert row["score"] == str(first.points + last.points)
    assert [row[each.id] for each in MASTER.exercises] == [str(first.points), "0", "0", "0", str(last.points)]
    assert int(row["max_score"]) == make("anna").max_score


@pytest.mark.parametrize("status", [MISSING, INFRA_ERROR])
def test_what_was_not_graded_has_no_points_not_even_zero(tmp_path, status):
    out = write(tmp_path, [absent("anna", status)])
    row = rows(out / "grades.csv")[0]
    assert row["status"] == status and row["score"] == "" and all(row[number] == "" for number in NUMBERS)
    assert int(row["max_score"]) == make("anna").max_score
    assert rows(out / "canvas.csv")[1][RUN.title] == "" and rows(out / "moodle.csv")[0]["Grade"] == ""
    assert not (out / "gradescope").exists()


def test_a_grade_without_exercises_has_the_same_maximum(tmp_path):
    row = grade_row(tmp_path, Grade("anna", REJECTED, "03", (), notes=("it is empty",)))
    assert (row["score"], row["max_score"]) == ("0", str(make("anna").max_score))
    assert row["notes"] == "it is empty"


def test_an_answer_that_a_teacher_reads_has_an_empty_cell(tmp_path):
    question = MASTER.questions[0].number
    assert grade_row(tmp_path / "1", make("anna", "right", REVIEW, ["so"]))[question] == ""
    assert grade_row(tmp_path / "2", make("anna"))[question] == "0"


def test_notes_name_each_exercise_that_failed(tmp_path):
    notes = grade_row(tmp_path, make("anna", [0, "right", "right", "right", "idle"], notes=("Cell 3 is new.",)))[
        "notes"
    ]
    assert notes.startswith("Cell 3 is new. | 03.1: ")
    assert exercise_grade(0, 0).result.misconception in notes
    assert notes.endswith(" | 03.5: not attempted")
    assert "03.2" not in notes


def test_the_same_grades_in_another_order_give_the_same_files(tmp_path):
    grades = some_class()
    one = every_file(write(tmp_path / "one", grades))
    other = every_file(write(tmp_path / "other", random.Random(3).sample(grades, len(grades))))
    assert one == other
    assert [row["student"] for row in rows(tmp_path / "one" / "grades.csv")] == sorted(each.student for each in grades)


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@x", "\tx", "\rx", "＝1", " =1"])
@pytest.mark.parametrize("table", ["grades.csv", "canvas.csv", "moodle.csv"])
def test_no_cell_is_a_formula(tmp_path, name, table):
    grade = make(name, "right", REVIEW, notes=(f"{name} is new",))
    roster = [Student(name, {"ID": name, "Email address": name, "Section": name, "Last modified (grade)": name})]
    for row in rows(write(tmp_path, [grade], roster) / table):
        assert not [value for value in row.values() if value.startswith(tuple("=+@\t\r＝")) or value == "-1"]


def test_a_name_with_a_comma_a_quote_and_a_line_break_is_one_cell(tmp_path):
    out = write(tmp_path, [make('Zoë "Z", B.\nsecond line')])
    assert rows(out / "grades.csv")[0]["student"] == 'Zoë "Z", B. second line'
    assert (out / "grades.csv").read_bytes().count(b"\n") == 2


def test_canvas_gets_its_ids_its_points_possible_and_the_points(tmp_path):
    roster = [Student("anna", {"id": "17", "SIS User ID": "u17", "SIS Login ID": "anna@x", "Section": "B"})]
    possible, anna = rows(write(tmp_path, [make("anna")], roster) / "canvas.csv")
    assert list(anna) == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", RUN.title]
    assert "Points Possible" in possible["Student"] and possible[RUN.title] == str(make("anna").max_score)
    assert list(anna.values()) == ["anna", "17", "u17", "anna@x", "B", str(make("anna").score)]


def test_a_number_of_another_system_is_not_taken_for_canvas_own(tmp_path):
    assert rows(write(tmp_path / "1", [make("anna")], [Student("anna", {"ID": "17"})]) / "canvas.csv")[1]["ID"] == ""
    roster = [Student("anna", {"Canvas ID": "17"})]
    assert rows(write(tmp_path / "2", [make("anna")], roster) / "canvas.csv")[1]["ID"] == "17"


def test_moodle_gets_what_its_import_looks_for(tmp_path):
    ids = {"Identifier": "Participant 12", "Full name": "Anna M.", "Email address": "a@x.org", "Status": "Submitted"}
    row = rows(write(tmp_path, [make("anna", 5 * [0])], [Student("anna", ids)]) / "moodle.csv")[0]
    assert {key: row[key] for key in ids} == ids
    assert row["Grade"] == "0" and row["Last modified (grade)"] == "-"
    assert row["Maximum Grade"] == str(make("anna").max_score)
    assert "03.1" in row["Feedback comments"] and "Hint: " in row["Feedback comments"]


def test_moodle_shows_what_a_student_wrote_as_text(tmp_path):
    feedback = rows(write(tmp_path, [evil_grade()]) / "moodle.csv")[0]["Feedback comments"]
    assert "<script" not in feedback and "&lt;script&gt;" in feedback


# --- text from students


def evil_grade(student=EVIL):
    result = CheckResult("03.1", EVIL, FAILED, EVIL, 0, 1, EVIL, EVIL, EVIL, EVIL, EVIL, (EVIL,), (EVIL,))
    grade = make(student, "right", REVIEW, [EVIL], notes=(EVIL,), source=EVIL)
    return replace(grade, exercises=(ExerciseGrade(result, 2, EVIL), *grade.exercises[1:]))


def test_what_a_student_wrote_is_shown_as_text_on_every_page(tmp_path):
    out = write(tmp_path, [evil_grade(), replace(evil_grade("other"), key="2")])
    pages = list(out.rglob("*.html"))
    assert len(pages) == 4
    for path in pages:
        text = path.read_text("utf-8")
        assert "<script" not in text and "alert(1)" in text, path
        assert "49" not in Page(text).text.split(), path
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text), path


def test_junit_is_xml_whatever_a_student_wrote(tmp_path):
    tree = ET.parse(write(tmp_path, [evil_grade(), *some_class(8)]) / "junit.xml").getroot()
    cases = list(tree.iter("testcase"))
    assert int(tree.get("tests")) == len(cases) == 9 * len(MASTER.exercises)
    for name, tag in {"failures": "failure", "errors": "error", "skipped": "skipped"}.items():
        assert int(tree.get(name)) == len(list(tree.iter(tag))) > 0
        assert int(tree.get(name)) == sum(int(suite.get(name)) for suite in tree)
    assert "<script>alert(1)</script>" in tree.find(".//failure").text


def test_junit_has_no_failure_for_what_was_never_graded(tmp_path):
    grades = [absent("anna", MISSING), absent("ben", INFRA_ERROR)]
    tree = ET.parse(write(tmp_path, grades) / "junit.xml").getroot()
    n = str(len(MASTER.exercises))
    assert [(suite.get("failures"), suite.get("skipped"), suite.get("errors")) for suite in tree] == [
        ("0", n, "0"),
        ("0", "0", n),
    ]


def test_a_very_long_text_is_cut(tmp_path):
    long = 100_000 * "x"
    result = CheckResult("03.1", long, FAILED, long, 0, 1, long, long, long, long, long, (long,), (long,))
    grade = make(long, "right", REVIEW, [long], notes=(long,), source=long)
    grade = replace(grade, exercises=(ExerciseGrade(result, 2, "x = 1"), *grade.exercises[1:]))
    for name, data in every_file(write(tmp_path, [grade])).items():
        assert len(data) < 60_000, name
        assert "…".encode() in data or name.endswith((".py", "similar.html", ".nanochat_reports")), name


def test_clean_text_keeps_what_is_harmless():
    text = "naïve 汉字 עברית 👩‍👩‍👧\n\tx = 'a'"
    assert clean(text) == text
    assert clean("a\r\nb\x00\x9b\u2028\udc80") == "a\nb␀‹U+009B›‹U+2028›‹U+DC80›"
    assert one_line("a\n b\t c") == "a b c"
    assert (cell(None), cell(3), cell("x")) == ("", 3, "x")


# --- files


def test_names_of_files_are_safe_and_never_the_same():
    names = ["anna", "Anna", "ANNA", "anna ", "an na", "an-na", "..", "../anna", "/etc/passwd", "", " ", "con", "COM1"]
    names += [
        "a" * 500,
        "a" * 501,
        "汉" * 300,
        "é",
        "e\u0301",
        "\udcff",
        "a\0b",
        ".hidden",
        "anna\n",
        "x" * 60,
        "x" * 61,
    ]
    names += [file_name("Anna"), "nul", "nul.html", "a/b", "a\\b", "a:b", "ﬁ", "fi"]
    made = [file_name(name) for name in names]
    assert len({name.casefold() for name in made}) == len(names)
    for name in made:
        assert 0 < len(name.encode()) <= 100
        assert not set(name) & set('/\\:*?"<>|. \0\n') and name not in ("con", "nul", "com1")
    assert file_name("s1234_b") == "s1234_b" and file_name("Anna B.").startswith("anna-b-")


def test_two_sheets_under_one_name_have_files_of_their_own(tmp_path):
    out = write(tmp_path, [make("anna", source="a"), make("anna", 5 * [0], source="b")])
    assert len(list((out / "students").iterdir())) == 2 and len(rows(out / "grades.csv")) == 2


def test_a_new_run_removes_what_the_last_one_wrote_and_nothing_else(tmp_path):
    mine = tmp_path / "students" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("keep me")
    write(tmp_path, [make("anna"), make("ben")])
    write(tmp_path, [make("anna")])
    assert every_file(tmp_path).pop("students/mine.txt") == b"keep me"
    mine.unlink()
    assert every_file(tmp_path) == every_file(write(tmp_path / "new", [make("anna")]))


def test_a_run_that_broke_off_is_cleaned_up_by_the_next_one(tmp_path):
    def broken():
        yield make("ben")
        raise KeyboardInterrupt

    write(tmp_path, [make("anna")])
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, broken())
    assert (tmp_path / "students" / "ben.html").exists()
    write(tmp_path, [make("anna")])
    assert not (tmp_path / "students" / "ben.html").exists() and not (tmp_path / "gradescope" / "ben").exists()


def test_a_list_of_files_that_somebody_changed_removes_nothing_outside(tmp_path):
    outside = tmp_path / "outside.txt"
    outside.write_text("x")
    out = write(tmp_path / "out", [make("anna")])
    (out / files.LIST).write_text("students/../../outside.txt\n../outside.txt\n/etc/x\ngrades.csv\nmine/a\n\x00\n")
    write(out, [make("anna")])
    assert outside.exists()


def test_a_file_that_cannot_be_written_is_one_clear_sentence(tmp_path):
    (tmp_path / "grades.csv").mkdir()
    with pytest.raises(GradingError, match=r"grades\.csv cannot be written"):
        write(tmp_path, [make("anna")])
    (tmp_path / "file").write_text("")
    with pytest.raises(GradingError, match="cannot be written"):
        write(tmp_path / "file", [make("anna")])


def test_an_old_file_stays_whole_until_the_new_one_is(tmp_path):
    with files.Folder(tmp_path) as folder:
        folder.write("grades.csv", "old")

    def parts():
        yield "new"
        assert (tmp_path / "grades.csv").read_text() == "old"
        raise OSError(28, "No space left on device")

    with files.Folder(tmp_path) as folder, pytest.raises(GradingError, match="No space left"):
        folder.write("grades.csv", parts())
    assert (tmp_path / "grades.csv").read_text() == "old"


# --- answers, Gradescope


def test_answers_are_written_as_handed_in(tmp_path):
    out = write(tmp_path, [make("Anna\nB", ["right", "idle", 0, "absent", "right"])])
    name = file_name("Anna\nB")
    assert {path.parent.name for path in (out / "answers").rglob("*.py")} == {"03.1", "03.3", "03.4", "03.5"}
    head, _, code = (out / "answers" / "03.3" / f"{name}.py").read_text("utf-8").partition("\n")
    assert head == f"# 03.3 · Anna B · failed · 0 of {MASTER.exercises[2].points} points"
    assert code == exercise_grade(2, 0).code


def test_where_nothing_was_written_there_is_no_answer(tmp_path):
    grade = make("anna", "idle")
    empty = tuple(replace(each, code=" \n") for each in grade.exercises)
    write(tmp_path, [grade, replace(grade, student="ben", exercises=empty)])
    assert not (tmp_path / "answers").exists()


def test_gradescope_gets_a_test_for_each_exercise(tmp_path):
    grade = make("anna", ["right", 0, "idle", "right", "right"], REVIEW, ["so"], notes=("Cell 3 is new.",))
    data = json.loads((write(tmp_path, [grade]) / "gradescope" / "anna" / "results.json").read_text("utf-8"))
    assert data["score"] == grade.score and data["output_format"] == data["test_output_format"] == "text"
    assert "Cell 3 is new." in data["output"]
    right, wrong, *_, question = data["tests"]
    points = MASTER.exercises[0].points
    assert (right["score"], right["max_score"], right["status"]) == (points, points, "passed")
    assert (wrong["score"], wrong["status"], wrong["visibility"]) == (0, "failed", "visible")
    assert "Hint: " in wrong["output"] and "expected: " in wrong["output"]
    assert question["output"] == "Your teacher reads it." and "score" not in question


# --- pages


def student_text(tmp_path, grade):
    return Page((write(tmp_path, [grade]) / "students" / f"{file_name(grade.student)}.html").read_text("utf-8")).text


def test_a_students_page_says_what_was_asked_what_came_and_the_hint(tmp_path):
    grade = make("Anna B.", [0, "right", "idle", "absent", "right"])
    text = " ".join(student_text(tmp_path, grade).split())
    result = grade.exercises[0].result
    plain = " ".join(result.sentence.replace("`", "").split())
    begin = ["Anna B.", RUN.title, f"{grade.score} of {grade.max_score} points"]
    words = [
        *begin,
        "03.1",
        "0 of",
        "Asked for:",
        MASTER.exercises[0].signature,
        plain,
        "call",
        "expected",
        "got",
        "Hint:",
    ]
    places = list(itertools.accumulate(words, lambda place, word: text.find(word, place), initial=0))
    assert -1 not in places


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (REVIEW, "still looks at"),
        (REJECTED, "could not be read"),
        (MISSING, "Nothing was handed in"),
        (INFRA_ERROR, "not your fault"),
    ],
)
def test_a_students_page_says_what_a_status_means(tmp_path, status, says):
    text = student_text(tmp_path, absent("anna", status))
    assert says in text
    assert ("0 of 16 points" in text) == (status in (REJECTED, REVIEW))
    assert ("Asked for" in text) == (status == REVIEW)


def test_points_that_are_final_are_not_called_so_far(tmp_path):
    text = student_text(tmp_path, make("anna"))
    assert "13 of 16 points" in text and "so far" not in text


def test_a_question_is_named_without_its_points_which_stand_beside_it():
    titles = ["03.6 · Why?", "03.6 · Why? (3 points)", "03.6 · Why? (3 points, read by your teacher)"]
    assert {heading(title) for title in titles} == {"03.6 · Why?"}
    assert heading("Why (really)") == "Why (really)"


def test_an_answer_to_a_question_is_shown_to_its_student(tmp_path):
    text = student_text(tmp_path, make("anna", "right", REVIEW, ["Because <b> is\nfrequent."]))
    assert "Your teacher reads it." in text and "Because <b> is\nfrequent." in text


def test_a_students_page_tells_nothing_about_others_or_the_teachers_disk(tmp_path):
    grades = [make("anna", source="/home/teacher/class/anna.ipynb", key="k3y"), make("berta")]
    page = (write(tmp_path, grades) / "students" / "anna.html").read_text("utf-8")
    assert "berta" not in page and "teacher/" not in page and "k3y" not in page
    for exercise in MASTER.exercises:
        assert inspect.getsource(exercise.reference) not in html.unescape(page)


def test_pages_need_no_script_and_no_network(tmp_path):
    for path in write(tmp_path, some_class()).rglob("*.html"):
        text = path.read_text("utf-8")
        assert not re.search(r"<script|https?://|@import|url\(|\bon\w+=", text), path
        assert '<html lang="en">' in text and 'name="viewport"' in text and text.count("<h1>") == 1, path


def class_text(tmp_path, grades):
    return " ".join(Page((write(tmp_path, grades) / "class.html").read_text("utf-8")).text.split())


def test_the_class_page_counts_each_exercise(tmp_path):
    grades = [
        make(f"s{n}", [kind, "right", "right", "right", "right"]) for n, kind in enumerate([0, 0, 1, "absent", "idle"])
    ]
    text = class_text(tmp_path, [*grades, absent("x", MISSING), absent("y", INFRA_ERROR), absent("z", REJECTED)])
    assert "8 students 5 graded 0 to look at 1 not readable 1 missing 1 to grade again" in text
    assert "✔ 0 passed ✘ 4 failed ○ 1 not tried (1 of the failed could not be run)" in text
    assert "✔ 5 passed ✘ 0 failed ○ 0 not tried" in text


def test_what_to_teach_again_is_what_most_students_misunderstood(tmp_path):
    grades = [
        make(f"s{n}", [1 if n < 3 else "right", 0 if n < 5 else 1, 2 if n < 1 else "right", "right", "right"])
        for n in range(6)
    ]
    text = class_text(tmp_path, grades)
    teach = text[text.index("Teach again tomorrow") : text.index("Exercise by exercise")]
    second, first = MASTER.exercises[1].misconceptions[0].name, MASTER.exercises[0].misconceptions[1].name
    assert teach.index(f"{second} · 5 of 6 students · 03.2") < teach.index(f"{first} · 3 of 6 students · 03.1")
    assert teach.count("Their hint:") == 3
    assert "No misunderstanding" in class_text(tmp_path, [make("anna")])


def test_the_class_page_lists_what_to_look_at_and_leads_there(tmp_path):
    out = write(tmp_path, some_class())
    text = (out / "class.html").read_text("utf-8")
    links = [html.unescape(link) for link in re.findall(r'href="([^"]+)"', text)]
    from urllib.parse import unquote

    assert all((out / unquote(link)).is_file() for link in links)
    assert {unquote(link) for link in links} >= {"similar.html", f"students/{file_name('Anna Müller')}.html"}
    assert "it is not JSON (line 3)" in text and "a teacher reads the answer" in text and RUN.sandbox in text


def test_the_picture_of_points_has_every_student_once(tmp_path):
    grades = [make(f"s{n}", [kind, *(4 * ["right"])]) for n, kind in enumerate(["right", 0, 0])]
    text = (write(tmp_path, grades) / "class.html").read_text("utf-8")
    numbers = [int(number) for number in re.findall(r'class="number">(\d+)<', text)]
    assert sum(numbers) == 3 and len(numbers) <= 11


def test_no_submissions_at_all_give_empty_reports(tmp_path):
    out = write(tmp_path, [])
    assert rows(out / "grades.csv") == [] and "0 students" in Page((out / "class.html").read_text("utf-8")).text
