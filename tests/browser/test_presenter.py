"""presenter() in a real JupyterLab: page by page, the notebook alive in it, and no trace of it in the file."""

import json
import re

import nbformat
import pytest
from axe import serious_findings
from notebook_page import (
    A_MINUTE,
    NUMBER,
    cell_with,
    open_notebook,
    press_button,
    press_keys,
    run_cell,
    slider,
    soon,
    value_of,
)
from playwright.sync_api import Page, expect

PRESENT = "widgets.presenter(minutes=45)"
ROW = "widgets.rounded_row_widget([0.31, -0.6, 0.04, 0.9])"
ASK = 'widgets.predict("Which?", [" hot", " cold"])'
CELLS = [
    ("markdown", "# The first page", "slide"),
    ("markdown", "Words for the teacher", "notes"),
    ("code", "from nanochat_helpers import widgets", "skip"),
    ("code", PRESENT, None),
    ("markdown", "## The second page", "slide"),
    ("code", "a = 6 * 7\na", "fragment"),
    ("markdown", "It was 42.", "fragment"),
    ("code", ROW, "subslide"),
    ("code", ASK, "slide"),
    ("code", "assert a == 42  # the check", "tagged"),
    *[("markdown", f"## Page {number}\n\n" + "A long text. " * 150, "slide") for number in range(5, 30)],
]
# Where JupyterLab keeps only those cells on the page that are in view, as a reader may have set it.
SET_WINDOWING = """mode => {
    for (const node of document.querySelectorAll(".jp-NotebookPanel *")) {
        const key = Object.keys(node).find(each => each.startsWith("__reactFiber"));
        for (let fiber = key && node[key]; fiber; fiber = fiber.return) {
            const found = Object.values(fiber.memoizedProps || {}).find(each => each?.widgets && each.notebookConfig);
            if (found && mode) found.notebookConfig = {...found.notebookConfig, windowingMode: mode};
            if (found) return found.notebookConfig.windowingMode;
        }
    }
}"""


def cell(kind, source, slide_type):
    made = (nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell)(source)
    if slide_type == "tagged":
        made.metadata["tags"] = ["remove-cell"]
    elif slide_type:
        made.metadata["slideshow"] = {"slide_type": slide_type}
    return made


@pytest.fixture(scope="module")
def path(copies):
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    notebook = nbformat.v4.new_notebook(cells=[cell(*each) for each in CELLS], metadata=kernel)
    nbformat.write(notebook, copies.folder / "presented.ipynb")
    return copies.folder / "presented.ipynb"


@pytest.fixture(scope="module")
def opened(copies, path, shared_page: Page) -> Page:
    open_notebook(shared_page, copies.address, path.name)
    shared_page.set_viewport_size({"width": 1280, "height": 720})
    run_cell(shared_page, "import widgets")
    return shared_page


@pytest.fixture
def presented(opened) -> Page:
    """The notebook while it is presented, on its first page."""
    number = cell_with(opened, PRESENT).locator(".jp-InputPrompt")
    cell_with(opened, PRESENT).locator(".jp-InputArea-editor").click()
    opened.keyboard.press("Control+Enter")
    soon(expect(number).to_have_text, NUMBER)
    expect(bar(opened)).to_be_visible()
    opened.keyboard.press("Home")
    page_is(opened, 1)
    yield opened
    for _ in range(3):
        if bar(opened).count():
            opened.keyboard.press("Escape")
    expect(bar(opened)).to_have_count(0)


def bar(page):
    return page.get_by_role("toolbar", name="Presentation")


def page_is(page, number):
    expect(bar(page)).to_contain_text(re.compile(rf"page {number} of \d+"))


def shown(page):
    """The first words of the cells that can be seen."""
    cells = page.locator(".nc-stage .jp-Cell:visible")
    return [text.split("\n")[-1][:18] for text in cells.locator(".jp-InputArea").all_inner_texts()]


def go(page, *keys):
    for key in keys:
        page.keyboard.press(key)


def go_to(page, number, key="PageDown"):
    """Press a key until this page has come: what does not fit is scrolled first, and fragments come one by one."""
    for _ in range(20):
        if f"page {number} of" in bar(page).inner_text():
            return
        go(page, key)
    page_is(page, number)


def test_pages_and_fragments_come_by_the_keys_of_a_clicker_and_by_the_arrows(presented, output_path):
    assert shown(presented) == ["The first page"]
    expect(bar(presented)).to_contain_text(re.compile(r"page 1 of 29.*0:0\d · 45 min left", re.DOTALL))
    presented.screenshot(path=f"{output_path}_first.png")
    go(presented, "PageDown")
    assert shown(presented) == ["The second page"]
    go(presented, "ArrowRight", "PageDown")
    assert shown(presented) == ["The second page", "a", "It was 42."]
    go(presented, "PageDown")
    page_is(presented, 3)
    go(presented, "PageUp")
    assert shown(presented) == ["The second page", "a", "It was 42."]
    go(presented, "ArrowLeft", "ArrowLeft", "PageUp")
    page_is(presented, 1)
    bar(presented).get_by_role("button", name="Next").click()
    page_is(presented, 2)


