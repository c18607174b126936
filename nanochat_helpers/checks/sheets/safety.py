"""Sheet 09: rules that find places in a text, and how often they are right. No model is needed."""

from ...safety import Score, check
from ...safety_rules import Rule
from ..exercise import Case, Exercise, Misconception
from ..toys.safety import found

# --- 09.1 mask


def _mask(text, places, name):
    return check(text, [Rule(name, lambda _: places, "mask")]).text


def _replaced_all_copies(text, places, name):
    masked = text
    for start, end in places:
        masked = masked.replace(text[start:end], f"[{name}]")
    return masked


def _places_moved(text, places, name):
    for start, end in places:
        text = text[:start] + f"[{name}]" + text[end:]
    return text


def _end_is_the_last(text, places, name):
    parts, done = [], 0
    for start, end in places:
        parts += [text[done:start], f"[{name}]"]
        done = end + 1
    return "".join(parts) + text[done:]


def _only_the_first(text, places, name):
    return _mask(text, places[:1], name)


def _copied_again(text, places, name):
    return "".join(text[:start] + f"[{name}]" for start, _ in places) + text


def _stars(text, places, name):
    for start, end in places:
        text = text[:start] + "*" * (end - start) + text[end:]
    return text


WORDS = ("Ann", "Anna", "Bo", "Bob", "Max", "Maxine", "met", "saw", "and", "at noon,", "on the bus", "again.")


def _mask_case(rng):
    text, places = "", []
    for word in rng.choices(WORDS, k=rng.randint(4, 9)):
        if word[0].isupper() and rng.random() < 0.6:
            places.append((len(text), len(text) + len(word)))
        text += word + " "
    return text.strip(), places, rng.choice(["name", "person"])


MASK = Exercise(
    id="09.1",
    title="Mask what was found",
    points=2,
    signature="mask(text, places, name)",
    reference=_mask,
    edge_cases=(
        Case(("Ask Kim or Bo.", [(4, 7), (11, 13)], "name")),
        Case(("Ask Kim or Bo.", [(4, 7)], "person"), "another rule, with another name"),
        Case(("Ann met Anna. Ann waved.", [(0, 3)], "name"), "the same letters stand elsewhere, too: they stay"),
        Case(("Hello Kim", [(6, 9)], "name"), "the place is at the very end"),
        Case(("KimBo", [(0, 3), (3, 5)], "name"), "two places touch"),
        Case(("Nobody is here.", [], "name"), "nothing was found"),
    ),
    random_case=_mask_case,
    misconceptions=(
        Misconception(
            "replaced every copy of the word",
            _replaced_all_copies,
            "You look for the *letters* of a place, so *Anna* becomes *[name]a*. Only the places count: which part of "
            "the text lies before a place, and which after it?",
        ),
        Misconception(
            "used the places after the text had changed",
            _places_moved,
            "The first mask is right, the next ones stand in the wrong place: the text is no longer as long as it was. "
            "To which text do the places belong?",
        ),
        Misconception(
            "took the end for the last character",
            _end_is_the_last,
            "One character after each place gets lost. In (4, 7), is character 7 still a part of the place?",
        ),
        Misconception(
            "masked only the first place",
            _only_the_first,
            "There may be several places. Does your loop reach the second one, or is there a `return` inside it?",
        ),
        Misconception(
            "copied the beginning again",
            _copied_again,
            "The text before a place comes again and again. Who remembers how far it was copied already?",
        ),
        Misconception(
            "put stars in place of the name",
            _stars,
            "Stars hide the place, but the reader should also see *what* was hidden. What stands between the brackets?",
        ),
    ),
    hints=(
        "By hand: write down the pieces of “Ask Kim or Bo.” that stay. From where to where does each of them go?",
        "`text[done:start]` is the piece before a place. After that place, `done` must stand at its end.",
    ),
)

# --- 09.2 a safe pattern


def _show_pattern(text):
    return f"re.finditer(member_pattern(), {text!r})"


def _member_pattern():
    return r"(?i)\bm(-\d+)+\b"


def _inside_words():
    return r"(?i)m(-\d+)+\b"


def _nothing_found():
    return "\b[Mm](-\\d+)+\b"  # without the r, Python reads \b as another sign


def _only_one_group():
    return r"(?i)\bm-\d+\b"


def _no_border_at_the_end():
    return r"(?i)\bm(-\d+)+"


def _hyphen_may_be_missing():
    return r"(?i)\bm(-?\d+)+\b"


def _any_order():
    return r"(?i)\bm[-\d]+\b"


ALIKE = (
    *("Room-{}", "Team-{}", "item-{}", "M-{}cm", "m-{}kg", "MM-{}", "K-{}", "P-{}"),
    *("M{}", "m{}", "M--{}", "m-mail", "M-shirt", "{}"),
)
REAL = ("M-{}", "m-{}", "M-{}-{}", "m-{}-{}", "(M-{}-{}-{})", "M-{},", "m-{}-{}!", "m-{}-{}-{}-{}")


