"""Answers are taken out of what was handed in: only answer cells count, wherever they stand; all else is noted."""

import copy
import json

import pytest
from handed_in import ROOT, cell, read, taken

from nanochat_helpers.checks.sheets import SHEETS
from nanochat_helpers.errors import RejectedError
from nanochat_helpers.grading.master import find_master

TOP_K = "def apply_top_k(logits, top_k):\n    return logits[:top_k]\n"


def code(text, **metadata):
    return {"cell_type": "code", "id": "x1", "metadata": metadata, "source": text, "outputs": [], "execution_count": 1}


def markdown(text):
    return {"cell_type": "markdown", "id": "x2", "metadata": {}, "source": text}


def rejection(notebook, number="04"):
    with pytest.raises(RejectedError) as caught:
        taken(notebook, number)
    return str(caught.value)


@pytest.fixture
def sheet():
    """The student's sheet 04, untouched."""
    return read("04")


@pytest.fixture
def solved():
    """Sheet 04, all of it right."""
    return read("04", "solutions")


# --- the real sheets


@pytest.mark.parametrize("number", SHEETS)
def test_every_solution_is_attempted_and_gives_no_note(number):
    handed_in = taken(read(number, "solutions"), number)
    assert handed_in.attempted == set(find_master(number, ROOT).stubs)
    assert (handed_in.notes, handed_in.needs_review, handed_in.elsewhere) == ((), False, {})
    assert all(question.answer for question in handed_in.questions)


@pytest.mark.parametrize("number", SHEETS)
def test_an_untouched_sheet_has_no_attempt_and_no_note(number):
    master = find_master(number, ROOT)
    handed_in = taken(read(number), number)
    assert (handed_in.attempted, handed_in.notes, handed_in.questions) == (frozenset(), (), master.questions)
    assert handed_in.answers == master.stubs


# --- normal things give no note


