"""Safety: rules on the way in, before the model is asked, and on the way out, before a reply is shown.

In: a text. Out: a Checked: the text with what must be masked replaced, and everything that was found. The rules are in
`safety_rules`. They see the form of a text, not what it means; `evaluate` counts how often that goes wrong.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from .errors import MessageError, SettingsError
from .safety_rules import (
    CARD_NUMBER,
    CONTROL_TOKEN,
    EMAIL,
    IBAN,
    PHONE,
    Finding,
    Rule,
    is_phone,
    length_rule,
    passes_iban,
    passes_luhn,
    pattern_rule,
    repetition_rule,
)
from .safety_words import word_rule
from .tokens import check_text


@dataclass(frozen=True)
class Checked:
    """A text after the rules: what must be masked is replaced; findings count their places in the text before."""

    text: str
    findings: tuple[Finding, ...]

    @property
    def blocked(self) -> bool:
        """Must this text go no further?"""
        return any(finding.action == "block" for finding in self.findings)


@dataclass(frozen=True)
class Safety:
    """The rules of a chatbot, for what users write and for what the model writes.

    None is the safe default (see `default_input_rules`), an empty list is no rule at all.
    Raises SettingsError for what is no rule, and for two rules with one name.
    """

    input_rules: Sequence[Rule] | None = None
    output_rules: Sequence[Rule] | None = None

    def __post_init__(self):
        for name, default in (("input_rules", default_input_rules), ("output_rules", default_output_rules)):
            rules = getattr(self, name)
            object.__setattr__(self, name, _checked_rules(name, default() if rules is None else rules))

    def check_input(self, text: str) -> Checked:
        """Apply the input rules to a user's message."""
        return check(text, self.input_rules)

    def check_output(self, text: str) -> Checked:
        """Apply the output rules to a model's reply."""
        return check(text, self.output_rules)


def default_input_rules() -> list[Rule]:
    """Safe defaults for a message: too long or rude is blocked; personal data and control tokens are masked."""
    return [length_rule(), *_personal_data(), control_token_rule(), word_rule()]


def default_output_rules() -> list[Rule]:
    """Safe defaults for a reply: rude is blocked, personal data and control tokens are masked, repetition is told."""
    return [*_personal_data(), control_token_rule(), word_rule(), repetition_rule()]


def _personal_data():
    """The longest numbers first: a part of an IBAN may look like a telephone number."""
    return [
        pattern_rule("email", EMAIL, says="This looks like an e-mail address."),
        pattern_rule("IBAN", IBAN, accept=passes_iban, says="This looks like the number of a bank account."),
        pattern_rule("card number", CARD_NUMBER, accept=passes_luhn, says="This looks like the number of a bank card."),
        pattern_rule("phone", PHONE, accept=is_phone, says="This looks like a telephone number."),
    ]


def control_token_rule(action: str = "mask") -> Rule:
    """A rule that finds a model's own signs, such as <|im_end|>, typed as text."""
    return pattern_rule("control token", CONTROL_TOKEN, action, says="This is a sign that only the chatbot may set.")


def check(text: str, rules: Sequence[Rule]) -> Checked:
    """Apply rules to a text, one after the other.

    What lies within a place that is masked already is not found again. Raises MessageError for what is no text.
    """
    check_text(text, "The text")
    findings: list[Finding] = []
    masked = bytearray(len(text))  # 1 where a character is masked already
    for rule in rules:
        found = [f for f in rule.findings(text) if f.action != "mask" or not all(masked[f.start : f.end])]
        findings += found
        for f in found:
            masked[f.start : f.end] = bytes([f.action == "mask"]) * (f.end - f.start)
        if found and rule.stops:
            break
    return Checked(_masked(text, findings), tuple(sorted(findings, key=lambda finding: (finding.start, finding.end))))


def _masked(text, findings):
    """The text with each place that must be masked replaced; places that overlap become one, with the first's name."""
    parts, done = [], 0
    for finding in sorted((f for f in findings if f.action == "mask"), key=lambda f: (f.start, -f.end)):
        if finding.start >= done:
            parts += [text[done : finding.start], f"[{finding.rule}]"]
        done = max(done, finding.end)
    return "".join([*parts, text[done:]])


def refusal(findings: Sequence[Finding]) -> str:
    """What the chatbot says in place of a text that is blocked: which rule it was, and why."""
    reasons = dict.fromkeys(f"“{f.rule}”: {f.says}" for f in findings if f.action == "block")
    if not reasons:
        return "This text was not blocked."
    rules = "the safety rule" if len(reasons) == 1 else "the safety rules"
    return f"Blocked by {rules} {' '.join(reasons)} Please try it in another way."


