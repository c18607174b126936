"""Run one exercise of a student in a process that is not trusted, and bring back what it says, as data.

In: a Task: cells, a signature, cases. Out: an Outcome. A Sandbox keeps one warm process (see `warm`), which copies
itself for each task; `walls` says what a copy may do, `child` what it does, `wire` what may pass. It judges nothing.
"""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nanochat_helpers

from ...checks.calling import Answer
from ...errors import GradingError
from . import wire

START = 180.0  # seconds for the warm process to be ready: it may have to load a model
PATIENCE = 2  # a task may take so many times its seconds of processor time, as long as the machine goes on
LAST_RESORT = 8  # so many times, and the warm process itself is lost
MOST = 16_000_000  # bytes that one task may send back
DONE, INFRA = "done", "infra"
STRONG, WEAK = "namespaces", "process"
PACKAGE = Path(nanochat_helpers.__file__).parent.absolute()


@dataclass(frozen=True)
class Limits:
    """What each exercise may take: seconds of processor time, and megabytes of memory."""

    seconds: int = 10
    memory_mb: int = 1024


@dataclass(frozen=True)
class Task:
    """What a child is told, and nothing that is a secret.

    cells: (label, code), in their order. call: the module in `checks.toys` and the name of the function in it that
    calls the student's, or None. cases: the arguments of each.
    """

    id: str
    signature: str
    cells: tuple[tuple[str, str], ...]
    cases: tuple[tuple[Any, ...], ...]
    call: tuple[str, str] | None = None


@dataclass(frozen=True)
class Problem:
    """A cell that failed: its place among the cells, the error's type and words, and the line as (number, code)."""

    cell: int
    error: str
    said: str
    line: tuple[int, str] | None


@dataclass(frozen=True)
class Outcome:
    """What came of a task.

    found: what `child` says of the function: "there", "objection", "near", "others"; None where it did not come so far.
    answers: an answer and the arguments afterwards, for each case, and once more for the first.
    ended: "done", or why it ended early: "time", "memory", "output", "crash", "infra" (a fault of the grader).
    last_cell: the place of the cell that ran last. seconds: of processor time.
    """

    ended: str
    found: dict[str, Any] | None = None
    answers: tuple[tuple[Answer, tuple[Any, ...]], ...] = ()
    problems: tuple[Problem, ...] = ()
    last_cell: int = -1
    said: str = ""
    seconds: float = 0.0


@dataclass
class _Heard:
    """What a child has told so far."""

    nonce: str
    found: dict[str, Any] | None = None
    answers: list[Any] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    last_cell: int = -1
    ended: str = ""
    n_bytes: int = 0


