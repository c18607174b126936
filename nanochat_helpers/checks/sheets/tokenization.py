"""Sheet 01: from token ids to text and back, byte-pair encoding, and a stream that never shows half a character.

Toy vocabularies only. The references are `nanochat_helpers.bpe` and Python's own UTF-8 decoder.
"""

import codecs
from collections import Counter

from ... import bpe
from ...language import tr
from ..comparing import value_text
from ..exercise import Case, Exercise, Misconception
from ..toys.tokenization import as_bytes, with_bytes, with_pair, with_words

# --- 01.1 decode

TOY_VOCABULARY = ["top", "Ġhop", "s", "Ġ"]
TOY_PIECES = ["hop", "Ġhop", "top", "Ġtop", "s", "Ġs", "Ġ", "per", "ĠĠ", "!"]


def _decode(input_ids, vocabulary):
    return "".join(vocabulary[token_id] for token_id in input_ids).replace("Ġ", " ")


def _left_the_sign(input_ids, vocabulary):
    return "".join(vocabulary[token_id] for token_id in input_ids)


def _joined_with_spaces(input_ids, vocabulary):
    return " ".join(vocabulary[token_id].replace("Ġ", "") for token_id in input_ids)


def _deleted_the_sign(input_ids, vocabulary):
    return "".join(vocabulary[token_id] for token_id in input_ids).replace("Ġ", "")


def _lost_the_outer_spaces(input_ids, vocabulary):
    return _decode(input_ids, vocabulary).strip()


def _counted_from_1(input_ids, vocabulary):
    return "".join(vocabulary[token_id - 1] for token_id in input_ids).replace("Ġ", " ")


def _place_for_id(input_ids, vocabulary):
    return _decode(range(len(input_ids)), vocabulary)


def _decode_case(rng):
    vocabulary = rng.sample(TOY_PIECES, rng.randint(4, 8))
    return [rng.randrange(len(vocabulary)) for _ in range(rng.randint(1, 4))], vocabulary


DECODE = Exercise(
    id="01.1",
    title="From ids to text",
    points=1,
    signature="decode(input_ids, vocabulary)",
    reference=_decode,
    edge_cases=(
        Case(([0, 1, 2], TOY_VOCABULARY)),
        Case(([1, 0], TOY_VOCABULARY), "the text begins with a space"),
        Case(([0, 3], TOY_VOCABULARY), "the text ends with a space"),
        Case(([2, 2, 2], TOY_VOCABULARY), "one token three times"),
        Case(([], TOY_VOCABULARY), "no tokens at all"),
    ),
    random_case=_decode_case,
    misconceptions=(
        Misconception(
            "left the Ġ in the text",
            _left_the_sign,
            "There are still `Ġ` signs in your text. What does a `Ġ` stand for?",
        ),
        Misconception(
            "put a space between all tokens",
            _joined_with_spaces,
            "Yours has a space between *all* tokens. But `Ġhop` and `s` together are one word: which tokens bring a "
            "space along?",
        ),
        Misconception(
            "deleted the Ġ",
            _deleted_the_sign,
            "In yours all words stick together. The `Ġ` should not just go away: what comes in its place?",
        ),
        Misconception(
            "lost the spaces at the ends",
            _lost_the_outer_spaces,
            "A space at the beginning or at the end is part of the text, too. What takes it away in your code?",
        ),
        Misconception(
            "counted the vocabulary from 1",
            _counted_from_1,
            "Each of your tokens is the one *before* the right one. Which id has the first token of the vocabulary?",
        ),
        Misconception(
            "took the place in the list for the id",
            _place_for_id,
            "Yours always begins with the first token of the vocabulary, whatever the ids are. In your loop, do you "
            "use the id itself, or only its place in the list?",
        ),
    ),
    hints=(
        "`vocabulary[2]` is the token with the id 2. You need this for each id, one after the other.",
        '`"".join(…)` makes one text of many; `text.replace(old, new)` changes a sign everywhere.',
    ),
)

# --- 01.2 the round trip

