"""Reading and working out a calculation, and that nobody can make it do anything else."""

import ast
import contextlib
import time
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat_helpers.bots import calculator, mathematics
from nanochat_helpers.bots.calculator import Calculation, show
from nanochat_helpers.bots.mathematics import find_calculation
from nanochat_helpers.errors import MessageError


def work_out(text):
    return Calculation(find_calculation(text))


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("7 plus 5", 12),
        ("What is 12.5 % of 80?", 10),
        ("seven times eight", 56),
        ("2 + 3 * 4", 14),
        ("(2 + 3) × 4", 20),
        ("10 − 4 − 3", 3),
        ("2 ^ 3 ^ 2", 512),
        ("-2 ^ 2", -4),
        ("2 ** -1", Fraction(1, 2)),
        ("0.1 + 0.2", Fraction(3, 10)),
        ("1,200 / 4", 300),
        ("the sum of 7 and 5", 12),
        ("What's the difference between 5 and 7?", -2),
        ("half of 9", Fraction(9, 2)),
        ("1 / 3 * 3", 1),
        ("- - 3 + 0", 3),
        ("7x8", 56),
        ("whats 5 squared?", 25),
        ("1/3 + 1/6", Fraction(1, 2)),
        ("20 divided by half of 10", 4),
        ("100 / 10 % of 50", 20),
        ("2 ^ half of 4", 4),
        ("100 - 10 per cent of 50", 95),
        ("half of 10 + 5", 10),
        ("3.125 * 2", Fraction(25, 4)),
        ("2 ^ 100", 2**100),
        ("1 ^ 100000000000000", 1),
    ],
)
def test_a_calculation_is_found_and_worked_out_exactly(text, result):
    assert work_out(text).result == result


@pytest.mark.parametrize(
    "text",
    [
        "10 minus the sum of 2 and 3",
        "2 times the product of 3 and 4",
        "sum of 3 and 4 times 2",
        "product of 2 + 3 and 4",
        "half of 4 squared",
        "Hi - what is 7 + 5?",
        "7 + 5 = 12",
        "7 + 5, 8 + 9",
        "1.000 + 1",
        "1.500 * 2",
        "1.000,50 + 1",
        "12,5% of 80",
        "3 1/2 + 1",
        "100 + 10%",
        "sqrt 16",
        "3:30 + 1:15",
        "twenty one + 1",
    ],
)
def test_what_could_mean_two_things_is_not_worked_out(text):
    with pytest.raises(MessageError):
        work_out(text)


def test_brackets_are_shown_where_they_matter():
    assert str(work_out("What is half of 9?")) == "1 ÷ 2 × 9 = 4.5"
    assert str(work_out("20 / half of 10")) == "20 ÷ (1 ÷ 2 × 10) = 4"
    assert work_out("(-2) ^ 2").steps == ["(−2) ^ 2 = 4"]


def test_the_steps_are_in_the_order_in_which_they_are_done():
    assert work_out("(3 + 4) * 5 - 6 / 2").steps == ["3 + 4 = 7", "7 × 5 = 35", "6 ÷ 2 = 3", "35 − 3 = 32"]


def test_a_rounded_number_says_so():
    done = work_out("10 / 3 + 1")
    assert done.steps == ["10 ÷ 3 ≈ 3.333333", "3.333333 + 1 ≈ 4.333333"] and str(done).endswith("≈ 4.333333")


@given(st.recursive(st.integers(0, 999).map(str), lambda part: st.tuples(part, st.sampled_from("+-*"), part).map(
    lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"), max_leaves=8))  # fmt: skip
def test_it_gives_what_python_gives(text):
    """Python's own parser is the reference; the tree is walked here, so that nothing is run."""

    def value(node):
        if isinstance(node, ast.Constant):
            return node.value
        a, b = value(node.left), value(node.right)
        return {ast.Add: a + b, ast.Sub: a - b, ast.Mult: a * b}[type(node.op)]

    if " " in text:
        assert work_out(text).result == value(ast.parse(text, mode="eval").body)


@pytest.mark.parametrize(
    "text",
    [
        "9**9**9**9",
        "2^1000",
        "3 ^ 130",
        "999999999999999 * 999999999999999 * 999999999999999",
        "2^0.5",
        "1/0",
        "0^-1",
        "5 / (3 - 3)",
        "(" * 10_000 + "1" + ")" * 10_000,
        "-" * 400 + "1",
        "(" * 29 + "1" + ")" * 29,
        "1+" * 100 + "1",
        "1" * 10**6,
        "9" * 400 + "+1",
        "7 + 5 " * 10**5,
        "().__class__.__bases__",
        "__import__('os')",
        "'a' * 10",
        "[1] * 5",
        "7 if 1 else 5",
        "lambda: 7 + 5",
        "x := 7 + 5",
        "1e5 + 1",
        "0x10 + 1",
        "1_000 + 1",
        "٣ + ٤",
        "７ + 5",
        "12,5 + 1",
        "2024-10-05",
        "10:30 + 1",
        "7 5",
        "7 + ",
        "((1 + 2)",
        "1 + 2)",
        "()",
        "What is 3?",
        "-3",
        "two hundred plus five",
        "Anna has 7 apples and 5 pears",
        "7 + 5 and 3 + 4",
        "",
        "?!",
        "\0 7 + 5",
        "<|im_end|> 7 + 5",
    ],
)
def test_what_is_not_sure_or_has_no_result_is_refused_in_a_sentence_and_at_once(text):
    start = time.process_time()
    with pytest.raises(MessageError) as caught:
        work_out(text)
    assert time.process_time() - start < 0.2
    assert len(str(caught.value)) < 150 and str(caught.value).endswith((".", "?"))


@given(st.text(max_size=80))
def test_any_text_gives_a_number_or_a_sentence(text):
    with contextlib.suppress(MessageError):
        assert isinstance(work_out(text).result, Fraction)


@given(st.text("0123456789+-*/^(). ", max_size=60))
def test_any_calculation_gives_a_number_or_a_sentence(text):
    with contextlib.suppress(MessageError):
        assert len(show(work_out(text).result)) < 60


@pytest.mark.parametrize("module", [calculator, mathematics])
def test_nothing_in_it_can_run_code(module):
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not names & {"eval", "exec", "compile", "__import__", "getattr", "globals"}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Fraction(12), "12"),
        (Fraction(-1, 8), "−0.125"),
        (Fraction(2, 3), "0.666667"),
        (Fraction(1, 400_000_000), "2.5e-09"),
        (Fraction(1, 2000), "0.0005"),
    ],
)
def test_a_number_is_shown_as_one_writes_it(value, shown):
    assert show(value) == shown
