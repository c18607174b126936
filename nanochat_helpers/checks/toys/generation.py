"""Toy models for sheet 05."""

from collections.abc import Callable
from typing import Any

import torch

from ...language import tr

PATIENCE = 60  # questions that a toy answers; no right loop here asks half as many


def toy_model(rows: list[list[float]]) -> Callable[[list[int]], torch.Tensor]:
    """A model that adds up all ids it is given. The remainder of sum ÷ number of rows says which row it answers."""
    questions = 0

    def answer(ids):
        nonlocal questions
        questions += 1
        if isinstance(ids, int):
            raise TypeError(tr("a model takes the list of all ids so far, not a single id"))
        if questions > PATIENCE:
            raise RuntimeError(tr("the model was asked more than {n} times; when does the loop end?", n=PATIENCE))
        return torch.tensor(rows[int(sum(ids)) % len(rows)], dtype=torch.float32)

    return answer


def with_toy_model(function: Callable[..., Any], rows: list[list[float]], *rest: Any) -> Any:
    """Call the student's function with a toy model of these rows."""
    return function(toy_model(rows), *rest)
