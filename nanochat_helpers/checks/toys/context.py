"""Ways to count words and tokens for sheet 06."""

from collections.abc import Callable
from typing import Any

from ...language import tr

WRAPPING = 5  # tokens around each message
REPLY_BEGINS = 4  # tokens at the end of a prompt


def are_messages(value: Any) -> bool:
    """Whether this is a list of dicts with a text each."""
    return type(value) is list and all(type(each) is dict and type(each.get("content")) is str for each in value)


def count_words(text: str) -> int:
    """How many words a text has."""
    if type(text) is not str:
        raise TypeError(tr('count takes a text, such as message["content"]'))
    return len(text.split())


def count_letters(text: str) -> int:
    """How many letters a text has, and other signs that are no spaces."""
    if type(text) is not str:
        raise TypeError(tr('count takes a text, such as message["content"]'))
    return len(text.replace(" ", ""))


COUNTS = {"count_words": count_words, "count_letters": count_letters}


def with_count(function: Callable[..., Any], messages: list[dict], count: str) -> Any:
    """Call the student's function with the way to count that has this name."""
    return function(messages, COUNTS[count])


def count_tokens(messages: list[dict]) -> int:
    """The length of a whole prompt: its words, and the beginning of the reply."""
    if not are_messages(messages):
        raise TypeError(tr("count_tokens takes a list of messages, such as [message]"))
    return REPLY_BEGINS + sum(len(message["content"].split()) for message in messages)


def with_count_tokens(function: Callable[..., Any], messages: list[dict], window: int, for_reply: int) -> Any:
    """Call the student's function with `count_tokens`."""
    return function(messages, count_tokens, window, for_reply)
