"""How an answer differs is said in one sentence, type first; no answer can say of itself that it is right."""

import collections
import math
import re
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nanochat_helpers.checks.comparing import difference
from nanochat_helpers.checks.showing import kind, two_texts, value_text

numpy = pytest.importorskip("numpy")

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=8,
)


class Liar:
    """Says that it is equal to everything, and that it is a list."""

    __class__ = list

    def __eq__(self, other):
        return True

    def __hash__(self):
        return hash("role")

    def __repr__(self):
        return "[1, 2]"


class Refuses:
    def __eq__(self, other):
        raise ValueError("no comparing")

    __hash__ = object.__hash__

    def __repr__(self):
        raise ValueError("no showing")


class Text(str):
    pass


class Whole(int):
    pass


# --- the same


@given(PLAIN)
def test_a_value_does_not_differ_from_itself(value):
    assert difference(value, value) is None


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (0.0, -0.0),
        (1.0, 1),
        (math.inf, math.inf),
        (math.nan, math.nan),
        (1 / 3, 0.33333),
        ({"a": 1}, collections.Counter(a=1)),
        ({"a": [1]}, collections.defaultdict(list, a=[1])),
        ({1: "a", 2: "b"}, {2: "b", 1: "a"}),
        (torch.tensor([1.0, -math.inf]), torch.tensor([1.00001, -math.inf], requires_grad=True)),
        (torch.tensor(2.0), torch.tensor(2.0)),
        (torch.tensor([]), torch.tensor([])),
    ],
)
def test_what_counts_as_the_same(expected, got):
    assert difference(expected, got) is None


# --- types first


@pytest.mark.parametrize(
    ("expected", "got", "sentence"),
    [
        ([1], None, "It returned None; did you forget `return`, or is there a way through the function without one?"),
        (torch.tensor([1.0]), [1.0], "It should be a tensor, but it is a list: torch.tensor(…) makes a tensor"),
        ([1.0], torch.tensor([1.0]), "It should be a list, but it is a tensor: .tolist()"),
        (1.0, torch.tensor(1.0), "It should be a number, but it is a tensor: .item()"),
        ([1.0], [torch.tensor(1.0)], "At place 0 (counted from 0) it should be a number, but it is a tensor: .item()"),
        (1, 1.0, "It should be a whole number, but it is 1.0: int(…)"),
        (True, 1, "It should be True or False, but it is a whole number: a comparison"),
        (1, True, "It should be a whole number, but it is True or False."),
        (1.0, True, "It should be a number, but it is True or False."),
        ([1], (1,), "It should be a list, but it is a tuple: list(…)"),
        ([1], {1}, "It should be a list, but it is a set: list(…)"),
        ([1], range(1), "It should be a list, but it is a range: list(…)"),
        ([1], map(str, [1]), "It should be a list, but it is a map: list(…)"),
        (["a"], {"a": 1}.keys(), "It should be a list, but it is the keys of a dict: list(…)"),
        ("a", ["a"], 'It should be a text, but it is a list: "".join(…)'),
        ("a", b"a", "It should be a text, but it is bytes: .decode()"),
        ("1", 1, "It should be a text, but it is a whole number: str(…)"),
        (1.0, numpy.float64(1.0), "It should be a number, but it is a numpy number: float(…)"),
        (1, numpy.int64(1), "It should be a whole number, but it is a numpy number: int(…)"),
        (True, numpy.bool_(True), "It should be True or False, but it is a numpy number: bool(…)"),
        ([1], numpy.array([1]), "It should be a list, but it is a numpy array: .tolist()"),
        (torch.ones(1), torch.nn.Parameter(torch.ones(1)), "It should be a tensor, but it is a parameter of a model"),
        ("a", Text("a"), "It should be a text, but it is something of type Text."),
        (1, Whole(1), "It should be a whole number, but it is something of type Whole."),
        ([1, 2], Liar(), "It should be a list, but it is something of type Liar."),
        ([1, 2], [1, Refuses()], "At place 1 (counted from 0) it should be a whole number, but it is something of"),
        (None, "a", "It should be None, but it is a text."),
    ],
)
def test_another_type_is_named_with_its_cure(expected, got, sentence):
    assert difference(expected, got).startswith(sentence)


def test_each_kind_of_value_has_a_name():
    assert kind(len) == kind(lambda: 0) == "a function"
    assert kind(collections.OrderedDict) == "a class"
    assert kind(numpy.array(1.0)) == "a numpy array"
    assert kind(Liar()) == "something of type Liar"


# --- then the shape, then the place, then the value


