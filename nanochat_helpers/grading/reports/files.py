"""The folder that reports are written into: whole files only, and what an earlier run left behind is removed.

In: names and texts. Out: files. It removes nothing that it has not written itself.
"""

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from ...errors import GradingError

LIST = ".nanochat_reports"  # the names of the files of this run, one a line
FOLDERS = ("students", "gradescope", "answers")


class Folder:
    """A folder of reports, used with `with`. Each file appears complete or not at all.

    `finish` removes the files of earlier runs. Raises GradingError where a file cannot be written.
    """

    def __init__(self, path: Path):
        self.path = path
        self._written: set[str] = set()
        self._made: set[Path] = set()
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._earlier = set(_names(path / LIST))
            self._list = (path / LIST).open("a", encoding="utf-8", newline="\n")
        except OSError as error:
            raise _cannot(path, error) from None

    def __enter__(self) -> "Folder":
        return self

    def __exit__(self, *error: object) -> None:
        self._list.close()

    def write(self, name: str, text: str | Iterable[str]) -> None:
        """Write a text, or the parts of one, to a file of this folder, such as "students/anna.html"."""
        target = self.path / name
        try:
            self._note(name, target.parent)
            _write_whole(target, [text] if isinstance(text, str) else text)
        except OSError as error:
            raise _cannot(target, error) from None

    def finish(self) -> None:
        """Remove what an earlier run has written and this one has not."""
        self._list.close()  # no other system than Linux replaces an open file
        try:
            for name in sorted(self._earlier - self._written):
                _remove(self.path, name)
            _write_whole(self.path / LIST, (f"{name}\n" for name in sorted(self._written)))
        except OSError as error:
            raise _cannot(self.path, error) from None

    def _note(self, name, parent):
        """A file is listed before it is there, so that it is known also after a crash."""
        if parent not in self._made:
            parent.mkdir(parents=True, exist_ok=True)
            self._made.add(parent)
        if name not in self._written and name not in self._earlier:
            self._list.write(f"{name}\n")
            self._list.flush()
        self._written.add(name)


def _write_whole(target, parts):
    new = target.with_name(f".{target.name}.new")
    with new.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        file.writelines(parts)
    new.replace(target)


def _names(path):
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    return [line for line in lines if _is_ours(PurePosixPath(line))]


def _is_ours(name):
    return len(name.parts) > 1 and name.parts[0] in FOLDERS and ".." not in name.parts


def _remove(folder, name):
    path = folder / name
    path.unlink(missing_ok=True)
    for parent in list(path.parents)[: len(PurePosixPath(name).parts) - 1]:
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()


def _cannot(path, error):
    return GradingError(
        f"{path} cannot be written ({error.strerror or error}). Is the disk full, or the file open in another "
        "program? What was graded is kept: run the same command again with --resume."
    )
