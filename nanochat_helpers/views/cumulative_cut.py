"""The picture of top_p: tokens by probability, the sum of their probabilities so far, and where the sum crosses top_p.

`cumulative_cut_data` computes, `cumulative_cut_html` draws one or several side by side. The rule is in `sampling`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..language import grouped, tr
from ..sampling import Stages, apply_top_k, process_logits, to_probs
from ..settings import GenerationSettings, check_count
from ..tokens import token_text
from .markup import attribute, count, figure, visible


@dataclass(frozen=True)
class CutBar:
    """One token: its probability, the sum of it and all before it, and whether top_p keeps it."""

    token_id: int
    text: str
    prob: float
    sum_so_far: float
    kept: bool


@dataclass(frozen=True)
class CumulativeCut:
    """What top_p does to one distribution, and what top_k does to the same one.

    bars: the most likely tokens that enter top_p, best first; after penalty, temperature and top_k.
    n_kept, kept_prob: how many tokens top_p keeps, and their probability before the rest is taken away.
    n_entering: how many tokens enter top_p: the whole vocabulary, or what top_k left of it.
    top_k, n_top_k, top_k_prob: the top_k of the settings (or, where it is off, the one to compare with), how many
        tokens it keeps, and their probability before the rest is taken away.
    """

    bars: tuple[CutBar, ...]
    n_kept: int
    kept_prob: float
    n_entering: int
    vocab_size: int
    top_k: int
    n_top_k: int
    top_k_prob: float
    settings: GenerationSettings


def cumulative_cut_data(
    logits: torch.Tensor,
    tokenizer: Any,
    settings: GenerationSettings,
    *,
    input_ids: Sequence[int] = (),
    n: int = 20,
    compare_top_k: int = 50,
    stages: Stages | None = None,
) -> CumulativeCut:
    """Where top_p cuts: over the whole vocabulary, in the order in which top_p itself goes through the tokens.

    logits: of shape (vocab_size,). tokenizer: of the model, or a list of texts. n: how many tokens become bars.
    compare_top_k: the top_k to compare with where the settings have none; 50 is what Hugging Face `generate` takes.
    stages: what `process_logits` made of these logits, where that is known already.
    """
    check_count("n", n, least=1)
    stages = stages or process_logits(logits, list(input_ids), settings)
    tempered, entering = to_probs(stages.after_temperature), to_probs(stages.after_top_k)
    kept = stages.after_top_p.isfinite()
    top_k = settings.top_k or compare_top_k
    in_top_k = apply_top_k(stages.after_temperature, top_k).isfinite()
    ranked = _most_likely(stages.after_top_k, n)
    probs = entering[ranked].double()
    bars = zip(ranked.tolist(), probs.tolist(), probs.cumsum(dim=0).tolist(), kept[ranked].tolist(), strict=True)
    return CumulativeCut(
        bars=tuple(CutBar(token_id, token_text(token_id, tokenizer), *numbers) for token_id, *numbers in bars),
        n_kept=int(kept.sum()),
        kept_prob=float(entering[kept].sum()),
        n_entering=int(stages.after_top_k.isfinite().sum()),
        vocab_size=len(logits),
        top_k=top_k,
        n_top_k=int(in_top_k.sum()),
        top_k_prob=float(tempered[in_top_k].sum()),
        settings=settings,
    )


def _most_likely(logits, n):
    """The n largest that are not removed; of equals, the larger id first, as in `apply_top_p`."""
    rank_n = logits.topk(min(n, len(logits))).values[-1]
    candidates = ((logits >= rank_n) & logits.isfinite()).nonzero().flatten()
    return candidates[logits[candidates].argsort(stable=True).flip(0)][:n]


def cumulative_cut_html(cuts: CumulativeCut | Mapping[str, CumulativeCut]) -> str:
    """Draw where top_p cuts. A dict of title → cut is drawn side by side, on the same axis from 0 to 1.

    What is no bar of its own is one step of the staircase: the further tokens that are kept, then all that are removed.
    """
    panels = {"": cuts} if isinstance(cuts, CumulativeCut) else cuts
    drawn = "".join(_panel(title, cut) for title, cut in panels.items())
    spoken = {"".join(filter(str.isprintable, title[:80])): cut for title, cut in panels.items()}
    label = "; ".join(f"{title}: {_sentence(cut)}" if title else _sentence(cut) for title, cut in spoken.items())
    return figure(f'{_STYLE}<div class="nc-cut-panels">{drawn}</div>{_legend()}', label=label)


def _sentence(cut):
    tokens = count(cut.vocab_size, "token")
    return tr("top_p {top_p:g} keeps {n:,} of {tokens}", top_p=cut.settings.top_p, n=cut.n_kept, tokens=tokens)


def _panel(title, cut):
    # A title is prose: its spaces may be spaces.
    name = visible(title, limit=80).replace('<span class="nc-sign">·</span>', " ")
    return (
        f'<div class="nc-cut-panel">{f"<b>{name}</b>" if title else ""}'
        f'<p class="nc-cut-kept">{tr("kept <b>{n:,}</b> of {total:,}", n=cut.n_kept, total=cut.vocab_size)}</p>'
        f'<div class="nc-cut-plot" role="group" aria-label="{attribute(_sentence(cut))}">'
        f'<span class="nc-cut-y" aria-hidden="true"><i>1</i><i>0.5</i><i>0</i></span>'
        f'<div class="nc-cut-columns" data-hint="{tr("Point at a bar, or press Tab, to read it.")}">'
        f"{''.join(_columns(cut))}{_top_p_line(cut)}</div></div>{_comparison(cut)}</div>"
    )


def _columns(cut):
    """One column a token, then one for the further tokens that are kept and one for those that are removed."""
    reached, n_more = 0.0, cut.n_kept - len(cut.bars)
    for number, bar in enumerate(cut.bars, start=1):
        text = visible(bar.text if len(bar.text) <= 11 else bar.text[:10] + "…")
        is_cut = number == cut.n_kept < cut.n_entering
        yield _column(f"{number}. {bar.text[:30]!r}", text, reached, bar.sum_so_far, kept=bar.kept, is_cut=is_cut)
        reached = bar.sum_so_far
    if n_more > 0:
        yield _group(n_more, reached, cut.kept_prob, kept=True, is_cut=cut.n_kept < cut.n_entering)
        reached = cut.kept_prob
    n_rest = cut.n_entering - max(cut.n_kept, len(cut.bars))
    if n_rest:
        yield _group(n_rest, reached, 1.0, kept=False)


def _group(n_tokens, start, end, *, kept, is_cut=False):
    text = tr("{n:,} more", n=n_tokens)
    return _column(count(n_tokens, "more token"), text, start, end, kept, is_cut, kind="nc-cut-group ")


def _column(name, text, start, end, kept, is_cut, kind=""):
    """A bar on the floor, the same bar on top of those before it, and below them the text of the token."""
    kind += "nc-cut-in " * kept + "nc-cut-here" * is_cut
    numbers = {"name": name, "share": _percent(end - start), "sum": _percent(end)}
    label = (
        tr("{name}: {share}, sum {sum}, kept", **numbers)
        if kept
        else tr("{name}: {share}, sum {sum}, removed", **numbers)
    )
    return (
        f'<b class="{kind.strip()}" style="--from:{_css(start)};--high:{_css(end - start)}" tabindex="0" role="img" '
        f'aria-label="{attribute(label)}"><i></i><em>{text}</em></b>'
    )


def _top_p_line(cut):
    """The line, and its name where the staircase does not run: below it on the right, or above it on the left."""
    side = "nc-cut-right" if cut.n_kept <= max(1, len(cut.bars) // 2) else "nc-cut-left"
    height = _css(cut.settings.top_p)
    return f'<div class="nc-cut-p {side}"><b style="bottom:{height}"><em>top_p {cut.settings.top_p:.2f}</em></b></div>'


def _comparison(cut):
    top_p, top_k = {"top_p": cut.settings.top_p}, {"top_k": cut.top_k}
    of_top_p, of_top_k = (cut.n_kept, cut.kept_prob), (cut.n_top_k, cut.top_k_prob)
    if cut.settings.top_k:
        names = tr("top_k {top_k} keeps", **top_k), tr("of these, top_p {top_p:.2f} keeps", **top_p)
        rows = (names[0], *of_top_k), (names[1], *of_top_p)
    else:
        names = tr("top_p {top_p:.2f} keeps", **top_p), tr("top_k {top_k} would keep", **top_k)
        rows = (names[0], *of_top_p), (names[1], *of_top_k)
    cells = "".join(f"<span>{name}</span><b>{grouped(n)}</b><span>{_percent(prob)}</span>" for name, n, prob in rows)
    return f'<p class="nc-cut-table"><i></i><i>{tr("tokens")}</i><i>{tr("together")}</i>{cells}</p>'


def _percent(share):
    return f"{100 * share:.1f} %" if share >= 0.0005 or share <= 0 else "<0.1 %"


def _css(share):
    return f"{100 * min(max(share, 0), 1):.4g}%"


def _legend():
    return (
        f'<p class="nc-cut-legend nc-dim"><span><i class="nc-cut-in"></i>{tr("kept")}</span>'
        f"<span><i></i>{tr('removed')}</span><span><u></u>{tr('the probabilities so far, added up')}</span>"
        f"<span><s></s>{tr('where top_p cuts')}</span></p>"
    )


_STYLE = """<style>
.nc-cut-panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,25em),1fr));gap:1.8em 2.4em;
 max-width:68em}
