"""A prediction cell: ask, let a student or a whole class guess, and later show the guess beside the truth.

In: a question and what can be answered. Out: something a notebook cell can show, with `reveal(truth)` for a later cell.
A guess is never judged before that, and a lesson never stops for the lack of one.
"""

import html
import json
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..errors import SettingsError
from ..language import tr
from ..views.predict import (
    Question,
    ask_html,
    predict_data,
    predict_html,
    question_html,
    same,
    shown,
)
from .live import Picture, Shown, StaticView, ipywidgets_or_none, live_box
from .prediction_controls import GuessField, HandsField


@dataclass
class Record:
    """What was guessed: name → guess; `first` is what stood there when the truth was first shown (None: not yet)."""

    guesses: dict[str, Any] = field(default_factory=dict)
    hands: dict[str, dict[Any, int]] = field(default_factory=dict)
    first: dict[str, Any] | None = None

    def clear(self) -> None:
        """Forget all of it, for the next guess or the next class."""
        self.guesses, self.hands, self.first = {}, {}, None


def whole_class() -> None:
    """Switch class mode on for all questions, those that are shown already and those to come."""
    LivePrediction.in_class = True
    for each in list(LivePrediction.asked):
        each.whole_class.value = True


# Running a question's cell again, or all cells, makes a new picture of it, but must not throw a guess away.
_RECORDS: dict[str, Record] = {}


def predict(
    question: str,
    options: Sequence[Any] | None = None,
    *,
    number: bool = False,
    unit: str = "",
    several: bool = False,
    names: Sequence[str] = (),
) -> "Prediction":
    """Ask for a guess: with `options` a choice of one, with `number=True` a number, and otherwise a text.

    several: any number of the options may be chosen, also none. unit: stands behind the number.
    names: asks for several guesses at once, one for each name, all of the same kind.

    >>> my_guess = predict("Which token does u = 0.7 choose?", [" hot", " cold", " late"])
    >>> my_guess.guess = " hot"  # as a click on its button does
    >>> my_guess.guess
    ' hot'
    """
    asked = _question(question, options, number, unit, several, names)
    key = json.dumps([asked.text, asked.kind, [str(each) for each in asked.options], asked.names])
    record = _RECORDS.setdefault(key, Record())
    return Prediction(asked, record) if ipywidgets_or_none() is None else LivePrediction(asked, record)


def _question(text, options, number, unit, several, names):
    if options is not None and (isinstance(options, str) or len(options) < 2):
        raise SettingsError(f"options must be a list of at least two answers, not {options!r:.60}.")
    if options is not None and number:
        raise SettingsError("A guess is one of the options, or a number: give options=… or number=True, not both.")
    if several and options is None:
        raise SettingsError("several=True needs options=[…] to choose from.")
    kind = "several" if several else "choice" if options is not None else "number" if number else "text"
    names = (names,) if isinstance(names, str) else tuple(str(name) for name in names)
    return Question(text, kind, tuple(options or ()), unit, names or ("",))


class Prediction(StaticView):
    """A question that stands still: where no widget runs. question: what is asked."""

    def __init__(self, question: Question, record: Record):
        super().__init__(question_html(question), question)
        self.question, self._record = question, record
        self._revealed: list[Reveal] = []

    @property
    def guess(self) -> Any:
        """What was guessed: an option, a list of them, a number or a text; None (a text: "") where nothing was.

        With names it is a dict of name → guess. It can also be set, as a click or a key does.
        """
        nothing = "" if self.question.kind == "text" else None
        guesses = {name: self._record.guesses.get(name, nothing) for name in self.question.names}
        return guesses if self.question.names != ("",) else guesses[""]

    @guess.setter
    def guess(self, value: Any) -> None:
        self._record.guesses = dict(value) if self.question.names != ("",) else {"": value}
        self._changed()

    def reveal(self, truth: Any) -> None:
        """Show the guess beside the truth, at once, as print does. The first guess stays, whatever is changed later.

        truth: one of the options, or a list of those that count as right (with several=True: of all that belong to the
        answer); a number; a text; with names a dict of name → truth.
        """
        from IPython.display import display

        truth = _plain(truth)
        _check_truth(self.question, truth)
        if not self._record.first:  # who guesses after a first look at the truth may still have it beside the truth
            self._record.first = dict(self._record.guesses)
        self._revealed.append(Reveal(self, truth))
        display(self._revealed[-1])
        self._changed()

    def revealed_data(self, truth: Any) -> Any:
        """The guess, or the guesses of the class, beside the truth, as a `PredictView`."""
        record = self._record
        first = record.first or {}
        later = {
            name: guess
            for name, guess in record.guesses.items()
            if record.first is not None and not _equal(self.question, guess, first.get(name))
        }
        return predict_data(self.question, truth, first, later=later, hands=record.hands)

    def _changed(self):
        for reveal in self._revealed:
            reveal.redraw()


