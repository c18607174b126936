"""Step 3: which messages still fit. Whole turns go, the oldest first; the system and the newest message stay."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat_helpers.errors import ContextError, MessageError, SettingsError
from nanochat_helpers.history import (
    NOTES_HEADING,
    SUMMARY_HEADING,
    LastTurns,
    PinnedNotes,
    RelevantTurns,
    RunningSummary,
    TokenBudget,
    check_result,
    fit_budget,
    keep_last_turns,
    split_turns,
)


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


# --- what holds for every strategy


def first_words(summary, messages):
    """A toy summary: the first word of each message."""
    return " ".join([*summary.split(), *(message["content"].split()[0] for message in messages)])


def by_shared_letters(question, turns):
    """A toy search: all turns, those with the most letters of the question first."""
    return sorted(range(len(turns)), key=lambda place: -len({*turns[place]} & {*question}))


@st.composite
def strategies(draw):
    number = st.integers(0, 4)
    plain = st.one_of(
        st.builds(LastTurns, number),
        st.builds(TokenBudget, st.none() | st.integers(1, 120), st.integers(1, 4)),
        st.builds(RunningSummary, st.just(first_words), number),
        st.builds(RelevantTurns, st.just(by_shared_letters), number, number),
    )
    notes = st.lists(st.sampled_from(["a", "b b", "c c c c c"]), max_size=3)
    return draw(plain | st.builds(PinnedNotes, notes, plain))


def content_of_system(messages):
    return next((message["content"] for message in messages[:1] if message["role"] == "system"), "")


@given(strategies(), conversations(), st.integers(0, 120))
def test_every_strategy_keeps_the_budget_the_system_message_the_order_and_whole_turns(strategy, messages, budget):
    before = [dict(message) for message in messages]
    system, turns = split_turns(messages)
    try:
        fitted = strategy(messages, count_words, budget)
    except ContextError:
        own = getattr(strategy, "history", strategy)
        assert count_words([*system, *turns[-1]]) > min(budget, getattr(own, "max_tokens", None) or budget)
        return
    finally:
        assert messages == before
    kept = split_turns(fitted.messages)[1]
    assert count_words(fitted.messages) <= budget
    assert content_of_system(fitted.messages).startswith(content_of_system(messages))
    assert [turn for turn in turns if turn in kept] == kept  # whole turns, in their order; no two are equal here
    assert fitted.dropped == joined(turn for turn in turns if turn not in kept)
    assert kept[-1] == turns[-1]


@pytest.mark.parametrize(
    "strategy",
    [
        LastTurns(3),
        TokenBudget(),
        TokenBudget(drop_together=4),
        PinnedNotes(["a note"]),
        RunningSummary(lambda summary, messages: "a summary"),
        RelevantTurns(by_shared_letters),
        PinnedNotes(["a note"] * 50, RelevantTurns(by_shared_letters, n=100)),
    ],
    ids=lambda strategy: type(strategy).__name__,
)
def test_a_budget_below_system_and_newest_message_is_an_error_that_says_so(strategy):
    with pytest.raises(ContextError, match=r"needs a prompt of 7 tokens, but only 6 are free.*shorten the system mess"):
        strategy(CONVERSATION, count_words, 6)


def test_two_hundred_turns_are_counted_a_few_times_only_and_stay_within_the_budget():
    turns = [[message("user", f"question {n}"), message("assistant", f"answer {n}")] for n in range(200)]
    messages = [SYSTEM, *joined(turns), message("user", "the last")]
    every = [
        LastTurns(100),
        TokenBudget(),
        TokenBudget(drop_together=7),
        PinnedNotes([f"note {n}" for n in range(100)], TokenBudget()),
        RunningSummary(first_words, 150),
        RelevantTurns(by_shared_letters, n=200, max_history=3),
    ]
    for strategy in every:
        counted = []

        def count(messages, counted=counted):
            counted.append(messages)
            return count_words(messages)

        fitted = strategy(messages, count, 600)
        assert count_words(fitted.messages) <= 600
        assert len(counted) <= 45, strategy


# --- dropping several turns together


@pytest.mark.parametrize(("budget", "dropped"), [(25, 0), (24, 2), (19, 2), (18, 2), (13, 2), (12, 3), (7, 3)])
def test_dropped_turns_are_rounded_up_to_a_multiple_but_the_newest_stays(budget, dropped):
    fitted = TokenBudget(drop_together=2)(CONVERSATION, count_words, budget)
    assert fitted.dropped == joined(TURNS[:dropped])


def beginnings(strategy, n_turns=30, budget=50):
    """The first kept turn after each of n turns."""
    messages = [message("user", f"{n} two three") for n in range(n_turns)]
    return [strategy(messages[: n + 1], count_words, budget).messages[0]["content"] for n in range(n_turns)]


def test_dropping_together_leaves_the_beginning_of_the_prompt_the_same_for_several_turns():
    one_by_one, in_fives = beginnings(TokenBudget()), beginnings(TokenBudget(drop_together=5))
    assert len(set(one_by_one)) == 21  # ten of 30 turns fit: each new one pushes one out
    assert len(set(in_fives)) == 5
    assert in_fives[9:16] == ["0 two three"] + ["5 two three"] * 5 + ["10 two three"]


@pytest.mark.parametrize("drop_together", [0, -1, 1.5, True, None])
def test_a_bad_drop_together_is_refused_at_once(drop_together):
    with pytest.raises(SettingsError, match=r"^drop_together=.* whole number of 1 or more"):
        TokenBudget(drop_together=drop_together)


# --- pinned notes


def test_notes_stand_at_the_end_of_the_system_message():
    fitted = PinnedNotes(["The dog is Biscuit.", "  "], LastTurns(1))(CONVERSATION, count_words, 100)
    content = f"Be brief.\n\n{NOTES_HEADING}\n- The dog is Biscuit."
    assert fitted.messages == [message("system", content), *joined(TURNS[-2:])]
    assert fitted.dropped == joined(TURNS[:2])


def test_notes_make_a_system_message_where_there_is_none_and_no_notes_change_nothing():
    fitted = PinnedNotes("one\n\ntwo")(CONVERSATION[-1:], count_words, 100)
    assert fitted.messages == [message("system", f"{NOTES_HEADING}\n- one\n- two"), CONVERSATION[-1]]
    assert PinnedNotes("")(CONVERSATION[-1:], count_words, 100).messages == CONVERSATION[-1:]


def test_notes_push_old_turns_out_and_the_last_notes_are_left_out_first():
    notes = PinnedNotes(["a b", "c d", "e f"], TokenBudget())
    # 7 for the system and the newest message, 6 for the heading of the notes, 3 for each note.
    assert len(NOTES_HEADING.split()) == 6
    for budget, n_notes, n_old in [(7, 0, 0), (15, 0, 1), (16, 1, 0), (19, 2, 0), (22, 3, 0), (28, 3, 1), (40, 3, 3)]:
        fitted = notes(CONVERSATION, count_words, budget)
        assert fitted.messages[0]["content"].count("\n- ") == n_notes, budget
        assert len(split_turns(fitted.messages)[1]) == 1 + n_old, budget


@pytest.mark.parametrize("notes", [None, 5, {"dog": "Biscuit"}])
def test_notes_that_are_no_texts_are_refused(notes):
    with pytest.raises(SettingsError, match=r"notes=.* a text or a list of texts"):
        PinnedNotes(notes)


@pytest.mark.parametrize("note", [None, 5, "\ud800"])
def test_a_note_that_is_no_text_is_refused_by_its_number(note):
    with pytest.raises(MessageError, match="Note 1 "):
        PinnedNotes(["fine", note])


@pytest.mark.parametrize("history", [None, 2, LastTurns])
def test_notes_need_a_strategy_for_the_turns(history):
    with pytest.raises(SettingsError, match=r"history must be a strategy such as LastTurns\(2\)"):
        PinnedNotes([], history)


# --- a running summary


class Summariser:
    """Sums up by first words, and remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, summary, messages):
        self.asked.append((summary, [message["content"] for message in messages]))
        return first_words(summary, messages)


