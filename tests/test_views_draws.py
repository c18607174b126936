"""1,000 draws: counted as `draw` counts, predicted by hand, and drawn so that noise can be seen as noise."""

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_views_tokens import Page

from nanochat_helpers.errors import SettingsError
from nanochat_helpers.sampling import draw, luck, process_logits
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.views.draws import DrawnRow, Draws, draws_data, draws_html
from nanochat_helpers.views.markup import split_styles

TOY = ["cat", "dog", "hat", "mat"]
OFF = GenerationSettings(temperature=1.0, top_p=1.0)


def from_probs(*probs):
    return torch.tensor(probs).log()


@pytest.fixture(scope="module")
def real_logits(backbone):
    return backbone.next_token_logits(backbone.tokenizer.encode("My favourite thing is"))


# --- by hand


def test_the_prediction_is_n_times_p_and_the_noise_is_two_standard_deviations():
    row = DrawnRow(0, "cat", prob=0.5, n_drawn=111, n_draws=100)
    assert row.predicted == 50
    assert row.noise == 10  # 2 · √(100 · 0.5 · 0.5)


@pytest.mark.parametrize(("n_drawn", "within"), [(40, True), (60, True), (39, False), (61, False)])
def test_a_count_within_the_noise_is_told_from_one_beyond_it(n_drawn, within):
    row = DrawnRow(0, "cat", prob=0.5, n_drawn=n_drawn, n_draws=100)
    assert row.within_noise == within
    assert ("beyond the noise" in Page(draws_html(Draws((row,), 100, 0))).labels[1]) != within


def test_what_is_certain_or_impossible_has_no_noise():
    assert DrawnRow(0, "cat", prob=1.0, n_drawn=100, n_draws=100).noise == 0
    assert DrawnRow(0, "cat", prob=1.0 + 1e-7, n_drawn=100, n_draws=100).within_noise
    assert not DrawnRow(0, "cat", prob=0.0, n_drawn=1, n_draws=100).within_noise


def test_a_few_draws_can_be_counted_by_hand():
    assert [round(u, 2) for u in luck(0, 5)] == [0.84, 0.76, 0.42, 0.26, 0.51]
    # The bar reads: dog up to 0.5, cat up to 0.8, hat up to 1.0.
    draws = draws_data(from_probs(0.3, 0.5, 0.2), TOY, OFF, n_draws=5, seed=0)
    assert [(row.text, row.n_drawn) for row in draws.rows] == [("dog", 2), ("cat", 2), ("hat", 1)]


def test_all_other_tokens_are_one_last_row():
    draws = draws_data(from_probs(0.1, 0.5, 0.3, 0.1), TOY, OFF, n=2)
    rest = draws.rows[-1]
    assert (rest.token_id, rest.text) == (None, "2 others")
    assert rest.prob == pytest.approx(0.2)


# --- what always holds


@given(
    st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=30),
    st.integers(0, 1000),
    st.floats(0, 3),
    st.floats(0.01, 1),
)
def test_the_counts_are_those_of_as_many_calls_of_draw(values, seed, temperature, top_p):
    logits = torch.tensor(values)
    settings = OFF.change(temperature=temperature if temperature >= 1e-5 else 0.0, top_p=top_p)
    draws = draws_data(logits, [""] * len(values), settings, n_draws=50, seed=seed, n=10)
    one_by_one = [draw(process_logits(logits, [], settings).probs, u) for u in luck(seed, 50)]
    for row in draws.rows:
        if row.token_id is not None:
            assert row.n_drawn == one_by_one.count(row.token_id)
    assert sum(row.n_drawn for row in draws.rows) == 50
    assert sum(row.prob for row in draws.rows) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("settings", [OFF, GenerationSettings(), OFF.change(temperature=2.0, top_p=0.99)])
def test_a_thousand_draws_of_the_real_model_are_a_thousand_calls_of_draw(real_logits, smollm2_tokenizer, settings):
    probs = process_logits(real_logits, [], settings).probs
    one_by_one = [draw(probs, u) for u in luck(7, 1000)]
    draws = draws_data(real_logits, smollm2_tokenizer, settings, seed=7)
    assert [row.n_drawn for row in draws.rows[:-1]] == [one_by_one.count(row.token_id) for row in draws.rows[:-1]]
    assert sum(row.n_drawn for row in draws.rows) == 1000


def test_most_counts_are_within_the_noise(real_logits, smollm2_tokenizer):
    many = [draws_data(real_logits, smollm2_tokenizer, OFF, seed=seed) for seed in range(20)]
    within = sum(draws.n_within_noise for draws in many) / sum(len(draws.rows) for draws in many)
    assert 0.9 < within < 0.99  # about 19 of 20


def test_the_same_seed_is_the_same_luck():
    logits = from_probs(0.4, 0.3, 0.2, 0.1)
    assert draws_data(logits, TOY, OFF, seed=3) == draws_data(logits, TOY, OFF, seed=3)
    assert draws_data(logits, TOY, OFF, seed=3).rows != draws_data(logits, TOY, OFF, seed=4).rows