def _pattern_case(rng):
    real, alike = rng.choices(REAL, k=rng.randint(1, 3)), rng.choices(ALIKE, k=rng.randint(2, 4))
    pieces = [*real, *alike, *rng.choices(["we", "meet", "in", "and"], k=2)]
    rng.shuffle(pieces)
    return (" ".join(piece.format(*(rng.randint(1, 5000) for _ in range(4))) for piece in pieces),)


PATTERN = Exercise(
    id="09.2",
    title="A safe pattern",
    points=3,
    signature="member_pattern()",
    reference=_member_pattern,
    call=found,
    show=_show_pattern,
    edge_cases=(
        Case(("I am M-12-345, she is m-7.",)),
        Case(("Meet M-5 in Room-12.",), "Room-12 is no member: its m-12 lies inside a word"),
        Case(("The shelf M-40cm is not for M-40.",), "M-40cm is no member: the number goes on as a word"),
        Case(("Take the M4 or M--5, says m-mail.",), "no hyphen, two hyphens, no digits: these are no members"),
        Case(("She is M-12--3.",), "a group has one hyphen: the number ends before two of them"),
        Case(("M-" + 30 * "1" + "x",), "a long row of digits that is no member: a bad pattern tries for ever"),
        Case(("Nobody is here.",), "nothing to find"),
    ),
    random_case=_pattern_case,
    misconceptions=(
        Misconception(
            "found it inside words",
            _inside_words,
            "Yours marks a part of *Room-12*, as the filter that saw a rude word in *Scunthorpe*. What must not stand "
            "right before the M?",
        ),
        Misconception(
            "found nothing in any text",
            _nothing_found,
            'Two things often do that. Without the r in front of the quotes, r"…", Python does not hand `\\b` on as it '
            "is. And with `^`, `$` or a space in the pattern, a number in the middle of a sentence may not fit.",
        ),
        Misconception(
            "found only the first group of digits",
            _only_one_group,
            "Of M-12-345 you mask M-12, and -345 stays readable. Which part of the pattern may come several times?",
        ),
        Misconception(
            "forgot the border at the end",
            _no_border_at_the_end,
            "Yours finds M-40 within *M-40cm*. What must not come right after the last digit?",
        ),
        Misconception(
            "made the hyphen optional",
            _hyphen_may_be_missing,
            "With a hyphen that may be missing, 1111 can be read as one group, or two, or four: each digit more "
            "doubles the ways, and the M4 is found, too. What must begin *each* group?",
        ),
        Misconception(
            "allowed hyphens and digits in any order",
            _any_order,
            "Square brackets mean *any of these, in any order*: so M4 and M--5 fit, and so does the beginning of "
            "*m-mail*. What does one group look like?",
        ),
    ),
    hints=(
        "Read the form aloud: border, M or m, then one or more times (a hyphen, one or more digits), border.",
        "Round brackets make a group, and a `+` behind them repeats the whole group.",
        "`\\b` fits at the border of a word, `[Mm]` fits both letters, `\\d+` one or more digits. Put them in a row.",
    ),
)

# --- 09.3 count


def _count(scores, labels, threshold):
    counts = dict.fromkeys(("found", "false alarms", "missed", "silent"), 0)
    for score, label in zip(scores, labels, strict=True):
        rings = score >= threshold
        counts[("found" if label else "false alarms") if rings else ("missed" if label else "silent")] += 1
    return counts


def _without_the_threshold_itself(scores, labels, threshold):
    return _count(scores, labels, threshold + 0.01)


def _mixed_up(scores, labels, threshold):
    counts = _count(scores, labels, threshold)
    return {**counts, "missed": counts["false alarms"], "false alarms": counts["missed"]}


def _rang_below(scores, labels, threshold):
    return _count([-score for score in scores], labels, -threshold)


def _all_alarms_found(scores, labels, threshold):
    counts = _count(scores, labels, threshold)
    return {**counts, "found": counts["found"] + counts["false alarms"]}


def _all_wanted_missed(scores, labels, threshold):
    return {**_count(scores, labels, threshold), "missed": sum(labels)}


def _half(scores, labels, threshold):
    return _count(scores, labels, 0.5)


def _count_case(rng):
    n = rng.randint(4, 10)
    scores = [rng.randint(0, 10) / 10 for _ in range(n)]
    return scores, [rng.random() < 0.5 for _ in range(n)], rng.choice([*scores, 0.2, 0.4, 0.7, 0.8])


