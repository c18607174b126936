"""The filmstrip and the comparison of two texts: what they show, and that hostile text stays text."""

import pytest
import torch
from scripted import ByteTokenizer, ScriptedBackbone

from nanochat_helpers.generation import GenerationStep, stream
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.views.filmstrip import (
    FilmToken,
    chip_classes,
    chip_label,
    comparison_data,
    comparison_html,
    film_token,
    filmstrip_data,
    filmstrip_html,
    sentence,
)

TOY = ["a", "b", "c", "d"]
OFF = GenerationSettings(temperature=1.0, top_p=1.0)


def words(*ids):
    return [FilmToken(token_id, TOY[token_id], 0.5, 1.0) for token_id in ids]


def toy_step(logits, token_id, settings=OFF, used_ids=()):
    logits = torch.tensor(logits)
    given = {"logits": logits, "used_ids": tuple(used_ids), "settings": settings}
    return GenerationStep(token_id, TOY[token_id], logits.softmax(0)[token_id].item(), **given)


# --- data


def test_the_entropy_is_that_of_the_models_own_probabilities():
    cold = GenerationSettings(temperature=0.1, top_p=0.5)
    token = film_token(toy_step([2.0, 2.0, 2.0, 2.0], 1, cold), TOY)
    assert (token.text, token.prob, token.entropy) == ("b", pytest.approx(0.25), pytest.approx(2.0))


def test_the_candidates_are_those_of_the_settings_and_the_used_tokens():
    settings = OFF.change(repetition_penalty=2.0)
    token = film_token(toy_step([3.0, 2.0, 1.0, 0.0], 0, settings, [0]), TOY)
    assert [(row.text, row.penalised, row.used) for row in token.candidates.rows][:2] == [
        ("a", 1.5, True),
        ("b", 2.0, False),
    ]


@pytest.mark.parametrize(("penalise_prompt", "used"), [(True, {72, 65}), (False, {65})])
def test_a_tokens_table_counts_what_the_loop_counted_as_used(penalise_prompt, used):
    logits = torch.zeros(258)
    logits[65], logits[72], logits[90] = 9.0, 8.0, 7.0
    backbone = ScriptedBackbone(lambda ids: logits)
    settings = OFF.change(max_new_tokens=2, temperature=0.0, repetition_penalty=1.1, penalise_prompt=penalise_prompt)
    tokens = filmstrip_data(stream(backbone, [72], settings), backbone.tokenizer)
    assert tokens[0].token_id == 65
    assert {row.token_id for row in tokens[1].candidates.rows if row.used} == used
    assert tokens[1].candidates.settings == settings


def test_a_character_over_several_tokens_is_shown_by_its_bytes(smollm2_tokenizer):
    ids = smollm2_tokenizer.encode("😀")
    steps = [GenerationStep(token_id, "", 0.5) for token_id in ids]
    tokens = filmstrip_data(steps, smollm2_tokenizer)
    assert b"".join(token.bytes for token in tokens) == "😀".encode()
    assert [chip_label(token) for token in tokens] == ["F0 9F", "98", "80"]
    assert "😀" in comparison_html(tokens, tokens)


def test_where_the_engine_keeps_its_logits_there_is_a_chip_without_numbers():
    backbone = ScriptedBackbone("Hi", engine="llama.cpp")
    tokens = filmstrip_data(stream(backbone, [1], OFF), backbone.tokenizer)
    assert [(token.text, token.entropy, token.candidates) for token in tokens[:2]] == [
        ("H", None, None),
        ("i", None, None),
    ]
    assert "bits" not in sentence(tokens[0])
    assert sentence(FilmToken(0, "a")) == "'a'"
    assert "<div" in filmstrip_html(tokens)


def test_control_tokens_and_numbers_beyond_the_vocabulary_have_a_chip():
    tokenizer, logits = ByteTokenizer(), torch.zeros(300)
    steps = (GenerationStep(token_id, "", 0.1, logits=logits, settings=OFF) for token_id in (257, 299))
    end, beyond = filmstrip_data(steps, tokenizer)
    assert (end.text, end.is_special) == ("<|im_end|>", True)
    assert (beyond.text, beyond.is_special, beyond.bytes) == ("id 299", False, b"id 299")


@pytest.mark.parametrize(
    ("a", "b", "place"),
    [
        (words(0, 1, 2), words(0, 1, 2), None),
        (words(0, 1, 2), words(0, 2, 2), 1),
        (words(0, 1), words(0, 1, 2), 2),
        (words(0, 1, 2), words(0, 1), 2),
        (words(3), words(0), 0),
        ([], words(0), 0),
        ([], [], None),
    ],
)
def test_the_first_difference(a, b, place):
    assert comparison_data(a, b) == place


# --- one chip


@pytest.mark.parametrize(
    ("prob", "shade"), [(0.0, 0), (0.0099, 0), (0.01, 1), (0.1, 2), (0.3, 3), (0.6, 4), (0.9, 5), (1.0, 5)]
)
def test_the_shade_tells_the_probability(prob, shade):
    assert f"nc-film-p{shade}" in chip_classes(FilmToken(0, "a", prob, 1.0))


