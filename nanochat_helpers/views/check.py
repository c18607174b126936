"""The result of a check and the list of a sheet's exercises, as HTML and as plain text.

In: objects with the fields of `checks.result.CheckResult`. Out: a string. Sign, word and colour say the same, so that
none of them is needed; everything that comes from a student is escaped.
"""

import html
import re
import textwrap
from collections.abc import Sequence
from typing import Any

from ..language import later, tr, tr_later
from .markup import count, figure

SIGNS = {"passed": "✔", "failed": "✘", "not attempted": "○", "problem": "!"}
WORDS = {
    "passed": later("Passed"),
    "failed": later("Not yet"),
    "not attempted": later("Not attempted yet"),
    "problem": later("Could not be checked"),
}
CLASSES = {"passed": "good", "failed": "bad", "not attempted": "none", "problem": "bad"}

READ = later("your teacher reads it")
WIDTH = 80  # columns of a terminal
_STRESSED = re.compile(r"(?<![\w*])\*(\w(?:[^*]*\w)?)\*(?![\w*])")
INDENT = 12  # columns before a value: "  expected  "

_STYLE = """<style>
.nc-check{border-left:.4em solid #888;padding:.35em .9em .5em;max-width:52em;margin:.2em 0}
.nc-check.nc-good{border-color:#009E73}.nc-check.nc-bad{border-color:#D55E00;border-left-style:double}
.nc-check.nc-none{border-left-style:dashed}
.nc .nc-check p{margin:0 0 .4em}
.nc .nc-check .nc-check-head{font-size:1.15em;margin-bottom:.25em}.nc-check-head span{opacity:.85}
.nc .nc-check code{font-size:.95em;background:rgba(128,128,128,.16);border-radius:.25em;padding:.05em .25em;
 overflow-wrap:anywhere}
.nc .nc-check dl{display:grid;grid-template-columns:max-content 1fr;gap:.2em .9em;margin:.5em 0}
.nc .nc-check dt{opacity:.8;font-weight:400;margin:0}.nc .nc-check dd{margin:0;overflow-wrap:anywhere}
.nc .nc-check dd.nc-mono{font-size:.95em;white-space:pre-wrap}
.nc .nc-check .nc-clue{background:rgba(86,180,233,.2);border-radius:.4em;padding:.35em .7em;margin:.4em 0}
.nc table.nc-progress{border-collapse:collapse;font-size:1em}
.nc .nc-progress :is(td,th){padding:.25em .9em .25em 0;text-align:left;vertical-align:top;background:none}
.nc .nc-progress :is(td,th):last-child{text-align:right;padding-right:0;white-space:nowrap}
.nc .nc-progress tfoot td{border-top:1px solid rgba(128,128,128,.6);font-weight:700}
@container (max-width:640px){.nc .nc-check dl{grid-template-columns:1fr;gap:0}.nc .nc-check dd{margin-bottom:.4em}}
</style>"""


def check_html(result: Any) -> str:
    """A card: sign and word, the sentence, the case that did not come out right, the hints."""
    sign, word = SIGNS[result.status], tr_later(WORDS[result.status])
    title = f"{html.escape(result.exercise_id)} <span>{html.escape(result.title)}</span>"
    head = f'<p class="nc-check-head"><b><span aria-hidden="true">{sign}</span> {word}:</b> {title}</p>'
    rows = "".join(_row(name, text) for name, text in result.rows)
    clues = "".join(f'<p class="nc-clue"><b>{tr("Hint:")}</b> {_prose(hint)}</p>' for hint in result.hints)
    notes = "".join(f'<p class="nc-dim">{_prose(note)}</p>' for note in result.notes)
    body = f"{head}<p>{_prose(result.sentence)}</p>{f'<dl>{rows}</dl>' if rows else ''}{clues}{notes}"
    card = f'{_STYLE}<div class="nc-check nc-{CLASSES[result.status]}" role="status">{body}</div>'
    about = {"word": word, "id": result.exercise_id, "title": result.title}
    return _sendable(figure(card, label=tr("{word}: exercise {id}, {title}", **about)))


