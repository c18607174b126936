"""The chat panel: a conversation to read and to go on with, the settings beside it, and the prompt under it.

In: a Chat. Out: a box for a notebook cell. What is shown is in `views.chat`, the arrangement in `chat_layout`.
"""

import threading
from functools import partial
from typing import Any

from ..chat import Chat, Reply, user_message
from ..errors import MessageError, NanoChatError, SettingsError
from ..language import later, tr, tr_later
from ..settings import GenerationSettings
from ..views.chat import ChatData, ReplyNote, chat_data, chat_html
from ..views.markup import count, message
from .chat_display import ChatDisplay
from .chat_layout import SLIDERS, arrange, make_controls
from .controls import change_settings
from .live import Shown, StaticView, Worker, ipywidgets_or_none, seldom

LAST_LETTERS = 0.1  # seconds: Enter may arrive before the letters that were typed just before it
READING = later("Reading the prompt …")
BUSY = later("A reply is being written: wait for its end, or press Stop first.")


def chat_panel(
    chat: Any = None, *, system: str | None = None, settings: GenerationSettings | None = None
) -> "ChatPanel | StaticView":
    """Talk to a chatbot in a panel: send, stop, regenerate, edit a turn, change the settings, save what was said.

    chat: a Chat, or a loaded model; without one the default model is loaded.
    system: how the chatbot should behave; a Chat that has said something keeps its own until "New chat" is pressed.
    settings: where the sliders start; None: those of the chat. A seed of None becomes 0.
    """
    if not isinstance(chat, Chat):
        chat = Chat(chat, system=system, settings=settings)
    if not isinstance(settings, GenerationSettings | None):
        raise SettingsError(f"settings must be GenerationSettings(...), not {settings!r:.60}.")
    chat.settings = settings or chat.settings
    if system is not None and len(chat.messages) < 2:
        begin_anew(chat, system)
    if ipywidgets_or_none() is None:
        data = chat_data(chat.messages)
        hint = tr("To write here, install ipywidgets; chat.send works without.")
        return StaticView(chat_html(data) + message(hint), data)
    return ChatPanel(chat, chat.system if system is None else system)


def begin_anew(chat: Chat, system: str) -> None:
    """Forget a conversation and change its system message. Raises MessageError, and all is as it was."""
    before = chat.system
    try:
        chat.system = system
        chat.reset()
    except NanoChatError:
        chat.system = before
        raise


