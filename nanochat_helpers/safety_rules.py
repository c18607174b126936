"""The rules that `safety` applies: each finds places in a text by their form, and says what is to be done there.

In: a text. Out: places, as (start, end). A rule knows letters, not meanings: that is what lesson 09 measures.
"""

import functools
import itertools
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import regex

from .errors import SettingsError
from .postprocess import END_OF_SENTENCE, HAS_WORDS
from .tokens import check_text

ACTIONS = ("block", "mask", "warn")
SECONDS = 0.25  # so long may a pattern search in one text: some patterns would try for ever
MOST_COPIES = 10_000  # "((a{100}){100}){100}" would need more memory than there is
Places = Iterable[tuple[int, int]]

EMAIL = r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}"
# "{6,20}+" takes all it can and gives nothing back: with "{6,20}" a long row of digits would be tried again and again.
PHONE = r"(?<![\w+.,:/-]|\d )(?:\(?\+|\()?\d(?:[ ()./-]{0,3}+\d){6,20}+(?![\w-]|[.,:/ ]\d)"
CARD_NUMBER = r"(?<![\w.-]|\d )\d(?:[ -]?\d){12,18}+(?![\w-]| \d)"
IBAN = r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)"
CONTROL_TOKEN = r"<\|[^\s<>|]{1,40}\|>|</?s>|<(?:start|end)_of_turn>|\[/?INST\]"
_DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}|\d{4}[./-]\d{1,2}[./-]\d{1,2}|0\.\d+")
_RUN = re.compile(r"(?<!\w)(\w.{0,39}?)\1{3,}|(\S)\2{29,}", re.DOTALL)


@dataclass(frozen=True)
class Finding:
    """A place at which a rule found something: text[start:end]. says: one sentence for the reader."""

    rule: str
    action: str
    start: int
    end: int
    says: str


@dataclass(frozen=True)
class Rule:
    """One rule: a function that finds places in a text, and what is to be done there.

    find: text → (start, end) of each place. action: "block" (the text goes no further), "mask" (the place is replaced
    by the rule's name in brackets) or "warn" (the text goes on, with a note). says: one sentence for the reader.
    stops: where it finds something, the rules after it need not look.
    Raises SettingsError for a name or an action that cannot be used.
    """

    name: str
    find: Callable[[str], Places]
    action: str = "mask"
    says: str = "This is not used here."
    stops: bool = False

    def __post_init__(self):
        if not isinstance(self.name, str) or not self.name.strip():
            raise SettingsError(f"A rule needs a name, such as 'email', not {self.name!r:.60}.")
        if self.action not in ACTIONS:
            raise SettingsError(
                f"The rule {self.name!r} has the action {self.action!r:.60}; the actions are {', '.join(ACTIONS)}."
            )
        if not callable(self.find):
            raise SettingsError(f"The rule {self.name!r} needs a function that finds places, not {self.find!r:.60}.")

    def change(self, **changes) -> "Rule":
        """A copy with something changed, such as the action."""
        return replace(self, **changes)

    def findings(self, text: str) -> list[Finding]:
        """All that this rule finds in a text.

        What cannot be checked in time is blocked, whatever the action: nothing goes through unseen.
        """
        check_text(text)
        try:
            places = [self._checked(place, text) for place in self._places(text)]
        except TimeoutError:
            says = "The text could not be checked in time, and what was not checked goes no further."
            return [Finding(self.name, "block", 0, len(text), says)]
        return [Finding(self.name, self.action, start, end, self.says) for start, end in places if start < end]

    def _places(self, text):
        places = self.find(text)
        if not isinstance(places, Iterable):
            raise SettingsError(
                f"The function of the rule {self.name!r} must return a list of places, such as [(0, 4)], not "
                f"{places!r:.60}: is its return missing?"
            )
        return places

    def _checked(self, place, text):
        """A rule of one's own may give anything."""
        match place:
            case (int(start), int(end)) if 0 <= start <= end <= len(text):
                return start, end
        within = f"a place is (start, end), within the {len(text)} characters of the text"
        raise SettingsError(f"The rule {self.name!r} found {place!r:.60}: {within}.")


# --- rules made of a pattern


def pattern_rule(
    name: str,
    pattern: str,
    action: str = "mask",
    *,
    says: str | None = None,
    accept: Callable[[str], bool] = bool,
) -> Rule:
    """A rule that finds whatever a regular expression fits, for at most SECONDS in one text.

    accept: looks at each text that fits and says whether it counts.
    Raises SettingsError, with the place of the mistake, for a pattern that is not valid or too large.
    """
    compiled = _compiled(name, pattern)

    def find(text):
        matches = compiled.finditer(text, timeout=SECONDS)
        return [match.span() for match in matches if accept(match[0])]

    return Rule(name, find, action, says or f"This looks like: {name}.")


