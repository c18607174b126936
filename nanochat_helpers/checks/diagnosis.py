"""Find out how far a student's function is right, and which misunderstanding its answers show.

In: an exercise and a function. Out: a CheckResult without hints about repeated tries: `checking` adds them.
"""

import types
from collections.abc import Sequence
from typing import Any

from ..errors import ModelError
from .calling import TIME_LIMIT, Answer, Answers, call_on_cases, call_once, is_stubs
from .exercise import Case, Exercise, Misconception
from .faults import fault, objection
from .limits import INTERRUPTED, MEMORY_FULL, TIME, Printed, run, undisturbed
from .result import FAILED, NOT_ATTEMPTED, PASSED, PROBLEM, CheckResult
from .showing import is_tensor, two_texts, value_text

NO_ANSWER = (ModelError, OSError, ImportError, MemoryError)  # what a right solution never raises on purpose
ENDS = {
    TIME: "the time was over",
    MEMORY_FULL: "it took too much memory",
    INTERRUPTED: "you interrupted it",
    "output": "it printed far too much",
    "crash": "Python itself came to an end",
}
PLAIN = (type(None), bool, int, float, str, bytes, list, tuple, dict, set)  # two of these, or two tensors, compare
FEWEST_WRONG = 2  # wrong answers by which a misconception may be recognised where other cases are left out
SEARCH_LIMIT = 10.0  # seconds in which the misconceptions are tried; they are fast, but wrong on purpose


def examine(exercise: Exercise, function: Any, seconds: float = TIME_LIMIT) -> CheckResult:
    """Call the function on all public cases and compare its answers with those of the reference."""
    if said := objection(exercise, function):
        return problem(exercise, said)
    cases = exercise.cases()
    if _is_untouched(function):
        return not_attempted(exercise, len(cases))
    expected = right_answers(exercise, cases[:1])  # before the clock runs: this loads the model, where there is one
    came = call_on_cases(exercise, function, cases, seconds)
    expected += right_answers(exercise, cases[1 : len(came.answers)])
    return judge(exercise, cases, expected, came, seconds, _notes(exercise, function, came))


def judge(
    exercise: Exercise,
    cases: Sequence[Case],
    expected: Sequence[Answer],
    came: Answers,
    seconds: float,
    notes: tuple[str, ...] = (),
    *,
    checks: str = "public checks",
) -> CheckResult:
    """Say how far answers are right. expected: those of the reference, to as many cases as were answered, or more.

    seconds: how long it was given. checks: what the cases are called where all came out right.
    """
    if came.answers and is_stubs(came.answers[0].error) and not came.answers[0].unwritten:
        return not_attempted(exercise, len(cases))
    expected = expected[: len(came.answers)]
    faults = [fault(exercise, right, answer) for right, answer in zip(expected, came.answers, strict=True)]
    n_passed = sum(found is None for found in faults)
    if n_passed == len(cases):
        sentence = f"All {len(cases)} {checks} passed."
        return CheckResult(exercise.id, exercise.title, PASSED, sentence, n_passed, len(cases), notes=notes)
    first = next((place for place, found in enumerate(faults) if found), None)
    if first is None:
        return _unfinished(exercise, cases, came, notes, seconds)
    if came.ended:
        notes = (*notes, f"It was stopped after {len(came.answers)} checks: {ENDS[came.ended]}.")
    known = _known(exercise, cases, expected, came.answers) if len(came.answers) == len(cases) else None
    right, wrong = _both_texts(expected[first], came.answers[first])
    return CheckResult(
        exercise.id,
        exercise.title,
        FAILED,
        f"{n_passed} of {len(cases)} checks came out right. {faults[first]}",
        n_passed,
        len(cases),
        call=exercise.call_text(cases[first]),
        expected=right,
        got=wrong,
        case_note=cases[first].note,
        misconception=known.name if known else "",
        hints=(known.hint,) if known else (),
        notes=notes,
    )


def problem(exercise: Exercise, sentence: str) -> CheckResult:
    """The result where nothing could be tried."""
    return CheckResult(exercise.id, exercise.title, PROBLEM, sentence, 0, len(exercise.cases()))


def _known(exercise, cases, expected, answers):
    """The misconception behind the answers: in all cases, or else in those that no error touches.

    A first try often has a misunderstanding, and breaks on a special case besides, or does not raise an error yet.
    """
    known = recognise(exercise, cases, answers)
    pairs = enumerate(zip(expected, answers, strict=True))
    plain = [n for n, (right, came) in pairs if right.error is None and came.error is None]
    wrong = sum(fault(exercise, expected[n], answers[n]) is not None for n in plain)
    if known or len(plain) == len(cases) or len(plain) < len(cases) / 2 or wrong < FEWEST_WRONG:
        return known
    return recognise(exercise, [cases[n] for n in plain], [answers[n] for n in plain])


