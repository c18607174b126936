"""Who may ask, how much at once, and how a refusal sounds: always in OpenAI's shape, with a sentence.

In: an HTTP request, or an error. Out: the bytes of its body, or an HTTPException.
"""

import asyncio
import hmac
import logging
import re
import traceback
from collections.abc import Callable

from fastapi import HTTPException, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as AnyHTTPException
from starlette.requests import ClientDisconnect

from ..errors import BusyError, ContextError, EngineError, NanoChatError, ServeError
from .requests import Limits
from .responses import error_body, refuse

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def host_check(hosts: tuple[str, ...] | None) -> Callable:
    """A check that the client called this server by one of its names; None takes every name."""

    async def check_host(http: Request):
        name = re.sub(r":\d*$", "", http.headers.get("host", "")).strip("[]").lower()
        if hosts is not None and name not in hosts:
            raise refuse(403, f"This server is not called {name!r:.60}: call it {' or '.join(hosts)}.")

    return check_host


def key_check(api_key: str | None) -> Callable:
    """A check that the client sent the key; None asks for none. Raises ServeError for what is no key."""
    if api_key is not None and not (isinstance(api_key, str) and api_key.strip()):
        raise ServeError("api_key must be a text that is not empty, or None: secrets.token_urlsafe() makes a good one.")

    async def check_key(http: Request):
        if api_key is None:
            return
        scheme, _, given = http.headers.get("authorization", "").partition(" ")
        is_right = hmac.compare_digest(given.strip().encode("latin-1"), api_key.encode())  # equally slow for all keys
        if scheme.lower() != "bearer" or not is_right:
            what = "is not the right one" if given else "is missing"
            sentence = f"The API key {what}: send it in the header Authorization: Bearer KEY."
            raise refuse(401, sentence, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"})

    return check_key


def check_model(name: str, backbone) -> None:
    """Refuse the name of a model that is not here."""
    if name != backbone.name:
        sentence = f"The model {name!r:.80} does not exist here: the model of this server is {backbone.name!r}."
        raise refuse(404, sentence, param="model", code="model_not_found")


async def read_body(http: Request, limits: Limits) -> bytes:
    """The bytes of a request, if they say that they are JSON, are not too many, and come in time."""
    kind = http.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # all other kinds any web page can make a browser send
        raise refuse(415, "The body must be JSON, and say so: send the header Content-Type: application/json.")
    body, size = [], 0
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in http.stream():
                size += len(chunk)
                if size <= limits.body_bytes:  # the rest is read and thrown away: only then does a client listen
                    body.append(chunk)
                if size > 100 * limits.body_bytes:  # it will never listen
                    break
    except TimeoutError:
        sentence = f"The body took longer than {limits.body_seconds:g} seconds: send it at once."
        raise refuse(408, sentence, headers={"Connection": "close"}) from None
    except ClientDisconnect:
        raise refuse(499, "The client has left.") from None  # which nobody will read
    if size > limits.body_bytes:
        sentence = f"The body has {size} bytes; at most {limits.body_bytes} are taken: send fewer messages."
        raise refuse(413, sentence, headers={"Connection": "close"})
    return b"".join(body)


def refusal(error: Exception) -> HTTPException:
    """The HTTP error that tells of one of ours; any other error is a defect of NanoChat's, and is logged."""
    if isinstance(error, BusyError):
        headers = {"Retry-After": str(error.retry_after)}
        return refuse(429, str(error), kind="rate_limit_error", code="rate_limit_exceeded", headers=headers)
    if isinstance(error, ServeError):
        return refuse(503, str(error), kind="server_error", code="server_stopping", headers={"Retry-After": "10"})
    if isinstance(error, ContextError):
        return refuse(400, str(error), param="messages", code="context_length_exceeded")
    if isinstance(error, NanoChatError):
        return refuse(400, str(error), param=None if isinstance(error, EngineError) else "messages")
    # Where it happened, and the error in quotation marks: what a client sent may be in it.
    where = "".join(traceback.format_tb(error.__traceback__))
    logging.getLogger(__name__).error("NanoChat itself failed:\n%s%s", where, ascii(error))
    return refuse(500, f"NanoChat itself failed ({type(error).__name__}): please report it.", kind="server_error")


async def _answer_http_error(http, error):
    """Every HTTP error in one shape, also those of FastAPI: an address or a method that does not exist."""
    body = error.detail
    if not isinstance(body, dict):
        asked = f"{http.method} {http.url.path}"
        body = error_body(f"{body}: {asked!r:.80}. Try POST /v1/chat/completions or GET /v1/models.")
    return JSONResponse(body, error.status_code, error.headers)


async def _answer_failure(http, error):
    return JSONResponse(refusal(error).detail, 500)


HANDLERS = {AnyHTTPException: _answer_http_error, Exception: _answer_failure}
