"""A lesson as slides: one HTML file with all in it, made by nbconvert from the notebook itself.

In: a notebook with its outputs (`execute`). Out: the text of the page. Which cell begins a page says the notebook.
"""

import re
from pathlib import Path

from nbconvert.exporters import SlidesExporter
from nbconvert.preprocessors import TagRemovePreprocessor
from nbformat import NotebookNode

from ..errors import PublishingError
from ..repository import colab_url
from .execute import executed
from .links import data_address, moved_links, outside_address

DATA = Path(__file__).parents[1] / "data"


def slides(path: Path, *, any_package: bool = False) -> str:
    """The slides of a lesson as one HTML file that loads nothing. Runs the lesson if that was not done yet."""
    notebook = prepared(executed(path, any_package=any_package), path.resolve().parent)
    exporter = SlidesExporter(
        template_name="slides",
        extra_template_basedirs=[str(DATA)],
        exclude_anchor_links=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
    )
    # What such a cell shows speaks for itself: a question, or a picture that needs the whole page.
    exporter.register_preprocessor(TagRemovePreprocessor(remove_input_tags={"remove-input"}, enabled=True))
    deck = {"title": title(notebook), "live": colab_url(f"notebooks/{path.name}")}
    resources = {"deck": deck, "metadata": {"name": path.stem, "path": str(path.resolve().parent)}}
    return exporter.from_notebook_node(notebook, resources)[0]


def prepared(notebook: NotebookNode, home: Path) -> NotebookNode:
    """The cells that slides show, notes early on their page; links lead somewhere from anywhere, pictures are inside.

    home: the folder of the notebook in a copy of the repository.
    """
    pages = _pages([cell for cell in notebook.cells if _is_shown(cell)])
    if not pages:
        raise PublishingError("No cell of this notebook begins a slide: give one the slide type slide.")
    pages[0][0].metadata.title_page = True
    for page in pages:
        page[-1].metadata.live_link = _live_link(page)
    notebook.cells = [cell for page in pages for cell in page]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = moved_links(
                cell.source, home.name, outside_address, lambda file: data_address(home.parent / file)
            )
    return notebook


def slide_type(cell: NotebookNode) -> str:
    """What a cell is in the slides: slide, subslide, fragment, notes, skip, or "-" for what goes on."""
    return cell.metadata.get("slideshow", {}).get("slide_type") or "-"


def title(notebook: NotebookNode) -> str:
    """The first heading of a notebook, without its marks."""
    heading = re.search(r"^# +(.+)$", "\n".join(cell.source for cell in notebook.cells), re.MULTILINE)
    return re.sub(r"[*_`]", "", heading[1]).strip() if heading else "NanoChat"


def _is_shown(cell):
    return slide_type(cell) != "skip" and "remove-cell" not in cell.metadata.get("tags", [])


def _pages(cells):
    """The cells page by page, the notes of each right after its first cell: they belong to all of it."""
    pages = []
    for cell in cells:
        if not pages or slide_type(cell) in ("slide", "subslide"):
            pages.append([])
        pages[-1].append(cell)
    return [[page[0], *sorted(page[1:], key=lambda cell: slide_type(cell) != "notes")] for page in pages]


def _live_link(page):
    if page[0].metadata.get("title_page"):
        return "Open this lesson live"
    outputs = [output for cell in page if cell.cell_type == "code" for output in cell.outputs]
    return "Move it yourself: open this lesson live" if any(_is_live(output) for output in outputs) else ""


def _is_live(output):
    return output.get("metadata", {}).get("live", False)
