"""What students do to the cells of a sheet: whatever stands around an answer, the answer counts, and the sheet's own
cells. Each case is a notebook made of the real sheet 04. A is its first exercise (2 points), B its fifth (3 points).
"""

import json

import pytest
from example_faults import CELLS
from grading_notebooks import (
    ALL,
    CODE_A,
    CODE_B,
    HEAD_A,
    A,
    B,
    Desk,
    copied,
    own_cell,
    place,
    right,
    said,
    with_answers,
    wrong,
)
from handed_in import cell, read

from nanochat_helpers.grading.grades import REVIEW
from nanochat_helpers.grading.sheets import cell_of, source

TOP_K, LAST = "04.2", "04.6"
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


@pytest.fixture
def exercise(desk):
    """Exercise A."""
    return desk.master.exercises[0]


@pytest.fixture
def both():
    """A sheet with the right answers to A and B."""
    return with_answers({A: CODE_A, B: CODE_B})


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


def test_an_answer_that_uses_an_endless_one_took_too_long(desk):
    grade = desk.grade(with_answers({A: f"{HEAD_A}    while True:\n        pass\n", LAST: USES_A}))
    assert "over 2 s" in said(grade, A)
    assert "over 2 s" in said(grade, LAST)


@pytest.mark.parametrize(
    ("line", "status"), [("torch.Tensor.topk = torch.full_like = None", REVIEW), ("import torch\ndel torch", "graded")]
)
def test_an_answer_can_spoil_itself_alone(desk, line, status):
    desk.grade(with_answers({A: f"{line}\n{CODE_A}", TOP_K: right(TOP_K)}), passed=(TOP_K,), status=status)


def test_an_answer_cannot_stand_in_for_another_one(desk):
    desk.grade(with_answers({A: f"apply_top_k = None\n{CODE_A}", TOP_K: right(TOP_K)}), passed=(A, TOP_K))
