"""Right solutions of sheet 10, written in other ways than ours: none may be refused."""

import heapq
import math
import statistics
from collections import Counter
from fractions import Fraction

import numpy as np
import torch


def rarity_with_a_loop(word, passages):
    n_with = 0
    for passage in passages:
        if word in passage:
            n_with += 1
    return math.log(1 + (len(passages) - n_with + 0.5) / (n_with + 0.5))


def rarity_simplified(word, passages):
    n_with = len([1 for passage in passages if passage.count(word) > 0])
    return math.log((len(passages) + 1) / (n_with + 0.5))


def rarity_with_a_counter(word, passages):
    n_with = Counter(each for passage in passages for each in set(passage))[word]
    return float(np.log1p((len(passages) - n_with + 0.5) / (n_with + 0.5)))


def bm25_with_a_loop(question, passage, rarity, mean_length):
    total = 0
    done = []
    for word in question:
        if word in done or word not in passage:
            continue
        done.append(word)
        n = passage.count(word)
        length_factor = 0.25 + 0.75 * len(passage) / mean_length
        total += rarity[word] * n / (n + 1.5 * length_factor)
    return total


def bm25_with_a_counter(question, passage, rarity, mean_length, k1=1.5, b=0.75):
    counts = Counter(passage)
    length = k1 * (1 - b + b * len(passage) / mean_length)
    return sum(rarity.get(word, 0) * counts[word] / (counts[word] + length) for word in dict.fromkeys(question))


def bm25_over_the_passage(question, passage, rarity, mean_length):
    length = 0.25 + 0.75 * len(passage) / mean_length
    return math.fsum(rarity[word] / (1 + 1.5 * length / passage.count(word)) for word in {*passage} if word in question)


def bm25_with_numpy(question, passage, rarity, mean_length):
    words = sorted(set(question))
    n = np.array([passage.count(word) for word in words])
    rare = np.array([rarity[word] for word in words])
    return float((rare * n / (n + 1.5 * (0.25 + 0.75 * len(passage) / mean_length))).sum())


def top_one_after_the_other(scores, k, min_score):
    left = list(scores)
    places = []
    while len(places) < k and left and max(left) >= min_score:
        best = left.index(max(left))
        places.append(best)
        left[best] = -math.inf
    return places


def top_of_pairs(scores, k, min_score):
    pairs = [(-score, place) for place, score in enumerate(scores) if not score < min_score]
    pairs.sort()
    return [pair[1] for pair in pairs[:k]]


def top_in_reverse(scores, k, min_score):
    order = sorted(range(len(scores)), key=lambda i: scores[i], reverse=True)[:k]
    return [i for i in order if scores[i] >= min_score]


def top_of_a_heap(scores, k, min_score):
    return [i for i in heapq.nlargest(k, range(len(scores)), key=scores.__getitem__) if scores[i] >= min_score]


def cosine_with_a_loop(a, b):
    product = square_a = square_b = 0
    for i in range(len(a)):
        product += a[i] * b[i]
        square_a += a[i] ** 2
        square_b += b[i] ** 2
    return product / math.sqrt(square_a * square_b)


def cosine_with_torch(a, b):
    return torch.cosine_similarity(torch.tensor(a), torch.tensor(b), dim=0).item()


def cosine_of_unit_vectors(a, b):
    units = []
    for vector in (a, b):
        length = sum(number**2 for number in vector) ** 0.5
        units.append([number / length for number in vector])
    return sum(x * y for x, y in zip(*units, strict=True))


def cosine_with_numpy(a, b):
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def prompt_piece_by_piece(question, hits):
    if len(hits) == 0:
        return question
    prompt = "Sources:\n"
    for i in range(len(hits)):
        prompt += "[" + str(i + 1) + "] " + hits[i]["source"] + ": " + hits[i]["text"] + "\n"
    return prompt + "\nAnswer from the sources: " + question


def prompt_as_one_pattern(question, hits):
    numbered = "\n".join("[{}] {source}: {text}".format(n, **hit) for n, hit in enumerate(hits, 1))
    return f"Sources:\n{numbered}\n\nAnswer from the sources: {question}" if hits else question


def prompt_from_the_end(question, hits):
    prompt = f"\nAnswer from the sources: {question}"
    for number in range(len(hits), 0, -1):
        source, text = hits[number - 1].values()
        prompt = f"[{number}] {source}: {text}\n{prompt}"
    return "Sources:\n" + prompt if hits else question


def mrr_with_a_loop(places, k):
    total = 0
    for place in places:
        if place and place <= k:
            total += 1 / place
    return total / len(places)


def mrr_with_a_dict(places, k):
    worth = {place: 1 / place for place in range(1, k + 1)}
    return sum(worth.get(place, 0) for place in places) / len(places)


def mrr_of_statistics(places, k):
    return statistics.fmean(0 if place is None or place > k else 1 / place for place in places)


def mrr_with_fractions(places, k):
    return float(sum(Fraction(1, place) for place in places if place in range(1, k + 1)) / len(places))


SECOND = {
    "10.1": (rarity_with_a_loop, rarity_simplified, rarity_with_a_counter),
    "10.2": (bm25_with_a_loop, bm25_with_a_counter, bm25_over_the_passage, bm25_with_numpy),
    "10.3": (top_one_after_the_other, top_of_pairs, top_in_reverse, top_of_a_heap),
    "10.4": (cosine_with_a_loop, cosine_with_torch, cosine_of_unit_vectors, cosine_with_numpy),
    "10.5": (prompt_piece_by_piece, prompt_as_one_pattern, prompt_from_the_end),
    "10.6": (mrr_with_a_loop, mrr_with_a_dict, mrr_of_statistics, mrr_with_fractions),
}
