"""The two searches, the threshold, and the message that is made of what they find."""

import builtins
import math

import pytest
import torch

from nanochat_helpers import retrieval
from nanochat_helpers.errors import DocumentError, EngineError, MessageError, SettingsError
from nanochat_helpers.passages import Passage
from nanochat_helpers.retrieval import NOTHING_FITS, BM25Search, Hit, MiniLMSearch, Retriever, ground, words

CAT, DOG, ROBOT = (
    Passage("The cat sleeps on the roof.", "pets.md", "line 1"),
    Passage("The dog barks at the cat, and the cat runs.", "pets.md", "line 3"),
    Passage("A robot counts tokens.", "robots.md", "line 1"),
)
PETS = [CAT, DOG, ROBOT]


class LetterEncoder:
    """A stand-in for MiniLM: a text's vector counts the letters a, b and c."""

    def __init__(self):
        self.asked = []

    def embed(self, texts):
        self.asked.append(list(texts))
        counts = torch.tensor([[float(text.count(letter)) for letter in "abc"] for text in texts])
        return torch.nn.functional.normalize(counts, dim=1)


def letters(*texts):
    return MiniLMSearch([Passage(text) for text in texts], LetterEncoder())


def texts(hits):
    return [hit.passage.text for hit in hits]


# --- words


def test_words_are_compared_in_small_letters_and_without_stop_words():
    assert words("What does the TEMPERATURE do? It's min_p!") == ["temperature", "min_p"]
    assert words("Où est 猫?") == ["où", "est", "猫"]


# --- search by words


def test_bm25_is_the_formula_computed_by_hand():
    """Idf: ln(1 + (N - n + 0.5) / (n + 0.5)); then count / (count + k1 (1 - b + b length / mean length))."""
    scores = {hit.passage: hit.score for hit in BM25Search(PETS).search("cat")}
    idf, mean_length = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5)), (3 + 5 + 3) / 3
    for passage, n, length in ((CAT, 1, 3), (DOG, 2, 5)):
        assert scores[passage] == pytest.approx(
            idf * n / (n + 1.5 * (1 - 0.75 + 0.75 * length / mean_length)), rel=1e-5
        )


def test_bm25_gives_no_hit_to_what_shares_no_word():
    search = BM25Search(PETS)
    assert {hit.passage for hit in search.search("cat", k=99)} == {CAT, DOG}
    assert search.search("zebra") == search.search("what is the") == search.search("???") == []


def test_a_rare_word_counts_more_than_a_common_one():
    assert BM25Search(PETS).search("cat robot")[0].passage == ROBOT


def test_saying_a_word_twice_in_the_question_changes_nothing():
    search = BM25Search(PETS)
    assert search.search("cat cat") == search.search("cat")


@pytest.mark.parametrize("n", [1, 2])
def test_bm25_searches_in_one_or_two_passages(n):
    assert BM25Search(PETS[:n]).search("cat")[0].score > 0


def test_bm25_searches_where_no_passage_has_a_word():
    assert BM25Search([Passage("the"), Passage("?")]).search("cat") == []


def test_equals_come_in_the_order_of_the_passages():
    same = [Passage("cat", source) for source in "abc"]
    assert [hit.passage.source for hit in BM25Search(same).search("cat")] == ["a", "b", "c"]


def test_searching_prints_nothing(capfd):
    BM25Search(PETS).search("cat")
    assert capfd.readouterr() == ("", "")


def test_without_bm25s_one_sentence_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def importing(name, *rest):
        if name == "bm25s":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(EngineError, match="pip install bm25s"):
        BM25Search(PETS)


# --- search by meaning


def test_the_score_is_the_cosine_and_the_best_comes_first():
    hits = letters("b", "aab", "c").search("a")
    assert texts(hits) == ["aab", "b", "c"]
    assert [hit.score for hit in hits] == pytest.approx([2 / math.sqrt(5), 0, 0])


def test_the_passages_are_embedded_once_and_then_only_the_question():
    search = letters("a", "b")
    search.search("a")
    search.search("b")
    assert search.encoder.asked == [["a", "b"], ["a"], ["b"]]


