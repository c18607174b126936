"""Search results, an answer with its sources, and the cost of a threshold: what the pictures say."""

import re

import pytest

from nanochat_helpers.errors import SettingsError
from nanochat_helpers.passages import Passage
from nanochat_helpers.retrieval import BM25Search, Hit
from nanochat_helpers.search_quality import Question, QuestionScore
from nanochat_helpers.views.retrieval import answer_data, answer_html, mark_words, search_data, search_html
from nanochat_helpers.views.threshold import threshold_data, threshold_html

PAGES = [Passage("The cat sleeps.", "pets.md", "line 1"), Passage("A dog and a <b>cat</b>.", "<i>.md", "line 3")]
NASTY = "<script>alert(1)</script>"


class Fixed:
    """A search that always finds the two pages, with the scores that it was made with."""

    name, min_score = "Fixed", 0.0

    def __init__(self, *scores, highest=1.0):
        self.scores, self.highest = scores, highest

    def search(self, query, k=3):
        return [Hit(page, score) for page, score in zip(PAGES, self.scores, strict=False)][:k]


def text_of(html):
    return re.sub(r"<[^>]*>", "", re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL))


# --- data


def test_the_words_of_the_question_are_marked_and_the_text_stays_whole():
    parts = mark_words("The Cat, the caterpillar\nand the cat.", "Where is the cat?")
    assert "".join(piece for piece, _ in parts) == "The Cat, the caterpillar\nand the cat."
    assert [piece for piece, marked in parts if marked] == ["Cat", "cat"]
    assert mark_words("", "cat") == ()


def test_a_bar_is_compared_with_the_highest_score_there_can_be_or_else_with_the_best():
    assert [found.share for found in search_data(Fixed(0.5, -0.2), "cat").passages] == [0.5, 0.0]
    assert [found.share for found in search_data(Fixed(4.0, 1.0, highest=None), "cat").passages] == [1.0, 0.25]


def test_what_is_below_min_score_is_kept_in_the_list_as_left_out():
    assert [found.kept for found in search_data(Fixed(0.5, 0.4), "cat", min_score=0.5).passages] == [True, False]
    assert all(found.kept for found in search_data(Fixed(0.5, 0.4), "cat").passages)


def test_passages_are_numbered_and_know_where_they_stand():
    found = search_data(BM25Search(PAGES), "cat", k=1).passages
    assert [(each.number, each.source, each.place) for each in found] == [(1, "pets.md", "line 1")]


def test_an_answer_takes_its_passages_from_the_sources_of_a_reply():
    source = {"number": 1, "source": "pets.md", "place": "line 1", "text": "The cat sleeps.", "score": 2.0}
    data = answer_data("Which cat?", "A cat.", [source, source | {"number": 2, "score": 1.0}])
    assert [(found.number, found.score) for found in data.passages] == [(1, 2.0), (2, 1.0)]
    assert ("cat", True) in data.passages[0].parts


# --- drawings


def test_a_result_is_readable_without_colour_or_bars():
    html = search_html(search_data(Fixed(0.5, 0.4), "cat", min_score=0.45))
    shown = text_of(html)
    assert "Fixed" in shown and "1 passage of at least 0.45" in shown and "0.50" in shown
    assert "pets.md, line 1" in shown and "left out: below 0.45" in shown
    assert "<mark>cat</mark>" in html and 'aria-label="score 0.50"' in html


def test_where_nothing_fits_it_says_so():
    assert "Nothing fits." in text_of(search_html(search_data(BM25Search(PAGES), "zebra")))
    assert "Nothing fits." in text_of(search_html(search_data(Fixed(0.1), "cat", min_score=0.5)))


def test_two_searches_stand_side_by_side():
    html = search_html(search_data(Fixed(0.5), "cat"), search_data(BM25Search(PAGES), "cat"))
    assert html.count('class="nc-found-column"') == 2 and "nc-found-2" in html
    assert 'aria-label="What Fixed and BM25 found for: cat"' in html


