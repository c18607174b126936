"""The chat panel's controls and where they stand: the settings beside the talk, on a phone below it.

It only builds and places them; what they do is in `chat`.
"""

from collections.abc import Mapping
from typing import Any

from ..language import later, tr, tr_later
from ..settings import DEFAULT_MAX_NEW_TOKENS, GenerationSettings
from .chat_display import ChatDisplay
from .controls import slider
from .live import WIDE, ipywidgets_or_none, live_box

SLIDERS = ("temperature", "top_p", "top_k", "repetition_penalty", "max_new_tokens", "seed")
# name → what stands on the button, what it does, its icon
BUTTONS = {
    "send": (later("Send"), later("Send your message; Enter does the same"), "paper-plane"),
    "stop": (later("Stop"), later("Stop the reply that is being written; what is there stays"), "stop"),
    "regenerate": (later("Regenerate"), later("Forget the last reply and answer again, with the next seed"), "refresh"),
    "edit": (later("Edit"), later("Take this message back into the field, and go on from there"), "pencil"),
    "cancel_edit": (later("Cancel the edit"), later("Leave the conversation as it is"), "times"),
    "new_chat": (later("New chat"), later("Forget the conversation and begin anew with this system message"), "file-o"),
}
HEIGHT = "30em"  # of the conversation; what is longer scrolls


class MessageField:
    """Where a message is typed: one line, in which Enter sends, or several lines. Both always hold the same text.

    controls: "message", "lines", and the checkbox "several_lines" that says which of the two is shown.
    """

    def __init__(self):
        widgets = ipywidgets_or_none()
        about = {"description": tr("message"), "style": {"description_width": WIDE}}
        one = widgets.Text(placeholder=tr("Type, and press Enter"), layout=_wide(), **about)
        lines = widgets.Textarea(placeholder=tr("Type, and press Send"), rows=4, layout=_wide(), **about)
        auto = widgets.Layout(width="auto")
        several = widgets.Checkbox(description=tr("several lines"), indent=False, layout=auto)
        lines.layout.display = "none"
        widgets.link((one, "value"), (lines, "value"))
        several.observe(self._choose, names="value")
        one.observe(self._make_room, names="value")
        self.controls = {"message": one, "lines": lines, "several_lines": several}

    def _choose(self, change):
        one, lines, _ = self.controls.values()
        if not change["new"]:  # a field of one line would join the words at the ends of two
            one.value = " ".join(one.value.split("\n"))
        lines.layout.display = "" if change["new"] else "none"
        one.layout.display = "none" if change["new"] else ""

    def _make_room(self, change):
        if "\n" in change["new"]:
            self.controls["several_lines"].value = True


def make_controls(settings: GenerationSettings, system: str) -> dict[str, Any]:
    """All controls by name: those of a MessageField, system, turn, a slider for each setting, and the buttons."""
    widgets = ipywidgets_or_none()
    initial = {"description_width": WIDE}
    starts = {name: getattr(settings, name) for name in SLIDERS} | {
        "max_new_tokens": settings.max_new_tokens or DEFAULT_MAX_NEW_TOKENS,
        "seed": settings.seed or 0,
    }
    return {
        **MessageField().controls,
        "turn": widgets.Dropdown(
            options=[], description=tr("your message"), style=initial,
            layout=widgets.Layout(width="20em", max_width="100%"),
        ),
        "system": widgets.Textarea(
            value=system, description=tr("system message"), rows=3, style=initial, layout=_wide()
        ),
        **{name: slider(name, value) for name, value in starts.items()},
        **{name: _button(widgets, *about) for name, about in BUTTONS.items()},
    }  # fmt: skip


def _button(widgets, text, tooltip, icon):
    text, tooltip = tr_later(text), tr_later(tooltip)
    return widgets.Button(description=text, tooltip=tooltip, icon=icon, layout=widgets.Layout(width="auto"))


def arrange(controls: Mapping[str, Any], display: ChatDisplay) -> Any:
    """One box with everything in its place."""
    widgets = ipywidgets_or_none()
    said = [display.talk.box, display.growing]
    whole = widgets.VBox(
        said, layout=widgets.Layout(width="100%", flex="0 0 auto", overflow="hidden", padding="4px 8px")
    )
    # Turned round, a box stays at its end while what is in it grows, unless its reader scrolls up: no JavaScript.
    paper = widgets.Box(
        [whole],
        layout=widgets.Layout(
            display="flex", flex_flow="column-reverse", width="100%", max_height=HEIGHT, overflow="auto",
            border="1px solid rgba(128,128,128,.5)",
        ),
    )  # fmt: skip
    writing = [controls["message"], controls["lines"]]
    buttons = _row(*[controls[name] for name in ("send", "stop", "regenerate", "several_lines")])
    edit = _row(*[controls[name] for name in ("turn", "edit", "cancel_edit")])
    left = widgets.VBox([paper, display.line, *writing, buttons, edit, display.links], layout=_grow("22em", share=3))
    sliders = [controls[name] for name in SLIDERS]
    right = widgets.VBox([*sliders, controls["system"], controls["new_chat"]], layout=_grow("19em", share=2))
    return live_box([_row(left, right), display.strip.box], max_width="96em")


def _row(*children):
    layout = ipywidgets_or_none().Layout(
        display="flex", flex_flow="row wrap", width="100%", align_items="flex-start", overflow="visible"
    )
    return ipywidgets_or_none().Box(children, layout=layout)


def _wide():
    return ipywidgets_or_none().Layout(width="100%", min_width="0")


def _grow(least, share):
    """At least this wide where there is room, and then a share of what is left."""
    return ipywidgets_or_none().Layout(flex=f"{share} 1 {least}", min_width="0", max_width="100%", padding="0 6px 0 0")
