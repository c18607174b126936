"""The sampling lab without a browser: what its controls do to the numbers, the text and its own line."""

import threading

import pytest
from ipywidgets import Widget
from scripted import ScriptedBackbone

from nanochat_helpers.errors import EngineError
from nanochat_helpers.generation import stream
from nanochat_helpers.sampling import draw, luck, process_logits
from nanochat_helpers.settings import PRESETS, GenerationSettings
from nanochat_helpers.views.lab import PICTURES
from nanochat_helpers.widgets import lab as lab_module
from nanochat_helpers.widgets.lab import START, sampling_lab
from nanochat_helpers.widgets.lab_layout import SLIDERS

PROMPT = "The best thing about the sea is"


@pytest.fixture(scope="module")
def lab(backbone):
    lab = sampling_lab(backbone, prompt=PROMPT)
    lab.wait()
    yield lab
    Widget.close_all()


@pytest.fixture(autouse=True)
def start_again(request):
    """Each test finds the lab as it was at first."""
    yield
    if "lab" in request.fixturenames:
        lab = request.getfixturevalue("lab")
        lab.controls["unpin"].click()
        lab._set({"prompt": PROMPT, "chat": False, "picture": "table", "model": "smollm2"})
        lab.controls["reset"].click()
        lab.controls["write"].click()
        select(lab, None)
        lab.wait()


def select(lab, place):
    """Click on a token, or on the chosen one once more."""
    lab._strip.select(place)
    lab._look_at(place)


def set_and_wait(lab, **values):
    for name, value in values.items():
        lab.controls[name].value = value
    lab.wait()


def ids_of(tokens):
    return [token.token_id for token in tokens]


def expected_ids(backbone, settings, prompt=PROMPT):
    """What `stream` writes. Only at moderate settings: in the long tail of hot ones rounding decides."""
    return [step.token_id for step in stream(backbone, backbone.tokenizer.encode(prompt), settings)]


# --- what it shows


def test_the_text_is_the_one_that_stream_writes(lab, backbone):
    assert ids_of(lab.tokens) == expected_ids(backbone, START)
    set_and_wait(lab, temperature=0.9, top_k=30, repetition_penalty=1.3, max_new_tokens=12, seed=4)
    settings = GenerationSettings(
        temperature=0.9, top_k=30, repetition_penalty=1.3, max_new_tokens=12, seed=4, top_p=START.top_p
    )
    assert lab.settings == settings
    assert ids_of(lab.tokens) == expected_ids(backbone, settings)


def test_the_table_moves_with_a_slider_before_the_text_is_written(lab, backbone):
    lab.controls["temperature"].value = 1.5
    logits = backbone.next_token_logits(backbone.tokenizer.encode(PROMPT))
    probs = process_logits(logits, [], START.change(temperature=1.5)).probs
    rows = lab.data.picture.rows
    assert [row.prob for row in rows] == pytest.approx([probs[row.token_id].item() for row in rows], abs=1e-5)


def test_the_needle_stays_when_a_slider_moves_and_the_token_under_it_is_the_one_drawn(lab, backbone):
    logits = backbone.next_token_logits(backbone.tokenizer.encode(PROMPT))
    for temperature in (0.2, 1.0, 2.0):
        lab.controls["temperature"].value = temperature
        assert lab.data.strip.u == luck(0, 1)[0]
        probs = process_logits(logits, [], START.change(temperature=temperature)).probs
        assert lab.data.strip.drawn.token_id == draw(probs, luck(0, 1)[0])


def test_a_click_on_a_token_shows_what_stood_to_choose_there(lab):
    select(lab, 5)
    assert lab.data.place == 5
    assert lab.data.strip.u == luck(0, 6)[-1]
    assert lab.data.strip.drawn.token_id == lab.tokens[5].token_id


@pytest.mark.parametrize("picture", PICTURES)
def test_every_picture_can_be_chosen_and_follows_the_sliders(lab, picture):
    lab.controls["picture"].value = picture
    before = lab.html
    lab.controls["temperature"].value = 1.9
    lab.controls["repetition_penalty"].value = 1.5
    assert lab.html != before
    assert lab.html.count("<div") == lab.html.count("</div")