def test_shift_and_enter_run_the_cell_that_came_last_and_stay_on_the_page(presented):
    go(presented, "Shift+Enter")  # there is no code on this page, and none that cannot be seen may run
    go(presented, "PageDown", "PageDown", "Shift+Enter")
    number = cell_with(presented, "6 * 7").locator(".jp-InputPrompt")
    soon(expect(number).to_have_text, NUMBER)
    expect(cell_with(presented, "6 * 7").locator(".jp-OutputArea-output")).to_have_text("42")
    page_is(presented, 2)
    go(presented, "PageDown")
    assert len(shown(presented)) == 3


def test_letters_of_a_notebooks_commands_do_nothing(presented):
    before = presented.locator(".jp-Cell").count()
    go(presented, "d", "d", "a", "x", "m", "F5", "Delete")
    assert presented.locator(".jp-Cell").count() == before
    go(presented, "b")
    expect(presented.locator("body")).to_have_class(re.compile("nc-dark"))
    go(presented, "b")
    page_is(presented, 1)


def test_a_slider_and_a_cell_that_is_written_in_keep_their_keys(presented):
    go_to(presented, 3)
    go(presented, "Shift+Enter")
    view = cell_with(presented, ROW).locator(".jp-OutputArea-output").last
    soon(expect(view.locator(".widget-slider")).to_be_visible, timeout=A_MINUTE)
    before = value_of(slider(view, "bits"))
    press_keys(slider(view, "bits"), "ArrowRight", "ArrowRight", "PageDown")
    assert value_of(slider(view, "bits")) != before  # two steps up, and a large one down
    page_is(presented, 3)
    expect(bar(presented)).to_contain_text("The keys belong to the cell or slider.")
    go(presented, "Escape")
    go_to(presented, 2, "PageUp")
    cell_with(presented, "6 * 7").locator(".jp-InputArea-editor").click()
    presented.keyboard.press("Control+End")
    presented.keyboard.type(" + b")
    go(presented, "ArrowLeft", "PageDown", "Control+End", *["Backspace"] * 4)
    page_is(presented, 2)
    go(presented, "Escape")
    go_to(presented, 3)


def test_hands_of_a_class_can_be_entered_while_it_is_presented(presented):
    go_to(presented, 4)
    go(presented, "Shift+Enter")
    view = cell_with(presented, "Which?").locator(".jp-OutputArea-output").last
    soon(expect(view.locator(".nc-hands")).to_be_visible, timeout=A_MINUTE)
    press_button(view, "hot")
    go(presented, "PageDown")
    page_is(presented, 5)
    go(presented, "Escape")
    expect(bar(presented)).to_have_count(0)
    expect(view.locator(".nc-hands")).to_be_hidden()


def test_a_long_page_scrolls_before_the_next_one_comes(presented):
    go(presented, "End")
    page_is(presented, 29)
    go(presented, "PageUp")
    page_is(presented, 28)
    go(presented, "PageDown")
    page_is(presented, 28)
    scrolled = presented.locator(".nc-stage .jp-WindowedPanel-outer").evaluate("node => node.scrollTop")
    assert scrolled > 100


def test_cells_out_of_view_are_shown_too_and_the_way_they_are_kept_comes_back(opened):
    opened.evaluate(SET_WINDOWING, "full")
    run_cell(opened, PRESENT)
    go(opened, "End")
    page_is(opened, 29)
    assert shown(opened) == ["A long text. A lon"]
    assert opened.evaluate(SET_WINDOWING, None) == "none"
    bar(opened).get_by_role("button", name="End").click()
    assert opened.evaluate(SET_WINDOWING, None) == "full"
    opened.evaluate(SET_WINDOWING, "none")


def test_saved_in_the_middle_and_after_the_end_the_file_has_no_trace(presented, path):
    for leave in ((), ("Escape",)):
        go(presented, *leave, "Control+s")
        expect(presented.locator(".lm-TabBar-tab.jp-mod-dirty")).to_have_count(0)
        saved = json.loads(path.read_text("utf-8"))
        assert ["".join(each["source"]) for each in saved["cells"]] == [source for _, source, _ in CELLS]
        for (kind, source, slide_type), each in zip(CELLS, saved["cells"], strict=True):
            expected = dict(cell(kind, source, slide_type).metadata)
            assert {name: each["metadata"].get(name) for name in expected} == expected
            assert set(each["metadata"]) <= {*expected, "trusted"}
        assert [each["outputs"] for each in saved["cells"] if "".join(each["source"]) == PRESENT] == [[]]
    expect(presented.locator(".nc-off, .nc-way, .nc-stage, body.nc-presenting")).to_have_count(0)
    expect(presented.locator("#jp-main-statusbar")).to_be_visible()


def test_the_bar_has_no_serious_finding(presented):
    assert serious_findings(presented, ".nc-bar-below") == []
