"""The live picture of safety: typing and choosing change what is found and the figures."""

import sys

import pytest

from nanochat_helpers.safety import Labelled, Safety
from nanochat_helpers.safety_words import word_rule
from nanochat_helpers.widgets import marked_picture, safety_widget, scores_picture
from nanochat_helpers.widgets.live import StaticView

TEXT = "You stupid robot, kim@example.org"


def test_every_rule_has_a_choice_that_begins_with_its_action():
    view = safety_widget(text=TEXT)
    choices = {name: control.value for name, control in view.controls.items() if name != "text"}
    defaults = Safety()
    assert choices == {rule.name: rule.action for rule in (*defaults.input_rules, *defaults.output_rules)}
    assert next(iter(choices)) == "length" and list(choices)[-1] == "repetition"  # the order in which they are asked
    assert all(set(view.controls[name].options) == {"off", "warn", "mask", "block"} for name in choices)


def test_a_choice_changes_what_happens_and_off_takes_the_rule_out_of_the_figures():
    view = safety_widget(text=TEXT)
    assert view.data.marked.goes_on is None
    view.controls["rude"].value = "warn"
    assert view.data.marked.goes_on == "You stupid robot, [email]"
    view.controls["rude"].value = "mask"
    assert view.data.marked.goes_on == "You [rude] robot, [email]"
    view.controls["email"].value = "off"
    assert view.data.marked.goes_on == "You [rude] robot, kim@example.org"
    assert "email" not in {row.rule for row in view.data.scores}
    assert "rude" in {row.rule for row in view.data.scores}


def test_typing_is_checked_anew_and_escaped():
    view = safety_widget(text=TEXT)
    view.controls["text"].value = "Hi <script>"
    assert view.data.marked.findings == ()
    assert "<script" not in view.html and "&lt;script&gt;" in view.html


def test_with_all_rules_off_everything_goes_on():
    view = safety_widget(text=TEXT)
    for name, control in view.controls.items():
        if name != "text":
            control.value = "off"
    assert view.data.marked.goes_on == TEXT
    assert view.data.scores == () and "No rule is on" in view.html


def test_the_figures_are_those_of_the_given_rules_and_texts():
    view = safety_widget(Safety([word_rule("red", ["red"])], []), [Labelled("red", ("red",)), Labelled("Red Cross")])
    (row,) = view.data.scores
    assert (row.rule, row.n_found, row.n_false_alarms) == ("red", 1, 1)
    assert "2 texts" in view.box.children[2].value


def test_half_a_character_is_explained_in_place():
    view = safety_widget(text=TEXT)
    view.controls["text"].value = "\ud83d"
    assert view.data is None and "half of a character" in view.html
    view.controls["text"].value = "Hi"
    assert view.data is not None


def test_without_ipywidgets_the_picture_stands_still(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    view = safety_widget(text=TEXT)
    assert isinstance(view, StaticView)
    assert "<mark" in view.html and "How often each rule is right" in view.html


def test_a_wrong_rule_is_told_at_once():
    with pytest.raises(ValueError, match="input_rules"):
        safety_widget(Safety(input_rules="email"))
    with pytest.raises(ValueError, match="must be a Safety"):
        safety_widget([word_rule()])
    with pytest.raises(ValueError, match=r"put \[ \] around"):
        marked_picture("Hi", word_rule())


def test_two_pictures_for_a_cell():
    marked = marked_picture("red blue", [word_rule("red", ["red"], "mask")])
    assert marked.data.goes_on == "[red] blue" and "<mark" in marked.html
    scores = scores_picture(Safety([word_rule("red", ["red"])], []), [Labelled("red", ("red",))])
    assert [row.n_found for row in scores.data] == [1] and "1 of 1 = 100 %" in scores.html
    assert {row.rule for row in scores_picture(Safety()).data} >= {"rude", "email", "address"}
