"""The frame of the live pictures: the worker, the place for a picture, and the sliders."""

import threading
import time
from types import SimpleNamespace

import pytest
from ipywidgets import Widget

from nanochat_helpers.errors import SettingsError
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.views.markup import figure, message, split_styles
from nanochat_helpers.widgets import controls
from nanochat_helpers.widgets.controls import change_settings, follow_sliders, slider
from nanochat_helpers.widgets.live import FINISHED, LiveView, Picture, Shown, StaticView, Worker, live_box


@pytest.fixture(autouse=True)
def close_widgets():
    yield
    Widget.close_all()


# --- the worker


def test_a_job_is_done_on_another_thread():
    seen, worker = [], Worker()
    worker.start(lambda cancel: seen.append(threading.current_thread()))
    worker.wait()
    assert seen != [threading.current_thread()]


def test_a_new_job_ends_the_old_one_and_waits_for_its_last_step():
    log, begun, worker = [], threading.Event(), Worker()

    def old(cancel):
        begun.set()
        assert cancel.wait(10)
        time.sleep(0.05)
        log.append("old ended")

    worker.start(old)
    assert begun.wait(10)
    worker.start(lambda cancel: log.append("new"))
    worker.wait()
    assert log == ["old ended", "new"]


def test_of_jobs_that_come_quickly_only_the_last_is_done():
    log, worker = [], Worker()
    for number in range(5):
        worker.start(lambda cancel, number=number: log.append(number), after=0.2)
    worker.wait()
    assert log == [4]


def test_a_job_that_was_replaced_while_it_waited_for_its_turn_is_not_done():
    log, go_on, worker, threads = [], threading.Event(), Worker(), []
    worker.start(lambda cancel: go_on.wait(10))
    for number in range(5):
        worker.start(lambda cancel, number=number: log.append(number))
        threads.append(worker._thread)
        time.sleep(0.02)  # each is now waiting behind the first
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert log == [4]


def test_a_job_that_still_waits_can_be_stopped():
    log, worker = [], Worker()
    worker.start(lambda cancel: log.append("done"), after=0.2)
    worker.stop()
    worker.wait()
    assert log == []


def test_waiting_has_an_end():
    worker, go_on = Worker(), threading.Event()
    worker.wait()  # nothing was ever started
    worker.start(lambda cancel: go_on.wait(10))
    with pytest.raises(TimeoutError, match="still at work"):
        worker.wait(0.05)
    go_on.set()
    worker.wait()


# --- the place for a picture


def test_a_picture_sends_its_styles_only_when_they_change():
    picture, sent = Picture(), []
    picture._styles.observe(lambda change: sent.append(change["new"]), names="value")
    for words in ("one", "two", "three"):
        picture.show(message(words))
    assert len(sent) == 1
    assert picture.html == message("three")


def test_the_styles_of_several_views_stand_once():
    styles, views = split_styles(figure("a", label="a") + figure("b", label="b"))
    assert styles.count("<style>") == 1
    assert "<style>" not in views
    assert views.count('class="nc"') == 2


def test_every_live_picture_can_say_that_its_kernel_is_gone():
    view = follow_sliders(lambda settings: settings, lambda data: "", None, ["temperature"])
    for box in (live_box([]), view.box):
        assert "nc-live" in box._dom_classes
        assert "The kernel was started anew" in box.children[0].value


# --- sliders


@pytest.mark.parametrize("name", controls.RANGES)
def test_a_slider_has_its_settings_name_in_full_and_a_value_within_what_is_allowed(name):
    made = slider(name, controls.RANGES[name][1])
    assert made.description == name
    assert made.style.description_width not in ("", None)
    assert made.tooltip == controls.MEANINGS[name]
    if name != "u":
        for end in (made.min, made.max):
            GenerationSettings(**{name: end})


@pytest.mark.parametrize(
    ("sliders", "sentence"),
    [(["temprature"], "did you mean 'temperature'"), (["u"], "no setting"), (["stop"], "no slider")],
)
def test_a_slider_that_does_not_exist_is_one_sentence(sliders, sentence):
    with pytest.raises(SettingsError, match=sentence):
        follow_sliders(lambda settings: settings, str, None, sliders)


def test_one_slider_needs_no_list():
    assert list(follow_sliders(lambda settings: settings, str, None, "top_k").controls) == ["top_k"]


def test_a_value_beyond_the_end_makes_the_slider_longer():
    assert slider("temperature", 5.0).max == 5.0
    assert slider("repetition_penalty", 0.5).min == 0.5


def test_what_a_stepped_slider_sends_is_rounded():
    assert change_settings(GenerationSettings(), {"temperature": 0.1 + 0.2, "top_k": 7}) == GenerationSettings(
        temperature=0.3, top_k=7
    )


def test_a_picture_follows_its_sliders_and_those_that_belong_to_no_setting():
    view = follow_sliders(lambda settings, u: (settings.temperature, u), str, None, ["temperature"], u=0.25)
    assert isinstance(view, LiveView)
    assert view.data == (1.0, 0.25)
    view.controls["temperature"].value = 0.5
    view.controls["u"].value = 0.75
    assert view.data == (0.5, 0.75)
    assert view.html == "(0.5, 0.75)"


def test_without_ipywidgets_it_stands_still(monkeypatch):
    monkeypatch.setattr(controls, "ipywidgets_or_none", lambda: None)
    view = follow_sliders(lambda settings, u: u, str, None, ["temperature"], u=0.25)
    assert isinstance(view, StaticView)
    assert (view.html, view.data) == ("0.25", 0.25)


def test_a_lesson_that_is_run_for_a_page_waits_for_its_pictures(monkeypatch):
    class Growing(Shown):
        box, html = SimpleNamespace(model_id="1"), "half"

        def wait(self, timeout=60.0):
            self.html = "whole"

    assert Growing()._repr_mimebundle_()["text/html"] == "half"
    monkeypatch.setenv(FINISHED, "1")
    assert Growing()._repr_mimebundle_()["text/html"] == "whole"
