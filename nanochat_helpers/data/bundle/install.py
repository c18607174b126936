"""Install NanoChat from this folder, without a network: copy the lessons, then let their start.py do its work.

It is safe to interrupt: the same command carries on. It needs nothing but Python.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

BUNDLE = Path(__file__).resolve().parent
MARK = ".from_bundle"  # in the installed folder: which bundle it came from


class Problem(Exception):
    """Something that the person at the keyboard can put right; its text is the sentence they read."""


def read_card():
    """Return what this bundle says about itself."""
    try:
        card = json.loads((BUNDLE / "bundle.json").read_text("utf-8"))
    except (OSError, ValueError):
        raise Problem("This bundle has no readable bundle.json: copy the whole folder once more") from None
    if not card.get("complete"):
        raise Problem("This bundle was not finished: whoever made it should run the same command once more")
    return card


def check_computer(card):
    """Refuse a computer, or a Python, that the bundle was not made for."""
    system = {"Darwin": "macos"}.get(platform.system(), platform.system().lower())
    here = f"{system}-{platform.machine().lower()} {sys.version_info[0]}.{sys.version_info[1]}"
    if here not in card["for"]:
        raise Problem(
            f"This bundle is for {', '.join(card['for'])}, and this Python is {here}: start install.py with another "
            "Python, or ask for a bundle for yours"
        )
    if sys.maxsize <= 2**32:
        raise Problem("This Python has 32 bits, and NanoChat needs one of 64: install it from python.org/downloads")


def copy_lessons(folder, card):
    """Copy the project, unless this very bundle was copied there before; nobody's work is written over."""
    mark = folder / MARK
    if mark.exists() and mark.read_text("utf-8") == card["lock"]:
        return
    if folder.exists() and any(folder.iterdir()):
        raise Problem(f"{folder} holds something already, and is left as it is: name another folder")
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(BUNDLE / "nanochat", part)
    for path in [part, *part.rglob("*")]:
        path.chmod(path.stat().st_mode | 0o200)  # the copy of a file that nobody may change is another such file
    (part / MARK).write_text(card["lock"], encoding="utf-8")
    if folder.exists():
        folder.rmdir()
    part.rename(folder)


def set_up(folder):
    """Let start.py install from the bundle's wheels alone; return its exit code."""
    settings = {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": (BUNDLE / "wheels").as_uri(),  # as an address: pip would cut a path at its spaces
        "PIP_CONFIG_FILE": os.devnull,
    }
    command = [sys.executable, str(folder / "start.py"), "setup"]
    return subprocess.call(command, cwd=str(folder), env=dict(os.environ, **settings))


def main():
    """Install; return the exit code."""
    parser = argparse.ArgumentParser(description="Installs NanoChat from this folder, without a network.")
    parser.add_argument("folder", nargs="?", default="~/nanochat", help="a new folder (if nothing is said: ~/nanochat)")
    folder = Path(parser.parse_args().folder).expanduser().absolute()
    try:
        card = read_card()
        check_computer(card)
        print(f"Copying NanoChat to {folder}", flush=True)
        copy_lessons(folder, card)
        code = set_up(folder)
    except Problem as problem:
        sys.stderr.write(f"install.py: {problem}.\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\ninstall.py: Stopped: run the same command again and it carries on.\n")
        return 130
    except OSError as error:
        sys.stderr.write(f"install.py: {error}: put that right, then run the same command again.\n")
        return 1
    if code == 0:
        print(f"In the folder {folder}, this opens the first lesson: python start.py")
    return code


if __name__ == "__main__":
    sys.exit(main())
