"""Call a student's function on the cases of an exercise: with a time limit, and without trusting it.

In: a function and cases. Out: for each case an Answer, which holds what came back, or what went wrong. What the
function prints is kept apart, what it is given are copies, and what it raises never reaches the notebook.
It judges nothing: see `comparing` and `checking`.
"""

import builtins
import contextlib
import copy
import ctypes
import io
import linecache
import sysconfig
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .comparing import difference
from .exercise import Case, Exercise

TIME_LIMIT = 10.0  # seconds for all cases of an exercise together
PRINTED = 10_000  # characters that are kept of what a function prints
PACKAGE = str(Path(__file__).parents[1])
LIBRARY = sysconfig.get_path("stdlib")


@dataclass(frozen=True)
class Answer:
    """What came of one call. error: what it raised, if anything. line: the student's line that raised it.

    changed: the parameter whose value was not the same afterwards, or "".
    """

    value: Any = None
    error: BaseException | None = None
    line: str = ""
    printed: str = ""
    changed: str = ""


@dataclass(frozen=True)
class Answers:
    """The answers to the first cases; fewer than the cases where the time was over (`late`) or someone stopped it.

    stuck: the function could not be stopped and still runs. last_call: seconds that the unfinished call had.
    """

    answers: tuple[Answer, ...]
    late: bool = False
    interrupted: bool = False
    stuck: bool = False
    last_call: float = 0.0


class _TimeIsUp(BaseException):
    """Raised inside a student's function from outside; no `except Exception` catches it."""


class _InputAsked(Exception):
    """Raised in place of waiting for somebody to type."""

    def __init__(self):
        super().__init__("the function asks with input(); all it needs is in its parameters")


class _Printed(io.StringIO):
    """Keeps the first characters of what is printed, and forgets the rest."""

    def write(self, text):
        if self.tell() < PRINTED:
            super().write(text[:PRINTED])
        return len(text)


def call_on_cases(
    exercise: Exercise, function: Callable[..., Any], cases: Sequence[Case], seconds: float = TIME_LIMIT
) -> Answers:
    """Call the function on each case, in a thread of its own, and stop it when the seconds are over."""
    answers: list[Answer] = []
    over = threading.Event()
    began = [time.monotonic()]
    printed = _Printed()

    def work():
        with contextlib.suppress(_TimeIsUp):
            for case in cases:
                began[0] = time.monotonic()
                answer = _call(exercise, function, case, printed)
                if over.is_set():
                    return
                answers.append(answer)

    worker = threading.Thread(target=work, name="student's function", daemon=True)
    interrupted = False
    with _no_typing(), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        worker.start()
        try:
            worker.join(seconds)
        except KeyboardInterrupt:
            interrupted = True
        late = worker.is_alive()
        over.set()
        last_call = time.monotonic() - began[0]
        stuck = late and not _stop(worker)
    return Answers(tuple(answers), late and not interrupted, interrupted, stuck, last_call if late else 0.0)


def call_once(exercise: Exercise, function: Callable[..., Any], case: Case) -> Answer:
    """Call a function that is trusted, such as the reference, on a copy of a case."""
    return _call(exercise, function, case, _Printed())


def _call(exercise, function, case, printed):
    args = copy.deepcopy(case.args)
    printed.seek(0)
    printed.truncate()
    value, error, line = None, None, ""
    try:
        value = exercise.call(function, *args)
    except BaseException as raised:  # also SystemExit and _TimeIsUp: a student's function may raise anything
        error, line = raised, _line_of(raised)
    return Answer(value, error, line, printed.getvalue(), _changed(exercise, case.args, args))


def _changed(exercise, before, after):
    for name, one, other in zip(exercise.parameters, before, after, strict=False):
        if difference(one, other, 0.0):
            return name
    return ""


def _line_of(error):
    """The last line of the student's own code that an error went through: "line 3: total = total + lenght"."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith((PACKAGE, LIBRARY)) and "site-packages" not in frame.filename:
            code = frame.line or linecache.getline(frame.filename, frame.lineno or 0).strip()
            return f"line {frame.lineno}: {code}" if code else f"line {frame.lineno}"
    return ""


@contextlib.contextmanager
def _no_typing():
    def refuse(*_):
        raise _InputAsked

    asks, builtins.input = builtins.input, refuse
    try:
        yield
    finally:
        builtins.input = asks


def _stop(worker, patience=2.0):
    """Raise _TimeIsUp in a thread until it ends, or patience does; tell whether it ended.

    Python gives it to the thread at its next step, so a function that waits in a single call cannot be stopped.
    """
    deadline = time.monotonic() + patience
    while worker.is_alive() and time.monotonic() < deadline:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(worker.ident), ctypes.py_object(_TimeIsUp))
        worker.join(0.05)
    return not worker.is_alive()
