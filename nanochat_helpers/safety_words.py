"""Rules made of words: a text's words, without capitals and accents, are looked up in a list.

In: a list of words. Out: a Rule for `safety`. A list knows no meanings: lesson 09 measures what follows from that.
"""

import functools
import importlib.util
import itertools
import re
import unicodedata
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from .errors import SettingsError
from .safety_rules import Rule

_LOOKALIKES = str.maketrans("013457$@", "oieastsa")


@functools.cache
def word_list() -> tuple[str, ...]:
    """The word list of better-profanity: over 900 English words and short phrases. Not for reading aloud.

    Raises SettingsError where that library is not installed.
    """
    found = importlib.util.find_spec("better_profanity")
    if found is None:
        raise SettingsError("The word list is part of better-profanity: pip install better-profanity, or give words=.")
    text = Path(found.submodule_search_locations[0], "profanity_wordlist.txt").read_text("utf-8")
    return tuple(line.strip() for line in text.splitlines() if line.strip())


@functools.cache
def everyday_words() -> frozenset[str]:
    """Words of that list which are mostly used without harm: for the body, for who somebody is, for pots and fat."""
    text = files(__package__).joinpath("data/everyday_words.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def rude_words() -> list[str]:
    """The word list without the everyday words: what the safe defaults use."""
    return [word for word in word_list() if word.lower() not in everyday_words()]


def word_rule(
    name: str = "rude",
    words: Sequence[str] | None = None,
    action: str = "block",
    *,
    says: str = "This word is on the list of words that are not used here.",
    everyday: bool = False,
    lookalikes: bool = False,
) -> Rule:
    """A rule that finds words, and only whole ones: "pot" is not found in "potato".

    words: None is `rude_words()`, or with everyday all of `word_list()`. Capitals, accents and invisible signs make
    no difference (see `fold`).
    lookalikes: read digits as the letters they look like, as in "5tup1d".
    Raises SettingsError where words is not a list of texts.
    """
    if words is None:
        words = word_list() if everyday else rude_words()
    if not isinstance(words, (list, tuple, set, frozenset)) or not all(isinstance(word, str) for word in words):
        raise SettingsError(f"The words of the rule {name!r} must be a list of texts, not {words!r:.60}.")

    def unmask(text):
        return text.translate(_LOOKALIKES) if lookalikes else text

    folded = {unmask(fold(word)[0].strip()) for word in words} - {""}
    # Not next to another letter or digit; an underline may stand there.
    pattern = re.compile(rf"(?<![^\W_])(?:{_any_of(folded)})(?![^\W_])")

    def find(text):
        letters, places = fold(text)
        ends = [*places, len(text)]
        return [(ends[match.start()], ends[match.end()]) for match in pattern.finditer(unmask(letters))]

    return Rule(name, find, action, says)


def _any_of(words):
    """A pattern for any of some words, one branch a first letter: much quicker than one a word."""
    branches = []
    for letter, group in itertools.groupby(sorted(words), key=lambda word: word[0]):
        longest_first = sorted((word[1:] for word in group), key=len, reverse=True)
        branches.append(f"{re.escape(letter)}(?:{'|'.join(map(re.escape, longest_first))})")
    return "|".join(branches) or "(?!)"


def fold(text: str) -> tuple[str, Sequence[int]]:
    """The text as small letters without accents, and for each of them its place in the text.

    "ÉTÉ" and a wide "ｅｔｅ" both become "ete"; signs that cannot be seen are left out. The German ß stays a ß.
    """
    if text.isascii():
        return text.lower(), range(len(text))
    pairs = [(letter, place) for place, character in enumerate(text) for letter in _plain(character)]
    return "".join(letter for letter, _ in pairs), [place for _, place in pairs]


@functools.lru_cache(maxsize=4096)
def _plain(character):
    letters = unicodedata.normalize("NFKD", character.lower())
    return "".join(letter for letter in letters if unicodedata.category(letter) not in {"Mn", "Me", "Cf"})
