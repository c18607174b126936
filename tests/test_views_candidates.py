"""The table of candidates: every column by hand, what must always hold, and transformers' own numbers."""

import html
import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_views_tokens import Page

from nanochat_helpers.sampling import process_logits, to_probs
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.views.arithmetic import number, operand, percent, power_of_e
from nanochat_helpers.views.candidates import (
    candidates_data,
    five_columns_html,
    ghost_bars_html,
    most_likely,
    percentages,
)
from nanochat_helpers.views.markup import rounded_percentages, split_styles

TOY = ["Paris", "London", "Rome", "cheese", "the"]
LOGITS = torch.tensor([4.2, 3.0, 1.5, -2.0, 0.0])
OFF = GenerationSettings(temperature=1.0, top_p=1.0)
HOSTILE = ["<script>alert(1)</script>", "\"' onmouseover=alert(1) x='", "\u202eright to left", "x" * 10_000, "", " \n"]
ROUNDING = 5e-6  # a sum of probabilities this near to top_p may fall to either side: see test_sampling


def toy(settings=OFF, input_ids=(), n=12):
    return candidates_data(LOGITS, TOY, settings, input_ids=input_ids, n=n)


def from_probs(*probs):
    return torch.tensor(probs).log()


def labels_of(drawn, token):
    """The arithmetic of one row, the whole row first."""
    row = re.search(rf"<tr[^>]*>(<th [^>]*>{token}</th>.*?)</tr>", drawn)[1]
    return [html.unescape(label) for label in re.findall('aria-label="([^"]*)"', row)]


def rows_of(drawn):
    """What the rows of a table say, cell by cell."""
    rows = re.findall("<tr[^>]*>(.*?)</tr>", drawn)
    return [[Page(cell).text for cell in re.findall("<t[hd].*?</t[hd]>", row)] for row in rows]


# --- percentages that add up


@pytest.mark.parametrize(
    ("probs", "expected"),
    [
        ([1 / 3, 1 / 3, 1 / 3], [33.4, 33.3, 33.3]),
        ([0.5, 0.5], [50.0, 50.0]),
        ([0.29, 0.71], [29.0, 71.0]),
        ([2.0, 6.0], [25.0, 75.0]),
        ([0.00004, 0.0, 0.99996], [0.0, 0.0, 100.0]),
        ([0.12345, 0.23456, 0.64199], [12.3, 23.5, 64.2]),
        ([0.0, 0.0], [0.0, 0.0]),
        ([], []),
    ],
)
def test_percentages_keep_the_largest_remainders(probs, expected):
    assert rounded_percentages(probs) == expected


@given(st.lists(st.floats(0, 1), min_size=1, max_size=60).filter(any))
def test_percentages_add_up_to_exactly_100_and_are_a_tenth_off_at_most(probs):
    rounded = rounded_percentages(probs)
    assert sum(round(10 * percent) for percent in rounded) == 1000
    assert all(
        abs(10 * shown - 1000 * prob / math.fsum(probs)) < 1 + 1e-6 for shown, prob in zip(rounded, probs, strict=True)
    )
    assert all(shown == 0 for shown, prob in zip(rounded, probs, strict=True) if prob == 0)


# --- every column by hand


def test_off_settings_pass_the_models_own_numbers_on():
    for row in toy().rows:
        assert row.logit == row.penalised == row.tempered
        assert row.own_prob == row.prob
        assert row.removed_by is None
        assert (row.rank, row.sum_before, row.share) == (None, None, None)


def test_rows_are_in_the_models_own_order_whatever_the_settings_are():
    ranking = ["Paris", "London", "Rome", "the", "cheese"]
    assert [row.text for row in toy().rows] == ranking
    assert [row.text for row in toy(OFF.change(repetition_penalty=9.0), input_ids=[0, 1]).rows] == ranking
    assert [row.text for row in toy(OFF.change(temperature=0.0)).rows] == ranking


def test_equal_logits_keep_the_order_of_their_ids():
    assert most_likely(torch.tensor([1.0, 3.0, 3.0, 2.0, 3.0]), 2).tolist() == [1, 2]
    assert most_likely(torch.zeros(50), 50).tolist() == list(range(50))


