"""What is handed in, and what must come out: each case is a notebook made of the real sheet 04, with its points, its
status and what is said. A is its first exercise (2 points), B its fifth (3 points).
"""

import csv
import io
import json
import random
from contextlib import closing

import pytest
from example_answers import answers_of
from example_faults import BROKEN, RIGHT_CODE, WRONG_CODE
from grading_notebooks import ALL, CODE_A, CODE_B, HEAD_A, A, B, Desk, right, said, with_answers
from handed_in import read

from nanochat_helpers.grading.grades import REJECTED, REVIEW
from nanochat_helpers.grading.reports import Run, write_reports
from nanochat_helpers.grading.sheets import cell_of


@pytest.fixture(scope="module")
def desk():
    """Where sheet 04 is graded."""
    desk = Desk("04", 2, (A,))
    yield desk
    desk.close()


@pytest.fixture
def exercise(desk):
    """Exercise A."""
    return desk.master.exercises[0]


@pytest.fixture
def both():
    """A sheet with the right answers to A and B."""
    return with_answers({A: CODE_A, B: CODE_B})


# --- right, or not tried


def test_a_right_sheet_that_was_never_run_has_all_points(desk):
    notebook = read("04", "solutions")
    assert all(each.get("execution_count") is None for each in notebook["cells"])
    grade = desk.grade(notebook, passed=ALL)
    assert (grade.score, grade.notes) == (17, ())


def test_an_untouched_sheet_was_not_attempted_and_is_not_wrong(desk):
    grade = desk.grade(read("04"))
    assert (desk.statuses(grade), grade.notes) == ({}, ())
    assert "Write `draw` where" in said(grade, B)


def test_one_right_answer_has_its_points(desk):
    grade = desk.grade(with_answers({A: CODE_A}), passed=(A,))
    assert desk.statuses(grade) == {A: "passed"}


def test_the_second_solutions_have_all_points_too(desk):
    codes = answers_of("04").right
    desk.grade(with_answers({each: codes[each][-1] for each in ALL}), passed=ALL)


@pytest.mark.parametrize("mistake", answers_of("04").wrong[A])
def test_a_misconception_has_no_points_and_its_hint(desk, mistake):
    grade = desk.grade(with_answers({A: answers_of("04").wrong[A][mistake], B: CODE_B}), passed=(B,))
    known = next(each for each in desk.master.exercises[0].misconceptions if each.name == mistake)
    assert known.hint in said(grade, A)


def test_a_question_waits_for_a_teacher():
    notebook = with_answers({"03.1": right("03.1")})
    with closing(Desk("03", 2, ("03.1",))) as desk:
        (question,) = desk.master.questions
        target = next(each for each in notebook["cells"] if each["metadata"]["nbgrader"]["grade_id"] == question.id)
        target["source"] = "Because the second one has *less* to choose from."
        grade = desk.grade(notebook, passed=("03.1",), status=REVIEW)
    assert (grade.score, grade.max_score) == (1, 16)
    assert grade.questions[0].answer == target["source"]


# --- careless code, by the faults that the example class has

SAID = {
    "syntax error": "The answer cell is no Python yet (line 1: `def apply_temperature",
    "renamed function": "found `my_apply_temperature`; did you mean `apply_temperature`",
    "prints instead of returning": "and returned None: print only shows a value, `return` gives it back",
    "forgot to return": "returned None; did you forget `return`",
    "missing import": "name 'pd' is not defined",
    "input() in the cell": "EOF when reading a line. It waits for somebody to type (input()), and here nobody does",
    "input() in the function": "It waits for somebody to type (input())",
    "one parameter too many": "it should have (logits, temperature)",
    "async def": "leave out `async`",
    "sys.exit in the function": "It ends Python itself (SystemExit)",
    "does not use its parameters": "It should be a tensor, but it is a whole number",
}


@pytest.mark.parametrize("fault", WRONG_CODE)
def test_a_fault_in_one_answer_leaves_the_others_graded(desk, exercise, fault):
    grade = desk.grade(with_answers({A: WRONG_CODE[fault](exercise, CODE_A), B: CODE_B}), passed=(B,))
    assert desk.statuses(grade) == {A: "failed", B: "passed"}
    assert SAID[fault] in said(grade, A)


@pytest.mark.parametrize("oddity", RIGHT_CODE)
def test_odd_but_right_code_has_all_points(desk, exercise, oddity):
    desk.grade(with_answers({A: RIGHT_CODE[oddity](exercise, CODE_A), B: CODE_B}), passed=(A, B))


def test_sys_exit_in_a_cell_costs_that_exercise_alone(desk):
    grade = desk.grade(with_answers({A: f"import sys\nsys.exit()\n{CODE_A}", B: CODE_B}), passed=(B,))
    assert "ends Python itself (line 2: `sys.exit()`): take that line out" in said(grade, A)


def test_a_loop_without_end_costs_that_exercise_alone(desk):
    code = f"{HEAD_A}    while True:\n        pass\n"
    grade = desk.grade(with_answers({A: code, B: CODE_B}), passed=(B,))
    assert "It took over 2 s. Is there a loop that never ends" in said(grade, A)


def test_a_loop_without_end_in_the_cell_is_told_from_one_in_the_function(desk):
    grade = desk.grade(with_answers({A: f"while True:\n    pass\n{CODE_A}", B: CODE_B}), passed=(B,))
    assert "In the answer cell of 04.1, before the function could be called, it took over 2 s" in said(grade, A)


