"""What holds a student's code in: namespaces and a filter of system calls on Linux, limits of time and size everywhere.

In: the process itself, which gives up rights that it never gets back. Nothing here runs the student's code.
Sources: namespaces(7), mount_setattr(2), pivot_root(2), seccomp(2), setrlimit(2).
"""

import contextlib
import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

FOLDER = "/sheet"  # the student's own, empty and thrown away
FOLDER_MB, FILE_MB, OPEN_FILES, FILES = 32, 16, 64, 4000

NEW_NS, NEW_UTS, NEW_IPC, NEW_USER, NEW_PID, NEW_NET = 0x20000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000
BIND, REC, PRIVATE, NOSUID, NODEV, DETACH = 4096, 16384, 1 << 18, 2, 4, 2
AT_FDCWD, AT_RECURSIVE, READ_ONLY = -100, 0x8000, 1
MOUNT_SETATTR = 442  # the same number on all processors
NO_NEW_PRIVS, SET_SECCOMP, DEATH_SIGNAL = 38, 22, 1
DEVICES = ("null", "zero", "random", "urandom")

libc = ctypes.CDLL(None, use_errno=True)


class WallsError(OSError):
    """The stronger walls are not allowed on this machine."""


def _call(name, *arguments):
    """Call a function of the C library. Raises WallsError where it fails."""
    function = getattr(libc, name, None)
    if function is None:
        raise WallsError(f"there is no {name} here")
    if function(*arguments) < 0:
        number = ctypes.get_errno()
        raise WallsError(number, f"{name}: {os.strerror(number)}")


# --- namespaces


def leave_the_machine() -> int:
    """Enter new namespaces, as number 1 of a process tree that ends with this process; give that namespace's handle.

    The process that called only waits from now on, and ends as its child does. Raises WallsError.
    """
    user, group = os.getuid(), os.getgid()
    _call("unshare", NEW_USER | NEW_NS | NEW_PID | NEW_NET | NEW_IPC | NEW_UTS)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        Path(f"/proc/self/{name}").write_text(text)
    child = os.fork()
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) & 255)
    end_with_parent()
    return os.open("/proc/self/ns/pid", os.O_RDONLY)


def end_with_parent() -> None:
    """On Linux: be killed when the parent ends, however it ends."""
    with contextlib.suppress(OSError):
        _call("prctl", DEATH_SIGNAL, 9, 0, 0, 0)


def hide_the_files(root: Path, shown: Iterable[Path], hidden: Iterable[Path]) -> None:
    """See nothing but these files and folders, read-only, and of them not the hidden ones. root: an empty folder.

    Raises WallsError.
    """
    _call("mount", b"none", b"/", None, REC | PRIVATE, None)
    _mount_memory(root, 4)
    for path in _outermost(shown):
        _show(path, root)
    for name in DEVICES:
        _show(Path("/dev", name), root)
    for path in hidden:
        _cover(root / path.relative_to("/"))
    (root / FOLDER[1:]).mkdir(parents=True, exist_ok=True)
    _call("mount_setattr" if hasattr(libc, "mount_setattr") else "syscall", *_read_only(root))
    os.chdir(root)
    _call("syscall", _NUMBERS["pivot_root"], b".", b".")  # the new root lies over the old one, which then goes
    _call("umount2", b".", DETACH)
    os.chdir("/")


def _read_only(root):
    attributes = ctypes.create_string_buffer(struct.pack("QQQQ", READ_ONLY, 0, 0, 0))
    arguments = (AT_FDCWD, str(root).encode(), AT_RECURSIVE, attributes, 32)
    return arguments if hasattr(libc, "mount_setattr") else (MOUNT_SETATTR, *arguments)


def _mount_memory(place, megabytes):
    options = f"size={megabytes}m,nr_inodes={FILES},mode=755".encode()
    _call("mount", b"tmpfs", str(place).encode(), b"tmpfs", NOSUID | NODEV, options)


def _outermost(paths):
    """The paths without those that lie in another one of them."""
    chosen: list[Path] = []
    for path in sorted(set(paths), key=lambda path: len(path.parts)):
        if path.exists() and not any(path.is_relative_to(other) for other in chosen):
            chosen.append(path)
    return chosen


def _show(path, root):
    target = root / path.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():  # /lib → usr/lib
        target.symlink_to(path.readlink())
        return
    target.mkdir(exist_ok=True) if path.is_dir() else target.touch()
    _call("mount", str(path).encode(), str(target).encode(), None, BIND | REC, None)


