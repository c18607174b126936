"""A student works on a sheet in a real JupyterLab: nothing written, a known mistake, a loop without end, a solution."""

import re
import shutil
from pathlib import Path

import pytest
from notebook_page import A_MINUTE, ERROR, cell_with, open_notebook, photograph, picture, run_all, run_cell
from playwright.sync_api import Page, expect

from nanochat_helpers.grading import sheets

ROOT = Path(__file__).parents[2]
SHEET = "04_sampling.ipynb"
CHECK, PROGRESS = 'check("04.1")', 'progress("04")'
STUB = "def apply_temperature(logits, temperature):"


@pytest.fixture(scope="module")
def sheet(copies, shared_page: Page) -> Page:
    """The sheet of lesson 04, opened and run from top to bottom as it was handed out."""
    shutil.copy(ROOT / "exercises" / SHEET, copies.folder)
    open_notebook(shared_page, copies.address, SHEET)
    run_all(shared_page)
    return shared_page


def write(page: Page, code: str):
    """Put code into the answer's cell as if pasted, run it and its check, and return what the check shows."""
    cell_with(page, STUB).locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(code)
    page.keyboard.press("Control+Enter")
    return run_cell(page, CHECK)


def solution() -> str:
    return sheets.source(sheets.cell_of(sheets.read_notebook(ROOT / "solutions" / SHEET), "04.1", "answer"))


def test_an_untouched_sheet_runs_and_says_that_nothing_was_attempted(sheet: Page):
    n_checks = sheet.locator(".jp-CodeCell", has_text=re.compile(r'check\("04\.\d"\)')).count()
    expect(sheet.get_by_role("status").filter(has_text="Not attempted yet")).to_have_count(n_checks)
    assert n_checks >= 5 and sheet.locator(ERROR).all_inner_texts() == []


def test_a_known_mistake_gets_its_hint(sheet: Page, output_path: str):
    shown = write(sheet, f"{STUB}\n    return logits * (temperature or 1)")
    expect(shown).to_contain_text("Not yet")
    shown = write(sheet, f"{STUB}\n    return logits / temperature")
    expect(shown).to_contain_text("There is no dividing by 0")
    photograph(shown, output_path, "known_mistake")


def test_a_loop_without_end_is_stopped_and_the_kernel_goes_on(sheet: Page):
    shown = write(sheet, f"{STUB}\n    while True:\n        pass")
    expect(shown).to_contain_text("Is there a loop that never ends?", timeout=A_MINUTE)
    expect(run_cell(sheet, PROGRESS)).to_contain_text("0 of ")


def test_a_solution_passes_and_counts(sheet: Page, output_path: str):
    shown = write(sheet, solution())
    expect(shown).to_contain_text("Passed")
    photograph(shown, output_path, "passed")
    run_cell(sheet, PROGRESS)
    expect(picture(sheet, PROGRESS).get_by_role("row").filter(has_text="04.1")).to_contain_text("2 of 2")
