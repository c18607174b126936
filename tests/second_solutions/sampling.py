"""Sheet 04, solved again, as other students would."""

import math

import numpy as np
import torch
import torch.nn.functional as F

INF = math.inf

# --- 04.1


def temperature_by_loop(logits, temperature):
    values = logits.tolist()
    if temperature > 0:
        return torch.tensor([value / temperature for value in values])
    best = values.index(max(values))
    return torch.tensor([value if place == best else -INF for place, value in enumerate(values)])


def temperature_by_mask(logits, temperature):
    if temperature == 0:
        is_best = torch.arange(len(logits)) == torch.argmax(logits)
        return torch.where(is_best, logits, torch.tensor(-INF))
    return torch.mul(logits, 1 / temperature)


def temperature_in_place(logits, temperature):
    result = logits.clone()
    if not temperature:
        best = int(np.argmax(result.numpy()))
        result[:best] = float("-inf")
        result[best + 1 :] = float("-inf")
    else:
        result /= temperature
    return result


def temperature_one_hot(logits, temperature):
    try:
        return torch.tensor([value.item() / temperature for value in logits])
    except ZeroDivisionError:
        return torch.where(F.one_hot(logits.argmax(), len(logits)).bool(), logits, -INF)


# --- 04.2


def top_k_by_sort(logits, top_k):
    if not 0 < top_k < len(logits):
        return logits.clone()
    limit = sorted(logits.tolist(), reverse=True)[top_k - 1]
    return torch.tensor([value if value >= limit else -INF for value in logits.tolist()])


def top_k_by_counting(logits, top_k):
    """A token stays when fewer than k others are larger."""
    n_larger = (logits[None, :] > logits[:, None]).sum(dim=1)
    stays = (n_larger < top_k) | torch.tensor(top_k == 0)
    return torch.where(stays, logits, torch.full_like(logits, -INF))


def top_k_by_kthvalue(logits, top_k=50):
    if top_k == 0:
        return logits.clone()
    result = logits.clone()
    limit = logits.kthvalue(max(len(logits) - top_k + 1, 1)).values
    result[result < limit] = -INF
    return result


def top_k_by_membership(logits, top_k):
    if top_k == 0 or top_k >= len(logits):
        return logits.clone()
    return logits.masked_fill(~torch.isin(logits, logits.topk(top_k).values), -INF)


# --- 04.3


def top_p_by_loop(logits, top_p):
    probs = logits.softmax(dim=-1).tolist()
    ranking = sorted(range(len(probs)), key=lambda place: -probs[place])
    result, total = [-INF] * len(probs), 0.0
    for place in ranking:
        result[place] = logits[place].item()
        total += probs[place]
        if top_p < 1 and total >= top_p:
            break
    return torch.tensor(result)


def top_p_like_transformers(logits, top_p):
    if top_p >= 1:
        return logits.clone()
    values, places = torch.sort(logits, descending=False)
    remove = values.softmax(dim=-1).cumsum(dim=-1) <= 1 - top_p
    remove[-1:] = False
    return logits.masked_fill(remove.scatter(0, places, remove), float("-inf"))


def top_p_by_sum_of_larger(logits, top_p):
    """A token stays when all that are more likely have less than p together."""
    if top_p == 1.0:
        return logits + 0
    probs = torch.exp(logits) / torch.exp(logits).sum()
    sum_before = torch.stack([probs[probs > prob].sum() for prob in probs])
    return torch.where(sum_before < top_p, logits, -INF)


def top_p_by_searchsorted(logits, top_p):
    if top_p >= 1:
        return logits.clone()
    sorted_probs, indices = torch.sort(F.softmax(logits, dim=0), descending=True)
    n = int(torch.searchsorted(torch.cumsum(sorted_probs, dim=0), top_p)) + 1
    mask = torch.ones_like(logits, dtype=torch.bool)
    mask[indices[:n]] = False
    result = logits.clone()
    result[mask] = -INF
    return result


# --- 04.4


