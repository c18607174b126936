"""The texts that `checks` shows by `tr_later` and that no `later` marks: those of the sheets, and words for values."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from nanochat_helpers.checks.cures import CURES
from nanochat_helpers.checks.exercise import Exercise
from nanochat_helpers.checks.sheets import SHEETS, sheet_exercises
from nanochat_helpers.checks.showing import KINDS, OTHER_KINDS

SHEET_FILES = sorted((Path(__file__).parents[1] / "exercises").glob("*.ipynb"))


def texts_of_exercise(exercise: Exercise) -> Iterator[str]:
    """All that an exercise says in words."""
    yield exercise.title
    yield from (case.note for case in exercise.edge_cases if case.note)
    for misconception in exercise.misconceptions:
        yield from (misconception.name, misconception.hint)
    yield from exercise.hints


def titles_of_sheet(path: Path) -> Iterator[str]:
    """The title of a sheet, and those of the questions that a teacher reads; the exercises have theirs."""
    ids = {exercise.id for exercise in sheet_exercises(path.name[:2])}
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        lines = "".join(cell["source"]).splitlines() if cell["cell_type"] == "markdown" else []
        heads = [line for line in lines if line.startswith(("# ", "## ")) and line.lstrip("# ").split()[0] not in ids]
        yield from (line.lstrip("# ") for line in heads)


def texts_of_checks() -> list[str]:
    """All of these texts."""
    exercises = [exercise for sheet in SHEETS for exercise in sheet_exercises(sheet)]
    titles = [title for path in SHEET_FILES for title in titles_of_sheet(path)]
    words = [*KINDS.values(), *OTHER_KINDS, *CURES.values()]
    return [*(text for each in exercises for text in texts_of_exercise(each)), *titles, *words]


class Signs(dict):
    """A language in which each letter of a text is a sign; values keep theirs, and so does `code`."""

    def get(self, text: str, _default: str = "") -> str:
        return re.sub(r"({[^{}]*}|`[^`]*`|<[^>]*>)|[^\W\d_]", lambda found: found[1] or "▪", text)


def english_in(text: str) -> list[str]:
    """The words of a text that no catalogue has changed: not code, not quoted values, not names of types and errors."""
    plain = re.sub(r"`[^`]*`|<[^<>]*>|'[^']*'|\"[^\"]*\"|\[[^\]]*\]|\w+\([^)]*\)|\w+(Error|Exit)(: [^▪]*)?", " ", text)
    return [word for word in re.findall(r"[^\W\d_▪]{2,}", plain) if not CODE.fullmatch(word)]


# What is no word: code, Python's own words on an error, and words of the cases of sheet 06.
CODE = re.compile(r"None|True|False|nan|inf|float\d*|int\d*|bool|logits|temperature|(?i:kind|lake|band|cat)")
