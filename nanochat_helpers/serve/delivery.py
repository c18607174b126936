"""The way of a reply from the worker's thread to a client who waits for it, as a whole or as a stream of events.

In: a request that was checked. Out: what `responses` makes of the reply. A client that leaves frees the model: while it
waits in line at once, later at the next token. The model never waits for a client.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress

from fastapi import HTTPException, Request
from fastapi.responses import StreamingResponse

from ..errors import NanoChatError, ServeError
from ..settings import GenerationSettings
from .guards import refusal
from .responses import DONE, Form, as_event, refuse
from .worker import ModelWorker, Piece

STOPPING = "This server is stopping: please try again in a while."


class Delivery:
    """One reply on its way. Raises HTTPException where it cannot begin."""

    def __init__(self, http: Request, worker: ModelWorker, messages: list[dict], settings: GenerationSettings):
        loop, pieces = asyncio.get_running_loop(), asyncio.Queue()

        def put(piece):  # from the worker's thread
            with suppress(RuntimeError):  # the server has stopped before the model did
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        self._http, self._pieces, state = http, pieces, http.app.state
        try:
            if state.is_stopping:
                raise ServeError(STOPPING)
            self.answer = worker.stream(messages, settings, put=put)
        except NanoChatError as error:
            raise refusal(error) from error
        self._open = state.open_deliveries
        self._open.add(self)

    def end(self) -> None:
        """Nobody waits for this reply any more. Where it is not done, the model stops writing it."""
        self.answer.cancel()
        self._open.discard(self)

    def give_up(self) -> None:
        """The server must stop now: the client is told so."""
        self.answer.error = ServeError(STOPPING)
        self.answer.cancel()

    async def begin(self) -> None:
        """Wait until the model begins. Raises HTTPException where it cannot."""
        await self._unless_the_client_leaves(self._next())

    async def whole(self, form: Form) -> dict:
        """Wait for all of it. Raises HTTPException where something goes wrong."""
        pieces = await self._unless_the_client_leaves(self._collect())
        self.end()
        return form.completion(self.answer.reply, pieces)

    async def events(self, form: Form) -> AsyncIterator[bytes]:
        """The reply as events, each of them given as soon as its token is there."""
        try:
            yield as_event(form.first_chunk())
            while (piece := await self._next()) is not None:
                if chunk := form.chunk(piece):
                    yield as_event(chunk)
            for chunk in form.last_chunks(self.answer.reply):
                yield as_event(chunk)
            yield DONE
        except HTTPException as error:  # too late for a status: the client gets the error as an event
            yield as_event(error.detail)

    async def _next(self) -> Piece | None:
        """The next piece; None when the reply is done."""
        piece = await self._pieces.get()
        if piece is None and self.answer.error:
            raise refusal(self.answer.error) from self.answer.error
        return piece

    async def _collect(self):
        pieces = []
        while (piece := await self._next()) is not None:
            pieces.append(piece)
        return pieces

    async def _unless_the_client_leaves(self, work: Awaitable):
        """The result of some work; nobody waits for it any more if the client hangs up first."""
        work, left = asyncio.ensure_future(work), asyncio.ensure_future(_hang_up(self._http))
        try:
            await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise refuse(499, "The client has left.")  # which nobody will read
            return work.result()
        except BaseException:
            self.end()
            raise
        finally:
            work.cancel()
            left.cancel()


class PatientStream(StreamingResponse):
    """A reply as a stream of events; a client that leaves a piece untaken for too many seconds is hung up on."""

    media_type = "text/event-stream"

    def __init__(self, delivery: Delivery, form: Form, seconds: float):
        # Servers in between must hold nothing back.
        super().__init__(delivery.events(form), headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self._delivery, self._seconds = delivery, seconds

    async def __call__(self, scope, receive, send) -> None:
        """Send it all, each piece within the time."""

        async def send_in_time(message):
            async with asyncio.timeout(self._seconds):
                await send(message)

        try:
            with suppress(TimeoutError):
                await super().__call__(scope, receive, send_in_time)
        finally:
            self._delivery.end()


async def _hang_up(http):
    """Wait until the client has left."""
    while (await http.receive())["type"] != "http.disconnect":
        pass
