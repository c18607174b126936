"""The lab's pictures in one piece: the right needle, the right tokens counted as used, and any text shown as text."""

import pytest
import torch
from scripted import ByteTokenizer

from nanochat_helpers.sampling import draw, luck, process_logits
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.views.candidates import Candidates
from nanochat_helpers.views.lab import PICTURES, lab_data, lab_html, written_html

TOKENIZER = ByteTokenizer()
LOGITS = torch.sin(torch.arange(258) * 0.7) * 4
SETTINGS = GenerationSettings(temperature=0.8, top_p=0.9, repetition_penalty=1.3, seed=3)
PROMPT, NEW = list(b"The sea"), list(b" is")


def data_of(settings=SETTINGS, picture="table"):
    return lab_data(LOGITS, TOKENIZER, settings, prompt_ids=PROMPT, new_ids=NEW, picture=picture)


def test_the_needle_is_the_one_that_the_seed_gives_to_this_place():
    data = data_of()
    needle = luck(3, 4)[3]
    probs = process_logits(LOGITS, PROMPT + NEW, SETTINGS).probs
    assert (data.place, data.strip.u) == (3, needle)
    assert data.strip.drawn.token_id == draw(probs, needle)


@pytest.mark.parametrize(("penalise_prompt", "used"), [(True, PROMPT + NEW), (False, NEW)])
def test_the_penalty_counts_the_tokens_that_the_settings_say(penalise_prompt, used):
    settings = SETTINGS.change(penalise_prompt=penalise_prompt)
    rows = data_of(settings).picture.rows
    probs = process_logits(LOGITS, used, settings).probs
    assert [row.prob for row in rows] == pytest.approx([probs[row.token_id].item() for row in rows])


@pytest.mark.parametrize("picture", PICTURES)
def test_each_picture_is_drawn_below_the_question_and_the_strip(picture):
    data = data_of(picture=picture)
    drawn = lab_html(data)
    assert isinstance(data.picture, Candidates) == (picture == "table")
    assert "What comes after" in drawn
    assert "token 4 of the text" in drawn
    assert "u = " in drawn
    assert drawn.count("<div") == drawn.count("</div")


def test_the_pictures_differ():
    assert len({lab_html(data_of(picture=picture)) for picture in PICTURES}) == len(PICTURES)


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "\"'<b>&amp;", "\u202eabc", "x" * 10_000])
def test_hostile_text_is_shown_as_text(text):
    data = lab_data(LOGITS, TOKENIZER, SETTINGS, prompt_ids=TOKENIZER.encode(text), new_ids=[])
    for drawn in (lab_html(data), written_html(text, text)):
        assert "<script" not in drawn
        assert "<b>&amp;amp;" not in drawn
        assert drawn.count("<p") == drawn.count("</p")
    assert len(lab_html(data)) < 60_000
