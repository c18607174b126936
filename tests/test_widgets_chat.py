"""The chat panel without a browser: what its buttons do to the conversation, the field and the panel's own line."""

import base64
import json
import re
import threading
import time
import timeit

import pytest
from ipywidgets import Widget
from scripted import ScriptedBackbone, almost_certain

from nanochat_helpers.chat import Chat
from nanochat_helpers.errors import MessageError, ModelError, SettingsError
from nanochat_helpers.passages import Passage
from nanochat_helpers.retrieval import NOTHING_FITS, Hit
from nanochat_helpers.safety import Safety
from nanochat_helpers.safety_rules import pattern_rule
from nanochat_helpers.settings import DEFAULT_MAX_NEW_TOKENS, GenerationSettings
from nanochat_helpers.widgets import chat as module
from nanochat_helpers.widgets import chat_display as display
from nanochat_helpers.widgets.chat import BUSY, ChatPanel, chat_panel
from nanochat_helpers.widgets.live import SECONDS_A_PICTURE, StaticView


@pytest.fixture(autouse=True)
def close_widgets(monkeypatch):
    monkeypatch.setattr(module, "LAST_LETTERS", 0.0)
    yield
    Widget.close_all()


def panel_of(script=("One.", "Two.", "Three.", "Four."), **parts):
    backbone = parts.pop("backbone", {})
    script = list(script) if isinstance(script, tuple) else script
    return chat_panel(Chat(ScriptedBackbone(script, **backbone), system="Be kind.", **parts))


def send(panel, text):
    panel.controls["message"].value = text
    press(panel, "send")


def press(panel, name):
    panel.controls[name].click()
    panel.wait()


def field(panel):
    return panel.controls["message"].value


def contents(panel):
    return [message["content"] for message in panel.chat.messages if message["role"] != "system"]


class Slow(ScriptedBackbone):
    """Waits before each token until it is told to go on."""

    def __init__(self, script="A long answer.", **options):
        super().__init__(script, **options)
        self.asked, self.go_on = threading.Semaphore(0), threading.Semaphore(0)

    def next_token_logits(self, input_ids):
        self.asked.release()
        assert self.go_on.acquire(timeout=20)
        return super().next_token_logits(input_ids)


def write_tokens(backbone, n):
    """Let n tokens be written; then the model has been asked for the one after them."""
    for _ in range(n):
        backbone.go_on.release()
        assert backbone.asked.acquire(timeout=20)


@pytest.fixture
def slow():
    """A panel in the middle of a reply: the model is asked for its third token."""
    backbone = Slow()
    panel = chat_panel(Chat(backbone, system=""))
    panel.controls["message"].value = "Hi"
    panel.controls["send"].click()
    assert backbone.asked.acquire(timeout=20)
    write_tokens(backbone, 2)
    yield panel
    for _ in range(100):
        backbone.go_on.release()
    panel.wait()


# --- sending


def test_a_message_and_its_reply_are_kept_and_shown_and_the_field_is_free_again():
    panel = panel_of()
    send(panel, "Hello there")
    assert contents(panel) == ["Hello there", "One."]
    assert field(panel) == ""
    assert panel.display.growing.value == ""
    assert re.search("Hello there.*One[.].*finished by itself", panel.html, re.DOTALL)
    assert panel.line.startswith("Done: 5 tokens in")


def test_enter_sends_the_letters_that_arrive_just_after_it(monkeypatch):
    monkeypatch.setattr(module, "LAST_LETTERS", 0.3)
    panel = panel_of()
    message = panel.controls["message"]
    message.value = "Hel"
    message._handle_custom_msg({"event": "submit"}, [])
    message.value = "Hello"
    panel.wait()
    assert contents(panel) == ["Hello", "One."]


def test_a_reply_grows_while_it_is_written(slow):
    slow.chat.backbone.go_on.release()
    assert slow.chat.backbone.asked.acquire(timeout=20)
    assert ">A" in slow.display.growing.value
    assert "is writing" in slow.display.growing.value
    assert slow.line == "Writing …"
    assert contents(slow) == []


