"""Sheet 07: from raw text to a clean reply. Short made-up texts.

The references are `nanochat_helpers.postprocess` and `extraction` where these have the very same rules. The edits of
07.5 are made in here, as cases hold plain data only.
"""

import re
from random import Random

from ... import extraction, postprocess
from ...language import tr
from ..comparing import difference, value_text
from ..exercise import Case, Exercise, Misconception
from ..toys.postprocessing import make_edit, with_edits

# --- 07.1 the own name

NAMES = ("Bot", "Assistant", "Mia")
BODIES = (
    "Hi!",
    "to be or not to be",
    "as it is so sunny, I say: go out!",
    "mia is a name, and so is Tom.",
    "Otto and Anna: both read the same backwards.",
)


# The stub asks whether the text begins with the name, and so do these.
def _letters_stripped(text, name):
    return text.lstrip(f"{name}: ") if text.startswith(f"{name}:") else text


def _removed_everywhere(text, name):
    return text.replace(f"{name}:", "").lstrip() if text.startswith(f"{name}:") else text


def _space_left(text, name):
    return text.removeprefix(f"{name}:")


def _colon_left(text, name):
    return text[len(name) :].lstrip() if text.startswith(f"{name}:") else text


def _between_colons(text, name):
    return text.split(":")[1].strip() if text.startswith(f"{name}:") else text


def _name_case(rng: Random) -> tuple:
    name, body = rng.choice(NAMES), rng.choice(BODIES)
    opening = rng.choice((f"{name}: ", f"{name}:  ", f"{name}:", ""))
    later = rng.choice(("", f" I am {name}: your helper.", f" Ask {rng.randint(2, 9999)} of us."))
    return opening + body + later, name


OWN_NAME = Exercise(
    id="07.1",
    title="Its own name",
    points=1,
    signature="remove_name(text, name)",
    reference=postprocess.remove_own_name,
    edge_cases=(
        Case(("Bot: Hi!", "Bot")),
        Case(("Bot: to be or not to be", "Bot"), "the reply begins with letters of the name"),
        Case(("Bot: Write Bot: in front.", "Bot"), "the name comes once more, later on"),
        Case(("I am Bot: your helper.", "Bot"), "the name does not open the text"),
        Case(("Bot:Hi!", "Bot"), "no space behind the colon"),
        Case(("Bot:  Hi!", "Bot"), "two spaces behind the colon"),
        Case(("Bot:", "Bot"), "nothing but the name"),
        Case(("Bot: Hi! ", "Bot"), "the space at the end of the text stays"),
    ),
    random_case=_name_case,
    misconceptions=(
        Misconception(
            "stripped letters instead of a name",
            _letters_stripped,
            "`lstrip` takes a bag of letters, not a word: it goes on as long as it finds any of them. Which letters of "
            "the reply are missing?",
        ),
        Misconception(
            "removed the name everywhere",
            _removed_everywhere,
            "`replace` looks through the whole text. The name may only go where it opens the text.",
        ),
        Misconception(
            "left the space behind the colon",
            _space_left,
            "Look at the first character of your answer: with what does it begin?",
        ),
        Misconception(
            "left the colon",
            _colon_left,
            "Your answer begins with a colon. You cut off as many characters as the name has: what stands behind it?",
        ),
        Misconception(
            "ended at the next colon",
            _between_colons,
            "`split` parts the text at *every* colon, and a reply may have colons of its own. You know how long the "
            "opening is: how many characters must go?",
        ),
    ),
    hints=(
        "`text[n:]` is the text without its first n characters. How long are name and colon together?",
        "`.lstrip()` without anything between the brackets takes away the white space at the beginning.",
    ),
)

# --- 07.2 half a sentence