TOY_WORDS = ["[unknown]", "the", "cat", "sleeps"]
SOME_WORDS = ("the", "cat", "sleeps", "dog", "barks", "cats", "bird", "sings", "on", "trees")


def _survives(text, tokenizer):
    return tokenizer.decode(tokenizer.encode(text)) == text


def _compared_the_ids(text, tokenizer):
    input_ids = tokenizer.encode(text)
    return tokenizer.encode(tokenizer.decode(input_ids)) == input_ids


def _compared_ids_with_the_text(text, tokenizer):
    return tokenizer.encode(text) == text


def _in_small_letters(text, tokenizer):
    return tokenizer.decode(tokenizer.encode(text)).lower() == text.lower()


def _without_outer_spaces(text, tokenizer):
    return tokenizer.decode(tokenizer.encode(text)).strip() == text.strip()


def _returned_the_text(text, tokenizer):
    return tokenizer.decode(tokenizer.encode(text))


def _said_when_it_is_lost(text, tokenizer):
    return tokenizer.decode(tokenizer.encode(text)) != text


def _survives_case(rng):
    shuffled = rng.sample(SOME_WORDS, len(SOME_WORDS))
    known, unknown = shuffled[:4], shuffled[4:]  # others each time: only the tokenizer can tell
    words = [rng.choice(known) for _ in range(rng.randint(2, 4))]
    damage = rng.choice(
        ["", "large letter", "large letter", "outer space", "outer space", "inner space", "unknown word"]
    )
    if damage == "large letter":
        words[0] = words[0].title()
    if damage == "unknown word":
        words[-1] = rng.choice(unknown)
    text = ("  " if damage == "inner space" else " ").join(words)
    lost = rng.choice([" " + text, text + " "]) if damage == "outer space" else text
    return lost, ["[unknown]", *known]


def _show_survives(text, words):
    with_it = tr("with a tokenizer that knows {words}", words=", ".join(words[1:]))
    return f"survives(text={text!r}, tokenizer) {with_it}"


SURVIVES = Exercise(
    id="01.2",
    title="There and back",
    points=1,
    signature="survives(text, tokenizer)",
    reference=_survives,
    edge_cases=(
        Case(("the cat", TOY_WORDS), "both words are in the list"),
        Case(("The cat", TOY_WORDS), "this tokenizer makes all letters small"),
        Case(("the snorblefax", TOY_WORDS), "one word is unknown to this tokenizer"),
        Case(("the cat ", TOY_WORDS), "this tokenizer loses the space at the end"),
        Case(("the  cat", TOY_WORDS), "there are two spaces between the words"),
        Case(("", TOY_WORDS), "an empty text"),
    ),
    random_case=_survives_case,
    call=with_words,
    show=_show_survives,
    misconceptions=(
        Misconception(
            "said True for every text",
            _compared_the_ids,
            "Yours says True for every text. Does it compare ids with ids? They are the same after one more round, "
            "also where letters were lost. Did the *text* come back as it was?",
        ),
        Misconception(
            "said False for every text",
            _compared_ids_with_the_text,
            "Yours says False for every text. Ids are a list of numbers, and never equal to a text. What turns them "
            "into a text again?",
        ),
        Misconception(
            "took no notice of large letters",
            _in_small_letters,
            "For you, `The` and `the` are the same text. Would a reader see a difference?",
        ),
        Misconception(
            "took no notice of spaces at the ends",
            _without_outer_spaces,
            "A space at the end was lost on the way, and you say that the text survived. What hides it from your code?",
        ),
        Misconception(
            "returned the text",
            _returned_the_text,
            "You return the text that came back. The question was: *is it the same as before?* The answer is True or "
            "False.",
        ),
        Misconception(
            "said True where the text is lost",
            _said_when_it_is_lost,
            "It is the wrong way round: you say True when the text has changed. Should that be `==` or `!=`?",
        ),
    ),
    hints=(
        "Two steps: the ids of the text, then the text of these ids. Then compare.",
        "`tokenizer.encode(text)` gives the ids. What goes into `tokenizer.decode(…)`, and what do you compare with?",
    ),
)