def test_the_penalty_divides_positive_and_multiplies_negative_logits_of_used_tokens():
    rows = {row.text: row for row in toy(OFF.change(repetition_penalty=1.3), input_ids=[0, 3]).rows}
    assert rows["Paris"].penalised == pytest.approx(4.2 / 1.3)
    assert rows["cheese"].penalised == pytest.approx(-2.6)
    assert rows["London"].penalised == 3.0
    assert [rows[text].used for text in TOY] == [True, False, False, True, False]


def test_the_temperature_divides_what_the_penalty_left():
    settings = OFF.change(repetition_penalty=1.3, temperature=0.7)
    assert toy(settings, input_ids=[0]).rows[0].tempered == pytest.approx(4.2 / 1.3 / 0.7)


def test_greedy_divides_nothing_and_keeps_one():
    for settings in (OFF.change(temperature=0.0), OFF.change(do_sample=False)):
        rows = toy(settings).rows
        assert [row.tempered for row in rows] == [None] * 5
        assert [row.removed_by for row in rows] == [None] + ["greedy"] * 4
        assert [row.prob for row in rows] == [1, 0, 0, 0, 0]


def test_the_first_change_that_removed_a_token_is_named():
    logits = from_probs(0.5, 0.2, 0.15, 0.1, 0.05)
    settings = OFF.change(top_k=4, top_p=0.8, min_p=0.5)
    # top_k leaves 0.95 in all; top_p keeps three: 0.53 + 0.21 is below 0.8; min_p asks for half of the best's 0.59.
    table = candidates_data(logits, TOY, settings)
    assert [row.removed_by for row in table.rows] == [None, "min_p", "min_p", "top_p", "top_k"]
    assert [row.rank for row in table.rows] == [1, 2, 3, 4, 5]
    assert [row.sum_before for row in table.rows[:4]] == pytest.approx([0, 0.5 / 0.95, 0.7 / 0.95, 0.85 / 0.95])
    assert table.rows[4].sum_before is None
    assert [row.share for row in table.rows[:3]] == pytest.approx([0.5 / 0.85, 0.2 / 0.85, 0.15 / 0.85])
    assert table.best_share == pytest.approx(0.5 / 0.85)
    assert [row.share for row in table.rows[3:]] == [None, None]
    assert (table.n_kept, table.vocab_size) == (1, 5)


def test_ranks_and_sums_count_tokens_that_have_no_row():
    # The penalty pushes the best token behind three others, of which only one has a row: e^3 · 0.4 = 8.03 becomes 1.26.
    logits = from_probs(0.4, 0.25, 0.2, 0.15) + 3
    by_rank = candidates_data(logits, TOY, OFF.change(repetition_penalty=9.0, top_k=2), input_ids=[0], n=2)
    assert [(row.rank, row.removed_by) for row in by_rank.rows] == [(4, "top_k"), (1, None)]
    by_sum = candidates_data(logits, TOY, OFF.change(repetition_penalty=9.0, top_p=0.8), input_ids=[0], n=2)
    others = 0.6 * math.exp(3)
    assert [row.sum_before for row in by_sum.rows] == pytest.approx([others / (others + 8.03 ** (1 / 9)), 0], abs=1e-3)
    assert [row.removed_by for row in by_sum.rows] == ["top_p", None]


def test_all_other_tokens_are_counted_together():
    table = toy(OFF.change(top_k=3), n=2)
    assert (table.n_rest, table.n_rest_kept, table.n_kept) == (3, 1, 3)
    probs = to_probs(LOGITS).tolist()
    assert table.rest_own_prob == pytest.approx(sum(probs[2:]))
    assert table.rest_prob == pytest.approx(probs[2] / sum(probs[:3]))
    assert toy().n_rest == 0


def test_a_token_that_the_model_rules_out_is_marked_as_such():
    table = candidates_data(torch.tensor([1.0, -math.inf]), ["a", "b"], OFF)
    assert table.rows[1].removed_by == "model"
    assert "out: the model itself gave −∞" in labels_of(five_columns_html(table), "b")


def test_stages_that_are_known_already_give_the_same_table():
    settings = OFF.change(temperature=0.7, top_p=0.9, repetition_penalty=1.3)
    stages = process_logits(LOGITS, [0], settings)
    assert candidates_data(LOGITS, TOY, settings, input_ids=[0], stages=stages) == toy(settings, input_ids=[0])
    others = process_logits(LOGITS, [], OFF.change(top_k=1))
    assert candidates_data(LOGITS, TOY, OFF, stages=others).n_kept == 1


# --- what must always hold