def penalty_by_where(logits, input_ids, penalty):
    used = torch.zeros(len(logits), dtype=torch.bool)
    used[input_ids] = True
    weaker = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(used, weaker, logits)


def penalty_by_comprehension(logits, input_ids, penalty):
    def weaken(value):
        return value / penalty if value >= 0 else value * penalty

    values = [weaken(value) if place in input_ids else value for place, value in enumerate(logits.tolist())]
    return torch.tensor(values)


def penalty_with_list(logits, input_ids, penalty=1.0):
    result, done = logits.clone(), []
    for i in input_ids:
        if i in done:
            continue
        result[i] = min(result[i] / penalty, result[i] * penalty)
        done.append(i)
    return result


def penalty_by_gather(logits, input_ids, penalty):
    if not input_ids:
        return logits.clone()
    ids = torch.tensor(input_ids)
    score = torch.gather(logits, 0, ids)
    score = torch.where(score < 0, score * penalty, score / penalty)
    return logits.scatter(0, ids, score)


# --- 04.5


def draw_by_sorted_pairs(probs, u):
    bar = sorted(((-prob, token) for token, prob in enumerate(probs.tolist())), key=lambda pair: pair[0])
    for minus_prob, token in bar:
        if u < -minus_prob:
            return token
        u = u + minus_prob
    return bar[0][1]


def draw_by_cumsum(probs, u):
    values, tokens = probs.sort(descending=True, stable=True)
    ends = values.cumsum(dim=0)
    beyond = (ends > u).nonzero()
    return int(tokens[beyond[0]]) if len(beyond) else int(tokens[-1])


def draw_by_taking_the_best(probs, u):
    left, start = probs.clone(), 0.0
    while True:
        best = left.argmax().item()
        start += probs[best].item()
        if start > u:
            return best
        left[best] = -1


def draw_by_numpy(probs, u):
    numbers = probs.numpy().astype("float64")
    order = np.argsort(-numbers, kind="stable")
    place = np.searchsorted(np.cumsum(numbers[order]), u, side="right")
    return int(order[min(place, len(order) - 1)])


# --- 04.6


def next_probs_with_logits(logits, temperature, min_p):
    tempered = logits / temperature
    probs = torch.softmax(tempered, dim=0)
    tempered[probs < min_p * max(probs)] = float("-inf")
    return torch.softmax(tempered, dim=0)


def next_probs_by_lists(logits, temperature, min_p):
    powers = [math.exp(value / temperature) for value in logits.tolist()]
    kept = [power if power >= min_p * max(powers) else 0 for power in powers]
    return torch.tensor([power / sum(kept) for power in kept])


def next_probs_by_product(logits, temperature=1.0, min_p=0.0):
    probs = F.softmax(logits.double() / temperature, dim=-1)
    probs = probs * (probs / probs.max() >= min_p)
    return F.normalize(probs, p=1, dim=0).float()


def next_probs_by_log(logits, temperature, min_p):
    """min_p as a distance of logits: log(p / p_max) is the difference of two tempered logits."""
    tempered = logits / temperature
    if min_p > 0:
        tempered = tempered.masked_fill(tempered - tempered.max() < math.log(min_p), -INF)
    return tempered.softmax(-1)


SECOND = {
    "04.1": (temperature_by_loop, temperature_by_mask, temperature_in_place, temperature_one_hot),
    "04.2": (top_k_by_sort, top_k_by_counting, top_k_by_kthvalue, top_k_by_membership),
    "04.3": (top_p_by_loop, top_p_like_transformers, top_p_by_sum_of_larger, top_p_by_searchsorted),
    "04.4": (penalty_by_where, penalty_by_comprehension, penalty_with_list, penalty_by_gather),
    "04.5": (draw_by_sorted_pairs, draw_by_cumsum, draw_by_taking_the_best, draw_by_numpy),
    "04.6": (next_probs_with_logits, next_probs_by_lists, next_probs_by_product, next_probs_by_log),
}
