"""Sheet 06: what stays in the prompt. Toy conversations, in which a word is a token.

The references are `nanochat_helpers.history` and the prefix that a backbone keeps. A function that counts tokens is
made in here, as cases hold plain data only.
"""

from random import Random

from ... import history
from ...errors import ContextError
from ...language import tr
from ...tokens import common_prefix_length
from ..comparing import difference
from ..exercise import Case, Exercise, Misconception
from ..toys.context import COUNTS, REPLY_BEGINS, WRAPPING, are_messages, count_tokens, with_count, with_count_tokens

TOPICS = ("cat", "lake", "band", "test", "cake", "moon", "song")


def _said(role: str, text: str) -> dict:
    return {"role": role, "content": text}


def _talk(system: int, *sizes: int) -> list[dict]:
    """A conversation in which each message has so many words: the user says "cat cat", the assistant "Cat".

    system: the words of the system message; 0 for none.
    """
    messages = [_said("system", " ".join(["kind"] * system))] if system else []
    for place, n_words in enumerate(sizes):
        topic = TOPICS[place // 2]
        role, word = ("assistant", topic.title()) if place % 2 else ("user", topic)
        messages.append(_said(role, " ".join([word] * n_words)))
    return messages


def _same_again(n_turns: int) -> list[dict]:
    """A conversation in which all turns have the same words."""
    return [_said("user", "cat"), _said("assistant", "Cat")] * n_turns + [_said("user", "cat")]


def _shown(messages: list[dict]) -> str:
    """A conversation in one line: [system "kind kind", user "cat cat"]."""
    return "[" + ", ".join(f'{message["role"]} "{message["content"]}"' for message in messages) + "]"


def _same_messages(expected, got):
    """Compare two lists of messages; names those that were kept by their first words."""
    found = difference(expected, got)
    if found is None or not are_messages(got) or _first_words(expected) == _first_words(got):
        return found
    kept = {"wanted": _first_words(expected), "found": _first_words(got)}
    return tr("It should keep {wanted}, but it keeps {found}.", **kept)


def _first_words(messages):
    return ", ".join(message["content"].partition(" ")[0] for message in messages) or tr("nothing")


# --- 06.1 what a conversation costs


def _prompt_length(messages, count):
    return REPLY_BEGINS + sum(count(message["content"]) + WRAPPING for message in messages)


def _no_wrapping(messages, count):
    return REPLY_BEGINS + sum(count(message["content"]) for message in messages)


def _wrapped_once(messages, count):
    return REPLY_BEGINS + WRAPPING + sum(count(message["content"]) for message in messages)


def _last_one_only(messages, count):
    return count(messages[-1]["content"]) + WRAPPING if messages else REPLY_BEGINS


def _characters(messages, count):
    return REPLY_BEGINS + sum(len(message["content"]) + WRAPPING for message in messages)


def _role_paid_twice(messages, count):
    return _prompt_length(messages, count) + sum(count(message["role"]) for message in messages)


def _cost_case(rng: Random) -> tuple:
    return _random_talk(rng, rng.randint(1, 4)), rng.choice(sorted(COUNTS))


def _random_talk(rng: Random, n_turns: int) -> list[dict]:
    """A system message, more often than not; some turns, and the newest message. A few messages are long."""
    system = rng.randint(1, 4) if rng.random() < 0.6 else 0
    return _talk(system, *(rng.choice((1, 1, 2, 3, 8)) for _ in range(2 * n_turns + 1)))


COST = Exercise(
    id="06.1",
    title="What a conversation costs",
    points=1,
    signature="prompt_length(messages, count)",
    reference=_prompt_length,
    edge_cases=(
        Case(([_said("system", "Be kind."), _said("user", "Hi")], "count_words")),
        Case(([_said("system", "Be kind."), _said("user", "Hi")], "count_letters"), "count may count something else"),
        Case(([_said("user", "Hi")], "count_words"), "a single message"),
        Case(([_said("system", ""), _said("user", "Hi")], "count_words"), "an empty message has a wrapping, too"),
        Case((_talk(2, 1, 1, 1, 1, 1), "count_words"), "two turns and a new message"),
    ),
    random_case=_cost_case,
    call=with_count,
    show=lambda messages, count: f"prompt_length({_shown(messages)}, {count})",
    misconceptions=(
        Misconception(
            "forgot the wrapping",
            _no_wrapping,
            "You count what was said, and nothing else. What does the template put around *each* message?",
        ),
        Misconception(
            "counted the wrapping once",
            _wrapped_once,
            "Yours has one wrapping in all. How many messages are wrapped up?",
        ),
        Misconception(
            "replaced the total instead of adding",
            _last_one_only,
            "Only the last message is left in your total: each round of the loop throws the sum away. What does `+=` "
            "do that `=` does not?",
        ),
        Misconception(
            "counted characters",
            _characters,
            "`len` of a text counts characters, also the spaces. Which function were you given that counts tokens?",
        ),
        Misconception(
            "paid for the role twice",
            _role_paid_twice,
            "Your prompt is a little too long for each message. The name of the role is part of the wrapping: is it "
            "among the 5 tokens already?",
        ),
    ),
    hints=(
        'A message is a dictionary: `message["content"]` is what was said, and `count(…)` of it is its length.',
        "Each message adds two numbers to `total`: the length of what was said, and 5.",
    ),
)

# --- 06.2 the last turns


def _split(messages):
    n_system = int(bool(messages) and messages[0]["role"] == "system")
    return messages[:n_system], messages[n_system:]


def _last_turns(messages, max_history):
    return history.keep_last_turns(messages, max_history).messages


def _system_lost(messages, max_history):
    return messages[-(2 * max_history + 1) :]


def _counted_messages(messages, max_history):
    system, rest = _split(messages)
    return system + rest[-(max_history + 1) :]


def _half_a_turn(messages, max_history):
    system, rest = _split(messages)
    return system + rest[-(2 * max_history) :]


def _first_is_system(messages, max_history):
    return messages[:1] + messages[1:][-(2 * max_history + 1) :]


def _system_twice(messages, max_history):
    system, _ = _split(messages)
    return system + messages[-(2 * max_history + 1) :]


def _newest_is_a_turn(messages, max_history):
    system, rest = _split(messages)
    return system + rest[-max(1, 2 * max_history - 1) :]


def _turns_case(rng: Random) -> tuple:
    n_turns = rng.randint(1, 5)
    return _random_talk(rng, n_turns), rng.randint(0, n_turns + 2)


LAST_TURNS = Exercise(
    id="06.2",
    title="The last turns, and the system message",
    points=2,
    signature="last_turns(messages, max_history)",
    reference=_last_turns,
    edge_cases=(
        Case((_talk(1, 1, 1, 1, 1, 1), 1)),
        Case((_talk(1, 1, 1, 1, 1, 1), 0), "max_history is 0: no earlier turn stays"),
        Case((_talk(0, 1, 1, 1, 1, 1, 1, 1), 2), "there is no system message"),
        Case((_talk(1, 1, 1, 1), 5), "there are fewer turns than may stay"),
        Case((_talk(0, 1, 1, 1), 0), "no system message, and no earlier turn stays"),
        Case((_talk(1, 1), 2), "the conversation has only just begun"),
        Case((_same_again(3), 1), "all turns have the same words: only their places tell them apart"),
    ),
    random_case=_turns_case,
    show=lambda messages, max_history: f"last_turns({_shown(messages)}, max_history={max_history})",
    compare=_same_messages,
    misconceptions=(
        Misconception(
            "dropped the system message first",
            _system_lost,
            "The system message is the oldest one, so it falls out first in yours. Who tells the model how to behave "
            "then? Put it aside before you cut.",
        ),
        Misconception(
            "counted messages, not turns",
            _counted_messages,
            "You keep `max_history` messages before the newest one. How many messages does one turn have?",
        ),
        Misconception(
            "left an answer without its question",
            _half_a_turn,
            "You keep an even number of messages, and the first one is an answer: to what? The newest message counts, "
            "too. (And what does `rest[-0:]` give?)",
        ),
        Misconception(
            "took any first message for a system message",
            _first_is_system,
            "Not every conversation has a system message. What is the role of the first message where yours is wrong?",
        ),
        Misconception(
            "had the system message twice",
            _system_twice,
            "Where there are fewer turns than may stay, your last messages reach back to the system message, and it "
            "comes twice. From which list should the last messages be taken?",
        ),
        Misconception(
            "counted the newest message as a turn",
            _newest_is_a_turn,
            "One turn too few stays. The `max_history` turns stand *before* the newest message, which comes on top.",
        ),
    ),
    hints=(
        "First split the list in two: `system`, a list with one message or none, and `rest`, all others.",
        "How many messages of `rest` stay? Two for each turn, and the newest one. It is an odd number.",
        "`rest[-n:]` gives the last n entries, or all where there are fewer. (Beware: `rest[-0:]` gives all, too.)",
    ),
)

# --- 06.3 a budget of tokens


def _fit_budget(messages, count_tokens, window, for_reply):
    return history.fit_budget(messages, count_tokens, window - for_reply).messages


def _checked(messages, count_tokens, limit):
    """Raise the error where not even the system message and the newest message fit."""
    system, rest = _split(messages)
    if count_tokens(system + rest[-1:]) > limit:
        raise ContextError("too long")
    return system, rest


def _oldest_first(messages, count_tokens, window, for_reply):
    kept = list(messages)
    while count_tokens(kept) > window - for_reply:
        kept.pop(0)
    return kept


def _no_room(messages, count_tokens, window, for_reply):
    return _fit_budget(messages, count_tokens, window, 0)


def _single_messages(messages, count_tokens, window, for_reply):
    system, rest = _checked(messages, count_tokens, window - for_reply)
    while count_tokens(system + rest) > window - for_reply:
        rest = rest[1:]
    return system + rest


def _with_a_hole(messages, count_tokens, window, for_reply):
    system, rest = _checked(messages, count_tokens, window - for_reply)
    kept = rest[-1:]
    for place in range(len(rest) - 3, -1, -2):
        longer = rest[place : place + 2] + kept
        if count_tokens(system + longer) <= window - for_reply:
            kept = longer
    return system + kept


def _drops_the_newest(messages, count_tokens, window, for_reply):
    system, rest = _split(messages)
    while rest and count_tokens(system + rest) > window - for_reply:
        rest = rest[2:]
    return system + rest


def _added_up(messages, count_tokens, window, for_reply):
    return _fit_budget(messages, lambda some: sum(count_tokens([each]) for each in some), window, for_reply)


def _budget_case(rng: Random) -> tuple:
    """One turn is long, but not the oldest. Some do not fit, but would without their system message."""
    sizes = [rng.randint(1, 3) for _ in range(2 * rng.randint(2, 4) + 1)]
    sizes[rng.randrange(2, len(sizes) - 1)] = 9
    messages = _talk(rng.choice((0, 1, 2, 3)), *sizes)
    system, rest = _split(messages)
    least, most = count_tokens(system + rest[-1:]), count_tokens(messages)
    too_long = system and rng.random() < 0.35
    room = least - rng.randint(1, len(system[0]["content"].split())) if too_long else rng.randint(least, most)
    for_reply = rng.randint(4, 12)
    return messages, room + for_reply, for_reply


FIT_BUDGET = Exercise(
    id="06.3",
    title="A budget of tokens",
    points=4,
    signature="fit_budget(messages, count_tokens, window, for_reply)",
    reference=_fit_budget,
    edge_cases=(
        Case((_talk(2, 3, 2, 1, 2, 3), 20, 5)),
        Case((_talk(2, 3, 2, 1, 2, 3), 22, 5), "all fits, exactly"),
        Case((_talk(2, 1, 1, 6, 3, 3), 20, 5), "a long turn stands between two short ones"),
        Case((_talk(0, 3, 2, 1, 2, 3), 16, 5), "there is no system message"),
        Case((_talk(2, 3, 2, 9), 18, 5), "not even the system message and the newest message fit"),
        Case((_talk(2, 3), 14, 5), "only two messages, and they fit exactly"),
        Case((_same_again(2), 12, 4), "all turns have the same words: only their places tell them apart"),
    ),
    random_case=_budget_case,
    call=with_count_tokens,
    show=lambda messages, window, for_reply: (
        f"fit_budget({_shown(messages)}, count_tokens, window={window}, for_reply={for_reply})"
    ),
    compare=_same_messages,
    misconceptions=(
        Misconception(
            "dropped the system message first",
            _oldest_first,
            "You drop from the front, and at the front stands the system message. Which message must never fall out?",
        ),
        Misconception(
            "forgot the room for the reply",
            _no_room,
            "Your prompt may fill the whole window. Where will the reply stand?",
        ),
        Misconception(
            "left an answer without its question",
            _single_messages,
            "Yours drops one message at a time, so an answer may stay whose question is gone. What is the smallest "
            "thing that may be dropped?",
        ),
        Misconception(
            "skipped a long turn and kept an older one",
            _with_a_hole,
            "There is a hole in your conversation: a turn in the middle is gone, but an older one is there. Where one "
            "turn does not fit, what must happen to all turns before it?",
        ),
        Misconception(
            "dropped the newest message",
            _drops_the_newest,
            "When nothing fits, yours drops even the newest message. What should the model answer then? Here an error "
            "is the honest way out.",
        ),
        Misconception(
            "added up single messages",
            _added_up,
            "You count each message by itself and add up. `count_tokens` gives the length of a *whole* prompt: what "
            "does each single message bring along, once too often?",
        ),
    ),
    hints=(
        "By hand first: how many tokens may the prompt have? Is all of it short enough? If not, what goes first?",
        "Put the system message aside. As long as system and rest together are too long, the two oldest messages of "
        "the rest go.",
        "If only the newest message is left in the rest, and it is still too long, then it is time for the error.",
    ),
)

# --- 06.4 what a KV cache can keep


def _n_reused(read_ids, prompt_ids):
    return min(common_prefix_length(read_ids, prompt_ids), len(prompt_ids) - 1)


def _all_kept(read_ids, prompt_ids):
    return common_prefix_length(read_ids, prompt_ids)


def _same_places(read_ids, prompt_ids):
    return sum(one == other for one, other in zip(read_ids, prompt_ids, strict=False))


def _anywhere(read_ids, prompt_ids):
    return sum(token_id in read_ids for token_id in prompt_ids)


def _still_to_read(read_ids, prompt_ids):
    return len(prompt_ids) - _n_reused(read_ids, prompt_ids)


def _always_one_less(read_ids, prompt_ids):
    return common_prefix_length(read_ids, prompt_ids) - 1


def _ids_case(rng: Random) -> tuple:
    """A prompt that goes on, was changed in the middle, lost something at the front, or is the beginning of the old."""
    read = [rng.randint(1, 9) for _ in range(rng.randint(2, 8))]
    place = rng.randrange(len(read) - 1)
    new = [rng.randint(1, 9) for _ in range(rng.randint(1, 3))]
    changed = read[:place] + [rng.randint(10, 19)] + read[place + 1 :] + new
    return read, rng.choice((changed, changed, read + new, read[:1] + read[2:] + new, read[: place + 1], list(read)))


N_REUSED = Exercise(
    id="06.4",
    title="What need not be read again",
    points=2,
    signature="n_reused(read_ids, prompt_ids)",
    reference=_n_reused,
    edge_cases=(
        Case(([5, 6, 7, 8], [5, 6, 9, 8])),
        Case(([5, 6, 7], [5, 6, 7, 8, 9]), "the prompt only goes on"),
        Case(([5, 6, 7], [5, 6, 7]), "the very same prompt: the last token is read all the same"),
        Case(([5, 6, 7, 8], [5, 6]), "the prompt is shorter than what was read"),
        Case(([5, 6, 7], [6, 7, 8]), "already the first token differs"),
        Case(([5, 6, 7, 8], [5, 9, 7, 8, 4]), "behind a token that differs, the same ones come again"),
        Case(([], [5, 6]), "nothing was read before"),
    ),
    random_case=_ids_case,
    misconceptions=(
        Misconception(
            "kept the whole prompt",
            _all_kept,
            "Where the whole prompt was read before, you leave nothing to read. But only the *last* token's way "
            "through the model gives the logits: how many may be kept at most?",
        ),
        Misconception(
            "went on after the first difference",
            _same_places,
            "You count equal tokens also *behind* the first different one. Are the model's notes about them still "
            "valid, now that something before them has changed?",
        ),
        Misconception(
            "counted tokens wherever they stand",
            _anywhere,
            "You ask whether a token was read anywhere. A note is only valid at the same place, after the same text.",
        ),
        Misconception(
            "counted what must be read",
            _still_to_read,
            "You counted the tokens that are new. The question is how many need *not* be read.",
        ),
        Misconception(
            "took one away each time",
            _always_one_less,
            "You always take one away. When the prompt goes on with new tokens, its last token is new anyway: is there "
            "then any need to read another one again?",
        ),
    ),
    hints=(
        "Walk along both lists at the same time, and stop at the first place where they differ, or where one ends.",
        "Two numbers: how many tokens are the same at the beginning, and the length of the prompt without its last "
        "token. Which of the two is the answer?",
    ),
)

EXERCISES = (COST, LAST_TURNS, FIT_BUDGET, N_REUSED)
