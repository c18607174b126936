"""Two pictures of safety: a text with what the rules found in it, and how often each rule is right.

`marked_data` and `scores_data` arrange, `marked_html` and `scores_html` draw. The rules are in `safety`.
"""

import html
import itertools
from collections.abc import Mapping
from dataclasses import dataclass

from ..language import later, tr, tr_later
from ..safety import Checked, Score, percent, refusal
from ..safety_rules import Finding
from .filmstrip import running_text
from .markup import attribute, count, figure

SHOWN = 2000  # characters of a text; a longer one would fill the notebook
SIGNS = {"block": "⛔", "mask": "▒", "warn": "⚠"}
DOES = {"block": later("blocked"), "mask": later("masked"), "warn": later("warned")}


@dataclass(frozen=True)
class Piece:
    """A part of the text, and what was found in it; nothing where findings is empty."""

    text: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class MarkedText:
    """A text cut where findings begin and end; goes_on: what the next step gets, None where the text is blocked.

    n_hidden: characters that are not shown because the text is so long.
    """

    pieces: tuple[Piece, ...]
    findings: tuple[Finding, ...]
    goes_on: str | None
    answer: str
    n_hidden: int = 0

    @property
    def verdict(self) -> str:
        """What happens to the text, in a few words."""
        if self.goes_on is None:
            return tr("⛔ Blocked: it goes no further.")
        masks = sum(finding.action == "mask" for finding in self.findings)
        if masks:
            return tr("▒ It goes on, with {places} masked.", places=count(masks, "place"))
        if self.findings:
            return tr("⚠ It goes on, with a warning.")
        return tr("✓ Nothing was found: it goes on as it is.")


@dataclass(frozen=True)
class ScoreRow:
    """One rule: how many texts it missed, found rightly and found wrongly, and what follows from these counts."""

    rule: str
    n_missed: int
    n_found: int
    n_false_alarms: int
    precision: float | None
    recall: float | None


# --- data


def marked_data(text: str, checked: Checked) -> MarkedText:
    """Cut a text at the places of its findings. checked: what `safety` made of this text."""
    shown = text[:SHOWN]
    near = [finding for finding in checked.findings if finding.start < len(shown)]
    edges = {place for finding in near for place in (finding.start, finding.end) if place < len(shown)}
    cuts = sorted({0, len(shown)} | edges)
    pieces = tuple(
        Piece(shown[start:end], tuple(finding for finding in near if finding.start <= start < finding.end))
        for start, end in itertools.pairwise(cuts)
    )
    goes_on = None if checked.blocked else checked.text
    return MarkedText(pieces, checked.findings, goes_on, refusal(checked.findings), len(text) - len(shown))


def scores_data(scores: Mapping[str, Score]) -> tuple[ScoreRow, ...]:
    """The counts of each rule that had anything to find or found anything. scores: as `evaluate` gives them."""
    return tuple(
        ScoreRow(name, len(score.missed), len(score.found), len(score.false_alarms), score.precision, score.recall)
        for name, score in scores.items()
        if score.missed or score.found or score.false_alarms
    )


# --- HTML


def marked_html(data: MarkedText) -> str:
    """The text with each finding marked and named, what happens to it, and what the next step gets."""
    text = "".join(_piece(piece) for piece in data.pieces) or f'<span class="nc-dim">{tr("(nothing)")}</span>'
    more = f'<p class="nc-dim">… {count(data.n_hidden, "more character")}</p>' if data.n_hidden else ""
    goes_on = data.answer if data.goes_on is None else data.goes_on
    what = tr("The reply:") if data.goes_on is None else tr("What goes on:")
    after = f'<p class="nc-safe-text nc-safe-after"><b>{what}</b> {running_text(goes_on[:SHOWN])}</p>'
    body = f'<p><b>{data.verdict}</b></p><p class="nc-safe-text">{text}</p>{more}{after}{_findings(data.findings)}'
    return figure(STYLE + body, label=tr("A text after the safety rules. {verdict}", verdict=data.verdict))


def _piece(piece):
    if not piece.findings:
        return running_text(piece.text)
    strongest = min(piece.findings, key=lambda finding: list(SIGNS).index(finding.action))
    names = ", ".join(dict.fromkeys(finding.rule for finding in piece.findings))
    name = html.escape(f"{SIGNS[strongest.action]} {names}")
    return f'<mark class="nc-safe-{strongest.action}">{running_text(piece.text)}<small>{name}</small></mark>'


def _findings(findings, most=12):
    rows = "".join(f"<li>{_finding(finding)}</li>" for finding in findings[:most])
    rest = f"<li>{tr('… and {n:,} more', n=len(findings) - most)}</li>" if len(findings) > most else ""
    return f'<ul class="nc-safe-list">{rows}{rest}</ul>' if findings else ""


def _finding(found):
    where = tr("characters {start:,} to {end:,}", start=found.start, end=found.end - 1)
    does, says = tr_later(DOES[found.action]), html.escape(tr_later(found.says))
    return f"{SIGNS[found.action]} <b>{html.escape(found.rule)}</b>, {where}: {does}. {says}"


