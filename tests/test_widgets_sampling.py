"""The live pictures of one choice: a slider changes the numbers, the luck and the logits stay."""

import sys

import pytest
import torch
from ipywidgets import Widget

from nanochat_helpers.sampling import draw, process_logits
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.widgets.live import StaticView
from nanochat_helpers.widgets.sampling import five_columns_widget, ghost_bars_widget, roulette_widget

TOY = ["Paris", "London", "Rome", "cheese", "the"]
LOGITS = torch.tensor([4.2, 3.0, 1.5, -2.0, 0.0])
OFF = GenerationSettings(temperature=1.0, top_p=1.0)
MAKERS = [five_columns_widget, ghost_bars_widget, roulette_widget]


@pytest.fixture(autouse=True)
def close_widgets():
    yield
    Widget.close_all()


@pytest.mark.parametrize("make", MAKERS)
def test_without_settings_everything_is_off(make):
    view = make(LOGITS, TOY)
    assert view.controls["temperature"].value == 1
    shown = {row.text: row.prob for row in view.data.rows} if hasattr(view.data, "rows") else None
    if shown is None:
        shown = {segment.text: segment.end - segment.start for segment in view.data.segments}
    probs = torch.softmax(LOGITS, dim=0).tolist()
    assert shown == pytest.approx(dict(zip(TOY, probs, strict=True)), abs=1e-6)


def test_each_slider_of_the_table_changes_its_column():
    view = five_columns_widget(LOGITS, TOY, input_ids=[0])
    assert list(view.controls) == ["temperature", "top_k", "top_p", "min_p", "repetition_penalty"]
    view.controls["temperature"].value = 0.5
    assert view.data.rows[0].tempered == pytest.approx(8.4)
    assert "4.2 ÷ 0.5 = 8.40" in view.html
    view.controls["repetition_penalty"].value = 1.5
    assert view.data.rows[0].penalised == pytest.approx(2.8)
    for name, value in {"top_k": 3, "top_p": 0.5, "min_p": 0.5}.items():
        view.controls["temperature"].value = 1.0
        view.controls[name].value = value
        assert name in {row.removed_by for row in view.data.rows}
        view.controls[name].value = getattr(OFF, name)
    assert {row.removed_by for row in view.data.rows} == {None}


def test_the_sliders_start_where_the_settings_are_and_the_others_stay():
    settings = GenerationSettings(temperature=0.7, top_p=0.8, top_k=3)
    view = five_columns_widget(LOGITS, TOY, settings, sliders=["temperature"])
    assert list(view.controls) == ["temperature"]
    assert view.data.settings == settings
    view.controls["temperature"].value = 0.9
    assert view.data.settings == settings.change(temperature=0.9)


def test_the_ghost_stays_while_the_bar_moves():
    view = ghost_bars_widget(LOGITS, TOY)
    before = view.data.rows[0]
    view.controls["temperature"].value = 0.5
    assert view.data.rows[0].own_prob == before.own_prob
    assert view.data.rows[0].prob > before.prob
    assert "--p:91.3%" in view.html


def test_the_needle_stays_while_a_slider_stretches_the_bar():
    view = roulette_widget(LOGITS, TOY, u=0.8)
    assert (view.data.u, view.data.drawn.text) == (0.8, "London")
    view.controls["temperature"].value = 0.5
    assert (view.data.u, view.data.drawn.text) == (0.8, "Paris")


def test_the_needle_has_a_slider_that_draws():
    view = roulette_widget(LOGITS, TOY, OFF.change(temperature=2.0), sliders=["temperature", "top_k"])
    probs = process_logits(LOGITS, [], OFF.change(temperature=2.0)).probs
    for u in (0.0, 0.4, 0.65, 0.999):
        view.controls["u"].value = u
        assert view.data.drawn.token_id == draw(probs, u)


def test_a_setting_that_no_slider_reaches_is_kept_as_it_is():
    view = five_columns_widget(LOGITS, TOY, OFF.change(temperature=5.0))
    assert view.data.settings.temperature == 5
    assert view.controls["temperature"].max == 5


@pytest.mark.parametrize("make", MAKERS)
def test_without_ipywidgets_the_picture_stands_still(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    view = make(LOGITS, TOY, GenerationSettings(temperature=0.7))
    assert isinstance(view, StaticView)
    assert view.data
    assert "Paris" in view._repr_html_()


@pytest.mark.parametrize("make", MAKERS)
def test_a_saved_notebook_keeps_the_picture(make):
    view = make(LOGITS, TOY)
    bundle = view._repr_mimebundle_()
    assert bundle["text/html"] == view.html
    assert "Paris" in bundle["text/html"]


@pytest.mark.parametrize("make", MAKERS)
def test_the_real_model_has_its_whole_vocabulary_in_the_picture(make, backbone):
    logits = backbone.next_token_logits(backbone.tokenizer.encode("The capital of France is"))
    view = make(logits, backbone.tokenizer)
    view.controls["temperature"].value = 1.5
    assert "49,140" in view.html
