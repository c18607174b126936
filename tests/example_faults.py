"""What careless students do to a sheet, and files that are no sheet at all.

In: a right answer, a notebook, or a file's text. Out: the same with one fault. Nothing is run here.
"""

import ast
import json
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from nanochat_helpers.checks.exercise import Exercise
from nanochat_helpers.checks.result import FAILED, PASSED
from nanochat_helpers.grading.sheets import Notebook, cell_of

PRINTED = "I was here"
Cell = dict[str, Any]

# --- the code of one answer: (exercise, right code) → code


def _before(exercise: Exercise, code: str, *statements: str) -> str:
    """The code with statements at the beginning of the function, after its docstring."""
    tree = ast.parse(code)
    function = _function(tree, exercise)
    place = 1 if ast.get_docstring(function) is not None else 0
    function.body[place:place] = [node for each in statements for node in ast.parse(each).body]
    return ast.unparse(tree)


def _function(tree, exercise):
    return next(each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == exercise.name)


class _Returns(ast.NodeTransformer):
    """Puts a statement before each `return` of a function, which then returns nothing; not so in functions inside."""

    def __init__(self, function: ast.FunctionDef, statement: str):
        self.function, self.statement = function, statement

    def visit_FunctionDef(self, node):
        return self.generic_visit(node) if node is self.function else node

    def visit_Return(self, node):
        return [*ast.parse(self.statement.format(ast.unparse(node.value))).body, ast.Return()] if node.value else node


def _without_return(exercise, code, statement):
    tree = ast.parse(code)
    return ast.unparse(_Returns(_function(tree, exercise), statement).visit(tree))


def _syntax_error(exercise, code):
    head = next(line for line in code.splitlines() if line.startswith(f"def {exercise.name}("))
    return code.replace(head, head.rstrip().removesuffix(":"))


def _renamed(exercise, code):
    return code.replace(f"def {exercise.name}(", f"def my_{exercise.name}(")


def _one_more(exercise, code):
    tree = ast.parse(code)
    _function(tree, exercise).args.args.insert(0, ast.arg("extra"))
    return ast.unparse(tree)


WRONG_CODE: dict[str, Callable[[Exercise, str], str]] = {
    "syntax error": _syntax_error,
    "renamed function": _renamed,
    "prints instead of returning": lambda exercise, code: _without_return(exercise, code, "print({})"),
    "forgot to return": lambda exercise, code: _without_return(exercise, code, "answer = {}"),
    "missing import": lambda exercise, code: _before(exercise, code, "table = pd.DataFrame()"),
    "input() in the cell": lambda exercise, code: f'name = input("What is your name?")\n{code}',
    "input() in the function": lambda exercise, code: _before(exercise, code, 'number = input("A number:")'),
    "one parameter too many": _one_more,
    "async def": lambda exercise, code: code.replace(f"def {exercise.name}(", f"async def {exercise.name}("),
    "sys.exit in the function": lambda exercise, code: _before(exercise, code, "import sys", "sys.exit()"),
    "does not use its parameters": lambda exercise, code: _before(
        exercise, code, *(f"{name} = None" for name in exercise.parameters or ("text",)), "return 0"
    ),
}
SLOW_CODE: dict[str, Callable[[Exercise, str], str]] = {
    "infinite loop": lambda exercise, code: _before(exercise, code, "while True:\n    place = 0"),
}
RIGHT_CODE: dict[str, Callable[[Exercise, str], str]] = {
    "a check in the cell": lambda exercise, code: f'{code}\n\n\ncheck("{exercise.id}")',
    "a print in the cell": lambda exercise, code: f'{code}\n\n\nprint({exercise.name})\nprint("{PRINTED}")',
    "prints and warns": lambda exercise, code: _before(
        exercise, code, "import warnings", f"print('{PRINTED}')", "warnings.warn('this is slow')"
    ),
    "Windows line ends": lambda exercise, code: code.replace("\n", "\r\n"),
    "much white space": lambda exercise, code: f"\n\n# my answer   \n\n{code}   \n\n\n",
}

# --- the cells around one answer: (notebook, exercise, right code, wrong code) → what the exercise then is


def _own_cell(code: str) -> Cell:
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": code}


def _place(notebook, exercise, role):
    return next(n for n, cell in enumerate(notebook["cells"]) if cell is cell_of(notebook, exercise.id, role))


def _answer(notebook, exercise, code):
    cell_of(notebook, exercise.id, "answer")["source"] = code


def _helper(notebook, exercise, code, offset):
    """A value that the answer needs, in a cell of the student's own."""
    _answer(notebook, exercise, _before(exercise, code, "number = MY_NUMBER"))
    notebook["cells"].insert(_place(notebook, exercise, "answer") + offset, _own_cell("MY_NUMBER = 1"))
    return FAILED


def _helper_before(notebook, exercise, right, wrong):
    return _helper(notebook, exercise, right, 0)


def _helper_after(notebook, exercise, right, wrong):
    return _helper(notebook, exercise, right, 2)


def _changed_imports(notebook, exercise, right, wrong):
    imports = next(cell for cell in notebook["cells"] if cell.get("id") == "imports")
    imports["source"] = f"import colorsys as my_module\n{''.join(imports['source'])}"
    _answer(notebook, exercise, _before(exercise, right, "kind = my_module"))
    return FAILED


