"""The glossary: the tables "Words you have learned" that close the lessons, in alphabetical order.

In: the notebooks of the lessons. Out: Markdown. It explains nothing itself.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HEADING = "## Words you have learned"
INTRODUCTION = """# Glossary

All words that the lessons explain, from their tables "Words you have learned", with the lesson in which each is
learned first. `python teaching/build.py` makes this page from the lessons: change a word there, not here.
"""


@dataclass(frozen=True)
class Term:
    """One row of a closing table: "message, role, content" has three words. lesson: the name of its file."""

    words: tuple[str, ...]
    meaning: str
    lesson: str
    title: str


def lesson_terms(path: Path) -> list[Term]:
    """The rows of a lesson's closing table, in its order."""
    texts = _markdown(path)
    title = texts[0].split("\n")[0].removeprefix("# ").split(":")[0]
    table = next((text for text in texts if HEADING in text), "").partition("|---|---|")[2]
    cells = [re.split(r"(?<!\\)\|", line)[1:3] for line in table.strip().splitlines() if line.startswith("|")]
    return [
        Term(tuple(word.strip() for word in words.split(",")), meaning.strip(), path.stem, title)
        for words, meaning in cells
    ]


def _markdown(path):
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def plain(word: str) -> str:
    """A word as it is looked up: without signs for type, brackets and a leading "to".

    >>> plain("`max_new_tokens`"), plain("to refuse"), plain("turn (in a prompt)")
    ('max_new_tokens', 'refuse', 'turn')
    """
    return re.sub(r"^to ", "", re.sub(r" *\(.*?\)|`", "", word))


def contradictions(terms: Iterable[Term]) -> list[str]:
    """The words that two lessons explain differently, one line each; a later lesson may add to an explanation."""
    first, found = {}, []
    for term in terms:
        for word in term.words:
            before = first.setdefault(word, term)
            if not term.meaning.startswith(before.meaning):
                found.append(f"{word}: {before.meaning!r} in {before.lesson}, {term.meaning!r} in {term.lesson}")
    return found


def glossary_markdown(terms: Iterable[Term]) -> str:
    """The page: a table for each letter. A row of several words stands at its first; the others point there."""
    rows, lessons = {}, {}
    for term in terms:
        lessons.setdefault(term.words, f"[{term.title}](../notebooks/{term.lesson}.ipynb)")
        rows[term.words[0]] = f"| {', '.join(term.words)} | {term.meaning} | {lessons[term.words]} |"
        for word in term.words[1:]:
            rows.setdefault(word, f"| {word} | see *{term.words[0].replace('`', '')}* | |")
    letters: dict[str, list[str]] = {}
    for word in sorted(rows, key=lambda word: (plain(word).casefold(), word)):
        letters.setdefault(plain(word)[0].upper(), []).append(rows[word])
    head = "| word | what it means | lesson |\n|---|---|---|\n"
    parts = [f"## {letter}\n\n{head}" + "\n".join(lines) + "\n" for letter, lines in letters.items()]
    return "\n".join([INTRODUCTION, *parts])
