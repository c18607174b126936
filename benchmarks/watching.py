"""What can be seen of a `nanochat grade` from outside while it runs, and what is left of it afterwards.

In: what to grade. Out: a Run with its time, samples of its memory, and the processes that it left. It judges nothing:
see `grading`.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
SEED = "2026"
PATIENCE = 20.0  # seconds for processes that are about to end


@dataclass
class Watch:
    """What was seen of a running command, sample by sample: how much was done, and the MB of its processes."""

    done: list[int] = field(default_factory=list)
    parent: list[float] = field(default_factory=list)
    worker: list[float] = field(default_factory=list)  # the largest of those that it started
    sockets: int = 0

    def at(self, series: Sequence[float], part: float) -> float:
        """A figure when this part of the work was done."""
        place = next((n for n, done in enumerate(self.done) if done >= part * self.done[-1]), -1)
        return series[place] if series else float("nan")


@dataclass(frozen=True)
class Run:
    """One call of the command. until_gone: seconds after its end until the last of its processes had ended.

    left: those that were there even then, after PATIENCE seconds.
    """

    code: int
    seconds: float
    watch: Watch
    until_gone: float
    left: tuple[str, ...]
    said: str


def grade(sheet: str, submissions: Path, out: Path, jobs: int, *more: str, kill_after: float | None = None) -> Run:
    """Grade a class with the real command, in a process group of its own; kill the group after some seconds."""
    command = [sys.executable, "-m", "nanochat_helpers.cli", "grade", sheet, str(submissions), "--out", str(out)]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(made_folder(out.parent / "temporary"))}
    began, watch, said = time.perf_counter(), Watch(), out.parent / f"{out.name}.txt"
    with said.open("ab") as log:
        process = subprocess.Popen(
            [*command, "--seed", SEED, "--jobs", str(jobs), *more],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        ended = threading.Event()
        watcher = threading.Thread(target=_look, args=(process.pid, out / "journal.jsonl", watch, ended))
        watcher.start()
        try:
            process.wait(kill_after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
        seconds = time.perf_counter() - began
        ended.set()
        watcher.join()
    return Run(code, seconds, watch, *_wait_for_the_last(), said.read_text("utf-8", "replace"))


def _wait_for_the_last():
    """Seconds until all processes have ended that the command began, and those that had not by then."""
    began = time.perf_counter()
    while (left := tuple(_children())) and time.perf_counter() - began < PATIENCE:
        time.sleep(0.05)
    return time.perf_counter() - began, left


def _look(pid, journal, watch, ended):
    """Take samples until the command has ended."""
    done, read = 0, 0
    while not ended.wait(0.5):
        try:
            parent = psutil.Process(pid)
            children = parent.children()
            parent_mb, sizes, sockets = _megabytes(parent), [_megabytes(each) for each in children], 0
            sockets = sum(len(each.net_connections("inet")) for each in (parent, *children))
        except psutil.Error:  # one of them has just ended
            continue
        if journal.exists():
            with journal.open("rb") as file:
                file.seek(read)
                new = file.read()
            done, read = done + new.count(b"\n"), read + len(new)
        watch.done.append(done)
        watch.parent.append(parent_mb)
        watch.worker.append(max(sizes, default=0.0))
        watch.sockets = max(watch.sockets, sockets)


def _megabytes(process):
    return process.memory_info().rss / 2**20


def _children():
    """The processes below this one, in words; a thread that has ended, and was not waited for, is none."""
    for each in psutil.Process().children(recursive=True):
        try:
            if each.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(each.pid, os.WNOHANG)
            else:
                yield f"{each.pid} {' '.join(each.cmdline())[:80]}"
        except (psutil.Error, ChildProcessError):
            continue


def made_folder(folder: Path) -> Path:
    """The folder, made where it is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Door:
    """A port on this machine that nobody may reach; `knocks` counts who did."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port, self.knocks = self.socket.getsockname()[1], 0
        threading.Thread(target=self._wait, daemon=True).start()

    def _wait(self):
        while True:
            connection, _ = self.socket.accept()
            connection.close()
            self.knocks += 1


def files(folders: Sequence[Path], without: Path) -> dict[str, tuple[int, int]]:
    """All files in some folders: path → size and time of the last change."""
    found = {}
    for folder in folders:
        for where, inside, names in os.walk(folder):
            inside[:] = [name for name in inside if Path(where, name) != without]
            for name in names:
                path = os.path.join(where, name)  # noqa: PTH118, a Path for each of a million files takes minutes
                try:
                    about = os.lstat(path)
                except OSError:
                    continue
                found[path] = about.st_size, about.st_mtime_ns
    return found
