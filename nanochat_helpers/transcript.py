"""A conversation as a file: JSON for programs, Markdown for people.

In: messages. Out: text. What anybody said stands in it letter by letter.
"""

import json
from typing import Any

from .prompts import check_messages

SPEAKERS = {"system": "System", "user": "You", "assistant": "Chatbot"}


def as_json(messages: list[dict], **about: Any) -> str:
    """The conversation as JSON, under "messages"; what else is said `about` it stands before them."""
    check_messages(messages)
    return json.dumps({**about, "messages": messages}, ensure_ascii=False, indent=2)


def as_markdown(messages: list[dict], title: str = "A conversation") -> str:
    """The conversation as Markdown: a name in front of each message, its lines as a quotation.

    A quotation, because a message may have Markdown of its own: a heading in it must not become one of the page.
    """
    check_messages(messages)
    return "\n\n".join([f"# {title}", *map(_message, messages)]) + "\n"


def _message(message):
    quoted = "\n".join(f"> {line}".rstrip() for line in message["content"].split("\n"))
    return f"**{SPEAKERS[message['role']]}:**\n\n{quoted}"
