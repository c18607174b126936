"""Step 2, where tokens come from: a byte-pair encoding small enough to do by hand.

In: a text to learn from. Out: merges, the pairs of pieces to glue, and words cut with them. The real merges of a
tokenizer can be read and replayed with the same functions, to hold the two against each other.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .errors import SettingsError, TokenError
from .tokens import check_text

Pair = tuple[str, str]
Pieces = tuple[str, ...]


# --- learning merges, and applying them


def split_words(text: str) -> list[str]:
    """Cut a text into words before pieces are learned; each keeps the space in front of it, so nothing is lost.

    >>> split_words("to be or")
    ['to', ' be', ' or']
    """
    return re.findall(r" ?\S+|\s", text)


def count_pairs(words: Mapping[Pieces, int]) -> Counter[Pair]:
    """Count the neighbours: how often does each piece stand right before another one?

    words: pieces of a word → how often the word occurs.

    >>> count_pairs({("b", "e", "e"): 10, ("b", "e"): 1})
    Counter({('b', 'e'): 11, ('e', 'e'): 10})
    """
    counts: Counter[Pair] = Counter()
    for pieces, times in words.items():
        for pair in zip(pieces, pieces[1:], strict=False):
            counts[pair] += times
    return counts


def merge_pair(pieces: Sequence[str], pair: Pair) -> Pieces:
    """Glue each occurrence of a pair into one piece, from left to right.

    >>> merge_pair(("e", "e", "e"), ("e", "e"))
    ('ee', 'e')
    """
    merged: list[str] = []
    position = 0
    while position < len(pieces):
        length = 2 if tuple(pieces[position : position + 2]) == pair else 1
        merged.append("".join(pieces[position : position + length]))
        position += length
    return tuple(merged)


class TrainingStage(NamedTuple):
    """Where the learning stands: the words in pieces, the best pairs with their counts, the pair merged next."""

    words: dict[Pieces, int]
    best_pairs: list[tuple[Pair, int]]
    next_pair: Pair | None


def learning_stages(text: str, n_merges: int) -> list[TrainingStage]:
    """Every stage of learning from a text: before the first merge, after one merge, ... after `n_merges`.

    Each stage merges the most frequent pair. Ties: the pair whose first piece has been in the vocabulary longest, then
    whose second piece has (single characters come first, in the order of their Unicode numbers; Hugging Face's trainer
    decides in the same way). It stops early when no pair is left. `next_pair` of the last stage is None.
    Source: Sennrich, Haddow and Birch (2016), "Neural Machine Translation of Rare Words with Subword Units".
    """
    if n_merges < 0:
        raise SettingsError(f"n_merges={n_merges} is not allowed: it must be 0 or more.")
    words: dict[Pieces, int] = dict(Counter(tuple(word) for word in split_words(text)))
    age = {sign: number for number, sign in enumerate(sorted({sign for word in words for sign in word}))}
    stages = []
    for step in range(n_merges + 1):
        counts = count_pairs(words)
        best = sorted(counts.items(), key=lambda item: (-item[1], age[item[0][0]], age[item[0][1]]))
        pair = best[0][0] if best and step < n_merges else None
        stages.append(TrainingStage(words, best, pair))
        if pair is None:
            break
        age.setdefault("".join(pair), len(age))
        words = {merge_pair(pieces, pair): times for pieces, times in words.items()}
    return stages


def learn_merges(text: str, n_merges: int) -> list[Pair]:
    """Learn which pairs to glue, most frequent first; for ties see `learning_stages`.

    'b' + 'e' comes 3 times. Then ' ' + 'be' and 'be' + 'e' come twice each, and ' ' is older than 'be'.

    >>> learn_merges("bee bee be", 2)
    [('b', 'e'), (' ', 'be')]
    """
    return [stage.next_pair for stage in learning_stages(text, n_merges) if stage.next_pair]


class MergeStage(NamedTuple):
    """One stage of a word on its way from single signs to tokens; pair is what is merged next, None at the end."""

    pieces: Pieces
    pair: Pair | None


def merge_stages(pieces: Sequence[str], merges: Sequence[Pair]) -> list[MergeStage]:
    """Glue a word together and keep every stage. Of all pairs in sight, the one that was learned first goes first.

    >>> [stage.pieces for stage in merge_stages("bees", [("b", "e"), ("be", "e")])]
    [('b', 'e', 'e', 's'), ('be', 'e', 's'), ('bee', 's')]
    """
    rank = {pair: number for number, pair in enumerate(merges)}
    pieces = tuple(pieces)
    stages = []
    while True:
        known = [pair for pair in zip(pieces, pieces[1:], strict=False) if pair in rank]
        pair = min(known, key=rank.__getitem__, default=None)
        stages.append(MergeStage(pieces, pair))
        if pair is None:
            return stages
        pieces = merge_pair(pieces, pair)


def apply_merges(word: Sequence[str], merges: Sequence[Pair]) -> Pieces:
    """Cut a word into pieces with merges learned before; a word never seen still becomes pieces.

    >>> apply_merges("bees", [("b", "e"), ("be", "e")])
    ('bee', 's')
    """
    return merge_stages(word, merges)[-1].pieces


# --- the real merges of a tokenizer


def read_merges(tokenizer: Any) -> list[Pair]:
    """The merges that a BPE tokenizer learned, first learned first: 48,900 of them for SmolLM2.

    Raises TokenError for another kind of tokenizer.
    """
    backend = getattr(tokenizer, "backend_tokenizer", None)
    model = json.loads(backend.to_str())["model"] if backend else {}
    if model.get("type") != "BPE":
        kind = model.get("type") or type(tokenizer).__name__
        raise TokenError(f"This tokenizer has no merges to show: it is {kind}, and only BPE has them.")
    return [tuple(pair.split(" ")) if isinstance(pair, str) else tuple(pair) for pair in model["merges"]]


def replay_merges(word: str, tokenizer: Any, *, merges: Sequence[Pair] | None = None) -> list[MergeStage]:
    """Every stage of a real word in a real tokenizer, from bytes to the tokens that the model reads.

    word: one word, with the space in front of it if it has one.
    merges: from `read_merges`; saves reading them again for each word.
    Raises TokenError where the text is not one word: merges never cross the border between words.

    >>> [stage.pieces for stage in replay_merges(" too", smollm2_tokenizer)]
    [('Ġ', 't', 'o', 'o'), ('Ġt', 'o', 'o'), ('Ġto', 'o'), ('Ġtoo',)]
    """
    check_text(word)
    merges = read_merges(tokenizer) if merges is None else merges
    pre_tokenizer = tokenizer.backend_tokenizer.pre_tokenizer
    words = [part for part, _ in pre_tokenizer.pre_tokenize_str(word)] if pre_tokenizer else [word]
    if len(words) != 1:
        raise TokenError(f"word={word!r} is not one word: this tokenizer cuts it into {words} first.")
    return merge_stages(words[0], merges)
