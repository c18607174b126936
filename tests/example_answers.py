"""Answers to the exercises of a sheet, as the text of a cell: right ones, and one for each known misconception.

In: the solutions, the second solutions, and the wrong functions of the sheets' own modules. Out: code that needs
nothing but what a student's notebook has: a function comes with all that it uses of its module, and never imports a
sheet. It runs none of it.
"""

import ast
import importlib.util
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nanochat_helpers.checks.exercise import Exercise
from nanochat_helpers.checks.sheets import SHEETS, sheet_exercises
from nanochat_helpers.grading.sheets import BEGIN, END, Notebook, cell_of, read_notebook, source

ROOT = Path(__file__).parents[1]
PACKAGE = "nanochat_helpers.checks.sheets"
OF_THE_SHEET = {"check", "progress"}  # names that an answer leaves alone


@dataclass(frozen=True)
class Answers:
    """What students write into a sheet. sheet: as it is given out. right: exercise id → codes, the solution first.

    wrong: exercise id → misconception → code. needs: code → the other exercises whose functions it calls.
    """

    number: str
    sheet: Notebook
    exercises: tuple[Exercise, ...]
    right: dict[str, tuple[str, ...]]
    wrong: dict[str, dict[str, str]]
    needs: dict[str, frozenset[str]]


@cache
def answers_of(number: str) -> Answers:
    """The answers to a sheet, such as "04"."""
    name, exercises = f"{number}_{SHEETS[number]}.ipynb", sheet_exercises(number)
    sheet, solutions = (read_notebook(ROOT / folder / name) for folder in ("exercises", "solutions"))
    homes = sorted(
        {each.reference.__module__ for each in exercises if not each.reference.__module__.startswith(PACKAGE)}
    )
    mistakes = Module(ROOT / "nanochat_helpers" / "checks" / "sheets" / f"{SHEETS[number]}.py", PACKAGE, homes)
    others = Module(ROOT / "tests" / "second_solutions" / f"{SHEETS[number]}.py")
    given = set(_imports_of(sheet))
    taken = OF_THE_SHEET | {each.name for each in exercises}
    right, wrong = {}, {}
    for each in exercises:
        second = [others.code(one, each, taken, given) for one in _second(others.tree, each.id)]
        right[each.id] = (_solution(solutions, each.id), *second)
        expressions = _misconceptions(mistakes.tree, each.id)
        wrong[each.id] = {name: mistakes.code(one, each, taken, given) for name, one in expressions.items()}
    codes = {each.id: (*right[each.id], *wrong[each.id].values()) for each in exercises}
    needs = {code: _needs(code, each, exercises) for each in exercises for code in codes[each.id]}
    return Answers(number, sheet, exercises, right, wrong, needs)


class Module:
    """The top level of a module: which statement gives a name its value.

    package: where relative imports begin. homes: modules that an answer must not import either, as right answers stand
    there: what is used of them is copied, and its name begins with "my_".
    """

    def __init__(self, path: Path, package: str = "", homes: Sequence[str] = ()):
        self.tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and node.level:
                node.module, node.level = (
                    importlib.util.resolve_name("." * node.level + (node.module or ""), package),
                    0,
                )
        self.statements: list[ast.stmt] = []
        self.place: dict[str, int] = {}  # name → its place in the statements
        for home in homes:
            other = Module(Path(importlib.util.find_spec(home).origin), home.rpartition(".")[0])
            mine = {
                name: f"my_{name.lstrip('_')}"
                for name in other.place
                if not _is_import(other.statements[other.place[name]])
            }
            self._add(ast.parse(_renamed(_trusting(each), mine)).body[0] for each in other.statements)
        self.tree = _Copied({home.rpartition(".")[2] for home in homes}).visit(self.tree)
        self._add(self.tree.body)

    def _add(self, statements):
        for statement in statements:
            for one, names in _bindings(statement):
                self.place |= dict.fromkeys(names, len(self.statements))
                self.statements.append(one)

    def code(self, expression: ast.expr, exercise: Exercise, taken: set[str], given: set[str]) -> str:
        """A function of this module as an answer: with all it uses, and under the name that the exercise asks for.

        taken: names that mean something else in the notebook. given: imports that the sheet has already.
        """
        places = self._needed(_names(ast.unparse(expression)))
        names = {name: f"{name}_before" for name in taken if self.place.get(name) in places}
        called = expression.id if isinstance(expression, ast.Name) else ""
        is_here = called in self.place and isinstance(self.statements[self.place[called]], ast.FunctionDef)
        if is_here:
            names[called] = exercise.name
        parts = [_renamed(self.statements[place], names) for place in sorted(places)]
        if not is_here:
            call = f"{_renamed(expression, names)}({', '.join(exercise.parameters)})"
            parts.append(f"def {exercise.signature}:\n    return {call}")
        imports = list(dict.fromkeys(part for part in parts if part.startswith(("import ", "from "))))
        rest = [part for part in parts if part not in imports]
        head = "\n".join(part for part in imports if part not in given)
        return "\n\n\n".join(part for part in (head, *rest) if part)

    def _needed(self, names):
        """The places of the statements behind some names, and behind those that these use, and so on."""
        places, waiting = set(), set(names)
        while waiting:
            place = self.place.get(waiting.pop())
            if place is not None and place not in places:
                places.add(place)
                waiting |= _names(ast.unparse(self.statements[place]))
        return places


