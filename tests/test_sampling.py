"""Step 5: each change of the logits by hand, by what must always hold, and against transformers' own processors."""

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from nanochat_helpers.errors import SettingsError, TokenError
from nanochat_helpers.sampling import (
    _argsort,
    apply_min_p,
    apply_repetition_penalty,
    apply_temperature,
    apply_top_k,
    apply_top_p,
    draw,
    draw_many,
    entropy,
    luck,
    perplexity,
    process_logits,
    roulette,
    surprise,
    to_probs,
)
from nanochat_helpers.settings import GenerationSettings

INF = float("inf")
FULL_VOCABULARY = 49_152  # SmolLM2's

# A sum of probabilities that is this near to a threshold may fall to either side of it: transformers adds them from the
# smallest up, and in float32 a sum of 49,152 terms was seen to change by 4e-6 with the order; one of 300, by 1e-6.
ROUNDING = 5e-6

# Few different values give ties; the large ones give probabilities of exactly 0 and 1.
VALUES = st.one_of(
    st.floats(-20, 20, width=32),
    st.sampled_from([0.0, 1.0, -1.0, 2.5, 50.0, -50.0, 1e4, -1e4, 1e30, -1e30, -INF]),
)


@st.composite
def logits_tensors(draw_value, max_size=40):
    values = draw_value(st.lists(VALUES, min_size=1, max_size=max_size))
    if all(value == -INF for value in values):
        values[draw_value(st.integers(0, len(values) - 1))] = 0.0
    return torch.tensor(values, dtype=torch.float32)


def many_logits(seed, size=FULL_VOCABULARY, ties=False):
    logits = 4 * torch.randn(size, generator=torch.Generator().manual_seed(seed))
    return logits.round() if ties else logits


def kept(logits):
    return set(torch.isfinite(logits).nonzero().flatten().tolist())


def from_probs(*probs):
    return torch.tensor(probs).log()


def by_transformers(processor, logits, input_ids=()):
    return processor(torch.tensor([list(input_ids)], dtype=torch.long), logits[None].clone())[0]


def assert_same(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)


# --- each change by hand


def test_repetition_penalty_divides_positive_and_multiplies_negative_logits():
    logits = torch.tensor([4.0, -4.0, 0.0, 4.0])
    assert apply_repetition_penalty(logits, [0, 1, 2], 2.0).tolist() == [2.0, -8.0, 0.0, 4.0]


def test_repetition_penalty_counts_a_token_once_however_often_it_was_used():
    assert apply_repetition_penalty(torch.tensor([4.0, 1.0]), [0, 0, 0], 2.0).tolist() == [2.0, 1.0]


def test_repetition_penalty_without_used_tokens_changes_nothing():
    assert apply_repetition_penalty(torch.tensor([4.0, -1.0]), [], 2.0).tolist() == [4.0, -1.0]


def test_repetition_penalty_below_1_encourages():
    assert apply_repetition_penalty(torch.tensor([4.0, -4.0]), [0, 1], 0.5).tolist() == [8.0, -2.0]


def test_temperature_divides():
    assert apply_temperature(torch.tensor([2.0, -1.0]), 0.5).tolist() == [4.0, -2.0]


def test_temperature_0_leaves_the_first_of_the_most_likely_tokens():
    assert apply_temperature(torch.tensor([1.0, 3.0, 3.0, -INF]), 0).tolist() == [-INF, 3.0, -INF, -INF]


def test_top_k_keeps_the_k_largest_logits():
    assert apply_top_k(torch.tensor([1.0, 4.0, 2.0, 3.0]), 2).tolist() == [-INF, 4.0, -INF, 3.0]


def test_top_k_keeps_what_ties_with_rank_k():
    assert apply_top_k(torch.tensor([3.0, 2.0, 2.0, 1.0]), 2).tolist() == [3.0, 2.0, 2.0, -INF]


@pytest.mark.parametrize("top_k", [0, 3, 4, 10**9])
def test_top_k_of_0_or_of_the_whole_vocabulary_keeps_all(top_k):
    assert apply_top_k(torch.tensor([1.0, 2.0, 3.0]), top_k).tolist() == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("top_p", "expected"),
    [
        (0.0, {1}),
        (0.4, {1}),
        (0.6, {1, 2}),  # 0.5 is not enough, so the token that crosses is kept
        (0.75, {1, 2}),
        (0.9, {0, 1, 2}),
        (1.0, {0, 1, 2}),
    ],
)
def test_top_p_keeps_the_most_likely_tokens_up_to_the_one_that_crosses_p(top_p, expected):
    assert kept(apply_top_p(from_probs(0.2, 0.5, 0.3), top_p)) == expected


