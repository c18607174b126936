"""Step 7 as a web API: OpenAI's /v1/chat/completions, so that every program that can talk to OpenAI can talk to us.

In: HTTP requests. Out: the replies of the same Chat as everywhere. A request walks through four steps: it is read and
checked (`requests`), becomes messages and settings, waits for the model (`worker`), and is answered (`responses`).
"""

import asyncio
import hmac
import re
import time
from collections.abc import AsyncIterator
from contextlib import suppress

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.requests import ClientDisconnect

from ..errors import BusyError, ContextError, EngineError, NanoChatError, ServeError
from .requests import ChatRequest, Limits, messages_of, parse_request, settings_of
from .responses import DONE, Form, as_event, error_body, model_card, refuse
from .worker import Answer, ModelWorker, Piece

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def make_app(
    model, *, api_key: str | None = None, limits: Limits | None = None, hosts: tuple[str, ...] | None = LOOPBACK
) -> FastAPI:
    """The API for one model.

    model: a loaded model, or a ModelWorker that a page shares. api_key: what clients must send; None asks for none.
    hosts: the names under which clients may call this server. A web page that brings the browser to call it under
        another name (DNS rebinding) is refused; None takes every name.
    """
    worker = model if isinstance(model, ModelWorker) else ModelWorker(model)
    limits, created = limits or Limits(), int(time.time())
    app = FastAPI(
        title="NanoChat", openapi_url=None, dependencies=[Depends(_host_check(hosts))], exception_handlers=_HANDLERS
    )
    app.state.worker = worker
    key = [Depends(_key_check(api_key))]

    @app.get("/health")
    async def health():
        """Is the server well, and how many wait?"""
        return {"status": "ok", "model": worker.backbone.name, "waiting": worker.waiting}

    @app.get("/v1/models", dependencies=key)
    async def models():
        """The models that can be asked: one."""
        return {"object": "list", "data": [model_card(worker.backbone, created)]}

    @app.get("/v1/models/{name:path}", dependencies=key)
    async def model(name: str):
        """One model."""
        _check_model(name, worker.backbone)
        return model_card(worker.backbone, created)

    @app.post("/v1/chat/completions", dependencies=key)
    async def chat_completions(http: Request):
        """One reply to a conversation."""
        request = parse_request(await _read_body(http, limits), limits)
        _check_model(request.model, worker.backbone)
        messages, settings = messages_of(request, limits), settings_of(request, limits)
        reply = Pending(worker, messages, settings, http)
        form = Form(worker.backbone, (request.top_logprobs or 0) if request.logprobs else None)
        if not request.stream:
            return JSONResponse(await reply.whole(form, request))
        await reply.begin()
        return PatientStream(reply.events(form, request), limits.reader_seconds)

    return app


class Pending:
    """A reply on its way from the worker's thread to a client."""

    def __init__(self, worker: ModelWorker, messages: list[dict], settings, http: Request):
        loop, self._pieces, self._http = asyncio.get_running_loop(), asyncio.Queue(), http

        def put(piece):
            with suppress(RuntimeError):  # the server's loop has ended before the model did
                loop.call_soon_threadsafe(self._pieces.put_nowait, piece)

        try:
            self.answer: Answer = worker.stream(messages, settings, put=put)
        except NanoChatError as error:
            raise _refusal(error) from error

    async def begin(self) -> None:
        """Wait until the model begins. Raises HTTPException where it cannot; a client that leaves is let go."""
        await self._unless_the_client_leaves(self._next())

    async def whole(self, form: Form, request: ChatRequest) -> dict:
        """Wait for all of it."""
        pieces = await self._unless_the_client_leaves(self._collect())
        return form.completion(self.answer.reply, pieces, with_trace=bool(request.trace))

    async def events(self, form: Form, request: ChatRequest) -> AsyncIterator[bytes]:
        """The reply as a stream of events, each of them sent as soon as its token is there."""
        try:
            yield as_event(form.first_chunk())
            while (piece := await self._next()) is not None:
                if chunk := form.chunk(piece):
                    yield as_event(chunk)
            last = form.last_chunks(self.answer.reply, with_usage=request.wants_usage, with_trace=bool(request.trace))
            for chunk in last:
                yield as_event(chunk)
            yield DONE
        except HTTPException as error:  # too late for a status: the client gets the error as an event
            yield as_event(error.detail)
        finally:
            self.answer.cancel()

    async def _next(self) -> Piece | None:
        piece = await self._pieces.get()
        if piece is None and self.answer.error:
            raise _refusal(self.answer.error) from self.answer.error
        return piece

    async def _collect(self):
        pieces = []
        while (piece := await self._next()) is not None:
            pieces.append(piece)
        return pieces

    async def _unless_the_client_leaves(self, work):
        """The result of some work; if the client hangs up first, the model is set free."""
        work = asyncio.ensure_future(work)
        left = asyncio.ensure_future(_hang_up(self._http))
        try:
            await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise refuse(499, "The client has left.")
            return work.result()
        except BaseException:
            self.answer.cancel()
            raise
        finally:
            work.cancel()
            left.cancel()


