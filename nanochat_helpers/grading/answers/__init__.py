"""Take the answers out of what a student handed in. In: the bytes of a notebook, and the sheet. Out: a HandedIn.

Only the code of the answer cells counts: the checks, the other cells and the stored outputs are the master's own.
Nothing is run, and nothing is decided about points: see `grader`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...checks.exercise import Exercise
from ...language import later, tr, tr_later
from ..grades import Question
from ..master import Master
from ..sheets import TEXT_STUB, role, source
from ..verify import NOT_RUN
from .code_names import is_empty, names_in, same_code
from .damage import Cell, read_cells
from .matching import Handed, answer_name, check_name, grade_id, match, refuse_other_sheets, refuse_without_answers
from .needed import ALWAYS, Code, needed_code, shown_label
from .tricks import imports_of, tricks_in

__all__ = ["Code", "HandedIn", "cells_for", "shown_label", "take_answers"]
SHOWN = 5  # names in a note
LAST = later("The answer cell of {exercise} is there more than once, with different code: the last one counts.")
LAST_DEFINING = later(
    "The answer cell of {exercise} is there more than once, with different code: "
    "the last one that defines `{name}` counts."
)
MOST_COPIES = 10  # of one answer cell; only a hostile notebook has more
FENCE = re.compile(r"^[ \t]*+```.*$", re.MULTILINE)
LOOKS_LIKE_CODE = re.compile(r"^[ \t]*+def[ \t]++\w++[ \t]*+\(", re.MULTILINE)


@dataclass(frozen=True)
class HandedIn:
    """What a student handed in, of what counts.

    answers: exercise id → code ("" where the cell is missing). attempted: the ids of those that are not the untouched
    stub. questions: with the student's answers. elsewhere: name → which cell that is not graded defines it, to explain
    a NameError. notes: what was edited, deleted or copied. needs_review: one of the notes asks for a teacher's eyes.
    """

    answers: dict[str, str]
    attempted: frozenset[str]
    questions: tuple[Question, ...]
    elsewhere: dict[str, str]
    notes: tuple[str, ...]
    needs_review: bool


@dataclass(frozen=True)
class _Taken:
    """The answer to one exercise."""

    code: str
    is_attempted: bool
    notes: tuple[str, ...] = ()


def take_answers(raw: bytes, master: Master) -> HandedIn:
    """Read a notebook and take its answers. Raises RejectedError for what is no notebook, or not of this sheet."""
    cells, notes = read_cells(raw)
    refuse_other_sheets(cells, master)
    handed = match(cells, master)
    refuse_without_answers(handed, master)
    taken = {each.id: _take(each, handed, master) for each in master.exercises}
    questions = [_answered(question, handed, master) for question in master.questions]
    review = [*_review_notes(taken, master)]
    notes += [*_answer_notes(taken, handed, master), *(note for _, found in questions for note in found)]
    notes += [*_check_notes(handed, master), *_changed_notes(handed, master), *review]
    return HandedIn(
        {name: each.code for name, each in taken.items()},
        frozenset(name for name, each in taken.items() if each.is_attempted),
        tuple(question for question, _ in questions),
        _elsewhere(taken, handed, master),
        tuple(notes),
        bool(review),
    )


def cells_for(handed_in: HandedIn, master: Master, exercise_id: str) -> list[Code]:
    """What runs before the function of an exercise is called, in the order of the sheet."""
    return needed_code(handed_in.answers, master, exercise_id)


def _take(exercise: Exercise, handed: Handed, master: Master) -> _Taken:
    """The answer to an exercise: from its own cell, or else from another one that defines its function."""
    stub, copies = master.stubs[exercise.id], handed.known.get(answer_name(exercise.id, master), [])[-MOST_COPIES:]
    written = [(cell, code) for cell in copies if _is_written(code := _code(cell), stub)]
    if not written:
        return _taken_elsewhere(exercise, copies, handed, stub)
    defining = [pair for pair in written if exercise.name in names_in(pair[1]).binds]
    cell, code = (defining or written)[-1]
    notes = []
    if not all(same_code(code, other) for _, other in written):
        which = LAST_DEFINING if defining else LAST
        notes.append(tr_later(which, exercise=exercise.id, name=exercise.name))
    if cell.kind != "code":
        notes.append(
            tr(
                "The answer cell of {exercise} is no code cell any more. Its code was graded all the same.",
                exercise=exercise.id,
            )
        )
    return _Taken(code, True, tuple(notes))


def _taken_elsewhere(exercise, copies, handed, stub):
    others = [
        cell
        for cell, _, names in handed.defining
        if exercise.name in names.binds - names.imports and cell not in copies
    ]
    written = [cell.source for cell in others[-MOST_COPIES:] if _is_written(cell.source, stub)]
    if written:
        note = tr(
            "The answer cell of {exercise} holds no answer: another cell with `{name}` was taken.",
            exercise=exercise.id,
            name=exercise.name,
        )
        return _Taken(written[-1], True, (note,))
    if copies:
        return _Taken(_code(copies[-1]), False)
    if others:
        return _Taken(others[-1].source, False)
    note = tr(
        "The answer cell of {exercise} is gone, and no other cell defines `{name}`.",
        exercise=exercise.id,
        name=exercise.name,
    )
    return _Taken("", False, (note,))


def _is_written(code, stub):
    return not is_empty(code) and not same_code(code, stub)


def _code(cell: Cell) -> str:
    """The code of an answer cell, also where the student made a text cell of it."""
    if cell.kind == "code":
        return cell.source
    return FENCE.sub("", cell.source) if LOOKS_LIKE_CODE.search(cell.source) else ""


def _answered(question: Question, handed: Handed, master: Master) -> tuple[Question, list[str]]:
    """A question with the answer to it, and notes: from its own cell, or else from a text below it."""
    written = [text for cell in handed.known.get(question.id, []) if (text := _without_stub(cell))]
    if not written:
        task = _cell_before(question.id, master)
        below = [_without_stub(cell) for name in (task, question.id) for cell in handed.below.get(name, [])]
        return replace(question, answer="\n\n".join(text for text in below if text)), []
    copied = tr(
        "The answer to {question} is there more than once, with different words: the last one counts.",
        question=tr_later(question.title),
    )
    return replace(question, answer=written[-1]), [copied] if len(set(written)) > 1 else []


def _without_stub(cell):
    return cell.source.replace(TEXT_STUB, "").strip()


def _cell_before(name, master):
    names = [grade_id(cell) for cell in master.notebook["cells"]]
    return names[names.index(name) - 1]


def _answer_notes(taken, handed, master) -> Iterator[str]:
    """What is to be said about where the answers stood."""
    if any(answer_name(each.id, master) in handed.known for each in master.exercises):
        yield from (note for each in taken.values() for note in each.notes)
    else:
        yield tr("The marks of the answer cells are gone: the answers were found by the functions that they define.")


def _check_notes(handed, master) -> Iterator[str]:
    """Which check cells are gone or changed."""
    gone, changed = [], []
    for exercise in master.exercises:
        name = check_name(exercise.id, master)
        copies = handed.known.get(name, [])
        if not copies:
            gone.append(exercise.id)
        elif not any(same_code(cell.source, f'check("{exercise.id}")') for cell in copies):
            changed.append(exercise.id)
    if gone and handed.known:
        yield tr("Check cells were deleted ({exercises}). The sheet's own were used.", exercises=", ".join(gone))
    if changed and handed.known:
        yield tr("Check cells were changed ({exercises}). The sheet's own were used.", exercises=", ".join(changed))


def _changed_notes(handed, master) -> Iterator[str]:
    """Which other cells of the sheet define something new, and whether the imports were changed."""
    for name, copy, cell in _changed(handed, master):
        added = sorted(_added(copy, cell))[:SHOWN]
        if added or name == ALWAYS:
            changed = tr("The sheet's cell `{name}` was changed. The sheet's own was used.", name=name)
            yield f"{changed} {_advice(added)}".rstrip()


def _advice(added):
    """What to do about names that a changed cell of the sheet defines."""
    if not added:
        return ""
    return tr(
        "What it defines now is not known there ({names}): write such lines into the answer cell that needs them.",
        names=", ".join(f"`{each}`" for each in added),
    )


def _changed(handed: Handed, master: Master) -> Iterator[tuple[str, Cell, str]]:
    """The sheet's code cells that were changed: the name, the cell now, and the code as it was."""
    for name, code in _sheet_code(master).items():
        for copy in handed.known.get(name, [])[-1:]:
            if copy.kind == "code" and not same_code(copy.source, code):
                yield name, copy, code


