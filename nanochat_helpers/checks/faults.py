"""What is wrong with one answer, or already with the function, in one sentence for the student.

In: an exercise, what the reference answered, and what came. Out: a sentence that says what, where and what to do next,
or None. It calls nothing: see `calling`; how two values differ is in `comparing`.
"""

import inspect
import types
from typing import Any

from .calling import Answer, is_stubs
from .comparing import difference
from .exercise import Exercise
from .limits import DEPTH
from .result import CheckResult
from .showing import kind, value_text

PRINTED_SHOWN = 60
# An answer that is no value yet, and what to say to it.
UNFINISHED = {
    types.CoroutineType: "`{name}` gives a coroutine, not a value: leave out `async`.",
    types.AsyncGeneratorType: "`{name}` gives an asynchronous generator, not a value: leave out `async` and `yield`.",
    types.GeneratorType: "`{name}` has a `yield`, so it gives a generator: collect the values, and `return` them.",
    types.FunctionType: "It returned a function, not a value: is a pair of brackets () missing where it is called?",
    types.BuiltinFunctionType: "It returned a function, not a value: is a pair of brackets () missing after its name?",
    types.MethodType: "It returned a function, not a value: is a pair of brackets () missing after its name?",
}


def objection(exercise: Exercise, function: Any) -> str | None:
    """Why this cannot even be called, or None."""
    name = exercise.name
    if issubclass(type(function), type):
        return f"`{name}` is a class, and a function is asked for: begin with `def {exercise.signature}:`."
    if type(function) in (str, CheckResult) or not callable(function):
        return _no_function(exercise, function)
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return f"`{name}` is defined with `async def`, so calling it does nothing yet: leave out `async`."
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return None  # written in C: calling it will tell
    return _wrong_parameters(exercise, signature)


def _no_function(exercise, value):
    call = f'check("{exercise.id}", {exercise.name})'
    if type(value) is str:
        return f"{value_text(value, 40)} is a text: write the function's name without quotes, `{call}`."
    return (
        f"`{exercise.name}` should be a function, but it is {kind(value)} ({value_text(value, 40)}). "
        "Was the name used for something else? Run the cell that begins with `def` again. "
        f"Or was the function called in `check`? Then write `{call}`."
    )


def _wrong_parameters(exercise, signature):
    """What is wrong with the parameters of a function, or None."""
    bare = [each.replace(annotation=each.empty, default=each.empty) for each in signature.parameters.values()]
    shown = str(signature.replace(parameters=bare, return_annotation=signature.empty))[1:-1]
    wanted = exercise.signature.partition("(")[2][:-1]
    has = f"`{exercise.name}` has the parameters ({shown[:120]}), but it should have ({wanted})"
    try:
        signature.bind(*exercise.parameters)
    except TypeError:
        return f"{has}: mend the line that begins with `def`."
    first = list(signature.parameters)[: len(exercise.parameters)]
    if first != list(exercise.parameters) and sorted(first) == sorted(exercise.parameters):
        return f"{has}, in this order: mend the line that begins with `def`."
    return None


def fault(exercise: Exercise, expected: Answer, answer: Answer) -> str | None:
    """What is wrong with one answer, in a sentence, or None."""
    if expected.error is not None:
        return _missing_error(expected.error, answer)
    if answer.error is not None:
        return _raised(exercise, answer)
    if answer.changed:
        also = " and returned None" if answer.value is None and expected.value is not None else ""
        return (
            f"It changes `{answer.changed}`{also}. That belongs to whoever called it: "
            "work on a copy, and return the copy (of a list: `list(…)`; a dict: `dict(…)`; a tensor: `.clone()`)."
        )
    if answer.value is None and expected.value is not None and answer.printed.strip():
        shown = " ".join(answer.printed.split())[:PRINTED_SHOWN]
        return f"It printed `{shown}` and returned None: print only shows a value, `return` gives it back."
    if type(answer.value) is not type(expected.value) and type(answer.value) in UNFINISHED:
        return UNFINISHED[type(answer.value)].format(name=exercise.name)
    return _difference(exercise, expected.value, answer.value)


def _difference(exercise, expected, got):
    for compare in (exercise.compare, difference):
        try:
            return compare(expected, got)
        except Exception as error:  # an answer of a strange type may break a comparison, but not the notebook
            broken = type(error).__name__
    return f"The answer ({kind(got)}) cannot be compared: {broken}."


def _missing_error(wanted, answer):
    name = type(wanted).__name__
    if answer.error is None:
        return f"Here it should raise {_a(name)}, but it returned {value_text(answer.value, 60)}."
    if isinstance(answer.error, type(wanted)):
        return None
    return f"Here it should raise {_a(name)}, but it raised {_a(type(answer.error).__name__)}{_at(answer)}."


def _a(name):
    return f"an {name}" if name[0] in "AEIOU" else f"a {name}"


def _raised(exercise, answer):
    error = answer.error
    if is_stubs(error):
        if answer.unwritten:
            return f"It calls `{answer.unwritten}`, which is still to be written (NotImplementedError): begin there."
        return "A part is still to be written here (NotImplementedError): remove the `raise` line."
    if isinstance(error, EOFError):
        return f"It waits for somebody to type (input()){_at(answer)}: all it needs is in its parameters."
    if isinstance(error, RecursionError):
        way = f"`{exercise.name}` calls itself without end{_at(answer)}, or {DEPTH:,} times one within the other"
        return f"{way}: when should it stop calling itself?"
    if isinstance(error, SystemExit):
        return f"It ends Python itself ({type(error).__name__}){_at(answer)}: use `return`."
    if isinstance(error, MemoryError):
        return f"It asks for more memory than there is{_at(answer)}: what grows so large?"
    said = _message(error)
    return f"It stopped with {type(error).__name__}{f': {said}' if said else ''}{_at(answer)}.{_advice(error, said)}"


def _advice(error, said):
    """What to do about an error whose own words do not help a beginner, or ""."""
    if isinstance(error, UnboundLocalError):
        return " Does it get a value before this line, on every way through the function?"
    if isinstance(error, NameError):
        return " Is it spelled right, and did the cell that defines it run?"
    if said.endswith("object is not callable"):
        return " Was a name such as `sum` or `list` used for a value?"
    return ""


def _message(error):
    try:
        return " ".join(str(error).split())[:160].rstrip(".")
    except Exception:
        return ""


def _at(answer):
    """Where it happened: " (in line 3: `total = total + lenght`)"."""
    place, _, code = answer.line.partition(": ")
    shown = f": `{code}`" if code and "`" not in code else ""
    return f" (in {place}{shown})" if place else ""
