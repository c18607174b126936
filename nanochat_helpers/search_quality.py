"""How good a search is, by number: questions go in whose right passage is known, and a share comes out.

The questions about NanoChat's own collection are in `data/collection_questions.jsonl`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import DocumentError, SettingsError
from .passages import Passage
from .retrieval import Search

OWN_QUESTIONS = Path(__file__).parent / "data" / "collection_questions.jsonl"
KINDS = ("same words", "other words", "rare word", "no answer")


@dataclass(frozen=True)
class Question:
    """A question for measuring a search. Its right passage is one of the document `source` that has the text `answer`.

    kind: does it ask with the passage's own words, with other words, or for a rare one? "no answer": no passage fits.
    """

    text: str
    source: str
    answer: str
    kind: str

    def is_answered_by(self, passage: Passage) -> bool:
        """Is this a right passage?"""
        same_words = " ".join(self.answer.split()) in " ".join(passage.text.split())
        return self.kind != "no answer" and self.source == passage.source and same_words


def read_questions(path: str | Path = OWN_QUESTIONS) -> list[Question]:
    """Read questions, each a line {"text": …, "source": …, "answer": …, "kind": …} of JSON. Raises DocumentError."""
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as problem:
        raise DocumentError(f"{path} cannot be read as questions: {problem}.") from problem
    return [_question(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1) if line.strip()]


def _question(line, where):
    try:
        question = Question(**json.loads(line))
        if question.kind in KINDS and all(isinstance(value, str) for value in vars(question).values()):
            return question
    except (ValueError, TypeError):
        pass
    form = '{"text": "…", "source": "…", "answer": "…", "kind": "…"}'
    raise DocumentError(f"{where} is no question: it must look like {form}, and the kinds are {', '.join(KINDS)}.")


def rank_of(search: Search, question: Question, k: int = 10) -> int | None:
    """The place of the first right passage among the first k hits, counted from 1; None where there is none."""
    hits = search.search(question.text, k)
    return next((place for place, hit in enumerate(hits, start=1) if question.is_answered_by(hit.passage)), None)


def hit_rate(search: Search, questions: Sequence[Question], k: int = 3) -> float:
    """The share of the questions for which a right passage is among the first k hits, 0 to 1.

    Questions of the kind "no answer" do not count. Raises SettingsError where there are no others.
    """
    ranks = _ranks(search, questions, k)
    return sum(rank is not None for rank in ranks) / len(ranks)


def mean_reciprocal_rank(search: Search, questions: Sequence[Question], k: int = 10) -> float:
    """The mean of 1 ÷ (the place of the first right hit), and 0 where none is among the first k.

    Found in first place, in second place and not at all: (1 + 1/2 + 0) / 3 = 0.5. Questions as in `hit_rate`.
    Source: Voorhees 1999, The TREC-8 Question Answering Track Report.
    """
    ranks = _ranks(search, questions, k)
    return sum(1 / rank for rank in ranks if rank is not None) / len(ranks)


def _ranks(search, questions, k):
    ranks = [rank_of(search, question, k) for question in questions if question.kind != "no answer"]
    if not ranks:
        raise SettingsError("questions must hold at least one that a passage answers.")
    return ranks


@dataclass(frozen=True)
class ThresholdCost:
    """What one min_score does, as shares from 0 to 1.

    refused: of the questions that a passage answers, those with no right passage above it: the price.
    let_through: of the questions that nothing answers, those that get passages all the same: the danger.
    """

    min_score: float
    refused: float
    let_through: float


def threshold_costs(
    search: Search, questions: Sequence[Question], min_scores: Sequence[float], k: int = 3
) -> list[ThresholdCost]:
    """What different thresholds would do to these questions, which must be of both sorts; one search for each of them.

    Raises SettingsError where a sort is missing.
    """
    found = [(question, search.search(question.text, k)) for question in questions]
    good = [_best_score(hits, question) for question, hits in found if question.kind != "no answer"]
    bad = [hits[0].score if hits else None for question, hits in found if question.kind == "no answer"]
    if not (good and bad):
        raise SettingsError("questions must hold some that a passage answers, and some that nothing answers.")
    return [ThresholdCost(least, 1 - _share(good, least), _share(bad, least)) for least in min_scores]


def _best_score(hits, question):
    return max((hit.score for hit in hits if question.is_answered_by(hit.passage)), default=None)


def _share(scores, least):
    return sum(score is not None and score >= least for score in scores) / len(scores)
