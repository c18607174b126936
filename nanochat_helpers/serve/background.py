"""A server that runs beside the program that started it: for a lesson, which is its own client, and for tests.

In: an app, such as `make_app` gives. Out: its address. `run` is the same server as the main thing of a program.
"""

import asyncio
import os
import socket
import threading
import time

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import ServeError

START_SECONDS = 10.0
FLUSH_SECONDS = 3.0  # how long answers that are done may take to reach their clients when the server stops
SILENT_SECONDS = 20.0  # how long a client may be connected without a request, or leave the end of its answer untaken
MAX_CONNECTIONS = 150  # macOS lets a program have 256 files open, and the model has some, too
BATCH, BACKLOG = 16, 512  # how many are let in before these are counted, and how many may stand at the door


class Connection(H11Protocol):
    """uvicorn's connection to one client; those that are too many are hung up on. It limits the headers, too."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Take a client, or not."""
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            transport.abort()


class Server(uvicorn.Server):
    """uvicorn, but told to stop it first lets the replies end that it has begun.

    grace: how many seconds these have; then their clients get an error. Who asks meanwhile is refused with 503. A
        second signal ends it at once.
    """

    def __init__(self, app: FastAPI, *, grace: float = 10.0):
        # Nothing that clients send is logged; `guards` logs what goes wrong in NanoChat itself.
        config = uvicorn.Config(
            app,
            http=Connection,
            backlog=BATCH,
            log_level="critical",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=FLUSH_SECONDS,
        )
        super().__init__(config)
        self.state, self.grace, self._deadline = app.state, grace, None
        self.state.is_stopping, self._silent = False, {}

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to let clients in."""
        await super().startup(sockets)
        for listening in sockets or ():
            listening.listen(BACKLOG)  # for asyncio, that of uvicorn's settings also was the size of a batch

    def handle_exit(self, sig: int, frame: object) -> None:
        """Begin to stop at the first signal, stop at once at the second."""
        if self._deadline is not None:
            super().handle_exit(sig, frame)
            self._deadline = 0.0  # it has passed
        self.leave_off()

    def leave_off(self) -> None:
        """Take no more requests; the server stops as soon as nobody waits for a reply any more."""
        self.state.is_stopping = True
        if self._deadline is None:
            self._deadline = time.monotonic() + self.grace

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second uvicorn asks whether to stop."""
        if self._deadline is not None:
            left, is_late = list(self.state.open_deliveries), time.monotonic() > self._deadline
            for delivery in left if is_late else ():
                delivery.give_up()
            self.should_exit = self.should_exit or is_late or not left
        self._hang_up_on_the_silent()
        return await super().on_tick(counter)

    def _hang_up_on_the_silent(self):
        """A server of uvicorn would wait for the rest of a request for ever. A cycle is a request and its answer."""
        now, connections = time.monotonic(), self.server_state.connections
        silent = [(one, one.cycle) for one in connections if one.cycle is None or one.cycle.response_complete]
        self._silent = {key: self._silent.get(key, now) for key in silent}
        for (connection, _), since in self._silent.items():
            if now - since > SILENT_SECONDS:
                connection.transport.abort()


class BackgroundServer:
    """A server in a thread of its own; as a context manager it stops at the end of the block.

    port: 0 takes a free one. Raises ServeError where the port is taken.
    """

    def __init__(self, app: FastAPI, *, host: str = "127.0.0.1", port: int = 0, grace: float = 0.0):
        if not isinstance(app, FastAPI):
            raise ServeError(f"app must be an app, as make_app(backbone) gives it, not {app!r:.80}.")
        self.app, self.host, self.port, self.grace = app, host, port, grace
        self._server, self._thread, self._socket = None, None, None

    @property
    def url(self) -> str:
        """The address of its API, for a client's base_url."""
        return f"http://{self.host}:{self.port}/v1"

    def start(self) -> "BackgroundServer":
        """Start, and wait until it answers. A server that runs already goes on."""
        if self._thread is not None:
            return self
        self._socket = listen(self.host, self.port)
        self.port = self._socket.getsockname()[1]
        self._server = Server(self.app, grace=self.grace)
        sockets = {"sockets": [self._socket]}
        self._thread = threading.Thread(target=self._server.run, kwargs=sockets, name="server", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_SECONDS
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                self.stop()
                raise ServeError(f"The server did not start within {START_SECONDS:g} seconds: please try again.")
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        """Stop, once replies that have begun are done or the time for that is over. Nothing happens if it stands."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._server.leave_off()
        thread.join(self.grace + FLUSH_SECONDS + 2)
        self._socket.close()

    def __enter__(self) -> "BackgroundServer":
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()


def run(app: FastAPI, listening: socket.socket, *, grace: float = 10.0) -> None:
    """Serve until SIGTERM or Ctrl-C, on a socket that listens already."""
    Server(app, grace=grace).run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections. Raises ServeError in words where the port or the address cannot be had."""
    if not isinstance(host, str) or isinstance(port, bool) or not isinstance(port, int):
        raise ServeError(f'host={host!r}, port={port!r} is no address: write it like host="127.0.0.1", port=8000.')
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name != "nt":  # there it would let two servers have the same port; here it lets one start again at once
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listening.close()
        why = getattr(error, "strerror", None) or error
        raise ServeError(
            f"Port {port} of {host!r} cannot be had ({why}): stop what uses it, or take another --port."
        ) from error
    return listening
