"""How far the batch is, for somebody who waits: a bar in a terminal, a line now and then in a log.

In: how many there are, and each one that is done. It writes to the stream it is given, and to nothing else.
"""

import time
from contextlib import suppress
from typing import Any, TextIO

from tqdm import tqdm

LINES = 10  # so many lines in all, where there is no terminal


class Progress:
    """Use it in a `with`; `one_more` for each submission that is done. done: of them, how many were done before."""

    def __init__(self, total: int, done: int, stream: TextIO):
        self._total, self._done, self._stream = total, done, stream
        self._begin, self._new = time.monotonic(), 0
        self._bar = None
        with suppress(OSError):  # nobody looks (`2>&1 | head`), or a log is full: no batch ends for that
            self._bar = tqdm(total=total, initial=done, unit="sheet", file=stream) if stream.isatty() else None

    def one_more(self) -> None:
        """One more is done."""
        self._done, self._new = self._done + 1, self._new + 1
        with suppress(OSError):
            self._show()

    def _show(self):
        if self._bar is not None:
            self._bar.update()
        elif self._done * LINES // self._total > (self._done - 1) * LINES // self._total:
            print(self._line(), file=self._stream, flush=True)

    def _line(self):
        seconds = max(time.monotonic() - self._begin, 1e-9)
        left = (self._total - self._done) * seconds / self._new
        speed = f"{self._new / seconds:.1f} a second"
        return f"{self._done} of {self._total} graded, {speed}" + (f", about {duration(left)} left" * (left > 0))

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: Any) -> None:
        if self._bar is not None:
            with suppress(OSError):
                self._bar.close()


def duration(seconds: float) -> str:
    """Seconds as one says them: "40 s", "3 min 5 s", "2 h 10 min"."""
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes_left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes_left} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
