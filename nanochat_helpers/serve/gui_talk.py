"""One message on the page: from the bubbles and the controls to the model's line, and from its pieces to a bubble.

In: what gradio hands over. Out: what the page shows, again and again while the reply grows. Nothing is drawn here.
"""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ..chat import user_message
from ..errors import MessageError, NanoChatError, SettingsError
from ..settings import GenerationSettings
from ..widgets.controls import RANGES, change_settings
from .gui_text import account, as_messages, bubble, no_reply
from .worker import Answer, ModelWorker

MAX_CHARACTERS = 20_000  # of a message, and of the system message
UPDATE_SECONDS = 0.05  # the page is told of new text this often at most


@dataclass(frozen=True)
class Talk:
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
            answer = self.worker.stream(messages, settings, cancel=cancel, put=put)
        except NanoChatError as error:
            yield no_reply(str(error)), ""
            return
        try:
            async for line in _waiting(answer, pieces):
                yield [], line
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


async def _waiting(answer: Answer, pieces: asyncio.Queue) -> AsyncIterator[str]:
    """What to say until the model begins, whenever it changes."""
    said = ""
    while pieces.empty():
        line = f"Waiting: {answer.before} before you." if answer.before else "Reading …"
        if line != said:
            yield line
        said = line
        await asyncio.sleep(UPDATE_SECONDS)


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
