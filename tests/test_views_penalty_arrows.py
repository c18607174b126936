"""Penalty arrows: by hand, as transformers computes them, always away from being likely, and nothing moves when off."""

import re
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_views_tokens import Page
from transformers import RepetitionPenaltyLogitsProcessor

from nanochat_helpers.errors import SettingsError
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.views.markup import split_styles
from nanochat_helpers.views.penalty_arrows import penalty_arrows_data, penalty_arrows_html

TOY = ["cat", "dog", "hat", "mat", "rat"]
LOGITS = torch.tensor([4.0, -4.0, 0.0, 1.0, 2.5])
OFF = GenerationSettings(temperature=1.0, top_p=1.0)
TWICE = OFF.change(repetition_penalty=2.0)


def arrows(settings=TWICE, prompt_ids=(0,), new_ids=(1,), **more):
    return penalty_arrows_data(LOGITS, TOY, settings, prompt_ids=prompt_ids, new_ids=new_ids, **more)


def n_drawn(data):
    return split_styles(penalty_arrows_html(data))[1].count("<i ")


# --- by hand


def test_positive_logits_are_divided_and_negative_ones_multiplied():
    rows = {row.text: (row.logit, row.penalised) for row in arrows(prompt_ids=[0, 2]).rows}
    assert rows == {"cat": (4.0, 2.0), "dog": (-4.0, -8.0), "hat": (0.0, 0.0), "mat": (1.0, 1.0), "rat": (2.5, 2.5)}


def test_it_knows_where_a_token_was_used():
    rows = arrows(prompt_ids=[0, 1], new_ids=[1, 2]).rows
    assert {row.text: row.where for row in rows} == {
        "cat": "prompt", "dog": "prompt + reply", "hat": "reply", "mat": "unused", "rat": "unused",
    }  # fmt: skip


def test_rows_are_in_the_order_of_the_logits_before_the_penalty():
    assert [row.text for row in arrows().rows] == ["cat", "rat", "mat", "hat", "dog"]


def test_a_prompt_may_be_left_out():
    data = arrows(TWICE.change(penalise_prompt=False), prompt_ids=[0, 1], new_ids=[1])
    assert {row.text for row in data.rows if row.penalised != row.logit} == {"dog"}
    assert {row.text for row in data.rows if row.counts} == {"dog"}
    assert n_drawn(data) == 1
    page = Page(penalty_arrows_html(data))
    assert "The prompt’s tokens do not count" in page.text
    assert "'cat', prompt: 4.00" in page.labels


def test_the_other_settings_change_nothing():
    assert arrows().rows == arrows(TWICE.change(temperature=0.3, top_k=1, top_p=0.1, min_p=0.5)).rows


# --- which tokens are shown


def test_where_many_were_used_the_most_likely_and_the_two_least_likely_are_shown():
    logits = torch.arange(100.0)
    data = penalty_arrows_data(logits, [""] * 100, TWICE, prompt_ids=range(50), new_ids=[60])
    assert [row.token_id for row in data.rows] == [99, 98, 97, 96, 60, 49, 48, 47, 46, 45, 1, 0]
    assert data.n_used == 51
    assert "8 of the 51 used tokens are shown" in Page(penalty_arrows_html(data)).text


def test_where_few_were_used_there_is_room_for_more_of_the_others():
    data = penalty_arrows_data(torch.arange(100.0), [""] * 100, TWICE, prompt_ids=[0])
    assert [row.token_id for row in data.rows] == [99, 98, 97, 96, 95, 94, 93, 92, 91, 90, 89, 0]
    assert "are shown" not in Page(penalty_arrows_html(data)).text


def test_where_nearly_all_were_used_they_fill_the_rows_of_the_others():
    assert len(arrows(prompt_ids=range(5), n=5).rows) == 5
    assert len(arrows(prompt_ids=range(4), n=5).rows) == 5


def test_the_others_are_found_below_many_likely_used_ones():
    data = penalty_arrows_data(torch.arange(100.0), [""] * 100, TWICE, prompt_ids=range(80, 100))
    assert [row.token_id for row in data.rows if not row.counts] == [79, 78, 77, 76]


@given(st.integers(1, 40), st.sets(st.integers(0, 39)), st.sets(st.integers(0, 39)), st.floats(0.2, 3), st.booleans())
def test_there_are_never_too_many_rows_and_every_arrow_points_one_way(n, prompt, reply, penalty, with_prompt):
    logits = torch.randn(40, generator=torch.Generator().manual_seed(n))
    settings = OFF.change(repetition_penalty=penalty, penalise_prompt=with_prompt)
    data = penalty_arrows_data(logits, [""] * 40, settings, prompt_ids=sorted(prompt), new_ids=sorted(reply), n=n)
    assert len(data.rows) == n
    assert len({row.token_id for row in data.rows}) == n
    assert all(a.logit >= b.logit for a, b in pairwise(data.rows))
    assert all(row.penalised <= row.logit if penalty >= 1 else row.penalised >= row.logit for row in data.rows)
    assert all(row.counts == (row.token_id in reply or (with_prompt and row.token_id in prompt)) for row in data.rows)
    places = re.findall(r"([\d.e+-]+)%", split_styles(penalty_arrows_html(data))[1])
    assert all(0 <= float(place) <= 100 for place in places)


