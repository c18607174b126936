"""The map of the whole: the seven steps of one reply, what each took, what it gave, and how long that was.

`pipeline_data` reads a trace, `pipeline_html` draws it.
"""

import html
from dataclasses import dataclass

from ..language import tr, tr_later
from ..trace import Trace, milliseconds
from .markup import bar, figure

MODULES = ("chat", "tokens", "prompts · history", "backbones", "sampling · generation", "postprocess", "this cell")


@dataclass(frozen=True)
class StepRow:
    """One step of the pipeline: its place, its name, the module it lives in, and what it did for this reply."""

    number: int
    name: str
    module: str
    took: str
    gave: str
    seconds: float | None  # None where the engine does not tell it apart
    share: float  # of the time of all steps, 0 to 1


def pipeline_data(trace: Trace) -> list[StepRow]:
    """The seven steps of the reply that this trace recorded."""
    total = sum(trace.seconds.values()) or 1.0
    return [
        StepRow(number, name, module, took, gave, trace.seconds.get(name), trace.seconds.get(name, 0.0) / total)
        for number, (module, (name, took, gave)) in enumerate(zip(MODULES, trace.summary(), strict=True), start=1)
    ]


def pipeline_html(rows: list[StepRow]) -> str:
    """Draw the steps from top to bottom, one row each."""
    drawn = "".join(_row(row) for row in rows)
    return figure(f'{_STYLE}<ol class="nc-steps">{drawn}</ol>', label=tr("The seven steps of one reply"))


def module_name(module: str) -> str:
    """The name of a module as a reader sees it: as it is in the code; the last step has none."""
    return tr("this cell") if module == MODULES[-1] else module


def _row(row):
    module = f'<span class="nc-mono nc-dim">{html.escape(module_name(row.module))}</span>'
    share = bar(row.share, label=tr("{percent} % of the time", percent=round(100 * row.share)))
    made = f"{html.escape(row.took)} <b>→</b> {html.escape(row.gave)}"
    return (
        f'<li class="nc-step"><b class="nc-number" aria-hidden="true">{row.number}</b>'
        f'<span class="nc-name"><b>{html.escape(tr_later(row.name))}</b><br>{module}</span>'
        f'<span class="nc-made">{made}</span><span class="nc-time">{milliseconds(row.seconds)}{share}</span></li>'
    )


_STYLE = """<style>
.nc .nc-steps{list-style:none;margin:0;padding:0}
.nc .nc-step{display:grid;grid-template-columns:2.2em 13em 1fr 8em;gap:.2em .9em;align-items:center;padding:.45em 0;
 margin:0;border-top:1px solid rgba(128,128,128,.4)}
.nc-number{display:flex;align-items:center;justify-content:center;width:2em;height:2em;border-radius:50%;
 background:#0072B2;color:#fff}
.nc-name .nc-mono{font-size:.82em}
.nc-made{overflow-wrap:anywhere}
.nc-time{text-align:right;font-variant-numeric:tabular-nums}
@container (max-width:640px){
.nc .nc-step{grid-template-columns:2.2em 1fr auto}.nc-made{grid-column:2/-1;grid-row:2}.nc-time{width:6em}}
</style>"""
