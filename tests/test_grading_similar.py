"""Answers that are the same after renaming are found, others are not, and easy ones are told apart."""

import tracemalloc
from dataclasses import replace

import pytest
from test_grading_reports import MASTER, RUN, Page, make, write

from nanochat_helpers.grading.grades import REJECTED, Grade
from nanochat_helpers.grading.reports import write_reports
from nanochat_helpers.grading.reports.files import Folder
from nanochat_helpers.grading.reports.normal import LONGEST, form
from nanochat_helpers.grading.reports.similar import FEW, Similar, pairs

ANSWER = '''def surprise(prob):
    """How surprised one is."""
    halvings = 0  # counted one by one
    while prob < 1:
        prob = prob * 2
        halvings = halvings + 1
    return -math.log2(prob) + halvings
'''
RENAMED = """def f(p, unused_text=None) -> float:
    n: int = 0
    while p < 1:

        p = (p * 2)
        n = n + 1
    return -math.log2(p) + n
""".replace(", unused_text=None", "")
OTHER = ANSWER.replace("halvings + 1", "halvings - 1")
ID = MASTER.exercises[0].id


def same(one, other):
    return form(one).digest == form(other).digest


def with_code(student, *codes):
    """A grade of somebody who handed in this code for the first exercises, and nothing for the others."""
    grade = make(student)
    all_codes = [*codes, *[""] * (len(grade.exercises) - len(codes))]
    return replace(
        grade,
        exercises=tuple(replace(each, code=code) for each, code in zip(grade.exercises, all_codes, strict=True)),
    )


def groups_of(tmp_path, grades):
    with Folder(tmp_path) as folder:
        similar = Similar(folder, MASTER, RUN.title)
    for grade in grades:
        similar.add(grade, grade.student)
    return {exercise.id: similar.groups(exercise.id) for exercise in MASTER.exercises}


# --- the form


def test_names_comments_docstrings_annotations_and_spaces_do_not_count():
    assert same(ANSWER, RENAMED)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ANSWER, OTHER),
        ("x = 'a'", "x = 'b'"),
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("y = x[:k]", "y = x[k:]"),
        ("if a:\n    f()\ng()", "if a:\n    f()\n    g()"),
        ("y = sum(x)", "y = max(x)"),
        ("y = x.sum()", "y = x.max()"),
        ("def f(a, b): return a - b", "def f(a, b): return b - a"),
        ("f(dim=0)", "f(keepdim=0)"),
        ("a + b", "a * b"),
        ("def f(a): return a", "def f(*a): return a"),
        ("x = [a, b]", "x = (a, b)"),
        ("x = f(a)(b)", "x = f(a, b)"),
        ("x = [1, [2], 3]", "x = [1, [2, 3]]"),
    ],
)
def test_code_that_does_something_else_has_another_form(one, other):
    assert not same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("import torch as t\nt.sum()", "import torch as th\nth.sum()"),
        ("def f(a): return a\nf(a=1)", "def g(b): return b\ng(b=1)"),
        ("x: int = 1", "y = 1"),
        ("x: int\nx = 1", "y = 1"),
        ("try: f()\nexcept E as e: raise e", "try: f()\nexcept E as error: raise error"),
        ("[a for a in x]", "[b for b in x]"),
        ("def f():\n global a\n a = 1", "def g():\n global b\n b = 1"),
        ("match x:\n case [a, *b]: print(a, b)", "match x:\n case [c, *d]: print(c, d)"),
        ("lambda a: a", "lambda b: b"),
        ("if (n := f()): print(n)", "if (m := f()): print(m)"),
        ("x = r'\\d'", "y = '\\\\d'"),
        ("x = '\\d'", "y = '\\d'"),
    ],
)
def test_each_way_to_make_a_name_is_known(one, other):
    assert same(one, other)


def test_code_that_is_no_python_is_compared_by_its_words():
    one = "def f(first:\n    !pip list\n    total = len(first)  # why\n    return total.sum('a')"
    assert same(one, "def g(a:\n  !pip list\n  b = len(a)\n  return b.sum('a')")
    assert not same(one, one.replace("len", "sum"))
    assert not same(one, one.replace("'a'", "'b'"))
    assert not same(one, one.replace(".sum", ".max"))


