"""Sheet 05: the loop around a model, its length budget and its stop strings. The model is a toy with a few rows.

The references are small functions of their own, and `stopping.StopStringWatch` for the text that waits.
"""

import random
from collections.abc import Callable

from ...language import tr
from ...stopping import StopStringWatch
from ..comparing import difference, value_text
from ..exercise import Case, Exercise, Misconception
from ..toys.generation import with_toy_model


def _show_with_toy(name: str, *names: str) -> Callable[..., str]:
    """How such a call reads: "write_greedy(toy model with the rows [[0, 3], [3, 0]], input_ids=[1], ...)"."""

    def show(rows, *rest):
        pairs = ", ".join(f"{each}={value_text(value)}" for each, value in zip(names, rest, strict=True))
        model = tr("toy model with the rows {rows}", rows=value_text(rows))
        return f"{name}({model}, {pairs})"

    return show


# --- 05.1 the length budget


def _room(prompt_length, max_new_tokens, max_length, context_length):
    budget = max_length - prompt_length if max_new_tokens is None else max_new_tokens
    return max(0, min(budget, context_length - prompt_length))


def _counted_the_prompt(prompt_length, max_new_tokens, max_length, context_length):
    limit = max_length if max_new_tokens is None else max_new_tokens
    return max(0, min(limit, context_length) - prompt_length)


def _forgot_the_prompt(prompt_length, max_new_tokens, max_length, context_length):
    limit = max_length if max_new_tokens is None else max_new_tokens
    return max(0, min(limit, context_length - prompt_length))


def _smaller_of_both(prompt_length, max_new_tokens, max_length, context_length):
    limits = [context_length - prompt_length]
    if max_new_tokens is not None:
        limits.append(max_new_tokens)
    if max_length is not None:
        limits.append(max_length - prompt_length)
    return max(0, min(limits))


def _forgot_the_context(prompt_length, max_new_tokens, max_length, context_length):
    return max(0, max_length - prompt_length if max_new_tokens is None else max_new_tokens)


def _whole_context(prompt_length, max_new_tokens, max_length, context_length):
    return min(_forgot_the_context(prompt_length, max_new_tokens, max_length, context_length), context_length)


def _length_wins(prompt_length, max_new_tokens, max_length, context_length):
    return _room(prompt_length, max_new_tokens if max_length is None else None, max_length, context_length)


def _room_case(rng):
    which = rng.choice(("new", "length", "length", "both", "both"))
    max_new_tokens = None if which == "length" else rng.randint(1, 80)
    max_length = None if which == "new" else rng.randint(1, 120)
    return rng.randint(1, 60), max_new_tokens, max_length, rng.choice((50, 100))


ROOM = Exercise(
    id="05.1",
    title="The length budget",
    points=2,
    signature="room_for_reply(prompt_length, max_new_tokens, max_length, context_length)",
    reference=_room,
    edge_cases=(
        Case((30, None, 50, 2048), "only max_length is set"),
        Case((30, 40, None, 2048), "only max_new_tokens is set"),
        Case((30, 40, 50, 2048), "both are set"),
        Case((30, 10, 50, 2048), "both are set, and max_length leaves more"),
        Case((2000, 100, None, 2048), "the context is nearly full"),
        Case((2000, None, 4000, 2048), "max_length is more than the context has"),
        Case((30, None, 20, 2048), "the prompt alone is longer than max_length"),
        Case((3000, 100, None, 2048), "the prompt alone is longer than the context"),
    ),
    random_case=_room_case,
    n_random=30,
    misconceptions=(
        Misconception(
            "counted the prompt in max_new_tokens",
            _counted_the_prompt,
            "You take the prompt away from max_new_tokens, too. *New* tokens are those of the reply: does the prompt "
            "count there?",
        ),
        Misconception(
            "forgot that max_length counts the prompt",
            _forgot_the_prompt,
            "With a prompt of 30 and max_length 50 you allow 50 tokens. How many of these 50 has the prompt used up?",
        ),
        Misconception(
            "took the smaller one where both are set",
            _smaller_of_both,
            "Where both are set, you take the smaller limit. Read the text again: one of the two wins, even if it is "
            "larger.",
        ),
        Misconception(
            "forgot the context",
            _forgot_the_context,
            "A prompt of 2000 in a context of 2048, and you allow 100 tokens. Where should the last ones go?",
        ),
        Misconception(
            "gave the whole context to the reply",
            _whole_context,
            "You compare with the whole context. Prompt and reply share it: how much of it is still free?",
        ),
        Misconception(
            "let max_length win",
            _length_wins,
            "Where both are set, you use max_length. Read the text again: which of the two wins?",
        ),
    ),
    hints=(
        "Two numbers first: what the settings allow, and what the context has left. The smaller of them counts.",
        "`None` is not a number: ask `if max_new_tokens is not None` before you calculate with it.",
        "`max(0, ...)` gives 0 where the number is below 0.",
    ),
)

