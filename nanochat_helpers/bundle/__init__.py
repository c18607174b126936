"""A folder for a room without internet: wheels, models and lessons, to install from a memory stick or a file share.

In: the project's folder and the systems to serve. Out: a folder with `install.py`, which needs nothing but Python.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

from .. import __version__
from ..errors import BundleError
from .project import check_project, copy_project
from .systems import find_python, find_system, this_python, this_system
from .wheels import fetch_models, fetch_packages, fetch_torch

PROJECT, WHEELS, CARD = "nanochat", "wheels", "bundle.json"


def make_bundle(
    project: Path,
    out: Path,
    *,
    systems: Sequence[str] = (),
    pythons: Sequence[str] = (),
    for_teacher: bool = False,
    say: Callable[[str], None],
) -> None:
    """Make the folder `out`, or add systems to a bundle that is there. It can be interrupted and called again.

    systems: names such as "windows-amd64"; none means this computer's. pythons: such as "3.12"; none means this one.
    Raises BundleError.
    """
    wanted = [find_system(name) for name in dict.fromkeys(systems or [this_system()])]
    versions = [find_python(version) for version in dict.fromkeys(pythons or [this_python()])]
    lock = (check_project(project) / "requirements.lock").read_text("utf-8")
    card, wheels = _open(out, lock, project), out / WHEELS
    say("Fetching the models …")
    fetch_models(wheels)
    for system in wanted:
        for python in versions:
            say(f"Fetching the packages for {system.title}, Python {python} …")
            fetch_packages(lock, system, python, wheels)
            fetch_torch(lock, system, python, wheels, say)
            card["for"] = sorted({*card["for"], f"{system.name} {python}"})
            _write_card(out, card)
    copy_project(project, out / PROJECT, for_teacher=for_teacher)
    for name in ("install.py", "READ_ME_FIRST.txt"):
        shutil.copyfile(str(files("nanochat_helpers") / "data" / "bundle" / name), out / name)
    _write_card(out, card | {"complete": True})
    say(f"The bundle is ready in {out} ({_megabytes(out):,} MB). On each computer: python install.py")


def _open(out: Path, lock: str, project: Path) -> dict:
    """What is known about the bundle in this folder; it begins anew where the packages' versions have changed."""
    fresh = {"version": __version__, "lock": hashlib.sha256(lock.encode()).hexdigest(), "for": [], "complete": False}
    if out.resolve().is_relative_to(project.resolve()):
        raise BundleError(f"The bundle cannot stand inside of NanoChat's own folder ({out}): name another place.")
    try:
        if not (out / CARD).exists() and out.exists() and any(out.iterdir()):
            raise BundleError(f"{out} holds something else: name a new folder, which is then made.")
        old = json.loads((out / CARD).read_text("utf-8")) if (out / CARD).exists() else {}
        if old.get("lock") != fresh["lock"]:
            shutil.rmtree(out / WHEELS, ignore_errors=True)
            old = {}
        (out / WHEELS).mkdir(parents=True, exist_ok=True)
        card = fresh | {"for": old.get("for", [])}
        _write_card(out, card)
    except (OSError, ValueError) as error:
        raise BundleError(f"The folder {out} cannot be used ({error}): name another place.") from None
    return card


def _write_card(out: Path, card: dict) -> None:
    """Write the card whole or not at all."""
    part = out / (CARD + ".part")
    part.write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    part.replace(out / CARD)


def _megabytes(folder: Path) -> int:
    return round(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6)