.nc-cut-panel{min-width:0;max-width:46em}
.nc .nc-cut-kept{margin:0 0 1.1em}
.nc-cut-kept b{font-size:1.35em}
.nc-cut-plot{display:grid;grid-template-columns:1.9em 1fr;margin-bottom:2.4em}
.nc-cut-y{display:flex;flex-direction:column;justify-content:space-between;height:16.2em;margin-top:-.6em;
 text-align:right;padding-right:.4em;line-height:1.2em}
.nc-cut-y i{font-style:normal;font-size:.88em}
.nc-cut-columns{position:relative;display:flex;min-width:0}
.nc-cut-columns>b{flex:1 1 0;min-width:0;max-width:6em;outline:none;cursor:default;font-weight:normal;
 display:flex;flex-direction:column;align-items:center}
.nc-cut-columns>b>i{position:relative;width:100%;height:15em}
.nc-cut-in>i{background:rgba(86,180,233,.16)}
.nc-cut-columns>b:hover>i,.nc-cut-columns>b:focus>i{background:rgba(230,159,0,.3)}
.nc-cut-columns>b>i::before,.nc-cut-legend i{background:repeating-linear-gradient(135deg,rgba(128,128,128,.75) 0 2px,
 rgba(128,128,128,.15) 2px 6px);border:1px solid rgba(128,128,128,.9)}