SENTENCES = (
    "I like tea.",
    "It is hot!",
    "Why not?",
    "Pi is 3.14 or so.",
    "Ask Dr. Lee.",
    "Eat fruit, e.g. plums!",
    "It costs 2.50 euros.",
    "Is Dr. Kim in?",
)
HALVES = ("I also", "Pi is 3.14 and", "We met Dr. Kim and", "Some fruit, e.g. red", "It costs 1.5", "She saw Dr.")
ABBREVIATIONS = ["Dr.", "e.g."]


def _ends(text, abbreviations, marks=".!?"):
    """The places behind which a sentence ends."""
    words = re.finditer(r"\S+", text)
    return [word.end() for word in words if word[0][-1] in marks and word[0] not in abbreviations]


def _cut_half_sentence(text, abbreviations):
    ends = _ends(text, abbreviations)
    return text[: ends[-1]] if ends else text


def _any_mark(text, abbreviations):
    end = max(text.rfind(mark) for mark in ".!?") + 1
    return text[:end] if end else text


def _nothing_left(text, abbreviations):
    return text[: max(_ends(text, abbreviations), default=0)]


def _at_abbreviations(text, abbreviations):
    return _cut_half_sentence(text, [])


def _full_stop_only(text, abbreviations):
    ends = _ends(text, abbreviations, marks=".")
    return text[: ends[-1]] if ends else text


def _last_full_stop(text, abbreviations):
    return text[: text.rfind(".") + 1]


def _white_space_lost(text, abbreviations):
    return " ".join(_cut_half_sentence(text, abbreviations).split())


def _half_case(rng: Random) -> tuple:
    parts = rng.sample(SENTENCES, rng.choice((0, 0, 1, 2, 2, 3)))
    if not parts or rng.random() < 0.8:
        parts.append(rng.choice(HALVES if parts else HALVES[1:]))
    text = parts[0]
    for part in parts[1:]:
        text += rng.choice((" ", "\n", "\n\n")) + part
    return text, rng.choice((ABBREVIATIONS, ABBREVIATIONS, ["Dr."]))


HALF_SENTENCE = Exercise(
    id="07.2",
    title="Half a sentence",
    points=3,
    signature="cut_half_sentence(text, abbreviations)",
    reference=_cut_half_sentence,
    edge_cases=(
        Case(("I like tea. I also", ABBREVIATIONS)),
        Case(("I like tea. Pi is 3.14 and", ABBREVIATIONS), "a number with a point"),
        Case(("I like tea. Ask Dr. Who", ABBREVIATIONS), "an abbreviation"),
        Case(("I like tea. She saw Dr.", ABBREVIATIONS), "an abbreviation at the very end"),
        Case(("You are smart. See the", ["art."]), "“smart.” is another word than “art.”"),
        Case(("Pi is 3.14 and ", ABBREVIATIONS), "no sentence ends: all of the text comes back"),
        Case(("Hot!\nIs it tea?\nYes, it", ABBREVIATIONS), "other marks, and new lines"),
        Case(("I like tea. So do I.", ABBREVIATIONS), "all sentences are finished"),
    ),
    random_case=_half_case,
    misconceptions=(
        Misconception(
            "took any mark for the end of a sentence",
            _any_mark,
            "Yours cuts in the middle of 3.14. What comes behind a full stop that ends a sentence, and what comes "
            "behind the one in a number?",
        ),
        Misconception(
            "cut behind the last full stop",
            _last_full_stop,
            "The last full stop may stand in a number or in an abbreviation, and there are two more marks that end a "
            "sentence. What comes behind a mark that ends one?",
        ),
        Misconception(
            "left nothing where no sentence ends",
            _nothing_left,
            "Where no sentence is finished, nothing is left of yours. Half a sentence is better than none: what should "
            "come back?",
        ),
        Misconception(
            "ended a sentence at an abbreviation",
            _at_abbreviations,
            'After "Dr." the sentence goes on. You were given a list of such words: where do you look into it?',
        ),
        Misconception(
            "knew only the full stop",
            _full_stop_only,
            "There are three marks that end a sentence. Which two does yours not see?",
        ),
        Misconception(
            "changed the white space",
            _white_space_lost,
            "The words are right, but the new lines are gone: `split()` and `join` do not bring them back. Find out "
            "*where* to cut, and cut the text itself.",
        ),
    ),
    hints=(
        "Go through the text place by place. Which three things must be true where a sentence ends?",
        "Behind the mark comes white space, or nothing at all. `.isspace()` tells whether a character is white space.",
        "The word that ends at a place: `text[: place + 1].split()[-1]`. Is it in the list?",
    ),
)

