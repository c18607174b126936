"""Which notebooks are meant: a number, a name or a path becomes the path of a lesson.

In: what was typed, and the folder with NanoChat's repository. Nothing is opened here.
"""

from collections.abc import Sequence
from pathlib import Path

from ..errors import PublishingError


def all_lessons(folder: Path) -> list[Path]:
    """The lessons of a copy of the repository, in their order."""
    lessons = sorted((folder / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    if not lessons:
        raise PublishingError(
            f"There are no lessons in {folder / 'notebooks'}: run this in a copy of NanoChat's repository, or name "
            "its folder with --folder."
        )
    return lessons


def find_lessons(names: Sequence[str], folder: Path) -> list[Path]:
    """The lessons with these names, each once; without a name, all of them.

    A name is a number ("04" or "4"), a file's name with or without its ending ("04_sampling"), or a path.
    """
    if not names:
        return all_lessons(folder)
    return list(dict.fromkeys(_find(name, folder) for name in names))


def _find(name: str, folder: Path) -> Path:
    path = Path(name)
    if path.suffix == ".ipynb" and path.is_file():
        return path
    number = f"{int(name):02}" if name.isdecimal() else None
    for lesson in all_lessons(folder):
        if number == lesson.name[:2] or path.name.removesuffix(".ipynb") == lesson.stem:
            return lesson
    known = ", ".join(lesson.stem for lesson in all_lessons(folder))
    raise PublishingError(f"There is no lesson {name!r}: give a number or a name ({known}), or the path of a notebook.")
