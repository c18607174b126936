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
from example_faults import BROKEN, CELLS, RIGHT_CODE, WRONG_CODE
from grading_notebooks import Desk, copied, own_cell, place, right, said, with_answers, wrong
from handed_in import cell, read

from nanochat_helpers.grading.grades import REJECTED, REVIEW
from nanochat_helpers.grading.reports import Run, write_reports
from nanochat_helpers.grading.sheets import cell_of, source

A, B, TOP_K, TOP_P, LAST = "04.1", "04.5", "04.2", "04.3", "04.6"
ALL = ("04.1", "04.2", "04.3", "04.4", "04.5", "04.6")
CODE_A, CODE_B = right(A), right(B)
HEAD_A = "def apply_temperature(logits, temperature):\n"
USES_A = """
def next_probs(logits, temperature, min_p):
    probs = apply_temperature(logits, temperature).softmax(dim=-1)
    probs = probs.masked_fill(probs < min_p * probs.max(), 0.0)
    return probs / probs.sum()
"""


@pytest.fixture(scope="module")
def desk():
    """Where sheet 04 is graded."""
    desk = Desk("04", 2, (A,))
    yield desk
    desk.close()


@pytest.fixture(scope="module")
def fast_desk():
    """Where it is graded with one second for each exercise."""
    desk = Desk("04", 1, (A,))
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
    assert grade.notes == (f"{question.title}: a teacher reads the answer.",)


# --- careless code, by the faults that the example class has