# --- 07.3 a loop

PHRASES = ("Hi.", "No.", "Yes.", "La la.", "Go on.", "Stop.")


def _cut_loop(sentences, size):
    kept = list(sentences)
    while _rounds(kept, size) > 2:
        del kept[-size:]
    return kept


def _rounds(sentences, size):
    """How many times the list ends with its last round."""
    n, end = 1, len(sentences)
    while end >= size * (n + 1) and sentences[end - size * (n + 1) : end - size * n] == sentences[-size:]:
        n += 1
    return n


def _no_duplicates(sentences, size):
    return list(dict.fromkeys(sentences))


def _one_round_left(sentences, size):
    n = _rounds(sentences, size)
    return sentences[: len(sentences) - size * (n - 1)] if n > 2 else list(sentences)


def _two_are_a_loop(sentences, size):
    return sentences[: len(sentences) - size * (_rounds(sentences, size) - 1)]


def _single_sentences(sentences, size):
    return _cut_loop(sentences, 1)


def _one_round_less(sentences, size):
    return sentences[:-size] if _rounds(sentences, size) > 2 else list(sentences)


def _at_most_twice(sentences, size):
    kept = []
    for sentence in sentences:
        if kept.count(sentence) < 2:
            kept.append(sentence)
    return kept


def _loop_case(rng: Random) -> tuple:
    size = rng.choice((1, 2, 2, 3))
    one_round = rng.sample(PHRASES, size)
    begin = [rng.choice(PHRASES) for _ in range(rng.randint(0, 3))]
    end = rng.choice(([], [], ["Bye."]))
    return begin + one_round * rng.choice((1, 2, 3, 4, 5, 5)) + end, size


LOOP = Exercise(
    id="07.3",
    title="Cut a loop",
    points=3,
    signature="cut_loop(sentences, size)",
    reference=_cut_loop,
    edge_cases=(
        Case((["Hi.", "No.", "No.", "No.", "No."], 1)),
        Case((["Hi.", "No.", "No."], 1), "said twice: a refrain, no loop"),
        Case((["Hi.", "La.", "Lo.", "La.", "Lo.", "La.", "Lo."], 2), "a round has two sentences"),
        Case((["No.", "No.", "No.", "No.", "Bye."], 1), "the list does not end with the loop"),
        Case((["Hi.", "Go.", "Hi.", "Stop.", "Hi."], 1), "the same sentence, but never twice running"),
        Case((["No.", "No.", "No."], 1), "three rounds, and nothing else"),
        Case((["Hi.", "No.", "La.", "No.", "Lo.", "No."], 2), "only the second half of each round is the same"),
        Case((["Hi."], 2), "shorter than one round"),
    ),
    random_case=_loop_case,
    misconceptions=(
        Misconception(
            "removed every sentence that was there before",
            _no_duplicates,
            "You allow each sentence only once. But a refrain or a greeting may well come back. It is a loop only when "
            "the same round follows *itself*, at the end.",
        ),
        Misconception(
            "left a single round",
            _one_round_left,
            "One round is left of a loop. Two should stay, so that one still sees what happened.",
        ),
        Misconception(
            "took two rounds for a loop",
            _two_are_a_loop,
            "Something that was said twice may stay: a refrain. From how many rounds on is it a loop?",
        ),
        Misconception(
            "looked at single sentences only",
            _single_sentences,
            "You compare one sentence with the next. A round may have more sentences: what does `size` say?",
        ),
        Misconception(
            "took away one round only",
            _one_round_less,
            "You take one round away. And if it is still a loop then? Think of five rounds.",
        ),
        Misconception(
            "allowed each sentence only twice",
            _at_most_twice,
            "You count how often a sentence was said, wherever it stands. A loop is at the *end* of the list, and its "
            "rounds follow each other: which entries do you compare?",
        ),
    ),
    hints=(
        "Begin with `size` 1: which three entries of the list do you compare?",
        "`sentences[-size:]` is the last round. How do you write the round before it, and the one before that?",
        "While the last three rounds are equal, take the last one away. Work on a copy of the list.",
    ),
)

