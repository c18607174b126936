"""What a search found: the passages in order, their scores as bars, and the words that they share with the question.

In: hits, or the sources of a Reply. Out: one search, two searches side by side, or an answer with its sources.
"""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..language import tr
from ..retrieval import Hit, Search, words
from .markup import attribute, bar, count, figure


@dataclass(frozen=True)
class FoundPassage:
    """One passage. parts: its text, cut into (piece, is it a word of the question?).

    share: the bar, 0 to 1; None where it is not known with what to compare. kept: is its score at least min_score?
    """

    number: int
    source: str
    place: str
    parts: tuple[tuple[str, bool], ...]
    score: float
    share: float | None
    kept: bool = True


@dataclass(frozen=True)
class SearchResult:
    """What one search found for a question. name: of the search. min_score: below it, a passage is left out."""

    query: str
    name: str
    passages: tuple[FoundPassage, ...]
    min_score: float | None = None


@dataclass(frozen=True)
class SourcedAnswer:
    """A reply and the passages that it was written from, in the order in which the prompt had them."""

    question: str
    text: str
    passages: tuple[FoundPassage, ...]


# --- data


def search_data(search: Search, query: str, k: int = 3, *, min_score: float | None = None) -> SearchResult:
    """Search and tell what was found. min_score: passages below it are shown as left out; None leaves out nothing.

    A bar is as long as the score, compared with the highest that there can be, or else with the best one found.
    """
    hits = search.search(query, k)
    highest = search.highest or max((hit.score for hit in hits), default=1.0)
    found = [_found(number, hit, query, highest, min_score) for number, hit in enumerate(hits, start=1)]
    return SearchResult(query, search.name, tuple(found), min_score)


def _found(number, hit: Hit, query, highest, min_score):
    passage, share = hit.passage, min(max(hit.score / highest, 0.0), 1.0)
    kept = min_score is None or hit.score >= min_score
    parts = mark_words(passage.text, query)
    return FoundPassage(number, passage.source, passage.place, parts, hit.score, share, kept)


def answer_data(question: str, text: str, sources: Sequence[dict]) -> SourcedAnswer:
    """An answer with the sources of a Reply: dicts with "number", "source", "place", "text" and "score"."""
    found = [
        FoundPassage(
            source["number"],
            source["source"],
            source["place"],
            mark_words(source["text"], question),
            source["score"],
            None,
        )
        for source in sources
    ]
    return SourcedAnswer(question, text, tuple(found))


def mark_words(text: str, query: str) -> tuple[tuple[str, bool], ...]:
    """Cut a text where a word of the question begins or ends; True marks these words. Stop words are not marked.

    >>> mark_words("Draw the cat.", "Which cat?")
    (('Draw the ', False), ('cat', True), ('.', False))
    """
    wanted, parts = set(words(query)), []
    for piece in re.split(r"(\w+)", text):
        marked = piece.lower() in wanted
        if parts and not marked and not parts[-1][1]:
            parts[-1] = (parts[-1][0] + piece, False)
        elif piece:
            parts.append((piece, marked))
    return tuple(parts)


# --- drawings


def search_html(*results: SearchResult) -> str:
    """Draw what one search found, or several searches side by side."""
    columns = "".join(f'<div class="nc-found-column">{_result(result)}</div>' for result in results)
    names, query = tr(" and ").join(result.name for result in results), results[0].query if results else ""
    return figure(
        f'{_STYLE}<div class="nc-found nc-found-{min(len(results), 2)}">{columns}</div>',
        label=tr("What {names} found for: {query}", names=names, query=query),
    )


def _result(result):
    rows = "".join(_row(found, result.min_score) for found in result.passages)
    n_kept = sum(found.kept for found in result.passages)
    told = count(n_kept, "passage")
    if result.min_score is not None:
        told = tr("{passages} of at least {score:g}", passages=told, score=result.min_score)
    nothing = "" if n_kept else f'<p class="nc-note">{tr("Nothing fits.")}</p>'
    name = html.escape(result.name)
    return f'<div class="nc-head"><b>{name}</b><span class="nc-dim">{told}</span></div>{nothing}<ol>{rows}</ol>'


def _row(found, min_score=None):
    score = tr("score {score:.2f}", score=found.score)
    bar_html = "" if found.share is None else bar(found.share, label=score)
    told = f"{found.score:.2f}" if bar_html else score
    left_out = ""
    if not found.kept:
        left_out = f'<span class="nc-found-out">{tr("left out: below {score:g}", score=min_score)}</span>'
    where = f"{html.escape(found.source)}{', ' if found.source and found.place else ''}{html.escape(found.place)}"
    return (
        f'<li class="nc-found-row{"" if found.kept else " nc-found-weak"}"><div class="nc-found-line">'
        f"<b>{found.number}</b><span>{told}</span>{bar_html}</div>"
        f'<div class="nc-found-where"><span>{where}</span>{left_out}</div>'
        f'<div class="nc-found-text">{_marked(found.parts)}</div></li>'
    )


def _marked(parts):
    return "".join(f"<mark>{html.escape(piece)}</mark>" if marked else html.escape(piece) for piece, marked in parts)


def answer_html(data: SourcedAnswer) -> str:
    """Draw an answer with the passages that it was written from below it."""
    rows = "".join(_row(found) for found in data.passages)
    heading = tr("It was given no passage.")
    if data.passages:
        heading = tr("It was given {passages}:", passages=count(len(data.passages), "passage"))
    return figure(
        f'{_STYLE}<div class="nc-found"><p class="nc-dim">{html.escape(data.question)}</p>'
        f'<p class="nc-found-answer">{html.escape(data.text)}</p><p class="nc-dim">{heading}</p><ol>{rows}</ol></div>',
        label=tr("The answer to: {question}", question=attribute(data.question)),
    )


_STYLE = """<style>
.nc .nc-found{display:grid;gap:.4em 2em;grid-template-columns:minmax(0,1fr)}
.nc .nc-found.nc-found-2{grid-template-columns:repeat(2,minmax(0,1fr))}
.nc .nc-found ol{list-style:none;margin:0;padding:0}
.nc .nc-found .nc-found-row{margin:0;padding:.5em 0 .6em;border-top:1px solid rgba(128,128,128,.4)}
.nc .nc-found-line{display:grid;grid-template-columns:1.2em minmax(3em,auto) minmax(0,1fr);gap:.5em;align-items:center;
 font-variant-numeric:tabular-nums}
.nc .nc-found-where{display:flex;flex-wrap:wrap;gap:.1em 1em;font-size:.9em;opacity:.85;overflow-wrap:anywhere}
.nc .nc-found-text{white-space:pre-line;overflow-wrap:anywhere;unicode-bidi:isolate}
.nc .nc-found-text mark{background:rgba(240,228,66,.45);color:inherit;font-weight:bold;text-decoration:underline;
 border-radius:.15em;padding:0 .1em}
.nc .nc-found-weak .nc-found-text,.nc .nc-found-weak .nc-bar{opacity:.62}
.nc .nc-found-weak{border-left:.25em dashed #D55E00}
.nc .nc-found .nc-found-weak{padding-left:.6em}
.nc .nc-found-out{font-weight:bold}
.nc .nc-found-answer{font-size:1.15em;border-left:.3em solid #009E73;padding:.2em .7em;white-space:pre-line;
 overflow-wrap:anywhere;unicode-bidi:isolate}
@container (max-width:640px){.nc .nc-found.nc-found-2{grid-template-columns:minmax(0,1fr)}}
</style>"""
