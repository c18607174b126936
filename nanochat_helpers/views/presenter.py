"""The script that shows a lesson as slides in the page where it is run. Out: JavaScript; it is run by nobody here."""

import json
from importlib.resources import files

from ..language import tr

_FOLDER = files("nanochat_helpers") / "data" / "presenter"


def presenter_script(minutes: int) -> str:
    """The script as one expression: the page's own names stay untouched. minutes: of the lesson, for the timer."""
    options = json.dumps({"minutes": minutes, "words": _words(), "css": (_FOLDER / "presenter.css").read_text("utf-8")})
    script = (_FOLDER / "presenter.js").read_text("utf-8")
    return f"((element, options) => {{\n{script}\n}})(element, {options});"


def _words():
    """What the bar says. NUMBER, TOTAL and MINUTES are put in there."""
    return {
        "bar": tr("Presentation"),
        "previous": tr("Previous (Page up)"),
        "next": tr("Next (Page down)"),
        "page": tr("page {number} of {total}", number="NUMBER", total="TOTAL"),
        "keys": tr("The keys belong to the cell or slider. Esc gives them back."),
        "left": tr("{minutes} min left", minutes="MINUTES"),
        "over": tr("{minutes} min over", minutes="MINUTES"),
        "end": tr("End"),
        "end_long": tr("End the presentation (Esc)"),
    }
