"""The live pipeline X-ray: walk through one reply by slider, arrow keys or buttons; save its trace, load another.

In: a Trace, a Reply, or the file of a trace. Out: a box for a notebook cell.
"""

import html
from pathlib import Path

from ..chat import Reply
from ..errors import NanoChatError, TraceError
from ..language import tr
from ..trace import Trace
from ..views.markup import count, figure, message
from ..views.xray import STATIONS, TOKEN_STATIONS, XRay, whole_xray_html, xray_data, xray_html
from .live import WIDE, Picture, Shown, StaticView, ipywidgets_or_none, live_box

FILE = "trace.json"


class XRayView(Shown):
    """One reply, station by station.

    controls: "station" and "token" (sliders that count from 1), "back", "next", "file", "save", "load".
    data: the XRay that is shown; None where the first file could not be read.
    What goes wrong with a file is said in the widget's own line, and what is shown stays.
    """

    def __init__(self, data: XRay | None = None):
        self.data = None
        self.controls = _controls(ipywidgets_or_none())
        self._note, self._picture = Picture(), Picture()
        self.box = live_box([*_rows(ipywidgets_or_none(), self.controls), self._note.box, self._picture.box])
        self._connect()
        if data is not None:
            self.show(data)

    @property
    def html(self) -> str:
        """All stations, as a picture that stands still."""
        return self._note.html + (whole_xray_html(self.data, token=self._token) if self.data else "")

    @property
    def _token(self):
        return self.controls["token"].value - 1

    def show(self, data: XRay) -> None:
        """Show another reply, at the same station."""
        self.data = None  # no drawing while the slider changes
        slider, n_tokens = self.controls["token"], len(data.choices)
        slider.value, slider.max = 1, max(1, n_tokens)
        slider.disabled = n_tokens < 2
        self.data = data
        self._draw()

    def save(self, path: str | Path) -> None:
        """Write the trace that is shown to a file. Raises TraceError."""
        if self.data is None:
            raise TraceError("There is no trace to save yet: load one first.")
        self.data.trace.save(path)

    def load(self, path: str | Path) -> None:
        """Show the trace of a file. Raises TraceError; then what is shown stays."""
        self.show(_read(path))

    def say(self, sentence: str, *, is_wrong: bool = False) -> None:
        """Say something in the widget's own line."""
        said = figure(f"<p>{html.escape(sentence)}</p>", label=sentence)
        self._note.show(message(sentence) if is_wrong else said)

    def _connect(self):
        for name in ("station", "token"):
            self.controls[name].observe(lambda _: self._draw(), names="value")
        self.controls["back"].on_click(lambda _: self._go(-1))
        self.controls["next"].on_click(lambda _: self._go(1))
        self.controls["save"].on_click(lambda _: self._with_file(self.save, self._saved))
        self.controls["load"].on_click(lambda _: self._with_file(self.load, self._loaded))

    def _go(self, by):
        slider = self.controls["station"]
        slider.value = min(max(slider.value + by, 1), len(STATIONS))

    def _with_file(self, do, told):
        """Save or load, and say what came of it."""
        path = self.controls["file"].value.strip()
        try:
            if not path:
                raise TraceError(f"Which file? Type a name such as {FILE} first.")
            do(path)
        except NanoChatError as error:
            self.say(str(error), is_wrong=True)
        else:
            self.say(told(path))

    def _saved(self, path):
        size = Path(path).stat().st_size / 1000
        return tr("Saved: a reply of {tokens}, {size:,.0f} kB in {path}.", tokens=self._length, size=size, path=path)

    def _loaded(self, path):
        return tr("Loaded: a reply of {tokens} from {path}.", tokens=self._length, path=path)

    @property
    def _length(self):
        return count(len(self.data.choices), "token")

    def _draw(self):
        place = self.controls["station"].value - 1
        self.controls["back"].disabled, self.controls["next"].disabled = place == 0, place == len(STATIONS) - 1
        # The slider keeps its place while it cannot be seen, so that the picture does not jump.
        self.controls["token"].layout.visibility = "visible" if place in TOKEN_STATIONS else "hidden"
        if self.data is not None:
            self._picture.show(xray_html(self.data, place, token=self._token))


def xray_widget(trace: Trace | Reply | str | Path) -> XRayView | StaticView:
    """Walk through one reply, from the messages to what the reader gets, by slider, arrow keys or buttons.

    trace: of a reply, the reply itself, or a file that `Trace.save` wrote. See XRayView for the parts.
    """
    try:
        data, wrong = _read(trace), None
    except TraceError as error:
        data, wrong = None, str(error)
    if ipywidgets_or_none() is None:
        return StaticView(message(wrong) if wrong else whole_xray_html(data), data)
    view = XRayView(data)
    if wrong:
        view.say(wrong, is_wrong=True)
    return view


def _read(trace):
    if isinstance(trace, Reply):
        trace = trace.trace
    elif isinstance(trace, (str, Path)):
        trace = Trace.load(trace)
    if not isinstance(trace, Trace):
        raise TraceError(f"An X-ray needs a trace, such as reply.trace, or the name of a file, not {trace!r:.60}.")
    return xray_data(trace)


def _controls(widgets):
    wide, named = widgets.Layout(width="100%", max_width="42em"), {"description_width": "4.5em"}
    small = widgets.Layout(width="auto", min_width="6em")
    return {
        "station": widgets.IntSlider(1, 1, len(STATIONS), description=tr("station"), style=named, layout=wide),
        "token": widgets.IntSlider(
            1, 1, 1, description=tr("token"), style=named, layout=widgets.Layout(width="100%", max_width="42em")
        ),
        "back": widgets.Button(description=tr("← back"), layout=small, tooltip=tr("The station before this one")),
        "next": widgets.Button(description=tr("next →"), layout=small, tooltip=tr("The next station")),
        "file": widgets.Text(
            FILE,
            description=tr("file"),
            style={"description_width": WIDE},
            layout=widgets.Layout(width="16em", margin="2px 2px 2px 14px"),
        ),
        "save": widgets.Button(description=tr("Save"), layout=small, tooltip=tr("Write this trace to the file")),
        "load": widgets.Button(description=tr("Load"), layout=small, tooltip=tr("Show the trace of the file")),
    }


def _rows(widgets, controls):
    """The controls, row by row."""
    layout = widgets.Layout(flex_flow="row wrap", align_items="center", width="100%")

    def row(*names):
        return widgets.Box([controls[name] for name in names], layout=layout)

    return [controls["station"], controls["token"], row("back", "next", "file", "save", "load")]