def test_older_turns_become_a_summary_at_the_end_of_the_system_message():
    fitted = RunningSummary(first_words, 1)(CONVERSATION, count_words, 100)
    content = f"Be brief.\n\n{SUMMARY_HEADING} one 1 two 2"
    assert fitted.messages == [message("system", content), *joined(TURNS[-2:])]
    assert fitted.dropped == joined(TURNS[:2])
    assert RunningSummary(first_words, 3)(CONVERSATION, count_words, 100).messages == CONVERSATION


def test_only_newly_dropped_turns_are_summed_up_together_with_the_summary_so_far():
    summarise = Summariser()
    strategy = RunningSummary(summarise, 0)
    for n in (1, 2, 2, 3, 4):
        strategy(joined(TURNS[:n]), count_words, 100)
    assert summarise.asked == [("", ["one", "1"]), ("one 1", ["two", "2"]), ("one 1 two 2", ["three", "3"])]


def test_a_conversation_that_took_another_way_does_not_get_the_old_summary():
    summarise = Summariser()
    strategy = RunningSummary(summarise, 0)
    strategy(CONVERSATION[:4], count_words, 100)
    strategy(CONVERSATION, count_words, 100)
    edited = [*CONVERSATION[:3], message("user", "zwei"), message("assistant", "II"), message("user", "next")]
    assert "one 1 zwei II" in strategy(edited, count_words, 100).messages[0]["content"]
    assert summarise.asked[-1] == ("one 1", ["zwei", "II"])  # what was said before the edit is not summed up again
    other = [message("user", "uno"), message("user", "dos")]
    assert strategy(other, count_words, 100).messages[0] == message("system", f"{SUMMARY_HEADING} uno")
    assert summarise.asked[-1] == ("", ["uno"])