def test_minilm_finds_other_words_for_the_same(minilm):
    search = MiniLMSearch(PETS, minilm)
    hits = search.search("A kitten is taking a nap.", k=3)
    assert (hits[0].passage, hits[-1].passage) == (CAT, ROBOT)
    assert search.vectors.shape == (3, 384)
    assert BM25Search(PETS).search("A kitten is taking a nap.") == []


def test_without_an_encoder_minilm_is_loaded_once(minilm, monkeypatch):
    loaded = []
    monkeypatch.setattr("nanochat_helpers.models.load_model", lambda name: loaded.append(name) or LetterEncoder())
    retrieval._minilm.cache_clear()
    try:
        MiniLMSearch(PETS)
        MiniLMSearch(PETS)
    finally:
        retrieval._minilm.cache_clear()
    assert loaded == ["minilm"]


# --- both


@pytest.mark.parametrize("make", [BM25Search, lambda passages: MiniLMSearch(passages, LetterEncoder())])
class TestBothSearches:
    def test_k_says_how_many_and_may_be_too_large(self, make):
        assert len(make(PETS).search("cat", k=1)) == 1
        assert 2 <= len(make(PETS).search("cat", k=1000)) <= 3

    @pytest.mark.parametrize("k", [0, -1, 2.5, None])
    def test_a_k_that_is_no_number_of_passages_is_refused(self, make, k):
        with pytest.raises(SettingsError, match=f"k={k}"):
            make(PETS).search("cat", k=k)

    @pytest.mark.parametrize("query", ["", "  \n", None, "\ud800", "a\0"])
    def test_a_question_that_is_none_is_one_sentence(self, make, query):
        with pytest.raises(MessageError, match="The question"):
            make(PETS).search(query)

    def test_no_passages_or_no_such_things_are_one_sentence(self, make):
        with pytest.raises(DocumentError, match="no passage to search in"):
            make([])
        with pytest.raises(DocumentError, match="not 'cat'"):
            make(["cat"])
        for wrong in ("my_texts", 5, None):
            with pytest.raises(DocumentError, match=f"as read_folder gives them, not {wrong!r}"):
                make(wrong)


# --- the threshold


def test_a_retriever_leaves_out_what_is_below_min_score():
    search = letters("a", "ab", "c")
    assert texts(Retriever(search, min_score=0.5)("a")) == ["a", "ab"]
    assert texts(Retriever(search, k=1, min_score=0.5)("a")) == ["a"]
    assert Retriever(letters("c"), min_score=0.5)("a") == []


def test_without_min_score_it_takes_the_one_of_the_search():
    search = letters("a", "abbbbbb")
    assert search.min_score == 0.3 and texts(Retriever(search)("a")) == ["a"]
    assert texts(Retriever(search, min_score=0.0)("a")) == ["a", "abbbbbb"]
    assert Retriever(BM25Search(PETS))("zebra") == []


@pytest.mark.parametrize("wrong", [{"k": 0}, {"min_score": "high"}, {"min_score": True}, {"min_score": math.nan}])
def test_a_retriever_refuses_wrong_numbers(wrong):
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        Retriever(BM25Search(PETS), **wrong)


def test_a_retriever_refuses_what_cannot_search():
    for wrong in (PETS, BM25Search, Retriever(BM25Search(PETS))):
        with pytest.raises(SettingsError, match="search must be"):
            Retriever(wrong)


# --- the message


def test_the_message_has_all_passages_in_order_and_the_question_after_them():
    message = ground("Who sleeps?", [Hit(CAT, 2.0), Hit(ROBOT, 1.0)])
    places = [message.index(text) for text in (CAT.text, ROBOT.text)]
    assert places == sorted(places) and message.rindex("Who sleeps?") > places[-1]


def test_without_hits_the_message_is_the_bare_question():
    assert ground("Who?", []) == "Who?"
    assert NOTHING_FITS.startswith("I don't know")


def test_a_message_is_made_of_a_text_and_of_hits():
    with pytest.raises(MessageError, match="The question must be text"):
        ground(5, [Hit(CAT, 2.0)])
    for wrong in ("text", [CAT], Hit(CAT, 2.0)):
        with pytest.raises(SettingsError, match="hits must be a list of hits"):
            ground("Who?", wrong)