SETTINGS = st.builds(
    GenerationSettings,
    do_sample=st.booleans(),
    temperature=st.sampled_from([0.0, 0.1, 0.7, 1.0, 2.0]),
    top_k=st.sampled_from([0, 1, 3, 10]),
    top_p=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    min_p=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    repetition_penalty=st.sampled_from([1.0, 1.3, 5.0]),
)
VALUES = st.one_of(st.floats(-20, 20, width=32), st.sampled_from([0.0, 1.0, -1.0, 50.0, -50.0, 1e4]))


@given(values=st.lists(VALUES, min_size=1, max_size=30), settings=SETTINGS, n=st.integers(1, 15), data=st.data())
def test_the_table_tells_the_truth_about_the_whole_vocabulary(values, settings, n, data):
    logits = torch.tensor(values)
    input_ids = data.draw(st.lists(st.integers(0, len(values) - 1), max_size=5))
    table = candidates_data(logits, [f"t{place}" for place in range(len(values))], settings, input_ids=input_ids, n=n)
    stages = process_logits(logits, input_ids, settings)

    shown = [(-row.logit, row.token_id) for row in table.rows]
    assert shown == sorted(zip((-logits).tolist(), range(len(values)), strict=True))[:n]
    assert table.n_kept == torch.isfinite(stages.after_min_p).sum()
    assert table.n_kept == table.n_rest_kept + sum(row.removed_by is None for row in table.rows)
    assert table.rest_prob + sum(row.prob for row in table.rows) == pytest.approx(1, abs=1e-5)
    for row in table.rows:
        assert row.prob == stages.probs[row.token_id]
        assert (row.removed_by is None) == bool(torch.isfinite(stages.after_min_p[row.token_id]))
        if row.sum_before is not None and settings.top_p and abs(row.sum_before - settings.top_p) > ROUNDING:
            assert (row.removed_by == "top_p") == (row.sum_before > settings.top_p)
        if row.rank is not None:
            assert (row.removed_by == "top_k") == (row.rank > settings.top_k)
        if row.share is not None:
            assert (row.removed_by == "min_p") == (
                row.share < torch.tensor(settings.min_p) * torch.tensor(table.best_share)
            )
    for column in percentages(table):
        assert sum(round(10 * percent) for percent in column) == 1000
    for drawn in (five_columns_html(table, bars=True), ghost_bars_html(table)):
        Page(drawn)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"temperature": 0.7},
        {"temperature": 0.7, "top_k": 40, "top_p": 0.9},
        {"temperature": 1.5, "top_p": 0.95, "repetition_penalty": 1.3},
        {"temperature": 2.0, "min_p": 0.05, "repetition_penalty": 1.1},
        {"top_k": 5, "top_p": 0.8, "min_p": 0.1},
    ],
    ids=str,
)
def test_the_numbers_are_those_of_generate(backbone, changes):
    ids = backbone.tokenizer.encode("The cat sat on the mat. The cat sat on the")
    asked = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0} | changes
    output = backbone.model.generate(
        torch.tensor([ids]),
        attention_mask=torch.ones(1, len(ids), dtype=torch.long),
        max_new_tokens=1,
        do_sample=True,
        output_scores=True,
        output_logits=True,
        return_dict_in_generate=True,
        **asked | {"min_p": asked["min_p"] or None},
    )
    theirs, logits = output.scores[0][0].float(), output.logits[0][0].float()
    table = candidates_data(logits, backbone.tokenizer, GenerationSettings(**asked), input_ids=ids)
    shown = [row.token_id for row in table.rows]
    probs = to_probs(theirs)
    assert shown == logits.topk(12).indices.tolist()
    assert [row.prob for row in table.rows] == pytest.approx(probs[shown].tolist(), rel=1e-5)
    assert [row.own_prob for row in table.rows] == pytest.approx(to_probs(logits)[shown].tolist(), rel=1e-5)
    assert table.rest_prob == pytest.approx(1 - probs[shown].sum().item(), abs=1e-5)
    assert table.n_kept == torch.isfinite(theirs).sum()
    kept = [row for row in table.rows if row.removed_by is None]
    assert [row.tempered for row in kept] == pytest.approx([theirs[row.token_id].item() for row in kept], rel=1e-5)


# --- the arithmetic


