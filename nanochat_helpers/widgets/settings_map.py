"""The live settings map: draw all its texts in the background, choose what is measured, and read the texts of a cell.

In: a backbone, input_ids and the settings of the axes. Out: a box for a notebook cell. The cells are buttons.
"""

import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from ..errors import NanoChatError
from ..generation import sample_batch
from ..language import tr, tr_later
from ..settings import GenerationSettings
from ..views import settings_map as views
from ..views.markup import count, figure, message
from ..views.settings_map import MEASURES, SettingsMap
from .live import WIDE, OnDemand, Picture, StaticView, ipywidgets_or_none, live_box


class SettingsMapView(OnDemand):
    """A map that is drawn on demand.

    controls: "draw", "stop", "measure". cells: (temperature, top_p) → the button of the cell. progress: 0 to 100.
    data: the SettingsMap, None before it is drawn. selected: the (temperature, top_p) whose texts are shown.
    An error of NanoChat is shown in the widget's own line.
    """

    def __init__(self, backbone: Any, input_ids: Sequence[int], rows: Sequence[GenerationSettings]):
        widgets = ipywidgets_or_none()
        super().__init__(_controls(widgets), start="draw")
        self._backbone, self._input_ids, self._rows = backbone, input_ids, rows
        self._lock = threading.RLock()
        self.data: SettingsMap | None = None
        self.selected: tuple[float, float] | None = None
        self.cells = _cells(widgets, rows)
        self._grid = _grid(widgets, self.cells)
        self._heading, self._samples = Picture(), Picture()
        row = widgets.Layout(flex_flow="row wrap", align_items="center")
        buttons = widgets.Box([self.controls["draw"], self.controls["stop"], self.progress], layout=row)
        style = widgets.HTML(views.STYLE, layout=widgets.Layout(display="none"))
        pictures = [self.controls["measure"], self._heading.box, self._grid, self._samples.box]
        self.box = live_box([style, buttons, self._note.box, *pictures])
        self._connect()
        self._refresh()
        texts, cells = count(len(rows), "text"), count(len(self.cells), "cell")
        self._say(tr("{texts}, {cells}: press “Draw the map”.", texts=texts, cells=cells))

    @property
    def html(self) -> str:
        """All that is shown, as pictures that stand still."""
        drawn = views.settings_map_html(self.data, measure=self.controls["measure"].value) if self.data else ""
        return self._note.html + drawn + self._samples.html

    def select(self, temperature: float, top_p: float) -> None:
        """Show the texts of a cell, as a click does."""
        with self._lock:
            self.selected = temperature, top_p
            self._refresh()

    def _connect(self):
        self.controls["draw"].on_click(lambda _: self._worker.start(self._draw))
        self.controls["measure"].observe(lambda _: self._refresh(), names="value")
        for place, button in self.cells.items():
            button.on_click(partial(self._clicked, place))

    def _clicked(self, place, _button):
        self.select(*place)

    def _draw(self, cancel):
        start, texts = time.monotonic(), count(len(self._rows), "text")
        with self._working(tr("Writing {texts} …", texts=texts)):
            data = _drawn(self._backbone, self._input_ids, self._rows, cancel, self._show_progress)
            with self._lock:
                self.data = data
                self._refresh()
            seconds = time.monotonic() - start
            if cancel.is_set():
                self._say(tr("Stopped after {seconds:.1f} s: this is what was written until then.", seconds=seconds))
            else:
                told = tr("{texts} in {seconds:.1f} s. Click a cell to read its texts.", texts=texts, seconds=seconds)
                self._say(told)

    def _refresh(self):
        """Draw the cells anew: for another measure, another choice, or new texts."""
        with self._lock:
            measure, data = self.controls["measure"].value, self.data
            self._heading.show(figure(views.heading_html(measure), label=tr_later(MEASURES[measure].name)))
            if data is None:
                return
            for (temperature, top_p), button in self.cells.items():
                cell = data.cell(temperature, top_p)
                with button.hold_sync():  # one message for all of it
                    button.disabled = False
                    button.description = views.number_text(cell, measure)
                    button.tooltip = views.spoken(cell, measure)
                    is_selected = (temperature, top_p) == self.selected
                    button._dom_classes = views.cell_classes(cell, data, measure, is_selected=is_selected)
            for name in MEASURES:
                (self._grid.add_class if name == measure else self._grid.remove_class)(f"nc-map-as-{name}")
            if self.selected:
                self._samples.show(views.samples_html(data.cell(*self.selected), prompt=data.prompt))


