"""How the main process and a grader's process talk: a frame is a JSON text and, after it, plain bytes.

In and out: a socket. Nothing is unpickled. A ConnectionError says that the other side has gone, is too slow, or sends
something that is no frame: then nothing more is taken from it.
"""

import json
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

from ...language import tr

LENGTHS = struct.Struct(">II")
LONGEST = 1 << 30  # bytes: far more than a submission may have


def send(link: socket.socket, data: dict[str, Any], raw: bytes = b"") -> None:
    """Send one frame."""
    text = json.dumps(data).encode()
    link.sendall(LENGTHS.pack(len(text), len(raw)) + text)
    link.sendall(raw)


def receive(link: socket.socket) -> tuple[dict[str, Any], bytes]:
    """Wait for one frame. Raises ConnectionError."""
    return _frame(lambda size: _read(link, size))


def receive_until(link: socket.socket, seconds: float, is_alive: Callable[[], bool]) -> tuple[dict[str, Any], bytes]:
    """Wait for one frame, but no longer than `seconds`, and only while `is_alive` says so. Raises ConnectionError."""
    end = time.monotonic() + seconds
    return _frame(lambda size: _read(link, size, end, is_alive, seconds))


def _frame(read):
    text_size, raw_size = LENGTHS.unpack(read(LENGTHS.size))
    if max(text_size, raw_size) > LONGEST:
        raise ConnectionError(tr("it sent something that is no answer"))
    try:
        data = json.loads(read(text_size))
    except (ValueError, RecursionError):
        raise ConnectionError(tr("it sent something that is no answer")) from None
    return data, read(raw_size)


def _read(link, size, end=None, is_alive=None, seconds=None):
    parts = []
    while size:
        if end is not None:
            link.settimeout(max(0.01, min(1, end - time.monotonic())))
        try:
            part = link.recv(min(size, 1 << 20))
        except TimeoutError:
            if not is_alive():  # something else may hold its end of the line open
                raise ConnectionError(tr("it ended")) from None
            if time.monotonic() >= end:
                raise ConnectionError(tr("no answer came in {seconds} s", seconds=f"{seconds:.0f}")) from None
            continue
        except OSError:
            part = b""
        if not part:
            raise ConnectionError(tr("it ended"))
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