@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {"temperature": 3.0}, {"top_k": 2}, {"top_p": 0.5}])
def test_rows_stay_where_they_are_while_settings_change(settings):
    logits = from_probs(0.1, 0.4, 0.2, 0.3)
    draws = draws_data(logits, TOY, OFF.change(**settings), n=3)
    assert [row.text for row in draws.rows] == ["dog", "mat", "hat", "1 other"]


def test_removed_tokens_are_predicted_and_drawn_never():
    draws = draws_data(from_probs(0.4, 0.3, 0.2, 0.1), TOY, OFF.change(temperature=0.0))
    assert [(row.predicted, row.n_drawn) for row in draws.rows] == [(1000, 1000), (0, 0), (0, 0), (0, 0)]
    assert draws.n_within_noise == 4
    few = draws_data(from_probs(0.4, 0.3, 0.2, 0.1), TOY, OFF.change(top_p=0.6), n=2)
    assert few.rows[-1].prob == 0


def test_the_penalty_counts_what_was_used():
    draws = draws_data(torch.tensor([4.0, 3.0]), TOY, OFF.change(repetition_penalty=2.0), input_ids=[0])
    assert [row.text for row in draws.rows] == ["dog", "cat"]


def test_stages_that_are_known_are_not_computed_again():
    logits = from_probs(0.4, 0.3, 0.2, 0.1)
    stages = process_logits(logits, [], OFF.change(temperature=0.0))
    assert draws_data(logits, TOY, OFF, stages=stages).rows[0].n_drawn == 1000


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n_draws": 0}])
def test_no_rows_and_no_draws_are_refused(wrong):
    with pytest.raises(SettingsError, match="=0 is not allowed"):
        draws_data(torch.zeros(4), TOY, OFF, **wrong)


# --- the drawing


def test_each_row_says_what_was_predicted_and_what_was_counted():
    rows = (DrawnRow(0, "cat", 0.9, 905, 1000), DrawnRow(1, "dog", 0.0004, 0, 1000), DrawnRow(2, "hat", 0.0, 0, 1000))
    page = Page(draws_html(Draws(rows, 1000, 5)))
    assert page.labels[1:] == [
        "'cat': predicted 900 ± 19, counted 905",
        "'dog': predicted 0.4 ± 1.3, counted 0",
        "'hat': predicted 0 ± 0, counted 0",
    ]
    assert "1,000 draws, seed 5" in page.text and "3 of 3 counts within" in page.text
    assert "900 ± 19905" in page.text


@pytest.mark.parametrize(("most", "end"), [(0.9, "1,000"), (0.4, "500"), (0.2, "250"), (0.05, "100"), (0.01, "50")])
def test_the_axis_is_as_long_as_the_tokens_need_it(most, end):
    rows = (DrawnRow(0, "cat", most, round(1000 * most), 1000), DrawnRow(None, "9 others", 1 - most, 0, 1000))
    assert f">{end}</span></div>" in draws_html(Draws(rows, 1000, 0))


def test_others_that_are_more_than_the_axis_is_long_are_torn_off_and_say_so():
    rows = (DrawnRow(0, "cat", 0.01, 10, 1000), DrawnRow(None, "9 others", 0.99, 990, 1000))
    page = Page(draws_html(Draws(rows, 1000, 0)))
    assert page.classes.count("nc-draw-torn") == 1
    assert "further than this axis" in page.text and "990" in page.text


def test_the_noise_to_expect_ends_where_all_draws_are_one_token():
    html = draws_html(Draws((DrawnRow(0, "cat", 0.9, 9, 10),), 10, 0))  # 9 ± 1.9
    assert '<u style="left:71.03%;width:28.97%">' in html


@given(st.lists(st.floats(-8, 8, width=32), min_size=1, max_size=20), st.integers(1, 50))
def test_nothing_is_drawn_outside_of_the_axis(values, n_draws):
    html = draws_html(draws_data(torch.tensor(values), [""] * len(values), OFF, n_draws=n_draws))
    places = [float(place) for place in re.findall(r'style="(?:left|width):([\d.e+-]+)%', html)]
    assert all(0 <= place <= 100.1 for place in places)
    brackets = re.findall(r'<u style="left:([\d.e+-]+)%;width:([\d.e+-]+)%', html)
    assert all(float(left) + float(width) <= 100.1 for left, width in brackets)
    Page(html)


def test_a_picture_of_the_real_model_is_small(real_logits, smollm2_tokenizer):
    html = draws_html(draws_data(real_logits, smollm2_tokenizer, OFF))
    assert len(split_styles(html)[1].encode()) < 10_240


def test_hostile_text_is_shown_as_text():
    hostile = ["<script>alert(1)</script>", "\"'><b onmouseover=x>", "\u202egnp", "a" * 10_000]
    html = split_styles(draws_html(draws_data(torch.zeros(4), hostile, OFF)))[1]
    assert "<script" not in html
    assert "\u202e" not in html
    assert "a" * 100 not in html
    assert set(Page(html).tags) <= {"div", "p", "span", "b", "i", "u"}
    assert "onmouseover" not in re.sub(r'"[^"]*"', "", "".join(re.findall(r"<[^>]*>", html)))