def _in_another_cell(notebook, exercise, right, wrong):
    notebook["cells"].insert(_place(notebook, exercise, "answer") + 1, _own_cell(right))
    return PASSED


def _twice(notebook, exercise, first, second):
    """The answer's cell, copied with all its marks, as Jupyter copies it."""
    copy = deepcopy(cell_of(notebook, exercise.id, "answer"))
    copy["id"] = f"copy-of-{copy.get('id', 'answer')}"
    _answer(notebook, exercise, first)
    copy["source"] = second
    notebook["cells"].insert(_place(notebook, exercise, "answer") + 1, copy)


def _twice_wrong_first(notebook, exercise, right, wrong):
    _twice(notebook, exercise, wrong, right)
    return PASSED


def _twice_right_first(notebook, exercise, right, wrong):
    _twice(notebook, exercise, right, wrong)
    return FAILED


def _twice_stub_last(notebook, exercise, right, wrong):
    _twice(notebook, exercise, right, cell_of(notebook, exercise.id, "answer")["source"])
    return PASSED


def _check_deleted(notebook, exercise, right, wrong):
    _answer(notebook, exercise, right)
    del notebook["cells"][_place(notebook, exercise, "check")]
    return PASSED


def _check_edited(notebook, exercise, right, wrong):
    _answer(notebook, exercise, wrong)
    cell_of(notebook, exercise.id, "check")["source"] = "pass"
    return FAILED


def _check_edited_right(notebook, exercise, right, wrong):
    _answer(notebook, exercise, right)
    cell_of(notebook, exercise.id, "check")["source"] = f'check("{exercise.id}")  # this works now'
    return PASSED


def _huge_outputs(notebook, exercise, right, wrong):
    _answer(notebook, exercise, right)
    text = "".join(f"token {n}: {n / 7}\n" for n in range(40_000))
    outputs = [{"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)}]
    cell_of(notebook, exercise.id, "answer").update(outputs=outputs, execution_count=99)
    return PASSED


def _tagged(notebook, exercise, right, wrong):
    _answer(notebook, exercise, right)
    cell_of(notebook, exercise.id, "answer")["metadata"]["tags"] = ["skip-execution", "raises-exception"]
    return PASSED


def _claims(notebook, exercise, right, wrong):
    """Wrong, though what is stored below the check says that all is well."""
    _answer(notebook, exercise, wrong)
    text = [f"Passed: {exercise.id} {exercise.title}\n", "All public checks passed."]
    output = {"data": {"text/plain": text}, "metadata": {}, "output_type": "display_data"}
    cell_of(notebook, exercise.id, "check").update(outputs=[output], execution_count=7)
    return FAILED


def _moved(notebook, exercise, right, wrong):
    _answer(notebook, exercise, right)
    notebook["cells"].append(notebook["cells"].pop(_place(notebook, exercise, "answer")))
    return PASSED


CELLS: dict[str, Callable[[Notebook, Exercise, str, str], str]] = {
    "a helper in a cell of its own": _helper_before,
    "only out of order": _helper_after,
    "changed imports": _changed_imports,
    "answered in another cell": _in_another_cell,
    "answer twice, wrong first": _twice_wrong_first,
    "answer twice, right first": _twice_right_first,
    "answer twice, stub last": _twice_stub_last,
    "check deleted": _check_deleted,
    "check edited, wrong": _check_edited,
    "check edited": _check_edited_right,
    "huge outputs": _huge_outputs,
    "tags": _tagged,
    "outputs claim success": _claims,
    "answer at the end": _moved,
}

# --- files that are no sheet: (text of a right one, text of another sheet, random numbers) → bytes


def _cut(text: str, other: str, rng: random.Random) -> bytes:
    return text[: rng.randrange(len(text) // 10, len(text) - 10)].encode()


def _merge_markers(text: str, other: str, rng: random.Random) -> bytes:
    lines = text.splitlines(keepends=True)
    place = rng.randrange(10, len(lines) - 10)
    own, theirs = lines[place : place + 3], ["    other lines\n"]
    marked = ["<<<<<<< HEAD\n", *own, "=======\n", *theirs, ">>>>>>> main\n"]
    return "".join([*lines[:place], *marked, *lines[place + 3 :]]).encode()


BROKEN: dict[str, Callable[[str, str, random.Random], bytes]] = {
    "empty": lambda text, other, rng: b"",
    "cut": _cut,
    "merge markers": _merge_markers,
    "HTML page": lambda text, other, rng: (
        b"<!DOCTYPE html>\n<html><body>Please sign in to see this file.</body></html>\n"
    ),
    "another sheet": lambda text, other, rng: other.encode(),
    "a list": lambda text, other, rng: b"[1, 2, 3]\n",
    "no cells": lambda text, other, rng: b'{"metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n',
    "a program": lambda text, other, rng: b"import torch\n\n\ndef apply_temperature(logits):\n    return logits\n",
    "random bytes": lambda text, other, rng: rng.randbytes(3000),
    "a JSON text": lambda text, other, rng: json.dumps(text).encode(),
}