# --- 05.2 the greedy loop


def _best(next_token_logits, ids):
    return next_token_logits(ids).argmax().item()


def _write_greedy(next_token_logits, input_ids, max_new_tokens, end_ids):
    new_ids = []
    while len(new_ids) < max_new_tokens:
        token_id = _best(next_token_logits, input_ids + new_ids)
        if token_id in end_ids:
            break
        new_ids.append(token_id)
    return new_ids


def _only_the_last(next_token_logits, input_ids, max_new_tokens, end_ids):
    return _write_greedy(lambda ids: next_token_logits(ids[-1:]), input_ids, max_new_tokens, end_ids)


def _only_the_prompt(next_token_logits, input_ids, max_new_tokens, end_ids):
    return _write_greedy(lambda ids: next_token_logits(input_ids), input_ids, max_new_tokens, end_ids)


def _kept_the_end(next_token_logits, input_ids, max_new_tokens, end_ids):
    new_ids = []
    for _ in range(max_new_tokens):
        new_ids.append(_best(next_token_logits, input_ids + new_ids))
        if new_ids[-1] in end_ids:
            break
    return new_ids


def _prompt_in_the_budget(next_token_logits, input_ids, max_new_tokens, end_ids):
    return _write_greedy(next_token_logits, input_ids, max_new_tokens - len(input_ids), end_ids)


def _one_too_many(next_token_logits, input_ids, max_new_tokens, end_ids):
    return _write_greedy(next_token_logits, input_ids, max_new_tokens + 1, end_ids)


def _prompt_in_the_reply(next_token_logits, input_ids, max_new_tokens, end_ids):
    return input_ids + _write_greedy(next_token_logits, input_ids, max_new_tokens, end_ids)


GREEDY_ROWS = [[0, 3, 1, 2, 0], [1, 0, 2, 0, 3], [0, 1, 0, 3, 2]]  # the best tokens are 1, 4 and 3


def _greedy_case(rng):
    """Rows without ties; in one or two of them, an end token is the best."""
    n_tokens = rng.randint(4, 6)
    rows = [rng.sample(range(n_tokens), n_tokens) for _ in range(rng.randint(3, 5))]
    ends = sorted({row.index(max(row)) for row in rng.sample(rows, rng.choice((1, 1, 2)))})
    return rows, _prompt(rng, n_tokens), rng.randint(1, 8), ends


def _prompt(rng, n_tokens):
    return [rng.randrange(n_tokens) for _ in range(rng.randint(1, 4))]


