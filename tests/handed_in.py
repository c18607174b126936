"""What the tests of grading share: sheets as plain data, and cells to put into them."""

import json
from pathlib import Path

from nanochat_helpers.checks.sheets import SHEETS
from nanochat_helpers.grading.answers import HandedIn, take_answers
from nanochat_helpers.grading.master import find_master

ROOT = Path(__file__).parents[1]


def read(number, folder="exercises"):
    """A sheet: a copy of its own each time."""
    return json.loads((ROOT / folder / f"{number}_{SHEETS[number]}.ipynb").read_text("utf-8"))


def taken(notebook, number="04") -> HandedIn:
    """What is taken out of a notebook."""
    return take_answers(json.dumps(notebook).encode(), find_master(number, ROOT))


def cell(notebook, name):
    """The cell with this id."""
    return next(each for each in notebook["cells"] if each["id"] == name)