def test_top_p_of_1_keeps_even_what_has_probability_0():
    assert kept(apply_top_p(torch.tensor([1e4, -1e4]), 1.0)) == {0, 1}


def test_top_p_that_is_reached_exactly_needs_no_further_token():
    # Halves and quarters have no rounding error.
    assert kept(apply_top_p(from_probs(0.5, 0.25, 0.25), 0.5)) == {0}


def test_top_p_takes_the_larger_id_first_of_equally_likely_tokens():
    assert kept(apply_top_p(from_probs(0.25, 0.25, 0.25, 0.25), 0.3)) == {2, 3}


def test_ties_are_resolved_by_id_in_a_whole_vocabulary_too():
    half = FULL_VOCABULARY // 2
    assert kept(apply_top_p(torch.zeros(FULL_VOCABULARY), 0.5)) == set(range(half, FULL_VOCABULARY))
    assert draw(torch.full((FULL_VOCABULARY,), 1 / FULL_VOCABULARY), 0.5) == half


def test_min_p_keeps_what_is_at_least_that_fraction_of_the_favourite():
    # The favourite has 0.5, so a min_p of 0.4 asks for 0.2.
    assert kept(apply_min_p(from_probs(0.5, 0.3, 0.15, 0.05), 0.4)) == {0, 1}


def test_min_p_of_1_keeps_only_the_favourites():
    assert kept(apply_min_p(torch.tensor([1.0, 1.0, 0.9]), 1.0)) == {0, 1}


def test_to_probs_is_the_softmax():
    probs = to_probs(torch.tensor([math.log(6), math.log(3), math.log(1), -INF]))
    torch.testing.assert_close(probs, torch.tensor([0.6, 0.3, 0.1, 0.0]))


@pytest.mark.parametrize(
    ("change", "value"),
    [(apply_temperature, -1), (apply_top_k, -3), (apply_top_p, 1.5), (apply_min_p, 2), (apply_top_p, "0.9")],
)
def test_a_value_that_no_setting_may_have_is_refused(change, value):
    with pytest.raises(SettingsError, match="is not allowed"):
        change(torch.tensor([1.0, 2.0]), value)


def test_a_penalty_of_nothing_and_a_token_beyond_the_vocabulary_are_refused():
    with pytest.raises(SettingsError, match="repetition_penalty=0 is not allowed"):
        apply_repetition_penalty(torch.tensor([1.0, 2.0]), [0], 0)
    with pytest.raises(TokenError, match="token_id=2 is not in this vocabulary"):
        apply_repetition_penalty(torch.tensor([1.0, 2.0]), [2], 1.3)


# --- what must hold for all logits

