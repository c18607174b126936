"""Step 3: which messages still fit. Whole turns go, the oldest first; the system and the newest message stay."""

from contextlib import suppress
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat_helpers.errors import ContextError, SettingsError
from nanochat_helpers.history import LastTurns, TokenBudget, fit_budget, keep_last_turns, split_turns


def message(role, content):
    return {"role": role, "content": content}


def joined(turns):
    return [*chain(*turns)]


SYSTEM = message("system", "Be brief.")
TURNS = [
    [message("user", "one"), message("assistant", "1")],
    [message("user", "two"), message("assistant", "2")],
    [message("user", "three"), message("assistant", "3")],
    [message("user", "four")],
]
CONVERSATION = [SYSTEM, *joined(TURNS)]


def count_words(messages):
    """A toy count: two for the frame of each message, and one for each word in it."""
    return sum(2 + len(message["content"].split()) for message in messages)


@st.composite
def conversations(draw):
    """Any order of roles after an optional system message; each message can be told from all others."""
    roles = draw(st.lists(st.sampled_from(["user", "assistant"]), min_size=1, max_size=12))
    lengths = draw(st.lists(st.integers(0, 9), min_size=len(roles), max_size=len(roles)))
    rest = [
        message(role, " ".join([f"m{n}", *["word"] * length]))
        for n, (role, length) in enumerate(zip(roles, lengths, strict=True))
    ]
    return ([SYSTEM] if draw(st.booleans()) else []) + rest


def check_fitted(messages, fitted):
    """What holds whatever the strategy: order kept, nothing lost, nothing twice, whole turns, the oldest first."""
    system, turns = split_turns(messages)
    n_dropped = len(fitted.dropped)
    assert fitted.messages[: len(system)] == system
    assert [*system, *fitted.dropped, *fitted.messages[len(system) :]] == messages
    borders = [sum(map(len, turns[:n])) for n in range(len(turns) + 1)]
    assert n_dropped in borders[:-1]  # never in the middle of a turn, and never the newest


# --- turns


def test_a_turn_is_a_users_message_and_the_reply_to_it():
    assert split_turns(CONVERSATION) == ([SYSTEM], TURNS)


def test_replies_in_a_row_belong_to_one_turn_and_questions_in_a_row_to_several():
    a, b, c, d = (message(*pair) for pair in [("user", "a"), ("assistant", "b"), ("assistant", "c"), ("user", "d")])
    assert split_turns([a, b, c, d]) == ([], [[a, b, c], [d]])
    assert split_turns([a, d]) == ([], [[a], [d]])
    assert split_turns([b, a]) == ([], [[b], [a]])
    assert split_turns([]) == ([], [])


# --- max_history


@pytest.mark.parametrize(("max_history", "kept"), [(0, 1), (1, 2), (2, 3), (3, 4), (4, 4), (10**9, 4)])
def test_max_history_is_the_number_of_turns_before_the_newest_message(max_history, kept):
    fitted = keep_last_turns(CONVERSATION, max_history)
    assert fitted.messages == [SYSTEM, *joined(TURNS[-kept:])]
    assert fitted.dropped == joined(TURNS[:-kept])


@pytest.mark.parametrize("max_history", [-1, 1.0, True, "2", None, float("nan")])
def test_a_bad_max_history_is_refused_at_once(max_history):
    with pytest.raises(SettingsError, match=r"^max_history=.* is not allowed: it must be a whole number of 0 or more"):
        LastTurns(max_history)
    with pytest.raises(SettingsError):
        keep_last_turns(CONVERSATION, max_history)


@given(conversations(), st.integers(0, 8))
def test_last_turns_keep_whole_turns(messages, max_history):
    fitted = keep_last_turns(messages, max_history)
    check_fitted(messages, fitted)
    assert len(split_turns(fitted.messages)[1]) == min(max_history + 1, len(split_turns(messages)[1]))


# --- the token budget