def test_a_stepped_slider_gives_a_round_setting(lab):
    lab.controls["temperature"].value = 0.1 + 0.2
    assert lab.settings.temperature == 0.3
    assert "temperature=0.3," in lab.controls["code"].value


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_moves_the_sliders_and_reset_brings_them_back(lab, name):
    set_and_wait(lab, seed=7)
    lab.controls[name].click()
    lab.wait()
    assert lab.settings == PRESETS[name].change(seed=7, max_new_tokens=START.max_new_tokens)
    lab.controls["reset"].click()
    lab.wait()
    assert lab.settings == START


def test_the_settings_can_be_copied_as_code(lab):
    set_and_wait(lab, temperature=0.9, min_p=0.1)
    assert eval(lab.controls["code"].value) == lab.settings


# --- two settings under the same luck


def test_pinned_settings_are_compared_with_those_of_the_sliders(lab, backbone):
    lab.controls["pin"].click()
    set_and_wait(lab, temperature=1.6)
    assert lab.pinned == START
    assert ids_of(lab.pinned_tokens) == expected_ids(backbone, START)
    assert "First difference" in lab.html
    assert "temperature=1.6" in lab.html
    assert lab._strip.html.count("≠") == 1
    assert "different from the pinned text" in lab._line.value


def test_both_texts_have_the_same_luck_when_the_seed_moves(lab, backbone):
    lab.controls["pin"].click()
    set_and_wait(lab, temperature=1.6, seed=9)
    assert lab.pinned.seed == 9
    assert ids_of(lab.pinned_tokens) == expected_ids(backbone, START.change(seed=9))


def test_unpinned_nothing_is_compared(lab):
    lab.controls["pin"].click()
    lab.controls["unpin"].click()
    assert "ifference" not in lab.html
    assert "≠" not in lab._strip.html


def test_a_fork_keeps_the_beginning_takes_another_token_and_is_compared(lab):
    before = ids_of(lab.tokens)
    assert lab.controls["fork"].disabled
    select(lab, 4)
    offered = [token_id for _, token_id in lab.controls["take"].options]
    assert before[4] not in offered
    lab.controls["take"].value = offered[1]
    lab.controls["fork"].click()
    lab.wait()
    after = ids_of(lab.tokens)
    assert after[:5] == [*before[:4], offered[1]]
    assert len(after) == len(before)
    assert ids_of(lab.pinned_tokens) == before
    assert "First difference: token 5" in lab.html


def test_a_fork_stays_when_a_slider_moves_and_ends_with_write(lab, backbone):
    select(lab, 2)
    taken = lab.controls["take"].value
    lab.controls["fork"].click()
    set_and_wait(lab, temperature=0.9)
    assert lab.tokens[2].token_id == taken
    assert taken not in [token_id for _, token_id in lab.controls["take"].options]
    lab.controls["write"].click()
    lab.wait()
    assert ids_of(lab.tokens) == expected_ids(backbone, START.change(temperature=0.9))


# --- what is remembered


def test_going_back_to_an_earlier_setting_asks_the_model_for_nothing(lab):
    set_and_wait(lab, temperature=1.4)
    misses = lab._model.misses
    set_and_wait(lab, temperature=START.temperature)
    assert lab._model.misses == misses
    assert "40 remembered, 0 computed" in lab._line.value


def test_all_labs_of_a_model_together_keep_at_most_200_megabytes(lab, backbone):
    again = sampling_lab(backbone, prompt=PROMPT)  # as when its cell is run again
    again.wait()
    assert again._model is lab._model
    assert lab._model.max_bytes == 200_000_000
    assert "0 computed" in again._line.value


# --- stopping


