"""The sliders of the sampling pictures: one for each setting, the same everywhere.

In: the names of settings. Out: controls whose values are these settings, and pictures that follow them.
What a setting does is in `settings`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import SettingsError
from ..language import later, tr_later
from ..settings import GenerationSettings, check_names
from .live import LiveView, StaticView, ipywidgets_or_none

OFF = GenerationSettings(temperature=1.0, top_p=1.0)

# name → (kind of slider, smallest value, largest, step)
RANGES = {
    "temperature": ("FloatSlider", 0.0, 2.0, 0.05),
    "top_k": ("IntSlider", 0, 100, 1),
    "top_p": ("FloatSlider", 0.0, 1.0, 0.01),
    "min_p": ("FloatSlider", 0.0, 1.0, 0.01),
    "repetition_penalty": ("FloatSlider", 1.0, 2.0, 0.05),
    "max_new_tokens": ("IntSlider", 1, 120, 1),
    "seed": ("IntSlider", 0, 100, 1),
    "u": ("FloatSlider", 0.0, 0.999, 0.001),
}
# What stands beside the mouse when it rests on a name.
MEANINGS = {
    "temperature": later("divides the logits; 0: always the most likely token"),
    "top_k": later("keeps the k most likely tokens; 0: off"),
    "top_p": later("keeps the best tokens until they have this much together; 1: off"),
    "min_p": later("keeps what is at least this likely, compared with the best token; 0: off"),
    "repetition_penalty": later("weakens tokens that were used before; 1: off"),
    "max_new_tokens": later("so many tokens may be written"),
    "seed": later("fixes the luck"),
    "u": later("where the needle points"),
}


def slider(name: str, value: float) -> Any:
    """A slider for one setting; a value beyond its end makes it longer. Raises SettingsError where there is none."""
    if name not in RANGES:
        raise SettingsError(f"{name!r} has no slider; these have one: {', '.join(RANGES)}.")
    widgets = ipywidgets_or_none()
    kind, low, high, step = RANGES[name]
    control = getattr(widgets, kind)(
        value=value,
        min=min(low, value),
        max=max(high, value),
        step=step,
        description=name,
        readout_format="d" if kind == "IntSlider" else ".3f" if step < 0.01 else ".2f",
        style={"description_width": "9.5em"},
        layout=widgets.Layout(width="100%", max_width="42em"),
    )
    # Set apart: ipywidgets 7 knows no tooltip here, and 8 would say "null" without one.
    control.tooltip = tr_later(MEANINGS[name])
    return control


def change_settings(settings: GenerationSettings, values: dict[str, Any]) -> GenerationSettings:
    """The settings with the values of some sliders; a stepped slider sends 0.7000000000000001, which becomes 0.7."""
    return settings.change(
        **{name: round(value, 6) if isinstance(value, float) else value for name, value in values.items()}
    )


def follow_sliders(
    compute: Callable[..., Any],
    draw: Callable[[Any], str],
    settings: GenerationSettings | None,
    sliders: Sequence[str],
    **others: float,
) -> LiveView | StaticView:
    """A picture below the sliders of some settings; where no widget runs, it stands still.

    compute: settings → data. draw: data → HTML. settings: where the sliders start; None: everything off.
    others: sliders that belong to no setting, and their values; `compute` gets them by name.
    """
    settings = settings or OFF
    sliders = (sliders,) if isinstance(sliders, str) else sliders
    check_names(dict.fromkeys(sliders))
    if ipywidgets_or_none() is None:
        data = compute(settings, **others)
        return StaticView(draw(data), data)
    values = {name: getattr(settings, name) or 0 for name in sliders} | others

    def compute_from(**values):
        rest = {name: values.pop(name) for name in others}
        return compute(change_settings(settings, values), **rest)

    return LiveView({name: slider(name, value) for name, value in values.items()}, compute_from, draw)
