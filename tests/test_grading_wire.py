"""Plain data passes between the grader and the process it does not trust, and nothing that arrives can do any harm."""

import collections
import contextlib
import importlib
import json
import math
import re
import socket
import tracemalloc
import types

import hypothesis.strategies as st
import numpy
import pytest
import torch
from hypothesis import example, given, settings

from nanochat_helpers.checks import showing
from nanochat_helpers.checks.calling import Answer, call_once
from nanochat_helpers.checks.comparing import difference
from nanochat_helpers.checks.faults import fault
from nanochat_helpers.checks.sheets import SHEETS, sheet_exercises
from nanochat_helpers.errors import ContextError
from nanochat_helpers.grading.sandbox import wire

LIVE = ("with_the_real_model",)  # needs the model of the lessons


def sent(value):
    """A value as it arrives, by way of real JSON."""
    return wire.unpack(json.loads(json.dumps(wire.pack(value))))


def sent_answer(answer, args=()):
    return wire.unpack_answer(json.loads(json.dumps(wire.pack_answer(answer, args))))[0]


def same(one, other):
    """Equal in value and in type, all the way down; nan is nan, and 0.0 is not -0.0."""
    if type(one) is not type(other):
        return False
    if type(one) is torch.Tensor:
        return (one.dtype, one.shape) == (other.dtype, other.shape) and same(one.tolist(), other.tolist())
    if type(one) is float:
        return (math.isnan(one) and math.isnan(other)) or (one, math.copysign(1, one)) == (
            other, math.copysign(1, other),
        )  # fmt: skip
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return same(list(one.items()), list(other.items()))
    return one == other and (not isinstance(one, set | frozenset) or {*map(type, one)} == {*map(type, other)})


# --- values

letters = st.characters(codec=None)  # with lone surrogates
keys = st.none() | st.booleans() | st.integers() | st.floats() | st.text(letters) | st.binary()
keys |= st.tuples(keys, keys) | st.frozensets(st.integers())
plain = st.recursive(
    keys | st.integers(-(2**300), 2**300),
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(keys, inner) | st.sets(keys)
        | st.dictionaries(keys, inner).map(collections.OrderedDict)
    ),
    max_leaves=30,
)  # fmt: skip


@given(plain)
@example([math.nan, math.inf, -math.inf, -0.0, 5e-324, 10**4200, -1, True, "\ud800", b"\xff", (), [()], {(): {}}])
@settings(max_examples=150)
def test_plain_values_arrive_as_they_were(value):
    assert same(sent(value), value)


def test_counted_and_default_dicts_arrive_as_what_compares_like_them():
    assert same(sent(collections.Counter("aab")), collections.Counter("aab"))
    assert sent(collections.defaultdict(list, {1: [2]})) == {1: [2]}


@pytest.mark.parametrize("dtype", sorted(wire.DTYPES))
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (0, 4), (1, 1, 1)])
def test_tensors_of_every_kind_arrive_as_they_were(dtype, shape):
    tensor = (torch.rand(shape) * 5 - 1).to(getattr(torch, dtype))
    assert same(sent(tensor), tensor)


def test_a_tensor_keeps_what_is_no_ordinary_number():
    tensor = torch.tensor([math.nan, math.inf, -math.inf, -0.0, 1e-45])
    assert same(sent(tensor), tensor)


class Point:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return True

    def __repr__(self):
        return f"Point({self.x})"

    __hash__ = object.__hash__


class Sneaky(list):
    """A list that is none."""


async def _coroutine():
    pass


async def _asynchronous():
    yield


def closed():
    coroutine = _coroutine()
    coroutine.close()
    return coroutine


NO_DATA = [
    lambda: Point(3), lambda: Sneaky([1]), lambda: (lambda: 1), lambda: len, lambda: "a".join, lambda: (n for n in [1]),
    lambda: map(str, [1]), lambda: filter(None, [1]), lambda: zip([1]), lambda: enumerate([1]), lambda: reversed([1]),
    lambda: range(3), {1: 2}.keys, {1: 2}.values, {1: 2}.items, lambda: ..., lambda: int,
    lambda: numpy.float64(1), lambda: numpy.int64(1), lambda: numpy.bool_(True), lambda: numpy.array([1]), closed,
    lambda: torch.nn.Parameter(torch.ones(1)), lambda: torch.float32, lambda: 1 + 2j, lambda: bytearray(b"a"),
    lambda: types.SimpleNamespace(a=1), _asynchronous, lambda: torch.tensor([1 + 2j]),
]  # fmt: skip


