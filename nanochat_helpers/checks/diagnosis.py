"""Find out how far a student's function is right, and which misunderstanding its answers show.

In: an exercise and a function. Out: a CheckResult without hints about repeated tries: `checking` adds them.
"""

import types
from collections.abc import Sequence
from typing import Any

from ..errors import ModelError
from ..language import later, tr, tr_later
from .calling import TIME_LIMIT, Answer, Answers, call_on_cases, call_once, is_stubs
from .exercise import Case, Exercise, Misconception
from .faults import fault, objection
from .limits import INTERRUPTED, MEMORY_FULL, TIME, Printed, run, undisturbed
from .result import FAILED, NOT_ATTEMPTED, PASSED, PROBLEM, CheckResult
from .showing import is_tensor, two_texts, value_text

ALL_PUBLIC = later("All {n} public checks passed.")
NO_ANSWER = (ModelError, OSError, ImportError, MemoryError)  # what a right solution never raises on purpose
ENDS = {
    TIME: later("the time was over"),
    MEMORY_FULL: later("it took too much memory"),
    INTERRUPTED: later("you interrupted it"),
    "output": later("it printed far too much"),
    "crash": later("Python itself came to an end"),
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
    passed: str = ALL_PUBLIC,
) -> CheckResult:
    """Say how far answers are right. expected: those of the reference, to as many cases as were answered, or more.

    seconds: how long it was given. passed: the sentence where all came out right, about {n} cases.
    """
    if came.answers and is_stubs(came.answers[0].error) and not came.answers[0].unwritten:
        return not_attempted(exercise, len(cases))
    expected = expected[: len(came.answers)]
    faults = [fault(exercise, right, answer) for right, answer in zip(expected, came.answers, strict=True)]
    n_passed = sum(found is None for found in faults)
    if n_passed == len(cases):
        sentence = tr_later(passed, n=len(cases))
        return CheckResult(exercise.id, title_of(exercise), PASSED, sentence, n_passed, len(cases), notes=notes)
    first = next((place for place, found in enumerate(faults) if found), None)
    if first is None:
        return _unfinished(exercise, cases, came, notes, seconds)
    if came.ended:
        why = tr_later(ENDS[came.ended])
        notes = (*notes, tr("It was stopped after {n} checks: {why}.", n=len(came.answers), why=why))
    known = _known(exercise, cases, expected, came.answers) if len(came.answers) == len(cases) else None
    right, wrong = _both_texts(expected[first], came.answers[first])
    return CheckResult(
        exercise.id,
        title_of(exercise),
        FAILED,
        f"{tr('{n} of {total} checks came out right.', n=n_passed, total=len(cases))} {faults[first]}",
        n_passed,
        len(cases),
        call=exercise.call_text(cases[first]),
        expected=right,
        got=wrong,
        case_note=tr_later(cases[first].note),
        misconception=known.name if known else "",
        hints=(tr_later(known.hint),) if known else (),
        notes=notes,
    )


def problem(exercise: Exercise, sentence: str) -> CheckResult:
    """The result where nothing could be tried."""
    return CheckResult(exercise.id, title_of(exercise), PROBLEM, sentence, 0, len(exercise.cases()))


def title_of(exercise: Exercise) -> str:
    """The title of an exercise in the present language."""
    return tr_later(exercise.title)


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
    todo = tr(
        "Write `{name}` where `# YOUR CODE HERE` stands (remove the `raise` line), and run both cells.",
        name=exercise.name,
    )
    return CheckResult(exercise.id, title_of(exercise), NOT_ATTEMPTED, todo, 0, n_cases)


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
    n_passed = len(came.answers)
    status, call = PROBLEM if came.interrupted else FAILED, exercise.call_text(cases[n_passed])
    sentence = _why_unfinished(came, seconds, {"n": n_passed, "total": len(cases)})
    return CheckResult(exercise.id, title_of(exercise), status, sentence, n_passed, len(cases), call=call, notes=notes)


def _why_unfinished(came, seconds, done):
    if came.interrupted:
        return tr("Stopped. {n} of {total} checks came out right until then.", **done)
    if came.ended == MEMORY_FULL:
        return tr(
            "{n} of {total} checks came out right; then it took more and more memory. "
            "Is there a list or a text that grows without end?",
            **done,
        )
    if came.last_call > seconds / 2:
        return tr(
            "{n} of {total} checks came out right; then it did not come back within {seconds} s. "
            "Is there a loop that never ends?",
            seconds=f"{came.last_call:.0f}",
            **done,
        )
    return tr(
        "{n} of {total} checks came out right, but then {seconds} s were over: it is too slow. "
        "What does it do again and again?",
        seconds=f"{seconds:.0f}",
        **done,
    )


def _notes(exercise, function, came):
    notes = answers_notes(exercise, came)
    if type(function) is types.FunctionType and function.__name__ == "<lambda>":
        lambda_note = tr(
            "A lambda is fine; `def {signature}:` has room for more lines and a docstring.",
            signature=exercise.signature,
        )
        notes = (lambda_note, *notes)
    if came.stuck:
        notes = (*notes, tr("It could not be stopped and still runs: restart the kernel before you go on."))
    return notes


def answers_notes(exercise: Exercise, came: Answers) -> tuple[str, ...]:
    """What is worth a remark, though it costs nothing."""
    notes = []
    if any(answer.printed and answer.value is not None for answer in came.answers):
        notes.append(tr("What it prints is not shown here, and does not count."))
    if came.again is not None and _has_changed(exercise, came.answers[0], came.again):
        notes.append(
            tr(
                "Called twice with the same values, it gives two different answers. "
                "Does it keep something from call to call (a list outside, a default such as `x=[]`), "
                "or draw at random?"
            )
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
        return tr("waits for input()")
    if answer.error is not None:
        return tr("raises {error}", error=type(answer.error).__name__)
    return value_text(answer.value)


def _same(exercise, one, other):
    if one.error is not None or other.error is not None:
        return type(one.error) is type(other.error)
    try:
        return exercise.compare(one.value, other.value) is None
    except Exception:
        return False
