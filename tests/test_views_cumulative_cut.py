"""Where top_p cuts: by hand, true to `process_logits` and to transformers, and drawn on an axis from 0 to 1."""

import re
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_views_tokens import Page
from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from nanochat_helpers.errors import SettingsError
from nanochat_helpers.sampling import process_logits
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.views.cumulative_cut import cumulative_cut_data, cumulative_cut_html
from nanochat_helpers.views.markup import split_styles

TOY = ["cat", "dog", "hat", "mat"]
OFF = GenerationSettings(temperature=1.0, top_p=1.0)
PROMPTS = {"peaked": "The capital of France is", "flat": "My favourite thing is"}


def from_probs(*probs):
    return torch.tensor(probs).log()


def cut(logits, **settings):
    return cumulative_cut_data(logits, TOY, OFF.change(**settings))


def drawn_without_styles(cuts):
    return split_styles(cumulative_cut_html(cuts))[1]


@pytest.fixture(scope="module")
def real_logits(backbone):
    return {name: backbone.next_token_logits(backbone.tokenizer.encode(text)) for name, text in PROMPTS.items()}


# --- by hand


def test_tokens_are_added_up_until_the_sum_crosses_top_p():
    found = cut(from_probs(0.15, 0.5, 0.05, 0.3), top_p=0.6)
    assert [bar.text for bar in found.bars] == ["dog", "mat", "cat", "hat"]
    assert [round(bar.sum_so_far, 4) for bar in found.bars] == [0.5, 0.8, 0.95, 1.0]
    assert [bar.kept for bar in found.bars] == [True, True, False, False]
    assert found.n_kept == 2
    assert found.kept_prob == pytest.approx(0.8)


def test_a_sum_that_is_just_top_p_is_enough():
    assert cut(from_probs(0.5, 0.25, 0.25, 0.0), top_p=0.5).n_kept == 1


def test_the_other_changes_come_first():
    found = cut(from_probs(0.4, 0.3, 0.2, 0.1), top_k=2, top_p=0.5)
    assert [round(bar.prob, 4) for bar in found.bars] == [0.5714, 0.4286]
    assert (found.n_entering, found.vocab_size, found.n_kept) == (2, 4, 1)
    assert found.kept_prob == pytest.approx(0.5714, abs=1e-4)


def test_the_repetition_penalty_comes_first_of_all():
    settings = OFF.change(repetition_penalty=2.0, top_k=1)
    penalised = cumulative_cut_data(torch.tensor([4.0, 3.0]), TOY, settings, input_ids=[0])
    assert [bar.text for bar in penalised.bars] == ["dog"]
    assert penalised.top_k_prob == pytest.approx(torch.tensor([2.0, 3.0]).softmax(0)[1].item())


def test_min_p_comes_later_and_does_not_matter():
    assert cut(from_probs(0.4, 0.3, 0.2, 0.1), top_p=0.8, min_p=0.9).n_kept == 3


def test_top_k_keeps_the_same_number_however_flat_the_distribution_is():
    peaked, flat = from_probs(0.91, 0.04, 0.03, 0.02), from_probs(0.28, 0.26, 0.24, 0.22)
    cuts = [cumulative_cut_data(logits, TOY, OFF.change(top_p=0.9), compare_top_k=2) for logits in (peaked, flat)]
    assert [found.n_top_k for found in cuts] == [2, 2]
    assert [found.n_kept for found in cuts] == [1, 4]
    assert [round(found.top_k_prob, 4) for found in cuts] == [0.95, 0.54]


def test_the_top_k_of_the_settings_is_the_one_that_is_shown():
    found = cut(from_probs(0.4, 0.3, 0.2, 0.1), top_k=3)
    assert (found.top_k, found.n_top_k) == (3, 3)
    assert found.top_k_prob == pytest.approx(0.9)  # measured before the rest is taken away


