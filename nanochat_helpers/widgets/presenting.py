"""Present a lesson live, in the page where it stands. Out: a script for JupyterLab or Notebook; nothing is saved."""

import os
import sys

from ..language import tr
from ..settings import check_count
from ..views.markup import message
from ..views.presenter import presenter_script
from .live import StaticView
from .prediction import whole_class


def presenter(minutes: int = 45) -> StaticView | None:
    """Show this notebook page by page: large, without set-up cells and notes, with a timer, and with all of it alive.

    Page down and Page up (what a clicker sends), or the arrow keys, turn the pages; Shift and Enter run the cell; Esc
    ends it and puts everything back. The notebook stays as it is. minutes: how long the lesson is.
    Elsewhere than in JupyterLab and Notebook 7 a sentence says what to do instead, and class mode is switched on.
    """
    check_count("minutes", minutes, least=1)
    if not _can_reach_the_page():
        whole_class()
        return StaticView(message(_instead()))
    from IPython.display import Javascript, clear_output, display

    display(Javascript(presenter_script(minutes)))
    clear_output()  # the script has run by then, and must not be saved
    return None


def _can_reach_the_page() -> bool:
    """Jupyter's own server names the notebook; on Colab and in editors an output cannot touch the page around it."""
    return "JPY_SESSION_NAME" in os.environ and "google.colab" not in sys.modules and "VSCODE_PID" not in os.environ


def _instead():
    return tr(
        "Here an output cannot change the page, so this works only in JupyterLab and Notebook 7. Present the slides "
        "(nanochat slides) instead; for guesses, “Whole class” is switched on from here on."
    )
