"""The form of an answer without its names: two answers have the same form if one is the other after renaming.

In: code, which need not even be Python. Out: a hash, and how long the code is. Nothing is run. Names that the code
itself makes are numbered in the order in which they appear; docstrings, comments, annotations and line breaks do not
count, texts and numbers do.
"""

import ast
import builtins
import hashlib
import keyword
import re
import warnings
from dataclasses import dataclass

_MARK = "\x01"
LONGEST = 50_000  # characters; longer code is compared letter by letter
# What a syntax tree calls a name that the code makes.
_BINDING = {
    ast.FunctionDef: "name",
    ast.AsyncFunctionDef: "name",
    ast.ClassDef: "name",
    ast.ExceptHandler: "name",
    ast.arg: "arg",
    ast.MatchAs: "name",
    ast.MatchStar: "name",
    ast.MatchMapping: "rest",
}
_LEFT_OUT = {"ctx", "annotation", "returns", "type_comment", "kind", "type_ignores", "asname"}
_TOKEN = re.compile(
    r"""(?P<comment>\#[^\n]*)|(?P<text>\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')"""
    r"""|(?P<name>\.?[^\W\d]\w*)|(?P<sign>[\d.]+|\S)""",
    re.DOTALL,
)
_KNOWN = {*keyword.kwlist, *keyword.softkwlist, *dir(builtins)}


@dataclass(frozen=True)
class Form:
    """The form of an answer. digest: equal for equal forms. size: how many names, numbers and operations it has."""

    digest: bytes
    size: int


def form(code: str) -> Form:
    """The form of some code; of code that is no Python, that of its words and signs."""
    if len(code) > LONGEST:
        return _hashed("letters", "".join(code.split()).split("\n"))
    try:
        return _hashed("tree", _of_tree(_parsed(code)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _hashed("tokens", _of_tokens(code))


def _hashed(kind, parts):
    text = "\x00".join([kind, *parts])
    size = sum(not part.startswith(_MARK) for part in parts)
    return Form(hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest()[:16], size)


def _parsed(code):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "\d" in a student's text is no warning to the teacher
        return ast.parse(code)


def _of_tree(tree):
    """The nodes of a tree in their order, as texts; what begins with a mark says only how they hang together."""
    nodes = list(ast.walk(tree))
    made, imported = _made(nodes), _imported(nodes)
    own_keywords = {id(word) for each in nodes if _calls_own(each, made) for word in each.keywords}
    numbers: dict[str, str] = {}
    parts: list[str] = []

    def number(name):
        if name in made:
            return numbers.setdefault(name, f"own {len(numbers)}")
        return imported.get(name, name)

    def visit(value, is_name):
        if isinstance(value, list):
            parts.append(_MARK + "[")
            for entry in value:
                visit(entry, is_name)
            parts.append(_MARK + "]")
        elif isinstance(value, ast.AST):
            if not _says_nothing(value):
                visit_fields(value)
        elif value is None:
            parts.append(_MARK + "none")
        else:
            parts.append(number(value) if is_name else _constant(value))

    def visit_fields(node):
        if isinstance(node, ast.AnnAssign):
            node = ast.Assign(targets=[node.target], value=node.value)
        parts.append(_MARK + type(node).__name__)
        named = "id" if isinstance(node, ast.Name) else _BINDING.get(type(node))
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            named = "names"
        for field, value in ast.iter_fields(node):
            if field not in _LEFT_OUT:
                visit(value, field == named or (field == "arg" and id(node) in own_keywords))

    visit(tree, False)
    return parts


def _calls_own(each, made):
    return isinstance(each, ast.Call) and isinstance(each.func, ast.Name) and each.func.id in made


def _made(nodes):
    """The names that some code gives a value."""
    names = {each.id for each in nodes if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load)}
    bound = {getattr(each, _BINDING[type(each)]) for each in nodes if type(each) in _BINDING}
    return (names | bound) - {None}


def _imported(nodes):
    """Local name → what was imported under it: `import torch as t` makes t the same as torch."""
    aliases = [alias for each in nodes if isinstance(each, (ast.Import, ast.ImportFrom)) for alias in each.names]
    return {alias.asname: alias.name for alias in aliases if alias.asname}


def _says_nothing(node):
    """Whether a statement is only a text (a docstring, or a comment of that kind), or only an annotation."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return isinstance(node, ast.AnnAssign) and node.value is None


def _constant(value):
    """A constant with its type; a very long whole number cannot be written in tens."""
    return f"int:{value:x}" if type(value) is int else f"{type(value).__name__}:{value!r}"


def _of_tokens(code):
    """The words and signs of some code, without comments, with its own words numbered."""
    numbers: dict[str, str] = {}
    parts = []
    for match in _TOKEN.finditer(code):
        word = match.group()
        if match.lastgroup == "name" and word not in _KNOWN and not word.startswith("."):
            word = numbers.setdefault(word, f"name{len(numbers)}")
        if match.lastgroup != "comment":
            parts.append(word)
    return parts
