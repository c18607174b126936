"""Calls of the C library that Python has no name for. In: a name and arguments. Out: nothing, or a WallsError."""

import ctypes
import os
import platform
from collections.abc import Iterable
from pathlib import Path

from ...errors import WallsError

NO_NEW_PRIVS, SET_SECCOMP, DEATH_SIGNAL = 38, 22, 1  # what prctl(2) can set
LARGE_PAGE, COLLAPSE = 2 * 1024**2, 25
DEVICES = ("null", "zero", "random", "urandom")
# The place of this processor's numbers in the tables of calls, and its mark; None for one that is not in them.
MACHINE = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}.get(platform.machine())

libc = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> None:
    """Call a function of the C library. Raises WallsError where it fails."""
    function = getattr(libc, name, None)
    if function is None:
        raise WallsError(f"there is no {name} here")
    if function(*arguments) < 0:
        number = ctypes.get_errno()
        raise WallsError(number, f"{name}: {os.strerror(number)}")


def use_large_pages() -> None:
    """Keep this process's own memory in pages of 2 MB where the system can do that: a fork then copies fewer.

    Linux 6.1 or later, see MADV_COLLAPSE in madvise(2); elsewhere nothing happens.
    """
    maps = Path("/proc/self/maps")
    for line in maps.read_text().splitlines() if maps.exists() else ():
        place, rights, *_, inode = line.split()[:5]
        first, last = (int(each, 16) // LARGE_PAGE for each in place.split("-"))
        if rights == "rw-p" and inode == "0" and last > first + 1:
            length = ctypes.c_size_t((last - first - 1) * LARGE_PAGE)
            libc.madvise(ctypes.c_void_p((first + 1) * LARGE_PAGE), length, COLLAPSE)


def outermost(paths: Iterable[Path]) -> list[Path]:
    """The paths that exist, without those that lie in another one of them."""
    chosen: list[Path] = []
    for path in sorted(set(paths), key=lambda path: len(path.parts)):
        if path.exists() and not any(path.is_relative_to(other) for other in chosen):
            chosen.append(path)
    return chosen