GREEDY = Exercise(
    id="05.2",
    title="The greedy loop",
    points=3,
    signature="write_greedy(next_token_logits, input_ids, max_new_tokens, end_ids)",
    reference=_write_greedy,
    edge_cases=(
        Case((GREEDY_ROWS, [2, 1], 8, [3]), "the toy of the example"),
        Case((GREEDY_ROWS, [2, 1], 1, [3]), "the budget is a single token"),
        Case((GREEDY_ROWS, [2, 1], 2, [3]), "the budget is used up just before the end token"),
        Case((GREEDY_ROWS, [2, 0], 8, [3]), "the model wants to end at once"),
        Case((GREEDY_ROWS, [2, 0], 6, [2]), "the end token never comes"),
        Case((GREEDY_ROWS, [2, 1], 8, [3, 4]), "there are two end tokens"),
        Case((GREEDY_ROWS, [0, 3], 8, [3]), "the prompt ends with an end token, which means nothing there"),
    ),
    random_case=_greedy_case,
    n_random=30,
    call=with_toy_model,
    show=_show_with_toy("write_greedy", "input_ids", "max_new_tokens", "end_ids"),
    misconceptions=(
        Misconception(
            "gave the model only the last token",
            _only_the_last,
            "Your model sees a single token each time. A model remembers nothing: it must be given *all* that is there "
            "so far.",
        ),
        Misconception(
            "gave the model only the prompt",
            _only_the_prompt,
            "Your model is asked the same thing each time, so it says the same each time. It must also see the "
            "new tokens.",
        ),
        Misconception(
            "left the end token in the reply",
            _kept_the_end,
            "The end token is in your answer. It only says *over to you*: look at the token before you put it into the "
            "list.",
        ),
        Misconception(
            "counted the prompt in the budget",
            _prompt_in_the_budget,
            "Your reply is shorter where the prompt is longer. `max_new_tokens` counts only the *new* tokens.",
        ),
        Misconception(
            "wrote one token too many",
            _one_too_many,
            "Where no end token comes, your reply has one token more than the budget. Is your comparison `<` or `<=`?",
        ),
        Misconception(
            "returned the prompt as well",
            _prompt_in_the_reply,
            "The right tokens, but with the prompt in front of them. The user knows it already: return only the "
            "new ones.",
        ),
    ),
    hints=(
        "Round by round: ask the model, take the best token, is it an end token? Only if not, it goes into the list.",
        "The model gets `input_ids + new_ids`. That makes a new list, so `input_ids` stays as it was.",
        "`logits.argmax().item()` is the id of the largest logit, as a whole number. `break` leaves a loop.",
    ),
)

# --- 05.3 the sampling loop


def _draw(next_token_probs, ids, u):
    from ...sampling import draw

    return draw(next_token_probs(ids), u)


def _write(next_token_probs, input_ids, needles, end_ids):
    new_ids = []
    for u in needles:
        token_id = _draw(next_token_probs, input_ids + new_ids, u)
        if token_id in end_ids:
            return new_ids, "stop"
        new_ids.append(token_id)
    return new_ids, "length"


def _asked_once(next_token_probs, input_ids, needles, end_ids):
    return _write(lambda ids: next_token_probs(input_ids), input_ids, needles, end_ids)


def _first_needle(next_token_probs, input_ids, needles, end_ids):
    return _write(next_token_probs, input_ids, needles[:1] * len(needles), end_ids)


def _most_likely(next_token_probs, input_ids, needles, end_ids):
    return _write(next_token_probs, input_ids, [0.0] * len(needles), end_ids)


def _sampled_from_the_last(next_token_probs, input_ids, needles, end_ids):
    return _write(lambda ids: next_token_probs(ids[-1:]), input_ids, needles, end_ids)


def _end_in_the_list(next_token_probs, input_ids, needles, end_ids):
    new_ids = []
    for u in needles:
        new_ids.append(_draw(next_token_probs, input_ids + new_ids, u))
        if new_ids[-1] in end_ids:
            return new_ids, "stop"
    return new_ids, "length"


def _length_first(next_token_probs, input_ids, needles, end_ids):
    new_ids, reason = _write(next_token_probs, input_ids, needles, end_ids)
    return new_ids, "length" if len(new_ids) >= len(needles) - 1 else reason


def _pair_difference(expected, got):
    if type(got) is list and type(expected) is tuple:
        return tr(
            "It should return two things: `return new_ids, finish_reason`. (Without brackets: that makes a tuple.)"
        )
    return difference(expected, got)


SAMPLED_ROWS = [[0.5, 0.3, 0.2, 0.0], [0.2, 0.5, 0.0, 0.3], [0.1, 0.2, 0.3, 0.4]]
SHARES = ([0.5, 0.3, 0.2, 0.0], [0.6, 0.25, 0.1, 0.05], [0.4, 0.35, 0.15, 0.1])
NEEDLES = [number / 100 for number in range(1, 100) if number % 5]  # never on the border of two tokens


