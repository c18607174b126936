"""What a notebook in git must be like, and that a broken lesson is noticed. `run_checks.py` runs the lessons."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from run_checks import CHECKS, NBVAL, STRICT

ROOT = Path(__file__).parents[1]
FOLDERS = ("notebooks", "exercises", "solutions")
SLIDE_TYPES = {"slide", "subslide", "fragment", "skip", "notes", "-"}
NOTEBOOKS = [path for folder in FOLDERS for path in sorted((ROOT / folder).glob("**/*.ipynb"))]
NOTEBOOKS = [path for path in NOTEBOOKS if ".ipynb_checkpoints" not in path.parts]


def problems(notebook):
    """Everything in a notebook that must not be in git, one line each."""
    found = []
    metadata, ids = notebook["metadata"], [cell.get("id") for cell in notebook["cells"]]
    if (notebook["nbformat"], notebook["nbformat_minor"]) != (4, 5):
        found.append("is not in format 4.5")
    if metadata.get("kernelspec", {}).get("name") != "python3":
        found.append("does not name the kernel python3")
    if "widgets" in metadata:
        found.append("has metadata.widgets")
    if len(set(ids)) < len(ids):
        found.append("has a cell id twice")
    for cell in notebook["cells"]:
        name, source = f"cell {cell.get('id')!r}", "".join(cell["source"])
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", cell.get("id") or "") or re.fullmatch(
            r"[0-9a-f]{8}(-.*)?", cell["id"]
        ):
            found.append(f"{name} has no readable id")
        if cell["metadata"].get("slideshow", {}).get("slide_type") not in SLIDE_TYPES:
            found.append(f"{name} has no slide type")
        if cell.get("outputs"):
            found.append(f"{name} has outputs")
        if cell.get("execution_count") is not None:
            found.append(f"{name} has an execution count")
        if re.search(r"%matplotlib\s+inline", source):
            found.append(f"{name} has %matplotlib inline")
    return found


def test_there_are_lessons_to_check():
    assert {"00_start_here.ipynb", "01_tokenization.ipynb"} <= {path.name for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[str(path.relative_to(ROOT)) for path in NOTEBOOKS])
def test_a_notebook_is_fit_for_git(path):
    assert problems(json.loads(path.read_text("utf-8"))) == []


GOOD = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    "cells": [
        {
            "cell_type": "code",
            "id": "first-cell",
            "metadata": {"slideshow": {"slide_type": "slide"}},
            "source": ["1 + 1"],
            "outputs": [],
            "execution_count": None,
        }
    ],
}


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda book, cell: book.update(nbformat_minor=4), "is not in format 4.5"),
        (lambda book, cell: book["metadata"].pop("kernelspec"), "does not name the kernel"),
        (lambda book, cell: book["metadata"]["kernelspec"].update(name="venv"), "does not name the kernel"),
        (lambda book, cell: book["metadata"].update(widgets={}), "has metadata.widgets"),
        (lambda book, cell: book["cells"].append(cell), "has a cell id twice"),
        (lambda book, cell: cell.pop("id"), "has no readable id"),
        (lambda book, cell: cell.update(id="a1b2c3d4"), "has no readable id"),
        (lambda book, cell: cell.update(id="0f6d9c1e-22aa-4bcd-9e1f-000000000000"), "has no readable id"),
        (lambda book, cell: cell.update(metadata={}), "has no slide type"),
        (lambda book, cell: cell["metadata"]["slideshow"].update(slide_type="big"), "has no slide type"),
        (lambda book, cell: cell.update(outputs=[{"output_type": "stream"}]), "has outputs"),
        (lambda book, cell: cell.update(execution_count=1), "has an execution count"),
        (lambda book, cell: cell.update(source=["%matplotlib  inline\n", "1"]), "has %matplotlib inline"),
    ],
)
def test_each_thing_that_does_not_belong_in_git_is_found(spoil, problem):
    notebook = copy.deepcopy(GOOD)
    assert problems(notebook) == []
    spoil(notebook, notebook["cells"][0])
    assert [line for line in problems(notebook) if problem in line]


def run_notebooks(folder, settings=()):
    command = [sys.executable, "-m", *NBVAL, "-n0", "-c", str(ROOT / "pyproject.toml"), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ | dict(settings))


def test_a_broken_lesson_is_caught_by_the_command_that_runs_the_lessons(tmp_path):
    """A lesson whose code is one assert: the whole one passes and the broken one fails."""
    lesson = json.loads((ROOT / "notebooks" / "00_start_here.ipynb").read_text("utf-8"))
    for name, source in [("whole", "assert 7 + 5 == 12"), ("broken", "assert 7 + 5 == 13")]:
        cells = [cell for cell in lesson["cells"] if cell["cell_type"] == "markdown"][:2]
        cells.append(copy.deepcopy(GOOD["cells"][0]) | {"source": [source]})
        (tmp_path / f"{name}.ipynb").write_text(json.dumps(lesson | {"cells": cells}), "utf-8")
    assert CHECKS["lessons"] == [*NBVAL, "notebooks", "exercises"]
    done = run_notebooks(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed" in done.stdout
    assert "FAILED" in done.stdout and "broken.ipynb" in done.stdout
    assert "7 + 5 == 13" in done.stdout


def test_a_solution_whose_checks_are_not_green_is_caught_by_the_command_that_runs_the_solutions(tmp_path):
    """Here an untouched sheet stands in for such a solution: each of its checks fails, and nothing else."""
    assert CHECKS["solutions"] == [*NBVAL, "solutions"]
    name = "04_sampling.ipynb"
    shutil.copy(ROOT / "exercises" / name, tmp_path)
    n_checks = (tmp_path / name).read_text("utf-8").count('"check(')
    done = run_notebooks(tmp_path, STRICT)
    assert f"{n_checks} failed" in done.stdout and "Not attempted yet: 04.1" in done.stdout, done.stdout