def _sheet_code(master):
    """The code of the sheet's own cells, without answers, checks, `setup` and `progress`."""
    cells = [cell for cell in master.notebook["cells"] if cell["cell_type"] == "code" and role(cell) == "read only"]
    return {grade_id(cell): source(cell) for cell in cells if grade_id(cell) not in NOT_RUN}


def _added(copy, code):
    return names_in(copy.source).binds - names_in(code).binds


def _elsewhere(taken, handed: Handed, master: Master) -> dict[str, str]:
    """The names that are defined in cells that are not graded, and which cells these are."""
    graded, sheet = {each.code for each in taken.values()}, _sheet_code(master)
    answers = {answer_name(each.id, master): each.id for each in master.exercises}
    found = {}
    for cell, name, names in handed.defining:
        if name in answers:
            where = tr("another copy of the answer cell of {exercise}", exercise=answers[name])
        elif name:
            where = tr("the sheet's cell `{name}`, which you changed", name=name)
        else:
            where = tr("a cell of your own")
        if cell.source not in graded and name not in NOT_RUN:
            found |= dict.fromkeys(names.binds - names_in(sheet.get(name, "")).binds, where)
    return dict(sorted(found.items()))


def _review_notes(taken, master) -> Iterator[str]:
    """What a teacher should look at, one sentence for each answer."""
    allowed = {full for code in _sheet_code(master).values() for full in imports_of(code)}
    for name, answer in taken.items():
        if found := tricks_in(answer.code, allowed):
            yield tr(
                "A teacher should look at the answer to {exercise}, which uses what no exercise needs: {found}.",
                exercise=name,
                found=found,
            )
