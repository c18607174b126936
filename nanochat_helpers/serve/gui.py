"""Step 7 for many people: a page with a conversation, the settings beside it, and one model behind all who open it.

In: a loaded model. Out: a page (`make_gui`), or one that runs (`GuiServer`). Each browser tab has a conversation of its
own. Whose turn it is decides `worker`; gradio draws the page, and `gui_text` keeps what is said from becoming HTML.
"""

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any

from ..chat import Chat, load_chat_model, user_message
from ..errors import MessageError, NanoChatError, SettingsError
from ..settings import DEFAULT_MAX_NEW_TOKENS, GenerationSettings
from ..widgets.controls import MEANINGS, RANGES, change_settings
from .command import check_packages, is_loopback
from .gui_text import account, as_messages, bubble, keep_plain, no_reply
from .worker import Answer, ModelWorker

PORT = 7860  # where gradio's pages usually are, and where a Hugging Face Space looks for one
SLIDERS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_new_tokens")
MAX_CHARACTERS = 20_000  # of a message, and of the system message
UPDATE_SECONDS = 0.05  # the page is told of new text this often at most

# What is left out of gradio: all that asks another computer, keeps a file, or is for programmers.
QUIET: dict[str, Any] = {
    "share": False, "quiet": True, "footer_links": [], "run_history": False, "enable_monitoring": False,
    "ssr_mode": False, "pwa": False, "mcp_server": False, "max_file_size": 1, "state_session_capacity": 1000,
}  # fmt: skip
CSS = """
footer { display: none !important; }
.message-content, .message-content .md { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 16px; }
.nc-line p, .nc-settings .info-text, .nc-settings label > span { font-size: 14px; margin: 0; }
.nc-line { min-height: 1.5em; }
.nc-settings .block { padding: 6px 12px; }
.nc-settings label > span { color: var(--body-text-color); font-weight: 600; }
.nc-settings .head { display: grid; grid-template-columns: 1fr auto; gap: 2px; margin: 0; }
.nc-settings .head label { display: contents; }
.nc-settings .tab-like-container { margin: 0; height: fit-content; }
.nc-settings .info-text { grid-column: 1 / -1; grid-row: 2; line-height: 1.3; margin-bottom: 4px; }
button.submit-button, button.stop-button { background: #0072b2; color: white; font-size: 14px; }
"""


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
    The page asks no other computer for anything and keeps nothing. Raises ServeError where gradio is missing.
    """
    check_packages("gradio", extra="gui")
    import gradio as gr

    if not isinstance(backbone, ModelWorker):
        backbone = ModelWorker(load_chat_model() if backbone is None else backbone, max_waiting=max_waiting)
    start = Chat(backbone.backbone, system=system, settings=settings)  # refuses what cannot work
    talk = _Talk(backbone, start.settings, limit_tokens)
    page = _in_a_loop(lambda: _draw(gr, talk, start, title))
    page.launch = partial(_launch, page, page.launch, theme=_theme(gr))
    return page


def _theme(gr):
    """Gradio's own looks with this machine's fonts, and small text that can be read."""
    looks = gr.themes.Default(
        primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
    )
    grey, light_grey = "#555c68", "#b6bcc8"
    return looks.set(
        block_info_text_color=grey, block_info_text_color_dark=light_grey, block_info_text_size="14px",
        input_placeholder_color=grey, input_placeholder_color_dark=light_grey,
    )  # fmt: skip


def _draw(gr, talk, start, title):
    """The whole page; the parts that are used elsewhere are made first."""
    with gr.Blocks(title=title, analytics_enabled=False, fill_height=True) as page:
        gr.HTML(f'<h1 style="font-size:1.4em;margin:0">{escape(title)}</h1>', padding=False)
        with gr.Row(equal_height=False):
            left, right = (
                gr.Column(scale=3, min_width=320),
                gr.Column(scale=1, min_width=290, elem_classes="nc-settings"),
            )
        with right:
            controls = _controls(gr, start, talk.limit_tokens)
        with left:
            _conversation(gr, talk, controls)
    page.queue(api_open=False)
    page.space_id = None  # on a Space, gradio's header would ask other servers for fonts
    return page


class GuiServer:
    """A page while it runs, in the background: `with GuiServer(make_gui(backbone)) as server:`, or start and stop.

    page: what make_gui gives. host: 127.0.0.1 is this machine alone, 0.0.0.0 all who can reach it.
    port: 0 takes one that is free. inline: also show the page below a notebook's cell, on Colab, too.
    url: the address, once it runs.
    """

    def __init__(self, page: Any, *, host: str = "127.0.0.1", port: int = 0, inline: bool = False):
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
        shown = _in_a_loop(lambda: launch(**{**QUIET, "css": CSS, "prevent_thread_lock": True, **options}))
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


def _controls(gr, start: Chat, limit_tokens: int) -> dict[str, Any]:
    """The settings as controls, by name; a start beyond a slider's end makes it longer."""
    controls = {}
    for name in SLIDERS:
        _, low, high, step = RANGES[name]
        value = getattr(start.settings, name)
        if name == "max_new_tokens":
            high, value = limit_tokens, min(value or DEFAULT_MAX_NEW_TOKENS, limit_tokens)
        low, high = min(low, value), max(high, value)
        controls[name] = gr.Slider(low, high, value, step=step, label=name, info=MEANINGS[name])
    seed = "" if start.settings.seed is None else str(start.settings.seed)
    controls["seed"] = gr.Textbox(seed, label="seed", info="fixes the luck; empty: new luck for each reply")
    controls["system"] = gr.Textbox(start.system, label="system message", info="how the bot should behave", lines=3)
    return controls


