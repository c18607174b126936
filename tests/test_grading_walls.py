"""What code in the sandbox can see and do: nearly nothing of this machine, and nothing of the answers."""

import ctypes
import os
import sys
from pathlib import Path

import pytest

import nanochat_helpers
from nanochat_helpers.errors import GradingError
from nanochat_helpers.grading.sandbox import STRONG, WEAK, Limits, Sandbox, Task, landlock, system, system_calls

PACKAGE = Path(nanochat_helpers.__file__).parent
PROJECT = PACKAGE.parent
HIDDEN = ["nanochat_helpers.checks.sheets"]
SECRET = "the-teachers-secret"
LANDLOCK = sys.platform == "linux" and ctypes.CDLL(None).syscall(landlock.RULES, None, 0, 1) > 0


@pytest.fixture(scope="module", params=[STRONG, WEAK])
def box(request):
    os.environ["TEACHERS_KEY"] = SECRET
    made = Sandbox("import torch, numpy", HIDDEN, Limits(2, 1024), level=request.param)
    try:
        made.level  # noqa: B018 - it starts
    except GradingError:
        made = Sandbox("import torch, numpy", HIDDEN, Limits(2, 1024))
    yield made
    made.close()
    del os.environ["TEACHERS_KEY"]


def run(box, code, *args):
    """What `out` is after this code, in the sandbox."""
    lines = "".join(f"    {line}\n" for line in code.splitlines())
    source = f"def f(x):\n    out = None\n{lines}    return out"
    outcome = box.run(Task("99.1", "f(x)", (("a cell", source),), (args or (None,),)))
    assert outcome.ended == "done", outcome
    return outcome.answers[0][0]


def value(box, code, *args):
    answer = run(box, code, *args)
    assert answer.error is None, answer.error
    return answer.value


# --- network, programs, processes

