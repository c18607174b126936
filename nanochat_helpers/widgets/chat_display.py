"""What the chat panel shows: the talk, the turn that is being written, a line of its own, links, and the prompt strip.

In: a Chat and its replies. It changes no conversation; the pictures are in `views.chat` and `views.prompt_strip`.
"""

import base64
import html
import re
from collections.abc import Mapping

from ..chat import Chat, Reply
from ..errors import NanoChatError
from ..language import tr
from ..views.chat import ChatData, ReplyNote, blocked_html, chat_data, chat_html, growing_html
from ..views.markup import message
from ..views.prompt_strip import prompt_strip_data, prompt_strip_html
from .live import Picture, ipywidgets_or_none


class ChatDisplay:
    """The parts of the panel that only show something, each a widget of its own.

    talk, strip: Pictures. growing, line, links: HTML. data: the ChatData of the talk.
    """

    def __init__(self):
        widgets = ipywidgets_or_none()
        self.talk, self.strip = Picture(), Picture()
        wide = widgets.Layout(width="100%")
        self.growing, self.line, self.links = (widgets.HTML(layout=wide) for _ in range(3))
        self.data = ChatData(())

    @property
    def html(self) -> str:
        """All of it as pictures that stand still; without the links, which would be as long again."""
        return self.talk.html + self.growing.value + self.line.value + self.strip.html

    def show_talk(self, chat: Chat, notes: Mapping[int, ReplyNote], *, editing: int | None = None) -> None:
        """Show what was said. notes, editing: see `chat_data`."""
        self.data = chat_data(chat.messages, notes, editing=editing)
        self.talk.show(chat_html(self.data))

    def show_growing(self, text: str, reply: str, turn: int) -> None:
        """Show the turn that is being written; the style sheets are those of the talk."""
        self.growing.value = growing_html(text, reply, turn)

    def show_blocked(self, reply: Reply) -> None:
        """Show a notice in place of a turn that a rule has blocked."""
        self.growing.value = blocked_html(reply.text, reply.findings)

    def show_links(self, chat: Chat) -> None:
        """Make the links that save the conversation."""
        self.links.value = export_links(chat.as_json(), chat.as_markdown(), chat.backbone.name)

    def show_strip(self, chat: Chat) -> None:
        """Show the prompt of the last reply; nothing before the first one, and for a reply without the model."""
        trace = chat.last_reply.trace if chat.last_reply else None
        if trace is None or not trace.input_ids:
            self.strip.show("")
            return
        try:
            self.strip.show(prompt_strip_html(prompt_strip_data(trace, chat.backbone.tokenizer)))
        except NanoChatError as error:  # no reason to lose a reply
            self.strip.show(message(str(error)))

    def say(self, text: str, *, is_error: bool = False) -> None:
        """Say a sentence in the panel's own line."""
        shown = f'<span role="status" style="font-size:15px">{html.escape(text)}</span>'
        self.line.value = message(text) if is_error else shown


def export_links(as_json: str, as_markdown: str, model: str) -> str:
    """Two links that save a conversation as a file: it stands in the link itself, so no server is asked."""
    name = "chat_with_" + (re.sub("[^a-z0-9]+", "_", model.lower()).strip("_")[:40] or "a_model")
    kinds = (("JSON", "json", "application/json", as_json), ("Markdown", "md", "text/markdown", as_markdown))
    links = "".join(
        f'<a download="{name}.{ending}" href="{_data_uri(kind, text)}">{tr("Save as {kind}", kind=label)}</a>'
        for label, ending, kind, text in kinds
    )
    return f'<div class="nc-chat-links">{links}</div>'


def _data_uri(kind, text):
    return f"data:{kind};charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"
