"""The sliders of the sampling pictures: one for each setting, the same everywhere.

In: the name of a setting. Out: a control whose value is that setting. What a setting does is in `settings`.
"""

from typing import Any

from ..settings import GenerationSettings
from .live import ipywidgets_or_none

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


def slider(name: str, value: float) -> Any:
    """A slider for one setting; a value beyond its end makes it longer."""
    widgets = ipywidgets_or_none()
    kind, low, high, step = RANGES[name]
    return getattr(widgets, kind)(
        value=value,
        min=min(low, value),
        max=max(high, value),
        step=step,
        description=name,
        readout_format="d" if kind == "IntSlider" else ".3f" if step < 0.01 else ".2f",
        style={"description_width": "9.5em"},
        layout=widgets.Layout(width="100%", max_width="42em"),
    )


def change_settings(settings: GenerationSettings, values: dict[str, Any]) -> GenerationSettings:
    """The settings with the values of some sliders; a stepped slider sends 0.7000000000000001, which becomes 0.7."""
    return settings.change(
        **{name: round(value, 6) if isinstance(value, float) else value for name, value in values.items()}
    )
