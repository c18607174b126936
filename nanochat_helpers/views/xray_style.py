"""How the pipeline X-ray looks, and what its stations share: long texts, long lists, and who is who.

Whose words they are is told by a colour, the same as in the prompt strip, and by the kind of the line below them.
"""

import html
from collections.abc import Sequence

from ..prompts import ROLES
from .filmstrip import running_text
from .markup import count

SPEAKERS = (*ROLES, "template")
LONG = 700  # characters of one text that are shown
MANY = 13  # parts of a list that are shown


def long_text(text: str, limit: int = LONG) -> str:
    """Text as HTML; of a longer one the beginning and the end, and how much stands between."""
    if len(text) <= limit:
        return running_text(text)
    head, tail = limit * 2 // 3, limit // 3
    gap = gap_html(count(len(text) - head - tail, "character"))
    return f"{running_text(text[:head])}{gap}{running_text(text[-tail:])}"


def split_ends(items: Sequence, limit: int = MANY) -> tuple[Sequence, Sequence, Sequence]:
    """The first, the middle and the last part of a list; the middle, which is not shown, is empty for a short one.

    >>> split_ends([1, 2, 3, 4, 5, 6], limit=3)
    ([1, 2], [3, 4, 5], [6])
    """
    if len(items) <= limit:
        return items, items[:0], items[:0]
    head = limit - limit // 3
    return items[:head], items[head : len(items) - limit // 3], items[len(items) - limit // 3 :]


def gap_html(what: str) -> str:
    """The place of what is not shown: "… 12 more …"."""
    return f'<span class="nc-xr-gap">… {html.escape(what)} …</span>'


def list_html(rows: Sequence[str], noun: str) -> str:
    """Rows below one another; of many the first and the last ones."""
    first, between, last = split_ends(rows)
    gap = f"<li>{gap_html(count(len(between), noun))}</li>" if between else ""
    return f'<ul class="nc-xr-list">{"".join(first)}{gap}{"".join(last)}</ul>'


def row_html(name: str, text: str, *, note: str = "", role: str = "", more: str = "") -> str:
    """One row of a list: a name with a note below it, and what stands beside them, as HTML."""
    said = f"<small>{running_text(note)}</small>" if note else ""
    return (
        f'<li class="nc-xr-row {role_class(role)}"><b>{running_text(name)}{said}</b>'
        f'<span class="nc-xr-says">{text}</span>{more}</li>'
    )


def role_class(role: str) -> str:
    """The class that gives a role its colour and line; "" for what is no role."""
    return f"nc-xr-{role}" if role in SPEAKERS else ""


STYLE = """<style>
.nc .nc-xr h4{margin:.7em 0 .2em;font-size:1em;font-weight:bold}
.nc-xr small{display:block;font-weight:normal;font-size:14px;opacity:.85}
.nc .nc-xr-rail{display:flex;flex-wrap:wrap;gap:.3em;list-style:none;margin:0 0 .7em!important;padding:0!important;
 font-size:15px}
.nc .nc-xr-rail li{display:flex;gap:.35em;align-items:baseline;margin:0;padding:.1em .5em;border-radius:.4em;
 border:1px solid rgba(128,128,128,.55)}
.nc .nc-xr-rail li.nc-xr-past{background:rgba(86,180,233,.2)}
.nc .nc-xr-rail li[aria-current]{background:rgba(230,159,0,.3);border:2px solid #E69F00;font-weight:bold}
.nc-xr-title{font-size:1.15em}
.nc-xr-steps{display:grid;grid-template-columns:auto 6.5em 8em;gap:.1em 1em;justify-content:start;align-items:center;
 font-size:15px;margin:.2em 0 .7em}
.nc-xr-steps>:nth-child(3n+2){text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.nc .nc-xr-list{list-style:none;margin:0!important;padding:0!important}
.nc .nc-xr-list li{margin:0;padding:.35em 0;border-top:1px solid rgba(128,128,128,.4)}
.nc .nc-xr-list li.nc-xr-row{display:grid;grid-template-columns:8.5em minmax(0,1fr);gap:.15em 1em;
 border-left:.35em solid rgba(128,128,128,.4);padding-left:.7em}
.nc .nc-xr-list li.nc-xr-system{border-left:.35em dotted #0072B2}
.nc .nc-xr-list li.nc-xr-user{border-left:.35em solid #E69F00}
.nc .nc-xr-list li.nc-xr-assistant{border-left:.35em double #009E73}
.nc .nc-xr-list li.nc-xr-template{border-left:.35em dashed #888}
.nc-xr-says,.nc-xr-text{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:isolate;min-width:0}
.nc-xr-row>b{grid-row:1/span 2}
.nc-xr-ids{grid-column:2;display:flex;flex-wrap:wrap;gap:.2em}
.nc-xr-ids i{font-style:normal;padding:0 .3em;border:1px solid rgba(128,128,128,.6);border-radius:.25em}
.nc-xr-ids .nc-xr-gap{margin:0}
.nc-xr-text{line-height:1.75;padding:.4em .7em;border:1px solid rgba(128,128,128,.45);border-radius:.4em}
.nc-xr-run{background:rgba(var(--t),.2);border-bottom:2px var(--l,solid) rgb(var(--t));padding:.05em 0}
.nc-xr-system{--t:0,114,178;--l:dotted}.nc-xr-user{--t:230,159,0;--l:solid}
.nc-xr-assistant{--t:0,158,115;--l:double}.nc-xr-template{--t:128,128,128;--l:dashed}
.nc-xr-run.nc-xr-assistant{border-bottom-width:4px}
.nc-xr-ids i{background:rgba(var(--t),.2);border-bottom:2px var(--l,solid) rgb(var(--t))}
.nc-xr-legend{display:flex;flex-wrap:wrap;gap:.2em 1.1em;font-size:15px}
.nc-xr-gap{display:inline-block;margin:0 .4em;padding:0 .5em;border:1px dashed rgba(128,128,128,.8);
 border-radius:.3em;font-family:var(--jp-ui-font-family,sans-serif);font-size:14px;white-space:nowrap}
.nc-xr-says del{text-decoration:line-through;opacity:.75}
.nc-xr .nc{padding-right:0}
.nc-xr-finding{border-left:.35em solid #D55E00;padding:.1em .7em;margin:.4em 0}
.nc-xr-reply{font-size:1.1em;border-left:.35em solid #009E73;padding:.2em .8em;margin:.3em 0 .6em}
.nc-xr-so-far{margin-bottom:.5em;white-space:pre-wrap;overflow-wrap:anywhere}
.nc-xr-token{border:2px solid #E69F00;border-radius:.3em;padding:0 .25em;background:rgba(230,159,0,.25)}
.nc-xr-tokens{display:flex;flex-wrap:wrap;gap:.3em .2em}
.nc-xr-tokens span.nc-xr-one{border:1px solid rgba(128,128,128,.6);border-radius:.3em;padding:0 .3em;max-width:100%;
 overflow-wrap:anywhere;white-space:pre-wrap;unicode-bidi:isolate}
.nc-xr-tokens span.nc-xr-one:nth-child(2n){background:rgba(86,180,233,.18)}
.nc-xr-tokens span.nc-xr-one.nc-xr-token{border:2px solid #E69F00;background:rgba(230,159,0,.25)}
.nc .nc-xr-table{border-collapse:collapse;margin:.3em 0;width:100%;max-width:54em;font-size:15px;color:inherit;
 font-variant-numeric:tabular-nums;border:0;table-layout:fixed}
.nc .nc-xr-table tr:nth-child(n){background:none}
.nc .nc-xr-table :is(td,th){border:0;border-top:1px solid rgba(128,128,128,.35);padding:.12em .5em;text-align:right;
 font-weight:normal;vertical-align:middle;background:none;overflow-wrap:anywhere;max-width:none}
.nc .nc-xr-table thead th{border-top:0;font-weight:bold;vertical-align:bottom}
.nc .nc-xr-table :is(td,th):first-child{text-align:left;width:21%}
.nc .nc-xr-table :is(td,th):nth-child(6){width:21%}
.nc .nc-xr-table tr.nc-xr-chosen :is(td,th){font-weight:bold;background:rgba(230,159,0,.22)}
.nc .nc-xr-table tr.nc-xr-out :is(td,th){opacity:.72}
.nc .nc-xr-table tr.nc-xr-out td:nth-child(4){text-decoration:line-through}
.nc-xr-share{display:grid;grid-template-columns:3.6em minmax(0,1fr);gap:.5em;align-items:center}
.nc-xr-wheel{position:relative;padding-top:2.6em;margin:.4em 0;--u:0}
.nc-xr-needle{position:absolute;top:0;left:calc(var(--u)*100%);transform:translateX(calc(var(--u)*-100%));
 white-space:nowrap;font-weight:bold}
.nc-xr-wheel::after{content:"";position:absolute;left:calc(var(--u)*100%);top:1.7em;bottom:0;margin-left:-2px;
 border-left:3px solid currentColor}
.nc-xr-parts{display:flex;height:3.4em;border:1px solid rgba(128,128,128,.7)}
.nc-xr-parts i{flex:none;overflow:hidden;font-style:normal;display:flex;flex-direction:column;align-items:center;
 justify-content:center;white-space:nowrap;line-height:1.2;font-size:15px;background:
 repeating-linear-gradient(135deg,rgba(var(--c),var(--h,0)) 0 2px,transparent 2px 8px),rgba(var(--c),.36);
 box-shadow:inset 1px 0 rgb(var(--c)),inset -1px 0 rgb(var(--c))}
.nc-xr-parts i.nc-xr-hit{outline:3px solid currentColor;outline-offset:-3px;font-weight:bold}
.nc-xr-ends{display:flex;justify-content:space-between;font-size:14px}
@container (max-width:640px){
.nc .nc-xr-rail li:not([aria-current]) span{display:none}
.nc .nc-xr-list li.nc-xr-row{grid-template-columns:minmax(0,1fr)}
.nc-xr-row>b{display:flex;gap:.8em;align-items:baseline;grid-row:auto}
.nc-xr-ids{grid-column:1}
.nc-xr-steps{grid-template-columns:minmax(0,1fr) auto 4em}
.nc .nc-xr-table :is(td,th):nth-child(n){padding:.12em .25em;font-size:14px}
.nc .nc-xr-table :is(td,th):nth-child(3){display:none}
.nc-xr-share .nc-bar{display:none}.nc-xr-share{display:block}
.nc .nc-xr-table :is(td,th):first-child{width:22%}.nc .nc-xr-table :is(td,th):nth-child(4){width:25%}
.nc .nc-xr-table :is(td,th):nth-child(6){width:16%}
.nc-xr-parts i.nc-xr-slim>*{display:none}}
</style>"""
