"""The next token's candidates as a table: from the model's logits to the final percentages, one column a change.

`candidates_data` computes, over the whole vocabulary; `five_columns_html` and `ghost_bars_html` draw the same data.
How each change works is in `sampling`; the sentences that explain a cell are in `arithmetic`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..language import grouped, tr
from ..sampling import Stages, process_logits, to_probs
from ..settings import GenerationSettings
from ..tokens import token_text
from .arithmetic import cut_step, logit_step, number, penalty_step, softmax_step, temperature_step, whole_row
from .candidates_style import STYLE
from .markup import attribute, count, figure, rounded_percentages, visible


@dataclass(frozen=True)
class CandidateRow:
    """One token on its way from the model's logit to its final probability.

    penalised, tempered: the logit after the repetition penalty, and after the division by the temperature; the latter
        is None for greedy settings, where nothing is divided.
    removed_by: None = kept; else the first change that removed it: "greedy", "top_k", "top_p" or "min_p"; or "model",
        where the model's own logit was -inf already.
    own_prob, prob: the model's own probability, and the final one (0.0 when removed).
    used: was it used before, so that the penalty (if on) changed it?
    rank: its place for top_k, 1 = best; None where top_k is off.
    sum_before: the probabilities of all tokens before it, for top_p; None where top_p is off or never saw it.
    share: its probability for min_p; None where min_p is off or never saw it.
    """

    token_id: int
    text: str
    logit: float
    penalised: float
    tempered: float | None
    removed_by: str | None
    own_prob: float
    prob: float
    used: bool
    rank: int | None = None
    sum_before: float | None = None
    share: float | None = None


@dataclass(frozen=True)
class Candidates:
    """The table: a row for each of the most likely tokens, and all other tokens together.

    rows: the n most likely by the model's own ranking, best first (of equals, the smaller id first).
    rest_own_prob, rest_prob: what all other tokens have together; n_rest: how many they are; n_rest_kept: how many of
        them were kept. n_kept: of the whole vocabulary.
    log_sum: the logarithm of the sum by which softmax divides to give the final probabilities.
    best_share: the largest probability that min_p saw; None where it is off.
    """

    rows: tuple[CandidateRow, ...]
    rest_own_prob: float
    rest_prob: float
    n_rest: int
    n_rest_kept: int
    n_kept: int
    vocab_size: int
    settings: GenerationSettings
    log_sum: float = 0.0
    best_share: float | None = None


def candidates_data(
    logits: torch.Tensor,
    tokenizer: Any,
    settings: GenerationSettings,
    *,
    input_ids: Sequence[int] = (),
    n: int = 12,
    stages: Stages | None = None,
) -> Candidates:
    """What the settings do to the n most likely tokens, and to all others together.

    logits: the model's own, shape (vocab_size,). tokenizer: a model's, or a list with the text of each token.
    input_ids: the tokens that count as used for the repetition penalty.
    stages: what `process_logits` made of these logits, where that is known already.
    """
    stages = stages or process_logits(logits, list(input_ids), settings)
    ids = most_likely(logits, n)
    final = stages.after_min_p
    own_probs, probs = to_probs(logits), stages.probs
    places, best_share = _places(stages, ids, settings)
    used = set(input_ids)
    rows = tuple(
        CandidateRow(token_id, token_text(token_id, tokenizer), *numbers, used=token_id in used, **place)
        for token_id, *numbers, place in zip(
            ids.tolist(),
            logits[ids].tolist(),
            stages.after_repetition_penalty[ids].tolist(),
            [None] * len(ids) if settings.greedy else stages.after_temperature[ids].tolist(),
            _removed_by(stages, ids, settings),
            own_probs[ids].tolist(),
            probs[ids].tolist(),
            places,
            strict=True,
        )
    )
    n_kept = torch.count_nonzero(final > -torch.inf).item()
    n_rest = len(logits) - len(rows)
    return Candidates(
        rows,
        rest_own_prob=_sum_without(own_probs, ids),
        rest_prob=_sum_without(probs, ids),
        n_rest=n_rest,
        n_rest_kept=n_kept - sum(row.removed_by is None for row in rows),
        n_kept=n_kept,
        vocab_size=len(logits),
        settings=settings,
        log_sum=torch.logsumexp(final, dim=0).item(),
        best_share=best_share,
    )


def most_likely(logits: torch.Tensor, n: int) -> torch.Tensor:
    """The ids of the n largest logits, best first; of equals, the smaller id first. Shape (n,), or all there are."""
    smallest = logits.topk(min(n, len(logits))).values[-1]
    ids = (logits >= smallest).nonzero().flatten()
    return ids[logits[ids].argsort(descending=True, stable=True)][:n]


def _removed_by(stages: Stages, ids, settings):
    """For each token the first change after which its logit is -inf."""
    changes = {
        "model": stages.logits,
        "greedy" if settings.greedy else "temperature": stages.after_temperature,
        "top_k": stages.after_top_k,
        "top_p": stages.after_top_p,
        "min_p": stages.after_min_p,
    }
    columns = [(logits[ids] == -torch.inf).tolist() for logits in changes.values()]
    return [
        next((name for name, gone in zip(changes, row, strict=True) if gone), None)
        for row in zip(*columns, strict=True)
    ]


def _places(stages: Stages, ids, settings):
    """What top_k, top_p and min_p went by: for each token its rank, the sum before it, and its share; the best share.

    Nothing is computed for a change that is off.
    """
    columns, best_share = {}, None
    if settings.greedy:
        return [{}] * len(ids), None
    if settings.top_k:
        columns["rank"] = _ranks_and_sums(stages.after_temperature, ids)[0]
    if settings.top_p < 1:
        columns["sum_before"] = _ranks_and_sums(stages.after_top_k, ids)[1]
    if settings.min_p:
        shares = to_probs(stages.after_top_p)
        best_share = shares.max().item()
        columns["share"] = [share or None for share in shares[ids].tolist()]
    rows = [{name: column[place] for name, column in columns.items()} for place in range(len(ids))]
    return rows, best_share


def _ranks_and_sums(logits, ids):
    """For each token: how many tokens have a larger logit, plus 1; and the probabilities of all before it.

    Of equal logits the larger id comes first, as in `apply_top_p`. None for tokens that are removed already.
    """
    values = logits[ids]
    present = values > -torch.inf
    if not present.any():
        return [None] * len(ids), [None] * len(ids)
    near = (logits >= values[present].min()).nonzero().flatten()  # only these can come before one of ours
    above = logits[near] > values[:, None]  # shape (len(ids), len(near))
    before = above | ((logits[near] == values[:, None]) & (near > ids[:, None]))
    sums = before.float() @ to_probs(logits)[near]
    is_there = present.tolist()
    ranks = (above.sum(dim=1) + 1).tolist()
    return (
        [rank if there else None for rank, there in zip(ranks, is_there, strict=True)],
        [value if there else None for value, there in zip(sums.tolist(), is_there, strict=True)],
    )


def _sum_without(probs, ids):
    """The probability of all tokens but these."""
    others = probs.clone()
    others[ids] = 0
    return others.sum(dtype=torch.double).item()


# --- drawings


def five_columns_html(candidates: Candidates, *, bars: bool = False) -> str:
    """Draw the table: logit, after the penalty, divided by the temperature, kept or struck through, final %.

    Point at a number, or move to a row with Tab, to read the arithmetic.
    bars: add the ghost bars at the right of each row.
    """
    settings = candidates.settings
    heads = [
        (tr("token"), tr("most likely first")),
        (tr("logit"), tr("the score")),
        (tr("after penalty"), _or_off(settings.repetition_penalty, 1)),
        (tr("÷&nbsp;temp<u>erature</u>"), "greedy" if settings.greedy else _or_off(settings.temperature, 1)),
        (tr("kept?"), tr("{n:,} of {total:,}", n=candidates.n_kept, total=candidates.vocab_size)),
        (tr("final %"), tr("sum 100.0")),
    ]
    head = "".join(f"<th scope=col>{name}<small>{note}</small></th>" for name, note in heads)
    own, final = percentages(candidates)
    rows = [_numbers_row(row, candidates, final[place]) for place, row in enumerate(candidates.rows)]
    rows += [_rest_numbers(candidates, final[-1])] if candidates.n_rest else []
    if bars:
        head += _bars_head()
        rows = [row + cell for row, cell in zip(rows, _bar_cells(candidates, own, final), strict=True)]
    return _table(candidates, head, rows, f"nc-ct{' nc-cb' if bars else ''}", final, _hint(bars))


def ghost_bars_html(candidates: Candidates) -> str:
    """Draw two bars a token: pale is the model's own probability, solid is the one after the settings."""
    own, final = percentages(candidates)
    names = [_name(row) for row in candidates.rows] + ([_rest_name(candidates)] if candidates.n_rest else [])
    cells = _bar_cells(candidates, own, final)
    rows = [f"<th scope=row>{name}</th>{cell}" for name, cell in zip(names, cells, strict=True)]
    head = f"<th scope=col>{tr('token')}</th>{_bars_head()}"
    return _table(candidates, head, rows, "nc-ct nc-cg", final)


