"""Live pictures: the views with controls on top. Where ipywidgets is missing, the same pictures, standing still.

Each name loads its module only when it is first used: a lesson about tokens needs no torch.
"""

import importlib

_HOME = {
    "chips_widget": "tokens",
    "ladder_widget": "tokens",
    "merges_widget": "tokens",
    "pipeline_map": "pipeline",
    "five_columns_widget": "sampling",
    "ghost_bars_widget": "sampling",
    "roulette_widget": "sampling",
    "cumulative_cut_widget": "distribution",
    "draws_widget": "distribution",
    "penalty_arrows_widget": "distribution",
    "filmstrip_widget": "filmstrip",
    "comparison_widget": "filmstrip",
    "settings_map_widget": "settings_map",
    "prompt_strip_widget": "prompt_strip",
    "bake_off_widget": "bake_off",
    "template_clinic_widget": "template_clinic",
    "edits_widget": "edits",
    "edits_picture": "edits",
    "safety_widget": "safety",
    "marked_picture": "safety",
    "scores_picture": "safety",
    "sampling_lab": "lab",
    "search_widget": "retrieval",
    "answer_view": "retrieval",
    "threshold_widget": "retrieval",
    "chat_panel": "chat",
    "xray_widget": "xray",
    "rounded_row_widget": "quantization",
    "workflow_diagram": "workflow",
    "predict": "prediction",
    "presenter": "presenting",
}
__all__ = list(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__():
    return sorted([*globals(), *_HOME])
