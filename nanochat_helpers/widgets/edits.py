"""The live picture of step 6: type or pick a raw text, switch each edit on and off, and see what is left.

In: raw text. Out: a box for a notebook cell. It runs no model.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import MessageError
from ..language import tr
from ..postprocess import EDIT_NAMES, Edit, clean
from ..views import edits as views
from .live import WIDE, LiveView, StaticView, ipywidgets_or_none, live_box

SPECIAL_TOKENS = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")


class EditsLiveView(LiveView):
    """Boxes to switch each edit, above the picture of what they do. data: an `EditsView`.

    controls: "example" (only where there are several texts), "text", "finish_reason", and one box for each name in
    EDIT_NAMES.
    """

    def __init__(self, examples: Mapping[str, Any], finish_reason: str, options: Mapping[str, Any]):
        def compute(text, finish_reason, example=None, **switches):
            only = [name for name, is_on in switches.items() if is_on]
            return _cleaned(text, finish_reason, only, options)

        controls = _controls(ipywidgets_or_none(), examples, finish_reason)
        super().__init__(controls, compute, views.edits_html)
        self._examples = examples
        if "example" in self.controls:
            self.controls["example"].observe(self._pick, names="value")
        self.box = live_box([*_rows(self.controls), self._picture.box])

    def _pick(self, _change):
        text, finish_reason = _parts(self._examples[self.controls["example"].value])
        self.controls["text"].value = text
        if finish_reason:
            self.controls["finish_reason"].value = finish_reason


def edits_widget(
    raw_text: str | Mapping[str, Any],
    *,
    stop: str | Sequence[str] = (),
    finish_reason: str = "stop",
    special_tokens: Sequence[str] = SPECIAL_TOKENS,
    prompt: str = "",
) -> EditsLiveView | StaticView:
    """Clean a raw text live, with each edit switched on or off; `data` is an `EditsView`.

    raw_text: one text, or several to pick from: a dict of name → text, or name → anything with a `text` and a
        `finish_reason`, such as a `Sample`. stop, finish_reason, special_tokens, prompt: see `postprocess.clean`.
    Raises MessageError where there is no text, SettingsError for a stop string that is none.
    """
    examples = raw_text if isinstance(raw_text, Mapping) else {"": raw_text}
    if not examples or not all(isinstance(_parts(example)[0], str) for example in examples.values()):
        raise MessageError(f"raw_text must be a text, or a dict of name → text, not {raw_text!r:.60}.")
    options = {"stop": stop, "special_tokens": special_tokens, "prompt": prompt}
    text, own_reason = _parts(next(iter(examples.values())))
    data = _cleaned(text, own_reason or finish_reason, EDIT_NAMES, options)
    if ipywidgets_or_none() is None:
        return StaticView(views.edits_html(data), data)
    return EditsLiveView(examples, finish_reason, options)


def edits_picture(raw_text: str, edits: Sequence[Edit | Mapping[str, str]], *, finish_reason: str = "") -> StaticView:
    """Show some edits, such as `clean(…).edits` or those of a trace, as a picture that stands still."""
    data = views.edits_data(raw_text, edits, finish_reason=finish_reason)
    return StaticView(views.edits_html(data), data)


def _cleaned(text, finish_reason, only, options):
    cleaned = clean(text, finish_reason=finish_reason, only=only, **options)
    return views.edits_data(text, cleaned.edits, finish_reason=finish_reason)


def _parts(example):
    """The text of an example, and why it ended, where the example knows."""
    return getattr(example, "text", example), getattr(example, "finish_reason", "")


def _controls(widgets, examples, finish_reason):
    text, own_reason = _parts(next(iter(examples.values())))
    wide = {"style": {"description_width": WIDE}, "layout": widgets.Layout(width="100%", max_width="46em")}
    controls = {}
    if len(examples) > 1:
        controls["example"] = widgets.Dropdown(options=list(examples), description=tr("pick a raw text"), **wide)
    controls["text"] = widgets.Textarea(
        value=text, description=tr("raw text"), placeholder=tr("Type here"), rows=4, **wide
    )
    controls["finish_reason"] = widgets.Dropdown(options=list(views.ENDINGS), description="finish_reason", **wide)
    controls["finish_reason"].value = own_reason or finish_reason
    for name in EDIT_NAMES:
        controls[name] = widgets.Checkbox(
            value=True, description=name, indent=False, layout=widgets.Layout(width="15em", margin="0")
        )
    return controls


def _rows(controls):
    """The controls as they stand: the boxes of the edits beside each other, as many as there is room for."""
    widgets = ipywidgets_or_none()
    switches = [controls[name] for name in EDIT_NAMES]
    rest = [control for name, control in controls.items() if name not in EDIT_NAMES]
    return [*rest, widgets.HBox(switches, layout=widgets.Layout(flex_flow="row wrap", width="100%"))]
