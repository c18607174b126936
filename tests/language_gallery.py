"""One of each live picture, made of Greek words: what is left in English letters is code, or was not translated.

In: nothing. Out: the pictures by name, and what a reader sees of one of them.
"""

from collections.abc import Iterator
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any

import torch
from scripted import ScriptedBackbone

from nanochat_helpers import widgets
from nanochat_helpers.chat import Chat
from nanochat_helpers.history import LastTurns, TokenBudget
from nanochat_helpers.passages import Passage
from nanochat_helpers.retrieval import BM25Search, Retriever
from nanochat_helpers.safety import Labelled, Safety
from nanochat_helpers.search_quality import Question, QuestionScore
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.views import bake_off, check, presenter, template_clinic, xray
from nanochat_helpers.widgets import live

GREEK = ["άλφα", "βήτα", "γάμμα", "δέλτα", "έψιλον", "ζήτα", "ήτα", "θήτα"]
LOGITS = torch.tensor([3.0, 2.5, 2.0, 1.0, 0.0, -1.0, -2.0, -3.0])
SHORT = GenerationSettings(max_new_tokens=4, seed=0)
ATTRIBUTES = ("aria-label", "title", "alt", "placeholder", "data-hint")
TRAITS = ("description", "tooltip", "placeholder", "value")


# --- what a reader sees


class _Reader(HTMLParser):
    """Collects what can be seen or is read out; not code, styles and scripts."""

    def __init__(self):
        super().__init__()
        self.parts, self._skipped = [], 0

    def handle_starttag(self, tag, attributes):
        self._skipped += tag in ("style", "code", "script")
        self.parts += [value for name, value in attributes if name in ATTRIBUTES and value]

    def handle_endtag(self, tag):
        self._skipped -= tag in ("style", "code", "script")

    def handle_data(self, data):
        if not self._skipped:
            self.parts.append(data)


def read(page: str) -> list[str]:
    """The texts of a page: between its tags and in those attributes that are shown or read out."""
    reader = _Reader()
    reader.feed(page)
    return reader.parts


def seen_in(picture: Any) -> Iterator[str]:
    """All texts of a page, a picture, a tree of ipywidgets, or several of them."""
    if isinstance(picture, str):
        yield from read(picture)
    elif isinstance(picture, (list, tuple)):
        for each in picture:
            yield from seen_in(each)
    else:
        yield from read(getattr(picture, "html", ""))
        yield from _seen_in_box(getattr(picture, "box", picture))


def _seen_in_box(box):
    for name in TRAITS:
        text = getattr(box, name, None)
        if isinstance(text, str) and not (name == "value" and hasattr(box, "_options_labels")):
            yield from read(text)
    yield from map(str, getattr(box, "_options_labels", ()))
    for child in getattr(box, "children", ()):
        yield from _seen_in_box(child)


# --- the pictures


def gallery() -> dict[str, Any]:
    """All widgets under their names in `nanochat_helpers.widgets`, and what else `views` draws."""
    return {**_sampling(), **_texts(), **_measured(), **_chats(), **_searches(), **_guesses(), **_others()}


def _sampling():
    given = LOGITS, GREEK, GenerationSettings(top_p=0.9, min_p=0.05, top_k=6, repetition_penalty=1.2)
    made = {
        name: getattr(widgets, name)(*given, input_ids=[0, 4])
        for name in ("five_columns_widget", "ghost_bars_widget", "roulette_widget", "draws_widget")
    }
    made["roulette_widget"] = [made["roulette_widget"], widgets.roulette_widget(*given[:2], u=0.999)]
    made["cumulative_cut_widget"] = [
        widgets.cumulative_cut_widget(LOGITS, GREEK, settings, n=2) for settings in (given[2], SHORT)
    ]
    made["penalty_arrows_widget"] = [
        widgets.penalty_arrows_widget(LOGITS, GREEK, SHORT.change(repetition_penalty=penalty), prompt_ids=used, n=3)
        for penalty, used in ((1.2, [0, 4, 5]), (1.2, []), (1.0, [0]), (0.8, [0]))
    ]
    return made


def _backbone(words="αβ", **more):
    return ScriptedBackbone(words, **more)


def _texts():
    backbone, ids = _backbone(), [1, 2]
    strip = widgets.filmstrip_widget(backbone, ids, SHORT)
    lab = widgets.sampling_lab(backbone, prompt="αβγ")
    for view in (strip, lab):
        view.wait()
    strip.strip.select(0)
    pictures = [lab]
    for name in lab.controls["picture"].options:
        lab.controls["picture"].value = name[1] if isinstance(name, tuple) else name
        pictures.append(lab.html)
    lab.controls["pin"].click()
    lab.wait()
    changed = SHORT.change(temperature=1.9)
    return {
        "filmstrip_widget": strip,
        "comparison_widget": widgets.comparison_widget(backbone, ids, SHORT, changed),
        "sampling_lab": [*pictures, lab],
        "chips_widget": widgets.chips_widget("αβ<|im_end|>", backbone.tokenizer),
        "ladder_widget": widgets.ladder_widget("αβγ", {"γ": backbone.tokenizer}),
        "merges_widget": [widgets.merges_widget("άλφα άλφα βήτα", n) for n in (0, 1, 30)],
    }


