"""The sampling lab's controls and where they stand: beside each other on a wide screen, below each other on a phone.

It only builds and places them; what they do is in `lab`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ..language import tr, tr_later
from ..settings import PRESETS, GenerationSettings
from ..views.lab import PICTURES
from .controls import slider
from .filmstrip import fork_controls
from .live import WIDE, ipywidgets_or_none, live_box

SLIDERS = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "max_new_tokens", "seed")


def make_controls(prompt: str, models: Sequence[str], settings: GenerationSettings) -> dict[str, Any]:
    """All controls by name: prompt, chat, model, picture, code, a slider for each setting, and the buttons."""
    widgets = ipywidgets_or_none()
    initial = {"description_width": WIDE}
    return {
        "prompt": widgets.Textarea(
            value=prompt, description=tr("prompt"), rows=2, style=initial, layout=widgets.Layout(width="100%")
        ),
        "chat": widgets.Checkbox(value=False, description=tr("as a chat message"), indent=False, layout=_auto()),
        "model": widgets.Dropdown(options=list(models), description=tr("model"), style=initial, layout=_auto("14em")),
        **{name: slider(name, getattr(settings, name)) for name in SLIDERS},
        **{name: _button(name, f"temperature {preset.temperature:g}, top_p {preset.top_p:g}")
           for name, preset in PRESETS.items()},
        "reset": _button(tr("reset"), tr("all sliders back to where they were at first"), icon="undo"),
        "picture": widgets.ToggleButtons(
            options=[(tr_later(name), name) for name in PICTURES], description="", style={"button_width": "auto"},
            layout=_auto(),
        ),
        "write": _button(tr("write"), tr("write the text again, from the prompt on"), icon="pencil"),
        "stop": _button(tr("stop"), tr("stop writing"), icon="stop"),
        "pin": _button(tr("pin"), tr("keep these settings, to compare the next ones with them"), icon="thumb-tack"),
        "unpin": _button(tr("unpin"), tr("compare no longer"), icon="times"),
        **fork_controls(),
        "code": widgets.Text(description=tr("as code"), style=initial, layout=widgets.Layout(width="100%")),
    }  # fmt: skip


def arrange(controls: Mapping[str, Any], *, picture: Any, line: Any, text: Any, strip: Any, comparison: Any) -> Any:
    """One box with everything in its place."""
    widgets = ipywidgets_or_none()
    head = _row(widgets.Box([controls["prompt"]], layout=_grow("26em")), controls["model"], controls["chat"])
    presets = _row(*[controls[name] for name in (*PRESETS, "reset")])
    buttons = _row(*[controls[name] for name in ("write", "stop", "pin", "unpin")])
    sliders = [controls[name] for name in SLIDERS]
    left = widgets.VBox([presets, *sliders, buttons, line, text], layout=_grow("19em", share=2))
    right = widgets.VBox([controls["picture"], picture], layout=_grow("22em", share=3))
    fork = _row(controls["take"], controls["fork"])
    parts = [head, _row(left, right), strip, fork, comparison, controls["code"]]
    return live_box(parts, max_width="84em")


def _button(name, tooltip, *, icon=""):
    widgets = ipywidgets_or_none()
    return widgets.Button(description=name, tooltip=tooltip, icon=icon, layout=_auto())


def _row(*children):
    widgets = ipywidgets_or_none()
    layout = widgets.Layout(display="flex", flex_flow="row wrap", width="100%", align_items="flex-start")
    return widgets.Box(children, layout=layout)


def _grow(least, share=1):
    """At least this wide where there is room, and then a share of what is left."""
    return ipywidgets_or_none().Layout(flex=f"{share} 1 {least}", min_width="0", max_width="100%")


def _auto(width="auto"):
    return ipywidgets_or_none().Layout(width=width, min_width="0", max_width="100%")
