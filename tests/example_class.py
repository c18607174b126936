"""A class that was never there: n submissions of one sheet, the same bytes for the same seed.

The mix, of all: 55 % right (the solution, and every second solution), 20 % partly right (two misconceptions, often an
exercise left out), 7 % right but for one misconception, 6 % careless in one exercise, 5 % untouched, 4 % broken files,
3 % hostile in one exercise. Where n is large enough, each misconception, second solution and fault is there at least
once. Faults that only time stops (loops without end, and sleepers) are 0.5 % of all, and none below 200 submissions.
"""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import example_attacks
import example_faults
from example_answers import Answers, answers_of

from nanochat_helpers.checks.result import FAILED, NOT_ATTEMPTED, PASSED, CheckResult
from nanochat_helpers.checks.sheets import SHEETS
from nanochat_helpers.grading.grades import GRADED, REJECTED, REVIEW
from nanochat_helpers.grading.sheets import Notebook, cell_of, role, source

SHARES = {
    "partly right": 0.20,
    "misconception": 0.07,
    "careless": 0.06,
    "untouched": 0.05,
    "broken": 0.04,
    "hostile": 0.03,
}  # the others are right
SLOW_EVERY = 200  # of so many submissions, one is stopped by time alone
SLOW_FAULTS = {"careless": tuple(example_faults.SLOW_CODE), "hostile": tuple(example_attacks.SLOW_ATTACKS)}
FAULTS = {
    "careless": (*example_faults.WRONG_CODE, *example_faults.RIGHT_CODE, *example_faults.CELLS),
    "broken": tuple(example_faults.BROKEN),
    "hostile": tuple(example_attacks.ATTACKS),
}
SLOW = frozenset(f"{group}: {fault}" for group, faults in SLOW_FAULTS.items() for fault in faults)


@dataclass(frozen=True)
class Made:
    """One submission. kind: such as "right" or "careless: syntax error".

    expected: exercise id → "passed", "failed" (also where it could not even be called), "not attempted", or None where
    that cannot be told. status: that of its Grade, or None where a teacher may have to look at it.
    """

    student: str
    path: Path
    kind: str
    expected: dict[str, str | None]
    status: str | None

    @property
    def is_slow(self) -> bool:
        """Whether only time stops it."""
        return self.kind in SLOW


class Deck:
    """Cards that are drawn at random, each once before any comes again."""

    def __init__(self, cards: Sequence[Any], rng: random.Random):
        self.cards, self.rng, self.left = list(cards), rng, []

    def draw(self, wanted=lambda card: True) -> Any:
        """The next card that fits; the others stay where they are."""
        if not any(map(wanted, self.left)):
            again = [card for card in self.cards if card not in self.left]
            self.left += self.rng.sample(again, len(again))
        return self.left.pop(next(n for n, card in enumerate(self.left) if wanted(card)))


def make_class(
    folder: Path, sheet: str = "04", n: int = 100, seed: int = 0, *, folder_each: bool = False, port: int = 9
) -> list[Made]:
    """Write n submissions of a sheet into a folder, and say what is in them.

    folder_each: a folder a student, as many systems give them, and not one notebook after another. port: where on this
    machine hostile ones try to connect to.
    """
    rng = random.Random(f"class {sheet} {n} {seed}")
    author = Author(answers_of(sheet), rng, port)
    kinds = list(_kinds(n, rng))
    rng.shuffle(kinds)
    made = []
    for number, kind in enumerate(kinds, start=1):
        student = f"student_{number:04}"
        name = f"{student}/{sheet}_{SHEETS[sheet]}.ipynb" if folder_each else f"{student}.ipynb"
        data, expected, status = author.hand_in(student, kind)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        made.append(Made(student, path, kind, expected, status))
    return made


