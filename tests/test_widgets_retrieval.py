"""The live search and the live threshold."""

import sys

import pytest
from ipywidgets import Widget

from nanochat_helpers.chat import Reply
from nanochat_helpers.errors import MessageError, SettingsError
from nanochat_helpers.passages import Passage
from nanochat_helpers.retrieval import BM25Search
from nanochat_helpers.search_quality import Question, QuestionScore
from nanochat_helpers.trace import Trace
from nanochat_helpers.widgets import answer_view, search_widget, threshold_widget
from nanochat_helpers.widgets.live import StaticView

SEARCH = BM25Search([Passage("The cat sleeps."), Passage("A cat and a dog."), Passage("Robots.")])
SCORES = [
    QuestionScore(Question("a", "a", "a", "rare word"), 0.8),
    QuestionScore(Question("b", "", "", "no answer"), 0.6),
]


class Other(BM25Search):
    name = "Other"


@pytest.fixture(autouse=True)
def close_widgets():
    yield
    Widget.close_all()


def found(view):
    return [[passage.parts for passage in result.passages] for result in view.data]


def test_typing_a_question_searches():
    view = search_widget(SEARCH, "dog")
    assert list(view.controls) == ["query", "k"] and len(found(view)[0]) == 1
    view.controls["query"].value = "cat"
    assert len(found(view)[0]) == 2 and "<mark>cat</mark>" in view.html
    view.controls["k"].value = 1
    assert len(found(view)[0]) == 1


def test_an_empty_question_is_one_sentence_and_the_next_one_works():
    view = search_widget(SEARCH, "dog")
    view.controls["query"].value = " "
    assert view.data is None and "The question is empty" in view.html
    view.controls["query"].value = "cat"
    assert len(found(view)[0]) == 2


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"query": 5}, "The question must be text"),
        ({"k": "3"}, "k='3'"),
        ({"min_score": "high"}, "min_score='high'"),
        ({"searches": ["cat"]}, "search must be a search"),
    ],
)
def test_what_no_search_can_be_made_of_is_one_sentence(wrong, says):
    with pytest.raises((MessageError, SettingsError), match=says):
        search_widget(**{"searches": SEARCH, "query": "dog"} | wrong)


def test_what_is_no_reply_or_no_threshold_is_one_sentence():
    with pytest.raises(MessageError, match="answer_view shows a reply"):
        answer_view("hello")
    for wrong in ("0.3", None):
        with pytest.raises(SettingsError, match="min_score="):
            threshold_widget(SCORES, wrong)


def test_it_waits_for_enter():
    assert search_widget(SEARCH, "dog").controls["query"].continuous_update is False


def test_several_searches_begin_side_by_side_and_one_can_be_chosen():
    view = search_widget([SEARCH, Other(SEARCH.passages)], "dog")
    assert [result.name for result in view.data] == ["BM25", "Other"]
    view.controls["search"].value = 1
    assert [result.name for result in view.data] == ["Other"]
    view.controls["search"].value = "all"
    assert len(view.data) == 2


def test_k_may_start_beyond_the_slider_and_min_score_is_handed_on():
    view = search_widget(SEARCH, "cat", k=30, min_score=99.0)
    assert view.controls["k"].value == 30 and "left out: below 99" in view.html


def test_no_search_at_all_is_refused():
    with pytest.raises(SettingsError, match="at least one search"):
        search_widget([], "cat")


def test_the_threshold_moves():
    view = threshold_widget(SCORES, 0.5)
    assert (view.data.cost.refused, view.data.cost.let_through) == (0, 1)
    view.controls["min_score"].value = 0.7000000000000001
    assert (view.data.cost.min_score, view.data.cost.refused, view.data.cost.let_through) == (0.7, 0, 0)
    view.controls["min_score"].value = 1.0
    assert view.data.cost.refused == 1


def test_an_answer_is_shown_with_what_its_trace_tells():
    source = {"number": 1, "source": "pets.md", "place": "line 1", "text": "The cat sleeps.", "score": 1.0}
    trace = Trace("m", "e", {}, "Which cat?", sources=[source])
    view = answer_view(Reply("A tired one.", "stop", trace))
    assert isinstance(view, StaticView) and (view.data.question, view.data.text) == ("Which cat?", "A tired one.")
    assert "A tired one." in view.html and "<mark>cat</mark>" in view.html


def test_without_ipywidgets_both_stand_still(monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    for view in (search_widget([SEARCH, Other(SEARCH.passages)], "dog"), threshold_widget(SCORES, 0.5)):
        assert isinstance(view, StaticView) and view.data and "nc" in view._repr_html_()
