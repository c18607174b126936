"""Prediction cells: a guess by a click or a key, the truth beside it, and no guess is ever lost in silence."""

import sys

import pytest
import torch

from nanochat_helpers import widgets
from nanochat_helpers.errors import SettingsError
from nanochat_helpers.widgets import prediction
from nanochat_helpers.widgets.live import StaticView
from nanochat_helpers.widgets.prediction_controls import read_number

OPTIONS = [" hot", " cold", " late"]


@pytest.fixture(autouse=True)
def shown(monkeypatch) -> list:
    """What cells have displayed; and a kernel that was asked nothing yet."""
    displayed = []
    monkeypatch.setattr("IPython.display.display", displayed.append)
    monkeypatch.setattr(prediction, "_RECORDS", {})
    monkeypatch.setattr(prediction.LivePrediction, "in_class", False)
    return displayed


def click(asked, place):
    asked.fields[""].control.value = place


def sentence(shown):
    return shown[-1].data.parts[0].sentence


# --- guessing


def test_a_click_on_an_option_is_the_guess():
    asked = widgets.predict("Which?", OPTIONS)
    assert asked.guess is None and "Guess before" in asked._note.value
    click(asked, 1)
    assert asked.guess == " cold" and "Your guess: cold" in asked._note.value


def test_each_kind_has_its_guess_and_it_can_be_set():
    several = widgets.predict("Which?", [3, 9, 12], several=True)
    several.fields[""].control[0].value = several.fields[""].control[2].value = True
    assert several.guess == [3, 12]
    number = widgets.predict("How many?", number=True, unit="tokens")
    number.fields[""].control.value = "1,000"
    assert number.guess == 1000 and "1,000 tokens" in number._note.value
    text = widgets.predict("What?")
    assert text.guess == ""
    text.guess = "the cat"
    assert text.fields[""].control.value == "the cat"
    named = widgets.predict("How?", ["up", "down"], names=["precision", "recall"])
    named.fields["recall"].control.value = 1
    assert named.guess == {"precision": None, "recall": "down"}


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("1,000", 1000), ("0,5", 0.5), (" 50 % ", 50), ("1 200", 1200), ("-3", -3), ("−3", -3), (".5", 0.5),
        ("12,5", 12.5), ("1,234.5", 1234.5), ("many", None), ("", None), ("1e999", None), ("1,2,3", None),
    ],
)  # fmt: skip
def test_a_number_is_read_as_people_write_it(typed, number):
    assert read_number(typed) == number


def test_what_is_no_number_is_told_and_is_no_guess(shown):
    asked = widgets.predict("How many?", number=True)
    asked.fields[""].control.value = "many"
    assert "“many” is not a number" in asked._note.value and asked.guess is None
    asked.fields[""].control.value = "30"
    assert asked.guess == 30 and "not a number" not in asked._note.value


# --- the truth


def test_reveal_shows_the_guess_beside_the_truth_at_once_and_returns_nothing(shown):
    asked = widgets.predict("Which?", OPTIONS)
    click(asked, 0)
    assert asked.reveal(" cold") is None
    assert sentence(shown) == "You guessed hot; it is cold."
    bundle = shown[0]._repr_mimebundle_()
    assert "it is cold" in bundle["text/html"] and "application/vnd.jupyter.widget-view+json" in bundle


def test_without_a_guess_the_truth_is_shown_kindly(shown):
    widgets.predict("Which?", OPTIONS).reveal(" cold")
    assert sentence(shown) == "The answer: cold"


def test_a_guess_that_is_changed_after_the_truth_stands_beside_the_first(shown):
    asked = widgets.predict("Which?", OPTIONS)
    click(asked, 0)
    asked.reveal(" cold")
    click(asked, 1)
    assert sentence(shown) == "You guessed hot; it is cold."
    assert "Changed after the truth was shown, to: cold" in shown[0].html
    asked.reveal(" cold")
    assert sentence(shown) == "You guessed hot; it is cold."
    click(asked, 0)
    assert all("Changed" not in each.html for each in shown)


