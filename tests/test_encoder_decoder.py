"""A model of two halves: it writes what `generate` writes, reads each prompt once, and remembers no earlier message."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_models import write_t5

from nanochat_helpers import Chat, Trace, load_model, load_tokenizer, run_workflow, sample_many, stream
from nanochat_helpers.backbones.encoder_decoder import EncoderDecoderBackbone
from nanochat_helpers.backbones.logits_cache import LogitsCache
from nanochat_helpers.errors import ContextError, SettingsError, TokenError
from nanochat_helpers.generation import used_ids
from nanochat_helpers.prompts import (
    INSTRUCTION_TEMPLATE,
    add_instruction_template,
    encode_beginning,
    encode_prompt,
    lint_prompt,
    stop_strings,
)
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.views.xray import xray_html
from nanochat_helpers.views.xray_data import xray_data

END, START = 1, 0
QUESTION = "What is the capital of France?"
PROMPTS = st.sampled_from([[7, 11, 16, END], [7, 11, 16, 8, END], [END], [9, 9, 9, 9, 9, END]])
REPLIES = st.lists(st.integers(2, 20), max_size=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_t5(tmp_path_factory.mktemp("t5"))


@pytest.fixture(scope="module")
def shared(folder):
    return load_model(folder)


@pytest.fixture
def t5(shared):
    shared.forget()
    return shared


def ids_of(t5, text):
    return encode_prompt([{"role": "user", "content": text}], t5.tokenizer).input_ids


def generated(t5, input_ids, **knobs):
    return t5.model.generate(
        torch.tensor([input_ids]), output_logits=True, output_scores=True, return_dict_in_generate=True, **knobs
    )


def logits_without_cache(t5, prompt_ids, reply_ids):
    with torch.inference_mode():
        output = t5.model(
            input_ids=torch.tensor([prompt_ids]),
            decoder_input_ids=torch.tensor([[START, *reply_ids]]),
            use_cache=False,
        )
    return output.logits[0, -1]


def close(ours, theirs):
    return torch.allclose(ours, theirs, atol=1e-3)


class Reads:
    """How many tokens each half of a model has read, call by call."""

    def __init__(self, model):
        self.encoder, self.decoder = [], []
        self._hooks = [
            model.encoder.register_forward_pre_hook(self._count(self.encoder), with_kwargs=True),
            model.decoder.register_forward_pre_hook(self._count(self.decoder), with_kwargs=True),
        ]

    @staticmethod
    def _count(calls):
        return lambda half, places, names: calls.append(names["input_ids"].shape[1])

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for hook in self._hooks:
            hook.remove()


# --- equal to transformers


@pytest.mark.parametrize("text", [QUESTION, "hello world", "Translate </s> to German: hello\nthe cat", "?" * 40])
def test_greedy_text_and_all_logits_are_those_of_generate(t5, text):
    input_ids = ids_of(t5, text)
    theirs = generated(t5, input_ids, do_sample=False, max_new_tokens=20)
    steps = list(stream(t5, input_ids, GenerationSettings(do_sample=False, max_new_tokens=20)))
    assert [START, *(step.token_id for step in steps)] == theirs.sequences[0].tolist()
    assert all(close(step.stages.logits, logits[0]) for step, logits in zip(steps, theirs.logits, strict=True))
    own_text = "".join(step.text for step in steps)
    assert own_text == t5.tokenizer.decode(theirs.sequences[0], skip_special_tokens=True)


def test_the_penalty_counts_what_generate_counts_the_reply_and_its_start_but_not_the_prompt(t5):
    input_ids = ids_of(t5, QUESTION)
    knobs = {"do_sample": False, "repetition_penalty": 1.7, "max_new_tokens": 12}
    theirs = generated(t5, input_ids, **knobs)
    steps = list(stream(t5, input_ids, GenerationSettings(**knobs)))
    assert [step.token_id for step in steps] == theirs.sequences[0].tolist()[1:]
    for step, scores in zip(steps, theirs.scores, strict=True):
        assert close(step.stages.after_repetition_penalty, scores[0])
    spared = GenerationSettings(**knobs, penalise_prompt=False)
    assert used_ids(t5, input_ids, [5], spared) == [5]


def test_the_input_is_what_the_tokenizer_makes_of_the_instruction_by_itself(t5):
    assert ids_of(t5, QUESTION) == encode_beginning(QUESTION, t5.tokenizer) == t5.tokenizer(QUESTION)["input_ids"]


# --- the cache


@given(st.lists(st.tuples(PROMPTS, REPLIES), min_size=1, max_size=4))
def test_any_row_of_inputs_gives_the_logits_that_each_gives_alone(shared, inputs):
    for prompt_ids, reply_ids in inputs:
        logits = shared.next_token_logits(prompt_ids + reply_ids)
        assert close(logits, logits_without_cache(shared, prompt_ids, reply_ids))
        assert logits.shape == (shared.vocab_size,) and logits.dtype == torch.float32 and not logits.requires_grad


def test_the_encoder_reads_a_prompt_once_and_the_decoder_each_token_once(t5):
    input_ids = ids_of(t5, QUESTION)
    with Reads(t5.model) as reads:
        list(stream(t5, input_ids, GenerationSettings(do_sample=False, max_new_tokens=5)))
        assert (reads.encoder, reads.decoder) == ([len(input_ids)], [1] * 5)
        t5.next_token_logits([*input_ids, 12, 94, 8])  # two tokens as before, and another
        assert (len(reads.encoder), reads.decoder[5:]) == (1, [1])
        t5.next_token_logits([7, END])
        assert reads.encoder[1:] == [2]
        t5.forget()
        t5.next_token_logits([7, END])
        assert reads.encoder[2:] == [2]


@pytest.mark.parametrize("half", ["encoder", "decoder"])
def test_an_interrupted_step_leaves_nothing_half_read(t5, half):
    def interrupt(*_):
        raise KeyboardInterrupt

    t5.next_token_logits([7, END, 5])
    hook = getattr(t5.model, half).block[1].register_forward_hook(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            t5.next_token_logits([9, 9, END, 5])
    finally:
        hook.remove()
    for prompt_ids, reply_ids in (([9, 9, END], [5]), ([7, END], [5])):
        logits = t5.next_token_logits(prompt_ids + reply_ids)
        assert close(logits, logits_without_cache(t5, prompt_ids, reply_ids))


def test_kept_logits_are_told_apart_by_prompt_and_reply(t5):
    cached = LogitsCache(t5)
    for ids in ([7, END, 5], [7, 5, END], [7, END, 5]):
        cut = ids.index(END) + 1
        assert close(cached.next_token_logits(ids), logits_without_cache(t5, ids[:cut], ids[cut:]))
    assert (cached.hits, cached.misses) == (1, 2)


# --- many texts at once


def test_many_texts_at_once_are_those_that_stream_writes(t5):
    input_ids = ids_of(t5, QUESTION)
    settings = GenerationSettings(max_new_tokens=12, seed=3, temperature=0.8, repetition_penalty=1.2)
    one_by_one = [
        "".join(step.text for step in stream(t5, input_ids, settings.change(seed=3 + number))) for number in range(6)
    ]
    assert len(set(one_by_one)) > 1
    assert sample_many(t5, input_ids, settings, 6) == one_by_one


def test_a_batch_branches_and_ends_with_the_logits_of_each_text(t5):
    batch = t5.start_batch([7, 11, END, 4])
    batch.step([0, 0, 0], [5, 6, 7])
    batch.step([2, 0], [8, 9])
    expected = [logits_without_cache(t5, [7, 11, END], reply) for reply in ([4, 7, 8], [4, 5, 9])]
    assert all(close(ours, theirs) for ours, theirs in zip(batch.logits, expected, strict=True))


# --- how much fits, and what is refused


def test_prompt_and_reply_have_the_whole_context_each(t5):
    assert t5.context_length == 64
    input_ids = [7] * 63 + [END]
    never_ends = GenerationSettings(max_new_tokens=200, temperature=0.001, seed=0)
    t5_ends, t5.eos_token_ids = t5.eos_token_ids, frozenset()
    try:
        assert len(list(stream(t5, input_ids, never_ends))) == 64
    finally:
        t5.eos_token_ids = t5_ends
    with pytest.raises(ContextError, match=r"65 tokens, but .* takes 64: please"):
        list(stream(t5, [7, *input_ids], never_ends))
    with pytest.raises(ContextError, match="65 tokens of a reply are too many"):
        t5.next_token_logits([7, END, *[5] * 65])
    with pytest.raises(ContextError, match="65 input_ids are too many"):
        t5.next_token_logits([7] * 64 + [END])


def test_max_length_counts_the_start_token_and_no_prompt(t5):
    input_ids = ids_of(t5, QUESTION)
    ours = list(stream(t5, input_ids, GenerationSettings(do_sample=False, max_new_tokens=None, max_length=5)))
    theirs = generated(t5, input_ids, do_sample=False, max_length=5).sequences[0].tolist()
    assert [START, *(step.token_id for step in ours)] == theirs
    with pytest.raises(SettingsError, match="max_length=1 counts the start token"):
        list(stream(t5, input_ids, GenerationSettings(max_new_tokens=None, max_length=1)))


def test_a_prompt_without_an_end_is_one_sentence(t5):
    with pytest.raises(TokenError, match=r"no </s>.*encode_prompt"):
        t5.next_token_logits([7, 11])
    with pytest.raises(ContextError, match="at least one token"):
        t5.next_token_logits([])
    with pytest.raises(TokenError, match="not in this vocabulary"):
        t5.start_batch([9999, END])


@pytest.mark.parametrize(
    ("generation", "config", "expected"),
    [(5, 6, 5), (None, 6, 6), (None, None, 0)],  # the last: the token to pad with, as T5 has it
)
def test_the_start_token_is_the_one_that_generate_would_take(folder, generation, config, expected):
    t5 = load_model(folder)
    t5.model.generation_config.decoder_start_token_id = generation
    t5.model.config.decoder_start_token_id = config
    again = EncoderDecoderBackbone("again", t5.model, t5.tokenizer)
    assert (again.decoder_start_id, again.is_chat) == (expected, False)


# --- as a chatbot


def test_it_is_no_chat_model_and_its_prompt_is_the_newest_message(t5):
    assert (t5.family, t5.is_chat, t5.engine, t5.device) == ("encoder-decoder", False, "transformers", "cpu")
    chat = Chat(t5, settings=GenerationSettings(max_new_tokens=6, seed=0))
    assert chat.system == "" and stop_strings(t5.tokenizer) == ()
    chat.send("hello world")
    reply = chat.send(QUESTION)
    assert reply.trace.prompt == QUESTION + "</s>"
    assert reply.trace.roles == ["user"] * 6 + ["template"]
    assert len(chat.messages) == 4  # the conversation is kept, only the model reads none of it
    assert (reply.trace.kept, reply.trace.dropped) == (chat.messages[2:3], chat.messages[:2])
    assert "</s>" not in reply.text


def test_what_a_user_types_can_not_end_the_prompt(t5):
    input_ids = ids_of(t5, "the </s> cat")
    assert input_ids.index(END) == len(input_ids) - 1


def test_a_system_message_stands_before_the_instruction(t5):
    messages = [
        {"role": "system", "content": "Translate to German:"},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "the"},
        {"role": "user", "content": "cat"},
    ]
    prompt = encode_prompt(messages, t5.tokenizer)
    assert prompt.text == "Translate to German:\ncat</s>"
    assert prompt.input_ids == t5.tokenizer("Translate to German: cat")["input_ids"]
    assert encode_prompt(messages[:1], t5.tokenizer).text == "Translate to German:</s>"
    assert lint_prompt(prompt.text, t5.tokenizer) == []


def test_a_template_of_its_own_stays_and_the_tokenizer_alone_has_it_too(folder):
    tokenizer = load_tokenizer(folder)
    assert tokenizer.chat_template == INSTRUCTION_TEMPLATE
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    add_instruction_template(tokenizer)
    assert tokenizer.chat_template == "{{ messages[0]['content'] }}"


def test_its_reply_can_be_traced_saved_and_x_rayed(t5, tmp_path):
    chat = Chat(t5, settings=GenerationSettings(max_new_tokens=4, seed=0))
    chat.send("hello")
    trace = chat.send(QUESTION).trace
    trace.save(tmp_path / "trace.json")
    again = Trace.load(tmp_path / "trace.json")
    assert again == trace
    assert "<" in xray_html(xray_data(again))


def test_a_workflow_runs_with_it(t5):
    workflow = {
        "steps": [
            {"step": "tokenize", "input": "user_message"},
            {"step": "prepare_prompt", "max_history": 2},
            {"step": "model_inference", "model": "flan-t5-small"},
            {"step": "generate", "parameters": {"max_length": 5, "temperature": 0}},
            {"step": "decode_output"},
        ]
    }
    history = [{"role": "user", "content": "cat"}, {"role": "assistant", "content": "mat"}]
    reply = run_workflow(workflow, "hello", history=history, models={"flan-t5-small": t5})
    assert (reply.trace.prompt, len(reply.trace.tokens)) == ("hello</s>", 4)
