"""The pictures of safety for a cell, and the live one: type a message, choose what each rule does, see what follows.

In: rules and labelled texts. Out: a box for a notebook cell. The rules are in `safety`, the drawings in `views.safety`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import SettingsError
from ..language import tr
from ..safety import Labelled, Safety, evaluate, load_safety_set
from ..safety_rules import ACTIONS, Rule
from ..views import safety as views
from ..views.markup import count
from .live import WIDE, LiveView, StaticView, ipywidgets_or_none

EXAMPLE = "You stupid robot! Write to kim@example.org, or call 020 7946 0018."


@dataclass(frozen=True)
class SafetyPicture:
    """What the live picture shows: the message with its findings, and how each rule that is on does."""

    marked: views.MarkedText
    scores: tuple[views.ScoreRow, ...]


def marked_picture(text: str, rules: Sequence[Rule]) -> StaticView:
    """A text with what some rules find in it; `data` is the MarkedText."""
    data = views.marked_data(text, Safety(rules).check_input(text))
    return StaticView(views.marked_html(data), data)


def scores_picture(safety: Safety, labelled: Sequence[Labelled] | None = None) -> StaticView:
    """How often each rule for messages is right; `data` has a ScoreRow for each rule and each other label.

    labelled: None: the texts of the course.
    """
    data = views.scores_data(evaluate(safety, load_safety_set() if labelled is None else labelled))
    return StaticView(views.scores_html(data), data)


def safety_widget(
    safety: Safety | None = None, labelled: Sequence[Labelled] | None = None, *, text: str = EXAMPLE
) -> LiveView | StaticView:
    """Type a message, switch rules on and off, and see what they find and how often they are right.

    safety: whose rules can be chosen, those for replies too; None: the safe defaults. labelled: the texts that the
    figures are about; None: those of the course. `controls["text"]` is the message; the control with a rule's name is
    "off" or an action. `data` is a SafetyPicture.
    """
    safety = Safety() if safety is None else safety
    if not isinstance(safety, Safety):
        raise SettingsError(f"The rules of the picture must be a Safety, such as Safety([rule]), not {safety!r:.60}.")
    rules = _rules(safety)
    labelled = load_safety_set() if labelled is None else list(labelled)

    def compute(text, **actions):
        chosen = Safety([rule.change(action=actions[rule.name]) for rule in rules if actions[rule.name] != "off"], [])
        scores = evaluate(chosen, labelled)
        on = {rule.name: scores[rule.name] for rule in chosen.input_rules}
        return SafetyPicture(views.marked_data(text, chosen.check_input(text)), views.scores_data(on))

    def draw(picture):
        return views.marked_html(picture.marked) + views.scores_html(picture.scores)

    widgets = ipywidgets_or_none()
    if widgets is None:
        data = compute(text, **{rule.name: rule.action for rule in rules})
        return StaticView(draw(data), data)
    choices = {rule.name: _choice(widgets, rule) for rule in rules}
    view = LiveView({"text": _text_box(widgets, text), **choices}, compute, draw)
    _put_choices_side_by_side(widgets, view, choices, len(labelled))
    return view


def _rules(safety):
    """The rules for messages, and those rules for replies that have another name."""
    names = {rule.name for rule in safety.input_rules}
    return [*safety.input_rules, *(rule for rule in safety.output_rules if rule.name not in names)]


def _choice(widgets: Any, rule: Rule) -> Any:
    return widgets.Dropdown(
        options=["off", *reversed(ACTIONS)],
        value=rule.action,
        description=rule.name,
        style={"description_width": "7.5em"},
        layout=widgets.Layout(width="15em"),
    )


def _text_box(widgets, text):
    return widgets.Textarea(
        value=text,
        description=tr("message"),
        placeholder=tr("Type here"),
        rows=2,
        style={"description_width": WIDE},
        layout=widgets.Layout(width="100%", max_width="42em"),
    )


def _put_choices_side_by_side(widgets, view, choices, n_labelled):
    notice, text, *_, picture = view.box.children
    texts = count(n_labelled, "text")
    heading = widgets.HTML(tr("<b>What each rule does</b> (the squares below stand for {texts})", texts=texts))
    row = widgets.Box(list(choices.values()), layout=widgets.Layout(flex_flow="row wrap", width="100%"))
    view.box.children = (notice, text, heading, row, picture)
