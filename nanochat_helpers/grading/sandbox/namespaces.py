"""The stronger walls: namespaces of Linux, in which a process sees no network, no other process and few files.

In: the process itself, which leaves the machine and never comes back. Sources: namespaces(7), mount_setattr(2),
pivot_root(2).
"""

import contextlib
import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from ...errors import WallsError
from .system import DEATH_SIGNAL, DEVICES, MACHINE, call, libc, outermost

FOLDER = "/sheet"  # the student's own, empty and thrown away
FOLDER_MB, FILES = 32, 4000
NEW_NS, NEW_UTS, NEW_IPC, NEW_USER, NEW_PID, NEW_NET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
BIND, REC, PRIVATE, NOSUID, NODEV, DETACH = 4096, 16384, 1 << 18, 2, 4, 2
AT_FDCWD, AT_RECURSIVE, READ_ONLY = -100, 0x8000, 1
MOUNT_SETATTR = 442  # the same number on all processors
PIVOT_ROOT = (155, 41)


def leave_the_machine() -> int:
    """Enter new namespaces, as number 1 of a process tree that ends with this process; give that namespace's handle.

    The process that called only waits from now on, and ends as its child does. Raises WallsError.
    """
    if not MACHINE:
        raise WallsError("no namespaces for this processor")
    user, group = os.getuid(), os.getgid()
    call("unshare", NEW_USER | NEW_NS | NEW_PID | NEW_NET | NEW_IPC | NEW_UTS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        Path(f"/proc/self/{name}").write_text(text)
    call("sethostname", b"sheet", 5)
    child = os.fork()
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
    end_with_parent()
    return os.open("/proc/self/ns/pid", os.O_RDONLY)


def end_with_parent() -> None:
    """On Linux: be killed when the parent ends, however it ends."""
    with contextlib.suppress(OSError):
        call("prctl", DEATH_SIGNAL, 9, 0, 0, 0)


def hide_the_files(root: Path, shown: Iterable[Path], hidden: Iterable[Path]) -> None:
    """See nothing but these files and folders, read-only, and of them not the hidden ones. root: an empty folder.

    Raises WallsError.
    """
    call("mount", b"none", b"/", None, REC | PRIVATE, None)
    _mount_memory(root, 4)
    for path in outermost(shown):
        _show(path, root)
    for name in DEVICES:
        _show(Path("/dev", name), root)
    for path in hidden:
        _cover(root / path.relative_to("/"))
    (root / FOLDER[1:]).mkdir(parents=True, exist_ok=True)
    call("mount_setattr" if hasattr(libc, "mount_setattr") else "syscall", *_read_only(root))
    os.chdir(root)
    call("syscall", PIVOT_ROOT[MACHINE[0]], b".", b".")  # the new root lies over the old one, which then goes
    call("umount2", b".", DETACH)
    os.chdir("/")


def _read_only(root):
    attributes = ctypes.create_string_buffer(struct.pack("QQQQ", READ_ONLY, 0, 0, 0))
    arguments = (AT_FDCWD, str(root).encode(), AT_RECURSIVE, attributes, 32)
    return arguments if hasattr(libc, "mount_setattr") else (MOUNT_SETATTR, *arguments)


def _mount_memory(place, megabytes):
    options = f"size={megabytes}m,nr_inodes={FILES},mode=755".encode()
    call("mount", b"tmpfs", str(place).encode(), b"tmpfs", NOSUID | NODEV, options)


def _show(path, root):
    target = root / path.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():  # /lib → usr/lib
        target.symlink_to(path.readlink())
        return
    target.mkdir(exist_ok=True) if path.is_dir() else target.touch()
    call("mount", str(path).encode(), str(target).encode(), None, BIND | REC, None)


def _cover(path):
    """Put nothing in the place of a file or a folder."""
    if path.is_dir():
        _mount_memory(path, 1)
    elif path.exists():
        call("mount", b"/dev/null", str(path).encode(), None, BIND, None)


def begin_a_process_tree(handle: int) -> None:
    """The next child is number 1 of a tree of its own. handle: what `leave_the_machine` gave. Raises WallsError."""
    call("setns", handle, NEW_PID)
    call("unshare", NEW_PID)


def enter_own_folder() -> None:
    """In the child: an empty folder that nobody else sees. Raises WallsError."""
    call("unshare", NEW_NS)
    _mount_memory(FOLDER, FOLDER_MB)
    os.chdir(FOLDER)
