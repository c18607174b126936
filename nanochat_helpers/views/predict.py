"""A prediction: the question with its options, and later the guess, or the guesses of a class, beside the truth.

In: a Question, what was guessed, what is true. Out: HTML. It judges a guess, but never stops a lesson for one.
"""

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..language import grouped, tr
from .markup import figure
from .predict_style import STYLE

MOST_ROWS = 8  # so many different guesses of a class have a row of their own
CLOSE = 0.1  # a number so near to the truth, as a share of it, is called close


@dataclass(frozen=True)
class Question:
    """What is asked. kind: "choice", "several", "number" or "text". names: of the guesses; one guess has no name."""

    text: str
    kind: str = "text"
    options: tuple = ()
    unit: str = ""
    names: tuple[str, ...] = ("",)

    def label(self, value: Any) -> str:
        """A guess as it is shown: an option without the spaces around it, a number with its unit.

        >>> Question("How many?", "number", unit="tokens").label(1200.0)
        '1,200 tokens'
        """
        if self.kind in ("choice", "several"):
            labels = dict(zip(map(str, self.options), option_labels(self.options), strict=True))
            return labels.get(str(value), str(value).strip())
        return f"{spoken(value)} {self.unit}".strip() if self.kind == "number" else str(value).strip()


@dataclass(frozen=True)
class Row:
    """One line of the picture: an option, or a guess. n_hands: None where no class was asked; share: of the longest."""

    label: str
    is_truth: bool
    is_guess: bool = False
    n_hands: int | None = None
    share: float = 0.0


@dataclass(frozen=True)
class Part:
    """One guess beside its truth. verdict: "right", "close", "wrong", "none", "open" (a text), or "class"."""

    name: str
    verdict: str
    sentence: str
    later: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class PredictView:
    """All guesses of a question beside the truth."""

    question: Question
    parts: tuple[Part, ...]


# --- data


def option_labels(options: Sequence[Any]) -> list[str]:
    """The options as words: without the spaces around them, unless two are the same then.

    >>> option_labels([" hot", " cold"]), option_labels(["a", " a"])
    (['hot', 'cold'], ['a', '·a'])
    """
    texts = [str(option) for option in options]
    bare = [text.strip() for text in texts]
    return bare if all(bare) and len(set(bare)) == len(bare) else [text.replace(" ", "·") for text in texts]


def spoken(number: Any) -> str:
    """A number as one says it: four digits are enough.

    >>> spoken(49152), spoken(0.76543), spoken(3.0)
    ('49,152', '0.7654', '3')
    """
    number = float(number)
    if not math.isfinite(number) or number == round(number):
        return grouped(int(number)) if math.isfinite(number) else str(number)
    return tr("{number:,.1f}", number=number) if abs(number) >= 1000 else f"{number:.4g}"


def predict_data(
    question: Question,
    truth: Any,
    guesses: Mapping[str, Any],
    *,
    later: Mapping[str, Any] | None = None,
    hands: Mapping[str, Mapping[Any, int]] | None = None,
) -> PredictView:
    """Put each guess beside its truth.

    truth: as for `Prediction.reveal`. guesses, later: name → guess, the first one and one that came after the truth.
    hands: name → guess → how many of a class have it.
    """
    truths = _by_name(question, truth)
    later, hands = later or {}, hands or {}
    parts = (
        _part(question, name, truths.get(name), guesses.get(name), later.get(name), dict(hands.get(name) or {}))
        for name in question.names
    )
    return PredictView(question, tuple(parts))


def _by_name(question, truth):
    if question.names == ("",):
        return {"": truth}
    if isinstance(truth, Mapping):
        return dict(truth)
    return dict(zip(question.names, truth if isinstance(truth, Sequence) else [truth], strict=False))


def _part(question, name, truth, guess, later, hands):
    hands = {value: n for value, n in hands.items() if n > 0}
    truths = _truths(question, truth)
    if hands:
        verdict, sentence = "class", _class_sentence(question, truths, hands)
        rows = _class_rows(question, truths, guess, hands)
    else:
        verdict = _verdict(question, guess, truths)
        sentence = _sentence(question, guess, truths, verdict)
        rows = _rows(question, guess, truths)
    told_later = "" if later is None else _told_later(question, guess, later)
    return Part(name, verdict, sentence, told_later, tuple(rows))


def _truths(question, truth) -> list[Any]:
    """What counts as right, as a list; of "several", all that belong together."""
    if question.kind in ("choice", "several") and isinstance(truth, Iterable) and not isinstance(truth, str):
        return list(truth)
    return [truth]