@pytest.mark.parametrize(
    "line",
    ["bytearray(100 * 10**9)", "[0] * 10**11", "torch.zeros(25 * 10**9)", "numpy.ones(10**11)"],
)
def test_100_gb_are_too_much(desk, line):
    grade = desk.grade(with_answers({A: f"import numpy\n{HEAD_A}    return {line}\n", B: CODE_B}), passed=(B,))
    assert "It took over 512 MB of memory" in said(grade, A)


def test_printing_without_end_is_stopped(desk):
    grade = desk.grade(with_answers({A: f"{HEAD_A}    while True:\n        print('x' * 999)\n"}))
    assert "It printed far too much, and was stopped" in said(grade, A)
    assert len(said(grade, A)) < 2000


@pytest.mark.parametrize("line", ["!pip install numpy", "%pip install numpy", "!!pip list", "names = !pip list"])
def test_what_needs_the_network_fails_at_once(desk, line):
    grade = desk.grade(with_answers({A: f"{line}\n{CODE_A}", B: CODE_B}), passed=(B,))
    assert "the network is off" in said(grade, A)


def test_a_connection_fails_at_once(desk):
    code = f"import urllib.request\n{HEAD_A}    return urllib.request.urlopen('http://127.0.0.1:9/')\n"
    grade = desk.grade(with_answers({A: code, B: CODE_B}), passed=(B,), status=REVIEW)
    assert "the network is off while a sheet is graded" in said(grade, A)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (".numpy()", "it is a numpy array: torch.from_numpy(…).float()"),
        (".tolist()", "it is a list: torch.tensor(…)"),
        (".double()", "should hold float32, but it holds float64"),
        ("[None]", "should have the shape (3,), but it has (1, 3)"),
        (".to_sparse()", "should be a tensor, but"),
        (".to('meta')", "should be a tensor, but"),
        (".to(torch.complex64)", "should hold float32, but it holds complex64"),
        ("* float('nan')", "it is nan (not a number"),
        (".cuda()", "It stopped with AssertionError"),
    ],
)
def test_a_nearly_right_tensor_has_no_points(desk, value, word):
    given = f"{HEAD_A}    return right(logits, temperature){value}\n"
    code = f"{CODE_A.replace('def apply_temperature', 'def right')}\n\n{given}"
    grade = desk.grade(with_answers({A: code, B: CODE_B}), passed=(B,))
    assert word in said(grade, A)


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("float", "it is 2.0: int(…)"),
        ("str", "it is a text: int(…)"),
        ("bool", "it is True or False"),
        ("torch.tensor", "it is a tensor: .item()"),
        ("numpy.int64", "it is a numpy number: int(…)"),
    ],
)
def test_a_nearly_right_number_has_no_points(desk, kind, word):
    code = "import numpy\n" + CODE_B.replace("return token_id", f"return {kind}(token_id)")
    assert word in said(desk.grade(with_answers({A: CODE_A, B: code}), passed=(A,)), B)


def test_what_an_answer_is_given_must_stay_as_it_is(desk):
    code = f"{HEAD_A}    logits /= temperature or 1\n    return logits\n"
    assert "It changes `logits`" in said(desk.grade(with_answers({A: code})), A)


# --- files that are no sheet

WHY = {
    "empty": "The file is empty",
    "cut": "JSON, line ",
    "merge markers": "git joined two versions",
    "HTML page": "it looks like a web page",
    "another sheet": "and sheet 04 is graded. Hand in exercises/04_sampling.ipynb",
    "a list": "holds no cells",
    "no cells": "it has no list of cells",
    "a program": "it looks like a Python script",
    "random bytes": "The file is no notebook",
    "a JSON text": "holds no cells",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_sheet_is_rejected_with_the_reason(desk, both, kind):
    text, other = json.dumps(both, indent=1), json.dumps(read("07"))
    grade = desk.grade(BROKEN[kind](text, other, random.Random(3)), status=REJECTED)
    assert WHY[kind] in grade.notes[0]
    assert desk.statuses(grade) == {}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_other_encodings_are_read(desk, both, encoding):
    desk.grade(json.dumps(both).encode(encoding), passed=(A, B))


def test_damaged_cells_leave_the_others_graded(desk, both):
    both["cells"] += [None, 17, {"cell_type": "code"}]
    cell_of(both, A, "answer")["source"] = None
    grade = desk.grade(both, passed=(B,))
    assert "Cells that are damaged and cannot be read: 4" in grade.notes[0]


@pytest.mark.parametrize("name", ["Lovelace, Ada", "two\nlines", '=cmd("x")', '"quoted"', "+1", "@x", "<b>"])
def test_every_name_has_its_row_and_is_no_formula(tmp_path, desk, both, name):
    grade = desk.grader.grade(name, "kim.ipynb", json.dumps(both).encode())
    write_reports(tmp_path, Run("04", "Sampling", "", "", "1"), desk.master, [grade])
    (row,) = csv.DictReader(io.StringIO((tmp_path / "grades.csv").read_text("utf-8-sig")))
    assert (row["status"], row["score"], row["max_score"], row[A], row[B]) == ("graded", "5", "17", "2", "3")
    assert row["student"][0] not in "=+@"
