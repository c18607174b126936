"""One submission → one Grade: take the answers out of the notebook, run each in the sandbox, compare what comes back.

In: the bytes of a notebook. Out: a Grade. The code of students runs in the sandbox only; the right answers never leave
this process.
"""

from collections.abc import Sequence
from dataclasses import replace

from ..checks.calling import Answer, Answers, changed, is_stubs
from ..checks.diagnosis import answers_notes, judge, not_attempted, right_answers
from ..checks.exercise import Case, Exercise, call_directly
from ..checks.result import FAILED, NOT_ATTEMPTED, PROBLEM, CheckResult
from ..errors import RejectedError
from .answers import Code, HandedIn, cells_for, take_answers
from .grades import GRADED, INFRA_ERROR, REJECTED, REVIEW, ExerciseGrade, Grade
from .master import Master
from .sandbox import INFRA, Limits, Outcome, Problem, Sandbox, Task
from .sheets import source

TRIES = 2  # a fault of the grader may be gone at the second try
ENDS_PYTHON = ("SystemExit", "KeyboardInterrupt", "GeneratorExit")
HIDDEN = "nanochat_helpers.checks.sheets"  # the references and their relatives


class Grader:
    """Grades one submission after the other, always on the same cases.

    seed: the random cases are drawn from it; students do not know it. level: see `Sandbox`.
    """

    def __init__(self, master: Master, seed: int, limits: Limits | None = None, *, level: str | None = None):
        self.master, self.limits = master, limits or Limits()
        self.cases = {each.id: each.cases(seed) for each in master.exercises}
        self._expected: dict[str, list[Answer]] = {}
        homes = {each.reference.__module__ for each in master.exercises}
        hidden = [HIDDEN, *sorted(home for home in homes if not home.startswith(HIDDEN))]
        self._sandbox = Sandbox(_imports(master), hidden, self.limits, model=_needs_model(master), level=level)

    @property
    def level(self) -> str:
        """Which walls hold students' code in: "namespaces" or "process". Raises GradingError if none can be put up."""
        return self._sandbox.level

    def close(self) -> None:
        """End the sandbox."""
        self._sandbox.close()

    def grade(self, student: str, where: str, raw: bytes, notes: Sequence[str] = ()) -> Grade:
        """Grade one notebook. where: the place it was found at. It never raises for what a student handed in."""
        try:
            handed_in = take_answers(raw, self.master)
        except RejectedError as error:
            return rejected(self.master, student, where, str(error), notes)
        results = {each.id: self._examine(each, handed_in) for each in self.master.exercises}
        exercises = tuple(
            ExerciseGrade(results[each.id], each.points, handed_in.answers.get(each.id, ""))
            for each in self.master.exercises
        )
        read = [f"{question.title}: a teacher reads the answer." for question in handed_in.questions if question.answer]
        broken = any(result.status == PROBLEM for result in results.values())
        status = INFRA_ERROR if broken else REVIEW if read or handed_in.needs_review else GRADED
        all_notes = (*notes, *handed_in.notes, *read)
        return Grade(student, status, self.master.number, exercises, handed_in.questions, all_notes, where)

    # --- one exercise

    def _examine(self, exercise: Exercise, handed_in: HandedIn) -> CheckResult:
        """What is to be said about one exercise; "problem" only for a fault of the grader."""
        cases = self.cases[exercise.id]
        if exercise.id not in handed_in.attempted:
            return not_attempted(exercise, len(cases))
        codes = cells_for(handed_in, self.master, exercise.id)
        task = _task(exercise, codes, cases)
        for _ in range(TRIES):
            outcome = self._sandbox.run(task)
            if outcome.ended != INFRA:
                return self._judge(exercise, handed_in, codes, outcome)
        sentence = f"This exercise could not be graded: the grader itself failed ({outcome.said or 'no reason given'})."
        return _result(exercise, PROBLEM, sentence, len(cases))

    def _judge(self, exercise, handed_in, codes, outcome):
        cases = self.cases[exercise.id]
        words = _Words(exercise, handed_in, codes, outcome, self.limits)
        if said := words.why_no_answers():
            return _result(exercise, FAILED, said, len(cases))
        if outcome.answers and is_stubs(outcome.answers[0][0].error) and not outcome.answers[0][0].unwritten:
            return not_attempted(exercise, len(cases))
        expected = self._right(exercise)
        came = _answers(exercise, cases, outcome)
        result = judge(exercise, cases, expected, came, self.limits.seconds, (), checks="checks")
        if came.ended and result.status != NOT_ATTEMPTED:
            result = replace(result, status=FAILED, sentence=_join(result, words.why_it_ended(), came))
        return replace(words.explained(result, came), notes=(*words.notes(), *answers_notes(exercise, came)))

    def _right(self, exercise):
        if exercise.id not in self._expected:
            self._expected[exercise.id] = right_answers(exercise, self.cases[exercise.id])
        return self._expected[exercise.id]


def rejected(master: Master, student: str, where: str, reason: str, notes: Sequence[str] = ()) -> Grade:
    """The grade of what cannot be read: no points, the reason, and nothing that was tried."""
    return Grade(student, REJECTED, master.number, _nothing(master), master.questions, (reason, *notes), where)


def ungraded(master: Master, student: str, status: str, reason: str, where: str = "") -> Grade:
    """The grade of a student who handed in nothing (status "missing"), or whom the grader failed ("infra_error")."""
    kind = PROBLEM if status == INFRA_ERROR else NOT_ATTEMPTED
    return Grade(student, status, master.number, _nothing(master, kind, reason), master.questions, (reason,), where)


def _nothing(master, status=NOT_ATTEMPTED, sentence="Nothing could be tried."):
    return tuple(ExerciseGrade(_result(each, status, sentence, 0), each.points) for each in master.exercises)


