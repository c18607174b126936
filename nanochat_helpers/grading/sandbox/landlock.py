"""Which files can be opened where a system allows no namespaces: rules of Landlock, which need no rights.

In: the process itself, which never gets rid of the rules again. Linux 5.13 or later. Source: landlock(7).
"""

import os
import struct
from collections.abc import Iterable
from pathlib import Path

from ...errors import WallsError
from .system import DEVICES, NO_NEW_PRIVS, call, libc, outermost

RULES, RULE, RESTRICT = 444, 445, 446  # the calls of landlock(7), with the same numbers on all processors
WRITE_FILE, READ_FILE, READ_DIR = 2, 4, 8
RIGHTS = (13, 14, 15, 15, 16)  # how many there are in its first versions
SCOPES = 3  # no signals to others, and none of their sockets


def version_here() -> int:
    """Which version of Landlock this system has; below 1 for none."""
    return libc.syscall(RULES, None, 0, 1)


def refuse_files(shown: Iterable[str], hidden: Iterable[str], folder: Path) -> None:
    """See nothing but these files and folders, and of them not the hidden ones; write in `folder` only.

    Rights (of files) and the list of files still can be looked at. Raises WallsError where the system is too old.
    """
    version = version_here()
    if version < 1:
        raise WallsError("no landlock here")
    rights = (1 << RIGHTS[min(version, len(RIGHTS)) - 1]) - 1
    asked = struct.pack("QQQ", rights, 0, SCOPES if version >= 6 else 0)[: 24 if version >= 6 else 8]
    rules = libc.syscall(RULES, asked, len(asked), 0)
    for path, right in _rights(outermost(map(Path, shown)), [*map(Path, hidden)]):
        _allow(rules, path, right)
    for name in DEVICES:
        _allow(rules, Path("/dev", name), READ_FILE | WRITE_FILE)
    _allow(rules, folder, rights)
    call("prctl", NO_NEW_PRIVS, 1, 0, 0, 0)
    call("syscall", RESTRICT, rules, 0)
    os.close(rules)


def _rights(paths, hidden):
    """What may be read: a folder with something hidden in it is listed only, and each of its entries looked at."""
    for path in paths:
        if any(other.is_relative_to(path) for other in hidden):
            if path.is_dir() and path not in hidden:
                yield path, READ_DIR
                yield from _rights(path.iterdir(), hidden)
        else:
            yield path, (READ_FILE | READ_DIR) if path.is_dir() else READ_FILE


def _allow(rules, path, right):
    handle = os.open(path, os.O_PATH)
    try:
        call("syscall", RULE, rules, 1, struct.pack("=Qi", right, handle), 0)
    finally:
        os.close(handle)
