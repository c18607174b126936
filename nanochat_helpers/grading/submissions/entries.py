"""List everything that lies in a folder or a zip, also in zips in it, as a flat list; and read one file of it.

In: a path. Out: Entries, or bytes. Links are never followed, nothing is unpacked to disk, and what cannot be read
stands in the list with the reason. Whose it is, is decided in `owners`.
"""

import io
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ...errors import GradingError, RejectedError
from ...language import later, tr, tr_later
from .archives import LOCKED, MAX_BYTES, MAX_NAME, Archive, is_zip

NOTEBOOK, OTHER, BOX = "notebook", "other", "box"  # a box: a folder or a zip
MAX_DEPTH, MAX_FOLDER_DEPTH = 3, 20
MAX_FILES, MAX_CLASS_FILES = 10_000, 200_000  # in one student's zip or folder; in a class's zip
IGNORED = {"__MACOSX", "__pycache__", "Thumbs.db", "desktop.ini", "lost+found"}
TOO_MANY = later("there are more than {n:,} files in this folder; the rest was not looked at")
_NOTEBOOK = re.compile(r"\.ipynb(\.json|\.txt)?$", re.IGNORECASE)  # some browsers add an ending
_LINK = later("it is a link, and links are not followed: hand in the file itself")
_DEEP = later("its folders are nested more than {n} deep: hand in the notebook itself")


class Entry(NamedTuple):
    """Something that was found. parts: where it lies, below the folder that the teacher named; a zip is like a folder.

    path: the file on disk. inside: the members to follow in it. problem: why it cannot be read; note: what to know.
    """

    parts: tuple[str, ...]
    kind: str
    path: str
    inside: tuple[str, ...] = ()
    modified: float = 0
    problem: str = ""
    note: str = ""

    @property
    def name(self) -> str:
        """The name of the file itself."""
        return self.parts[-1]


@dataclass
class _Budget:
    """What may be looked at in one student's zips, and how much of it was: so one cannot use up the time of all."""

    files: int = field(default_factory=lambda: MAX_FILES)
    n_bytes: int = field(default_factory=lambda: MAX_BYTES)
    files_used: int = 0
    bytes_used: int = 0

    def open(self, opened) -> Archive:
        """A zip, if there is room for its list of members."""
        too_many = tr(
            "together with the zips around it, it holds more than {n:,} files: hand in the notebook itself",
            n=self.files,
        )
        archive = Archive(opened, self.files - self.files_used, too_many if self.files_used else "")
        self.files_used += len(archive.members)
        return archive

    def unpack(self, archive, member) -> bytes:
        """A zip in a zip, if there is room for its bytes."""
        after = self.bytes_used + member.info.file_size
        if self.bytes_used and after > self.n_bytes:
            raise RejectedError(
                tr(
                    "together with the zips around it, it is larger than {n} MB: hand in the notebook itself",
                    n=self.n_bytes // 2**20,
                )
            )
        data = archive.unpack(member)
        self.bytes_used = after
        return data


def is_notebook(name: str) -> bool:
    """Is this the name of a notebook?"""
    return bool(_NOTEBOOK.search(name))


def stem(name: str) -> str:
    """The name of a file without its ending."""
    return _NOTEBOOK.sub("", name) if is_notebook(name) else re.sub(r"\.\w{1,5}$", "", name)


def list_entries(where: Path) -> list[Entry]:
    """All that lies there. Raises GradingError for a path that is no folder, zip or notebook, or cannot be opened."""
    try:
        if where.is_dir():
            os.scandir(where).close()
            return list(_in_folder(where))
        with open_plain(where) as file:
            if is_notebook(where.name):
                return [Entry((where.name,), NOTEBOOK, str(where), modified=where.stat().st_mtime)]
            if not is_zip(file):
                raise GradingError(f"{where} is no folder, no zip and no notebook: name what was handed in.")
            try:
                opened = partial(open_plain, str(where))
                return list(_in_zip(opened, str(where), (), (), _Budget(MAX_CLASS_FILES), is_class=True))
            except RejectedError as error:
                said = tr("{file} cannot be read: {why}. Download it again.", file=where, why=error)
                raise GradingError(said) from None
    except FileNotFoundError:
        raise GradingError(f"{where} does not exist: name the folder or zip with what was handed in.") from None
    except RejectedError as error:
        raise GradingError(tr("{file} cannot be read: {why}.", file=where, why=error)) from None
    except OSError as error:
        raise GradingError(f"{where} cannot be opened ({error.strerror}).") from None


