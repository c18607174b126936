"""The frame of every live picture: controls above, a drawing below, drawn anew when a control moves.

In: controls, a function that computes data and one that draws them. Out: something a notebook cell can show, with
static HTML for the places where no widget runs (GitHub, print, no ipywidgets).
"""

import contextlib
import html
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, TypeVar

from ..errors import NanoChatError
from ..language import tr
from ..views.markup import figure, message, split_styles

FINISHED = "NANOCHAT_FINISHED_PICTURES"  # set where a lesson is run to be printed: what a cell shows is then finished
WIDE = "initial"  # as description_width: descriptions are cut off otherwise
SECONDS_A_PICTURE = 0.05  # a page keeps up with 20 pictures a second
Anything = TypeVar("Anything")


def ipywidgets_or_none() -> ModuleType | None:
    """The ipywidgets package, or None where it is not installed."""
    try:
        import ipywidgets
    except ImportError:
        return None
    return ipywidgets


# A browser keeps showing widgets whose kernel is gone; ipywidgets then gives them the class "disconnected".
# What is 100 % wide and has a margin, as ipywidgets gives to all, is wider than its place: that brings a scroll bar.
_STYLE = """<style>
.nc-gone{display:none;font-size:16px;border-left:.3em solid #D55E00;padding:.2em .7em}
.jupyter-widgets-disconnected .nc-gone{display:block}
.nc-live,.nc-live .widget-box,.nc-live .widget-html,.nc-live .widget-hslider,.nc-live .widget-text,
.nc-live .widget-textarea{margin-left:0;margin-right:0}
.nc-live.jupyter-widgets-disconnected::before,.nc-live .jupyter-widgets-disconnected::before{display:none!important}
</style>"""


def live_box(children: Sequence[Any], *, max_width: str = "none") -> Any:
    """A column of widgets that says so when the kernel behind it was started anew."""
    widgets = ipywidgets_or_none()
    gone = tr(
        "The kernel was started anew, so this picture no longer moves.\n"
        "Run its cell again (after the cells at the top)."
    )
    frame = f'{_STYLE}<div class="nc-gone" role="status">{gone}</div>'
    notice = widgets.HTML(frame, layout=widgets.Layout(margin="0", min_height="0", height="auto"))
    box = widgets.VBox([notice, *children], layout=widgets.Layout(width="100%", max_width=max_width))
    box.add_class("nc-live")
    return box


class StaticView:
    """A picture that stands still: shown in a notebook as HTML."""

    def __init__(self, html: str, data: Any = None):
        self.html = html
        self.data = data

    def _repr_html_(self):
        return self.html


class Picture:
    """A place for a view that is drawn again and again.

    The style sheets are sent apart and only when they change: for each new one the browser looks at the whole page
    again, which takes it longer than to draw the picture.
    """

    def __init__(self):
        widgets = ipywidgets_or_none()
        wide = widgets.Layout(width="100%")
        self._styles, self._drawing = widgets.HTML(layout=widgets.Layout(display="none")), widgets.HTML(layout=wide)
        self.box = widgets.VBox([self._styles, self._drawing], layout=wide)

    @property
    def html(self) -> str:
        """The view as it is now, with its styles."""
        return self._styles.value + self._drawing.value

    def show(self, html: str) -> None:
        """Show a view in place of the one before."""
        self._styles.value, self._drawing.value = split_styles(html)


class Shown:
    """What a notebook cell can show: has a `box` of ipywidgets, and `html`, the same as a picture that stands still."""

    def wait(self, timeout: float = 60.0) -> None:
        """Block until the picture is done: this one always is. Those that are made in the background say when."""

    def finish(self) -> None:
        """Show what there is to see: done for a print, where nobody can wait or press a button."""
        self.wait()

    def _repr_mimebundle_(self, **_):
        if os.environ.get(FINISHED):
            self.finish()
        # The widget for Jupyter and Colab; the same picture as HTML for what shows a saved notebook without a kernel.
        # Written out, because ipywidgets 7 and 8 show themselves in different ways.
        widget = {"version_major": 2, "version_minor": 0, "model_id": self.box.model_id}
        return {
            "text/plain": tr("a live picture"),
            "text/html": self.html,
            "application/vnd.jupyter.widget-view+json": widget,
        }


