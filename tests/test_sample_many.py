"""Many texts at once: each is the one that `stream` writes alone, and texts that are still the same cost one."""

import threading

import pytest
import torch
from scripted import ScriptedBackbone

from nanochat_helpers import generation
from nanochat_helpers.errors import ContextError, SettingsError, TokenError
from nanochat_helpers.generation import sample_batch, sample_many, stream, token_probs
from nanochat_helpers.sampling import entropy, perplexity, to_probs
from nanochat_helpers.settings import GenerationSettings

SETTINGS = GenerationSettings(temperature=0.8, top_p=0.9, max_new_tokens=12, seed=5)


@pytest.fixture(scope="module")
def prompt(smollm2_tokenizer):
    return smollm2_tokenizer.encode("The best thing about the sea is")


def alone(backbone, prompt, settings):
    return list(stream(backbone, prompt, settings))


def test_each_text_is_the_one_that_stream_writes_with_its_seed(backbone, prompt):
    texts = sample_many(backbone, prompt, SETTINGS, 6)
    expected = ["".join(s.text for s in alone(backbone, prompt, SETTINGS.change(seed=5 + n))) for n in range(6)]
    assert texts == expected
    assert len(set(texts)) > 1


def test_each_row_has_its_own_settings_and_tells_its_tokens_and_entropies(backbone, prompt):
    rows = [
        SETTINGS,
        SETTINGS.change(temperature=0),
        SETTINGS.change(repetition_penalty=1.3, penalise_prompt=False, top_k=20, seed=1),
        SETTINGS.change(max_new_tokens=3),
    ]
    samples = sample_batch(backbone, prompt, rows)
    for row, sample in zip(rows, samples, strict=True):
        steps = alone(backbone, prompt, row)
        assert list(sample.token_ids) == [step.token_id for step in steps]
        assert sample.finish_reason == steps[-1].finish_reason
        assert sample.entropies == pytest.approx([entropy(step.stages.probs) for step in steps], abs=1e-3)
    assert samples[1].entropies == (0.0,) * 12


def test_texts_that_are_still_the_same_go_through_the_model_once(backbone, prompt, monkeypatch):
    sizes = []
    forward = backbone.model.forward

    def counting(input_ids, **rest):
        sizes.append(tuple(input_ids.shape))
        return forward(input_ids=input_ids, **rest)

    monkeypatch.setattr(backbone.model, "forward", counting)
    sample_batch(backbone, prompt, [SETTINGS.change(temperature=0, seed=seed) for seed in range(50)])
    assert sizes == [(1, len(prompt))] + [(1, 1)] * 11


def test_a_text_that_ended_costs_nothing_more_and_the_others_go_on(backbone, prompt):
    steps = alone(backbone, prompt, SETTINGS)
    stop = steps[3].text.strip() or steps[4].text.strip()
    rows = [SETTINGS.change(stop=(stop,)), SETTINGS.change(seed=8), SETTINGS]
    samples = sample_batch(backbone, prompt, rows)
    assert samples[0].finish_reason == "stop_string"
    assert len(samples[0].token_ids) < 12
    assert [len(sample.token_ids) for sample in samples[1:]] == [12, 12]
    assert list(samples[2].token_ids) == [step.token_id for step in steps]


def test_progress_ends_at_the_total_and_never_goes_back(backbone, prompt):
    seen = []
    sample_batch(backbone, prompt, [SETTINGS.change(seed=n) for n in range(3)], on_progress=lambda *n: seen.append(n))
    assert seen == sorted(seen)
    assert seen[-1] == (36, 36)
    assert len(seen) == 12


def test_what_is_written_so_far_is_given_when_cancelled(backbone, prompt):
    cancel = threading.Event()
    rows = [SETTINGS.change(seed=n) for n in range(3)]
    samples = sample_batch(
        backbone, prompt, rows, cancel=cancel, on_progress=lambda done, _: done >= 9 and cancel.set()
    )
    assert [len(sample.token_ids) for sample in samples] == [3, 3, 3]
    assert [sample.finish_reason for sample in samples] == [None, None, None]


@pytest.fixture
def begun(backbone, monkeypatch):
    """The lengths of the prompts with which batches were begun; three texts of this file fit into one."""
    lengths, start_batch = [], backbone.start_batch
    monkeypatch.setattr(backbone, "start_batch", lambda ids: lengths.append(len(ids)) or start_batch(ids))
    monkeypatch.setattr(generation, "MAX_BATCH_TOKENS", 3 * (7 + 12) + 5)
    return lengths


def test_a_batch_that_would_take_too_much_memory_is_cut(backbone, prompt, begun):
    assert len(prompt) == 7
    samples = sample_batch(backbone, prompt, [SETTINGS.change(seed=n) for n in range(7)])
    assert begun == [7, 7, 7]
    assert all(sample.finish_reason in ("stop", "length") for sample in samples)


def test_after_a_cancel_no_further_batch_is_begun(backbone, prompt, begun):
    cancel = threading.Event()
    rows = [SETTINGS.change(seed=n) for n in range(7)]
    sample_batch(backbone, prompt, rows, cancel=cancel, on_progress=lambda *_: cancel.set())
    assert begun == [7]


def test_no_texts_and_no_seed(backbone, prompt):
    assert sample_many(backbone, prompt, SETTINGS, 0) == []
    short = SETTINGS.change(seed=None, temperature=2.0, top_p=1.0, max_new_tokens=6)
    assert len(set(sample_many(backbone, prompt, short, 4))) > 1


def test_llama_cpp_writes_them_one_after_another():
    backbone = ScriptedBackbone(["one", "two"], engine="llama.cpp")
    seen = []
    samples = sample_batch(backbone, list(b"Hi"), [SETTINGS] * 2, on_progress=lambda *n: seen.append(n))
    assert [sample.text for sample in samples] == ["one", "two"]
    assert [sample.entropies for sample in samples] == [(), ()]
    assert seen[-1] == (24, 24)


@pytest.mark.parametrize(
    ("input_ids", "n", "error"),
    [([], 2, ContextError), ([10**9], 2, TokenError), ([5] * 9000, 2, ContextError), ([5], -1, SettingsError)],
)
def test_bad_input_is_refused(backbone, input_ids, n, error):
    with pytest.raises(error):
        sample_many(backbone, input_ids, SETTINGS, n)


# --- the probabilities of a text that is already there


def test_the_probability_of_each_token_is_the_one_the_model_gives_it(backbone, prompt):
    probs = token_probs(backbone, prompt)
    assert probs[0] is None
    with torch.inference_mode():
        logits = backbone.model(torch.tensor([prompt])).logits[0]
    expected = [to_probs(row)[token_id].item() for row, token_id in zip(logits, prompt[1:], strict=False)]
    assert probs[1:] == pytest.approx(expected, rel=1e-3)
    assert perplexity(probs[1:]) > 1


def test_nothing_has_no_probabilities(backbone):
    assert token_probs(backbone, []) == []