@pytest.mark.parametrize("make", NO_DATA)
@pytest.mark.parametrize("expected", [1, 1.0, "1", [1], (1,), {1: 2}, {1}, torch.ones(1), None, True])
def test_of_what_is_no_data_the_same_is_said(make, expected):
    value, came = make(), sent(make())
    assert showing.kind(came) == showing.kind(value)
    assert difference(expected, came) == difference(expected, value)
    assert difference(expected, came)


def test_what_is_no_data_is_equal_to_nothing():
    came = sent([Point(1), Sneaky()])
    assert came[0] != Point(1) or type(came[0]) is not Point
    assert type(came[1]) is not list
    assert repr(came[0]) == "Point(1)"


@pytest.mark.parametrize(
    "value",
    [
        list(range(wire.ENTRIES + 1)), "a" * (8 * wire.ENTRIES + 8), b"a" * (8 * wire.ENTRIES + 8),
        torch.zeros(wire.ENTRIES + 1), [10**4400], set(range(wire.KEYS + 1)), dict.fromkeys(range(wire.KEYS + 1)),
    ],
)  # fmt: skip
def test_a_value_that_is_too_large_is_not_sent(value):
    with pytest.raises(wire.TooMuchError):
        wire.pack(value)


def test_lists_too_deep_and_lists_in_themselves_are_not_sent():
    deep = itself = []
    for _ in range(wire.DEPTH + 1):
        deep = [deep]
    itself.append(itself)
    for value in (deep, itself):
        with pytest.raises(wire.TooMuchError):
            wire.pack(value)


# --- errors


class Own(ValueError):
    pass


class OwnWithWords(KeyError):
    def __init__(self, name, more):
        super().__init__(name)

    def __str__(self):
        return "my own words"


def raised(code):
    try:
        exec(code, {"torch": torch, "json": json, "re": re, "math": math})
    except BaseException as error:
        return error


@pytest.mark.parametrize(
    "code",
    [
        "{}['a']", "[][1]", "1 / 0", "int('x')", "b'\\xff'.decode()", "json.loads('{')", "re.compile('(')", "x",
        "[].x", "raise NotImplementedError", "raise SystemExit(2)", "raise KeyboardInterrupt", "assert 0, 'no'",
        "torch.ones(2) @ torch.ones(3)", "'\\ud800'.encode()", "raise OSError(2, 'gone', 'a.txt')", "f(", "import nix",
        "raise StopIteration(3)", "raise Exception({1: 2}, [3])", "math.sqrt(-1)", "raise UnicodeError",
        "raise ExceptionGroup('two', [ValueError(1)])", "raise TimeoutError()",
    ],
)  # fmt: skip
def test_errors_arrive_as_the_same_class_with_the_same_words(code):
    error = raised(code)
    came = sent_answer(Answer(error=error)).error
    assert type(came).__name__ == type(error).__name__
    assert type(came) is type(error) or isinstance(error, ExceptionGroup)
    if not isinstance(error, json.JSONDecodeError | re.error | SyntaxError | ImportError):
        assert str(came) == str(error)


def test_the_lessons_own_error_arrives_as_what_it_is():
    error = call_context_error()
    came = sent_answer(Answer(error=error)).error
    assert type(came) is ContextError
    assert str(came) == str(error)


def call_context_error():
    return ContextError("too long") if ContextError.__init__ is Exception.__init__ else ContextError(*"ab")


@pytest.mark.parametrize(("error", "parent"), [(Own("a"), ValueError), (OwnWithWords("a", 1), KeyError)])
def test_an_error_of_a_students_own_class_keeps_its_name_its_words_and_its_parents(error, parent):
    came, again = (sent_answer(Answer(error=error)).error for _ in range(2))
    assert type(came).__name__ == type(error).__name__
    assert isinstance(came, parent)
    assert str(came) == str(error)
    assert type(came) is type(again)


# --- the sheets


def second_solutions(name):
    try:
        return vars(importlib.import_module(f"tests.second_solutions.{name}"))
    except ModuleNotFoundError:
        return {}


