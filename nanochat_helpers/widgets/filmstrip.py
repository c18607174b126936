"""The live filmstrip: a text as a row of buttons, one a token, that can be clicked and walked through with Tab.

`Filmstrip` is the strip alone: FilmTokens go in, again and again while a text grows, and it calls when one is chosen.
`filmstrip_widget` writes a text, shows the table behind each of its tokens, and lets it end in another way.
"""

import html
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from typing import Any

from ..errors import NanoChatError
from ..language import later, tr, tr_later
from ..settings import GenerationSettings
from ..views import filmstrip as views
from ..views.candidates import five_columns_html
from ..views.filmstrip import FilmToken
from ..views.markup import count, figure, message
from .controls import change_settings, slider
from .live import WIDE, Picture, Shown, StaticView, Worker, ipywidgets_or_none, live_box, seldom
from .writing import written

OTHER_LUCK = -1  # in the list of what to take instead; None would mean that nothing is chosen there
HINT = later("Click a token, or move to it with Tab and press Enter.")


class Filmstrip(Shown):
    """A text as chips that can be chosen; chips stay where they are, and only what changed is sent to the page.

    The chips are buttons, because HTML in a widget cannot tell that it was clicked.
    room: how many chips are made ahead; more are made when a text is longer.
    Its methods may be called from any thread. box: the whole as one ipywidgets box.
    """

    def __init__(self, *, room: int = 40):
        widgets = ipywidgets_or_none()
        self._lock = threading.RLock()  # a text grows on one thread while clicks arrive on another
        self._tokens: tuple[FilmToken, ...] = ()
        self._selected = self._first_difference = None
        self._callbacks = []
        # Shared, because each layout and each style would be a message of its own.
        self._shared = {"layout": widgets.Layout(width="auto"), "style": widgets.ButtonStyle()}
        self._buttons, self._drawn = [], []
        for _ in range(room):
            self._add_button()
        self._strip, self._line = widgets.Box(), widgets.HTML()
        self._strip.add_class("nc-film-strip")
        frame = [widgets.HTML(views.STYLE, layout=widgets.Layout(display="none")), self._strip, self._line]
        self.box = widgets.VBox([*frame, widgets.HTML(views.key_html())], layout=widgets.Layout(width="100%"))
        self.box.add_class("nc-film")
        self._refresh()

    @property
    def tokens(self) -> tuple[FilmToken, ...]:
        """The text that is shown."""
        return self._tokens

    @property
    def selected(self) -> int | None:
        """The place of the token that was chosen, from 0; None while there is none, or the text does not reach it."""
        is_there = self._selected is not None and self._selected < len(self._tokens)
        return self._selected if is_there else None

    @property
    def html(self) -> str:
        """The same as a picture that stands still."""
        return views.filmstrip_html(self._tokens, selected=self.selected, first_difference=self._first_difference)

    def show(self, tokens: Sequence[FilmToken], *, first_difference: int | None = None) -> None:
        """Show a text in place of the one before. first_difference: the place of a chip that gets a mark.

        The chosen place stays chosen, also in a text that is written anew: from where it reaches that place.
        """
        with self._lock:
            self._tokens, self._first_difference = tuple(tokens), first_difference
            self._refresh()

    def select(self, place: int | None) -> None:
        """Choose a token, as a click does; None takes the mark away. Tells everyone who asked by `on_select`."""
        with self._lock:
            if place is not None and place >= len(self._tokens):
                return  # the text became shorter while the click was on its way
            self._selected = place
            self._refresh()
        for callback in self._callbacks:
            callback(place)

    def on_select(self, callback: Callable[[int | None], None]) -> None:
        """From now on, call this with the place of each token that is chosen, or with None."""
        self._callbacks.append(callback)

    def _refresh(self):
        for place, token in enumerate(self._tokens):
            if place == len(self._buttons):
                self._add_button()
            look = (token, place == self._selected, place == self._first_difference)
            if look != self._drawn[place]:
                self._draw(place, *look)
                self._drawn[place] = look
        self._strip.children = tuple(self._buttons[: len(self._tokens)])
        self._line.value = f'<div class="nc-film-line">{self._sentence()}</div>'

    def _add_button(self):
        button = ipywidgets_or_none().Button(**self._shared)
        button.on_click(partial(self._clicked, len(self._buttons)))
        self._buttons.append(button)
        self._drawn.append(None)

    def _clicked(self, place, _button):
        self.select(place)

    def _draw(self, place, token, is_selected, is_first_difference):
        button = self._buttons[place]
        with button.hold_sync():  # one message for all of it
            button.description = views.chip_label(token, is_first_difference=is_first_difference)
            button.tooltip = views.sentence(token)
            # add_class and remove_class would look at the same list name by name
            button._dom_classes = views.chip_classes(
                token, is_selected=is_selected, is_first_difference=is_first_difference
            )

    def _sentence(self):
        if self.selected is not None:
            return views.line_html(self._tokens[self.selected], self.selected)
        return tr_later(HINT) if self._tokens else tr("No tokens yet.")


