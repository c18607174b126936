"""A bot's reply and the tables of an evaluation as HTML: texts or rows in, one string out."""

import html
from collections.abc import Sequence

from ..views.markup import bar, figure

SHOWN = 300  # characters of a message or an answer


def share(n_passed: int, n_cases: int) -> str:
    """A score in words.

    >>> share(3, 4)
    '3 of 4 cases (75 %)'
    """
    return f"{n_passed} of {n_cases} cases ({100 * n_passed / n_cases:.0f} %)"


def reply_html(text: str, notes: Sequence[str]) -> str:
    """A bot's answer, and below it its notes, each with a dot."""
    told = "".join(f"<div>· {html.escape(note)}</div>" for note in notes)
    body = f'<div class="nc-eval-said">{html.escape(text)}</div><div class="nc-eval-notes">{told}</div>'
    return figure(f'{_STYLE}<div class="nc-eval">{body}</div>', label="A bot's answer and its notes")


def evaluation_html(name: str, rows: Sequence[tuple[str, str, Sequence[str]]]) -> str:
    """Each case as a row: message, answer, and why it failed; those that failed come first.

    rows: (message, answer, failures), where no failure means passed.
    """
    n_passed = sum(not failures for _, _, failures in rows)
    told = share(n_passed, len(rows))
    by_outcome = sorted(rows, key=lambda row: not row[2])
    body = "".join(
        f'<li class="nc-eval-{"no" if failures else "yes"}"><div><b>{_sign(not failures)}</b> {_text(message)}</div>'
        f'<div class="nc-eval-answer">{_text(answer)}</div>'
        f"{''.join(f'<div class=nc-eval-why>{_text(failure)}</div>' for failure in failures)}</li>"
        for message, answer, failures in by_outcome
    )
    head = f'<div class="nc-head"><b>{html.escape(name)}</b><span>{told}</span></div>'
    return figure(
        f'{_STYLE}<div class="nc-eval">{head}{bar(n_passed / len(rows), label=told)}<ul>{body}</ul></div>',
        label=f"The evaluation of {name}: {told}",
    )


def comparison_html(before: str, after: str, rows: Sequence[tuple[str, tuple[bool, str], tuple[bool, str]]]) -> str:
    """Two evaluations side by side: the cases that were won, then those that were lost.

    rows: (message, (passed, answer) before, (passed, answer) after).
    """
    scores = [share(sum(row[place][0] for row in rows), len(rows)) for place in (1, 2)]
    won = [row for row in rows if row[2][0] and not row[1][0]]
    lost = [row for row in rows if row[1][0] and not row[2][0]]
    told = f"{len(won)} won, {len(lost)} lost, {len(rows) - len(won) - len(lost)} as before"
    heads = "".join(
        f"<div><b>{html.escape(name)}</b><br>{score}</div>" for name, score in zip((before, after), scores, strict=True)
    )
    body = "".join(_changed(row, "won", "+") for row in won) + "".join(_changed(row, "lost", "−") for row in lost)
    return figure(
        f'{_STYLE}<div class="nc-eval"><div class="nc-eval-two">{heads}</div><p><b>{told}</b></p><ul>{body}</ul></div>',
        label=f"{before} and {after} compared: {told}",
    )


def _changed(row, outcome, sign):
    message, (was_passed, was), (is_passed, now) = row
    columns = "".join(
        f'<div class="nc-eval-answer">{_sign(passed)} {_text(answer)}</div>'
        for passed, answer in ((was_passed, was), (is_passed, now))
    )
    kind = "yes" if outcome == "won" else "no"
    return (
        f'<li class="nc-eval-{kind}"><div><b>{sign} {outcome}:</b> {_text(message)}</div>'
        f'<div class="nc-eval-two">{columns}</div></li>'
    )


def _sign(passed):
    return "✓" if passed else "✗"


def _text(text):
    return (
        html.escape(text if len(text) <= SHOWN else text[: SHOWN - 1] + "…") or '<span class="nc-dim">(nothing)</span>'
    )


_STYLE = """<style>
.nc .nc-eval ul{list-style:none;margin:.5em 0 0;padding:0}
.nc .nc-eval li{margin:0;padding:.4em .7em;border-top:1px solid rgba(128,128,128,.4);border-left:.3em solid #009E73;
 overflow-wrap:anywhere;unicode-bidi:isolate}
.nc .nc-eval li.nc-eval-no{border-left:.3em dashed #D55E00;background:rgba(213,94,0,.07)}
.nc .nc-eval-answer{opacity:.85;white-space:pre-line;padding-left:1.3em}
.nc .nc-eval-said{white-space:pre-line;overflow-wrap:anywhere;unicode-bidi:isolate}
.nc .nc-eval-notes{margin:.3em 0 0 1.3em;opacity:.8;overflow-wrap:anywhere}
.nc .nc-eval-why{padding-left:1.3em;font-weight:bold}
.nc .nc-eval-two{display:grid;grid-template-columns:repeat(2,minmax(0,1fr));gap:.3em 1.5em}
.nc .nc-eval-two .nc-eval-answer{padding-left:0}
@container (max-width:640px){.nc .nc-eval-two{grid-template-columns:minmax(0,1fr)}}
</style>"""
