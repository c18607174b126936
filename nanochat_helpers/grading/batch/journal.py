"""What was graded so far, in a file: one line for each submission, which a kill at any moment leaves readable.

In and out: grades. Only where each line stands is kept in memory. A line that is damaged counts as not there.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from ...errors import GradingError
from ..grades import INFRA_ERROR, Grade

PRIVATE = 0o600  # it holds what students wrote, and what the secret cases were


class Journal:
    """The journal of one run; what was written last for a key holds."""

    def __init__(self, path: Path):
        self._path = path
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE), "r+b", buffering=0)
        self._places: dict[str, int] = {}
        self._unfinished: set[str] = set()  # keys of those that are to be graded again
        self._end = 0
        self._load()

    def _load(self):
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break  # torn by a kill: the next line takes its place
                grade = _grade(line)
                if grade is not None:
                    self._note(grade, self._end)
                self._end += len(line)
        self._file.truncate(self._end)

    def _note(self, grade, place):
        self._places[grade.key] = place
        if grade.status == INFRA_ERROR:
            self._unfinished.add(grade.key)
        else:
            self._unfinished.discard(grade.key)

    def __contains__(self, key: str) -> bool:
        """Whether that submission was graded, and need not be graded again."""
        return key in self._places and key not in self._unfinished

    def __getitem__(self, key: str) -> Grade:
        """The grade with this key. Raises KeyError."""
        place = self._places[key]
        with self._path.open("rb") as file:
            file.seek(place)
            grade = _grade(file.readline())
        if grade is None:
            raise GradingError(f"{self._path} was changed while it was in use: go on with --resume.")
        return grade

    def get(self, key: str) -> Grade | None:
        """The grade with this key, also one that is to be graded again; None where there is none."""
        return self[key] if key in self._places else None

    def add(self, grade: Grade) -> None:
        """Write one line. Raises GradingError where there is no room; what stood there before is kept."""
        line = _line(grade)
        try:
            self._file.seek(self._end)
            self._write(line)
        except OSError as error:
            self._file.truncate(self._end)
            raise GradingError(
                f"The next grade cannot be written to {self._path} ({error.strerror}): make room there, and go on "
                "with --resume. What was graded is kept."
            ) from None
        self._note(grade, self._end)
        self._end += len(line)

    def _write(self, part):
        while part:
            part = part[self._file.write(part) :]

    def close(self) -> None:
        """Leave the file, with all of it on the disk."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _line(grade):
    data = grade.to_json()
    return (json.dumps({"check": _check(data), "grade": data}) + "\n").encode()


def _grade(line):
    """The grade of a line, or None where that is damaged."""
    try:
        data = json.loads(line)
        grade = Grade.from_json(data["grade"])
        return grade if data["check"] == _check(data["grade"]) else None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _check(data):
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]
