"""`check` and `progress` as a student calls them: from a cell, a function, a thread, a script, and under nbgrader."""

import subprocess
import sys
import threading
import time

import pytest
import torch

from nanochat_helpers import sampling
from nanochat_helpers.checks import CheckResult, check, checking, progress
from nanochat_helpers.checks.toys import chatbot
from nanochat_helpers.errors import CheckError, ModelMissingError


@pytest.fixture(autouse=True)
def fresh_session(monkeypatch):
    """Each test begins as a new kernel does, and no grader is at work."""
    monkeypatch.setattr(checking, "_SESSION", checking.Session())
    for name in ("NBGRADER_EXECUTION", "NANOCHAT_STRICT_CHECKS"):
        monkeypatch.delenv(name, raising=False)


def right(logits, temperature):
    return sampling.apply_temperature(logits, temperature)


def wrong(logits, temperature):
    return logits + temperature


def a_problem():
    """Not what 04.1 asks for."""


def in_a_cell(code, **names):
    """Run code as a notebook does, with names of its own, and give these names."""
    names = {"check": check, "progress": progress, "torch": torch, "__name__": "__main__"} | names
    exec(compile(code, "<cell>", "exec"), names)
    return names


# --- which function is meant


@pytest.mark.parametrize(
    "code",
    [
        'result = check("04.1")',
        'result = check("04.1", apply_temperature)',
        'result = check(exercise_id="04.1", function=apply_temperature)',
        'def of_mine():\n    return check("04.1")\nresult = of_mine()',
        'result = [check("04.1") for _ in range(1)][0]',
    ],
)
def test_the_function_of_the_cell_is_checked(code):
    assert in_a_cell(code, apply_temperature=right)["result"].passed


def test_a_function_inside_a_function_is_found():
    code = """
def of_mine():
    def apply_temperature(logits, temperature):
        return right(logits, temperature)
    return check("04.1")
result = of_mine()
"""
    assert in_a_cell(code, right=right)["result"].passed


def test_a_check_works_in_a_thread(monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "apply_temperature", right, raising=False)
    results = []
    thread = threading.Thread(target=lambda *args: results.append(check(*args)), args=("04.1",))
    thread.start()
    thread.join()
    assert results[0].passed


