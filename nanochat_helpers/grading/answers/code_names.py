"""Python code as data: is it the same as another, which names does it define, and which must be there before it?

In: the text of a cell, which may be broken, huge or hostile. Out: plain facts. Nothing is run here.
"""

import ast
import re
import symtable
import textwrap
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from ...errors import TooMuchError

LONGEST = 50_000  # characters; longer code is not looked into
# All repeats are possessive (`*+`): hostile text must not make them try again and again.
MAGIC = re.compile(r"^([ \t]*+)(?:[\w, \t]++=[ \t]*+)?(?:[%!?].*+|[\w.]++\?{1,2}[ \t]*+$)", re.MULTILINE)
PROMPT = re.compile(r"^[ \t]*+(?:>>>|\.\.\.:?|In \[\d*+\]:)(?: |$)", re.MULTILINE)
DEFINITION = re.compile(r"^(?:(?:async[ \t]++)?def|class)[ \t]++(\w++)|^(\w++)[ \t]*+=(?!=)", re.MULTILINE)
IMPORT = re.compile(r"^(?:from[ \t]++[\w.]++[ \t]++)?import[ \t]++([\w., \t]++)", re.MULTILINE)
T = TypeVar("T")


@dataclass(frozen=True)
class Names:
    """What a piece of code defines at its top level, and which names it takes from outside, also in its functions.

    imports: those of `binds` that an import brings. needs is None where that cannot be found out.
    """

    binds: frozenset[str]
    imports: frozenset[str]
    needs: frozenset[str] | None


def parse(code: str) -> ast.Module:
    """The code as a tree; a line for IPython (`%timeit`, `!ls`, `max?`) counts as `pass`, and prompts do not count.

    Raises SyntaxError for what is no Python, and TooMuchError.
    """
    return _analysed(code, ast.parse)


def names_in(code: str) -> Names:
    """What the code defines and needs. Broken code needs nothing, and its definitions are guessed from its lines."""
    try:
        table = _analysed(code, lambda text: symtable.symtable(text, "cell", "exec"))
    except SyntaxError:
        return _guessed(code, frozenset())
    except TooMuchError:
        return _guessed(code[:LONGEST], None)
    inner = list(_inner(table))
    top = table.get_symbols()
    binds = {each.get_name() for each in top if each.is_assigned() or each.is_imported() or each.is_namespace()}
    binds |= {each.get_name() for each in inner if each.is_declared_global() and each.is_assigned()}
    needs = {each.get_name() for each in top if each.is_referenced()}
    needs |= {each.get_name() for each in inner if each.is_global() and each.is_referenced()}
    imports = {each.get_name() for each in top if each.is_imported()}
    return Names(frozenset(binds), frozenset(imports), frozenset(needs))


def same_code(one: str, other: str) -> bool:
    """Whether two pieces of code differ in nothing but blank space, comments and docstrings."""
    if one == other:
        return True
    try:
        return _essence(one) == _essence(other)
    except (SyntaxError, TooMuchError):
        return one.split() == other.split()


def is_empty(code: str) -> bool:
    """Whether there is nothing to run: blank space and comments."""
    return not any(line.strip() and not line.lstrip().startswith("#") for line in code.splitlines())


def _essence(code):
    tree = parse(code)
    for node in ast.walk(tree):
        has_docstring = isinstance(node, (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        if has_docstring and node.body and _is_text(node.body[0]):
            del node.body[0]
    try:
        return ast.dump(tree)
    except (RecursionError, MemoryError):
        raise TooMuchError from None


def _is_text(statement):
    return isinstance(statement, ast.Expr) and isinstance(getattr(statement.value, "value", None), str)


def _analysed(code: str, analyse: Callable[[str], T]) -> T:
    """What `analyse` says of the code, or of the code without magics, prompts (`>>>`) and an indent of all lines."""
    if len(code) > LONGEST:
        raise TooMuchError
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the student's own "\d" in a text
        try:
            return analyse(code)
        except SyntaxError:
            plain = MAGIC.sub(r"\1pass", textwrap.dedent(PROMPT.sub("", code)))
            if plain == code:
                raise
        except ValueError as error:  # a NUL, or half a character
            raise SyntaxError(str(error)) from None
        except (RecursionError, MemoryError):
            raise TooMuchError from None
    return _analysed(plain, analyse)


def _inner(table: symtable.SymbolTable) -> Iterator[symtable.Symbol]:
    """The symbols of all functions and classes in it."""
    tables = list(table.get_children())
    while tables:
        inner = tables.pop()
        yield from inner.get_symbols()
        tables += inner.get_children()


def _guessed(code, needs):
    defined = {name for pair in DEFINITION.findall(code) for name in pair if name}
    parts = [part.split() for line in IMPORT.findall(code) for part in line.split(",")]
    imported = {words[-1].partition(".")[0] for words in parts if words}
    return Names(frozenset(defined | imported), frozenset(imported), needs)
