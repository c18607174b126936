"""Sheet 01: other right solutions, as students might write them. None of them may be refused."""

import codecs
import functools
import re
from collections import Counter

# --- 01.1


def decode_with_a_loop(input_ids, vocabulary):
    text = ""
    for i in input_ids:
        for sign in vocabulary[i]:
            text += " " if sign == "Ġ" else sign
    return text


def decode_each(ids, vocab):
    return "".join([vocab[i].replace("Ġ", " ") for i in ids])


def decode_by_splitting(input_ids, vocabulary):
    return " ".join("".join(map(vocabulary.__getitem__, input_ids)).split("Ġ"))


def decode_by_reduce(input_ids, vocabulary):
    signs = {ord("Ġ"): 32}
    return functools.reduce(lambda text, i: text + vocabulary[i].translate(signs), input_ids, "")


# --- 01.2


def survives_step_by_step(text, tokenizer):
    ids = tokenizer.encode(text)
    back = tokenizer.decode(ids)
    same = back == text
    return same


def survives_letter_by_letter(text, tokenizer):
    back = tokenizer.decode(tokenizer.encode(text))
    return len(back) == len(text) and all(one == other for one, other in zip(text, back, strict=True))


def survives_with_if(text, tokenizer):
    answer = False
    if text == tokenizer.decode(tokenizer.encode(text)):
        answer = True
    return answer


def survives_with_re(text, tokenizer):
    return re.fullmatch(re.escape(text), tokenizer.decode(tokenizer.encode(text))) is not None


# --- 01.3


def pair_with_a_dict(words):
    counts = {}
    for word in words:
        for i in range(len(word) - 1):
            pair = (word[i], word[i + 1])
            counts[pair] = counts.get(pair, 0) + 1
    best, best_count = None, 0
    for pair, count in counts.items():
        if count > best_count:
            best, best_count = pair, count
    return best


def pair_with_most_common(words):
    counts = Counter()
    for word in words:
        counts.update(zip(word, word[1:], strict=False))
    return counts.most_common(1)[0][0] if counts else None


def pair_by_counting_a_list(words):
    pairs = [(word[i - 1], word[i]) for word in words for i in range(1, len(word))]
    if not pairs:
        return None
    return max(pairs, key=pairs.count)


def pair_by_sorting(words):
    pairs = [pair for word in words for pair in zip(word[:-1], word[1:], strict=True)]
    ranked = sorted(set(pairs), key=lambda pair: (-pairs.count(pair), pairs.index(pair)))
    return ranked[0] if ranked else None


# --- 01.4


def glue_onto_the_last(pieces, pair):
    """As in the lesson."""
    glued = []
    for piece in pieces:
        if glued and (glued[-1], piece) == pair:
            glued[-1] += piece
        else:
            glued.append(piece)
    return glued


def glue_with_a_skip(pieces, pair):
    left, right = pair
    out, skip = [], False
    for i in range(len(pieces)):
        if skip:
            skip = False
        elif i + 1 < len(pieces) and pieces[i] == left and pieces[i + 1] == right:
            out.append(left + right)
            skip = True
        else:
            out.append(pieces[i])
    return out


def glue_in_a_copy(pieces, pair):
    copy = list(pieces)
    i = 0
    while i < len(copy) - 1:
        if (copy[i], copy[i + 1]) == pair:
            copy[i : i + 2] = [copy[i] + copy[i + 1]]
        i += 1
    return copy


def glue_by_recursion(pieces, pair):
    if len(pieces) < 2:
        return pieces[:]
    if tuple(pieces[:2]) == tuple(pair):
        return ["".join(pair), *glue_by_recursion(pieces[2:], pair)]
    return [pieces[0], *glue_by_recursion(pieces[1:], pair)]


# --- 01.5


def learn_with_a_for(words, n_merges):
    merges = []
    for _ in range(n_merges):
        best = pair_with_a_dict(words)
        if not best:
            return merges
        merges.append(best)
        words = [glue_with_a_skip(word, best) for word in words]
    return merges


