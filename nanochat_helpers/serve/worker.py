"""One model for many people: one reply at a time, the others wait in a line of limited length.

In: the messages of a conversation and settings. Out: an Answer, which gives the reply piece by piece and can be
cancelled. Nothing is remembered from one answer to the next; a conversation is kept by whoever asks.
"""

import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import NamedTuple

from ..backbones.llama_cpp import check_able
from ..chat import Chat, Reply
from ..errors import BusyError, MessageError
from ..prompts import check_messages
from ..settings import GenerationSettings, check_count

IDLE_SECONDS = 10.0  # after so long without work the thread ends; the next answer starts a new one
LOOK_SECONDS = 0.1  # how often somebody who waits in line looks at a `cancel` of their own


class Piece(NamedTuple):
    """What comes out while a reply is written: at first an empty piece, when the model begins, then one a token.

    prob and top_tokens: the model's own probabilities, as in GenerationStep.
    """

    text: str
    token_id: int | None = None
    prob: float | None = None
    top_tokens: tuple[tuple[int, float], ...] = ()


class Answer:
    """A reply that somebody waits for. Iterate over it for the text, piece by piece; then see `reply`.

    reply: None until the reply is done, and for ever if it was cancelled before it began.
    error: what went wrong, if something did; iterating raises it.
    """

    def __init__(self, worker, messages, settings, cancel, put):
        self.messages, self.settings = messages, settings
        self.reply: Reply | None = None
        self.error: Exception | None = None
        self.cancelled = threading.Event() if cancel is None else cancel
        self.chat: Chat | None = None  # the one that makes the reply, once it has begun
        self._worker, self._pieces = worker, queue.SimpleQueue()
        self.put = put or self._pieces.put

    def __iter__(self) -> Iterator[str]:
        """Yield the text as it is written. Leaving the loop early cancels the answer."""
        try:
            while (piece := self._next()) is not None:
                if piece.text:
                    yield piece.text
        except BaseException:
            self.cancel()
            raise
        self._pieces.put(None)  # for whoever iterates once more
        if self.error:
            raise self.error

    @property
    def before(self) -> int:
        """How many others are served before this one."""
        return self._worker.place(self)

    def cancel(self) -> None:
        """Leave the line, or stop the reply at its next token. May be called at any time, from any thread."""
        self.cancelled.set()
        self._worker.leave(self)
        if self.chat:
            self.chat.cancel()

    def _next(self):
        while True:
            try:
                return self._pieces.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                if self.cancelled.is_set():
                    self.cancel()


class ModelWorker:
    """A loaded model and the line of those who wait for it.

    max_waiting: how many may wait, besides the one who is served; others get a BusyError at once.
    """

    def __init__(self, backbone, *, max_waiting: int = 32):
        check_count("max_waiting", max_waiting, least=0)
        self.max_waiting = max_waiting
        self.backbone = Chat(backbone).backbone  # which refuses what is no loaded model, and one that cannot write
        self._line: deque[Answer] = deque()
        self._running: Answer | None = None
        self._thread: threading.Thread | None = None
        self._change = threading.Condition()
        self._seconds = 2.0  # how long a reply takes, about

    @property
    def waiting(self) -> int:
        """How many wait in line."""
        return len(self._line)

    def place(self, answer: Answer) -> int:
        """How many are served before an answer: 0 for the one that is being written, and for one that is done."""
        with self._change:
            return self._line.index(answer) + (self._running is not None) if answer in self._line else 0

    @property
    def is_free(self) -> bool:
        """Is nobody served and nobody waiting?"""
        return self._running is None and not self._line

    def stream(
        self,
        messages: list[dict],
        settings: GenerationSettings | None = None,
        *,
        cancel: threading.Event | None = None,
        put: Callable[[Piece | None], None] | None = None,
    ) -> Answer:
        """Get in line for a reply to these messages, the last of which is the user's.

        cancel: an event of your own that stops the answer when it is set.
        put: called with each Piece, and None at the end, from the thread of the worker, which it must not hold up.
            Without it, iterate over the answer.
        Raises BusyError when the line is full, MessageError, EngineError.
        """
        check_conversation(messages)
        settings = settings or GenerationSettings()
        if self.backbone.engine == "llama.cpp":
            check_able(settings)
        answer = Answer(self, messages, settings, cancel, put)
        with self._change:
            if len(self._line) + (self._running is not None) > self.max_waiting:
                raise BusyError(*self._come_again())
            self._line.append(answer)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="model worker", daemon=True)
                self._thread.start()
            self._change.notify_all()
        return answer

    def leave(self, answer: Answer) -> None:
        """Take an answer out of the line; nothing happens if it is not in it."""
        with self._change:
            if answer not in self._line:
                return
            self._line.remove(answer)
        answer.put(None)

    def _come_again(self):
        seconds = min(60, max(1, math.ceil(self._seconds * (len(self._line) + 1))))
        allowed = f"at most {self.max_waiting} may wait for it" if self.max_waiting else "nobody may wait for it"
        return f"The model is busy, and {allowed}: please try again in about {seconds} seconds.", seconds

    def _work(self):
        """Serve the line until nobody has come for a while."""
        while True:
            with self._change:
                self._change.wait_for(lambda: self._line, timeout=IDLE_SECONDS)
                if not self._line:
                    self._thread = None
                    return
                answer = self._running = self._line.popleft()
            start = time.perf_counter()
            try:
                if not answer.cancelled.is_set():
                    self._write(answer)
            except Exception as error:  # it must reach the one who asked, in another thread
                answer.error = answer.error or error
            self._seconds += 0.2 * (time.perf_counter() - start - self._seconds)
            self._running = None  # before the end is told: whoever hears of it may ask again at once
            answer.put(None)

    def _write(self, answer):
        *before, last = answer.messages
        system = before.pop(0)["content"] if before and before[0]["role"] == "system" else None
        chat = answer.chat = _TellingChat(self.backbone, answer, system=system, settings=answer.settings)
        chat.messages = [*chat.messages, *before]
        with closing(chat.stream(last["content"])) as pieces:
            for _ in pieces:
                if answer.cancelled.is_set():
                    break
        answer.reply = chat.last_reply


class _TellingChat(Chat):
    """A Chat that also tells an Answer of each token as it comes."""

    def __init__(self, backbone, answer, **parts):
        super().__init__(backbone, **parts)
        self._answer = answer

    def _write(self, settings, trace):
        if self._answer.cancelled.is_set():  # a moment ago, when this reply did not listen yet
            self.cancel()
        self._answer.put(Piece(""))  # the prompt is made and fits: from here on it is the model that takes time
        for step in super()._write(settings, trace):
            self._answer.put(Piece(step.text, step.token_id, step.prob, step.top_tokens))
            yield step


def check_conversation(messages: list[dict]) -> None:
    """Refuse messages that ask for no reply: none at all, or a last one that is not the user's. Raises MessageError."""
    check_messages(messages)
    if not messages or messages[-1]["role"] != "user":
        last = f"has the role {messages[-1]['role']!r}" if messages else "is missing"
        raise MessageError(f'The last message {last}; it must be the user\'s, as {{"role": "user", "content": "Hi"}}.')
