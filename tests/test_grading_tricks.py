"""What no exercise needs is named with its line; honest answers, right or wrong, are not flagged."""

import inspect

import pytest
from handed_in import ROOT, cell, read, taken

from nanochat_helpers.checks.sheets import SHEETS, sheet_exercises
from nanochat_helpers.grading.answers.tricks import imports_of, tricks_in
from nanochat_helpers.grading.sheets import cell_of, source
from nanochat_helpers.grading.verify import second_solutions


def texts_of_other_right_answers(number):
    """The second solutions of a sheet, each with the functions of its file that it calls."""
    for functions in second_solutions(ROOT, SHEETS[number]).values():
        for function in functions:
            yield function.__name__, inspect.getsource(function)


@pytest.mark.parametrize("number", SHEETS)
def test_no_honest_answer_is_flagged(number):
    texts = [*texts_of_other_right_answers(number), *taken(read(number, "solutions"), number).answers.items()]
    for exercise in sheet_exercises(number):
        texts += [(each.name, inspect.getsource(each.wrong)) for each in exercise.misconceptions]
        texts.append((exercise.id, source(cell_of(read(number), exercise.id, "answer"))))
    assert {name: found for name, text in texts if (found := tricks_in(text))} == {}


@pytest.mark.parametrize(
    "text",
    [
        "import os, sys, random\nx = sys.maxsize\n",
        "open = 1\nclosed = open + 1\n",
        "import re\npattern = re.compile('a')\n",
        "from nanochat_helpers.errors import ContextError\n",
        "from nanochat_helpers.checks import check\ncheck('04.1')\n",
        "class A:\n    def __init__(self):\n        self.x = type(self).__name__\n",
        "def f(model):\n    model.eval()\n    return model.modules()\n",
        "import io\nio.StringIO()\n",
    ],
)
def test_honest_habits_are_not_flagged(text):
    assert tricks_in(text, {"nanochat_helpers.checks.check"}) == ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from nanochat_helpers import sampling\n", "`nanochat_helpers.sampling` (line 1)"),
        ("import nanochat_helpers.sampling as s\n", "`nanochat_helpers.sampling` (line 1)"),
        (
            "def f():\n    from nanochat_helpers.sampling import draw as d\n",
            "`nanochat_helpers.sampling.draw` (line 2)",
        ),
        ("import os\nos.system('ls')\n", "`os` (line 2)"),
        ("from os import system as s\ns('ls')\n", "`os.system` (line 2)"),
        ("from os import *\n", "`os.*` (line 1)"),
        ("import sys as s\ns._getframe(1)\n", "`_getframe` (line 2)"),
        ("from sys import modules\nmodules\n", "`sys.modules` (line 2)"),
        ("import sys\nsys.modules\n", "`modules` (line 2)"),
        ("x = eval('1')\n", "`eval` (line 1)"),
        ("__import__('gc')\n", "`__import__` (line 1)"),
        ("getattr(f, '__globals__')\n", "`__globals__` (line 1)"),
        ("try:\n    1 / 0\nexcept Exception as e:\n    e.__traceback__.tb_frame\n", "`tb_frame` (line 4)"),
        ("class A:\n    def __eq__(self, other):\n        return True\n", "`__eq__` (line 2)"),
        ("import transformers\ntransformers.TopKLogitsWarper\n", "`transformers` (line 2)"),
        ("open('a').read()\n%timeit f()\n", "`open` (line 1)"),
    ],
)
def test_tricks_are_named_with_their_line(text, found):
    assert tricks_in(text) == found


@pytest.mark.parametrize("number", SHEETS)
def test_of_all_imports_of_second_solutions_only_ready_made_answers_are_flagged(number):
    text = (ROOT / "tests" / "second_solutions" / f"{SHEETS[number]}.py").read_text("utf-8")
    found = tricks_in(text, imports_of(source(cell(read(number), "imports"))))
    ready_made = "`nanochat_helpers.GenerationSettings` (line 6), `nanochat_helpers.stopping` (line 6)"
    assert found == (ready_made if number == "05" else "")