def learn_with_a_while(words, n_merges):
    words, merges = words[:], []
    pair = pair_by_sorting(words)
    while pair is not None and len(merges) < n_merges:
        merges += [pair]
        for i in range(len(words)):
            words[i] = glue_in_a_copy(words[i], pair)
        pair = pair_by_sorting(words)
    return merges


def learn_from_different_words(words, n_merges):
    """Each different word once, with how often it comes, as the lesson does it."""
    times, merges = Counter(map(tuple, words)), []
    for _ in range(n_merges):
        pairs = Counter()
        for word, n in times.items():
            for pair in zip(word, word[1:], strict=False):
                pairs[pair] += n
        if not pairs:
            break
        merges.append(max(pairs, key=pairs.get))
        times = {tuple(glue_in_a_copy(word, merges[-1])): n for word, n in times.items()}
    return merges


def learn_by_recursion(words, n_merges):
    pair = pair_with_most_common(words) if n_merges > 0 else None
    if pair is None:
        return []
    return [pair, *learn_by_recursion([glue_by_recursion(word, pair) for word in words], n_merges - 1)]


# --- 01.6


def stream_by_trying(parts):
    texts, waiting = [], b""
    for part in parts:
        waiting = waiting + part
        for left_off in range(4):
            end = len(waiting) - left_off
            try:
                text = waiting[:end].decode("utf-8")
            except UnicodeDecodeError:
                continue
            break
        texts.append(text)
        waiting = waiting[end:]
    if waiting:
        texts.append("�")
    return texts


def stream_by_the_error(parts):
    texts = []
    rest = b""
    for part in parts:
        rest += part
        try:
            text, rest = rest.decode(), b""
        except UnicodeDecodeError as error:
            text, rest = rest[: error.start].decode(), rest[error.start :]
        texts.append(text)
    if rest != b"":
        texts.append(rest.decode(errors="replace"))
    return texts


def stream_by_first_bytes(parts):
    """The first byte of a character tells how many bytes it has."""
    texts, waiting = [], []
    for part in parts:
        waiting += list(part)
        text = ""
        while waiting:
            first = waiting[0]
            length = 1 if first < 128 else 2 if first < 224 else 3 if first < 240 else 4
            if len(waiting) < length:
                break
            text += bytes(waiting[:length]).decode()
            waiting = waiting[length:]
        texts.append(text)
    return texts + ["�"] * bool(waiting)


def stream_with_a_decoder(parts):
    decoder = codecs.getincrementaldecoder("utf8")("replace")
    texts = list(map(decoder.decode, parts))
    last = decoder.decode(b"", True)
    if last:
        texts.append(last)
    return texts


def stream_by_what_was_shown(parts):
    """All bytes so far, without an unfinished end; then take away what was shown before."""
    shown, texts, so_far = "", [], b""
    for part in parts:
        so_far += part
        whole = so_far.decode("utf-8", "ignore")
        texts.append(whole[len(shown) :])
        shown = whole
    if shown.encode() != so_far:
        texts.append("�")
    return texts


SECOND = {
    "01.1": (decode_with_a_loop, decode_each, decode_by_splitting, decode_by_reduce),
    "01.2": (survives_step_by_step, survives_letter_by_letter, survives_with_if, survives_with_re),
    "01.3": (pair_with_a_dict, pair_with_most_common, pair_by_counting_a_list, pair_by_sorting),
    "01.4": (glue_onto_the_last, glue_with_a_skip, glue_in_a_copy, glue_by_recursion),
    "01.5": (learn_with_a_for, learn_with_a_while, learn_from_different_words, learn_by_recursion),
    "01.6": (
        stream_by_trying,
        stream_by_the_error,
        stream_by_first_bytes,
        stream_with_a_decoder,
        stream_by_what_was_shown,
    ),
}