class Reveal(Shown):
    """The guess beside the truth. It follows when the guess is changed, and keeps the first one."""

    def __init__(self, prediction: Prediction, truth: Any):
        self._prediction, self._truth = prediction, truth
        self._picture = None if ipywidgets_or_none() is None else Picture()
        self.box = self._picture and live_box([self._picture.box])
        self.redraw()

    def redraw(self) -> None:
        """Draw it as it is now."""
        self.data = self._prediction.revealed_data(self._truth)
        self.html = predict_html(self.data)
        if self._picture:
            self._picture.show(self.html)

    def _repr_mimebundle_(self, **_):
        return super()._repr_mimebundle_() if self.box else {"text/plain": "a picture", "text/html": self.html}


class LivePrediction(Prediction, Shown):
    """A question with its controls: the guess, and for a class the hands that were raised. box: all of it.

    fields: name → the control of this guess. hands: name → the controls of the hands. whole_class: the switch.
    in_class: whether this switch is on from the beginning. asked: all questions that are still there.
    """

    in_class = False
    asked: ClassVar[weakref.WeakSet] = weakref.WeakSet()

    def __init__(self, question: Question, record: Record):
        super().__init__(question, record)
        widgets, names = ipywidgets_or_none(), question.names
        self._picture = Picture()
        self.fields = {name: GuessField(question, name, record.guesses.get(name), self._guessed) for name in names}
        self.hands = {name: HandsField(question, name, record.hands.get(name), self._raised) for name in names}
        self.again = widgets.Button(description=tr("Guess again"), layout=widgets.Layout(width="auto"))
        self.again.on_click(lambda _: self._clear())
        self.whole_class = widgets.Checkbox(description=tr("Whole class"), indent=False)
        self.whole_class.observe(self._switch, names="value")
        self._note = widgets.HTML(layout=widgets.Layout(width="auto", flex="1 1 14em"))
        self.box = live_box(self._parts(widgets))
        self.box.add_class("nc-predict")
        self._picture.show(ask_html(question))
        self.whole_class.value = self.in_class or any(record.hands.values())
        self.asked.add(self)
        self._changed()

    def _parts(self, widgets):
        wide = widgets.Layout(width="100%", flex_flow="row wrap", align_items="center")
        hands = widgets.VBox([each.box for each in self.hands.values()], layout=widgets.Layout(width="100%"))
        hands.add_class("nc-hands")
        switch = widgets.Box([self.whole_class], layout=widgets.Layout(width="auto"))
        switch.add_class("nc-switch")
        last = widgets.HBox([self._note, self.again, switch], layout=wide)
        return [self._picture.box, *(each.box for each in self.fields.values()), hands, last]

    def _guessed(self, name, value):
        if value is None:
            self._record.guesses.pop(name, None)
        else:
            self._record.guesses[name] = value
        self._changed()

    def _raised(self, name, hands):
        self._record.hands[name] = hands
        self._changed()

    def _switch(self, change):
        (self.box.add_class if change["new"] else self.box.remove_class)("nc-class-on")

    def _clear(self):
        self._record.clear()
        for each in (*self.fields.values(), *self.hands.values()):
            each.clear()
        self._changed()

    def _changed(self):
        super()._changed()
        for name, each in self.fields.items():
            each.show(self._record.guesses.get(name))
        self.again.layout.display = "" if self._record.first is not None or any(self._record.hands.values()) else "none"
        self._note.value = f'<span role="status">{_told(self.question, self._record, self.fields)}</span>'


def _told(question, record, fields):
    """A line about the guess, as HTML."""
    wrong = [each.problem for each in fields.values() if each.problem]
    if wrong:
        return html.escape(wrong[0])
    parts = [
        f"{name}: {shown(question, record.guesses[name])}".removeprefix(": ")
        for name in question.names
        if name in record.guesses
    ]
    n_hands = sum(n for hands in record.hands.values() for n in hands.values())
    told = tr("Your guess: {guess}", guess=" · ".join(parts)) if parts else tr("Guess before you run the next cell.")
    if n_hands:
        told = (told + " · " if parts else "") + tr("hands raised: {n}", n=n_hands)
    return html.escape(told)


def _equal(question, one, other):
    if one is None or other is None or question.kind == "several":
        return one == other
    return same(question, one, other)


def _plain(truth):
    """A number of torch or numpy as one of Python."""
    if isinstance(truth, Mapping):
        return {name: _plain(value) for name, value in truth.items()}
    return truth.tolist() if hasattr(truth, "tolist") else truth


def _check_truth(question, truth):
    if question.names != ("",) and isinstance(truth, Mapping) and set(truth) != set(question.names):
        raise SettingsError(f"reveal needs a truth for each of {', '.join(question.names)}.")
    if question.kind != "number":
        return
    many = truth.values() if isinstance(truth, Mapping) else truth if isinstance(truth, Sequence) else [truth]
    for each in many:
        if isinstance(each, str) or not isinstance(each, int | float):
            raise SettingsError(f"The guess is a number, so reveal needs a number, not {each!r:.60}.")
