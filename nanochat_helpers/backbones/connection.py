"""The connection to a server: its address, the key, how patient we are, and what can go wrong, in words.

In: what `connect` was given. Out: a client of the `openai` package, which asks again when a server is busy. What is
asked over it is in `remote`.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..errors import EngineError, RemoteError, SettingsError

if TYPE_CHECKING:
    from openai import OpenAI


CHECK = "Check the address; most end in /v1."
NO_KEY = "no-key"  # the client asks for one, also where a server wants none


def check_address(base_url: str) -> None:
    """Refuse what is no address of a server, and one that holds a key. Raises RemoteError."""
    try:
        address = urlsplit(base_url)
        _ = address.port  # a port that is no number is noticed only when it is asked for
        is_whole = base_url.isprintable() and " " not in base_url  # urlsplit leaves line ends out
        is_address = is_whole and address.scheme in ("http", "https") and bool(address.hostname)
    except (ValueError, AttributeError, TypeError):
        is_address = False
    if not is_address:
        raise RemoteError(f'{base_url!r} is no address of a server: write it like "http://127.0.0.1:8000/v1".')
    if address.username or address.password or address.query:
        raise RemoteError(
            f"The address of {address.hostname} must not hold a key or a password: put the key into the environment "
            "as NANOCHAT_API_KEY."
        )


def make_client(base_url: str, api_key: str | None, timeout: float, max_retries: int) -> OpenAI:
    """The client for a server; see `connect`. Raises EngineError, SettingsError, RemoteError."""
    try:
        from openai import DefaultHttpxClient, OpenAI, Timeout
    except ImportError as error:
        raise EngineError("To talk to a server, the openai package is needed. Run: pip install openai") from error
    for name, value, least in (("timeout", timeout, 0.001), ("max_retries", max_retries, 0)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value < 1e6:
            raise SettingsError(f"{name}={value!r} is not allowed: it must be a number of {least} or more.")
    key = (
        api_key
        or os.environ.get("NANOCHAT_API_KEY")
        or (os.environ.get("OPENAI_API_KEY") if is_openai(base_url) else None)
    )
    if key is not None and not (isinstance(key, str) and key.isascii() and key.isprintable() and " " not in key):
        raise RemoteError("The API key has characters that no key has: copy it again, without spaces or line ends.")
    # A proxy stands between this machine and others; what it says to itself needs none.
    direct = DefaultHttpxClient(trust_env=False) if _is_this_machine(base_url) else None
    client = OpenAI(
        base_url=base_url,
        api_key=key or NO_KEY,
        timeout=Timeout(timeout, connect=min(timeout, 10.0)),
        max_retries=int(max_retries),
        http_client=direct,
    )
    if direct:
        weakref.finalize(client, direct.close)
    return client


def is_openai(base_url: str) -> bool:
    """Is it the server of OpenAI itself, which takes other fields than all that imitate it?"""
    return urlsplit(base_url).hostname == "api.openai.com"


def _is_this_machine(base_url):
    return urlsplit(base_url).hostname in ("127.0.0.1", "localhost", "::1")


@contextlib.contextmanager
def explained(client: OpenAI) -> Iterator[None]:
    """Turn whatever goes wrong on the way to a server into one sentence, in which the key never stands."""
    try:
        yield
    except (RemoteError, SettingsError):
        raise
    except Exception as problem:  # the client lets errors of its HTTP library through, which differs by version
        said = _explain(str(client.base_url).rstrip("/"), problem)
        if client.api_key != NO_KEY and client.api_key in f"{problem} {said}":  # a server that repeats what it was sent
            raise RemoteError(said.replace(client.api_key, "…")) from None
        raise RemoteError(said) from problem


def _explain(base_url, problem):
    kinds, below = ({kind.__name__ for kind in type(one).__mro__} for one in (problem, problem.__cause__))
    status = getattr(problem, "status_code", None)
    said = _said(problem)
    if status in (401, 403):
        return f"{base_url} refuses the key ({status}){said}. Put a right one into the environment as NANOCHAT_API_KEY."
    if status in (404, 405):
        return f"{base_url} has no such model or no chat completions ({status}){said}. {CHECK}"
    if status == 413 or (status in (400, 422) and any(word in said for word in ("context", "too long", "too large"))):
        return f"{base_url} finds the conversation too long ({status}){said}. Make it shorter, or begin a new one."
    if status == 429:
        return f"{base_url} is busy, or a quota is used up (429){said}. Wait a little and try again."
    if status and status >= 500:
        return f"{base_url} has a fault of its own ({status}){said}. Try again later, or look at its log."
    if status:
        return f"{base_url} refuses the request ({status}){said}. Change what it names, and try again."
    if kinds & {"APITimeoutError", "ReadTimeout", "TimeoutException", "ConnectTimeout"}:
        return f"{base_url} did not answer in time. Try again, or give it longer: connect(…, timeout=300)."
    if "[SSL" in str(problem.__cause__):
        return f"{base_url} and this machine do not agree on https. If the server has none, begin its address with http://."
    if kinds & {"APIConnectionError", "ConnectError"} and not below & {"RemoteProtocolError", "ReadError"}:
        return f"{base_url} cannot be reached. Is the server running, and is the address right?"
    return f"{base_url} broke off in the middle of an answer ({type(problem).__name__}){said}. Try again."


def _said(problem):
    """The server's own words, short and on one line; nothing of what we sent (a key, for example) is among them."""
    body = getattr(problem, "body", None)
    if isinstance(body, list) and body and isinstance(body[0], dict):  # Google's has brackets around it
        body = body[0].get("error")
    message = body.get("message") or body.get("detail") if isinstance(body, dict) else body
    if not isinstance(message, str) or message.lstrip().startswith("<"):  # a web page says nothing short
        return ""
    words = " ".join(message.split())[:200].rstrip(".")
    return f": {words}" if words else ""
