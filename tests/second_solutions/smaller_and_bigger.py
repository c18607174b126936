"""Right solutions of sheet 11, written in other ways than ours: none may be refused."""

import bisect
import math
from fractions import Fraction

import numpy as np
import torch


def grid_with_a_sorted_row(row, bits):
    ordered = sorted(row)
    n_levels = 1
    for _ in range(bits):
        n_levels *= 2
    return ordered[0], (ordered[-1] - ordered[0]) / (n_levels - 1)


def grid_of_a_tensor(row, bits):
    weights = torch.tensor(row, dtype=torch.float64)
    lowest, highest = weights.min().item(), weights.max().item()
    return (lowest, (highest - lowest) / ((1 << bits) - 1))


def grid_of_a_linspace(row, bits):
    levels = np.linspace(min(row), max(row), 2**bits)
    return float(levels[0]), float(levels[1] - levels[0])


def quantize_by_the_nearest_level(row, bits):
    lowest = min(row)
    step = (max(row) - lowest) / (2**bits - 1)
    if step == 0:
        return [0] * len(row)
    levels = [lowest + number * step for number in range(2**bits)]
    return [min(range(2**bits), key=lambda number: (abs(levels[number] - weight), -number)) for weight in row]


def quantize_with_torch(row, bits):
    weights = torch.tensor(row)
    step = (weights.max() - weights.min()) / (2**bits - 1)
    if step == 0:
        return torch.zeros(len(row), dtype=torch.long).tolist()
    return ((weights - weights.min()) / step + 0.5).long().tolist()


def quantize_with_floor_division(row, bits):
    lowest = min(row)
    step = (max(row) - lowest) / (2**bits - 1)
    return [int((weight - lowest + step / 2) // step) if step else 0 for weight in row]


def quantize_between_the_levels(row, bits):
    lowest, highest = min(row), max(row)
    if lowest == highest:
        return [0] * len(row)
    step = (highest - lowest) / (2**bits - 1)
    borders = [lowest + (number + 0.5) * step for number in range(2**bits - 1)]
    return [bisect.bisect_right(borders, weight) for weight in row]


def dequantize_in_place(codes, lowest, step):
    weights = list(codes)
    for i in range(len(weights)):
        weights[i] = weights[i] * step + lowest
    return weights


def dequantize_by_recursion(codes, lowest, step):
    return [lowest + step * codes[0], *dequantize_by_recursion(codes[1:], lowest, step)] if codes else []


def dequantize_with_numpy(codes, lowest, step):
    return (np.array(codes) * step + lowest).tolist()


def errors_with_a_loop(row, back):
    largest = total = 0
    for i in range(len(row)):
        error = row[i] - back[i]
        if error < 0:
            error = -error
        if error > largest:
            largest = error
        total += error
    return largest, total / len(row)


def errors_of_tensors(row, back):
    apart = (torch.tensor(row) - torch.tensor(back)).abs()
    return apart.max().item(), apart.mean().item()


def errors_with_numpy(row, back):
    apart = np.abs(np.subtract(row, back))
    return float(apart.max()), float(apart.mean())


def errors_sorted(row, back):
    apart = sorted(max(pair) - min(pair) for pair in zip(row, back, strict=True))
    return apart[-1], math.fsum(apart) / len(apart)


def megabytes_by_blocks(n_weights, bits, block_size):
    all_bits = n_weights * bits
    if block_size is not None:
        all_bits += n_weights // block_size * 2 * 16
    return all_bits / 8_000_000


def megabytes_by_weight(n_weights, bits, block_size=None):
    per_weight = bits if block_size is None else bits + 32 / block_size
    return per_weight / 8 * n_weights / 10**6


def megabytes_with_fractions(n_weights, bits, block_size):
    per_weight = Fraction(bits) if block_size is None else bits + Fraction(2 * 16, block_size)
    return float(n_weights * per_weight / (8 * 10**6))


def kl_with_a_loop(probs, other):
    total = 0
    for i in range(len(probs)):
        total += probs[i] * (math.log2(probs[i]) - math.log2(other[i]))
    return total


def kl_of_two_means(probs, other):
    mine = -sum(p * math.log(p) for p in probs)
    theirs = -sum(p * math.log(q) for p, q in zip(probs, other, strict=True))
    return (theirs - mine) / math.log(2)


def kl_of_ratios(probs, other):
    return sum(p * math.log(p / q, 2) for p, q in zip(probs, other, strict=True))


def kl_with_torch(probs, other):
    log_other = torch.tensor(other).log()
    return torch.nn.functional.kl_div(log_other, torch.tensor(probs), reduction="sum").item() / math.log(2)


SECOND = {
    "11.1": (grid_with_a_sorted_row, grid_of_a_tensor, grid_of_a_linspace),
    "11.2": (
        quantize_by_the_nearest_level,
        quantize_with_torch,
        quantize_with_floor_division,
        quantize_between_the_levels,
    ),
    "11.3": (dequantize_in_place, dequantize_by_recursion, dequantize_with_numpy),
    "11.4": (errors_with_a_loop, errors_of_tensors, errors_with_numpy, errors_sorted),
    "11.5": (megabytes_by_blocks, megabytes_by_weight, megabytes_with_fractions),
    "11.6": (kl_with_a_loop, kl_of_two_means, kl_of_ratios, kl_with_torch),
}