# --- 07.4 a number out of a reply

# The digits with all that may belong to a number, and the same with one thing forgotten.
NUMBER = r"-?\d+(?:,\d{3})*(?:\.\d+)?"
REPLIES = (
    ("There are {} cats.", "It is {} degrees.", "About {} km, I think.", "I count {}.", "{} it is, or so."),
    ("It is {}. Yes, {}.", "{} cats! I said {} cats.", "Between {} and {}.", "Mine is {}, yours is {}."),
)
WITHOUT = ("I do not know.", "Many, many cats.", "")


def _the_one_of(found):
    """The one number in a list of texts, or None."""
    numbers = {_as_number(text) for text in found}
    return numbers.pop() if len(numbers) == 1 else None


def _as_number(text):
    text = text.replace(",", "")
    return float(text) if "." in text else int(text)


def _last_digits(text):
    found = re.findall(r"\d+", text)
    return int(found[-1]) if found else None


def _guessed(text):
    found = re.findall(NUMBER, text)
    return _as_number(found[0]) if found else None


def _minus_lost(text):
    return _the_one_of(re.findall(NUMBER.removeprefix("-?"), text))


def _comma_parts(text):
    return _the_one_of(re.findall(r"-?\d+(?:\.\d+)?", text))


def _point_parts(text):
    return _the_one_of(re.findall(r"-?\d+(?:,\d{3})*", text))


def _only_once(text):
    found = re.findall(NUMBER, text)
    return _as_number(found[0]) if len(found) == 1 else None


def _same_number(expected, got):
    """Compare two answers of which None may be a right one."""
    if got is None and expected is not None:
        return tr("It should be {wanted}, but it is None, as if no number were clear.", wanted=value_text(expected))
    if expected is None and got is not None:
        return tr("It should be None, but it is {found}.", found=value_text(got))
    numbers = {"wanted": str(expected), "found": str(got)}
    if type(expected) is int and type(got) is float and expected == got:
        return tr(
            "It should be {wanted}, an int, but it is {found}, a float: the number has no decimal point.", **numbers
        )
    if type(expected) is float and type(got) is int:
        return tr(
            "It should be {wanted}, a float, but it is {found}, an int: the number has a decimal point.", **numbers
        )
    return difference(expected, got)


def _number(rng: Random) -> str:
    whole = rng.choice((rng.randint(1, 99), rng.randint(1000, 2_000_000)))
    return rng.choice(("", "-")) + f"{whole:,}" + rng.choice(("", f".{rng.randint(1, 9)}"))


def _number_case(rng: Random) -> tuple:
    """A reply with one number, with two, the same one twice, or without any."""
    one = _number(rng)
    kind = rng.randrange(8)
    if kind == 0:
        return (rng.choice(WITHOUT),)
    if kind < 4:
        return (rng.choice(REPLIES[0]).format(one),)
    return (rng.choice(REPLIES[1]).format(one, one if kind < 6 else _number(rng)),)


