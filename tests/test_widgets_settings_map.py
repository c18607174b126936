"""The live settings map: drawn on demand, stopped, measured in three ways, and read cell by cell."""

import sys
import threading

import pytest
import torch
from ipywidgets import Widget
from scripted import ScriptedBackbone

from nanochat_helpers.generation import sample_batch
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.views.settings_map import MEASURES, map_rows
from nanochat_helpers.widgets.live import StaticView
from nanochat_helpers.widgets.settings_map import settings_map_widget

PROMPT = [72, 105]
SMALL = {"temperatures": (0.0, 1.5), "top_ps": (0.5, 0.9, 1.0), "n_seeds": 2, "max_new_tokens": 6}


def letters(input_ids):
    """Logits of a model that likes the letters a to h, in an order that depends on the last token."""
    logits = torch.full((258,), -torch.inf)
    logits[97:105] = torch.roll(torch.arange(8.0), input_ids[-1] % 8) / 2
    return logits


class BatchBackbone(ScriptedBackbone):
    """Writes many texts at once, as the real one does."""

    def start_batch(self, input_ids):
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
    return BatchBackbone(letters)


@pytest.fixture
def view(backbone):
    view = settings_map_widget(backbone, PROMPT, GenerationSettings(seed=3), **SMALL)
    view.controls["draw"].click()
    view.wait()
    return view


def numbers(view):
    return [button.description for button in view.cells.values()]


def test_before_it_is_drawn_the_model_is_not_asked_and_no_cell_can_be_clicked(backbone):
    view = settings_map_widget(backbone, PROMPT, **SMALL)
    assert view.data is None and backbone.calls == []
    assert set(numbers(view)) == {"–"}
    assert all(button.disabled for button in view.cells.values())
    assert "12 texts, 6 cells" in view.html


def test_the_map_holds_the_texts_that_its_settings_write(view, backbone):
    rows = map_rows(GenerationSettings(seed=3, max_new_tokens=6), SMALL["temperatures"], SMALL["top_ps"], 2)
    samples = [sample for row in view.data.rows for cell in row for sample in cell.samples]
    assert samples == sample_batch(backbone, PROMPT, rows)
    assert view.data.prompt == "Hi"
    assert "12 texts in" in view.html and "<table" in view.html


def test_each_cell_is_a_button_with_its_number(view):
    assert list(view.cells) == [(t, p) for t in SMALL["temperatures"] for p in SMALL["top_ps"]]
    assert numbers(view) == [f"{view.data.cell(*place).distinct:.2f}" for place in view.cells]
    assert not any(button.disabled for button in view.cells.values())
    button = view.cells[1.5, 0.9]
    assert button.tooltip == f"temperature 1.5, top_p 0.9: distinct pairs {button.description}"


def test_another_measure_changes_the_numbers_and_the_colour(view):
    seen = {}
    for measure in MEASURES:
        view.controls["measure"].value = measure
        seen[measure] = numbers(view)
        assert [name for name in view._grid._dom_classes if name.startswith("nc-map-as")] == [f"nc-map-as-{measure}"]
        assert MEASURES[measure].meaning in view.html
    assert seen["entropy"][:3] == ["0.0"] * 3  # greedy: only one token was possible
    assert float(seen["entropy"][5]) > 1
    assert len(set(map(tuple, seen.values()))) == 3


def test_the_measure_can_be_chosen_before_the_map_is_drawn(backbone):
    view = settings_map_widget(backbone, PROMPT, **SMALL)
    view.controls["measure"].value = "entropy"
    view.controls["draw"].click()
    view.wait()
    assert numbers(view)[0] == "0.0"


def test_a_click_shows_the_texts_of_a_cell_with_their_seeds(view):
    view.cells[1.5, 1.0].click()
    assert view.selected == (1.5, 1.0)
    assert "seed 3" in view.html and "seed 4" in view.html and "seed 5" not in view.html
    assert all(sample.text in view.html for sample in view.data.cell(1.5, 1.0).samples)
    assert [place for place, button in view.cells.items() if "nc-map-on" in button._dom_classes] == [(1.5, 1.0)]
    view.cells[0.0, 0.5].click()
    view.cells[0.0, 0.5].click()
    assert [place for place, button in view.cells.items() if "nc-map-on" in button._dom_classes] == [(0.0, 0.5)]


def test_drawing_twice_gives_the_same_map_and_keeps_the_choice(view):
    first = view.data
    view.cells[1.5, 1.0].click()
    view.controls["draw"].click()
    view.controls["draw"].click()
    view.wait()
    assert view.data == first
    assert view.selected == (1.5, 1.0)


def test_stop_shows_what_was_written_until_then():
    asked, go_on = threading.Event(), threading.Event()
    count = iter(range(10_000))

    def slow(input_ids):
        if next(count) == 20:
            asked.set()
            go_on.wait(10)
        return letters(input_ids)

    view = settings_map_widget(BatchBackbone(slow), PROMPT, **SMALL | {"max_new_tokens": 200})
    view.controls["draw"].click()
    assert asked.wait(10)
    assert not view.controls["stop"].disabled
    assert view.progress.layout.visibility == "visible"
    view.controls["stop"].click()
    go_on.set()
    view.wait()
    lengths = {len(sample.token_ids) for row in view.data.rows for cell in row for sample in cell.samples}
    assert max(lengths) < 30
    assert "Stopped after" in view.html
    assert view.controls["stop"].disabled and view.progress.layout.visibility == "hidden"


def test_progress_goes_up_to_the_end(backbone):
    view, seen = settings_map_widget(backbone, PROMPT, **SMALL), []
    view.progress.observe(lambda change: seen.append(change["new"]), names="value")
    view.controls["draw"].click()
    view.wait()
    assert seen[:-1] == sorted(seen[:-1]) and seen[-2:] == [100, 0]
    assert len(seen) > 3


@pytest.mark.parametrize("input_ids", [[9999], [1] * 3000, "text", 5])
def test_an_error_is_a_sentence_in_the_widgets_own_line(backbone, input_ids):
    view = settings_map_widget(backbone, input_ids, **SMALL)
    view.controls["draw"].click()
    view.wait()
    assert "nc-note" in view.html and view.data is None
    assert view.controls["stop"].disabled


def test_an_engine_without_logits_gives_a_map_without_entropies():
    view = settings_map_widget(ScriptedBackbone("abcab", engine="llama.cpp"), PROMPT, **SMALL)
    view.controls["measure"].value = "entropy"
    view.controls["draw"].click()
    view.wait()
    assert set(numbers(view)) == {"–"}
    view.controls["measure"].value = "distinct"
    assert "–" not in numbers(view)


def test_a_saved_notebook_keeps_the_map_and_every_control_has_a_name(view):
    bundle = view._repr_mimebundle_()
    assert bundle["text/html"] == view.html
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == view.box.model_id
    assert all(control.description for control in view.controls.values())


def test_without_ipywidgets_the_map_stands_still(backbone, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    view = settings_map_widget(backbone, PROMPT, **SMALL)
    assert isinstance(view, StaticView)
    assert len(view.data.rows) == 2
    assert view._repr_html_().count("<table") == 3
    assert "nc-note" in settings_map_widget(backbone, [9999], **SMALL).html
