"""Live searching: type a question, choose the search and how many passages; and move a threshold over measured scores.

In: one or two searches. Out: something a notebook cell can show.
"""

from collections.abc import Sequence
from typing import Any

from ..errors import MessageError, SettingsError
from ..language import tr
from ..prompts import check_message
from ..retrieval import Search, check_min_score, check_search
from ..search_quality import QuestionScore
from ..settings import check_count
from ..views import retrieval as views
from ..views.threshold import threshold_data, threshold_html
from .live import WIDE, LiveView, StaticView, ipywidgets_or_none

MOST_HITS = 10


def search_widget(
    searches: Search | Sequence[Search], query: str, *, k: int = 3, min_score: float | None = None
) -> LiveView | StaticView:
    """Type a question and see what is found: `controls["query"]`, `["k"]`, and `["search"]` where there are several.

    With several searches, the choice begins with all of them side by side. min_score: see `search_data`.
    `data` is a list with one SearchResult for each search that is shown.
    """
    searches = list(searches) if isinstance(searches, Sequence) else [searches]
    if not searches:
        raise SettingsError("searches must hold at least one search, such as BM25Search(passages).")
    for each in searches:
        check_search(each)
    check_message(query, "The question")
    check_count("k", k, least=1)
    check_min_score(min_score)

    def compute(query, k, search="all"):
        chosen = searches if search == "all" else [searches[search]]
        return [views.search_data(each, query, k, min_score=min_score) for each in chosen]

    def draw(results):
        return views.search_html(*results)

    widgets = ipywidgets_or_none()
    if widgets is None:
        data = compute(query, k)
        return StaticView(draw(data), data)
    return LiveView(_controls(widgets, searches, query, k), compute, draw)


def answer_view(reply: Any) -> StaticView:
    """A Reply of a Chat with a retriever, and below it the passages that it was given. It stands still."""
    if not (hasattr(reply, "trace") and hasattr(reply, "sources")):
        raise MessageError(f"answer_view shows a reply, as chat.send(…) gives it, not {reply!r:.60}.")
    data = views.answer_data(reply.trace.user_message, reply.text, reply.sources)
    return StaticView(views.answer_html(data), data)


def threshold_widget(scores: Sequence[QuestionScore], min_score: float = 0.0) -> LiveView | StaticView:
    """Move a threshold over the scores of questions: `controls["min_score"]`; `data` is a ThresholdView."""
    check_min_score(min_score)
    if min_score is None:
        raise SettingsError("min_score=None is not allowed: a threshold is a number.")

    def compute(min_score):
        return threshold_data(scores, round(min_score, 4))  # a stepped slider sends 0.30000000000000004

    widgets = ipywidgets_or_none()
    data = compute(min_score)
    if widgets is None:
        return StaticView(threshold_html(data), data)
    step = 0.01 if data.highest <= 1 else 0.1
    control = widgets.FloatSlider(
        value=min_score, min=0.0, max=data.highest, step=step, description="min_score", **_wide(widgets)
    )
    return LiveView({"min_score": control}, compute, threshold_html)


def _controls(widgets, searches, query, k) -> dict[str, Any]:
    # Only when Enter is pressed, or the field is left: a search by meaning is too slow to follow each letter.
    typed = {"continuous_update": False, "placeholder": tr("Type a question and press Enter")}
    controls = {
        "query": widgets.Text(value=query, description=tr("question"), **typed, **_wide(widgets)),
        "k": widgets.IntSlider(value=k, min=1, max=max(MOST_HITS, k), description=tr("passages (k)"), **_wide(widgets)),
    }
    if len(searches) > 1:
        names = [(search.name, place) for place, search in enumerate(searches)]
        controls["search"] = widgets.ToggleButtons(
            options=[(tr("side by side"), "all"), *names],
            description=tr("search"),
            style={"description_width": WIDE, "button_width": "auto"},
            layout=widgets.Layout(width="100%"),
        )
    return controls


def _wide(widgets):
    return {"style": {"description_width": WIDE}, "layout": widgets.Layout(width="100%", max_width="42em")}
