"""Step 6, post-processing: from raw model text to a clean reply, with a list of every edit that was made.

Each edit is one small function from text to text; `clean` applies them in order. It mends only the outside of a reply:
whether it is true or kind is not decided here. To read a value out of a reply see `extraction`.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from .errors import MessageError, SettingsError
from .settings import as_stop_strings

# A full stop ends a sentence where white space follows, but not after the number that opens a line of a list ("2. ").
# Chinese and Japanese leave no space after theirs.
END_OF_SENTENCE = re.compile(r"(?<!^\d)(?<!^\d\d)[.!?…][\"'”’)\]]*(?=\s|$)|[。！？][”’」』）]*", re.MULTILINE)
HAS_WORDS = re.compile(r"[^\W\d_]|[^\x00-\x7f]")  # a letter, or a sign beyond ASCII such as an emoji
OWN_NAMES = ("Assistant", "Bot")
FINISH_REASONS = ("stop", "length", "stop_string", "blocked", "cancelled")

# All edits of `clean`, in the order in which it makes them.
EDIT_NAMES = (
    "remove_special_tokens",
    "remove_prompt",
    "remove_own_name",
    "cut_at_stop_string",
    "cut_loop",
    "cut_half_sentence",
    "tidy_white_space",
)


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


def remove_special_tokens(text: str, special_tokens: str | Sequence[str]) -> str:
    """Take out control tokens that were written as text: "Hello<|im_end|>" becomes "Hello".

    One that only appears when another is taken out goes, too: nothing is left of "<|im_<|im_end|>end|>".
    """
    _check_text(text)
    special_tokens = _as_list("special_tokens", special_tokens)
    before = None
    while text != before:
        before = text
        for token in special_tokens:
            text = text.replace(token, "")
    return text


def remove_prompt(text: str, prompt: str) -> str:
    """Take the prompt away where the text begins by repeating it: with "Hi." before it, "Hi. Hello!" becomes "Hello!".

    Also more than once. Half a word is no repetition: with "Hi" before it, "High up" stays.
    """
    _check_text(text, prompt)
    prompt = prompt.strip()
    while prompt and text.lstrip().startswith(prompt):
        rest = text.lstrip()[len(prompt) :]
        if prompt[-1].isalnum() and rest[:1].isalnum():
            break
        text = rest.lstrip()
    return text


def remove_own_name(text: str, names: str | Sequence[str] = OWN_NAMES) -> str:
    r"""Take the speaker's name away where it opens the text: "Bot: Hi" and "assistant\nHi" become "Hi"."""
    _check_text(text)
    name = "|".join(map(re.escape, _as_list("names", names))) or r"(?!)"
    return re.sub(rf"\A\s*(?:(?:{name})(?::|[ \t]*\n)\s*)+", "", text, flags=re.IGNORECASE)


def cut_at_stop_string(text: str, stop: str | Sequence[str]) -> str:
    r"""End the text where the first stop string begins: "Fine.\nUser: And" with stop "\nUser:" becomes "Fine."."""
    _check_text(text)
    starts = [text.find(string) for string in as_stop_strings(stop) if string in text]
    return text[: min(starts)] if starts else text


def cut_loop(text: str, max_repeats: int = 2) -> str:
    """Cut a text that ends by saying the same thing over and over, after the first `max_repeats` times.

    "No. No. No. No. No. No. No. No. " becomes "No. No. ". A loop has at least one copy more than that and 30 characters
    in all, so "ha ha ha" is none. The last copy may be unfinished. Digits and signs alone are none either: 10000…0 is a
    number, and |---|---| a table.
    """
    _check_text(text)
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

    A text without any finished sentence stays as it is: half a sentence is better than none. White space behind the
    last sentence is no half sentence.
    """
    _check_text(text)
    end = max((match.end() for match in END_OF_SENTENCE.finditer(text)), default=len(text))
    return text[:end] if text[end:].strip() else text


def tidy_white_space(text: str) -> str:
    """Remove space at both ends and at the ends of lines, and all but one of several empty lines."""
    _check_text(text)
    text = "\n".join(line.rstrip(" \t\r") for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def clean(
    raw_text: str,
    *,
    special_tokens: str | Sequence[str] = (),
    stop: str | Sequence[str] = (),
    finish_reason: str = "stop",
    prompt: str = "",
    only: Collection[str] | None = None,
) -> Cleaned:
    """Make all edits that a reply needs, in order, and list those that changed something.

    A half sentence is cut only when the model had to end because of its length (finish_reason "length").
    prompt: what the model was given, where the raw text repeats it, as that of Hugging Face's `generate` does.
    only: names out of EDIT_NAMES; all other edits are switched off.
    Edits are made again until none changes anything, so a clean text stays as it is. Nothing is ever added.
    Raises MessageError where raw_text is no text, SettingsError for a stop string, a name or a finish_reason that is
    none.
    """
    _check_text(raw_text, prompt)
    if finish_reason not in FINISH_REASONS:
        raise SettingsError(
            f"finish_reason={finish_reason!r:.60} is not allowed: it must be one of {', '.join(FINISH_REASONS)}."
        )
    steps = _steps(special_tokens, as_stop_strings(stop), finish_reason, prompt, only)
    text, edits, before = raw_text, [], None
    while text != before:
        before = text
        for name, edit in steps:
            edited = edit(text)
            if edited != text:
                edits.append(Edit(name, text, edited))
            text = edited
    return Cleaned(text, edits)


def _steps(special_tokens, stop, finish_reason, prompt, only) -> list[tuple[str, Callable[[str], str]]]:
    """The edits that are switched on, in order, each as a function from text to text."""
    unknown = [name for name in only or () if name not in EDIT_NAMES]
    if unknown or isinstance(only, str):
        wrong = only if isinstance(only, str) else unknown[0]
        raise SettingsError(
            f"only={wrong!r} is not allowed: it must be a list of names out of {', '.join(EDIT_NAMES)}."
        )
    prompt = remove_special_tokens(prompt, special_tokens)
    functions = (
        lambda text: remove_special_tokens(text, special_tokens),
        lambda text: remove_prompt(text, prompt),
        remove_own_name,
        lambda text: cut_at_stop_string(text, stop),
        cut_loop,
        cut_half_sentence if finish_reason == "length" else str,
        tidy_white_space,
    )
    steps = zip(EDIT_NAMES, functions, strict=True)
    return [(name, edit) for name, edit in steps if only is None or name in only]


def _check_text(*texts):
    for text in texts:
        if not isinstance(text, str):
            raise MessageError(f"An edit takes text, such as reply.trace.raw_text, not {text!r:.60}.")


def _as_list(name, texts):
    """One text or several as a list."""
    texts = [texts] if isinstance(texts, str) else texts
    if not isinstance(texts, Collection) or not all(isinstance(text, str) for text in texts):
        raise SettingsError(f"{name}={texts!r:.60} is not allowed: it must be one text or a list of texts.")
    return list(texts)
