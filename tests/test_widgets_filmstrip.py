"""The live filmstrip: chips that follow a growing text, what a click does, and the fork."""

import sys
import threading
from itertools import pairwise

import ipywidgets
import pytest
import torch
from ipywidgets import Widget
from scripted import ScriptedBackbone

from nanochat_helpers.generation import stream
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.views import filmstrip as views
from nanochat_helpers.views.candidates import five_columns_html
from nanochat_helpers.views.filmstrip import FilmToken
from nanochat_helpers.views.markup import split_styles
from nanochat_helpers.widgets.filmstrip import OTHER_LUCK, Filmstrip, comparison_widget, filmstrip_widget
from nanochat_helpers.widgets.live import SECONDS_A_PICTURE, StaticView, seldom
from nanochat_helpers.widgets.writing import written

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
    assert chips(strip)[0].tooltip == "' Paris' · 62.1 % · entropy 1.3 bits"
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


def test_what_did_not_change_is_not_computed_again(monkeypatch):
    strip, drawn = Filmstrip(), []
    monkeypatch.setattr(views, "chip_label", lambda token, **_: drawn.append(token.text) or token.text)
    strip.show(PARIS[:2])
    strip.show(PARIS)
    assert drawn == [" Paris", ".", "\n"]


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


def test_the_chosen_place_is_chosen_again_once_a_text_that_is_written_anew_reaches_it():
    strip = Filmstrip()
    strip.show(PARIS)
    last = chips(strip)[2]
    last.click()
    strip.show(PARIS[:2])
    assert strip.selected is None
    assert "token 3" not in strip.html
    last.click()  # it was on its way when the text became shorter
    assert strip.selected is None
    strip.show(PARIS)
    assert strip.selected == 2
    assert "nc-film-on" in chips(strip)[2]._dom_classes


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


# --- a text that is written, with a given beginning or without

ANY = GenerationSettings(max_new_tokens=8, temperature=1.0, top_p=1.0, seed=3)
PROMPT = [72, 105]


def letters(input_ids):
    """Logits of a model that likes the letters a to h, in an order that depends on the last token."""
    logits = torch.full((258,), -torch.inf)
    logits[97:105] = torch.roll(torch.arange(8.0), input_ids[-1] % 8) / 2
    return logits


def ids(tokens):
    return [token.token_id for token in tokens]


@pytest.fixture
def backbone():
    return ScriptedBackbone(letters)


def last_text(*args, **more):
    *_, tokens = written(*args, **more)
    return tokens


def test_a_text_grows_by_one_token_a_time_and_is_that_of_the_loop(backbone):
    growing = list(written(backbone, PROMPT, ANY))
    assert [len(tokens) for tokens in growing] == list(range(1, 9))
    assert all(longer[:-1] == shorter for shorter, longer in pairwise(growing))
    assert ids(growing[-1]) == [step.token_id for step in stream(backbone, PROMPT, ANY)]


def test_the_table_of_each_token_knows_what_was_used_before(backbone):
    settings = ANY.change(repetition_penalty=1.2)
    tokens = last_text(backbone, PROMPT, settings)
    other = last_text(backbone, PROMPT, settings, beginning=tokens[:3])
    for text in (tokens, other):
        for place, token in enumerate(text):
            rows = token.candidates.rows
            used = {row.token_id for row in rows if row.used}
            assert used == {row.token_id for row in rows} & {*PROMPT, *ids(text)[:place]}


def test_a_given_beginning_is_kept_and_costs_no_question_to_the_model(backbone):
    tokens = last_text(backbone, PROMPT, ANY)
    backbone.calls.clear()
    other = last_text(backbone, PROMPT, ANY.change(seed=4), beginning=tokens[:5])
    assert other[:5] == tokens[:5]
    assert len(other) == 8 and len(backbone.calls) == 3
    assert ids(other) != ids(tokens)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"temperature": 0.5, "top_p": 0.8},
        {"top_k": 3, "min_p": 0.05},
        {"repetition_penalty": 1.5},
        {"repetition_penalty": 0.5, "penalise_prompt": False},
        {"temperature": 0.0},
    ],
)
def test_with_the_same_luck_a_given_beginning_ends_as_the_whole_text_does(backbone, changes):
    settings = ANY.change(**changes)
    tokens = last_text(backbone, PROMPT, settings)
    assert last_text(backbone, PROMPT, settings, beginning=tokens[:4]) == tokens