def test_every_cell_has_its_arithmetic():
    drawn = five_columns_html(toy(OFF.change(temperature=0.7, top_p=0.9, repetition_penalty=1.3), input_ids=[0, 3]))
    assert labels_of(drawn, "Paris") == [
        "Paris: 4.2 ÷ 1.3 = 3.23 ÷ 0.7 = 4.62 → kept: the running sum before it is 0.00, below top_p 0.9 → 58.17 %",
        "the model’s own score: 72.18 % without any settings",
        "4.2 ÷ 1.3 = 3.23 (used before, positive: divided)",
        "3.2308 ÷ 0.7 = 4.62",
        "kept: the running sum before it is 0.00, below top_p 0.9",
        "e^4.6154 ÷ sum over the 2 kept = 101.03 ÷ 173.68 = 58.17 %",
    ]
    assert labels_of(drawn, "London")[2] == "not used before: stays 3"
    assert labels_of(drawn, "cheese")[2] == "−2 × 1.3 = −2.60 (used before, negative: multiplied)"
    assert labels_of(drawn, "Rome")[4:] == ["out: the running sum before it is 0.95, not below top_p 0.9", "out: 0 %"]


def test_the_reason_is_the_one_of_the_settings_that_are_on():
    drawn = five_columns_html(toy(OFF.change(top_k=2, min_p=0.4)))
    assert labels_of(drawn, "London")[4] == "out: 0.23 < min_p × best = 0.4 × 0.769 = 0.307"
    assert labels_of(drawn, "Rome")[4] == "out: rank 3, top_k keeps 2"
    assert labels_of(drawn, "Paris")[4].startswith("kept: rank 1, top_k keeps 2; 0.77 ≥ min_p × best")
    assert labels_of(drawn, "Paris")[5] == "the only one kept: 100 %"
    assert labels_of(five_columns_html(toy()), "Rome")[4] == "kept: no setting removes tokens"
    assert labels_of(five_columns_html(toy(OFF.change(top_p=0.0))), "Paris")[4] == "kept: top_p always keeps the best"
    greedy = five_columns_html(toy(OFF.change(temperature=0.0)))
    assert labels_of(greedy, "Paris")[3:5] == ["greedy: nothing is divided", "kept: the largest of all"]
    assert labels_of(greedy, "Rome")[4] == "out: greedy keeps only the largest"


def test_a_sum_just_below_the_limit_is_not_rounded_onto_it():
    label = labels_of(
        five_columns_html(candidates_data(from_probs(0.8996, 0.05, 0.0504), TOY[:3], OFF.change(top_p=0.9))), "Rome"
    )[4]
    assert label == "kept: the running sum before it is 0.8996, below top_p 0.9"
    tiny = candidates_data(from_probs(0.997, 0.003), TOY[:2], OFF.change(min_p=0.05))
    assert labels_of(five_columns_html(tiny), "London")[4] == "out: 0.003 < min_p × best = 0.05 × 0.997 = 0.0498"


@given(value=st.floats(-30, 30, width=32), temperature=st.sampled_from([0.05, 0.7, 1.5, 2.0]))
def test_what_a_reader_computes_from_the_sentence_is_what_it_says(value, temperature):
    table = candidates_data(torch.tensor([value]), ["a"], OFF.change(temperature=temperature))
    left, _, right, _, result = labels_of(five_columns_html(table), "a")[3].replace("−", "-").split()
    assert float(left) / float(right) == pytest.approx(float(result), abs=0.005 + 0.00005 / temperature + 1e-5)


def test_numbers_are_readable_however_large():
    assert [number(value) for value in (-9.3149, -0.001, 2e6, -math.inf)] == ["−9.31", "0.00", "2×10⁶", "−∞"]
    assert [operand(value) for value in (4.199999809, -2.0, -0.00001, 2e6)] == ["4.2", "−2", "0", "2×10⁶"]
    assert [percent(prob) for prob in (0.61849, 0.00012, 0.0, 1.0)] == ["61.85 %", "0.012 %", "<0.001 %", "100.00 %"]
    assert [power_of_e(value) for value in (0.0, 2.0, 8.0, 18.9)] == ["1", "7.3891", "2,981", "1.615×10⁸"]
    assert power_of_e(1000.0) == "1.9701×10⁴³⁴"
    assert power_of_e(-20.0) == "2.0612×10⁻⁹"
    assert power_of_e(6 * math.log(10) - 1e-9) == "1×10⁶"


# --- the drawings


