"""The live template clinic: type a question, let the model answer each prompt many times, and read the replies.

In: a backbone and a question. Out: a box for a notebook cell. The replies are written in the background.
"""

import threading
import time
from typing import Any

from ..errors import NanoChatError, SettingsError, TokenError
from ..generation import sample_batch
from ..language import tr, tr_later
from ..settings import GenerationSettings, check_count
from ..tokens import check_text
from ..views import template_clinic as views
from ..views.markup import count, message
from ..views.template_clinic import TemplateClinic
from .live import WIDE, OnDemand, Picture, StaticView, ipywidgets_or_none, live_box

QUESTION = "What is the capital of France?"
MOST_SEEDS = 100  # more would fill the memory, and take many minutes


class TemplateClinicView(OnDemand):
    """A clinic that is run on demand.

    controls: "question", "run", "stop", "case". progress: 0 to 100. data: the TemplateClinic, None before it has run.
    An error of NanoChat is shown in the widget's own line.
    """

    def __init__(self, backbone: Any, question: str, settings: GenerationSettings, n_seeds: int):
        widgets = ipywidgets_or_none()
        super().__init__(_controls(widgets, question), start="run")
        self._backbone, self._settings, self._n_seeds = backbone, settings, n_seeds
        self._lock = threading.RLock()
        self.data: TemplateClinic | None = None
        self._table, self._replies = Picture(), Picture()
        row = widgets.Layout(flex_flow="row wrap", align_items="center")
        buttons = widgets.Box([self.controls["run"], self.controls["stop"], self.progress], layout=row)
        pictures = [self._table.box, self.controls["case"], self._replies.box]
        self.box = live_box([self.controls["question"], buttons, self._note.box, *pictures])
        self.controls["run"].on_click(lambda _: self._worker.start(self._run))
        self.controls["case"].observe(lambda _: self._show_replies(), names="value")
        self._say(tr("Each prompt gets {answers}: press “Run the clinic”.", answers=count(n_seeds, "answer")))

    @property
    def html(self) -> str:
        """All that is shown, as pictures that stand still."""
        return self._note.html + self._table.html + self._replies.html

    def _run(self, cancel):
        question = self.controls["question"].value
        start = time.monotonic()
        with self._working(tr("The model answers …")):
            data = _measured(self._backbone, question, self._settings, self._n_seeds, cancel, self._show_progress)
            if cancel.is_set():
                self._say(tr("Stopped. The counts below, if any, are those of the run before."))
            else:
                self._show(data)
                seconds = time.monotonic() - start
                self._say(tr("{seconds:.1f} s. Choose a prompt below the table to read its replies.", seconds=seconds))

    def _show(self, data):
        with self._lock:
            self.data = data
            self._table.show(views.template_clinic_html(data))
            names = [row.case.name for row in data.rows]
            chosen, case = self.controls["case"].value, self.controls["case"]
            case.options = [(tr_later(name), name) for name in names]
            case.value = chosen if chosen in names else names[0]
            case.layout.display = None
            self._show_replies()

    def _show_replies(self):
        with self._lock:
            name = self.controls["case"].value
            if self.data is not None and name is not None:
                self._replies.show(views.clinic_replies_html(self.data, name))


def template_clinic_widget(
    backbone: Any,
    question: str = QUESTION,
    settings: GenerationSettings | None = None,
    *,
    n_seeds: int = 10,
    max_new_tokens: int = 40,
) -> TemplateClinicView | StaticView:
    """Ask one question in right and in wrong templates, and count what becomes of the replies.

    settings: of all replies; its seed (None: 0) is the first of n_seeds, the same ones for each prompt.
    Raises SettingsError where settings, n_seeds or max_new_tokens is not allowed, MessageError where the question is no
    text, TokenError where the first argument is no backbone.
    """
    _check(backbone, question, settings, n_seeds)
    settings = (settings or GenerationSettings()).change(max_new_tokens=max_new_tokens)
    if ipywidgets_or_none() is not None:
        return TemplateClinicView(backbone, question, settings, n_seeds)
    try:
        data = _measured(backbone, question, settings, n_seeds)
    except NanoChatError as error:
        return StaticView(message(str(error)))
    return StaticView(views.standing_clinic_html(data), data)


def _check(backbone, question, settings, n_seeds):
    check_text(question, "The question")
    if not hasattr(backbone, "tokenizer"):
        raise TokenError(f"The clinic needs a backbone, as load_model gives it, not a {type(backbone).__name__}.")
    if not isinstance(settings, GenerationSettings | None):
        raise SettingsError(f"settings must be GenerationSettings(…), not {settings!r:.80}.")
    check_count("n_seeds", n_seeds, least=1)
    if n_seeds > MOST_SEEDS:
        raise SettingsError(f"n_seeds={n_seeds} is not allowed: it must be {MOST_SEEDS} at most.")


def _measured(backbone, question, settings, n_seeds, cancel=None, show_progress=None):
    """The clinic: the replies to each prompt are written in one batch, then counted."""
    cases = views.clinic_cases(question, backbone.tokenizer)
    first = settings.seed or 0
    rows = [settings.change(seed=first + number) for number in range(n_seeds)]
    samples = []
    for place, case in enumerate(cases):

        def on_progress(done, total, place=place):
            if show_progress:
                show_progress((place + done / total) / len(cases))

        samples.append(sample_batch(backbone, list(case.input_ids), rows, cancel=cancel, on_progress=on_progress))
        if cancel and cancel.is_set():
            break
    return views.template_clinic_data(question, cases[: len(samples)], samples, backbone.tokenizer, first_seed=first)


def _controls(widgets, question):
    wide = widgets.Layout(width="100%", max_width="42em")
    return {
        "question": widgets.Text(
            value=question, description=tr("question"), style={"description_width": WIDE}, layout=wide
        ),
        "run": widgets.Button(description=tr("Run the clinic"), tooltip=tr("Let the model answer each prompt")),
        "stop": widgets.Button(description=tr("Stop"), tooltip=tr("Stop writing"), disabled=True),
        "case": widgets.Dropdown(
            options=[],
            description=tr("replies to"),
            style={"description_width": WIDE},
            layout=widgets.Layout(width="100%", max_width="24em", display="none"),
        ),
    }
