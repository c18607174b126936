"""The sampling lab: move a slider and see, over the whole vocabulary, what it does to the choice of the next token.

It joins the pictures of step 5 around one prompt. While a slider moves, they are drawn from logits that are kept; once
it rests, the text is written again, token by token. The pictures are in `views`, the arrangement in `lab_layout`.
"""

import html
import threading
import time
from typing import Any

from ..backbones import check_can_write
from ..backbones.logits_cache import LogitsCache
from ..errors import EngineError, MessageError, ModelMissingError, NanoChatError
from ..generation import stream
from ..language import tr
from ..models import CATALOGUE, find_model, load_model
from ..prompts import encode_beginning, encode_prompt
from ..settings import PRESETS, GenerationSettings
from ..views.filmstrip import comparison_data, comparison_html, take_instead
from ..views.lab import lab_data, lab_html, written_html
from ..views.markup import count, message
from .controls import change_settings
from .filmstrip import Filmstrip, fork_offers
from .lab_layout import SLIDERS, arrange, make_controls
from .live import Picture, Shown, StaticView, Worker, ipywidgets_or_none, seldom
from .writing import written

START = GenerationSettings(max_new_tokens=40, seed=0)
REST = 0.3  # seconds without a change after which the text is written again


def sampling_lab(backbone: Any = None, *, prompt: str = "The capital of France is") -> "SamplingLab | StaticView":
    """Open the lab with a backbone, or the name of a model; without, it loads SmolLM2 itself.

    Every control is in `controls` under its name; `wait()` blocks until nothing is being written.
    """
    if isinstance(backbone, str):
        backbone = load_model(backbone)
    if ipywidgets_or_none() is None:
        return _standing_still(backbone or load_model("smollm2"), prompt)
    return SamplingLab(backbone, prompt)


