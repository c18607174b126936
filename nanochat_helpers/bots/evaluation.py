"""How good is a bot? Cases go in: messages, each with what must hold of its answer. Out comes a score, case by case.

A case asks for a property of the answer, such as "has the number 10", and never for its exact words. With the same seed
the same bot has the same luck, so a clear change in the score comes from a change of the bot. (A small one need not:
llama.cpp reuses what it has computed before, and a last digit may tip a token of the model's.)
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..chat import Chat
from ..errors import DocumentError, SettingsError
from ..settings import check_count
from .checks import CHECKS
from .tables import comparison_html, evaluation_html, share

OWN_CASES = Path(__file__).parents[1] / "data" / "bots"
FORM = 'Case("What is 7 + 5?", {"number": 12})'


@dataclass(frozen=True)
class Case:
    """A message, and what must hold of the answer: names of checks with what each of them wants (see `checks`).

    Case("What is 7 + 5?", {"number": 12}). Raises SettingsError where it is not of this form.
    """

    text: str
    must: Mapping[str, Any] = field(hash=False)

    def __post_init__(self):
        if not isinstance(self.text, str) or not isinstance(self.must, Mapping) or not self.must:
            raise SettingsError(f"A case must look like {FORM}, and this one is {self.text!r:.60}, {self.must!r:.60}.")


@dataclass(frozen=True)
class Result:
    """What became of a case: the answer, and a sentence for each thing that did not hold."""

    case: Case
    answer: str
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Did everything hold?"""
        return not self.failures


@dataclass(frozen=True, repr=False)
class Evaluation:
    """The results of all cases. name: of the bot. seed: the luck that it had."""

    name: str
    results: tuple[Result, ...]
    seed: int

    @property
    def n_passed(self) -> int:
        """How many cases passed."""
        return sum(result.passed for result in self.results)

    @property
    def score(self) -> float:
        """The share of the cases that passed, 0 to 1."""
        return self.n_passed / len(self.results)

    def __len__(self) -> int:
        return len(self.results)

    def __repr__(self) -> str:
        failed = [
            f"✗ {result.case.text!r:.70}: {' '.join(result.failures)}" for result in self.results if result.failures
        ]
        return "\n".join([f"{self.name}: {share(self.n_passed, len(self))}", *failed])

    def _repr_html_(self) -> str:
        rows = [(result.case.text, result.answer, result.failures) for result in self.results]
        return evaluation_html(self.name, rows)


@dataclass(frozen=True, repr=False)
class Comparison:
    """Two evaluations with the same cases: which cases were won and which were lost from `before` to `after`."""

    before: Evaluation
    after: Evaluation

    def __post_init__(self):
        if not all(isinstance(each, Evaluation) for each in vars(self).values()):
            raise SettingsError("compare needs two evaluations, as evaluate gives them: compare(before, after).")
        if [result.case for result in self.before.results] != [result.case for result in self.after.results]:
            raise SettingsError("The two evaluations have different cases: evaluate both with the same ones.")

    @property
    def won(self) -> list[Case]:
        """The cases that only `after` passes."""
        return [after.case for before, after in self._pairs() if after.passed and not before.passed]

    @property
    def lost(self) -> list[Case]:
        """The cases that only `before` passes."""
        return [after.case for before, after in self._pairs() if before.passed and not after.passed]

    def __repr__(self) -> str:
        head = [f"{each.name}: {share(each.n_passed, len(each))}" for each in (self.before, self.after)]
        won, lost = (
            [f"{sign} {case.text!r:.70}" for case in cases] for sign, cases in (("+", self.won), ("-", self.lost))
        )
        return "\n".join([*head, f"won {len(won)}, lost {len(lost)}", *won, *lost])

    def _repr_html_(self) -> str:
        rows = [
            (before.case.text, (before.passed, before.answer), (after.passed, after.answer))
            for before, after in self._pairs()
        ]
        return comparison_html(self.before.name, self.after.name, rows)

    def _pairs(self):
        return zip(self.before.results, self.after.results, strict=True)