def _row(name, text):
    shown = f"<dd>{_prose(text)}</dd>" if name == "note" else f'<dd class="nc-mono">{html.escape(text)}</dd>'
    return f"<dt>{tr_later(name)}</dt>{shown}"


def check_text(result: Any) -> str:
    """The same as lines of text, for a terminal."""
    lines = [f"{tr_later(WORDS[result.status])}: {result.exercise_id} {result.title}", result.sentence]
    lines += [f"{'  ' + tr_later(name):<{INDENT}}{text}" for name, text in result.rows]
    lines += [f"{tr('Hint:')} {hint}" for hint in result.hints]
    return _sendable("\n".join(_wrapped(line) for line in [*lines, *result.notes]))


def _sendable(text):
    """A text without half characters (lone surrogates), which no notebook and no file can hold."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _wrapped(line):
    """A line as lines of at most 80 characters; a value goes on below its beginning."""
    below = " " * (INDENT if line.startswith("  ") else 0)
    pieces = line.splitlines() or [""]
    pieces[1:] = [below + piece for piece in pieces[1:]]
    return "\n".join(textwrap.fill(piece, WIDTH, subsequent_indent=below, break_on_hyphens=False) for piece in pieces)


def progress_html(title: str, results: Sequence[tuple[Any, int]], by_hand: int = 0) -> str:
    """A table with a row for each exercise (its latest result, its points) and the sum of what has passed.

    by_hand: the points of a question that a teacher reads; they are in a row of their own, and not in the sum.
    """
    rows = "".join(_progress_row(result, points) for result, points in results)
    if by_hand:
        most_by_hand = tr("up to {points}", points=by_hand)
        rows += f"<tr><td>{tr('the question')}</td><td>{tr_later(READ)}</td><td>{most_by_hand}</td></tr>"
    reached, most = progress_points(results)
    names = "".join(f"<th>{name}</th>" for name in (tr("exercise"), tr("public checks"), tr("points")))
    head, of_all = f"<thead><tr>{names}</tr></thead>", tr("{n} of {total}", n=reached, total=most)
    foot = f"<tfoot><tr><td>{html.escape(title)}</td><td></td><td>{of_all}</td></tr></tfoot>"
    table = f'<table class="nc-progress">{head}<tbody>{rows}</tbody>{foot}</table>'
    return figure(_STYLE + table, label=f"{title}: {_points(reached, most)}")


def _points(reached, most):
    return tr("{n} of {points}", n=reached, points=count(most, "point"))


def _progress_row(result, points):
    sign, word, reached = SIGNS[result.status], tr_later(WORDS[result.status]), points if result.passed else 0
    return (
        f"<tr><td>{html.escape(result.exercise_id)} {html.escape(result.title)}</td>"
        f'<td><span aria-hidden="true">{sign}</span> {word}</td>'
        f"<td>{tr('{n} of {total}', n=reached, total=points)}</td></tr>"
    )


def progress_text(title: str, results: Sequence[tuple[Any, int]], by_hand: int = 0) -> str:
    """The same as lines of text."""
    reached, most = progress_points(results)
    lines = [
        f"{SIGNS[result.status]} {result.exercise_id} {result.title}: {tr_later(WORDS[result.status])} "
        f"({_points(points if result.passed else 0, points)})"
        for result, points in results
    ]
    most_by_hand = tr("up to {points}", points=count(by_hand, "point"))
    question = [f"  {tr('the question')}: {tr_later(READ)} ({most_by_hand})"] if by_hand else []
    return "\n".join([*lines, *question, f"{title}: {_points(reached, most)}"])


def progress_points(results: Sequence[tuple[Any, int]]) -> tuple[int, int]:
    """The points of the exercises that passed, and of all."""
    return sum(points for result, points in results if result.passed), sum(points for _, points in results)


def _prose(text):
    """A sentence in which `code` stands between backticks, and *a word* that matters between stars."""
    parts = html.escape(text).split("`")
    if len(parts) % 2 == 0:
        return "`".join(parts)
    return "".join(
        f"<code>{part}</code>" if place % 2 else _STRESSED.sub(r"<em>\1</em>", part) for place, part in enumerate(parts)
    )
