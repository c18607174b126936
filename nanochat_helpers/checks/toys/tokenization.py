"""A toy tokenizer, and bytes, for sheet 01."""

from collections.abc import Callable
from typing import Any


class WordTokenizer:
    """A tokenizer for this sheet: it knows a few words, makes letters small, and forgets how many spaces there were."""

    def __init__(self, words: list[str]):
        self.words = words

    def encode(self, text: str) -> list[int]:
        """The place of each word in the list; 0 for a word that is not in it."""
        return [self.words.index(word) if word in self.words else 0 for word in text.lower().split()]

    def decode(self, input_ids: list[int]) -> str:
        """The words, with one space between them."""
        return " ".join(self.words[token_id] for token_id in input_ids)


def with_words(function: Callable[..., Any], text: str, words: list[str]) -> Any:
    """Call the student's function with a tokenizer of these words."""
    return function(text, WordTokenizer(words))


def with_pair(function: Callable[..., Any], pieces: list[str], pair: list[str]) -> Any:
    """Call the student's function with the pair as a tuple."""
    return function(pieces, tuple(pair))


def with_bytes(function: Callable[..., Any], parts: list[list[int]]) -> Any:
    """Call the student's function with the parts of a stream."""
    return function(as_bytes(parts))


def as_bytes(parts: list[list[int]]) -> list[bytes]:
    """The parts of a stream, given by the numbers of their bytes."""
    return [bytes(part) for part in parts]
