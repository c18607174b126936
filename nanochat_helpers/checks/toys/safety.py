"""A student's pattern tried out, for sheet 09: it may need for ever."""

import re
from collections.abc import Callable, Iterator
from time import thread_time

from ...language import tr

TOO_LONG = 0.016  # seconds in a text of some 30 characters: a safe pattern needs a thousandth of that
ROW = re.compile(r"(\d)\1{9,}")


def found(function: Callable[[], str | re.Pattern | None], text: str) -> list[str] | None:
    """What the student's pattern finds in a text.

    Python cannot stop `re` half-way, so a row of digits is tried short first: a pattern whose work doubles with each
    digit is caught long before it hangs. Raises TimeoutError for it, ValueError and TypeError for what is no pattern.
    """
    pattern = function()
    if pattern is None:
        return None
    if not isinstance(pattern, str | re.Pattern):
        raise TypeError(tr("the pattern should be a text, not {pattern}", pattern=f"{pattern!r:.40}"))
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ValueError(tr("the pattern is not valid: {error}", error=error)) from None
    for shorter in _with_shorter_row(text):
        if all(_seconds(compiled, shorter) > TOO_LONG for _ in range(2)):  # once may be Python tidying its memory
            raise TimeoutError(tr("this pattern tries far too many ways here, and each further digit doubles them"))
    return [match[0] for match in compiled.finditer(text)]


def _seconds(compiled: re.Pattern, text: str) -> float:
    start = thread_time()
    compiled.findall(text)
    return thread_time() - start


def _with_shorter_row(text: str) -> Iterator[str]:
    """The text with its long row of one digit cut to 5, 6, 7, … digits, and at last as it is."""
    row = ROW.search(text)
    for n in range(5, len(row[0]) if row else 0):
        yield text.replace(row[0], row[0][:n])
    yield text