@pytest.mark.parametrize(("number", "name"), SHEETS.items())
def test_answers_to_the_sheets_are_judged_the_same_after_the_way(number, name):
    for exercise in sheet_exercises(number):
        if exercise.call.__name__ in LIVE:
            continue
        known = [each.wrong for each in exercise.misconceptions]
        second = second_solutions(name).get(exercise.name)
        for case in exercise.cases(7)[: len(exercise.edge_cases) + 3]:
            right = call_once(exercise, exercise.reference, case)
            args = sent(case.args)
            assert same(args, case.args) or difference(case.args, args) is None
            for function in (exercise.reference, *known, *([second] if second else [])):
                answer = call_once(exercise, function, case)
                came = sent_answer(answer, case.args)
                assert fault(exercise, right, came) == fault(
                    exercise, right, Answer(answer.value, answer.error, answer.line, answer.printed)
                ), (exercise.id, function, case)


# --- what a hostile child may send


def harmless(data):
    """Whether what is sent is taken or refused; nothing else may happen. Also what is then said about it."""
    for take in (wire.unpack, wire.unpack_answer):
        try:
            came = take(data)
        except wire.WireError:
            continue
        value = came if take is wire.unpack else came[0].value
        showing.kind(value)
        assert len(showing.value_text(value)) <= showing.SHOWN + 100
        for expected in (1, 0.5, "a", [1], {"a": 1}, {1}, torch.ones(1)):
            difference(expected, value)
        difference(value, value)


numbers = st.sampled_from(["0x1", "0x" + "f" * 400, "nan", "inf", "-0x1p-1074", "0x1p99999", "", "10**9", 5, None])
names = st.sampled_from([*wire.SEQUENCES, *wire.DICTS, "int", "float", "bytes", "tensor", "other", "x"])
shapes = st.lists(st.sampled_from([0, 1, 2, -1, 10**9, 2**63, "2", None, 1.5]), max_size=4)
forged = st.recursive(
    st.none() | st.booleans() | st.text(max_size=3) | st.integers() | st.floats() | numbers,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(names, inner, max_size=2)
        | st.dictionaries(names, st.lists(inner, max_size=3), min_size=1, max_size=1)
        | st.dictionaries(st.sampled_from(["dict", "Counter"]), st.lists(st.tuples(inner, inner), max_size=3),
                          min_size=1, max_size=1)
        | st.tuples(st.sampled_from([*wire.DTYPES, "complex64", "Tensor"]), shapes, st.lists(inner, max_size=4))
        .map(lambda parts: {"tensor": list(parts)})
        | st.tuples(st.sampled_from(["builtins", "types", "torch", "numpy"]),
                    st.sampled_from([*wire.EMPTY, "Tensor", "ndarray", "eval", "\ud800"]), inner)
        .map(lambda parts: {"other": list(parts)})
        | st.fixed_dictionaries({
            "value": inner, "line": inner, "printed": inner, "unwritten": inner,
            "args": inner | st.just({"tuple": []}),
            "error": inner | st.tuples(
                st.lists(st.tuples(st.sampled_from(["builtins", "json.decoder", "nanochat_helpers.errors", "os", ""]),
                                   st.sampled_from(["ValueError", "ExceptionGroup", "UnicodeDecodeError", "exit",
                                                    "JSONDecodeError", "BaseException", "OSError", "open"]))),
                inner | st.just({"tuple": [{"int": "0x1"}, None]}), inner),
        })
    ),
    max_leaves=25,
)  # fmt: skip


@given(forged)
@settings(max_examples=400)
def test_whatever_comes_is_a_value_or_a_wire_error(data):
    harmless(json.loads(json.dumps(data)))


def nested(kind, depth, inner=None):
    for _ in range(depth):
        inner = {kind: [inner]}
    return inner


def list_nested(depth):
    return json.loads("[" * depth + "]" * depth)