@pytest.mark.parametrize(("bits", "height"), [(0.0, 0), (0.4, 0), (0.6, 1), (5.7, 6), (15.6, 12), (None, 0)])
def test_the_height_tells_the_entropy(bits, height):
    assert f"nc-film-h{height}" in chip_classes(FilmToken(0, "a", 0.5, bits))


@pytest.mark.parametrize(
    ("token", "label"),
    [
        (FilmToken(0, " Paris"), "·Paris"),
        (FilmToken(0, "\n\t"), "⏎⇥"),
        (FilmToken(0, "<b>&amp;"), "<b>&amp;"),
        (FilmToken(0, "\u202eabc"), "U+202Eabc"),
        (FilmToken(0, "F0 9F", raw=b"\xf0\x9f"), "F0 9F"),
        (FilmToken(0, "x" * 30), "x" * 20 + "…"),
    ],
)
def test_the_label_shows_every_character(token, label):
    assert chip_label(token) == label


@pytest.mark.parametrize(
    ("prob", "shown"),
    [(0.621, "62.1 %"), (1.0, "100.0 %"), (0.0, "0.0 %"), (0.0004, "0.04 %"), (0.00001, "below 0.01 %")],
)
def test_the_sentence_tells_the_numbers(prob, shown):
    assert sentence(FilmToken(0, " Paris", prob, 1.34)) == f"' Paris' · {shown} · entropy 1.3 bits"


# --- the strip


def test_every_token_has_a_chip_that_can_be_focused_and_says_its_numbers():
    drawn = filmstrip_html(words(0, 1, 2))
    assert drawn.count('tabindex="0"') == 3
    assert 'aria-label="token 2: &#x27;b&#x27; · 50.0 % · entropy 1.0 bits"' in drawn


def test_the_marks_are_told_in_words_too():
    drawn = filmstrip_html(words(0, 1, 2), selected=1, first_difference=2)
    assert "<b>token 2:</b>" in drawn
    assert "≠ c" in drawn and ", the first difference" in drawn
    assert "<b>token" not in filmstrip_html(words(0), selected=5)


def test_a_strip_without_tokens_says_so():
    assert "No tokens yet." in filmstrip_html([])


def test_a_long_text_is_cut_and_the_rest_is_counted():
    drawn = filmstrip_html(words(*[0] * 12), limit=10)
    assert drawn.count('tabindex="0"') == 10
    assert "2 tokens more" in drawn


# --- two texts


def test_the_first_differing_token_is_framed_and_numbered_in_both_texts():
    drawn = comparison_html(words(0, 1, 2), words(0, 1, 3), titles=("seed 0", "seed 1"))
    assert "First difference: token 3" in drawn
    assert drawn.count("<mark") == 2
    assert "<small>3</small>c</mark>" in drawn and "<small>3</small>d</mark>" in drawn
    assert "seed 0" in drawn and "seed 1" in drawn


def test_texts_that_are_the_same_have_no_mark():
    drawn = comparison_html(words(0, 1), words(0, 1))
    assert "No difference" in drawn and "2 tokens" in drawn
    assert "<mark" not in drawn


def test_a_text_that_ends_first_says_where_it_ends():
    assert "ends here" in comparison_html(words(0, 1), words(0))
    assert "ends here" not in comparison_html(words(0, 1), words(0, 2))


def test_the_words_can_be_read_and_half_characters_find_each_other():
    halves = [FilmToken(1, "F0 9F", 0.5, 1.0, raw=b"\xf0\x9f"), FilmToken(2, "98 80", 0.9, 1.0, raw=b"\x98\x80")]
    text = [FilmToken(0, " Hi", 0.5, 1.0), *halves, FilmToken(3, "\n", 0.5, 1.0)]
    drawn = comparison_html(text, text)
    assert ' Hi😀<span class="nc-sign">⏎</span>\n' in drawn
    cut = comparison_html(text, text[:2])  # the difference lies inside the character
    assert "F0 9F" in cut and "98 80" in cut and "\ufffd" not in cut


def test_control_tokens_are_pale_signs():
    end = FilmToken(9, "<|im_end|>", 0.9, 0.1, is_special=True)
    drawn = comparison_html([*words(0), end], words(0, 1))
    assert '<span class="nc-sign">&lt;|im_end|&gt;</span>' in drawn


@pytest.mark.parametrize(
    "draw", [filmstrip_html, lambda tokens: comparison_html(tokens, tokens[:1], titles=("<i>", '"'))]
)
@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "\"'><img src=x>", "\u202eabc", "x" * 10_000, "</style>"]
)
def test_hostile_text_is_shown_as_text(draw, text):
    drawn = draw([FilmToken(0, text, 0.5, 1.0), FilmToken(1, text, 0.5, 1.0, is_special=True)])
    assert "<script" not in drawn and "<img" not in drawn and "<i>" not in drawn
    assert "\u202e" not in drawn
    assert all(drawn.count(f"<{tag}") == drawn.count(f"</{tag}") for tag in ("span", "div", "mark"))
    assert drawn.count("</style>") == 2
