"""In the child: run a student's cells, call the function on each case, and send what comes back. It judges nothing.

In: a task, read from the channel: cells, a signature, cases; no right answers, for this process is not to be trusted.
Out: messages on the channel, one for each step, so that what came before an end is not lost.
"""

import difflib
import importlib
import io
import linecache
import os
import random
import re
import socket
import sys
import types
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...checks.calling import call_now, is_students
from ...checks.exercise import Exercise, call_directly
from ...checks.faults import objection
from ...checks.limits import DEPTH, Printed
from ...checks.showing import kind, value_text
from ...language import tr
from . import wire
from .task import DONE

MOST_PRINTED = 1_000_000  # characters, all together
OUTPUT = "output"
TOO_LARGE = {"other": ["", "too_large", "a value that is too large to be looked at"]}


class Capped(Printed):
    """Keeps the first characters of what is printed; when it is far too much, it ends this process."""

    def __init__(self, end: Callable[[str], None]):
        super().__init__()
        self.end, self.n_written = end, 0

    def write(self, text: str) -> int:
        """Keep the text as long as there is room, and count it."""
        self.n_written += len(text)
        if self.n_written > MOST_PRINTED:
            self.end(OUTPUT)
        return super().write(text)


def run(channel: socket.socket) -> None:
    """Do the task that comes through the channel, and end this process."""
    task = wire.receive(channel, most=wire.MOST_TOLD)
    nonce = task["nonce"]

    def tell(**message):
        wire.send(channel, {"nonce": nonce, **message})

    def end(reason):
        tell(ended=reason)
        os._exit(0)

    printed = Capped(end)
    sys.stdout = sys.stderr = printed
    sys.stdin = io.StringIO()
    sys.setrecursionlimit(DEPTH)
    warnings.simplefilter("ignore")
    random.seed(0)  # Python itself draws a new one at each fork; numpy and torch keep what the warm process has
    names = _run_cells(task["cells"], tell)
    exercise = _without_secrets(task)
    function = names.get(exercise.name)
    tell(found=_what_is_there(exercise, names))
    if function is not None:
        _answer(exercise, function, task["cases"], printed, tell)
    end(DONE)


# --- the cells


def _run_cells(cells, tell):
    """Run the cells one after the other, as a notebook does; one that fails stops no other."""
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module
    names = vars(module)
    names.update(get_ipython=Shell, display=lambda *_, **__: None)
    for place, (label, source) in enumerate(cells):
        tell(cell=place)
        file = f"<{label}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        try:
            exec(_compiled(source, file), names)
        except BaseException as error:  # a student's cell may raise anything
            tell(problem=[place, type(error).__name__, _said(error), _line(error, file)])
    return names


def _compiled(source, file):
    """A cell as code; its last value is not shown. What only Jupyter understands becomes calls of `get_ipython`."""
    try:
        return compile(source, file, "exec")
    except SyntaxError:
        if not may_be_jupyters(source):
            raise
    from IPython.core.inputtransformer2 import TransformerManager

    return compile(TransformerManager().transform_cell(source), file, "exec")


def may_be_jupyters(source: str) -> bool:
    """Whether Jupyter may understand code that is no Python, for only such code gets another try."""
    is_indented = source.lstrip("\n").startswith((" ", "\t"))  # Jupyter takes that away
    return is_indented or any(_is_jupyters(line.strip()) for line in source.split("\n"))


def _is_jupyters(line):
    return line.startswith(("%", "!", "?", ">>>", "In [")) or line.endswith("?") or re.search(r"=\s*[!%]\w", line)


class Shell:
    """What stands for Jupyter's own commands: `!pip` and the like find no network, `%matplotlib` does nothing."""

    def system(self, command: str) -> None:
        """What `!command` does."""
        raise PermissionError(
            tr(
                "!{command} cannot run: no programs while a sheet is graded, and the network is off",
                command=command[:40],
            )
        )

    getoutput = system

    def run_line_magic(self, name: str, line: str, *_: Any) -> None:
        """What `%name line` does."""
        if name in ("pip", "conda", "sx", "system"):
            self.system(f"{name} {line}")

    def run_cell_magic(self, name: str, line: str, cell: str) -> None:
        """What `%%name line` does with the rest of its cell: `%%time` runs it."""
        if name in ("time", "timeit", "capture"):
            exec(_compiled(cell, "<cell>"), vars(sys.modules["__main__"]))


def _said(error):
    try:
        return " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())[:300]
    except Exception:
        return ""


def _line(error, file):
    """The last line of this cell that an error went through: [number, text], or None."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return [error.lineno or 0, (error.text or "").strip()[:200]]
    trace, number = error.__traceback__, 0
    while trace:
        number = trace.tb_lineno if trace.tb_frame.f_code.co_filename == file else number
        trace = trace.tb_next
    return [number, linecache.getline(file, number).strip()[:200]] if number else None


# --- the function


def _without_secrets(task):
    """The exercise as far as a student may know it."""
    call_it = call_directly
    if task["call"]:
        module, name = task["call"]
        call_it = getattr(importlib.import_module(f"nanochat_helpers.checks.toys.{module}"), name)
    return Exercise(
        id=task["id"], title="", points=0, signature=task["signature"], reference=call_directly, edge_cases=(),
        random_case=lambda rng: (), misconceptions=(), call=call_it,
    )  # fmt: skip


def _what_is_there(exercise, names):
    """Whether the function is there and can be called, and which other functions there are."""
    functions = [(name, value) for name, value in names.items() if type(value) is types.FunctionType]
    own = [name for name, value in functions if is_students(value.__code__.co_filename)]
    near = difflib.get_close_matches(exercise.name.lower(), [name.lower() for name in own], n=1, cutoff=0.5)
    there = exercise.name in names
    return {
        "there": there,
        "objection": _objection(exercise, names[exercise.name])[:1000] if there else "",
        "near": next((name for name in own if [name.lower()] == near), ""),
        "others": own[:20],
    }


def _objection(exercise, function):
    """Why it cannot be called, or ""."""
    if callable(function):
        return objection(exercise, function) or ""
    is_now = f"{kind(function)} ({value_text(function, 40)})"
    return tr(
        "At the end, `{name}` is no function, but {value}: give that value another name.",
        name=exercise.name,
        value=is_now,
    )


def _answer(exercise, function, cases, printed, tell):
    """Call the function on each case, and on the first one once more."""
    for packed in [*cases, *cases[:1]]:
        args = wire.unpack(packed)
        answer = call_now(exercise, function, args, printed)
        try:
            tell(answer=wire.pack_answer(answer, args))
        except wire.TooMuchError:
            tell(answer={**wire.pack_answer(replace(answer, value=None), ()), "value": TOO_LARGE})