BOMBS = {
    "giant shape": lambda: {"tensor": ["float32", [10**9, 10**9], []]},
    "giant shape of nothing": lambda: {"tensor": ["float32", [10**9, 0], []]},
    "negative shape": lambda: {"tensor": ["float32", [-1], [{"float": "0x1p0"}]]},
    "a thousand axes": lambda: {"tensor": ["float32", [1] * 1000, [{"float": "0x1p0"}]]},
    "wrong count": lambda: {"tensor": ["float32", [3], [{"float": "0x1p0"}]]},
    "too large for its dtype": lambda: {"tensor": ["uint8", [1], [{"int": hex(10**50)}]]},
    "no number": lambda: {"tensor": ["float32", [1], [{"other": ["a", "b", "c"]}]]},
    "tensor in tensor": lambda: {"tensor": ["float32", [1], [{"tensor": ["float32", [1], [{"float": "0x0p0"}]]}]]},
    "dtype": lambda: {"tensor": ["load", [1], [True]]},
    "dtype is a list": lambda: {"tensor": [["float32"], [1], [True]]},
    "deep": lambda: nested("list", 300),
    "deep tuples": lambda: nested("tuple", wire.DEPTH),
    "deep lists": lambda: list_nested(300),
    "unhashable": lambda: {"dict": [[{"list": []}, None]]},
    "unhashable in a set": lambda: {"set": [{"dict": []}]},
    "huge int": lambda: {"int": "0x" + "f" * 900_000},
    "huge int as a key": lambda: {"dict": [[{"int": "0x" + "f" * 9000}, None]]},
    "int in digits": lambda: {"int": "9" * 5000},
    "colliding keys": lambda: {"set": [{"int": hex(n * (2**61 - 1))} for n in range(30_000)]},
    "many values": lambda: {"list": [None] * 200_000},
    "long text as a list": lambda: {"list": "a" * 200_000},
    "dict of a text": lambda: {"dict": ["ab", "cd"]},
    "two kinds": lambda: {"int": "0x1", "float": "0x1p0"},
    "bytes": lambda: {"bytes": "ä"},
    "no kinds of an error": lambda: {"value": None, "error": [[], {"tuple": []}, ""], "line": "", "printed": "",
                                     "unwritten": "", "args": {"tuple": []}},
    "an error of a thousand kinds": lambda: {"value": None, "error": [[["", "x"]] * 1000, {"tuple": []}, ""],
                                             "line": "", "printed": "", "unwritten": "", "args": {"tuple": []}},
    "an error with broken arguments": lambda: {"value": None, "line": "", "printed": "", "unwritten": "",
                                               "error": [[["builtins", "UnicodeDecodeError"]], {"tuple": [None]}, ""],
                                               "args": {"tuple": []}},
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_taken_apart_in_little_memory(name):
    data = BOMBS[name]()
    tracemalloc.start()
    try:
        harmless(data)
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["deep", "many values", "giant shape of nothing", "a thousand axes", "colliding keys",
                                  "huge int", "tensor in tensor", "two kinds"])  # fmt: skip
def test_what_is_larger_or_deeper_than_agreed_on_is_refused(name):
    with pytest.raises(wire.WireError):
        wire.unpack(BOMBS[name]())


# --- frames


def received(data):
    """What is made of these bytes."""
    here, there = socket.socketpair()
    with here, there:
        here.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_000_000)
        here.sendall(data)
        here.shutdown(socket.SHUT_WR)
        return wire.receive(there)


def frame(data):
    return wire.LENGTH.pack(len(data)) + data


def test_a_message_arrives_and_then_the_end():
    here, there = socket.socketpair()
    with here, there:
        wire.send(here, {"a": ["ä", 1.5, None]})
        here.shutdown(socket.SHUT_WR)
        assert wire.receive(there) == {"a": ["ä", 1.5, None]}
        assert wire.receive(there) is None


@pytest.mark.parametrize(
    "data",
    [
        b"\0", b"\0\0\0\5ab", frame(b""), frame(b"{"), frame(b"\xff\xfe"), frame(b"[" * 50_000), b"\xff\xff\xff\xff",
        wire.LENGTH.pack(wire.MOST + 1), frame(b"1" * 5000), frame(b'{"a":' * 9_000),
    ],
)  # fmt: skip
def test_a_broken_frame_is_refused(data):
    with pytest.raises(wire.WireError):
        received(data)


@given(st.binary(max_size=40))
@settings(max_examples=100)
def test_any_bytes_are_a_message_or_a_wire_error(data):
    for sent_bytes in (data, frame(data)):
        with contextlib.suppress(wire.WireError):
            received(sent_bytes)


def test_nothing_is_awaited_longer_than_its_end():
    here, there = socket.socketpair()
    with here, there:
        wire.send(here, "there")
        with pytest.raises(TimeoutError):
            wire.receive(there, 0.0)


def test_a_message_that_is_too_long_is_not_sent():
    here, there = socket.socketpair()
    with here, there, pytest.raises(wire.TooMuchError):
        wire.send(here, "a" * wire.MOST)