def _result(exercise, status, sentence, n_cases):
    return CheckResult(exercise.id, exercise.title, status, sentence, 0, n_cases)


# --- what the sandbox is told


def _imports(master):
    cells = [cell for cell in master.notebook["cells"] if cell.get("id") == "imports"]
    return source(cells[0]) if cells else ""


def _needs_model(master):
    """Whether one of the exercises asks the model of the lessons."""
    return any(each.call.__name__ == "with_the_real_model" for each in master.exercises)


def _task(exercise, codes: Sequence[Code], cases: Sequence[Case]) -> Task:
    call = None if exercise.call is call_directly else (exercise.call.__module__.split(".")[-1], exercise.call.__name__)
    cells = tuple((code.label, code.source) for code in codes)
    return Task(exercise.id, exercise.signature, cells, tuple(case.args for case in cases), call)


def _answers(exercise: Exercise, cases: Sequence[Case], outcome: Outcome) -> Answers:
    """The answers as those of a check in a notebook, with what a call has changed found out here."""
    asked = [*cases, *cases[:1]]
    came = [
        replace(answer, changed="" if answer.error else _changed(exercise, case, args))
        for case, (answer, args) in zip(asked, outcome.answers, strict=False)
    ]
    again = came[len(cases)] if len(came) > len(cases) else None
    ended = "" if len(came) >= len(cases) else outcome.ended
    return Answers(tuple(came[: len(cases)]), ended, again=again)


def _changed(exercise, case, args):
    return changed(exercise, case.args, args) if len(args) == len(case.args) else ""


def _join(result, why, came):
    done = f"{result.n_passed} of {result.n_cases} checks came out right"
    return f"{done}, then it ended: {why}" if came.answers else why


# --- sentences


class _Words:
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
            return f"{self._where_it_ended()}{self.why_it_ended()}"
        if own and own.error in ENDS_PYTHON:
            return f"The answer cell ends Python itself{_at(own)}: take that line out."
        if not found.get("there"):
            return self._not_there(found, own)
        return str(found.get("objection") or "")[:1000]

    def why_it_ended(self) -> str:
        """Why it ended before all cases were answered."""
        why = {
            "time": f"it took over {self.limits.seconds} s. Is there a loop that never ends, or something slow?",
            "memory": f"it took over {self.limits.memory_mb:,} MB of memory. What grows so large?",
            "output": "it printed far too much, and was stopped. Is there a `print` in a loop that never ends?",
            "crash": "Python itself came to an end in the middle. Is there an `os._exit`, or a call that crashes?",
        }
        return why.get(self.outcome.ended, "it stopped in the middle.")

    def explained(self, result: CheckResult, came: Answers) -> CheckResult:
        """A result with more words where an error has a reason that lies outside of the function."""
        error = next((answer.error for answer in came.answers if answer.error is not None), None)
        if result.status != FAILED or error is None:
            return result
        if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
            over = f"It took over {self.limits.memory_mb:,} MB of memory. What grows so large?"
            return replace(result, sentence=over, misconception="", hints=())
        if isinstance(error, NameError) and (more := self._about_name(str(error))):
            return replace(result, sentence=f"{result.sentence} {more}")
        return result

    def notes(self) -> tuple[str, ...]:
        """What else went wrong in the cells, though the function is there."""
        own = self._own_problem()
        if own is None:
            return ()
        return (f"After the function, the answer cell stops{_at(own)}: {_error(own)}.",)

    def _own_problem(self) -> Problem | None:
        """The first problem in a cell that belongs to this exercise."""
        mine = [place for place, code in enumerate(self.codes) if code.exercise == self.exercise.id]
        return next((problem for problem in self.outcome.problems if problem.cell in mine), None)

    def _where_it_ended(self):
        place = self.outcome.last_cell
        label = self.codes[place].label if 0 <= place < len(self.codes) else "the sheet"
        return f"In {label}, before the function could be called, "

    def _not_there(self, found, own):
        name, near = self.exercise.name, str(found.get("near") or "")[:60]
        if own and own.error in ("SyntaxError", "IndentationError", "TabError"):
            return f"The answer cell is no Python yet{_at(own)}: {own.said}. Nothing in this cell was run."
        if near:
            return f"Expected a function `{name}`, found `{near}`; did you mean `{name}`? Then rename it."
        if own:
            return (
                f"The answer cell stops before there is a function `{name}`{_at(own)}: {_error(own)}.{self._why(own)}"
            )
        others = ", ".join(f"`{str(other)[:40]}`" for other in found.get("others", [])[:3])
        return f"Expected a function `{name}`, found {others or 'none'}: begin with `def {self.exercise.signature}:`."

    def _why(self, problem):
        if problem.error == "NameError":
            return f" {self._about_name(problem.said)}"
        if problem.error == "EOFError":
            return " It waits for somebody to type (input()), and here nobody does: take that line out."
        return ""

    def _about_name(self, said):
        """Where a name that is missing may come from."""
        name = said.split("'")[1] if said.count("'") >= 2 else ""
        if name in self.handed_in.elsewhere:
            return (
                f"`{name}` stands in {self.handed_in.elsewhere[name]}, and only answer cells are graded: "
                "put it into the answer cell."
            )
        return "Only what stands in the sheet's cells counts: choose “Restart and run all”, and see whether it still works."


def _at(problem):
    """Where a problem is: " (line 3: `total = `)"."""
    if problem.line is None:
        return ""
    number, code = problem.line
    return f" (line {number}: `{code}`)" if code and "`" not in code else f" (line {number})"


def _error(problem: Problem) -> str:
    return f"{problem.error}: {problem.said}".rstrip(": .") if problem.said else problem.error
