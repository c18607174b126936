"""Sheets: made from solutions, in the form that nbgrader takes, and proved sound; each fault is noticed."""

import copy
import json
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nanochat_helpers import quantization as package
from nanochat_helpers.checks.exercise import Misconception
from nanochat_helpers.checks.sheets import SHEETS, find_exercise, sheet_exercises
from nanochat_helpers.errors import SheetError
from nanochat_helpers.grading import command, sheets
from nanochat_helpers.grading import verify as verifying
from nanochat_helpers.model_costs import kl_divergence

ROOT = Path(__file__).parents[1]
SOLUTIONS = sheets.solution_paths(ROOT)
SAMPLING = ROOT / "solutions" / "04_sampling.ipynb"


def answer_cell(source, cell_type="code", solution=True):
    marks = {
        "grade": cell_type == "markdown",
        "solution": solution,
        "locked": False,
        "schema_version": 3,
        "task": False,
    }
    return {
        "cell_type": cell_type,
        "id": "ex1-answer",
        "metadata": {"nbgrader": marks | {"grade_id": "ex1-answer"}},
        "source": source,
    }


# --- all sheets


def test_there_is_a_sheet_for_every_lesson_from_01_to_12():
    assert [path.stem for path in SOLUTIONS] == [f"{number}_{name}" for number, name in SHEETS.items()]
    lessons = {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert {path.stem for path in SOLUTIONS} <= lessons
    assert {path.name for path in (ROOT / "exercises").glob("*.ipynb")} == {path.name for path in SOLUTIONS}


@pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda path: path.stem)
def test_a_sheet_is_sound(solution):
    verdict = verifying.verify_sheet(solution)
    assert verdict.problems == ()
    assert 3 <= verdict.n_exercises <= 6


@pytest.mark.parametrize("number", SHEETS)
def test_a_sheet_is_as_sound_with_the_random_cases_of_other_seeds(number):
    """A grader's cases come from another seed than those that students see."""
    second = verifying.second_solutions(ROOT, SHEETS[number])
    for exercise in sheet_exercises(number):
        for seed in (1, 2):
            other = replace(exercise, edge_cases=tuple(exercise.cases(seed)), n_random=0)
            assert list(verifying.exercise_problems(other, second[exercise.id])) == [], seed


# Runs the cells of a solution as a new kernel does, and says which check was the first to need a large library.
IN_A_NEW_KERNEL = """
import sys
from pathlib import Path
from nanochat_helpers.grading import sheets
names = {"__name__": "__main__"}
for cell in sheets.read_notebook(Path(sys.argv[1]))["cells"]:
    if cell["cell_type"] == "code" and cell["id"] != "setup":
        before = {"torch", "transformers"} & set(sys.modules)
        exec(sheets.source(cell), names)
        if sheets.role(cell) == "check" and {"torch", "transformers"} & set(sys.modules) != before:
            sys.stderr.write(sheets.source(cell))
"""


@pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda path: path.stem)
def test_no_check_makes_its_student_wait_for_a_library_that_the_sheet_has_not_loaded(solution):
    """The first check of a sheet should answer as fast as the others, and loading torch takes a second."""
    done = subprocess.run([sys.executable, "-c", IN_A_NEW_KERNEL, solution], capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_sheet_11_calls_right_is_what_the_package_does():
    rng = random.Random(5)
    quantize, megabytes, kl = (find_exercise(f"11.{place}") for place in (2, 5, 6))
    for _ in range(50):
        row, bits = quantize.random_case(rng)
        assert quantize.reference(row, bits) == package.quantize(row, bits, block_size=len(row)).codes[0].tolist()
        probs, other = kl.random_case(rng)
        assert kl.reference(probs, other) == pytest.approx(kl_divergence(probs, other).item(), rel=1e-4)
    assert megabytes.reference(135_000_000, 4, 32) == pytest.approx(package.weights_megabytes(135_000_000, 5))


@pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda path: path.stem)
def test_a_built_sheet_is_the_same_byte_for_byte(solution):
    assert sheets.exercise_path(solution).read_bytes() == sheets.student_text(solution).encode()


