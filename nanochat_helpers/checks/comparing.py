"""Tell how an answer differs from the right one: first its type, then its shape, then the first place.

In: two values of plain data (numbers, texts, None, lists, tuples, dicts, sets, tensors). Out: None when they are the
same, else one sentence for the student. Types are compared strictly, so that no answer can say of itself that it is
equal.
"""

import collections
import math
import re
from typing import Any

from ..language import tr, tr_later, tr_n
from .cures import CURES
from .showing import english_kind, is_tensor, kind, parting_place, value_text

TOLERANCE = 1e-4  # of the value, and of 1: far above what another order of adding changes in float32
DICTS = (collections.Counter, collections.defaultdict, collections.OrderedDict)  # as good as a dict


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
    if (type(expected), type(got)) == (int, float):
        text = tr("it should be a whole number, but it is {got}: int(…) makes a whole number of it.", got=repr(got))
        return _sentence(where, text)
    if got is None and not where:
        return tr("It returned None; did you forget `return`, or is there a way through the function without one?")
    wanted, found = kind(expected), kind(got)
    cure = CURES.get((english_kind(expected), english_kind(got)))
    if cure:
        text = tr("it should be {wanted}, but it is {found}: {cure}.", wanted=wanted, found=found, cure=tr_later(cure))
        return _sentence(where, text)
    return _sentence(where, tr("it should be {wanted}, but it is {found}.", wanted=wanted, found=found))


def _tensor_difference(expected, got, tolerance, where):
    if expected.shape != got.shape:
        wanted, found = tuple(expected.shape), tuple(got.shape)
        text = tr("the tensor should have the shape {wanted}, but it has {found}.", wanted=wanted, found=found)
        return _sentence(where, text)
    if expected.dtype != got.dtype:
        return _sentence(where, _wrong_dtype(_dtype(expected), _dtype(got)))
    if expected.ndim == 0:
        return _difference(expected.item(), got.item(), tolerance, where)
    return _sequence_difference(expected.tolist(), got.tolist(), tolerance, where)


def _wrong_dtype(wanted, found):
    cure = {"float32": ".float()", "int64": ".long()"}.get(wanted)
    if cure:
        return tr(
            "the tensor should hold {wanted}, but it holds {found}: use {cure}.", wanted=wanted, found=found, cure=cure
        )
    return tr("the tensor should hold {wanted}, but it holds {found}.", wanted=wanted, found=found)


def _dtype(tensor):
    return str(tensor.dtype).removeprefix("torch.")


def _sequence_difference(expected, got, tolerance, where):
    if len(expected) > 0 == len(got):
        n = len(expected)
        return _sentence(
            where,
            tr_n(
                "there should be {n} entry, but there are none.", "there should be {n} entries, but there are none.", n
            ),
        )
    if len(expected) != len(got):
        return _sentence(where, _wrong_length(expected, got, tolerance))
    for place, (one, other) in enumerate(zip(expected, got, strict=True)):
        found = _difference(one, other, tolerance, f"{where}[{place}]")
        if found:
            return found
    return None


def _wrong_length(expected, got, tolerance):
    """How many entries there should be, and which is the first that is missing, too much, or another one."""
    there = tr_n(
        "there should be {wanted}, but there is {n}",
        "there should be {wanted}, but there are {n}",
        len(got),
        wanted=tr_n("{n} entry", "{n} entries", len(expected)),
    )
    missing, extra = _named_texts(expected, got)
    if missing:
        return tr("{there}, and {entry} is missing.", there=there, entry=value_text(missing[0], 60))
    if extra:
        return tr("{there}, and {entry} is too much.", there=there, entry=value_text(extra[0], 60))
    pairs = enumerate(zip(expected, got, strict=False))
    parting = next((place for place, pair in pairs if _difference(*pair, tolerance, "")), None)
    if parting is None:
        return f"{there}."
    return tr("{there}, and the first difference is at place {place} (counted from 0).", there=there, place=parting)


