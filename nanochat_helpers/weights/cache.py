"""The cache: one folder for each model, written aside and renamed, so that what is there is always whole.

    <cache>/v1/smollm2/download/    the weights as they came
    <cache>/v1/smollm2/converted/   the same weights as a folder that transformers can load

A folder counts only when its marker is in it: `nanochat.json`, written last. Reading takes no lock and writes
nothing, so a class can share one read-only cache. Change FORMAT when the layout or the conversion changes.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import ModelDamagedError, ModelError, ModelMissingError

FORMAT = 1
MARKER = "nanochat.json"


def cache_dir() -> Path:
    """Return the folder that holds all models: `NANOCHAT_CACHE`, or this user's own cache folder."""
    chosen = os.environ.get("NANOCHAT_CACHE")
    if chosen:
        try:
            return Path(chosen).expanduser().absolute()
        except RuntimeError as problem:  # ~somebody, who has no home folder here
            raise ModelError(
                f"NANOCHAT_CACHE={chosen!r} begins with the home folder of a user who is not on this machine. "
                "Set NANOCHAT_CACHE to a folder of your own."
            ) from problem
    import platformdirs

    return Path(platformdirs.user_cache_dir("nanochat", appauthor=False))


def model_dir(name: str) -> Path:
    """Return the folder of one model, whether it is there or not."""
    return cache_dir() / f"v{FORMAT}" / name


def read_marker(folder: Path) -> dict | None:
    """Return what the marker says about a finished folder; None when the folder is missing or unfinished.

    A marker in any other form than ours counts as none. Raises ModelError where reading is forbidden.
    """
    try:
        with reading():
            marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return marker if _is_marker(marker) else None


def _is_marker(marker: object) -> bool:
    if not isinstance(marker, dict) or marker.get("format") != FORMAT:
        return False
    files, texts = marker.get("files"), (marker.get("name"), marker.get("source", ""))
    return (
        all(isinstance(text, str) for text in texts)
        and isinstance(files, dict)
        and all(isinstance(size, int) for size in files.values())
    )


def seal(folder: Path, **facts: object) -> None:
    """Write the marker: the facts, and the size of every file, by which a damaged one is found later.

    All may read what is sealed, whatever the umask, because a class may share one cache.
    """
    files = (path for path in _files(folder) if path != folder / MARKER)
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    marker = {"format": FORMAT, **facts, "files": sizes}
    (folder / MARKER).write_text(json.dumps(marker, indent=1), encoding="utf-8")
    for path in (folder, *folder.rglob("*")):
        _let_all_read(path)


def check_sizes(name: str, folder: Path) -> None:
    """Raise ModelDamagedError when a file of a finished folder is missing or has lost its end.

    Raises ModelError when a file is there and may not be read.
    """
    for relative, size in (read_marker(folder) or {"files": {}})["files"].items():
        path = folder / relative
        with reading():
            found = path.stat().st_size if path.exists() else 0
        if found != size:
            raise damaged(name, path, f"{found:,} bytes instead of {size:,}")
        check_readable(path)


def check_readable(path: Path) -> None:
    """Raise ModelError when a file may not be read by this user."""
    if not os.access(path, os.R_OK):
        raise _forbidden(path)


def damaged(name: str, path: Path, why: str) -> ModelDamagedError:
    """Make the error for a file that is not what it should be."""
    return ModelDamagedError(f"{path} is damaged ({why}). {how_to_mend(name, path)}")


def how_to_mend(name: str, path: Path) -> str:
    """Say what to do about a damaged file: what NanoChat brought is brought again, your own file only you can bring."""
    if not path.is_relative_to(cache_dir()) and path.is_relative_to(Path(name).expanduser().absolute()):
        return "Copy the file again from where you have it."
    verb = "converts" if name.lower().endswith(".gguf") else "fetches"
    return f"Remove it with: nanochat models remove {name}; the next use {verb} it again."


def folder_size(folder: Path) -> int:
    """Add up the bytes in a folder; a file that goes away meanwhile counts as nothing."""
    total = 0
    for path in _files(folder):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size
    return total


