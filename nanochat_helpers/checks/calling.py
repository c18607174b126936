"""Call a student's function on the cases of an exercise, without trusting it.

In: a function and cases. Out: for each case an Answer, which holds what came back, or what went wrong. What the
function is given are copies, and what it raises never reaches the notebook. See `limits` for what stops it.
It judges nothing: see `comparing` and `checking`.
"""

import contextlib
import copy
import linecache
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import CoroutineType
from typing import Any

from .comparing import difference
from .exercise import Case, Exercise
from .limits import INTERRUPTED, Printed, Stopped, run
from .showing import is_tensor

TIME_LIMIT = 10.0  # seconds for all cases of an exercise together
COPIED = 10_000  # entries of an answer that is copied, so that a later call cannot change it
INSTALLED = ("site-packages", "dist-packages")  # the second one on Colab and Debian
PACKAGE, PYTHON = str(Path(__file__).parents[1]), str(Path(traceback.__file__).parent)


@dataclass(frozen=True)
class Answer:
    """What came of one call. error: what it raised, if anything. line: the student's line that raised it.

    changed: the parameter whose value was not the same afterwards, or "". unwritten: the name of another function,
    called by the asked one, that is still a stub, or "".
    """

    value: Any = None
    error: BaseException | None = None
    line: str = ""
    printed: str = ""
    changed: str = ""
    unwritten: str = ""


@dataclass(frozen=True)
class Answers:
    """The answers to the first cases; fewer than the cases where something ended the calls too early.

    ended: "" or why: "time", "memory", "interrupted". stuck: the function could not be stopped and still runs.
    last_call: seconds that the unfinished call had. again: the answer to the first case, asked once more at the end.
    """

    answers: tuple[Answer, ...]
    ended: str = ""
    stuck: bool = False
    last_call: float = 0.0
    again: Answer | None = None

    @property
    def interrupted(self) -> bool:
        """Whether somebody stopped it."""
        return self.ended == INTERRUPTED


def call_on_cases(
    exercise: Exercise, function: Callable[..., Any], cases: Sequence[Case], seconds: float = TIME_LIMIT
) -> Answers:
    """Call the function on each case, and on the first once more, and stop it when the seconds are over."""
    answers: list[Answer] = []
    began = [time.monotonic()]
    printed = Printed()

    def task():
        for case in [*cases, *cases[:1]]:
            began[0] = time.monotonic()
            answers.append(call(exercise, function, case, copy.deepcopy(case.args), printed))

    ended, stuck = run(task, seconds, printed)
    came = tuple(answers)
    last_call = time.monotonic() - began[0]
    if len(came) >= len(cases):  # all that was asked for is there
        return Answers(came[: len(cases)], stuck=stuck, again=came[len(cases)] if len(came) > len(cases) else None)
    return Answers(came, ended, stuck, last_call)


def call_once(exercise: Exercise, function: Callable[..., Any], case: Case) -> Answer:
    """Call a function that is trusted, such as the reference, on a copy of a case."""
    return call(exercise, function, case, copy.deepcopy(case.args), Printed())


def call(
    exercise: Exercise, function: Callable[..., Any], case: Case, args: tuple[Any, ...], printed: Printed
) -> Answer:
    """Call a function with these arguments, a copy of those of the case, and keep what came, whatever is done later."""
    came = call_now(exercise, function, args, printed)
    return replace(came, value=_kept(came.value), changed=changed(exercise, case.args, args))


def call_now(exercise: Exercise, function: Callable[..., Any], args: tuple[Any, ...], printed: Printed) -> Answer:
    """Call a function with these arguments; what it raises becomes part of the answer. A later call may change it."""
    printed.take()
    value, error, line = None, None, ""
    try:
        value = exercise.call(function, *args)
    except (Stopped, KeyboardInterrupt):
        raise
    except BaseException as raised:  # also SystemExit: a student's function may raise anything
        error, line = raised, _line_of(raised)
    if type(value) is CoroutineType:
        value.close()
    other = unwritten(error) if is_stubs(error) else ""
    return Answer(value, error, line, printed.take(), unwritten=other)


def _kept(value):
    """A copy of an answer, where that is quick; what cannot be copied stays itself."""
    if (type(value) in (list, tuple, dict, set) and len(value) <= COPIED) or (
        is_tensor(value) and value.numel() <= COPIED
    ):
        with contextlib.suppress(Exception):
            return copy.deepcopy(value)
    return value


def changed(exercise: Exercise, before: Sequence[Any], after: Sequence[Any]) -> str:
    """The name of the first parameter whose value is not the same after a call, or ""."""
    for name, one, other in zip(exercise.parameters, before, after, strict=False):
        try:
            same = difference(one, other, 0.0) is None
        except Exception:  # what stands there now cannot even be compared
            same = False
        if not same:
            return name
    return ""


def is_students(filename: str) -> bool:
    """Whether code from this file is the student's: not this package's, Python's, or that of an installed one."""
    return not filename.startswith((PACKAGE, PYTHON, "<frozen")) and not any(folder in filename for folder in INSTALLED)


def is_stubs(error: BaseException | None) -> bool:
    """Whether an error is that of a stub; a library's NotImplementedError says what it cannot do."""
    return type(error) is NotImplementedError and not error.args


def unwritten(error: BaseException) -> str:
    """The name of another function, called by the asked one, that is still to be written; "" if it is the asked one."""
    frames = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [code for code in frames if is_students(code.co_filename)] or frames
    named = [code for code in own if not code.co_name.startswith("<")]  # a lambda is a part of what it stands in
    return named[-1].co_name if named and named[-1] is not own[0] else ""


def _line_of(error):
    """The last line of the student's own code that an error went through: "line 3: total = total + lenght"."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if is_students(frame.filename):
            code = frame.line or linecache.getline(frame.filename, frame.lineno or 0).strip()
            return f"line {frame.lineno}: {code}" if code else f"line {frame.lineno}"
    return ""
