"""Sheet 05, solved again in other ways: none of these may be refused."""

import re
from types import SimpleNamespace

from nanochat_helpers import GenerationSettings, stopping
from nanochat_helpers.errors import ContextError, SettingsError
from nanochat_helpers.sampling import draw


def room_of_the_package(prompt_length, max_new_tokens, max_length, context_length):
    backbone = SimpleNamespace(name="toy", family="decoder", context_length=context_length)
    settings = GenerationSettings(max_new_tokens=max_new_tokens, max_length=max_length)
    try:
        return stopping.room_for_reply(backbone, prompt_length, settings)
    except (ContextError, SettingsError):
        return 0


def room_with_ifs(prompt_length, max_new_tokens, max_length, context_length):
    room = context_length - prompt_length
    if max_new_tokens is not None and max_new_tokens < room:
        room = max_new_tokens
    elif max_new_tokens is None and max_length < context_length:
        room = max_length - prompt_length
    if room < 0:
        return 0
    return room


def room_by_counting(prompt_length, max_new_tokens, max_length, context_length):
    n = 0
    while prompt_length + n < context_length and (
        n < max_new_tokens if max_new_tokens else prompt_length + n < max_length
    ):
        n += 1
    return n


def room_of_a_range(prompt_length, max_new_tokens, max_length, context_length):
    end = max_length if max_new_tokens is None else prompt_length + max_new_tokens
    return len(range(prompt_length, min(end, context_length)))


def greedy_for(model, ids, limit, ends):
    ids = list(ids)
    start = len(ids)
    for _ in range(limit):
        values = model(ids).tolist()
        best = values.index(max(values))
        if best in ends:
            break
        ids.append(best)
    return ids[start:]


def greedy_recursion(model, ids, limit, ends):
    if limit == 0:
        return []
    best = int(model(ids).argmax())
    return [] if best in set(ends) else [best, *greedy_recursion(model, ids + [best], limit - 1, ends)]


def greedy_cut_afterwards(model, ids, limit, ends):
    new = []
    for _ in range(limit):
        new.append(model([*ids, *new]).max(dim=0).indices.item())
    places = [place for place, token in enumerate(new) if token in ends]
    return new[: places[0]] if places else new


def greedy_with_tensors(model, ids, limit, ends):
    new = []
    while True:
        if len(new) == limit:
            return new
        best = model(ids + new).argmax()
        if best in ends:
            return new
        new.append(best.item())


def write_while(model, ids, needles, ends):
    written, reason = [], "length"
    while len(written) < len(needles):
        token = draw(model(ids + written), needles[len(written)])
        if token in ends:
            reason = "stop"
            break
        written = written + [token]
    return written, reason


def write_with_own_draw(model, ids, needles, ends):
    new = []
    for u in needles:
        shares = model(ids + new).tolist()
        bar = sorted(range(len(shares)), key=lambda token: -shares[token])
        end = 0
        while u >= end:
            token = bar.pop(0)
            end += shares[token]
        if token in ends:
            return (new, "stop")
        new += [token]
    return (new, "length")


def write_for_else(model, ids, needles, ends):
    ids = ids.copy()
    n = len(ids)
    for u in needles:
        ids.append(draw(model(ids), u))
        if ids[-1] in ends:
            ids.pop()
            finish_reason = "stop"
            break
    else:
        finish_reason = "length"
    return ids[n:], finish_reason


def write_cut_afterwards(model, ids, needles, ends):
    new = []
    for u in needles:
        new.append(draw(model([*ids, *new]), u))
    place = next((place for place, token in enumerate(new) if token in ends), None)
    return new[:place], "length" if place is None else "stop"


def cut_one_after_another(text, stop):
    for string in stop:
        text = text.split(string)[0]
    return text


def cut_character_by_character(text, stop):
    for place in range(len(text)):
        if any(text.startswith(string, place) for string in stop):
            return text[:place]
    return text


def cut_with_regex(text, stop):
    return re.split("|".join(map(re.escape, stop)), text, maxsplit=1)[0] if stop else text


def cut_shortest(text, stop):
    return min([text, *(text.partition(string)[0] for string in stop)], key=len)


def let_through_all_the_text(pieces, stop):
    """Works out what is certain of the whole text, and shows what is new in it."""
    shown, text, n_shown = [], "", 0
    for number, piece in enumerate(pieces):
        text += piece
        certain = text.split(stop)[0]
        if stop not in text and number < len(pieces) - 1:
            sizes = [size for size in range(len(stop)) if text.endswith(stop[:size])]
            certain = text[: len(text) - max(sizes)]
        shown.append(certain[n_shown:])
        n_shown = len(certain)
        if stop in text:
            break
    return shown


def let_through_character_by_character(pieces, stop):
    shown, waiting = [], ""
    for piece in pieces:
        out = ""
        for character in piece:
            waiting += character
            while waiting and not stop.startswith(waiting):
                out += waiting[0]
                waiting = waiting[1:]
            if waiting == stop:
                return shown + [out]
        shown.append(out)
    if waiting:
        shown[-1] += waiting
    return shown


def let_through_recursion(pieces, stop, waiting=""):
    if not pieces:
        return []
    text = waiting + pieces[0]
    if stop in text:
        return [text[: text.index(stop)]]
    if len(pieces) == 1:
        return [text]
    place = next(place for place in range(len(text) + 1) if stop.startswith(text[place:]))
    return [text[:place], *let_through_recursion(pieces[1:], stop, text[place:])]


def let_through_with_regex(pieces, stop):
    beginnings = "|".join(re.escape(stop[:size]) for size in range(len(stop) - 1, -1, -1))
    shown, n_shown, text = [], 0, ""
    for number, piece in enumerate(pieces, start=1):
        text += piece
        found = re.search(re.escape(stop), text)
        last = number == len(pieces)
        end = found.start() if found else len(text) if last else re.search(rf"(?:{beginnings})\Z", text).start()
        shown.append(text[n_shown:end])
        n_shown = end
        if found:
            break
    return shown


SECOND = {
    "05.1": (room_of_the_package, room_with_ifs, room_by_counting, room_of_a_range),
    "05.2": (greedy_for, greedy_recursion, greedy_cut_afterwards, greedy_with_tensors),
    "05.3": (write_while, write_with_own_draw, write_for_else, write_cut_afterwards),
    "05.4": (cut_one_after_another, cut_character_by_character, cut_with_regex, cut_shortest),
    "05.5": (
        let_through_all_the_text,
        let_through_character_by_character,
        let_through_recursion,
        let_through_with_regex,
    ),
}
