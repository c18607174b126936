"""The live pictures of one distribution: a slider changes the numbers, no model runs, and all works without widgets."""

import sys

import pytest
import torch
from ipywidgets import Widget

from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.views.cumulative_cut import CumulativeCut
from nanochat_helpers.views.markup import split_styles
from nanochat_helpers.widgets.distribution import cumulative_cut_widget, draws_widget, penalty_arrows_widget
from nanochat_helpers.widgets.live import StaticView

TOY = ["cat", "dog", "hat", "mat"]
LOGITS = torch.tensor([0.4, 0.3, 0.2, 0.1]).log()
SIGNED = torch.tensor([4.0, -4.0, 1.0, 2.0])


@pytest.fixture(autouse=True)
def close_widgets():
    yield
    Widget.close_all()


@pytest.fixture(params=["cut", "cuts", "draws", "arrows"])
def make(request):
    """Each of them, as a function without arguments."""
    return {
        "cut": lambda: cumulative_cut_widget(LOGITS, TOY),
        "cuts": lambda: cumulative_cut_widget({"one": LOGITS, "two": SIGNED}, TOY),
        "draws": lambda: draws_widget(LOGITS, TOY),
        "arrows": lambda: penalty_arrows_widget(SIGNED, TOY, prompt_ids=[0], new_ids=[1]),
    }[request.param]


def test_the_slider_moves_the_cut():
    view = cumulative_cut_widget(LOGITS, TOY)
    assert view.data.n_kept == 4
    view.controls["top_p"].value = 0.6
    assert view.data.n_kept == 2
    assert "kept <b>2</b> of 4" in view.html
    view.controls["temperature"].value = 0.1
    assert view.data.n_kept == 1


def test_one_slider_moves_all_cuts():
    view = cumulative_cut_widget({"flat": torch.zeros(4), "peaked": SIGNED}, TOY, compare_top_k=2)
    view.controls["top_p"].value = 0.7
    assert {title: cut.n_kept for title, cut in view.data.items()} == {"flat": 3, "peaked": 1}
    assert {title: cut.top_k for title, cut in view.data.items()} == {"flat": 2, "peaked": 2}


def test_the_seed_changes_the_luck_and_nothing_else():
    view = draws_widget(LOGITS, TOY)
    before = view.data
    view.controls["seed"].value = 5
    assert view.data.seed == 5
    assert [row.prob for row in view.data.rows] == [row.prob for row in before.rows]
    assert [row.n_drawn for row in view.data.rows] != [row.n_drawn for row in before.rows]
    view.controls["seed"].value = 0
    assert view.data == before


def test_the_temperature_changes_the_prediction():
    view = draws_widget(LOGITS, TOY, n_draws=10)
    view.controls["temperature"].value = 0.0
    assert [row.n_drawn for row in view.data.rows] == [10, 0, 0, 0]


def test_the_penalty_moves_the_arrows():
    view = penalty_arrows_widget(SIGNED, TOY, prompt_ids=[0], new_ids=[1])
    assert "no arrow" in view.html
    view.controls["repetition_penalty"].value = 2.0
    assert {row.text: row.penalised for row in view.data.rows} == {"cat": 2.0, "mat": 2.0, "hat": 1.0, "dog": -8.0}


def test_the_other_settings_stay_as_they_were_given():
    settings = GenerationSettings(temperature=1.0, top_k=3, top_p=0.9, repetition_penalty=1.0, penalise_prompt=False)
    cut = cumulative_cut_widget(LOGITS, TOY, settings)
    cut.controls["top_p"].value = 0.5
    assert cut.data.settings == settings.change(top_p=0.5)
    arrows = penalty_arrows_widget(SIGNED, TOY, settings, prompt_ids=[0])
    arrows.controls["repetition_penalty"].value = 1.5
    assert arrows.data.n_counted == 0


def test_one_may_choose_the_sliders():
    view = cumulative_cut_widget(LOGITS, TOY, GenerationSettings(top_k=2), sliders=("top_k", "top_p"))
    assert list(view.controls) == ["top_k", "top_p"]
    view.controls["top_k"].value = 3
    assert view.data.n_entering == 3


def test_used_tokens_count_in_the_draws():
    settings = GenerationSettings(temperature=1.0, top_p=1.0, repetition_penalty=2.0)
    view = draws_widget(SIGNED, TOY, settings, input_ids=[0, 3])
    assert view.data.rows[0].prob == pytest.approx(torch.tensor([2.0, -4.0, 1.0, 1.0]).softmax(0)[0].item())


def test_every_control_says_what_it_is(make):
    for name, control in make().controls.items():
        assert control.description == name


def test_a_saved_notebook_keeps_the_picture(make):
    view = make()
    assert view._repr_mimebundle_()["text/html"] == view.html


def test_without_ipywidgets_the_picture_stands_still(make, monkeypatch):
    live = make()
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    view = make()
    assert isinstance(view, StaticView)
    assert view.data == live.data
    assert split_styles(view.html) == split_styles(live.html)


def test_a_mistake_is_explained_in_place_of_the_picture():
    view = draws_widget(LOGITS, TOY, n_draws=0)
    assert view.data is None
    assert "n_draws=0 is not allowed" in view.html


def test_a_dict_of_one_is_still_a_dict():
    assert isinstance(cumulative_cut_widget({"one": LOGITS}, TOY).data["one"], CumulativeCut)
