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

from ..errors import ModelDamagedError, ModelMissingError

FORMAT = 1
MARKER = "nanochat.json"


def cache_dir() -> Path:
    """Return the folder that holds all models: `NANOCHAT_CACHE`, or this user's own cache folder."""
    chosen = os.environ.get("NANOCHAT_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("nanochat", appauthor=False))


def model_dir(name: str) -> Path:
    """Return the folder of one model, whether it is there or not."""
    return cache_dir() / f"v{FORMAT}" / name


def read_marker(folder: Path) -> dict | None:
    """Return what the marker says about a finished folder; None when the folder is missing or unfinished."""
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return marker if isinstance(marker, dict) and marker.get("format") == FORMAT else None


def seal(folder: Path, **facts: object) -> None:
    """Write the marker: the facts, and the size of every file, by which a damaged one is found later."""
    files = (path for path in _files(folder) if path != folder / MARKER)
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
    marker = {"format": FORMAT, **facts, "files": sizes}
    (folder / MARKER).write_text(json.dumps(marker, indent=1), encoding="utf-8")


def check_sizes(name: str, folder: Path) -> None:
    """Raise ModelDamagedError when a file of a finished folder is missing or has lost its end."""
    for relative, size in ((read_marker(folder) or {}).get("files") or {}).items():
        path = folder / relative
        found = path.stat().st_size if path.exists() else 0
        if found != size:
            raise damaged(name, path, f"{found:,} bytes instead of {size:,}")


def damaged(name: str, path: Path, why: str) -> ModelDamagedError:
    """Make the error for a file that is not what it should be."""
    return ModelDamagedError(f"{path} is damaged ({why}). Remove the model with: nanochat models remove {name}")


def folder_size(folder: Path) -> int:
    """Add up the bytes in a folder; a file that goes away meanwhile counts as nothing."""
    total = 0
    for path in _files(folder):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size
    return total


@contextlib.contextmanager
def locked(name: str, home: str) -> Iterator[Path]:
    """Hold the right to change one model, waiting for whoever holds it; gives its folder, cleared of unfinished work.

    What a killed program left behind is in folders called `.part-…`: only the holder of the lock makes those,
    so any that are found here belong to nobody.
    """
    from filelock import FileLock

    folder = model_dir(home)
    with _explained(name):
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder.parent / f".{home}.lock")
        lock.acquire()
    try:
        with _explained(name):
            folder.mkdir(exist_ok=True)
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
            draft.chmod(0o755)  # mkdtemp makes folders private, and a class may share this one
            if (folder / part).exists():
                (folder / part).rename(Path(tempfile.mkdtemp(prefix=".part-", dir=folder)) / "old")
            draft.rename(folder / part)
        finally:
            _clear_drafts(folder)


def delete(folder: Path) -> None:
    """Delete a model's folder: renamed first, so that what is left of it can never be taken for the model."""
    with _explained(folder.name):
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
def _explained(name: str) -> Iterator[None]:
    """Turn an error of the disk into one sentence."""
    try:
        yield
    except OSError as problem:
        if problem.errno == errno.ENOSPC:
            raise ModelMissingError(
                f"There is no room for {name} in {cache_dir()}: the disk is full. "
                "Free some space, or set NANOCHAT_CACHE to a folder on another disk."
            ) from problem
        raise ModelMissingError(
            f"{name} is not complete in {cache_dir()}, where nothing can be written ({problem.strerror or problem}). "
            "Ask who looks after it to fetch the model, or set NANOCHAT_CACHE to a folder of your own."
        ) from problem


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