def test_the_first_token_is_shown_at_once_and_the_page_gets_at_most_20_pictures_a_second():
    arrived, shown = [], []
    panel = panel_of("x" * 100)
    stream = panel.chat.stream

    def timed(text):
        for piece in stream(text):
            arrived.append(time.monotonic())
            yield piece
            time.sleep(0.005)

    panel.chat.stream = timed
    panel.display.growing.observe(lambda change: "x" in change["new"] and shown.append(time.monotonic()), "value")
    send(panel, "Go")
    assert shown[0] < arrived[1]  # before the second one is there
    assert 2 <= len(shown) <= (arrived[-1] - arrived[0]) / SECONDS_A_PICTURE + 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("", "is empty"), ("  \n ", "is empty"), ("x" * 3000, "shorter"), ("half \ud83d", "half"), ("a\0b", "NUL")],
)
def test_what_cannot_be_sent_is_told_and_stays_in_the_field(text, sentence):
    panel = panel_of()
    send(panel, "First")
    before = contents(panel)
    send(panel, text)
    assert sentence in panel.line
    assert field(panel) == text
    assert contents(panel) == before
    assert "nc-note" in panel.display.line.value
    send(panel, "Again")
    assert contents(panel) == [*before, "Again", "Two."]


def test_a_cell_that_sends_what_is_no_text_is_told():
    panel = panel_of()
    panel.send(5)
    panel.wait()
    assert panel.line == "The message must be text, not int." and contents(panel) == []


def test_a_model_that_fails_half_way_loses_nothing():
    def script(input_ids):
        if input_ids[-1] == ord("x"):
            raise RuntimeError("out of memory")
        return almost_certain(ord("x"))

    panel = panel_of(script)
    send(panel, "Hi")
    assert panel.line == "RuntimeError: out of memory"
    assert (field(panel), contents(panel), panel.display.growing.value) == ("Hi", [], "")


def test_what_is_typed_meanwhile_stays_when_a_message_comes_back(slow):
    slow.controls["message"].value = "typed meanwhile"
    slow.chat.backbone.next_token_logits = None
    for _ in range(3):
        slow.chat.backbone.go_on.release()
    slow.wait()
    assert "TypeError" in slow.line
    assert field(slow) == "Hi\ntyped meanwhile"
    assert slow.controls["several_lines"].value


@pytest.mark.parametrize("button", ["send", "regenerate", "edit", "new_chat"])
def test_while_a_reply_is_written_everything_else_is_refused_in_words(slow, button):
    slow.controls["message"].value = "Too early"
    slow.controls[button].click()
    assert slow.line == BUSY
    assert field(slow) == "Too early"
    assert slow.chat.messages == []


def test_a_refusal_is_not_wiped_out_by_the_first_word():
    backbone = Slow()
    panel = chat_panel(Chat(backbone, system=""))
    panel.controls["message"].value = "Hi"
    panel.controls["send"].click()
    assert backbone.asked.acquire(timeout=20)
    panel.controls["send"].click()
    write_tokens(backbone, 2)
    assert panel.line == BUSY
    backbone.go_on.release(100)
    panel.wait()


def test_a_new_panel_ends_what_an_older_one_is_writing(slow):
    new = chat_panel(slow.chat)
    for _ in range(5):
        slow.chat.backbone.go_on.release()
    slow.wait()
    assert slow.chat.last_reply.finish_reason == "cancelled"
    assert len(slow.chat.backbone.calls) == 3
    assert new.line.startswith("Type a message")


# --- stop


def test_stop_keeps_what_was_written_so_far(slow):
    slow.controls["stop"].click()
    write_tokens(slow.chat.backbone, 0)
    for _ in range(3):
        slow.chat.backbone.go_on.release()
    slow.wait()
    assert len(slow.chat.backbone.calls) <= 4
    assert contents(slow) == ["Hi", "A long answer."[: len(slow.chat.backbone.calls)].strip()]
    assert "stopped by you" in slow.html
    assert slow.line.startswith("Stopped after")


def test_a_reply_that_is_stopped_before_its_first_word_leaves_all_as_it_was(monkeypatch):
    panel = panel_of()
    stream = panel.chat.stream

    def stopped(text):
        pieces = stream(text)
        panel.chat._cancel.clear = panel.chat._cancel.set
        yield from pieces

    panel.chat.stream = stopped
    send(panel, "Hi")
    assert contents(panel) == []
    assert field(panel) == "Hi"
    assert "Stopped before the first word" in panel.line


def test_stop_is_heard_before_the_model_has_begun(monkeypatch):
    monkeypatch.setattr(module, "LAST_LETTERS", 20)
    panel = panel_of()
    panel.send("Hi")
    press(panel, "stop")
    assert (contents(panel), field(panel), panel.chat.backbone.calls) == ([], "Hi", [])


