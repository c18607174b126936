"""Kernels that start at once and share what they import: for a JupyterHub with many students on one computer.

    python warm_kernels.py serve SOCKET            has imported torch and transformers, and forks a kernel when asked
    python warm_kernels.py kernel SOCKET FILE      what Jupyter starts as a student's kernel; it asks, and waits for it
    python warm_kernels.py install SOCKET FOLDER   writes a kernel "python3" into FOLDER, to be named by JUPYTER_PATH

`serve` runs as root, so that a kernel can be each student's own: the fork becomes the user who asked (the system says
who that is) before it reads a word of what was asked. Where nobody serves, a kernel starts in the usual way.
"""

import contextlib
import ctypes
import gc
import json
import os
import signal
import socket
import struct
import sys
import threading
from pathlib import Path

WARM = ("torch", "transformers.models.llama.modeling_llama", "ipykernel.kernelapp", "ipywidgets", "matplotlib.pyplot",
        "jedi", "nanochat_helpers.models", "nanochat_helpers.backbones.local", "nanochat_helpers.generation",
        "nanochat_helpers.chat")  # fmt: skip
MOST_KERNELS = 200
# What jupyterhub_config.py says to each new program, here for one that runs: glibc's M_ARENA_MAX, M_TRIM_THRESHOLD
# and M_MMAP_THRESHOLD.
MALLOC = {-8: 2, -1: 131072, -3: 131072}


# --- the one that forks


def serve(place: str) -> None:
    """Import what is heavy, once for all; then fork a kernel for each who asks."""
    os.environ.update({"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "MPLBACKEND": "agg"})
    os.environ["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] = "32"  # see jupyterhub_config.py
    for option, value in MALLOC.items():
        ctypes.CDLL(None).mallopt(option, value)
    for name in WARM:
        __import__(name)
    from nanochat_helpers.errors import ModelError
    from nanochat_helpers.models import keep_ready

    with contextlib.suppress(ModelError):  # then each kernel loads it, and says what is wrong
        keep_ready("smollm2")
    if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208 (names are enough)
        sys.exit("Something has started a thread, which would be missing in each kernel.")
    gc.collect()
    gc.freeze()  # what the collector never looks at again is never written to, and stays shared
    Path(place).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(place)
        os.chmod(place, 0o666)  # noqa: PTH101 (whoever asks gets a kernel of their own, and nothing else)
        door.listen(64)
        door.settimeout(5)
        children: set[int] = set()
        while True:
            _answer(door, children)


def _answer(door: socket.socket, children: set[int]) -> None:
    with contextlib.suppress(TimeoutError):
        line, _ = door.accept()
        with line:
            if len(children) < MOST_KERNELS:
                child = os.fork()
                if child == 0:
                    door.close()
                    _become_a_kernel(line)
                children.add(child)
    for child in list(children):
        if os.waitpid(child, os.WNOHANG)[0]:
            children.discard(child)


def _become_a_kernel(line: socket.socket) -> None:
    """In the fork: become the user who asked, and then the kernel; never return."""
    code = 1
    try:
        line.settimeout(None)
        asker, user, group = struct.unpack("3i", line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        _become(asker, user, group)
        request, files, _, _ = socket.recv_fds(line, 2**20, 3)
        wanted = json.loads(request)
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.environ.clear()
        os.environ.update(wanted["environment"], JPY_PARENT_PID=str(os.getppid()))
        os.chdir(wanted["folder"])
        line.sendall(struct.pack("i", os.getpid()))
        threading.Thread(target=_end_with, args=(line,), daemon=True).start()
        code = _run_kernel(wanted["file"])
    finally:
        os._exit(code)


def _become(asker: int, user: int, group: int) -> None:
    os.setsid()
    if os.geteuid() == 0:
        import pwd

        _count_as(asker)
        if user:
            os.initgroups(pwd.getpwuid(user).pw_name, group)
            os.setgid(group)
            os.setuid(user)
    elif user != os.geteuid():
        raise PermissionError("somebody else's kernel")


def _count_as(asker: int) -> None:
    """Let the student's own limits of memory and time hold for the fork, too (systemd's control groups)."""
    with contextlib.suppress(OSError):
        group = Path(f"/proc/{asker}/cgroup").read_text().strip().rpartition("0::")[2]
        if group.startswith("/"):
            (Path("/sys/fs/cgroup") / group[1:] / "cgroup.procs").write_text(str(os.getpid()))


def _end_with(line: socket.socket) -> None:
    """End when the one who asked ends: Jupyter kills that one, and knows nothing of this one."""
    with contextlib.suppress(OSError):
        line.recv(1)
    os._exit(0)


def _run_kernel(file: str) -> int:
    import numpy
    from ipykernel.kernelapp import IPKernelApp

    numpy.random.seed()  # or all students would draw the same
    sys.argv = ["ipykernel_launcher.py", "-f", file]
    sys.path[0] = ""  # the notebook's own folder, as in every kernel
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115 (until the end)
    IPKernelApp.launch_instance()
    return 0


# --- the one who asks


def kernel(place: str, file: str) -> int:
    """Ask for a kernel and stand for it: pass on every interruption, and end when it ends."""
    line = socket.socket(socket.AF_UNIX)
    request = {"environment": dict(os.environ), "folder": str(Path.cwd()), "file": file}
    try:
        line.connect(place)
        socket.send_fds(line, [json.dumps(request).encode()], [0, 1, 2])
        (pid,) = struct.unpack("i", line.recv(4))
    except (OSError, struct.error):  # nobody serves, or not any more: the usual way
        os.execv(sys.executable, [sys.executable, "-m", "ipykernel_launcher", "-f", file])
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: os.kill(pid, number))
    while line.recv(1):
        pass
    return 0


def install(place: str, folder: str) -> int:
    """Write the kernel that asks, under the name that all lessons have."""
    spec = {
        "argv": [sys.executable, "-S", "-E", str(Path(__file__).resolve()), "kernel", place, "{connection_file}"],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "metadata": {"debugger": True},
    }
    home = Path(folder, "kernels", "python3")
    home.mkdir(parents=True, exist_ok=True)
    (home / "kernel.json").write_text(json.dumps(spec, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit({"serve": serve, "kernel": kernel, "install": install}[sys.argv[1]](*sys.argv[2:]))
