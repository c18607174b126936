"""The live bake-off: played on demand, stopped, and compared round by round."""

import sys
import threading

import pytest
from ipywidgets import Widget
from scripted import ScriptedBackbone

from nanochat_helpers.errors import SettingsError
from nanochat_helpers.history import LastTurns, TokenBudget
from nanochat_helpers.views.bake_off import bake_off_data
from nanochat_helpers.widgets.bake_off import bake_off_widget
from nanochat_helpers.widgets.live import FINISHED, StaticView

OPTIONS = {"strategies": {"last": LastTurns(0), "all": TokenBudget()}, "n_seeds": 2, "max_tokens": 1500}


@pytest.fixture(autouse=True)
def close_widgets():
    yield
    Widget.close_all()


def played(view, n_between):
    view.controls["n_between"].value = n_between
    view.controls["play"].click()
    view.wait()
    return view


@pytest.fixture
def view():
    return played(bake_off_widget(ScriptedBackbone("Biscuit!"), **OPTIONS), 3)


def test_before_it_is_played_the_model_is_not_asked():
    backbone = ScriptedBackbone("Biscuit!")
    view = bake_off_widget(backbone, **OPTIONS)
    assert view.data is None and backbone.calls == [] and "press “Play”" in view.html


def test_for_a_page_that_is_only_read_a_round_is_played(monkeypatch):
    monkeypatch.setenv(FINISHED, "1")
    view = bake_off_widget(ScriptedBackbone("Biscuit!"), **OPTIONS)
    assert "<table" in view._repr_mimebundle_()["text/html"] and len(view.rounds) == 1
    view._repr_mimebundle_()
    assert len(view.rounds) == 1


def test_a_round_is_the_one_of_its_settings(view):
    assert view.data == bake_off_data(ScriptedBackbone("Biscuit!"), 3, **OPTIONS)
    assert "2 strategies in" in view.html and "3 turns of small talk" in view.html
    assert view.controls["stop"].disabled and view.progress.layout.visibility == "hidden"


def test_rounds_stand_side_by_side(view):
    assert 'nc-bo-rounds"><tr>' not in view.html
    played(view, 5)
    assert list(view.rounds) == [3, 5] and view.data.n_between == 5
    assert '<th scope="col">3</th><th scope="col">5</th>' in view.html
    played(view, 5)
    assert list(view.rounds) == [3, 5]


def test_stop_ends_a_round_which_then_does_not_count():
    asked, go_on = threading.Event(), threading.Event()

    class Slow(ScriptedBackbone):
        def next_token_logits(self, input_ids):
            asked.set()
            assert go_on.wait(10)
            return super().next_token_logits(input_ids)

    view = bake_off_widget(Slow("Biscuit!"), **OPTIONS)
    view.controls["play"].click()
    assert asked.wait(10)
    assert not view.controls["stop"].disabled and view.progress.layout.visibility == "visible"
    view.controls["stop"].click()
    go_on.set()
    view.wait()
    assert view.data is None and "Stopped after" in view.html and view.controls["stop"].disabled


def test_progress_goes_up_to_the_end():
    view, seen = bake_off_widget(ScriptedBackbone("Biscuit!"), **OPTIONS), []
    view.progress.observe(lambda change: seen.append(change["new"]), names="value")
    played(view, 1)
    assert seen == [50, 100, 0]


def test_an_error_is_a_sentence_and_another_round_can_be_played():
    view = bake_off_widget(ScriptedBackbone("Biscuit!"), **OPTIONS | {"max_tokens": 20})
    played(view, 2)
    assert "nc-note" in view.html and "tokens" in view.html and view.data is None
    assert view.controls["stop"].disabled


def test_a_saved_notebook_keeps_the_table_and_every_control_has_a_name(view):
    assert view._repr_mimebundle_()["text/html"] == view.html
    assert all(control.description for control in view.controls.values())


def test_without_ipywidgets_one_round_stands_still(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    view = bake_off_widget(ScriptedBackbone("Biscuit!"), 2, **OPTIONS)
    assert isinstance(view, StaticView) and view.data.n_between == 2
    assert "nc-note" in bake_off_widget(ScriptedBackbone("x"), **OPTIONS | {"max_tokens": 20}).html


@pytest.mark.parametrize("n_between", ["four", -1, 2.5])
def test_a_number_of_turns_that_is_none_is_refused_in_words(n_between):
    with pytest.raises(SettingsError, match="n_between="):
        bake_off_widget(ScriptedBackbone("x"), n_between, **OPTIONS)
