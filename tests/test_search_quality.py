"""Hit rate, mean reciprocal rank and the cost of a threshold; and how good the two searches are on our own pages."""

import json

import pytest

from nanochat_helpers.errors import DocumentError, SettingsError
from nanochat_helpers.passages import Passage, read_folder
from nanochat_helpers.retrieval import BM25Search, Hit, MiniLMSearch
from nanochat_helpers.search_quality import (
    KINDS,
    Question,
    QuestionScore,
    hit_rate,
    mean_reciprocal_rank,
    question_scores,
    rank_of,
    read_questions,
    threshold_cost,
)

PAGES = [Passage("apples are red", "a.md"), Passage("bananas are\nyellow", "b.md"), Passage("cherries", "a.md")]
ASKED = {
    name: Question(name, source, answer, kind)
    for name, source, answer, kind in [
        ("first", "a.md", "apples", "same words"),
        ("second", "b.md", "are yellow", "same words"),
        ("nowhere", "b.md", "apples", "other words"),
        ("nothing", "", "", "no answer"),
    ]
}


class AllPages:
    """A search that finds all pages for every question, in the same order, with scores 0.9, 0.6 and 0.3."""

    def search(self, query, k=3):
        return [Hit(page, 0.9 - 0.3 * place) for place, page in enumerate(PAGES)][:k]


# --- ranks


def test_a_right_passage_is_of_the_document_and_has_the_words():
    assert [ASKED["second"].is_answered_by(page) for page in PAGES] == [False, True, False]
    assert not any(ASKED[name].is_answered_by(page) for name in ("nowhere", "nothing") for page in PAGES)
    assert not ASKED["nothing"].is_answered_by(Passage("a text of no document"))


def test_the_rank_is_the_place_of_the_first_right_passage():
    assert [rank_of(AllPages(), question) for question in ASKED.values()] == [1, 2, None, None]
    assert rank_of(AllPages(), ASKED["second"], k=1) is None


def test_hit_rate_and_mean_reciprocal_rank_by_hand():
    """Found in first place, in second place and not at all; "no answer" does not count."""
    questions = list(ASKED.values())
    assert hit_rate(AllPages(), questions, k=1) == pytest.approx(1 / 3)
    assert hit_rate(AllPages(), questions, k=2) == pytest.approx(2 / 3)
    assert mean_reciprocal_rank(AllPages(), questions) == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert mean_reciprocal_rank(AllPages(), questions, k=1) == pytest.approx(1 / 3)


def test_a_rate_needs_a_search_and_questions():
    for measure in (hit_rate, mean_reciprocal_rank, question_scores):
        with pytest.raises(SettingsError, match="search must be a search"):
            measure(PAGES, [ASKED["first"]])
        for wrong in (["first"], ASKED["first"], "first"):
            with pytest.raises(SettingsError, match="questions must be Question objects"):
                measure(AllPages(), wrong)


@pytest.mark.parametrize("wrong", [("a", "b", "c", "easy"), (5, "b", "c", "same words"), ("a", "b", "c", [])])
def test_a_question_of_texts_and_of_a_known_kind_is_made(wrong):
    with pytest.raises(SettingsError, match="kind one of same words"):
        Question(*wrong)


def test_a_threshold_is_a_number_over_scores():
    scores = question_scores(AllPages(), list(ASKED.values()))
    with pytest.raises(SettingsError, match="min_score='high'"):
        threshold_cost(scores, "high")
    with pytest.raises(SettingsError, match="scores must be"):
        threshold_cost(list(ASKED.values()), 0.3)


def test_without_a_question_that_has_an_answer_there_is_no_rate():
    for measure in (hit_rate, mean_reciprocal_rank):
        with pytest.raises(SettingsError, match="at least one that a passage answers"):
            measure(AllPages(), [ASKED["nothing"]])


# --- thresholds


def test_the_score_of_a_question_is_that_of_its_right_passage_or_of_the_best_hit():
    scores = [each.score for each in question_scores(AllPages(), list(ASKED.values()))]
    assert scores == [0.9, pytest.approx(0.6), None, 0.9]


