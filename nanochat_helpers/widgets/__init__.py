"""Live pictures: the views with controls on top. Where ipywidgets is missing, the same pictures, standing still."""

from .pipeline import pipeline_map
from .tokens import chips_widget, ladder_widget, merges_widget

__all__ = ["chips_widget", "ladder_widget", "merges_widget", "pipeline_map"]
