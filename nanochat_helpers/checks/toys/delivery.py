"""A stream of bytes for sheet 12."""

from collections.abc import Callable
from typing import Any


def with_chunks(function: Callable[..., Any], text: str, cuts: list[int]) -> Any:
    """Call the student's function with the bytes of a text, cut at these places."""
    return function(as_chunks(text, cuts))


def as_chunks(text: str, cuts: list[int]) -> list[bytes]:
    """The bytes of a text, cut at these places."""
    data = text.encode()
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
