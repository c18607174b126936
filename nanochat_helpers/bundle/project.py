"""The files of NanoChat's folder that go into a bundle: students get no solutions and no answers.

In: the folder of the project. Out: a copy. The teacher's own changes to the lessons come along.
"""

import shutil
from pathlib import Path

from ..errors import BundleError

STUDENTS = (
    "notebooks",
    "exercises",
    "nanochat_helpers",
    "start.py",
    "pyproject.toml",
    "requirements.lock",
    "README.md",
    "LICENSE",
)
TEACHERS = (*STUDENTS, "solutions", "teaching", "tests", "benchmarks", "space", "environment.yml", ".gitignore")
_LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", ".ipynb_checkpoints", ".DS_Store", "*.egg-info", ".~*")


def check_project(folder: Path) -> Path:
    """The folder, if it is a whole copy of NanoChat. Raises BundleError."""
    missing = [name for name in STUDENTS if not (folder / name).exists()]
    if missing:
        raise BundleError(
            f"{folder} is no whole copy of NanoChat (it has no {missing[0]}): go to the folder with start.py, or name "
            "it by --folder."
        )
    return folder


def copy_project(folder: Path, target: Path, *, for_teacher: bool) -> None:
    """Copy the project to a new place, over an older copy."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in TEACHERS if for_teacher else STUDENTS:
        source = folder / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=_LEFT_OUT)
        elif source.exists():
            shutil.copy2(source, target / name)
