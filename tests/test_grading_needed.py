"""Only what an answer needs is run with it: names are looked for as Python does, and broken neighbours stay out."""

import pytest
from handed_in import ROOT, cell, read, taken

from nanochat_helpers.checks.sheets import SHEETS
from nanochat_helpers.grading.answers import cells_for
from nanochat_helpers.grading.answers.code_names import names_in, same_code
from nanochat_helpers.grading.master import find_master


def labels(handed_in, exercise_id, number):
    return [each.label for each in cells_for(handed_in, find_master(number, ROOT), exercise_id)]


@pytest.mark.parametrize("number", SHEETS)
def test_what_runs_for_a_solution_is_enough_to_define_its_function(number):
    master, handed_in = find_master(number, ROOT), taken(read(number, "solutions"), number)
    for exercise in master.exercises:
        names = {}
        for piece in cells_for(handed_in, master, exercise.id):
            exec(compile(piece.source, piece.label, "exec"), names)
        assert callable(names[exercise.name])


def test_only_what_an_answer_needs_is_run():
    handed_in = taken(read("01", "solutions"), "01")
    assert labels(handed_in, "01.4", "01") == ["the cell `imports`", "the answer cell of 01.4"]
    assert labels(handed_in, "01.5", "01") == [
        "the cell `imports`",
        "the answer cell of 01.3",
        "the answer cell of 01.4",
        "the answer cell of 01.5",
    ]
    handed_in = taken(read("02", "solutions"), "02")
    assert labels(handed_in, "02.3", "02") == [
        "the cell `imports`",
        "the cell `ex3-default`",
        "the answer cell of 02.3",
    ]


def test_parameters_and_locals_are_no_globals():
    text = "def f(a, b=later):\n    c = a\n    def g():\n        return c + far\n    return [d for d in b], math.pi\n"
    names = names_in(text)
    assert names.binds == {"f"}
    assert names.needs == {"later", "far", "math"}


def test_a_name_set_with_global_is_defined():
    assert "n" in names_in("def f():\n    global n\n    n = 1\n").binds


def answers_of_01(**changed):
    sheet = read("01", "solutions")
    for name, text in changed.items():
        cell(sheet, f"{name}-answer")["source"] = text
    return taken(sheet, "01")


def test_a_broken_neighbour_is_not_run_and_changes_no_answer():
    fine, broken = answers_of_01(), answers_of_01(ex1="def decode(:\n", ex2="1 / 0\n", ex6="import os\nglue = 1\n")
    for name in ("01.3", "01.4"):
        assert broken.answers[name] == fine.answers[name]
        assert labels(broken, name, "01") == ["the cell `imports`", f"the answer cell of {name}"]


def test_a_needed_answer_with_a_syntax_error_is_run_and_so_is_ones_own():
    broken = answers_of_01(ex4="def glue(pieces, pair):\n    return (\n")
    assert "the answer cell of 01.4" in labels(broken, "01.5", "01")
    assert labels(broken, "01.4", "01") == ["the cell `imports`", "the answer cell of 01.4"]


def test_the_stub_stands_in_for_a_needed_answer_that_is_missing():
    sheet, master = read("01", "solutions"), find_master("01", ROOT)
    sheet["cells"].remove(cell(sheet, "ex4-answer"))
    pieces = cells_for(taken(sheet, "01"), master, "01.5")
    assert [each.source for each in pieces if each.exercise == "01.4"] == [master.stubs["01.4"]]


def test_a_helper_of_an_earlier_answer_is_found_and_its_own_needs_too():
    helped = answers_of_01(
        ex1="from string import digits\ndef helper():\n    return digits\n",
        ex2="def second():\n    return helper()\n",
        ex3="def most_frequent_pair(words):\n    return second()\n",
    )
    assert labels(helped, "01.3", "01")[1:] == [f"the answer cell of 01.{n}" for n in (1, 2, 3)]


def test_a_sheets_own_name_comes_from_the_sheet_and_not_from_an_answer():
    handed_in = answers_of_01(ex1="toy = None\n", ex3="def most_frequent_pair(words):\n    return toy\n")
    assert labels(handed_in, "01.3", "01")[1:] == ["the cell `ex2-toy`", "the answer cell of 01.3"]


def test_a_builtin_is_not_taken_from_another_answer():
    handed_in = answers_of_01(ex1="sum = 0\n", ex3="def most_frequent_pair(words):\n    return sum(words)\n")
    assert labels(handed_in, "01.3", "01")[1:] == ["the answer cell of 01.3"]


@pytest.mark.parametrize("magic", ["%timeit glue([], 1)", "!pip install torch", "files = !ls", "glue?", "x = %env A"])
def test_lines_for_ipython_do_not_hide_what_is_needed(magic):
    text = f"def learn_merges(words, n):\n    return glue(words, n)\n{magic}\n"
    assert "glue" in names_in(text).needs
    assert "the answer cell of 01.4" in labels(answers_of_01(ex5=text), "01.5", "01")


def test_a_cell_magic_does_not_hide_what_is_needed():
    assert names_in("%%time\ndef f():\n    return glue\n").needs == {"glue"}


def test_a_percent_sign_at_the_beginning_of_a_line_is_no_magic_in_right_code():
    assert names_in("x = (a\n% b)\n").needs == {"a", "b"}


def test_code_is_the_same_but_for_space_comments_and_docstrings():
    assert same_code('def f(x):\n    """Doc."""\n    return x', "# c\ndef f( x ):\n\n  return (x)")
    assert not same_code("def f(x):\n    return x", "def f(x):\n    return -x")
    assert same_code("def f(:\n  x", "def f(:\n\n  x")
