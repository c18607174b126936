"""The picture of the repetition penalty: where the logit of each used token was, and where the penalty moved it.

`penalty_arrows_data` computes, `penalty_arrows_html` draws. The rule is in `sampling`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..language import tr
from ..sampling import apply_repetition_penalty
from ..settings import GenerationSettings, check_count
from ..tokens import token_text
from .markup import attribute, count, figure, visible


@dataclass(frozen=True)
class PenaltyArrow:
    """One token: its logit before and after the penalty, and where it was used: in the prompt, in the reply, or both.

    counts: does the penalty count it as used? Not if it was never used, or only in a prompt that is left out.
    """

    token_id: int
    text: str
    logit: float
    penalised: float
    in_prompt: bool
    in_reply: bool
    counts: bool

    @property
    def where(self) -> str:
        """Where it was used, in words."""
        return " + ".join([tr("prompt")] * self.in_prompt + [tr("reply")] * self.in_reply) or tr("unused")


@dataclass(frozen=True)
class PenaltyArrows:
    """Some used tokens and, to compare, the most likely unused ones, by descending logit.

    n_used: how many different tokens were used. n_counted: how many of them the penalty counts.
    """

    rows: tuple[PenaltyArrow, ...]
    n_used: int
    n_counted: int
    settings: GenerationSettings


def penalty_arrows_data(
    logits: torch.Tensor,
    tokenizer: Any,
    settings: GenerationSettings,
    *,
    prompt_ids: Sequence[int],
    new_ids: Sequence[int] = (),
    n: int = 12,
) -> PenaltyArrows:
    """What the repetition penalty does to the logits of the used tokens; no other setting matters here.

    logits: of shape (vocab_size,). tokenizer: of the model, or a list of texts. prompt_ids, new_ids: the tokens of the
    prompt and those of the reply so far. n: how many rows at most. A third of them is kept for unused tokens; where
    more were used than there is room for, the most likely ones are shown, and the two least likely.
    """
    check_count("n", n, least=1)
    prompt, reply = set(prompt_ids), set(new_ids)
    counted = reply | prompt if settings.penalise_prompt else reply
    penalised = apply_repetition_penalty(logits, sorted(counted), settings.repetition_penalty)
    shown = _shown(logits, prompt | reply, n)
    rows = (
        PenaltyArrow(i, token_text(i, tokenizer), before, after, i in prompt, i in reply, i in counted)
        for i, before, after in zip(shown, logits[shown].tolist(), penalised[shown].tolist(), strict=True)
    )
    return PenaltyArrows(tuple(rows), len(prompt | reply), len(counted), settings)


def _shown(logits, used, n):
    """The ids of the tokens that get a row, by descending logit. (A removed token, at -inf, has no place on a line.)"""
    used_ids = _by_logit(logits, sorted(used))
    likely = logits.topk(min(n + len(used), len(logits))).indices
    unused_ids = [token_id for token_id in _by_logit(logits, likely.tolist()) if token_id not in used]
    n_used = max(n - n // 3, n - len(unused_ids))
    if len(used_ids) > n_used:
        n_last = min(2, n_used // 3)
        used_ids = used_ids[: n_used - n_last] + used_ids[len(used_ids) - n_last :]
    return _by_logit(logits, used_ids + unused_ids[: n - len(used_ids)])


def _by_logit(logits, token_ids):
    ids = torch.tensor(token_ids, dtype=torch.long)
    ids = ids[logits[ids].isfinite()]
    return ids[logits[ids].argsort(descending=True, stable=True)].tolist()


def penalty_arrows_html(arrows: PenaltyArrows) -> str:
    """Draw one row a token, with an arrow from its logit to the penalised one; zero is marked.

    An empty square stands for a token of the prompt, a filled circle for one of the reply.
    """
    penalty, sentence, place = arrows.settings.repetition_penalty, _sentence(arrows), _axis(arrows)
    rows = "".join(_row(row, place, penalty) for row in arrows.rows)
    head = (
        f'<div class="nc-head"><b>repetition_penalty {penalty:g}</b><span class="nc-dim">{sentence}</span></div>'
        f'<div class="nc-pen nc-dim"><span>{tr("token")}</span><span>{tr("used in")}</span>'
        f'<div class="nc-pen-line"><b>0</b></div><span>{tr("logit")}</span></div>'
    )
    return figure(
        f'{_STYLE}<div class="nc-pens" style="--zero:{place(0)}">{head}{rows}</div>{_legend()}',
        label=f"repetition_penalty {penalty:g}: {sentence}",
    )


def _sentence(arrows):
    penalty, n_counted = arrows.settings.repetition_penalty, arrows.n_counted
    n_shown = sum(row.in_prompt or row.in_reply for row in arrows.rows)
    sentences = [] if arrows.settings.penalise_prompt else [tr("The prompt’s tokens do not count.")]
    used, rule = count(n_counted, "used token"), {"penalty": penalty}
    if penalty == 1:
        sentences = [tr("Off: no arrow, every logit stays.")]
    elif not n_counted:
        sentences.insert(0, tr("No token counts as used yet."))
    elif penalty > 1:
        said = tr("{used} made weaker: positive logits ÷ {penalty:g}, negative × {penalty:g}.", used=used, **rule)
        sentences.insert(0, said)
    else:
        said = tr("{used} made stronger: positive logits ÷ {penalty:g}, negative × {penalty:g}.", used=used, **rule)
        sentences.insert(0, said)
    if n_shown < arrows.n_used:
        sentences.append(tr("{n} of the {total:,} used tokens are shown.", n=n_shown, total=arrows.n_used))
    return " ".join(sentences)


def _axis(arrows):
    """A function from a logit to its place on the line, as CSS.

    The line has room for a penalty of 2, so that it stays as it is while the slider moves.
    """
    room = max(2.0, arrows.settings.repetition_penalty)
    reach = [row.logit * room if row.counts and row.logit < 0 else row.logit for row in arrows.rows]
    values = [0.0, *reach, *(row.penalised for row in arrows.rows)]
    low, span = min(values), max(values) - min(values) or 1.0
    return lambda logit: f"{3 + 94 * (logit - low) / span:.4g}%"


def _row(row, place, penalty):
    text = visible(row.text[:24]) + "…" * (len(row.text) > 24)
    sum_, result = _arithmetic(row, penalty)
    kind = "nc-pen-prompt " * row.in_prompt + "nc-pen-reply" * row.in_reply
    label = attribute(f"{row.text[:30]!r}, {row.where}: {sum_}{result}")
    return (
        f'<div class="nc-pen"><span>{text}</span><span class="nc-dim">{row.where}</span>'
        f'<div class="nc-pen-line" role="img" aria-label="{label}">'
        f'<u class="{kind.strip()}" style="left:{place(row.logit)}"></u>{_arrow(row, place)}</div>'
        f"<span>{sum_}<b>{result}</b></span></div>"
    )


def _arrow(row, place):
    """From the edge of the mark (half of .9em) to the penalised logit."""
    if row.penalised == row.logit:
        return ""
    if row.penalised < row.logit:
        return f'<i style="left:{place(row.penalised)};right:calc(100% + .45em - {place(row.logit)})"></i>'
    return f'<i class="nc-pen-up" style="left:{place(row.logit)};right:calc(100% - {place(row.penalised)})"></i>'


def _arithmetic(row, penalty):
    """What was done to the logit, and what came out: '4.00 ÷ 1.3 = ' and '3.08'."""
    if not row.counts or penalty == 1:
        return _number(row.logit), ""
    return f"{_number(row.logit)} {'×' if row.logit < 0 else '÷'} {penalty:g} = ", _number(row.penalised)


def _number(logit):
    return f"{logit:.2f}".replace("-", "−")


def _legend():
    return (
        f'<p class="nc-pen-legend nc-dim"><span><u class="nc-pen-prompt"></u>{tr("in the prompt")}</span>'
        f'<span><u class="nc-pen-reply"></u>{tr("in the reply")}</span>'
        f'<span><u class="nc-pen-prompt nc-pen-reply"></u>{tr("in both")}</span>'
        f"<span><u></u>{tr('unused, to compare')}</span></p>"
    )


_STYLE = """<style>
.nc-pens{max-width:66em}
.nc-pen{display:grid;grid-template-columns:8.5em 7em 1fr 11.5em;gap:0 .8em;align-items:center;line-height:1.9;
 font-variant-numeric:tabular-nums}
