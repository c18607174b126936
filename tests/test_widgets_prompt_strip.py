"""The live prompt strip follows its sliders, and says in words what does not fit."""

import sys

import pytest
from ipywidgets import Widget
from scripted import ByteTokenizer

from nanochat_helpers.errors import MessageError, SettingsError
from nanochat_helpers.history import PinnedNotes
from nanochat_helpers.views.markup import split_styles
from nanochat_helpers.views.prompt_strip import prompt_strip_html
from nanochat_helpers.widgets.live import StaticView
from nanochat_helpers.widgets.prompt_strip import STRATEGIES, prompt_strip_widget

MESSAGES = [{"role": "system", "content": "Be brief."}]
for number in range(6):
    MESSAGES.append({"role": "user", "content": f"question {number}"})
    MESSAGES.append({"role": "assistant", "content": f"answer {number}"})
MESSAGES.append({"role": "user", "content": "and now?"})


@pytest.fixture(autouse=True)
def close_widgets():
    yield
    Widget.close_all()


@pytest.fixture
def view():
    return prompt_strip_widget(MESSAGES, ByteTokenizer(), max_length=300)


def test_it_starts_with_the_last_turns(view):
    assert view.controls["strategy"].value == next(iter(STRATEGIES)) == "keep the last turns"
    assert [said.text for said in view.data.fallen][-1] == "answer 3"
    assert split_styles(view.html) == split_styles(prompt_strip_html(view.data))


def test_max_history_moves_what_falls_out(view):
    for max_history, n_fallen in [(0, 12), (1, 10), (2, 8)]:
        view.controls["max_history"].value = max_history
        assert len(view.data.fallen) == n_fallen


def test_max_length_moves_what_falls_out(view):
    view.controls["strategy"].value = "keep what fits"
    fallen = []
    for max_length in (200, 260, 320, 400):
        view.controls["max_length"].value = max_length
        fallen.append(len(view.data.fallen))
        assert view.data.max_length == max_length
    assert fallen == sorted(fallen, reverse=True) and fallen[0] > fallen[-1]


def test_the_turn_slider_walks_through_the_conversation_and_ends_with_all_of_it(view):
    view.controls["max_history"].value = 6
    assert view.controls["turn"].value == view.controls["turn"].max == 7
    for turn, newest in [(1, "question 0"), (3, "question 2"), (7, "and now?")]:
        view.controls["turn"].value = turn
        said = [segment for segment in view.data.segments if segment.message is not None]
        assert said[-1].text == newest and len(said) + len(view.data.fallen) == 2 * turn


@pytest.mark.parametrize(("turn", "drawn"), [(1, 1), (3, 3), (0, 1), (99, 7), (None, 7)])
def test_it_can_begin_at_any_turn(turn, drawn, monkeypatch):
    live = prompt_strip_widget(MESSAGES, ByteTokenizer(), turn=turn, max_length=600, max_history=9)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    still = prompt_strip_widget(MESSAGES, ByteTokenizer(), turn=turn, max_length=600, max_history=9)
    assert live.controls["turn"].value == drawn and live.data == still.data
    assert sum(segment.message is not None for segment in live.data.segments) == 2 * drawn


def test_what_follows_the_last_question_is_part_of_the_last_turn():
    view = prompt_strip_widget(MESSAGES[:-1], ByteTokenizer(), max_length=600, max_history=9)
    assert view.controls["turn"].value == 6
    assert [segment.text for segment in view.data.segments if segment.message is not None][-1] == "answer 5"


def test_turns_can_fall_three_at_a_time(view):
    view.controls["strategy"].value = "drop three at a time"
    assert len(view.data.fallen) in (6, 12)


def test_a_context_that_is_too_small_is_a_sentence_and_the_slider_leads_back(view):
    view.controls["max_length"].value = 20
    assert view.data is None and "nc-note" in view.html and "tokens" in view.html
    view.controls["max_length"].value = 300
    assert view.data.max_length == 300


def test_strategies_of_ones_own_can_be_chosen():
    strategies = {"notes": lambda max_history: PinnedNotes(["a cat"])}
    view = prompt_strip_widget(MESSAGES, ByteTokenizer(), max_length=300, strategies=strategies)
    assert view.data.n_tokens("notes") > 0


def test_every_control_has_a_name_and_a_value_beyond_the_end_makes_a_slider_longer():
    view = prompt_strip_widget(MESSAGES, ByteTokenizer(), max_length=9000, max_history=40)
    assert all(control.description for control in view.controls.values())
    assert view.controls["max_length"].value == 9000 and view.controls["max_history"].value == 40


def test_without_ipywidgets_the_strip_stands_still(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    view = prompt_strip_widget(MESSAGES, ByteTokenizer(), max_length=300)
    assert isinstance(view, StaticView) and "nc-ps-bar" in view._repr_html_()
    assert "nc-note" in prompt_strip_widget(MESSAGES, ByteTokenizer(), max_length=20).html


@pytest.mark.parametrize("wrong", [{"turn": "a"}, {"max_length": "a"}, {"max_length": 0}, {"max_history": -1}])
def test_a_number_that_is_none_is_refused_in_words(wrong):
    with pytest.raises(SettingsError, match=f"{next(iter(wrong))}="):
        prompt_strip_widget(MESSAGES, ByteTokenizer(), **wrong)


@pytest.mark.parametrize("messages", ["abc", 5, [("user", "Hi")]])
def test_what_is_no_list_of_messages_is_refused_in_words(messages):
    with pytest.raises(MessageError, match=r"^Message"):
        prompt_strip_widget(messages, ByteTokenizer())
