"""What the browser tests do with a notebook: open it, run it, drag a slider, and look at what a cell shows."""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
from playwright.sync_api import Locator, Page, expect

A_MINUTE = 60_000
WINDOW = {"width": 1280, "height": 800}
NUMBER = re.compile(r"\[\d+\]:")  # before a cell that has been run
ERROR = ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']"


def soon(check: Callable[..., None], *arguments: str | int | re.Pattern, timeout: float = A_MINUTE) -> None:
    """Wait for what often takes some seconds, and notice it at once.

    Playwright looks every 0.5 s at what takes longer than a moment; if it has two seconds and no more, every 0.1 s.
    """
    end = time.monotonic() + timeout / 1000
    while True:
        try:
            return check(*arguments, timeout=2_000)
        except AssertionError:
            if time.monotonic() > end:
                raise


def open_notebook(page: Page, lab_address: str, path: str) -> None:
    """Open a notebook in a JupyterLab that shows nothing else, and wait for its kernel."""
    page.set_viewport_size(WINDOW)
    page.goto(re.sub(r"/lab\S*?\?", f"/lab/tree/{path}?reset&", lab_address))
    soon(expect(page.get_by_role("tab", name=Path(path).name)).to_be_visible)
    wait_until_idle(page)


def open_cells(page: Page, copies, name: str, *cells: str) -> None:
    """Write a notebook of nothing but these cells, open it, and run them. A kernel that it has already stays."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    cells = [nbformat.v4.new_code_cell(code.strip()) for code in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), copies.folder / name)
    open_notebook(page, copies.address, name)
    run_all(page)


def wait_until_idle(page: Page) -> None:
    """Wait until the kernel has nothing to do."""
    soon(expect(page.locator("#jp-main-statusbar")).to_contain_text, "Idle")


def run_all(page: Page) -> None:
    """Press "Run all", and wait until the last cell that shows a number has one."""
    page.locator(".jp-NotebookPanel-toolbar").get_by_text("Run all", exact=True).click()
    # The lessons' own checks are folded up, and a folded cell shows no number.
    last_number = page.locator(".jp-CodeCell .jp-InputPrompt:not(.jp-Placeholder-prompt)").last
    soon(expect(last_number).to_have_text, NUMBER, timeout=5 * A_MINUTE)


def cell_with(page: Page, code: str) -> Locator:
    """The cells whose code has this in it."""
    return page.locator(".jp-CodeCell", has=page.locator(".jp-InputArea", has_text=code))


def picture(page: Page, code: str, place: int = 0) -> Locator:
    """The live picture that the cell with this code shows; place: which of several such cells."""
    return cell_with(page, code).nth(place).locator(".jp-OutputArea-output").last


def run_cell(page: Page, code: str) -> Locator:
    """Run one cell by Control and Enter; return what it shows then."""
    number = cell_with(page, code).first.locator(".jp-InputPrompt")
    before = number.inner_text()
    cell_with(page, code).first.locator(".jp-InputArea-editor").click()
    page.keyboard.press("Control+Enter")
    expect(number).not_to_have_text(before)
    soon(expect(number).to_have_text, NUMBER)
    assert cell_with(page, code).first.locator(ERROR).all_inner_texts() == []
    return picture(page, code)


def save_and_reload(page: Page) -> None:
    """Save the notebook by Control and s, and load the page anew."""
    page.keyboard.press("Control+s")
    expect(page.locator(".lm-TabBar-tab.jp-mod-dirty")).to_have_count(0)
    page.reload()
    wait_until_idle(page)


def restart_kernel(page: Page) -> None:
    """Restart the kernel by the menu, and say yes."""
    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.locator(".lm-Menu-itemLabel", has_text=re.compile("^Restart Kernel…$")).click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    wait_until_idle(page)


GONE = "The kernel was started anew"  # what a live picture says then


# --- sliders and buttons


def slider(view: Locator, name: str) -> Locator:
    """The slider with this name: its label, the bar and the number behind it."""
    return view.locator(".widget-slider", has=view.page.get_by_text(name, exact=True))


def value_of(one_slider: Locator) -> float:
    """The number that stands behind a slider."""
    return float(one_slider.locator(".widget-readout").inner_text())


def drag(one_slider: Locator, share: float, *, on_the_way: Callable[[], None] = lambda: None) -> None:
    """Take the handle of a slider by the mouse to a share of its way; half-way there, do something else."""
    page, handle = one_slider.page, one_slider.get_by_role("slider")
    handle.scroll_into_view_if_needed()
    at, track = handle.bounding_box(), one_slider.locator(".noUi-base").bounding_box()
    start, y = at["x"] + at["width"] / 2, at["y"] + at["height"] / 2
    goal = track["x"] + share * track["width"]
    page.mouse.move(start, y)
    page.mouse.down()
    page.mouse.move((start + goal) / 2, y, steps=5)
    on_the_way()
    page.mouse.move(goal, y, steps=5)
    page.mouse.up()


def press_keys(one_slider: Locator, *keys: str) -> None:
    """Move a slider by the keyboard."""
    one_slider.get_by_role("slider").focus()
    for key in keys:
        one_slider.page.keyboard.press(key)


def button(view: Locator, name: str) -> Locator:
    """The button with this name; what its icon says does not count."""
    return view.locator("button", has_text=re.compile(f"^{re.escape(name)}$"))


def press_button(view: Locator, name: str, *, key: str = "") -> None:
    """Press a button by the mouse, or by a key."""
    if key:
        button(view, name).focus()
        view.page.keyboard.press(key)
    else:
        button(view, name).click()


def drawing(view: Locator) -> Locator:
    """The part of a live picture below its sliders."""
    return view.locator("[role=figure]").last


def move_every_slider(view: Locator) -> None:
    """Each slider moves the drawing, while it is dragged and by the arrow keys.

    The keys go on the way that the mouse went: on a slow machine the drawing may still be on that way, and a step back
    could end at the very drawing that was seen last.
    """
    for one in view.locator(".widget-slider").all():
        before, start = drawing(view).text_content(), place_of(one)
        drag(one, 0.2, on_the_way=lambda before=before: expect(drawing(view)).not_to_have_text(before))
        key = "ArrowLeft" if place_of(one) < start else "ArrowRight"
        with change_of(drawing(view)):
            press_keys(one, key, key)


def place_of(one_slider: Locator) -> float:
    """How far to the right the handle of a slider stands."""
    return one_slider.get_by_role("slider").bounding_box()["x"]


@contextlib.contextmanager
def change_of(part: Locator) -> Iterator[None]:
    """What happens in this block changes what this part of the page says."""
    before = part.text_content()
    yield
    expect(part).not_to_have_text(before)


def percentages_add_up(view: Locator) -> None:
    """The percentages of a table of candidates, and those beside its bars, add up to 100.0."""
    columns = [view.locator(".nc-ct tbody td:nth-child(6)").all_text_contents()]
    columns += zip(*(text.split(" → ") for text in view.locator(".nc-ct tbody em").all_text_contents()), strict=True)
    columns = [column for column in columns if column]
    assert columns
    for column in columns:
        assert sum(0 if text in ("–", "<0.1") else round(10 * float(text)) for text in column) == 1000, column


# --- how it looks


def check_width(view: Locator, name: str) -> None:
    """A view wider than its place is a defect, and so is a part of it that sticks out."""
    assert view.evaluate("view => view.scrollWidth <= view.clientWidth + 1"), f"{name} is wider than its place"
    assert view.evaluate(STICKING_OUT) == [], f"parts of {name} stick out of it"


# Parts of a view that end to the right of it, apart from those in a part that scrolls or cuts off what is too wide.
STICKING_OUT = """view => {
    const end = view.getBoundingClientRect().right + 1;
    const isCut = part => part !== view && part !== null
        && (getComputedStyle(part).overflowX !== "visible" || isCut(part.parentElement));
    return [...view.querySelectorAll("*")]
        .filter(part => part.getBoundingClientRect().right > end && part.getClientRects().length
            && !isCut(part.parentElement))
        .map(part => `${part.tagName} ${part.className}: ${part.textContent.slice(0, 40)}`);
}"""


def photograph(view: Locator, folder: str, name: str) -> None:
    """Keep a picture for people to look at, in a window that is high enough for all of it."""
    page, window = view.page, view.page.viewport_size
    page.set_viewport_size(window | {"height": max(window["height"], round(view.bounding_box()["height"]) + 200)})
    view.scroll_into_view_if_needed()
    page.mouse.move(0, 0)  # away from what would light up
    Path(folder).mkdir(parents=True, exist_ok=True)
    view.screenshot(path=Path(folder) / f"{name}.png")
    page.set_viewport_size(window)
    check_width(view, name)


def as_wide_as(page: Page, view: Locator, width: int) -> None:
    """Make the window so wide, or so narrow, that this view gets so many pixels."""
    window = page.viewport_size
    page.set_viewport_size(window | {"width": window["width"] - round(view.bounding_box()["width"]) + width})


def photograph_wide_and_narrow(view: Locator, folder: str, name: str) -> None:
    """Keep a picture as wide as it is in the notebook, and one as narrow as on a phone."""
    window = view.page.viewport_size
    try:
        photograph(view, folder, name)
        as_wide_as(view.page, view, 400)
        photograph(view, folder, f"{name}_400")
    finally:  # other tests may use this page
        view.page.set_viewport_size(window)
