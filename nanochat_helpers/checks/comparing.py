"""Tell how an answer differs from the right one: first its type, then its shape, then the first place.

In: two values of plain data (numbers, texts, None, lists, tuples, dicts, sets, tensors). Out: None when they are the
same, else one sentence for the student. Types are compared strictly, so that no answer can say of itself that it is
equal.
"""

import collections
import math
import re
from typing import Any

from .showing import is_tensor, kind, parting_place, value_text

TOLERANCE = 1e-4  # of the value, and of 1: far above what another order of adding changes in float32
DICTS = (collections.Counter, collections.defaultdict, collections.OrderedDict)  # as good as a dict
ROWS = {  # what list(…) makes a list of
    *("a tuple", "a set", "a frozenset", "a range", "a map", "a filter", "a zip", "an enumerate", "a reversed"),
    *("the keys of a dict", "the values of a dict", "the items of a dict", "a generator"),
}
# What to do when one type came and another was asked for.
CURES = {
    **{("a list", row): f"list(…) makes a list of {row}" for row in ROWS},
    ("a tensor", "a list"): "torch.tensor(…) makes a tensor of a list",
    ("a tensor", "a number"): "torch.tensor(…) makes a tensor of a number",
    ("a tensor", "a tuple"): "torch.tensor(…) makes a tensor of a tuple",
    ("a tensor", "a parameter of a model"): ".detach() gives the tensor in it",
    ("a list", "a tensor"): ".tolist() makes a list of a tensor",
    ("a tuple", "a tensor"): "tuple(….tolist()) makes a tuple of a tensor",
    ("a number", "a tensor"): ".item() takes the number out of a tensor that holds one",
    ("a whole number", "a tensor"): ".item() takes the number out of a tensor that holds one",
    ("True or False", "a tensor"): ".item() takes the value out of a tensor",
    ("a whole number", "a text"): "int(…) makes a whole number of a text",
    ("a number", "a text"): "float(…) makes a number of a text",
    ("a text", "a whole number"): "str(…) makes a text of a number",
    ("a text", "a number"): "str(…) makes a text of a number",
    ("a tuple", "a list"): "tuple(…) makes a tuple of a list",
    ("a set", "a list"): "set(…) makes a set of a list",
    ("a dict", "a list"): "dict(…) makes a dict of a list of pairs",
    ("a text", "a list"): '"".join(…) makes one text of a list of texts',
    ("a list", "a text"): "put it into a list: […]",
    ("a text", "bytes"): ".decode() makes a text of bytes",
    ("bytes", "a text"): ".encode() makes bytes of a text",
    ("True or False", "a whole number"): "a comparison such as n > 0 gives True or False",
    ("True or False", "a text"): "write True without quotes",
    ("a number", "a numpy number"): "float(…) makes a plain number",
    ("a whole number", "a numpy number"): "int(…) makes a plain whole number",
    ("True or False", "a numpy number"): "bool(…) makes a plain True or False",
    ("a tensor", "a numpy array"): "torch.from_numpy(…).float() makes a tensor of it",
    ("a list", "a numpy array"): ".tolist() makes a list of it",
}


def difference(expected: Any, got: Any, tolerance: float = TOLERANCE) -> str | None:
    """How `got` differs from `expected`, in one sentence, or None.

    A whole number is accepted where a number is asked for. Numbers may differ by `tolerance`, of the value or of 1.

    >>> difference([1, 2, 3], [1, 5, 3])
    'At place 1 (counted from 0) it should be 2, but it is 5.'
    """
    return _difference(expected, got, tolerance, "")


def _difference(expected, got, tolerance, where):
    if type(expected) is dict and type(got) in DICTS:
        got = dict(got)
    wrong_type = _wrong_type(expected, got, where)
    if wrong_type:
        return wrong_type
    if is_tensor(expected):
        return _tensor_difference(expected, got, tolerance, where)
    if type(expected) is float:
        return None if _close(expected, got, tolerance) else _should_be(expected, got, where)
    if type(expected) in (list, tuple):
        return _sequence_difference(expected, got, tolerance, where)
    if type(expected) is dict:
        return _dict_difference(expected, got, tolerance, where)
    if type(expected) is set:
        return _set_difference(expected, got, where)
    if type(expected) in (str, bytes):
        return None if expected == got else _text_difference(expected, got, where)
    return None if expected == got else _should_be(expected, got, where)


def _wrong_type(expected, got, where):
    if type(expected) is type(got) or (type(expected) is float and type(got) is int):
        return None
    wanted, found = kind(expected), kind(got)
    if (type(expected), type(got)) == (int, float):
        return _sentence(where, f"it should be a whole number, but it is {got!r}: int(…) makes a whole number of it.")
    if got is None and not where:
        return "It returned None; did you forget `return`, or is there a way through the function without one?"
    cure = CURES.get((wanted, found))
    return _sentence(where, f"it should be {wanted}, but it is {found}{f': {cure}' if cure else ''}.")


def _tensor_difference(expected, got, tolerance, where):
    if expected.shape != got.shape:
        wanted, found = tuple(expected.shape), tuple(got.shape)
        return _sentence(where, f"the tensor should have the shape {wanted}, but it has {found}.")
    if expected.dtype != got.dtype:
        cure = {"float32": ": use .float()", "int64": ": use .long()"}.get(_dtype(expected), "")
        return _sentence(where, f"the tensor should hold {_dtype(expected)}, but it holds {_dtype(got)}{cure}.")
    if expected.ndim == 0:
        return _difference(expected.item(), got.item(), tolerance, where)
    return _sequence_difference(expected.tolist(), got.tolist(), tolerance, where)