def test_own_cells_outputs_line_ends_and_the_order_of_cells_give_no_note(solved):
    expected = taken(solved).answers
    for each in solved["cells"]:
        each["source"] = "".join(each["source"]).replace("\n", "\r\n")
        if each["cell_type"] == "code":
            each["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "All 25 checks passed."}]
            each["execution_count"] = 7
    solved["cells"] = [*reversed(solved["cells"]), code("print(1)"), markdown("My notes"), code("")]
    handed_in = taken(solved)
    assert handed_in.notes == ()
    assert handed_in.answers == expected


def test_changed_texts_a_changed_setup_and_missing_texts_give_no_note(solved):
    cell(solved, "title")["source"] = "# My sheet"
    cell(solved, "setup")["source"] = "!pip install nanochat"
    solved["cells"] = [each for each in solved["cells"] if each["id"] not in ("ex1-task", "progress", "closing")]
    assert taken(solved).notes == ()


@pytest.mark.parametrize("tag", ["skip-execution", "raises-exception"])
def test_tags_have_no_effect(solved, tag):
    expected = taken(solved)
    for each in solved["cells"]:
        each["metadata"]["tags"] = [tag]
    assert taken(solved) == expected


def test_a_comment_or_blank_space_is_no_attempt(sheet):
    answer = cell(sheet, "ex2-answer")
    text = "".join(answer["source"])
    answer["source"] = "# I will do this tomorrow\n\n" + text.replace("    # YOUR CODE HERE\n", "\n") + "\n\n  "
    assert taken(sheet).attempted == frozenset()


def test_a_stub_without_its_docstring_is_no_attempt(sheet):
    lines = "".join(cell(sheet, "ex2-answer")["source"]).splitlines()
    cell(sheet, "ex2-answer")["source"] = "\n".join(line for line in lines if '"""' not in line)
    assert taken(sheet).attempted == frozenset()


def test_an_emptied_cell_is_no_attempt(sheet):
    cell(sheet, "ex2-answer")["source"] = "# nothing\n"
    handed_in = taken(sheet)
    assert (handed_in.attempted, handed_in.notes) == (frozenset(), ())


def test_code_before_the_stubs_raise_is_an_attempt(sheet):
    answer = cell(sheet, "ex2-answer")
    answer["source"] = "".join(answer["source"]).replace("    raise Not", "    x = 1\n    raise Not")
    assert taken(sheet).attempted == {"04.2"}


# --- where an answer is found


def test_answers_are_found_by_each_kind_of_mark_alone(solved):
    expected = taken(solved).answers
    for number, each in enumerate(solved["cells"]):
        each["id"] = f"c{number}"
        del each["metadata"]["nbgrader"]
        del each["metadata"]["slideshow"]
    by_exercise = taken(solved)
    assert (by_exercise.answers, by_exercise.notes) == (expected, ())
    solved = read("04", "solutions")
    for each in solved["cells"]:
        each["metadata"] = {}
    by_id = taken(solved)
    assert (by_id.answers, by_id.notes) == (expected, ())
    for number, each in enumerate(solved["cells"]):
        each["metadata"] = {"id": each["id"], "vscode": {"languageId": "python"}}  # as Colab keeps it
        each["id"] = f"c{number}"
    del each["id"]
    assert taken({**solved, "metadata": None}).answers == expected


def test_answers_without_any_mark_are_found_by_their_functions(solved):
    expected = taken(solved).answers
    for each in solved["cells"]:
        each["metadata"], each["id"] = {}, "x"
    handed_in = taken(solved)
    assert handed_in.answers == expected
    assert handed_in.notes == (
        "The marks of the answer cells are gone: the answers were found by the functions that they define.",
    )


@pytest.mark.parametrize("left", ["stub", "nothing", "no cell"])
def test_an_answer_in_a_cell_of_ones_own_is_taken(sheet, left):
    if left == "nothing":
        cell(sheet, "ex2-answer")["source"] = []
    if left == "no cell":
        sheet["cells"].remove(cell(sheet, "ex2-answer"))
    sheet["cells"] += [code("def apply_top_k(logits, top_k):\n    return 1"), code(TOP_K)]
    handed_in = taken(sheet)
    assert (handed_in.answers["04.2"], handed_in.attempted) == (TOP_K, {"04.2"})
    assert handed_in.notes == ("The answer cell of 04.2 holds no answer: another cell with `apply_top_k` was taken.",)


def test_two_functions_in_one_answer_cell_are_both_taken(sheet):
    both = "def apply_temperature(logits, temperature):\n    return logits / temperature\n\n\n" + TOP_K
    cell(sheet, "ex1-answer")["source"] = both
    handed_in = taken(sheet)
    assert handed_in.attempted == {"04.1", "04.2"}
    assert handed_in.answers["04.1"] == handed_in.answers["04.2"] == both


def test_an_import_of_the_asked_function_in_a_cell_of_ones_own_is_no_answer(sheet):
    sheet["cells"].append(code("from nanochat_helpers.sampling import apply_top_k\n"))
    assert taken(sheet).attempted == frozenset()


def test_a_function_in_an_own_cell_does_not_replace_a_written_answer(solved):
    expected = taken(solved).answers
    solved["cells"].append(code(TOP_K))
    handed_in = taken(solved)
    assert (handed_in.answers, handed_in.notes) == (expected, ())
    assert handed_in.elsewhere == {"apply_top_k": "a cell of your own"}


def test_a_deleted_answer_is_said_and_the_others_stay(solved):
    solved["cells"].remove(cell(solved, "ex2-answer"))
    handed_in = taken(solved)
    assert handed_in.answers["04.2"] == ""
    assert handed_in.attempted == {"04.1", "04.3", "04.4", "04.5", "04.6"}
    assert handed_in.notes == ("The answer cell of 04.2 is gone, and no other cell defines `apply_top_k`.",)


def test_of_two_answers_the_last_that_is_no_stub_counts(sheet):
    first, second, stub = (copy.deepcopy(cell(sheet, "ex2-answer")) for _ in range(3))
    first["source"], second["source"] = TOP_K.replace("top_k]", "0]"), TOP_K
    sheet["cells"] += [first, second, stub]
    handed_in = taken(sheet)
    assert handed_in.answers["04.2"] == TOP_K
    assert handed_in.notes == (
        "The answer cell of 04.2 is there more than once, with different code: "
        "the last one that defines `apply_top_k` counts.",
    )


def test_a_copy_without_the_function_does_not_count(solved):
    expected = taken(solved).answers
    scratch = copy.deepcopy(cell(solved, "ex2-answer"))
    scratch["source"] = "apply_top_k(torch.zeros(3), 2)"
    solved["cells"].append(scratch)
    assert taken(solved).answers == expected


def test_the_same_answer_twice_is_no_matter(solved):
    expected = taken(solved)
    again = copy.deepcopy(cell(solved, "ex2-answer"))
    again["source"] = ["# a copy\n", *again["source"]]
    solved["cells"].append(again)
    assert taken(solved).notes == expected.notes == ()


@pytest.mark.parametrize("kind", ["markdown", "raw"])
def test_an_answer_that_became_a_text_is_taken_if_it_is_code(sheet, kind):
    cell(sheet, "ex2-answer").update(cell_type=kind, source=f"```python\n{TOP_K}```")
    cell(sheet, "ex3-answer").update(cell_type=kind, source="I could not do this one.")
    handed_in = taken(sheet)
    assert handed_in.answers["04.2"].strip() == TOP_K.strip()
    assert handed_in.attempted == {"04.2"}
    assert handed_in.notes == ("The answer cell of 04.2 is no code cell any more. Its code was graded all the same.",)


def test_a_cell_pasted_from_another_sheet_is_no_answer(sheet):
    pasted = copy.deepcopy(cell(read("03", "solutions"), "ex2-answer"))
    sheet["cells"].append(pasted)
    assert taken(sheet).attempted == frozenset()


# --- what was edited or deleted


def test_deleted_and_changed_checks_are_noted(solved):
    solved["cells"].remove(cell(solved, "ex1-check"))
    cell(solved, "ex2-check")["source"] = "pass"
    cell(solved, "ex3-check")["source"] = 'check( "04.3" )  # at last'
    handed_in = taken(solved)
    assert handed_in.notes == (
        "Check cells were deleted (04.1). The sheet's own were used.",
        "Check cells were changed (04.2). The sheet's own were used.",
    )
    assert not handed_in.needs_review


def test_changed_imports_are_noted_and_explained(solved):
    cell(solved, "imports")["source"] += ["\nimport numpy as np\nfrom math import log as ln"]
    handed_in = taken(solved)
    assert handed_in.notes == (
        "The sheet's cell `imports` was changed. The sheet's own was used. What it defines now is not known there "
        "(`ln`, `np`): write such lines into the answer cell that needs them.",
    )
    assert handed_in.elsewhere == dict.fromkeys(("ln", "np"), "the sheet's cell `imports`, which you changed")


def test_playing_with_an_example_gives_no_note():
    solved = read("01", "solutions")
    cell(solved, "ex2-toy")["source"] += ["\ntoy.encode('cat')"]
    assert taken(solved, "01").notes == ()


def test_names_of_own_cells_and_of_old_copies_are_known(sheet):
    old = copy.deepcopy(cell(sheet, "ex2-answer"))
    old["source"] = "def helper():\n    return 1\n"
    cell(sheet, "ex2-answer")["source"] = TOP_K
    sheet["cells"][:0] = [old, code("import numpy\nsoftmax = 1\ndef f(x):\n    local = x\n")]
    handed_in = taken(sheet)
    own = dict.fromkeys(("f", "numpy", "softmax"), "a cell of your own")
    assert handed_in.elsewhere == own | {"helper": "another copy of the answer cell of 04.2"}


# --- questions


def test_the_answer_to_a_question_is_taken_and_the_stub_alone_is_none():
    sheet = read("03")
    cell(sheet, "ex6-answer")["source"] = "  YOUR ANSWER HERE\n\n"
    assert taken(sheet, "03").questions[0].answer == ""
    cell(sheet, "ex6-answer")["source"] = ["YOUR ANSWER HERE\n", "B costs 75 bits."]
    handed_in = taken(sheet, "03")
    assert (handed_in.questions[0].answer, handed_in.needs_review) == ("B costs 75 bits.", False)


@pytest.mark.parametrize("is_deleted", [False, True])
def test_an_answer_in_a_text_below_the_question_is_taken(is_deleted):
    sheet = read("03")
    place = sheet["cells"].index(cell(sheet, "ex6-answer"))
    sheet["cells"].insert(place + 1, markdown("B costs 75 bits."))
    if is_deleted:
        del sheet["cells"][place]
    assert taken(sheet, "03").questions[0].answer == "B costs 75 bits."


def test_of_two_answers_to_a_question_the_last_counts():
    sheet = read("03")
    other = copy.deepcopy(cell(sheet, "ex6-answer"))
    cell(sheet, "ex6-answer")["source"], other["source"] = "One.", "Two."
    sheet["cells"].append(other)
    handed_in = taken(sheet, "03")
    assert handed_in.questions[0].answer == "Two."
    assert "with different words: the last one counts" in handed_in.notes[0]


# --- another sheet, a lesson, something else


def test_another_sheet_is_refused_also_without_marks():
    expected = "This is sheet 03, and sheet 04 is graded. Hand in exercises/04_sampling.ipynb."
    other = read("03", "solutions")
    assert rejection(other) == expected
    for each in other["cells"]:
        each["metadata"] = {}
    assert rejection(other) == expected


def test_the_lesson_is_refused():
    lesson = json.loads((ROOT / "notebooks" / "04_sampling.ipynb").read_text("utf-8"))
    assert rejection(lesson) == (
        "This is lesson 04, not the sheet with the exercises. Hand in exercises/04_sampling.ipynb."
    )


def test_a_notebook_without_any_answer_is_refused(sheet):
    sheet["cells"] = [code("x = 1"), markdown("Hello")]
    assert rejection(sheet) == (
        "No answer cell of sheet 04 is in this notebook, and no cell defines `apply_temperature` or another function "
        "that is asked for. Hand in exercises/04_sampling.ipynb."
    )


# --- what a teacher should look at


def test_a_trick_asks_for_a_teacher_in_one_sentence(solved):
    text = "from nanochat_helpers.sampling import apply_top_k\nimport os\nos.listdir\neval\nexec\nglobals()\n"
    cell(solved, "ex2-answer")["source"] = text
    handed_in = taken(solved)
    assert handed_in.needs_review
    assert handed_in.notes == (
        "A teacher should look at the answer to 04.2, which uses what no exercise needs: "
        "`nanochat_helpers.sampling.apply_top_k` (line 1), `os` (line 3), `eval` (line 4), and 2 more.",
    )


def test_what_the_sheet_imports_itself_is_allowed():
    solved = read("05", "solutions")
    cell(solved, "ex3-answer")["source"].insert(0, "from nanochat_helpers.sampling import draw\n")
    assert not taken(solved, "05").needs_review
