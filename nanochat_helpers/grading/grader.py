"""One submission → one Grade: take the answers out of the notebook, run each in the sandbox, compare what comes back.

In: the bytes of a notebook. Out: a Grade. The code of students runs in the sandbox only; the right answers never leave
this process.
"""

from collections.abc import Sequence
from dataclasses import replace

from ..checks.calling import Answer, Answers, changed, is_stubs
from ..checks.diagnosis import answers_notes, judge, not_attempted, right_answers, title_of
from ..checks.exercise import Case, Exercise, call_directly
from ..checks.result import FAILED, NOT_ATTEMPTED, PROBLEM, CheckResult
from ..errors import RejectedError
from ..language import later, tr, tr_later
from .answers import Code, HandedIn, cells_for, take_answers
from .grades import INFRA_ERROR, REJECTED, ExerciseGrade, Grade, status_of
from .master import Master
from .sandbox import DONE, INFRA, Limits, Outcome, Sandbox, Task
from .sheets import source
from .words import Words, as_sentence, too_long, without_addresses

ALL_PASSED = later("All {n} checks passed.")
NOTHING_TRIED = later("Nothing could be tried.")
TRIES = 2  # a fault of the grader may be gone at the second try
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
        """Which walls hold students' code in, see `Sandbox`. Raises GradingError if none can be put up."""
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
        return Grade(
            student,
            status_of(exercises, handed_in.questions, to_look_at=handed_in.needs_review),
            self.master.number,
            exercises,
            handed_in.questions,
            (*notes, *handed_in.notes),
            where,
            to_look_at=handed_in.needs_review,
        )

    # --- one exercise

    def _examine(self, exercise: Exercise, handed_in: HandedIn) -> CheckResult:
        """What is to be said about one exercise; "problem" only for a fault of the grader."""
        cases = self.cases[exercise.id]
        if exercise.id not in handed_in.attempted:
            return not_attempted(exercise, len(cases))
        codes = cells_for(handed_in, self.master, exercise.id)
        if said := too_long(codes):
            return _result(exercise, FAILED, said, len(cases))
        task = _task(exercise, codes, cases)
        for left in reversed(range(TRIES)):
            outcome = self._sandbox.run(task)
            if outcome.ended != INFRA and not (left and self._was_not_let_run(outcome)):
                return self._judge(exercise, handed_in, codes, outcome)
        why = outcome.said or tr("no reason given")
        sentence = tr("This exercise could not be graded: the grader itself failed ({why}).", why=why)
        return _result(exercise, PROBLEM, sentence, len(cases))

    def _was_not_let_run(self, outcome: Outcome) -> bool:
        """Whether time was up for code that was at work, but got little of the processor: the machine was busy.

        What sleeps or waits uses hardly anything.
        """
        return outcome.ended == "time" and 0.05 < outcome.seconds / self.limits.seconds < 0.5

    def _judge(self, exercise, handed_in, codes, outcome):
        cases = self.cases[exercise.id]
        words = Words(exercise, handed_in, codes, outcome, self.limits)
        if said := words.why_no_answers():
            return _result(exercise, FAILED, said, len(cases))
        if outcome.answers and is_stubs(outcome.answers[0][0].error) and not outcome.answers[0][0].unwritten:
            return not_attempted(exercise, len(cases))
        expected = self._right(exercise)
        came = _answers(exercise, cases, outcome)
        result = judge(exercise, cases, expected, came, self.limits.seconds, (), passed=ALL_PASSED)
        if came.ended and not result.expected:  # all that came until then was right
            result = replace(result, status=FAILED, sentence=_join(result, words.why_it_ended(), came))
        noted = replace(words.explained(result, came), notes=(*words.notes(), *answers_notes(exercise, came)))
        return without_addresses(noted)

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


def _nothing(master, status=NOT_ATTEMPTED, sentence=""):
    sentence = sentence or tr_later(NOTHING_TRIED)
    return tuple(ExerciseGrade(_result(each, status, sentence, 0), each.points) for each in master.exercises)


def _result(exercise, status, sentence, n_cases):
    return CheckResult(exercise.id, title_of(exercise), status, sentence, 0, n_cases)


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
    early = "crash" if outcome.ended == DONE else outcome.ended  # who says "done" too early is not believed
    ended = "" if len(came) >= len(cases) else early
    return Answers(tuple(came[: len(cases)]), ended, again=again)


def _changed(exercise, case, args):
    return changed(exercise, case.args, args) if len(args) == len(case.args) else ""


def _join(result, why, came):
    if not came.answers:
        return as_sentence(why)
    done = {"n": result.n_passed, "total": result.n_cases}
    return tr("{n} of {total} checks came out right, then it ended: {why}", why=why, **done)
