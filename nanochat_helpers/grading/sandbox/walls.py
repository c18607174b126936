"""Limits of time, memory and size for a process, and words for what it may not do; on any system with fork.

In: the process itself. What holds in code that means harm is in `namespaces`, `system_calls` and `landlock`. Source:
setrlimit(2).
"""

import contextlib
import os
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from ...language import tr

FILE_MB, OPEN_FILES = 16, 64


def limit(seconds: int, memory: int) -> None:
    """Limit this process: seconds of processor time; bytes of memory on top of what it has; files, and their size."""
    limits = {
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: FILE_MB * 1024**2,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_AS: memory,
    }
    for name, most in limits.items():
        hard = resource.getrlimit(name)[1]
        allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS knows no limit of memory: see `warm`
            resource.setrlimit(name, (allowed, allowed))


def memory_of_this_process() -> int:
    """Bytes of address space that this process has. Linux only; 0 elsewhere."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def tell_what_is_off(allowed: Sequence[str], hidden: Sequence[str], *, weak: bool) -> None:
    """Answer attempts at the network or at other programs in words.

    weak: nothing else stands in the way, so files are watched here, too, as far as Python knows of it: those in the
    folders `allowed` may be written, and those in `hidden` not even be read.
    """

    def hook(event, arguments):
        if event.startswith(NETWORK):
            raise PermissionError(tr("the network is off while a sheet is graded"))
        if event in PROGRAMS:
            raise PermissionError(tr("no other program can be started while a sheet is graded"))
        if weak and event == "open":
            _watch(*arguments)
        if weak and event in CHANGES and any(_is_path(each) and not _is_in(each, allowed) for each in arguments):
            said = tr("files outside the sheet's folder cannot be changed while a sheet is graded")
            raise PermissionError(said)
        if weak and event in SIGNALS:
            raise PermissionError(tr("no signals can be sent while a sheet is graded"))

    def _watch(path, mode, flags):
        writes = any(sign in (mode or "") for sign in "wax+") or bool((flags or 0) & WRITING)
        if _is_in(path, hidden) or (writes and not isinstance(path, int) and not _is_in(path, [*allowed, "/dev"])):
            raise PermissionError(tr("{file} cannot be opened while a sheet is graded", file=path))

    sys.addaudithook(hook)


NETWORK = ("socket.", "urllib.", "http.", "ftplib.", "smtplib.")
PROGRAMS = ("subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn",
            "pty.spawn")  # fmt: skip
CHANGES = ("os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod",
           "os.chown", "os.lchown", "os.utime", "os.setxattr", "os.removexattr", "os.chflags")  # fmt: skip
SIGNALS = ("os.kill", "os.killpg", "signal.pthread_kill")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def _is_path(value):
    return isinstance(value, str | bytes | os.PathLike)


def _is_in(path, folders):
    if not _is_path(path):
        return False  # a file that is open already
    found = Path(os.fsdecode(path)).resolve()
    return any(found.is_relative_to(folder) for folder in folders)
