"""What a student sees after `python start.py`, in a real browser and with a home folder that JupyterLab never saw."""

from playwright.sync_api import Page, expect


def test_the_printed_address_opens_the_first_lesson_ready_to_run(lab_address: str, page: Page):
    page.goto(lab_address)
    expect(page.get_by_role("tab", name="00_start_here.ipynb")).to_be_visible(timeout=60_000)
    # The status bar says "Python 3 (ipykernel) | Idle" once the kernel that the notebook names has started.
    expect(page.locator("#jp-main-statusbar")).to_contain_text("Idle", timeout=60_000)
    # The news question comes a moment after the page; without our settings it stands there by now.
    page.wait_for_timeout(3_000)
    expect(page.locator(".jp-Dialog")).to_have_count(0)
    expect(page.locator(".Toastify__toast")).to_have_count(0)
    expect(page.locator(".jp-NotebookPanel-toolbar").get_by_text("Run all", exact=True)).to_be_visible()
