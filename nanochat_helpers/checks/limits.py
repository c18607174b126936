"""Run code that may never end, and leave the notebook as it was: limits of time and memory, no typing, no printing.

In: a function without parameters. Out: how it ended. In the main thread of Linux and macOS a signal stops it, even in
the middle of a sleep or of a search with `re`. Anywhere else it gets a thread of its own, and that can only be stopped
between two steps of Python. A call in C that asks for no signals, such as sum() over an endless iterator, ends neither.
"""

import builtins
import contextlib
import ctypes
import io
import os
import random
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import psutil

PRINTED = 10_000  # characters that are kept of what a function prints
MEMORY = 2 * 1024**3  # bytes that may come on top, or half of what is free where that is less
DEPTH = 1_000  # calls within calls, Python's own limit: far more would end Python itself
STACK = 64 * 1024**2  # bytes of stack for a thread, which may have little otherwise: room for DEPTH calls
STEP = 0.05  # seconds between two looks at clock and memory
PATIENCE = 2.0  # seconds for a thread to listen
CHECKS = str(Path(__file__).parent)

TIME, MEMORY_FULL, INTERRUPTED = "time", "memory", "interrupted"


class Stopped(SystemExit):
    """Raised inside a function from outside. No `except Exception` catches it, and a thread ends with it silently."""


class Printed(io.StringIO):
    """Keeps the first characters of what is printed, and forgets the rest."""

    def write(self, text: str) -> int:
        """Keep the text, as long as there is room."""
        if self.tell() < PRINTED:
            super().write(text[:PRINTED])
        return len(text)

    def close(self) -> None:
        """Stay open: a function that closes its output closes nobody else's."""

    def take(self) -> str:
        """What was printed since the last time."""
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


@dataclass
class Watch:
    """Clock and memory of one run. reason: "" while all is well, later "time", "memory" or "interrupted"."""

    seconds: float
    reason: str = ""
    finished: bool = False

    def __post_init__(self):
        self.process = psutil.Process()
        self.most = self.process.memory_info().rss + min(MEMORY, psutil.virtual_memory().available // 2)
        self.deadline = time.monotonic() + self.seconds

    def over(self) -> bool:
        """Whether the run has to stop."""
        if self.finished or self.reason:
            return not self.finished
        if time.monotonic() > self.deadline:
            self.reason = TIME
        elif self.process.memory_info().rss > self.most:
            self.reason = MEMORY_FULL
        return bool(self.reason)


def run(task: Callable[[], Any], seconds: float, printed: TextIO) -> tuple[str, bool]:
    """Run a task; give the reason why it was stopped, or "", and whether it could not be stopped and still runs."""
    with undisturbed(printed):
        watch = Watch(seconds)
        in_main = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
        stuck = (_run_here if in_main else _run_in_a_thread)(task, watch)
    return watch.reason, stuck


@contextlib.contextmanager
def undisturbed(printed: TextIO) -> Iterator[None]:
    """Afterwards the streams, displays, input(), the folder, warnings and all random numbers are as before."""
    before = sys.stdout, sys.stderr, builtins.input, sys.getrecursionlimit()
    folder, put_back = _folder(), [*_library_states(), *_displays(sys.modules.get("IPython"))]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sys.stdout = sys.stderr = printed
            builtins.input = _refuse
            sys.setrecursionlimit(min(before[3], DEPTH))
            yield
    finally:
        sys.stdout, sys.stderr, builtins.input = before[:3]
        sys.setrecursionlimit(before[3])
        for put, state in put_back:
            put(state)
        if folder and folder != _folder():
            os.chdir(folder)


def _refuse(*_):
    """As input() does where nobody can type."""
    raise EOFError


def _folder():
    try:
        return Path.cwd()
    except OSError:  # somebody removed it
        return None


def _library_states():
    """Pairs of a function and what it takes to set back the random numbers, and what else torch keeps for all."""
    states = [(random.setstate, random.getstate())]
    if torch := sys.modules.get("torch"):
        states.append((torch.set_rng_state, torch.get_rng_state()))
        states.append((torch.set_default_dtype, torch.get_default_dtype()))
        states.append((torch.set_grad_enabled, torch.is_grad_enabled()))
    if numpy := sys.modules.get("numpy"):
        states.append((numpy.random.set_state, numpy.random.get_state()))
    return states


def _displays(ipython):
    """From now on nothing that is displayed reaches the notebook; gives what undoes that, as a list of one."""
    shell = ipython and ipython.get_ipython()
    if not shell:
        return []
    from IPython.core.displaypub import CapturingDisplayPublisher

    usual, shell.display_pub = shell.display_pub, CapturingDisplayPublisher()
    return [(partial(setattr, shell, "display_pub"), usual)]


def _to_the_end(task, watch):
    try:
        task()
    except Stopped:
        pass  # the watch knows why
    except KeyboardInterrupt:
        watch.reason = INTERRUPTED
    watch.finished = True


def _run_here(task, watch):
    """Run a task in this thread; the alarm of the system rings again and again until it has ended."""

    def ring(_, frame):
        if watch.over():
            _bite_next(frame)
            raise Stopped

    trace, bell, clock = sys.gettrace(), signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)
    try:  # Ctrl-C may come at any time, also while the alarm is set
        signal.signal(signal.SIGALRM, ring)
        signal.siginterrupt(signal.SIGALRM, False)  # libraries in C go on reading their files
        signal.setitimer(signal.ITIMER_REAL, STEP, STEP)
        _to_the_end(task, watch)
    except Stopped:  # it rang between the task's end and its note
        pass
    finally:
        watch.finished = True  # whatever rings now raises nothing
        signal.setitimer(signal.ITIMER_REAL, *clock)
        signal.signal(signal.SIGALRM, bell or signal.SIG_DFL)
        if watch.reason:
            sys.settrace(trace)
    return False


def _bite_next(frame: FrameType | None) -> None:
    """Let the next line of each running function raise Stopped, too: so an `except: pass` in a loop is left."""

    def bite(_, event, __):
        if event == "line":
            raise Stopped
        return bite

    while frame and frame.f_code is not _to_the_end.__code__:
        if not frame.f_code.co_filename.startswith(CHECKS):
            frame.f_trace = bite
        frame = frame.f_back
    sys.settrace(lambda *_: None)


def _run_in_a_thread(task, watch):
    """Run a task in a thread of its own; tell whether it could not be stopped."""
    worker = threading.Thread(target=_to_the_end, args=(task, watch), name="student's function", daemon=True)
    usual = threading.stack_size(STACK)
    try:
        worker.start()
    finally:
        threading.stack_size(usual)
    try:
        while worker.is_alive() and not watch.over():
            worker.join(STEP)
    except KeyboardInterrupt:
        watch.reason = INTERRUPTED
    return worker.is_alive() and not _stop(worker)


def _stop(worker):
    """Raise Stopped in a thread until it ends, or patience does; tell whether it ended."""
    deadline = time.monotonic() + PATIENCE
    while worker.is_alive() and time.monotonic() < deadline:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(worker.ident), ctypes.py_object(Stopped))
        worker.join(STEP)
    return not worker.is_alive()