@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {"do_sample": False}, {"top_k": 1}, {"top_p": 0.0}])
def test_one_token_may_be_all_that_is_left(settings):
    found = cut(from_probs(0.1, 0.2, 0.3, 0.4), **settings)
    assert found.n_kept == 1
    assert (found.bars[0].text, found.bars[0].kept) == ("mat", True)


def test_stages_that_are_known_are_not_computed_again():
    logits, settings = from_probs(0.4, 0.3, 0.2, 0.1), OFF.change(top_p=0.6)
    stages = process_logits(logits, [], OFF.change(top_p=0.3))
    assert cumulative_cut_data(logits, TOY, settings, stages=stages).n_kept == 1


def test_no_bars_at_all_are_refused():
    with pytest.raises(SettingsError, match="n=0"):
        cumulative_cut_data(torch.zeros(4), TOY, OFF, n=0)


# --- what always holds


@given(
    st.lists(st.sampled_from([-3.0, -1.0, 0.0, 0.5, 2.0, 4.0]), min_size=1, max_size=30),
    st.floats(0, 1),
    st.integers(0, 30),
    st.floats(0.1, 3),
    st.integers(1, 12),
)
def test_the_bars_are_those_that_top_p_saw_and_kept(values, top_p, top_k, temperature, n):
    logits = torch.tensor(values)
    settings = OFF.change(top_p=top_p, top_k=top_k, temperature=temperature)
    found = cumulative_cut_data(logits, [""] * len(values), settings, n=n)
    stages = process_logits(logits, [], settings)
    kept = stages.after_top_p.isfinite()
    assert found.n_kept == kept.sum()
    assert len(found.bars) == min(n, found.n_entering)
    assert [bar.kept for bar in found.bars] == [bool(kept[bar.token_id]) for bar in found.bars]
    assert [bar.kept for bar in found.bars] == [place < found.n_kept for place in range(len(found.bars))]
    assert all(a.prob >= b.prob and a.sum_so_far < b.sum_so_far for a, b in pairwise(found.bars))


@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("temperature", [0.3, 0.7, 2.0])
@pytest.mark.parametrize("top_k", [0, 50])
def test_the_real_model_is_cut_as_transformers_cuts_it(real_logits, smollm2_tokenizer, top_p, temperature, top_k):
    steps = [
        TemperatureLogitsWarper(temperature),
        *([TopKLogitsWarper(top_k)] if top_k else []),
        TopPLogitsWarper(top_p),
    ]
    for logits in real_logits.values():
        theirs = LogitsProcessorList(steps)(torch.tensor([[]], dtype=torch.long), logits[None].clone())[0].isfinite()
        settings = OFF.change(temperature=temperature, top_k=top_k, top_p=top_p)
        found = cumulative_cut_data(logits, smollm2_tokenizer, settings)
        assert abs(found.n_kept - int(theirs.sum())) <= 2 * (found.n_kept > 10_000)  # sums of so many terms are rounded
        assert [bar.kept for bar in found.bars] == theirs[[bar.token_id for bar in found.bars]].tolist()


def test_the_real_prompts_differ_in_how_many_tokens_they_need(real_logits, smollm2_tokenizer):
    settings = OFF.change(top_p=0.9)
    cuts = {name: cumulative_cut_data(logits, smollm2_tokenizer, settings) for name, logits in real_logits.items()}
    assert 20 * cuts["peaked"].n_kept < cuts["flat"].n_kept
    assert cuts["peaked"].n_top_k == cuts["flat"].n_top_k == 50
    assert len(drawn_without_styles(cuts).encode()) < 10_240


# --- the drawing


def staircase(html):
    """Where each step begins and how high it is, in percent of the axis."""
    return [tuple(map(float, step)) for step in re.findall(r"--from:([\d.e+-]+)%;--high:([\d.e+-]+)%", html)]