def test_a_removed_token_has_no_place_on_the_line():
    data = penalty_arrows_data(torch.tensor([1.0, -torch.inf]), TOY, TWICE, prompt_ids=[0, 1])
    assert [row.text for row in data.rows] == ["cat"]


def test_no_rows_are_refused():
    with pytest.raises(SettingsError, match="n=0"):
        arrows(n=0)


# --- the real model


@pytest.mark.parametrize("penalty", [1.1, 1.3, 2.0])
def test_the_real_model_is_penalised_as_transformers_does_it(backbone, penalty):
    input_ids = backbone.tokenizer.encode("The cat sat on the mat, and the cat sat on the")
    logits = backbone.next_token_logits(input_ids)
    theirs = RepetitionPenaltyLogitsProcessor(penalty)(torch.tensor([input_ids]), logits[None].clone())[0]
    settings = OFF.change(repetition_penalty=penalty)
    data = penalty_arrows_data(
        logits, backbone.tokenizer, settings, prompt_ids=input_ids[:8], new_ids=input_ids[8:], n=20
    )
    assert len(data.rows) == 20 and data.n_counted == len(set(input_ids))
    assert [row.penalised for row in data.rows] == theirs[[row.token_id for row in data.rows]].tolist()
    assert n_drawn(data) == len(set(input_ids))
    assert len(split_styles(penalty_arrows_html(data))[1].encode()) < 10_240


# --- the drawing


def test_each_row_says_its_arithmetic():
    page = Page(penalty_arrows_html(arrows(OFF.change(repetition_penalty=1.25))))
    assert page.labels[1:] == [
        "'cat', prompt: 4.00 ÷ 1.25 = 3.20",
        "'rat', unused: 2.50",
        "'mat', unused: 1.00",
        "'hat', unused: 0.00",
        "'dog', reply: −4.00 × 1.25 = −5.00",
    ]
    assert "4.00 ÷ 1.25 = 3.20" in page.text
    assert "2 used tokens made weaker: positive logits ÷ 1.25, negative × 1.25" in page.text


def test_prompt_and_reply_have_marks_of_their_own():
    html = split_styles(penalty_arrows_html(arrows(prompt_ids=[0, 1], new_ids=[1, 2])))[1].split("nc-pen-legend")[0]
    marks = re.findall('<u class="([^"]*)"', html)
    assert marks == ["nc-pen-prompt", "", "", "nc-pen-reply", "nc-pen-prompt nc-pen-reply"]


def test_off_draws_no_arrow_and_says_so():
    data = arrows(OFF)
    assert n_drawn(data) == 0
    page = Page(penalty_arrows_html(data))
    assert "Off: no arrow" in page.text and "÷" not in page.text


def test_before_the_first_token_of_a_reply_nothing_counts():
    data = arrows(TWICE.change(penalise_prompt=False), new_ids=())
    assert n_drawn(data) == 0
    assert "No token counts as used yet" in Page(penalty_arrows_html(data)).text


def test_a_penalty_below_1_makes_stronger():
    html = penalty_arrows_html(arrows(OFF.change(repetition_penalty=0.5)))
    assert "made stronger" in html
    assert html.count('<i class="nc-pen-up"') == 2


@pytest.mark.parametrize("penalty", [1.0, 1.3, 2.0])
def test_the_line_stays_as_it_is_while_the_slider_moves(penalty):
    def marks(settings):
        return re.findall(r'--zero:[^"]*|<u class="[^"]*" style="[^"]*"', penalty_arrows_html(arrows(settings)))

    assert marks(OFF.change(repetition_penalty=penalty)) == marks(OFF.change(repetition_penalty=1.5))


def test_hostile_text_is_shown_as_text():
    hostile = ["<script>alert(1)</script>", "\"'><b onmouseover=x>", "\u202egnp", "a" * 10_000]
    html = split_styles(penalty_arrows_html(penalty_arrows_data(torch.ones(4), hostile, TWICE, prompt_ids=[0, 1])))[1]
    assert "<script" not in html
    assert "\u202e" not in html
    assert "a" * 100 not in html
    assert set(Page(html).tags) <= {"div", "p", "span", "b", "i", "u"}
    assert "onmouseover" not in re.sub(r'"[^"]*"', "", "".join(re.findall(r"<[^>]*>", html)))
