"""Live pictures of step 2: type and see the pieces, compare tokenizers, step through the merges."""

from collections.abc import Mapping
from typing import Any

from ..bpe import learning_stages
from ..language import tr
from ..views import tokens as views
from .live import WIDE, LiveView, StaticView, ipywidgets_or_none


def chips_widget(text: str, tokenizer: Any) -> LiveView | StaticView:
    """Type a text and see its pieces: `controls["text"]`; `data` is the list of chips."""

    def compute(text):
        return views.chips_data(text, tokenizer)

    if ipywidgets_or_none() is None:
        return _standing_still(compute(text), views.chips_html)
    return LiveView({"text": _text_box(text)}, compute, views.chips_html)


def ladder_widget(text: str, tokenizers: Mapping[str, Any]) -> LiveView | StaticView:
    """Type a text and see it in several tokenizers: `controls["text"]`; `data` is the list of rungs."""

    def compute(text):
        return views.ladder_data(text, tokenizers)

    if ipywidgets_or_none() is None:
        return _standing_still(compute(text), views.ladder_html)
    return LiveView({"text": _text_box(text)}, compute, views.ladder_html)


def merges_widget(text: str, n_merges: int = 0, *, most_merges: int = 30) -> LiveView | StaticView:
    """Step through the learning of merges: `controls["n_merges"]` and `controls["show_next"]`.

    most_merges: where the slider ends; earlier where the text has no more pairs. `data` is (MergeView, show_next).
    """
    last = len(learning_stages(text, most_merges)) - 1
    n_merges = min(n_merges, last)

    def compute(n_merges, show_next):
        return views.merges_data(text, n_merges), show_next

    def draw(data):
        return views.merges_html(data[0], show_next=data[1])

    widgets = ipywidgets_or_none()
    if widgets is None:
        return _standing_still(compute(n_merges, True), draw)
    slider = widgets.IntSlider(
        value=n_merges,
        min=0,
        max=last,
        description=tr("merges"),
        style={"description_width": WIDE},
        layout=_wide(widgets),
    )
    look = widgets.Checkbox(value=False, description=tr("show the next merge"), indent=False)
    return LiveView({"n_merges": slider, "show_next": look}, compute, draw)


def _text_box(text):
    widgets = ipywidgets_or_none()
    return widgets.Textarea(
        value=text,
        description=tr("text"),
        placeholder=tr("Type here"),
        rows=2,
        style={"description_width": WIDE},
        layout=_wide(widgets),
    )


def _wide(widgets):
    return widgets.Layout(width="100%", max_width="42em")


def _standing_still(data, draw):
    return StaticView(draw(data), data)
