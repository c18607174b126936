"""The bubbles of a conversation: who said what, what was done to it, and that no text can do harm."""

import re
import time
from html.parser import HTMLParser

import pytest

from nanochat_helpers.chat import Chat
from nanochat_helpers.views.chat import (
    ENDINGS,
    SHOWN_CHARACTERS,
    SHOWN_TURNS,
    ReplyNote,
    blocked_html,
    chat_data,
    chat_html,
    growing_html,
)
from nanochat_helpers.views.markup import split_styles

TALK = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "And?"},
    {"role": "assistant", "content": "Fine."},
]
MASKED = {"where": "input", "rule": "e-mail", "action": "mask", "start": 0, "end": 3, "says": "An address was masked."}
WARNED = {"where": "output", "rule": "length", "action": "warn", "start": 0, "end": 3, "says": "This is <long>."}
SOURCE = {"number": 1, "source": "a<b>.md", "place": "passage 3", "text": "<i>Tokens</i> are pieces.", "score": 2.5}
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)> \"' &lt; **<b onclick=x>** `<u>` ```\n<s>\n``` <|im_end|>"
)


def said(text, note=None):
    """A conversation in which the chatbot says this."""
    return chat_html(chat_data([TALK[1], {"role": "assistant", "content": text}], {1: note} if note else None))


class Tags(HTMLParser):
    """Collects the tags of a view, and whether each that was opened is closed."""

    def __init__(self, html):
        super().__init__()
        self.names, self.attributes, self.open = set(), set(), []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_each_bubble_says_who_speaks_and_in_which_turn():
    body = split_styles(chat_html(chat_data(TALK)))[1]
    assert re.findall(r"<b>([^<]*)</b>", body) == [
        "System message", "You · 1", "Chatbot · 1", "You · 2", "Chatbot · 2",
    ]  # fmt: skip
    assert 'aria-label="A conversation of 2 turns"' in body


def test_a_conversation_may_be_empty():
    for messages in ([], TALK[:1]):
        assert "The conversation begins here" in chat_html(chat_data(messages))
    assert "The conversation begins here" not in chat_html(chat_data(TALK))


@pytest.mark.parametrize("reason", ENDINGS)
def test_how_a_reply_ended_and_what_was_mended_stands_below_it(reason):
    note = ReplyNote(reason, 12, 0.84, edits=("cut_loop", "tidy_white_space"))
    html = chat_html(chat_data(TALK, {4: note}))
    small = re.findall('<p class="nc-chat-note">(.*?)</p>', html)
    assert small == [f"12 tokens in 0.8 s · {ENDINGS[reason]} · edits: cut_loop, tidy_white_space"]


def test_a_reply_without_the_model_says_so():
    assert "answered without the model" in said("I found nothing.", ReplyNote("stop", 0, 0.0))


def test_a_note_is_made_from_a_reply(scripted_reply):
    note = ReplyNote.of(scripted_reply)
    assert (note.finish_reason, note.n_tokens, note.edits) == ("stop", 9, ("tidy_white_space",))
    assert note.seconds == pytest.approx(sum(token.seconds for token in scripted_reply.trace.tokens))


@pytest.fixture
def scripted_reply():
    from scripted import ScriptedBackbone

    return Chat(ScriptedBackbone("  Hello.")).send("Hi")


def test_findings_stand_below_what_they_were_found_in():
    data = chat_data(TALK, {2: ReplyNote("stop", 3, 0.1, findings=(MASKED, WARNED))})
    assert [bubble.findings for bubble in data.bubbles] == [(), (MASKED,), (WARNED,), (), ()]
    assert "<b>mask</b> (e-mail): An address was masked." in chat_html(data)
    assert "This is &lt;long&gt;." in chat_html(data)


def test_sources_are_listed_below_the_reply_and_can_be_opened():
    html = said("See [1].", ReplyNote("stop", 3, 0.1, sources=(SOURCE,)))
    assert "<summary>[1] a&lt;b&gt;.md, passage 3</summary>" in html
    assert "&lt;i&gt;Tokens&lt;/i&gt; are pieces." in html


def test_what_an_edit_will_replace_is_marked_in_words():
    html = chat_html(chat_data(TALK, editing=1))
    assert html.count("will be replaced") == 2
    assert html.index("Hello.") < html.index("will be replaced") < html.index("And?")
    assert chat_html(chat_data(TALK)).count("will be replaced") == 0


def test_a_blocked_turn_is_a_notice_with_the_rules():
    html = blocked_html("I cannot <answer> that.", [WARNED])
    assert "Blocked, and not kept" in html
    assert "I cannot &lt;answer&gt; that." in html
    assert "This is &lt;long&gt;." in html


def test_a_growing_reply_is_drawn_without_style_sheets():
    html = growing_html("Hi <b>", "Hel", 2)
    assert "<style>" not in html
    assert "You · 3" in html
    assert "Hi &lt;b&gt;" in html
    assert "is writing" in html
    assert ">Hel<" in html
    assert "…" in growing_html("Hi", "", 0)


# --- text from anybody


@pytest.mark.parametrize("role", ["system", "user", "assistant"])
def test_hostile_text_is_shown_as_text(role):
    plain = Tags(chat_html(chat_data([{"role": role, "content": "**a** `b` ```\nc\n```"}])))
    html = chat_html(chat_data([{"role": role, "content": HOSTILE}]))
    tags = Tags(html)
    assert tags.names == plain.names
    assert tags.attributes == plain.attributes
    assert tags.open == []
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_a_little_markdown_is_shown():
    html = said("This is **bold**, `x ** y ** z` is code:\n```python\na = **b**\n```\n- one")
    assert "This is <b>bold</b>, <code>x ** y ** z</code> is code:\n<pre><code>a = **b**</code></pre>\n- one" in html


@pytest.mark.parametrize("text", ["2 ** 3 ** 4", "a ** b", "****", "** no**", "**no **", "`", "**no\nend**"])
def test_signs_that_are_no_markdown_stay_as_they_are(text):
    assert f">{text}</div>" in said(text)


def test_a_fence_that_was_not_closed_yet_is_code_too():
    assert "<pre><code>a = 1</code></pre>" in said("```python\na = 1")


def test_marks_that_turn_the_text_round_are_shown_by_their_numbers_and_emoji_stay_whole():
    html = said("a\u202eb\x07 👩\u200d💻 \u2066x")
    assert "a[U+202E]b[U+0007] 👩\u200d💻 [U+2066]x" in html


def test_long_conversations_and_messages_are_cut_and_say_so():
    turns = SHOWN_TURNS + 3
    messages = TALK[:1] + [
        {"role": role, "content": f"<{role} {turn}>"} for turn in range(turns) for role in ("user", "assistant")
    ]
    html = chat_html(chat_data(messages))
    assert "3 earlier turns" in html
    assert "Be kind." in html
    assert "&lt;user 2&gt;" not in html
    assert "You · 4<" in html
    assert f'aria-label="A conversation of {turns} turns"' in html
    assert "… 7 more characters" in said("x" * (SHOWN_CHARACTERS + 7))


@pytest.mark.parametrize("text", ["**" * 2000, "`" * 4000, "```\n" * 1000, "**a" * 1300, "```" + "\n" * 3900])
def test_no_text_takes_for_ever(text):
    start = time.process_time()
    said(text)
    assert time.process_time() - start < 5