def _write_case(rng):
    rows = [rng.sample(rng.choice(SHARES), 4) for _ in range(rng.randint(2, 4))]
    needles = [rng.choice(NEEDLES) for _ in range(rng.randint(1, 6))]
    return rows, _prompt(rng, 4), needles, [rng.randrange(4)]


WRITE = Exercise(
    id="05.3",
    title="The loop with luck",
    points=4,
    signature="write(next_token_probs, input_ids, needles, end_ids)",
    reference=_write,
    edge_cases=(
        Case((SAMPLED_ROWS, [1], [0.32, 0.62, 0.72, 0.12], [3]), "the toy of the example"),
        Case((SAMPLED_ROWS, [1], [0.32, 0.62], [3]), "the needles are used up before the end token comes"),
        Case((SAMPLED_ROWS, [1], [0.32, 0.62, 0.72], [3]), "the end token comes with the last needle"),
        Case((SAMPLED_ROWS, [2, 2, 1], [0.12, 0.52], [3]), "the end token comes at once"),
        Case((SAMPLED_ROWS, [1], [], [3]), "there is no needle at all"),
        Case((SAMPLED_ROWS, [1], [0.32, 0.62, 0.97, 0.12], [0, 3]), "there are two end tokens"),
    ),
    random_case=_write_case,
    n_random=30,
    call=with_toy_model,
    compare=_pair_difference,
    show=_show_with_toy("write", "input_ids", "needles", "end_ids"),
    misconceptions=(
        Misconception(
            "asked the model only once",
            _asked_once,
            "All your tokens are drawn from the same probabilities. With each new token the text is another one: when "
            "must the model be asked again?",
        ),
        Misconception(
            "used the first needle for each token",
            _first_needle,
            "Your luck is the same for each token. There is one needle for each: which one belongs to this round?",
        ),
        Misconception(
            "always took the most likely token",
            _most_likely,
            "Your needles have no effect: that is the greedy loop of 05.2. Who chooses here? (`draw` is imported.)",
        ),
        Misconception(
            "gave the model only the last token",
            _sampled_from_the_last,
            "Your model sees a single token each time. It must be given the prompt and all new tokens.",
        ),
        Misconception(
            "left the end token in the reply",
            _end_in_the_list,
            "The end token is in your list. It says that the reply is over, and is no part of it.",
        ),
        Misconception(
            "said length though the end token came",
            _length_first,
            "The end token came with the last needle, and you say `length`. The reply was *not* cut off. What do you "
            "look at first, the token or the number of needles?",
        ),
    ),
    hints=(
        "The loop is that of 05.2, but `for u in needles:` counts the rounds, and `draw(probs, u)` chooses.",
        "Inside the loop there is one reason to `return`. After the loop, when all needles are used up, the other.",
        'A function may return two things: `return new_ids, "stop"`.',
    ),
)

# --- 05.4 cut at a stop string


def _cut_at_stop(text, stop):
    return text[: min((text.find(string) for string in stop if string in text), default=len(text))]


def _kept_the_stop_string(text, stop):
    found = [(text.find(string), string) for string in stop if string in text]
    return text[: min(found)[0] + len(min(found)[1])] if found else text


def _first_of_the_list(text, stop):
    for string in stop:
        if string in text:
            return text[: text.find(string)]
    return text


def _last_occurrence(text, stop):
    return text[: min((text.rfind(string) for string in stop if string in text), default=len(text))]


def _minus_one(text, stop):
    for string in stop:
        text = text[: text.find(string)]
    return text


def _smallest_is_minus_one(text, stop):
    return text[: min((text.find(string) for string in stop), default=len(text))]


def _taken_out(text, stop):
    for string in stop:
        text = text.replace(string, "")
    return text


STOP_STRINGS = ("\nQ:", "END", "##", "<e>")  # no two of them have a sign in common, so they never overlap


