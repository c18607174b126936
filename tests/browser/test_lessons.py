"""The lessons in a real JupyterLab: run them, type, drag, press keys, and look at what the page shows."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

LESSONS = sorted(path.name for path in (Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))
A_MINUTE = 60_000


def open_and_run(page: Page, lab_address: str, lesson: str) -> None:
    """Open a lesson, press "Run all", and wait until its last cell has run."""
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(re.sub(r"/lab\S*?\?", f"/lab/tree/notebooks/{lesson}?reset&", lab_address))
    expect(page.get_by_role("tab", name=lesson)).to_be_visible(timeout=A_MINUTE)
    expect(page.locator("#jp-main-statusbar")).to_contain_text("Idle", timeout=A_MINUTE)
    page.locator(".jp-NotebookPanel-toolbar").get_by_text("Run all", exact=True).click()
    # The lessons' own checks are folded up, and a folded cell shows no number.
    last_number = page.locator(".jp-CodeCell .jp-InputPrompt:not(.jp-Placeholder-prompt)").last
    expect(last_number).to_have_text(re.compile(r"\[\d+\]:"), timeout=5 * A_MINUTE)
    for _ in range(2):
        expect(page.locator("#jp-main-statusbar")).to_contain_text("Idle", timeout=A_MINUTE)
        page.wait_for_timeout(1_000)


def picture(page: Page, code: str) -> Locator:
    """The live picture that the cell with this code shows."""
    return page.locator(".jp-CodeCell", has_text=code).locator(".jp-OutputArea-output").last


def look_at_lesson_00(page: Page, output_path: str) -> None:
    """The map shows the seven steps with their times."""
    steps = page.locator(".nc-step")
    expect(steps).to_have_count(7)
    expect(steps.nth(3)).to_contain_text("model inference")
    expect(steps.nth(3)).to_contain_text(re.compile(r"[\d,.]+ ms"))
    photograph(steps.first.locator("xpath=ancestor::div[contains(@class,'nc')][1]"), output_path, "map")


def use_lesson_01(page: Page, output_path: str) -> None:
    """The pictures follow what is typed and dragged, by mouse and by keyboard."""
    chips = picture(page, 'chips_widget("Hello NanoChat! How are you?"')
    chips.locator("textarea").fill("<script>alert(1)</script> 😀")
    expect(chips.locator(".nc-chip", has_text="script").first).to_be_visible()
    expect(chips.locator(".nc-chip", has_text="😀")).to_have_count(1)
    chips.locator("textarea").fill("one two")
    expect(chips.locator(".nc-chip")).to_have_count(2)
    chips.locator(".nc-chip").first.focus()
    expect(chips.locator(".nc-detail").first).to_be_visible()
    photograph(chips, output_path, "chips")

    merges = picture(page, "merges_widget(toy_text)")
    before = merges.locator(".nc-words").inner_text()
    merges.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    expect(merges.locator(".nc-words")).not_to_have_text(before)
    merges.get_by_role("checkbox").check()
    expect(merges.locator(".nc-pairs")).to_be_visible()
    photograph(merges, output_path, "merges")

    ladder = picture(page, "ladder_widget(")
    ladder.locator("textarea").fill("aaaa")
    expect(ladder.locator(".nc-row").first).to_contain_text("4 tokens")
    photograph(ladder, output_path, "ladder")


USE = {"00_start_here.ipynb": look_at_lesson_00, "01_tokenization.ipynb": use_lesson_01}


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_cell_runs_none_complains_and_the_pictures_live(
    lab_address: str, page: Page, lesson: str, output_path: str
):
    open_and_run(page, lab_address, lesson)
    expect(page.locator(".jp-OutputArea-output").first).to_be_attached()
    for kind in ("application/vnd.jupyter.error", "application/vnd.jupyter.stderr"):
        complaints = page.locator(f".jp-OutputArea-output[data-mime-type='{kind}']")
        assert complaints.all_inner_texts() == []
    expect(page.locator(".jp-Dialog")).to_have_count(0)
    USE[lesson](page, output_path)


def photograph(view: Locator, folder: str, name: str) -> None:
    """Keep a picture for people to look at; a view wider than its place is a defect."""
    view.scroll_into_view_if_needed()
    Path(folder).mkdir(parents=True, exist_ok=True)
    view.screenshot(path=Path(folder) / f"{name}.png")
    assert view.evaluate("view => view.scrollWidth <= view.clientWidth + 1"), f"{name} is wider than its place"
