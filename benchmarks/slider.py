"""From a move of a slider to the new picture on the screen, in a real JupyterLab: `python benchmarks/slider.py`.

The floor is a bare slider that echoes its value into an HTML widget: all it costs is the way to the kernel and back.
Both sliders are moved in turn by real key presses, and the browser itself takes the times. It needs Chromium.
"""

import argparse
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from playwright.sync_api import Page, expect, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --no-first-run"

BARE = """
import ipywidgets

bare = ipywidgets.FloatSlider(value=0.5, min=0, max=2, step=0.05, description="bare")
echo = ipywidgets.HTML("0.5")
bare.observe(lambda change: setattr(echo, "value", f"{change['new']:.2f}"), names="value")
ipywidgets.VBox([bare, echo])
"""
LAB = """
from nanochat_helpers import load_model
from nanochat_helpers.widgets import sampling_lab

lab = sampling_lab(load_model("smollm2"), prompt="The best thing about the sea is")
lab
"""
WARM = "lab.wait()"
PYTHON = """
import statistics, time

def seconds(move):
    start = time.perf_counter()
    lab.settings  # what the callback reads
    lab._draw()
    return time.perf_counter() - start

lab.wait()
milliseconds = sorted(1000 * seconds(n) for n in range(200))
print("python", statistics.median(milliseconds), milliseconds[189])
"""

# The time from a key press to the second frame after the page changed: by then the new picture is on the screen.
WATCH = """
([slider, target]) => {
    window.times = [];
    if (slider.dataset.watched) return;
    slider.dataset.watched = "yes";
    let pressed = null;
    slider.addEventListener("keydown", () => { pressed = performance.now(); }, true);
    new MutationObserver(() => {
        if (pressed === null) return;
        const start = pressed;
        pressed = null;
        requestAnimationFrame(() => requestAnimationFrame(() => window.times.push(performance.now() - start)));
    }).observe(target, {childList: true, subtree: true, characterData: true});
}
"""


def measure(page: Page, slider, target, moves: int) -> list[float]:
    """Press the arrow keys on a slider, one press after the other's picture; the milliseconds of each."""
    page.evaluate(WATCH, [slider.element_handle(), target.element_handle()])
    slider.focus()
    for move in range(moves):
        page.keyboard.press("ArrowRight" if move // 10 % 2 == 0 else "ArrowLeft")
        page.wait_for_function(f"window.times.length > {move}", timeout=20_000)
    return page.evaluate("window.times")


def run(rounds: int, moves: int) -> None:
    """Open both sliders side by side and print how long they take."""
    folder = Path(tempfile.mkdtemp())
    cells = [nbformat.v4.new_code_cell(code.strip()) for code in (BARE, LAB, WARM, PYTHON)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "slider.ipynb")
    settings = folder / "settings"
    settings.mkdir()
    (settings / "overrides.json").write_text(
        json.dumps(
            {
                "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
                "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
            }
        )
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-P", "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += ["--IdentityProvider.token=x", f"--LabApp.app_settings_dir={settings}"]
    with (folder / "log").open("w") as log:
        lab = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=os.environ | {"OMP_NUM_THREADS": "2"})
    try:
        with sync_playwright() as playwright:
            program = next(filter(None, map(shutil.which, NAMES)))
            browser = playwright.chromium.launch(executable_path=program, args=QUIET.split())
            page = browser.new_page(viewport={"width": 1280, "height": 1000})
            open_notebook(page, f"http://127.0.0.1:{port}/lab/tree/slider.ipynb?token=x&reset")
            report(page, rounds, moves)
    finally:
        lab.terminate()
        lab.wait()
        shutil.rmtree(folder)


def open_notebook(page: Page, address: str) -> None:
    """Open the notebook as soon as JupyterLab answers, and run all cells."""
    for _ in range(60):
        try:
            page.goto(address)
            break
        except Exception:  # not listening yet
            time.sleep(0.5)
    expect(page.get_by_role("tab", name="slider.ipynb")).to_be_visible(timeout=60_000)
    expect(page.locator("#jp-main-statusbar")).to_contain_text("Idle", timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    expect(page.locator(".jp-OutputArea-output", has_text="python ")).to_be_visible(timeout=120_000)


def report(page: Page, rounds: int, moves: int) -> None:
    """Measure in turn, and print medians, 95th percentiles and their ratios."""
    cells = page.locator(".jp-CodeCell")
    sliders = [cells.nth(n).get_by_role("slider").first for n in (0, 1)]
    targets = [
        cells.nth(0).locator(".widget-html").last,
        cells.nth(1).locator(".widget-html", has=page.locator(".nc-ct")).last,
    ]
    sizes = page.evaluate("node => node.innerHTML.length", targets[1].element_handle())
    times: list[list[float]] = [[], []]
    for _ in range(rounds):
        for kind in (0, 1):
            times[kind] += measure(page, sliders[kind], targets[kind], moves // rounds)
            page.wait_for_timeout(3_000)  # the lab writes its text again once the slider rests
    medians = [statistics.median(taken) for taken in times]
    tails = [statistics.quantiles(taken, n=20)[-1] for taken in times]
    python = re.findall(r"[\d.]+", cells.nth(3).locator(".jp-OutputArea-output").inner_text())
    print(f"moves of each slider                  {len(times[0])}")
    print(f"bare slider, ms: median, 95th         {medians[0]:6.1f} {tails[0]:6.1f}")
    print(f"sampling lab, ms: median, 95th        {medians[1]:6.1f} {tails[1]:6.1f}")
    print(f"ratio: median, 95th                   {medians[1] / medians[0]:6.2f} {tails[1] / tails[0]:6.2f}")
    print(f"Python's share, ms: median, 95th      {float(python[0]):6.1f} {float(python[1]):6.1f}")
    print(f"the picture's HTML, characters        {sizes:6}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    run(options.rounds, options.moves)