def _compiled(name, pattern):
    if not isinstance(pattern, str) or not pattern:
        raise SettingsError(f"The pattern of the rule {name!r} must be a text that is not empty, not {pattern!r:.60}.")
    # Each group with a count is copied that often, and what is in it again.
    counts = [int(most or least) for least, most in re.findall(r"\)\{(\d{1,9})(?:,(\d{0,9}))?\}", pattern)]
    single = [int(most or least) for least, most in re.findall(r"(?<!\))\{(\d{1,9})(?:,(\d{0,9}))?\}", pattern)]
    if math.prod(counts) * max([1, *single]) > MOST_COPIES or len(pattern) > 2000:
        raise SettingsError(f"The pattern of the rule {name!r} is too large ({pattern!r:.60}): use smaller counts.")
    try:
        return regex.compile(pattern)
    except regex.error as error:
        where = "" if error.pos is None else f" at position {error.pos}"
        problem = f"is not a valid expression: {error.msg}{where}"
    except (RecursionError, OverflowError, ValueError) as error:
        problem = f"cannot be used: {error}"
    shown = f"“{pattern:.80}”" if pattern.isprintable() else f"{pattern!r:.80}"
    raise SettingsError(f"The pattern {shown} of the rule {name!r} {problem}.")


def is_phone(text: str) -> bool:
    """Does a row of digits look like a telephone number: 7 to 15 digits, no date, and a usual beginning or form?"""
    digits = sum(character.isdigit() for character in text)
    usual = text.startswith(("+", "(", "0")) or re.fullmatch(r"(1[ .-])?\d{3}[ .-]\d{3}[ .-]\d{4}", text)
    return 7 <= digits <= 15 and bool(usual) and not _DATE.fullmatch(text)


def passes_luhn(text: str) -> bool:
    """Is the last digit the check digit of the others, as on every bank card? (ISO/IEC 7812-1; H. P. Luhn, 1960)

    From the right, every second digit is doubled, and 9 taken off where that gives more than 9. The sum must end in 0.
    One wrong digit is always noticed; of random numbers, one in ten passes.
    Raises MessageError for what is no text: 4111 must stand in quotes.
    """
    check_text(text, "The number of a card (in quotes)")
    digits = [int(character) for character in reversed(text) if character.isdecimal()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[1::2]]
    return len(set(digits)) > 1 and (sum(digits[::2]) + sum(doubled)) % 10 == 0


def passes_iban(text: str) -> bool:
    """Are the two check digits of a bank account number right? (ISO 13616: the number modulo 97 is 1)"""
    letters = text.replace(" ", "")
    return int("".join(str(int(letter, 36)) for letter in letters[4:] + letters[:4])) % 97 == 1


# --- rules about the whole text


def length_rule(max_characters: int = 10_000, action: str = "block") -> Rule:
    """A rule that finds what is too much: all after the first `max_characters`."""
    if isinstance(max_characters, bool) or not isinstance(max_characters, int) or max_characters < 1:
        raise SettingsError(
            f"max_characters={max_characters!r} is not allowed: it must be a whole number of 1 or more."
        )

    def find(text):
        return [(max_characters, len(text))] if len(text) > max_characters else []

    return Rule("length", find, action, f"A text may have at most {max_characters:,} characters.", stops=True)


def repetition_rule(max_times: int = 2, action: str = "warn") -> Rule:
    """A rule that finds what is said again and again: see `find_repeats`."""
    says = "The same thing is said again and again."
    return Rule("repetition", functools.partial(find_repeats, max_times=max_times), action, says)


def find_repeats(text: str, max_times: int = 2) -> list[tuple[int, int]]:
    """Sentences or lines of 10 characters or more that were said `max_times` before, and runs such as "no no no no …".

    A run has at least four copies of up to 40 characters, 30 characters in all, and a letter: 10000…0 is a number.
    """
    ends = [match.end() for match in END_OF_SENTENCE.finditer(text)] + [
        match.end() for match in re.finditer("\n", text)
    ]
    cuts = sorted({0, *ends, len(text)})
    seen, places = Counter(), []
    for start, end in itertools.pairwise(cuts):
        sentence = " ".join(text[start:end].lower().split())
        seen[sentence] += 1
        if len(sentence) >= 10 and seen[sentence] > max_times:
            places.append((start, end))
    runs = [match.span() for match in _RUN.finditer(text) if len(match[0]) >= 30 and HAS_WORDS.search(match[0])]
    return _joined(places + runs)


def _joined(places):
    """Places in order; those that touch become one."""
    joined = []
    for start, end in sorted(places):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined
