"""What is wrong with one answer, or already with the function, in one sentence for the student.

In: an exercise, what the reference answered, and what came. Out: a sentence that says what, where and what to do next,
or None. It calls nothing: see `calling`; how two values differ is in `comparing`.
"""

import inspect
import types
from typing import Any

from ..language import later, tr, tr_later
from .calling import Answer, is_stubs
from .comparing import difference
from .exercise import Exercise
from .limits import DEPTH
from .result import CheckResult
from .showing import kind, value_text

PRINTED_SHOWN = 60
# An answer that is no value yet, and what to say to it.
UNFINISHED = {
    types.CoroutineType: later("`{name}` gives a coroutine, not a value: leave out `async`."),
    types.AsyncGeneratorType: later(
        "`{name}` gives an asynchronous generator, not a value: leave out `async` and `yield`."
    ),
    types.GeneratorType: later(
        "`{name}` has a `yield`, so it gives a generator: collect the values, and `return` them."
    ),
    types.FunctionType: later(
        "It returned a function, not a value: is a pair of brackets () missing where it is called?"
    ),
    types.BuiltinFunctionType: later(
        "It returned a function, not a value: is a pair of brackets () missing after its name?"
    ),
    types.MethodType: later("It returned a function, not a value: is a pair of brackets () missing after its name?"),
}


def objection(exercise: Exercise, function: Any) -> str | None:
    """Why this cannot even be called, or None."""
    name = exercise.name
    if issubclass(type(function), type):
        return tr(
            "`{name}` is a class, and a function is asked for: begin with `def {signature}:`.",
            name=name,
            signature=exercise.signature,
        )
    if type(function) in (str, CheckResult) or not callable(function):
        return _no_function(exercise, function)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return tr("`{name}` is defined with `async def`, so calling it does nothing yet: leave out `async`.", name=name)
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None  # written in C: calling it will tell
    return _wrong_parameters(exercise, signature)


def _no_function(exercise, value):
    call = f'check("{exercise.id}", {exercise.name})'
    if type(value) is str:
        return tr(
            "{text} is a text: write the function's name without quotes, `{call}`.",
            text=value_text(value, 40),
            call=call,
        )
    return tr(
        "`{name}` should be a function, but it is {kind} ({value}). "
        "Was the name used for something else? Run the cell that begins with `def` again. "
        "Or was the function called in `check`? Then write `{call}`.",
        name=exercise.name,
        kind=kind(value),
        value=value_text(value, 40),
        call=call,
    )


def _wrong_parameters(exercise, signature):
    """What is wrong with the parameters of a function, or None."""
    bare = [each.replace(annotation=each.empty, default=each.empty) for each in signature.parameters.values()]
    shown = str(signature.replace(parameters=bare, return_annotation=signature.empty))[1:-1]
    wanted = exercise.signature.partition("(")[2][:-1]
    has = {"name": exercise.name, "found": shown[:120], "wanted": wanted}
    try:
        signature.bind(*exercise.parameters)
    except TypeError:
        return tr(
            "`{name}` has the parameters ({found}), but it should have ({wanted}): "
            "mend the line that begins with `def`.",
            **has,
        )
    first = list(signature.parameters)[: len(exercise.parameters)]
    if first != list(exercise.parameters) and sorted(first) == sorted(exercise.parameters):
        return tr(
            "`{name}` has the parameters ({found}), but it should have ({wanted}), in this order: "
            "mend the line that begins with `def`.",
            **has,
        )
    return None


def fault(exercise: Exercise, expected: Answer, answer: Answer) -> str | None:
    """What is wrong with one answer, in a sentence, or None."""
    if expected.error is not None:
        return _missing_error(expected.error, answer)
    if answer.error is not None:
        return _raised(exercise, answer)
    if answer.changed:
        return _changed(answer, expected)
    if answer.value is None and expected.value is not None and answer.printed.strip():
        shown = " ".join(answer.printed.split())[:PRINTED_SHOWN]
        return tr(
            "It printed `{shown}` and returned None: print only shows a value, `return` gives it back.", shown=shown
        )
    if type(answer.value) is not type(expected.value) and type(answer.value) in UNFINISHED:
        return tr_later(UNFINISHED[type(answer.value)], name=exercise.name)
    return _difference(exercise, expected.value, answer.value)


