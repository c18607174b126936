"""What a hostile student has tried, and got nothing by: no points for wrong code, no secret, no broken grader."""

import json
import sys
import time

import pytest
from grading_notebooks import SEED, Desk, said, with_answers

from nanochat_helpers.checks.calling import Answer
from nanochat_helpers.checks.sheets import SHEETS, sheet_exercises
from nanochat_helpers.checks.toys.safety import found
from nanochat_helpers.grading.answers.tricks import tricks_in
from nanochat_helpers.grading.sandbox import STRONG, WEAK, Sandbox, Task, wire


def arrived(error):
    """An error as it arrives from the process that is not trusted."""
    return wire.unpack_answer(json.loads(json.dumps(wire.pack_answer(Answer(error=error), ()))))[0].error


# --- what arrives


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("UnicodeDecodeError", ("ascii", b"", -1, 0, "why")),
        ("UnicodeEncodeError", ("ascii", "", -1, 0, "why")),
        ("UnicodeTranslateError", ("", -1, 0, "why")),
        ("UnicodeDecodeError", ("ascii", b"abc", 2, 1, "why")),
        ("UnicodeDecodeError", ("ascii", b"abc", 3, 4, "why")),
    ],
)
def test_an_error_that_names_a_place_outside_of_its_text_reads_no_memory_of_the_grader(name, args):
    false = type(name, (Exception,), {"__module__": "builtins", "__str__": lambda self: "what it said"})
    error = arrived(false(*args))
    assert (type(error).__name__, str(error)) == (name, "what it said")


@pytest.mark.parametrize("code", ["b'a\\xff'.decode()", "'é'.encode('ascii')"])
def test_an_honest_error_about_a_text_arrives_as_it_was(code):
    try:
        eval(code)
    except UnicodeError as raised:
        error = arrived(raised)
        assert (type(error), str(error)) == (type(raised), str(raised))


UNWRITABLE = """
from collections import Counter
import torch

def remove_name(text, name):
    raise ValueError(Counter({"a": torch.ones(2), "b": torch.zeros(2)}))
"""


def test_an_error_that_cannot_be_written_is_the_students_fault_and_not_the_graders():
    desk = Desk("07", 2, ("07.1",))
    try:
        grade = desk.grade(with_answers({"07.1": UNWRITABLE}))
    finally:
        desk.close()
    assert "It stopped with ValueError (in line 6" in said(grade, "07.1")


# --- points for wrong code


@pytest.mark.parametrize("number", SHEETS)
def test_a_table_of_the_public_answers_is_no_solution(number):
    for exercise in sheet_exercises(number):
        known = [repr(case.args) for case in exercise.cases()]
        new = [case for case in exercise.cases(SEED) if repr(case.args) not in known]
        assert len(new) >= 2, exercise.id


@pytest.mark.parametrize("number", SHEETS)
def test_no_table_holds_all_cases_that_there_are(number):
    for exercise in sheet_exercises(number):
        table = {repr(case.args) for seed in range(40) for case in exercise.cases(seed)}
        new = [repr(case.args) in table for case in exercise.cases(SEED)[len(exercise.edge_cases) :]]
        assert sum(new) < 0.9 * len(new), exercise.id


def test_a_clock_that_a_student_stops_lets_no_slow_pattern_pass(monkeypatch):
    monkeypatch.setattr(time, "thread_time", lambda: 0.0)
    with pytest.raises(TimeoutError):
        found(lambda: r"(1+)+$", "M-" + 22 * "1" + "x")


def test_every_status_of_a_server_may_be_asked_for():
    exercise = sheet_exercises("12")[0]
    cases = [case.args[0] for seed in range(40) for case in exercise.cases(seed)]
    assert len({status for status in cases if 500 <= status <= 599}) > 90


# --- ready-made answers