COUNT = Exercise(
    id="09.3",
    title="Count the alarms",
    points=3,
    signature="count_alarms(scores, labels, threshold)",
    reference=_count,
    edge_cases=(
        Case(([0.9, 0.3, 0.8, 0.1], [True, True, False, False], 0.6)),
        Case(([0.6, 0.6], [True, False], 0.6), "the scores are just at the threshold"),
        Case(([0.2, 0.7, 0.4], [True, True, False], 0.0), "threshold 0: it always rings"),
        Case(([0.2, 0.7, 0.4, 0.1], [True, True, False, True], 0.95), "a high threshold: it never rings"),
        Case(([], [], 0.5), "no texts at all: four zeros"),
    ),
    random_case=_count_case,
    misconceptions=(
        Misconception(
            "left out a score at the threshold",
            _without_the_threshold_itself,
            "A score of 0.6 with threshold 0.6 is an alarm here. Is your comparison `>` or `>=`?",
        ),
        Misconception(
            "mixed up false alarms and misses",
            _mixed_up,
            "All four texts are counted, but two boxes are swapped. It rang, and the text is harmless: what is that?",
        ),
        Misconception(
            "rang for low scores",
            _rang_below,
            "Yours rings for the texts with a *low* score. The higher the score, the more suspicious is the text.",
        ),
        Misconception(
            "counted every alarm as found",
            _all_alarms_found,
            "Your number of *found* also has the false alarms in it. Which two things must be true for *found*?",
        ),
        Misconception(
            "counted all that should ring as missed",
            _all_wanted_missed,
            "Your number of *missed* also has those in it where it did ring. Which two things must be true for a miss?",
        ),
        Misconception(
            "did not use the threshold",
            _half,
            "Your limit is 0.5, whatever `threshold` is. Whoever calls the function decides how careful it is.",
        ),
    ),
    hints=(
        "Two questions for each text: does it ring? Should it ring? Their answers make four boxes.",
        "`zip(scores, labels)` gives each score with its label. Begin with four zeros, and add 1 to one box each time.",
    ),
)

# --- 09.4 precision and recall


def _shares(found, false_alarms, missed, silent):
    score = Score("rule", (0,) * found, (0,) * false_alarms, (0,) * missed, silent)
    return score.precision, score.recall


def _swapped(found, false_alarms, missed, silent):
    precision, recall = _shares(found, false_alarms, missed, silent)
    return recall, precision


def _counted_the_silent(found, false_alarms, missed, silent):
    n_texts = found + false_alarms + missed + silent
    recall = _shares(found, false_alarms, missed, silent)[1]
    return ((found + silent) / n_texts if n_texts else None), recall


def _of_all_texts(found, false_alarms, missed, silent):
    n_texts = found + false_alarms + missed + silent
    return (found / n_texts, found / n_texts) if n_texts else (None, None)


def _zero_for_none(found, false_alarms, missed, silent):
    precision, recall = _shares(found, false_alarms, missed, silent)
    return precision or 0.0, recall or 0.0


def _none_if_nothing_found(found, false_alarms, missed, silent):
    return _shares(found, false_alarms, missed, silent) if found else (None, None)


def _both_or_none(found, false_alarms, missed, silent):
    shares = _shares(found, false_alarms, missed, silent)
    return (None, None) if None in shares else shares


def _some(rng):
    return rng.choice([0, 0, 0, 1, 2, 5, 8, rng.randint(3, 999)])


PRECISION_RECALL = Exercise(
    id="09.4",
    title="Precision and recall",
    points=3,
    signature="precision_recall(found, false_alarms, missed, silent)",
    reference=_shares,
    edge_cases=(
        Case((6, 2, 4, 8)),
        Case((0, 0, 3, 5), "it never rang: there is no precision, and the recall is 0"),
        Case((0, 4, 0, 5), "there was nothing to find: there is no recall, and the precision is 0"),
        Case((0, 2, 3, 1), "it rang, but never rightly: both are 0, and that is not None"),
        Case((0, 0, 0, 7), "it never rang, and there was nothing to find"),
        Case((5, 0, 0, 2), "no mistake at all"),
    ),
    random_case=lambda rng: tuple(_some(rng) for _ in range(4)),
    misconceptions=(
        Misconception(
            "swapped precision and recall",
            _swapped,
            "The right two numbers in the wrong order. Which of them looks at all *alarms*?",
        ),
        Misconception(
            "counted the silent texts as right",
            _counted_the_silent,
            "Your precision also praises the filter for being silent. Then a filter that never rings looks good. "
            "Precision asks about the alarms only.",
        ),
        Misconception(
            "divided by all texts",
            _of_all_texts,
            "You divide by the number of *all* texts. Precision looks only at the alarms, recall only at the texts "
            "that should ring: how many are these?",
        ),
        Misconception(
            "took 0 where there is no answer",
            _zero_for_none,
            "A filter that never rang has no precision: 0 would say that all its alarms were wrong. Which value "
            "stands for *no answer*?",
        ),
        Misconception(
            "gave no answer when nothing was found",
            _none_if_nothing_found,
            "You ask whether `found` is 0. But 0 ÷ 5 is a good answer, namely 0. Which number must not be 0 in a "
            "division?",
        ),
        Misconception(
            "dropped both when one is missing",
            _both_or_none,
            "There may be a recall although there is no precision. Decide for each of the two by itself.",
        ),
    ),
    hints=(
        "How many times did it ring? Two of the four numbers tell. How many texts should ring? Two others.",
        "The same step is needed twice: right ÷ (right + wrong), or None. A small helper function saves writing.",
    ),
)

EXERCISES = (MASK, PATTERN, COUNT, PRECISION_RECALL)