# --- 01.3 the most frequent pair


def _pairs(words):
    return [pair for pieces in words for pair in zip(pieces, pieces[1:], strict=False)]


def _most_frequent_pair(words):
    counts = bpe.count_pairs(Counter(tuple(pieces) for pieces in words))
    return max(counts, key=counts.__getitem__, default=None)  # of several, the one that was met first


def _pair_across_words(words):
    return _most_frequent_pair([[piece for pieces in words for piece in pieces]])


def _last_of_a_tie(words):
    counts = Counter(_pairs(words))
    best = None
    for pair in counts:
        if best is None or counts[pair] >= counts[best]:
            best = pair
    return best


def _alphabet_in_a_tie(words):
    counts = Counter(_pairs(words))
    return min(counts, key=lambda pair: (-counts[pair], pair), default=None)


def _each_word_once(words):
    return _most_frequent_pair(list(dict.fromkeys(tuple(pieces) for pieces in words)))


def _glued_at_once(words):
    pair = _most_frequent_pair(words)
    return pair and "".join(pair)


def _last_of_the_alphabet(words):
    return max(Counter(_pairs(words)), default=None)


def _toy_words(rng, n_words):
    """Some words of one to four pieces, so few different ones that pairs and words come several times."""
    lexicon = [[rng.choice("aotp") for _ in range(rng.choice([1, 2, 3, 3, 4, 4]))] for _ in range(4)]
    return [list(pieces) for pieces in rng.choices(lexicon, weights=[4, 2, 1, 1], k=n_words)]


def _pair_case(rng):
    """Any words; or a frequent word against a pair of two rare ones; or a tie."""
    one, two, three, four = rng.sample("aehopst", 4)
    words = rng.choice(
        [
            _toy_words(rng, rng.randint(3, 7)),
            [[one, two], [one, two], [one, two], [three, four], [three, four, one]],
            [[one, two, three], [three, four], [four, one], [three, four], [one, two]],
        ]
    )
    return (rng.sample(words, len(words)),)


MOST_FREQUENT_PAIR = Exercise(
    id="01.3",
    title="The most frequent pair",
    points=2,
    signature="most_frequent_pair(words)",
    reference=_most_frequent_pair,
    edge_cases=(
        Case(([["h", "o", "p"], ["t", "o", "p"]],)),
        Case(([["t", "o", "p"], ["h", "o", "t"]],), "all pairs occur once: a tie"),
        Case(([["a", "b", "a", "b"], ["b", "a"], ["b", "a"]],), "the pair that is met first is not the best"),
        Case(([["h", "op"], ["h", "op"], ["s", "t", "op"], ["t", "op"], ["t", "op"]],), "some are glued already"),
        Case(([["a", "b"], ["a", "b"], ["c", "d"], ["c"], ["d"], ["c"], ["d"]],), "words of one letter: no pairs"),
        Case(([["h", "o"], ["h", "o"], ["e", "e", "e", "e"]],), "the same pair three times in one word"),
        Case(([["a"], ["b"]],), "there is no pair at all"),
    ),
    random_case=_pair_case,
    misconceptions=(
        Misconception(
            "counted pairs across words",
            _pair_across_words,
            "You also count the last piece of a word with the first one of the next word. A merge never crosses the "
            "border between words: where does your loop begin anew?",
        ),
        Misconception(
            "took the last pair of a tie",
            _last_of_a_tie,
            "When several pairs are equally frequent, you take the one that comes last. Look at your comparison: "
            "when should a new pair win?",
        ),
        Misconception(
            "chose by the alphabet in a tie",
            _alphabet_in_a_tie,
            "When several pairs are equally frequent, yours goes by the alphabet. Which one stands first in the words?",
        ),
        Misconception(
            "counted each different word once",
            _each_word_once,
            "A word that stands three times should count three times. Does your code see it more than once?",
        ),
        Misconception(
            "returned the glued piece",
            _glued_at_once,
            "You glue already. Here only the pair is asked for: a tuple of two pieces.",
        ),
        Misconception(
            "took the largest pair, not the largest count",
            _last_of_the_alphabet,
            "You take the pair that comes last in the alphabet, however often it occurs. `max` of a dict looks at its "
            "keys: by what should the pairs be compared?",
        ),
    ),
    hints=(
        "Two loops: one over the words, in it one over the places in the word. The last piece has no neighbour.",
        "A dict can count: the pair is the key, and how often you met it is the value. (`Counter` is such a dict.)",
        "A dict keeps the order in which keys came in. So look for the largest count, and let a new pair win only if "
        "it has *more*.",
    ),
)

