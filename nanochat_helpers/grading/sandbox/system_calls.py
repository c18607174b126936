"""A filter of system calls: no sockets, no programs, no other processes, whatever a student's code tries.

In: the process itself, which never gets rid of the filter again. Linux only. Sources: seccomp(2), bpf(2), capget(2).
"""

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Iterator

from ...errors import WallsError
from .system import MACHINE, NO_NEW_PRIVS, SET_SECCOMP, call

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
_NUMBERS = {name: numbers[MACHINE[0]] for name, numbers in _CALLS.items()} if MACHINE else {}
_CLONE, _CLONE3, THREAD = {0: 56, 1: 220}.get(MACHINE[0] if MACHINE else 0), 435, 0x10000
LOAD, JUMP, JUMP_EQUAL, JUMP_OVER, JUMP_SET, RETURN = 0x20, 0x05, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, REFUSE, NOT_THERE = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026  # the last two: EPERM, ENOSYS


def refuse_system_calls() -> None:
    """No sockets, no programs, no processes but threads, no mounts: each attempt fails. Raises WallsError."""
    if not MACHINE:
        raise WallsError(f"no filter of system calls for {platform.machine()}")
    program = b"".join(_filter())
    code = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    call("prctl", NO_NEW_PRIVS, 1, 0, 0, 0)
    call("prctl", SET_SECCOMP, 2, head, 0, 0)


def _filter() -> Iterator[bytes]:
    """The filter as instructions of the Berkeley packet filter."""

    def step(code, value, if_true=0, if_false=0):
        return struct.pack("HBBI", code, if_true, if_false, value)

    yield step(LOAD, 4)  # the processor: the numbers below hold for one only
    yield step(JUMP_EQUAL, MACHINE[1], 1, 0)
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
        yield step(JUMP_EQUAL, numbers[MACHINE[0]], 0, len(values) + (2 if only else 3))
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
        call("capset", head, ctypes.create_string_buffer(24))
