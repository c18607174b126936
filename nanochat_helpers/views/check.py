"""The result of a check and the list of a sheet's exercises, as HTML and as plain text.

In: objects with the fields of `checks.result.CheckResult`. Out: a string. Sign, word and colour say the same, so that
none of them is needed; everything that comes from a student is escaped.
"""

import html
from collections.abc import Sequence
from typing import Any

from .markup import count, figure

SIGNS = {"passed": "✔", "failed": "✘", "not attempted": "○", "problem": "!"}
WORDS = {
    "passed": "Passed",
    "failed": "Not yet",
    "not attempted": "Not attempted yet",
    "problem": "Could not be checked",
}
CLASSES = {"passed": "good", "failed": "bad", "not attempted": "none", "problem": "bad"}

_STYLE = """<style>
.nc-check{border-left:.4em solid #888;padding:.35em .9em .5em;max-width:52em;margin:.2em 0}
.nc-check.nc-good{border-color:#009E73}.nc-check.nc-bad{border-color:#D55E00;border-left-style:double}
.nc-check.nc-none{border-left-style:dashed}
.nc-check h4{font-size:1.08em;margin:0 0 .25em;font-weight:700}
.nc-check h4 span{font-weight:400;opacity:.85}
.nc-check dl{display:grid;grid-template-columns:max-content 1fr;gap:.15em .9em;margin:.5em 0}
.nc-check dt{opacity:.8}.nc-check dd{margin:0;font-family:var(--jp-code-font-family,ui-monospace,Menlo,Consolas,
 "DejaVu Sans Mono",monospace);font-size:.92em;overflow-wrap:anywhere;white-space:pre-wrap}
.nc-check .nc-clue{background:rgba(86,180,233,.2);border-radius:.4em;padding:.35em .7em;margin:.4em 0}
.nc-progress{border-collapse:collapse}.nc-progress td,.nc-progress th{padding:.2em .9em .2em 0;text-align:left}
.nc-progress td:last-child,.nc-progress th:last-child{text-align:right;padding-right:0}
.nc-progress tfoot td{border-top:1px solid rgba(128,128,128,.6);font-weight:700}
@container (max-width:640px){.nc-check dl{grid-template-columns:1fr}.nc-check dd{margin-bottom:.3em}}
</style>"""


def check_html(result: Any) -> str:
    """A card: sign and word, the sentence, the case that did not come out right, the hints."""
    sign, word = SIGNS[result.status], WORDS[result.status]
    head = f"{sign} {word}: {html.escape(result.exercise_id)} <span>{html.escape(result.title)}</span>"
    rows = "".join(f"<dt>{word}</dt><dd>{html.escape(text)}</dd>" for word, text in result.rows)
    clues = "".join(f'<p class="nc-clue"><b>Hint:</b> {_prose(hint)}</p>' for hint in result.hints)
    notes = "".join(f'<p class="nc-dim">{_prose(note)}</p>' for note in result.notes)
    body = (
        f'{_STYLE}<div class="nc-check nc-{CLASSES[result.status]}" role="status"><h4>{head}</h4>'
        f"<p>{_prose(result.sentence)}</p>{f'<dl>{rows}</dl>' if rows else ''}{clues}{notes}</div>"
    )
    return figure(body, label=f"{word}: exercise {result.exercise_id}, {result.title}")


def check_text(result: Any) -> str:
    """The same as lines of text, for a terminal."""
    lines = [f"{WORDS[result.status]}: {result.exercise_id} {result.title}", result.sentence]
    lines += [f"  {word:<9} {text}" for word, text in result.rows]
    lines += [f"Hint: {hint}" for hint in result.hints]
    return "\n".join([*lines, *result.notes])


def progress_html(title: str, results: Sequence[tuple[Any, int]]) -> str:
    """A table with a row for each exercise (its latest result, its points) and the sum of what has passed."""
    rows = "".join(
        f"<tr><td>{html.escape(result.exercise_id)} {html.escape(result.title)}</td>"
        f"<td>{SIGNS[result.status]} {WORDS[result.status]}</td><td>{points if result.passed else 0} of {points}</td></tr>"
        for result, points in results
    )
    reached, most = progress_points(results)
    table = (
        "<table class='nc-progress'><thead><tr><th>exercise</th><th>public checks</th><th>points</th></tr></thead>"
        f"<tbody>{rows}</tbody><tfoot><tr><td>{html.escape(title)}</td><td></td><td>{reached} of {most}</td></tr></tfoot>"
        "</table>"
    )
    return figure(_STYLE + table, label=f"{title}: {reached} of {count(most, 'point')}")


def progress_text(title: str, results: Sequence[tuple[Any, int]]) -> str:
    """The same as lines of text."""
    reached, most = progress_points(results)
    lines = [f"{result.exercise_id} {result.title}: {WORDS[result.status]} ({points})" for result, points in results]
    return "\n".join([*lines, f"{title}: {reached} of {count(most, 'point')}"])


def progress_points(results: Sequence[tuple[Any, int]]) -> tuple[int, int]:
    """The points of the exercises that passed, and of all."""
    return sum(points for result, points in results if result.passed), sum(points for _, points in results)


def _prose(text):
    """A sentence in which `code` stands between backticks."""
    parts = html.escape(text).split("`")
    if len(parts) % 2 == 0:
        return "`".join(parts)
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
