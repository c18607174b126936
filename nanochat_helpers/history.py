"""Step 3, prompt construction: which messages still fit.

A strategy takes all messages of a conversation and gives those that the next prompt will hold, together with those that
it left out. The system message and the newest message always stay; in between, whole turns go, the oldest first.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain

from .errors import ContextError
from .settings import check_count

CountTokens = Callable[[list[dict]], int]


@dataclass(frozen=True)
class Fitted:
    """What stays in the prompt and what was dropped, both in the order of the conversation."""

    messages: list[dict]
    dropped: list[dict]


def split_turns(messages: list[dict]) -> tuple[list[dict], list[list[dict]]]:
    """Take the system message off and group the rest into turns: a user's message and the reply to it."""
    system = messages[:1] if messages and messages[0]["role"] == "system" else []
    turns: list[list[dict]] = []
    for message in messages[len(system) :]:
        if message["role"] == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    return system, turns


def keep_last_turns(messages: list[dict], max_history: int) -> Fitted:
    """Keep the newest message and the `max_history` turns before it.

    max_history: named as in the article that NanoChat began with; 0 keeps no earlier turn, 2 the last two.
    """
    check_count("max_history", max_history, least=0)
    system, turns = split_turns(messages)
    first_kept = max(0, len(turns) - 1 - max_history)
    return _fitted(system, turns, first_kept)


def fit_budget(messages: list[dict], count_tokens: CountTokens, max_tokens: int) -> Fitted:
    """Drop the oldest turns until the prompt has at most `max_tokens` tokens.

    count_tokens: gives the length of the whole prompt that some messages make, template included.
    Raises ContextError when the system message and the newest message alone are already too long.
    """
    system, turns = split_turns(messages)
    choices = range(max(1, len(turns)))
    # Fewer turns never need more tokens, so the first choice that fits can be found by halving.
    first_kept = bisect_left(
        choices, True, key=lambda first: count_tokens(_fitted(system, turns, first).messages) <= max_tokens
    )
    if first_kept < len(choices):
        return _fitted(system, turns, first_kept)
    needed = count_tokens(_fitted(system, turns, choices[-1]).messages)
    raise ContextError(
        f"The message needs a prompt of {needed} tokens, but only {max_tokens} are free: please send a shorter one"
        + (", or shorten the system message." if system else ".")
    )


@dataclass(frozen=True)
class LastTurns:
    """The strategy "keep the last `max_history` turns", for `Chat(history=LastTurns(2))`."""

    max_history: int

    def __post_init__(self):
        check_count("max_history", self.max_history, least=0)

    def __call__(self, messages: list[dict], count_tokens: CountTokens, max_tokens: int) -> Fitted:
        """Keep the last turns, and of these only what fits."""
        by_turns = keep_last_turns(messages, self.max_history)
        by_tokens = fit_budget(by_turns.messages, count_tokens, max_tokens)
        return Fitted(by_tokens.messages, by_turns.dropped + by_tokens.dropped)


@dataclass(frozen=True)
class TokenBudget:
    """The strategy "keep whatever fits", for `Chat(history=TokenBudget(500))`; without a number, the whole context."""

    max_tokens: int | None = None

    def __post_init__(self):
        check_count("max_tokens", self.max_tokens, least=1, none_allowed=True)

    def __call__(self, messages: list[dict], count_tokens: CountTokens, max_tokens: int) -> Fitted:
        """Keep the newest turns whose prompt has at most this many tokens."""
        return fit_budget(messages, count_tokens, min(max_tokens, self.max_tokens or max_tokens))


def _fitted(system: list[dict], turns: list[list[dict]], first_kept: int) -> Fitted:
    kept, dropped = turns[first_kept:], turns[:first_kept]
    return Fitted([*system, *chain(*kept)], list(chain(*dropped)))
