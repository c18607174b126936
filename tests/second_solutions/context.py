"""Sheet 06, written as other students would write it."""

from collections import deque
from functools import reduce
from itertools import takewhile

from nanochat_helpers.errors import ContextError


def prompt_length(messages, count):
    return sum([count(m["content"]) for m in messages]) + 5 * len(messages) + 4


def prompt_length_by_index(messages, count):
    total = 4
    for i in range(len(messages)):
        total = total + count(messages[i].get("content")) + 5
    return total


def prompt_length_by_reduce(messages, count):
    return reduce(lambda total, message: total + count(message["content"]) + 5, messages, 4)


def last_turns(messages, max_history):
    kept = [messages[-1]]
    rest = messages[:-1]
    system = []
    if rest and rest[0]["role"] == "system":
        system, rest = [rest[0]], rest[1:]
    while max_history > 0 and rest:
        kept = rest[-2:] + kept
        rest = rest[:-2]
        max_history -= 1
    return system + kept


def last_turns_by_filter(messages, max_history):
    system = [m for m in messages if m["role"] == "system"]
    others = [m for m in messages if m["role"] != "system"]
    return system + others[-(max_history * 2 + 1) :]


def last_turns_by_deque(messages, max_history):
    rest = iter(messages)
    start = [next(rest)] if messages[0]["role"] == "system" else []
    return [*start, *deque(rest, maxlen=2 * max_history + 1)]


def last_turns_on_a_copy(messages, max_history):
    result = messages.copy()
    start = 1 if result[0]["role"] == "system" else 0
    while len(result) - start > 2 * max_history + 1:
        del result[start]
    return result


def fit_budget(messages, count_tokens, window, for_reply):
    limit = window - for_reply
    system = [m for m in messages if m["role"] == "system"]
    others = [m for m in messages if m["role"] != "system"]
    while count_tokens(system + others) > limit:
        if len(others) == 1:
            raise ContextError("The newest message is too long.")
        others = others[2:]
    return system + others


def fit_budget_newest_first(messages, count_tokens, window, for_reply):
    start = 1 if messages[0]["role"] == "system" else 0
    best = None
    for first in range(len(messages) - 1, start - 1, -2):
        candidate = messages[:start] + messages[first:]
        if count_tokens(candidate) + for_reply > window:
            break
        best = candidate
    if best is None:
        raise ContextError()
    return best


def fit_budget_recursive(messages, count_tokens, window, for_reply=0):
    if count_tokens(messages) <= window - for_reply:
        return list(messages)
    has_system = messages[0]["role"] == "system"
    if len(messages) <= 1 + has_system:
        raise ContextError("too long")
    shorter = [*messages[:has_system], *messages[has_system + 2 :]]
    return fit_budget_recursive(shorter, count_tokens, window, for_reply)


def fit_budget_on_a_copy(messages, count_tokens, window, for_reply):
    kept = messages[:]
    oldest = 0
    if kept[0]["role"] == "system":
        oldest = 1
    while len(kept) > oldest + 1 and count_tokens(kept) > window - for_reply:
        kept.pop(oldest)
        kept.pop(oldest)
    if count_tokens(kept) > window - for_reply:
        raise ContextError("too long")
    return kept


def n_reused(read_ids, prompt_ids):
    n = 0
    while n < len(read_ids) and n < len(prompt_ids) - 1 and read_ids[n] == prompt_ids[n]:
        n += 1
    return n


def n_reused_by_slices(read_ids, prompt_ids):
    return max(n for n in range(len(prompt_ids)) if read_ids[:n] == prompt_ids[:n])


def n_reused_in_a_line(read_ids, prompt_ids):
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(read_ids, prompt_ids[:-1], strict=False))))


def n_reused_for(read_ids, prompt_ids):
    count = 0
    for a, b in zip(read_ids, prompt_ids, strict=False):
        if a != b:
            break
        count += 1
    if count == len(prompt_ids):
        count -= 1
    return count


SECOND = {
    "06.1": (prompt_length, prompt_length_by_index, prompt_length_by_reduce),
    "06.2": (last_turns, last_turns_by_filter, last_turns_by_deque, last_turns_on_a_copy),
    "06.3": (fit_budget, fit_budget_newest_first, fit_budget_recursive, fit_budget_on_a_copy),
    "06.4": (n_reused, n_reused_by_slices, n_reused_in_a_line, n_reused_for),
}
