"""Smaller numbers: a row by hand, equality with llama.cpp's own format, and models that calculate with such weights."""

import gguf
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from nanochat_helpers.backbones.logits_cache import LogitsCache
from nanochat_helpers.errors import EngineError, SettingsError
from nanochat_helpers.quantization import (
    Int8Embedding,
    Int8Linear,
    count_parameters,
    int8_copy,
    quantize,
    rounded,
    to_int8,
    weights_megabytes,
)

TOY = torch.tensor([0.31, -0.6, 0.04, 0.9, -0.17, 0.56, -0.28, 0.12])  # from -0.6 to 0.9: the step is 1.5 / 15 = 0.1
ROWS = st.lists(st.floats(-1000, 1000, width=32), min_size=32, max_size=32)


@pytest.fixture(scope="module")
def tiny():
    """A decoder of a few kilobytes, without a tokenizer of its own."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from nanochat_helpers.backbones.local import LocalBackbone

    torch.manual_seed(0)
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "vocab_size": 50}
    config = LlamaConfig(
        **sizes,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=True,
    )

    class NoTokenizer:
        eos_token_id = 2

    return LocalBackbone("tiny", LlamaForCausalLM(config), NoTokenizer())


def guesses(backbone):
    """The logits after three tokens, without a cache from before: with one, the last digits differ."""
    backbone.forget()
    return backbone.next_token_logits([3, 4, 5])


# --- by hand


def test_a_toy_row_by_hand():
    toy = quantize(TOY, 4, block_size=8)
    assert toy.codes.tolist() == [[9, 0, 6, 15, 4, 12, 3, 7]]
    assert toy.steps.item() == pytest.approx(0.1, rel=1e-3)
    assert toy.lowest.item() == pytest.approx(-0.6, rel=1e-3)
    assert [round(weight, 2) for weight in toy.dequantize().tolist()] == [0.3, -0.6, 0, 0.9, -0.2, 0.6, -0.3, 0.1]


def test_halfway_between_two_levels_the_upper_one_is_taken():
    assert quantize(torch.tensor([0.0, 0.5, 1.5, 3.0]), 2, block_size=4).codes.tolist() == [[0, 1, 2, 3]]


@pytest.mark.parametrize(("bits", "block_size", "expected"), [(4, 32, 5), (8, 32, 9), (2, 64, 2.5), (3, 16, 5)])
def test_a_weight_also_pays_its_share_of_its_block(bits, block_size, expected):
    assert quantize(torch.randn(2, 64), bits, block_size=block_size).bits_per_weight == expected


def test_the_size_of_a_model_is_parameters_times_bits_through_eight():
    assert weights_megabytes(8_000_000_000, 16) == 16_000
    assert weights_megabytes(1_000_000, 5) == 0.625


# --- equal to llama.cpp's own


@pytest.mark.parametrize("scale", [1e-3, 0.2, 30.0])
def test_four_bits_in_blocks_of_32_are_the_q4_1_of_llama_cpp(scale):
    weights = np.random.default_rng(1).normal(0, scale, (24, 96)).astype(np.float32)
    weights[3, 32:64] = 0.25  # a block without a step
    packed = gguf.quantize(weights, gguf.GGMLQuantizationType.Q4_1)
    ours = quantize(torch.from_numpy(weights), 4)
    assert packed.nbytes * 8 / weights.size == ours.bits_per_weight == 5
    theirs = gguf.dequantize(packed, gguf.GGMLQuantizationType.Q4_1)
    assert np.array_equal(ours.dequantize().numpy(), theirs)


# --- what always holds


@given(row=ROWS, bits=st.integers(1, 8))
def test_no_weight_moves_by_more_than_half_a_step(row, bits):
    weights = torch.tensor(row)
    quantized = quantize(weights, bits)
    error = (quantized.dequantize() - weights).abs().max().item()
    rounding_of_step_and_lowest = 2**-10 * weights.abs().max().item() * 3 + 2**-24 * 2**bits
    assert error <= quantized.steps.item() / 2 + rounding_of_step_and_lowest
    assert quantized.codes.max().item() < 2**bits


def test_the_weights_stay_untouched_and_the_shape_comes_back():
    weights = torch.randn(3, 4, 64)
    before = weights.clone()
    assert quantize(weights, 3).dequantize().shape == weights.shape
    assert torch.equal(weights, before)


def test_what_lies_on_the_grid_is_not_rounded_again():
    once = quantize(torch.randn(50, 64), 4).dequantize()
    assert torch.equal(quantize(once, 4).dequantize(), once)


def test_each_level_of_4_bits_is_one_of_8_bits_and_not_one_of_5():
    # 255 = 17 × 15: between two levels of 4 bits lie exactly 16 more of 8 bits. 31 is no multiple of 15.
    once = quantize(torch.randn(50, 64), 4).dequantize()
    errors = {bits: (quantize(once, bits).dequantize() - once).abs().mean().item() for bits in (5, 8)}
    assert errors[8] < 0.1 * errors[5]  # not 0, because the step itself is rounded to 16 bits


@pytest.mark.parametrize("bits", [0, 9, 4.0, True, "4"])
def test_bits_that_are_not_allowed_are_refused_in_a_sentence(bits):
    with pytest.raises(SettingsError, match="from 1 to 8"):
        quantize(TOY, bits, block_size=8)


@pytest.mark.parametrize(("weights", "block_size"), [(TOY, 32), (TOY, 0), (TOY, 3), (torch.tensor(1.0), 1), (TOY, 4.0)])
def test_rows_that_cannot_be_cut_into_equal_blocks_are_refused(weights, block_size):
    with pytest.raises(SettingsError, match="equal blocks"):
        quantize(weights, 4, block_size=block_size)


@pytest.mark.parametrize("weights", [["a"] * 8, "abcdefgh", None, [1, None], [[1, 2], [3]], {1: 2}, [10**400] * 8])
def test_what_is_no_row_of_numbers_is_refused(weights):
    with pytest.raises(SettingsError, match="must be numbers"):
        quantize(weights, 4, block_size=8)
    with pytest.raises(SettingsError, match="must be numbers"):
        to_int8(weights)


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_what_is_not_finite_is_refused(weight):
    with pytest.raises(SettingsError, match="infinite or nan"):
        quantize([1.0, weight], 4, block_size=2)


@pytest.mark.parametrize("row", [[1e6, 0.0], [-1e5, 1e5], [7e4, 7e4]])
def test_steps_and_lowest_values_that_16_bits_cannot_hold_are_refused(row):
    with pytest.raises(SettingsError, match="too large"):
        quantize(row, 4, block_size=2)
    assert quantize([6e4, 0.0], 4, block_size=2).dequantize()[0] == pytest.approx(6e4, rel=1e-3)


@pytest.mark.parametrize("numbers", [("8", 5), (8e9, "5"), (-1, 5), (1, -1), (float("nan"), 5), (1, float("inf"))])
def test_a_size_needs_two_numbers(numbers):
    with pytest.raises(SettingsError, match="a number of 0 or more"):
        weights_megabytes(*numbers)


# --- int8


@pytest.mark.parametrize("rows", [[0.5, 1.0], [[[1.0]]], 3.0, [[], []]])
def test_int8_needs_rows(rows):
    with pytest.raises(SettingsError, match="a list of rows"):
        to_int8(rows)


def test_int8_by_hand():
    codes, scales = to_int8(torch.tensor([[0.5, -1.27, 0.02], [0.0, 0.0, 0.0]]))
    assert codes.tolist() == [[50, -127, 2], [0, 0, 0]]
    assert scales.flatten().tolist() == pytest.approx([0.01, 0])


def test_an_int8_layer_multiplies_by_the_rounded_weights():
    layer = nn.Linear(64, 10)
    codes, scales = to_int8(layer.weight.data)
    inputs = torch.randn(2, 5, 64)
    exact = nn.functional.linear(inputs, codes * scales, layer.bias)
    with torch.no_grad():
        assert torch.allclose(Int8Linear(codes, scales, layer.bias)(inputs), exact, atol=1e-5)
        whole = Int8Linear(codes, scales, layer.bias, whole_numbers=True)(inputs)
    assert 0 < (whole - exact).abs().max() < 0.05  # the inputs are rounded, too


def test_an_int8_embedding_gives_the_rounded_vectors():
    vectors = torch.randn(50, 64)
    codes, scales = to_int8(vectors)
    assert torch.equal(Int8Embedding(codes, scales)(torch.tensor([[3, 7]])), (codes * scales)[[3, 7]].unsqueeze(0))


@pytest.mark.parametrize("whole_numbers", [False, True])
def test_an_int8_copy_guesses_nearly_the_same_and_leaves_the_model_alone(tiny, whole_numbers):
    before = guesses(tiny)
    smaller = int8_copy(tiny, whole_numbers=whole_numbers)
    logits = guesses(smaller)
    assert 0 < (logits - before).abs().max() < 0.05
    assert torch.equal(guesses(tiny), before)
    assert not any(isinstance(module, nn.Linear) for module in smaller.model.modules())


def test_an_int8_copy_shares_no_memory_of_texts_and_leaves_the_threads_alone(tiny):
    cache = LogitsCache.of(tiny)
    cache.next_token_logits([3, 4, 5])
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        smaller = int8_copy(tiny)
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)
    assert LogitsCache.of(smaller) is not cache and LogitsCache.of(smaller).backbone is smaller
    assert smaller.name == "tiny in int8" and smaller._lock is not tiny._lock
    cache.forget()


def test_a_matrix_that_is_used_twice_is_kept_once(tiny):
    model = int8_copy(tiny).model
    assert model.lm_head.codes.data_ptr() == model.model.embed_tokens.codes.data_ptr()


# --- a model with rounded weights


def test_inside_with_the_model_calculates_with_rounded_weights_and_afterwards_with_its_own(tiny):
    before, head = guesses(tiny), tiny.model.lm_head.weight
    with rounded(tiny, 2) as same:
        assert same is tiny
        assert (guesses(tiny) - before).abs().max() > 1e-3
        assert tiny.model.lm_head.weight is head
    assert torch.equal(guesses(tiny), before)


def test_a_mistake_inside_with_gives_the_weights_back(tiny):
    before = guesses(tiny)
    with pytest.raises(ZeroDivisionError), rounded(tiny, 2):
        _ = 1 / 0
    assert torch.equal(guesses(tiny), before)
    with pytest.raises(SettingsError), rounded(tiny, 4, block_size=48):  # it fits some layers and not others
        pass
    assert torch.equal(guesses(tiny), before)


def test_fewer_bits_lose_more(tiny):
    before = guesses(tiny)
    moved = []
    for bits in (8, 5, 3):
        with rounded(tiny, bits):
            moved.append((guesses(tiny) - before).abs().max().item())
    assert moved == sorted(moved) and moved[0] < moved[-1] / 10


@pytest.mark.parametrize("action", [lambda backbone: rounded(backbone).__enter__(), int8_copy])
def test_an_engine_that_keeps_its_weights_to_itself_is_refused(action):
    class Elsewhere:
        name, engine, device, family = "smollm2", "llama.cpp", "cpu", "decoder"

    with pytest.raises(EngineError, match="engine='transformers'"):
        action(Elsewhere())


@pytest.mark.parametrize("action", [lambda backbone: rounded(backbone).__enter__(), int8_copy, count_parameters])
@pytest.mark.parametrize("backbone", ["smollm2", None])
def test_what_is_no_model_is_refused(action, backbone):
    with pytest.raises(EngineError, match=f"{backbone}.* load_model"):
        action(backbone)


def test_only_decoders_are_copied_in_int8(tiny, monkeypatch):
    monkeypatch.setattr(tiny, "family", "encoder")
    with pytest.raises(EngineError, match="no decoder"):
        int8_copy(tiny)


def test_parameters_that_are_used_twice_count_once(tiny):
    assert count_parameters(tiny) == sum(
        weights.numel() for name, weights in tiny.model.state_dict().items() if name != "lm_head.weight"
    )


# --- the real model


def test_our_weights_lie_on_the_grid_of_the_file_that_they_come_from(backbone):
    layer = backbone.model.model.layers[5].mlp.up_proj.weight.data
    assert torch.equal(quantize(layer, 4).dequantize(), layer)
    assert not torch.allclose(quantize(layer, 5).dequantize(), layer, atol=1e-3)
