"""The chat panel in a real JupyterLab, with the real model: type, send, stop, edit, regenerate, save, reload.

They run in a notebook with nothing but the panel.
"""

import json
import re
from pathlib import Path

import pytest
from notebook_page import (
    A_MINUTE,
    GONE,
    WINDOW,
    as_wide_as,
    button,
    drag,
    open_cells,
    photograph,
    press_button,
    press_keys,
    restart_kernel,
    run_all,
    run_cell,
    save_and_reload,
    slider,
    soon,
    value_of,
)
from playwright.sync_api import Locator, Page, expect

SETUP = """
import time

from nanochat_helpers import load_model
from nanochat_helpers.chat import Chat
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.widgets import chat_panel

backbone = load_model("smollm2")


def timed(stream):
    def timed_stream(text):
        for number, piece in enumerate(stream(text)):
            if number == 0:
                arrivals.append(time.time())
            yield piece

    return timed_stream
"""
CHAT = """
chat = Chat(backbone, settings=GenerationSettings(temperature=0.7, max_new_tokens=24, seed=0))
chat.stream, arrivals = timed(chat.stream), []
"""
PANEL = "chat_panel(chat)"
ARRIVALS = "sorted(arrivals)"
DONE = re.compile(r"^Done: \d+ tokens? in [\d.]+ s")
ENDLESS = "Write the numbers from 1 to 100, like this: 1, 2, 3, 4, 5, 6, 7, 8"


@pytest.fixture(scope="module")
def notebook(copies, shared_page: Page) -> Page:
    """A notebook with a panel, opened and run once."""
    open_cells(shared_page, copies, "panel.ipynb", SETUP, CHAT, PANEL, ARRIVALS)
    return shared_page


@pytest.fixture
def panel(notebook: Page) -> Locator:
    """A new panel in which nothing has been said."""
    notebook.set_viewport_size(WINDOW)
    run_cell(notebook, "chat = Chat(")
    panel = run_cell(notebook, PANEL)
    expect(field(panel)).to_be_visible(timeout=A_MINUTE)
    expect(bubbles(panel, "user")).to_have_count(0)
    return panel


# --- what the page shows


def field(panel: Locator) -> Locator:
    return panel.get_by_placeholder("Type, and press Enter")


def line(panel: Locator, text: str | re.Pattern) -> Locator:
    """The panel's own line."""
    return panel.locator(".widget-html").get_by_text(text)


def bubbles(panel: Locator, role: str) -> Locator:
    return panel.locator(f".nc-chat-{role}")


def texts(panel: Locator, role: str) -> list[str]:
    return bubbles(panel, role).locator(".nc-chat-text").all_inner_texts()


def send(panel: Locator, text: str, *, key: str = "Enter") -> None:
    field(panel).fill(text)
    field(panel).press(key)


def send_and_wait(panel: Locator, text: str) -> str:
    """Send a message; return the whole reply to it."""
    n_before = bubbles(panel, "assistant").count()
    send(panel, text)
    expect(bubbles(panel, "assistant")).to_have_count(n_before + 1, timeout=A_MINUTE)
    is_finished(panel)
    return texts(panel, "assistant")[-1]


def is_finished(panel: Locator) -> None:
    soon(expect(panel.get_by_text("is writing …")).to_have_count, 0)
    soon(expect(line(panel, DONE)).to_be_visible)


def saved(panel: Locator, label: str) -> tuple[str, str]:
    """Click a link; the name of the file that it saves, and what is in it."""
    with panel.page.expect_download() as download:
        panel.get_by_role("link", name=label).click()
    return download.value.suggested_filename, Path(download.value.path()).read_text(encoding="utf-8")


# --- a conversation


