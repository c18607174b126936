"""A bot that answers from a book: rules find the lines and quote them word for word, the model puts them into words.

In: a question about the text. Out: a sentence of the model's, and a quotation with its line numbers. The quotation is
cut out of the text by rules, so it is never invented; the model's sentence may be. Change the book, the numbers or
`answer`.
"""

from pathlib import Path

from nanochat_helpers.bots.base import Bot, sentences
from nanochat_helpers.bots.checks import ALICE
from nanochat_helpers.passages import Passage, read_document
from nanochat_helpers.retrieval import BM25Search, Hit, ground, words

READ, QUOTED = 6, 3  # so many lines the model gets to read, and so many of them are quoted
NOTHING = "I don't know: I found nothing about that in the text."


class LiteratureBot(Bot):
    """Answers questions about one text, and quotes it with line numbers. Raises DocumentError for a bad book."""

    instructions = "You answer questions about a story in one short sentence."
    book: str | Path = ALICE  # any .txt or .md file
    search = BM25Search  # or MiniLMSearch: it finds other words with the same meaning
    least_shared = 0.6  # of the words of a question: with fewer of them, a passage is not about it

    def __init__(self, backbone=None, **settings):
        super().__init__(backbone, **settings)
        self.lines = read_document(self.book).splitlines()
        starts = range(0, len(self.lines), READ // 2)  # each passage begins in the middle of the one before
        passages = [Passage("\n".join(self.lines[start : start + READ]), place=str(start)) for start in starts]
        self.searcher = self.search(passages)

    def answer(self, text: str) -> str:
        """A sentence of the model's about the passage that fits best, and its best lines as they are in the text."""
        hit = next((hit for hit in self.searcher.search(text, 3) if self.is_about(hit.passage.text, text)), None)
        if hit is None:
            self.note("Rules: no passage has enough words of the question. The model was not asked.")
            return NOTHING
        self.note(f"Rules: found a passage at line {int(hit.passage.place) + 1}, with a score of {hit.score:.1f}.")
        said = sentences(self.ask_model(ground(text, [hit])))[:1]
        if said:
            self.note("Model: the first line. It may be wrong; the quotation is from the text.")
        return "\n".join([*said, self.quote(self.best_line(hit, text))])

    def is_about(self, passage: str, question: str) -> bool:
        """Does a passage share enough words with the question?"""
        wanted = set(words(question))
        return len(wanted & set(words(passage))) >= self.least_shared * len(wanted) > 0

    def best_line(self, hit: Hit, question: str) -> int:
        """Where the lines begin that share most words with the question, counted from 1; of equals, the first."""
        wanted, start = set(words(question)), int(hit.passage.place)

        def shared(first):
            return len(wanted & set(words(" ".join(self.lines[first : first + QUOTED]))))

        return 1 + max(range(start, start + READ - QUOTED + 1), key=shared)

    def quote(self, first: int) -> str:
        """The lines from `first` on, word for word, without the empty ones around them; not over a heading."""
        full = [n for n in range(first, min(first + QUOTED, len(self.lines) + 1)) if self.lines[n - 1].strip()]
        heading = max((n for n in full if self.lines[n - 1].startswith("#")), default=0)
        full = [n for n in full if n > heading] or [n for n in full if n < heading] or full
        text = " ".join(" ".join(self.lines[full[0] - 1 : full[-1]]).split())
        return f"“{text}” (lines {full[0]}–{full[-1]})"