HIDDEN_IN_TEXTS = """%pwd
'''
%x '''
import nanochat_helpers.sampling as s
'''
%y '''
"""
MATCHED = """
match display:
    case object(__globals__=names):
        names["sys"]
"""


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("__package__ = 'nanochat_helpers'\nfrom .sampling import draw\n", "`.sampling` (line 2)"),
        (HIDDEN_IN_TEXTS, "lines that only Jupyter understands"),
        ("m = torch.sys.modules\n", "`sys` (line 1)"),
        ("import random\nrandom._os.listdir()\n", "`_os` (line 2)"),
        ("import pydoc\npydoc.locate('a.b')\n", "`pydoc` (line 2)"),
        ("from pkgutil import resolve_name\nresolve_name('a:b')\n", "`pkgutil.resolve_name` (line 2)"),
        ("import _io\n_io.open('a')\n", "`_io` (line 2)"),
        (MATCHED, "`__globals__` (line 3)"),
        ("get_ipython().run_cell_magic('time', '', 'import a')\n", "`get_ipython` (line 1)"),
        ("import time\ntime.thread_time = lambda: 0.0\n", "`time.thread_time` (line 2)"),
        ("torch.Tensor = list\n", "`torch.Tensor` (line 1)"),
        ("setattr(torch, 'Tensor', list)\n", "`setattr` (line 1)"),
        ("import numpy as np\nnp.load('a', allow_pickle=True)\n", "`numpy.load` (line 2)"),
        ("import typing\ntyping.get_type_hints(f)\n", "`typing.get_type_hints` (line 2)"),
        ("from operator import attrgetter\nattrgetter('a' + 'b')\n", "`operator.attrgetter` (line 2)"),
        ("getattr(torch, 'sy' + 's')\n", "`getattr` (line 1)"),
        ("getattr(torch, 'sys')\n", "`getattr` (line 1)"),
        ("vars(torch)\n", "`vars` (line 1)"),
        ("load_model().model.generate(ids)\n", "`generate` (line 1)"),
        ("import nanochat_helpers.errors\n", "`nanochat_helpers.errors` (line 1)"),
        ("torch.serialization.load('a')\n", "`torch.serialization.load` (line 1)"),
        ("torch.__spec__.loader\n", "`__spec__` (line 1)"),
        ("object.__getattribute__(f, 'a' + 'b')\n", "`__getattribute__` (line 1)"),
        ("x = '0.__globals__[sys]'\n", "`__globals__` (line 1)"),
        ("class A:\n    eval = 1\n\neval('1')\n", "`eval` (line 2)"),
    ],
)
def test_a_hidden_way_to_ready_made_answers_is_for_a_teacher(code, found):
    assert tricks_in(code, {"torch"}) == found


@pytest.mark.parametrize(
    "code",
    [
        "from __future__ import annotations\n",
        "import nanochat_helpers.errors as errors\n",
        "class A:\n    def __init__(self, os):\n        self.found = getattr(os, 'name', None)\n",
        "x = torch.trace(torch.ones(2, 2))\nx.grad = None\n",
        "%time f()\nx = '''a text\nof two lines'''\n",
        "vars = {'a': 1}\nvars['b'] = 2\n",
    ],
)
def test_what_only_looks_alike_is_not(code):
    assert tricks_in(code, {"torch"}) == ""


# --- secrets

LOOKS = """
from pathlib import Path

def look(path):
    try:
        return Path(path).read_text()
    except OSError as error:
        return type(error).__name__
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux hides files from programs")
@pytest.mark.parametrize("level", [STRONG, WEAK])
def test_an_older_copy_among_the_installed_packages_shows_no_answers(level, tmp_path, monkeypatch):
    packages = tmp_path / "site-packages"
    answers = packages / "nanochat_helpers" / "checks" / "sheets" / "sampling.py"
    answers.parent.mkdir(parents=True)
    (packages / "other.py").write_text("fine")
    answers.write_text("all the answers")
    monkeypatch.syspath_prepend(str(packages))
    box = Sandbox("", ["nanochat_helpers.checks.sheets"], level=level)
    try:
        paths = [str(packages / "other.py"), str(answers)]
        found = box.run(Task("01.1", "look(path)", (("a", LOOKS),), tuple((path,) for path in paths)))
    finally:
        box.close()
    values = [answer.value for answer, _ in found.answers]
    assert values[0] == "fine"
    assert values[1] in ("FileNotFoundError", "PermissionError")