def _cover(path):
    """Put nothing in the place of a file or a folder."""
    if path.is_dir():
        _mount_memory(path, 1)
    elif path.exists():
        _call("mount", b"/dev/null", str(path).encode(), None, BIND, None)


def begin_a_process_tree(handle: int) -> None:
    """The next child is number 1 of a tree of its own. handle: what `leave_the_machine` gave. Raises WallsError."""
    _call("setns", handle, NEW_PID)
    _call("unshare", NEW_PID)


def enter_own_folder() -> None:
    """In the child: an empty folder that nobody else sees. Raises WallsError."""
    _call("unshare", NEW_NS)
    _mount_memory(FOLDER, FOLDER_MB)
    os.chdir(FOLDER)


# --- system calls

# What a student's code never needs, by its number on x86-64 and on arm64 (0 where there is none).
_CALLS = {
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "fork": (57, 0), "vfork": (58, 0), "execve": (59, 221), "execveat": (322, 281),
    "kill": (62, 129), "tkill": (200, 130), "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "mount_setattr": (442, 442),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "unshare": (272, 97), "setns": (308, 268),
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "semget": (64, 190), "msgget": (68, 186),
    "memfd_create": (319, 279), "mq_open": (240, 180), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "init_module": (175, 105), "finit_module": (313, 273), "kexec_load": (246, 104), "reboot": (169, 142),
    "swapon": (167, 224), "acct": (163, 89), "quotactl": (179, 60), "mknod": (133, 0), "mknodat": (259, 33),
    "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265), "personality": (135, 92),
    "sethostname": (170, 161), "setdomainname": (171, 162), "setsid": (112, 157), "setpgid": (109, 154),
    "setrlimit": (160, 164), "timer_create": (222, 107), "syslog": (103, 116), "kcmp": (312, 272),
    "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setaffinity": (203, 122),
    "sched_setscheduler": (144, 119), "sched_setparam": (142, 118), "sched_setattr": (314, 274),
    "migrate_pages": (256, 238), "move_pages": (279, 239), "process_madvise": (440, 440),
    "process_mrelease": (448, 448), "memfd_secret": (447, 447), "fanotify_init": (300, 262),
    "semop": (65, 193), "semctl": (66, 191), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187),
    "mq_unlink": (241, 181), "swapoff": (168, 225), "delete_module": (176, 106), "kexec_file_load": (320, 294),
}  # fmt: skip
# Calls that depend on an argument, which is 64 bits in two halves: (numbers, place of the argument, which half, whether
# only these values are fine or only these are not, values). None stands for the number of this process.
ONLY, NOT = True, False
_ARGUMENTS = (
    ((234, 131), 0, 0, ONLY, (None,)),  # tgkill: signals to this process,
    ((234, 131), 2, 0, NOT, (9,)),  # but not the one that also the system ends it with
    ((302, 261), 2, 0, ONLY, (0,)), ((302, 261), 2, 1, ONLY, (0,)),  # prlimit: ask for limits
    ((157, 167), 0, 0, NOT, (1,)),  # prctl: not outlive the parent
    ((72, 25), 1, 0, NOT, (8, 10, 15)),  # fcntl: no signals to others by way of a file,
    ((16, 29), 1, 0, NOT, (0x8901, 0x8902, 0x5412)),  # nor by ioctl; and no typing for others
)  # fmt: skip
_MACHINE = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}.get(platform.machine())
_NUMBERS = {name: numbers[_MACHINE[0]] for name, numbers in _CALLS.items()} if _MACHINE else {}
_CLONE, _CLONE3, THREAD = {0: 56, 1: 220}.get(_MACHINE[0] if _MACHINE else 0), 435, 0x10000
LOAD, JUMP, JUMP_EQUAL, JUMP_OVER, JUMP_SET, RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, REFUSE, NOT_THERE = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026  # the last two: EPERM, ENOSYS