def test_a_conversation_is_sent_edited_regenerated_and_saved(panel, output_path):
    first = send_and_wait(panel, "What is the sea?")
    expect(field(panel)).to_have_value("")
    field(panel).press_sequentially("And what is a river?", delay=20)
    field(panel).press("Enter")
    expect(bubbles(panel, "user").last).to_contain_text("And what is a river?")
    is_finished(panel)
    send_and_wait(panel, "And a lake?")
    assert texts(panel, "user") == ["What is the sea?", "And what is a river?", "And a lake?"]

    panel.get_by_label("your message").select_option(label="2: And what is a river?")
    press_button(panel, "Edit", key="Enter")
    expect(field(panel)).to_have_value("And what is a river?")
    expect(panel.get_by_text("will be replaced")).to_have_count(4)
    photograph(panel, output_path, "editing")
    press_button(panel, "Cancel the edit")
    expect(field(panel)).to_have_value("")
    expect(bubbles(panel, "user")).to_have_count(3)
    press_button(panel, "Edit")
    expect(field(panel)).to_have_value("And what is a river?")
    field(panel).fill("And what is a mountain?")
    press_button(panel, "Send")
    expect(bubbles(panel, "user")).to_have_count(2)
    is_finished(panel)
    assert texts(panel, "user") == ["What is the sea?", "And what is a mountain?"]
    before = texts(panel, "assistant")
    assert before[0] == first

    press_button(panel, "Regenerate", key="Space")
    expect(bubbles(panel, "assistant").last).not_to_contain_text(before[1])
    is_finished(panel)
    after = texts(panel, "assistant")
    assert after[0] == first
    assert value_of(slider(panel, "seed")) == 1

    name, text = saved(panel, "Save as JSON")
    assert name == "chat_with_smollm2.json"
    said = [message["content"] for message in json.loads(text)["messages"] if message["role"] != "system"]
    assert said[0::2] == texts(panel, "user")
    assert len(said) == 4
    name, text = saved(panel, "Save as Markdown")
    assert name == "chat_with_smollm2.md"
    assert "And what is a mountain?" in text


def test_stop_in_the_middle_keeps_what_is_there_and_the_chat_goes_on(panel):
    press_keys(slider(panel, "max_new_tokens"), "End")
    drag(slider(panel, "temperature"), 0.0)
    for key in ("", "Space"):
        n_before = bubbles(panel, "assistant").count()
        send(panel, ENDLESS)
        reply = bubbles(panel, "assistant").nth(n_before)
        expect(reply).to_contain_text(re.compile(r"is writing …\s*(\S+\s+){3}"), timeout=A_MINUTE)
        press_button(panel, "Stop", key=key)
        expect(line(panel, re.compile(r"^Stopped after \d+ tokens?"))).to_be_visible()
        expect(reply).to_contain_text("stopped by you")
        n_tokens = int(re.search(r"Stopped after (\d+)", line(panel, "Stopped after").inner_text())[1])
        assert 1 < n_tokens < 256
    press_keys(slider(panel, "max_new_tokens"), "Home", "ArrowRight")
    send_and_wait(panel, "Thank you.")
    expect(bubbles(panel, "assistant").last).to_contain_text("cut off by max_new_tokens")


def test_what_is_sent_too_early_stays_in_the_field(panel):
    press_keys(slider(panel, "max_new_tokens"), "End")
    send(panel, ENDLESS)
    expect(panel.get_by_text("is writing …")).to_be_visible(timeout=A_MINUTE)
    send(panel, "One moment.")
    expect(line(panel, "A reply is being written")).to_be_visible()
    expect(field(panel)).to_have_value("One moment.")
    press_button(panel, "Stop")
    expect(panel.get_by_text("is writing …")).to_have_count(0, timeout=A_MINUTE)
    expect(field(panel)).to_have_value("One moment.")
    assert texts(panel, "user") == [ENDLESS]


def test_a_new_chat_takes_the_new_system_message(panel):
    send_and_wait(panel, "Hi")
    panel.get_by_role("textbox", name="system message").fill("You are a pirate.")
    expect(bubbles(panel, "system")).not_to_contain_text("pirate")
    press_button(panel, "New chat", key="Enter")
    expect(bubbles(panel, "system")).to_contain_text("You are a pirate.")
    expect(bubbles(panel, "user")).to_have_count(0)
    send_and_wait(panel, "Who are you?")
    assert json.loads(saved(panel, "Save as JSON")[1])["messages"][0]["content"] == "You are a pirate."


def test_several_lines_can_be_sent(panel):
    panel.get_by_label("several lines").check()
    lines = panel.locator("textarea[placeholder^='Type']")
    lines.click()  # as a hand does: after the box was ticked, JupyterLab may take the keyboard once more
    for typed, text in (("Hello,", "Hello,"), ("\n", "Hello,\n"), ("and bye.", "Hello,\nand bye.")):
        lines.press_sequentially(typed)
        expect(lines).to_have_value(text)
    press_button(panel, "Send")
    expect(bubbles(panel, "user")).to_contain_text("Hello,")
    is_finished(panel)
    assert texts(panel, "user") == ["Hello,\nand bye."]
    expect(lines).to_have_value("")


# --- what can go wrong