def same(question: Question, one: Any, other: Any) -> bool:
    """Whether two guesses say the same: numbers by what is shown of them, texts without regard to capitals."""
    if question.kind == "number":
        return spoken(one) == spoken(other)
    if question.kind == "text":
        return " ".join(str(one).casefold().split()) == " ".join(str(other).casefold().split())
    return str(one) == str(other)


def _among(question, value, values):
    return any(same(question, value, each) for each in values)


def _verdict(question, guess, truths):
    if guess is None:
        return "none"
    if question.kind == "several":
        return "right" if {str(each) for each in guess} == {str(each) for each in truths} else "wrong"
    if _among(question, guess, truths):
        return "right"
    if question.kind == "text":
        return "open"
    if question.kind == "number" and abs(guess - float(truths[0])) <= CLOSE * abs(float(truths[0])):
        return "close"
    return "wrong"


def shown(question: Question, value: Any) -> str:
    """A guess, or a list of them, in words."""
    if question.kind != "several":
        return question.label(value)
    *rest, last = [question.label(each) for each in value] or [tr("none of them")]
    return tr("{others} and {last}", others=", ".join(rest), last=last) if rest else last


def _truth_shown(question, truths):
    if question.kind == "several":
        return shown(question, truths)
    *rest, last = [question.label(each) for each in truths] or [tr("none of them")]
    return tr("{others} or {last}", others=", ".join(rest), last=last) if rest else last


def _sentence(question, guess, truths, verdict):
    truth = _truth_shown(question, truths)
    if verdict == "none":
        return tr("The answer: {truth}", truth=truth)
    if verdict == "right":
        return tr("Your guess was right: {truth}", truth=truth)
    if verdict == "open":
        return tr("Compare the two.")
    told = {"guess": shown(question, guess), "truth": truth}
    if question.kind != "number":
        return tr("You guessed {guess}; it is {truth}.", **told)
    told["n"], too_high = spoken(abs(guess - float(truths[0]))), guess > float(truths[0])
    if verdict == "close":
        high = tr("Close: you guessed {guess}; it is {truth}, {n} less.", **told)
        low = tr("Close: you guessed {guess}; it is {truth}, {n} more.", **told)
    else:
        high = tr("You guessed {guess}; it is {truth}, {n} less.", **told)
        low = tr("You guessed {guess}; it is {truth}, {n} more.", **told)
    return high if too_high else low


def _told_later(question, guess, later):
    if guess is None:
        return tr("Guessed after the truth was shown: {guess}", guess=shown(question, later))
    return tr("Changed after the truth was shown, to: {guess}", guess=shown(question, later))


def _rows(question, guess, truths):
    """Without a class: all options, or the guess and the truth."""
    if question.options:
        chosen = [] if guess is None else guess if question.kind == "several" else [guess]
        chosen = [str(each) for each in chosen]
        right = [str(each) for each in truths]
        return [Row(question.label(each), str(each) in right, str(each) in chosen) for each in question.options]
    if guess is None or _among(question, guess, truths):
        return [Row(question.label(truths[0]), True, guess is not None)]
    rows = [(guess, Row(question.label(guess), False, True)), (truths[0], Row(question.label(truths[0]), True))]
    return [row for _, row in sorted(rows, key=lambda row: float(row[0]) if question.kind == "number" else 0)]


# --- the data of a class


def _class_rows(question, truths, guess, hands):
    if question.options:
        counted = [(each, _n_hands(hands, each), _among(question, each, truths)) for each in question.options]
        rows = [(question.label(each), n, is_truth) for each, n, is_truth in counted]
    elif question.kind == "number":
        rows = _number_rows(question, truths[0], hands)
    else:
        most_first = sorted(hands.items(), key=lambda each: -each[1])
        rows = [(str(each), n, _among(question, each, truths)) for each, n in most_first]
        rows += [] if any(row[2] for row in rows) else [(question.label(truths[0]), 0, True)]
    most = max(n for _, n, _ in rows) or 1
    mine = None if guess is None or question.kind == "several" else question.label(guess)
    return [Row(label, is_truth, label == mine, n, n / most) for label, n, is_truth in rows]


def _n_hands(hands, option):
    return sum(n for value, n in hands.items() if str(value) == str(option))