def _conversation(gr, talk, controls):
    """The talk itself, its field, its buttons, and one line for what goes on."""
    line = gr.Markdown("Type a message, and press Enter.", elem_classes="nc-line", render=False)
    welcome = f"This is {talk.worker.backbone.name}, a language model. What it says may be wrong."
    chatbot = gr.Chatbot(
        label="Conversation",
        placeholder=f'<div style="padding:0 1em;text-align:center">{escape(welcome)}</div>',
        render_markdown=False,
        height="65vh",
        min_height=280,
        buttons=["copy"],
        feedback_options=None,
    )
    keep_plain(chatbot)

    async def reply(message, history, *values):
        async for shown in talk.answer(message, history, dict(zip(controls, values, strict=True))):
            yield shown

    interface = gr.ChatInterface(
        reply,
        chatbot=chatbot,
        textbox=gr.Textbox(
            label="Your message", placeholder="Type a message", autofocus=True, submit_btn="Send", stop_btn="Stop"
        ),
        additional_inputs=list(controls.values()),
        additional_outputs=[line],
        concurrency_limit=None,  # the line is that of the worker
        show_progress="hidden",  # our own line tells it; gradio's may say "Error" after Stop
        api_visibility="private",
        flagging_mode="never",
        analytics_enabled=False,
    )
    line.render()
    interface.textbox.stop(lambda: "Stopped.", None, line, api_visibility="private", queue=False)
    chatbot.clear(lambda: "A new conversation.", None, line, api_visibility="private", queue=False)


@dataclass(frozen=True)
class _Talk:
    """What stands behind all tabs: the model's line, the settings without a control, and the limit."""

    worker: ModelWorker
    settings: GenerationSettings
    limit_tokens: int

    async def answer(self, message, history, values) -> AsyncIterator[tuple[Any, str]]:
        """Pairs of what to show as the answer and what to say in the line below, until the reply is there.

        It never raises: where it did, gradio would leave the field locked.
        """
        pieces, cancel, loop = asyncio.Queue(), threading.Event(), asyncio.get_running_loop()

        def put(piece):
            try:
                loop.call_soon_threadsafe(pieces.put_nowait, piece)
            except RuntimeError:  # the page was closed meanwhile
                cancel.set()

        try:
            messages = as_messages(history, _checked(message), _checked(values.pop("system"), "The system message"))
            settings = self._settings(values)
            before = self.worker.waiting + (not self.worker.is_free)
            answer = self.worker.stream(messages, settings, cancel=cancel, put=put)
        except NanoChatError as error:
            yield no_reply(str(error)), ""
            return
        yield [], f"Waiting: {before} before you." if before else "Reading …"
        try:
            async for text in _growing(pieces):
                yield bubble(text), "Writing …"
        finally:
            answer.cancel()  # nothing happens where it is done
        yield _last(answer)

    def _settings(self, values):
        seed = values.pop("seed").strip()
        if seed and not seed.isdecimal():
            raise SettingsError(
                f"seed={seed!r:.40} is not allowed: it must be a whole number of 0 or more, or nothing."
            )
        if values["max_new_tokens"] > self.limit_tokens:
            raise SettingsError(f"max_new_tokens can be {self.limit_tokens} at most on this page.")
        values |= {name: int(value) for name, value in values.items() if RANGES[name][0] == "IntSlider"}
        return change_settings(self.settings, {**values, "seed": int(seed) if seed else None})


def _checked(text, what="The message"):
    if len(text) > MAX_CHARACTERS:
        raise MessageError(f"{what} has {len(text)} characters: please send at most {MAX_CHARACTERS}.")
    return text if what != "The message" else user_message(text)["content"]


async def _growing(pieces: asyncio.Queue) -> AsyncIterator[str]:
    """The text so far, again and again while it grows."""
    text, is_done = "", False
    while not is_done:
        new = [await pieces.get()]
        if text:
            await asyncio.sleep(UPDATE_SECONDS)
        while not pieces.empty():
            new.append(pieces.get_nowait())
        is_done = new[-1] is None
        text += "".join(piece.text for piece in new if piece)
        if text and not is_done:
            yield text


def _last(answer: Answer) -> tuple[dict, str]:
    """The finished answer, or a sentence in its place."""
    reply, error = answer.reply, answer.error
    if isinstance(error, NanoChatError):
        return no_reply(str(error)), ""
    if reply is None:
        logging.getLogger(__name__).error("A reply failed.", exc_info=error)
        return no_reply(f"something went wrong here ({type(error).__name__}); please try again."), ""
    if not reply.text:
        return no_reply("the model ended its reply before the first word."), account(reply)
    return bubble(reply.text), account(reply)