def evaluate(
    bot: Chat,
    cases: Sequence[Case],
    *,
    seed: int = 0,
    checks: Mapping[str, Callable] | None = None,
    name: str | None = None,
) -> Evaluation:
    """Give a bot each case as the first message of a new conversation, and look what holds of its answer.

    bot: a bot, or any Chat; its conversation is forgotten. seed: the luck of each answer.
    checks: more checks by name, beside those of `checks.CHECKS`; each gets (answer, what the case wants, bot) and gives
        None where it holds, else a sentence. name: of the row in tables; None: the name of the bot's class.
    An answer that ends in an error is a case that failed. Raises SettingsError for cases and checks that are none.
    """
    if not isinstance(checks or {}, Mapping):
        raise SettingsError(f'checks must look like {{"calm": calm}}, a name and a function, not {checks!r:.60}.')
    checks = {**CHECKS, **(checks or {})}
    _check(bot, cases, checks)
    check_count("seed", seed, least=0)
    with _seeded(bot, seed):
        results = tuple(_result(bot, case, checks) for case in cases)
    return Evaluation(name or type(bot).__name__, results, seed)


def compare(before: Evaluation, after: Evaluation) -> Comparison:
    """Which cases did a change win, and which did it lose? Raises SettingsError where the cases are not the same."""
    return Comparison(before, after)


def read_cases(source: str | Path) -> list[Case]:
    """The cases of one of NanoChat's own bots ("mathematics"), or of a file with one case a line.

    A line is JSON: {"text": "What is 7 + 5?", "must": {"number": 12}}. Raises DocumentError.
    """
    path = OWN_CASES / f"{source}.jsonl"
    path = path if isinstance(source, str) and path.is_file() else source
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, TypeError, ValueError) as problem:
        own = ", ".join(sorted(each.stem for each in OWN_CASES.glob("*.jsonl")))
        raise DocumentError(f"{source!r:.80} is neither a file of cases nor one of {own}: {problem}.") from problem
    cases = [_case(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1) if line.strip()]
    if not cases:
        raise DocumentError(f"{path} has no case: write one a line, such as {_LINE}.")
    return cases


_LINE = '{"text": "What is 7 + 5?", "must": {"number": 12}}'


def _case(line, where):
    try:
        return Case(**json.loads(line))
    except (ValueError, TypeError, RecursionError) as problem:
        raise DocumentError(f"{where} is no case: it must look like {_LINE}.") from problem


def _check(bot, cases, checks):
    if not isinstance(bot, Chat):
        raise SettingsError(f"bot must be a bot, such as MathsBot(backbone), or a Chat, not {bot!r:.60}.")
    if not isinstance(cases, Sequence) or not cases or not all(isinstance(case, Case) for case in cases):
        raise SettingsError(f"cases must be a list with at least one case such as {FORM}, not {cases!r:.60}.")
    for case in cases:
        for name in case.must:
            if name not in checks:
                raise SettingsError(
                    f"There is no check {name!r} (in {case.text!r:.40}): there are {', '.join(checks)}."
                )


@contextmanager
def _seeded(bot, seed) -> Iterator[None]:
    before = bot.settings
    bot.settings = before.change(seed=seed)
    try:
        yield
    finally:
        bot.settings = before
        bot.reset()


def _result(bot, case, checks):
    bot.reset()
    try:
        answer = bot.send(case.text).text
    except Exception as problem:  # whatever a bot's own code does wrong, the other cases still count
        return Result(case, "", (f"It ended in {type(problem).__name__}: {problem}",))
    failures = [_failure(name, checks[name], answer, wanted, bot) for name, wanted in case.must.items()]
    return Result(case, answer, tuple(failure for failure in failures if failure))


def _failure(name, check, answer, wanted, bot):
    try:
        failure = check(answer, wanted, bot)
    except SettingsError:
        raise
    except Exception as problem:  # whatever a check of one's own does wrong
        told = f"The check {name!r} cannot judge an answer: {type(problem).__name__}: {problem}"
        raise SettingsError(f"{told}. It is a function of (answer, wanted, bot).") from problem
    if failure is not None and not isinstance(failure, str):
        raise SettingsError(f"The check {name!r} must give None or a sentence why not, and it gave {failure!r:.60}.")
    return failure
