"""The live prompt strip: how far the conversation is, how long the context is and which strategy chooses, by hand.

In: the messages of a conversation and a tokenizer. Out: a box for a notebook cell.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..errors import NanoChatError
from ..history import Fitted, LastTurns, TokenBudget
from ..language import later, tr, tr_later
from ..prompts import check_messages, encode_prompt
from ..settings import check_count
from ..views.markup import message
from ..views.prompt_strip import PromptStrip, prompt_strip_data, prompt_strip_html
from .live import WIDE, LiveView, StaticView, ipywidgets_or_none

# name → a function that makes the strategy from max_history.
STRATEGIES = {
    later("keep the last turns"): LastTurns,
    later("keep what fits"): lambda max_history: TokenBudget(),
    later("drop three at a time"): lambda max_history: TokenBudget(drop_together=3),
}


def prompt_strip_widget(
    messages: Sequence[dict],
    tokenizer: Any,
    *,
    turn: int | None = None,
    max_length: int = 256,
    max_history: int = 2,
    reserved: int | None = None,
    strategies: Mapping[str, Callable[[int], Callable[..., Fitted]]] = STRATEGIES,
    longest: int | None = None,
) -> LiveView | StaticView:
    """A conversation as a strip, under sliders for turn, max_history and max_length and a choice of strategies.

    turn: the prompt of which turn is drawn first, from 1; None: of the last one, which has the whole conversation.
    strategies: name → a function that makes a strategy from max_history. reserved: see `prompt_strip_data`.
    longest: the end of the slider; None: half as much again as the whole conversation needs.
    What does not fit at all is a sentence in place of the picture.
    """
    check_messages(messages)
    check_count("turn", turn, least=0, none_allowed=True)
    check_count("max_history", max_history, least=0)
    check_count("max_length", max_length, least=1)

    def compute(strategy: str, turn: int, max_history: int, max_length: int) -> PromptStrip:
        history, said = strategies[strategy](max_history), messages[: _end_of_prompt(messages, turn)]
        return prompt_strip_data(said, tokenizer, max_length=max_length, history=history, reserved=reserved)

    n_turns = max(1, len(_asked(messages)))
    turn = n_turns if turn is None else min(max(1, turn), n_turns)
    if ipywidgets_or_none() is None:
        return _standing(compute, next(iter(strategies)), turn, max_history, max_length)
    needed = len(encode_prompt(messages, tokenizer).input_ids)
    longest = longest or max(max_length, 3 * needed // 2)
    controls = _controls(strategies, turn, n_turns, max_history, max_length, longest)
    return LiveView(controls, compute, prompt_strip_html)


def _asked(messages):
    """The places of the user's messages."""
    return [place for place, said in enumerate(messages) if said["role"] == "user"]


def _end_of_prompt(messages, turn):
    """Where the prompt of a turn ends: with the user's message; the last turn has all there is."""
    asked = _asked(messages)
    return asked[turn - 1] + 1 if turn < len(asked) else len(messages)


def _standing(compute, *values):
    try:
        data = compute(*values)
    except NanoChatError as error:
        return StaticView(message(str(error)))
    return StaticView(prompt_strip_html(data), data)


def _controls(strategies, turn, n_turns, max_history, max_length, longest):
    widgets = ipywidgets_or_none()
    wide = widgets.Layout(width="100%", max_width="42em")
    named = {"style": {"description_width": "7em"}, "layout": wide}
    strategy = widgets.ToggleButtons(
        options=[(tr_later(name), name) for name in strategies],
        description=tr("strategy"),
        style={"description_width": WIDE, "button_width": "auto"},
        layout=widgets.Layout(width="100%"),
    )
    most = max(max_history, n_turns - 1, 1)
    return {
        "strategy": strategy,
        "turn": widgets.IntSlider(value=turn, min=1, max=n_turns, description=tr("turn"), **named),
        "max_history": widgets.IntSlider(value=max_history, min=0, max=most, description="max_history", **named),
        "max_length": widgets.IntSlider(
            value=max_length, min=min(16, max_length), max=max(longest, max_length), description="max_length", **named
        ),
    }