def test_a_check_works_in_a_script(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(
        "from nanochat_helpers.checks import check\n"
        "def apply_temperatur(logits, temperature):\n    return logits\n"
        'print(check("04.1"))\n'
        "apply_temperature = apply_temperatur\n"
        'print(check("04.1"))\n'
        'print(input("still here? "))\n'
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, input="yes")
    assert done.stderr == ""
    assert "there is `apply_temperatur`" in done.stdout
    assert "Not yet: 04.1 Temperature" in done.stdout
    assert done.stdout.endswith("still here? yes\n")


@pytest.mark.parametrize(
    "name", ["apply_temp", "Apply_Temperature", "applyTemperature", "temperature_apply", "aply_temperature"]
)
def test_the_nearest_name_is_offered(name):
    result = in_a_cell('result = check("04.1")', **{name: wrong})["result"]
    assert result.status == "problem"
    assert f"There is no function `apply_temperature`, but there is `{name}`." in result.sentence


def test_a_name_of_the_package_is_not_offered():
    result = in_a_cell('result = check("04.1")', apply_temperatures=sampling.apply_temperature)["result"]
    assert result.sentence == (
        "There is no function `apply_temperature` yet: run the cell that defines it, then this one again."
    )


def test_the_function_of_another_exercise_is_not_offered():
    result = in_a_cell('result = check("04.3")', apply_top_k=wrong)["result"]
    assert result.sentence.startswith("There is no function `apply_top_p` yet: ")


def test_a_name_that_was_used_again_is_noticed():
    result = in_a_cell('result = check("04.1")', apply_temperature=0.7)["result"]
    assert result.sentence.startswith("`apply_temperature` should be a function, but it is a number (0.7).")


# --- which exercise is meant


@pytest.mark.parametrize(
    ("exercise_id", "sentence"),
    [
        ("04.99", "There is no exercise '04.99': sheet 04 has 04.1 to 04."),
        ("4.1", "There is no exercise '4.1': did you mean \"04.1\"?"),
        ("04.1 ", "There is no exercise '04.1 ': did you mean \"04.1\"?"),
        ("04", "There is no exercise '04': sheet 04 has 04.1 to 04."),
        ("99.1", "There is no exercise '99.1': an exercise is named by its sheet and number"),
        ("", "There is no exercise '': an exercise is named by its sheet and number"),
        ("top_p" * 100, "There is no exercise 'top_ptop_ptop_ptop_p': an exercise is named"),
        (4.1, 'The exercise comes first, as a text in quotes: check("04.3", my_function). Given: 4.1.'),
        (None, "The exercise comes first, as a text in quotes"),
        (right, "The exercise comes first, as a text in quotes"),
        (["04.1"], "The exercise comes first, as a text in quotes"),
    ],
)
def test_an_unknown_exercise_has_a_sentence(exercise_id, sentence):
    result = check(exercise_id, right)
    assert result.status == "problem"
    assert result.sentence.startswith(sentence)
    assert result.sentence in " ".join(repr(result).split())
    assert result._repr_html_()


# --- one check after the other


def test_hints_come_one_by_one_and_end_with_a_pass():
    hints = [check("04.1", wrong).hints for _ in range(4)]
    assert [len(each) for each in hints] == [0, 1, 2, 2]
    assert check("04.1", right).hints == ()
    assert check("04.1", wrong).hints == ()


def test_a_problem_and_a_stub_add_no_hint():
    check("04.1", wrong)
    assert check("04.1", a_problem).status == "problem"
    assert len(check("04.1", wrong).hints) == 1


def test_another_hint_is_announced_while_there_is_one():
    notes = [check("04.1", wrong).notes for _ in range(3)]
    assert notes == [("If the next try fails too, there is another hint.",)] * 2 + [()]


def test_the_latest_result_of_each_exercise_counts():
    check("04.1", right)
    check("04.2", wrong)
    lines = repr(progress("04")).splitlines()
    assert "Passed" in lines[0] and "Not attempted yet" in lines[2]
    assert "Sheet 04, so far: 2 of " in lines[-1]
    check("04.1", wrong)
    assert "Sheet 04, so far: 0 of " in repr(progress("04"))


def test_no_sheet_is_an_error_with_the_sheets_there_are():
    with pytest.raises(CheckError, match="the sheets are 01 to 12"):
        progress("4")


# --- what could hurt


def test_two_checks_at_once_do_not_mix():
    def slow(logits, temperature):
        time.sleep(0.02)
        return right(logits, temperature)

    results, streams = [], (sys.stdout, sys.stderr)
    thread = threading.Thread(target=lambda: results.append(check("04.1", slow)))
    thread.start()
    time.sleep(0.1)
    results.append(check("04.1", right))
    thread.join()
    assert [result.status for result in results] == ["problem", "passed"]
    assert "Another check is running" in results[0].sentence
    assert (sys.stdout, sys.stderr) == streams


def test_a_check_within_a_check_is_refused():
    inner = []

    def checks_itself(logits, temperature):
        inner.append(check("04.1", checks_itself))
        return right(logits, temperature)

    assert check("04.1", checks_itself).passed
    assert {result.status for result in inner} == {"problem"}


def test_a_check_that_breaks_says_so_and_the_next_one_works(monkeypatch):
    class Breaks:
        @property
        def __class__(self):
            raise ValueError("who asks?")

    result = check("04.1", Breaks())
    assert result.status == "problem"
    monkeypatch.setattr(checking, "examine", lambda *_: {}["a"])
    result = check("04.1", right)
    assert result.sentence.endswith("Show this to your teacher: KeyError: 'a'")
    monkeypatch.undo()
    assert check("04.1", right).passed


def test_without_the_model_nothing_passes_and_the_check_says_what_to_do(monkeypatch):
    def gone(*_, **__):
        raise ModelMissingError("SmolLM2 is not here: fetch it.")

    chatbot.real_model.cache_clear()
    monkeypatch.setattr(chatbot, "load_model", gone)
    result = check("08.5", lambda messages, text, max_new_tokens, backbone: 42)
    assert (result.status, result.sentence) == ("problem", "SmolLM2 is not here: fetch it.")


def test_half_a_character_hurts_no_notebook():
    def prints_half(logits, temperature):
        print("a\ud83d")

    def raises_half(logits, temperature):
        raise ValueError("a\udcff")

    for function in (prints_half, raises_half):
        result = check("04.1", function)
        assert b"a\\ud" in repr(result).encode() and b"a\\ud" in result._repr_html_().encode()


def test_nothing_is_printed(capsys):
    def prints(logits, temperature):
        print("a")
        print("b", file=sys.stderr)
        return right(logits, temperature)

    for function in (prints, wrong, a_problem):
        check("04.1", function)
    assert capsys.readouterr() == ("", "")


# --- graded


def test_progress_shows_the_question_of_the_sheets_that_have_one():
    assert (progress("03").by_hand, progress("04").by_hand) == (3, 0)
    assert "your teacher reads it" in repr(progress("03"))


@pytest.mark.parametrize(("name", "value"), [("NBGRADER_EXECUTION", "autograde"), ("NANOCHAT_STRICT_CHECKS", "1")])
def test_a_grader_sees_an_error_with_the_text_of_the_result(monkeypatch, capsys, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(CheckError) as caught:
        check("04.1", wrong)
    assert str(caught.value).startswith("Not yet: 04.1 Temperature\n")
    with pytest.raises(CheckError, match="Not attempted yet"):
        check("04.1", lambda logits, temperature: (_ for _ in ()).throw(NotImplementedError))
    with pytest.raises(CheckError, match="Could not be checked"):
        check("04.1", a_problem)
    with pytest.raises(CheckError, match="There is no exercise"):
        check("04.99", right)
    assert isinstance(check("04.1", right), CheckResult)
    assert capsys.readouterr() == ("", "")
