"""The browser of these tests is the machine's own Chromium: none is downloaded."""

import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync "
    "--no-first-run --disable-quic"
)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        assert "CI" not in os.environ, "no Chromium on this machine: .ci/run should have installed it"
        pytest.skip("no Chromium on PATH")
    return {"executable_path": program, "args": QUIET.split()}
