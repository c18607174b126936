"""How long `check` takes to answer, beside nbgrader, which runs a sheet to say the same.

For each exercise: the very first check of its solution in a new process, the median of several more, and the slowest
check of a known misconception. For each sheet: all its checks together against `nbgrader validate`.

    python benchmarks/checks.py          # all sheets
    python benchmarks/checks.py 04 10    # some
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nanochat_helpers.checks.diagnosis import examine
from nanochat_helpers.checks.exercise import Exercise
from nanochat_helpers.checks.sheets import SHEETS, find_exercise
from nanochat_helpers.grading.sheets import read_notebook
from nanochat_helpers.grading.verify import functions_of

ROOT = Path(__file__).parents[1]
REPEATS = 5


def seconds(work: Callable[[], object]) -> float:
    """How long some work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def median_check(exercise: Exercise, function: Callable[..., Any]) -> float:
    """The median time of several checks, in seconds."""
    return statistics.median(seconds(lambda: examine(exercise, function)) for _ in range(REPEATS))


def solution_of(sheet: str) -> Path:
    """Where the solution of a sheet lies."""
    return ROOT / "solutions" / f"{sheet}_{SHEETS[sheet]}.ipynb"


def validate(sheet: str) -> None:
    """Let nbgrader run the solution of a sheet."""
    command = [sys.executable, "-m", "nbgrader", "validate", str(solution_of(sheet))]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=os.environ | {"PATH": path})


def measure(sheet: str) -> None:
    """Print a line for each exercise of a sheet, and one for the sheet."""
    total, names = 0.0, functions_of(read_notebook(solution_of(sheet)))  # as when the sheet's cells have been run
    print(f"{'sheet ' + sheet:<42} {'first':>8} {'right':>8} {'wrong':>8}")
    for number in range(1, 7):
        began = time.perf_counter()
        exercise = find_exercise(f"{sheet}.{number}")  # the first one loads what the checks of the sheet need
        if exercise is None:
            break
        examine(exercise, names[exercise.name])
        first = time.perf_counter() - began
        right = median_check(exercise, names[exercise.name])
        wrong = max(median_check(exercise, misconception.wrong) for misconception in exercise.misconceptions)
        total += right
        row = "".join(f"{1000 * value:>6.0f} ms" for value in (first, right, wrong))
        print(f"{exercise.id} {exercise.title:<36} {row}", flush=True)
    peer = statistics.median(seconds(lambda: validate(sheet)) for _ in range(3))
    print(f"all: {1000 * total:.0f} ms; nbgrader validate {peer:.1f} s, {peer / total:.0f} times as long\n", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        measure(sys.argv[1])
    else:
        for sheet in sys.argv[1:] or SHEETS:  # each in a process of its own, as each sheet has its own kernel
            subprocess.run([sys.executable, __file__, sheet], check=True)
