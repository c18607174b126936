"""What an exercise is: data that a check, a grader and the author's tools all read.

It says which function is asked for, what is right (the reference), on which inputs that is tried, and which
misunderstandings are known. It runs nothing: see `calling`, `comparing` and `checking`.
"""

import ast
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from .comparing import difference
from .showing import value_text

PUBLIC_SEED = 2026  # what `check` draws its random cases from; a grader takes another seed


@dataclass(frozen=True)
class Case:
    """One input: plain data (numbers, texts, lists, dicts, tensors) in the order of the parameters.

    note: what is special about it, shown when it fails, such as "all logits are equal".
    """

    args: tuple[Any, ...]
    note: str = ""


@dataclass(frozen=True)
class Misconception:
    """A misunderstanding that is met often: a function that has it, and the hint that leads out of it.

    It is recognised where a student's answers equal those of `wrong` in every case, also where both are right; if none
    does, then in the cases in which no error is raised (see `diagnosis`).
    """

    name: str
    wrong: Callable[..., Any]
    hint: str


def call_directly(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function with the arguments of a case, as most exercises do."""
    return function(*args)


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """A function that a student writes, and all that is needed to check it.

    id: the sheet and the number, "04.3". signature: the name and the parameters as the sheet gives them,
    "apply_top_p(logits, top_p)". reference: a right solution. random_case: makes the arguments of one case out of a
    generator of random numbers. hints: shown one after the other, each time a check fails again.
    call: how the function is called with the arguments of a case, where that is not simply `function(*args)`: it may
    build a model or a tokenizer out of them, or collect what a generator gives. show: how such a call reads.
    compare: (expected, got) → None, or a sentence that says what differs.
    """

    id: str
    title: str
    points: int
    signature: str
    reference: Callable[..., Any]
    edge_cases: tuple[Case, ...]
    random_case: Callable[[random.Random], tuple[Any, ...]]
    misconceptions: tuple[Misconception, ...]
    hints: tuple[str, ...] = ()
    call: Callable[..., Any] = call_directly
    show: Callable[..., str] | None = None
    compare: Callable[[Any, Any], str | None] = difference
    n_random: int = 20

    @property
    def name(self) -> str:
        """The name of the function: "apply_top_p"."""
        return self.signature.partition("(")[0]

    @cached_property
    def parameters(self) -> tuple[str, ...]:
        """The names of its parameters, without their defaults: ("logits", "top_p")."""
        definition = ast.parse(f"def {self.signature}: ...").body[0]
        return tuple(each.arg for each in (*definition.args.posonlyargs, *definition.args.args))

    def cases(self, seed: int = PUBLIC_SEED) -> list[Case]:
        """The cases made by hand, then `n_random` random ones; the same seed always gives the same cases."""
        rng = random.Random(f"{self.id} {seed}")
        return [*self.edge_cases, *(Case(self.random_case(rng)) for _ in range(self.n_random))]

    def call_text(self, case: Case) -> str:
        """A case as one would write it: "apply_top_p(logits=tensor([2, 1]), top_p=0.9)"."""
        if self.show is not None:
            return self.show(*case.args)
        pairs = zip(self.parameters, case.args, strict=True)
        return f"{self.name}({', '.join(f'{name}={value_text(value)}' for name, value in pairs)})"
