"""How good a search is, by number: questions go in whose right passage is known, and a share comes out.

The questions about NanoChat's own collection are in `data/collection_questions.jsonl`.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import DocumentError, SettingsError
from .passages import Passage
from .retrieval import Search, check_min_score, check_search

OWN_QUESTIONS = Path(__file__).parent / "data" / "collection_questions.jsonl"
KINDS = ("same words", "other words", "rare word", "no answer")


@dataclass(frozen=True)
class Question:
    """A question for measuring a search. Its right passage is one of the document `source` that has the text `answer`.

    kind: does it ask with the passage's own words, with other words, or for a rare one? "no answer": no passage fits.
    Raises SettingsError for another kind, and for what is no text.
    """

    text: str
    source: str
    answer: str
    kind: str

    def __post_init__(self):
        if not all(isinstance(value, str) for value in vars(self).values()) or self.kind not in KINDS:
            raise SettingsError(f"{self!r:.200} is not allowed: all must be texts, and kind one of {', '.join(KINDS)}.")

    def is_answered_by(self, passage: Passage) -> bool:
        """Is this a right passage?"""
        same_words = " ".join(self.answer.split()) in " ".join(passage.text.split())
        return self.kind != "no answer" and self.source == passage.source and same_words


def read_questions(path: str | Path = OWN_QUESTIONS) -> list[Question]:
    """Read questions, each a line {"text": …, "source": …, "answer": …, "kind": …} of JSON. Raises DocumentError."""
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, TypeError, ValueError) as problem:
        raise DocumentError(f"{path} cannot be read as questions: {problem}.") from problem
    return [_question(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1) if line.strip()]


def _question(line, where):
    try:
        return Question(**json.loads(line))
    except (ValueError, TypeError) as problem:
        form = '{"text": "…", "source": "…", "answer": "…", "kind": "…"}'
        told = f"{where} is no question: it must look like {form}, and the kinds are {', '.join(KINDS)}."
        raise DocumentError(told) from problem


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


def _check(search, questions):
    check_search(search)
    if not isinstance(questions, Sequence) or not all(isinstance(question, Question) for question in questions):
        raise SettingsError(f"questions must be Question objects, as read_questions gives, not {questions!r:.60}.")


def _ranks(search, questions, k):
    _check(search, questions)
    ranks = [rank_of(search, question, k) for question in questions if question.kind != "no answer"]
    if not ranks:
        raise SettingsError("questions must hold at least one that a passage answers.")
    return ranks


# --- what a threshold costs


@dataclass(frozen=True)
class QuestionScore:
    """A question and the score that a threshold would have to let through; None where nothing was found.

    Where a passage answers the question, it is the score of the right passage; else that of the best hit.
    """

    question: Question
    score: float | None

    def passes(self, min_score: float) -> bool:
        """Does it stay when all below min_score is left out?"""
        return self.score is not None and self.score >= min_score


@dataclass(frozen=True)
class ThresholdCost:
    """What one min_score does, as shares from 0 to 1.

    refused: of the questions that a passage answers, those whose right passage does not get through: the price.
    let_through: of the questions that nothing answers, those that get a passage all the same: the danger.
    """

    min_score: float
    refused: float
    let_through: float


def question_scores(search: Search, questions: Sequence[Question], k: int = 3) -> list[QuestionScore]:
    """The score that counts for each question, from one search each."""
    _check(search, questions)
    return [QuestionScore(question, _score(search.search(question.text, k), question)) for question in questions]


def threshold_cost(scores: Sequence[QuestionScore], min_score: float) -> ThresholdCost:
    """How many questions a threshold refuses and lets through.

    Raises SettingsError unless there are both questions that a passage answers and questions that nothing answers.
    """
    check_min_score(min_score)
    if not all(isinstance(each, QuestionScore) for each in scores):
        raise SettingsError("scores must be what question_scores(search, questions) gives.")
    answered = [each.passes(min_score) for each in scores if each.question.kind != "no answer"]
    unanswered = [each.passes(min_score) for each in scores if each.question.kind == "no answer"]
    if not (answered and unanswered):
        raise SettingsError("questions must hold some that a passage answers, and some that nothing answers.")
    refused = answered.count(False) / len(answered)
    return ThresholdCost(min_score, refused, unanswered.count(True) / len(unanswered))


def _score(hits, question):
    fitting = [hit.score for hit in hits if question.kind == "no answer" or question.is_answered_by(hit.passage)]
    return max(fitting, default=None)
