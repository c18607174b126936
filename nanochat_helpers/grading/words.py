"""What is said to a student about code that gave no answers, or not all: why, in which line, and what to do next.

In: an exercise, what was handed in, and what came out of the sandbox. Out: sentences. What is wrong with an answer is
said elsewhere: see `checks.faults`.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace

from ..checks.calling import Answers
from ..checks.exercise import Exercise
from ..checks.result import FAILED, CheckResult
from ..language import later, tr, tr_later
from .answers import Code, HandedIn, shown_label
from .sandbox import Limits, Outcome, Problem
from .sandbox.child import TOO_LARGE

LONGEST = 300_000  # characters of code, all cells of an exercise together
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
NO_MEMORY = re.compile("(?i)can('t|not) allocate memory")
TOO_LARGE_SAID = later("The answer is too large to be looked at, or it holds itself. What grows so large?")
TOO_LARGE_SHOWN = later("a value that is too large to be looked at")
WHY = {  # why it ended before all cases were answered
    "time": later("it took over {seconds} s. Is there a loop that never ends, or something slow?"),
    "memory": later("it took over {memory:,} MB of memory. What grows so large?"),
    "output": later("it printed far too much, and was stopped. Is there a `print` in a loop that never ends?"),
    "crash": later("Python itself came to an end in the middle. Is there an `os._exit`, or a call that crashes?"),
}
STOPPED = later("it stopped in the middle.")
ENDS_PYTHON = ("SystemExit", "KeyboardInterrupt", "GeneratorExit")


class Words:
    """What is said to a student about an outcome, beyond what `judge` says about the answers."""

    def __init__(
        self, exercise: Exercise, handed_in: HandedIn, codes: Sequence[Code], outcome: Outcome, limits: Limits
    ):
        self.exercise, self.handed_in, self.codes, self.outcome, self.limits = (
            exercise, handed_in, codes, outcome, limits,
        )  # fmt: skip

    def why_no_answers(self) -> str:
        """Why the function could not be called at all, or ""."""
        found, own = self.outcome.found, self._own_problem()
        if found is None:
            return as_sentence(self._where_it_ended())
        if own and own.error in ENDS_PYTHON:
            return tr("The answer cell ends Python itself{place}: take that line out.", place=_at(own))
        if not found.get("there"):
            return self._not_there(found, own)
        said = found.get("objection")  # words of a process that is not trusted, so they do not stand alone
        return tr("It could not be called: {said}", said=said) if said else ""

    def why_it_ended(self) -> str:
        """Why it ended before all cases were answered."""
        why = WHY.get(self.outcome.ended, STOPPED)
        return tr_later(why, seconds=self.limits.seconds, memory=self.limits.memory_mb)

    def explained(self, result: CheckResult, came: Answers) -> CheckResult:
        """A result with more words where an error has a reason that lies outside of the function."""
        if result.status == FAILED and result.got == TOO_LARGE["other"][2]:
            sentence = result.sentence.partition(". ")[0] + f". {tr_later(TOO_LARGE_SAID)}"
            return replace(result, sentence=sentence, got=tr_later(TOO_LARGE_SHOWN))
        error = next((answer.error for answer in came.answers if answer.error is not None), None)
        if result.status != FAILED or error is None:
            return result
        said = _said(error)
        if isinstance(error, MemoryError) or NO_MEMORY.search(said):
            over = tr("It took over {memory:,} MB of memory. What grows so large?", memory=self.limits.memory_mb)
            return replace(result, sentence=over, misconception="", hints=())
        if type(error) is NameError and (more := self._about_name(said)):
            return replace(result, sentence=f"{result.sentence} {more}")
        return result

    def notes(self) -> tuple[str, ...]:
        """What else went wrong in the cells, though the function is there."""
        own = self._own_problem()
        if own is None:
            return ()
        return (tr("After the function, the answer cell stops{place}: {error}.", place=_at(own), error=_error(own)),)

    def _own_problem(self) -> Problem | None:
        """The first problem in a cell that belongs to this exercise."""
        mine = [place for place, code in enumerate(self.codes) if code.exercise == self.exercise.id]
        return next((problem for problem in self.outcome.problems if problem.cell in mine), None)

    def _where_it_ended(self):
        place = self.outcome.last_cell
        label = shown_label(self.codes[place]) if 0 <= place < len(self.codes) else tr("the sheet")
        why = self.why_it_ended()
        return tr("In {cell}, before the function could be called, {why}", cell=label, why=why)

    def _not_there(self, found, own):
        name, near = self.exercise.name, str(found.get("near") or "")[:60]
        if own and own.error in ("SyntaxError", "IndentationError", "TabError"):
            return tr(
                "The answer cell is no Python yet{place}: {said} Nothing in this cell was run.",
                place=_at(own),
                said=_stopped(own.said),
            )
        other = next((n for n, code in self.handed_in.answers.items() if f"def {name}(" in code), self.exercise.id)
        if other != self.exercise.id:
            return tr(
                "`{name}` stands in the answer cell of {other}: move it into that of {exercise}.",
                name=name,
                other=other,
                exercise=self.exercise.id,
            )
        if near:
            return tr(
                "Expected a function `{name}`, found `{near}`; did you mean `{name}`? Then rename it.",
                name=name,
                near=near,
            )
        if own:
            stops = tr(
                "The answer cell stops before there is a function `{name}`{place}: {error}.",
                name=name,
                place=_at(own),
                error=_error(own),
            )
            return f"{stops} {self._why(own)}".rstrip()
        others = ", ".join(f"`{str(other)[:40]}`" for other in found.get("others", [])[:3])
        return tr(
            "Expected a function `{name}`, found {others}: begin with `def {signature}:`.",
            name=name,
            others=others or tr("none"),
            signature=self.exercise.signature,
        )

    def _why(self, problem):
        if problem.error == "NameError":
            return self._about_name(problem.said)
        if problem.error == "EOFError":
            return tr("It waits for somebody to type (input()), and here nobody does: take that line out.")
        return ""

    def _about_name(self, said):
        """Where a name that is missing may come from."""
        name = said.split("'")[1] if said.count("'") >= 2 else ""
        broken = {problem.cell: problem for problem in self.outcome.problems}
        for place, code in enumerate(self.codes):
            if place in broken and code.exercise != self.exercise.id and f"def {name}(" in code.source:
                return tr(
                    "`{name}` stands in {cell}, which stops itself{place}: begin there.",
                    name=name,
                    cell=shown_label(code),
                    place=_at(broken[place]),
                )
        if name in self.handed_in.elsewhere:
            return tr(
                "`{name}` stands in {cell}, and only answer cells are graded: put it into the answer cell.",
                name=name,
                cell=self.handed_in.elsewhere[name],
            )
        return tr("Does the sheet still work after “Restart and run all”? Only what stands in its cells then exists.")


def too_long(codes: Sequence[Code]) -> str:
    """Why these cells are not even run, or ""."""
    size = sum(len(json.dumps(code.source)) for code in codes)
    if size <= LONGEST:
        return ""
    return tr("The code is far too long to be run: about {n:,} characters. What was pasted into it?", n=size)


def without_addresses(result: CheckResult) -> CheckResult:
    """A result without places in the memory (`<object at 0x7f…>`), which are others each time."""
    texts = {name: ADDRESS.sub("", getattr(result, name)) for name in ("sentence", "got")}
    return replace(result, **texts, notes=tuple(ADDRESS.sub("", note) for note in result.notes))


def as_sentence(text: str) -> str:
    """The text with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]


def _stopped(text):
    """The text with a mark at its end."""
    return text if text.endswith(("?", ".")) else f"{text}."


def _at(problem):
    """Where a problem is: " (line 3: `total = `)"."""
    if problem.line is None:
        return ""
    number, code = problem.line
    if code and "`" not in code:
        return " " + tr("(line {number}: `{code}`)", number=number, code=code)
    return " " + tr("(line {number})", number=number)


def _said(error):
    """The words of an error; "" where they cannot be written: it may hold what breaks Python's own `repr`."""
    try:
        return str(error)
    except Exception:
        return ""


def _error(problem: Problem) -> str:
    return f"{problem.error}: {problem.said}".rstrip(": .") if problem.said else problem.error
