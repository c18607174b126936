"""The live X-ray: sliders, buttons, and files that can be read or not."""

import re
import sys

import pytest
from ipywidgets import Widget
from scripted import ScriptedBackbone

from nanochat_helpers.chat import Chat
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.views.markup import split_styles
from nanochat_helpers.views.xray import STATIONS, xray_data, xray_html
from nanochat_helpers.widgets import xray_widget
from nanochat_helpers.widgets.live import StaticView

NAMES = [name for name, _, _ in STATIONS]


@pytest.fixture(autouse=True)
def close_widgets():
    yield
    Widget.close_all()


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def reply(text="Hello.", n=7):
    return Chat(ScriptedBackbone(text), settings=GenerationSettings(max_new_tokens=n, seed=0)).send("Hi")


@pytest.fixture
def view():
    return xray_widget(reply())


def shown(view):
    """The one station that is drawn."""
    return view._picture.html


def drawn(data, place):
    """A station as a Picture shows it: the styles first."""
    return "".join(split_styles(xray_html(data, place)))


def said(view):
    """The widget's own line."""
    return re.sub(r"<style>.*?</style>|<[^>]+>", "", view._note.html, flags=re.DOTALL)


def place(view):
    return int(re.search(r'aria-current="step"[^>]*>(\d)', shown(view))[1])


def press(view, name, path=None):
    if path is not None:
        view.controls["file"].value = str(path)
    view.controls[name].click()


# --- walking


def test_it_begins_at_the_first_station(view):
    assert place(view) == 1
    assert shown(view) == drawn(view.data, 0)


@pytest.mark.parametrize("n", range(1, len(STATIONS) + 1))
def test_the_slider_goes_to_each_station(view, n):
    view.controls["station"].value = n
    assert shown(view) == drawn(view.data, n - 1)


def test_the_buttons_go_one_station_on_and_back_and_end_at_the_ends(view):
    assert view.controls["back"].disabled and not view.controls["next"].disabled
    for n in range(2, len(STATIONS) + 1):
        press(view, "next")
        assert place(view) == n == view.controls["station"].value
    assert view.controls["next"].disabled and not view.controls["back"].disabled
    press(view, "next")
    assert place(view) == len(STATIONS)
    press(view, "back")
    assert place(view) == len(STATIONS) - 1


def test_the_token_slider_is_there_where_one_token_is_shown_and_has_all_tokens(view):
    slider = view.controls["token"]
    assert (slider.min, slider.max) == (1, 7)
    seen = []
    for n, name in enumerate(NAMES, start=1):
        view.controls["station"].value = n
        seen += [name] * (slider.layout.visibility == "visible")
    assert seen == ["logits", "the draw", "raw text"]


def test_the_token_slider_changes_the_token_and_the_station_stays(view):
    view.controls["station"].value = 1 + NAMES.index("the draw")
    view.controls["token"].value = 5
    assert "Token 5 of 7" in shown(view) and place(view) == 6
    press(view, "back")
    assert "Token 5 of 7" in shown(view) and place(view) == 5


def test_what_stands_still_shows_all_stations(view):
    still = view._repr_mimebundle_()["text/html"]
    assert all(f"{n} · {name}" in still for n, name in enumerate(NAMES, start=1))


# --- what can be shown


def test_a_trace_a_reply_and_a_file_make_the_same_picture(tmp_path):
    answer = reply()
    answer.trace.save(tmp_path / "t.json")
    pictures = {xray_widget(source).html for source in (answer, answer.trace, tmp_path / "t.json", "t.json")}
    assert len(pictures) == 1


def test_a_reply_of_one_token_has_no_token_to_choose():
    view = xray_widget(reply("", n=1))
    assert view.controls["token"].disabled
    view.controls["station"].value = 5
    assert "Token 1 of 1" in shown(view)


def test_a_reply_without_tokens_can_be_walked_through():
    answer = reply()
    answer.trace.tokens = []
    view = xray_widget(answer)
    for n in range(1, len(STATIONS) + 1):
        view.controls["station"].value = n
        assert place(view) == n


@pytest.mark.parametrize("wrong", [None, 5, ["t.json"]])
def test_what_is_no_trace_is_one_sentence_in_the_widget(wrong):
    view = xray_widget(wrong)
    assert "An X-ray needs a trace" in said(view) and view.data is None
    view.controls["station"].value = 3  # nothing to draw, and no error
    press(view, "save", "x.json")
    assert "no trace to save" in said(view)


# --- files


def test_a_trace_is_saved_and_loaded_again(view, tmp_path):
    press(view, "save", tmp_path / "t.json")
    assert re.search(r"Saved: a reply of 7 tokens, \d+ kB", said(view))
    other = xray_widget(reply("Something else.", n=12))
    other.controls["station"].value, other.controls["token"].value = 5, 11
    press(other, "load", tmp_path / "t.json")
    assert "Loaded: a reply of 7 tokens" in said(other)
    assert other.data == view.data
    assert (other.controls["token"].value, other.controls["token"].max) == (1, 7)
    assert shown(other) == drawn(view.data, 4)  # at the station where it was


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "cannot be read"),
        ("{", "cannot be read"),
        ("[1]", "version"),
        ('{"version": 1, "model": "x"}', "version"),
        ('{"version": 2, "model": "x"}', "damaged"),
        ("\0" * 100, "cannot be read"),
    ],
)
def test_a_file_that_is_no_trace_is_one_sentence_and_what_is_shown_stays(view, tmp_path, text, sentence):
    path = tmp_path / "bad.json"
    if text is not None:
        path.write_text(text)
    view.controls["station"].value = 5
    before, data = shown(view), view.data
    press(view, "load", path)
    assert sentence in said(view)
    assert (shown(view), view.data) == (before, data)
    assert sentence in said(xray_widget(path))  # also as the first one


def test_a_trace_with_a_damaged_part_is_one_sentence_and_what_is_shown_stays(view):
    broken = reply().trace
    broken.messages = ["Hi"]
    broken.save("bad.json")
    before = shown(view)
    press(view, "load", "bad.json")
    assert "messages[0]" in said(view) and shown(view) == before


def test_a_name_is_needed_and_a_folder_is_none(view, tmp_path):
    press(view, "save", "  ")
    assert "Which file?" in said(view)
    press(view, "save", tmp_path)
    assert "cannot be written" in said(view)
    press(view, "save", "no/such/folder/t.json")
    assert "cannot be written" in said(view)


def test_the_line_of_a_mistake_goes_away_when_it_works(view):
    press(view, "load", "nothing.json")
    press(view, "save", "t.json")
    assert "cannot" not in said(view)


# --- without ipywidgets


def test_without_ipywidgets_all_stations_stand_still(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    answer = reply()
    view = xray_widget(answer)
    assert isinstance(view, StaticView) and view.data == xray_data(answer.trace)
    assert "9 · reply" in view._repr_html_()
    assert "cannot be read" in xray_widget("nothing.json")._repr_html_()
