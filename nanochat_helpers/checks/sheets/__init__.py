"""The sheets: one module each, with its exercises in EXERCISES. A sheet is loaded when it is first asked for."""

import importlib

from ...errors import CheckError
from ..exercise import Exercise

# The number of a sheet, which is that of its lesson, and the module with its exercises.
SHEETS = {
    "01": "tokenization",
    "02": "prompts",
    "03": "next_token",
    "04": "sampling",
    "05": "generation",
    "06": "context",
    "07": "postprocessing",
    "08": "chatbot",
    "09": "safety",
    "10": "rag_lite",
    "11": "smaller_and_bigger",
    "12": "delivery",
}

# The points of a sheet's last question, which a teacher reads; the other sheets have none.
BY_HAND = {"03": 3, "06": 3, "09": 3, "12": 3}


def sheet_exercises(sheet: str) -> tuple[Exercise, ...]:
    """The exercises of a sheet, such as "04", in their order. Raises CheckError for a sheet that does not exist."""
    if sheet not in SHEETS:
        raise CheckError(f"There is no sheet {sheet!r}: the sheets are {min(SHEETS)} to {max(SHEETS)}.")
    return importlib.import_module(f".{SHEETS[sheet]}", __name__).EXERCISES


def find_exercise(exercise_id: str) -> Exercise | None:
    """The exercise with this id, such as "04.3", or None."""
    sheet = exercise_id.partition(".")[0]
    found = [each for each in sheet_exercises(sheet) if each.id == exercise_id] if sheet in SHEETS else []
    return found[0] if found else None