SAID = {
    "syntax error": "The answer cell is no Python yet (line 1: `def apply_temperature",
    "renamed function": "found `my_apply_temperature`; did you mean `apply_temperature`",
    "prints instead of returning": "and returned None: print only shows a value, `return` gives it back",
    "forgot to return": "returned None; did you forget `return`",
    "missing import": "name 'pd' is not defined",
    "input() in the cell": '(line 1: `name = input("What is your name?")`): EOFError',
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


def test_a_loop_without_end_costs_that_exercise_alone(fast_desk):
    code = f"{HEAD_A}    while True:\n        pass\n"
    grade = fast_desk.grade(with_answers({A: code, B: CODE_B}), passed=(B,))
    assert "It took over 1 s. Is there a loop that never ends" in said(grade, A)


def test_a_loop_without_end_in_the_cell_is_told_from_one_in_the_function(fast_desk):
    grade = fast_desk.grade(with_answers({A: f"while True:\n    pass\n{CODE_A}", B: CODE_B}), passed=(B,))
    assert "In the answer cell of 04.1, before the function could be called, it took over 1 s" in said(grade, A)


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
        (".to(torch.complex64)", "should be a tensor, but"),
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


# --- the cells around the answers


def test_stored_outputs_do_not_count(desk, exercise, both):
    assert CELLS["outputs claim success"](both, exercise, CODE_A, wrong(A)) == "failed"
    assert "checks came out right" in said(desk.grade(both, passed=(B,)), A)


@pytest.mark.parametrize("where", ["a helper in a cell of its own", "only out of order"])
def test_a_name_of_another_cell_is_not_there(desk, exercise, both, where):
    CELLS[where](both, exercise, CODE_A, "")
    grade = desk.grade(both, passed=(B,))
    assert "name 'MY_NUMBER' is not defined" in said(grade, A)
    assert "`MY_NUMBER` stands in a cell of your own, and only answer cells are graded" in said(grade, A)


def test_a_name_of_no_cell_needs_a_restart(desk):
    grade = desk.grade(with_answers({A: f"{HEAD_A}    return logits / divisor\n"}))
    assert "Does the sheet still work after “Restart and run all”?" in said(grade, A)


def test_what_is_added_to_the_imports_is_not_known(desk, exercise, both):
    CELLS["changed imports"](both, exercise, CODE_A, "")
    grade = desk.grade(both, passed=(B,))
    assert "`my_module` stands in the sheet's cell `imports`, which you changed" in said(grade, A)
    assert "(`my_module`)" in grade.notes[0]


@pytest.mark.parametrize("code", ["import os\nos._exit(0)", "torch = None", "def check(*_):\n    return 'passed'", "("])
def test_broken_imports_are_the_sheets_own_again(desk, both, code):
    cell(both, "imports")["source"] = code
    grade = desk.grade(both, passed=(A, B))
    assert grade.notes[0].startswith("The sheet's cell `imports` was changed. The sheet's own was used.")


def test_deleted_imports_are_the_sheets_own_again(desk, both):
    both["cells"].remove(cell(both, "imports"))
    desk.grade(both, passed=(A, B))


def test_a_deleted_check_costs_nothing(desk, exercise, both):
    CELLS["check deleted"](both, exercise, CODE_A, "")
    assert desk.grade(both, passed=(A, B)).notes == ("Check cells were deleted (04.1). The sheet's own were used.",)


@pytest.mark.parametrize("check", ["pass", "assert True", "import os\nos._exit(0)", "apply_temperature = None"])
def test_an_edited_check_does_not_count(desk, both, check):
    cell_of(both, A, "answer")["source"] = wrong(A)
    cell_of(both, A, "check")["source"] = check
    assert desk.grade(both, passed=(B,)).notes[0] == "Check cells were changed (04.1). The sheet's own were used."


def test_the_last_of_two_answers_counts(desk):
    first, second = with_answers({A: wrong(A), B: CODE_B}), with_answers({A: CODE_A, B: CODE_B})
    assert "more than once, with different code" in desk.grade(copied(first, A, CODE_A), passed=(A, B)).notes[0]
    assert "more than once, with different code" in desk.grade(copied(second, A, wrong(A)), passed=(B,)).notes[0]


def test_an_untouched_copy_below_an_answer_does_not_count(desk, both):
    assert desk.grade(copied(both, A, source(cell_of(read("04"), A, "answer"))), passed=(A, B)).notes == ()


def test_an_answer_in_a_new_cell_counts(desk):
    notebook = with_answers({B: CODE_B})
    notebook["cells"].insert(place(notebook, A) + 1, own_cell(CODE_A))
    assert "another cell with `apply_temperature` was taken" in desk.grade(notebook, passed=(A, B)).notes[0]


def test_all_answers_in_one_cell_count(desk):
    grade = desk.grade(with_answers({A: f"{CODE_A}\n\n{right(TOP_K)}\n\n{CODE_B}"}), passed=(A, TOP_K, B))
    assert len(grade.notes) == 2


def test_answers_in_each_others_cells_are_told_where_they_stand(desk):
    grade = desk.grade(with_answers({A: right(TOP_K), TOP_K: CODE_A}))
    assert "`apply_temperature` stands in the answer cell of 04.2: move it into that of 04.1" in said(grade, A)


def test_code_in_a_text_cell_counts_with_a_note(desk, both):
    cell_of(both, A, "answer")["cell_type"] = "markdown"
    assert "is no code cell any more" in desk.grade(both, passed=(A, B)).notes[0]


def test_cells_in_another_order_have_their_points(desk):
    notebook = read("04", "solutions")
    notebook["cells"].reverse()
    desk.grade(notebook, passed=ALL)


def test_a_sheet_that_is_there_twice_has_its_points_once(desk, both):
    both["cells"] += json.loads(json.dumps(both["cells"]))
    assert desk.grade(both, passed=(A, B)).score == 5


def test_two_sheets_in_one_are_graded_as_the_one_that_is_asked_for(desk, both):
    both["cells"] += read("07", "solutions")["cells"]
    desk.grade(both, passed=(A, B))


def test_tags_and_lost_marks_change_nothing(desk, both):
    for each in both["cells"]:
        each["metadata"]["tags"] = ["skip-execution", "raises-exception", "remove-cell"]
    assert desk.grade(both, passed=(A, B)).notes == ()
    for each in both["cells"]:
        each["metadata"] = {}
    assert desk.grade(both, passed=(A, B)).notes == ()
    for each in both["cells"]:
        del each["id"]
    assert "The marks of the answer cells are gone" in desk.grade(both, passed=(A, B)).notes[0]


def test_own_cells_around_it_are_not_run(desk, both):
    cell(both, "setup")["source"] = "raise SystemExit"
    both["cells"].insert(0, own_cell("while True:\n    pass"))
    both["cells"].append(own_cell("import os\nos._exit(0)"))
    desk.grade(both, passed=(A, B))


def test_100_mb_of_outputs_are_left_out(desk, both):
    text = [{"output_type": "stream", "name": "stdout", "text": ["x" * 999_999 + "\n"] * 100}]
    cell_of(both, A, "answer")["outputs"] = text
    assert desk.grade(both, passed=(A, B)).notes == ()


# --- an answer that needs another one


def test_an_answer_may_use_another_one(desk):
    desk.grade(with_answers({A: CODE_A, LAST: USES_A}), passed=(A, LAST))


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("", "It calls `apply_temperature`, which is still to be written"),
        (
            CODE_A.replace("):", ")", 1),
            "`apply_temperature` stands in the answer cell of 04.1, which stops itself (line 1",
        ),
        (
            f"raise SystemExit\n{CODE_A}",
            "`apply_temperature` stands in the answer cell of 04.1, which stops itself (line 1",
        ),
        (f"{HEAD_A}    return logits\n", "checks came out right. At place 0"),
        (
            f"import os\nos._exit(0)\n{CODE_A}",
            "In the answer cell of 04.1, before the function could be called, Python itself",
        ),
    ],
    ids=["stub", "no Python", "exit", "wrong", "crash"],
)
def test_an_answer_that_uses_a_broken_one_says_where_to_begin(desk, code, word):
    notebook = with_answers({LAST: USES_A, B: CODE_B} | ({A: code} if code else {}))
    status = REVIEW if "os._exit" in code else "graded"
    assert word in said(desk.grade(notebook, passed=(B,), status=status), LAST)


def test_an_answer_that_uses_an_endless_one_took_too_long(fast_desk):
    grade = fast_desk.grade(with_answers({A: f"{HEAD_A}    while True:\n        pass\n", LAST: USES_A}))
    assert "over 1 s" in said(grade, A)
    assert "over 1 s" in said(grade, LAST)


@pytest.mark.parametrize("line", ["torch.Tensor.topk = torch.full_like = None", "import torch\ndel torch"])
def test_an_answer_can_spoil_itself_alone(desk, line):
    desk.grade(with_answers({A: f"{line}\n{CODE_A}", TOP_K: right(TOP_K)}), passed=(TOP_K,))


def test_an_answer_cannot_stand_in_for_another_one(desk):
    desk.grade(with_answers({A: f"apply_top_k = None\n{CODE_A}", TOP_K: right(TOP_K)}), passed=(A, TOP_K))


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
