"""The settings map: measures that can be checked by hand, and drawings that say what they show."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat_helpers.errors import SettingsError
from nanochat_helpers.generation import Sample
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.views.settings_map import (
    MEASURES,
    STEPS,
    cell_classes,
    distinct,
    loop_rate,
    map_rows,
    number_text,
    samples_html,
    settings_map_data,
    settings_map_html,
    share,
    spoken,
    standing_map_html,
)

SETTINGS = GenerationSettings(max_new_tokens=5, seed=7)


def sample(*token_ids, text="", entropies=(1.0, 3.0), finish_reason="length"):
    return Sample(text, token_ids, finish_reason, entropies)


def small_map(samples=None, **more):
    """Two temperatures, two values of top_p, two seeds."""
    rows = map_rows(SETTINGS, [0.5, 1.5], [0.9, 1.0], 2)
    samples = samples or [sample(1, 2, 1, 2)] * 2 + [sample(1, 2, 3, 4)] * 4 + [sample(5), sample(6)]
    return settings_map_data(rows, samples, **more)


# --- measures


@pytest.mark.parametrize(
    ("texts", "share"),
    [
        ([[1, 2, 1, 2], [1, 2]], 2 / 4),  # 12 21 12, 12
        ([[1, 2, 3]], 1.0),  # 12 23
        ([[1, 1, 1, 1, 1]], 1 / 4),  # 11 four times
        ([[1, 2], [2, 1]], 1.0),  # the order counts
        ([[1, 2], [1, 2]], 1 / 2),  # across texts, too
        ([[1], []], None),
        ([], None),
    ],
)
def test_distinct_counts_different_pairs_of_the_whole_cell(texts, share):
    assert distinct(texts) == share


@pytest.mark.parametrize(
    ("texts", "rate"),
    [
        ([[1, 2, 1, 2, 1]], 1 / 3),  # 121 212 121
        ([[1, 1, 1, 1]], 1 / 2),  # 111 111
        ([[1, 2, 3], [1, 2, 3]], 0.0),  # what another text says is no loop
        ([[1, 2, 1, 2, 1], [3, 4, 5]], 1 / 4),
        ([[1, 2]], None),
        ([], None),
    ],
)
def test_the_loop_rate_counts_triples_that_stood_in_the_same_text_before(texts, rate):
    assert loop_rate(texts) == rate


@given(st.lists(st.lists(st.integers(0, 4), max_size=12), max_size=4))
def test_shares_are_shares_and_do_not_depend_on_the_order_of_the_texts(texts):
    for measure in (distinct, loop_rate):
        value = measure(texts)
        assert value is None or 0 <= value <= 1
        assert measure(texts[::-1]) == value


# --- data


def test_each_cell_has_the_same_seeds_and_all_other_settings():
    rows = map_rows(SETTINGS.change(top_k=9), [0.0, 1.0], [0.5, 0.9, 1.0], 3)
    assert len(rows) == 18
    assert [row.seed for row in rows[:6]] == [7, 8, 9, 7, 8, 9]
    assert [(row.temperature, row.top_p) for row in rows[::3]] == [
        (0.0, 0.5), (0.0, 0.9), (0.0, 1.0), (1.0, 0.5), (1.0, 0.9), (1.0, 1.0),
    ]  # fmt: skip
    assert {(row.top_k, row.max_new_tokens) for row in rows} == {(9, 5)}
    assert [row.seed for row in map_rows(SETTINGS.change(seed=None), [1.0], [1.0], 2)] == [0, 1]


@pytest.mark.parametrize(
    ("temperatures", "top_ps", "n_seeds", "named"),
    [
        ([], [1.0], 1, "temperature"),
        ([1.0], [], 1, "top_p"),
        ([1.0], [1.0], 0, "n_seeds"),
        ([-1.0], [1.0], 1, "temperature"),
        ([1.0], [1.5], 1, "top_p"),
    ],
)
def test_what_makes_no_map_is_refused_by_name(temperatures, top_ps, n_seeds, named):
    with pytest.raises(SettingsError, match=named):
        map_rows(SETTINGS, temperatures, top_ps, n_seeds)


def test_texts_come_into_the_cell_of_their_settings():
    data = small_map()
    assert [[(cell.temperature, cell.top_p) for cell in row] for row in data.rows] == [
        [(0.5, 0.9), (0.5, 1.0)],
        [(1.5, 0.9), (1.5, 1.0)],
    ]
    loops, last = data.cell(0.5, 0.9), data.cell(1.5, 1.0)
    assert loops.seeds == (7, 8)
    assert (loops.distinct, loops.loop_rate) == (2 / 6, 0.0)
    assert (data.cell(0.5, 1.0).distinct, data.cell(1.5, 0.9).distinct) == (0.5, 0.5)
    assert [text.token_ids for text in last.samples] == [(5,), (6,)]
    assert (last.distinct, last.loop_rate) == (None, None)


def test_the_entropy_is_the_mean_over_all_tokens_that_were_drawn():
    samples = [sample(1, entropies=(4.0,)), sample(1, 2, 3, entropies=(0.0, 0.0, 0.0))] + [sample(1)] * 6
    assert small_map(samples).cell(0.5, 0.9).entropy == 1.0
    assert small_map([sample(1, 2, 3, entropies=())] * 8).cell(0.5, 0.9).entropy is None


def test_every_text_needs_its_settings():
    with pytest.raises(ValueError):
        settings_map_data(map_rows(SETTINGS, [1.0], [1.0], 2), [sample(1)])


# --- drawings


@pytest.mark.parametrize("measure", MEASURES)
def test_the_table_has_both_axes_and_a_number_in_each_cell(measure):
    data = small_map()
    drawn = settings_map_html(data, measure=measure)
    assert MEASURES[measure].name in drawn and MEASURES[measure].meaning in drawn
    assert "temperature" in drawn and "top_p" in drawn
    assert re.findall(r'scope="col">([\d.]+)<', drawn) == ["0.9", "1.0"]
    assert re.findall(r'scope="row">([\d.]+)<', drawn) == ["0.5", "1.5"]
    numbers = [number_text(cell, measure) for row in data.rows for cell in row]
    assert re.findall(r">([\d.–]+)</td>", drawn) == numbers
    assert drawn.count('tabindex="0"') == 4


def test_a_cell_says_its_settings_its_measure_and_its_number():
    data = small_map()
    assert spoken(data.cell(0.5, 0.9), "distinct") == "temperature 0.5, top_p 0.9: distinct pairs 0.33"
    assert spoken(data.cell(1.5, 1.0), "distinct") == "temperature 1.5, top_p 1.0: distinct pairs –"
    assert spoken(data.cell(0.5, 0.9), "entropy") == "temperature 0.5, top_p 0.9: entropy 2.0"


def test_bars_of_shares_are_as_long_as_they_say_and_those_of_bits_relative_to_the_most():
    data = small_map([sample(1, 2, 1, 2, entropies=(bits,)) for bits in (2.0, 2.0, 4.0, 4.0, 0.5, 0.5, 0.0, 0.0)])
    assert share(data.cell(0.5, 0.9), data, "distinct") == pytest.approx(1 / 3)
    assert [share(cell, data, "entropy") for row in data.rows for cell in row] == [0.5, 1.0, 0.125, 0.0]
    calm = small_map([sample(1, entropies=(0.25,))] * 8)
    assert share(calm.cell(0.5, 0.9), calm, "entropy") == 0.25  # a bit is not made to look like many


def test_a_cell_of_the_live_map_has_the_nearest_bar():
    data = small_map()
    assert cell_classes(data.cell(0.5, 0.9), data, "distinct") == ("nc-map-cell", f"nc-map-{round(STEPS / 3)}")
    assert cell_classes(data.cell(1.5, 1.0), data, "distinct", is_selected=True)[1:] == ("nc-map-0", "nc-map-on")
    assert f".nc-map-{STEPS}{{" in settings_map_html(data)


def test_the_texts_of_a_cell_have_their_seeds_and_say_how_they_ended():
    texts = [sample(1, 2, text=" one day", finish_reason="stop"), sample(3, text=" two")] + [sample(1)] * 6
    drawn = samples_html(small_map(texts).cell(0.5, 0.9), prompt="Once")
    assert "seed 7" in drawn and "seed 8" in drawn
    assert "2 tokens, ended by itself" in drawn and "1 token<" in drawn
    assert '<span class="nc-dim">Once</span> one day</dd>' in drawn


def test_a_long_prompt_is_shown_from_its_end():
    drawn = samples_html(small_map().cell(0.5, 0.9), prompt="x" * 500 + " the end")
    assert "…" in drawn and "the end" in drawn and "x" * 60 not in drawn


def test_the_standing_map_has_all_measures_and_all_texts():
    drawn = standing_map_html(small_map())
    assert drawn.count("<table") == len(MEASURES)
    assert drawn.count("<details") == 4


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "\"'><img src=x>", "\u202eabc", "x" * 10_000, "</style>"]
)
def test_hostile_text_is_shown_as_text(text):
    drawn = standing_map_html(small_map([sample(1, 2, text=text)] * 8, prompt=text))
    assert "<script" not in drawn and "<img" not in drawn and "\u202e" not in drawn
    assert drawn.count("<style") == drawn.count("</style>")
    assert all(drawn.count(f"<{tag}") == drawn.count(f"</{tag}") for tag in ("span", "div", "table", "dl", "dd"))
