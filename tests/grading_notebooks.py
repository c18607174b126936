"""Submissions made of the real sheets, and a desk that grades them, for the tests of cases.

In: code for some exercises of a sheet. Out: notebooks as they are handed in, and their grades.
"""

import json
from copy import deepcopy

from example_answers import answers_of
from handed_in import ROOT, read

from nanochat_helpers.grading.grader import Grader
from nanochat_helpers.grading.grades import GRADED, Grade
from nanochat_helpers.grading.master import find_master
from nanochat_helpers.grading.sandbox import Limits
from nanochat_helpers.grading.sheets import Notebook, cell_of

MEMORY = 512
SEED = 77
A, B = "04.1", "04.5"  # two exercises of sheet 04, of 2 and 3 points
ALL = ("04.1", "04.2", "04.3", "04.4", "04.5", "04.6")
HEAD_A = "def apply_temperature(logits, temperature):\n"


def right(exercise_id: str) -> str:
    """The code of the right answer."""
    return answers_of(exercise_id[:2]).right[exercise_id][0]


def wrong(exercise_id: str) -> str:
    """The code of an answer with a misconception."""
    return next(iter(answers_of(exercise_id[:2]).wrong[exercise_id].values()))


def with_answers(answers: dict[str, str]) -> Notebook:
    """A sheet with the code of some answers, and otherwise untouched."""
    notebook = read(next(iter(answers))[:2])
    for exercise_id, code in answers.items():
        cell_of(notebook, exercise_id, "answer")["source"] = code
    return notebook


def own_cell(code: str) -> dict:
    """A code cell that a student has added."""
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": code}


def place(notebook: Notebook, exercise_id: str, role: str = "answer") -> int:
    """The place of an exercise's cell."""
    cell = cell_of(notebook, exercise_id, role)
    return next(n for n, each in enumerate(notebook["cells"]) if each is cell)


def copied(notebook: Notebook, exercise_id: str, code: str) -> Notebook:
    """The notebook with a second answer cell right below the first, as Jupyter copies it."""
    copy = deepcopy(cell_of(notebook, exercise_id, "answer")) | {"id": "a-copy", "source": code}
    notebook["cells"].insert(place(notebook, exercise_id) + 1, copy)
    return notebook


def said(grade: Grade, exercise_id: str) -> str:
    """All that is said about an exercise."""
    result = next(each.result for each in grade.exercises if each.id == exercise_id)
    texts = (result.sentence, result.call, result.expected, result.got, result.misconception)
    return "\n".join((*texts, *result.hints, *result.notes))


CODE_A, CODE_B = right(A), right(B)


class Desk:
    """Grades one submission after the other, and after each a right one, which must not notice anything.

    plain: the exercises of the right one that comes next.
    """

    def __init__(self, number: str, seconds: int, plain: tuple[str, ...]):
        self.master = find_master(number, ROOT)
        self.grader = Grader(self.master, SEED, Limits(seconds, MEMORY))
        self.next = json.dumps(with_answers({each: right(each) for each in plain})).encode()
        self.plain = plain

    def grade(self, handed_in: Notebook | bytes, *, passed: tuple[str, ...] = (), status: str = GRADED) -> Grade:
        """Grade a submission. passed: the exercises that have their points; all others have none."""
        raw = handed_in if isinstance(handed_in, bytes) else json.dumps(handed_in).encode()
        grade = self.grader.grade("kim", "kim.ipynb", raw)
        self._check(grade, passed)
        assert grade.status == status, grade.notes
        after = self.grader.grade("ada", "ada.ipynb", self.next)
        self._check(after, self.plain)
        assert (after.status, after.notes) == (GRADED, ())
        return grade

    def statuses(self, grade: Grade) -> dict[str, str]:
        """Exercise id → "passed" or "failed", without those that were not attempted."""
        return {each.id: each.result.status for each in grade.exercises if each.result.status != "not attempted"}

    def _check(self, grade, passed):
        points = {each.id: each.points for each in grade.exercises}
        wanted = {each.id: each.points if each.id in passed else 0 for each in self.master.exercises}
        assert points == wanted, "\n".join(said(grade, each.id) for each in grade.exercises)
        assert grade.score == sum(wanted.values())
        of_questions = sum(each.max_points for each in self.master.questions)
        assert grade.max_score == sum(each.points for each in self.master.exercises) + of_questions
        assert not any(" at 0x" in said(grade, each) for each in wanted)  # the same words at each run

    def close(self) -> None:
        """End its sandbox."""
        self.grader.close()