def _cut_case(rng):
    stop = rng.sample(STOP_STRINGS, rng.choice((1, 2, 3, 3)))
    parts = [rng.choice((*stop, *stop, rng.choice(stop)[:-1], "Hi", " a ", "x y")) for _ in range(rng.randint(1, 5))]
    return "Oh. " * rng.randint(0, 1) + "|".join(parts), stop


CUT = Exercise(
    id="05.4",
    title="Cut at a stop string",
    points=2,
    signature="cut_at_stop(text, stop)",
    reference=_cut_at_stop,
    edge_cases=(
        Case(("Paris.\nQ: And Spain?", ["\nQ:"])),
        Case(("Paris.", ["\nQ:"]), "there is no stop string in the text"),
        Case(("One ## two END three", ["END", "##"]), "both are there, and the second of the list comes first"),
        Case(("a END b ## c <e>", ["##", "END", "<e>"]), "all three are there, and the second of the list comes first"),
        Case(("a END b END c", ["END"]), "the stop string is there twice"),
        Case(("Paris.", []), "no stop strings"),
        Case(("ENDless", ["END"]), "the text begins with a stop string"),
    ),
    random_case=_cut_case,
    n_random=30,
    misconceptions=(
        Misconception(
            "left the stop string in the text",
            _kept_the_stop_string,
            "Your text still ends with the stop string. A user should not see it: where must the cut be?",
        ),
        Misconception(
            "took the stop string that is first in the list",
            _first_of_the_list,
            "With two stop strings you cut at the first of the *list*. Which one comes first in the *text*?",
        ),
        Misconception(
            "cut where the stop string stands last",
            _last_occurrence,
            "The stop string is there twice, and you cut at the last one. The reply was over at the first.",
        ),
        Misconception(
            "cut off a character where there is no stop string",
            _minus_one,
            "Your `Paris.` becomes `Paris`. `find` says −1 where nothing is found: what does `text[:-1]` mean?",
        ),
        Misconception(
            "took the −1 of find for a place",
            _smallest_is_minus_one,
            "`find` says −1 for a stop string that is not there, and −1 is smaller than any place. Which of the "
            "numbers may count?",
        ),
        Misconception(
            "took out the stop string and left the rest",
            _taken_out,
            "The stop string is gone, but what came after it is still there. The reply ends *at* the stop string.",
        ),
    ),
    hints=(
        "Once for each stop string: is it in the text (`string in text`)? Where does it begin (`text.find(string)`)?",
        "The smallest of these places is where to cut: `text[:place]`. If there are none, the text stays.",
    ),
)

# --- 05.5 a stop string in a stream


def _let_through(pieces, stop):
    watch, shown = StopStringWatch(stop), []
    for piece in pieces:
        shown.append(watch.push(piece))
        if watch.found:
            return shown
    if shown:
        shown[-1] += watch.flush()
    return shown


def _in_one_piece(pieces, stop):
    shown = []
    for piece in pieces:
        shown.append(piece.partition(stop)[0])
        if stop in piece:
            break
    return shown


def _sent_the_beginning(pieces, stop):
    shown, text = [], ""
    for piece in pieces:
        n_shown, text = len(text), text + piece
        shown.append(text.partition(stop)[0][n_shown:])
        if stop in text:
            break
    return shown


def _never_flushed(pieces, stop):
    watch, shown = StopStringWatch(stop), []
    for piece in pieces:
        shown.append(watch.push(piece))
        if watch.found:
            break
    return shown


def _held_back_too_much(pieces, stop):
    shown, waiting = [], ""
    for number, piece in enumerate(pieces, start=1):
        waiting += piece
        if stop in waiting:
            return [*shown, waiting.partition(stop)[0]]
        cut = len(waiting) if number == len(pieces) else max(0, len(waiting) - len(stop) + 1)
        shown.append(waiting[:cut])
        waiting = waiting[cut:]
    return shown


def _minus_zero(pieces, stop):
    shown, waiting = [], ""
    for piece in pieces:
        text = waiting + piece
        if stop in text:
            return [*shown, text.partition(stop)[0]]
        n_waiting = max(size for size in range(len(stop)) if text.endswith(stop[:size]))
        shown.append(text[:-n_waiting])
        waiting = text[-n_waiting:]
    if shown:
        shown[-1] += waiting
    return shown


