"""Prove that the sheets are sound: for each exercise, what must pass passes, and each known mistake is recognised.

In: a copy of the project, with `solutions/`, `exercises/` and the second solutions in `tests/`. Out: one Verdict for
each sheet. The code of the solutions is run here, in this process: they are the author's own.
"""

import contextlib
import importlib.util
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..checks.diagnosis import examine
from ..checks.exercise import Exercise
from ..checks.result import NOT_ATTEMPTED, PASSED
from ..checks.sheets import SHEETS, sheet_exercises
from ..errors import SheetError
from .sheets import (
    BEGIN,
    Notebook,
    exercise_path,
    faults,
    max_score,
    read_notebook,
    role,
    sheet_number,
    solution_paths,
    source,
    student_sheet,
    student_text,
)

MIN_MISCONCEPTIONS, MAX_MISCONCEPTIONS = 3, 6
NOT_RUN = ("setup", "progress")  # cells that install something, or show what the checks said


@dataclass(frozen=True)
class Verdict:
    """What was found out about a sheet: how much it holds, and what is wrong with it, one sentence each."""

    sheet: str
    name: str
    n_exercises: int
    points: int
    n_misconceptions: int
    n_second: int
    problems: tuple[str, ...]


def verify(folder: Path) -> Iterator[Verdict]:
    """Look at one sheet after the other. Raises SheetError where there is no sheet at all."""
    paths = solution_paths(folder)
    numbers = [sheet_number(path) for path in paths]
    missing = sorted(set(SHEETS) - set(numbers))
    if missing:
        raise SheetError(f"{folder / 'solutions'} lacks {', '.join(f'{n}_{SHEETS[n]}.ipynb' for n in missing)}.")
    for path in paths:
        yield verify_sheet(path)


def verify_sheet(solution: Path) -> Verdict:
    """Look at one sheet, given by its solution."""
    number = sheet_number(solution)
    exercises, notebook = sheet_exercises(number), read_notebook(solution)
    second = second_solutions(solution.parents[1], SHEETS[number])
    problems = [*faults(notebook, exercises), *_file_problems(solution)]
    if not problems:
        problems += _code_problems(notebook, exercises)
    for exercise in exercises:
        problems += exercise_problems(exercise, second.get(exercise.id, ()))
    return Verdict(
        number,
        SHEETS[number],
        len(exercises),
        max_score(notebook),
        sum(len(exercise.misconceptions) for exercise in exercises),
        sum(len(functions) for functions in second.values()),
        tuple(problems),
    )


def second_solutions(folder: Path, module: str) -> dict[str, tuple[Callable[..., Any], ...]]:
    """Other right solutions of a sheet, from `tests/second_solutions/`: the id of an exercise → functions."""
    path = folder / "tests" / "second_solutions" / f"{module}.py"
    if not path.is_file():
        return {}
    spec = importlib.util.spec_from_file_location(f"second_{module}", path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded.SECOND


def functions_of(notebook: Notebook) -> dict[str, Any]:
    """Run the code of a sheet, without its checks, and return the names that it defines."""
    names: dict[str, Any] = {"__name__": "sheet"}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and role(cell) != "check" and cell.get("id") not in NOT_RUN:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(source(cell), f"<{cell.get('id')}>", "exec"), names)
    return names


def _file_problems(solution):
    target = exercise_path(solution)
    if not target.is_file() or target.read_text("utf-8") != student_text(solution):
        yield f"exercises/{target.name} is not what its solution gives: run `nanochat sheets build`"


def _code_problems(notebook, exercises):
    """Every solution passes its check, and every stub is not attempted."""
    for name, book, wanted in (("solution", notebook, PASSED), ("stub", student_sheet(notebook), NOT_ATTEMPTED)):
        try:
            defined = functions_of(book)
        except Exception as error:
            yield f"the {name}s cannot be run: {type(error).__name__}: {error}"
            continue
        for exercise in exercises:
            result = examine(exercise, defined.get(exercise.name))
            if result.status != wanted:
                yield f"{exercise.id}: its {name} should be {wanted!r}, but it is {result.status!r}: {result.sentence}"
        leaks = [cell.get("id") for cell in book["cells"] if BEGIN in source(cell)]
        if name == "stub" and leaks:
            yield f"the student's sheet still holds a solution, in {leaks[0]!r}"


def exercise_problems(exercise: Exercise, second: Sequence[Callable[..., Any]]) -> Iterator[str]:
    """Which second solutions are refused and which misconceptions not recognised, or lacking, one sentence each."""
    n = len(exercise.misconceptions)
    if not MIN_MISCONCEPTIONS <= n <= MAX_MISCONCEPTIONS:
        yield f"{exercise.id}: {n} misconceptions, not {MIN_MISCONCEPTIONS} to {MAX_MISCONCEPTIONS}"
    if not second:
        yield f"{exercise.id}: no second solution in tests/second_solutions"
    for place, function in enumerate(second):
        result = examine(exercise, function)
        if not result.passed:
            yield f"{exercise.id}: second solution {place + 1} is refused: {result.sentence}"
    for misconception in exercise.misconceptions:
        result = examine(exercise, misconception.wrong)
        if result.misconception != misconception.name:
            taken = (
                f"taken for {result.misconception!r}" if result.misconception else f"not recognised ({result.status})"
            )
            yield f"{exercise.id}: the misconception {misconception.name!r} is {taken}"
