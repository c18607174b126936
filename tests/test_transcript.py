"""A conversation as JSON and as Markdown: nothing that was said is lost or becomes part of the page."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat_helpers.errors import MessageError
from nanochat_helpers.transcript import as_json, as_markdown

TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi\n# 1\n\n> 2 😀"},
    {"role": "assistant", "content": "Hello."},
]
CONTENT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"))


@given(st.lists(CONTENT))
def test_json_holds_every_letter(contents):
    messages = [{"role": "user", "content": content} for content in contents]
    assert json.loads(as_json(messages, model="smollm2")) == {"model": "smollm2", "messages": messages}


def test_markdown_by_hand():
    assert as_markdown(TALK, "A talk") == (
        "# A talk\n\n**System:**\n\n> Be brief.\n\n**You:**\n\n> Hi\n> # 1\n>\n> > 2 😀\n\n**Chatbot:**\n\n> Hello.\n"
    )


@given(CONTENT)
def test_no_line_of_a_message_stands_outside_its_quotation(content):
    lines = as_markdown([{"role": "user", "content": content}]).split("\n")
    assert lines[:4] == ["# A conversation", "", "**You:**", ""]
    assert lines[-1] == ""
    assert all(line.startswith(">") for line in lines[4:-1])


@pytest.mark.parametrize("write", [as_json, as_markdown])
def test_what_is_no_conversation_is_refused(write):
    with pytest.raises(MessageError, match="Message 0"):
        write([{"role": "robot", "content": "Hi"}])