def _whole_pieces(pieces, stop):
    shown, waiting = [], ""
    for number, piece in enumerate(pieces, start=1):
        waiting += piece
        if stop in waiting:
            return [*shown, waiting.partition(stop)[0]]
        waits = stop.startswith(waiting) and number < len(pieces)
        shown.append("" if waits else waiting)
        waiting = waiting if waits else ""
    return shown


def _stream_case(rng: random.Random):
    """A text with pieces of the stop string in it, in most cases all of it, cut anywhere. Else it ends with a piece."""
    stop = rng.choice(("\nQ:", "END", "</s>", "aab"))
    parts = [rng.choice((stop[:1], stop[:-1], "Hi", " x")) for _ in range(rng.randint(1, 4))]
    if rng.random() < 0.6:
        parts.insert(rng.randint(0, len(parts)), stop)
    else:
        parts.append(stop[:-1])
    text, pieces = "".join(parts), []
    while text:
        size = rng.randint(1, 6)
        pieces, text = [*pieces, text[:size]], text[size:]
    return pieces, stop


STREAM = Exercise(
    id="05.5",
    title="A stop string in a stream",
    points=4,
    signature="let_through(pieces, stop)",
    reference=_let_through,
    edge_cases=(
        Case(
            (["Hi", "\nUs", "er", ":", " Me"], "\nUser:"),
            "in three pieces: '' where nothing may be shown, and after it nothing is read",
        ),
        Case((["Hi", "\nUs", "ual"], "\nUser:"), "only the beginning of the stop string comes"),
        Case((["Hi\nUs", "er: Me"], "\nUser:"), "the beginning is the end of a longer piece"),
        Case((["Hi", "!\nUser: A\nUser: B"], "\nUser:"), "in one piece, after other text, and then once more"),
        Case((["Hi", "\n"], "\nUser:"), "the pieces end while text is waiting"),
        Case((["a", "a", "a", "b", "c"], "aab"), "the stop string begins at the second a"),
        Case(([], "\nUser:"), "no pieces"),
    ),
    random_case=_stream_case,
    n_random=30,
    misconceptions=(
        Misconception(
            "looked only in the newest piece",
            _in_one_piece,
            "You look for the stop string in each piece by itself. It may lie in several: what must be put together "
            "before you look?",
        ),
        Misconception(
            "sent out the beginning of the stop string",
            _sent_the_beginning,
            "You find the stop string, but its beginning was already shown, and nobody can take it back. Which text "
            "must wait?",
        ),
        Misconception(
            "lost the text that was still waiting",
            _never_flushed,
            "When the pieces are over, your waiting text is never shown. Nothing can follow any more, so it was no "
            "stop string.",
        ),
        Misconception(
            "held back more than it must",
            _held_back_too_much,
            "You always hold back the same number of characters. `Hi` cannot be the beginning of the stop string: why "
            "should it wait?",
        ),
        Misconception(
            "cut off the last 0 characters, and so all of them",
            _minus_zero,
            'Where nothing must wait, everything waits in yours. Try `"Hi"[:-0]` in a cell of its own: what comes out?',
        ),
        Misconception(
            "held back only whole pieces",
            _whole_pieces,
            "You ask whether *all* of the waiting text begins the stop string. In `Hi\\nUs`, only its end does: which "
            "part may be shown, and which must wait?",
        ),
    ),
    hints=(
        "Keep two things: the list of what was shown, and the text that waits. Each new piece is put behind the "
        "waiting text, and you look at both together.",
        "How much must wait? Try the sizes from `len(stop) - 1` down to 1: does the text end with `stop[:size]`? The "
        "first size that fits is the one.",
        "`text[:-size]` is all but the last `size` characters. (With size 0 it would be empty: that case needs care.) "
        "After the last piece, nothing has to wait.",
    ),
)

EXERCISES = (ROOM, GREEDY, WRITE, CUT, STREAM)
