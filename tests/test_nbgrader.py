"""The real nbgrader takes the sheets as they are: it makes the same students' sheets, and gives the same points."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from nanochat_helpers.grading import sheets

ROOT = Path(__file__).parents[1]
SOLUTIONS = sheets.solution_paths(ROOT)
NAMES = [path.stem for path in SOLUTIONS]
HALF = "04_sampling"  # of this sheet, one student solves only the first exercise


def nbgrader(folder, *arguments):
    """Run nbgrader's own command, with its scripts (it calls alembic) on the PATH; return what it said."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path},
    )
    return done.returncode, done.stdout + done.stderr


def hand_in(course, student, notebooks):
    folder = course / "submitted" / student / "sheets"
    folder.mkdir(parents=True)
    for name, notebook in notebooks.items():
        (folder / f"{name}.ipynb").write_text(json.dumps(notebook), "utf-8")


def half_solved():
    """The student's sheet with the first answer of the solution put in."""
    source = sheets.read_notebook(ROOT / "solutions" / f"{HALF}.ipynb")
    sheet = sheets.student_sheet(source)
    first = sheets.cell_of(source, "04.1", "answer")["source"]
    sheets.cell_of(sheet, "04.1", "answer")["source"] = first
    return sheet


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course with all sheets as one assignment, released and graded by nbgrader for three students."""
    course = tmp_path_factory.mktemp("course")
    (course / "nbgrader_config.py").write_text('c = get_config()\nc.CourseDirectory.course_id = "nanochat"\n')
    (course / "source" / "sheets").mkdir(parents=True)
    for path in SOLUTIONS:
        shutil.copy(path, course / "source" / "sheets")
    code, said = nbgrader(course, "generate_assignment", "sheets")
    assert code == 0, said
    untouched = {name: sheets.read_notebook(ROOT / "exercises" / f"{name}.ipynb") for name in NAMES}
    hand_in(course, "untouched", untouched)
    hand_in(course, "solved", {path.stem: sheets.read_notebook(path) for path in SOLUTIONS})
    hand_in(course, "half", {HALF: half_solved()})
    code, said = nbgrader(course, "autograde", "sheets")
    assert code == 0, said
    assert "Cell output is" not in said  # it takes no result for a number of points
    return course


@pytest.fixture(scope="module")
def marks(course):
    """What nbgrader's gradebook says: (student, sheet) → (score without questions by hand, maximum)."""
    found = {}
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        for submission in gradebook.assignment_submissions("sheets"):
            for notebook in submission.notebooks:
                found[submission.student.id, notebook.name] = (notebook.score, notebook.max_score)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_nbgrader_makes_the_same_student_sheet(course, name):
    released = sheets.read_notebook(course / "release" / "sheets" / f"{name}.ipynb")
    ours = sheets.read_notebook(ROOT / "exercises" / f"{name}.ipynb")
    assert [sheets.source(cell) for cell in released["cells"]] == [sheets.source(cell) for cell in ours["cells"]]
    assert [cell["id"] for cell in released["cells"]] == [cell["id"] for cell in ours["cells"]]


@pytest.mark.parametrize("name", NAMES)
def test_a_solved_sheet_gets_all_points_that_a_machine_can_give(marks, name):
    notebook = sheets.read_notebook(ROOT / "solutions" / f"{name}.ipynb")
    by_hand = sum(
        cell["metadata"]["nbgrader"]["points"] for cell in notebook["cells"] if sheets.role(cell) == "question"
    )
    assert marks["solved", name] == (sheets.max_score(notebook) - by_hand, sheets.max_score(notebook))


@pytest.mark.parametrize("name", NAMES)
def test_an_untouched_sheet_gets_none(marks, name):
    score, max_score = marks["untouched", name]
    assert (score, max_score) == (0, sheets.max_score(sheets.read_notebook(ROOT / "exercises" / f"{name}.ipynb")))


def test_one_exercise_of_a_sheet_gets_its_own_points(marks):
    assert marks["half", HALF][0] == 2


@pytest.mark.parametrize(("folder", "fails"), [("solutions", False), ("exercises", True)])
def test_nbgraders_validate_says_what_our_checks_say(folder, fails):
    paths = [str(ROOT / folder / f"{name}.ipynb") for name in NAMES]
    code, said = nbgrader(ROOT, "validate", *paths)
    assert code == 0, said
    assert said.count("Success! Your notebook passes all the tests.") == (0 if fails else len(NAMES)), said
    if fails:
        checks = [cell for path in paths for cell in sheets.read_notebook(Path(path))["cells"]]
        for cell in checks:
            assert sheets.role(cell) != "check" or sheets.source(cell) in said
