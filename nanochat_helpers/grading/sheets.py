"""Make the students' sheets out of the solutions, and say what is wrong with a sheet.

In: `solutions/NN_*.ipynb`, the one source. Out: `exercises/NN_*.ipynb`, in which the code between BEGIN SOLUTION and
END SOLUTION is replaced by a stub. Cells carry nbgrader's metadata, so a course that uses nbgrader takes both as they
are; the stubs are those of nbgrader's own ClearSolutions (version 0.9). Nothing is run here: see `verify`.
"""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from ..checks.exercise import Exercise
from ..checks.sheets import BY_HAND, SHEETS
from ..errors import SheetError

BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
CODE_STUB = ("# YOUR CODE HERE", "raise NotImplementedError()")
TEXT_STUB = "YOUR ANSWER HERE"
SCHEMA = {"schema_version": 3, "task": False}
# What a cell is for: its `grade`, `solution` and `locked`.
ROLES = {
    (False, True, False): "answer",
    (True, False, True): "check",
    (True, True, False): "question",
    (False, False, True): "read only",
}
Notebook = dict[str, Any]


def solution_paths(folder: Path) -> list[Path]:
    """The solutions in a copy of the project, in the order of the sheets. Raises SheetError where there are none."""
    found = sorted((folder / "solutions").glob("*.ipynb"))
    if not found:
        raise SheetError(
            f"There are no sheets in {folder / 'solutions'}: run this in the folder that holds NanoChat's notebooks, "
            "or name that folder with --folder."
        )
    return found


def exercise_path(solution: Path) -> Path:
    """Where the student's sheet of a solution lies."""
    return solution.parents[1] / "exercises" / solution.name


def sheet_number(path: Path) -> str:
    """The number at the beginning of a file's name, such as "04". Raises SheetError for a sheet without exercises."""
    number = path.name[:2]
    if number not in SHEETS or path.stem != f"{number}_{SHEETS[number]}":
        names = ", ".join(f"{known}_{SHEETS[known]}" for known in SHEETS)
        raise SheetError(f"{path.name} belongs to no sheet: a sheet is named {names}.")
    return number


def read_notebook(path: Path) -> Notebook:
    """A notebook as plain data. Raises SheetError for what is none."""
    try:
        notebook = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SheetError(f"{path} cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        raise SheetError(f"{path} is no notebook: it is not JSON ({error}).") from None
    if not isinstance(notebook, dict) or not isinstance(notebook.get("cells"), list):
        raise SheetError(f"{path} is no notebook: it has no list of cells.")
    for place, cell in enumerate(notebook["cells"]):
        if not _is_cell(cell):
            raise SheetError(f"{path} is no notebook: its cell {place} (counted from 0) is damaged.")
    return notebook


def _is_cell(cell):
    if not isinstance(cell, dict) or not isinstance(cell.get("metadata"), dict) or "cell_type" not in cell:
        return False
    lines = cell.get("source")
    return isinstance(lines, str) or (isinstance(lines, list) and all(isinstance(line, str) for line in lines))


def build(folder: Path) -> list[Path]:
    """Write the student's sheet of each solution; return those that are new or changed."""
    written = []
    for solution in solution_paths(folder):
        text, target = student_text(solution), exercise_path(solution)
        if not target.exists() or target.read_text("utf-8") != text:
            target.parent.mkdir(exist_ok=True)
            target.write_text(text, "utf-8", newline="\n")
            written.append(target)
    return written


def student_text(solution: Path) -> str:
    """The student's sheet as the text of a file; the same solution always gives the same text."""
    notebook = read_notebook(solution)
    try:
        return json.dumps(student_sheet(notebook), ensure_ascii=False, indent=1) + "\n"
    except SheetError as error:
        raise SheetError(f"{solution.name}, {error}") from None


def student_sheet(notebook: Notebook) -> Notebook:
    """A copy without solutions and outputs."""
    sheet = deepcopy(notebook)
    for cell in sheet["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
        if role(cell) in ("answer", "question"):
            cell["source"] = without_solution(cell).splitlines(keepends=True)
    return sheet


def without_solution(cell: dict[str, Any]) -> str:
    """The source of an answer's cell with a stub, indented alike, for each solution. Raises SheetError."""
    lines, inside = [], False
    for line in source(cell).splitlines():
        if line.strip() == BEGIN:
            if inside:
                raise SheetError(f"cell {cell.get('id')!r}: {BEGIN} stands twice before {END}.")
            inside = True
            indent = line[: len(line) - len(line.lstrip())]
            stub = CODE_STUB if cell["cell_type"] == "code" else (TEXT_STUB,)
            lines += [indent + each for each in stub]
        elif line.strip() == END:
            if not inside:
                raise SheetError(f"cell {cell.get('id')!r}: {END} stands before {BEGIN}.")
            inside = False
        elif not inside:
            lines.append(line)
    if inside or not any(each in line for line in lines for each in (CODE_STUB[0], TEXT_STUB)):
        advice = f"write the solution between {BEGIN} and {END}, each on its own line."
        raise SheetError(f"cell {cell.get('id')!r}: {advice}")
    return "\n".join(lines)


def source(cell: dict[str, Any]) -> str:
    """The text of a cell, which a file may hold as a text or as a list of lines."""
    return cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])