def _measured():
    backbone, ids = _backbone(), [1, 2]
    map_ = widgets.settings_map_widget(backbone, ids, temperatures=(0.0, 1.0), top_ps=(0.5,), n_seeds=1)
    clinic = widgets.template_clinic_widget(backbone, "αβγ;", n_seeds=2, max_new_tokens=6)
    ending = {"strategies": {"keep the last 2 turns": LastTurns(2), "drop the oldest": TokenBudget()}}
    fact = bake_off.Fact("άλφα", "βήτα", "γάμμα", "δέλτα")
    talk = {"fact": fact, "small_talk": [("ζήτα", "ήτα")], "n_seeds": 2, "max_tokens": 900}
    baked = widgets.bake_off_widget(backbone, 2, **ending, **talk)
    first = [list(seen_in(view)) for view in (map_, clinic, baked)]
    for view, button in ((map_, "draw"), (clinic, "run"), (baked, "play")):
        view.controls[button].click()
        view.wait()
    map_.select(0.0, 0.5)
    rounds = bake_off.bake_off_rounds_html([baked.data])
    return {
        "settings_map_widget": [*first[0], map_],
        "template_clinic_widget": [*first[1], clinic, template_clinic.standing_clinic_html(clinic.data)],
        "bake_off_widget": [*first[2], baked, rounds],
        "rounded_row_widget": [widgets.rounded_row_widget([0.1, 0.7, -0.4], bits) for bits in (4, 8)],
    }


def _chats():
    search = Retriever(BM25Search([Passage("άλφα βήτα", "γάμμα", "δέλτα")]))
    chat = Chat(_backbone("άλφα <|im_end|>  "), system="ζήτα", retriever=search)
    panel = widgets.chat_panel(chat)
    first = list(seen_in(panel))
    for message in ("άλφα a@b.gr", "βήτα"):
        panel.send(message)
        panel.wait()
    panel.edit(0)
    trace = chat.last_reply.trace
    view = widgets.xray_widget(trace)
    stations = [xray.xray_html(view.data, place) for place in range(len(view.data.stations))]
    strip = widgets.prompt_strip_widget(chat.messages, chat.backbone.tokenizer, max_length=150)
    raw = {"ζήτα": "Bot: ναι. ναι. ναι. ναι. <|im_end|>", "ήτα": "ναι"}
    return {
        "chat_panel": [*first, panel],
        "xray_widget": [view, *stations],
        "pipeline_map": widgets.pipeline_map(trace),
        "prompt_strip_widget": strip,
        "answer_view": widgets.answer_view(chat.last_reply),
        "edits_widget": widgets.edits_widget(raw),
        "edits_picture": widgets.edits_picture("ναι", []),
    }


def _searches():
    passages = [Passage("άλφα βήτα", "γάμμα", "1"), Passage("δέλτα", "γάμμα", "2")]
    scores = [QuestionScore(Question("άλφα;", "γάμμα", "άλφα", kind), score)
              for kind, score in (("same words", 0.7), ("no answer", 0.4), ("no answer", None))]  # fmt: skip
    safety, labelled = Safety(), [Labelled("άλφα a@b.gr", "email"), Labelled("βήτα")]
    return {
        "search_widget": widgets.search_widget([BM25Search(passages)] * 2, "άλφα;", min_score=0.5),
        "threshold_widget": widgets.threshold_widget(scores, 0.5),
        "safety_widget": widgets.safety_widget(safety, labelled, text="άλφα a@b.gr"),
        "marked_picture": [widgets.marked_picture(text, safety.input_rules) for text in ("άλφα", "a@b.gr")],
        "scores_picture": widgets.scores_picture(safety, labelled),
    }


def _guesses():
    asked = widgets.predict("άλφα;", ["βήτα", "γάμμα"])
    first = list(seen_in(asked))
    asked.guess = "βήτα"
    number = widgets.predict("ζήτα;", number=True, unit="ήτα")
    views = [widgets.prediction.predict_html(asked.revealed_data(truth)) for truth in ("βήτα", "γάμμα")]
    views.append(widgets.prediction.predict_html(number.revealed_data(7)))
    return {"predict": [*first, asked, number, *views]}


def _others():
    result = SimpleNamespace(
        exercise_id="04.3", title="άλφα", status="failed", sentence="βήτα", passed=False,
        rows=[("expected", "1")], hints=("γάμμα",), notes=("δέλτα",),
    )  # fmt: skip
    every = [(SimpleNamespace(**{**vars(result), "status": status}), 2) for status in check.WORDS]
    checks = [check.check_html(result), check.check_text(result)]
    progress = [draw("ζήτα", every, by_hand=2) for draw in (check.progress_html, check.progress_text)]
    wrong = {"workflow": "άλφα", "steps": [{"step": "tokenize"}]}
    return {
        "workflow_diagram": [widgets.workflow_diagram(spec) for spec in ({"workflow": "άλφα", "steps": []}, wrong)],
        "check": [*checks, *progress],
        "live": live.live_box([]),
        "presenter": list(presenter._words().values()),
    }