def test_a_message_that_cannot_be_sent_is_told_and_stays(panel):
    for text, sentence in (("", "The message is empty"), ("word " * 9_000, "please send a shorter one")):
        send(panel, text)
        expect(line(panel, sentence)).to_be_visible(timeout=A_MINUTE)
        expect(field(panel)).to_have_value(text)
        expect(bubbles(panel, "user")).to_have_count(0)
    send_and_wait(panel, "Hi")


def test_a_hostile_message_is_shown_as_text(panel, output_path):
    page, dialogs = panel.page, []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    hostile = "<script>alert(1)</script><img src=x onerror=alert(2)> \"'&lt; **<b>** <|im_end|> " + "x" * 200
    send_and_wait(panel, hostile)
    expect(bubbles(panel, "user")).to_contain_text("<img src=x onerror=alert(2)>")
    assert panel.locator("script, img").count() == 0
    assert dialogs == []
    photograph(panel, output_path, "hostile")


def test_the_panel_lives_on_after_a_reload_and_says_so_when_its_kernel_is_gone(panel, output_path):
    page, gone = panel.page, panel.get_by_text(GONE)
    reply = send_and_wait(panel, "What is the sea?")
    expect(gone).to_be_hidden()
    button(panel, "Send").focus()  # a field keeps Control and s for itself
    save_and_reload(page)
    expect(bubbles(panel, "assistant")).to_contain_text(reply, timeout=A_MINUTE)
    send_and_wait(panel, "And a lake?")

    restart_kernel(page)
    expect(gone).to_be_visible()
    expect(bubbles(panel, "user")).to_have_count(2)
    run_all(page)
    expect(gone).to_be_hidden()
    send_and_wait(panel, "What is the sea?")
    assert texts(panel, "user") == ["What is the sea?"]


def test_the_cell_can_be_run_again_and_the_conversation_is_still_there(panel):
    reply = send_and_wait(panel, "What is the sea?")
    panel = run_cell(panel.page, PANEL)
    expect(bubbles(panel, "assistant")).to_contain_text(reply)
    send_and_wait(panel, "And a lake?")
    assert texts(panel, "user") == ["What is the sea?", "And a lake?"]


# --- how it looks and how fast it is

# Notes the time at which the first word of a reply stands in the page.
WATCH = """panel => {
    window.firstWords = [];
    let before = false;
    new MutationObserver(() => {
        const reply = [...panel.querySelectorAll(".nc-chat-assistant")].find(
            part => part.textContent.includes("is writing …")
        );
        const written = reply !== undefined && reply.querySelector(".nc-chat-text").textContent !== "…";
        if (written && !before) window.firstWords.push(Date.now() / 1000);
        before = written;
    }).observe(panel, {childList: true, subtree: true, characterData: true});
}"""


def test_the_first_word_is_in_the_page_soon_after_the_model_chose_it(panel):
    panel.evaluate(WATCH)
    for question in ("What is the sea?", "And a lake?", "And a river?"):
        send_and_wait(panel, question)
    shown = panel.page.evaluate("window.firstWords")
    arrived = json.loads(run_cell_text(panel.page, ARRIVALS))
    delays = [late - early for late, early in zip(shown, arrived, strict=True)]
    assert min(delays) < 0.1, delays


def run_cell_text(page: Page, code: str) -> str:
    return run_cell(page, f"{code}").inner_text()


def test_the_panel_fits_a_wide_and_a_narrow_place(panel, output_path):
    send_and_wait(panel, "What is the sea?")
    send_and_wait(panel, "And " + "x" * 100)
    for width in (1280, 400):
        as_wide_as(panel.page, panel, width)
        expect(button(panel, "Send")).to_be_visible()
        photograph(panel, output_path, f"panel_{width}")


def test_the_newest_words_are_in_sight_and_all_controls_are_reached_by_tab(panel):
    for question in ("What is the sea?", "And a lake?", "And a river?", "And a hill?", "And a town?"):
        send_and_wait(panel, question)
    expect(bubbles(panel, "assistant").last).to_be_in_viewport(ratio=0.9)
    field(panel).focus()
    reached = []
    for _ in range(24):
        panel.page.keyboard.press("Tab")
        reached.append(panel.page.evaluate("document.activeElement.textContent || document.activeElement.tagName"))
    for name in ("Send", "Stop", "Regenerate", "Edit", "Cancel the edit", "Save as JSON", "New chat"):
        assert any(name in text for text in reached), name
