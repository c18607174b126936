"""`check`: what a student calls after writing a function, and `progress`, how far the sheet is.

In: the exercise's id and, if it is not to be looked up by its name, the function. Out: a CheckResult. It helps; it has
no say about marks. Where nbgrader runs a sheet, a check that did not pass raises CheckError, as nbgrader expects.
"""

import difflib
import os
import re
import sys
import threading
import types
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import CheckError, ModelError
from ..language import tr, tr_later
from ..views.check import progress_html, progress_text
from .diagnosis import examine, problem, title_of
from .exercise import Exercise
from .result import FAILED, NOT_ATTEMPTED, PROBLEM, CheckResult
from .sheets import BY_HAND, SHEETS, find_exercise, sheet_exercises
from .showing import value_text

_NOT_GIVEN = object()
_ONE_AT_A_TIME = threading.Lock()  # two at once would mix up what they print, and put each other's streams back


@dataclass
class Session:
    """What this kernel remembers: failed tries in a row, and the latest result, of each exercise."""

    failed: Counter = field(default_factory=Counter)
    latest: dict[str, CheckResult] = field(default_factory=dict)


_SESSION = Session()


def check(exercise_id: str, function: Any = _NOT_GIVEN) -> CheckResult:
    """Try a function on the public cases of an exercise and say how far it is right.

    check("04.3") looks for the function by the name that the sheet asks for; check("04.3", my_function) takes any.
    Each failed check in a row adds a hint.
    """
    exercise = find_exercise(exercise_id) if isinstance(exercise_id, str) else None
    if exercise is None:
        return _strict(_unknown(exercise_id))
    if function is not _NOT_GIVEN:
        return _strict(_remember(exercise, _examine_alone(exercise, function)))
    caller = sys._getframe(1)
    names = {**vars(sys.modules["__main__"]), **caller.f_globals, **caller.f_locals}
    there = exercise.name in names
    result = _examine_alone(exercise, names[exercise.name]) if there else _not_there(exercise, names)
    return _strict(_remember(exercise, result))


def _examine_alone(exercise, function):
    """Examine a function, one at a time; whatever goes wrong in the check itself becomes a sentence."""
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        said = tr("Another check is running: wait until it is done, and call no `check` in a function.")
        return problem(exercise, said)
    try:
        return examine(exercise, function)
    except ModelError as error:  # it says itself what to do
        return problem(exercise, str(error))
    except Exception as error:
        said = f"{type(error).__name__}: {error}"[:200]
        broke = tr("The check itself broke, which should not happen. Show this to your teacher: {said}", said=said)
        return problem(exercise, broke)
    finally:
        _ONE_AT_A_TIME.release()


@dataclass(frozen=True, repr=False)
class Progress:
    """The exercises of a sheet, each with its latest result in this kernel and its points.

    by_hand: the points of a question that a teacher reads.
    """

    title: str
    results: tuple[tuple[CheckResult, int], ...]
    by_hand: int = 0

    def __repr__(self) -> str:
        return progress_text(self.title, self.results, self.by_hand)

    def _repr_html_(self) -> str:
        return progress_html(self.title, self.results, self.by_hand)


def progress(sheet: str) -> Progress:
    """How far a sheet is: its exercises, and which of them passed their public checks. sheet: such as "04"."""
    results = tuple((_latest(exercise), exercise.points) for exercise in sheet_exercises(sheet))
    return Progress(tr("Sheet {sheet}, so far", sheet=sheet), results, BY_HAND.get(sheet, 0))


def _latest(exercise):
    nothing = CheckResult(exercise.id, exercise.title, NOT_ATTEMPTED, "")
    return replace(_SESSION.latest.get(exercise.id, nothing), title=title_of(exercise))


def _remember(exercise: Exercise, result: CheckResult) -> CheckResult:
    """Note the result; after a second failure in a row, add one hint for each."""
    _SESSION.latest[exercise.id] = result
    if result.status != FAILED:
        if result.status != PROBLEM:  # a problem is no try, and ends no row
            _SESSION.failed[exercise.id] = 0
        return result
    _SESSION.failed[exercise.id] += 1
    n_hints = _SESSION.failed[exercise.id] - 1
    hints = (*result.hints, *map(tr_later, exercise.hints[:n_hints]))
    more = n_hints < len(exercise.hints)
    offer = (tr("If the next try fails too, there is another hint."),) if more else ()
    return replace(result, hints=hints, notes=(*result.notes, *offer))


def _unknown(exercise_id):
    if not isinstance(exercise_id, str):
        given = value_text(exercise_id, 60)
        sentence = tr(
            'The exercise comes first, as a text in quotes: check("04.3", my_function). Given: {given}.', given=given
        )
        return CheckResult("?", tr("no exercise"), PROBLEM, sentence)
    numbers = re.findall(r"\d+", exercise_id)
    sheet = numbers[0].zfill(2) if numbers else ""
    there = tr('an exercise is named by its sheet and number, such as "04.3".')
    if sheet in SHEETS:
        ids = [exercise.id for exercise in sheet_exercises(sheet)]
        meant = ".".join([sheet, *numbers[1:2]])
        range_ = tr("sheet {sheet} has {first} to {last}.", sheet=sheet, first=ids[0], last=ids[-1])
        there = tr('did you mean "{exercise}"?', exercise=meant) if meant in ids else range_
    shown = exercise_id[:20]
    sentence = tr("There is no exercise {exercise}: {there}", exercise=repr(shown), there=there)
    return CheckResult(shown or "?", tr("no exercise"), PROBLEM, sentence)


def _not_there(exercise, names):
    asked = {each.name for each in sheet_exercises(exercise.id.partition(".")[0])}  # these have a check of their own
    own = [name for name, value in names.items() if name not in asked and _is_own(name, value)]
    near = _nearest(exercise.name, own)
    if near:
        sentence = tr(
            "There is no function `{name}`, but there is `{near}`. "
            "Is that yours? Then rename it to `{name}`, and run its cell again.",
            name=exercise.name,
            near=near,
        )
    else:
        sentence = tr(
            "There is no function `{name}` yet: run the cell that defines it, then this one again.", name=exercise.name
        )
    return problem(exercise, sentence)


def _is_own(name, value):
    """Whether a name may stand for a function that the student wrote: not a module, nothing of the package."""
    return type(value) in (types.FunctionType, type) and not (
        name.startswith("_") or str(value.__module__).startswith(__package__.partition(".")[0])
    )


def _nearest(name, others):
    lower = {other.lower(): other for other in others}
    near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    return lower[near[0]] if near else ""


def _strict(result: CheckResult) -> CheckResult:
    """Give the result back; raise it where a grader wants to see an error."""
    wanted = os.environ.get("NBGRADER_EXECUTION") or os.environ.get("NANOCHAT_STRICT_CHECKS") == "1"
    if wanted and not result.passed:
        raise CheckError(str(result))
    return result