def test_a_stop_while_the_model_is_about_to_begin_is_heard_at_its_first_token():
    panel = panel_of()
    stream = panel.chat.stream

    def too_late_for_cancel(text):
        panel.stop()
        yield from stream(text)

    panel.chat.stream = too_late_for_cancel
    send(panel, "Hi")
    assert contents(panel) == ["Hi", "O"]


def test_stop_says_when_there_is_nothing_to_stop():
    panel = panel_of()
    press(panel, "stop")
    assert panel.line == "Nothing is being written."


# --- regenerate


def test_regenerate_answers_again_with_the_next_seed():
    panel = panel_of()
    send(panel, "Hi")
    send(panel, "And?")
    press(panel, "regenerate")
    assert contents(panel) == ["Hi", "One.", "And?", "Three."]
    assert panel.controls["seed"].value == panel.chat.last_reply.trace.settings["seed"] == 1
    assert "Two." not in panel.html


def test_the_same_reply_again_is_said():
    panel = panel_of("Same.")
    panel.controls["seed"].value = panel.controls["seed"].max
    send(panel, "Hi")
    press(panel, "regenerate")
    assert contents(panel) == ["Hi", "Same."]
    assert "The same words again" in panel.line
    assert panel.controls["seed"].value == 101


def test_regenerate_without_a_reply_is_told():
    panel = panel_of()
    press(panel, "regenerate")
    assert "There is no reply yet" in panel.line
    assert panel.controls["seed"].value == 0


def test_a_reply_stays_when_regenerating_fails():
    panel = panel_of()
    send(panel, "Hi")
    reply = panel.chat.last_reply
    panel.chat.backbone.next_token_logits = None
    press(panel, "regenerate")
    assert contents(panel) == ["Hi", "One."]
    assert panel.chat.last_reply is reply
    assert "One." in panel.html
    assert field(panel) == ""


# --- edit


@pytest.fixture
def talk():
    panel = panel_of(("One.", "Two.", "Three.", "New."))
    for text in ("First", "Second", "Third"):
        send(panel, text)
    return panel


def edit(panel, turn):
    panel.controls["turn"].value = turn
    press(panel, "edit")


def test_an_edited_turn_takes_the_place_of_it_and_of_all_after_it(talk):
    edit(talk, 1)
    assert (field(talk), talk.editing) == ("Second", 1)
    assert len(contents(talk)) == 6
    send(talk, "Second, changed")
    assert contents(talk) == ["First", "One.", "Second, changed", "New."]
    assert talk.editing is None
    assert [label for label, _ in talk.controls["turn"].options] == ["1: First", "2: Second, changed"]


def test_what_an_edit_will_replace_is_marked(talk):
    edit(talk, 1)
    marked = [bubble.text for bubble in talk.data.bubbles if bubble.is_leaving]
    assert marked == ["Second", "Two.", "Third", "Three."]


def test_a_cancelled_edit_changes_nothing_and_gives_the_draft_back(talk):
    before = talk.chat.messages
    talk.controls["message"].value = "half a thought"
    edit(talk, 0)
    edit(talk, 1)
    press(talk, "cancel_edit")
    assert talk.chat.messages == before
    assert (field(talk), talk.editing) == ("half a thought", None)
    assert not any(bubble.is_leaving for bubble in talk.data.bubbles)
    press(talk, "cancel_edit")
    assert talk.line == "No message is being edited."


def test_a_draft_comes_back_after_an_edit(talk):
    talk.controls["message"].value = "half a thought"
    edit(talk, 2)
    press(talk, "send")
    assert contents(talk)[4:] == ["Third", "New."]
    assert field(talk) == "half a thought"


def test_an_edit_that_fails_forgets_nothing(talk):
    before, notes = talk.chat.messages, talk.html.count("finished by itself")
    for text in ("", "x" * 3000):
        edit(talk, 0)
        send(talk, text)
        assert talk.chat.messages == before
        assert (field(talk), talk.editing) == (text, 0)
    assert talk.html.count("finished by itself") == notes == 3


def test_there_may_be_nothing_to_edit():
    panel = panel_of()
    press(panel, "edit")
    assert "you sent 0 messages" in panel.line


