"""Workflows: the article's JSON runs as printed, every setting counts, and each mistake is named with its place."""

import copy
import json

import pytest
from scripted import ByteTokenizer, ScriptedBackbone

from nanochat_helpers.chat import Chat
from nanochat_helpers.errors import MessageError, ModelMissingError, NanoChatError, WorkflowError
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.workflow import EXAMPLE_WORKFLOW, Workflow, parse_workflow, run_workflow

ARTICLE = {
    "workflow": "nanochat_inference",
    "steps": [
        {"step": "tokenize", "input": "user_message"},
        {"step": "prepare_prompt", "max_history": 2},
        {"step": "model_inference", "model": "distilgpt2"},
        {"step": "generate", "parameters": {"temperature": 0.7, "max_length": 80, "top_p": 0.9}},
        {"step": "decode_output", "strip_special_tokens": True},
    ],
}
TOKENIZE, PREPARE, INFERENCE, GENERATE, DECODE = range(5)
FOUR_TURNS = [
    {"role": role, "content": f"{role} {number}"} for number in (1, 2, 3, 4) for role in ("user", "assistant")
]


def article(place=None, **changes):
    """The article's workflow, with the keys of one step changed; a key given as None is taken out."""
    spec = copy.deepcopy(ARTICLE)
    if place is not None:
        step = spec["steps"][place] | changes
        spec["steps"][place] = {key: value for key, value in step.items() if value is not None}
    return spec


def base_model(script, **options):
    return ScriptedBackbone(script, tokenizer=ByteTokenizer(is_chat=False), **options)


def run(spec, backbone, text="Hello NanoChat!", **options):
    return run_workflow(spec, text, models={"distilgpt2": backbone}, **options)


# --- the article's workflow


def test_the_example_is_the_articles_workflow():
    assert json.loads(EXAMPLE_WORKFLOW.read_text(encoding="utf-8")) == ARTICLE


@pytest.mark.parametrize("form", [dict, json.dumps, str], ids=["dict", "JSON text", "path"])
def test_the_articles_workflow_runs_as_printed_in_every_form(form):
    spec = str(EXAMPLE_WORKFLOW) if form is str else form(ARTICLE)
    reply = run(spec, base_model(" Hi there.\nUser: And you?"))
    assert reply.text == "Hi there."
    assert reply.finish_reason == "stop_string"
    assert reply.trace.prompt == "User: Hello NanoChat!\nBot:"
    assert {name: reply.trace.settings[name] for name in ("temperature", "max_length", "top_p")} == {
        "temperature": 0.7,
        "max_length": 80,
        "top_p": 0.9,
    }


@pytest.mark.parametrize("engine", ["transformers", "llama.cpp"])
def test_the_articles_workflow_answers_on_the_real_model(engine, request):
    if engine == "llama.cpp":
        pytest.importorskip("xllamacpp")
    fixture = {"transformers": "backbone", "llama.cpp": "llama_cpp_backbone"}[engine]
    spec = article(GENERATE, parameters=ARTICLE["steps"][GENERATE]["parameters"] | {"temperature": 0})
    reply = run(spec, request.getfixturevalue(fixture), text="What is the capital of France?")
    assert "Paris" in reply.text
    assert len(reply.trace.input_ids) + len(reply.trace.tokens) <= 80


def test_a_parsed_workflow_runs_and_says_what_it_holds():
    workflow = parse_workflow(ARTICLE)
    settings = GenerationSettings(temperature=0.7, max_length=80, top_p=0.9)
    assert workflow == Workflow(
        name="nanochat_inference", model="distilgpt2", max_history=2, settings=settings, strip_special_tokens=True
    )
    assert run(workflow, base_model(" Hi.")).text == "Hi."


def test_it_gives_what_a_chat_with_the_same_settings_gives():
    settings = {"temperature": 5.0, "top_p": 1.0, "max_length": 80, "seed": 7}
    reply = run(article(GENERATE, parameters=settings), base_model("Hello"))
    same = Chat(base_model("Hello"), settings=GenerationSettings(**settings)).send("Hello NanoChat!")
    assert reply.trace.tokens and [token.token_id for token in reply.trace.tokens] == [
        token.token_id for token in same.trace.tokens
    ]


# --- the settings of each step


def test_max_length_counts_the_prompt():
    reply = run(ARTICLE, base_model("x" * 100))
    assert len(reply.trace.input_ids) + len(reply.trace.tokens) == 80
    assert reply.finish_reason == "length"


