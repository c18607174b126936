"""Find what no exercise needs in an answer, so that a teacher looks at it. It decides about no points.

In: the code of an answer. Out: what it uses, with the line, as texts. An honest answer should give none.
"""

import ast
import re
from collections.abc import Collection, Iterator

from ..sandbox.child import may_be_jupyters
from .code_names import TooMuchError, parse

PACKAGE = "nanochat_helpers"
MODULES = re.compile(
    "atexit|builtins|ctypes|gc|http|importlib|inspect|marshal|mmap|multiprocessing|os|pathlib|pickle|pty|requests|"
    "resource|shelve|shutil|signal|socket|subprocess|threading|transformers|unittest|urllib"
)
FUNCTIONS = re.compile("__import__|breakpoint|compile|eval|exec|globals|open")
OF_SYS = re.compile("_current_frames|_getframe|meta_path|modules|path_hooks|setprofile|settrace")
ATTRIBUTES = re.compile(
    "__(bases|builtins|closure|code|dict|globals|loader|mro|self|subclasses)__|_getframe|f_(back|builtins|globals|locals)|"
    "(ag|cr|gi|tb)_frame"
)
METHODS = re.compile("__(eq|getattribute|instancecheck|reduce|reduce_ex|subclasscheck)__")
SHOWN = 3


def imports_of(code: str) -> frozenset[str]:
    """What a cell of the sheet imports, with full names such as "nanochat_helpers.sampling.draw"."""
    try:
        return frozenset(full for node in ast.walk(parse(code)) for full, _ in _imported(node))
    except (SyntaxError, TooMuchError):
        return frozenset()


def tricks_in(code: str, allowed: Collection[str] = ()) -> str:
    """What is remarkable in an answer, such as "`eval` (line 3) and `os` (line 1)", or "".

    allowed: the full names that the sheet itself imports.
    """
    try:
        found = sorted(_remarkable(parse(code), allowed), key=lambda pair: pair[1])
    except SyntaxError:
        return "lines that only Jupyter understands" if may_be_jupyters(code) else ""  # which cannot be run
    except TooMuchError:
        return "code that is too long, or nested too deeply, to be looked into"
    first = dict(reversed(found))  # the first line of each name
    shown = [f"`{name}` (line {first[name]})" for name in dict.fromkeys(name for name, _ in found)]
    more = f", and {len(shown) - SHOWN} more" if len(shown) > SHOWN else ""
    return ", ".join(shown[:SHOWN]) + more


def _remarkable(tree: ast.Module, allowed: Collection[str]) -> Iterator[tuple[str, int]]:
    """Pairs of a name and its line."""
    modules = {name: full for node in ast.walk(tree) for full, name in _imported(node)}
    own = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        for name in (*_of_import(node, allowed), *_of_name(node, modules, own), *_of_others(node, modules)):
            yield name, node.lineno


def _of_import(node, allowed):
    """A part of this package that the sheet does not bring along; or everything of a module such as `os`."""
    for full, name in _imported(node):
        is_ours = full.split(".")[0] == PACKAGE and full.split(".")[1:2] != ["errors"]
        if (is_ours and full not in allowed) or (name == "*" and _is_of_module(full)):
            yield full


def _of_name(node, modules, own):
    """A name that stands for a remarkable function or module; an import that is not used does no harm."""
    if isinstance(node, ast.Name):
        full = modules.get(node.id, node.id)
        if ATTRIBUTES.fullmatch(node.id) or (FUNCTIONS.fullmatch(node.id) and node.id not in own):
            yield node.id
        elif (node.id in modules and _is_of_module(full)) or (full.startswith("sys.") and OF_SYS.fullmatch(full[4:])):
            yield full


def _of_others(node, modules):
    """An attribute, also as a text for `getattr`; or a method that changes what Python itself does."""
    if isinstance(node, ast.Attribute):
        is_of_sys = isinstance(node.value, ast.Name) and modules.get(node.value.id) == "sys"
        if ATTRIBUTES.fullmatch(node.attr) or (is_of_sys and OF_SYS.fullmatch(node.attr)):
            yield node.attr
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and ATTRIBUTES.fullmatch(node.value):
        yield node.value
    elif isinstance(node, ast.FunctionDef) and METHODS.fullmatch(node.name):
        yield node.name


def _is_of_module(full):
    return MODULES.fullmatch(full.partition(".")[0]) is not None


def _imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Pairs of a full name and the name that the code has for it."""
    if isinstance(node, ast.Import):
        for each in node.names:
            yield each.name, each.asname or each.name.partition(".")[0]
    elif isinstance(node, ast.ImportFrom) and not node.level:
        for each in node.names:
            yield f"{node.module}.{each.name}", each.asname or each.name
