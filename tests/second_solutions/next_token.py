"""Sheet 03, solved again in other ways: none of these may be refused."""

import math
import statistics

import numpy as np
import torch


def surprise_of_one_in(prob):
    return math.log2(1 / prob) if prob > 0 else math.inf


def surprise_by_change_of_base(prob, base=2):
    if prob == 0:
        return float("inf")
    return -math.log(prob) / math.log(base)


def surprise_with_numpy(prob):
    with np.errstate(divide="ignore"):
        return float(-np.log2(prob))


def surprise_with_torch(prob):
    return (-torch.log2(torch.tensor(prob))).item()


def entropy_loop(probs):
    bits = 0
    for p in probs.tolist():
        if p > 0:
            bits -= p * math.log2(p)
    return bits


def entropy_with_surprise(probs):
    return sum((p * surprise_of_one_in(p) for p in probs.tolist() if p), 0)


def entropy_tiny_number(probs):
    return -(probs * (probs + 1e-12).log2()).sum().item()


def entropy_by_nansum(probs):
    return -torch.nansum(probs * probs.log2()).item()


def entropy_of_torch(probs):
    return torch.special.entr(probs).sum().item() / math.log(2)


def softmax_list(logits):
    values = logits.tolist()
    top = max(values)
    powers = [math.e ** (value - top) for value in values]
    total = sum(powers)
    return torch.tensor([power / total for power in powers])


def softmax_logsumexp(logits):
    return torch.exp(logits - torch.logsumexp(logits, dim=0))


def softmax_of_numpy(logits):
    """Calculated with more digits, then made float32 again."""
    values = logits.double().numpy()
    powers = np.exp(values - values.max())
    return torch.from_numpy(powers / powers.sum()).float()


def softmax_pairwise(logits):
    rows = [1 / (logits - logit).exp().sum() if logit > -math.inf else torch.tensor(0.0) for logit in logits]
    return torch.stack(rows)


def perplexity_with_e(probs):
    if len(probs) == 0:
        raise ValueError("perplexity of nothing")
    return math.exp(-sum(map(math.log, probs)) / len(probs))


def perplexity_of_statistics(probs):
    return 1 / statistics.geometric_mean(probs)


def perplexity_step_by_step(probs):
    """The mean so far, moved a little by each token."""
    if not probs:
        raise ValueError("no token")
    bits = 0
    for count, prob in enumerate(probs, start=1):
        bits += (math.log2(1 / prob) - bits) / count
    return math.pow(2, bits)


def perplexity_mean(probs):
    return 2 ** statistics.mean([-math.log2(p) for p in probs])


def perplexity_torch(probs):
    if probs == []:
        raise ValueError
    return (2 ** -torch.tensor(probs).log2().mean()).item()


def best_by_tensor_sort(logits, n):
    values, order = torch.softmax(logits, dim=0).sort(descending=True, stable=True)
    return list(zip(order[:n].tolist(), values[:n].tolist(), strict=True))


def best_by_pairs(logits, n):
    probs = (logits.exp() / logits.exp().sum()).tolist()
    pairs = sorted((-p, token_id) for token_id, p in enumerate(probs))
    return [(token_id, -p) for p, token_id in pairs][:n]


def best_by_bubbles(logits, n):
    ids, probs = list(range(len(logits))), logits.softmax(dim=-1).tolist()
    for end in range(len(ids) - 1, 0, -1):
        for place in range(end):
            if probs[ids[place]] < probs[ids[place + 1]]:
                ids[place], ids[place + 1] = ids[place + 1], ids[place]
    return [(token_id, probs[token_id]) for token_id in ids[:n]]


def best_by_logits(logits, n):
    probs = logits.softmax(dim=-1)
    order = torch.argsort(logits, descending=True, stable=True)
    return [(int(i), float(probs[i])) for i in order[:n]]


SECOND = {
    "03.1": (surprise_of_one_in, surprise_by_change_of_base, surprise_with_numpy, surprise_with_torch),
    "03.2": (entropy_loop, entropy_with_surprise, entropy_tiny_number, entropy_by_nansum, entropy_of_torch),
    "03.3": (softmax_list, softmax_logsumexp, softmax_of_numpy, softmax_pairwise),
    "03.4": (perplexity_with_e, perplexity_of_statistics, perplexity_mean, perplexity_torch, perplexity_step_by_step),
    "03.5": (best_by_tensor_sort, best_by_pairs, best_by_bubbles, best_by_logits),
}
