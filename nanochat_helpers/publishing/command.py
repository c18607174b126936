"""What `nanochat slides` and `nanochat site` do: from what was typed to files, with a line for each.

In: names, folders, and where to say things. Out: an exit code.
"""

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import PublishingError
from .lessons import find_lessons

Say = Callable[[str], object]


def make_slides(names: Sequence[str], out: Path, say: Say, *, folder: Path = Path()) -> int:
    """Write one HTML file of slides for each lesson, and say where."""
    lessons = find_lessons(names, folder)
    check_packages("publish", "nbconvert", "nbclient", "nbformat", "ipykernel")
    from .slides import slides

    make_folder(out)
    for lesson in lessons:
        target = out / f"{lesson.stem}.html"
        write(target, slides(lesson))
        say(f"written: {target}")
    say("Open one in a browser. S shows the notes, F fills the screen, ? lists all keys.")
    return 0


def make_site(out: Path, say: Say, *, folder: Path = Path()) -> int:
    """Build the site of a copy of the repository, and say where it begins."""
    find_lessons((), folder)
    check_packages("publish", "mkdocs", "material", "nbclient", "nbformat", "ipykernel")
    from .site import build_site

    build_site(folder, out, say)
    say(f"The site is ready. It begins with {out / 'index.html'}, and needs no network and no server.")
    return 0


def check_packages(extra: str, *names: str) -> None:
    """Refuse to go on without packages that not everybody installs. Raises PublishingError."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise PublishingError(f"{missing[0]} is not installed. Run: pip install 'nanochat-helpers[{extra}]'")


def make_folder(folder: Path) -> None:
    """Make a folder to write into, unless it is there. Raises PublishingError where that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        reason = "a file has this name" if folder.is_file() else problem.strerror or problem
        raise PublishingError(
            f"The folder {folder} cannot be made: {reason}. Give another one with --out."
        ) from problem


def write(target: Path, text: str) -> None:
    """Write a file aside and rename it. Raises PublishingError where that is not possible."""
    draft = target.with_name(f".part-{target.name}")
    try:
        draft.write_text(text, "utf-8")
        draft.replace(target)
    except OSError as problem:
        raise PublishingError(
            f"{target} cannot be written: {problem.strerror or problem}. Give another folder with --out."
        ) from problem
