"""presenter(): a script for JupyterLab that leaves nothing behind; elsewhere a sentence that says what does work."""

import json
import re
import sys
from types import ModuleType

import pytest

from nanochat_helpers import widgets
from nanochat_helpers.errors import SettingsError
from nanochat_helpers.views.presenter import presenter_script
from nanochat_helpers.widgets import prediction
from nanochat_helpers.widgets.live import StaticView


@pytest.fixture
def calls(monkeypatch) -> list:
    """What is displayed and cleared, in order, in a kernel of JupyterLab."""
    made = []
    monkeypatch.setenv("JPY_SESSION_NAME", "/lessons/04.ipynb")
    monkeypatch.delenv("VSCODE_PID", raising=False)
    monkeypatch.setattr("IPython.display.display", lambda shown: made.append(shown.data))
    monkeypatch.setattr("IPython.display.clear_output", lambda: made.append("cleared"))
    monkeypatch.setattr(prediction.LivePrediction, "in_class", False)
    return made


def test_in_jupyterlab_the_script_is_run_and_its_output_is_cleared(calls):
    assert widgets.presenter(minutes=30) is None
    assert calls == [presenter_script(30), "cleared"]
    assert prediction.LivePrediction.in_class is False  # the page itself shows the hands while it presents


@pytest.mark.parametrize("where", ["colab", "code", "terminal"])
def test_elsewhere_it_says_what_does_work_and_switches_class_mode_on(calls, monkeypatch, where):
    if where == "colab":
        monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    elif where == "code":
        monkeypatch.setenv("VSCODE_PID", "1")
    else:
        monkeypatch.delenv("JPY_SESSION_NAME")
    said = widgets.presenter()
    assert isinstance(said, StaticView) and "nanochat slides" in said.html and calls == []
    assert widgets.predict("Which?", ["a", "b"]).whole_class.value


@pytest.mark.parametrize("minutes", [0, -1, "45", 1.5])
def test_minutes_that_are_none_are_one_sentence(calls, minutes):
    with pytest.raises(SettingsError, match="minutes"):
        widgets.presenter(minutes=minutes)
    assert calls == []


def test_the_script_is_one_expression_with_its_words_and_its_looks():
    script = presenter_script(45)
    assert script.startswith("((element, options) => {") and script.endswith(");")
    options = json.loads(re.search(r"\}\)\(element, (\{.*\})\);$", script)[1])
    assert options["minutes"] == 45 and ".nc-stage" in options["css"]
    assert {"NUMBER", "TOTAL"} <= set(options["words"]["page"].split())
    for name in options["words"]:
        assert f"words.{name}" in script
