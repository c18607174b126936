"""A room for a test hub: ten people with folders of their own, on this machine and without a trace on it.

As root, `python hub_room.py FOLDER COMMAND…` (inside `unshare --mount`) shows COMMAND an /etc/passwd with ten more
people, and makes what lies behind a closed door, such as /root, readable for them; both only in this process's view.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

N_STUDENTS = 10
STUDENTS = [f"nc-student{number}" for number in range(N_STUDENTS)]
FIRST_ID = 64_100
NEW_VIEW = ["unshare", "--mount", "--propagation", "private"]


def real_people() -> bool:
    """Tell whether this process may give its children a view of their own, with people of its own."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("unshare"):
        return False
    return subprocess.run([*NEW_VIEW, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0


def home(folder: Path, name: str) -> Path:
    return folder / "home" / name


def make_homes(folder: Path, real: bool) -> None:
    """A home for each student, which only that student may open."""
    folder.chmod(0o755)
    home(folder, "").mkdir(mode=0o755)
    for number, name in enumerate(STUDENTS):
        home(folder, name).mkdir(mode=0o700)
        if real:
            os.chown(home(folder, name), FIRST_ID + number, FIRST_ID + number)


def show(source: Path, place: Path) -> None:
    subprocess.run(["mount", "--rbind", source, place], check=True)


def add_people(folder: Path) -> None:
    """Lay a longer list of people over the machine's own."""
    for name, line in (("passwd", "{0}:x:{1}:{1}::{2}:/bin/sh\n"), ("group", "{0}:x:{1}:\n")):
        longer = folder / name
        new = [line.format(who, FIRST_ID + n, home(folder, who)) for n, who in enumerate(STUDENTS)]
        longer.write_text(Path("/etc", name).read_text() + "".join(new))
        longer.chmod(0o644)
        show(longer, Path("/etc", name))


def open_doors(folder: Path, paths: list[Path]) -> None:
    """Where a folder above one of the paths is closed to others, lay an open one over it that holds just that path."""
    for number, path in enumerate(paths):
        show(path, _made(folder / "kept" / str(number)))  # before its door is laid over
    for number, path in enumerate(paths):
        closed = [door for door in reversed(path.parents) if not door.stat().st_mode & 0o001]
        if closed:
            subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "none", closed[0]], check=True)
        if not path.exists():
            show(folder / "kept" / str(number), _made(path))


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


def main(folder: Path, command: list[str]) -> None:
    needed = json.loads((folder / "needed.json").read_text())
    show(Path(needed["models"]), _made(folder / "models"))
    open_doors(folder, [Path(path) for path in needed["paths"]])
    add_people(folder)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
