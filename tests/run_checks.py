"""Run every check, one after the other, and say at the end which failed. `python start.py test` calls this.

With arguments, only pytest runs, with these:  python start.py test tests/test_sampling.py -k ties
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTEST = ["pytest", "--durations=5"]
# Two processes, each with whole files, so that a model is loaded once in each.
PARALLEL = ["-n", "2", "--dist", "loadscope"]
# A kernel that died is noticed only when its cell's time is up.
NBVAL = [*PYTEST, *PARALLEL, "-p", "tests.keep_lessons", "--nbval-lax", "--nbval-cell-timeout=300"]
CHECKS = {
    "style": ["ruff", "check", "."],
    "lessons": [*NBVAL, "notebooks", "exercises"],  # before those that look at what the lessons show
    "package": [*PYTEST, *PARALLEL, "tests", "--ignore=tests/browser"],
    "browser": [*PYTEST, "--screenshot=only-on-failure", "tests/browser"],
    "solutions": [*NBVAL, "solutions"],
}
STRICT = {"NANOCHAT_STRICT_CHECKS": "1"}  # in a solution, a check that does not pass is an error


def run(command: list[str], settings: dict[str, str]) -> bool:
    """Run a Python tool with more environment variables; tell whether it found nothing wrong."""
    # Two processes with two threads each, on two cores, are several times slower than with one thread each.
    environment = {"OMP_NUM_THREADS": "1"} | os.environ | settings
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=environment).returncode == 0


def main(arguments: list[str]) -> int:
    checks = {"pytest": ["pytest", *arguments]} if arguments else CHECKS
    failed = []
    for name, command in checks.items():
        started = time.monotonic()
        print(f"\n--- {name}: {' '.join(command)}", flush=True)
        if not run(command, STRICT if name == "solutions" else {}):
            failed.append(name)
        print(f"--- {name} took {time.monotonic() - started:.0f} s", flush=True)
    print(f"\nFailed: {', '.join(failed)}" if failed else "\nEvery check passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