def read_file(path: Path | str, inside: tuple[str, ...] = (), limit: int = MAX_BYTES) -> bytes:
    """The bytes of a file, or of a member of a zip. Raises RejectedError for whatever is in the way."""
    try:
        with open_plain(path) as file:
            status = os.fstat(file.fileno())
            if inside:
                return _read_member(_OnDisk(str(path), status.st_size, status.st_mtime_ns), inside, limit)
            data = file.read(limit + 1) if status.st_size <= limit else b""
    except OSError as error:
        raise RejectedError(_unopened(error)) from None
    if max(status.st_size, len(data)) > limit:
        raise RejectedError(tr("it is larger than {n} MB", n=limit // 2**20))
    return data


def open_plain(path: Path | str) -> BinaryIO:
    """Open a real file: no pipe or device, which could wait for ever. Raises RejectedError or OSError."""
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise RejectedError(tr("it is no file with text in it, but a folder, a pipe or a device"))
    return os.fdopen(number, "rb")


class _OnDisk(NamedTuple):
    """A file as it is now: a changed one is another one."""

    path: str
    size: int
    changed: int


@lru_cache(maxsize=2)
def _archive(file: _OnDisk, inside):
    """The last two are kept: a class's zip is listed once, and unpacked once if it lies in a zip, not for each student.

    Two, for a student's zip in it lets go of the one before, and not of the class's. Of a zip in a zip, its bytes are
    kept (at most MAX_BYTES); of one on disk, no more than the list of its members.
    """
    if not inside:
        return Archive(partial(open_plain, file.path), MAX_CLASS_FILES)
    return Archive(partial(io.BytesIO, _read_member(file, inside)), MAX_CLASS_FILES)


def _read_member(file: _OnDisk, inside, limit=MAX_BYTES):
    *outer, name = inside
    archive = _archive(file, tuple(outer))
    if name not in archive.members:
        raise RejectedError(tr("{name} is not in the zip any more", name=repr(name)))
    return archive.unpack(archive.members[name], limit)


def _in_folder(where) -> Iterator[Entry]:
    """Walk without calling itself: a student can nest folders deeper than Python can call."""
    waiting: list[tuple[str, tuple[str, ...]]] = [(str(where), ())]
    n_seen: dict[str, int] = {}  # top folder → how much of it was looked at
    while waiting:
        folder, parts = waiting.pop()
        try:
            with os.scandir(folder) as found:
                for item in found:
                    if _is_ignored(item.name):
                        continue
                    if parts:
                        n_seen[parts[0]] = n_seen.get(parts[0], 0) + 1
                        if n_seen[parts[0]] > MAX_FILES:
                            break
                    yield from _item(item, (*parts, item.name), waiting)
        except OSError as error:
            if not parts:
                raise
            yield Entry(parts, BOX, folder, problem=_unopened(error))
    too_many = tr_later(TOO_MANY, n=MAX_FILES)
    yield from (Entry((top,), BOX, str(where), note=too_many) for top, n in n_seen.items() if n > MAX_FILES)


def _item(item, parts, waiting):
    """One thing in a folder on disk: itself, and what is in it if it is a zip; or why it cannot be looked at."""
    try:
        yield from _looked_at(item, parts, waiting)
    except OSError as error:
        yield Entry(parts, NOTEBOOK if is_notebook(item.name) else OTHER, item.path, problem=_unopened(error))


def _looked_at(item, parts, waiting):
    kind = NOTEBOOK if is_notebook(item.name) else OTHER
    if item.is_symlink():
        yield Entry(parts, kind, item.path, problem=tr_later(_LINK))
    elif item.is_dir(follow_symlinks=False):
        if kind == NOTEBOOK:
            yield Entry(parts, kind, item.path, problem=tr("it is a folder, not a notebook"))
        else:
            is_deep = len(parts) > MAX_FOLDER_DEPTH
            yield Entry(parts, BOX, item.path, problem=tr_later(_DEEP, n=MAX_FOLDER_DEPTH) if is_deep else "")
            if not is_deep:
                waiting.append((item.path, parts))
    elif not item.is_file(follow_symlinks=False):
        yield Entry(parts, kind, item.path, problem=tr("it is no file, but a pipe or a device"))
    elif item.name.lower().endswith(".zip"):
        yield from _zip_on_disk(item.path, parts)
    else:
        yield Entry(parts, kind, item.path, modified=item.stat(follow_symlinks=False).st_mtime)


def _zip_on_disk(path, parts):
    parts = (*parts[:-1], parts[-1][:-4])
    try:
        yield from _zip_box(partial(open_plain, path), path, parts, (), _Budget(n_bytes=8 * MAX_BYTES), is_class=False)
    except OSError as error:
        yield Entry(parts, BOX, path, problem=_unopened(error))


def _zip_box(opened, path, parts, inside, budget, is_class):
    """A zip and what is in it; if it cannot be listed, the reason."""
    yield Entry(parts, BOX, path, inside)
    try:
        with opened() as file:
            is_one = is_zip(file)
        if not is_one:
            raise RejectedError(tr("this is no zip, or it is damaged"))
        yield from _in_zip(opened, path, parts, inside, budget, is_class)
    except RejectedError as error:
        yield Entry(parts, BOX, path, inside, problem=str(error))


def _in_zip(opened, path, parts, inside, budget, is_class):
    archive = budget.open(opened)
    plain = [each for each in archive.members.values() if not any(map(_is_ignored, _parts(each.name)))]
    is_alone = is_class and len(plain) == 1
    for member in plain:
        place, way = (*parts, *_parts(member.name)), (*inside, member.name)
        problem = _problem(member)
        place = (*place[:MAX_FOLDER_DEPTH], *place[MAX_FOLDER_DEPTH:][-1:])  # thousands of folders fill the memory
        if place == parts:
            continue
        if not problem and not member.is_folder and member.name.lower().endswith(".zip"):
            own = _Budget() if is_class else budget
            yield from _nested(archive, member, path, (*place[:-1], place[-1][:-4]), way, own, is_alone)
        else:
            kind = BOX if member.is_folder else NOTEBOOK if is_notebook(member.name) else OTHER
            yield Entry(place, kind, path, way, member.modified, problem, _twice(member.name) if member.twice else "")


def _twice(name):
    return tr("two files in the zip are named {name}; the last was taken", name=name[:200])


def _nested(archive, member, path, parts, inside, budget, is_class):
    try:
        if len(inside) > MAX_DEPTH:
            too_deep = tr("there are zips in zips, more than {n} deep: hand in the notebook itself", n=MAX_DEPTH)
            raise RejectedError(too_deep)
        if is_class:
            budget = _Budget(MAX_CLASS_FILES)
        data = budget.unpack(archive, member)
    except RejectedError as error:
        yield Entry(parts, BOX, path, inside, problem=str(error))
        return
    yield from _zip_box(partial(io.BytesIO, data), path, parts, inside, budget, is_class)


def _parts(name):
    """The parts of a member's name, without what would lead out of a folder: they are shown, never opened."""
    return tuple(part for part in re.split(r"[/\\]", name) if part not in ("", ".", "..") and part[1:] != ":")


def _problem(member):
    parts = re.split(r"[/\\]", member.name)
    if ".." in parts or member.name[:1] in "/\\" or member.name[1:2] == ":":
        return tr("its name in the zip leads out of the zip")
    if member.is_link:
        return tr_later(_LINK)
    if len(member.name) >= MAX_NAME:
        return tr("its name in the zip is far too long")
    return tr_later(LOCKED) if member.is_locked else ""


def _unopened(error):
    return tr("it cannot be opened ({error})", error=error.strerror)


def _is_ignored(name):
    return name.startswith((".", "~$")) or name in IGNORED