class PatientStream(StreamingResponse):
    """A stream of events; a client that does not take them for too long is hung up on."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], seconds: float):
        super().__init__(events, headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        self._seconds = seconds

    async def __call__(self, scope, receive, send) -> None:
        """Send it all, each piece within the time."""

        async def send_in_time(message):
            async with asyncio.timeout(self._seconds):
                await send(message)

        with suppress(TimeoutError):
            await super().__call__(scope, receive, send_in_time)


async def _hang_up(http):
    while (await http.receive())["type"] != "http.disconnect":
        pass


async def _read_body(http, limits):
    """The bytes of a request, if they are not too many, are there in time, and say that they are JSON."""
    kind = http.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # a web page of somebody else's can make a browser send all kinds but this
        raise refuse(415, "The body must be JSON, and say so: send the header Content-Type: application/json.")
    body, size = [], 0
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in http.stream():
                size += len(chunk)
                if size <= limits.body_bytes:  # the rest is read and thrown away: the client then hears our answer
                    body.append(chunk)
    except TimeoutError:
        sentence = f"The body took longer than {limits.body_seconds:g} seconds: send it at once."
        raise refuse(408, sentence, headers={"Connection": "close"}) from None
    except ClientDisconnect:
        raise refuse(499, "The client has left.") from None
    if size > limits.body_bytes:
        raise refuse(413, f"The body has {size} bytes; at most {limits.body_bytes} are taken: send fewer messages.")
    return b"".join(body)


def _host_check(hosts):
    async def check_host(http: Request):
        name = re.sub(r":\d*$", "", http.headers.get("host", "")).strip("[]").lower()
        if hosts is not None and name not in hosts:
            raise refuse(403, f"This server is not called {name!r:.60}: use one of {', '.join(hosts)}.")

    return check_host


def _key_check(api_key):
    async def check_key(http: Request):
        scheme, _, given = http.headers.get("authorization", "").partition(" ")
        if api_key is None:
            return
        if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), api_key.encode()):
            what = "is not the right one" if given else "is missing"
            raise refuse(
                401,
                f"The API key {what}: send it in the header Authorization: Bearer KEY.",
                code="invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )

    return check_key


def _check_model(name, backbone):
    if name != backbone.name:
        raise refuse(
            404,
            f"The model {name!r:.80} does not exist here: the model of this server is {backbone.name!r}.",
            param="model",
            code="model_not_found",
        )


def _refusal(error):
    """The HTTP error that tells of one of ours."""
    if isinstance(error, BusyError):
        headers = {"Retry-After": str(error.retry_after)}
        return refuse(429, str(error), kind="rate_limit_error", code="rate_limit_exceeded", headers=headers)
    if isinstance(error, ServeError):
        return refuse(503, str(error), kind="server_error", code="server_stopping", headers={"Retry-After": "10"})
    if isinstance(error, ContextError):
        return refuse(400, str(error), param="messages", code="context_length_exceeded")
    if isinstance(error, NanoChatError):
        return refuse(400, str(error), param=None if isinstance(error, EngineError) else "messages")
    return refuse(500, f"NanoChat itself failed ({type(error).__name__}): please report it.", kind="server_error")


async def _answer_http_error(http, error):
    """Every HTTP error in OpenAI's shape, also those of FastAPI: an address or a method that is not known."""
    body = error.detail
    if not isinstance(body, dict):
        where = f"{http.method!s:.10} {http.url.path!r:.80}"
        body = error_body(f"{body}: {where} is not here. Try POST /v1/chat/completions or GET /v1/models.")
    return JSONResponse(body, error.status_code, error.headers)


async def _answer_failure(http, error):
    """An error that nobody thought of: the client learns that it was not its fault."""
    return JSONResponse(_refusal(error).detail, 500)


_HANDLERS = {AnyHTTPException: _answer_http_error, Exception: _answer_failure}
