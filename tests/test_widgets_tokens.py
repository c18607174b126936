"""The live pictures of step 2: moving a control changes the numbers, and without ipywidgets the picture remains."""

import sys

import pytest
from ipywidgets import Widget

from nanochat_helpers.widgets import chips_widget, ladder_widget, merges_widget
from nanochat_helpers.widgets.live import StaticView

TOY = "hop hop top"


@pytest.fixture(params=["chips", "ladder", "merges"])
def make(request, smollm2_tokenizer):
    """Each of the three, as a function without arguments."""
    return {
        "chips": lambda: chips_widget("Hi 😀", smollm2_tokenizer),
        "ladder": lambda: ladder_widget("Hi 😀", {"characters": list, "SmolLM2": smollm2_tokenizer}),
        "merges": lambda: merges_widget(TOY),
    }[request.param]


@pytest.fixture
def no_ipywidgets(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)


def test_typing_changes_the_chips(smollm2_tokenizer):
    view = chips_widget("Hi", smollm2_tokenizer)
    assert len(view.data) == 1
    view.controls["text"].value = "Hi <b>"
    assert [chip.label for chip in view.data] == ["Hi", " <", "b", ">"]
    assert "4 tokens" in view.html
    assert "&lt;" in view.html


def test_typing_changes_every_row_of_the_ladder(smollm2_tokenizer):
    view = ladder_widget("Hi", {"characters": list, "SmolLM2": smollm2_tokenizer})
    view.controls["text"].value = "Hi 😀"
    assert [rung.n_tokens for rung in view.data] == [4, 3]
    assert "4 tokens" in view.html


def test_the_slider_steps_through_the_merges_and_the_box_shows_the_answer():
    view = merges_widget(TOY)
    assert "← next" not in view.html
    view.controls["show_next"].value = True
    assert "← next" in view.html
    view.controls["n_merges"].value = 2
    assert view.data[0].merges == (("o", "p"), ("h", "op"))


def test_the_slider_ends_where_no_pair_is_left():
    assert merges_widget("ab").controls["n_merges"].max == 1
    assert merges_widget(TOY, most_merges=2).controls["n_merges"].max == 2
    assert merges_widget("ab", 9).controls["n_merges"].value == 1


def test_damaged_text_is_explained_in_place_and_the_next_text_is_drawn(smollm2_tokenizer):
    view = chips_widget("Hi", smollm2_tokenizer)
    view.controls["text"].value = "a\ud83d"
    assert "lone surrogate" in view.html
    assert view.data is None
    view.controls["text"].value = "Hi"
    assert "1 token" in view.html


def test_a_saved_notebook_keeps_the_picture(make):
    view = make()
    bundle = view._repr_mimebundle_()
    assert bundle["text/html"] == view.html
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == view.box.model_id


def test_every_control_says_what_it_is_and_is_not_cut_off(make):
    for control in make().controls.values():
        assert control.description
        assert getattr(control.style, "description_width", "initial") in ("initial", "")


def test_without_ipywidgets_the_picture_stands_still(make, no_ipywidgets):
    view = make()
    assert isinstance(view, StaticView)
    assert "<div" in view._repr_html_()
    assert view.data


def test_nothing_is_left_open_in_the_picture(make):
    assert make().html.count("<div") == make().html.count("</div")
    Widget.close_all()
