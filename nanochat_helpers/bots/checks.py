"""What a case can ask for: each check gets (answer, what the case wants, bot) and gives None, or a sentence why not."""

import re
from pathlib import Path

from ..errors import SettingsError
from ..extraction import extract_number
from ..views.markup import count

ALICE = Path(__file__).parents[1] / "data" / "bots" / "alice.txt"
QUOTE = re.compile(r"“([^”]+)”\s*\(lines? (\d+)(?:[–-](\d+))?\)")
DECLINES = re.compile(
    r"\b(i (do not|don't|cannot|can't|could not|couldn't|only)|i need|i'm (sorry|not sure)|i am (sorry|not sure)|"
    r"not possible|impossible|undefined|found nothing|nothing can|is missing|not closed|too long|unable)\b"
)


def contains(answer, wanted, bot):
    """Each of these texts stands in the answer; capital and small letters are the same."""
    missing = [text for text in _texts("contains", wanted) if text.lower() not in _plain(answer)]
    return f"It has no “{'”, “'.join(missing)}”." if missing else None


def contains_any(answer, wanted, bot):
    """At least one of these texts stands in the answer."""
    if any(text.lower() in _plain(answer) for text in _texts("contains_any", wanted)):
        return None
    return f"It has none of “{'”, “'.join(wanted)}”."


def lacks(answer, wanted, bot):
    """None of these texts stands in the answer."""
    there = [text for text in _texts("lacks", wanted) if text.lower() in _plain(answer)]
    return f"It has “{'”, “'.join(there)}”." if there else None


def number(answer, wanted, bot):
    """The answer, or its first line, gives this number and no other as the result; or it ends in "… is 12"."""
    _must_be((int, float), "a number", "number", wanted)
    found = [extract_number(part.replace("≈", "=")) for part in (answer, answer.strip().split("\n")[0])]
    if found == [None, None]:
        found.append(extract_number(re.split(r"\b(?:is|are|makes|gives)\b", answer)[-1]))
    if wanted in found:
        return None
    clear = [str(each) for each in found if each is not None]
    return f"The number should be {wanted}; found: {clear[-1] if clear else 'none that is clear'}."


def questions(answer, wanted, bot):
    """The answer asks so many questions."""
    _must_be((int, float), "a number", "questions", wanted)
    n_questions = len(re.findall(r"\?(?!\w)", re.sub(r"\?[?!]+", "?", answer)))
    return None if n_questions == wanted else f"It asks {count(n_questions, 'question')} and should ask {wanted}."


def declines(answer, wanted, bot):
    """The answer says that it cannot or does not know; with False: it does not say so."""
    _must_be(bool, "True or False", "declines", wanted)
    own_words = re.sub("“[^”]*”", "", _plain(answer))  # what is quoted may say anything
    if bool(DECLINES.search(own_words)) is wanted:
        return None
    return "It should say that it cannot tell." if wanted else "It says that it cannot tell."


def quotes(answer, wanted, bot):
    """The answer quotes lines “…” (lines 3–5) that are really there, and one of the quotes has this text."""
    _must_be(str, "a text", "quotes", wanted)
    lines = getattr(bot, "lines", None) or ALICE.read_text("utf-8").splitlines()
    found = QUOTE.findall(answer)
    for quote, first, last in found:
        there = " ".join(lines[int(first) - 1 : int(last or first)])
        if _squeezed(quote) not in _squeezed(there):
            return f"These words are not in lines {first}–{last or first}: “{quote:.40}”."
    if not any(_squeezed(wanted).lower() in _squeezed(quote).lower() for quote, _, _ in found):
        return f"No quote has “{wanted}”." if found else "It quotes no lines."
    return None


def language(answer, wanted, bot):
    """The answer is in this language, as far as `language.language_of` can tell."""
    _must_be(str, "a text", "language", wanted)
    from .language import language_of

    found = language_of(answer)
    return (
        None
        if (found or "").lower() == wanted.lower()
        else f"It seems to be {found or 'in no language that is known here'}, not {wanted}."
    )


def most_words(answer, wanted, bot):
    """The answer has at most so many words."""
    _must_be((int, float), "a number", "most_words", wanted)
    n_words = len(answer.split())
    return None if n_words <= wanted else f"It has {n_words} words, more than {wanted}."


CHECKS = {
    check.__name__: check
    for check in (contains, contains_any, lacks, number, questions, declines, quotes, language, most_words)
}


def _plain(answer):
    return answer.lower().replace("’", "'")


def _squeezed(text):
    return " ".join(text.split())


def _must_be(kind, told, name, wanted):
    if not isinstance(wanted, kind) or (isinstance(wanted, bool) and kind is not bool):
        raise SettingsError(f"The check {name!r} needs {told}, not {wanted!r:.60}.")


def _texts(name, wanted):
    texts = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(texts, (list, tuple)) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise SettingsError(f"The check {name!r} needs a text or a list of texts, not {wanted!r:.60}.")
    return texts
