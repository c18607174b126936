"""A pytest plugin for the job that runs the lessons: what their cells show is kept, as `executed` keeps it.

The tests of the slides and of the site come later and find it there, so no lesson runs twice.
"""

import os
from pathlib import Path

import pytest
from nbval.plugin import IPyNbCell

from nanochat_helpers.publishing.execute import QUIET, keep_static, read_notebook
from nanochat_helpers.publishing.outputs import code_cells, save_outputs

LESSONS = Path(__file__).parents[1] / "notebooks"
SHOWN = pytest.StashKey[dict]()


def pytest_configure():
    os.environ |= QUIET  # the kernels are to run as they do for `executed`


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call" and report.passed and isinstance(item, IPyNbCell) and item.path.parent == LESSONS:
        shown = item.parent.stash.setdefault(SHOWN, {})
        shown[item.cell_num] = item.test_outputs
        keep(item.path, shown)
    return report


def keep(path: Path, shown: dict[int, list]) -> None:
    """Save what a lesson shows once all its cells have run."""
    notebook = read_notebook(path)
    cells = code_cells(notebook)
    if len(shown) == len(cells):
        for number, cell in enumerate(cells):
            cell.outputs = shown[number]
        keep_static(notebook)
        save_outputs(path, notebook)
