"""Read a class list, and say which student of it a name or a number belongs to.

In: a CSV file as a school's system writes it (Canvas, Moodle and Gradescope as they are), or one made by hand. Out:
Students, and a match only where it is certain. A doubt is said, nothing is guessed.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import GradingError
from ...language import later, tr
from .rows import read_rows

MAX_NAME = 200  # letters of a name that are kept
# How headers are named, in lower case and without signs. An id is looked for in any column of IDS.
FULL = ("name", "fullname", "student", "studentname", "displayname", "vollstandigername", "nomcomplet")
FIRST = ("firstname", "givenname", "vorname", "prenom", "first")
LAST = ("lastname", "surname", "familyname", "nachname", "nom", "last")
EMAIL = ("email", "emailaddress", "emailadresse", "mail", "adressedecourriel")
CANVAS, MOODLE = ("id", "canvasid", "canvasuserid", "userid"), ("identifier", "identifikator")
IDS = (
    *EMAIL,
    *CANVAS,
    *MOODLE,
    *("sid", "studentid", "studentnumber", "idnumber", "matrikelnummer", "number", "sisuserid", "sisloginid"),
    *("loginid", "login", "username", "user", "integrationid", "anmeldename", "nbgraderid"),
)
COLUMNS = {"email": EMAIL, "canvas": CANVAS, "moodle": MOODLE, "sid": IDS}  # the kind of an id → where it stands
STAFF = ("instructor", "teacher", "ta", "reader")
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "å": "aa", "ø": "oe", "æ": "ae"})


@dataclass(frozen=True)
class Student:
    """One row of the roster. ids: all its columns, as they are named there."""

    name: str
    ids: dict[str, str]


def read_roster(path: Path) -> list[Student]:
    """The students of a class list, in its order. Raises GradingError, which names the line."""
    rows = read_rows(path, later("The roster"))
    if not rows:
        raise GradingError(f"The roster {path} is empty: it needs a line with the names of its columns.")
    (_, header), *rows = rows
    columns = [_plain(each) for each in header]
    if not set(columns) & {*FULL, *FIRST, *LAST, *IDS}:
        raise GradingError(
            f"The roster {path} has no column that names a student: its first line has to hold a name such as "
            '"name", "first name" and "last name", "id", "login" or "email".'
        )
    students: dict[str, tuple[int, Student]] = {}
    for line, row in rows:
        student = _student(header, columns, row, f"The roster {path}, line {line},")
        if student:
            _add(students, line, student, path)
    if not students:
        raise GradingError(f"The roster {path} has no students: only a line with the names of its columns.")
    return [student for _, student in students.values()]


class Matcher:
    """Finds the student of a roster by an id, or by a name in any order, with or without accents."""

    def __init__(self, roster: Sequence[Student]):
        self.is_empty = not roster
        self._names: dict[str, set[int]] = {}
        self._ids: dict[tuple[str, str], set[int]] = {}
        self._roster = roster
        for place, student in enumerate(roster):
            for name in (student.name, _joined(student.ids), _whole(student.ids)):
                for key in _name_keys(name, turned=True):
                    self._names.setdefault(key, set()).add(place)
            for column, value in student.ids.items():
                if _plain(column) in IDS:
                    for key in _id_keys(value):
                        self._ids.setdefault((_plain(column), key), set()).add(place)

    def find(self, labels: Iterable[str], ids: Mapping[str, str] | None = None) -> tuple[Student | None, str]:
        """The student, or None with the reason as a note. ids: kind → value, such as {"canvas": "12345"}."""
        for found in self._hits(labels, ids or {}):
            if len(found) == 1:
                return self._roster[min(found)], ""
            if found:
                names = ", ".join(sorted(self._roster[place].name for place in found))
                note = tr("it fits more than one student of the roster ({names}), so none was chosen", names=names)
                return None, note
        return None, tr("not in the roster")

    def _hits(self, labels, ids):
        """The students that fit, the surest way first."""
        for kind, value in ids.items():
            yield self._with_id(value, COLUMNS[kind])
        for label in labels:
            yield self._with_id(label, IDS)
            yield set().union(*(self._names.get(key, ()) for key in _name_keys(label)))

    def _with_id(self, value, columns):
        key = value.strip().casefold()
        return set().union(*(self._ids.get((column, key), ()) for column in columns)) if key else set()


def _student(header, columns, row, place):
    """The student of a row; None for a row that is nobody's: of Canvas's points, of a teacher."""
    if len(row) > len(header) and any(cell.strip() for cell in row[len(header) :]):
        raise GradingError(f"{place} has {len(row)} cells, and the header {len(header)}: put quotes around a comma.")
    cells = dict(zip(columns, (cell.strip() for cell in row), strict=False))
    if cells.get("role", "").lower() in STAFF:
        return None
    whole = next((cells[name] for name in FULL if cells.get(name)), "")
    split = " ".join(next((cells[name] for name in names if cells.get(name)), "") for names in (FIRST, LAST))
    name = whole or split.strip() or next((cells[name] for name in columns if name in IDS and cells.get(name)), "")
    if "sisloginid" in columns and (not name or name == "Points Possible" or whole == "Student, Test"):
        return None
    if not name:
        raise GradingError(f"{place} names no student: fill in a name or an id, or remove the line.")
    ids = {head: cell.strip() for head, cell in zip(header, row, strict=False) if cell.strip()}
    return Student(name[:MAX_NAME], ids)


def _add(students, line, student, path):
    """Two students may have one name if an id tells them apart; then it stands behind the name."""
    ids = [value for head, value in student.ids.items() if _plain(head) in IDS and value != student.name]
    names = [student.name, *(f"{student.name} ({each})"[: MAX_NAME + 100] for each in ids)]
    free = [name for name in names if name not in students]
    before, known = students.get(student.name, (0, None))
    if known and (not free or _same_ids(known, student)):
        raise GradingError(
            f"The roster {path}, line {line}, names {student.name!r}, who stands already in line {before}: give each "
            "student one line, and an id to those who share a name."
        )
    students[free[0]] = (line, Student(free[0], student.ids))


def _same_ids(one, other):
    return any(one.ids.get(head) == value for head, value in other.ids.items() if _plain(head) in IDS)


def _joined(ids):
    """First and last name from two columns, where there is also one with a whole name or an id."""
    cells = {_plain(head): value for head, value in ids.items()}
    return " ".join(next((cells[name] for name in names if name in cells), "") for names in (FIRST, LAST)).strip()


def _whole(ids):
    """The name as the roster has it, also of a student behind whose name there stands an id."""
    cells = {_plain(head): value for head, value in ids.items()}
    return next((cells[name] for name in FULL if name in cells), "")


def _plain(header):
    """A header in lower case, without accents and signs."""
    return re.sub(r"[\W_]+", "", _without_accents(header.casefold()))


def _without_accents(text):
    return re.sub(r"[\u0300-\u036f]", "", unicodedata.normalize("NFKD", text))


def _tokens(text):
    text = "".join(each for each in text.casefold() if unicodedata.category(each) != "Cf" and each not in "'’`´")
    return [each for each in re.split(r"[\s_,.;:()\[\]+-]+", text) if each]


def _name_keys(name, turned=False):
    """What names are compared by: their words in alphabetical order, and all in one, as Canvas writes them.

    turned: also "last first" for "first last", and the other way round.
    """
    keys = set()
    composed = unicodedata.normalize("NFC", name[:MAX_NAME]).casefold()
    for variant in {composed, composed.translate(_UMLAUTS)}:
        words = _tokens(_without_accents(variant))
        keys.add(" ".join(sorted(words)))
        orders = (words, words[-1:] + words[:-1], words[1:] + words[:1]) if turned else (words,)
        keys.update("".join(order) for order in orders)
    return keys - {""}


def _id_keys(value):
    """An id as it is; of an e-mail also what stands before the @; of "Participant 123" the number."""
    value = value.casefold()
    return {value, value.partition("@")[0], re.sub(r"^\D+ (?=\d+$)", "", value)} - {""}
