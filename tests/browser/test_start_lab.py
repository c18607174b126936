"""What a student sees after `python start.py`, in a real browser and with a home folder that JupyterLab never saw."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture(scope="module")
def lab_address(tmp_path_factory):
    """Run start.py as on a machine without a screen; yield the address it prints."""
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("start.py starts from .venv: run this through `python start.py test`")
    home = tmp_path_factory.mktemp("home")
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    environment = {k: v for k, v in environment.items() if not k.startswith(("JUPYTER", "XDG"))} | {"HOME": str(home)}
    log = home / "lab.log"
    with log.open("w") as out:
        lab = subprocess.Popen(
            [sys.executable, ROOT / "start.py", f"--port={free_port()}"],
            stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=home,
        )  # fmt: skip
    try:
        yield first_address(lab, log)
    finally:
        lab.terminate()
        lab.wait(timeout=20)


def first_address(lab: subprocess.Popen, log: Path) -> str:
    for _ in range(600):
        found = re.search(r"http://127\S+", log.read_text())
        if found:
            return found.group()
        if lab.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"start.py printed no address:\n{log.read_text()}")


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