@pytest.mark.parametrize("number", ["03", "06", "09", "12"])
def test_each_third_sheet_has_one_question_that_is_graded_by_hand(number):
    notebook = sheets.read_notebook(ROOT / "solutions" / f"{number}_{SHEETS[number]}.ipynb")
    assert [sheets.role(cell) for cell in notebook["cells"]].count("question") == 1


@pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda path: path.stem)
def test_the_ids_of_a_sheet_are_its_number_and_the_place(solution):
    number = sheets.sheet_number(solution)
    exercises = sheet_exercises(number)
    assert [exercise.id for exercise in exercises] == [f"{number}.{place}" for place in range(1, len(exercises) + 1)]


@pytest.mark.parametrize("solution", SOLUTIONS, ids=lambda path: path.stem)
def test_lesson_and_sheet_link_to_each_other(solution):
    lesson = sheets.read_notebook(ROOT / "notebooks" / solution.name)
    sheet = sheets.read_notebook(solution)
    assert any(f"](../exercises/{solution.name})" in sheets.source(cell) for cell in lesson["cells"])
    assert any(f"](../notebooks/{solution.name})" in sheets.source(cell) for cell in sheet["cells"])


# --- a student's sheet


def test_a_solution_becomes_a_stub_that_is_indented_alike():
    cell = answer_cell("def f(x):\n    y = 1\n    ### BEGIN SOLUTION\n    return x + y\n    ### END SOLUTION\n")
    assert (
        sheets.without_solution(cell) == "def f(x):\n    y = 1\n    # YOUR CODE HERE\n    raise NotImplementedError()"
    )


def test_a_model_answer_becomes_a_place_for_ones_own():
    cell = answer_cell("### BEGIN SOLUTION\nBecause.\n### END SOLUTION", "markdown")
    assert sheets.without_solution(cell) == "YOUR ANSWER HERE"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def f():\n    return 1", "write the solution between"),
        ("### BEGIN SOLUTION\n1", "write the solution between"),
        ("1\n### END SOLUTION", "stands before"),
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", "stands twice"),
    ],
)
def test_a_solution_whose_marks_do_not_match_is_refused(source, said):
    with pytest.raises(SheetError, match=said) as caught:
        sheets.without_solution(answer_cell(source))
    assert "'ex1-answer'" in str(caught.value)


def test_outputs_and_the_given_notebook_stay_out_of_it():
    notebook = {
        "cells": [answer_cell("### BEGIN SOLUTION\n1\n### END SOLUTION") | {"outputs": [1], "execution_count": 7}]
    }
    before = copy.deepcopy(notebook)
    cell = sheets.student_sheet(notebook)["cells"][0]
    assert (cell["outputs"], cell["execution_count"]) == ([], None)
    assert notebook == before


# --- faults of a solution


def spoiled(spoil):
    notebook = sheets.read_notebook(SAMPLING)
    spoil({cell["id"]: cell for cell in notebook["cells"]})
    return list(sheets.faults(notebook, sheet_exercises("04")))