def percentages(candidates: Candidates) -> tuple[list[float], list[float]]:
    """The model's own and the final percentages of all rows, each adding up to 100.0; last, all other tokens."""
    own = [row.own_prob for row in candidates.rows] + [candidates.rest_own_prob] * bool(candidates.n_rest)
    final = [row.prob for row in candidates.rows] + [candidates.rest_prob] * bool(candidates.n_rest)
    return rounded_percentages(own), rounded_percentages(final)


def _table(candidates, head, rows, kind, final, hint=""):
    drawn = "".join(
        f"<tr{' class=nc-cx' if is_out else ''}>{row}</tr>"
        for row, is_out in zip(rows, _is_out(candidates), strict=True)
    )
    best = max(range(len(candidates.rows)), key=final.__getitem__)
    label = tr(
        "The {tokens}: the settings keep {n:,} of {total:,}; the best has {best} %",
        tokens=count(len(candidates.rows), "most likely token"),
        n=candidates.n_kept,
        total=candidates.vocab_size,
        best=final[best],
    )
    body = f'<div class="{kind}"><table><thead><tr>{head}</tr></thead><tbody>{drawn}</tbody></table>{hint}</div>'
    return figure(STYLE + body, label=label)


def _is_out(candidates):
    rest = [not candidates.n_rest_kept] if candidates.n_rest else []
    return [row.removed_by is not None for row in candidates.rows] + rest


