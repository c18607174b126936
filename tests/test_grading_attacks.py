"""What a hostile student has tried, and got nothing by: no points for wrong code, no secret, no broken grader."""

import json

import pytest
from grading_notebooks import SEED

from nanochat_helpers.checks.calling import Answer
from nanochat_helpers.checks.sheets import SHEETS, sheet_exercises
from nanochat_helpers.grading.sandbox import wire


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


# --- points for wrong code


@pytest.mark.parametrize("number", SHEETS)
def test_a_table_of_the_public_answers_is_no_solution(number):
    for exercise in sheet_exercises(number):
        known = [repr(case.args) for case in exercise.cases()]
        new = [case for case in exercise.cases(SEED) if repr(case.args) not in known]
        assert len(new) >= 2, exercise.id