class ChatPanel(Shown):
    """The panel as one widget.

    chat: the Chat that is talked to; it may be used in other cells, too, and `refresh` shows what they did.
    controls: "message", "several_lines", "lines", "send", "stop", "regenerate", "turn", "edit", "cancel_edit",
        "system", "new_chat", and a slider for each of SLIDERS.
    editing: the turn that is being edited, or None. line: the sentence in the panel's own line.
    display: what it shows. data: the bubbles of the talk.
    Every error is a sentence in that line; the conversation and what was typed stay as they were.
    """

    def __init__(self, chat: Chat, system: str):
        self.chat, self.editing, self.line = chat, None, ""
        self.controls = make_controls(chat.settings, system)
        self._notes: dict[tuple[int, str], ReplyNote] = {}  # (place in chat.messages, text there) → what is known of it
        self._draft = ""  # what was in the field when an edit began
        self._lock, self._worker = threading.RLock(), Worker()
        self._writing, self._stop = False, threading.Event()
        self.display = ChatDisplay()
        self.box = arrange(self.controls, self.display)
        self._connect()
        chat.cancel()  # should a panel of this chat, whose cell was run again, still be writing
        self.refresh()
        self._say(tr("Type a message, and press Enter or Send."))

    @property
    def html(self) -> str:
        """All that is shown, as pictures that stand still."""
        return self.display.html

    @property
    def data(self) -> ChatData:
        """The bubbles that are shown."""
        return self.display.data

    @property
    def settings(self) -> GenerationSettings:
        """The chat's settings with what the sliders say now."""
        return change_settings(self.chat.settings, {name: self.controls[name].value for name in SLIDERS})

    def wait(self, timeout: float = 60.0) -> None:
        """Block until no reply is being written. Raises TimeoutError."""
        self._worker.wait(timeout)

    # --- what the buttons do

    def send(self, text: str | None = None) -> None:
        """Send what is in the field, or this text. While a turn is edited, the conversation goes on from there."""
        if not isinstance(text, str | None):
            self._say(tr("The message must be text, not {kind}.", kind=type(text).__name__), is_error=True)
            return
        if text is not None and not self._writing:
            self.controls["message"].value = text
        self._start(self._send)

    def stop(self) -> None:
        """Stop the reply that is being written; what is there of it stays."""
        if self._writing:
            self._stop.set()
            self.chat.cancel()
        else:
            self._say(tr("Nothing is being written."))

    def regenerate(self) -> None:
        """Forget the last reply and answer again, with the next seed."""
        self._start(self._regenerate)

    def edit(self, turn: int | None = None) -> None:
        """Take one of your messages back into the field: the chosen one, or number `turn`, from 0.

        Nothing is forgotten before it is sent.
        """
        turn = self.controls["turn"].value if turn is None else turn
        texts = user_texts(self.chat)
        if not self._is_free():
            return
        if turn is None or not 0 <= turn < len(texts):
            sent = count(len(texts), "message")
            self._say(tr("There is no such message to edit: you sent {messages}.", messages=sent), is_error=True)
            return
        if self.editing is None:
            self._draft = self.controls["message"].value
        self.editing = turn
        self.controls["message"].value = texts[turn]
        self.refresh()
        self._say(
            tr(
                "Change your message {n} in the field: Send goes on from there, and forgets what came after.",
                n=turn + 1,
            )
        )

    def cancel_edit(self) -> None:
        """Leave the conversation as it is; the field gets back what was in it before."""
        if self.editing is None:
            self._say(tr("No message is being edited."))
        elif self._is_free():
            self.editing = None
            self.controls["message"].value = self._draft
            self.refresh()
            self._say(tr("The conversation is as it was."))

    def new_chat(self) -> None:
        """Forget the conversation and begin anew, with the system message in its field."""
        if not self._is_free():
            return
        try:
            begin_anew(self.chat, self.controls["system"].value)
        except NanoChatError as error:
            self._say(str(error), is_error=True)
            return
        self.editing, self.display.growing.value = None, ""
        self._notes.clear()
        self.refresh()
        self._say(tr("A new chat. The system message holds from now on."))

    def _connect(self):
        controls = self.controls
        for what in (self.send, self.stop, self.regenerate, self.edit, self.cancel_edit, self.new_chat):
            controls[what.__name__].on_click(lambda _, what=what: what())
        # Text.on_submit warns in ipywidgets 8; what the browser tells is the same in both.
        controls["message"].on_msg(lambda _, content, __: content.get("event") == "submit" and self.send())

    # --- the work, on a thread of its own

    def _is_free(self):
        if self._writing:
            self._say(tr_later(BUSY), is_error=True)
        return not self._writing

    def _start(self, job):
        with self._lock:
            if self._is_free():
                self._writing = True
                self._stop.clear()
                self._worker.start(partial(self._work, job))

    def _work(self, job, _cancel):
        before = self._state()
        try:
            job()
        except Exception as error:  # whatever it is, nobody but this line could tell it
            self._go_back(before)
            told = str(error) if isinstance(error, NanoChatError) else f"{type(error).__name__}: {error}"
            self._say(told, is_error=True)
        finally:
            self._writing = False

    def _state(self):
        return self.chat.messages, self.chat.last_reply

    def _go_back(self, before):
        self.chat.messages, self.chat.last_reply = before
        self.display.growing.value = ""
        self.refresh()

    def _send(self):
        self._stop.wait(LAST_LETTERS)
        field = self.controls["message"]
        text, field.value = user_message(field.value)["content"], ""  # an error comes before the field is emptied
        back = text  # for the field: not one word gets lost
        draft = "" if self.editing is None else self._draft
        try:
            if self._answer(text, self.editing):
                back = draft
        finally:
            field.value = "\n".join(filter(None, [back, field.value]))  # before what was typed meanwhile

    def _regenerate(self):
        texts = user_texts(self.chat)
        if not texts:
            raise MessageError("There is no reply yet: send a message first.")
        last, seed = self.chat.messages[-1], self.controls["seed"]
        seed.max = max(seed.max, seed.value + 1)
        seed.value += 1
        if self._answer(texts[-1], len(texts) - 1) and self.chat.messages[-1] == last:
            self._say(f"{self.line} {tr('The same words again: the model is sure of them.')}")

    def _answer(self, text: str, turn: int | None) -> bool:
        """Get the reply to a message, in place of a turn or after the last one; False where it was not kept."""
        before = self._state()
        if turn is not None:
            self.chat.rewind(turn)
            self._draw_talk()
        self.chat.settings = self.settings
        reply = self._write(text)
        if reply is None or reply.finish_reason == "blocked":
            self._go_back(before)
            self._tell_why_not(reply)
            return False
        self.editing, self.display.growing.value = None, ""
        self.refresh()
        self._say(_account(reply))
        return True

    def _write(self, text: str) -> Reply | None:
        """Show a reply while it is written; None where it was stopped before its first word."""
        if self._stop.is_set():
            return None
        turn = len(user_texts(self.chat))
        self.display.show_growing(text, "", turn)
        self._say(tr_later(READING))
        for number, written in enumerate(seldom(self._growing_reply(text))):
            self.display.show_growing(text, written, turn)
            if number == 0 and self.line == tr_later(READING):  # BUSY, once said, stays
                self._say(tr("Writing …"))
        reply = self.chat.last_reply
        return None if reply.finish_reason == "cancelled" and not reply.text else reply

    def _growing_reply(self, text):
        """The raw reply, again and again while it grows."""
        written = ""
        for piece in self.chat.stream(text):
            if self._stop.is_set():
                self.chat.cancel()
            if piece:
                written += piece
                yield written

    # --- what is shown

    def refresh(self) -> None:
        """Show the conversation as it is now; needed after another cell has used the chat."""
        with self._lock:
            reply = self.chat.last_reply
            if reply and self.chat.messages[-1]["content"] == reply.text:
                self._notes[len(self.chat.messages) - 1, reply.text] = ReplyNote.of(reply)
            self._draw_talk()
            self._offer_turns()
            self.display.show_links(self.chat)
            self.display.show_strip(self.chat)

    def _draw_talk(self):
        messages = self.chat.messages
        notes = {place: note for (place, text), note in self._notes.items()
                 if place < len(messages) and messages[place]["content"] == text}  # fmt: skip
        self.display.show_talk(self.chat, notes, editing=self.editing)

    def _offer_turns(self):
        """List the messages that can be edited; the newest is chosen."""
        offers = [(f"{turn + 1}: {_short(text)}", turn) for turn, text in enumerate(user_texts(self.chat))]
        control = self.controls["turn"]
        if control.options != tuple(offers):
            control.options = offers
            control.value = offers[-1][1] if offers else None

    def _tell_why_not(self, reply):
        if reply is None:
            self._say(tr("Stopped before the first word: the conversation is as it was."))
        else:
            self.display.show_blocked(reply)
            self._say(tr("Blocked by a rule: the conversation is as it was."))

    def _say(self, text, *, is_error=False):
        self.line = text
        self.display.say(text, is_error=is_error)


def user_texts(chat: Chat) -> list[str]:
    """What the user has said, from the first turn on."""
    return [message["content"] for message in chat.messages if message["role"] == "user"]


def _account(reply):
    """How the reply came about, in one line."""
    tokens = reply.trace.tokens
    if not tokens:
        return tr("Answered without the model.")
    numbers = {
        "tokens": count(len(tokens), "token"),
        "seconds": sum(token.seconds for token in tokens),
        "first": tokens[0].seconds,
    }
    if reply.finish_reason == "cancelled":
        return tr("Stopped after {tokens} in {seconds:.1f} s, the first after {first:.2f} s.", **numbers)
    return tr("Done: {tokens} in {seconds:.1f} s, the first after {first:.2f} s.", **numbers)


def _short(text, length=40):
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= length else one_line[: length - 1] + "…"
