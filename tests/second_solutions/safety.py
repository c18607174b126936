"""Other right solutions of sheet 09, written in other ways than the references."""

import re
from collections import Counter
from fractions import Fraction


def mask_from_the_back(text, places, name):
    for start, end in reversed(places):
        text = text[:start] + "[" + name + "]" + text[end:]
    return text


def mask_letter_by_letter(text, places, name):
    starts = {start for start, _ in places}
    hidden = {place for start, end in places for place in range(start, end)}
    result = ""
    for place, letter in enumerate(text):
        if place in starts:
            result += f"[{name}]"
        if place not in hidden:
            result += letter
    return result


def mask_with_an_offset(text, places, name):
    shift = 0
    for start, end in places:
        text = text[: start + shift] + f"[{name}]" + text[end + shift :]
        shift += len(name) + 2 - (end - start)
    return text


def mask_by_joining_what_stays(text, places, name):
    borders = iter([0, *(border for place in places for border in place), len(text)])
    return f"[{name}]".join(text[start:end] for start, end in zip(borders, borders, strict=True))


def pattern_spelt_out():
    return r"\b[Mm](?:-[0-9]+)+\b"


def pattern_looking_around():
    return r"(?<!\w)[mM]-\d+(-\d+)*(?!\w)"


def pattern_compiled():
    return re.compile(r"\bM(?:-\d{1,40})+\b", re.IGNORECASE)


def pattern_either_letter():
    return r"\b(M|m)-([0-9]+-)*[0-9]+\b"


def count_with_sums(scores, labels, threshold):
    pairs = [(score >= threshold, label) for score, label in zip(scores, labels, strict=False)]
    return {
        "silent": pairs.count((False, False)),
        "missed": pairs.count((False, True)),
        "false alarms": pairs.count((True, False)),
        "found": pairs.count((True, True)),
    }


def count_with_a_loop(scores, labels, threshold=0.5):
    found = false_alarms = missed = silent = 0
    for i in range(len(scores)):
        if scores[i] < threshold:
            if labels[i] is True:
                missed += 1
            else:
                silent += 1
        elif labels[i]:
            found += 1
        else:
            false_alarms += 1
    return {"found": found, "false alarms": false_alarms, "missed": missed, "silent": silent}


def count_with_a_counter(scores, labels, threshold):
    boxes = ("silent", "missed", "false alarms", "found")
    counts = Counter(dict.fromkeys(boxes, 0))
    counts.update(boxes[2 * (score >= threshold) + label] for score, label in zip(scores, labels, strict=True))
    return counts


def count_by_recursion(scores, labels, threshold):
    if not scores:
        return {"found": 0, "false alarms": 0, "missed": 0, "silent": 0}
    counts = count_by_recursion(scores[1:], labels[1:], threshold)
    if scores[0] >= threshold:
        counts["found" if labels[0] else "false alarms"] += 1
    else:
        counts["missed" if labels[0] else "silent"] += 1
    return counts


def shares_with_a_helper(found, false_alarms, missed, silent):
    def share(right, wrong):
        return None if right + wrong == 0 else right / (right + wrong)

    return (share(found, false_alarms), share(found, missed))


def shares_that_try(found, false_alarms, missed, silent=0):
    try:
        precision = 1 - false_alarms / (found + false_alarms)
    except ZeroDivisionError:
        precision = None
    recall = 1 - missed / (found + missed) if found + missed > 0 else None
    return precision, recall


def shares_of_fractions(found, false_alarms, missed, silent):
    return tuple(float(Fraction(found, n)) if n else None for n in (found + false_alarms, found + missed))


SECOND = {
    "09.1": (mask_from_the_back, mask_letter_by_letter, mask_with_an_offset, mask_by_joining_what_stays),
    "09.2": (pattern_spelt_out, pattern_looking_around, pattern_compiled, pattern_either_letter),
    "09.3": (count_with_sums, count_with_a_loop, count_with_a_counter, count_by_recursion),
    "09.4": (shares_with_a_helper, shares_that_try, shares_of_fractions),
}