def test_several_lines_are_sent_and_edited_as_they_are():
    panel = panel_of()
    panel.controls["several_lines"].value = True
    panel.controls["lines"].value = "one\ntwo"
    press(panel, "send")
    panel.controls["several_lines"].value = False
    edit(panel, 0)
    assert panel.controls["several_lines"].value
    assert panel.controls["lines"].value == field(panel) == "one\ntwo"
    panel.controls["several_lines"].value = False
    assert field(panel) == "one two"


# --- settings and system message


def test_the_sliders_hold_from_the_next_reply_and_keep_what_has_no_slider():
    panel = panel_of(settings=GenerationSettings(min_p=0.2, temperature=0.4))
    assert panel.controls["temperature"].value == 0.4
    assert panel.controls["max_new_tokens"].value == DEFAULT_MAX_NEW_TOKENS
    panel.controls["max_new_tokens"].value = 2
    assert panel.chat.settings.max_new_tokens is None
    send(panel, "Hi")
    used = panel.chat.last_reply.trace
    assert (len(used.tokens), used.settings["min_p"], used.settings["temperature"]) == (2, 0.2, 0.4)
    assert "cut off by max_new_tokens" in panel.html


def test_a_new_chat_forgets_all_and_takes_the_system_message():
    panel = panel_of()
    send(panel, "Hi")
    panel.controls["system"].value = "Talk like a pirate."
    assert panel.chat.messages[0]["content"] == "Be kind."
    press(panel, "new_chat")
    assert panel.chat.messages == [{"role": "system", "content": "Talk like a pirate."}]
    assert "Hi" not in panel.display.talk.html
    assert panel.controls["turn"].options == ()


def test_a_system_message_that_cannot_be_used_is_told_and_the_chat_goes_on():
    panel = panel_of()
    send(panel, "Hi")
    panel.controls["system"].value = "a\0b"
    press(panel, "new_chat")
    assert "The system message has a NUL byte" in panel.line
    assert contents(panel) == ["Hi", "One."]
    assert panel.chat.system == "Be kind."


def test_what_a_panel_can_be_opened_with():
    backbone = ScriptedBackbone("Hi.")
    chat = Chat(backbone, system="Old.")
    assert chat_panel(chat, system="New.").chat.messages[0]["content"] == "New."
    chat.send("Hi")
    panel = chat_panel(chat, system="Newer.", settings=GenerationSettings(temperature=0.1))
    assert chat.messages[0]["content"] == "New."
    assert panel.controls["system"].value == "Newer."
    assert panel.controls["temperature"].value == chat.settings.temperature == 0.1
    assert "finished by itself" in panel.html
    assert isinstance(chat_panel(backbone, system="Own.").chat, Chat)
    with pytest.raises(ModelError, match="must be a loaded model"):
        chat_panel("smollm2")
    with pytest.raises(SettingsError, match="settings must be"):
        chat_panel(chat, settings={"temperature": 1})
    with pytest.raises(MessageError, match="NUL"):
        chat_panel(Chat(backbone), system="\0")


def test_what_another_cell_says_is_shown_after_refresh():
    panel = panel_of()
    panel.chat.send("From a cell")
    panel.refresh()
    assert "From a cell" in panel.html
    assert panel.controls["turn"].value == 0


def test_what_is_known_of_a_reply_is_not_said_of_another_one_in_its_place():
    panel = panel_of()
    send(panel, "Hi")
    assert panel.data.bubbles[-1].note is not None
    panel.chat.messages = [*panel.chat.messages[:-1], {"role": "assistant", "content": "Another."}]
    panel.refresh()
    assert panel.data.bubbles[-1].note is None


# --- rules and sources


RULES = [
    pattern_rule("words", "forbidden", "block", says="This word is not allowed."),
    pattern_rule("names", "secret", "mask", says="A secret was masked."),
]


def test_a_blocked_message_is_a_notice_and_comes_back_into_the_field():
    panel = panel_of(safety=Safety(RULES, []))
    send(panel, "Hi")
    send(panel, "forbidden <b>")
    assert contents(panel) == ["Hi", "One."]
    assert field(panel) == "forbidden <b>"
    assert "Blocked, and not kept" in panel.display.growing.value
    assert "This word is not allowed." in panel.display.growing.value
    assert panel.line.startswith("Blocked by a rule")
    send(panel, "Fine")
    assert "Blocked" not in panel.html


