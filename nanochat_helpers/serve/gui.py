"""Step 7 for many people: a page with a conversation, the settings beside it, and one model behind all who open it.

In: a loaded model. Out: a page (`make_gui`), or one that runs (`GuiServer`). Each browser tab has a conversation of its
own. `gui_page` draws the page, `gui_talk` answers, `worker` decides whose turn it is.
"""

import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from ..chat import Chat, load_chat_model
from ..errors import ServeError
from ..settings import GenerationSettings, check_count
from .command import check_packages, is_loopback
from .gui_page import CSS, draw_page, make_theme
from .gui_talk import Talk
from .worker import ModelWorker

HEIGHT = 640  # of the page below a cell, in pixels: the line below the conversation has room, too
PORT = 7860  # where gradio's pages usually are, and where a Hugging Face Space looks for one

# What is left out of gradio: all that asks another computer, keeps a file, or is for programmers.
QUIET: dict[str, Any] = {
    "share": False, "quiet": True, "footer_links": [], "run_history": False, "enable_monitoring": False,
    "ssr_mode": False, "pwa": False, "mcp_server": False, "max_file_size": 1, "state_session_capacity": 1000,
}  # fmt: skip


def make_gui(
    backbone: Any = None,
    *,
    system: str | None = None,
    settings: GenerationSettings | None = None,
    limit_tokens: int = 512,
    max_waiting: int = 32,
    title: str = "NanoChat",
) -> Any:
    """Make a page to talk to a model, a gr.Blocks; its `launch` runs it, and in a notebook shows it below the cell.

    backbone: a loaded model, or a ModelWorker that others use, too; without one the default model is loaded.
    system: what stands in the field "system message"; None: as in Chat. settings: where the controls start.
    limit_tokens: the most that max_new_tokens can be.
    max_waiting: how many may wait for the model; whoever comes then is asked to try again later.
    In a cell: make_gui(backbone).launch(), or GuiServer(make_gui(backbone), inline=True).start(), which can be stopped.
    The page asks no other computer for anything and keeps nothing. Raises ServeError where gradio is missing.
    """
    check_packages("gradio", extra="gui")
    import gradio as gr

    check_count("limit_tokens", limit_tokens, least=2)
    if not isinstance(backbone, ModelWorker):
        backbone = ModelWorker(load_chat_model() if backbone is None else backbone, max_waiting=max_waiting)
    start = Chat(backbone.backbone, system=system, settings=settings)  # refuses what cannot work
    talk = Talk(backbone, start.settings, limit_tokens)
    page = _in_a_loop(lambda: draw_page(gr, talk, start, title))
    page.launch = partial(_launch, page, page.launch, theme=make_theme(gr))
    return page


class GuiServer:
    """A page while it runs, in the background: `with GuiServer(make_gui(backbone)) as server:`, or start and stop.

    page: what make_gui gives. host: 127.0.0.1 is this machine alone, 0.0.0.0 all who can reach it.
    port: 0 takes one that is free. inline: also show the page below a notebook's cell, on Colab, too.
    url: the address, once it runs.
    """

    def __init__(self, page: Any, *, host: str = "127.0.0.1", port: int = 0, inline: bool = False):
        if not hasattr(page, "launch"):
            raise ServeError(f"page must be a page, as make_gui(backbone) gives it, not {page!r:.80}.")
        self.page, self.host, self.port, self.inline, self.url = page, host, port, inline, ""

    def start(self) -> "GuiServer":
        """Run the page; one that runs goes on. Raises ServeError where the address or the port cannot be had."""
        if self.url:
            return self
        from .background import listen

        with listen(self.host, self.port) as free:
            self.port = free.getsockname()[1]
        self.page.launch(server_name=self.host, server_port=self.port, inline=self.inline, prevent_thread_lock=True)
        self.url = self.page.local_url
        return self

    def stop(self) -> None:
        """End it: replies that are being written are cancelled, and the port is free again."""
        self.page.close(verbose=False)
        self.url = ""

    def __enter__(self) -> "GuiServer":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"The page is at {self.url}" if self.url else "The page is not running."


def run(
    load: Callable[[], Any],
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    say: Callable[[str], None],
) -> None:
    """Show a page until Ctrl-C. load: gives the model, once the port is ours. say: is told the address.

    Raises ServeError where gradio is missing or the port cannot be had.
    """
    check_packages("gradio", extra="gui")
    from .background import listen

    with listen(host, port) as free:
        port, model = free.getsockname()[1], load()
    with GuiServer(make_gui(model), host=host, port=port) as server:
        say(f"Talk to {model.name} at {server.url} (Ctrl-C ends it).")
        if not is_loopback(host):
            say("Everybody who can reach this machine can open it: nothing asks for a password.")
        _wait(server.page)
    say("The page is closed.")


def _wait(page: Any) -> None:
    """Stay here until Ctrl-C, or until another thread closes the page."""
    with suppress(KeyboardInterrupt):
        while page.is_running:
            time.sleep(0.1)


def _launch(page, launch, prevent_thread_lock=None, **options):
    """What gradio's own launch does, but quietly; it returns at once in a notebook, else when the page is closed."""
    with _without_proxy():
        looks = {"css": CSS, "height": HEIGHT, "prevent_thread_lock": True}
        shown = _in_a_loop(lambda: launch(**{**QUIET, **looks, **options}))
    if not (hasattr(sys, "ps1") or prevent_thread_lock):
        _wait(page)
    return shown


def _in_a_loop(function: Callable[[], Any]) -> Any:
    """Call it where an event loop runs: elsewhere gradio makes some of its own, and never closes them."""

    async def call():
        return function()

    return function() if asyncio._get_running_loop() else asyncio.run(call())


@contextmanager
def _without_proxy() -> Iterator[None]:
    """Let gradio look for its own page on this machine, also where a proxy stands between this one and all others."""
    before = {name: os.environ.get(name) for name in ("NO_PROXY", "no_proxy")}
    os.environ.update(dict.fromkeys(before, "*"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