# --- 01.4 glue


def _glue(pieces, pair):
    return list(bpe.merge_pair(pieces, pair))


def _glued_once(pieces, pair):
    for place in range(len(pieces) - 1):
        if (pieces[place], pieces[place + 1]) == pair:
            return [*pieces[:place], "".join(pair), *pieces[place + 2 :]]
    return list(pieces)


def _used_a_piece_twice(pieces, pair):
    glued, previous = [], None
    for piece in pieces:
        if (previous, piece) == pair:
            glued[-1] = "".join(pair)
        else:
            glued.append(piece)
        previous = piece
    return glued


def _kept_the_second(pieces, pair):
    glued = []
    for place, piece in enumerate(pieces):
        is_pair = (piece, *pieces[place + 1 : place + 2]) == pair
        glued.append("".join(pair) if is_pair else piece)
    return glued


def _lost_the_last(pieces, pair):
    glued, place = [], 0
    while place < len(pieces) - 1:
        is_pair = (pieces[place], pieces[place + 1]) == pair
        glued.append("".join(pair) if is_pair else pieces[place])
        place += 2 if is_pair else 1
    return glued


def _dropped_the_others(pieces, pair):
    return [piece for piece in _glue(pieces, pair) if piece == "".join(pair)]


def _never_glued_a_pair(pieces, pair):
    return list(pieces)  # what comes of `pieces[place : place + 2] == pair`: a list is never equal to a tuple


def _glue_case(rng):
    left, right = rng.choice([("o", "p"), ("a", "n"), ("h", "op"), ("a", "a"), ("e", "e"), ("o", "o"), ("s", "s")])
    others = [left, right, left, right, rng.choice("sty")]
    pieces = [piece for _ in range(rng.randint(1, 4)) for piece in (rng.choice(others), rng.choice(others))]
    return [
        *pieces,
        *rng.choice([[left, right], [right], ["x"], ["x", left, left, right], ["x", left, left, right]]),
    ], [left, right]


GLUE = Exercise(
    id="01.4",
    title="Glue a pair",
    points=2,
    signature="glue(pieces, pair)",
    reference=_glue,
    edge_cases=(
        Case((["s", "t", "o", "p"], ["o", "p"])),
        Case((["b", "a", "n", "a", "n", "a"], ["a", "n"]), "the pair stands there twice"),
        Case((["a", "a", "a"], ["a", "a"]), "three in a row: the first two are glued"),
        Case((["p", "o", "t"], ["o", "p"]), "the right letters in the wrong order"),
        Case((["a"], ["a", "n"]), "a single piece"),
        Case(([], ["a", "n"]), "nothing to glue"),
    ),
    random_case=_glue_case,
    call=with_pair,
    show=lambda pieces, pair: f"glue(pieces={value_text(pieces)}, pair={value_text(tuple(pair))})",
    misconceptions=(
        Misconception(
            "glued only the first one",
            _glued_once,
            "You stop after the first pair. In *banana* the pair `a` + `n` stands twice.",
        ),
        Misconception(
            "used a piece twice",
            _used_a_piece_twice,
            "Look at `a`, `a`, `a`. After the first two are glued, one `a` is left, and it should stay: it has no "
            "partner, as the second `a` is gone. Does your code still compare with it?",
        ),
        Misconception(
            "kept the second piece of the pair",
            _kept_the_second,
            "After a glued piece, its second half stands there once more. How many places do you go on after glueing?",
        ),
        Misconception(
            "lost the last piece",
            _lost_the_last,
            "The last piece is missing when it is in no pair. Which is the last place that your loop looks at?",
        ),
        Misconception(
            "dropped the other pieces",
            _dropped_the_others,
            "Only the glued pieces are in your list. What happens at a place where no pair begins?",
        ),
        Misconception(
            "never glued anything",
            _never_glued_a_pair,
            "All pieces come out as they went in. Is your comparison ever true? A list is never equal to a tuple, even "
            "when the same pieces are in both.",
        ),
    ),
    hints=(
        "Two cases at each place: a pair begins here, or it does not. How far do you go on in each?",
        "`tuple(pieces[place : place + 2])` is this piece and the next one. At the end it is only one, and no error.",
    ),
)