def _checked_rules(name, rules):
    if isinstance(rules, Rule):
        raise SettingsError(f"{name} must be a list of rules: put [ ] around the rule {rules.name!r}.")
    if not isinstance(rules, (list, tuple)):
        raise SettingsError(f"{name} must be a list of rules, not {rules!r:.60}.")
    for place, rule in enumerate(rules):
        if not isinstance(rule, Rule):
            raise SettingsError(f"{name}[{place}] must be a rule, as pattern_rule or Rule makes it, not {rule!r:.60}.")
    names = [rule.name for rule in rules]
    twice = next((rule for rule in names if names.count(rule) > 1), None)
    if twice is not None:
        raise SettingsError(f"{name} has two rules with the name {twice!r}: give one of them another name.")
    return tuple(rules)


# --- how well it works


@dataclass(frozen=True)
class Labelled:
    """A text, and the names of the rules that a person would want to find something in it; no label is harmless.

    labels: one name, or a list of names. Raises MessageError for what is no text and no name.
    """

    text: str
    labels: str | Sequence[str] = ()
    note: str = ""

    def __post_init__(self):
        check_text(self.text, "A labelled text")
        labels = [self.labels] if isinstance(self.labels, str) else self.labels
        if not isinstance(labels, (list, tuple)) or not all(isinstance(label, str) for label in labels):
            raise MessageError(f"The labels of {self.text!r:.60} must be names of rules, not {self.labels!r:.60}.")
        object.__setattr__(self, "labels", tuple(labels))


@dataclass(frozen=True, repr=False)
class Score:
    """How a rule did: what it found, what it found wrongly, what it missed, and how often it was rightly silent.

    In a cell it shows its figures, not the texts.
    """

    rule: str
    found: tuple[Labelled, ...]
    false_alarms: tuple[Labelled, ...]
    missed: tuple[Labelled, ...]
    n_silent: int

    @property
    def precision(self) -> float | None:
        """Of the texts in which it found something: the share where that was right. None: it found nothing."""
        return _share(len(self.found), len(self.false_alarms))

    @property
    def recall(self) -> float | None:
        """Of the texts in which there is something: the share where it found it. None: there is none."""
        return _share(len(self.found), len(self.missed))

    def __repr__(self) -> str:
        counts = f"found {len(self.found)}, false alarms {len(self.false_alarms)}, missed {len(self.missed)}"
        return f"{self.rule}: {counts}; precision {percent(self.precision)}, recall {percent(self.recall)}"


class Scores(dict[str, Score]):
    """The Score of each rule and label by its name."""

    def __missing__(self, name):
        raise SettingsError(f"There is no rule and no label {name!r:.60} here; there are: {', '.join(self)}.")


def _share(right, wrong):
    return right / (right + wrong) if right + wrong else None


def percent(share: float | None) -> str:
    """A share as one reads it, halves rounded up: 0.625 is "63 %"; a dash for None."""
    return "–" if share is None else f"{math.floor(100 * share + 0.5 + 1e-9)} %"


def evaluate(safety: Safety, labelled: Sequence[Labelled]) -> Scores:
    """Apply the input rules to labelled texts, and count for each rule, and each other label, how it did.

    Raises SettingsError and MessageError for what is no Safety and no list of Labelled.
    """
    if not isinstance(safety, Safety):
        raise SettingsError(f"The rules to measure must be a Safety, such as Safety([rule]), not {safety!r:.60}.")
    wrong = next((example for example in labelled if not isinstance(example, Labelled)), None)
    if wrong is not None:
        raise MessageError(f'Each text to measure with must be Labelled("a text", "a label"), not {wrong!r:.60}.')
    fired = [{finding.rule for finding in safety.check_input(example.text).findings} for example in labelled]
    rules = [rule.name for rule in safety.input_rules]
    names = dict.fromkeys([*rules, *(label for example in labelled for label in example.labels)])
    return Scores({name: _score(name, labelled, fired) for name in names})


def _score(name, labelled, fired):
    cases = {(wanted, did): [] for wanted in (True, False) for did in (True, False)}
    for example, rules in zip(labelled, fired, strict=True):
        cases[name in example.labels, name in rules].append(example)
    found, missed = tuple(cases[True, True]), tuple(cases[True, False])
    return Score(name, found, tuple(cases[False, True]), missed, len(cases[False, False]))


def load_safety_set(path: str | Path | None = None) -> list[Labelled]:
    """The labelled texts that come with the course, or those of a file: one JSON object a line.

    {"text": "Mail me at kim@example.org", "labels": ["email"], "note": ""}
    Raises MessageError, with the line's number, for a file that cannot be read.
    """
    source = files(__package__).joinpath("data/safety_set.jsonl") if path is None else Path(path)
    try:
        lines = source.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise MessageError(f"The labelled texts in {str(path)!r} cannot be read: {error}") from error
    return [_labelled(line, number, source.name) for number, line in enumerate(lines, start=1) if line.strip()]


def _labelled(line, number, name):
    try:
        match json.loads(line):
            case {"text": str(text), "labels": list(labels), **rest} if all(isinstance(label, str) for label in labels):
                return Labelled(text, tuple(labels), str(rest.get("note", "")))
    except ValueError:
        pass
    raise MessageError(
        f'Line {number} of {name!r} must look like {{"text": "Hi", "labels": []}}, not {line.strip()!r:.60}.'
    )
