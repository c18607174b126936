"""Tell how an answer differs from the right one: first its type, then its shape, then the first place.

In: two values of plain data (numbers, texts, None, lists, tuples, dicts, sets, tensors). Out: None when they are the
same, else one sentence for the student. Types are compared strictly, so that no answer can say of itself that it is
equal.
"""

import math
import re
import sys
from typing import Any

TOLERANCE = 1e-4  # of the value, and of 1: far above what another order of adding changes in float32
SHOWN = 160  # characters of a value in a sentence

KINDS = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "a text",
    bytes: "bytes",
    list: "a list",
    tuple: "a tuple",
    dict: "a dict",
    set: "a set",
    type(None): "None",
}
# What to do when one type came and another was asked for.
CURES = {
    ("a tensor", "a list"): "torch.tensor(…) makes a tensor of a list",
    ("a list", "a tensor"): ".tolist() makes a list of a tensor",
    ("a number", "a tensor"): ".item() takes the number out of a tensor",
    ("a whole number", "a tensor"): ".item() takes the number out of a tensor",
    ("a whole number", "a number"): "int(…) makes a whole number",
    ("a list", "a tuple"): "list(…) makes a list of a tuple",
    ("a list", "a generator"): "list(…) collects what a generator gives",
    ("a tuple", "a list"): "tuple(…) makes a tuple of a list",
    ("a text", "a list"): '"".join(…) makes one text of a list of texts',
    ("a text", "bytes"): ".decode() makes a text of bytes",
    ("bytes", "a text"): ".encode() makes bytes of a text",
    ("True or False", "a whole number"): "a comparison such as n > 0 gives True or False",
    ("a number", "a numpy number"): "float(…) makes a plain number",
    ("a whole number", "a numpy number"): "int(…) makes a plain whole number",
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


def kind(value: Any) -> str:
    """What a value is, in words: "a list", "a tensor", "a number"."""
    if is_tensor(value):
        return "a tensor"
    if type(value).__module__ == "numpy":
        return "a numpy array" if hasattr(value, "__len__") else "a numpy number"
    if type(value).__name__ == "generator":
        return "a generator"
    return KINDS.get(type(value), f"something of type {type(value).__name__}")


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor of torch's, without loading torch for those that are none."""
    torch = sys.modules.get("torch")
    return torch is not None and type(value) is torch.Tensor


def value_text(value: Any, limit: int = SHOWN) -> str:
    """A value as Python writes it, but short, and the numbers of a tensor with four digits."""
    if is_tensor(value):
        text = _tensor_text(value)
    elif type(value) is float:
        text = f"{value:.6g}"
    elif type(value) in (list, tuple) and value and type(value[0]) is float:
        text = str([round(number, 4) if type(number) is float else number for number in value])
        text = text if type(value) is list else f"({text[1:-1]}{',' * (len(value) == 1)})"
    else:
        try:
            text = repr(value)
        except Exception as error:
            text = f"a {type(value).__name__} that cannot be shown ({type(error).__name__})"
    return text if len(text) <= limit else f"{text[: limit - 20]} … {text[-12:]}"


def _tensor_text(tensor):
    if tensor.ndim > 1 or tensor.is_floating_point() is False:
        return " ".join(repr(tensor).split())
    values = [tensor.item()] if tensor.ndim == 0 else tensor[:12].tolist()
    shown = ", ".join(f"{number:.4g}" for number in values)
    rest = f", … {len(tensor) - 12} more" if tensor.ndim and len(tensor) > 12 else ""
    return f"tensor({shown})" if tensor.ndim == 0 else f"tensor([{shown}{rest}])"


def _difference(expected, got, tolerance, where):
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
    if type(expected) is str:
        return None if expected == got else _text_difference(expected, got, where)
    return None if expected == got else _should_be(expected, got, where)


def _wrong_type(expected, got, where):
    if type(expected) is type(got) or (type(expected) is float and type(got) is int):
        return None
    wanted, found = kind(expected), kind(got)
    if got is None and not where:
        return "It returned None; did you forget `return`?"
    cure = CURES.get((wanted, found))
    return _sentence(where, f"it should be {wanted}, but it is {found}{f': {cure}' if cure else ''}.")


def _tensor_difference(expected, got, tolerance, where):
    if expected.shape != got.shape:
        wanted, found = tuple(expected.shape), tuple(got.shape)
        return _sentence(where, f"the tensor should have the shape {wanted}, but it has {found}.")
    if expected.dtype != got.dtype:
        cure = ": use .float()" if str(expected.dtype) == "torch.float32" else ""
        return _sentence(where, f"the tensor should hold {_dtype(expected)}, but it holds {_dtype(got)}{cure}.")
    if expected.ndim == 0:
        return _difference(expected.item(), got.item(), tolerance, where)
    return _sequence_difference(expected.tolist(), got.tolist(), tolerance, where)


def _dtype(tensor):
    return str(tensor.dtype).removeprefix("torch.")


def _sequence_difference(expected, got, tolerance, where):
    if len(expected) != len(got):
        parting = next(
            (place for place, pair in enumerate(zip(expected, got, strict=False)) if _difference(*pair, tolerance, "")),
            None,
        )
        first = f", and the first difference is at place {parting} (counted from 0)" if parting is not None else ""
        return _sentence(where, f"there should be {_entries(len(expected))}, but there are {len(got)}{first}.")
    for place, (one, other) in enumerate(zip(expected, got, strict=True)):
        found = _difference(one, other, tolerance, f"{where}[{place}]")
        if found:
            return found
    return None


def _dict_difference(expected, got, tolerance, where):
    missing = [key for key in expected if key not in got]
    extra = [key for key in got if key not in expected]
    if missing:
        return _sentence(where, f"the key {missing[0]!r} is missing.")
    if extra:
        return _sentence(where, f"there is a key too many: {extra[0]!r:.60}.")
    for key, value in expected.items():
        found = _difference(value, got[key], tolerance, f"{where}[{key!r}]")
        if found:
            return found
    return None


def _text_difference(expected, got, where):
    pairs = enumerate(zip(expected, got, strict=False))
    parting = next((place for place, (one, other) in pairs if one != other), min(len(expected), len(got)))
    if parting == len(got):
        return _sentence(where, f"the text ends too early: {_window(expected, parting)} is missing.")
    if parting == len(expected):
        return _sentence(where, f"the text goes on where it should end: {_window(got, parting)} is too much.")
    should, does = _window(expected, parting), _window(got, parting)
    return _sentence(
        where,
        f"the texts part at character {parting} (counted from 0): it should go on with {should}, not with {does}.",
    )


def _window(text, start):
    piece = text[start : start + 24]
    return repr(piece) + (" …" if start + 24 < len(text) else "")


def _close(expected, got, tolerance):
    if math.isnan(expected) or math.isnan(got):
        return math.isnan(expected) and math.isnan(got)
    return math.isclose(expected, got, rel_tol=tolerance, abs_tol=tolerance)


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
    return f"At place {place[1]} (counted from 0) {text}" if place else f"At answer{where} {text}"


def _entries(n):
    return "1 entry" if n == 1 else f"{n} entries"
