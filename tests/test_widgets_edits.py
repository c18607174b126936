"""The live picture of the cleaning: each switch counts, a text can be typed or picked, a slip is one sentence."""

import sys

import pytest

from nanochat_helpers.errors import MessageError, SettingsError
from nanochat_helpers.generation import Sample
from nanochat_helpers.postprocess import EDIT_NAMES, clean
from nanochat_helpers.widgets import edits_picture, edits_widget
from nanochat_helpers.widgets.live import StaticView

RAW = "Bot: Fine. I al<|im_end|>\nUser: And"
EXAMPLES = {
    "a script": Sample(RAW, (1,), "length", ()),
    "a loop": "No. " * 10,
    "an end": Sample("Fine.", (1,), "stop", ()),
}


def names(view):
    return [step.name for step in view.data.steps]


def test_all_edits_are_made_at_first():
    view = edits_widget(RAW, stop="\nUser:", finish_reason="length")
    assert view.data.text == "Fine."
    assert names(view) == ["remove_special_tokens", "remove_own_name", "cut_at_stop_string", "cut_half_sentence"]
    assert "4 edits" in view.html


@pytest.mark.parametrize("name", EDIT_NAMES)
def test_each_box_switches_its_edit_off_and_on(name):
    raw_text = "Hi! Bot: Fine. " + "No. " * 10 + "<|im_end|>\nUser: And"
    view = edits_widget(raw_text, stop="\nUser:", finish_reason="length", prompt="Hi!")
    view.controls["text"].value = raw_text + " \n" if name == "tidy_white_space" else raw_text
    before = names(view)
    view.controls[name].value = False
    assert name not in names(view)
    view.controls[name].value = True
    assert names(view) == before


def test_with_all_boxes_off_the_raw_text_is_the_reply():
    view = edits_widget(RAW, stop="\nUser:")
    for name in EDIT_NAMES:
        view.controls[name].value = False
    assert view.data.text == RAW
    assert "No edit changed anything" in view.html


def test_typing_a_text_and_another_ending_change_what_is_cut():
    view = edits_widget("Fine.")
    view.controls["text"].value = "Good. I al"
    assert view.data.text == "Good. I al"
    view.controls["finish_reason"].value = "length"
    assert view.data.text == "Good."


def test_a_picked_text_brings_its_own_ending():
    view = edits_widget(EXAMPLES, stop="\nUser:", finish_reason="cancelled")
    assert view.controls["text"].value == RAW
    assert view.data.finish_reason == "length"
    view.controls["example"].value = "a loop"
    assert view.data.text == "No. No."
    assert view.data.finish_reason == "length"  # a text alone does not tell: it stays
    view.controls["example"].value = "an end"
    assert (view.data.text, view.data.finish_reason) == ("Fine.", "stop")


def test_a_single_text_has_nothing_to_pick():
    assert "example" not in edits_widget("Hi").controls
    assert "example" not in edits_widget({"only": "Hi"}).controls


def test_every_control_is_shown_once_and_says_what_it_is():
    view = edits_widget(EXAMPLES)
    shown, boxes = [], [view.box]
    while boxes:
        widget = boxes.pop()
        shown.append(widget)
        boxes += getattr(widget, "children", ())
    for control in view.controls.values():
        assert control.description
        assert shown.count(control) == 1


@pytest.mark.parametrize("raw_text", [None, 12, {}, {"a": 12}, ["Hi"]])
def test_what_is_no_text_is_one_sentence(raw_text):
    with pytest.raises(MessageError, match="raw_text must be a text"):
        edits_widget(raw_text)


def test_a_stop_string_that_is_none_is_one_sentence():
    with pytest.raises(SettingsError, match="stop=''"):
        edits_widget("Hi", stop="")


def test_without_ipywidgets_the_picture_of_the_first_text_stands_still(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    view = edits_widget(EXAMPLES, stop="\nUser:")
    assert isinstance(view, StaticView)
    assert (view.data.text, view.data.finish_reason) == ("Fine.", "length")
    assert "<del" in view._repr_html_()


def test_edits_that_were_made_are_a_picture_that_stands_still():
    cleaned = clean(RAW, stop="\nUser:")
    view = edits_picture(RAW, cleaned.edits, finish_reason="stop")
    assert view.data.text == cleaned.text
    assert "ended by <b>stop</b>" in view._repr_html_()
