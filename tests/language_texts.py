"""Which texts the package gives to `language.tr` and its relatives, in the code and in the templates of reports."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from jinja2 import Environment, nodes
from sheet_texts import texts_of_checks

import nanochat_helpers
from nanochat_helpers import safety
from nanochat_helpers.settings import GenerationSettings

PACKAGE = Path(nanochat_helpers.__file__).parent
# Which parameters are texts; or English nouns, with the number before them: see `views.markup.count`.
TEXTS = {"tr": [0], "tr_n": [0, 1], "later": [0]}
NOUNS = {"count": "{n:,}", "list_html": "{n:,}", "_count": "{n}"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    """All modules but the one that defines `tr`, each with its path in the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path != PACKAGE / "language.py":
            yield path.relative_to(PACKAGE).as_posix(), ast.parse(path.read_text("utf-8"))


def templates() -> Iterator[tuple[str, nodes.Template]]:
    for path in sorted(PACKAGE.rglob("*.jinja")):
        yield path.relative_to(PACKAGE).as_posix(), Environment().parse(path.read_text("utf-8"))


def texts_of(tree: ast.Module) -> Iterator[str | None]:
    """The texts that a module has for the catalogue; None for one that is not written out."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        name, given = node.func.id, [getattr(part, "value", None) for part in node.args]
        if name in TEXTS:
            yield from (given[place] if isinstance(given[place], str) else None for place in TEXTS[name])
        elif name in NOUNS and len(given) == 2:
            yield from _counted(NOUNS[name], node.args[1])


def _counted(number, noun):
    if isinstance(noun, ast.Constant):
        return [f"{number} {noun.value}", f"{number} {noun.value}s"]
    return [] if isinstance(noun, ast.Name) and noun.id == "noun" else [None]  # handed on by `list_html`


def texts_of_template(tree: nodes.Template) -> Iterator[str | None]:
    for call in tree.find_all(nodes.Call):
        name = getattr(call.node, "name", None)
        for place in TEXTS.get(name, ()):
            yield call.args[place].value if isinstance(call.args[place], nodes.Const) else None


def kept_elsewhere() -> list[str]:
    """Texts that `tr_later` shows and that stand where no `later` marks them."""
    rules = [*safety.default_input_rules(), *safety.default_output_rules()]
    return [*(rule.says for rule in rules), *texts_of_checks()]


def all_texts() -> set[str]:
    """Every text that a catalogue should have."""
    found = [text for _, tree in modules() for text in texts_of(tree)]
    found += [text for _, tree in templates() for text in texts_of_template(tree)]
    return {text for text in [*found, *kept_elsewhere()] if text}


def has_words(text: str) -> bool:
    """Is there anything to translate, beside placeholders and tags?"""
    return re.search(r"[^\W\d_]", re.sub(r"{[^{}]*(?:{[^{}]*}[^{}]*)*}|<[^>]*>|&\w+;", "", text)) is not None


def missing_in(translated: dict[str, str]) -> list[str]:
    return sorted(text for text in all_texts() - translated.keys() if has_words(text))


def loose_texts(tree: ast.Module) -> Iterator[str]:
    """Words for a reader that no call of `tr` holds: beside a tag, in a label of HTML, or the label of a control."""
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            child.parent = node
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not _is_excused(node):
            yield from filter(WORD.search, _seen_parts(node))


# Names of settings are the same in each language.
WORD = re.compile(rf"(?<!\w)(?!(?:{'|'.join(vars(GenerationSettings()))}|min_score)\b)[A-Za-z]{{2,}}")


def _is_excused(node):
    """Is it a docstring, a part of an error, or given to the catalogue?"""
    if isinstance(node.parent, ast.Expr):
        return True
    while node := getattr(node, "parent", None):
        named = getattr(getattr(node, "func", None), "id", None)
        if isinstance(node, ast.Raise) or named in {*TEXTS, *NOUNS, "tr_later"}:
            return True
    return False


def _seen_parts(node):
    """What of a string a reader sees: not the tags, and nothing of a style sheet."""
    if isinstance(node.parent, ast.keyword) and node.parent.arg in {"description", "tooltip", "placeholder", "label"}:
        return [node.value]
    if "<style>" in node.value or re.search(r"[.:{};][a-z-]+[{:(]", node.value):
        return []
    seen = re.sub(r"<[^>]*>|<[^>]*$|^[^<>]*>", "\n", node.value)
    labels = re.findall(r'(?:aria-label|title|alt|placeholder)="?([^"<>]*)', node.value)
    return labels + (seen.split("\n") if seen != node.value else [])