@pytest.mark.parametrize(("min_score", "refused", "let_through"), [(0.0, 1 / 3, 1), (0.7, 2 / 3, 1), (1.0, 1, 0)])
def test_the_cost_of_a_threshold_by_hand(min_score, refused, let_through):
    cost = threshold_cost(question_scores(AllPages(), list(ASKED.values())), min_score)
    assert (cost.refused, cost.let_through) == (pytest.approx(refused), let_through)


def test_a_score_at_the_threshold_passes():
    assert QuestionScore(ASKED["first"], 0.5).passes(0.5)
    assert not QuestionScore(ASKED["first"], None).passes(0.0)


@pytest.mark.parametrize("names", [["first"], ["nothing"]])
def test_a_threshold_needs_questions_of_both_sorts(names):
    with pytest.raises(SettingsError, match="some that nothing answers"):
        threshold_cost(question_scores(AllPages(), [ASKED[name] for name in names]), 0.5)


# --- files of questions


def test_questions_are_read_line_by_line_and_empty_lines_left_out(tmp_path):
    path = tmp_path / "q.jsonl"
    path.write_text(json.dumps(vars(ASKED["first"])) + "\n\n", "utf-8")
    assert read_questions(path) == [ASKED["first"]]


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[1]",
        '{"text": "a"}',
        '{"text": "a", "source": "b", "answer": 3, "kind": "rare word"}',
        '{"text": "a", "source": "b", "answer": "c", "kind": "odd"}',
    ],
)
def test_a_line_that_is_no_question_is_named(tmp_path, line):
    path = tmp_path / "q.jsonl"
    path.write_text("\n" + line, "utf-8")
    with pytest.raises(DocumentError, match="line 2 is no question: it must look like"):
        read_questions(path)


def test_a_file_of_questions_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(DocumentError, match="cannot be read as questions"):
        read_questions(tmp_path / "none.jsonl")


# --- our own pages and questions


@pytest.fixture(scope="module")
def questions():
    return read_questions()


@pytest.fixture(scope="module")
def bm25():
    return BM25Search(read_folder())


@pytest.fixture(scope="module")
def by_meaning(minilm):
    return MiniLMSearch(read_folder(), minilm)


def of_kind(questions, kind):
    return [question for question in questions if question.kind == kind]


def test_each_of_our_questions_has_exactly_the_passages_that_it_should(questions):
    pages = read_folder()
    for question in questions:
        n_right = sum(question.is_answered_by(page) for page in pages)
        assert n_right == (question.kind != "no answer"), question
    assert len(questions) >= 40 and all(len(of_kind(questions, kind)) >= 8 for kind in KINDS)
    assert len({question.text for question in questions}) == len(questions)


def test_search_by_words_is_as_good_as_it_was(bm25, questions):
    assert hit_rate(bm25, questions, k=3) >= 0.67
    assert mean_reciprocal_rank(bm25, questions) >= 0.64
    assert hit_rate(bm25, of_kind(questions, "rare word"), k=3) == 1


def test_search_by_meaning_is_as_good_as_it_was(by_meaning, questions):
    assert hit_rate(by_meaning, questions, k=3) >= 0.84
    assert mean_reciprocal_rank(by_meaning, questions) >= 0.76


def test_each_search_is_better_at_what_it_is_made_for(bm25, by_meaning, questions):
    other, rare = of_kind(questions, "other words"), of_kind(questions, "rare word")
    assert hit_rate(by_meaning, other, k=3) >= hit_rate(bm25, other, k=3) + 0.4
    assert hit_rate(bm25, rare, k=1) >= hit_rate(by_meaning, rare, k=1) + 0.2


def test_the_threshold_of_the_search_by_meaning_keeps_most_and_stops_most(by_meaning, questions):
    cost = threshold_cost(question_scores(by_meaning, questions), by_meaning.min_score)
    assert cost.refused <= 0.25 and cost.let_through <= 0.3
