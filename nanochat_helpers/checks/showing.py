"""Say what a value is, and write it as Python does, but short: for the sentences and the rows of a check.

In: any value, also one that cannot be shown. Out: a text of bounded length, at bounded cost.
"""

import sys
import types
from typing import Any

from ..language import tr, tr_later

SHOWN = 240  # characters of a value that are shown
WRITTEN = 20_000  # characters of two values in which the place where they part is looked for

KINDS = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    complex: "a complex number",
    str: "a text",
    bytes: "bytes",
    bytearray: "a bytearray",
    list: "a list",
    tuple: "a tuple",
    dict: "a dict",
    set: "a set",
    frozenset: "a frozenset",
    range: "a range",
    map: "a map",
    filter: "a filter",
    zip: "a zip",
    enumerate: "an enumerate",
    reversed: "a reversed",
    type({}.keys()): "the keys of a dict",
    type({}.values()): "the values of a dict",
    type({}.items()): "the items of a dict",
    types.GeneratorType: "a generator",
    types.FunctionType: "a function",
    types.BuiltinFunctionType: "a function",
    types.MethodType: "a method",
    types.ModuleType: "a module",
    type: "a class",
    type(...): "an Ellipsis (...)",
    type(None): "None",
}
OTHER_KINDS = ("a tensor", "a numpy array", "a numpy number", "a parameter of a model")


def kind(value: Any) -> str:
    """What a value is, in words of the present language: "a list", "a tensor", "a number"."""
    found = english_kind(value)
    return tr_later(found) if found else tr("something of type {name}", name=type(value).__name__)


def english_kind(value: Any) -> str:
    """What a value is, in English, one of KINDS and OTHER_KINDS; or "", where there is no word for it."""
    its_type = type(value)
    if is_tensor(value):
        return "a tensor"
    if its_type in KINDS:
        return KINDS[its_type]
    if its_type.__module__ == "numpy":
        return "a numpy array" if its_type.__name__ == "ndarray" else "a numpy number"
    return "a parameter of a model" if its_type.__module__ == "torch.nn.parameter" else ""


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor of torch's, without loading torch for those that are none."""
    torch = sys.modules.get("torch")
    return torch is not None and type(value) is torch.Tensor


def value_text(value: Any, limit: int = SHOWN) -> str:
    """A value as Python writes it, but short: its numbers with a few digits, and the middle left out."""
    text = _written(value, limit)
    return text if len(text) <= limit else f"{text[: limit - 20]} … {text[-12:]}"


def two_texts(expected: Any, got: Any, limit: int = SHOWN) -> tuple[str, str]:
    """Both values as Python writes them, and where they are long, the part where they begin to differ."""
    one, other = _written(expected, WRITTEN), _written(got, WRITTEN)
    if one == other and max(len(one), len(other)) < WRITTEN:
        in_full = _in_full(expected), _in_full(got)  # 12 and 12.0 are then told apart
        one, other = in_full if in_full[0] != in_full[1] else (one, other)
    parting = parting_place(one, other)
    return _around(one, parting, limit), _around(other, parting, limit)


def _in_full(value):
    try:
        return " ".join(line.strip() for line in repr(value).splitlines())
    except Exception:
        return _written(value, WRITTEN)


def parting_place(one: str | bytes, other: str | bytes) -> int:
    """The place of the first character that differs, or the end of the shorter text."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (first, second) in pairs if first != second), min(len(one), len(other)))


def _around(text, place, limit):
    if len(text) <= limit:
        return text
    start = max(0, min(place - limit // 3, len(text) - limit))
    end = start + limit
    return ("… " if start else "") + text[start:end] + (" …" if end < len(text) else "")


def _written(value, room, depth=0):
    """A value as Python writes it, in about `room` characters; never more work than that needs."""
    its_type, room = type(value), max(room, 0)
    if its_type is float:
        return f"{value:.6g}"
    if its_type in (types.FunctionType, types.BuiltinFunctionType):
        return value.__name__
    if its_type in (str, bytes):
        cut = " " + tr("… ({n:,} characters)", n=len(value)) if len(value) > room else ""
        return repr(value[:room]) + cut
    if its_type in (list, tuple, set, frozenset, dict) and value and depth < 20:
        return _entries_written(value, room, depth)
    try:
        return _tensor_text(value) if is_tensor(value) else repr(value)
    except Exception as error:
        return tr("a {type} that cannot be shown ({error})", type=its_type.__name__, error=type(error).__name__)


def _entries_written(value, room, depth):
    signs = {list: "[]", tuple: "()", set: "{}", dict: "{}", frozenset: ("frozenset({", "})")}
    parts, used = [], 0
    for entry in value:
        part = _written(entry, room - used, depth + 1)
        if type(value) is dict:
            part += f": {_written(value[entry], room - used - len(part), depth + 1)}"
        parts.append(part)
        used += len(part) + 2
        if used >= room and len(parts) < len(value):
            parts.append(tr("… {n:,} more", n=len(value) - len(parts)))
            break
    start, end = signs[type(value)]
    return start + ", ".join(parts) + ("," if type(value) is tuple and len(value) == 1 else "") + end


def _tensor_text(tensor):
    if tensor.ndim > 1 or tensor.is_floating_point() is False:
        return " ".join(repr(tensor).split())
    tensor = tensor.detach()
    values = [tensor.item()] if tensor.ndim == 0 else tensor[:12].tolist()
    shown = ", ".join(f"{number:.6g}" for number in values)
    rest = ", " + tr("… {n:,} more", n=len(tensor) - 12) if tensor.ndim and len(tensor) > 12 else ""
    return f"tensor({shown})" if tensor.ndim == 0 else f"tensor([{shown}{rest}])"