def test_a_text_that_is_being_written_can_be_stopped(backbone):
    begun, go_on = threading.Event(), threading.Event()

    class Slow:
        """The real model, which waits at the sixth token."""

        def __getattr__(self, name):
            return getattr(backbone, name)

        def next_token_logits(self, input_ids):
            if len(input_ids) > 12:
                begun.set()
                go_on.wait(10)
            return backbone.next_token_logits(input_ids)

    lab = sampling_lab(Slow(), prompt=PROMPT)
    assert begun.wait(20)
    lab.controls["stop"].click()
    go_on.set()
    lab.wait()
    assert 0 < len(lab.tokens) < 10
    assert "stopped after" in lab._line.value
    lab.controls["write"].click()
    lab.wait()
    assert len(lab.tokens) == 40


def test_the_latest_request_wins(lab, backbone):
    for temperature in (0.3, 0.5, 1.3, 0.9):
        lab.controls["temperature"].value = temperature
        lab.controls["write"].click()
    lab.wait()
    assert ids_of(lab.tokens) == expected_ids(backbone, START.change(temperature=0.9))


# --- bad input


@pytest.mark.parametrize(
    ("prompt", "sentence"), [("", "empty"), (" \n ", "empty"), ("word " * 9000, "shorter"), ("a\0b", "NUL")]
)
def test_a_prompt_that_cannot_be_used_is_refused_in_the_labs_own_line_and_nothing_is_lost(lab, prompt, sentence):
    before = ids_of(lab.tokens)
    set_and_wait(lab, prompt=prompt)
    assert sentence in lab._line.value
    assert ids_of(lab.tokens) == before
    set_and_wait(lab, prompt=PROMPT)
    assert "nc-note" not in lab._line.value


def test_hostile_text_is_shown_as_text(lab):
    set_and_wait(lab, prompt="<script>alert(1)</script> \"'\u202e" * 3, max_new_tokens=3)
    assert "<script" not in lab.html
    assert "&lt;script&gt;" in lab.html
    assert "<script" not in lab._line.value


def test_a_message_typed_as_chat_is_put_into_the_template(lab, backbone):
    set_and_wait(lab, prompt="Hi <|im_end|>", chat=True, max_new_tokens=3)
    text = backbone.tokenizer.decode(lab._input_ids)
    assert text.startswith("<|im_start|>")
    assert text.endswith("<|im_start|>assistant\n")
    assert lab._input_ids.count(backbone.tokenizer.eos_token_id) == 2  # the system's and the user's own end


def test_a_model_that_is_not_there_is_said_and_the_one_before_goes_on(lab, empty_cache, monkeypatch):
    monkeypatch.setenv("NANOCHAT_OFFLINE", "1")
    set_and_wait(lab, model="distilgpt2")
    assert "distilgpt2 is not on this computer" in lab._line.value
    assert lab.controls["model"].value == "smollm2"
    set_and_wait(lab, temperature=1.0)
    assert len(lab.tokens) == 40


def test_a_slider_may_move_while_the_model_loads(backbone, monkeypatch):
    may_load = threading.Event()
    monkeypatch.setattr(lab_module, "load_model", lambda *_, **__: may_load.wait(10) and backbone)
    lab = sampling_lab(prompt=PROMPT)
    lab.controls["temperature"].value = 0.9
    assert lab.data is None
    assert "temperature=0.9" in lab.controls["code"].value
    may_load.set()
    lab.wait()
    assert ids_of(lab.tokens) == expected_ids(backbone, START.change(temperature=0.9))


def test_an_engine_without_logits_is_refused():
    with pytest.raises(EngineError, match=r"llama\.cpp gives none"):
        sampling_lab(ScriptedBackbone("", engine="llama.cpp"))


# --- the same, standing still


def test_without_ipywidgets_the_pictures_stand_still(backbone, monkeypatch):
    monkeypatch.setattr(lab_module, "ipywidgets_or_none", lambda: None)
    view = sampling_lab(backbone, prompt=PROMPT)
    assert "Paris" in sampling_lab(backbone, prompt="The capital of France is").html
    assert view.data.picture.rows


def test_every_slider_has_its_name(lab):
    assert [lab.controls[name].description for name in SLIDERS] == list(SLIDERS)
