"""Right solutions of sheet 11, written in other ways than ours: none may be refused."""

import math

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


def quantize_with_a_loop(row, bits):
    low, high = min(row), max(row)
    step = (high - low) / (2**bits - 1)
    codes = []
    for weight in row:
        if step == 0:
            codes.append(0)
        else:
            codes.append(int((weight - low) / step + 0.5))
    return codes


def quantize_by_the_nearest_level(row, bits):
    lowest = min(row)
    step = (max(row) - lowest) / (2**bits - 1)
    if step == 0:
        return [0] * len(row)
    levels = [lowest + number * step for number in range(2**bits)]
    return [min(range(2**bits), key=lambda number: (abs(levels[number] - weight), -number)) for weight in row]


def quantize_with_divmod(row, bits):
    top = 2**bits - 1
    width = max(row) - min(row)
    if width == 0:
        return [0 for _ in row]
    return [math.floor((weight - min(row)) * top / width + 0.5) for weight in row]


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


def quantize_with_round_and_a_half(row, bits):
    lowest = min(row)
    step = (max(row) - lowest) / (2**bits - 1) or 1
    codes = []
    for weight in row:
        steps = (weight - lowest) / step
        below = int(steps)
        codes.append(below + 1 if steps - below >= 0.5 else below)
    return codes


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


def megabytes_by_blocks(n_weights, bits, block_size):
    all_bits = n_weights * bits
    if block_size is not None:
        all_bits += n_weights // block_size * 2 * 16
    return all_bits / 8_000_000


def megabytes_by_weight(n_weights, bits, block_size=None):
    per_weight = bits if block_size is None else bits + 32 / block_size
    return per_weight / 8 * n_weights / 10**6


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
    "11.1": (grid_with_a_sorted_row, grid_of_a_tensor),
    "11.2": (
        quantize_with_a_loop,
        quantize_by_the_nearest_level,
        quantize_with_divmod,
        quantize_with_torch,
        quantize_with_floor_division,
        quantize_with_round_and_a_half,
    ),
    "11.3": (dequantize_in_place, dequantize_by_recursion, dequantize_with_numpy),
    "11.4": (errors_with_a_loop, errors_of_tensors),
    "11.5": (megabytes_by_blocks, megabytes_by_weight),
    "11.6": (kl_with_a_loop, kl_of_two_means, kl_of_ratios, kl_with_torch),
}
