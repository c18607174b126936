"""A lesson as a page of the site: Markdown for what is read and searched, and the drawings that go between.

In: a notebook with its outputs. Out: the page's Markdown, with a mark for each drawing, and the drawings by their mark.
The drawings come in after the site is built: Markdown would change them, and the search would read their numbers.
"""

import html
import re
from collections.abc import Callable
from typing import NamedTuple

from nbformat import NotebookNode

MARK = "@@nanochat-drawing-{}@@"
FOUND = re.compile(r"@@nanochat-drawing-[\w-]+@@")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")
TEACHER = "For the teacher"


class LessonPage(NamedTuple):
    """Markdown with marks, and what stands in the place of each mark."""

    text: str
    drawings: dict[str, str]


def lesson_page(name: str, notebook: NotebookNode, links: str, moved: Callable[[str], str]) -> LessonPage:
    """The page of a lesson.

    name: the notebook's name without ending. links: a line of HTML that stands below the title.
    moved: Markdown → the same with links that lead somewhere from this page.
    """
    parts, drawings = [], {}
    for number, cell in enumerate(cell for cell in notebook.cells if _is_shown(cell)):
        if cell.cell_type == "markdown":
            parts.append(_markdown(moved(cell.source), cell))
        elif cell.cell_type == "code":
            mark = MARK.format(f"{name}-{number}")
            drawings[mark] = "\n".join(filter(None, map(_drawing, cell.outputs)))
            code = "" if _has_tag(cell, "remove-input") else f"```python\n{cell.source}\n```\n"
            parts.append(code + (f"\n<div>{mark}</div>\n" if drawings[mark] else ""))
    first, *others = parts
    heading, _, rest = first.partition("\n")
    return LessonPage("\n\n".join([heading, links, rest, *others]) + "\n", drawings)


def filled_in(page: str, drawings: dict[str, str]) -> str:
    """A finished page with the drawings in the place of their marks."""
    return FOUND.sub(lambda mark: drawings[mark[0]], page)


def for_markdown(text: str) -> str:
    """A text whose lists and tables begin after an empty line: Python-Markdown wants it, GitHub and Jupyter do not."""
    lines, fenced = [], False
    for line in text.splitlines():
        begins = not fenced and lines and lines[-1].strip() and _kind(line) and not _goes_on(lines[-1], line)
        lines += ["", line] if begins else [line]
        fenced ^= line.lstrip().startswith("```")
    return "\n".join(lines)


def _goes_on(before: str, line: str) -> bool:
    return _kind(before) == _kind(line) or (_kind(line) == "list" and before.startswith(" "))


def _kind(line: str) -> str:
    if re.match(r"\s*([-*+]|\d+\.) ", line):
        return "list"
    return "table" if line.startswith("|") else ""


def _is_shown(cell: NotebookNode) -> bool:
    return not _has_tag(cell, "remove-cell") and cell.get("id") != "open-elsewhere"


def _has_tag(cell: NotebookNode, tag: str) -> bool:
    return tag in cell.metadata.get("tags", [])


def _markdown(text: str, cell: NotebookNode) -> str:
    text = for_markdown(text)
    if cell.metadata.get("slideshow", {}).get("slide_type") != "notes":
        return text
    text = re.sub(rf"^{TEACHER}[.:]\s*", "", text)
    inside = "\n".join(f"    {line}" if line else "" for line in text.splitlines())
    return f'??? note "{TEACHER}"\n\n{inside}'


def _drawing(output: NotebookNode) -> str:
    if output.output_type == "stream":
        return _said(output.text)
    data = output.get("data", {})
    if "text/html" in data:
        return f'<div class="nc-shown" tabindex="0" role="group" aria-label="Output">{data["text/html"]}</div>'
    if "image/png" in data:
        alt = html.escape(output.metadata.get("image/png", {}).get("alt", ""), quote=True)
        return f'<img class="nc-plot" alt="{alt}" src="data:image/png;base64,{data["image/png"].strip()}">'
    return _said(data.get("text/plain", ""))


def _said(text: str) -> str:
    return f'<pre class="nc-said" tabindex="0">{html.escape(COLOURS.sub("", text))}</pre>' if text.strip() else ""
