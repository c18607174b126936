"""Step 6, post-processing: from raw model text to a clean reply, with a list of every edit that was made.

Each edit is one small function from text to text; `clean` applies them in order. It mends only the outside of a reply:
whether it is true or kind is not decided here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

# A full stop ends a sentence where white space follows, but not after the number that opens a line of a list ("2. ").
# Chinese and Japanese leave no space after theirs.
END_OF_SENTENCE = re.compile(r"(?<!^\d)(?<!^\d\d)[.!?…][\"'”’)\]]*(?=\s|$)|[。！？][”’」』）]*", re.MULTILINE)
HAS_WORDS = re.compile(r"[^\W\d_]|[^\x00-\x7f]")  # a letter, or a sign beyond ASCII such as an emoji


@dataclass(frozen=True)
class Edit:
    """One change: the name of the function that made it, and the text before and after."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Cleaned:
    """The clean text and the edits that led to it; no edits means that the raw text was fine."""

    text: str
    edits: list[Edit]


def remove_special_tokens(text: str, special_tokens: list[str]) -> str:
    """Take out control tokens that were written as text: "Hello<|im_end|>" becomes "Hello".

    One that only appears when another is taken out goes, too: nothing is left of "<|im_<|im_end|>end|>".
    """
    before = None
    while text != before:
        before = text
        for token in special_tokens:
            text = text.replace(token, "")
    return text


def cut_at_stop_string(text: str, stop: tuple[str, ...]) -> str:
    r"""End the text where the first stop string begins: "Fine.\nUser: And" with stop "\nUser:" becomes "Fine."."""
    starts = [text.find(string) for string in stop if string in text]
    return text[: min(starts)] if starts else text


def cut_loop(text: str, max_repeats: int = 2) -> str:
    """Cut a text that ends by saying the same thing over and over, after the first `max_repeats` times.

    "No. No. No. No. No. No. No. No. " becomes "No. No. ". A loop has at least one copy more than that and 30 characters
    in all, so "ha ha ha" is none. The last copy may be unfinished. Digits and signs alone are none either: 10000…0 is a
    number, and |---|---| a table.
    """
    for period in range(1, len(text) // (max_repeats + 1) + 1):
        length = period
        while length < len(text) and text[-length - 1] == text[-length - 1 + period]:
            length += 1
        if length >= max(30, (max_repeats + 1) * period):
            if not HAS_WORDS.search(text[-period:]):
                return text
            # What is left may end in another loop: "ha ha ha …" inside a verse that was repeated.
            return cut_loop(text[: len(text) - length + period * max_repeats], max_repeats)
    return text


def cut_half_sentence(text: str) -> str:
    """Drop the last sentence when it has no end: "I like tea. I also" becomes "I like tea.".

    A text without any finished sentence stays as it is: half a sentence is better than none.
    """
    ends = [match.end() for match in END_OF_SENTENCE.finditer(text)]
    return text[: ends[-1]] if ends else text


def tidy_white_space(text: str) -> str:
    """Remove space at both ends and at the ends of lines, and all but one of several empty lines."""
    text = "\n".join(line.rstrip(" \t\r") for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def clean(
    raw_text: str, *, special_tokens: Sequence[str] = (), stop: tuple[str, ...] = (), finish_reason: str = "stop"
) -> Cleaned:
    """Make all edits that a reply needs, in order, and list those that changed something.

    A half sentence is cut only when the model had to end because of its length (finish_reason "length").
    """
    steps = [
        ("remove_special_tokens", lambda text: remove_special_tokens(text, special_tokens)),
        ("cut_at_stop_string", lambda text: cut_at_stop_string(text, stop)),
        ("cut_loop", cut_loop),
        ("cut_half_sentence", cut_half_sentence if finish_reason == "length" else str),
        ("tidy_white_space", tidy_white_space),
    ]
    text, edits = raw_text, []
    for name, edit in steps:
        edited = edit(text)
        if edited != text:
            edits.append(Edit(name, text, edited))
        text = edited
    return Cleaned(text, edits)