LIBC = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
REFUSED = {
    "a socket": "import socket\nsocket.socket()",
    "a socket of this machine": "import socket\nsocket.socket(socket.AF_UNIX)",
    "a pair of sockets": "import socket\nsocket.socketpair()",
    "a name": "import socket\nsocket.gethostbyname('example.org')",
    "a page": "import urllib.request\nurllib.request.urlopen('http://example.org')",
    "a program": "import subprocess\nsubprocess.run(['true'])",
    "a shell": "import os\nos.system('true')",
    "exec": "import os\nos.execv('/bin/true', ['true'])",
    "posix_spawn": "import os\nos.posix_spawn('/bin/true', ['true'], {})",
    "fork": "import os\nos.fork()",
    "a process": "import multiprocessing\nmultiprocessing.get_context('fork').Process(target=print).start()",
    "a pool": "import multiprocessing\nmultiprocessing.get_context('spawn').Pool(1)",
    "a signal": "import os\nos.kill(os.getppid() or 1, 0)",
    "a mount": LIBC + "if libc.mount(b'none', b'/', b'tmpfs', 0, None) < 0: raise OSError",
    "more limits": "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (resource.RLIM_INFINITY,) * 2)",
    "less limits": "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (0, 0))",
    "limits of others": "import resource, os\nresource.prlimit(os.getppid() or 1, resource.RLIMIT_CPU, (0, 0))",
    "owner of a file": "import fcntl, os\nfcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, 1)",
    "another user": "import os\nos.setuid(12345)\nopen('/etc/shadow')",
    "a device": "import os\nos.mknod('a', 0o60666, os.makedev(8, 0))",
    "a library of programs": "import pty\npty.spawn('true')",
    "priority": "import os\nos.setpriority(os.PRIO_USER, 0, 5)",
    "memory without a file": "import os\nos.memfd_create('a')",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_exercise_never_needs_is_refused(box, name):
    assert isinstance(run(box, REFUSED[name]).error, OSError | ValueError | ImportError)


# What Python itself cannot see, by the number of the call: (name, arguments).
CALLS = {
    "socket": (1, 1, 0), "socketpair": (1, 1, 0, 0), "fork": (), "vfork": (), "execve": (0, 0, 0),
    "execveat": (-100, 0, 0, 0, 0), "kill": (1, 0), "tkill": (1, 0), "ptrace": (0, 0, 0, 0), "unshare": (0,),
    "process_vm_readv": (1, 0, 0, 0, 0, 0), "pidfd_open": (1, 0), "setns": (3, 0), "mount": (0, 0, 0, 0, 0),
    "open_tree": (-100, 0, 0), "pivot_root": (0, 0), "chroot": (0,), "bpf": (0, 0, 0), "shmget": (0, 4096, 0o600),
    "io_uring_setup": (1, 0), "userfaultfd": (0,), "keyctl": (0, 0, 0), "memfd_create": (0, 0), "memfd_secret": (0,),
    "setsid": (), "setpgid": (0, 0), "syslog": (3, 0, 0), "timer_create": (0, 0, 0), "setrlimit": (0, 0),
    "personality": (-1,), "perf_event_open": (0, 0, -1, -1, 0), "name_to_handle_at": (0, 0, 0, 0, 0),
    "sched_setaffinity": (0, 0, 0), "fanotify_init": (0, 0), "msgctl": (0, 0, 0), "semctl": (0, 0, 0),
}  # fmt: skip
ARGUMENTS = {
    "another process gets a signal": ((234, 131), (2, 2, 0)),
    "an end that looks like the system's": ((234, 131), ("own", "own", 9)),
    "limits are set": ((302, 261), (0, 0, 1 << 33, 0)),
    "limits of another process": ((302, 261), (1, 0, 16, 0)),
    "it would outlive its parent": ((157, 167), (1, 0, 0, 0, 0)),
    "a file's signals": ((72, 25), (0, 10, 9)),
    "a file's owner": ((16, 29), (0, 0x8901, 0)),
    "typing for others": ((16, 29), (0, 0x5412, 0)),
    "a process like a thread, but none": ((56, 220), (0x100 | 17, 0, 0, 0, 0)),
    "a namespace": ((56, 220), (0x10000000 | 17, 0, 0, 0, 0)),
}
ASK = LIBC + (
    "arguments = [os.getpid() if each == 'own' else each for each in x[1:]]\n"
    "ctypes.set_errno(0)\n"
    "came = libc.syscall(x[0], *map(ctypes.c_long, arguments))\n"
    "out = [came, ctypes.get_errno()]"
)
PERMISSION = [-1, 1]  # EPERM


def numbers_of(pair):
    return pair[system.MACHINE[0]]


def test_system_calls_are_refused_by_their_numbers(box):
    for name, arguments in CALLS.items():
        if number := system_calls._NUMBERS.get(name):
            assert (name, value(box, ASK, [number, *arguments])) == (name, PERMISSION)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_system_calls_are_refused_by_their_arguments(box, name):
    if not system.MACHINE:
        return  # no filter for this system
    numbers, arguments = ARGUMENTS[name]
    assert value(box, ASK, [numbers_of(numbers), *arguments]) == PERMISSION


def test_a_new_way_to_make_processes_is_said_not_to_be_there(box):
    if system.MACHINE:
        assert value(box, ASK, [435, 0, 0]) == [-1, 38]  # clone3: ENOSYS, so that C libraries take another way


def test_calls_by_other_numbers_end_the_process(box):
    source = LIBC + "libc.syscall(0x40000000 + 41, 1, 1, 0)\ndef f(x): return 1"
    assert box.run(Task("99.1", "f(x)", (("a", source),), ((1,),))).ended == "crash"


def test_what_python_needs_still_works(box):
    code = (
        "import threading, resource, fcntl, signal, time, tempfile, os, torch, json, csv, sqlite3\n"
        "out = []\n"
        "thread = threading.Thread(target=out.append, args=(1,)); thread.start(); thread.join()\n"
        "resource.getrlimit(resource.RLIMIT_CPU)\n"
        "with tempfile.TemporaryFile() as file: file.write(b'a'); fcntl.fcntl(file, fcntl.F_GETFL)\n"
        "signal.signal(signal.SIGALRM, lambda *_: out.append(2)); signal.setitimer(signal.ITIMER_REAL, 0.01)\n"
        "signal.pause() if False else time.sleep(0.05)\n"
        "os.mkdir('a'); open('a/b', 'w').write('c'); os.rename('a/b', 'd'); os.remove('d'); os.rmdir('a')\n"
        "torch.nn.Linear(2, 2)(torch.ones(2)).sum().backward()\n"
        "torch.save([1], 'x.pt'); out.append(torch.load('x.pt'))"
    )
    assert value(box, code) == [1, 2, [1]]


def test_no_rights_are_left(box):
    code = LIBC + (
        "import struct\n"
        "data = ctypes.create_string_buffer(24)\n"
        "libc.capget(ctypes.create_string_buffer(struct.pack('Ii', 0x20080522, 0)), data)\n"
        "out = [data.raw, libc.prctl(39, 0, 0, 0, 0)]"
    )
    assert value(box, code) == [bytes(24), 1]


def test_a_child_has_no_more_open_files_than_its_channel_and_its_end(box):
    code = (
        "import os, stat\nout = []\nfor n in range(3, 4096):\n"
        "    try: mode = os.fstat(n).st_mode\n"
        "    except OSError: continue\n"
        "    out.append('socket' if stat.S_ISSOCK(mode) else 'pipe' if stat.S_ISFIFO(mode) else\n"
        "               'device' if stat.S_ISCHR(mode) else 'other')"
    )
    kinds = value(box, code)
    assert kinds.count("socket") == kinds.count("pipe") == 1
    assert "other" not in kinds


# --- files

WALK = """
import os
out = []
for top, folders, files in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(top, name) + "/" not in x]
    for name in files:
        path = os.path.join(top, name)
        try:
            open(path, "rb").close()
        except OSError:
            continue
        out.append(path)
"""


def test_with_namespaces_the_only_files_are_pythons_own(box):
    if box.level != STRONG:
        return
    libraries = [
        Path(prefix, name) for prefix in (sys.prefix, sys.base_prefix, "/usr", "/") for name in ("lib", "lib64")
    ]
    shown = [*libraries, *(path for path in map(Path, sys.path) if path.name in ("site-packages", "dist-packages"))]
    seen = value(box, WALK, [f"{path}/" for path in [*shown, "/usr/share/zoneinfo"]])
    package = [path for path in seen if path.startswith(f"{PACKAGE}/")]
    devices = {f"/dev/{name}" for name in system.DEVICES}
    assert set(seen) - set(package) - devices <= {"/etc/ld.so.cache", "/etc/localtime"}
    assert f"{PACKAGE}/checks/exercise.py" in package
    assert not [path for path in package if "/checks/sheets" in path]
    assert not [path for path in seen if path.startswith(str(PROJECT)) and path not in package]


def test_with_namespaces_there_is_no_proc_no_sys_no_home_and_no_other_process(box):
    if box.level != STRONG:
        return
    code = "import os\nout = [os.path.exists(x) for x in ('/proc', '/sys', '/home', '/var', '/etc/passwd')]"
    assert value(box, code) == [False] * 5
    assert value(box, "import os\nout = [os.getpid(), os.getppid(), os.listdir(), os.getcwd()]") == [1, 0, [], "/sheet"]


SECRETS = ["solutions/03_next_token.ipynb", "exercises/03_next_token.ipynb", "tests/conftest.py", "pyproject.toml"]


@pytest.mark.parametrize("how", ["python", "libc", "torch"])
def test_no_secret_can_be_read(box, how):
    if how != "python" and box.level == WEAK and not LANDLOCK:
        return
    read = {
        "python": "open(path).close(); out.append(path)",
        "libc": "out += [path] if libc.open(os.fsencode(path), 0) >= 0 else []",
        "torch": "torch.from_file(path, size=2, dtype=torch.uint8); out.append(path)",
    }[how]
    paths = [*(str(PROJECT / name) for name in SECRETS), *map(str, (PACKAGE / "checks" / "sheets").rglob("*.py*"))]
    paths += ["/etc/shadow", "/proc/1/environ", "/proc/self/mem", f"/proc/{os.getpid()}/environ", "/proc/self/cmdline"]
    if not LANDLOCK and box.level == WEAK:
        paths = [path for path in paths if "/checks/sheets/" in path]
    assert all(Path(path).exists() for path in paths)
    code = LIBC + f"import torch\nout = []\nfor path in x:\n    try: {read}\n    except Exception: pass"
    assert value(box, code, paths) == []


@pytest.mark.parametrize("how", ["python", "libc"])
def test_nothing_can_be_written_outside_its_folder(box, how, tmp_path):
    if how == "libc" and box.level == WEAK and not LANDLOCK:
        return
    victim = tmp_path / "victim.txt"
    victim.write_text("mine")
    (tmp_path / "empty").mkdir()
    tries = {
        "python": "open(x + '/victim.txt', 'w').close()|os.remove(x + '/victim.txt')|os.rename(x + '/victim.txt', 'a')|"
        "os.mkdir(x + '/new')|os.rmdir(x + '/empty')|os.truncate(x + '/victim.txt', 0)|os.symlink('a', x + '/link')|"
        "os.chmod(x + '/victim.txt', 0)|os.link(x + '/victim.txt', 'b')|open(package + '/__init__.py', 'a').close()|"
        "open('/dev/sda', 'w')|open('/tmp/left_by_a_test', 'w')",
        "libc": "libc.unlink(path)|libc.open(path, 1)|libc.open(path, 514)|libc.rename(path, b'a')|libc.rmdir(empty)|"
        "libc.truncate(path, 0)|libc.mkdir(x.encode() + b'/new', 0o777)|libc.link(path, b'b')",
    }[how]
    code = (
        LIBC
        + f"package = {str(PACKAGE)!r}\npath, empty = x.encode() + b'/victim.txt', x.encode() + b'/empty'\nout = []\n"
    )
    for each in tries.split("|"):
        said = f"if (lambda came: came is None or came == 0 or came and came != -1)({each})" if how == "libc" else each
        said = f"{said}: out.append({each!r})" if how == "libc" else f"{said}; out.append({each!r})"
        code += f"try:\n    {said}\nexcept OSError: pass\n"
    assert value(box, code, str(tmp_path)) == []
    assert victim.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "victim.txt"]