class SamplingLab(Shown):
    """The lab as one widget.

    data: the numbers of the pictures as they stand. tokens: the text, one FilmToken each.
    pinned: the settings that are compared with, or None; pinned_tokens: their text, under the same luck.
    place: which token of the text the pictures are about, 0 for the first one after the prompt.
    """

    def __init__(self, backbone: Any, prompt: str):
        widgets = ipywidgets_or_none()
        names = dict.fromkeys([backbone.name] if backbone else [])
        names |= dict.fromkeys(name for name, card in CATALOGUE.items() if card.family == "decoder")
        self.controls = make_controls(prompt, list(names), START)
        self.data, self.tokens, self.place = None, (), 0
        self.pinned, self.pinned_tokens = None, ()
        self._beginning, self._pinned_beginning = (), ()  # tokens that are given since a fork
        self._told = ""
        self._backbones, self._model, self._input_ids = {}, None, []
        self._lock = threading.RLock()  # callbacks of controls and the worker come from different threads
        self._worker, self._listening = Worker(), True
        self._picture, self._comparison, self._strip = Picture(), Picture(), Filmstrip()
        self._line, self._text = widgets.HTML(), Picture()
        self.box = arrange(
            self.controls, picture=self._picture.box, line=self._line, text=self._text.box, strip=self._strip.box,
            comparison=self._comparison.box,
        )  # fmt: skip
        self._connect()
        if backbone:
            self._open(backbone)
        self._rewrite()

    @property
    def html(self) -> str:
        """The pictures and the text as they are now."""
        return self._picture.html + self._text.html + self._comparison.html

    @property
    def settings(self) -> GenerationSettings:
        """What the sliders say now."""
        return change_settings(START, {name: self.controls[name].value for name in SLIDERS})

    def wait(self, timeout: float = 60.0) -> None:
        """Block until nothing is being loaded or written. Raises TimeoutError."""
        self._worker.wait(timeout)

    # --- what the controls do

    def _connect(self):
        for name in SLIDERS:
            self.controls[name].observe(self._slider_moved, names="value")
        for name in ("prompt", "chat", "model"):
            self.controls[name].observe(self._text_changed, names="value")
        for name in PRESETS:
            self.controls[name].on_click(lambda _, name=name: self._move_sliders(PRESETS[name], SLIDERS[:5]))
        self.controls["reset"].on_click(lambda _: self._move_sliders(START, SLIDERS))
        self.controls["picture"].observe(lambda _: self._draw(), names="value")
        self.controls["write"].on_click(lambda _: self._write_anew())
        self.controls["stop"].on_click(lambda _: self._worker.stop())
        self.controls["pin"].on_click(lambda _: self._pin(self.settings))
        self.controls["unpin"].on_click(lambda _: self._pin(None))
        self.controls["fork"].on_click(lambda _: self._fork())
        self._strip.on_select(self._look_at)

    def _slider_moved(self, _change):
        if self._listening:
            self._draw()
            self._rewrite(after=REST)

    def _text_changed(self, _change):
        if self._listening:
            self._rewrite(after=REST)

    def _move_sliders(self, settings, names):
        self._set({name: getattr(settings, name) for name in names})
        self._draw()
        self._rewrite()

    def _set(self, values):
        """Move controls without answering to each of them."""
        self._listening = False
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._listening = True

    def _look_at(self, place):
        self.place = place or 0
        offers = [] if place is None or place >= len(self.tokens) else fork_offers(self.tokens[place])[1:]
        take, fork = self.controls["take"], self.controls["fork"]
        if take.options != tuple(offers):
            take.options = offers
            take.value = offers[0][1] if offers else None
        take.disabled = fork.disabled = not offers
        self._draw()

    def _write_anew(self):
        self._beginning = ()
        self._rewrite()

    def _pin(self, settings):
        self.pinned, self._pinned_beginning = settings, self._beginning
        self.pinned_tokens = self.tokens if settings else ()
        self._compare()

    def _fork(self):
        place, tokens, instead = self._strip.selected, self.tokens, self.controls["take"].value
        if place is None or place >= len(tokens) or instead is None:
            return
        self._pin(self.settings)
        self._beginning = (*tokens[:place], take_instead(tokens[place], instead, self._model.tokenizer))
        self._rewrite()

    # --- the work, on a thread of its own

    def _rewrite(self, *, after=0.0):
        self._worker.start(self._work, after=after)

    def _work(self, cancel):
        try:
            self._choose_model()
            self._read_prompt()
            self._draw()
            settings, start, misses = self.settings, time.monotonic(), self._model.misses
            self.tokens = self._write(settings, self._beginning, cancel, self._show_text)
            taken = time.monotonic() - start, self._model.misses - misses
            self._told = self._account(*taken, stopped=cancel.is_set())
            self._say(self._told)
            if self.pinned and not cancel.is_set():
                self.pinned = self.pinned.change(seed=settings.seed)  # the same luck for both
                self.pinned_tokens = self._write(self.pinned, self._pinned_beginning, cancel)
            self._compare()
            self._look_at(self._strip.selected)
        except NanoChatError as error:
            self._say(str(error), is_error=True)

    def _choose_model(self):
        name = self.controls["model"].value
        if self._model is not None and self._model.name == name:
            return
        try:
            if name not in self._backbones and find_model(name) is None:
                raise ModelMissingError(
                    f"{name} is not on this computer. In a cell of its own, run: "
                    f"from nanochat_helpers.models import fetch_model; fetch_model({name!r}). Then choose it again."
                )
            self._say(tr("loading {name} …", name=name))
            self._open(self._backbones.get(name) or load_model(name, engine="transformers", show_progress=False))
        except NanoChatError:
            if self._model is not None:
                self._set({"model": self._model.name})  # what worked before still does
            raise

    def _open(self, backbone):
        check_can_write(backbone.name, backbone.family)
        if backbone.engine != "transformers":
            raise EngineError(f"The lab needs logits, and {backbone.engine} gives none: use load_model('smollm2').")
        self._backbones[backbone.name] = backbone
        self._model, self._input_ids = LogitsCache.of(backbone), []

    def _read_prompt(self):
        text, tokenizer = self.controls["prompt"].value, self._model.tokenizer
        if not text.strip():
            raise MessageError("The prompt is empty: type the beginning of a text, and the model goes on from there.")
        if self.controls["chat"].value:
            input_ids = encode_prompt([{"role": "user", "content": text}], tokenizer).input_ids
        else:
            input_ids = encode_beginning(text, tokenizer)
        if input_ids != self._input_ids:
            self._say(tr("reading {tokens} …", tokens=count(len(input_ids), "token")))
            next(stream(self._model, input_ids, self.settings))  # says so if the prompt is too long
            self._input_ids, self.tokens, self.place = input_ids, (), 0
            self._beginning = self._pinned_beginning = ()

    def _write(self, settings, beginning, cancel, show=lambda tokens: None):
        """Write a text token by token, showing it a few times a second."""
        tokens = ()
        for tokens in seldom(written(self._model, self._input_ids, settings, cancel, beginning)):
            show(tokens)
        return tokens

    def _account(self, seconds, n_computed, *, stopped):
        n_computed = min(n_computed, len(self.tokens))  # another lab may have asked the model meanwhile
        numbers = {
            "tokens": count(len(self.tokens), "token"),
            "seconds": seconds,
            "remembered": len(self.tokens) - n_computed,
            "computed": n_computed,
        }
        if stopped:
            return tr(
                "stopped after {tokens} in {seconds:.1f} s: {remembered} remembered, {computed} computed", **numbers
            )
        return tr("{tokens} in {seconds:.1f} s: {remembered} remembered, {computed} computed", **numbers)

    # --- what is shown

    def _draw(self):
        """The pictures for the token at `place`, with the settings as they are now."""
        with self._lock:
            settings = self.settings
            self.controls["code"].value = settings.as_code()
            if not self._input_ids:
                return
            new_ids = [token.token_id for token in self.tokens[: self.place]]
            logits = self._model.next_token_logits(self._input_ids + new_ids)
            self.data = lab_data(
                logits, self._model.tokenizer, settings, prompt_ids=self._input_ids, new_ids=new_ids,
                picture=self.controls["picture"].value,
            )  # fmt: skip
            self._picture.show(lab_html(self.data))

    def _show_text(self, tokens):
        self._strip.show(tokens)
        written = self._model.tokenizer.decode([token.token_id for token in tokens], skip_special_tokens=True)
        self._text.show(written_html(self.controls["prompt"].value, written))

    def _compare(self):
        if self.pinned is None:
            self._comparison.show("")
            self._strip.show(self.tokens)
            return
        titles = _title(self.pinned, self._pinned_beginning), _title(self.settings, self._beginning)
        self._comparison.show(comparison_html(self.pinned_tokens, self.tokens, titles=titles))
        place = comparison_data(self.pinned_tokens, self.tokens)
        self._strip.show(self.tokens, first_difference=place)
        if place is None:
            self._say(tr("{told}; the same as the pinned text", told=self._told))
        else:
            self._say(tr("{told}; from token {n} on different from the pinned text", told=self._told, n=place + 1))

    def _say(self, text, *, is_error=False):
        shown = f'<span style="font-size:14px">{html.escape(text)}</span>'
        self._line.value = message(text) if is_error else shown


def _title(settings, beginning):
    """The settings of a text, and where it was forked."""
    if not beginning:
        return settings.as_code()
    fork = tr("token {n} is {text}", n=len(beginning), text=repr(beginning[-1].text))
    return f"{settings.as_code()}  # {fork}"


def _standing_still(backbone, prompt):
    input_ids = encode_beginning(prompt, backbone.tokenizer)
    logits = backbone.next_token_logits(input_ids)
    data = lab_data(logits, backbone.tokenizer, START, prompt_ids=input_ids, new_ids=[])
    return StaticView(lab_html(data), data)
