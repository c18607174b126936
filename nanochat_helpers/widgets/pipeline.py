"""The map of the seven steps, shown in a cell."""

from ..trace import Trace
from ..views.pipeline import pipeline_data, pipeline_html
from .live import StaticView


def pipeline_map(trace: Trace) -> StaticView:
    """Show what each of the seven steps did for one reply; `data` is the list of rows."""
    rows = pipeline_data(trace)
    return StaticView(pipeline_html(rows), rows)