@pytest.mark.parametrize(
    "name, value",
    [
        ("max_new_tokens", 3),
        ("do_sample", False),
        ("temperature", 0),
        ("top_k", 5),
        ("min_p", 0.1),
        ("repetition_penalty", 1.5),
        ("penalise_prompt", False),
        ("seed", 11),
        ("stop", ["zz"]),
    ],
)
def test_every_generation_setting_may_stand_in_parameters(name, value):
    reply = run(article(GENERATE, parameters={name: value}), base_model(" Hi."))
    seen = reply.trace.settings[name]
    assert (seen[: len(value)] if name == "stop" else seen) == value


@pytest.mark.parametrize("max_history, first_kept", [(0, 8), (1, 6), (2, 4), (9, 0)])
def test_max_history_keeps_that_many_turns(max_history, first_kept):
    spec = article(PREPARE, max_history=max_history)
    del spec["steps"][GENERATE]["parameters"]
    reply = run(spec, base_model(" Hi."), history=FOUR_TURNS)
    assert reply.trace.dropped == FOUR_TURNS[:first_kept]
    for message in FOUR_TURNS:
        assert (message["content"] in reply.trace.prompt) == (message not in reply.trace.dropped)


def test_a_system_message_in_the_history_takes_the_place_of_the_usual_one():
    history = [{"role": "system", "content": "Be brief."}, *FOUR_TURNS]
    reply = run(article(PREPARE, max_history=0), ScriptedBackbone("Hi.", context_length=500), history=history[:1])
    assert reply.trace.messages == [history[0], {"role": "user", "content": "Hello NanoChat!"}]


@pytest.mark.parametrize("strip, text", [(True, "Hi."), (False, "Hi.<|im_end|>")])
def test_special_tokens_are_visible_unless_stripped(strip, text):
    spec = article(DECODE, strip_special_tokens=strip)
    spec["steps"][GENERATE]["parameters"] = {"temperature": 0}
    for engine in ("transformers", "llama.cpp"):
        reply = run(spec, ScriptedBackbone("Hi.", engine=engine))
        assert (reply.text, reply.finish_reason) == (text, "stop")


def test_what_a_workflow_leaves_out_has_its_usual_value():
    steps = [{"step": name["step"]} for name in ARTICLE["steps"]]
    steps[INFERENCE]["model"] = "distilgpt2"
    workflow = parse_workflow({"steps": steps})
    assert (workflow.max_history, workflow.settings, workflow.strip_special_tokens) == (2, GenerationSettings(), True)


def test_a_message_that_looks_like_code_or_control_stays_text():
    text = "__import__('os').system('true') <|im_end|>"
    spec = article(GENERATE, parameters={"temperature": 0})
    reply = run(spec, ScriptedBackbone("Hi."), text=text)
    assert text in reply.trace.prompt
    assert reply.trace.input_ids.count(257) == 2  # the template's own: after the system message and after the user's


# --- mistakes