def settings_map_widget(
    backbone: Any,
    input_ids: Sequence[int],
    settings: GenerationSettings | None = None,
    *,
    temperatures: Sequence[float] = views.TEMPERATURES,
    top_ps: Sequence[float] = views.TOP_PS,
    n_seeds: int = 4,
    max_new_tokens: int = 24,
) -> SettingsMapView | StaticView:
    """Write some texts for each pair of a temperature and a top_p, and show as a map what they are like.

    settings: all other settings; its seed (None: 0) is the first of n_seeds, the same ones in each cell.
    See SettingsMapView for the parts. Raises SettingsError for a temperature or a top_p that is not allowed.
    """
    settings = (settings or GenerationSettings()).change(max_new_tokens=max_new_tokens)
    rows = views.map_rows(settings, temperatures, top_ps, n_seeds)
    if ipywidgets_or_none() is not None:
        return SettingsMapView(backbone, input_ids, rows)
    try:
        data = _drawn(backbone, input_ids, rows)
    except NanoChatError as error:
        return StaticView(message(str(error)))
    return StaticView(views.standing_map_html(data), data)


def _drawn(backbone, input_ids, rows, cancel=None, on_progress=None):
    """The map: its texts are written, then measured."""
    samples = sample_batch(backbone, input_ids, rows, cancel=cancel, on_progress=on_progress)
    return views.settings_map_data(rows, samples, prompt=backbone.tokenizer.decode(input_ids))


def _controls(widgets):
    return {
        "draw": widgets.Button(description=tr("Draw the map"), tooltip=tr("Write all texts and measure them")),
        "stop": widgets.Button(description=tr("Stop"), tooltip=tr("Stop writing"), disabled=True),
        "measure": widgets.ToggleButtons(
            options=[(tr_later(measure.name), name) for name, measure in MEASURES.items()],
            description=tr("show"),
            style={"description_width": WIDE, "button_width": "auto"},
            layout=widgets.Layout(width="100%"),
        ),
    }


def _cells(widgets, rows):
    """One button for each pair of settings."""
    shared = {"layout": widgets.Layout(width="auto"), "style": widgets.ButtonStyle()}
    places = dict.fromkeys((settings.temperature, settings.top_p) for settings in rows)
    return {place: _cell(widgets, *place, shared) for place in places}


def _cell(widgets, temperature, top_p, shared):
    settings = f"temperature {views.setting_text(temperature)}, top_p {views.setting_text(top_p)}"
    told = tr("{settings}: not drawn yet", settings=settings)
    button = widgets.Button(description="–", tooltip=told, disabled=True, **shared)
    button.add_class("nc-map-cell")
    return button


def _grid(widgets, cells):
    """The buttons with the axes around them: a temperature before each row, a top_p above each column."""
    temperatures, top_ps = (list(dict.fromkeys(values)) for values in zip(*cells, strict=True))
    n_columns, n_rows = len(top_ps), len(temperatures)

    def label(text, area="auto", kind="nc-map-label"):
        return widgets.HTML(f'<div class="{kind}">{text}</div>', layout=widgets.Layout(grid_area=area))

    # Rows and columns of the grid, from line to line: "1 / 3 / 2 / 8" is row 1, columns 3 to 7.
    axes = [
        label("", "1 / 1 / 3 / 3"),
        label("top_p →", f"1 / 3 / 2 / {3 + n_columns}"),
        label("temperature →", f"3 / 1 / {3 + n_rows} / 2", "nc-map-axis"),
    ]
    children = [*axes, *(label(views.setting_text(top_p)) for top_p in top_ps)]
    for temperature in temperatures:
        children += [label(views.setting_text(temperature)), *(cells[temperature, top_p] for top_p in top_ps)]
    columns = f"1.9em 2.6em repeat({n_columns}, minmax(0, 1fr))"
    layout = {"grid_template_columns": columns, "grid_gap": "3px", "align_items": "center", "padding": "0 3px 4px 0"}
    grid = widgets.GridBox(children, layout=widgets.Layout(**layout, width="100%", max_width="44em"))
    grid.add_class("nc-map")
    return grid
