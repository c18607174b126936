"""Plain data on its way between the grader and the process that runs a student's code: JSON in frames with a length.

Numbers, texts, lists, dicts, tensors and errors arrive as what they were; of anything else only its type and its short
text. Nothing is unpickled, nothing that arrives is called, and nothing is larger than `MOST`. It judges nothing.
"""

import builtins
import collections
import contextlib
import json
import math
import re
import socket
import struct
import sys
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from ... import errors
from ...checks.calling import Answer
from ...checks.showing import is_tensor, value_text
from ...errors import TooMuchError, WireError

MOST, MOST_TOLD = 1_000_000, 100_000_000  # bytes of a frame; of the grader's own
ENTRIES = 50_000  # values within a value
TENSOR, OTHER = 20, 5  # for so many values counts a tensor, and what is no data: even an empty one takes some memory
DEPTH = 50  # lists within lists
KEYS = 5_000  # entries of a dict or a set: such entries can be chosen so that looking for one takes long
AXES = 16  # of a tensor
BITS = 14_000  # of a whole number: Python writes no longer ones
TEXT, NAME = 2_000, 60  # characters of a text that is only shown, and of a name
LENGTH = struct.Struct("!I")
DICTS = {each.__name__: each for each in (dict, collections.OrderedDict, collections.Counter)}
SEQUENCES = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}
# What data that is none can raise where it is taken apart; RecursionError and torch's own are RuntimeErrors.
BROKEN = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RuntimeError)
DTYPES = {"float16", "bfloat16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"}
ONLY_NAMED = {"complex64", "complex128", "uint16", "uint32", "uint64"}  # no right answer is one: zeros arrive


async def _coroutine():
    """Does nothing."""


def _closed():
    coroutine = _coroutine()
    coroutine.close()  # one that is never awaited is a warning
    return coroutine


async def _asynchronous():
    """Gives nothing."""
    return
    yield


# What is no data and arrives as an empty thing of its kind: a sentence is said about each of these.
EMPTY: dict[str, Callable[[], Any]] = {
    "function": lambda: lambda: None,
    "builtin_function_or_method": lambda: len,
    "method": lambda: "".join,
    "generator": lambda: (nothing for nothing in ()),
    "map": lambda: map(str, ()),
    "filter": lambda: filter(str, ()),
    "zip": zip,
    "enumerate": lambda: enumerate(()),
    "reversed": lambda: reversed([]),
    "range": lambda: range(0),
    "dict_keys": {}.keys,
    "dict_values": {}.values,
    "dict_items": {}.items,
    "coroutine": _closed,
    "async_generator": _asynchronous,
    "complex": complex,
    "bytearray": bytearray,
    "ellipsis": lambda: ...,
    "type": lambda: type,
}


# --- frames


def send(channel: socket.socket, message: Any, most: int = MOST) -> None:
    """Send one message. Raises TooMuchError, and OSError where nobody listens."""
    data = json.dumps(message, ensure_ascii=True).encode()
    if len(data) > most:
        raise TooMuchError(f"{len(data):,} bytes")
    channel.sendall(LENGTH.pack(len(data)) + data)


def receive(channel: socket.socket, end: float | None = None, most: int = MOST) -> Any:
    """The next message; None at the end. Raises WireError, and TimeoutError after `end`, by time.monotonic()."""
    head = _exactly(channel, LENGTH.size, end)
    if not head:
        return None
    (length,) = LENGTH.unpack(head)
    if length > most:
        raise WireError(f"a frame of {length:,} bytes")
    try:
        return json.loads(_exactly(channel, length, end))
    except (ValueError, RecursionError) as error:
        raise WireError(f"no JSON: {error}") from None


def _exactly(channel, length, end):
    data = bytearray()
    while len(data) < length:
        if end is not None:
            if (left := end - time.monotonic()) <= 0:
                raise TimeoutError("the time is over")
            channel.settimeout(left)
        piece = channel.recv(min(length - len(data), 65536))
        if not piece:
            if data:
                raise WireError("cut off in the middle")
            return b""
        data += piece
    return bytes(data)


# --- values


def pack(value: Any) -> Any:
    """A value as JSON: {"tuple": [1, 2]} for (1, 2). Raises TooMuchError."""
    left = [ENTRIES]
    return _pack(value, left, 0)


