"""What `nanochat sheets` does: build, verify, list; and where `nanochat grade` can run.

In: a folder and where to say things. Out: an exit code.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from ..checks.sheets import SHEETS, sheet_exercises
from ..errors import GradingError
from .sheets import build, exercise_path, max_score, read_notebook, role, sheet_number, solution_paths
from .verify import Verdict, verify

Say = Callable[[str], object]


def check_system() -> None:
    """Raises GradingError where students' code cannot be held in at all."""
    if not hasattr(os, "fork"):
        raise GradingError(
            "Grading needs Linux or macOS, to hold in what students wrote: on Windows use WSL, or grade on Colab."
        )


def refuse_blanks(words: Mapping[str, str | None]) -> None:
    """Raise GradingError for a value that is there and empty: it would stand for the folder in which one is."""
    for name, value in words.items():
        if value is not None and not value.strip():
            raise GradingError(f"{name} is empty: is a variable in the command not set?")


def build_sheets(folder: Path, say: Say) -> int:
    """Write the students' sheets and say which are new."""
    written = build(folder)
    for path in written:
        say(f"written: {path.relative_to(folder)}")
    unchanged = len(solution_paths(folder)) - len(written)
    say(f"{how_many(len(written), 'sheet')} written, {unchanged} unchanged.")
    return 0


def verify_sheets(folder: Path, say: Say) -> int:
    """Prove every sheet, a line each; 1 if something is wrong."""
    verdicts = []
    for verdict in verify(folder):
        say(_line(verdict))
        for problem in verdict.problems:
            say(f"  - {problem}")
        verdicts.append(verdict)
    n_problems = sum(len(verdict.problems) for verdict in verdicts)
    say(f"\n{how_many(n_problems, 'problem')} to mend." if n_problems else f"\nAll {len(verdicts)} sheets are sound.")
    return 1 if n_problems else 0


def list_sheets(folder: Path, say: Say) -> int:
    """Show the exercises of all sheets, with their points."""
    for solution in solution_paths(folder):
        number, notebook = sheet_number(solution), read_notebook(solution)
        points, target = how_many(max_score(notebook), "point"), exercise_path(solution).relative_to(folder)
        say(f"{number} {SHEETS[number]}: {points}, {target}")
        for exercise in sheet_exercises(number):
            say(f"  {exercise.id} {exercise.title} ({exercise.points}): {exercise.signature}")
        for cell in notebook["cells"]:
            if role(cell) == "question":
                say(f"  a question to be graded by hand ({cell['metadata']['nbgrader']['points']})")
    return 0


def how_many(number: int, noun: str) -> str:
    """A number with its English noun: commands speak English."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _line(verdict: Verdict) -> str:
    return (
        f"{'!' if verdict.problems else ' '} {verdict.sheet} {verdict.name:<18} {verdict.n_exercises} exercises, "
        f"{verdict.points} points, {verdict.n_misconceptions} misconceptions, {verdict.n_second} second solutions"
    )
