"""The live memory bake-off: choose how much is talked about in between, let all strategies run, compare the rounds.

In: a backbone. Out: a box for a notebook cell. The model works in the background and can be stopped.
"""

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ..errors import NanoChatError
from ..language import tr
from ..settings import check_count
from ..views.bake_off import BakeOff, bake_off_data, bake_off_html, bake_off_rounds_html, five_strategies
from ..views.markup import count, message
from .live import WIDE, OnDemand, Picture, StaticView, ipywidgets_or_none, live_box

MOST_TURNS = 16


class BakeOffView(OnDemand):
    """Rounds that are played on demand.

    controls: "n_between", "play", "stop". progress: 0 to 100. rounds: n_between → the BakeOff that was played with it.
    data: the newest round, None before the first. An error of NanoChat is shown in the widget's own line.
    """

    def __init__(self, play: Callable[..., BakeOff], n_between: int):
        widgets = ipywidgets_or_none()
        super().__init__(_controls(widgets, n_between), start="play")
        self._play = play
        self.rounds: dict[int, BakeOff] = {}
        self.data: BakeOff | None = None
        self._table, self._rounds = Picture(), Picture()
        row = widgets.Layout(flex_flow="row wrap", align_items="center")
        buttons = widgets.Box([self.controls["play"], self.controls["stop"], self.progress], layout=row)
        pictures = [self._note.box, self._table.box, self._rounds.box]
        self.box = live_box([self.controls["n_between"], buttons, *pictures])
        self.controls["play"].on_click(lambda _: self._worker.start(self._run))
        self._say(tr("Choose the number of turns in between, then press “Play”."))

    @property
    def html(self) -> str:
        """All that is shown, as pictures that stand still."""
        return self._note.html + self._table.html + self._rounds.html

    def _run(self, cancel: threading.Event):
        n_between = self.controls["n_between"].value
        start = time.monotonic()
        with self._working(tr("The fact, {turns}, the question …", turns=count(n_between, "turn"))):
            data = self._play(n_between=n_between, cancel=cancel, on_progress=self._show_progress)
            seconds, n = time.monotonic() - start, len(data.outcomes)
            if cancel.is_set():
                self._say(tr("Stopped after {seconds:.1f} s: this round does not count.", seconds=seconds))
            else:
                self._show(data)
                done = tr("{n} strategies in {seconds:.1f} s.", n=n, seconds=seconds)
                self._say(f"{done} {tr('Move the slider and play another round.')}")

    def _show(self, data):
        self.data = self.rounds[data.n_between] = data
        self._table.show(bake_off_html(data))
        if len(self.rounds) > 1:
            self._rounds.show(bake_off_rounds_html(list(self.rounds.values())))


def bake_off_widget(
    backbone: Any,
    n_between: int = 4,
    *,
    strategies: Mapping[str, Callable[..., Any]] | None = None,
    **options: Any,
) -> BakeOffView | StaticView:
    """Which strategy remembers a fact? A slider for the turns in between, and all rounds so far side by side.

    strategies: name → strategy; None: the five of `five_strategies`. options: see `bake_off_data`.
    """
    check_count("n_between", n_between, least=0)
    strategies = five_strategies(backbone, options.get("fact")) if strategies is None else strategies
    play = partial(bake_off_data, backbone, strategies=strategies, **options)
    if ipywidgets_or_none() is not None:
        return BakeOffView(play, n_between)
    try:
        data = play(n_between=n_between)
    except NanoChatError as error:
        return StaticView(message(str(error)))
    return StaticView(bake_off_html(data), data)


def _controls(widgets, n_between):
    slider = widgets.IntSlider(
        value=n_between,
        min=0,
        max=max(MOST_TURNS, n_between),
        description=tr("turns in between"),
        style={"description_width": WIDE},
        layout=widgets.Layout(width="100%", max_width="42em"),
    )
    return {
        "n_between": slider,
        "play": widgets.Button(description=tr("Play"), tooltip=tr("Let all strategies answer")),
        "stop": widgets.Button(description=tr("Stop"), tooltip=tr("Stop this round"), disabled=True),
    }