def _pack(value, left, depth):
    left[0] -= 1
    if left[0] < 0 or depth > DEPTH:
        raise TooMuchError("too many values, or lists too deep within lists")
    kind = type(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        if value.bit_length() > BITS:
            raise TooMuchError("a number with too many digits")
        return {"int": hex(value)}
    if kind is float:
        return {"float": value.hex()}
    if kind is str:
        return _room(value, left)
    if kind is bytes:
        return {"bytes": b64encode(_room(value, left)).decode()}
    if kind in (set, frozenset, *DICTS.values()) and len(value) > KEYS:
        raise TooMuchError("a dict or a set with too many entries")
    if kind in SEQUENCES.values():
        return {kind.__name__: [_pack(each, left, depth + 1) for each in value]}
    if kind in DICTS.values():
        pairs = [[_pack(key, left, depth + 1), _pack(each, left, depth + 1)] for key, each in value.items()]
        return {kind.__name__: pairs}
    if kind is collections.defaultdict:
        return _pack(dict(value), left, depth)
    return _pack_tensor(value, left) if is_tensor(value) else _pack_other(value, left)


def _room(text, left):
    left[0] -= len(text) // 8
    if left[0] < 0:
        raise TooMuchError("a text that is too long")
    return text


def _pack_tensor(tensor, left):
    dtype = str(tensor.dtype).removeprefix("torch.")
    left[0] -= TENSOR + tensor.numel()
    if left[0] < 0:
        raise TooMuchError("a tensor with too many numbers")
    if dtype not in (*DTYPES, *ONLY_NAMED) or not _is_shape(list(tensor.shape)):
        return _pack_other(tensor, left)
    if dtype in ONLY_NAMED:
        return {"tensor": [dtype, list(tensor.shape), []]}
    try:
        numbers = tensor.detach().cpu().flatten().tolist()
    except (RuntimeError, NotImplementedError):  # a sparse one, or one without numbers ("meta")
        return _pack_other(tensor, left)
    return {"tensor": [dtype, list(tensor.shape), [_pack(number, [1], 0) for number in numbers]]}


def _is_shape(shape):
    """Whether a tensor may have this shape; one without numbers may not be large in another direction, either."""
    sizes = type(shape) is list and len(shape) <= AXES and all(type(size) is int and size >= 0 for size in shape)
    return sizes and math.prod(max(size, 1) for size in shape) <= ENTRIES


def _pack_other(value, left):
    left[0] -= OTHER
    if left[0] < 0:
        raise TooMuchError("too many values that are no data")
    kind = type(value)
    return {"other": [str(kind.__module__)[:NAME], str(kind.__name__)[:NAME], value_text(value, 80)[:TEXT]]}


def unpack(data: Any) -> Any:
    """The value that `pack` packed. Raises WireError."""
    try:
        return _unpack(data, [ENTRIES], 0)
    except BROKEN as error:
        raise WireError(f"no value: {type(error).__name__}") from None


def _unpack(data, left, depth):
    left[0] -= 1
    if left[0] < 0 or depth > DEPTH + 1:
        raise WireError("too many values, or too deep")
    if data is None or type(data) in (bool, str):
        return data
    ((kind, inner),) = data.items()
    if kind == "int" and len(inner) <= BITS // 4 + 3:
        return int(inner, 16)
    if kind == "float":
        return float.fromhex(inner)
    if kind == "bytes":
        return b64decode(inner)
    if kind in (*SEQUENCES, *DICTS) and type(inner) is not list:
        raise WireError("no list")
    if kind in ("set", "frozenset", *DICTS) and len(inner) > KEYS:
        raise WireError("a dict or a set with too many entries")
    if kind in SEQUENCES:
        return SEQUENCES[kind]([_unpack(each, left, depth + 1) for each in inner])
    if kind in DICTS:
        pairs = [(_unpack(key, left, depth + 1), _unpack(each, left, depth + 1)) for key, each in inner]
        return DICTS[kind](dict(pairs))
    left[0] -= TENSOR if kind == "tensor" else OTHER
    return _unpack_tensor(left, *inner) if kind == "tensor" else _unpack_other(*inner)


def _unpack_tensor(left, dtype, shape, numbers):
    import torch

    if not _is_shape(shape):
        raise WireError("no such tensor")
    if dtype in ONLY_NAMED:
        return torch.zeros(shape, dtype=getattr(torch, dtype))
    if dtype not in DTYPES:
        raise WireError("no such tensor")
    flat = [_unpack(each, left, DEPTH) for each in numbers]
    if not all(type(number) in (bool, int, float) for number in flat):
        raise WireError("a tensor of other things than numbers")
    return torch.tensor(flat, dtype=getattr(torch, dtype)).reshape(shape)


def _unpack_other(module, name, text):
    """Something of the same kind for the sentences to speak of: it does nothing, and is equal to nothing."""
    if module in ("builtins", "types") and name in EMPTY:
        return EMPTY[name]()
    shown, name = str(text)[:TEXT], re.sub(r"\W", "_", str(name))[:NAME] or "_"
    kind = type(name, (), {"__repr__": lambda self: shown, "__module__": str(module)[:NAME], "__slots__": ()})
    return kind()


# --- answers


def pack_answer(answer: Answer, args: tuple[Any, ...]) -> dict[str, Any]:
    """What came of one call, with the arguments as they are afterwards. Raises TooMuchError."""
    return {
        "value": pack(answer.value),
        "error": None if answer.error is None else _pack_error(answer.error),
        "line": answer.line[:TEXT],
        "printed": answer.printed[:TEXT],
        "unwritten": answer.unwritten[:NAME],
        "args": pack(args),
    }


def unpack_answer(data: Any) -> tuple[Answer, tuple[Any, ...]]:
    """An answer, and the arguments as they were after the call. Raises WireError."""
    try:
        error = None if data["error"] is None else _unpack_error(*data["error"])
        texts = [str(data[name]) for name in ("line", "printed", "unwritten")]
        args = unpack(data["args"])
        value = unpack(data["value"])
    except BROKEN as broken:
        raise WireError(f"no answer: {type(broken).__name__}") from None
    if type(args) is not tuple:
        raise WireError("no arguments")
    return Answer(value, error, texts[0], texts[1], unwritten=texts[2]), args


def _pack_error(error):
    kinds = [(str(kind.__module__)[:NAME], str(kind.__name__)[:NAME]) for kind in type(error).__mro__[:20]]
    try:
        named = isinstance(error, OSError) and error.filename is not None
        args = pack((error.errno, error.strerror, error.filename) if named else tuple(error.args)[:5])
    except Exception:
        args = pack(())
    return [kinds, args, _said(error)]


def _said(error):
    try:
        return str(error)[:TEXT]
    except Exception:
        return ""


def _unpack_error(kinds, args, said):
    """An error of the same class where that is a known one, else of one with the same name and the same parents."""
    args, said = unpack(args), str(said)[:TEXT]
    known = [_known_error(module, name) for module, name in kinds]
    if known and known[0] is not None:
        for make in (known[0], partial(known[0].__new__, known[0])):
            with contextlib.suppress(Exception):
                if _is_sound(error := make(*args)):
                    return error
    parent = next((kind for kind in known if kind and not issubclass(kind, BaseExceptionGroup)), Exception)
    kind = _error_class(re.sub(r"\W", "_", str(kinds[0][1]))[:NAME] or "_", parent)
    error = kind.__new__(kind)
    error.said = said
    return error


def _is_sound(error):
    """Whether it can be written: of a UnicodeError Python reads the place it names, also one outside of its text."""
    place = getattr(error, "start", None), getattr(error, "end", None)
    return not isinstance(error, UnicodeError) or place == (None, None) or 0 <= place[0] < place[1] <= len(error.object)


@lru_cache(200)
def _error_class(name, parent):
    """The same class for the same name, so that an error is of one kind with the next one like it."""
    return type(name, (parent,), {"__str__": lambda self: self.said, "__init__": lambda self: None})


def _known_error(module, name):
    """A class of errors of Python's, of json's, of re's or of NanoChat's, or None."""
    home = {"builtins": builtins, "nanochat_helpers.errors": errors}.get(module) or (
        sys.modules.get(module) if module in ("json.decoder", "re", "re._constants") else None
    )
    kind = getattr(home, str(name), None)
    return kind if isinstance(kind, type) and issubclass(kind, BaseException) else None