def test_the_sheet_of_these_tests_is_without_fault():
    assert spoiled(lambda cells: None) == []


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda cells: cells["title"]["metadata"].pop("nbgrader"), "'title' has no nbgrader metadata"),
        (lambda cells: cells["title"]["metadata"]["nbgrader"].update(locked=False), "of no known role"),
        (lambda cells: cells["title"]["metadata"]["nbgrader"].update(points=1), "of no known role"),
        (lambda cells: cells["title"]["metadata"]["nbgrader"].update(schema_version=2), "of no known role"),
        (lambda cells: cells["title"]["metadata"]["nbgrader"].update(grade_id="a b"), "other signs"),
        (lambda cells: cells["ex1-task"]["metadata"]["nbgrader"].update(grade_id="title"), "'title' is there twice"),
        (lambda cells: cells["ex1-check"]["metadata"]["nbgrader"].update(points=0), "'ex1-check' has no points"),
        (lambda cells: cells["ex1-check"]["metadata"]["nbgrader"].update(points=9), "04.1 has 2 points"),
        (lambda cells: cells["title"].update(source="### BEGIN SOLUTION"), "read only and holds a solution"),
        (lambda cells: cells["ex1-check"]["metadata"].pop("nanochat"), "04.1 has no check cell"),
        (lambda cells: cells["ex1-answer"]["metadata"].pop("nanochat"), "04.1 has no answer cell"),
        (lambda cells: cells["ex1-answer"].update(source="def other(x):"), "04.1 asks for `def apply_temperature("),
        (
            lambda cells: cells["ex1-answer"]["metadata"]["nbgrader"].update(grade=True, points=3),
            "by hand have [3] points",
        ),
        (lambda cells: cells["ex1-check"].update(source="pass"), "04.1 has a check cell that is not just check"),
        (
            lambda cells: cells["ex1-check"]["metadata"]["nanochat"].update(exercise="04.9"),
            "no exercise '04.9' is known",
        ),
    ],
)
def test_each_fault_of_a_cell_is_named(spoil, said):
    assert [fault for fault in spoiled(spoil) if said in fault]