class FilmstripView(Shown):
    """A text that is written token by token, the table behind each token, and another ending from any of them.

    controls: "seed", "write" (again), "stop", "take" (what to take instead at the chosen place), "fork".
    strip: the Filmstrip. tokens, other_tokens: the text, and the one with another ending (empty before the first fork).
    An error of NanoChat is shown in the widget's own line.
    """

    def __init__(self, backbone: Any, input_ids: Sequence[int], settings: GenerationSettings):
        widgets = ipywidgets_or_none()
        self._backbone, self._input_ids, self._settings = backbone, input_ids, settings
        self._worker, self._lock = Worker(), threading.RLock()
        self._n_forks, self.other_tokens = 0, ()
        self.strip = Filmstrip(room=min(settings.max_new_tokens or 40, 100))
        self._note, self._table, self._comparison = Picture(), Picture(), Picture()
        self.controls = {"seed": slider("seed", settings.seed or 0), **_buttons(widgets)}
        seed, write, stop, take, fork = self.controls.values()
        write.on_click(lambda _: self._start(self._write, self._seeded()))
        stop.on_click(lambda _: self._worker.stop())
        fork.on_click(lambda _: self._fork_here())
        self.strip.on_select(self._look_at)
        row = widgets.Layout(flex_flow="row wrap", align_items="center", width="100%")
        self._note.box.layout = widgets.Layout(flex="1 1 14em", min_width="0")
        head = widgets.Box([seed, write, stop, self._note.box], layout=row)
        fork_row = widgets.Box([take, fork], layout=row)
        self.box = live_box([head, self.strip.box, fork_row, self._comparison.box, self._table.box])
        self._look_at(None)
        self._start(self._write, self._seeded())

    @property
    def tokens(self) -> tuple[FilmToken, ...]:
        """The text as far as it is written."""
        return self.strip.tokens

    data = tokens

    @property
    def html(self) -> str:
        """All that is shown, as pictures that stand still."""
        return self._note.html + self.strip.html + self._comparison.html + self._table.html

    def wait(self, timeout: float = 60.0) -> None:
        """Block until nothing is being written. Raises TimeoutError."""
        self._worker.wait(timeout)

    def _seeded(self):
        return change_settings(self._settings, {"seed": self.controls["seed"].value})

    def _start(self, job, *what):
        """Do a job in the background, in place of the one that runs."""

        def run(cancel):
            self.controls["stop"].disabled = False
            self._say(tr("Writing …"))
            try:
                n_tokens = job(cancel, *what)
                told = {"tokens": count(n_tokens, "token")}
                self._say(tr("Stopped after {tokens}.", **told) if cancel.is_set() else tr("Done: {tokens}.", **told))
            except NanoChatError as error:
                self._note.show(message(str(error)))
            finally:
                self.controls["stop"].disabled = True

        self._worker.start(run)

    def _say(self, sentence):
        self._note.show(figure(f"<p>{html.escape(sentence)}</p>", label=sentence))

    def _write(self, cancel, settings):
        with self._lock:
            self._written_with, self._n_forks, self.other_tokens = settings, 0, ()
            self.strip.show([])
            self._comparison.show("")
            self.strip.select(None)
        for tokens in seldom(written(self._backbone, self._input_ids, settings, cancel)):
            self.strip.show(tokens)
        return len(self.tokens)

    def _fork_here(self):
        with self._lock:
            place, tokens, settings = self.strip.selected, self.tokens, self._written_with
            if place is None:
                return
            self._n_forks += 1
            instead = self.controls["take"].value
            if instead == OTHER_LUCK:
                beginning, new = tokens[:place], settings.change(seed=settings.seed + self._n_forks)
                note = tr("from token {n} on", n=place + 1)
            else:
                other = views.take_instead(tokens[place], instead, self._backbone.tokenizer)
                beginning, new = (*tokens[:place], other), settings
                note = tr("token {n}: {text}", n=place + 1, text=repr(other.text))
        titles = settings.as_code(), f"{new.as_code()}  # {note}"
        self._start(self._write_other, tokens, beginning, new, titles)

    def _write_other(self, cancel, tokens, beginning, settings, titles):
        for other in seldom(written(self._backbone, self._input_ids, settings, cancel, beginning)):
            self.other_tokens = other
            if views.comparison_data(tokens, other) != len(other):  # else it is the same so far: that is no difference
                self._comparison.show(views.comparison_html(tokens, other, titles=titles))
        self._comparison.show(views.comparison_html(tokens, self.other_tokens, titles=titles))
        return len(self.other_tokens)

    def _look_at(self, place):
        """Show the table behind a token, and offer what else could be taken there."""
        with self._lock:
            token = None if place is None or place >= len(self.tokens) else self.tokens[place]
            rows = token.candidates.rows if token and token.candidates else ()
            self.controls["take"].options = fork_offers(token)
            self.controls["take"].disabled = self.controls["fork"].disabled = token is None
            self._table.show(five_columns_html(token.candidates) if rows else "")