def test_pictures_that_come_too_fast_are_left_out_but_never_the_last():
    assert list(seldom([1, 2, 3])) == [1, 3]
    assert list(seldom([])) == []
    assert 0 < SECONDS_A_PICTURE < 0.2


# --- the widget


@pytest.fixture
def view(backbone):
    view = filmstrip_widget(backbone, PROMPT, ANY)
    view.wait()
    return view


def test_it_writes_the_text_of_the_seed(view, backbone):
    assert ids(view.tokens) == [step.token_id for step in stream(backbone, PROMPT, ANY)]
    assert view.controls["seed"].value == 3
    assert len(chips(view.strip)) == 8
    view.controls["seed"].value = 5
    view.controls["write"].click()
    view.wait()
    assert ids(view.tokens) == [step.token_id for step in stream(backbone, PROMPT, ANY.change(seed=5))]


def test_a_click_shows_the_table_of_that_place_and_offers_its_candidates(view):
    assert view.controls["fork"].disabled and view.controls["take"].disabled
    view.strip.select(2)
    token = view.tokens[2]
    assert split_styles(five_columns_html(token.candidates))[1] in view.html
    offered = [token_id for _, token_id in view.controls["take"].options]
    assert offered == [OTHER_LUCK] + [row.token_id for row in token.candidates.rows if row.token_id != token.token_id]
    assert not view.controls["fork"].disabled
    assert view.controls["take"].value == OTHER_LUCK
    assert view.controls["take"].index == 0  # None would show an empty box


def test_a_fork_with_other_luck_keeps_the_beginning(view):
    before = view.tokens
    view.strip.select(3)
    view.controls["fork"].click()
    view.wait()
    assert view.tokens == before
    assert view.other_tokens[:3] == before[:3] and len(view.other_tokens) == 8
    assert "seed=3" in view.html and "seed=4" in view.html
    first = view.other_tokens
    view.controls["fork"].click()
    view.wait()
    assert ids(view.other_tokens) != ids(first)  # once more is other luck once more


def test_an_ending_that_is_the_same_so_far_is_not_called_shorter(view, monkeypatch):
    shown = []
    monkeypatch.setattr(view._comparison, "show", shown.append)
    view.strip.select(3)
    view.controls["fork"].click()
    view.wait()
    assert shown and not any("ends here" in picture for picture in shown)


def test_a_fork_can_take_another_token_and_keep_the_luck(view, backbone):
    view.strip.select(3)
    row = view.tokens[3].candidates.rows[0]
    instead = next(token_id for _, token_id in view.controls["take"].options if token_id != OTHER_LUCK)
    view.controls["take"].value = instead
    view.controls["fork"].click()
    view.wait()
    other = view.other_tokens
    assert ids(other)[:4] == [*ids(view.tokens)[:3], instead]
    assert other[3].prob == next(r.own_prob for r in view.tokens[3].candidates.rows if r.token_id == instead)
    assert other[3].entropy == view.tokens[3].entropy and row in other[3].candidates.rows
    assert "First difference: token 4" in view.html
    again = last_text(backbone, PROMPT, ANY, beginning=other[:4])
    assert other == again


def test_writing_again_puts_the_fork_away(view):
    view.strip.select(3)
    view.controls["fork"].click()
    view.wait()
    view.controls["write"].click()
    view.wait()
    assert view.other_tokens == () and view.strip.selected is None
    assert "difference" not in view.html.split("nc-film-key")[-1]
    assert view.controls["fork"].disabled