def refuse_system_calls() -> None:
    """No sockets, no programs, no processes but threads, no mounts: each attempt fails. Raises WallsError."""
    if not _MACHINE:
        raise WallsError(f"no filter of system calls for {platform.machine()}")
    program = b"".join(_filter())
    code = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    _call("prctl", NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("prctl", SET_SECCOMP, 2, head, 0, 0)


def _filter():
    """The filter as instructions of the Berkeley packet filter."""

    def step(code, value, if_true=0, if_false=0):
        return struct.pack("HBBI", code, if_true, if_false, value)

    yield step(LOAD, 4)  # the processor: the numbers below hold for one only
    yield step(JUMP_EQUAL, _MACHINE[1], 1, 0)
    yield step(RETURN, KILL)
    yield step(LOAD, 0)  # the number of the call
    yield step(JUMP_OVER, 0x40000000, 0, 1)  # the same calls by other numbers (x32)
    yield step(RETURN, KILL)
    for number in sorted({*_NUMBERS.values()} - {0}):
        yield step(JUMP_EQUAL, number, 0, 1)
        yield step(RETURN, REFUSE)
    yield step(JUMP_EQUAL, _CLONE3, 0, 1)  # its flags cannot be seen: C libraries then use clone
    yield step(RETURN, NOT_THERE)
    yield step(JUMP_EQUAL, _CLONE, 0, 3)
    yield step(LOAD, 16)  # its flags
    yield step(JUMP_SET, THREAD, 1, 0)
    yield step(RETURN, REFUSE)
    for numbers, place, half, only, values in _ARGUMENTS:
        yield step(LOAD, 0)
        yield step(JUMP_EQUAL, numbers[_MACHINE[0]], 0, len(values) + (2 if only else 3))
        yield step(LOAD, 16 + 8 * place + 4 * half)
        for n, value in enumerate(values):
            yield step(JUMP_EQUAL, os.getpid() if value is None else value, len(values) - n, 0)
        if not only:
            yield step(JUMP, 1)
        yield step(RETURN, REFUSE)
    yield step(RETURN, ALLOW)


def drop_capabilities() -> None:
    """On Linux: be nobody special, also where the user is root. Raises WallsError."""
    if sys.platform == "linux":
        head = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0))
        _call("capset", head, ctypes.create_string_buffer(24))


# --- files, where there are no namespaces

RULES, RULE, RESTRICT = 444, 445, 446  # the calls of landlock(7), with the same numbers on all processors
WRITE_FILE, READ_FILE, READ_DIR = 2, 4, 8
RIGHTS = (13, 14, 15, 15, 16)  # how many there are in its first versions
SCOPES = 3  # no signals to others, and none of their sockets


def refuse_files(shown: Iterable[str], hidden: Iterable[str], folder: Path) -> None:
    """See nothing but these files and folders, and of them not the hidden ones; write in `folder` only.

    Rights (of files) and the list of files still can be looked at. Raises WallsError where the system is too old.
    """
    version = libc.syscall(RULES, None, 0, 1)
    if version < 1:
        raise WallsError("no landlock here")
    rights = (1 << RIGHTS[min(version, len(RIGHTS)) - 1]) - 1
    asked = struct.pack("QQQ", rights, 0, SCOPES if version >= 6 else 0)[: 24 if version >= 6 else 8]
    rules = libc.syscall(RULES, asked, len(asked), 0)
    for path, right in _rights(_outermost(map(Path, shown)), [*map(Path, hidden)]):
        _allow(rules, path, right)
    for name in DEVICES:
        _allow(rules, Path("/dev", name), READ_FILE | WRITE_FILE)
    _allow(rules, folder, rights)
    _call("prctl", NO_NEW_PRIVS, 1, 0, 0, 0)
    _call("syscall", RESTRICT, rules, 0)
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
        _call("syscall", RULE, rules, 1, struct.pack("=Qi", right, handle), 0)
    finally:
        os.close(handle)


# --- limits


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


# --- in Python


def tell_what_is_off(allowed: Sequence[str], hidden: Sequence[str], *, weak: bool) -> None:
    """Answer attempts at the network or at other programs in words.

    weak: nothing else stands in the way, so files are watched here, too, as far as Python knows of it: those in the
    folders `allowed` may be written, and those in `hidden` not even be read.
    """

    def hook(event, arguments):
        if event.startswith(NETWORK):
            raise PermissionError("the network is off while a sheet is graded")
        if event in PROGRAMS:
            raise PermissionError("no other program can be started while a sheet is graded")
        if weak and event == "open":
            _watch(*arguments)
        if weak and event in CHANGES and any(_is_path(each) and not _is_in(each, allowed) for each in arguments):
            raise PermissionError("files outside the sheet's folder cannot be changed while a sheet is graded")
        if weak and event in SIGNALS:
            raise PermissionError("no signals can be sent while a sheet is graded")

    def _watch(path, mode, flags):
        writes = any(sign in (mode or "") for sign in "wax+") or bool((flags or 0) & WRITING)
        if _is_in(path, hidden) or (writes and not isinstance(path, int) and not _is_in(path, [*allowed, "/dev"])):
            raise PermissionError(f"{path} cannot be opened while a sheet is graded")

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
