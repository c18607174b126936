"""Tools, a scripted bot and the real model for sheet 08."""

from collections.abc import Callable
from functools import cache
from types import SimpleNamespace
from typing import Any

from ...models import load_model

TOOLS = {
    "cut": lambda value, step: value[: step["length"]],
    "add": lambda value, step: value + step["text"],
    "turn": lambda value, step: value[::-1],
    "double": lambda value, step: value + value,
}


def with_tools(function: Callable[..., Any], spec: dict, value: Any) -> Any:
    """Call the student's function with the tools, which are no plain data."""
    return function(spec, value, dict(TOOLS))


END, MARKS = 0, {"system": 1, "user": 2, "assistant": 3}


class ToyBot:
    """The parts of a chatbot, with a scripted model: it tells how many messages it reads, and says the newest again.

    Each letter is one token, and its id is the letter's number in Unicode. 0 is the end token.
    """

    end_id = END

    def fit(self, messages: list[dict]) -> list[dict]:
        """What fits into the prompt: the system message, and the newest three others."""
        system = [message for message in messages if message["role"] == "system"]
        return system + [message for message in messages if message["role"] != "system"][-3:]

    def encode(self, messages: list[dict]) -> list[int]:
        """The prompt: the ids of all messages, and the mark after which the assistant speaks."""
        ids = []
        for message in messages:
            ids += [MARKS[message["role"]], *map(ord, message["content"]), END]
        return [*ids, MARKS["assistant"]]

    def next_id(self, ids: list[int]) -> int:
        """The model: the ids of the prompt and of all that is written so far → the next id."""
        start = max((place + 1 for place, token_id in enumerate(ids) if token_id == MARKS["assistant"]), default=0)
        script = _script(ids[:start])
        n_written = len(ids) - start
        return ord(script[n_written]) if n_written < len(script) else END

    def decode(self, ids: list[int]) -> str:
        """The text of ids."""
        return "".join("<end>" if token_id == END else chr(token_id) for token_id in ids)

    def clean(self, text: str) -> str:
        """The text without spaces and line breaks at its ends, or several in a row."""
        return " ".join(text.split())


def _script(prompt):
    """What the scripted model answers to a prompt."""
    n_messages = sum(token_id in MARKS.values() for token_id in prompt[:-1])
    newest = "".join(map(chr, prompt[:-1])).rpartition(chr(MARKS["user"]))[2].rstrip(chr(END))
    return f"\n {n_messages} read.  {newest}\n"


def with_a_bot(function: Callable[..., Any], messages: list[dict], text: str, max_new_tokens: int) -> Any:
    """Call the student's function with a bot, which is no plain data."""
    return function(messages, text, max_new_tokens, ToyBot())


@cache
def real_model() -> SimpleNamespace:
    """The model of the lessons, which keeps what it said after which ids: many functions ask it the same."""
    backbone = load_model("smollm2", engine="transformers")
    logits = cache(lambda ids: backbone.next_token_logits(list(ids)))
    return SimpleNamespace(tokenizer=backbone.tokenizer, next_token_logits=lambda ids: logits(tuple(ids)).clone())


def with_the_real_model(function: Callable[..., Any], messages: list[dict], text: str, max_new_tokens: int) -> Any:
    """Call the student's function with the model of the lessons."""
    return function(messages, text, max_new_tokens, real_model())