CHANGES = {
    "repetition_penalty": lambda logits: apply_repetition_penalty(logits, [0, len(logits) - 1], 1.3),
    "temperature": lambda logits: apply_temperature(logits, 0.7),
    "temperature 0": lambda logits: apply_temperature(logits, 0),
    "top_k": lambda logits: apply_top_k(logits, 3),
    "top_k off": lambda logits: apply_top_k(logits, 0),
    "top_p": lambda logits: apply_top_p(logits, 0.8),
    "top_p 0": lambda logits: apply_top_p(logits, 0.0),
    "top_p off": lambda logits: apply_top_p(logits, 1.0),
    "min_p": lambda logits: apply_min_p(logits, 0.1),
    "min_p off": lambda logits: apply_min_p(logits, 0.0),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
@given(logits=logits_tensors())
@settings(max_examples=40)
def test_every_change_leaves_its_input_alone_and_gives_a_new_tensor_that_can_be_drawn_from(change, logits):
    before = logits.clone()
    after = change(logits)
    assert torch.equal(logits, before)
    assert after.data_ptr() != logits.data_ptr()
    assert after.shape == logits.shape
    assert after.dtype == torch.float32
    assert kept(after)
    assert to_probs(after).sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", [name for name in CHANGES if name != "repetition_penalty"])
@given(logits=logits_tensors())
@settings(max_examples=40)
def test_every_change_but_the_penalty_keeps_the_order_of_what_is_left(name, logits):
    after = CHANGES[name](logits)
    left = sorted(kept(after), key=lambda token_id: logits[token_id].item())
    assert (after[left].diff() >= 0).all()


@pytest.mark.parametrize("name", [name for name in CHANGES if "top" in name or "min" in name or "0" in name])
@given(logits=logits_tensors())
@settings(max_examples=40)
def test_a_change_that_removes_tokens_keeps_the_favourite_and_leaves_the_kept_logits_as_they_were(name, logits):
    after = CHANGES[name](logits)
    left = torch.isfinite(after)
    assert torch.equal(after[left], logits[left])
    assert (after[~left] == -INF).all()
    assert after.max() == logits.max()


@pytest.mark.parametrize("size", [1, 2, FULL_VOCABULARY])
def test_all_equal_logits_are_equally_likely(size):
    assert torch.equal(to_probs(torch.full((size,), 7.0)), torch.full((size,), 1 / size))


# --- equal to transformers


@given(logits_tensors(), st.lists(st.integers(0, 10**6), max_size=20), st.floats(0.1, 10))
def test_repetition_penalty_equals_transformers(logits, used, penalty):
    input_ids = [number % len(logits) for number in used]
    theirs = by_transformers(RepetitionPenaltyLogitsProcessor(penalty), logits, input_ids)
    assert_same(apply_repetition_penalty(logits, input_ids, penalty), theirs)


@given(logits_tensors(), st.floats(0.01, 100))
def test_temperature_equals_transformers(logits, temperature):
    assert_same(apply_temperature(logits, temperature), by_transformers(TemperatureLogitsWarper(temperature), logits))


@given(logits_tensors(), st.integers(1, 50))
def test_top_k_equals_transformers(logits, top_k):
    assert torch.equal(apply_top_k(logits, top_k), by_transformers(TopKLogitsWarper(top_k), logits))


@given(logits_tensors(max_size=300), st.floats(0, 1))
@example(torch.zeros(1), 0.0)
@example(torch.zeros(300), 0.5)
@example(torch.tensor([1e30, 1e30, -1e30]), 0.9)
@settings(max_examples=200)
def test_top_p_equals_transformers(logits, top_p):
    assert_same_top_p(logits, top_p)


@given(logits_tensors(), st.floats(0, 1))
def test_min_p_equals_transformers(logits, min_p):
    assert torch.equal(apply_min_p(logits, min_p), by_transformers(MinPLogitsWarper(min_p), logits))


@pytest.mark.parametrize("ties", [False, True], ids=["no ties", "ties"])
@pytest.mark.parametrize("top_p", [0.0, 0.05, 0.5, 0.9, 0.999, 1.0])
def test_top_p_equals_transformers_on_a_whole_vocabulary(top_p, ties):
    assert_same_top_p(many_logits(1, ties=ties), top_p)
    assert_same_top_p(torch.zeros(FULL_VOCABULARY), top_p)


@pytest.mark.parametrize("ties", [False, True], ids=["no ties", "ties"])
def test_top_k_and_min_p_equal_transformers_on_a_whole_vocabulary(ties):
    logits = many_logits(2, ties=ties)
    for top_k in (1, 50, 1000, FULL_VOCABULARY + 1):
        assert torch.equal(apply_top_k(logits, top_k), by_transformers(TopKLogitsWarper(top_k), logits))
    for min_p in (1e-9, 0.05, 1.0):
        assert torch.equal(apply_min_p(logits, min_p), by_transformers(MinPLogitsWarper(min_p), logits))


def assert_same_top_p(logits, top_p):
    """Both keep equally many of the most likely tokens, except where the sum before one is p, but for rounding.

    Without a tie at the border these are the same tokens. With one, transformers leaves the choice among the tied
    tokens to a sort that is not stable.
    """
    ours = apply_top_p(logits, top_p)
    theirs = by_transformers(TopPLogitsWarper(top_p), logits) if top_p < 1 else logits
    n_ours, n_theirs = len(kept(ours)), len(kept(theirs))
    ranked = logits.sort(descending=True).values
    assert torch.equal(ours.sort(descending=True).values[:n_ours], ranked[:n_ours])
    assert torch.equal(theirs.sort(descending=True).values[:n_theirs], ranked[:n_theirs])
    probs = torch.softmax(ranked.double(), dim=-1)
    sum_before = probs.cumsum(0) - probs
    in_doubt = sum_before[min(n_ours, n_theirs) : max(n_ours, n_theirs)]
    assert ((in_doubt - top_p).abs() <= ROUNDING).all()


@given(logits_tensors(max_size=300))
@example(torch.tensor([0.0, -0.0, 0.0, -1.0, -0.0, INF, -INF]))
@example(torch.tensor([0.1, 0.1 + 1e-12, 0.1], dtype=torch.double))
def test_the_fast_sort_leaves_equal_numbers_in_their_order(values):
    assert torch.equal(_argsort(values), values.argsort(stable=True))


# --- the whole chain

CHAIN_SETTINGS = st.builds(
    GenerationSettings,
    temperature=st.floats(0.1, 5),
    top_k=st.integers(0, 30),
    top_p=st.floats(0.01, 1),
    min_p=st.sampled_from([0.0, 0.01, 0.1, 0.5]),
    repetition_penalty=st.sampled_from([1.0, 1.2, 2.0, 0.8]),
)


def transformers_chain(knobs):
    """What `generate` applies, in its order; top_p=1 and the like switch a step off there, too."""
    steps = [
        (knobs.repetition_penalty != 1, RepetitionPenaltyLogitsProcessor, knobs.repetition_penalty),
        (knobs.temperature != 1, TemperatureLogitsWarper, knobs.temperature),
        (knobs.top_k > 0, TopKLogitsWarper, knobs.top_k),
        (knobs.top_p < 1, TopPLogitsWarper, knobs.top_p),
        (knobs.min_p > 0, MinPLogitsWarper, knobs.min_p),
    ]
    return LogitsProcessorList([make(value) for is_on, make, value in steps if is_on])


@given(st.integers(0, 10**6), st.integers(1, 300), CHAIN_SETTINGS)
@settings(max_examples=200)
def test_the_whole_chain_equals_transformers_in_its_order(seed, size, knobs):
    logits = many_logits(seed, size)
    input_ids = [seed % size, seed // 7 % size]
    ours = process_logits(logits, input_ids, knobs)
    theirs = by_transformers(transformers_chain(knobs), logits, input_ids)
    if kept(ours.after_min_p) != kept(theirs):  # allowed only if top_p stands on a rounding error
        probs = to_probs(ours.after_top_k).double().sort(descending=True).values
        assert (probs.cumsum(0) - knobs.top_p).abs().min() <= ROUNDING
    else:
        assert_same(ours.after_min_p, theirs)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_whole_chain_equals_transformers_on_a_whole_vocabulary(seed):
    logits, used = many_logits(seed), list(range(0, FULL_VOCABULARY, 97))
    knobs = GenerationSettings(temperature=0.8, top_k=200, top_p=0.93, min_p=0.01, repetition_penalty=1.15)
    theirs = by_transformers(transformers_chain(knobs), logits, used)
    assert_same(process_logits(logits, used, knobs).after_min_p, theirs)


def test_temperature_comes_before_top_p():
    # A high temperature makes all tokens nearly alike, so 0.6 needs more of them than it would have before.
    logits = from_probs(0.7, 0.1, 0.1, 0.1)
    stages = process_logits(logits, [], GenerationSettings(temperature=100, top_p=0.6))
    assert kept(stages.after_top_p) == {0, 2, 3}
    assert kept(apply_top_p(logits, 0.6)) == {0}


def test_top_k_comes_before_top_p():
    # Of 0.4 + 0.3 the first has 0.57, which reaches 0.5; of all four it had only 0.4.
    stages = process_logits(from_probs(0.4, 0.3, 0.2, 0.1), [], GenerationSettings(temperature=1.0, top_k=2, top_p=0.5))
    assert kept(stages.after_top_p) == {0}


def test_the_penalty_comes_before_the_temperature():
    stages = process_logits(torch.tensor([4.0, 1.0]), [0], GenerationSettings(temperature=2.0, repetition_penalty=4.0))
    assert stages.after_repetition_penalty.tolist() == [1.0, 1.0]
    assert stages.after_temperature.tolist() == [0.5, 0.5]


def test_each_stage_is_the_change_of_the_one_before():
    logits = many_logits(5, size=50)
    knobs = GenerationSettings(temperature=0.5, top_k=20, top_p=0.95, min_p=0.02, repetition_penalty=1.5)
    stages = process_logits(logits, [1, 2], knobs)
    assert torch.equal(stages.logits, logits)
    assert torch.equal(stages.after_repetition_penalty, apply_repetition_penalty(logits, [1, 2], 1.5))
    assert torch.equal(stages.after_temperature, apply_temperature(stages.after_repetition_penalty, 0.5))
    assert torch.equal(stages.after_top_k, apply_top_k(stages.after_temperature, 20))
    assert torch.equal(stages.after_top_p, apply_top_p(stages.after_top_k, 0.95))
    assert torch.equal(stages.after_min_p, apply_min_p(stages.after_top_p, 0.02))
    assert torch.equal(stages.probs, to_probs(stages.after_min_p))


def test_with_every_knob_off_the_probabilities_are_the_models_own():
    logits = many_logits(6, size=50)
    stages = process_logits(logits, [1, 2], GenerationSettings(temperature=1, top_p=1))
    assert torch.equal(stages.probs, to_probs(logits))


@pytest.mark.parametrize("knobs", [{"temperature": 0}, {"do_sample": False}, {"do_sample": False, "temperature": 3}])
def test_greedy_leaves_one_token_with_probability_1(knobs):
    stages = process_logits(torch.tensor([1.0, 5.0, 4.0]), [], GenerationSettings(top_k=2, min_p=0.5, **knobs))
    assert stages.probs.tolist() == [0.0, 1.0, 0.0]


def test_greedy_respects_the_penalty_as_generate_does():
    stages = process_logits(
        torch.tensor([1.0, 5.0, 4.0]), [1], GenerationSettings(do_sample=False, repetition_penalty=2.0)
    )
    assert stages.probs.tolist() == [0.0, 0.0, 1.0]


@given(logits_tensors(), CHAIN_SETTINGS)
def test_the_chain_leaves_its_input_alone(logits, knobs):
    before = logits.clone()
    process_logits(logits, [0], knobs)
    assert torch.equal(logits, before)


# --- the draw


@pytest.mark.parametrize(
    ("u", "token_id"), [(0.0, 1), (0.49, 1), (0.5, 2), (0.6, 2), (0.79, 2), (0.81, 0), (0.999999, 0)]
)
def test_the_needle_points_into_a_bar_of_tokens_by_descending_probability(u, token_id):
    assert draw(torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64), u) == token_id


def test_of_equally_likely_tokens_the_smaller_id_comes_first():
    assert [draw(torch.full((4,), 0.25), u) for u in (0.0, 0.25, 0.5, 0.75, 0.999)] == [0, 1, 2, 3, 3]


def test_u_is_a_share_of_the_whole_bar_even_where_rounding_made_it_shorter():
    assert [draw(torch.tensor([0.25, 0.25]), u) for u in (0.4, 0.6)] == [0, 1]


@pytest.mark.parametrize("u", [0.0, 0.5, 1 - 2**-53])
def test_one_token_is_always_drawn(u):
    assert draw(torch.tensor([1.0]), u) == 0


@pytest.mark.parametrize("u", [-1e-9, 1.0, 2, float("nan"), INF])
def test_a_needle_off_the_bar_is_refused(u):
    with pytest.raises(SettingsError, match=r"^u=.* is not allowed: it must be at least 0 and below 1"):
        draw(torch.tensor([1.0]), u)


def test_a_small_change_of_u_near_1_reaches_the_last_possible_token_and_no_impossible_one():
    assert draw(torch.tensor([0.0, 0.9999999, 1e-7, 0.0]), 1 - 2**-53) == 2


@given(logits_tensors(), st.floats(0, 1, exclude_max=True))
def test_a_token_with_probability_0_is_never_drawn(logits, u):
    probs = to_probs(logits)
    assert probs[draw(probs, u)] > 0


@given(logits_tensors(), st.floats(0, 1, exclude_max=True))
def test_draw_equals_walking_along_the_bar(logits, u):
    probs = to_probs(logits).double()
    ranked = sorted(range(len(probs)), key=lambda token_id: (-probs[token_id].item(), token_id))
    total, walked, expected = math.fsum(probs.tolist()), 0.0, None
    for token_id in ranked:
        walked += probs[token_id].item()
        if abs(walked - u * total) < 1e-12:
            return  # the needle points at a border, but for rounding: either side is right
        if walked > u * total:
            expected = token_id
            break
    assert draw(probs, u) == expected


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_evenly_spaced_needles_draw_each_token_as_often_as_it_is_likely(seed):
    probs, n = to_probs(many_logits(seed, size=30)), 20_000
    counts = torch.zeros(30)
    for place in range(n):
        counts[draw(probs, (place + 0.5) / n)] += 1
    # Each token has one piece of the bar; a piece can hold at most one needle more or less than its length says.
    assert ((counts - n * probs).abs() <= 1.01).all()


def test_draw_leaves_its_input_alone_and_works_on_a_whole_vocabulary():
    probs = to_probs(many_logits(9))
    before = probs.clone()
    assert draw(probs, 0.0) == probs.argmax()
    assert torch.equal(probs, before)


def test_moving_a_slider_keeps_the_luck():
    """The same u with a lower temperature moves towards the favourite, never away from it."""
    logits = many_logits(10, size=100)
    ranks = logits.argsort(descending=True).tolist()
    for u in luck(3, 20):
        places = [ranks.index(draw(to_probs(apply_temperature(logits, t)), u)) for t in (2.0, 1.0, 0.5, 0.1)]
        assert places == sorted(places, reverse=True)


@given(st.lists(st.floats(0, 1, exclude_max=True), max_size=30), st.integers(0, 1000))
def test_many_draws_are_single_draws(needles, seed):
    probs = to_probs(torch.randn(50, generator=torch.Generator().manual_seed(seed)) * 3)
    assert draw_many(probs, needles) == [draw(probs, u) for u in needles]


@pytest.mark.parametrize("u", [1.0, -0.1, math.nan])
def test_one_bad_needle_among_many_is_refused(u):
    with pytest.raises(SettingsError, match="at least 0 and below 1"):
        draw_many(torch.tensor([0.5, 0.5]), [0.1, u])


def test_the_bar_by_hand():
    ranked, ends = roulette(torch.tensor([0.25, 0.5, 0.0, 0.25]))
    assert ranked.tolist() == [1, 0, 3]
    assert ends.tolist() == [0.5, 0.75, 1.0]


# --- surprise, entropy, perplexity


def test_surprise_by_hand():
    assert [surprise(prob) for prob in (1, 0.5, 1 / 1024, 0)] == [0, 1, 10, math.inf]
    assert str(surprise(1)) == "0.0"


@pytest.mark.parametrize("prob", [5, -1, math.nan, "0.5", None])
def test_what_is_no_probability_is_refused(prob):
    with pytest.raises(SettingsError, match="a number from 0 to 1"):
        surprise(prob)


def test_a_sum_that_rounding_made_a_little_more_than_1_is_no_surprise():
    assert surprise(1 + 1e-7) == 0


def test_entropy_by_hand():
    assert entropy([0.5, 0.5]) == 1
    assert entropy(torch.tensor([0.25] * 4)) == 2
    assert entropy(torch.tensor([1.0, 0.0])) == 0
    assert entropy(torch.tensor([0.5, 0.25, 0.25])) == 1.5


def test_entropy_is_the_mean_surprise_and_at_most_that_of_equal_tokens():
    probs = to_probs(torch.randn(1000, generator=torch.Generator().manual_seed(1)) * 3)
    assert entropy(probs) == pytest.approx(sum(p * surprise(p) for p in probs.tolist()), abs=1e-4)
    assert 0 < entropy(probs) < math.log2(1000)
    assert entropy(to_probs(torch.zeros(1024))) == pytest.approx(10)


def test_perplexity_by_hand():
    assert perplexity([0.5, 0.125]) == 4
    assert perplexity([0.1] * 7) == pytest.approx(10)
    assert perplexity([1.0, 0.0]) == math.inf


def test_the_perplexity_of_nothing_is_refused():
    with pytest.raises(SettingsError, match="at least one"):
        perplexity([])


# --- luck


def test_the_same_seed_has_the_same_luck():
    assert luck(7, 5) == luck(7, 5)
    assert luck(7, 5) != luck(8, 5)


def test_a_longer_list_begins_with_the_shorter_one():
    assert luck(7, 9)[:5] == luck(7, 5)
    assert luck(7, 0) == []


@pytest.mark.parametrize(("seed", "n"), [(-1, 3), (None, 3), ("a", 3), (1, -1), (1, 2.5)])
def test_luck_needs_a_seed_and_a_count(seed, n):
    with pytest.raises(SettingsError, match="is not allowed"):
        luck(seed, n)


def test_luck_is_even_and_on_the_bar():
    numbers = luck(1, 10_000)
    assert all(0 <= u < 1 for u in numbers)
    counts = [sum(place <= 10 * u < place + 1 for u in numbers) for place in range(10)]
    assert all(900 <= count <= 1100 for count in counts)


def test_luck_touches_no_other_random_numbers():
    import random

    random.seed(5)
    expected = random.random()
    random.seed(5)
    luck(1, 100)
    assert random.random() == expected
