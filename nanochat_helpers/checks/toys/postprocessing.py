"""Edits with their names for sheet 07."""

from collections.abc import Callable
from typing import Any


def make_edit(kind: str, piece: str) -> tuple[str, Callable[[str], str]]:
    """An edit with its name: it removes a piece everywhere, cuts the text at a piece, or takes space off both ends."""
    if kind == "remove":
        return f"remove {piece}", lambda text: text.replace(piece, "")
    if kind == "cut at":
        return f"cut at {piece}", lambda text: text.partition(piece)[0]
    return "strip", lambda text: text.strip()


def with_edits(function: Callable[..., Any], text: str, edits: list[list[str]]) -> Any:
    """Call the student's function with edits made of their kinds and pieces."""
    return function(text, [make_edit(*each) for each in edits])