def test_the_oldest_turns_go_until_the_rest_fits():
    # 4 words for the system message, 6 for each old turn, 3 for the newest message: 25 in all.
    assert count_words(CONVERSATION) == 25
    for budget, dropped in [(25, 0), (24, 1), (19, 1), (18, 2), (13, 2), (12, 3), (7, 3)]:
        fitted = fit_budget(CONVERSATION, count_words, budget)
        assert fitted.dropped == joined(TURNS[:dropped]), budget
        assert fitted.messages == [SYSTEM, *joined(TURNS[dropped:])], budget


def test_what_can_never_fit_is_an_error_that_says_how_much_is_needed():
    with pytest.raises(ContextError, match=r"needs a prompt of 7 tokens, but only 6 are free.*shorten the system mess"):
        fit_budget(CONVERSATION, count_words, 6)
    with pytest.raises(ContextError, match=r"needs a prompt of 3 tokens, but only 2 are free: please send a shorter"):
        fit_budget(CONVERSATION[1:], count_words, 2)


@given(conversations(), st.integers(0, 120))
def test_the_budget_is_never_exceeded_and_the_system_message_always_there(messages, budget):
    system, turns = split_turns(messages)
    try:
        fitted = fit_budget(messages, count_words, budget)
    except ContextError:
        assert count_words([*system, *turns[-1]]) > budget
    else:
        assert count_words(fitted.messages) <= budget
        check_fitted(messages, fitted)


@given(conversations(), st.integers(0, 120))
def test_no_more_is_dropped_than_must_be(messages, budget):
    """Equal to trying one turn after the other."""
    system, turns = split_turns(messages)
    naive = next(
        (first for first in range(len(turns)) if count_words([*system, *joined(turns[first:])]) <= budget), None
    )
    if naive is None:
        with pytest.raises(ContextError):
            fit_budget(messages, count_words, budget)
    else:
        assert fit_budget(messages, count_words, budget).dropped == joined(turns[:naive])


def test_a_long_conversation_is_counted_only_a_few_times():
    counted = []

    def count(messages):
        counted.append(len(messages))
        return len(messages)

    fitted = fit_budget([message("user", str(n)) for n in range(1000)], count, 10)
    assert [kept["content"] for kept in fitted.messages] == [str(n) for n in range(990, 1000)]
    assert len(counted) <= 11


# --- strategies, as Chat uses them


@given(conversations(), st.integers(0, 5), st.integers(0, 120))
def test_last_turns_drop_further_turns_where_the_context_is_short(messages, max_history, budget):
    try:
        fitted = LastTurns(max_history)(messages, count_words, budget)
    except ContextError:
        return
    assert count_words(fitted.messages) <= budget
    assert len(split_turns(fitted.messages)[1]) <= max_history + 1
    check_fitted(messages, fitted)


@pytest.mark.parametrize(
    ("own", "context", "dropped"), [(None, 25, 0), (None, 19, 1), (19, 100, 1), (100, 19, 1), (13, 19, 2)]
)
def test_a_token_budget_is_the_smaller_of_its_own_and_the_contexts(own, context, dropped):
    fitted = TokenBudget(own)(CONVERSATION, count_words, context)
    assert fitted.dropped == joined(TURNS[:dropped])


@pytest.mark.parametrize("max_tokens", [0, -1, 1.5, True, "100", float("inf")])
def test_a_bad_token_budget_is_refused_at_once(max_tokens):
    with pytest.raises(SettingsError, match=r"^max_tokens=.* is not allowed: it must be a whole number of 1 or more"):
        TokenBudget(max_tokens)


@given(conversations(), st.integers(20, 120))
def test_fitting_leaves_the_conversation_alone(messages, budget):
    before = [dict(message) for message in messages]
    for strategy in (LastTurns(1), TokenBudget(budget)):
        with suppress(ContextError):
            strategy(messages, count_words, 120)
        assert messages == before
