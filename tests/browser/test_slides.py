"""Every deck in a real browser at 1280 × 720: no page is too full, no letter too small, and nothing is loaded."""

from pathlib import Path

import nbformat
import pytest
from axe import serious_findings
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from playwright.sync_api import BrowserContext, Page
from slide_sizes import SIZE, open_deck, page_sizes, problems, report

from nanochat_helpers.publishing import slides as module
from nanochat_helpers.publishing.slides import slides

LESSONS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def page(shared_context: BrowserContext):
    with shared_context.new_page() as page:
        page.set_viewport_size(SIZE)
        yield page


@pytest.fixture
def complaints(page: Page):
    """What the page asked of the network, and what it said to the console."""
    heard = []

    def ask(request):
        if not request.url.startswith(("data:", "about:")) and request.resource_type != "document":
            heard.append(request.url)

    def complain(message):
        if message.type in ("error", "warning"):
            heard.append(message.text)

    page.on("request", ask)
    page.on("console", complain)
    yield heard
    page.remove_listener("request", ask)
    page.remove_listener("console", complain)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_no_page_of_a_deck_is_too_full_and_all_can_read_it(page: Page, lesson, tmp_path, complaints):
    deck = tmp_path / f"{lesson.stem}.html"
    deck.write_text(slides(lesson), "utf-8")
    open_deck(page, deck)
    sizes = page_sizes(page)
    assert len(sizes) > 15
    assert [line for line, one in zip(report(sizes)[1:], sizes, strict=True) if problems(one)] == []
    assert complaints == []
    page.evaluate("document.body.classList.add('measuring')")  # all pages are there at once
    assert serious_findings(page) == []


# --- that the measuring measures


def cell(kind, source, outputs=None):
    metadata = {"slideshow": {"slide_type": kind}}
    if outputs is None:
        return new_markdown_cell(source, metadata=metadata)
    return new_code_cell(source, metadata=metadata, outputs=[new_output("display_data", {"text/html": outputs})])


@pytest.fixture
def open_cells_as_deck(page: Page, tmp_path, monkeypatch):
    """Open a deck of these cells, as if they had been run."""

    def open_cells(*cells):
        path = tmp_path / "notebook.ipynb"
        nbformat.write(new_notebook(cells=[cell("slide", "# Title"), *cells]), path)
        monkeypatch.setattr(module, "executed", lambda path, **_: nbformat.read(path, 4))
        deck = tmp_path / "deck.html"
        deck.write_text(slides(path), "utf-8")
        open_deck(page, deck)
        return page_sizes(page)

    return open_cells


def box(height, width=300):
    return f'<div style="height:{height}px;width:{width}px;background:gold">a picture</div>'


def test_too_much_text_is_found_also_where_it_waits_for_a_key(open_cells_as_deck):
    lines = "\n\n".join(["A line of text."] * 9)
    _, one, two = open_cells_as_deck(
        cell("slide", "## One\n\n" + lines), cell("slide", "## Two\n\n" + lines), cell("fragment", lines)
    )
    assert one["fits"] and not problems(one)
    assert not two["fits"] and "TOO FULL" in problems(two)[0]
    assert two["link"] == "#/2/0" and two["heading"] == "Two"


def test_small_letters_are_found(open_cells_as_deck):
    _, small = open_cells_as_deck(cell("slide", 'A line <span style="font-size:12px">and its foot note</span>'))
    assert problems(small) == ["text of 12 px"]


def test_a_picture_shrinks_until_it_fits_and_no_further(open_cells_as_deck):
    sizes = open_cells_as_deck(
        cell("slide", "low()", box(200)),
        cell("slide", "high()", box(450)),
        cell("slide", "too_high()", box(900)),
        cell("slide", "too_wide()", box(100, 1700)),
    )
    assert [one["fits"] for one in sizes[1:]] == [True, True, False, False]
    assert sizes[1]["zoom"] == 1.6 and 0.76 < sizes[2]["zoom"] < 1.6 and sizes[3]["zoom"] == 0.76


# --- how a teacher uses it


def test_keys_turn_the_pages_and_show_what_waits(page: Page, open_cells_as_deck):
    open_cells_as_deck(cell("slide", "## One"), cell("fragment", "later"), cell("slide", "## Two"))
    later = page.locator(".slides").get_by_text("later")
    for visibility in ("hidden", "visible"):
        page.keyboard.press("Space")
        page.wait_for_url("**#/1")
        assert later.evaluate("e => getComputedStyle(e).visibility") == visibility
    page.keyboard.press("Space")
    page.wait_for_url("**#/2")


def test_s_opens_the_notes_in_a_window_of_their_own(page: Page, open_cells_as_deck):
    open_cells_as_deck(cell("notes", "Let the class vote."), cell("slide", "## One"))
    with page.expect_popup() as opened:
        page.keyboard.press("s")
    notes = opened.value
    notes.get_by_text("Let the class vote.").wait_for()
    notes.close()


def test_a_deck_prints_a_sheet_for_each_page(page: Page, open_cells_as_deck):
    n_pages = len(open_cells_as_deck(cell("slide", "## One"), cell("fragment", "later"), cell("subslide", "Two")))
    page.goto(page.url.partition("#")[0] + "?print-pdf")
    page.wait_for_selector(".pdf-page")
    assert page.locator(".pdf-page").count() == n_pages
