"""What every bot is built on: a Chat whose answers are put together by rules and by the model.

A bot says in `answer` what happens to a message. In it, `ask_model` gets the words of the model, and `note` tells the
reader what the rules did. A bot is a Chat: what works with a Chat works with a bot (`send`, `stream`, the chat panel).
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..chat import Chat, Reply, user_message
from ..errors import MessageError
from ..settings import GenerationSettings
from ..trace import Trace
from .tables import reply_html

MOST_CHARACTERS = 4000  # of one message: more than a screen full is no question
BOT_SETTINGS = GenerationSettings(temperature=0.3, max_new_tokens=32, seed=0)
SENTENCE = re.compile(r".+?[.!?]+[\"'”)]*(?=\s|$)")


@dataclass(frozen=True, repr=False)
class BotReply(Reply):
    """A bot's answer, and what the rules and the model did for it, one sentence each."""

    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "\n".join([self.text, *(f"  · {note}" for note in self.notes)])

    def _repr_html_(self) -> str:
        return reply_html(self.text, self.notes)


class Bot(Chat):
    """A chatbot with rules around its model. Make one of your own: a class with `instructions` and `answer`.

    instructions: the system message. examples: (message, reply) pairs that the model gets to see before each message.
    backbone: a loaded model; without one the default model is loaded. settings: None is a careful start, with short
    replies and always the same luck.
    """

    instructions = "You are a helpful AI assistant."
    examples: Sequence[tuple[str, str]] = ()

    def __init__(self, backbone: Any = None, *, settings: GenerationSettings | None = None):
        super().__init__(backbone, system=self.instructions, settings=settings or BOT_SETTINGS)

    def answer(self, text: str) -> str:
        """The whole answer to a message. This one leaves everything to the model; yours should know better."""
        return self.ask_model(text)

    def reset(self) -> None:
        """Forget the conversation."""
        super().reset()
        self._asked: Chat | None = None
        self._notes: list[str] = []

    # --- for use in `answer`

    def ask_model(self, text: str, *, remember: bool = False) -> str:
        """What the model replies to a text of your choice. remember: with the conversation so far in its prompt."""
        asked = Chat(self.backbone, system=self.system, settings=self.settings, history=self.history)
        shown = [
            {"role": role, "content": said}
            for pair in self.examples
            for role, said in zip(("user", "assistant"), pair, strict=True)
        ]
        asked.messages = [*asked.messages, *shown, *(self.messages[len(asked.messages) :] if remember else [])]
        self._asked = asked
        return asked.send(text).text

    def note(self, text: str) -> None:
        """Tell the reader what was done, in one sentence; it stands below the answer."""
        self._notes.append(text)

    # --- what a Chat does

    def reply(self, text: str) -> BotReply:
        """Say something and get the bot's answer. Raises MessageError for a message that no bot can read."""
        return self.send(text)

    def stream(self, text: str) -> Iterator[str]:
        """The answer in one piece: the rules want to see the model's words before anybody else does."""
        before = self.messages
        message = user_message(text)
        if len(text) > MOST_CHARACTERS:
            told = f"The message has {len(text):,} characters, and a bot reads at most {MOST_CHARACTERS:,}"
            raise MessageError(f"{told}: send the part that matters.")
        self._asked, self._notes = None, []
        written = self._checked_answer(text)
        trace = self._traced(text, written)
        if self.messages is before:
            self.messages = [*before, message, {"role": "assistant", "content": written}]
        self.last_reply = BotReply(written, trace.finish_reason, trace, tuple(self._notes))
        yield written

    def cancel(self) -> None:
        """Stop the model; the rules go on with what it has written so far."""
        super().cancel()
        if self._asked is not None:
            self._asked.cancel()

    def _checked_answer(self, text):
        written = self.answer(text)
        if not isinstance(written, str) or not written.strip():
            raise MessageError(f"{type(self).__name__}.answer must give a text, and it gave {written!r:.60}.")
        return written.strip()

    def _traced(self, text, written):
        """The trace of what the model was last asked, or of a reply without a model."""
        if self._asked is None or self._asked.last_reply is None:
            return Trace(
                self.backbone.name,
                self.backbone.engine,
                _knobs(self.settings),
                text,
                text=written,
                finish_reason="stop",
            )
        trace = self._asked.last_reply.trace
        return replace(trace, user_message=text, text=written)


def plain_chat(bot: Bot) -> Chat:
    """The same model with the same instructions and settings, and none of the rules: to compare a bot with."""
    if not isinstance(bot, Chat):
        raise MessageError(f"plain_chat needs a bot, such as plain_chat(MathsBot(backbone)), not {bot!r:.60}.")
    return Chat(bot.backbone, system=bot.system, settings=bot.settings)


def sentences(text: str) -> list[str]:
    """The complete sentences of a text; a last one that was cut is left out.

    >>> sentences("Well done! It is 12. And now")
    ['Well done!', 'It is 12.']
    """
    return [sentence.strip() for sentence in SENTENCE.findall(" ".join(text.split()))]


def _knobs(settings):
    return {**asdict(settings), "stop": list(settings.stop)}