READ_NUMBER = Exercise(
    id="07.4",
    title="A number out of a reply",
    points=3,
    signature="read_number(text)",
    reference=extraction.extract_number,
    edge_cases=(
        Case(("I count 12 cats.",)),
        Case(("It is -4 degrees.",), "a number below 0"),
        Case(("About 3.5 km.",), "a decimal point"),
        Case(("It takes 2.0 hours.",), "a decimal point makes it a float, also before a 0"),
        Case(("It is 12.",), "a full stop behind the number"),
        Case(("There are 1,200 cats.",), "a comma between thousands"),
        Case(("There are 1,200,000 cats.",), "two commas between thousands"),
        Case(("It takes 3 to 5 days.",), "two different numbers"),
        Case(("It is 7, 8, 9.",), "these commas are not between thousands"),
        Case(("- 12 cats",), "a line of a list: the minus is not right before the number"),
        Case(("At 10:30.",), "a colon is no part of a number"),
        Case(("It is 12. Yes, 12.",), "the same number twice"),
        Case(("I do not know.",), "no number"),
    ),
    random_case=_number_case,
    compare=_same_number,
    misconceptions=(
        Misconception(
            "took the last row of digits",
            _last_digits,
            "Yours reads 200 cats where there are 1,200. Points, commas and the minus may belong to a number, too; and "
            "what should come back where there are several?",
        ),
        Misconception(
            "guessed where there are several",
            _guessed,
            "You take one of several different numbers. No program behind yours will notice when it is the wrong one: "
            "what is the honest answer?",
        ),
        Misconception(
            "lost the minus",
            _minus_lost,
            "It is warmer in yours than outside. What stands in front of the digits?",
        ),
        Misconception(
            "saw two numbers in 1,200",
            _comma_parts,
            "A comma between thousands breaks your number in two. How can it be told from the comma in *7, 8 and 9*?",
        ),
        Misconception(
            "saw two numbers in 3.5",
            _point_parts,
            "A decimal point breaks your number in two. What comes behind such a point, and what behind a full stop?",
        ),
        Misconception(
            "refused a number that was said twice",
            _only_once,
            "The same number twice leaves no doubt. Are there several numbers, or several *different* numbers?",
        ),
    ),
    hints=(
        "Two steps: first find all numbers in the text, as texts: with a pattern, or word by word with `.split()` and "
        "`.strip(…)`. Then make numbers of them, and compare these.",
        "In a pattern for `re.findall`, `-?` is a minus or none, `\\d+` one digit or more, and `(?:…)?` a part that "
        "may be missing. (With a plain `(`, findall gives only what is between the brackets.)",
        "`set(numbers)` holds each number once. With how many entries is the answer clear?",
    ),
)

# --- 07.5 edits in order

PIECES = ("<end>", "Bot:", "**")


def _show_clean(text, edits):
    return f"clean({value_text(text)}, [{', '.join(make_edit(*each)[0] for each in edits)}])"


def _clean(text, edits):
    changed = []
    before = None
    while text != before:
        before = text
        text, names = _one_round(text, edits)
        changed += names
    return text, changed


def _one_round(text, edits):
    changed = []
    for name, edit in edits:
        edited = edit(text)
        if edited != text:
            changed.append(name)
        text = edited
    return text, changed


def _all_noted(text, edits):
    changed = []
    for name, edit in edits:
        text = edit(text)
        changed.append(name)
    return text, changed


def _not_handed_on(text, edits):
    changed, result = [], text
    for name, edit in edits:
        edited = edit(text)
        if edited != text:
            changed.append(name)
            result = edited
    return result, changed


def _noted_once(text, edits):
    text, changed = _clean(text, edits)
    return text, list(dict.fromkeys(changed))


def _stopped_early(text, edits):
    changed = []
    for name, edit in edits:
        edited = edit(text)
        if edited == text:
            break
        changed.append(name)
        text = edited
    return text, changed


def _each_edit_again(text, edits):
    changed = []
    for edit in edits:
        text, names = _clean(text, [edit])
        changed += names
    return text, changed