def _named_texts(expected, got):
    """Among different texts, those that are missing and those that are too much, which a sentence can name."""
    if not all(type(entry) is str for entry in [*expected, *got]) or len(set(got)) < len(got):
        return [], []
    return [entry for entry in expected if entry not in got], [entry for entry in got if entry not in expected]


def _dict_difference(expected, got, tolerance, where):
    missing, extra = _missing_and_extra(expected, got)
    if missing:
        twin = next((key for key in extra if str(key) == str(missing[0])), None) if extra else None
        if twin is not None:
            text = tr(
                "the key {key} should be {wanted}, but it is {found}.",
                key=repr(missing[0]),
                wanted=kind(missing[0]),
                found=kind(twin),
            )
            return _sentence(where, text)
        if not got:
            return _sentence(where, tr("the key {key} is missing; the dict is empty.", key=repr(missing[0])))
        keys = value_text(list(got), 60)[1:-1]
        return _sentence(where, tr("the key {key} is missing; its keys are {keys}.", key=repr(missing[0]), keys=keys))
    if extra:
        return _sentence(where, tr("there is a key too many: {key}.", key=value_text(extra[0], 60)))
    for key, value in expected.items():
        found = _difference(value, got[key], tolerance, f"{where}[{key!r}]")
        if found:
            return found
    return None


def _set_difference(expected, got, where):
    missing, extra = _missing_and_extra(expected, got)
    if missing:
        return _sentence(where, tr("{entry} is missing in the set.", entry=value_text(missing[0], 60)))
    if extra:
        return _sentence(where, tr("there is one too many in the set: {entry}.", entry=value_text(extra[0], 60)))
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
        return _sentence(where, tr("it should be {wanted}, but it is empty.", wanted=value_text(expected, 80)))
    if parting == len(got):
        return _sentence(where, tr("it ends too early: {rest} is missing.", rest=_window(expected, parting)))
    if parting == len(expected):
        text = tr("it goes on where it should end: {rest} is too much.", rest=_window(got, parting))
        return _sentence(where, text)
    texts = {"wanted": _window(expected, parting), "found": _window(got, parting)}
    if parting == 0:
        return _sentence(where, tr("it should begin with {wanted}, but it begins with {found}.", **texts))
    if where:
        text = tr("from character {place} on it should read {wanted}, but it reads {found}.", place=parting, **texts)
        return _sentence(where, text)
    return _sentence(
        where,
        tr(
            "from character {place} on (counted from 0) it should read {wanted}, but it reads {found}.",
            place=parting,
            **texts,
        ),
    )


def _blanks_around(expected, got):
    """A sentence where nothing but the white space around a text is wrong, or None."""
    if not expected.strip() or got.strip() != expected.strip():
        return None
    n_right, n_left = (len(text) - len(text.lstrip()) for text in (expected, got))
    if expected[:n_right] != got[:n_left]:
        return tr(
            "only the white space at the beginning differs: it should be {wanted}, but it is {found}.",
            wanted=repr(expected[:n_right][:24]),
            found=repr(got[:n_left][:24]),
        )
    return tr(
        "only the white space at the end differs: it should be {wanted}, but it is {found}.",
        wanted=repr(expected[len(expected.rstrip()) :][:24]),
        found=repr(got[len(got.rstrip()) :][:24]),
    )


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
    wanted, found = value_text(expected, 80), value_text(got, 80)
    if type(got) is float and math.isnan(got):
        found += " " + tr("(not a number: it comes from sums such as 0 ÷ 0, or infinity minus infinity)")
    return _sentence(where, tr("it should be {wanted}, but it is {found}.", wanted=wanted, found=found))


def _sentence(where, text):
    """The sentence with the place in front; where is "" for the whole answer, or such as "[2]['role']"."""
    if not where:
        return text[0].upper() + text[1:]
    place = re.fullmatch(r"\[(\d+)\]", where)
    if place:
        return tr("At place {place} (counted from 0) {sentence}", place=place[1], sentence=text)
    return tr("In the answer, at {where}, {sentence}", where=where, sentence=text)