def scores_html(rows: tuple[ScoreRow, ...]) -> str:
    """One row a rule, one square a text: missed, found, false alarm; beside it precision and recall."""
    legend = (
        f'<p class="nc-safe-legend"><span><i class="nc-safe-tile nc-safe-missed"></i> {tr("missed")}</span>'
        f'<span><i class="nc-safe-tile nc-safe-found"></i> {tr("rightly found")}</span>'
        f'<span><i class="nc-safe-tile nc-safe-alarm"></i> {tr("false alarm")}</span></p>'
    )
    head = f'<div class="nc-head"><b>{tr("How often each rule is right")}</b></div>{legend}'
    names = "".join(f"<span>{name}</span>" for name in (tr("rule"), tr("texts"), tr("recall"), tr("precision")))
    columns = f'<div class="nc-safe-row nc-safe-head">{names}</div>'
    body = (
        columns + "".join(_score_row(row) for row in rows)
        if rows
        else f'<p class="nc-dim">{tr("No rule is on, and no text has a label.")}</p>'
    )
    recall = tr("recall: of the squares that should be found (□ and ■), the share that is.")
    precision = tr("precision: of all alarms (■ and ▨), the share that is right.")
    notes = f'<p class="nc-dim">{recall} {precision}</p>'
    return figure(f"{STYLE}{head}{body}{notes}", label=tr("Precision and recall of each rule"))


def _score_row(row):
    kinds = (("missed", row.n_missed), ("found", row.n_found), ("alarm", row.n_false_alarms))
    tiles = "".join(f'<i class="nc-safe-tile nc-safe-{kind}"></i>' * number for kind, number in kinds)
    recall = share_text(row.recall, row.n_found, row.n_found + row.n_missed)
    precision = share_text(row.precision, row.n_found, row.n_found + row.n_false_alarms)
    counts = {"missed": row.n_missed, "found": row.n_found, "alarms": row.n_false_alarms}
    spoken = tr("{rule}: {missed} missed, {found} found, {alarms} false alarms", rule=row.rule, **counts)
    return (
        f'<div class="nc-safe-row"><b>{html.escape(row.rule)}</b>'
        f'<span class="nc-safe-tiles" role="img" aria-label="{attribute(spoken)}">{tiles}</span>'
        f"<span><i>{tr('recall')}</i> {recall}</span><span><i>{tr('precision')}</i> {precision}</span></div>"
    )


def share_text(share: float | None, right: int, total: int) -> str:
    """A share as one reads it: "5 of 8 = 63 %"; a dash where there is nothing to share."""
    return "–" if share is None else tr("{n} of {total} = {share}", n=right, total=total, share=percent(share))


# A border, a pattern and a sign for each action, so that colour is not the only cue.
STYLE = """<style>
.nc .nc-safe-text{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate;line-height:2;margin:.3em 0;
 padding:.2em .6em;border:1px solid rgba(128,128,128,.6);border-radius:.4em;max-height:22em;overflow-y:auto}
.nc .nc-safe-after{line-height:1.5;border-style:dashed}
.nc .nc-safe-text mark{color:inherit;border-radius:.3em;padding:.12em .2em}
.nc .nc-safe-text small{font-size:14px;margin-left:.4em;white-space:nowrap}
.nc .nc-safe-block{background:rgba(213,94,0,.3);border:2px solid #D55E00}
.nc .nc-safe-mask{border:2px dashed #56B4E9;
 background:repeating-linear-gradient(135deg,rgba(86,180,233,.34) 0 5px,rgba(86,180,233,.14) 5px 10px)}
.nc .nc-safe-warn{background:rgba(230,159,0,.2);border:2px dotted #E69F00}
.nc .nc-safe-list{margin:.3em 0;padding-left:1.2em;font-size:15px}
.nc-safe-legend{display:flex;flex-wrap:wrap;gap:.1em 1.4em}
.nc-safe-row{display:grid;grid-template-columns:8em minmax(0,1fr) 9.5em 9.5em;gap:.1em .8em;padding:.35em 0;
 align-items:center;border-top:1px solid rgba(128,128,128,.4);font-variant-numeric:tabular-nums}
.nc-safe-row>span>i:not([class]){display:none;font-style:normal}
.nc-safe-head{border:none;opacity:.78;padding:0}
.nc-safe-tiles{display:flex;flex-wrap:wrap;gap:2px}
.nc-safe-tile{display:inline-block;width:13px;height:13px;border-radius:2px;vertical-align:-2px}
.nc-safe-missed{border:2px solid rgba(128,128,128,.95)}
.nc-safe-found{background:#009E73}
.nc-safe-alarm{border:2px solid #D55E00;background:repeating-linear-gradient(135deg,#D55E00 0 2px,transparent 2px 5px)}
@container (max-width:640px){.nc-safe-row{grid-template-columns:minmax(0,1fr)}.nc-safe-head{display:none}
 .nc-safe-row>span>i:not([class]){display:inline}}
</style>"""
