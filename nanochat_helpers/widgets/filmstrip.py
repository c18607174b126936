"""The live filmstrip: a text as a row of buttons, one a token, that can be clicked and walked through with Tab.

In: FilmTokens (see `views.filmstrip`), again and again while a text grows. Out: a box for a notebook cell, and calls
when a token is chosen. Buttons, because HTML in a widget cannot tell that it was clicked.
"""

import html
import threading
from collections.abc import Callable, Sequence
from functools import partial

from ..views import filmstrip as views
from ..views.filmstrip import FilmToken
from .live import Shown, ipywidgets_or_none

HINT = "Click a token, or move to it with Tab and press Enter."


class Filmstrip(Shown):
    """A text as chips that can be chosen; chips stay where they are, and only what changed is sent to the page.

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
        self.box = widgets.VBox([*frame, widgets.HTML(views.KEY)], layout=widgets.Layout(width="100%"))
        self.box.add_class("nc-film")
        self._refresh()

    @property
    def tokens(self) -> tuple[FilmToken, ...]:
        """The text that is shown."""
        return self._tokens

    @property
    def selected(self) -> int | None:
        """The place of the token that was chosen, from 0; None while there is none."""
        return self._selected

    @property
    def html(self) -> str:
        """The same as a picture that stands still."""
        return views.filmstrip_html(self._tokens, selected=self._selected, first_difference=self._first_difference)

    def show(self, tokens: Sequence[FilmToken], *, first_difference: int | None = None) -> None:
        """Show a text in place of the one before. first_difference: the place of a chip that gets a mark.

        The chosen place stays chosen as long as the text reaches it.
        """
        with self._lock:
            self._tokens, self._first_difference = tuple(tokens), first_difference
            if self._selected is not None and self._selected >= len(self._tokens):
                self._selected = None
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
        if self._selected is not None:
            token = self._tokens[self._selected]
            return f"<b>token {self._selected + 1}:</b> {html.escape(views.sentence(token))}"
        return HINT if self._tokens else "No tokens yet."
