"""Step 4: the KV cache changes the speed and never the logits; the two engines mean the same by the same words."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import VOCAB_SIZE, ByteTokenizer
from torch import nn
from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM

from nanochat_helpers.backbones import llama_cpp, tuning, usable_cores
from nanochat_helpers.backbones.llama_cpp import LlamaCppBackbone
from nanochat_helpers.backbones.local import LocalBackbone
from nanochat_helpers.errors import CannotChatError, ContextError, EngineError, TokenError
from nanochat_helpers.generation import stream
from nanochat_helpers.prompts import encode_prompt
from nanochat_helpers.sampling import process_logits, to_probs
from nanochat_helpers.settings import GenerationSettings

IDS = st.lists(st.integers(0, 9), min_size=1, max_size=12)


def tiny_model(config_class=LlamaConfig, model_class=LlamaForCausalLM, **config):
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    return model_class(config_class(vocab_size=VOCAB_SIZE, **(sizes | config)))


@pytest.fixture(scope="module")
def tiny():
    """A random Llama of two layers: the cache logic is the same as in the real model, and a step takes 2 ms."""
    return LocalBackbone("tiny", tiny_model(max_position_embeddings=64), ByteTokenizer())


@pytest.fixture
def fresh(tiny):
    tiny.forget()
    return tiny


class CountedTokens:
    """How many tokens went through a model, call by call."""

    def __init__(self, model):
        self.calls = []
        self._hook = model.get_input_embeddings().register_forward_hook(
            lambda layer, inputs, output: self.calls.append(inputs[0].shape[1])
        )

    def __enter__(self):
        return self.calls

    def __exit__(self, *error):
        self._hook.remove()


def logits_without_cache(backbone, input_ids):
    with torch.inference_mode():
        return backbone.model(torch.tensor([input_ids]), use_cache=False).logits[0, -1]


def assert_close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-3)
    assert ours.argmax() == theirs.argmax()


# --- the cache


@pytest.mark.parametrize(
    ("before", "now", "new_tokens"),
    [
        ([1, 2, 3], [1, 2, 3, 4], 1),  # one token more, as in every step of a reply
        ([1, 2, 3], [1, 2, 3, 4, 5, 6], 3),  # a new turn
        ([1, 2, 3], [1, 2, 3], 1),  # the same again: the last one has to go through
        ([1, 2, 3, 4, 5], [1, 2, 3], 1),  # shorter
        ([1, 2, 3, 4, 5], [1, 2, 9, 4, 5], 3),  # an edit in the middle
        ([1, 2, 3, 4, 5], [1, 2, 9], 1),
        ([1, 2, 3], [9, 2, 3], 3),  # another start: nothing can be kept
        ([1, 2, 3], [1], 1),
        ([1], [1], 1),
    ],
)
def test_only_what_is_new_goes_through_the_model_and_the_logits_are_the_same(fresh, before, now, new_tokens):
    fresh.next_token_logits(before)
    with CountedTokens(fresh.model) as calls:
        logits = fresh.next_token_logits(now)
    assert calls == [new_tokens]
    assert_close(logits, logits_without_cache(fresh, now))


@given(st.lists(IDS, min_size=2, max_size=6))
@settings(max_examples=60)
def test_any_row_of_inputs_gives_the_logits_that_each_gives_alone(tiny, inputs):
    tiny.forget()
    for input_ids in inputs:
        assert_close(tiny.next_token_logits(input_ids), logits_without_cache(tiny, input_ids))


def test_the_cache_changes_no_logits_of_the_real_model(backbone):
    encode = backbone.tokenizer.encode
    long, edited = encode("The cat sat on the mat and looked at the dog."), encode("The cat sat on the sofa and slept.")
    backbone.forget()
    for input_ids in (long, edited, edited[:4], edited[:4], long + edited):
        assert_close(backbone.next_token_logits(input_ids), logits_without_cache(backbone, input_ids))


def test_a_reply_of_the_real_model_costs_one_token_a_step(backbone):
    input_ids = backbone.tokenizer.encode("Once upon a time")
    backbone.forget()
    with CountedTokens(backbone.model) as calls:
        list(stream(backbone, input_ids, GenerationSettings(temperature=0, max_new_tokens=5)))
    assert calls == [len(input_ids), 1, 1, 1, 1]


@pytest.mark.parametrize("error", [RuntimeError("no memory"), KeyboardInterrupt()])
def test_an_interrupted_step_leaves_no_half_filled_cache(fresh, error):
    fresh.next_token_logits([1, 2, 3])

    def interrupt(layer, inputs, output):
        raise error

    hook = fresh.model.model.layers[1].register_forward_hook(interrupt)  # the first layer has written to the cache
    with pytest.raises(type(error)):
        fresh.next_token_logits([1, 2, 3, 4])
    hook.remove()
    with CountedTokens(fresh.model) as calls:
        assert_close(fresh.next_token_logits([1, 2, 3, 4]), logits_without_cache(fresh, [1, 2, 3, 4]))
    assert calls[0] == 4


def test_forget_makes_the_whole_input_go_through_again(fresh):
    fresh.next_token_logits([1, 2, 3])
    fresh.forget()
    with CountedTokens(fresh.model) as calls:
        fresh.next_token_logits([1, 2, 3, 4])
    assert calls == [4]


def test_two_who_write_at_the_same_time_leave_each_other_what_was_computed(fresh):
    """Their prompts begin alike, so that each could cut off what the other one is still writing with."""
    lab_ids, cell_ids = [1, 2, 3, 4, 5], [1, 2, 6, 7]
    with ThreadPoolExecutor(1) as lab, CountedTokens(fresh.model) as calls:
        for turn in range(3):
            lab_logits = lab.submit(fresh.next_token_logits, lab_ids + [8] * turn).result()
            cell_logits = fresh.next_token_logits(cell_ids + [9] * turn)
    assert calls == [5, 4, 1, 1, 1, 1]
    assert_close(lab_logits, logits_without_cache(fresh, [*lab_ids, 8, 8]))
    assert_close(cell_logits, logits_without_cache(fresh, [*cell_ids, 9, 9]))
    with CountedTokens(fresh.model) as calls:  # the lab has ended, so that anyone may go on from its text
        fresh.next_token_logits([1, 2, 3, 4, 8, 8])
    assert calls == [2]


def test_logits_that_were_given_away_stay_as_they_were(fresh):
    input_ids = [1, 2, 3]
    logits = fresh.next_token_logits(input_ids)
    before = logits.clone()
    fresh.next_token_logits([1, 2, 3, 4])
    logits.zero_()
    assert torch.equal(fresh.next_token_logits(input_ids), before) or torch.allclose(
        fresh.next_token_logits(input_ids), before, atol=1e-4
    )


def test_the_callers_list_may_change_afterwards(fresh):
    input_ids = [1, 2, 3]
    fresh.next_token_logits(input_ids)
    input_ids[1] = 9
    assert_close(fresh.next_token_logits(input_ids), logits_without_cache(fresh, input_ids))


def test_two_threads_do_not_disturb_each_other(fresh):
    inputs = [[1, 2, 3, 4, 5], [1, 2, 7, 8]]
    expected = [logits_without_cache(fresh, input_ids) for input_ids in inputs]
    results = [[], []]

    def work(place):
        results[place] = [fresh.next_token_logits(inputs[place]) for _ in range(20)]

    threads = [threading.Thread(target=work, args=(place,)) for place in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place in (0, 1):
        assert len(results[place]) == 20
        for logits in results[place]:
            assert_close(logits, expected[place])


def test_logits_are_float32_one_for_each_token_of_the_vocabulary(backbone):
    logits = backbone.next_token_logits(backbone.tokenizer.encode("Hi"))
    assert logits.shape == (49_152,) == (backbone.vocab_size,)
    assert logits.dtype == torch.float32
    assert not logits.requires_grad


# --- what a local model is, and what it refuses


def test_the_real_model_knows_what_it_is(backbone):
    assert (backbone.name, backbone.engine, backbone.family) == ("smollm2", "transformers", "decoder")
    assert backbone.is_chat
    assert backbone.context_length == 8192
    assert backbone.eos_token_ids == {backbone.tokenizer.convert_tokens_to_ids("<|im_end|>")}
    assert not backbone.model.training


def test_more_input_than_the_context_is_refused_and_the_whole_context_is_not(fresh):
    assert fresh.context_length == 64
    assert fresh.next_token_logits([1] * 64).shape == (VOCAB_SIZE,)
    with pytest.raises(ContextError, match="65 input_ids are too many: tiny takes at most 64"):
        fresh.next_token_logits([1] * 65)


def test_no_input_at_all_is_refused(fresh):
    with pytest.raises(ContextError, match="at least one token"):
        fresh.next_token_logits([])


def test_an_encoder_refuses_to_chat_and_says_what_it_is_good_for():
    bert = LocalBackbone("minibert", tiny_model(BertConfig, BertModel), ByteTokenizer(is_chat=False), family="encoder")
    with pytest.raises(CannotChatError, match=r"minibert is an encoder: .* cannot chat.* good for search"):
        bert.next_token_logits([1, 2])
    with pytest.raises(CannotChatError, match=r"minibert is an encoder: .* cannot chat.* good for search"):
        list(stream(bert, [1, 2], GenerationSettings()))


@pytest.mark.parametrize(("eos", "expected"), [(None, {257}), (5, {5, 257}), ([5, 6], {5, 6, 257})])
def test_a_reply_may_end_with_the_models_own_end_tokens_or_the_tokenizers(eos, expected):
    model = tiny_model(max_position_embeddings=64)
    model.generation_config.eos_token_id = eos
    assert LocalBackbone("tiny", model, ByteTokenizer()).eos_token_ids == expected


# --- speed by trial


@pytest.mark.parametrize(
    ("cores", "seconds", "chosen"),
    [
        (2, {1: 1.0, 2: 3.0}, 1),  # a busy neighbour
        (2, {1: 1.0, 2: 0.5}, 2),
        (2, {1: 1.0, 2: 1.05}, 2),  # about as fast: long prompts gain from it
        (2, {1: 1.0, 2: 1.2}, 1),
        (8, {1: 4.0, 4: 1.0, 8: 2.0}, 4),
        (8, {1: 4.0, 4: 1.0, 8: 1.0}, 8),
        (1, {1: 1.0}, 1),
    ],
)
def test_threads_are_chosen_by_the_time_they_take(monkeypatch, cores, seconds, chosen):
    before = torch.get_num_threads()
    tried = []

    def fake_trial(run):
        run()
        return seconds[tried[-1]]

    monkeypatch.setattr(tuning, "usable_cores", lambda: cores)
    monkeypatch.setattr(tuning, "trial", fake_trial)
    assert tuning.choose_threads(lambda: tried.append(torch.get_num_threads())) == chosen
    assert tried == sorted(seconds)
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(("allowed", "cores"), [("1", 1), ("2", 2), ("64", 4), ("", 4), ("0", 4), ("many", 4)], ids=str)
def test_whoever_limits_the_threads_of_a_process_is_obeyed(monkeypatch, allowed, cores):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(4), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", allowed)
    assert usable_cores() == cores


def test_threads_are_as_before_when_the_trial_fails(monkeypatch):
    monkeypatch.setattr(tuning, "usable_cores", lambda: 3)
    before = torch.get_num_threads()

    def fail():
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError):
        tuning.choose_threads(fail)
    assert torch.get_num_threads() == before


def test_a_loaded_model_runs_with_the_threads_that_were_chosen(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(tuning, "choose_threads", lambda run: 3)
    LocalBackbone("tiny", tiny_model(), ByteTokenizer())
    assert torch.get_num_threads() == 3
    torch.set_num_threads(before)


def test_a_trial_takes_the_best_time_after_a_warm_up(monkeypatch):
    clock = iter([0, 100, 200, 205, 300, 303, 400, 404])
    monkeypatch.setattr(tuning.time, "perf_counter", lambda: next(clock))
    runs = []
    assert tuning.trial(lambda: runs.append(1), repeats=3) == 3
    assert len(runs) == 4


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("n_tokens", [1, 7])
def test_the_faster_multiplication_gives_the_same_numbers(bias, n_tokens):
    torch.manual_seed(0)
    layer, inputs = nn.Linear(64, 96, bias=bias), torch.randn(1, n_tokens, 64)
    with torch.inference_mode():
        torch.testing.assert_close(tuning._onednn_linear(layer, inputs), layer(inputs))


@pytest.mark.parametrize(("onednn", "is_kept"), [(0.5, True), (2.0, False)])
def test_the_faster_multiplication_is_kept_only_if_it_is_faster(monkeypatch, onednn, is_kept):
    model = tiny_model()
    seconds = iter([1.0, onednn])
    monkeypatch.setattr(tuning, "trial", lambda run: next(seconds))
    tuning.choose_multiplication(model)
    changed = ["forward" in vars(module) for module in model.modules() if isinstance(module, nn.Linear)]
    assert changed == [is_kept] * len(changed)


# --- llama.cpp


def encoded(backbone, text):
    return encode_prompt([{"role": "user", "content": text}], backbone.tokenizer).input_ids


def drawn_ids(backbone, input_ids, max_new_tokens=40, **knobs):
    steps = stream(backbone, input_ids, GenerationSettings(max_new_tokens=max_new_tokens, **knobs))
    return [step.token_id for step in steps]


def raw_answer(backbone, input_ids, knobs, **extra):
    """Ask the engine itself about the next token: {token_id: probability} of the most likely ones."""
    answers = []
    request = llama_cpp._request(input_ids, knobs, 1, 1) | {"stream": False, "logprobs": 100} | extra
    backbone._server.handle_completions(request, answers.append)
    token = answers[0]["choices"][0]["logprobs"]["content"][0]
    if "top_probs" in token:
        return {top["id"]: top["prob"] for top in token["top_probs"] if top["prob"] > 0}
    return {top["id"]: math.exp(top["logprob"]) for top in token["top_logprobs"]}


def test_llama_cpp_knows_what_it_is(llama_cpp_backbone):
    known = llama_cpp_backbone
    assert (known.name, known.engine, known.family) == ("smollm2", "llama.cpp", "decoder")
    assert known.is_chat
    assert known.context_length == llama_cpp.MAX_CONTEXT
    assert known.eos_token_ids == {2}


def test_both_engines_read_the_same_ids(backbone, llama_cpp_backbone):
    text = "Hi 😀, 汉字!\n\n  12 <|im_end|>"
    assert encoded(llama_cpp_backbone, text) == encoded(backbone, text)


def test_tokens_come_one_by_one_while_the_engine_still_writes(llama_cpp_backbone):
    tokens = llama_cpp_backbone.draw_tokens(
        encoded(llama_cpp_backbone, "Tell me a long story."), GenerationSettings(), max_new_tokens=200, seed=1
    )
    next(tokens)
    assert any(thread.name == "llama.cpp" for thread in threading.enumerate())  # still at work
    tokens.close()


def test_closing_the_iterator_stops_the_engine(llama_cpp_backbone):
    written = []
    server = llama_cpp_backbone._server

    class Watched:
        def handle_completions(self, request, receive):
            server.handle_completions(request, lambda chunk: (written.append(chunk), receive(chunk))[1])

    watched = LlamaCppBackbone.__new__(LlamaCppBackbone)
    vars(watched).update(vars(llama_cpp_backbone), _server=Watched())
    input_ids = encoded(watched, "Tell me a long story.")
    tokens = watched.draw_tokens(input_ids, GenerationSettings(), max_new_tokens=2000, seed=1)
    next(tokens)
    tokens.close()
    assert 1 <= len(written) < 100
    assert not any(thread.name == "llama.cpp" for thread in threading.enumerate())
    assert drawn_ids(watched, input_ids, 3)  # and it takes the next request


def test_the_end_of_a_stream_stops_the_engine(llama_cpp_backbone):
    input_ids = encoded(llama_cpp_backbone, "Tell me a long story.")
    steps = stream(llama_cpp_backbone, input_ids, GenerationSettings(stop=("a", "e"), max_new_tokens=500, seed=1))
    assert list(steps)[-1].finish_reason == "stop_string"
    assert not any(thread.name == "llama.cpp" for thread in threading.enumerate())


@pytest.mark.parametrize("input_ids", [[49_152], [-1], [], [1] * 8193])
def test_an_error_of_the_engine_becomes_one_of_ours(llama_cpp_backbone, input_ids):
    with pytest.raises(EngineError, match=r"^llama\.cpp could not do this: "):
        list(llama_cpp_backbone.draw_tokens(input_ids, GenerationSettings(), max_new_tokens=2, seed=1))


def test_an_exception_in_the_engine_reaches_the_reader(llama_cpp_backbone):
    class Broken:
        def handle_completions(self, request, receive):
            raise RuntimeError("no memory")

    broken = LlamaCppBackbone.__new__(LlamaCppBackbone)
    vars(broken).update(vars(llama_cpp_backbone), _server=Broken())
    with pytest.raises(EngineError, match="no memory"):
        list(broken.draw_tokens([1], GenerationSettings(), max_new_tokens=2, seed=1))


def test_a_finished_reply_ends_with_the_end_token(llama_cpp_backbone):
    messages = [
        {"role": "system", "content": "You are a helpful AI assistant."},
        {"role": "user", "content": "What is the capital of France?"},
    ]
    ids = drawn_ids(llama_cpp_backbone, encode_prompt(messages, llama_cpp_backbone.tokenizer).input_ids, temperature=0)
    assert ids[-1] == llama_cpp_backbone.tokenizer.eos_token_id
    assert "Paris" in llama_cpp_backbone.tokenizer.decode(ids)


@pytest.mark.parametrize("seed", [1, 2, 2**40])
def test_the_same_seed_gives_the_same_tokens_also_with_a_warm_prompt_cache(llama_cpp_backbone, seed):
    input_ids = encoded(llama_cpp_backbone, "Write a poem about the sea.")
    knobs = {"temperature": 1.0, "top_p": 1.0, "seed": seed}
    drawn_ids(llama_cpp_backbone, [504] * 5, 1)  # something else: the cache now holds nothing of our prompt
    cold = drawn_ids(llama_cpp_backbone, input_ids, **knobs)
    assert drawn_ids(llama_cpp_backbone, input_ids, **knobs) == cold
    assert drawn_ids(llama_cpp_backbone, input_ids, **(knobs | {"seed": 77})) != cold


def test_greedy_needs_no_seed_and_top_k_of_1_is_greedy(llama_cpp_backbone):
    input_ids = encoded(llama_cpp_backbone, "Write a poem about the sea.")
    greedy = drawn_ids(llama_cpp_backbone, input_ids, temperature=0)
    assert drawn_ids(llama_cpp_backbone, input_ids, do_sample=False) == greedy
    assert drawn_ids(llama_cpp_backbone, input_ids, temperature=1.5, top_k=1) == greedy


def test_a_penalty_that_spares_the_prompt_is_refused(llama_cpp_backbone):
    knobs = GenerationSettings(repetition_penalty=1.2, penalise_prompt=False)
    with pytest.raises(EngineError, match=r"always counts the prompt.*engine=\"transformers\""):
        list(stream(llama_cpp_backbone, [1], knobs))


def test_without_xllamacpp_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "xllamacpp", None)
    with pytest.raises(EngineError, match="pip install xllamacpp"):
        LlamaCppBackbone("tiny", "model.gguf", ByteTokenizer(), context_length=64)


@pytest.mark.parametrize(
    "knobs",
    [
        {"temperature": 0.7, "top_k": 20, "top_p": 1.0},
        {"temperature": 0.7, "top_k": 40, "top_p": 0.8},
        {"temperature": 1.3, "top_k": 30, "top_p": 1.0, "min_p": 0.1},
        {"temperature": 1.0, "top_k": 30, "top_p": 0.95, "min_p": 0.03},
        {"temperature": 2.0, "top_k": 60, "top_p": 0.7},
    ],
    ids=str,
)
def test_the_settings_do_in_llama_cpp_what_they_do_in_sampling(llama_cpp_backbone, knobs):
    """The engine tells its probabilities before and after its own samplers: ours lead from one to the other."""
    input_ids, knobs = encoded(llama_cpp_backbone, "Tell me a joke."), GenerationSettings(**knobs)
    before = raw_answer(llama_cpp_backbone, input_ids, knobs)
    after = raw_answer(llama_cpp_backbone, input_ids, knobs, post_sampling_probs=True)
    ours = process_logits(torch.tensor([*before.values()]).log(), [], knobs).probs
    expected = {token_id: prob for token_id, prob in zip(before, ours.tolist(), strict=True) if prob > 0}
    assert after == pytest.approx(expected, abs=1e-5)


# Measured on nine prompts: 0.0009 to 0.0091 nats, 0.0046 on average. llama.cpp also rounds the activations.
LARGEST_KL, MEAN_KL = 0.02, 0.01
PROMPTS = [
    "What is the capital of France?",
    "Write a poem about the sea.",
    "Hi",
    "Explain photosynthesis to a child.",
    "7 + 5 = ?",
    "How do I make tea? 😀",
]


def kl_divergence(logits, top_probs):
    """KL(transformers ‖ llama.cpp) in nats over the tokens that llama.cpp lists, and all others as one."""
    theirs = torch.tensor([*top_probs.values()], dtype=torch.float64)
    ours = to_probs(logits.double())[list(top_probs)]
    ours, theirs = (torch.cat([probs, 1 - probs.sum(0, keepdim=True)]) for probs in (ours, theirs))
    return (ours * (ours / theirs).log()).sum().item()


def test_the_two_engines_next_token_distributions_stay_close(backbone, llama_cpp_backbone):
    off = GenerationSettings(temperature=1.0, top_p=1.0)
    divergences = []
    for text in PROMPTS:
        input_ids = encoded(backbone, text)
        # What is kept of an earlier text that begins alike can move its probabilities, by up to 0.03.
        top_probs = raw_answer(llama_cpp_backbone, input_ids, off, cache_prompt=False)
        assert len(top_probs) == 100
        divergences.append(kl_divergence(backbone.next_token_logits(input_ids), top_probs))
    assert max(divergences) <= LARGEST_KL, divergences
    assert sum(divergences) / len(divergences) <= MEAN_KL, divergences


def test_the_repetition_penalty_counts_the_same_tokens_in_both_engines(backbone, llama_cpp_backbone):
    knobs = GenerationSettings(temperature=1.0, top_k=50, top_p=1.0, repetition_penalty=1.5)
    input_ids = encoded(backbone, "Say tea tea tea coffee.") + backbone.tokenizer.encode("Tea, tea and")
    ours = process_logits(backbone.next_token_logits(input_ids), input_ids, knobs).probs
    theirs = torch.zeros_like(ours)
    for token_id, prob in raw_answer(llama_cpp_backbone, input_ids, knobs, post_sampling_probs=True).items():
        theirs[token_id] = prob
    assert (ours - theirs).abs().sum() / 2 <= 0.1  # total variation; without a penalty in one of them it is far more
    unpenalised = process_logits(backbone.next_token_logits(input_ids), [], knobs).probs
    assert (unpenalised - theirs).abs().sum() / 2 >= 0.2


@pytest.mark.parametrize("text", ["😀", "汉", "🦊", "a"])
def test_a_character_of_several_tokens_is_told_as_all_of_them(llama_cpp_backbone, text):
    """llama.cpp reports such a character as one entry: all of its bytes, but only the last of its ids."""
    tokenizer = llama_cpp_backbone.tokenizer
    ids = tokenizer.encode(text)
    entry = {"id": ids[-1], "logprob": 0.0, "bytes": list(text.encode())}
    assert [token.token_id for token in llama_cpp_backbone._tokens_of(entry)] == ids


def test_a_reply_with_such_characters_has_no_broken_ones(llama_cpp_backbone):
    input_ids = encoded(llama_cpp_backbone, "Say: 汉字 😀")
    greedy = GenerationSettings(temperature=0, max_new_tokens=12)
    text = "".join(step.text for step in stream(llama_cpp_backbone, input_ids, greedy))
    assert not text.isascii()  # or this test shows nothing
    assert "�" not in text.rstrip("�")  # the last may be cut by the limit


@pytest.mark.parametrize("input_ids", ["abc", [[1, 2]], [1.5], [49_152], [-1]])
def test_what_are_no_token_ids_is_one_sentence(backbone, input_ids):
    with pytest.raises(TokenError, match=r"whole numbers|not in this vocabulary"):
        backbone.next_token_logits(input_ids)