def test_a_guess_lives_on_when_its_cell_is_run_again(shown):
    click(widgets.predict("Which?", OPTIONS), 2)
    again = widgets.predict("Which?", OPTIONS)
    assert again.guess == " late" and again.fields[""].control.value == 2
    again.reveal(" late")
    assert sentence(shown) == "Your guess was right: late"
    assert widgets.predict("Another?", OPTIONS).guess is None


def test_who_guesses_only_after_all_cells_were_run_once_still_has_a_guess(shown):
    asked = widgets.predict("Which?", OPTIONS)
    asked.reveal(" cold")
    click(asked, 0)
    assert "Guessed after the truth was shown: hot" in shown[0].html
    asked.reveal(" cold")
    assert sentence(shown) == "You guessed hot; it is cold."


def test_guess_again_forgets_the_guess_and_the_hands(shown):
    asked = widgets.predict("Which?", OPTIONS)
    assert asked.again.layout.display == "none"
    click(asked, 0)
    asked.hands[""].counters[1].value = 4
    asked.reveal(" cold")
    assert asked.again.layout.display == ""
    asked.again.click()
    assert asked.guess is None and asked.hands[""].counters[1].value == 0
    assert sentence(shown) == "The answer: cold"


@pytest.mark.parametrize("truth", [torch.tensor(32), torch.tensor(32.0), 32])
def test_a_number_may_come_from_torch(shown, truth):
    asked = widgets.predict("How many?", number=True)
    asked.guess = 32.0
    asked.reveal(truth)
    assert sentence(shown) == "Your guess was right: 32"


# --- a class


def test_hands_are_counted_and_shown_beside_the_truth(shown):
    asked = widgets.predict("Which?", OPTIONS)
    asked.whole_class.value = True
    assert "nc-class-on" in asked.box._dom_classes
    asked.hands[""].counters[1].value = 17
    asked.hands[""].counters[0].value = 11
    asked.reveal(" hot")
    assert sentence(shown) == "17 of 28 guessed cold; it is hot."
    asked.hands[""].counters[0].value = 18  # one more hand, after the truth
    assert sentence(shown) == "18 of 35 were right: hot"
    asked.whole_class.value = False
    assert "nc-class-on" not in asked.box._dom_classes


def test_guesses_of_a_class_are_added_changed_and_removed(shown):
    asked = widgets.predict("How many?", number=True, unit="tokens")
    field = asked.hands[""]
    for typed, n in (("30", 5), ("40", 3), ("30", 6), ("40", 0)):
        field.guess.value, field.counter.value = typed, n
        field.add.click()
    assert field.hands == {30.0: 6} and "30 tokens: <b>6</b>" in field.list.value
    field.guess.value = ""
    field.add.click()
    assert "Type a guess first." in field.list.value and field.hands == {30.0: 6}


def test_whole_class_switches_all_questions_on():
    asked = widgets.predict("Which?", OPTIONS)
    prediction.whole_class()
    assert asked.whole_class.value and widgets.predict("Another?", OPTIONS).whole_class.value


# --- where no widget runs, and what can be wrong


def test_without_ipywidgets_the_question_and_the_truth_stand_still(monkeypatch, shown):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    asked = widgets.predict("Which?", OPTIONS)
    assert isinstance(asked, StaticView) and asked._repr_html_().count("☐") == 3
    asked.guess = " hot"
    asked.reveal(" cold")
    assert "You guessed hot; it is cold." in shown[0]._repr_mimebundle_()["text/html"]
    asked.guess = " late"
    assert "to: late" in shown[0].html


@pytest.mark.parametrize(
    ("options", "more"),
    [("hot", {}), (["hot"], {}), (["a", "b"], {"number": True}), (None, {"several": True})],
)
def test_a_question_that_cannot_be_asked_is_one_sentence(options, more):
    with pytest.raises(SettingsError, match="option"):
        widgets.predict("Which?", options, **more)


@pytest.mark.parametrize("truth", ["many", None, True and "3"])
def test_a_truth_that_is_no_number_is_one_sentence(truth):
    with pytest.raises(SettingsError, match="needs a number"):
        widgets.predict("How many?", number=True).reveal(truth)


def test_a_missing_truth_is_one_sentence():
    asked = widgets.predict("How much?", number=True, names=["peaked", "flat"])
    with pytest.raises(SettingsError, match="peaked, flat"):
        asked.reveal({"peaked": 0.5})
