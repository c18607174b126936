"""Between step 1 and step 3: find passages that fit a question, and put them into the prompt.

In: passages (see `passages`) and a question. Out: the best of them with their scores, and a message that asks the model
to answer from them. Whether an answer follows its sources is not checked: the model may still get it wrong.
"""

import functools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from .errors import DocumentError, EngineError, MessageError, SettingsError
from .passages import Passage
from .prompts import check_message
from .settings import check_count

NOTHING_FITS = "I don't know: I found nothing about that in my documents."

# Words that stand in nearly every text, so that they say nothing about what it is about.
_EVERYWHERE = """
a about after all also am an and any are as at be because been before but by can could did do does doing for from get
got had has have he her his how i if in into is it its me more most my no not of on one or other our out s she should
so some such t than that the their them then there these they this to us was we were what when where which who whom
whose why will with would you your
"""
STOP_WORDS = frozenset(_EVERYWHERE.split())


@dataclass(frozen=True)
class Hit:
    """A passage that was found, and how well it fits; scores of two kinds of search cannot be compared."""

    passage: Passage
    score: float


class Search(Protocol):
    """Finds passages: `search` gives at most k hits, the best first.

    min_score: below it, a hit hardly ever fits. highest: the highest score that there can be, None where there is none.
    """

    name: str
    min_score: float
    highest: float | None

    def search(self, query: str, k: int = 3) -> list[Hit]:
        """The best hits for a question."""


def words(text: str) -> list[str]:
    """The words of a text that a search by words compares: in small letters, without the stop words.

    >>> words("What does the Temperature do?")
    ['temperature']
    """
    return [word for word in re.findall(r"\w+", text.lower()) if word not in STOP_WORDS]


class BM25Search:
    """Search by words: a passage scores for each word that it shares with the question, and rare words count most.

    A word counts more the more often it is in the passage, but less and less so, and less in a long passage. What
    shares no word is no hit. Source: Robertson and Zaragoza 2009, The Probabilistic Relevance Framework: BM25 and
    Beyond; computed by the library bm25s. Raises DocumentError where there is no passage.
    """

    name = "BM25"
    highest = None
    min_score = 0.0  # sharing one word is enough: how high scores are depends on the collection

    def __init__(self, passages: Sequence[Passage]):
        self.passages = _checked(passages)
        found = [words(passage.text) for passage in self.passages]
        self._vocabulary, self._index = set().union(*found), _bm25s().BM25()
        if self._vocabulary:  # bm25s divides by the mean length
            self._index.index(found, show_progress=False)

    def search(self, query: str, k: int = 3) -> list[Hit]:
        """The k passages with the highest scores above 0, the best first; of equals, the earlier one first."""
        _check_query(query)
        known = [word for word in dict.fromkeys(words(query)) if word in self._vocabulary]
        scores = self._index.get_scores(known).tolist() if known else [0.0] * len(self.passages)
        return [hit for hit in _best(self.passages, scores, k) if hit.score > 0]


class MiniLMSearch:
    """Search by meaning: the passages whose vectors point most nearly in the question's direction.

    The score is the cosine similarity, from -1 to 1. encoder: a loaded encoder; without one, MiniLM is loaded, once.
    The passages' vectors are computed here; a search then needs only the question's.
    Source: Reimers and Gurevych 2019, Sentence-BERT. Raises DocumentError where there is no passage.
    """

    name = "MiniLM"
    highest = 1.0
    min_score = 0.3

    def __init__(self, passages: Sequence[Passage], encoder=None):
        self.passages = _checked(passages)
        self.encoder = _minilm() if encoder is None else encoder
        self.vectors = self.encoder.embed([passage.text for passage in self.passages])  # (passages, 384), length 1

    def search(self, query: str, k: int = 3) -> list[Hit]:
        """The k passages with the highest scores, the best first; of equals, the earlier one first."""
        _check_query(query)
        vector = self.encoder.embed([query])[0]
        return _best(self.passages, (self.vectors @ vector).tolist(), k)


@dataclass(frozen=True)
class Retriever:
    """What `Chat(retriever=…)` asks before each answer: the hits that are good enough, or [] for "nothing fits".

    search: a BM25Search or a MiniLMSearch. k: at most so many passages. min_score: a hit below it is left out; None
    takes the search's own, which was measured on NanoChat's own collection and may suit yours less well.
    """

    search: Search
    k: int = 3
    min_score: float | None = None

    def __post_init__(self):
        check_count("k", self.k, least=1)
        check_search(self.search)
        check_min_score(self.min_score)

    def __call__(self, text: str) -> list[Hit]:
        """Find what fits a user's message."""
        least = self.search.min_score if self.min_score is None else self.min_score
        return [hit for hit in self.search.search(text, self.k) if hit.score >= least]


def check_search(search: object) -> None:
    """Refuse what cannot search, such as passages that no search was made of. Raises SettingsError."""
    if isinstance(search, type) or not callable(getattr(search, "search", None)):
        raise SettingsError(f"search must be a search, such as BM25Search(passages), not {search!r:.60}.")


def check_min_score(value: object) -> None:
    """Refuse a threshold that is neither a number nor None. Raises SettingsError."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and value == value  # NaN is not itself
    if not (value is None or is_number):
        raise SettingsError(f"min_score={value!r} is not allowed: it must be a number, or None.")


def ground(question: str, hits: Sequence[Hit]) -> str:
    """The message that the model gets in place of the bare question: the passages, and the question around them.

    The question comes twice, for a small model soon forgets what it was asked. Without hits it stays as it is.
    Raises MessageError for a question that is no text, SettingsError for hits that no search gave.
    """
    check_message(question, "The question")
    if not isinstance(hits, Sequence) or not all(isinstance(hit, Hit) for hit in hits):
        raise SettingsError(f"hits must be a list of hits, as search gives it, not {hits!r:.60}.")
    if not hits:
        return question
    passages = "\n\n".join(hit.passage.text for hit in hits)
    return f"Question: {question}\n\nText:\n{passages}\n\nAnswer this question from the text: {question}"


def _checked(passages):
    if isinstance(passages, str) or not isinstance(passages, Iterable):
        raise DocumentError(f"A search needs passages, as read_folder gives them, not {passages!r:.60}.")
    passages = list(passages)
    wrong = next((passage for passage in passages if not isinstance(passage, Passage)), None)
    if wrong is not None:
        raise DocumentError(
            f"A search needs Passage objects, as read_folder and split_passages give, not {wrong!r:.60}."
        )
    if not passages:
        raise DocumentError("There is no passage to search in: read a folder with some texts first.")
    return passages


def _check_query(query):
    check_message(query, "The question")
    if not query.strip():
        raise MessageError("The question is empty: type some words to search for.")


def _best(passages, scores, k):
    check_count("k", k, least=1)
    hits = [Hit(passage, float(score)) for passage, score in zip(passages, scores, strict=True)]
    return sorted(hits, key=lambda hit: -hit.score)[:k]  # sorting keeps the order of equals


def _bm25s():
    try:
        import bm25s
    except ImportError as problem:
        raise EngineError("Search by words needs the package bm25s. Run: pip install bm25s") from problem
    return bm25s


@functools.cache
def _minilm():
    from .models import load_model

    return load_model("minilm")