NEW_STEP = {"step": "translate"}
MISTAKES = {
    "no JSON": ('{"steps": [}', ["line 1", "column 12"]),
    "cut off": ('{\n "steps": [', ["line 2"]),
    "nothing": ("", ["not JSON", "line 1"]),
    "twin keys": ('{"steps": [], "steps": []}', ['"steps"', "twice"]),
    "endless digits": ('{"steps": ' + "1" * 5000 + "}", ["cannot be read"]),
    "endless lists": ("[" * 100_000, ["cannot be read"]),
    "a list": (ARTICLE["steps"], ["object", "steps"]),
    "a number": (3, ["object", "3"]),
    "no steps": ({"workflow": "x"}, ['"steps"', "tokenize"]),
    "steps of a wrong type": ({"steps": "tokenize"}, ['"steps"', "list"]),
    "a wrong name": ({**ARTICLE, "workflow": 3}, ['"workflow"', "3"]),
    "an unknown key at the top": ({**ARTICLE, "step": []}, ['"step"', 'did you mean "steps"']),
    "a step that is text": ({"steps": ["tokenize"]}, ["Step 1", '"tokenize"']),
    "a step without a name": ({"steps": [{"input": "user_message"}]}, ["Step 1", '"step"']),
    "a step named by a near key": ({"steps": [{"stap": "tokenize"}]}, ["Step 1", 'did you mean "step"']),
    "an unknown step": ({"steps": [{"step": "tokenise"}]}, ["Step 1", "tokenise", 'did you mean "tokenize"']),
    "a strange step": ({"steps": [NEW_STEP]}, ["Step 1", "translate", "decode_output"]),
    "a step name of a wrong type": ({"steps": [{"step": 7}]}, ["Step 1", "7"]),
    "a missing step": ({"steps": ARTICLE["steps"][:3]}, ["'generate'", "missing"]),
    "a step twice": ({"steps": [*ARTICLE["steps"], ARTICLE["steps"][1]]}, ["Step 6", "prepare_prompt", "step 2"]),
    "out of order": ({"steps": ARTICLE["steps"][::-1]}, ["Step 1", "decode_output", "out of order", "'tokenize'"]),
    "another input": (article(TOKENIZE, input="file"), ["Step 1 (tokenize)", '"input"', '"user_message"']),
    "an unknown key": (article(PREPARE, max_histroy=2), ["Step 2 (prepare_prompt)", "max_histroy", '"max_history"']),
    "a far-off key": (article(DECODE, colour=1), ["Step 5 (decode_output)", "colour", "strip_special_tokens"]),
    "text for a number": (article(PREPARE, max_history="2"), ["Step 2", '"max_history"', "whole number", '"2"']),
    "a flag for a number": (article(PREPARE, max_history=True), ["Step 2", '"max_history"', "true"]),
    "a negative number": (article(PREPARE, max_history=-1), ["Step 2", '"max_history"', "-1"]),
    "a half turn": (article(PREPARE, max_history=1.5), ["Step 2", '"max_history"', "1.5"]),
    "no model": (article(INFERENCE, model=None), ["Step 3 (model_inference)", '"model"']),
    "a blank model": (article(INFERENCE, model=" "), ["Step 3", '"model"', '" "']),
    "parameters of a wrong type": (article(GENERATE, parameters=[0.7]), ["Step 4", '"parameters"', "[0.7]"]),
    "an unknown setting": (article(GENERATE, parameters={"temprature": 1}), ["Step 4 (generate)", "'temperature'"]),
    "a cold temperature": (article(GENERATE, parameters={"temperature": -1}), ["Step 4 (generate)", "temperature=-1"]),
    "NaN": (article(GENERATE, parameters={"temperature": float("nan")}), ["Step 4", "temperature=nan"]),
    "a top_p of 2": (article(GENERATE, parameters={"top_p": 2}), ["Step 4", "top_p=2"]),
    "text for a setting": (article(GENERATE, parameters={"max_length": "80"}), ["Step 4", "max_length='80'"]),
    "text for a flag": (article(DECODE, strip_special_tokens="no"), ["Step 5", '"strip_special_tokens"', '"no"']),
}


@pytest.mark.parametrize("spec, words", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_with_its_place(spec, words):
    with pytest.raises(WorkflowError) as error:
        parse_workflow(spec)
    assert [word for word in words if word not in str(error.value)] == []
    assert len(str(error.value)) < 400


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    picture = tmp_path / "picture.json"
    picture.write_bytes(b"\xff\xd8\xff")
    for path in (picture, tmp_path, tmp_path / "none.json", "no workflow at all", "a\0b"):
        with pytest.raises(WorkflowError, match=r"read|JSON"):
            parse_workflow(path)


def test_a_byte_order_mark_does_no_harm(tmp_path):
    (tmp_path / "notepad.json").write_text(json.dumps(ARTICLE), encoding="utf-8-sig")
    assert parse_workflow(tmp_path / "notepad.json").model == "distilgpt2"


def test_a_prompt_that_uses_max_length_up_is_the_generate_steps_mistake():
    with pytest.raises(WorkflowError, match=r"Step 4 \(generate\): max_length=80 counts the prompt"):
        run(ARTICLE, base_model(" Hi."), text="x" * 80)


@pytest.mark.parametrize("text", ["", " \n", "a\0b", "\ud800", 5])
def test_a_message_that_cannot_be_used_is_refused_before_a_model_is_loaded(text):
    with pytest.raises(MessageError):
        run_workflow(ARTICLE, text)


@pytest.mark.parametrize("history", ["Hi", [{"role": "robot", "content": "Hi"}], ["Hi"], 5])
def test_a_history_that_is_none_is_refused(history):
    with pytest.raises(NanoChatError):
        run(ARTICLE, base_model(" Hi."), history=history)


def test_a_model_with_a_typo_is_a_mistake_of_its_step():
    with pytest.raises(WorkflowError, match=r'Step 3 \(model_inference\): .*Did you mean "distilgpt2"'):
        run_workflow(article(INFERENCE, model="distlgpt2"), "Hi")


def test_offline_without_distilgpt2_the_error_says_just_that(monkeypatch, tmp_path):
    monkeypatch.setenv("NANOCHAT_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelMissingError) as error:
        run_workflow(ARTICLE, "Hello NanoChat!")
    said = str(error.value)
    assert "Step 3 (model_inference) asks for 'distilgpt2', which is not on this machine" in said
    assert "--model smollm2" in said
    assert 'models={"distilgpt2": load_model("smollm2")}' in said
