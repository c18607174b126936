"""The live filmstrip: chips that follow a growing text, what a click does, and the fork."""

import threading

import ipywidgets
import pytest
from ipywidgets import Widget

from nanochat_helpers.views.filmstrip import FilmToken
from nanochat_helpers.widgets.filmstrip import Filmstrip

PARIS = [FilmToken(0, " Paris", 0.621, 1.3), FilmToken(1, ".", 0.9, 0.5), FilmToken(2, "\n", 0.005, 6.0)]


@pytest.fixture(autouse=True)
def close_widgets():
    yield
    Widget.close_all()


@pytest.fixture
def sent(monkeypatch):
    """All messages that widgets send to the page from here on."""
    if ipywidgets.__version__ < "8":
        pytest.skip("ipywidgets 7 sends nothing where no kernel runs")
    messages = []
    monkeypatch.setattr(Widget, "_send", lambda widget, msg, buffers=None: messages.append((widget, msg)))
    return messages


def chips(strip):
    """The buttons that the page shows."""
    return strip._strip.children


# --- the strip


def test_each_token_is_a_button_with_its_text_and_its_numbers():
    strip = Filmstrip()
    strip.show(PARIS)
    assert [chip.description for chip in chips(strip)] == ["·Paris", ".", "⏎"]
    assert chips(strip)[0].tooltip == "' Paris' · 62.1 % · 1.3 bits"
    assert strip.tokens == tuple(PARIS)


def test_shade_and_height_follow_probability_and_entropy():
    strip = Filmstrip()
    strip.show(PARIS)
    assert [chip._dom_classes[1:3] for chip in chips(strip)] == [
        ("nc-film-p4", "nc-film-h1"),
        ("nc-film-p5", "nc-film-h0"),
        ("nc-film-p0", "nc-film-h6"),
    ]


def test_a_growing_text_keeps_its_buttons_and_sends_only_the_new_one(sent):
    strip = Filmstrip()
    strip.show(PARIS[:2])
    first = chips(strip)
    sent.clear()
    strip.show(PARIS)
    assert chips(strip)[:2] == first
    assert [widget for widget, _ in sent] == [chips(strip)[2], strip._strip]


def test_what_did_not_change_is_not_sent(sent):
    strip = Filmstrip()
    strip.show(PARIS)
    sent.clear()
    strip.show(list(PARIS))
    assert sent == []
    strip.show([PARIS[0], FilmToken(3, "!", 0.1, 3.0), PARIS[2]])
    assert [widget for widget, _ in sent] == [chips(strip)[1]]


def test_a_text_longer_than_the_room_and_then_a_shorter_one():
    strip = Filmstrip(room=2)
    strip.show(PARIS)
    assert len(chips(strip)) == 3
    strip.show(PARIS[:1])
    assert len(chips(strip)) == 1
    strip.show([])
    assert chips(strip) == ()


def test_a_click_chooses_marks_and_tells():
    strip, told = Filmstrip(), []
    strip.on_select(told.append)
    strip.show(PARIS)
    assert strip.selected is None
    chips(strip)[1].click()
    assert (strip.selected, told) == (1, [1])
    assert ["nc-film-on" in chip._dom_classes for chip in chips(strip)] == [False, True, False]
    chips(strip)[2].click()
    assert (strip.selected, told) == (2, [1, 2])
    assert ["nc-film-on" in chip._dom_classes for chip in chips(strip)] == [False, False, True]
    assert "token 3" in strip.html


def test_a_click_may_arrive_twice():
    strip, told = Filmstrip(), []
    strip.on_select(told.append)
    strip.show(PARIS)
    chips(strip)[1].click()
    chips(strip)[1].click()
    assert (strip.selected, told) == (1, [1, 1])


def test_the_choice_ends_with_the_text_that_had_it():
    strip = Filmstrip()
    strip.show(PARIS)
    last = chips(strip)[2]
    last.click()
    strip.show(PARIS[:2])
    assert strip.selected is None
    last.click()  # it was on its way when the text became shorter
    assert strip.selected is None
    strip.show(PARIS)
    assert "nc-film-on" not in chips(strip)[2]._dom_classes


def test_the_first_difference_is_marked_by_a_sign_too():
    strip = Filmstrip()
    strip.show(PARIS, first_difference=1)
    assert [chip.description for chip in chips(strip)] == ["·Paris", "≠ .", "⏎"]
    strip.show(PARIS)
    assert chips(strip)[1].description == "."


def test_a_listener_may_change_the_strip():
    strip = Filmstrip()
    strip.on_select(lambda place: strip.show(PARIS[: place + 1]))
    strip.show(PARIS)
    chips(strip)[1].click()
    assert len(chips(strip)) == 2


def test_a_text_may_grow_on_one_thread_while_clicks_arrive_on_another():
    strip = Filmstrip(room=1)
    strip.show(PARIS)
    buttons = chips(strip)
    growing = threading.Thread(target=lambda: [strip.show(PARIS[: count % 4]) for count in range(400)])
    growing.start()
    for count in range(300):
        buttons[count % 3].click()
    growing.join()
    strip.show(PARIS)
    assert [chip.description for chip in chips(strip)] == ["·Paris", ".", "⏎"]


def test_a_saved_notebook_keeps_the_strip():
    strip = Filmstrip()
    strip.show(PARIS)
    bundle = strip._repr_mimebundle_()
    assert bundle["text/html"] == strip.html
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == strip.box.model_id
