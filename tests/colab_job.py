"""Run tests with Colab's own versions: `python -m tests.colab_job` makes .venv-colab, keeps it, and runs pytest there.

It is made anew when colab.txt or this file changes. NanoChat is not installed in it: the first test does what a lesson
does on Colab. Where a CPU build of Colab's torch can be had, it is that one, with Python 3.13 where that is there; else
the torch and the Python of .venv. Without a network and without a .venv-colab, it says so and fails.
"""

import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
import start as setup  # noqa: E402 (start.py: where torch without CUDA comes from)

VENV = ROOT / ".venv-colab"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
PINS, MARK, LOG = ROOT / "tests" / "colab.txt", VENV / "made_of", VENV / "setup.log"
TORCH = "torch==2.11.0"
TESTS = ["tests/colab", *(f"tests/test_{name}.py" for name in ("generation", "widgets_chat", "widgets_tokens"))]


class CannotMakeError(Exception):
    """The environment cannot be made here; the message is one sentence for who reads the log."""


def has_its_own_torch() -> bool:
    """Tell whether a CPU build of Colab's torch can be had: everywhere but on Linux the usual one is."""
    return sys.platform != "linux" or setup.cpu_index_answers()


def base_python(own_torch: bool) -> str:
    """Python 3.13, as on Colab, where it is there and torch can be had for it; else the one that runs this."""
    found = shutil.which("python3.13") if own_torch else None
    if found and subprocess.run([found, "-c", "import venv"], capture_output=True).returncode == 0:
        return found
    return getattr(sys, "_base_executable", None) or sys.executable


def fingerprint() -> str:
    return hashlib.sha256(PINS.read_bytes() + Path(__file__).read_bytes()).hexdigest()


def pip(*arguments: str) -> None:
    """Install something into .venv-colab; what pip said is in its log."""
    command = [PYTHON, "-Im", "pip", "install", "--quiet", "--no-deps", "--retries", "1", *arguments]
    with LOG.open("a") as log:
        code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log).returncode
    if code:
        why = setup.explain(LOG.read_text("utf-8", "replace"))
        raise CannotMakeError(f"The environment with Colab's versions cannot be made: {why} (details: {LOG}).")


def make() -> None:
    """Make .venv-colab where it is not there, or made of something else."""
    with contextlib.suppress(OSError):
        if MARK.read_text() == fingerprint():
            return
    own_torch = has_its_own_torch()
    subprocess.run([base_python(own_torch), "-m", "venv", "--clear", VENV], check=True)
    if own_torch:
        pip(*(["--index-url", setup.CPU_INDEX] if sys.platform == "linux" else []), TORCH)
    else:
        pip(re.search(r"^torch==[^\s;]+", (ROOT / "requirements.lock").read_text(), re.MULTILINE)[0])
    pip("--requirement", str(PINS))
    MARK.write_text(fingerprint())


def main(arguments: list[str]) -> int:
    try:
        make()
    except (CannotMakeError, OSError, subprocess.CalledProcessError) as problem:
        print(problem)
        return 1
    environment = os.environ | {"PYTHONPATH": "", "JUPYTER_PATH": "", "VIRTUAL_ENV": str(VENV)}
    command = [PYTHON, "-m", "pytest", "--durations=5", "-p", "no:cacheprovider", *(arguments or TESTS)]
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