def filmstrip_widget(
    backbone: Any, input_ids: Sequence[int], settings: GenerationSettings
) -> FilmstripView | StaticView:
    """Write a text, show it as a filmstrip, look behind each token, and let it end in another way from any of them.

    settings: max_new_tokens says how long the text may be; the seed of None becomes 0. See FilmstripView for the parts.
    """
    if ipywidgets_or_none() is not None:
        return FilmstripView(backbone, input_ids, settings)
    try:
        tokens = _whole(written(backbone, input_ids, settings.change(seed=settings.seed or 0)))
    except NanoChatError as error:
        return StaticView(message(str(error)), ())
    return StaticView(views.filmstrip_html(tokens), tokens)


def comparison_widget(
    backbone: Any, input_ids: Sequence[int], first: GenerationSettings, second: GenerationSettings
) -> StaticView:
    """Write a text with each of two settings and show where they part; above each stands what is set differently.

    A seed of None becomes 0. data: the tokens of both texts.
    """
    names = [field.name for field in fields(first) if getattr(first, field.name) != getattr(second, field.name)]
    both = [
        (settings.change(seed=settings.seed or 0), ", ".join(f"{name}={getattr(settings, name)!r}" for name in names))
        for settings in (first, second)
    ]
    try:
        texts = [_whole(written(backbone, input_ids, settings)) for settings, _ in both]
    except NanoChatError as error:
        return StaticView(message(str(error)), ((), ()))
    titles = tuple(title or settings.as_code() for settings, title in both)
    return StaticView(views.comparison_html(*texts, titles=titles), tuple(texts))


def _whole(growing):
    *_, tokens = (), *growing
    return tokens


def fork_offers(token: FilmToken | None) -> list[tuple[str, int]]:
    """What a fork could take in place of a token: other luck, or one of the candidates; as labels and token ids."""
    rows = token.candidates.rows if token and token.candidates else ()
    others = [
        (views.sentence(FilmToken(row.token_id, row.text, row.own_prob)), row.token_id)
        for row in rows
        if row.token_id != token.token_id
    ]
    return [(tr("other luck"), OTHER_LUCK), *others]


def fork_controls() -> dict[str, Any]:
    """What to take instead at the chosen place, and the button that does it; both wait for a token to be chosen."""
    widgets = ipywidgets_or_none()
    return {
        "take": widgets.Dropdown(
            options=fork_offers(None),
            description=tr("take instead"),
            disabled=True,
            style={"description_width": WIDE},
            layout=widgets.Layout(width="24em", max_width="100%"),
        ),
        "fork": widgets.Button(
            description=tr("Fork here"),
            disabled=True,
            tooltip=tr("Keep the text up to the chosen token and write another ending"),
        ),
    }


def _buttons(widgets):
    """The controls apart from the slider."""
    return {
        "write": widgets.Button(description=tr("Write again"), tooltip=tr("Write the text with this seed")),
        "stop": widgets.Button(description=tr("Stop"), tooltip=tr("Stop writing"), disabled=True),
        **fork_controls(),
    }
