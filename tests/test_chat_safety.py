"""A chat with rules: what is blocked, what is masked, what is only told, and that nothing is shown before its check."""

import pytest
from scripted import ScriptedBackbone

from nanochat_helpers.chat import Chat
from nanochat_helpers.errors import SettingsError
from nanochat_helpers.safety import Safety
from nanochat_helpers.safety_rules import pattern_rule
from nanochat_helpers.trace import Trace

EMAIL = "My address is ada@example.org."


def rules(action):
    return [pattern_rule("secret", "xyzzy", action, says="This is the secret word.")]


def chat_with(*, script="Fine.", **safety):
    return Chat(ScriptedBackbone(script), safety=Safety(**{"input_rules": [], "output_rules": []} | safety))


# --- on the way in


def test_a_blocked_message_never_reaches_the_model_and_the_reply_says_which_rule_it_was():
    chat = chat_with(input_rules=rules("block"))
    pieces = list(chat.stream("Say xyzzy"))
    reply = chat.last_reply
    assert reply.finish_reason == "blocked"
    assert "secret" in reply.text and pieces == [reply.text]
    assert chat.backbone.calls == []
    assert len(chat.messages) == 1
    assert reply.findings == [
        {
            "where": "input", "rule": "secret", "action": "block", "start": 4, "end": 9,
            "says": "This is the secret word.",
        }
    ]  # fmt: skip


def test_after_a_blocked_message_the_conversation_goes_on():
    chat = chat_with(input_rules=rules("block"))
    chat.send("Hi")
    before = chat.messages
    chat.send("xyzzy")
    assert chat.messages is before
    assert chat.send("And?").text == "Fine."


def test_what_is_masked_is_masked_for_the_model_the_conversation_and_the_file_of_it():
    chat = Chat(ScriptedBackbone("Fine."), safety=Safety())
    reply = chat.send(EMAIL)
    assert reply.text == "Fine."
    for text in (reply.trace.prompt, chat.messages[1]["content"], chat.as_json(), chat.as_markdown()):
        assert "[email]" in text and "example.org" not in text
    assert [(found["where"], found["rule"], found["action"]) for found in reply.findings] == [
        ("input", "email", "mask")
    ]
    assert "mask by email" in str(reply.trace)


def test_a_retriever_sees_the_masked_message():
    seen = []
    chat = Chat(ScriptedBackbone("Fine."), safety=Safety(), retriever=lambda text: seen.append(text) or [])
    chat.send(EMAIL)
    assert "[email]" in seen[0]


def test_a_warning_changes_nothing():
    chat = chat_with(input_rules=rules("warn"), output_rules=rules("warn"), script="xyzzy!")
    reply = chat.send("Say xyzzy")
    assert (reply.text, reply.finish_reason) == ("xyzzy!", "stop")
    assert chat.messages[1]["content"] == "Say xyzzy"
    assert [found["where"] for found in reply.findings] == ["input", "output"]


# --- on the way out


def test_a_blocked_reply_is_replaced_and_its_turn_is_not_kept():
    chat = chat_with(output_rules=rules("block"), script=["It is xyzzy.", "Fine."])
    reply = chat.send("What is it?")
    assert reply.finish_reason == "blocked"
    assert "secret" in reply.text and "xyzzy" not in reply.text
    assert len(chat.messages) == 1
    assert chat.send("And?").text == "Fine."


def test_a_masked_reply_is_kept_masked():
    chat = chat_with(output_rules=rules("mask"), script="It is xyzzy.")
    reply = chat.send("What is it?")
    assert (reply.text, reply.finish_reason) == ("It is [secret].", "stop")
    assert chat.messages[-1]["content"] == "It is [secret]."


def test_nothing_is_shown_before_it_was_looked_through():
    chat = chat_with(output_rules=rules("mask"), script="  It is xyzzy. ")
    assert list(chat.stream("What is it?")) == ["It is [secret]."]


def test_a_chat_that_looks_only_at_what_comes_in_streams_as_ever():
    chat = chat_with(input_rules=rules("block"), script="It is xyzzy.")
    assert len(list(chat.stream("What is it?"))) > 4


def test_a_reply_that_is_stopped_is_looked_through_all_the_same():
    chat = chat_with(output_rules=rules("mask"), script="It is xyzzy. " * 100)
    asked = chat.backbone.next_token_logits

    def stop_after_thirty(input_ids):
        if len(chat.backbone.calls) == 30:
            chat.cancel()
        return asked(input_ids)

    chat.backbone.next_token_logits = stop_after_thirty
    pieces = list(chat.stream("What is it?"))
    assert chat.last_reply.finish_reason == "cancelled"
    assert pieces == [chat.last_reply.text]
    assert "xyzzy" not in pieces[0]


# --- the record


def test_the_trace_keeps_the_findings(tmp_path):
    trace = Chat(ScriptedBackbone("Fine."), safety=Safety()).send(EMAIL).trace
    trace.save(tmp_path / "trace.json")
    assert Trace.load(tmp_path / "trace.json") == trace


def test_what_is_no_set_of_rules_is_refused_before_anything_is_sent():
    with pytest.raises(SettingsError, match=r"safety must be a set of rules such as Safety\(\)"):
        Chat(ScriptedBackbone("Fine."), safety=True)
