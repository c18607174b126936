"""The pages of the site that are no lesson: the front page, the exercises, and the menu.

In: notebooks and lists of files. Out: Markdown, and MkDocs' navigation.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from nbformat import NotebookNode

from ..checks.sheets import SHEETS, sheet_exercises
from ..repository import binder_url, colab_url
from ..views.markup import count
from .slides import title

DATA = Path(__file__).parents[1] / "data" / "site"
# The parts of teaching/, in this order; a folder that is not named here comes last, under its own name.
PARTS = {"plans": "Lesson plans", "worksheets": "Worksheets", "answers": "Answers to the worksheets"}


def front_page(lessons: Sequence[tuple[str, NotebookNode]]) -> str:
    """What the series is, and a card for each lesson."""
    text = (DATA / "front_page.md").read_text("utf-8")
    return text.replace("CARDS", "\n".join(_card(stem, notebook) for stem, notebook in lessons))


def _card(stem: str, notebook: NotebookNode) -> str:
    path = f"notebooks/{stem}.ipynb"
    return (
        f"-   **[{title(notebook)}](lessons/{stem}.md)**\n\n"
        f"    {question(notebook)}\n\n"
        f'    [Colab]({colab_url(path)} "Open {stem} in Colab") · '
        f'[Binder]({binder_url(path)} "Open {stem} on Binder") · '
        f'<a href="{path}" download title="Download {stem}">Download</a>\n'
    )


def question(notebook: NotebookNode) -> str:
    """The paragraph below the title: what the lesson asks."""
    paragraphs = [part.strip() for part in notebook.cells[0].source.split("\n\n")]
    return next((" ".join(part.split()) for part in paragraphs if not part.startswith("#")), "")


def exercises_page() -> str:
    """All sheets with their exercises and points."""
    parts = [(DATA / "exercises.md").read_text("utf-8")]
    return "\n".join([*parts, *(_sheet(number, f"{number}_{name}") for number, name in SHEETS.items())])


def _sheet(number: str, stem: str) -> str:
    path, exercises = f"exercises/{stem}.ipynb", sheet_exercises(number)
    rows = "\n".join(
        f"| {each.id} | {_cell(each.title)}: `{_cell(each.signature)}` | {each.points} |" for each in exercises
    )
    return (
        f"## {number} · {stem[3:].replace('_', ' ').capitalize()} {{ #{stem} }}\n\n"
        f"{count(len(exercises), 'exercise')}, for [the lesson](lessons/{stem}.md). "
        f"[Open in Colab]({colab_url(path)}) · [Open on Binder]({binder_url(path)}) · "
        f'<a href="{path}" download>Download</a>\n\n'
        f"| exercise | what you write | points |\n|---|---|---|\n{rows}\n"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def navigation(lessons: Sequence[Path], teaching: Sequence[str], folder: Path) -> list[dict]:
    """MkDocs' menu: the lessons in their order, the exercises, and the teachers' pages."""
    return [
        {"Start": "index.md"},
        {"Lessons": [f"lessons/{path.stem}.md" for path in lessons]},
        {"Exercises": "exercises.md"},
        *([{"For teachers": _teaching(teaching, folder)}] if teaching else []),
    ]


def _teaching(paths: Sequence[str], folder: Path) -> list:
    """The pages that stand in teaching/ itself, then a part for each folder in it."""
    top = sorted(
        (path for path in paths if path.count("/") == 1), key=lambda path: (not path.endswith("README.md"), path)
    )
    entries = [{_heading(folder / path): path} for path in top]
    names = sorted({path.split("/")[1] for path in paths if path.count("/") > 1})
    for name in sorted(names, key=lambda name: list(PARTS).index(name) if name in PARTS else len(PARTS)):
        inside = [{_heading(folder / path): path} for path in paths if path.startswith(f"teaching/{name}/")]
        entries.append({PARTS.get(name, name.capitalize()): inside})
    return entries


def _heading(path: Path) -> str:
    heading = re.search(r"^# +(.+)$", path.read_text("utf-8"), re.MULTILINE)
    return re.sub(r"[*_`]", "", heading[1]) if heading else path.stem