def test_the_table_shows_the_five_columns_and_the_sum_is_100():
    head, *rows = rows_of(five_columns_html(toy(OFF.change(top_k=2), n=3)))
    assert [cell.split("\n")[0] for cell in head] == [
        "tokenmost likely first",
        "logitthe score",
        "after penalty1 = off",
        "÷\xa0temperature1 = off",
        "kept?2 of 5",
        "final %sum 100.0",
    ]
    assert rows == [
        ["Paris", "4.20", "4.20", "4.20", "✓", "76.9"],
        ["London", "3.00", "3.00", "3.00", "✓", "23.1"],
        ["Rome", "1.50", "1.50", "1.50", "1.50 top_k", "–"],
        ["all 2 others", "", "", "", "none", "–"],
    ]


def test_a_kept_token_below_a_tenth_of_a_percent_is_told_from_a_removed_one():
    rows = rows_of(five_columns_html(candidates_data(torch.tensor([10.0, 0.0, -1.0]), TOY[:3], OFF.change(top_k=2))))
    assert [row[-1] for row in rows[1:]] == ["100.0", "<0.1", "–"]


def test_a_vocabulary_without_other_tokens_has_no_row_for_them():
    for draw in (five_columns_html, ghost_bars_html):
        assert "others" not in draw(toy())
        assert "others" in draw(toy(n=4))


def test_the_row_of_all_others_is_grey_only_when_none_of_them_is_kept():
    for draw in (five_columns_html, ghost_bars_html):
        assert draw(toy(n=2)).count("<tr class=nc-cx>") == 0
        assert draw(toy(OFF.change(top_k=2), n=2)).count("<tr class=nc-cx>") == 1
        assert draw(toy(OFF.change(top_k=3), n=2)).count("<tr class=nc-cx>") == 0


def test_ghost_bars_show_the_own_and_the_final_share():
    drawn = ghost_bars_html(candidates_data(from_probs(0.5, 0.3, 0.2), TOY[:3], OFF.change(top_p=0.75)))
    assert re.findall('style="([^"]*)"', drawn) == ["--o:50.0%;--p:62.5%", "--o:30.0%;--p:37.5%", "--o:20.0%;--p:0.0%"]
    assert [row[-1] for row in rows_of(drawn)[1:]] == ["50.0 → 62.5", "30.0 → 37.5", "20.0 → –"]
    assert drawn.count("<tr class=nc-cx>") == 1


def test_the_bars_stand_beside_the_table_when_asked_for():
    table = toy(n=3)
    with_bars, bars = five_columns_html(table, bars=True), ghost_bars_html(table)
    assert re.findall("<i [^>]*>", with_bars) == re.findall("<i [^>]*>", bars)
    assert "<i " not in five_columns_html(table)
    assert all(len(row) == 7 for row in rows_of(with_bars))


@pytest.mark.parametrize("draw", [five_columns_html, ghost_bars_html])
def test_hostile_text_is_shown_as_text(draw):
    logits = torch.arange(len(HOSTILE), 0, -1).float()
    page = Page(draw(candidates_data(logits, HOSTILE, OFF)))
    assert "script" not in page.tags
    assert "<script>alert(1)</" in page.text
    assert "\u202e" not in page.text + "".join(page.labels)
    assert "9,976 more characters" in page.text
    assert len(draw(candidates_data(logits, HOSTILE, OFF))) < 15_000


def test_hostile_text_leaves_no_attribute():
    logits = torch.arange(len(HOSTILE), 0, -1).float()
    rest = re.sub('"[^"<>]*"', '""', split_styles(five_columns_html(candidates_data(logits, HOSTILE, OFF)))[1])
    assert not re.search("<[^>]*onmouseover", rest)


def test_a_row_can_be_reached_with_tab_and_names_its_columns():
    drawn = five_columns_html(toy())
    assert drawn.count("tabindex=0") == 5
    assert drawn.count("scope=row") == 5
    assert drawn.count("scope=col") == 6


def test_the_picture_is_small_enough_to_be_sent_while_a_slider_moves(backbone):
    ids = backbone.tokenizer.encode("Once upon a time there was a")
    settings = GenerationSettings(temperature=0.7, top_p=0.9)
    table = candidates_data(backbone.next_token_logits(ids), backbone.tokenizer, settings, input_ids=ids)
    assert len(split_styles(five_columns_html(table, bars=True))[1].encode()) < 12_000