def uses(code: str) -> set[str]:
    """The names that a piece of code takes from outside; none where Python cannot read it."""
    try:
        return _names(code)
    except SyntaxError:
        return set()


def _names(code):
    found, tables = set(), [symtable.symtable(code, "answer", "exec")]
    while tables:
        table = tables.pop()
        is_outside = table.get_type() == "module"
        symbols = [each for each in table.get_symbols() if each.is_referenced() and (is_outside or each.is_global())]
        found |= {each.get_name() for each in symbols}
        tables += table.get_children()
    return found


def _bindings(statement) -> Iterator[tuple[ast.stmt, list[str]]]:
    """The statement with the names that it binds; of an import, each name is a statement of its own."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            yield ast.Import([alias]), [(alias.asname or alias.name).partition(".")[0]]
    elif isinstance(statement, ast.ImportFrom):
        for alias in statement.names:
            yield ast.ImportFrom(statement.module, [alias], 0), [alias.asname or alias.name]
    elif isinstance(statement, ast.FunctionDef | ast.ClassDef):
        yield statement, [statement.name]
    elif isinstance(statement, ast.Assign | ast.AnnAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield statement, [node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)]


def _is_import(statement):
    return isinstance(statement, ast.Import | ast.ImportFrom)


def _trusting(statement):
    """A function without the calls that only look at its parameters: students write none."""
    if isinstance(statement, ast.FunctionDef):
        statement.body = [each for each in statement.body if not _is_call(each)]
    return statement


def _is_call(statement):
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)


class _Copied(ast.NodeTransformer):
    """`sampling.to_probs` becomes `my_to_probs`, for some modules."""

    def __init__(self, modules):
        self.modules = modules

    def visit_Attribute(self, node):
        is_copied = isinstance(node.value, ast.Name) and node.value.id in self.modules
        return ast.Name(f"my_{node.attr}") if is_copied else self.generic_visit(node)


class _Renamer(ast.NodeTransformer):
    def __init__(self, names):
        self.names = names

    def visit_Name(self, node):
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_FunctionDef(self, node):
        node.name = self.names.get(node.name, node.name)
        return self.generic_visit(node)

    visit_ClassDef = visit_FunctionDef

    def visit_alias(self, node):
        if node.name in self.names:
            node.asname = self.names[node.name]
        return node


def _renamed(node, names):
    """The text of a node, in which some names of the module's top level are others."""
    text = ast.unparse(node)
    there = _names(text) | {getattr(node, "name", "")} | {alias.name for alias in getattr(node, "names", ())}
    return ast.unparse(_Renamer({old: new for old, new in names.items() if old in there}).visit(ast.parse(text)))


def _imports_of(sheet):
    for cell in sheet["cells"]:
        if cell.get("id") == "imports":
            for statement in ast.parse(source(cell)).body:
                yield from (ast.unparse(one) for one, _ in _bindings(statement))


def _solution(notebook, exercise_id):
    lines = source(cell_of(notebook, exercise_id, "answer")).splitlines()
    return "\n".join(line for line in lines if line.strip() not in (BEGIN, END))


def _second(tree, exercise_id):
    """The expressions in `SECOND = {"04.1": (these, ...)}`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "SECOND":
            for key, value in zip(node.value.keys, node.value.values, strict=True):
                if ast.literal_eval(key) == exercise_id:
                    return value.elts
    return []


def _misconceptions(tree, exercise_id):
    """Name → the expression of the wrong function, as they stand in the exercise."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Exercise":
            fields = {each.arg: each.value for each in node.keywords}
            if ast.literal_eval(fields["id"]) == exercise_id:
                return {ast.literal_eval(each.args[0]): each.args[1] for each in fields["misconceptions"].elts}
    return {}


def _needs(code, exercise, exercises):
    used = uses(code)
    return frozenset(each.id for each in exercises if each.name in used and each.id != exercise.id)
