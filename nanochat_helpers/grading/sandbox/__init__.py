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
from pathlib import Path

from ...errors import GradingError
from ...language import language
from . import wire
from .listening import Heard, reason, take
from .python_files import environment, hidden_files, shown_files
from .task import DONE, INFRA, Limits, Outcome, Problem, Task

__all__ = ["DONE", "INFRA", "MIDDLE", "STRONG", "WEAK", "Limits", "Outcome", "Problem", "Sandbox", "Task"]

START = 180.0  # seconds for the warm process to be ready: it may have to load a model
PATIENCE = 1.5  # a task may take so many times its seconds of processor time, as long as the machine goes on
LAST_RESORT = 8  # so many times, and the warm process itself is lost
STRONG, MIDDLE, WEAK = "namespaces", "landlock", "process"


class Sandbox:
    """A warm process and all that is needed to use it. It starts when it is first needed, and again should it be lost.

    imports: the code of the sheet's own imports. hidden: names of modules that no child may see. model: whether the
    model of the lessons is needed. level: "namespaces", "process", or None for the stronger one that works here.
    """

    def __init__(
        self, imports: str, hidden: Sequence[str] = (), limits: Limits | None = None, *, model: bool = False,
        level: str | None = None,
    ):  # fmt: skip
        if not hasattr(os, "fork"):
            raise GradingError("Grading needs Linux or macOS: on Windows, use WSL or Colab.")
        self.limits, self._imports, self._hidden, self._model = limits or Limits(), imports, list(hidden), model
        self._wanted = [level] if level else [STRONG, WEAK] if sys.platform == "linux" else [WEAK]
        self._process, self._socket, self._root, self._has_landlock = None, None, None, False

    @property
    def level(self) -> str:
        """Which walls hold here: "namespaces"; "landlock", where these are not allowed; or "process", limits alone.

        Raises GradingError where the warm process cannot start.
        """
        self._start()
        return MIDDLE if self._wanted[0] == WEAK and self._has_landlock else self._wanted[0]

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
        is_first = True
        while self._process is None:
            self._launch()
            try:
                self._socket.settimeout(START)
                said = wire.receive(self._socket) or {"state": "ended", "why": "it ended at once"}
            except (OSError, wire.WireError) as error:
                said = {"state": "ended", "why": str(error)}
            self._socket.settimeout(None)
            if said["state"] == "ready":
                self._has_landlock = said["landlock"]
                return
            self.close()
            if said["state"] == "ended" and is_first:  # killed, or too slow: that says nothing about these walls
                is_first = False
                continue
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
                env=environment(self._root), start_new_session=True,
            )  # fmt: skip
        wire.send(self._socket, self._settings())

    def _settings(self):
        level = self._wanted[0]
        return {
            "level": level,
            "imports": self._imports,
            "model": self._model,
            "language": language(),
            "seconds": self.limits.seconds,
            "patience": self.limits.seconds * PATIENCE,
            "memory": self.limits.memory_mb * 1024**2,
            "watch_memory": sys.platform != "linux",
            "filter": sys.platform == "linux",
            "root": str(self._root),
            "shown": [str(path) for path in shown_files()],
            "hidden": [str(path) for path in hidden_files(self._hidden)],
        }

    # --- one child

    def _run(self, task):
        own, other = socket.socketpair()
        with own:
            with other:
                socket.send_fds(self._socket, [b"!"], [other.fileno()])
            heard = Heard(secrets.token_hex(8))
            wire.send(own, self._told(task, heard.nonce), wire.MOST_TOLD)
            self._listen(own, heard)
        ended = self._how_it_ended()
        return Outcome(
            reason(ended, heard), heard.found, tuple(heard.answers), tuple(heard.problems), heard.last_cell,
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
                take(message, heard)
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