def test_a_rewound_conversation_gets_the_summary_that_it_had_then():
    summarise = Summariser()
    strategy = RunningSummary(summarise, 0)
    early = strategy(CONVERSATION[:4], count_words, 100)
    strategy(CONVERSATION, count_words, 100)
    n_asked = len(summarise.asked)
    assert strategy(CONVERSATION[:4], count_words, 100) == early
    assert strategy(CONVERSATION, count_words, 100).messages[0]["content"].endswith("one 1 two 2 three 3")
    assert len(summarise.asked) == n_asked


def test_a_message_that_is_changed_in_place_is_another_message():
    strategy = RunningSummary(first_words, 0)
    messages = [dict(message) for message in CONVERSATION]
    strategy(messages, count_words, 100)
    messages[1]["content"] = "uno"
    assert "uno 1" in strategy(messages, count_words, 100).messages[0]["content"]


def test_a_summary_that_does_not_fit_is_cut_after_a_word_or_left_out():
    strategy = RunningSummary(lambda summary, messages: "s1 s2 s3 s4 s5", 0)
    # 7 for the system and the newest message, 4 for the heading.
    assert len(SUMMARY_HEADING.split()) == 4
    for budget, summary in [(16, "s1 s2 s3 s4 s5"), (15, "s1 s2 s3 …"), (13, "s1 …"), (12, None), (7, None)]:
        content = strategy(CONVERSATION, count_words, budget).messages[0]["content"]
        assert content == ("Be brief." + (f"\n\n{SUMMARY_HEADING} {summary}" if summary else "")), budget


def test_a_quarter_of_the_budget_is_kept_free_for_a_summary():
    fitted = RunningSummary(lambda summary, messages: "word " * 50, 3)(CONVERSATION, count_words, 24)
    assert len(fitted.dropped) == 4  # one turn would do, but then only 5 words of summary would fit
    assert count_words(fitted.messages) == 24


def test_a_summary_that_is_no_text_is_refused_and_not_remembered():
    answers = iter([None, "fine"])
    strategy = RunningSummary(lambda summary, messages: next(answers), 0)
    with pytest.raises(MessageError, match="What summarise gave must be text, not NoneType"):
        strategy(CONVERSATION, count_words, 100)
    assert strategy(CONVERSATION, count_words, 100).messages[0]["content"].endswith("fine")


# --- relevant turns


def find(*places):
    return lambda question, turns: list(places)


def test_found_turns_stay_in_their_order_with_the_last_ones():
    asked = []

    def search(question, turns):
        asked.append((question, turns))
        return [1, 1, 0]

    fitted = RelevantTurns(search, n=2, max_history=0)(CONVERSATION, count_words, 100)
    assert fitted.messages == [SYSTEM, *joined(TURNS[:2]), *TURNS[3]]
    assert fitted.dropped == TURNS[2]
    assert asked == [("four", ["one\n1", "two\n2", "three\n3"])]


@pytest.mark.parametrize(("budget", "kept"), [(25, [0, 1, 2]), (24, [1, 2]), (19, [1, 2]), (18, [1]), (12, [])])
def test_better_found_turns_win_where_not_all_fit(budget, kept):
    fitted = RelevantTurns(find(1, 2, 0), n=3, max_history=0)(CONVERSATION, count_words, budget)
    assert split_turns(fitted.messages)[1] == [*(TURNS[n] for n in kept), TURNS[3]]


@pytest.mark.parametrize("n", [0, 1, 2, 3, 100])
def test_no_more_turns_than_asked_for_are_looked_up(n):
    fitted = RelevantTurns(find(2, 0, 1), n=n, max_history=0)(CONVERSATION, count_words, 100)
    assert len(split_turns(fitted.messages)[1]) == 1 + min(n, 3)


def test_nothing_is_searched_while_all_turns_are_kept_anyway():
    assert RelevantTurns(None.__class__, 2, 3)(CONVERSATION, count_words, 100).messages == CONVERSATION


@pytest.mark.parametrize("places", [[3], [-1], [0.0], ["0"], 5, None])
def test_a_place_that_does_not_exist_is_refused(places):
    with pytest.raises(SettingsError, match=r"find gave .* the places here are 0 to 2"):
        RelevantTurns(lambda question, turns: places, max_history=0)(CONVERSATION, count_words, 100)


@pytest.mark.parametrize(("make", "name"), [(RunningSummary, "summarise"), (RelevantTurns, "find")])
def test_what_is_no_function_is_refused(make, name):
    with pytest.raises(SettingsError, match=f"^{name}='BM25' is not allowed: it must be a function"):
        make("BM25")
    with pytest.raises(SettingsError, match=r"^max_history=-1"):
        make(len, max_history=-1)


@pytest.mark.parametrize("messages", ["some text", 5, ["a", "b"], [{"content": "x"}]])
def test_what_is_no_list_of_messages_is_refused(messages):
    with pytest.raises(MessageError, match=r"^Message"):
        keep_last_turns(messages, 2)


@pytest.mark.parametrize("given", [None, [], ([], [])])
def test_a_strategy_that_gives_something_else_is_told_what_to_return(given):
    with pytest.raises(SettingsError, match=f"must return Fitted.*gave a {type(given).__name__}"):
        check_result(given)
    fitted = keep_last_turns(CONVERSATION, 1)
    assert check_result(fitted) is fitted