.nc-cut-columns>b>i::before{content:"";position:absolute;bottom:0;left:14%;right:14%;height:var(--high);min-height:2px;
 border-bottom:0}
.nc-cut-columns>.nc-cut-in>i::before,.nc-cut-legend i.nc-cut-in{background:#0072B2;border-color:#0072B2}
.nc-cut-columns>.nc-cut-group>i::before{display:none}
.nc-cut-columns>b>i::after{content:"";position:absolute;left:0;right:-2px;bottom:var(--from);height:var(--high);
 min-height:2px;border:solid currentColor;border-width:2px 0 0 2px}
.nc-cut-group>i::after{background:repeating-linear-gradient(45deg,rgba(128,128,128,.55) 0 1px,transparent 1px 6px)}
.nc-cut-columns>.nc-cut-here>i{border-right:3px solid #D55E00}
.nc-cut-columns em{writing-mode:vertical-rl;font-style:normal;font-size:.82em;line-height:1;height:6.9em;
 padding-top:.5em;overflow:hidden;white-space:nowrap}
.nc-cut-columns>b:not(.nc-cut-in) em{opacity:.75}
.nc-cut-columns::after,.nc-cut-columns>b::after{position:absolute;left:0;right:0;top:calc(100% + .3em);height:1.6em;
 font-size:.9em;overflow:hidden;padding-left:.6em;border-left:.3em solid #E69F00}
.nc-cut-columns::after{content:attr(data-hint);opacity:.78;
 border-color:rgba(128,128,128,.5)}
.nc-cut-columns:has(>b:hover,>b:focus)::after{display:none}
.nc-cut-columns>b::after{content:attr(aria-label);display:none}
.nc-cut-columns:not(:hover)>b:focus::after,.nc-cut-columns>b:hover::after{display:block}
.nc-cut-p{position:absolute;left:0;right:0;top:0;height:15em;pointer-events:none;border-bottom:2px solid;
 background:linear-gradient(rgba(128,128,128,.5),rgba(128,128,128,.5)) 0 50%/100% 1px no-repeat}
.nc-cut-p b{position:absolute;left:0;right:0;border-bottom:2px dashed #D55E00}
.nc-cut-p em{position:absolute;writing-mode:horizontal-tb;padding:0 .4em;font-size:.9em;height:auto;overflow:visible}
.nc-cut-right em{right:0;top:.4em}
.nc-cut-left em{left:0;bottom:.4em}
.nc .nc-cut-table{display:grid;grid-template-columns:auto auto auto;gap:0 1.4em;justify-content:start;
 font-variant-numeric:tabular-nums}
.nc-cut-table>:not(:nth-child(3n+1)){text-align:right}
.nc-cut-table>i{font-style:normal;font-size:.9em;opacity:.78}
.nc .nc-cut-legend{display:flex;flex-wrap:wrap;gap:.1em 1.4em;margin-top:1em;font-size:.92em}
.nc-cut-legend :is(i,u,s){display:inline-block;width:1em;height:1em;margin-right:.45em;vertical-align:-.12em}
.nc-cut-legend u{border:solid currentColor;border-width:2px 0 0 2px}
.nc-cut-legend s{width:3px;background:#D55E00}
@container (max-width:480px){.nc-cut-plot{margin-bottom:4em}
 .nc-cut-columns::after,.nc-cut-columns>b::after{height:3.2em}}
</style>"""
