"""What a model costs: KL by hand, distances of real models, sizes, and a table; no test asserts a speed."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nanochat_helpers import model_costs
from nanochat_helpers.errors import EngineError, MessageError, SettingsError
from nanochat_helpers.model_costs import (
    Comparison,
    ModelCost,
    Reference,
    compare,
    kl_divergence,
    megabytes,
    memory_speed,
    tokens_per_second,
)
from nanochat_helpers.quantization import int8_copy, rounded
from nanochat_helpers.sampling import to_probs

TEXTS = ["The capital of France is Paris.", "Water boils at a hundred degrees."]
PROBS = st.lists(st.floats(0.001, 1), min_size=5, max_size=5).map(lambda p: torch.tensor(p) / sum(p))


@pytest.fixture(scope="module")
def reference(backbone):
    return Reference(backbone, TEXTS)


# --- KL


def test_kl_by_hand():
    half, skewed = torch.tensor([0.5, 0.5]), torch.tensor([0.75, 0.25])
    assert kl_divergence(half, skewed).item() == pytest.approx(0.5 * -0.58496 + 0.5 * 1, abs=1e-4)
    assert kl_divergence(torch.tensor([1.0, 0.0]), half).item() == 1  # one bit: it had to guess between two
    assert kl_divergence(half, torch.tensor([1.0, 0.0])).item() == float("inf")


def test_kl_of_many_rows_at_once():
    rows = torch.tensor([[0.5, 0.5], [0.9, 0.1]])
    assert kl_divergence(rows, rows).tolist() == [0, 0]
    assert kl_divergence(torch.ones(3, 2, 4) / 4, torch.ones(3, 2, 4) / 4).shape == (3, 2)


@pytest.mark.parametrize(
    ("probs", "other", "says"),
    [
        ([0.5, 0.5], [0.2, 0.3, 0.5], "equally many"),
        (0.5, 0.5, "equally many"),
        ([1, 2], [0.5, 0.5], "add up to 1"),
        ([0.5, 0.5], [0.25, 0.25], "add up to 1"),
        ([-0.5, 1.5], [0.5, 0.5], "0 or more"),
        (["sun"], [1.0], "must be numbers"),
    ],
)
def test_what_are_no_probabilities_is_refused(probs, other, says):
    with pytest.raises(SettingsError, match=says):
        kl_divergence(probs, other)


@given(probs=PROBS, other=PROBS)
def test_kl_equals_torchs_and_is_never_below_0(probs, other):
    ours = kl_divergence(probs, other).item()
    theirs = torch.nn.functional.kl_div(other.double().log(), probs.double(), reduction="sum").item()
    assert ours >= 0
    assert ours == pytest.approx(theirs / 0.6931471805599453, abs=1e-6)


# --- distances


def test_the_kept_guesses_are_those_of_the_model_at_each_place(backbone, reference):
    input_ids = reference.input_ids[0]
    for place in (1, 4):
        assert torch.allclose(
            reference.probs[0][place - 1], to_probs(backbone.next_token_logits(input_ids[:place])), atol=1e-4
        )


def test_a_model_is_at_no_distance_from_itself(backbone, reference):
    distance = reference.distance(backbone)
    assert (distance.kl, distance.same_favourite) == (0, 1)
    assert distance.n_places == sum(map(len, reference.input_ids))


def test_four_bits_again_lose_nothing_and_three_bits_lose_much(backbone, reference):
    measured = {}
    for bits in (8, 5, 4, 3):
        with rounded(backbone, bits):
            measured[bits] = reference.distance(backbone).kl
    assert measured[4] < 1e-6 and measured[8] < 1e-3
    assert 0.05 < measured[5] < 1 < measured[3]


def test_int8_and_llama_cpp_are_near_and_not_equal(backbone, llama_cpp_backbone, reference):
    assert 0.001 < reference.distance(int8_copy(backbone)).kl < 0.05
    rough = reference.distance(int8_copy(backbone, whole_numbers=True)).kl
    assert 0.02 < rough < 0.5
    assert 0.0005 < reference.distance(llama_cpp_backbone).kl < 0.05


def test_llama_cpp_tells_as_many_probabilities_as_it_is_asked_for(backbone, llama_cpp_backbone):
    input_ids = backbone.tokenizer.encode("The capital of France is")
    listed = llama_cpp_backbone.next_token_probs(input_ids, 50)
    assert len(listed) == 50
    assert list(listed.values()) == sorted(listed.values(), reverse=True)
    own = to_probs(backbone.next_token_logits(input_ids))
    first = next(iter(listed))
    assert first == own.argmax().item()
    assert listed[first] == pytest.approx(own[first].item(), abs=0.05)
    with pytest.raises(EngineError, match="could not do this"):
        llama_cpp_backbone.next_token_probs([0] * 5000, 5)  # more than its context holds


def test_what_llama_cpp_does_not_list_counts_as_one_token():
    # Listed are two of four tokens; the others have 0.5 here and 0.25 there.
    class Lists:
        engine = "llama.cpp"

        def next_token_probs(self, input_ids, n):
            return {2: 0.5, 0: 0.25}

    reference = Reference.__new__(Reference)
    reference.input_ids, reference.probs = [[7]], [torch.tensor([[0.25, 0.1, 0.25, 0.4]])]
    distance = reference.distance(Lists())
    assert distance.kl == pytest.approx(0.25 * 0 + 0.25 * -1 + 0.5 * 1, abs=1e-6)
    assert (distance.same_favourite, distance.n_places) == (0, 1)


@pytest.mark.parametrize("texts", [[], [""], "one text", None, {"a": "text"}])
def test_without_texts_there_is_nothing_to_compare(backbone, texts):
    with pytest.raises(SettingsError, match="a list of texts"):
        Reference(backbone, texts)


def test_texts_that_are_none_or_too_long_are_refused(backbone):
    with pytest.raises(MessageError, match="must be text, not int"):
        Reference(backbone, ["tea", 5])
    with pytest.raises(SettingsError, match="10,001 tokens: take shorter ones, of 1,000"):
        Reference(backbone, ["word " * 10_000])


def test_a_model_without_logits_is_no_reference_and_not_compared(minilm, reference):
    for model in (minilm, "smollm2"):
        with pytest.raises(EngineError, match="load a decoder"):
            Reference(model, TEXTS)
        with pytest.raises(EngineError, match="load a decoder"):
            reference.distance(model)


def test_another_vocabulary_is_refused(backbone, reference):
    shorter = Reference.__new__(Reference)
    shorter.input_ids, shorter.probs = reference.input_ids, [probs[:, :-1] for probs in reference.probs]
    with pytest.raises(EngineError, match="another vocabulary"):
        shorter.distance(backbone)


# --- size and speed


def test_sizes(backbone, llama_cpp_backbone):
    assert megabytes(backbone) == pytest.approx(538, abs=1)
    assert megabytes(int8_copy(backbone)) == pytest.approx(135, abs=1)
    assert megabytes(llama_cpp_backbone) == pytest.approx(98.4, abs=0.1)


def test_speeds_are_positive(backbone):
    assert tokens_per_second(backbone, n_tokens=3) > 0
    assert memory_speed(megabytes=4) > 0


@pytest.mark.parametrize("n_tokens", [0, 1, "12", None, True])
def test_a_speed_needs_two_tokens(backbone, n_tokens):
    with pytest.raises(SettingsError, match=f"n_tokens={n_tokens!r} is not allowed"):
        tokens_per_second(backbone, n_tokens=n_tokens)


def test_the_trial_of_the_memory_leaves_the_threads_as_they_are(monkeypatch):
    tried = []
    monkeypatch.setattr(model_costs, "usable_cores", lambda: 3)
    before, set_num_threads = torch.get_num_threads(), torch.set_num_threads
    monkeypatch.setattr(torch, "set_num_threads", lambda n: [tried.append(n), set_num_threads(n)])
    memory_speed(megabytes=1)
    assert set(tried) == {1, 3, before} and torch.get_num_threads() == before
    with pytest.raises(SettingsError, match="megabytes=-1 is not allowed"):
        memory_speed(megabytes=-1)


def test_the_size_of_what_is_no_model_is_not_told():
    with pytest.raises(EngineError, match="load_model"):
        megabytes("smollm2")


@pytest.mark.parametrize("models", [{}, [1], None])
def test_without_models_there_is_no_table(reference, models):
    with pytest.raises(SettingsError, match="the models by name"):
        compare(reference, models)


def test_the_table_has_a_row_for_each_model(backbone, reference):
    comparison = compare(reference, {"own": backbone}, n_tokens=3)
    assert comparison["own"].kl == 0
    assert comparison["own"].megabytes == megabytes(backbone)
    with pytest.raises(SettingsError, match="no row 'other'"):
        comparison["other"]


def test_the_table_shows_itself():
    comparison = Comparison((ModelCost("float32", 538.1, 22.4, 0.0, 1.0), ModelCost("int8", 135.0, 8.1, 0.01051, 0.96)))
    lines = repr(comparison).splitlines()
    assert lines[1].split() == ["float32", "538", "22", "0.0000", "100%"]
    assert lines[2].split() == ["int8", "135", "8", "0.0105", "96%"]
    assert len(set(map(len, lines))) == 1
