"""How long `check` takes to answer, beside nbgrader, which runs a sheet to say the same.

For each exercise: the median of several checks of its reference, and the slowest check of a known misconception (all
known ones are then tried on the answers). For each sheet: all its checks together against `nbgrader validate`.

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
from nanochat_helpers.checks.sheets import SHEETS, sheet_exercises

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


def validate(sheet: str) -> None:
    """Let nbgrader run the solution of a sheet."""
    command = [sys.executable, "-m", "nbgrader", "validate", str(ROOT / "solutions" / f"{sheet}_{SHEETS[sheet]}.ipynb")]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT, env=os.environ | {"PATH": path})


def main(numbers: list[str]) -> None:
    """Print a line for each exercise, and one for each sheet."""
    print(f"{'exercise':<34} {'first':>8} {'right':>8} {'wrong':>8}")
    for sheet in numbers or SHEETS:
        total = 0.0
        for exercise in sheet_exercises(sheet):
            first = seconds(lambda exercise=exercise: examine(exercise, exercise.reference))
            right = median_check(exercise, exercise.reference)
            wrong = max(median_check(exercise, misconception.wrong) for misconception in exercise.misconceptions)
            total += right
            row = "".join(f"{1000 * value:>6.0f} ms" for value in (first, right, wrong))
            print(f"{exercise.id} {exercise.title:<28} {row}", flush=True)
        peer = statistics.median(seconds(lambda sheet=sheet: validate(sheet)) for _ in range(3))
        print(
            f"sheet {sheet}: {1000 * total:.0f} ms; nbgrader validate {peer:.1f} s, {peer / total:.0f} times as long\n"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