def _number_rows(question, truth, hands):
    """Guesses from the smallest to the largest, and the truth among them; of many, neighbours share a row."""
    truth, values = float(truth), sorted(hands)
    size = -(-len(values) // MOST_ROWS)
    groups = [values[start : start + size] for start in range(0, len(values), size)]
    rows = []
    for group in groups:
        label = question.label(group[-1])
        if len(group) > 1:
            label = tr("{low} to {high}", low=spoken(group[0]), high=label)
        is_truth = group[0] <= truth <= group[-1] or _among(question, truth, group)
        rows.append((group[0], label, sum(hands[value] for value in group), is_truth))
    if not any(is_truth for *_, is_truth in rows):
        rows.append((truth, question.label(truth), 0, True))
    return [row[1:] for row in sorted(rows, key=lambda row: row[0])]


def _class_sentence(question, truths, hands):
    total, truth = sum(hands.values()), _truth_shown(question, truths)
    if question.kind == "several":
        return tr("Hands for each option; right: {truth}", truth=truth)
    n_right = sum(n for value, n in hands.items() if _among(question, value, truths))
    if question.kind == "number":
        more = sum(n for value, n in hands.items() if value > float(truths[0])) if n_right < total else 0
        parts = {"n": n_right, "total": total, "truth": truth, "more": more, "less": total - n_right - more}
        return tr("{n} of {total} guessed {truth}; {more} guessed more, {less} less.", **parts)
    top = max(hands, key=hands.get)
    if _among(question, top, truths):
        return tr("{n} of {total} were right: {truth}", n=n_right, total=total, truth=truth)
    parts = {"n": hands[top], "total": total, "guess": question.label(top), "truth": truth}
    return tr("{n} of {total} guessed {guess}; it is {truth}.", **parts)


# --- drawing


def question_html(question: Question) -> str:
    """The question with its options as an empty list to tick: for paper, slides and GitHub."""
    many = question.names != ("",)
    lines = "".join(_to_fill(question, name) for name in question.names)
    kind = "nc-guess-many" if many else "nc-guess-one"
    return figure(
        f'{STYLE}<div class="nc-guess"><p class="nc-guess-ask">{html.escape(question.text)}</p>'
        f'<div class="nc-guess-paper {kind}">{lines}</div></div>',
        label=tr("A question to guess: {question}", question=question.text),
    )


def ask_html(question: Question, told: str = "") -> str:
    """The question alone, above its controls, and a sentence about them."""
    return figure(
        f'{STYLE}<div class="nc-guess"><p class="nc-guess-ask">{html.escape(question.text)}</p>'
        f"{f'<p>{html.escape(told)}</p>' if told else ''}</div>",
        label=tr("A question to guess: {question}", question=question.text),
    )


def _to_fill(question, name):
    head = f"<b>{html.escape(name)}</b>" if name else ""
    if question.options:
        boxes = "".join(
            f'<li><span aria-hidden="true">☐</span> {html.escape(label)}</li>'
            for label in option_labels(question.options)
        )
        return f"<div>{head}<ul>{boxes}</ul></div>"
    line = f'<span class="nc-guess-line nc-guess-{question.kind}"></span> {html.escape(question.unit)}'
    return f"<div>{head} {line}</div>"


def predict_html(data: PredictView) -> str:
    """The guesses beside the truth: each part with its sentence, and a row for each option or guess."""
    parts = "".join(_part_html(part) for part in data.parts)
    is_class = any(part.verdict == "class" for part in data.parts)
    label = " ".join(f"{part.name} {part.sentence}".strip() for part in data.parts)
    return figure(
        f'{STYLE}<div class="nc-guess{" nc-guess-class" if is_class else ""}">'
        f'<p class="nc-guess-asked">{html.escape(data.question.text)}</p>{parts}</div>',
        label=label,
    )


SIGNS = {"right": "✔", "close": "≈", "wrong": "✘", "none": "○", "open": "", "class": ""}


def _part_html(part):
    name = f"<b>{html.escape(part.name)}</b> " if part.name else ""
    sign = f'<span aria-hidden="true">{SIGNS[part.verdict]}</span> ' if SIGNS[part.verdict] else ""
    later = f'<p class="nc-guess-later">{html.escape(part.later)}</p>' if part.later else ""
    rows = "".join(_row_html(row) for row in part.rows)
    return (
        f'<div class="nc-guess-part nc-guess-{part.verdict}"><p class="nc-guess-told">{sign}{name}'
        f'{html.escape(part.sentence)}</p>{later}<div class="nc-guess-rows">{rows}</div></div>'
    )


def _row_html(row):
    marks = [tr("truth")] * row.is_truth + [tr("your guess")] * row.is_guess
    told = "".join(f"<i>{'✔ ' * (mark == marks[0] and row.is_truth)}{html.escape(mark)}</i>" for mark in marks)
    bars = ""
    if row.n_hands is not None:
        width = round(100 * row.share, 1)
        bars = f'<span class="nc-guess-bar"><span style="width:{width}%"></span></span><b>{row.n_hands}</b>'
    kind = " nc-guess-true" if row.is_truth else ""
    label = f'<span class="nc-guess-label">{html.escape(row.label)}</span>'
    return f'<div class="nc-guess-row{kind}">{label}{bars}<span class="nc-guess-marks">{told}</span></div>'