def _kinds(n, rng) -> Iterator[str]:
    """What each of n submissions is, in the order of the groups."""
    counts = {group: round(n * share) for group, share in SHARES.items()}
    slow = Deck(sorted(SLOW), rng)
    for kind in [slow.draw() for _ in range(n // SLOW_EVERY)]:
        counts[kind.partition(":")[0]] -= 1
        yield kind
    yield from ["right"] * (n - n // SLOW_EVERY - sum(counts.values()))
    for group, count in counts.items():
        deck = Deck(FAULTS.get(group, ("",)), rng)
        yield from (f"{group}: {fault}" if fault else group for fault in (deck.draw() for _ in range(count)))


class Author:
    """Writes one submission after another, and never the same twice in a row."""

    def __init__(self, answers: Answers, rng: random.Random, port: int = 9):
        self.answers, self.rng, self.port = answers, rng, port
        self.right = {each: Deck(codes, rng) for each, codes in answers.right.items()}
        self.mistakes = Deck([(each, name) for each, codes in answers.wrong.items() for name in codes], rng)

    def hand_in(self, student: str, kind: str) -> tuple[bytes, dict[str, str | None], str | None]:
        """The bytes of a submission, what its exercises are worth, and its status."""
        group, _, fault = kind.partition(": ")
        notebook, expected = deepcopy(self.answers.sheet), {}
        if group != "untouched":
            expected = self._answer_all(notebook, wrong={"partly right": 2, "misconception": 1}.get(group, 0))
            if group == "partly right" and self.rng.random() < 0.6:
                self._leave_out(notebook, expected)
        status = REVIEW if group == "right" and self._answer_question(notebook) else GRADED
        if group in ("careless", "hostile"):
            status = self._spoil(notebook, expected, group, fault, student)
        if any("nanochat_helpers" in source(cell) for cell in notebook["cells"] if role(cell) == "answer"):
            status = None  # an answer that uses our own package may be looked at
        expected = {each.id: expected.get(each.id, NOT_ATTEMPTED) for each in self.answers.exercises}
        text = _file(notebook, expected, self.rng)
        if group == "broken":
            data = example_faults.BROKEN[fault](text, self._another_sheet(), self.rng)
            return data, dict.fromkeys(expected, NOT_ATTEMPTED), REJECTED
        return text.encode(), expected, status

    def _answer_all(self, notebook, wrong):
        """Answer each exercise: some with a misconception, the others right; say what each is worth."""
        mistakes: dict[str, str] = {}
        while len(mistakes) < wrong:
            exercise_id, name = self.mistakes.draw(lambda card: card[0] not in mistakes)
            mistakes[exercise_id] = self.answers.wrong[exercise_id][name]
        for each in self.answers.exercises:
            code = mistakes.get(each.id) or self._right(each.id, alone=bool(mistakes))
            cell_of(notebook, each.id, "answer")["source"] = code
        return {each.id: FAILED if each.id in mistakes else PASSED for each in self.answers.exercises}

    def _right(self, exercise_id, alone):
        """A right answer; where others may be wrong, one that calls none of them."""
        needs = self.answers.needs
        return self.right[exercise_id].draw(lambda code: not (alone and needs[code]))

    def _leave_out(self, notebook, expected):
        exercise_id = self.rng.choice([each for each, outcome in expected.items() if outcome == PASSED])
        stub = cell_of(self.answers.sheet, exercise_id, "answer")["source"]
        cell_of(notebook, exercise_id, "answer")["source"] = stub
        expected[exercise_id] = NOT_ATTEMPTED

    def _answer_question(self, notebook):
        """Answer the question that a teacher reads, if there is one, more often than not."""
        found = [cell for cell in notebook["cells"] if role(cell) == "question"]
        if not found or self.rng.random() < 0.3:
            return False
        found[0]["source"] = "I think that the second one is right, as it has *less* to choose from."
        return True

    def _spoil(self, notebook, expected, group, fault, student):
        """Do what a careless or hostile student does to one exercise."""
        exercise = self.rng.choice(self.answers.exercises)
        for each in self.answers.exercises:  # what is wrong with one exercise is not to spoil another
            cell_of(notebook, each.id, "answer")["source"] = self._right(each.id, alone=True)
        cell = cell_of(notebook, exercise.id, "answer")
        right, expected[exercise.id] = cell["source"], FAILED
        if group == "hostile":
            cell["source"] = example_attacks.attack(fault, exercise, student, self.port)
            return None
        if fault in example_faults.CELLS:
            cell["source"] = cell_of(self.answers.sheet, exercise.id, "answer")["source"]
            wrong = self.rng.choice(list(self.answers.wrong[exercise.id].values()))
            expected[exercise.id] = example_faults.CELLS[fault](notebook, exercise, right, wrong)
            return None
        codes = example_faults.WRONG_CODE | example_faults.SLOW_CODE | example_faults.RIGHT_CODE
        cell["source"] = codes[fault](exercise, right)
        if fault in example_faults.RIGHT_CODE:
            expected[exercise.id] = PASSED
        return GRADED

    def _another_sheet(self):
        number = self.rng.choice([number for number in SHEETS if number != self.answers.number])
        return json.dumps(answers_of(number).sheet, indent=1)


# --- how a notebook is saved

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LANGUAGE = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
    "version": "3.12.3",
}


def _file(notebook: Notebook, expected: Mapping[str, str | None], rng: random.Random) -> str:
    """The text of a file, as Jupyter or Colab writes it."""
    if rng.random() < 0.7:
        _run(notebook, expected, rng)
    for cell in notebook["cells"]:
        cell["source"] = source(cell).splitlines(keepends=True)
    if rng.random() < 0.2:
        _as_colab(notebook, rng)
        return json.dumps(notebook, ensure_ascii=False, indent=2)
    for number, cell in enumerate(notebook["cells"]):
        cell.setdefault("id", f"{number:02x}{rng.getrandbits(24):06x}")
    notebook["metadata"] = {"kernelspec": KERNEL, "language_info": LANGUAGE}
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"


def _run(notebook, expected, rng):
    """Numbers beside the code cells, as if they had been run, and what the checks said."""
    count = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code" or cell["outputs"] or rng.random() < 0.05:
            continue
        count += rng.choice([1, 1, 1, 2, 5])
        cell["execution_count"] = count
        if role(cell) == "check" and "nanochat" in cell["metadata"]:
            exercise_id = cell["metadata"]["nanochat"]["exercise"]
            cell["outputs"] = [deepcopy(_said(exercise_id, expected[exercise_id] or FAILED))]


@cache
def _said(exercise_id, status):
    """What is stored below a check."""
    sentence = {PASSED: "All 25 public checks passed.", FAILED: "3 of 25 checks came out right."}.get(status, "")
    result = CheckResult(exercise_id, "", status, sentence)
    data = {"text/html": result._repr_html_().splitlines(keepends=True), "text/plain": [repr(result)]}
    return {"data": data, "metadata": {}, "output_type": "display_data"}


def _as_colab(notebook, rng):
    """Colab keeps a cell's id in its metadata, and writes an older format."""
    notebook.update(nbformat=4, nbformat_minor=0)
    notebook["metadata"] = {"colab": {"provenance": []}, "kernelspec": KERNEL, "language_info": {"name": "python"}}
    for cell in notebook["cells"]:
        cell["metadata"]["id"] = cell.pop("id", f"{rng.getrandbits(48):012x}")
        if cell["cell_type"] == "code" and cell["execution_count"]:
            cell["metadata"]["executionInfo"] = {"status": "ok", "timestamp": 1760000000000, "elapsed": 12}