def _dtype(tensor):
    return str(tensor.dtype).removeprefix("torch.")


def _sequence_difference(expected, got, tolerance, where):
    if len(expected) > 0 == len(got):
        return _sentence(where, f"there should be {_entries(len(expected))}, but there are none.")
    if len(expected) != len(got):
        pairs = enumerate(zip(expected, got, strict=False))
        parting = next((place for place, pair in pairs if _difference(*pair, tolerance, "")), None)
        first = f", and the first difference is at place {parting} (counted from 0)" if parting is not None else ""
        there = f"there {'is' if len(got) == 1 else 'are'} {len(got)}"
        named = _named_texts(expected, got) or first
        return _sentence(where, f"there should be {_entries(len(expected))}, but {there}{named}.")
    for place, (one, other) in enumerate(zip(expected, got, strict=True)):
        found = _difference(one, other, tolerance, f"{where}[{place}]")
        if found:
            return found
    return None


def _named_texts(expected, got):
    """Among different texts, the first that is missing or too much, by its name: ", and 'role' is missing"."""
    if not all(type(entry) is str for entry in [*expected, *got]) or len(set(got)) < len(got):
        return ""
    missing, extra = (
        [entry for entry in one if entry not in other] for one, other in ((expected, got), (got, expected))
    )
    if missing:
        return f", and {value_text(missing[0], 60)} is missing"
    return f", and {value_text(extra[0], 60)} is too much" if extra else ""


def _dict_difference(expected, got, tolerance, where):
    missing, extra = _missing_and_extra(expected, got)
    if missing:
        twin = next((key for key in extra if str(key) == str(missing[0])), None) if extra else None
        if twin is not None:
            text = f"the key {missing[0]!r} should be {kind(missing[0])}, but it is {kind(twin)}."
            return _sentence(where, text)
        there = f"; its keys are {value_text(list(got), 60)[1:-1]}" if got else "; the dict is empty"
        return _sentence(where, f"the key {missing[0]!r} is missing{there}.")
    if extra:
        return _sentence(where, f"there is a key too many: {value_text(extra[0], 60)}.")
    for key, value in expected.items():
        found = _difference(value, got[key], tolerance, f"{where}[{key!r}]")
        if found:
            return found
    return None


def _set_difference(expected, got, where):
    missing, extra = _missing_and_extra(expected, got)
    if missing:
        return _sentence(where, f"{value_text(missing[0], 60)} is missing in the set.")
    if extra:
        return _sentence(where, f"there is one too many in the set: {value_text(extra[0], 60)}.")
    return None


def _missing_and_extra(expected, got):
    """The entries (or keys) that only one of two has; 1, True and 1.0 are not the same, and no `__eq__` is asked."""
    wanted, found = {(type(entry), entry) for entry in expected}, {(type(entry), entry) for entry in got}
    missing = [entry for entry in expected if (type(entry), entry) not in found]
    return missing, [entry for entry in got if (type(entry), entry) not in wanted]


def _text_difference(expected, got, where):
    parting = parting_place(expected, got)
    blanks = _blanks_around(expected, got)
    if blanks:
        return _sentence(where, blanks)
    if not got:
        return _sentence(where, f"it should be {value_text(expected, 80)}, but it is empty.")
    if parting == len(got):
        return _sentence(where, f"it ends too early: {_window(expected, parting)} is missing.")
    if parting == len(expected):
        return _sentence(where, f"it goes on where it should end: {_window(got, parting)} is too much.")
    should, does = _window(expected, parting), _window(got, parting)
    if parting == 0:
        return _sentence(where, f"it should begin with {should}, but it begins with {does}.")
    counted = "" if where else " (counted from 0)"
    return _sentence(where, f"from character {parting} on{counted} it should read {should}, but it reads {does}.")


def _blanks_around(expected, got):
    """A sentence where nothing but the white space around a text is wrong, or None."""
    if not expected.strip() or got.strip() != expected.strip():
        return None
    n_right, n_left = (len(text) - len(text.lstrip()) for text in (expected, got))
    if expected[:n_right] != got[:n_left]:
        side, right, wrong = "beginning", expected[:n_right], got[:n_left]
    else:
        side, right, wrong = "end", expected[len(expected.rstrip()) :], got[len(got.rstrip()) :]
    return f"only the white space at the {side} differs: it should be {right[:24]!r}, but it is {wrong[:24]!r}."


def _window(text, start):
    piece = text[start : start + 24]
    return repr(piece) + (" …" if start + 24 < len(text) else "")


def _close(expected, got, tolerance):
    try:
        if math.isnan(expected) or math.isnan(got):
            return math.isnan(expected) and math.isnan(got)
        return math.isclose(expected, got, rel_tol=tolerance, abs_tol=tolerance)
    except OverflowError:  # a whole number too large for a float
        return False


def _should_be(expected, got, where):
    reason = ""
    if type(got) is float and math.isnan(got):
        reason = " (not a number: it comes from sums such as 0 ÷ 0, or infinity minus infinity)"
    return _sentence(where, f"it should be {value_text(expected, 80)}, but it is {value_text(got, 80)}{reason}.")


def _sentence(where, text):
    """The sentence with the place in front; where is "" for the whole answer, or such as "[2]['role']"."""
    if not where:
        return text[0].upper() + text[1:]
    place = re.fullmatch(r"\[(\d+)\]", where)
    return f"At place {place[1]} (counted from 0) {text}" if place else f"In the answer, at {where}, {text}"


def _entries(n):
    return "1 entry" if n == 1 else f"{n} entries"
