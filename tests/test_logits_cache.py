"""Logits by prefix: the same numbers, asked of the model only once, in no more memory than was allowed."""

import pytest
import torch
from scripted import VOCAB_SIZE, ScriptedBackbone

from nanochat_helpers.backbones.logits_cache import LogitsCache
from nanochat_helpers.generation import stream
from nanochat_helpers.settings import GenerationSettings

SETTINGS = GenerationSettings(temperature=1.0, top_p=0.9, max_new_tokens=20, seed=3)


def sine(input_ids):
    return torch.sin(torch.arange(VOCAB_SIZE) * (1 + input_ids[-1] / 100))


def ids_of(steps):
    return [step.token_id for step in steps]


def test_what_was_asked_once_is_not_asked_again():
    backbone = ScriptedBackbone(sine)
    cache = LogitsCache(backbone)
    first = cache.next_token_logits([1, 2, 3])
    assert cache.next_token_logits([1, 2, 3]) is first
    assert torch.equal(first, sine([1, 2, 3]))
    assert backbone.calls == [[1, 2, 3]]
    assert (cache.hits, cache.misses) == (1, 1)


def test_going_back_to_an_earlier_setting_costs_nothing():
    backbone = ScriptedBackbone(sine)
    cache = LogitsCache(backbone)
    before = list(stream(cache, [65], SETTINGS))
    list(stream(cache, [65], SETTINGS.change(temperature=1.5)))
    backbone.calls.clear()
    again = list(stream(cache, [65], SETTINGS))
    assert backbone.calls == []
    assert ids_of(again) == ids_of(before) == ids_of(stream(ScriptedBackbone(sine), [65], SETTINGS))


def test_a_change_costs_only_the_tokens_after_the_first_difference():
    backbone = ScriptedBackbone(sine)
    cache = LogitsCache(backbone)
    before = ids_of(stream(cache, [65], SETTINGS))
    backbone.calls.clear()
    after = ids_of(stream(cache, [65], SETTINGS.change(temperature=1.02)))
    place = next(n for n, (a, b) in enumerate(zip(before, after, strict=True)) if a != b)
    assert place > 0
    assert len(backbone.calls) == len(after) - place - 1  # the differing token itself was drawn from kept logits


def test_the_memory_stays_below_its_limit_and_the_oldest_goes_first():
    backbone = ScriptedBackbone(sine)
    cache = LogitsCache(backbone, max_bytes=3 * (4 * VOCAB_SIZE + 4))
    for token_id in (1, 2, 3):
        cache.next_token_logits([token_id])
    cache.next_token_logits([1])  # now 2 is the one not asked for the longest
    cache.next_token_logits([4])
    assert cache.n_bytes <= cache.max_bytes
    backbone.calls.clear()
    for token_id in (1, 3, 4):
        cache.next_token_logits([token_id])
    assert backbone.calls == []
    cache.next_token_logits([2])
    assert backbone.calls == [[2]]


def test_two_hundred_megabytes_hold_a_thousand_prefixes_of_the_default_model_and_no_more():
    class Wide(ScriptedBackbone):
        def next_token_logits(self, input_ids):
            return torch.zeros(49_152)

    cache = LogitsCache(Wide(""))
    kept = []
    for number in range(1_100):
        cache.next_token_logits([number])
        kept.append(cache.n_bytes)
    assert max(kept) <= 200_000_000
    held = sum(logits.untyped_storage().nbytes() for logits in cache._logits.values())
    assert 0 <= cache.n_bytes - held < 10_000  # what is stated is what is there, and the keys
    assert len(cache._logits) >= 1_000


def test_real_logits_hold_no_more_memory_than_they_say(backbone):
    logits = LogitsCache(backbone).next_token_logits([5, 6])
    assert logits.untyped_storage().nbytes() == logits.nbytes == 4 * 49_152


def test_it_is_the_backbone_in_all_else_and_forgets_with_it():
    backbone = ScriptedBackbone(sine, context_length=77)
    backbone.forget = lambda: backbone.calls.append("forgot")
    cache = LogitsCache(backbone)
    assert (cache.name, cache.context_length, cache.tokenizer) == ("scripted", 77, backbone.tokenizer)
    cache.next_token_logits([1])
    cache.forget()
    assert (cache.n_bytes, backbone.calls) == (0, [[1], "forgot"])
    with pytest.raises(AttributeError):
        _ = cache.no_such_thing


def test_all_who_ask_share_the_one_cache_of_a_backbone():
    backbone, other = ScriptedBackbone(sine), ScriptedBackbone(sine)
    assert LogitsCache.of(backbone) is LogitsCache.of(backbone)
    assert LogitsCache.of(backbone) is not LogitsCache.of(other)
    assert LogitsCache.of(backbone).backbone is backbone
