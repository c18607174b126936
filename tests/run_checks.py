"""Run every check, and say at the end which failed. `python start.py test` calls this.

With arguments, only pytest runs, with these:  python start.py test tests/test_sampling.py -k ties
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).parents[1]
PYTEST = ["pytest", "--durations=5"]
# Two processes, each with whole files, so that a model is loaded once in each.
PARALLEL = ["-n", "2", "--dist", "loadscope"]
# A kernel that died is noticed only when its cell's time is up.
NBVAL = [*PYTEST, *PARALLEL, "-p", "tests.keep_lessons", "--nbval-lax", "--nbval-cell-timeout=300"]
CHECKS = {
    "style": ["ruff", "check", "."],
    "lessons": [*NBVAL, "notebooks", "exercises"],
    "package": [*PYTEST, *PARALLEL, "tests", "--ignore=tests/browser", "--ignore=tests/colab"],
    "browser": [*PYTEST, "--screenshot=only-on-failure", "tests/browser"],
    "solutions": [*NBVAL, "solutions"],
    "colab": ["tests.colab_job"],
}
# One stage after the other; what stands in one stage runs at the same time, for a browser mostly waits. The lessons
# come before those that look at what they show.
STAGES = [["style"], ["lessons"], ["package", "browser"], ["solutions", "colab"]]
STRICT = {"NANOCHAT_STRICT_CHECKS": "1"}  # in a solution, a check that does not pass is an error


class Running(NamedTuple):
    """A check at work. output: where it writes to, if not at once to the screen."""

    name: str
    process: subprocess.Popen
    output: IO | None
    started: float


def start(name: str, command: list[str], *, aside: bool = False) -> Running:
    """Start a Python tool; aside: keep what it says until it has ended."""
    # Two processes with two threads each, on two cores, are several times slower than with one thread each.
    environment = {"OMP_NUM_THREADS": "1"} | os.environ | (STRICT if name == "solutions" else {})
    output = tempfile.TemporaryFile() if aside else None  # noqa: SIM115 (open until the check has ended)
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, stdout=output, stderr=output and subprocess.STDOUT
    )
    return Running(name, process, output, time.monotonic())


def finish(check: Running) -> bool:
    """Wait until a check has ended, show what is still to be shown; tell whether it found nothing wrong."""
    passed = check.process.wait() == 0
    if check.output:
        check.output.seek(0)
        sys.stdout.buffer.write(check.output.read())
    print(f"--- {check.name} took {time.monotonic() - check.started:.0f} s", flush=True)
    return passed


def main(arguments: list[str]) -> int:
    checks = {"pytest": ["pytest", *arguments]} if arguments else CHECKS
    failed = []
    for stage in [["pytest"]] if arguments else STAGES:
        for name in stage:
            print(f"\n--- {name}: {' '.join(checks[name])}", flush=True)
        running = [start(name, checks[name], aside=name != stage[0]) for name in stage]
        failed += [check.name for check in running if not finish(check)]
    print(f"\nFailed: {', '.join(failed)}" if failed else "\nEvery check passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
