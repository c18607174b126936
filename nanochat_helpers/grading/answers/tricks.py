"""Find what no exercise needs in an answer, so that a teacher looks at it. It decides about no points.

In: the code of an answer. Out: what it uses, with the line, as texts. An honest answer should give none.
"""

import ast
import re
from collections.abc import Collection, Iterator

from ...language import later, tr, tr_later
from ..sandbox.child import may_be_jupyters
from .code_names import MAGIC, TooMuchError, parse

PACKAGE = "nanochat_helpers"
MODULES = re.compile(
    "_[a-z]\\w*|atexit|bdb|builtins|cProfile|cffi|cloudpickle|code|codeop|concurrent|ctypes|dill|doctest|faulthandler|gc|"
    "glob|http|imp|importlib|inspect|IPython|joblib|linecache|marshal|mmap|multiprocessing|nt|os|pathlib|pdb|pickle|"
    "pkgutil|posix|profile|pty|pydoc|requests|resource|runpy|shelve|shutil|signal|site|socket|subprocess|tempfile|"
    "threading|timeit|trace|tracemalloc|transformers|unittest|urllib|zipfile|zipimport"
)
# What stands in other modules, too, as in torch.os.
INNER = re.compile("_?(builtins|ctypes|gc|importlib|inspect|os|pickle|posix|subprocess|sys|threading)")
READY_MADE = re.compile("generate")  # what a model of transformers brings along
# What calls a function, or finds a thing, by a name in a text or a file.
FINDERS = re.compile(
    r"(numpy|torch)\.(.*\.)?load|torch\.(hub|package)\b.*|typing\.get_type_hints|operator\.(attrgetter|methodcaller)|"
    r"string\.Formatter"
)
FUNCTIONS = re.compile("__import__|breakpoint|compile|eval|exec|get_ipython|globals|locals|open|vars")
BY_NAME = ("getattr", "setattr", "delattr")
OF_SYS = re.compile("_current_frames|_getframe|meta_path|modules|path_hooks|setprofile|settrace")
ATTRIBUTES = re.compile(
    "__(bases|builtins|closure|code|dict|func|getattr|getattribute|globals|import|kwdefaults|loader|mro|self|spec|"
    "subclasses|wrapped)__|_getframe|f_(back|builtins|globals|locals)|(ag|cr|gi|tb)_frame"
)
METHODS = re.compile("__(eq|getattribute|instancecheck|reduce|reduce_ex|subclasscheck)__")
DEEPEST = 8  # attributes of attributes that are followed
SHOWN = 3
ONLY_JUPYTERS = later("lines that only Jupyter understands")


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
    if any('"""' in magic[0] or "'''" in magic[0] for magic in MAGIC.finditer(code)):
        return tr_later(ONLY_JUPYTERS)  # without such a line, a text begins or ends elsewhere
    try:
        found = sorted(_remarkable(parse(code), allowed), key=lambda pair: pair[1])
    except SyntaxError:
        return tr_later(ONLY_JUPYTERS) if may_be_jupyters(code) else ""  # which cannot be run
    except TooMuchError:
        return tr("code that is too long, or nested too deeply, to be looked into")
    first = dict(reversed(found))  # the first line of each name
    names = dict.fromkeys(name for name, _ in found)
    shown = [tr("`{name}` (line {line})", name=name, line=first[name]) for name in names]
    listed = ", ".join(shown[:SHOWN])
    return tr("{names}, and {n} more", names=listed, n=len(shown) - SHOWN) if len(shown) > SHOWN else listed


def _remarkable(tree: ast.Module, allowed: Collection[str]) -> Iterator[tuple[str, int]]:
    """Pairs of a name and its line."""
    modules = {full.rpartition(".")[2]: full for full in allowed}
    modules |= {name: full for node in ast.walk(tree) for full, name in _imported(node)}
    own = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    own -= {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    for node in ast.walk(tree):
        found = (*_of_import(node, allowed), *_of_name(node, modules, own), *_of_attribute(node, modules))
        for name in (*found, *_of_others(node, modules)):
            yield name, node.lineno


def _of_import(node, allowed):
    """A part of this package that the sheet does not bring along; or everything of a module such as `os`."""
    if isinstance(node, ast.ImportFrom) and node.level:
        yield "." * node.level + (node.module or "")
    for full, name in _imported(node):
        is_ours = full.split(".")[0] == PACKAGE and (name == PACKAGE or full.split(".")[1:2] != ["errors"])
        if (is_ours and full not in allowed) or (name == "*" and _is_of_module(full)):
            yield full


def _of_name(node, modules, own):
    """A name that stands for a remarkable function or module; an import that is not used does no harm."""
    if isinstance(node, ast.Name):
        full = modules.get(node.id, node.id)
        if ATTRIBUTES.fullmatch(node.id) or (FUNCTIONS.fullmatch(node.id) and node.id not in own):
            yield node.id
        elif (node.id in modules and (_is_of_module(full) or FINDERS.fullmatch(full))) or _is_of_sys(full):
            yield full


def _of_attribute(node, modules):
    """An attribute that leads to what no exercise needs, or one of a module that gets another value."""
    if isinstance(node, ast.Attribute):
        module = modules.get(node.value.id, "") if isinstance(node.value, ast.Name) else ""
        full = _full_name(node, modules)
        if _is_of_sys(full) or any(kind.fullmatch(node.attr) for kind in (ATTRIBUTES, INNER, READY_MADE)):
            yield node.attr
        elif FINDERS.fullmatch(full) or (module and not isinstance(node.ctx, ast.Load)):
            yield full
    elif isinstance(node, ast.MatchClass):
        yield from (name for name in node.kwd_attrs if ATTRIBUTES.fullmatch(name) or INNER.fullmatch(name))


def _of_others(node, modules):
    """An attribute that is named by a text; or a method that changes what Python itself does."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        parts = re.split(r"\W+", node.value) if " " not in node.value else ()
        yield from filter(ATTRIBUTES.fullmatch, parts)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BY_NAME:
        yield from _of_by_name(node, modules)
    elif isinstance(node, ast.FunctionDef) and METHODS.fullmatch(node.name):
        yield node.name


def _of_by_name(node, modules):
    """A `getattr` whose name is put together, or leads to what no exercise needs; a `setattr` in a module."""
    thing, name = [*node.args, None, None][:2]
    is_plain = isinstance(name, ast.Constant) and isinstance(name.value, str)
    in_module = isinstance(thing, ast.Name) and thing.id in modules
    if not is_plain or INNER.fullmatch(name.value) or (in_module and node.func.id != "getattr"):
        yield node.func.id


def _full_name(node, modules):
    """Such as "torch.hub.load"; "" where it does not begin with a module, or is longer than any module is deep."""
    names: list[str] = []
    while isinstance(node, ast.Attribute) and len(names) < DEEPEST:
        names.insert(0, node.attr)
        node = node.value
    module = modules.get(node.id, "") if isinstance(node, ast.Name) else ""
    return ".".join([module, *names]) if module else ""


def _is_of_sys(full):
    return full.startswith("sys.") and OF_SYS.fullmatch(full[4:]) is not None


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
