"""What the page says and is told: between gradio's bubbles and the messages of a chat.

Gradio's Chatbot takes what it shows for HTML and straightens indented lines. Here both are undone: what a model or a
student wrote is shown letter by letter, and read back the same. Nothing is drawn here.
"""

import re
from collections.abc import Callable
from typing import Any

from ..chat import Reply

NO_REPLY = {"id": "no reply"}  # marks an answer that the model did not give; the conversation goes on without it
ENDINGS = {
    "stop": "The model ended it.",
    "length": "It has all the tokens that max_new_tokens allows.",
    "stop_string": "A stop string ended it.",
    "blocked": "A rule blocked it.",
    "cancelled": "Stopped.",
}


def bubble(text: str) -> dict:
    """A reply for the page to show."""
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def no_reply(why: str) -> dict:
    """What the page shows where there is no reply."""
    return {**bubble(f"Not answered: {why}"), "metadata": NO_REPLY}


def as_messages(history: list[dict], text: str, system: str = "") -> list[dict]:
    """The messages that the model gets, from the bubbles of the page and the new message.

    Turns that have no reply, because it was refused or stopped before its first word, are left out.
    """
    messages = [{"role": "system", "content": system}] if system else []
    asked = None
    for each in history:
        said = {"role": each["role"], "content": _text(each)}
        if said["role"] == "user":
            asked = said
        elif said["role"] == "assistant" and asked and said["content"] and not _is_marked(each):
            messages += [asked, said]
            asked = None
    return [*messages, {"role": "user", "content": text}]


def account(reply: Reply) -> str:
    """How a reply came about, in one line; with its seed it can be had again."""
    tokens, seed = reply.trace.tokens, reply.trace.settings.get("seed")
    many = "1 token" if len(tokens) == 1 else f"{len(tokens)} tokens"
    seconds = sum(token.seconds for token in tokens)
    return f"{many} in {seconds:.1f} s, seed {seed}. {ENDINGS.get(reply.finish_reason, '')}".rstrip()


def keep_plain(chatbot: Any) -> None:
    """Let a gr.Chatbot show every text as it is. A new class would make gradio write a .pyi file beside this one."""
    show, read = chatbot.postprocess, chatbot.preprocess
    chatbot.postprocess = lambda value: show(_changed(value, _without_tags))
    chatbot.preprocess = lambda payload: _changed(read(payload), _with_tags)


def _changed(bubbles: Any, change: Callable[[str], str]) -> list[dict]:
    """Copies of bubbles, with each text changed. A text with its type named is one that gradio leaves as it is."""
    return [{**each, "content": [{"type": "text", "text": change(_text(each))}]} for each in bubbles or []]


def _text(each):
    content = each["content"]
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content if part.get("type") == "text")


def _is_marked(each):
    return (each.get("metadata") or {}).get("id") == NO_REPLY["id"]


def _without_tags(text: str) -> str:
    """Write what would begin a tag or a named character so that a browser shows it: <b> becomes &lt;b>."""
    return re.sub(r"<(?=[a-zA-Z/!?])", "&lt;", re.sub(r"&(?=[a-zA-Z#])", "&amp;", text))


def _with_tags(text: str) -> str:
    return text.replace("&lt;", "<").replace("&amp;", "&")
