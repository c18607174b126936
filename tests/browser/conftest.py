"""A real JupyterLab as start.py starts it, and the machine's own Chromium: no browser is downloaded."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from nanochat_helpers.models import cache_dir

ROOT = Path(__file__).parents[2]

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync "
    "--no-first-run --disable-quic"
)


expect.set_options(timeout=30_000)  # a busy machine is no defect


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        assert "CI" not in os.environ, "no Chromium on this machine: .ci/run should have installed it"
        pytest.skip("no Chromium on PATH")
    return {"executable_path": program, "args": QUIET.split()}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@pytest.fixture(scope="module")  # a JupyterLab of its own, for it remembers which lessons are open
def lab_address(tmp_path_factory):
    """Run start.py as on a machine without a screen; yield the address it prints."""
    with running_lab(tmp_path_factory.mktemp("home")) as address:
        yield address


@pytest.fixture(scope="session")
def lab_with_copies(tmp_path_factory) -> Iterator["Copies"]:
    """The same with copies of the lessons, so that saving one leaves the real one as it was."""
    folder = tmp_path_factory.mktemp("copies")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns(".*"))
    with running_lab(tmp_path_factory.mktemp("home"), f"--ServerApp.root_dir={folder}") as address:
        yield Copies(folder, address)


@pytest.fixture(scope="module")
def copies(lab_with_copies) -> Iterator["Copies"]:
    """One JupyterLab for all files, as `open_notebook` closes what was open; each file leaves it without a kernel."""
    yield lab_with_copies
    end_kernels(lab_with_copies.address)


@pytest.fixture(scope="session")
def shared_context(browser: Browser) -> Iterator[BrowserContext]:
    """Pages that share what the browser keeps, so that JupyterLab's own files are fetched only once."""
    with browser.new_context() as context:
        yield context


@pytest.fixture(scope="module")
def shared_page(shared_context: BrowserContext) -> Iterator[Page]:
    """One page for all tests of a file, so that a notebook is opened and a model is loaded only once."""
    with shared_context.new_page() as page:
        yield page


class Copies(NamedTuple):
    """A folder with copies of the lessons, and the address of the JupyterLab that shows it."""

    folder: Path
    address: str


@contextlib.contextmanager
def running_lab(home: Path, *options: str) -> Iterator[str]:
    """A JupyterLab for someone with this home folder, as long as it is needed."""
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("start.py starts from .venv: run this through `python start.py test`")
    environment = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    environment = {k: v for k, v in environment.items() if not k.startswith(("JUPYTER", "XDG"))} | {"HOME": str(home)}
    # Cells outside the window stay in the page, so that a test can look at all of them.
    tracker = home / ".jupyter/lab/user-settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    tracker.parent.mkdir(parents=True)
    tracker.write_text('{"windowingMode": "none"}')
    share_models(home)
    log = home / "lab.log"
    with log.open("w") as out:
        lab = subprocess.Popen(
            [sys.executable, ROOT / "start.py", f"--port={free_port()}", *options],
            stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=home,
        )  # fmt: skip
    try:
        yield first_address(lab, log)
    finally:
        lab.terminate()
        lab.wait(timeout=20)


def end_kernels(address: str) -> None:
    """Ask a JupyterLab to end all its kernels: each keeps a model in memory."""
    kernels = re.sub(r"/lab\S*?\?", "/api/kernels{}?", address)
    with urllib.request.urlopen(kernels.format("")) as answer:
        for kernel in json.load(answer):
            end = urllib.request.Request(kernels.format(f"/{kernel['id']}"), method="DELETE")
            urllib.request.urlopen(end).close()


def share_models(home: Path) -> None:
    """Let the new home folder use the models that are already on this machine."""
    link = home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "nanochat"
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(cache_dir())


def first_address(lab: subprocess.Popen, log: Path) -> str:
    for _ in range(600):
        found = re.search(r"http://127\S+", log.read_text())
        if found:
            return found.group()
        if lab.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(f"start.py printed no address:\n{log.read_text()}")
