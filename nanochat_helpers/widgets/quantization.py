"""A live picture of rounding: a slider for the number of bits above a row of weights."""

from collections.abc import Sequence

import torch

from ..language import tr
from ..views.quantization import rounded_row_data, rounded_row_html
from .live import WIDE, LiveView, StaticView, ipywidgets_or_none


def rounded_row_widget(weights: torch.Tensor | Sequence[float], bits: int = 4) -> LiveView | StaticView:
    """A row of weights, the levels, and the errors: `controls["bits"]`, from 8 down to 2; `data` is `RoundedRow`.

    weights: shape (n,), at most 64. bits: where the slider starts. Raises SettingsError.
    """
    data = rounded_row_data(weights, bits)
    widgets = ipywidgets_or_none()
    if widgets is None:
        return StaticView(rounded_row_html(data), data)
    slider = widgets.IntSlider(
        value=bits,
        min=min(2, bits),
        max=8,
        description=tr("bits"),
        style={"description_width": WIDE},
        layout=widgets.Layout(width="100%", max_width="42em"),
    )
    return LiveView({"bits": slider}, lambda bits: rounded_row_data(weights, bits), rounded_row_html)