def test_an_answer_tells_scores_in_words_for_a_bar_would_not_know_its_end():
    source = {"number": 1, "source": "pets.md", "place": "", "text": "The cat sleeps.", "score": 2.0}
    html = answer_html(answer_data("Which cat?", "A cat.", [source]))
    assert "score 2.00" in text_of(html) and 'class="nc-bar"' not in html
    assert 'class="nc-bar"' in search_html(search_data(Fixed(0.5), "cat"))


def test_an_answer_stands_above_its_passages_and_says_when_there_were_none():
    source = {"number": 1, "source": "pets.md", "place": "", "text": "The cat sleeps.", "score": 2.0}
    shown = text_of(answer_html(answer_data("Which cat?", "A cat.", [source])))
    assert shown.index("A cat.") < shown.index("It was given 1 passage:") < shown.index("sleeps")
    assert "It was given no passage." in text_of(answer_html(answer_data("Which cat?", "I don't know.", [])))


def test_nothing_from_a_document_a_question_or_a_reply_is_markup():
    source = {"number": 1, "source": NASTY, "place": NASTY, "text": NASTY, "score": 1.0}
    views = [
        search_html(search_data(Fixed(0.5, 0.4), NASTY + ' " cat')),
        answer_html(answer_data(NASTY + '"', NASTY, [source])),
        threshold_html(threshold_data(scores(NASTY), 0.5)),
    ]
    for html in views:
        assert "<script" not in html and "<i>.md" not in html and "<b>cat" not in html
        assert "&lt;" in html
        assert not re.search(r"<b><mark>|<<mark>|</<mark>", html)  # marking a word cuts a tag in two
        for label in re.findall(r'aria-label="([^"]*)"', html):
            assert "<" not in label


# --- the threshold


def scores(*texts, unanswered=(0.2, 0.6)):
    yes = [QuestionScore(Question(text, "a", "a", "rare word"), 0.8) for text in texts or ("a",)]
    yes.append(QuestionScore(Question("lost", "a", "a", "rare word"), None))
    return yes + [QuestionScore(Question(f"no {score}", "", "", "no answer"), score) for score in unanswered]


def test_dots_stand_at_their_scores_in_two_rows():
    data = threshold_data(scores(), 0.5)
    assert [(dot.place, dot.passes) for dot in data.answered] == [(0.0, False), (0.8, True)]
    assert [(dot.place, dot.passes) for dot in data.unanswered] == [(0.2, False), (0.6, True)]
    assert (data.line, data.cost.refused, data.cost.let_through) == (0.5, 0.5, 0.5)


def test_dots_at_one_place_stand_above_each_other():
    assert [dot.level for dot in threshold_data(scores("a", "b", "c"), 0.5).answered] == [0, 0, 1, 2]


def test_what_passes_stands_right_of_the_line_and_what_does_not_left_of_it():
    data = threshold_data(scores(unanswered=(0.59, 0.6, 0.61, 0.8)), 0.6)
    assert [(dot.passes, dot.place >= data.line, dot.level) for dot in data.unanswered] == [
        (False, False, 0),
        (True, True, 1),
        (True, True, 2),
        (True, True, 0),
    ]


def test_the_axis_reaches_over_the_highest_score():
    data = threshold_data(scores(unanswered=(6.2,)), 3.5)
    assert (data.highest, data.line) == (7.0, 0.5)


def test_the_price_and_the_danger_are_told_in_words():
    html = threshold_html(threshold_data(scores(), 0.5))
    shown = text_of(html)
    assert "The collection answers them: 2 questions" in shown and "1 refused: the price" in shown
    assert "Nothing answers them: 2 questions" in shown and "1 let through: the danger" in shown
    assert "score 0.5" in shown
    assert 'aria-label="lost not found"' in html and 'aria-label="a 0.80"' in html
    assert html.count("nc-thr-full") - html.count(".nc-thr-full") == 2


def test_scores_of_one_sort_only_are_refused():
    with pytest.raises(SettingsError, match="some that nothing answers"):
        threshold_data(scores(unanswered=()), 0.5)