def test_the_references_are_neither_on_disk_nor_in_memory(box):
    code = (
        "import gc, sys, importlib, pkgutil, types\n"
        "import nanochat_helpers.checks as checks\n"
        "out = [name for name in sys.modules if name.startswith('nanochat_helpers.checks.sheets.')]\n"
        "for module in x:\n"
        "    try: importlib.import_module('nanochat_helpers.checks.sheets.' + module); out.append(module)\n"
        "    except (ImportError, OSError): pass\n"
        "out += [each.id for each in gc.get_objects() if type(each).__name__ == 'Exercise' and each.id != '99.1']\n"
        "gc.unfreeze()\n"
        "out += [each.__name__ for each in gc.get_objects() if isinstance(each, types.FunctionType)\n"
        "        and 'checks/sheets/' in each.__code__.co_filename and '__init__' not in each.__code__.co_filename]\n"
        "out += [type(each).__name__ for each in gc.get_objects() if type(each).__name__ == 'Misconception']"
    )
    names = [path.stem for path in (PACKAGE / "checks" / "sheets").glob("[a-z]*.py")]
    assert len(names) > 10
    assert value(box, code, names) == []


def test_no_secret_of_the_environment_is_there(box):
    code = LIBC + (
        "libc.getenv.restype = ctypes.c_char_p\n"
        "out = [sorted(os.environ), libc.getenv(b'TEACHERS_KEY'), [v for v in os.environ.values() if x in v]]"
    )
    names, by_libc, found = value(box, code, SECRET)
    assert "TEACHERS_KEY" not in names
    assert (by_libc, found) == (None, [])
    assert "HF_TOKEN" not in names


def test_where_landlock_holds_other_processes_cannot_be_looked_into(box):
    if box.level != WEAK or not LANDLOCK:
        return
    code = (
        "import os\nout = []\nfor pid in (x, os.getppid(), os.getpid()):\n    for name in ('mem', 'maps', 'environ'):\n"
    )
    code += (
        "        try: open(f'/proc/{pid}/{name}', 'rb').close(); out.append([pid, name])\n        except OSError: pass"
    )
    assert value(box, code, os.getpid()) == []