def recognise(exercise: Exercise, cases: Sequence[Case], answers: Sequence[Answer]) -> Misconception | None:
    """The misconception whose wrong function gives these same answers in every case."""
    found = []

    def search():
        for misconception in exercise.misconceptions:
            wrong = (call_once(exercise, misconception.wrong, case) for case in cases)
            if all(_same(exercise, one, other) for one, other in zip(wrong, answers, strict=True)):
                found.append(misconception)
                return

    run(search, SEARCH_LIMIT, Printed())
    return found[0] if found else None


def _untouched():
    raise NotImplementedError()


def _is_untouched(function):
    """Whether a function does nothing but raise NotImplementedError, as in a new sheet: there is no need to call it."""
    if type(function) is not types.FunctionType:
        return False
    code, untouched = function.__code__, _untouched.__code__
    return (code.co_code, code.co_names) == (untouched.co_code, untouched.co_names)


def not_attempted(exercise: Exercise, n_cases: int) -> CheckResult:
    """The result where nothing was written yet."""
    todo = f"Write `{exercise.name}` where `# YOUR CODE HERE` stands (remove the `raise` line), and run both cells."
    return CheckResult(exercise.id, exercise.title, NOT_ATTEMPTED, todo, 0, n_cases)


def right_answers(exercise: Exercise, cases: Sequence[Case]) -> list[Answer]:
    """What the reference answers; also an error may be right. Raises what is no answer: that the model is missing."""
    with undisturbed(Printed()):
        answers = [call_once(exercise, exercise.reference, case) for case in cases]
    for answer in answers:
        if isinstance(answer.error, NO_ANSWER):
            raise answer.error
    return answers


def _unfinished(exercise, cases, came, notes, seconds):
    """All finished checks were right, but time or memory was used up, or somebody stopped it (no failed try)."""
    done = f"{len(came.answers)} of {len(cases)} checks came out right"
    if came.interrupted:
        sentence = f"Stopped. {done} until then."
    elif came.ended == MEMORY_FULL:
        sentence = f"{done}; then it took more and more memory. Is there a list or a text that grows without end?"
    elif came.last_call > seconds / 2:
        sentence = f"{done}; then it did not come back within {came.last_call:.0f} s. Is there a loop that never ends?"
    else:
        sentence = f"{done}, but then {seconds:.0f} s were over: it is too slow. What does it do again and again?"
    status, call = PROBLEM if came.interrupted else FAILED, exercise.call_text(cases[len(came.answers)])
    n_passed = len(came.answers)
    return CheckResult(exercise.id, exercise.title, status, sentence, n_passed, len(cases), call=call, notes=notes)


def _notes(exercise, function, came):
    notes = answers_notes(exercise, came)
    if type(function) is types.FunctionType and function.__name__ == "<lambda>":
        lambda_note = f"A lambda is fine; `def {exercise.signature}:` has room for more lines and a docstring."
        notes = (lambda_note, *notes)
    if came.stuck:
        notes = (*notes, "It could not be stopped and still runs: restart the kernel before you go on.")
    return notes


def answers_notes(exercise: Exercise, came: Answers) -> tuple[str, ...]:
    """What is worth a remark, though it costs nothing."""
    notes = []
    if any(answer.printed and answer.value is not None for answer in came.answers):
        notes.append("What it prints is not shown here, and does not count.")
    if came.again is not None and _has_changed(exercise, came.answers[0], came.again):
        notes.append(
            "Called twice with the same values, it gives two different answers. "
            "Does it keep something from call to call (a list outside, a default such as `x=[]`), or draw at random?"
        )
    return tuple(notes)


def _has_changed(exercise, first, again):
    """Whether a second call with the same values gave something else; False where that cannot be told."""
    if first.error is not None or again.error is not None:
        return type(first.error) is not type(again.error)
    if type(again.value) not in PLAIN and not is_tensor(again.value):
        return False
    try:
        return exercise.compare(first.value, again.value) is not None
    except Exception:
        return False


def _both_texts(expected, answer):
    if expected.error is None and answer.error is None:
        return two_texts(expected.value, answer.value)
    return _answer_text(expected), _answer_text(answer)


def _answer_text(answer):
    if isinstance(answer.error, EOFError):
        return "waits for input()"
    return value_text(answer.value) if answer.error is None else f"raises {type(answer.error).__name__}"


def _same(exercise, one, other):
    if one.error is not None or other.error is not None:
        return type(one.error) is type(other.error)
    try:
        return exercise.compare(one.value, other.value) is None
    except Exception:
        return False
