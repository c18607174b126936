"""Which pieces of code run before the function of an exercise is called: no more than it needs.

In: the answers of a student and the sheet. Out: pieces of code, in the order of the sheet. So a broken answer cannot
touch another one that does not use it. Nothing is run here.
"""

import builtins
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...language import tr
from ..master import Master
from ..sheets import role, source
from ..verify import NOT_RUN
from .code_names import Names, names_in

ALWAYS = "imports"  # the cell that each answer may rely on


@dataclass(frozen=True)
class Code:
    """One piece of code. label: what to call it in a message, such as "the answer cell of 04.2" or "the cell
    `imports`". exercise: whose answer it is; "" for the sheet's own cells.
    """

    label: str
    source: str
    exercise: str = ""


def needed_code(answers: Mapping[str, str], master: Master, exercise_id: str) -> list[Code]:
    """The cell `imports`, the answer itself, and the sheet's cells and other answers that define what these need.

    A name is looked for in the answer itself, then in the sheet's cells, then in the answers before it, then in those
    after it. Other answers never stand in for a builtin such as `sum`.
    """
    pieces = [*_pieces(answers, master)]
    names = [names_in(piece.source) for piece in pieces]
    taken = {n for n, piece in enumerate(pieces) if piece.exercise == exercise_id or piece.label == _label(ALWAYS)}
    waiting = sorted(taken)
    while waiting:
        new = set(_providers(waiting.pop(), pieces, names)) - taken
        taken |= new
        waiting += sorted(new)
    return [pieces[n] for n in sorted(taken)]


def _pieces(answers: Mapping[str, str], master: Master) -> Iterator[Code]:
    """All code of the sheet that may be run, with the student's answers; where there is none, the stub."""
    for cell in master.notebook["cells"]:
        exercise = cell["metadata"].get("nanochat", {}).get("exercise", "")
        if role(cell) == "answer" and exercise in master.stubs:
            code = answers.get(exercise) or master.stubs[exercise]
            yield Code(f"the answer cell of {exercise}", code, exercise)
        elif cell["cell_type"] == "code" and role(cell) in ("read only", "") and cell.get("id") not in NOT_RUN:
            yield Code(_label(cell.get("id")), source(cell))


def shown_label(code: Code) -> str:
    """The label of a piece of code in the present language, as it stands after the word "in"."""
    if code.exercise:
        return tr("the answer cell of {exercise}", exercise=code.exercise)
    return tr("the cell `{name}`", name=code.label.split("`")[1])


def _label(name):
    return f"the cell `{name}`"


def _providers(user: int, pieces: Sequence[Code], names: Sequence[Names]) -> Iterator[int]:
    """The places of the pieces that define what another one needs."""
    needs = names[user].needs
    if needs is None:
        yield from range(len(pieces))
        return
    for name in needs - names[user].binds:
        places = [n for n in range(len(pieces)) if name in names[n].binds]
        of_sheet = [n for n in places if not pieces[n].exercise]
        of_student = [n for n in places if pieces[n].exercise and not hasattr(builtins, name)]
        before = [n for n in of_student if n < user]
        yield from of_sheet or before[-1:] or of_student[:1]