def _changed(answer, expected):
    if answer.value is None and expected.value is not None:
        what = tr("It changes `{name}` and returned None.", name=answer.changed)
    else:
        what = tr("It changes `{name}`.", name=answer.changed)
    advice = tr(
        "That belongs to whoever called it: work on a copy, and return the copy "
        "(of a list: `list(…)`; a dict: `dict(…)`; a tensor: `.clone()`)."
    )
    return f"{what} {advice}"


def _difference(exercise, expected, got):
    for compare in (exercise.compare, difference):
        try:
            return compare(expected, got)
        except Exception as error:  # an answer of a strange type may break a comparison, but not the notebook
            broken = type(error).__name__
    return tr("The answer ({kind}) cannot be compared: {error}.", kind=kind(got), error=broken)


def _missing_error(wanted, answer):
    name = type(wanted).__name__
    if answer.error is None:
        value = value_text(answer.value, 60)
        return tr("Here it should raise {error}, but it returned {value}.", error=_a(name), value=value)
    if isinstance(answer.error, type(wanted)):
        return None
    raised = f"{_a(type(answer.error).__name__)}{_at(answer)}"
    return tr("Here it should raise {error}, but it raised {raised}.", error=_a(name), raised=raised)


def _a(name):
    return tr("an {error}", error=name) if name[0] in "AEIOU" else tr("a {error}", error=name)


def _raised(exercise, answer):
    error = answer.error
    if is_stubs(error):
        if answer.unwritten:
            return tr(
                "It calls `{name}`, which is still to be written (NotImplementedError): begin there.",
                name=answer.unwritten,
            )
        return tr("A part is still to be written here (NotImplementedError): remove the `raise` line.")
    if isinstance(error, EOFError):
        return tr(
            "It waits for somebody to type (input()){place}: all it needs is in its parameters.", place=_at(answer)
        )
    if isinstance(error, RecursionError):
        return tr(
            "`{name}` calls itself without end{place}, or {n:,} times one within the other: "
            "when should it stop calling itself?",
            name=exercise.name,
            place=_at(answer),
            n=DEPTH,
        )
    if isinstance(error, SystemExit):
        return tr(
            "It ends Python itself ({error}){place}: use `return`.", error=type(error).__name__, place=_at(answer)
        )
    if isinstance(error, MemoryError):
        return tr("It asks for more memory than there is{place}: what grows so large?", place=_at(answer))
    said = _message(error)
    what = f"{type(error).__name__}{f': {said}' if said else ''}{_at(answer)}"
    return f"{tr('It stopped with {error}.', error=what)} {_advice(error, said)}".rstrip()


def _advice(error, said):
    """What to do about an error whose own words do not help a beginner, or ""."""
    if isinstance(error, UnboundLocalError):
        return tr("Does it get a value before this line, on every way through the function?")
    if isinstance(error, NameError):
        return tr("Is it spelled right, and did the cell that defines it run?")
    if said.endswith("object is not callable"):
        return tr("Was a name such as `sum` or `list` used for a value?")
    return ""


def _message(error):
    try:
        return " ".join(str(error).split())[:160].rstrip(".")
    except Exception:
        return ""


def _at(answer):
    """Where it happened: " (in line 3: `total = total + lenght`)". The line is that of `calling`."""
    place, _, code = answer.line.partition(": ")
    if not place:
        return ""
    number = place.removeprefix("line ")
    if code and "`" not in code:
        return " " + tr("(in line {number}: `{code}`)", number=number, code=code)
    return " " + tr("(in line {number})", number=number)