@contextlib.contextmanager
def locked(name: str, home: str, *, removing: bool = False) -> Iterator[Path]:
    """Hold the right to change one model, waiting for whoever holds it; gives its folder, cleared of unfinished work.

    What a killed program left behind is in folders called `.part-…`: only the holder of the lock makes those,
    so any that are found here belong to nobody.
    """
    from filelock import FileLock

    folder = model_dir(home)
    with _explained(name, removing=removing):
        cache_dir().parent.mkdir(parents=True, exist_ok=True)
        _make_shared(cache_dir())
        _make_shared(folder.parent)
        lock = FileLock(folder.parent / f".{home}.lock")
        lock.acquire()
    try:
        with _explained(name, removing=removing):
            _make_shared(folder)
        _clear_drafts(folder)
        yield folder
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()  # succeeds only when nothing came into it
        lock.release()


@contextlib.contextmanager
def writing(name: str, folder: Path, part: str) -> Iterator[Path]:
    """Give an empty folder to write in; on leaving without an error it becomes `folder/part`, in one rename."""
    with _explained(name):
        try:
            draft = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
            yield draft
            if (folder / part).exists():
                (folder / part).rename(Path(tempfile.mkdtemp(prefix=".part-", dir=folder)) / "old")
            draft.rename(folder / part)
        finally:
            _clear_drafts(folder)


def delete(name: str, folder: Path) -> None:
    """Delete a model's folder: renamed first, so that what is left of it can never be taken for the model."""
    with _explained(name, removing=True):
        going = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
        for part in folder.iterdir():
            if part != going:
                part.rename(going / part.name)
        shutil.rmtree(going)


def _clear_drafts(folder: Path) -> None:
    for leftover in folder.glob(".part-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def require_space(name: str, folder: Path, megabytes: int) -> None:
    """Raise ModelMissingError before a long download that the disk has no room for."""
    free = shutil.disk_usage(folder).free // 1_000_000
    if free < megabytes:
        raise ModelMissingError(
            f"{name} needs {megabytes} MB of free disk space and {folder} has {free} MB. "
            "Free some space, or set NANOCHAT_CACHE to a folder on another disk."
        )


@contextlib.contextmanager
def reading() -> Iterator[None]:
    """Turn a file or folder that may not be read into one sentence."""
    try:
        yield
    except PermissionError as problem:
        raise _forbidden(Path(problem.filename or cache_dir())) from problem


def _forbidden(path: Path) -> ModelError:
    elsewhere = ", or set NANOCHAT_CACHE to a folder of your own" if path.is_relative_to(cache_dir()) else ""
    return ModelError(f"You may not read {path}. Ask who looks after it for the right to read{elsewhere}.")


@contextlib.contextmanager
def _explained(name: str, *, removing: bool = False) -> Iterator[None]:
    """Turn an error of the disk into one sentence."""
    try:
        yield
    except OSError as problem:
        if removing:
            raise ModelError(
                f"{name} cannot be removed from {cache_dir()}, where nothing can be changed "
                f"({problem.strerror or problem}). Ask who looks after it to remove the model."
            ) from problem
        if problem.errno == errno.ENOSPC:
            raise ModelMissingError(
                f"There is no room for {name} in {cache_dir()}: the disk is full. "
                "Free some space, or set NANOCHAT_CACHE to a folder on another disk."
            ) from problem
        raise ModelMissingError(
            f"{name} is not complete in {cache_dir()}, where nothing can be written ({problem.strerror or problem}). "
            "Ask who looks after it to fetch the model, or set NANOCHAT_CACHE to a folder of your own."
        ) from problem


def _make_shared(folder: Path) -> None:
    """Make a folder that all may read; one that is there already keeps the rights that its owner chose."""
    if not folder.is_dir():
        folder.mkdir(exist_ok=True)
        _let_all_read(folder)


def _let_all_read(path: Path) -> None:
    with contextlib.suppress(OSError):  # a disk that knows no rights is shared as it is
        path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o644))


def _files(folder: Path) -> Iterator[Path]:
    for root, _, names in os.walk(folder):  # which leaves out a folder that may not be read
        yield from (Path(root) / name for name in names)
