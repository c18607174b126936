"""Answers that are the same after renaming: for a teacher to look at, never a verdict.

In: grades. Out: similar.html. Answers are compared by a hash of their form (see `normal`), so the work grows with the
number of answers, not with that of their pairs. Easy exercises have few ways to be solved: what is very short, or what
many share, is told apart as to be expected.
"""

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import combinations

from ...checks.diagnosis import title_of
from ...checks.result import PASSED
from ...language import tr
from ..grades import Grade
from ..master import Master
from .code import read_answer
from .files import Folder
from .normal import form
from .pages import page

FEW = 12  # names and numbers: shorter answers are alike by themselves
MANY, CLASS = 0.3, 10  # a part of a class of at least so many that shares one form
PAIRS_OF = 8  # students in a group from which pairs are made
GROUPS_SHOWN, NAMES_SHOWN, PAIRS_SHOWN = 100, 100, 50


@dataclass(frozen=True)
class Group:
    """Students whose answers to an exercise have the same form. members: (student, name of the files), sorted.

    to_the_letter: also their names and comments are the same. passed: whether the answers have their points.
    reason: why this is to be expected, or "".
    """

    exercise_id: str
    members: tuple[tuple[str, str], ...]
    size: int
    to_the_letter: bool
    passed: bool
    reason: str


class Similar:
    """Takes grades one by one and keeps a hash of each answer. `finish` reads the answers that `code` has written."""

    def __init__(self, folder: Folder, master: Master, title: str):
        self._folder, self._master, self._title = folder, master, title
        self._stubs = {exercise_id: form(stub).digest for exercise_id, stub in master.stubs.items()}
        self._alike: dict[str, dict[bytes, list]] = {each.id: defaultdict(list) for each in master.exercises}
        self._forms: dict[bytes, object] = {}

    def add(self, grade: Grade, name: str) -> None:
        """Take a grade."""
        who = (grade.student, name)
        for each in grade.exercises:
            if each.id in self._alike and each.code.strip():
                letters = hashlib.sha256(each.code.strip().encode("utf-8", "backslashreplace")).digest()[:16]
                known = self._forms.get(letters) or self._forms.setdefault(letters, form(each.code))
                if known.digest != self._stubs[each.id]:
                    entry = (who, letters, known.size, each.result.status == PASSED)
                    self._alike[each.id][known.digest].append(entry)

    def finish(self) -> None:
        """Write the page."""
        groups = {exercise_id: self.groups(exercise_id) for exercise_id in self._alike}
        striking = {exercise_id: [each for each in found if not each.reason] for exercise_id, found in groups.items()}
        html = page(
            "similar.html.jinja",
            title=self._title,
            exercises=[(each.id, title_of(each)) for each in self._master.exercises],
            striking={exercise_id: found[:GROUPS_SHOWN] for exercise_id, found in striking.items()},
            left_out={exercise_id: len(found[GROUPS_SHOWN:]) for exercise_id, found in striking.items()},
            expected={exercise_id: [each for each in found if each.reason] for exercise_id, found in groups.items()},
            pairs=pairs([each for found in striking.values() for each in found]),
            NAMES_SHOWN=NAMES_SHOWN,
            code=lambda group: read_answer(self._folder, group.exercise_id, group.members[0][1]),
        )
        self._folder.write("similar.html", html)

    def groups(self, exercise_id: str) -> list[Group]:
        """The groups of an exercise, the longest answers first."""
        forms = self._alike[exercise_id]
        n_answers = sum(map(len, forms.values()))
        found = [_group(exercise_id, entries, n_answers) for entries in forms.values() if len(entries) > 1]
        return sorted(found, key=lambda group: (-group.size, group.members))


def pairs(groups: list[Group]) -> list[tuple[tuple[str, str], tuple[str, str], int]]:
    """Two students and the number of exercises in which both are in one small group; those with more than one."""
    together = Counter(
        pair for group in groups if len(group.members) <= PAIRS_OF for pair in combinations(group.members, 2)
    )
    found = sorted((-number, *pair) for pair, number in together.items() if number > 1)
    return [(one, other, -number) for number, one, other in found[:PAIRS_SHOWN]]


def _group(exercise_id, entries, n_answers):
    members, letters, sizes, passed = zip(*entries, strict=True)
    reason = ""
    if sizes[0] < FEW:
        reason = tr("which is so short that there are few others")
    elif n_answers >= CLASS and len(entries) > MANY * n_answers:
        reason = tr("which is that of {n} among {total}", n=len(entries), total=n_answers)
    return Group(exercise_id, tuple(sorted(members)), sizes[0], len(set(letters)) == 1, all(passed), reason)