def _same_text_and_record(expected, got):
    """Compare first the texts, then the records, and say which of them differs."""
    if type(got) is not tuple or len(got) != 2:
        return difference(expected, got)
    if found := difference(expected[0], got[0]):
        return f"{tr('The clean text is not right.')} {found}"
    found = difference(expected[1], got[1])
    return f"{tr('The record is not right.')} {found}" if found else None


def _clean_case(rng: Random) -> tuple:
    """A reply with pieces in it, some of them inside another piece."""
    words = rng.sample(("Hi", "there", "I", "like", "tea", "too"), rng.randint(2, 4))
    for _ in range(rng.randint(1, 3)):
        outer, inner = rng.choice(PIECES), rng.choice(PIECES)
        middle = rng.randint(1, len(outer) - 1)
        piece = outer[:middle] + inner + outer[middle:] if rng.random() < 0.6 else outer
        words.insert(rng.randint(0, len(words)), piece)
    edits = [["remove", piece] for piece in PIECES] + [["cut at", "User:"], ["strip", ""]]
    rng.shuffle(edits)
    return " ".join(words) + rng.choice(("", " User: And you?")), edits[: rng.randint(3, 5)]


CLEAN = Exercise(
    id="07.5",
    title="Edits in order, with a record",
    points=4,
    signature="clean(text, edits)",
    reference=_clean,
    edge_cases=(
        Case(("Bot: Hi!<end>", [["remove", "Bot:"], ["remove", "<end>"], ["strip", ""]])),
        Case(("Hi!", [["remove", "<end>"], ["strip", ""]]), "there is nothing to change"),
        Case((" Hi!", [["remove", "<end>"], ["strip", ""]]), "only the second edit changes something"),
        Case(("Hi!<e<end>nd>", [["remove", "<end>"]]), "a new piece appears when one is taken out"),
        Case(("Bo<end>t:Hi!", [["remove", "Bot:"], ["remove", "<end>"]]), "the second edit makes work for the first"),
        Case(
            ("Bo<eBo<end>t:nd>t:Hi!", [["remove", "Bot:"], ["remove", "<end>"]]),
            "pieces in pieces: three rounds change something",
        ),
        Case(
            ("Hi! ** <end>", [["strip", ""], ["remove", "<end>"], ["remove", "**"]]),
            "each round goes on to the last edit before the next round begins",
        ),
        Case(("Hi!", []), "no edits"),
    ),
    random_case=_clean_case,
    call=with_edits,
    show=_show_clean,
    compare=_same_text_and_record,
    misconceptions=(
        Misconception(
            "made one round only",
            _one_round,
            "After your last edit, there is something left for the first one. Done twice, `clean` must change nothing "
            "more: when may you stop?",
        ),
        Misconception(
            "noted every edit",
            _all_noted,
            "Your record also has edits that changed nothing. How can you tell whether an edit did something?",
        ),
        Misconception(
            "gave each edit the raw text",
            _not_handed_on,
            "Each of your edits begins with the raw text, so what the others did is lost. What should the second one "
            "get?",
        ),
        Misconception(
            "noted each name only once",
            _noted_once,
            "An edit that did something in two rounds has been made twice, and should be in the record twice.",
        ),
        Misconception(
            "stopped at an edit that changed nothing",
            _stopped_early,
            "One edit without effect does not mean that all is clean: the next one may still have work. Look at a "
            "whole *round* of edits.",
        ),
        Misconception(
            "repeated each edit, but not the round",
            _each_edit_again,
            "You repeat each edit until it is done, and then never come back to it. Could a later edit make new work "
            "for it?",
        ),
    ),
    hints=(
        "First write one round, with `for name, edit in edits:`. Each edit gets what the one before it gave: compare "
        "the text before and after it.",
        "Around it goes a second loop: keep the text from before the round, and go on as long as the round changes it.",
    ),
)

EXERCISES = (OWN_NAME, HALF_SENTENCE, LOOP, READ_NUMBER, CLEAN)