@pytest.mark.parametrize(
    "code",
    ["(" * 3000, "x=" * 3000, "a" + ".b" * 20_000, "-" * 40_000 + "1", "x=0x" + "f" * 20_000, "a\0b", "\ud800='a'"]
    + ["lambda:" * 5000 + "1", "'" * 40_000, '"""' * 9999, "\\" * 9000, "f'{" * 900, "", "x = '\\d'"]
    + ["x" * (LONGEST + 1)],
)
def test_no_code_breaks_it(code):
    assert len(form(code).digest) == 16


# --- the page


def test_copied_answers_are_shown_with_the_names_of_their_students(tmp_path):
    grades = [with_code("anna", ANSWER), with_code("ben", RENAMED), with_code("cem", OTHER), make("dora", "idle")]
    text = " ".join(Page((write(tmp_path, grades) / "similar.html").read_text("utf-8")).text.split())
    assert "The same code is no proof." in text
    assert "2 students: anna, ben The same after renaming. These answers are right." in text
    assert "while prob < 1:" in text and "# counted one by one" in text
    assert "cem" not in text and "dora" not in text


def test_the_same_to_the_letter_is_told_apart(tmp_path):
    (group,) = groups_of(tmp_path, [with_code("anna", ANSWER), with_code("ben", ANSWER + "\n")])[ID]
    assert group.to_the_letter and group.passed and group.reason == ""


def test_untouched_and_missing_answers_are_no_copies(tmp_path):
    renamed_stub = MASTER.stubs[ID].replace("prob", "p")
    grades = [make("anna", "idle"), make("ben", "idle"), with_code("c", ""), with_code("d", " \n"), with_code("e", "")]
    grades += [with_code("f", renamed_stub), with_code("g", renamed_stub), Grade("h", REJECTED, "03", ())]
    assert not any(groups_of(tmp_path, grades).values())


def test_a_short_answer_is_to_be_expected(tmp_path):
    short = "def surprise(prob):\n    return -math.log2(prob)\n"
    assert form(short).size < FEW <= form(ANSWER).size
    (group,) = groups_of(tmp_path, [with_code("anna", short), with_code("ben", short)])[ID]
    assert "so short" in group.reason
    text = (write(tmp_path, [with_code("anna", short), with_code("ben", short)]) / "similar.html").read_text("utf-8")
    assert "To be expected" in text and "No answers are strikingly the same." in text and "anna" not in text


@pytest.mark.parametrize(("n_same", "n_all", "expected"), [(4, 10, True), (3, 10, False), (4, 9, False)])
def test_what_many_of_a_class_share_is_to_be_expected(tmp_path, n_same, n_all, expected):
    grades = [with_code(f"same{n}", ANSWER) for n in range(n_same)]
    grades += [with_code(f"own{n}", ANSWER.replace("* 2", f"* {n + 3}")) for n in range(n_all - n_same)]
    (group,) = groups_of(tmp_path, grades)[ID]
    assert (group.reason == f"which is that of {n_same} among {n_all}") == expected
    assert len(group.members) == n_same


def test_students_who_share_several_answers_come_first(tmp_path):
    grades = [with_code("anna", ANSWER, OTHER), with_code("ben", RENAMED, OTHER), with_code("cem", ANSWER)]
    found = [group for groups in groups_of(tmp_path, grades).values() for group in groups]
    assert pairs(found) == [(("anna", "anna"), ("ben", "ben"), 2)]
    text = " ".join(Page((write(tmp_path, grades) / "similar.html").read_text("utf-8")).text.split())
    assert "In more than one exercise" in text and "anna and ben2" in text and "and cem" not in text


def test_a_large_class_is_held_as_small_rows(tmp_path):
    """What is kept of a class does not grow with what they wrote."""
    note = 50_000 * "x"

    def grades():
        for n in range(100):
            yield replace(with_code(f"s{n}", f"{ANSWER}# {n} {note}"), notes=(note,))

    tracemalloc.start()
    write_reports(tmp_path, RUN, MASTER, grades())
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8e6
