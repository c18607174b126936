"""What cells showed, kept from one run to the next: a lesson whose code has not changed is not run again.

In and out: the outputs of a notebook's code cells, one list for each. They lie in NanoChat's cache, as
`lessons/<name>-<code>-<package>.json`: the first number stands for the cells' code, the second for all that runs it.
"""

import contextlib
import hashlib
import json
import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from nbformat import NotebookNode, from_dict

from ..models import cache_dir

PACKAGE = Path(__file__).parents[1]
# What a lesson shows does not depend on these.
NOT_IN_LESSONS = ("publishing", "grading", "bundle", "cli.py", "data/slides", "data/site", "data/reports")
KEPT = 8  # runs of a lesson: for some versions of the package, and some languages
LIBRARIES = ("ipykernel", "ipywidgets", "matplotlib", "numpy", "tokenizers", "torch", "transformers", "xllamacpp")


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells that run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def load_outputs(path: Path, notebook: NotebookNode, *, any_package: bool = False) -> list[list] | None:
    """What the code cells showed when just this code ran, or None.

    any_package: also what an older NanoChat showed, for whoever works on slides while the package changes.
    """
    for kept in _candidates(path, notebook, any_package):
        with contextlib.suppress(OSError, ValueError):
            outputs = json.loads(kept.read_text("utf-8"))
            if isinstance(outputs, list) and len(outputs) == len(code_cells(notebook)):
                return [[from_dict(output) for output in shown] for shown in outputs]
    return None


def save_outputs(path: Path, notebook: NotebookNode) -> None:
    """Keep what the code cells show now: written aside, then renamed. A cache that is read-only stays as it is."""
    target = _file(path, notebook)
    with contextlib.suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".part-{os.getpid()}-{target.name}")
        draft.write_text(json.dumps([cell.outputs for cell in code_cells(notebook)]), "utf-8")
        draft.replace(target)
        for old in sorted(target.parent.glob(f"{path.stem}-*.json"), key=_age)[KEPT:]:
            old.unlink()


def _age(file: Path) -> float:
    return -file.stat().st_mtime


def _candidates(path: Path, notebook: NotebookNode, any_package: bool) -> list[Path]:
    exact = _file(path, notebook)
    if not any_package:
        return [exact]
    older = exact.parent.glob(f"{path.stem}-{_code_key(notebook)}-*.json")
    return [exact, *sorted(older, key=_age)]


def _file(path: Path, notebook: NotebookNode) -> Path:
    language = os.environ.get("NANOCHAT_LANGUAGE", "")
    return cache_dir() / "lessons" / f"{path.stem}-{_code_key(notebook)}-{_package_key(language)}.json"


def _code_key(notebook: NotebookNode) -> str:
    return _short(json.dumps([cell.source for cell in code_cells(notebook)]).encode())


@cache
def _package_key(language: str) -> str:
    """A number that changes with the package, with a library that a lesson uses, and with the language."""
    sources = hashlib.sha256()
    for file in sorted(file for file in PACKAGE.rglob("*") if _counts(file)):
        sources.update(file.relative_to(PACKAGE).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    versions = {name: _version(name) for name in LIBRARIES}
    return _short(json.dumps([sources.hexdigest(), versions, platform.python_version(), language]).encode())


def _counts(file: Path) -> bool:
    inside = file.relative_to(PACKAGE)
    left_out = any(inside.is_relative_to(name) for name in NOT_IN_LESSONS)
    return file.is_file() and not left_out and "__pycache__" not in inside.parts


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _short(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