.nc-pen>span{white-space:nowrap;min-width:0}
.nc-pen>span:first-child{overflow:hidden;text-overflow:ellipsis}
.nc-pen>span:nth-child(2){font-size:.9em}
.nc-pen>span:last-child{text-align:right}
.nc-pen-line{position:relative;height:1.9em;background:linear-gradient(rgba(128,128,128,.45),rgba(128,128,128,.45))
 0 50%/100% 1px no-repeat}
.nc-pen-line::before{content:"";position:absolute;left:var(--zero);top:0;bottom:0;border-left:2px solid;
 transform:translateX(-50%);opacity:.6}
.nc-pen.nc-dim{opacity:.8;font-size:.9em;grid-template-columns:9.44em 7.78em 1fr 12.8em;gap:0 .89em}
.nc-pen.nc-dim>span{font-size:1em}
.nc-dim>.nc-pen-line{background:none}
.nc-dim>.nc-pen-line::before{display:none}
.nc-pen-line>b{position:absolute;left:var(--zero);transform:translateX(-50%)}
.nc-pen-line u,.nc-pen-legend u{width:4px;height:.9em;background:currentColor}
.nc-pen-line u{position:absolute;top:calc(50% - .45em);transform:translateX(-50%)}
.nc .nc-pen-reply{width:.9em;border-radius:50%;background:#0072B2;border:1px solid}
.nc .nc-pen-prompt{width:.9em;border-radius:0;background:none;border:2px solid}
.nc .nc-pen-prompt.nc-pen-reply{background:radial-gradient(circle,#0072B2 0 .24em,transparent .27em)}
.nc-pen-line>i{position:absolute;top:calc(50% - 1.5px);height:3px;background:#D55E00}
.nc-pen-line>i::before{content:"";position:absolute;left:0;top:calc(1.5px - .4em);border:solid transparent;
 border-width:.4em .75em .4em 0;border-right-color:#D55E00}
.nc-pen-line>.nc-pen-up::before{left:auto;right:0;transform:scaleX(-1)}
.nc .nc-pen-legend{display:flex;flex-wrap:wrap;gap:.1em 1.4em;margin-top:.7em;font-size:.92em}
.nc-pen-legend u{display:inline-block;margin-right:.5em;vertical-align:-.1em}
@container (max-width:640px){
.nc-pen,.nc-pen.nc-dim{grid-template-columns:6em 4em 1fr 9.6em;gap:0 .4em;font-size:.92em}}
@container (max-width:480px){
.nc-pen,.nc-pen.nc-dim{grid-template-columns:1fr 11.5em;gap:0 .6em;line-height:1.5;padding-top:.4em}
.nc-pen>span:nth-child(2){display:none}
.nc-pen>.nc-pen-line{grid-column:1/-1;grid-row:2;height:1.3em}}
</style>"""
