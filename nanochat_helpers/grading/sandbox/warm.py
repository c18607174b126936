"""The warm process: it has imported what a sheet needs, and copies itself for each exercise. It knows no secrets.

In: a socket, whose handle is the only argument: first the settings, then one handle of a channel for each child. Out:
how each child ended. It runs no student's code, and ends with the process that started it.
"""

import contextlib
import gc
import os
import resource
import select
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ...language import catalogue, set_language, tr
from . import STRONG, child, clear_away, landlock, namespaces, system, system_calls, walls, wire

LOOK = 0.1  # seconds between two looks at clock and memory
CLOSING = 1.0  # seconds that a child may take to end, once it has closed everything
READY, FAILED = "ready", "failed"


def main(handle: int) -> None:
    """Serve until the other side closes the socket."""
    parent = socket.socket(fileno=handle)
    settings = wire.receive(parent)
    strong = settings["level"] == STRONG
    try:
        tree = namespaces.leave_the_machine() if strong else None
        namespaces.end_with_parent()
        set_language(settings["language"])
        catalogue(settings["language"])  # read now: later its files may be out of sight
        _warm_up(settings)
        memory = walls.memory_of_this_process() + settings["memory"]
        if strong:
            shown, hidden = ([Path(path) for path in settings[name]] for name in ("shown", "hidden"))
            namespaces.hide_the_files(Path(settings["root"]), shown, hidden)
            os.umask(0o022)
    except Exception as error:
        wire.send(parent, {"state": FAILED, "why": f"{type(error).__name__}: {error}"[:500]})
        return
    wire.send(parent, {"state": READY, "landlock": sys.platform == "linux" and landlock.version_here() > 0})
    _serve(parent, {**settings, "memory": memory}, tree)


def _warm_up(settings):
    """Import what the sheet needs, so that no child has to."""
    import numpy.random
    from IPython.core import inputtransformer2

    from ... import checks

    numpy.random.seed(0)  # all children draw the same random numbers
    inputtransformer2.TransformerManager()
    # What students may leave in their cells does nothing here.
    checks.check = checks.progress = lambda *_, **__: None
    if settings["model"]:
        _load_the_model()
    exec(settings["imports"], {"__name__": "sheet"})
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
        torch.zeros(2).softmax(0)
        torch.manual_seed(0)
    gc.collect()
    gc.freeze()  # a child that tidied up all of this would have to copy it first
    system.use_large_pages()  # a copy of this process is then made in less than half of the time


def _load_the_model():
    """Load the model of the lessons, so that every child finds it in its memory."""
    import nanochat_helpers

    from ... import models
    from ...checks.toys import chatbot

    backbone = models.load_model("smollm2", engine="transformers")
    models.load_model = chatbot.load_model = nanochat_helpers.load_model = lambda *_, **__: backbone
    real = chatbot.real_model()
    real.next_token_logits(backbone.tokenizer("Hi").input_ids)


def _serve(parent, settings, tree):
    while True:
        data, handles, _, _ = socket.recv_fds(parent, 1, 1)
        if not data:
            return
        wire.send(parent, _one_child(parent, handles[0], settings, tree))


def _one_child(parent, channel, settings, tree) -> dict[str, Any]:
    """Run one child to its end; say how it ended, what it took, and whether the fault is ours."""
    ends = os.pipe()
    folder = Path(tempfile.mkdtemp(dir=settings["root"])) if tree is None else None
    try:
        if tree is not None:
            namespaces.begin_a_process_tree(tree)
        number = os.fork()
    except OSError as error:
        os.close(channel)
        for end in ends:
            os.close(end)
        return {"why": "infra", "said": str(error)}
    if number == 0:
        _be_the_child(parent, channel, ends, settings, tree, folder)
    os.close(channel)
    os.close(ends[1])
    why, said = _watch(parent, number, ends[0], settings), ""
    os.set_blocking(ends[0], False)
    with contextlib.suppress(OSError):
        said = os.read(ends[0], 500).decode(errors="replace")
    os.close(ends[0])
    killed, status, used = _end_of(number)
    _end_its_group(number)
    if folder is not None:
        clear_away(folder)
    processor = used.ru_utime + used.ru_stime
    code = os.waitstatus_to_exitcode(status)
    if killed and not why:
        why = "late"
    if not why and code == -signal.SIGKILL:  # by the system, for the filter lets nobody else do it
        slow = processor > settings["seconds"] / 2 or not settings["filter"]
        why, said = ("time", said) if slow else ("infra", tr("the system killed it: is the machine short of memory?"))
    return {"why": why, "code": code, "seconds": round(processor, 3), "said": said}


def _end_of(number):
    """Wait for a child that ends: whether it had to be killed after all, its status, and what it used."""
    end = time.monotonic() + CLOSING
    while time.monotonic() < end:
        found, status, used = os.wait4(number, os.WNOHANG)
        if found:
            return False, status, used
        time.sleep(0.001)
    os.kill(number, signal.SIGKILL)  # it has closed its end of the pipe, and is still there
    return True, *os.wait4(number, 0)[1:]


def _watch(parent, number, end, settings):
    """Wait until the child ends, or end it; why it was ended, or ""."""
    looks = round(settings["patience"] / LOOK)  # counted, as a clock would also run while this machine stands still
    while end not in (ready := select.select([end, parent], [], [], LOOK)[0]):
        looks -= 1
        if ready or looks < 0:  # the parent says nothing now, unless it is gone
            why = "time"
        elif settings["watch_memory"] and _memory(number) > settings["memory"]:
            why = "memory"
        else:
            continue
        os.kill(number, signal.SIGKILL)
        return why
    return ""


def _memory(number):
    import psutil

    try:
        return psutil.Process(number).memory_info().rss
    except psutil.Error:
        return 0


def _end_its_group(number):
    """Without namespaces, end what the child may have started in its group."""
    with contextlib.suppress(OSError):  # nothing is left of it, as it should be
        os.killpg(number, signal.SIGKILL)


def _be_the_child(parent, channel, ends, settings, tree, folder):
    """Put up the walls, then do the task; never comes back."""
    strong = settings["level"] == STRONG
    try:
        parent.close()
        os.close(ends[0])
        told = socket.socket(fileno=channel)  # later there can be no more sockets
        os.setsid()
        for name in range(3):
            os.dup2(os.open(os.devnull, os.O_RDWR), name)
        namespaces.end_with_parent()
        if strong:
            os.close(tree)
            namespaces.enter_own_folder()
        else:
            os.chdir(folder)
            with contextlib.suppress(OSError):  # an older system, or another one
                landlock.refuse_files(settings["shown"], settings["hidden"], folder)
        os.environ["HOME"] = os.environ["TMPDIR"] = str(Path.cwd())
        sys.argv = [""]
        walls.tell_what_is_off([str(Path.cwd())], settings["hidden"], weak=not strong)
        walls.limit(settings["seconds"], settings["memory"])
        system_calls.drop_capabilities()
        if strong or settings["filter"]:
            system_calls.refuse_system_calls()
        child.run(told)
    except Exception as error:
        os.write(ends[1], f"{type(error).__name__}: {error}"[:300].encode(errors="replace"))
    finally:
        os._exit(1)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main(int(sys.argv[1]))
