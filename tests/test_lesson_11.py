"""The cells of lesson 11 in which a student names a model: models from a hub on this machine, or no hub at all."""

import json
from pathlib import Path

import pytest
from hub_server import HubServer
from tiny_models import write_bert, write_gpt2, write_t5

from nanochat_helpers import Chat, GenerationSettings, load_model
from nanochat_helpers.backbones.devices import choose_device
from nanochat_helpers.errors import NanoChatError
from nanochat_helpers.models import CATALOGUE

LESSON = Path(__file__).parents[1] / "notebooks" / "11_smaller_and_bigger.ipynb"
CELLS = {cell["id"]: "".join(cell["source"]) for cell in json.loads(LESSON.read_text("utf-8"))["cells"]}
WRITERS = {"distilgpt2": write_gpt2, "tinybert": write_bert, "flan-t5-small": write_t5}


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    """What the hub has: the catalogue's names, each a model of a few kilobytes."""
    folders = {CATALOGUE[name].repo: tmp_path_factory.mktemp(name) for name in WRITERS}
    for name, write in WRITERS.items():
        write(folders[CATALOGUE[name].repo])
    return folders


@pytest.fixture
def hub(repositories, empty_cache, monkeypatch):
    with HubServer(repositories) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def no_hub(empty_cache, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


def run(*names, choice, **values):
    """Run cells in which the student has put another name in place of the lesson's own."""
    settings = GenerationSettings(temperature=0, max_new_tokens=4)
    known = {"Chat": Chat, "load_model": load_model, "NanoChatError": NanoChatError, "choose_device": choose_device}
    known |= {"greedy": settings, **values}
    old, new = choice
    sources = [CELLS[name] for name in names]
    assert any(old in source for source in sources)
    for source in sources:
        exec(source.replace(old, new), known)
    return known


def ask(model):
    return run("families-ask", choice=('my_model = "minilm"', f"my_model = {model!r}"))


@pytest.mark.parametrize("name", ["distilgpt2", "flan-t5-small"])
def test_a_model_that_writes_answers_the_students_question(hub, capsys, name):
    known = ask(name)
    reply = Chat(load_model(name), settings=known["greedy"]).send(known["my_question"])
    assert capsys.readouterr().out == reply.text + "\n"


def test_an_encoder_says_why_it_cannot_chat(hub, capsys):
    ask("tinybert")
    assert "tinybert is an encoder" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["flan-t5-small", "mini-lm"])
def test_without_a_hub_or_with_a_wrong_name_the_cell_says_what_to_do(no_hub, capsys, name):
    ask(name)
    told = capsys.readouterr().out
    assert name in told and len(told) > 60


def test_a_bigger_model_gets_the_same_quiz(hub, capsys):
    choice = ("my_bigger_model = None", 'my_bigger_model = "distilbert/distilgpt2"')
    known = run("quiz-questions", "quiz-run", "bigger-run", choice=choice, backbone=load_model("distilgpt2"))
    told = capsys.readouterr().out
    places = [int(line.split()[-1]) for line in told.splitlines() if " place " in line]
    assert len(places) == 5 and all(place > 0 for place in places)
    assert f"distilgpt2 on {choose_device('auto')} | places: {places}" in told  # the same weights as the first
    assert known["bigger"] is not known["backbone"]


def test_a_bigger_model_that_cannot_be_fetched_is_explained(hub, capsys):
    choice = ("my_bigger_model = None", 'my_bigger_model = "nobody/has-this"')
    run("quiz-questions", "quiz-run", "bigger-run", choice=choice, backbone=load_model("distilgpt2"))
    assert "nobody/has-this" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "says"), [("tinybert", "tinybert is an encoder"), ("flan-t5-small", "places: [")])
def test_a_bigger_model_of_another_family_is_no_traceback(hub, capsys, name, says):
    choice = ("my_bigger_model = None", f"my_bigger_model = {name!r}")
    run("quiz-questions", "quiz-run", "bigger-run", choice=choice, backbone=load_model("distilgpt2"))
    assert says in capsys.readouterr().out.splitlines()[-1]
