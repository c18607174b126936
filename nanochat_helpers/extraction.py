"""Step 6, parsing: from the text of a reply to one value that a program can use: a number, a choice, JSON or code.

Each function gives the value, or None where there is none or where the text could mean several: it never guesses.
It only reads. Whether the value is right is not decided here, and code from a model is never run.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from .errors import MessageError, SettingsError

# What begins like a number, with its sign; whether it is one is decided by READABLE.
LIKE_NUMBER = re.compile(r"(?<![\w.,])[-−]?(?=[.,]*\d)[\w.,]*+")
# Digits, perhaps with commas between thousands, a decimal point, and a unit of up to three letters: "1,200.5km".
READABLE = re.compile(
    r"(?P<value>[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?)(?!st|nd|rd|th)[^\W\d_²³½¼¾]{0,3}[.,]*", re.IGNORECASE
)
MOST_DIGITS = 100
# What announces an answer. What it announces begins right after it.
MARK = re.compile(
    r"(?:(?<![<>!])=|####|\bequals|\banswer:|\b(?:answer|result|sum|total)\s+is:?)[\s*\"'“(`$€£]*", re.IGNORECASE
)
NEGATED = re.compile(r"(?:\bnot|\bnor|\bneither|n['’]t)\s+(?:an?\s+|the\s+)?[\"'“(*]*\Z", re.IGNORECASE)
BRACKET = re.compile(r"[{\[]")
FENCE = re.compile(r"^[ \t]*```[^\n`]*$", re.MULTILINE)


def extract_number(text: str) -> int | float | None:
    """The one number in a text: "There are 1,200 cats." gives 1200, "About 3.5 km" gives 3.5.

    One that is announced as the answer ("=", "Answer:", "the answer is") comes before all others: "7 + 5 = 12" gives
    12. None where there are several different numbers ("from 3 to 5", "10:30", "3/4"), or one whose meaning is not sure
    ("1,5", "2nd", "1e5"). Numbers in words are not read. Raises MessageError where text is no text.
    """
    _check_reply(text)
    words = [(match.start(), _number(match[0])) for match in LIKE_NUMBER.finditer(text)]
    announced = {mark.end() for mark in MARK.finditer(text)}
    answers = [number for start, number in words if start in announced]
    return _only_one(answers or [number for _, number in words])


def extract_choice(text: str, choices: Sequence[str]) -> str | None:
    """The one of the choices that a text names, as it is spelt in `choices`: "Yes, it is." gives "yes" of yes and no.

    Only whole words count; capital letters make no difference, except for a choice of one letter. One that is announced
    ("The answer is B, not A.") comes before all others. None where several are named, where one is denied ("not good"),
    or where A, a or I stands before another word ("A cat"): it may be such a word itself.
    Raises MessageError where text is no text, SettingsError where the choices are no different texts.
    """
    _check_reply(text)
    _check_choices(choices)
    longest_first = sorted(choices, key=len, reverse=True)  # "New York" is not "York"
    named = "|".join(f"({_spelt(choice)})" for choice in longest_first)
    found = list(re.finditer(rf"(?<!\w)(?:{named})(?!\w)", text))
    announced = {mark.end() for mark in MARK.finditer(text)}
    answers = [match for match in found if match.start() in announced] or found
    if any(_is_unsure(match) for match in answers):
        return None
    return _only_one([longest_first[match.lastindex - 1] for match in answers])


def extract_json(text: str) -> dict | list | None:
    """The one JSON object or list in a text: 'Here it is: {"age": 3}' gives {"age": 3}.

    None where there are several different ones, or a bracket that opens no valid JSON: it was cut, has a comma too
    many or a key twice. Raises MessageError where text is no text.
    """
    _check_reply(text)
    values, place = [], 0
    try:
        while bracket := BRACKET.search(text, place):
            value, place = _JSON.raw_decode(text, bracket.start())
            values.append(value)
        return _only_one(values)
    except (ValueError, RecursionError):
        return None


def extract_code(text: str) -> str | None:
    r"""The one block of code in a text, between two lines of ```: "Run:\n```python\nx = 1\n```" gives "x = 1\n".

    None where there are several different ones, or the last one has no end: it was cut. It is not run, and must not be
    before somebody has read it. Raises MessageError where text is no text.
    """
    _check_reply(text)
    fences = list(FENCE.finditer(text))
    if len(fences) % 2:
        return None
    pairs = zip(fences[::2], fences[1::2], strict=True)
    return _only_one([text[begin.end() + 1 : end.start()] for begin, end in pairs])


def _check_reply(text):
    if not isinstance(text, str):
        raise MessageError(f"There is no text to read in {text!r:.60}: give the reply's text, such as reply.text.")


def _only_one(values: list) -> Any:
    """The value that all of them are; None where they differ, one of them is None, or there is none."""
    return values[0] if values and all(_same(value, values[0]) for value in values) else None


def _same(one, other):
    return repr(one) == repr(other) or (one == other and isinstance(one, (int, float)))


def _number(word: str) -> int | float | None:
    found = READABLE.fullmatch(word)
    if not found or len(word) > MOST_DIGITS:
        return None
    value = found["value"].replace(",", "").replace("−", "-")
    return float(value) if "." in value else int(value)


def _check_choices(choices):
    is_list = isinstance(choices, (list, tuple)) and all(isinstance(choice, str) and choice for choice in choices)
    if not is_list or not choices or len({_spelt(choice).casefold() for choice in choices}) < len(choices):
        raise SettingsError(
            f"choices={choices!r:.60} is not allowed: it must be a list of different texts such as ['yes', 'no']."
        )


def _spelt(choice):
    """The pattern of a choice: of more than one letter in capital and small letters."""
    return re.escape(choice) if len(choice) == 1 else f"(?i:{re.escape(choice)})"


def _is_unsure(match):
    """Is a choice denied, or could it be a word of the sentence?"""
    is_word = match[0] in ("A", "a", "I") and re.match(r"[^\S\n]+[^\W\d_]", match.string[match.end() :])
    return is_word or NEGATED.search(match.string[max(0, match.start() - 40) : match.start()])


def _no_key_twice(pairs):
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands there twice")
    return dict(pairs)


def _no_constant(name):
    raise ValueError(f"{name} is no JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