@pytest.mark.parametrize(
    ("expected", "got", "sentence"),
    [
        (torch.ones(3), torch.ones(1, 3), "The tensor should have the shape (3,), but it has (1, 3)."),
        (torch.ones(3), torch.tensor(1.0), "The tensor should have the shape (3,), but it has ()."),
        (torch.ones(2), torch.ones(2).int(), "The tensor should hold float32, but it holds int32: use .float()."),
        (torch.ones(2), torch.ones(2).double(), "The tensor should hold float32, but it holds float64: use .float()."),
        (torch.tensor([1]), torch.tensor([1.0]), "The tensor should hold int64, but it holds float32: use .long()."),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 3.0]), "At place 1 (counted from 0) it should be 2, but it is 3"),
        (torch.ones(2, 2), torch.tensor([[1.0, 1], [1, 0]]), "In the answer, at [1][1], it should be 1, but it is 0."),
        (0.5, math.nan, "It should be 0.5, but it is nan (not a number"),
        (math.inf, -math.inf, "It should be inf, but it is -inf."),
        (math.inf, 1e300, "It should be inf, but it is 1e+300."),
        (1.0, 10**400, "It should be 1, but it is 1"),
        ([1, 2], [1], "There should be 2 entries, but there is 1."),
        ([1, 2], [1, 3, 2], "There should be 2 entries, but there are 3, and the first difference is at place 1"),
        (
            [{"role": "user"}],
            [{"role": "bot"}],
            "In the answer, at [0]['role'], it should begin with 'user', but it begins with 'bot'.",
        ),
        ("abc", "abd", "From character 2 on (counted from 0) it should read 'c', but it reads 'd'."),
        ("abc", "", "It should be 'abc', but it is empty."),
        ([1, 2], [], "There should be 2 entries, but there are none."),
        ([[1]], [[]], "At place 0 (counted from 0) there should be 1 entry, but there are none."),
        ([], [1], "There should be 0 entries, but there is 1."),
        ("", "a", "It goes on where it should end: 'a' is too much."),
        ("abc", "ab", "It ends too early: 'c' is missing."),
        ("ab", "abc", "It goes on where it should end: 'c' is too much."),
        ("ab", "ab\n", "Only the white space at the end differs: it should be '', but it is '\\n'."),
        ("ab ", " ab ", "Only the white space at the beginning differs: it should be '', but it is ' '."),
        (b"ab", b"ac", "From character 1 on (counted from 0) it should read b'b', but it reads b'c'."),
        ({"a": 1}, {}, "The key 'a' is missing; the dict is empty."),
        ({"a": 1}, {"b": 1}, "The key 'a' is missing; its keys are 'b'."),
        ({"1": 1}, {1: 1}, "The key '1' should be a text, but it is a whole number."),
        ({1: 1}, {True: 1}, "The key 1 is missing; its keys are True."),
        ({"a": 1}, {"a": 1, "b": 2}, "There is a key too many: 'b'."),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "In the answer, at ['a']['b'], it should be 1, but it is 2."),
        ({"role": 1}, {Liar(): 1}, "The key 'role' is missing"),
        ({1, 2}, {1}, "2 is missing in the set."),
        ({1}, {1, 3}, "There is one too many in the set: 3."),
        ({1}, {True}, "1 is missing in the set."),
    ],
)
def test_the_first_difference_is_named(expected, got, sentence):
    assert difference(expected, got).startswith(sentence)


@given(PLAIN, PLAIN)
def test_any_two_values_can_be_compared_and_shown(one, other):
    sentence = difference(one, other)
    assert sentence is None or re.fullmatch(r"[A-Z].*[.?]", sentence, re.DOTALL)
    assert all(len(text) <= 250 for text in two_texts(one, other))


# --- shown short, and quickly


@pytest.mark.parametrize(
    "value",
    [
        [0] * 1_000_000,
        "a" * 10_000_000,
        b"a" * 10_000_000,
        {number: str(number) for number in range(1_000_000)},
        set(range(1_000_000)),
        torch.zeros(1_000_000),
        [["a" * 1_000_000] * 3] * 1_000,
        10**5_000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_huge_value_is_shown_short_and_at_once(value):
    began = time.perf_counter()
    assert len(value_text(value)) <= 240
    assert all(len(text) <= 250 for text in two_texts(value, value))
    assert time.perf_counter() - began < 0.5


def test_a_list_that_holds_itself_can_be_shown_and_compared():
    loop = [1]
    loop.append(loop)
    assert len(value_text(loop)) <= 240
    assert len(two_texts(loop, loop)[0]) <= 250
    assert difference([1, [1]], loop) == "At place 1 (counted from 0) there should be 1 entry, but there are 2."


def test_what_cannot_be_shown_is_named():
    assert value_text(Refuses()) == "a Refuses that cannot be shown (ValueError)"
    assert value_text([Refuses()]) == "[a Refuses that cannot be shown (ValueError)]"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 + 0.2, "0.3"),
        ([1.0, 1 / 3], "[1, 0.333333]"),
        ((1,), "(1,)"),
        ((), "()"),
        (set(), "set()"),
        ({"a": [0.5]}, "{'a': [0.5]}"),
        (frozenset({1}), "frozenset({1})"),
        (torch.tensor([2 / 3, -math.inf]), "tensor([0.666667, -inf])"),
        (torch.tensor(0.5), "tensor(0.5)"),
        (torch.arange(3), "tensor([0, 1, 2])"),
    ],
)
def test_numbers_are_shown_with_few_digits(value, text):
    assert value_text(value) == text


def test_long_answers_are_shown_where_they_part():
    right, wrong = list(range(1_000)), [*range(500), -1, *range(501, 1_000)]
    one, other = two_texts(right, wrong)
    assert "499, 500, 501" in one
    assert "499, -1, 501" in other
    assert one.startswith("… ") and one.endswith(" …")


def test_a_whole_number_and_a_number_are_told_apart_where_they_read_alike():
    assert two_texts(12, 12.0) == ("12", "12.0")
    assert two_texts(12.0, 12.0) == ("12", "12")


@pytest.mark.parametrize(
    ("expected", "got", "end"),
    [
        (["role", "model"], ["model"], "but there is 1, and 'role' is missing."),
        (["model"], ["model", "role"], "but there are 2, and 'role' is too much."),
        (["a", "b"], ["c"], "but there is 1, and 'a' is missing."),
        (["a", "a", "b"], ["a", "b"], "but there are 2, and the first difference is at place 1 (counted from 0)."),
        ([1, 2], [2], "but there is 1, and the first difference is at place 0 (counted from 0)."),
    ],
)
def test_among_texts_the_missing_one_is_named(expected, got, end):
    assert difference(expected, got).endswith(end)