class Sandbox:
    """A warm process and all that is needed to use it. It starts when it is first needed, and again should it be lost.

    imports: the code of the sheet's own imports. hidden: names of modules that no child may see. model: whether the
    model of the lessons is needed. level: "namespaces", "process", or None for the stronger one that works here.
    """

    def __init__(
        self, imports: str, hidden: Sequence[str] = (), limits: Limits = Limits(), *, model: bool = False,
        level: str | None = None,
    ):  # fmt: skip
        if not hasattr(os, "fork"):
            raise GradingError("Grading needs Linux or macOS: on Windows, use WSL or Colab.")
        self.limits, self._imports, self._hidden, self._model = limits, imports, list(hidden), model
        self._wanted = [level] if level else [STRONG, WEAK] if sys.platform == "linux" else [WEAK]
        self._process, self._socket, self._root = None, None, None

    @property
    def level(self) -> str:
        """Which walls hold here. Raises GradingError where the warm process cannot start."""
        self._start()
        return self._wanted[0]

    def run(self, task: Task) -> Outcome:
        """Do one task. A fault of the grader is told by `ended`; whatever the child does, this comes back."""
        try:
            self._start()
            return self._run(task)
        except (OSError, wire.WireError) as error:
            self.close()
            return Outcome(INFRA, said=f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """End the warm process, and with it whatever it started."""
        if self._socket is not None:
            self._socket.close()
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
            self._process.kill()
            self._process.wait()
        if self._root is not None:  # the process may never have come to be
            clear_away(self._root)
        self._process = self._socket = self._root = None

    # --- the warm process

    def _start(self):
        if self._process is not None and self._process.poll() is not None:
            self.close()  # it was ended between two tasks
        while self._process is None:
            self._launch()
            try:
                self._socket.settimeout(START)
                said = wire.receive(self._socket) or {"state": "ended", "why": "it ended at once"}
            except (OSError, wire.WireError) as error:
                said = {"state": "ended", "why": str(error)}
            self._socket.settimeout(None)
            if said["state"] == "ready":
                return
            self.close()
            if len(self._wanted) == 1:
                raise GradingError(f"The sandbox for students' code cannot be started: {said['why']}")
            self._wanted.pop(0)

    def _launch(self):
        self._socket, other = socket.socketpair()
        self._root = Path(tempfile.mkdtemp(prefix="nanochat-grade-")).resolve()
        command = [sys.executable, "-m", "nanochat_helpers.grading.sandbox.warm", str(other.fileno())]
        nothing = subprocess.DEVNULL
        with other:
            self._process = subprocess.Popen(
                command, pass_fds=[other.fileno()], stdin=nothing, stdout=nothing, stderr=nothing, cwd="/",
                env=_environment(self._root), start_new_session=True,
            )  # fmt: skip
        wire.send(self._socket, self._settings())

    def _settings(self):
        level = self._wanted[0]
        return {
            "level": level,
            "imports": self._imports,
            "model": self._model,
            "seconds": self.limits.seconds,
            "patience": self.limits.seconds * PATIENCE,
            "memory": self.limits.memory_mb * 1024**2,
            "watch_memory": sys.platform != "linux",
            "filter": sys.platform == "linux",
            "root": str(self._root),
            "shown": [str(path) for path in _shown()],
            "hidden": [str(path) for name in self._hidden for path in _files_of(name)],
        }

    # --- one child

    def _run(self, task):
        own, other = socket.socketpair()
        with own:
            with other:
                socket.send_fds(self._socket, [b"!"], [other.fileno()])
            heard = _Heard(secrets.token_hex(8))
            wire.send(own, self._told(task, heard.nonce), wire.MOST_TOLD)
            self._listen(own, heard)
        ended = self._how_it_ended()
        return Outcome(
            _reason(ended, heard), heard.found, tuple(heard.answers), tuple(heard.problems), heard.last_cell,
            str(ended.get("said", "")), float(ended.get("seconds", 0)),
        )  # fmt: skip

    def _told(self, task, nonce):
        return {
            "nonce": nonce, "id": task.id, "signature": task.signature, "call": task.call, "cells": task.cells,
            "cases": [wire.pack(args) for args in task.cases],
        }  # fmt: skip

    def _listen(self, channel, heard):
        """Take what the child tells until it ends; what breaks the rules ends the listening."""
        end = self._deadline()
        try:
            while not heard.ended:
                message = wire.receive(channel, end)
                if message is None:
                    return
                _take(message, heard)
        except (OSError, wire.WireError):
            heard.ended = heard.ended or "crash"

    def _deadline(self):
        return time.monotonic() + (self.limits.seconds + 5) * LAST_RESORT

    def _how_it_ended(self):
        ended = wire.receive(self._socket, self._deadline())
        if ended is None:
            raise wire.WireError("the warm process has ended")
        return ended


def clear_away(folder: Path) -> None:
    """Take away a folder, also where somebody made that hard: a thousand folders deep, or without rights."""
    with contextlib.suppress(OSError):
        folder.rmdir()  # mostly it is empty
        return
    for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
        subprocess.run([*command, folder], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def _take(message, heard):
    """Note one message of a child. Raises WireError for what is none."""
    try:
        if message["nonce"] != heard.nonce:
            raise wire.WireError("another child's message")
        heard.n_bytes += len(str(message))
        if heard.n_bytes > MOST:
            raise wire.WireError("too many messages")
        if "cell" in message:
            heard.last_cell = max(heard.last_cell, int(message["cell"]))
        elif "problem" in message:
            place, error, said, line = message["problem"]
            heard.problems.append(Problem(int(place), str(error)[:60], str(said)[:300], _line(line)))
        elif "found" in message:
            heard.found = _found(**message["found"])
        elif "answer" in message:
            heard.answers.append(wire.unpack_answer(message["answer"]))
        else:
            heard.ended = str(message["ended"])
    except wire.BROKEN as error:
        raise wire.WireError(f"no message: {type(error).__name__}") from None


def _found(there, objection, near, others):
    """What a child says of the function, cut to size."""
    return {
        "there": there is True, "objection": str(objection)[:1000], "near": str(near)[:60],
        "others": [str(other)[:60] for other in list(others)[:20]],
    }  # fmt: skip


def _line(line):
    return None if line is None else (int(line[0]), str(line[1])[:200])


def _reason(ended, heard):
    """Why a child ended: what the warm process saw counts more than what the child said."""
    if ended["why"] in ("time", "memory", INFRA):
        return ended["why"]
    if heard.ended in (DONE, "output"):
        return heard.ended
    if ended["why"] == "late":
        return "time"  # it pretended to end
    return "crash" if heard.last_cell >= 0 else INFRA  # before the first cell, all code is the grader's own


def _environment(folder):
    """What the warm process may know: where Python's packages are, and nothing of the grader's own."""
    kept = ("PATH", "HOME", "NANOCHAT_CACHE", "HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME")
    one = dict.fromkeys(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"], "1")
    fixed = {
        "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), *map(str, _packages())]),
        "PYTHONSAFEPATH": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
        "HF_HUB_OFFLINE": "1",
        "TMPDIR": str(folder),
        "IPYTHONDIR": str(folder),
    }
    return {**{name: os.environ[name] for name in kept if name in os.environ}, **one, **fixed}


def _packages():
    """The folders of installed packages; not the one in which somebody works."""
    return [Path(each) for each in sys.path if Path(each).name in ("site-packages", "dist-packages")]


def _shown():
    """The files and folders that Python needs."""
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, "/usr", "/"}  # the whole of one may hold a home, too
    python = [Path(prefix, name) for prefix in sorted(prefixes) for name in ("lib", "lib64")]
    paths = [
        *python,
        Path("/usr/share/zoneinfo"),
        PACKAGE,
        *_packages(),
        Path("/etc/ld.so.cache"),
        Path("/etc/localtime"),
    ]
    return [path.absolute() for path in paths]


def _files_of(name):
    """The file or folder of a module, and what Python keeps of it, without importing it."""
    base = PACKAGE.joinpath(*name.split(".")[1:])
    if base.is_dir():
        return [base]
    return [base.with_suffix(".py"), *base.parent.glob(f"__pycache__/{base.name}.*.pyc")]
