"""Students' answers as files of Python, for other tools and for reading. In: grades. Out: answers/04.3/anna.py."""

from ...language import tr
from ..grades import Grade
from ..master import Master
from .files import Folder
from .text import one_line


class Answers:
    """Takes grades one by one, and writes each answer that is more than the untouched sheet."""

    def __init__(self, folder: Folder, master: Master):
        self._folder, self._master = folder, master

    def add(self, grade: Grade, name: str) -> None:
        """Write a student's answers, each below a line that says whose it is."""
        for each in grade.exercises:
            stub = self._master.stubs.get(each.id)
            if stub is None or not each.code.strip() or each.code.strip() == stub.strip():
                continue
            points = tr("{points} of {most} points", points=each.points, most=each.max_points)
            head = f"# {each.id} · {one_line(grade.student)} · {each.result.status} · {points}\n"
            self._folder.write(answer_file(each.id, name), [head, each.code, "" if each.code.endswith("\n") else "\n"])

    def finish(self) -> None:
        """Nothing is left to be written."""


def answer_file(exercise_id: str, name: str) -> str:
    """Where an answer lies in the folder of reports."""
    return f"answers/{exercise_id}/{name}.py"


def read_answer(folder: Folder, exercise_id: str, name: str) -> str:
    """The code of an answer that was written."""
    text = (folder.path / answer_file(exercise_id, name)).read_text("utf-8")
    return text.partition("\n")[2]