# --- verify


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A copy of the project with one sheet."""
    for place in ("solutions/04_sampling.ipynb", "exercises/04_sampling.ipynb", "tests/second_solutions/sampling.py"):
        target = tmp_path / place
        target.parent.mkdir(parents=True)
        shutil.copy(ROOT / place, target)
    for module in (sheets, verifying, command):
        monkeypatch.setattr(module, "SHEETS", {"04": "sampling"})
    return tmp_path


def problems_of(project):
    (verdict,) = verifying.verify(project)
    return verdict.problems


def edit(project, exercise_id, old, new):
    """Replace a text in an answer of the solution."""
    path = project / "solutions" / "04_sampling.ipynb"
    notebook = sheets.read_notebook(path)
    cell = sheets.cell_of(notebook, exercise_id, "answer")
    assert old in sheets.source(cell)
    cell["source"] = sheets.source(cell).replace(old, new)
    path.write_text(json.dumps(notebook), "utf-8")
    sheets.build(project)


def test_a_whole_project_is_sound(project):
    assert problems_of(project) == ()


def test_a_solution_that_fails_its_check_is_found(project):
    edit(project, "04.1", "return logits / temperature", "return logits * temperature")
    (problem,) = problems_of(project)
    assert problem.startswith("04.1: its solution should be 'passed', but it is 'failed'")


def test_a_solution_that_cannot_be_run_is_found(project):
    edit(project, "04.1", "if temperature == 0:", "if temperature == 0")
    assert [problem for problem in problems_of(project) if "solutions cannot be run: SyntaxError" in problem]


def test_a_stub_that_does_something_is_found(project):
    edit(
        project,
        "04.1",
        "### END SOLUTION",
        "### END SOLUTION\n\ndef apply_temperature(logits, temperature): return logits",
    )
    assert [problem for problem in problems_of(project) if "its stub should be 'not attempted'" in problem]


def test_a_sheet_that_was_not_built_again_is_found(project):
    (project / "exercises" / "04_sampling.ipynb").write_text("{}")
    (problem,) = problems_of(project)
    assert problem == "exercises/04_sampling.ipynb is not what its solution gives: run `nanochat sheets build`"


def test_a_missing_second_solution_is_found(project):
    (project / "tests" / "second_solutions" / "sampling.py").write_text("SECOND = {}")
    assert "04.1: no second solution in tests/second_solutions" in problems_of(project)


def test_a_second_solution_that_is_refused_is_found(project):
    path = project / "tests" / "second_solutions" / "sampling.py"
    path.write_text(path.read_text("utf-8") + '\nSECOND["04.1"] = (lambda logits, temperature: logits,)\n', "utf-8")
    (problem,) = problems_of(project)
    assert problem.startswith("04.1: second solution 1 is refused: ")


def with_misconceptions(monkeypatch, change):
    exercises = sheet_exercises("04")
    first = replace(exercises[0], misconceptions=tuple(change(exercises[0].misconceptions)))
    monkeypatch.setattr(verifying, "sheet_exercises", lambda number: (first, *exercises[1:]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda known: known[:2], "04.1: 2 misconceptions, not 3 to 6"),
        (lambda known: (*known, replace(known[0], name="again")), "'again' is taken for 'multiplied"),
        (
            lambda known: (*known, Misconception("none at all", sheet_exercises("04")[0].reference, "?")),
            "'none at all' is not recognised (passed)",
        ),
    ],
)
def test_a_misconception_that_is_not_recognised_is_found(project, monkeypatch, change, said):
    with_misconceptions(monkeypatch, change)
    assert [problem for problem in problems_of(project) if said in problem]


# --- the command


def test_build_writes_what_changed_and_only_that(project):
    said = []
    assert command.build_sheets(project, said.append) == 0
    assert said == ["0 sheets written, 1 unchanged."]
    edit_path = project / "exercises" / "04_sampling.ipynb"
    edit_path.unlink()
    assert command.build_sheets(project, said.append) == 0
    assert said[1:] == [f"written: {Path('exercises') / '04_sampling.ipynb'}", "1 sheet written, 0 unchanged."]


def test_verify_gives_1_where_something_is_wrong(project):
    said = []
    assert command.verify_sheets(project, said.append) == 0
    assert said[-1] == "\nAll 1 sheets are sound."
    (project / "tests" / "second_solutions" / "sampling.py").unlink()
    assert command.verify_sheets(project, said.append) == 1
    assert said[-1].endswith("problems to mend.") and "  - 04.1: no second solution in tests/second_solutions" in said


def test_list_names_every_exercise_with_its_points(project):
    said = []
    command.list_sheets(project, said.append)
    assert (
        said[0].startswith("04 sampling: ") and "  04.1 Temperature (2): apply_temperature(logits, temperature)" in said
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "There are no sheets in"),
        (lambda path: path.write_text("{"), "is no notebook: it is not JSON"),
        (lambda path: path.write_text("[" * 100_000), "is no notebook: it is not JSON"),
        (lambda path: path.write_text("[]"), "is no notebook: it has no list of cells"),
        (lambda path: path.write_text('{"cells": [7]}'), "is no notebook: its cell 0 .* is damaged"),
        (
            lambda path: path.write_text('{"cells": [{"cell_type": "code", "metadata": null, "source": ""}]}'),
            "cell 0 .* is damaged",
        ),
        (
            lambda path: path.write_text('{"cells": [{"cell_type": "code", "metadata": {}, "source": [7]}]}'),
            "cell 0 .* is damaged",
        ),
        (lambda path: path.rename(path.with_name("44_sampling.ipynb")), "belongs to no sheet"),
        (lambda path: path.rename(path.with_name("04_sampler.ipynb")), "belongs to no sheet"),
    ],
)
def test_a_project_without_proper_sheets_is_one_sentence(project, spoil, said):
    spoil(project / "solutions" / "04_sampling.ipynb")
    with pytest.raises(SheetError, match=said):
        list(verifying.verify(project))


def test_a_sheet_that_is_missing_is_named(project, monkeypatch):
    for module in (sheets, verifying):
        monkeypatch.setattr(module, "SHEETS", {"03": "next_token", "04": "sampling"})
    with pytest.raises(SheetError, match="lacks 03_next_token"):
        list(verifying.verify(project))