def role(cell: dict[str, Any]) -> str:
    """What a cell is for: "answer", "check", "question" (graded by hand), "read only", or "" for none of them."""
    marks = cell["metadata"].get("nbgrader")
    if not isinstance(marks, dict):
        return ""
    return ROLES.get(tuple(marks.get(name) is True for name in ("grade", "solution", "locked")), "")


def cell_of(notebook: Notebook, exercise_id: str, wanted: str) -> dict[str, Any] | None:
    """The cell of an exercise with this role, or None."""
    for cell in notebook["cells"]:
        if role(cell) == wanted and cell["metadata"].get("nanochat", {}).get("exercise") == exercise_id:
            return cell
    return None


def max_score(notebook: Notebook) -> int:
    """The points of a sheet: of its exercises, and of the questions that are graded by hand."""
    return sum(cell["metadata"]["nbgrader"].get("points", 0) for cell in notebook["cells"] if role(cell))


def faults(notebook: Notebook, exercises: tuple[Exercise, ...]) -> Iterator[str]:
    """What is wrong with the cells of a solution, one sentence each."""
    for cell in notebook["cells"]:
        yield from _cell_faults(cell)
    grade_ids = [cell["metadata"].get("nbgrader", {}).get("grade_id") for cell in notebook["cells"]]
    yield from (f"the grade_id {name!r} is there twice" for name in set(grade_ids) if grade_ids.count(name) > 1)
    ids = {exercise.id for exercise in exercises}
    named = {cell["metadata"].get("nanochat", {}).get("exercise", "") for cell in notebook["cells"]} - {""}
    yield from (f"no exercise {name!r} is known" for name in sorted(named - ids))
    for exercise in exercises:
        yield from _exercise_faults(notebook, exercise)
    by_hand = [cell["metadata"]["nbgrader"].get("points") for cell in notebook["cells"] if role(cell) == "question"]
    wanted = BY_HAND.get(exercises[0].id[:2], 0)
    if by_hand != [wanted] * bool(wanted):
        yield f"its questions graded by hand have {by_hand} points, and BY_HAND in checks/sheets says {wanted}"


def _cell_faults(cell):
    name, marks = f"cell {cell.get('id')!r}", cell["metadata"].get("nbgrader")
    if not marks:
        yield f"{name} has no nbgrader metadata"
        return
    is_graded = role(cell) in ("check", "question")
    keys = {"grade", "grade_id", "locked", "solution", *SCHEMA} | ({"points"} if is_graded else set())
    if not role(cell) or set(marks) != keys or any(marks.get(key) != value for key, value in SCHEMA.items()):
        yield f"{name} has nbgrader metadata of no known role"
    if not re.fullmatch(r"[a-zA-Z0-9_-]+", marks.get("grade_id", "")):
        yield f"{name} has a grade_id with other signs than letters, digits, _ and -"
    if is_graded and not (type(marks.get("points")) is int and marks["points"] > 0):
        yield f"{name} has no points"
    if role(cell) == "read only" and BEGIN in source(cell):
        yield f"{name} is read only and holds a solution"


def _exercise_faults(notebook, exercise):
    answer, check = (cell_of(notebook, exercise.id, wanted) for wanted in ("answer", "check"))
    if answer is None or check is None:
        yield f"{exercise.id} has no {'answer' if answer is None else 'check'} cell"
        return
    points = check["metadata"]["nbgrader"].get("points")
    if points != exercise.points:
        yield f"{exercise.id} has {exercise.points} points, and its check cell {points}"
    if f"def {exercise.signature}:" not in source(answer):
        yield f"{exercise.id} asks for `def {exercise.signature}:`, which is not in its answer cell"
    if source(check) != f'check("{exercise.id}")':
        yield f"{exercise.id} has a check cell that is not just check(...)"
