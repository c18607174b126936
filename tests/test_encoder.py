"""The vectors of an encoder: one a text, of length 1, whatever the batch."""

import pytest
import torch

from nanochat_helpers.backbones.encoder import embed
from nanochat_helpers.errors import CannotChatError, EngineError, MessageError

TEXTS = ["A cat.", "A much longer text about a cat that sleeps on a warm roof all day.", "", "猫 😀"]


def test_there_is_one_vector_of_length_1_for_each_text(minilm):
    vectors = minilm.embed(TEXTS)
    assert vectors.shape == (4, 384) and vectors.dtype == torch.float32 and not vectors.requires_grad
    assert torch.allclose(vectors.norm(dim=1), torch.ones(4), atol=1e-5)


def test_the_batch_and_its_order_change_no_vector(minilm):
    together = embed(minilm, TEXTS, batch_size=3)
    assert torch.allclose(together, torch.cat([minilm.embed([text]) for text in TEXTS]), atol=1e-5)
    assert torch.allclose(together, minilm.embed(TEXTS[::-1]).flip(0), atol=1e-5)


def test_a_vector_is_the_mean_over_the_tokens_made_1_long(minilm):
    batch = minilm.tokenizer(["A cat."], return_tensors="pt")
    with torch.inference_mode():
        mean = minilm.model(**batch).last_hidden_state[0].mean(dim=0)
    assert torch.allclose(minilm.embed(["A cat."])[0], mean / mean.norm(), atol=1e-5)


def test_like_meanings_have_like_vectors(minilm):
    cat, kitten, engine = minilm.embed(["The cat sleeps.", "My kitten is tired.", "An engine roars."])
    assert cat @ kitten > 0.5 > 0.2 > cat @ engine


def test_of_a_long_text_the_beginning_is_read(minilm):
    start = "cat " * 300
    assert torch.allclose(*minilm.embed([start + "engine", start + "banana"]), atol=1e-5)


def test_no_texts_give_no_vectors(minilm):
    assert minilm.embed([]).shape == (0, 384)


def test_what_is_no_text_and_what_is_no_encoder_is_one_sentence(minilm, backbone):
    with pytest.raises(MessageError, match="Text 1 must be text"):
        minilm.embed(["a", None])
    with pytest.raises(EngineError, match=r"smollm2 is no encoder.*'minilm'"):
        backbone.embed(["a"])
    with pytest.raises(CannotChatError):
        minilm.next_token_logits([1])
