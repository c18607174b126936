"""The live template clinic: run on demand, stopped, asked another question, and read prompt by prompt."""

import sys
import threading

import pytest
import torch
from ipywidgets import Widget
from scripted import IM_END, IM_START, ScriptedBackbone, almost_certain

from nanochat_helpers.errors import MessageError, SettingsError, TokenError
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.views.markup import split_styles
from nanochat_helpers.views.template_clinic import clinic_cases, template_clinic_html
from nanochat_helpers.widgets.live import StaticView
from nanochat_helpers.widgets.template_clinic import template_clinic_widget

ASK = [*b"assistant\n"]


def polite(input_ids):
    """A model that says "Ok" after its opening, is silent after a full stop, and opens a turn after anything else."""
    tail = input_ids[-len(ASK) - 2 :]
    for said, next_id in (([], ord("O")), ([ord("O")], ord("k")), ([*b"Ok"], IM_END)):
        if tail[len(tail) - len(ASK) - len(said) :] == [*ASK, *said]:
            return almost_certain(next_id)
    return almost_certain(IM_END if input_ids[-1] == ord(".") else IM_START)


class BatchBackbone(ScriptedBackbone):
    """Writes many texts at once, as the real one does."""

    def start_batch(self, input_ids):
        self.batches = [*getattr(self, "batches", []), list(input_ids)]
        return Batch(self, [input_ids])


class Batch:
    def __init__(self, backbone, texts):
        self.backbone, self.texts = backbone, texts

    @property
    def logits(self):
        return torch.stack([self.backbone.next_token_logits(text) for text in self.texts])

    def step(self, parents, token_ids):
        self.texts = [[*self.texts[parent], token_id] for parent, token_id in zip(parents, token_ids, strict=True)]


@pytest.fixture(autouse=True)
def close_widgets():
    yield
    Widget.close_all()


@pytest.fixture
def backbone():
    return BatchBackbone(polite)


def make(backbone, question="Why.", **more):
    return template_clinic_widget(backbone, question, GenerationSettings(seed=4), n_seeds=3, max_new_tokens=5, **more)


@pytest.fixture
def view(backbone):
    view = make(backbone)
    view.controls["run"].click()
    view.wait()
    return view


def test_before_it_runs_the_model_is_not_asked(backbone):
    view = make(backbone)
    assert view.data is None and backbone.calls == []
    assert "3 answers" in view.html and "<table" not in view.html
    assert view.controls["case"].layout.display == "none"


def test_each_prompt_is_answered_in_one_batch_with_the_same_seeds(view, backbone):
    assert backbone.batches == [list(case.input_ids) for case in clinic_cases("Why.", backbone.tokenizer)]
    assert all([reply.seed for reply in row.replies] == [4, 5, 6] for row in view.data.rows)


def test_the_counts_are_those_of_the_replies(view):
    counts = {row.case.name: (row.n_stopped, row.n_silent, row.n_self_talk) for row in view.data.rows}
    assert counts["right"] == counts["doubled start token"] == (3, 0, 0)
    assert counts["missing"] == (3, 3, 0)
    assert counts["no generation prompt"] == (0, 3, 3)
    assert split_styles(template_clinic_html(view.data))[1] in view.html
    assert "Choose a prompt" in view.html


def test_another_prompt_shows_its_replies(view):
    assert view.controls["case"].value == "right" and "Ok" in view.html
    view.controls["case"].value = "missing"
    assert "The prompt <b>missing</b>" in view.html and "The prompt <b>right</b>" not in view.html
    assert view.controls["case"].layout.display is None


def test_a_new_question_is_asked_and_the_choice_kept(view, backbone):
    view.controls["case"].value = "missing"
    view.controls["question"].value = "How"
    view.controls["run"].click()
    view.wait()
    assert view.data.question == "How" and view.controls["case"].value == "missing"
    assert view.data.row("missing").n_self_talk == 3


def test_stop_ends_the_run_and_keeps_the_counts_before(view, backbone):
    before, asked, go_on = view.data, threading.Event(), threading.Event()

    def slow(input_ids):
        asked.set()
        go_on.wait(10)
        return polite(input_ids)

    backbone._script = slow
    view.controls["run"].click()
    assert asked.wait(10)
    assert not view.controls["stop"].disabled and view.progress.layout.visibility == "visible"
    view.controls["stop"].click()
    go_on.set()
    view.wait()
    assert "Stopped" in view.html and view.data is before
    assert view.controls["stop"].disabled and view.progress.layout.visibility == "hidden"


def test_progress_goes_up_to_the_end(backbone):
    view, seen = make(backbone), []
    view.progress.observe(lambda change: seen.append(change["new"]), names="value")
    view.controls["run"].click()
    view.wait()
    assert seen[:-1] == sorted(seen[:-1]) and seen[-2:] == [100, 0]
    assert len(seen) > 6


@pytest.mark.parametrize("question", ["a\0b", "x" * 3000, "", " \n"])
def test_an_error_is_a_sentence_in_the_widgets_own_line(view, question):
    view.controls["question"].value = question
    view.controls["run"].click()
    view.wait()
    assert "nc-note" in view.html and view.data.question == "Why."
    assert view.controls["stop"].disabled


def test_numbers_that_are_not_allowed_are_refused_at_once(backbone):
    with pytest.raises(SettingsError, match="n_seeds"):
        template_clinic_widget(backbone, n_seeds=0)
    with pytest.raises(SettingsError, match="max_new_tokens"):
        template_clinic_widget(backbone, max_new_tokens=0)


@pytest.mark.parametrize(
    ("wrong", "error", "says"),
    [
        ({"question": 5}, MessageError, "The question must be text, not int"),
        ({"settings": 5}, SettingsError, "settings must be GenerationSettings"),
        ({"n_seeds": 10**9}, SettingsError, "n_seeds=1000000000 .* 100 at most"),
        ({"backbone": "smollm2"}, TokenError, "as load_model gives it, not a str"),
    ],
)
def test_what_has_the_wrong_kind_is_refused_in_one_sentence(backbone, wrong, error, says):
    with pytest.raises(error, match=says):
        template_clinic_widget(**{"backbone": backbone} | wrong)


def test_an_engine_that_chooses_itself_can_be_examined():
    view = make(ScriptedBackbone("Ok", engine="llama.cpp"))
    view.controls["run"].click()
    view.wait()
    assert [row.n_stopped for row in view.data.rows] == [3] * 6


def test_a_saved_notebook_keeps_the_clinic_and_every_control_has_a_name(view):
    bundle = view._repr_mimebundle_()
    assert bundle["text/html"] == view.html
    assert all(control.description for control in view.controls.values())


def test_without_ipywidgets_the_clinic_stands_still(backbone, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    view = make(backbone)
    assert isinstance(view, StaticView) and len(view.data.rows) == 6
    assert view._repr_html_().count("<details") == 6
    assert "nc-note" in make(backbone, "a\0b").html
