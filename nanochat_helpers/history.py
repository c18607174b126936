"""Step 3, prompt construction: which messages still fit.

A strategy takes all messages of a conversation and gives those that the next prompt will hold, together with those that
it left out. The system message and the newest turn always stay; in between, whole turns go. What a strategy adds, notes
or a summary, stands at the end of the system message. A model or a search is handed in as a function, from `memory`.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from numbers import Integral

from .errors import ContextError, SettingsError
from .prompts import check_messages
from .settings import check_count
from .tokens import check_text

CountTokens = Callable[[list[dict]], int]
NOTES_HEADING = "What you know about the user:"
SUMMARY_HEADING = "What was said before:"
SUMMARY_SHARE = 4  # a quarter of the budget is kept free for a summary


@dataclass(frozen=True)
class Fitted:
    """What stays in the prompt and what was dropped, both in the order of the conversation."""

    messages: list[dict]
    dropped: list[dict]


def split_turns(messages: list[dict]) -> tuple[list[dict], list[list[dict]]]:
    """Take the system message off and group the rest into turns: a user's message and the reply to it.

    Raises MessageError for what is no list of messages.
    """
    check_messages(messages)
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
    """The strategy "keep whatever fits", for `Chat(history=TokenBudget(500))`; without a number, the whole context.

    drop_together: drop so many turns at a time. The beginning of the prompt then stays the same for several turns, and
        the model need not read it again (the KV cache). 1 keeps as many turns as fit.
    """

    max_tokens: int | None = None
    drop_together: int = 1

    def __post_init__(self):
        check_count("max_tokens", self.max_tokens, least=1, none_allowed=True)
        check_count("drop_together", self.drop_together, least=1)

    def __call__(self, messages: list[dict], count_tokens: CountTokens, max_tokens: int) -> Fitted:
        """Keep the newest turns whose prompt has at most this many tokens."""
        fitted = fit_budget(messages, count_tokens, min(max_tokens, self.max_tokens or max_tokens))
        system, turns = split_turns(messages)
        n_dropped = len(split_turns(fitted.dropped)[1])
        # Rounded up to a multiple, so that the number of dropped turns moves in steps; the newest turn stays.
        rounded_up = -(-n_dropped // self.drop_together) * self.drop_together
        return _fitted(system, turns, min(rounded_up, max(0, len(turns) - 1)))


@dataclass(frozen=True)
class PinnedNotes:
    """The strategy "write what matters into the system message", which stays: `PinnedNotes(["My dog is Biscuit."])`.

    notes: texts, or one text with a note in each line. history: the strategy for the turns.
    Notes are more important than old turns; those that do not fit beside the newest turn are left out, the last first.
    """

    notes: Sequence[str] | str
    history: Callable[..., Fitted] = LastTurns(2)

    def __post_init__(self):
        notes = self.notes.splitlines() if isinstance(self.notes, str) else self.notes
        if not isinstance(notes, (list, tuple)):
            raise SettingsError(f"notes={self.notes!r:.60} is not allowed: it must be a text or a list of texts.")
        for number, note in enumerate(notes):
            check_text(note, f"Note {number}")
        object.__setattr__(self, "notes", tuple(note.strip() for note in notes if note.strip()))
        check_strategy(self.history)

    def __call__(self, messages: list[dict], count_tokens: CountTokens, max_tokens: int) -> Fitted:
        """Add the notes to the system message, then let the other strategy choose the turns."""

        def with_notes(n):
            lines = [NOTES_HEADING, *(f"- {note}" for note in self.notes[:n])]
            return self.history(add_to_system(messages, "\n".join(lines) if n else ""), count_tokens, max_tokens)

        return most_that_fit(with_notes, len(self.notes))


@dataclass(eq=False)
class RunningSummary:
    """The strategy "sum up what was dropped": older turns become a summary at the end of the system message.

    summarise: (summary so far, messages) → the new summary, such as `memory.summarise_with(backbone)`. Only turns that
        were not dropped before are given to it, together with the summary so far, which is remembered here.
    max_history: how many turns before the newest message stay as they are.
    A summary that does not fit is cut after a word. Where a conversation took another way (a turn was edited), what
    was summed up since then is forgotten.
    """

    summarise: Callable[[str, list[dict]], str]
    max_history: int = 2
    # The summaries so far: number of dropped messages → their summary. Of the messages, what was said and by whom.
    _summaries: dict[int, str] = field(default_factory=lambda: {0: ""}, init=False, repr=False)
    _seen: list[tuple[str, str]] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self):
        check_function("summarise", self.summarise)
        check_count("max_history", self.max_history, least=0)

    def __call__(self, messages: list[dict], count_tokens: CountTokens, max_tokens: int) -> Fitted:
        """Keep the last turns, and a summary of all others."""
        last_turns = LastTurns(self.max_history)
        fitted = last_turns(messages, count_tokens, max_tokens)
        if not fitted.dropped:
            return fitted
        with suppress(ContextError):
            fitted = last_turns(messages, count_tokens, max_tokens - max_tokens // SUMMARY_SHARE)
        words = self.summary(fitted.dropped).split()

        def with_summary(n):
            text = " ".join(words[:n]) + " …" * (n < len(words))
            kept = add_to_system(fitted.messages, f"{SUMMARY_HEADING} {text}" if n else "")
            return check_fits(Fitted(kept, fitted.dropped), count_tokens, max_tokens)

        return most_that_fit(with_summary, len(words))

    def summary(self, dropped: list[dict]) -> str:
        """The summary of these messages, from the longest beginning of them that was summed up before."""
        said = [(message["role"], message["content"]) for message in dropped]
        same = next((n for n, (a, b) in enumerate(zip(said, self._seen, strict=False)) if a != b), None)
        same = min(len(said), len(self._seen)) if same is None else same
        if same < len(said):
            self._seen = said
            self._summaries = {n: text for n, text in self._summaries.items() if n <= same}
        start = max(n for n in self._summaries if n <= len(said))
        if start < len(said):
            text = self.summarise(self._summaries[start], dropped[start:])
            check_text(text, "What summarise gave")
            self._summaries[len(said)] = text.strip()
        return self._summaries[len(said)]


@dataclass(frozen=True)
class RelevantTurns:
    """The strategy "look up what belongs to the question": the last turns stay, and old ones that a search finds.

    find: (question, texts of the turns) → their places in this list, best first; `memory.find_turns_with(search)`.
    n: how many old turns at most. max_history: how many turns before the newest message stay in any case.
    Where not all fit, the last turns win over found ones, and better found ones over others.
    """

    find: Callable[[str, list[str]], Iterable[int]]
    n: int = 2
    max_history: int = 1

    def __post_init__(self):
        check_function("find", self.find)
        check_count("n", self.n, least=0)
        check_count("max_history", self.max_history, least=0)

    def __call__(self, messages: list[dict], count_tokens: CountTokens, max_tokens: int) -> Fitted:
        """Keep the last turns and the old ones that were found, in the order of the conversation."""
        fitted = LastTurns(self.max_history)(messages, count_tokens, max_tokens)
        system, turns = split_turns(messages)
        n_old = len(split_turns(fitted.dropped)[1])
        places = self._places(turns[-1][0]["content"], turns[:n_old]) if n_old else []

        def with_found(n):
            kept = {*places[:n], *range(n_old, len(turns))}
            chosen = [turn for place, turn in enumerate(turns) if place in kept]
            others = [turn for place, turn in enumerate(turns) if place not in kept]
            found = Fitted([*system, *chain(*chosen)], [*chain(*others)])
            return check_fits(found, count_tokens, max_tokens)

        return most_that_fit(with_found, len(places))

    def _places(self, question, turns):
        places = self.find(question, [turn_text(turn) for turn in turns])
        places = list(places) if isinstance(places, Iterable) else [places]
        for place in places:
            if not isinstance(place, Integral) or not 0 <= place < len(turns):
                raise SettingsError(
                    f"find gave {place!r:.40} as the place of a turn; the places here are 0 to {len(turns) - 1}."
                )
        return list(dict.fromkeys(places))[: self.n]


def turn_text(turn: list[dict]) -> str:
    """What was said in a turn, one message a line."""
    return "\n".join(message["content"] for message in turn)


def add_to_system(messages: list[dict], text: str) -> list[dict]:
    """The messages with a text at the end of the system message, or as one where there is none. New list, old dicts."""
    system, turns = split_turns(messages)
    if not text:
        return list(messages)
    content = "\n\n".join([*(message["content"] for message in system if message["content"]), text])
    return [{"role": "system", "content": content}, *chain(*turns)]


def check_fits(fitted: Fitted, count_tokens: CountTokens, max_tokens: int) -> Fitted:
    """Give it back if its prompt has at most so many tokens. Raises ContextError."""
    needed = count_tokens(fitted.messages)
    if needed > max_tokens:
        raise ContextError(f"The prompt needs {needed} tokens, but only {max_tokens} are free.")
    return fitted


def most_that_fit(fit: Callable[[int], Fitted], n: int) -> Fitted:
    """The result of `fit` for the largest number up to n with which it raises no ContextError, found by halving."""
    results = {}

    def fits(left_out):
        with suppress(ContextError):
            results[left_out] = fit(n - left_out)
        return left_out in results

    if fits(0):
        return results[0]
    left_out = bisect_left(range(n), True, lo=min(1, n), key=fits)
    return results[left_out] if left_out in results else fit(0)  # raises the error of what cannot be left out


def check_function(name: str, function: object) -> None:
    """Refuse what cannot be called. Raises SettingsError."""
    if not callable(function):
        raise SettingsError(f"{name}={function!r:.60} is not allowed: it must be a function.")


def check_result(fitted: object) -> Fitted:
    """Give back what a strategy gave. Raises SettingsError where it is something else, such as a list of messages."""
    if not isinstance(fitted, Fitted):
        raise SettingsError(
            f"A history strategy must return Fitted(messages, dropped); this one gave a {type(fitted).__name__}."
        )
    return fitted


def check_strategy(history: object) -> None:
    """Refuse what is no strategy, also a strategy's class without its numbers. Raises SettingsError."""
    if not callable(history) or isinstance(history, type):
        raise SettingsError(f"history must be a strategy such as LastTurns(2), not {history!r:.60}.")


def _fitted(system: list[dict], turns: list[list[dict]], first_kept: int) -> Fitted:
    kept, dropped = turns[first_kept:], turns[:first_kept]
    return Fitted([*system, *chain(*kept)], list(chain(*dropped)))
