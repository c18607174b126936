"""The controls of a prediction: one for a guess of each kind, and those for the hands of a class.

In: a question, what was guessed so far, and what to call when that changes. Out: boxes of ipywidgets.
"""

import html
import re
from collections.abc import Callable
from typing import Any

from ..language import tr
from ..views.predict import Question, option_labels
from .live import WIDE, ipywidgets_or_none

FIELD_WIDTH = "16em"


def read_number(text: str) -> float | None:
    """A number as people write it, or None.

    >>> read_number("1,000"), read_number("0,5"), read_number("50 %"), read_number("many")
    (1000.0, 0.5, 50.0, None)
    """
    text = re.sub(r"[\s_']", "", text).removesuffix("%")
    if re.fullmatch(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?", text):
        text = text.replace(",", "")
    text = text.replace(",", ".").replace("−", "-")
    return float(text) if re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", text) else None


def _read(question: Question, text: str) -> Any:
    """What was typed, as a guess; None: nothing, or no number."""
    return read_number(text) if question.kind == "number" else text.strip() or None


class GuessField:
    """The control of one guess. box: to be shown. problem: a sentence about what was typed, or ""."""

    def __init__(self, question: Question, name: str, guess: Any, changed: Callable[[str, Any], None]):
        self._question, self._name, self._changed = question, name, changed
        self._quiet, self.problem = False, ""
        make = {"choice": self._make_choice, "several": self._make_several}.get(question.kind, self._make_typed)
        self.box = make(ipywidgets_or_none())
        self.show(guess)

    def _make_choice(self, widgets):
        pairs = [(label, place) for place, label in enumerate(option_labels(self._question.options))]
        self.control = widgets.ToggleButtons(options=pairs, value=None, description=self._name, **_style(widgets))
        self.control.observe(self._hear, names="value")
        return self.control

    def _make_several(self, widgets):
        self.control = [
            widgets.Checkbox(description=label, indent=False, layout=widgets.Layout(width="auto", margin="0 1.5em 0 0"))
            for label in option_labels(self._question.options)
        ]
        for each in self.control:
            each.observe(self._hear, names="value")
        head = [widgets.HTML(f"<b>{html.escape(self._name)}</b>")] if self._name else []
        return widgets.HBox([*head, *self.control], layout=widgets.Layout(flex_flow="row wrap", width="100%"))

    def _make_typed(self, widgets):
        wide = FIELD_WIDTH if self._question.kind == "number" else "100%"
        layout = widgets.Layout(width=wide, max_width="42em")
        self.control = widgets.Text(
            description=self._name or tr("your guess"), style={"description_width": WIDE}, layout=layout
        )
        self.control.observe(self._hear, names="value")
        unit = widgets.HTML(html.escape(self._question.unit), layout=widgets.Layout(margin="2px 0 2px .5em"))
        return widgets.HBox([self.control, unit], layout=widgets.Layout(align_items="center", width="100%"))

    def _hear(self, _change):
        if not self._quiet:
            self._changed(self._name, self._value())

    def _value(self):
        self.problem = ""
        options = self._question.options
        if self._question.kind == "choice":
            return None if self.control.value is None else options[self.control.value]
        if self._question.kind == "several":
            return [option for option, box in zip(options, self.control, strict=True) if box.value]
        value = _read(self._question, self.control.value)
        if value is None and self.control.value.strip():
            self.problem = tr("{text} is not a number.", text=f"“{self.control.value:.20}”")
        return value

    def show(self, guess: Any) -> None:
        """Let the control stand at this guess, and tell nobody."""
        if self._value() == guess or self.problem:
            return
        self._quiet = True
        try:
            self._show(guess)
        finally:
            self._quiet = False

    def _show(self, guess):
        options = [str(option) for option in self._question.options]
        if self._question.kind == "choice":
            self.control.value = options.index(str(guess)) if str(guess) in options else None
        elif self._question.kind == "several":
            chosen = [str(each) for each in guess or ()]
            for option, box in zip(options, self.control, strict=True):
                box.value = option in chosen
        else:
            self.control.value = "" if guess is None else f"{guess:g}" if isinstance(guess, float) else str(guess)

    def clear(self) -> None:
        """Empty it."""
        self._quiet = True
        self._show(None)
        self._quiet, self.problem = False, ""


class HandsField:
    """How many of a class raise a hand for each option; where there are none, for each guess that is added.

    box: to be shown. hands: guess → number of hands.
    """

    def __init__(self, question: Question, name: str, hands: dict | None, changed: Callable[[str, dict], None]):
        self._question, self._name, self._changed = question, name, changed
        self.hands = dict(hands or {})
        widgets = ipywidgets_or_none()
        parts = self._make_options(widgets) if question.options else self._make_adder(widgets)
        title = html.escape(" ".join([tr("Hands raised"), name]).strip())
        head = widgets.HTML(f"<b>{title}:</b>", layout=widgets.Layout(margin="2px .8em 2px 0"))
        layout = widgets.Layout(flex_flow="row wrap", align_items="center", width="100%")
        self.box = widgets.HBox([head, *parts], layout=layout)

    def _make_options(self, widgets):
        labels = option_labels(self._question.options)
        self.counters = [_counter(widgets, label, self.hands.get(option, 0)) for label, option in self._pairs(labels)]
        for counter in self.counters:
            counter.observe(self._count, names="value")
        return self.counters

    def _pairs(self, labels):
        return zip(labels, self._question.options, strict=True)

    def _count(self, _change):
        values = (counter.value for counter in self.counters)
        self.hands = {option: n for option, n in zip(self._question.options, values, strict=True) if n}
        self._changed(self._name, self.hands)

    def _make_adder(self, widgets):
        self.guess = widgets.Text(description=tr("guess"), style={"description_width": WIDE})
        self.guess.layout.width = "12em" if self._question.kind == "number" else "22em"
        self.counter, self.list = _counter(widgets, tr("hands"), 1), widgets.HTML()
        self.add = widgets.Button(description=tr("Add"), layout=widgets.Layout(width="auto"))
        self.add.on_click(self._add)
        self._show_list()
        return [self.guess, self.counter, self.add, self.list]

    def _add(self, _button):
        """Add a guess with its hands; the same guess again replaces it, and 0 hands remove it."""
        value = _read(self._question, self.guess.value)
        if value is None:
            self.list.value = html.escape(tr("Type a guess first."))
            return
        self.hands = {each: n for each, n in (self.hands | {value: self.counter.value}).items() if n}
        self.guess.value, self.counter.value = "", 1
        self._show_list()
        self._changed(self._name, self.hands)

    def _show_list(self):
        told = [f"{self._question.label(value)}: <b>{n}</b>" for value, n in self.hands.items()]
        self.list.value = " · ".join(told)

    def clear(self) -> None:
        """Take all hands down."""
        self.hands = {}
        if not self._question.options:
            return self._show_list()
        for counter in self.counters:
            counter.value = 0
        return None


def _counter(widgets, description, value):
    layout = widgets.Layout(width="auto", min_width="7em", margin="2px 1.2em 2px 0")
    style = {"description_width": WIDE}
    counter = widgets.BoundedIntText(value=value, min=0, max=999, description=description, style=style, layout=layout)
    counter.add_class("nc-hand")
    return counter


def _style(widgets):
    return {"style": {"description_width": WIDE, "button_width": "auto"}, "layout": widgets.Layout(width="100%")}