def test_stop_ends_the_text_early():
    first_asked, go_on = threading.Event(), threading.Event()

    def slow(input_ids):
        first_asked.set()
        go_on.wait(10)
        return letters(input_ids)

    view = filmstrip_widget(ScriptedBackbone(slow), PROMPT, ANY.change(max_new_tokens=200))
    assert first_asked.wait(10)
    assert not view.controls["stop"].disabled
    view.controls["stop"].click()
    go_on.set()
    view.wait()
    assert len(view.tokens) < 5
    assert "Stopped after" in view.html
    assert view.controls["stop"].disabled
    view.controls["write"].click()
    view.wait()
    assert len(view.tokens) == 200


def test_a_click_while_the_text_grows_is_no_accident():
    view = filmstrip_widget(ScriptedBackbone(letters), PROMPT, ANY.change(max_new_tokens=150))
    for count in range(200):
        view.strip.select(count % 7)
    view.wait()
    assert len(view.tokens) == 150


@pytest.mark.parametrize("input_ids", [[9999], [1] * 3000, "text", 5])
def test_an_error_is_a_sentence_in_the_widgets_own_line(backbone, input_ids):
    view = filmstrip_widget(backbone, input_ids, ANY)
    view.wait()
    assert "nc-note" in view.html and view.tokens == ()
    view.controls["write"].click()
    view.wait()
    assert "nc-note" in view.html


def test_llama_cpp_writes_but_explains_that_it_takes_no_fork():
    view = filmstrip_widget(ScriptedBackbone("Hi you", engine="llama.cpp"), PROMPT, ANY)
    view.wait()
    assert [token.text for token in view.tokens][:2] == ["H", "i"]
    view.strip.select(1)
    view.controls["fork"].click()
    view.wait()
    assert "engine=&#x27;transformers&#x27;" in view.html


def test_hostile_text_is_shown_as_text():
    view = filmstrip_widget(ScriptedBackbone("<script>\u202e"), PROMPT, ANY.change(max_new_tokens=12))
    view.wait()
    view.strip.select(0)
    view.controls["fork"].click()
    view.wait()
    assert "<script" not in view.html and "\u202e" not in view.html


def test_without_ipywidgets_the_strip_stands_still(backbone, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    view = filmstrip_widget(backbone, PROMPT, ANY)
    assert isinstance(view, StaticView)
    assert ids(view.data) == [step.token_id for step in stream(backbone, PROMPT, ANY)]
    assert "nc-film-chip" in view._repr_html_()
    assert "nc-note" in filmstrip_widget(backbone, [9999], ANY).html
    unlucky = ANY.change(seed=None)
    assert (
        filmstrip_widget(backbone, PROMPT, unlucky).data == filmstrip_widget(backbone, PROMPT, ANY.change(seed=0)).data
    )


def test_without_a_seed_it_takes_seed_0(backbone):
    view = filmstrip_widget(backbone, PROMPT, ANY.change(seed=None))
    view.wait()
    assert ids(view.tokens) == [step.token_id for step in stream(backbone, PROMPT, ANY.change(seed=0))]


def test_two_settings_are_compared_and_what_differs_stands_above_each_text(backbone):
    warm = ANY.change(temperature=3.0)
    view = comparison_widget(backbone, PROMPT, ANY, warm)
    for settings, tokens in zip((ANY, warm), view.data, strict=True):
        assert ids(tokens) == [step.token_id for step in stream(backbone, PROMPT, settings)]
    assert f"First difference: token {views.comparison_data(*view.data) + 1}" in view.html
    assert "temperature=1.0</code>" in view.html and "temperature=3.0</code>" in view.html
    assert "max_new_tokens" not in view.html


def test_the_same_settings_twice_make_the_same_text_also_without_a_seed(backbone):
    view = comparison_widget(backbone, PROMPT, ANY.change(seed=None), ANY.change(seed=None))
    assert "No difference" in view.html and "max_new_tokens=8" in view.html


def test_a_comparison_that_cannot_be_made_says_why(backbone):
    assert "nc-note" in comparison_widget(backbone, "text", ANY, ANY).html
