"""Going back in a conversation, and taking it along as a file."""

import json

import pytest
from scripted import ScriptedBackbone

from nanochat_helpers.chat import DEFAULT_SYSTEM, Chat
from nanochat_helpers.errors import MessageError
from nanochat_helpers.settings import GenerationSettings

REPLIES = ["One.", "Two.", "Three.", "Four."]


@pytest.fixture
def chat():
    """A conversation of three turns: A, B, C."""
    chat = Chat(ScriptedBackbone(REPLIES))
    for text in "ABC":
        chat.send(text)
    return chat


def contents(chat):
    return [message["content"] for message in chat.messages[1:]]


def test_going_back_gives_the_newest_message_and_forgets_its_turn(chat):
    assert chat.rewind() == "C"
    assert contents(chat) == ["A", "One.", "B", "Two."]
    assert chat.last_reply is None


@pytest.mark.parametrize(("turn", "text", "left"), [(0, "A", []), (1, "B", ["A", "One."]), (-2, "B", ["A", "One."])])
def test_going_back_further_forgets_all_that_came_after(chat, turn, text, left):
    assert chat.rewind(turn) == text
    assert contents(chat) == left
    assert chat.messages[0] == {"role": "system", "content": DEFAULT_SYSTEM}
    assert chat.send("X").text == "Four."
    assert contents(chat) == [*left, "X", "Four."]


@pytest.mark.parametrize("turn", [3, -4, None, 1.0, True, "1"])
def test_a_turn_that_does_not_exist_is_one_sentence_and_nothing_is_lost(chat, turn):
    before = chat.messages
    with pytest.raises(MessageError, match="this conversation has 3"):
        chat.rewind(turn)
    assert chat.messages is before


def test_a_reply_that_is_being_written_is_not_kept_after_going_back(chat):
    pieces = chat.stream("D")
    next(pieces)
    chat.rewind(0)
    assert "".join(pieces)
    assert contents(chat) == []


def test_a_conversation_can_be_taken_along_as_json_and_put_back(chat):
    chat.settings = GenerationSettings(temperature=0.3, stop=["\nUser:"])
    saved = json.loads(chat.as_json())
    assert saved["model"] == "scripted"
    assert GenerationSettings(**saved["settings"]) == chat.settings
    again = Chat(ScriptedBackbone("More."))
    again.messages = saved["messages"]
    again.send("D")
    assert contents(again) == [*contents(chat), "D", "More."]


def test_a_conversation_can_be_read_as_markdown(chat):
    text = chat.as_markdown()
    assert text.startswith("# A conversation with scripted\n")
    assert [text.index(f"> {word}") for word in contents(chat)] == sorted(
        text.index(f"> {word}") for word in contents(chat)
    )