# --- 01.5 learn merges


def _learn(words, n_merges):
    merges = []
    for _ in range(n_merges):
        pair = _most_frequent_pair(words)
        if pair is None:
            break
        merges.append(pair)
        words = [_glue(pieces, pair) for pieces in words]
    return merges


def _counted_only_once(words, n_merges):
    return [pair for pair, _ in Counter(_pairs(words)).most_common(n_merges)]


def _never_glued(words, n_merges):
    pair = _most_frequent_pair(words)
    return [pair] * n_merges if pair else []


def _went_on(words, n_merges):
    merges = _learn(words, n_merges)
    return merges + [None] * (n_merges - len(merges))


def _until_no_pair_is_left(words, n_merges):
    return _learn(words, 99)


def _glued_merges(words, n_merges):
    return ["".join(pair) for pair in _learn(words, n_merges)]


def _learned_across_words(words, n_merges):
    return _learn([[piece for pieces in words for piece in pieces]], n_merges)


LEARN_MERGES = Exercise(
    id="01.5",
    title="Learn merges",
    points=3,
    signature="learn_merges(words, n_merges)",
    reference=_learn,
    edge_cases=(
        Case(([["h", "o", "p"], ["h", "o", "p"], ["t", "o", "p"]], 2)),
        Case(([["h", "o", "p"], ["h", "o", "p"], ["t", "o", "p"]], 9), "after three merges no pair is left"),
        Case(([["h", "o", "p"], ["t", "o", "p"]], 1), "only one merge"),
        Case(([["h", "o", "p"], ["t", "o", "p"]], 0), "no merge at all"),
        Case(([["a", "a", "a", "a"], ["a", "a"]], 3), "always the same letter"),
        Case(([["a"], ["b"]], 2), "there is no pair at all"),
    ),
    random_case=lambda rng: (_toy_words(rng, rng.randint(3, 7)), rng.randint(1, 5)),
    misconceptions=(
        Misconception(
            "counted only once",
            _counted_only_once,
            "You took the most frequent pairs of the *first* count. After `o` + `p` is glued, is there still a pair "
            "`h` + `o`? Count again after each merge.",
        ),
        Misconception(
            "never glued the words",
            _never_glued,
            "You find the same pair again and again. What has to happen to the words before you look for the next?",
        ),
        Misconception(
            "went on without a pair",
            _went_on,
            "There is a `None` in your list. What should happen when no pair is left?",
        ),
        Misconception(
            "merged until no pair was left",
            _until_no_pair_is_left,
            "You go on until no pair is left. That is one reason to stop; which one is there besides?",
        ),
        Misconception(
            "returned the glued pieces",
            _glued_merges,
            "You return pieces such as `op`. A merge is the *pair*, a tuple: otherwise nobody knows where to glue.",
        ),
        Misconception(
            "learned across words",
            _learned_across_words,
            "You made one long word of all. A merge never crosses the border between words: glue each one by itself.",
        ),
    ),
    hints=(
        "Do 01.3 and 01.4 pass? This function calls them, so mend those first.",
        "One round: find the pair, note it, glue it in *each* word. The next round starts from the glued words.",
        "`words = [… for pieces in words]` makes the new words. And `break` leaves the loop when the pair is None.",
    ),
)

# --- 01.6 a stream of bytes


def _decode_stream(parts):
    utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
    texts = [utf8.decode(part) for part in parts]
    rest = utf8.decode(b"", final=True)
    return [*texts, rest] if rest else texts