class LiveView(Shown):
    """A picture that follows its controls.

    controls: name → control; their values go to `compute` under these names.
    compute: control values → data. draw: data → HTML. Both must be pure, for a callback may run twice.
    data, html: what is shown now. box: the whole as one ipywidgets box.
    An error of NanoChat is shown in place of the picture.
    """

    def __init__(self, controls: Mapping[str, Any], compute: Callable[..., Any], draw: Callable[[Any], str]):
        self.controls = dict(controls)
        self._compute, self._draw = compute, draw
        self._lock = threading.Lock()  # JupyterLab runs callbacks on another thread than cells
        self._picture = Picture()
        self.box = live_box([*self.controls.values(), self._picture.box])
        for control in self.controls.values():
            control.observe(self._redraw, names="value")
        self._redraw()

    @property
    def html(self) -> str:
        """The picture as it is now."""
        return self._picture.html

    def _redraw(self, _change=None):
        with self._lock:
            try:
                self.data = self._compute(**{name: control.value for name, control in self.controls.items()})
                self._picture.show(self._draw(self.data))
            except NanoChatError as error:
                self.data = None
                self._picture.show(message(str(error)))


class Worker:
    """Does long work on a thread of its own, one job at a time: a new job takes the place of the one that runs.

    A job is a function that gets a threading.Event, looks at it often, and ends early once it is set. Callbacks of
    controls return at once this way, so that a Stop button is heard, also on Colab.
    """

    def __init__(self):
        self._turn = threading.Lock()  # the old job may need a moment to notice that it should end
        self._cancel, self._thread = threading.Event(), None

    def start(self, job: Callable[[threading.Event], None], *, after: float = 0.0) -> None:
        """Stop what runs and do this instead, after so many seconds without a newer job."""
        self.stop()
        cancel = self._cancel = threading.Event()

        def run():
            if not cancel.wait(after):
                with self._turn:
                    if not cancel.is_set():  # who waits for its turn may be replaced there: turns come in no order
                        job(cancel)

        self._thread = threading.Thread(target=run)  # no daemon: torch must not be cut off when Python ends
        self._thread.start()

    def stop(self) -> None:
        """Ask the job that runs, or waits, to end."""
        self._cancel.set()

    def wait(self, timeout: float = 60.0) -> None:
        """Block until nothing runs any more. Raises TimeoutError."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
            if thread.is_alive():
                raise TimeoutError(f"still at work after {timeout:g} seconds")


class OnDemand(Shown):
    """A picture that the model makes on demand, in the background: a bar tells how far it is, a line what happens.

    controls: those of the subclass; "stop" among them is heard here. start: the name of the button that demands it.
    data: what was made, None before. progress: 0 to 100, seen only at work.
    """

    data: Any = None

    def __init__(self, controls: Mapping[str, Any], start: str):
        widgets = ipywidgets_or_none()
        self.controls, self._worker, self._note = dict(controls), Worker(), Picture()
        self._start = self.controls[start]
        wide = widgets.Layout(flex="1 1 4em", width="auto", max_width="20em", visibility="hidden")
        self.progress = widgets.IntProgress(value=0, max=100, layout=wide)
        self.controls["stop"].on_click(lambda _: self._worker.stop())

    def wait(self, timeout: float = 120.0) -> None:
        """Block until nothing is being made. Raises TimeoutError."""
        self._worker.wait(timeout)

    def finish(self) -> None:
        """Make the picture, if nobody has, and wait for it."""
        if self.data is None:
            self._start.click()
        self.wait()

    @contextlib.contextmanager
    def _working(self, sentence: str) -> Iterator[None]:
        """Show that work is done in this block; an error of NanoChat ends it with its sentence."""
        self._begin_or_end(begins=True)
        self._say(sentence)
        try:
            yield
        except NanoChatError as error:
            self._note.show(message(str(error)))
        finally:
            self._begin_or_end(begins=False)

    def _begin_or_end(self, *, begins):
        self.controls["stop"].disabled = not begins
        self.progress.value = 0
        self.progress.layout.visibility = "visible" if begins else "hidden"

    def _show_progress(self, done, total=1):
        self.progress.value = round(100 * done / total)

    def _say(self, sentence):
        self._note.show(figure(f"<p>{html.escape(sentence)}</p>", label=sentence))


def seldom(pictures: Iterable[Anything]) -> Iterator[Anything]:
    """Leave out what comes faster than a page can show; the last one always comes."""
    waiting, last_time = None, 0.0
    for picture in pictures:
        waiting = picture
        if time.monotonic() - last_time >= SECONDS_A_PICTURE:
            yield picture
            waiting, last_time = None, time.monotonic()
    if waiting is not None:
        yield waiting