def test_a_blocked_reply_is_never_shown_and_an_edit_of_it_forgets_nothing():
    seen = []
    panel = panel_of(("One.", "Two.", "a forbidden word"), safety=Safety([], RULES))
    panel.display.growing.observe(lambda change: seen.append(change["new"]), "value")
    send(panel, "Hi")
    send(panel, "And?")
    before = panel.chat.messages
    edit(panel, 0)
    send(panel, "Other")
    assert panel.chat.messages == before
    assert field(panel) == "Other"
    assert not any("a forbidden word" in shown for shown in seen)


def test_a_masked_message_is_shown_as_it_was_sent_with_the_rule_below_it():
    panel = panel_of(safety=Safety(RULES, []))
    send(panel, "My secret")
    assert contents(panel)[0] == "My [names]"
    assert "My secret" not in panel.display.talk.html
    assert [bubble.findings[0]["rule"] for bubble in panel.data.bubbles if bubble.findings] == ["names"]
    assert "A secret was masked." in panel.html


def test_sources_are_listed_below_the_reply_and_no_source_is_said():
    def retriever(text):
        return [Hit(Passage("Tokens are pieces of text.", "tokens.md", "lines 1 to 2"), 3.0)] * ("token" in text)

    panel = panel_of(retriever=retriever)
    send(panel, "What is a token?")
    assert [source["source"] for source in panel.data.bubbles[-1].note.sources] == ["tokens.md"]
    assert "Tokens are pieces of text." in panel.display.talk.html
    send(panel, "And you?")
    assert contents(panel)[-1] == NOTHING_FITS
    assert panel.line == "Answered without the model."
    assert panel.display.strip.html == ""  # no prompt was made


# --- export


def exported(panel, ending):
    name, data = re.search(
        rf'download="([^"]*\.{ending})" href="data:[^,]*;base64,([^"]*)"', panel.display.links.value
    ).groups()
    return name, base64.b64decode(data).decode()


def test_both_links_hold_the_whole_conversation(talk):
    name, text = exported(talk, "json")
    assert name == "chat_with_scripted.json"
    assert json.loads(text)["messages"] == talk.chat.messages
    assert exported(talk, "md") == ("chat_with_scripted.md", talk.chat.as_markdown())


def test_a_model_with_a_strange_name_makes_a_clean_file_name():
    backbone = ScriptedBackbone("Hi.")
    backbone.name = '../Qwen/"2.5"<b> Ünï'
    name, _ = exported(chat_panel(backbone), "json")
    assert re.fullmatch(r"chat_with_[a-z0-9_]+\.json", name)


# --- the prompt under it


def test_the_strip_shows_the_prompt_of_the_last_reply():
    panel = panel_of()
    assert panel.display.strip.html == ""
    send(panel, "Hello there")
    first = panel.display.strip.html
    assert "Hello there" in first
    send(panel, "And you?")
    assert "And you?" in panel.display.strip.html != first
    press(panel, "new_chat")
    assert panel.display.strip.html == ""


def test_a_strip_that_cannot_be_drawn_loses_no_reply(monkeypatch):
    def fail(*_):
        raise MessageError("No strip today.")

    monkeypatch.setattr(display, "prompt_strip_data", fail)
    panel = panel_of()
    send(panel, "Hi")
    assert contents(panel) == ["Hi", "One."]
    assert "No strip today." in panel.html


# --- without widgets, and in the long run


def test_without_ipywidgets_the_conversation_stands_still(monkeypatch):
    chat = Chat(ScriptedBackbone("Hi."))
    chat.send("Hello")
    monkeypatch.setattr(module, "ipywidgets_or_none", lambda: None)
    view = chat_panel(chat)
    assert isinstance(view, StaticView)
    assert "Hello" in view.html
    assert "install ipywidgets" in view.html


def test_it_shows_itself_as_a_widget_and_as_a_picture(talk):
    bundle = talk._repr_mimebundle_()
    assert isinstance(talk, ChatPanel)
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == talk.box.model_id
    assert "Second" in bundle["text/html"]


def test_a_long_conversation_stays_small_and_quick():
    panel = panel_of()
    for turn in range(60):
        panel.chat.messages += [
            {"role": "user", "content": f"Message {turn}"},
            {"role": "assistant", "content": "x" * 400},
        ]
    assert min(timeit.repeat(panel.refresh, number=1, repeat=3)) < 0.3
    send(panel, "Hi")
    assert len(panel.display.talk.html) < 60_000
    assert len(panel.controls["turn"].options) == 61
    assert len(json.loads(exported(panel, "json")[1])["messages"]) == 123