def _numbers_row(row, candidates, final):
    settings = candidates.settings
    last = number(row.penalised if row.tempered is None else row.tempered)
    removed_by = tr("model") if row.removed_by == "model" else row.removed_by
    kept = f"<s>{last}</s> {removed_by}" if removed_by else "✓"
    cells = [
        (logit_step(row), number(row.logit)),
        (penalty_step(row, settings), number(row.penalised)),
        (temperature_step(row, settings), "–" if row.tempered is None else number(row.tempered)),
        (cut_step(row, candidates), kept),
        (softmax_step(row, candidates), _percent(final, row.removed_by is None)),
    ]
    name = _name(row)
    heading = (
        f'<th scope=row tabindex=0 aria-label="{plain(name)}: {attribute(whole_row(row, candidates))}">{name}</th>'
    )
    return heading + "".join(f'<td tabindex=-1 aria-label="{attribute(step)}">{shown}</td>' for step, shown in cells)


def _rest_numbers(candidates, final):
    n_rest, n_kept = candidates.n_rest, candidates.n_rest_kept
    kept = f"{grouped(n_kept)} ✓" if n_kept else tr("none")
    told = tr("{n:,} of the {total:,} others are kept", n=n_kept, total=n_rest)
    return (
        f"<th scope=row>{_rest_name(candidates)}</th><td></td><td></td><td></td>"
        f'<td tabindex=-1 aria-label="{told}">{kept}</td>'
        f"<td>{_percent(final, bool(n_kept))}</td>"
    )


def _bar_cells(candidates, own, final):
    """The bars of all rows; the numbers at the right are the model's own percentage and the final one."""
    cells = []
    for own_percent, final_percent, is_out in zip(own, final, _is_out(candidates), strict=True):
        now = _percent(final_percent, not is_out)
        cells.append(
            f'<td><div><i role=img aria-label="{own_percent} → {tr("out") if is_out else now} %" '
            f'style="--o:{own_percent}%;--p:{final_percent}%"></i><em>{own_percent} → {now}</em></div></td>'
        )
    return cells


def _percent(value, is_kept):
    return "–" if not is_kept else "&lt;0.1" if value == 0 else f"{value:.1f}"


def _or_off(value, off):
    return tr("{value:g} = off", value=value) if value == off else f"{value:g}"


def _name(row):
    return visible(row.text, limit=24) or f"<small>{tr('empty')}</small>"


def _rest_name(candidates):
    return tr("all {n:,} others", n=candidates.n_rest)


def plain(markup: str) -> str:
    """Escaped text without its tags: fit for an attribute."""
    return re.sub("<[^>]*>", "", markup)


def _hint(bars):
    key = " " + tr("Pale bar: the model’s own probability; solid bar: after the settings.") if bars else ""
    return f"<p>{tr('Point at a number, or press Tab for a whole row, to see the arithmetic.')}{key}</p>"


def _bars_head():
    key = tr("pale: the model’s own<br>solid: after the settings")
    return f"<th scope=col><div><b>0<small>{key}</small>1</b><em>{tr('own → final %')}</em></div></th>"
