"""`nanochat serve`: from what was typed to a server that answers, with the sentences that it says on the way.

In: where to listen, who may call, and a function that loads the model. It says what it does through a function, too.
"""

import importlib.util
import ipaddress
import json
import os
import secrets
from collections.abc import Callable

from ..errors import ServeError
from .worker import ModelWorker

KEY_NAME = "NANOCHAT_SERVE_KEY"


def serve(
    load: Callable[[], object],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    new_key: bool = False,
    no_key: bool = False,
    max_waiting: int = 32,
    max_tokens: int = 1024,
    grace: float = 10.0,
    say: Callable[[str], None],
) -> None:
    """Listen, load the model, and answer until SIGTERM or Ctrl-C.

    load: gives the model; it is called once the port is ours. grace: how many seconds replies have to end.
    Raises ServeError where this cannot work: a package is missing, the port is taken, or nothing keeps strangers out.
    """
    check_packages("fastapi", "uvicorn", extra="serve")
    from .api import make_app
    from .background import listen, run
    from .guards import LOOPBACK
    from .requests import Limits

    key, local = settle_key(host, new_key=new_key, no_key=no_key), is_loopback(host)
    with listen(host, port) as listening:
        port = listening.getsockname()[1]
        worker = ModelWorker(load(), max_waiting=max_waiting)
        app = make_app(
            worker, api_key=key, limits=Limits(max_tokens=max_tokens), hosts=(*LOOPBACK, host) if local else None
        )
        say(greeting(worker.backbone.name, host, port, has_key=key is not None))
        if new_key:
            say(f"The key is shown only now. In the other terminal: export {KEY_NAME}={key}")
        run(app, listening, grace=grace)
    say("The server has stopped.")


def check_packages(*names: str, extra: str) -> None:
    """Refuse to go on without packages that not everybody installs. Raises ServeError."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise ServeError(f"{missing[0]} is not installed. Run: pip install 'nanochat-helpers[{extra}]'")


def settle_key(host: str, *, new_key: bool = False, no_key: bool = False) -> str | None:
    """The key that clients must send: a new one, that of the environment, or None.

    Raises ServeError where other machines could reach the server and nothing would keep strangers out.
    """
    if new_key and no_key:
        raise ServeError("--new-key and --no-key are the opposite of each other: leave one of them out.")
    if no_key:
        return None
    if new_key:
        return secrets.token_urlsafe(24)
    key = os.environ.get(KEY_NAME, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ServeError(f"No client can send the key in {KEY_NAME}: it may only have letters, digits and signs.")
    if not key and not is_loopback(host):
        raise ServeError(
            f"On {host!r} other machines can reach this server: add --new-key, or set {KEY_NAME}; "
            "--no-key lets everybody in."
        )
    return key or None


def is_loopback(host: str) -> bool:
    """Can only this machine reach a server that listens there?"""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def greeting(model: str, host: str, port: int, *, has_key: bool) -> str:
    """Where the server is, and a line to try it with."""
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    address = f"http://{f'[{name}]' if ':' in name else name}:{port}/v1"
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello!"}]})
    key = f' -H "Authorization: Bearer ${KEY_NAME}"' if has_key else ""
    return (
        f"{model} answers at {address} (Ctrl-C stops it). Try in another terminal:\n"
        f"curl {address}/chat/completions -H \"Content-Type: application/json\"{key} -d '{body}'"
    )
