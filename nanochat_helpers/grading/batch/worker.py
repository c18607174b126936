"""A process of its own that grades one submission after the other: `python -m nanochat_helpers.grading.batch.worker`.

In: the number of a socket, on which a job comes, and then submissions; and a folder of its own. Out: grades, on the
same socket. It ends with the process at the other end, however that ends, and after a long time without work.
"""

import os
import select
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from ...errors import GradingError
from ...language import set_language
from ..master import Master
from .frames import receive, send

IDLE = 900.0  # seconds without work, after which nobody needs it any more
TO_CLOSE = 5.0  # seconds in which what was begun is taken down


def make_grader(master: Master, seed: int, limits: dict[str, Any]) -> Any:
    """The real grader."""
    from ..grader import Grader
    from ..sandbox import Limits

    return Grader(master, seed, Limits(**limits))


def main(number: int, folder: Path) -> None:
    """Grade what comes in, until nothing more can come. folder: this process's own, for temporary files."""
    link = socket.socket(fileno=number)
    link.set_inheritable(False)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with, args=(number,), daemon=True).start()
    job, _ = receive(link)
    set_language(job["language"])
    module, _, name = job["grader"].partition(":")
    make = getattr(import_module(module), name)
    grader = None
    try:
        try:
            grader = make(Master(job["sheet"], job["notebook"]), job["seed"], _limits(job))
            level = str(grader.level)
        except GradingError as error:  # no other worker would fare better
            send(link, {"refused": str(error)})
            return
        send(link, {"level": level})
        while select.select([link], [], [], IDLE)[0]:
            asked, raw = receive(link)
            grade = grader.grade(asked["student"], asked["source"], raw, tuple(asked["notes"]))
            send(link, grade.to_json())
    except ConnectionError:
        pass  # the other side has gone: there is nothing more to do
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if grader is not None:
            grader.close()  # also where it was told to leave before it had quite started
        with suppress(OSError):  # mostly `workers` does this, but not where that process was killed
            folder.rmdir()


def _limits(job):
    return {"seconds": job["seconds"], "memory_mb": job["memory_mb"]}


def _leave(*_):
    raise SystemExit


def _end_with(number):
    """Wait until the other end is closed, and then leave, also in the middle of a submission."""
    poll = select.poll()
    poll.register(number, 0)
    while not any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll()):
        pass
    os.kill(os.getpid(), signal.SIGTERM)  # the main thread takes down what it has begun
    time.sleep(TO_CLOSE)
    os._exit(1)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