@pytest.mark.parametrize("top_p", [0.3, 0.9, 1.0])
@pytest.mark.parametrize("n", [2, 40, 100])
def test_each_step_begins_where_the_last_one_ended_and_the_last_one_ends_at_1(top_p, n):
    logits = torch.randn(60, generator=torch.Generator().manual_seed(1))
    found = cumulative_cut_data(logits, [str(i) for i in range(60)], OFF.change(top_p=top_p), n=n)
    steps = staircase(cumulative_cut_html(found))
    assert steps[0][0] == 0
    assert sum(steps[-1]) == pytest.approx(100, abs=0.1)
    assert all(sum(a) == pytest.approx(b[0], abs=0.1) for a, b in pairwise(steps))


def test_the_cut_is_marked_once_after_the_token_that_crosses():
    page = Page(cumulative_cut_html(cut(from_probs(0.4, 0.3, 0.2, 0.1), top_p=0.6)))
    assert page.classes.count("nc-cut-here") == 1
    assert "kept 2 of 4" in page.text and "top_p 0.60" in page.text
    assert [label.split(", ")[-1] for label in page.labels[2:]] == ["kept", "kept", "removed", "removed"]
    assert page.labels[3] == "2. 'dog': 30.0 %, sum 70.0 %, kept"


def test_a_cut_beyond_the_last_bar_is_marked_too():
    found = cumulative_cut_data(torch.zeros(1000), ["x"] * 1000, OFF.change(top_p=0.5), n=10)
    page = Page(cumulative_cut_html(found))
    assert page.classes.count("nc-cut-here") == 1
    assert page.labels[-2:] == [
        "490 more tokens: 49.0 %, sum 50.0 %, kept",
        "500 more tokens: 50.0 %, sum 100.0 %, removed",
    ]


def test_where_nothing_is_removed_nothing_is_marked():
    for n in (2, 4):
        found = cumulative_cut_data(from_probs(0.4, 0.3, 0.2, 0.1), TOY, OFF, n=n)
        page = Page(cumulative_cut_html(found))
        assert "nc-cut-here" not in page.classes
        assert "kept 4 of 4" in page.text


def test_a_small_probability_is_not_called_zero():
    labels = Page(cumulative_cut_html(cut(torch.tensor([9.0, 0.0, 0.0, 0.0]), top_p=0.5))).labels
    assert labels[3].startswith("2. 'mat': <0.1 %, sum ")


def test_several_are_drawn_side_by_side_under_their_titles():
    cuts = {"peaked one": cut(from_probs(0.9, 0.1), top_p=0.8), "flat": cut(from_probs(0.5, 0.5), top_p=0.8)}
    page = Page(cumulative_cut_html(cuts))
    assert page.classes.count("nc-cut-panel") == 2
    assert "peaked one" in page.text and "kept 1 of 2" in page.text and "kept 2 of 2" in page.text
    assert page.labels[0] == "peaked one: top_p 0.8 keeps 1 of 2 tokens; flat: top_p 0.8 keeps 2 of 2 tokens"


def test_it_says_whether_top_k_is_on():
    logits = from_probs(0.4, 0.3, 0.2, 0.1)
    assert "top_k 50 would keep" in Page(cumulative_cut_html(cut(logits, top_p=0.6))).text
    assert (
        "top_k 3 keeps390.0 %of these, top_p 0.60 keeps2"
        in Page(cumulative_cut_html(cut(logits, top_k=3, top_p=0.6))).text
    )


def test_hostile_text_is_shown_as_text():
    hostile = ["<script>alert(1)</script>", "\"'><b onmouseover=x>", "\u202egnp", "a" * 10_000]
    found = cumulative_cut_data(torch.zeros(4), hostile, OFF.change(top_p=0.6))
    html = drawn_without_styles(dict.fromkeys(hostile, found))
    assert "<script" not in html
    assert "\u202e" not in html
    assert "a" * 100 not in html
    assert set(Page(html).tags) <= {"div", "p", "span", "b", "i", "em", "u", "s"}
    assert "onmouseover" not in re.sub(r'"[^"]*"', "", "".join(re.findall(r"<[^>]*>", html)))