def _each_by_itself(parts):
    return [part.decode() for part in parts]


def _threw_away(parts):
    texts = []
    for part in parts:
        try:
            texts.append(part.decode())
        except UnicodeDecodeError:
            texts.append("")
    return texts


def _all_or_nothing(parts):
    texts, waiting = [], b""
    for part in parts:
        waiting += part
        try:
            texts.append(waiting.decode())
            waiting = b""
        except UnicodeDecodeError:
            texts.append("")
    return [*texts, "�"] if waiting else texts


def _forgot_the_rest(parts):
    return _decode_stream(parts)[: len(parts)]


def _only_what_can_be_read(parts):
    return [text for text in _decode_stream(parts) if text]


def _all_so_far(parts):
    return [b"".join(parts[: n + 1]).decode(errors="ignore") for n in range(len(parts))]


def _stream_case(rng):
    text = "".join(rng.choice("ab é汉字😀") for _ in range(rng.randint(1, 4))) + rng.choice("aé汉😀😀")
    data = text.encode()[: -1 if rng.random() < 0.4 else None]
    parts = []
    while data:
        length = rng.randint(1, 4)
        parts.append(list(data[:length]))
        data = data[length:]
    return (parts,)


DECODE_STREAM = Exercise(
    id="01.6",
    title="A stream of bytes",
    points=4,
    signature="decode_stream(parts)",
    reference=_decode_stream,
    edge_cases=(
        Case(([[72, 105], [195], [169]],), "é is the two bytes 195 and 169, here in two parts"),
        Case(([[240, 159], [152], [128]],), "one emoji in three parts"),
        Case(([[97, 195], [169, 98]],), "a whole letter, and half of the next"),
        Case(([[97], [240, 159]],), "the last character is never finished"),
        Case(([[230, 177, 137, 229, 173], [151]],), "a whole Chinese sign, and most of the next"),
        Case(([[97, 240, 159, 152], [128]],), "a whole letter, and three of the four bytes of an emoji"),
        Case(([],), "nothing comes at all"),
    ),
    random_case=_stream_case,
    call=with_bytes,
    show=lambda parts: f"decode_stream(parts={value_text(as_bytes(parts))})",
    misconceptions=(
        Misconception(
            "decoded each part by itself",
            _each_by_itself,
            "You decode each part alone, and where one ends in half a character, `decode` stops with an error. A "
            "character may be spread over two parts: where can the first half wait for the second?",
        ),
        Misconception(
            "threw halves of characters away",
            _threw_away,
            "Where a part cannot be decoded, you go on without it. So the first half is gone when the second half "
            "comes. Who keeps it until then?",
        ),
        Misconception(
            "held back whole characters",
            _all_or_nothing,
            "When a part ends in half a character, you hold back *all* of it. The whole characters in front of it "
            "should be shown at once. How many bytes, at most, can be an unfinished end?",
        ),
        Misconception(
            "forgot the rest at the end",
            _forgot_the_rest,
            "After the last part some bytes may still wait. Nobody will finish them: what does the text above say "
            "about them?",
        ),
        Misconception(
            "left out the empty texts",
            _only_what_can_be_read,
            "Each part has a text of its own, and where nothing can be read yet, that is an empty one. Yours is too "
            "short.",
        ),
        Misconception(
            "gave the whole text each time",
            _all_so_far,
            "Your texts begin anew each time. Give only what is *new* since the part before.",
        ),
    ),
    hints=(
        'Keep a variable `waiting = b""`. Each part goes behind it; what can be read is given out, the rest waits on.',
        "An unfinished character has 1, 2 or 3 bytes. So try to decode all; if that raises a UnicodeDecodeError, leave "
        "one byte off the end and try again, up to three.",
        "The error knows it, too: after `except UnicodeDecodeError as error`, `error.start` is where the unreadable "
        "bytes begin.",
    ),
)

EXERCISES = (DECODE, SURVIVES, MOST_FREQUENT_PAIR, GLUE, LEARN_MERGES, DECODE_STREAM)
