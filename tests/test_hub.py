"""Models from the hub: one repository of each family, by its name in the catalogue, and each way in which a hub fails.

The repositories are served on this machine: random weights of a few kilobytes, tokenizer files as the real ones have.
"""

import io
import shutil
import sys

import pytest
import torch
from hub_server import HubServer
from tiny_models import tokens, write_bert, write_gpt2, write_t5

from nanochat_helpers import Chat, GenerationSettings, cli, load_model, load_tokenizer, run_workflow
from nanochat_helpers.chat import load_chat_model
from nanochat_helpers.errors import CannotChatError, EngineError, ModelDamagedError, ModelMissingError
from nanochat_helpers.intents import NearestExample
from nanochat_helpers.models import CATALOGUE, fetch_model, find_model, list_models, remove_model
from nanochat_helpers.weights.hub import choose_files

SHORT = GenerationSettings(max_new_tokens=5, seed=0)
FROM_HUB = ["distilgpt2", "tinybert", "flan-t5-small"]
FAULTS = ("busy", "gated", "private", "half", "cut", "pause", "changed")


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    """A folder for each repository that the catalogue names, and for those that lack a file."""
    home = tmp_path_factory.mktemp("hub")
    folders = {name: home / name for name in [*FROM_HUB, "no-weights", "no-config", "no-tokenizer"]}
    for folder in folders.values():
        folder.mkdir()
    write_gpt2(folders["distilgpt2"])
    write_bert(folders["tinybert"])
    write_t5(folders["flan-t5-small"])
    for missing, pattern in (("weights", "model.safetensors"), ("config", "config.json"), ("tokenizer", "tokenizer*")):
        folder = folders[f"no-{missing}"]
        shutil.copytree(folders["distilgpt2"], folder, ignore=shutil.ignore_patterns(pattern), dirs_exist_ok=True)
    (folders["no-weights"] / "pytorch_model.bin").write_bytes(b"a pickle, which is never opened")
    return folders


@pytest.fixture
def hub(repositories, empty_cache, monkeypatch):
    """A hub with the repositories of the catalogue, and the tiny GPT-2 once for each way to fail."""
    gpt2 = repositories["distilgpt2"]
    served = {CATALOGUE[name].repo: repositories[name] for name in FROM_HUB}
    served |= {f"toy/{name}": folder for name, folder in repositories.items() if name.startswith("no-")}
    served |= dict.fromkeys(["toy/gpt2", *(f"toy/{fault}" for fault in FAULTS)], gpt2)
    with HubServer(served, {f"toy/{fault}": fault for fault in FAULTS}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def drafts(folder):
    return list(folder.rglob(".part-*")) + list(folder.rglob("*.incomplete"))


def fetch(repo):
    return fetch_model(repo, show_progress=False)


@pytest.fixture
def loaded(hub, monkeypatch):
    """Load a model by its name: from the hub, and then a second time without a network."""

    def load(name):
        first = load_model(name, show_progress=False)
        assert any(path.endswith("model.safetensors") for path in hub.requests)
        hub.requests.clear()
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        second = load_model(name)
        assert hub.requests == []
        assert (second.name, second.family, second.is_chat) == (name, CATALOGUE[name].family, CATALOGUE[name].is_chat)
        state = first.model.state_dict()
        assert all(torch.equal(tensor, state[key]) for key, tensor in second.model.state_dict().items())
        return second

    return load


# --- each family, by its name


def test_distilgpt2_goes_on_with_a_text_and_plays_a_chat_by_a_script(loaded):
    backbone = loaded("distilgpt2")
    assert (backbone.tokenizer.eos_token, backbone.tokenizer.pad_token) == ("<|endoftext|>", "<|endoftext|>")
    assert backbone.next_token_logits([3, 4]).shape == (len(tokens()),)
    chat = Chat(backbone, settings=SHORT)
    reply = chat.send("hello")
    assert reply.trace.prompt == "User: hello\nBot:" and chat.system == ""
    assert len(reply.trace.tokens) == 5


def test_tinybert_compares_and_sorts_texts_and_says_why_it_cannot_chat(loaded):
    backbone = loaded("tinybert")
    vectors = backbone.embed(["hello world", "the cat"])
    assert vectors.shape == (2, 16) and torch.allclose(vectors.norm(dim=1), torch.ones(2), atol=1e-5)
    intent = NearestExample(backbone.embed, {"greeting": ["hello world"], "animals": ["the cat"]})("The CAT")
    assert (intent.label, round(intent.score, 3)) == ("animals", 1)
    with pytest.raises(CannotChatError, match=r"tinybert is an encoder.*cannot chat.*load 'smollm2'"):
        Chat(backbone)


def test_asked_for_a_chat_an_encoder_explains_before_it_is_fetched(hub):
    with pytest.raises(CannotChatError, match="tinybert is an encoder"):
        load_chat_model("tinybert")
    assert hub.requests == []


def test_flan_t5_follows_one_instruction_at_a_time(loaded):
    chat = Chat(loaded("flan-t5-small"), settings=SHORT)
    chat.send("hello world")
    trace = chat.send("Translate to German: hello").trace
    assert trace.prompt == "Translate to German: hello</s>" and len(trace.tokens) == 5
    assert load_tokenizer("flan-t5-small").chat_template == chat.backbone.tokenizer.chat_template


@pytest.mark.parametrize("name", ["distilgpt2", "flan-t5-small"])
def test_the_command_line_and_a_workflow_take_it_by_its_name(name, hub, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(SystemExit) as left:
        cli.main(["chat", "hello", "--model", name, "--max-new-tokens", "3"])
    assert left.value.code in (0, None), capsys.readouterr().err
    steps = [
        {"step": "tokenize", "input": "user_message"},
        {"step": "prepare_prompt", "max_history": 2},
        {"step": "model_inference", "model": name},
        {"step": "generate", "parameters": {"max_length": 40, "temperature": 0.7, "top_p": 0.9}},
        {"step": "decode_output", "strip_special_tokens": True},
    ]
    assert run_workflow({"steps": steps}, "hello").trace.model == name


@pytest.mark.parametrize("name", FROM_HUB)
def test_llama_cpp_says_that_it_has_no_file_for_it(name, hub, monkeypatch):
    monkeypatch.setattr("nanochat_helpers.models.engine_available", lambda engine: True)
    with pytest.raises(EngineError, match=rf"{name} has no .gguf file"):
        load_model(name, engine="llama.cpp", show_progress=False)


# --- fetched once, then kept


def test_a_hub_model_is_fetched_once_and_then_works_offline(hub, monkeypatch):
    backbone = load_model("toy/gpt2", show_progress=False)
    assert backbone.family == "decoder" and not backbone.is_chat
    hub.requests.clear()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert load_tokenizer("toy/gpt2")
    assert hub.requests == []
    assert {each.card.name: each.card.source for each in list_models()}["toy/gpt2"] == "own"
    assert remove_model("toy/gpt2") > 0
    with pytest.raises(ModelMissingError, match="forbids fetching"):
        load_tokenizer("toy/gpt2")


def test_a_catalogue_model_from_the_hub_goes_by_both_names(hub):
    files = fetch("distilgpt2")
    assert files.card is CATALOGUE["distilgpt2"]
    assert find_model("distilbert/distilgpt2") == files


def test_a_download_that_breaks_goes_on_where_it_was(hub, repositories, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 1000)  # what it writes at once; else 10 MB
    folder = fetch("toy/cut").folder
    whole = (repositories["distilgpt2"] / "model.safetensors").read_bytes()
    assert (folder / "model.safetensors").read_bytes() == whole
    assert hub.ranges == [None, f"bytes={len(whole) // 2 // 1000}000-"]


def test_a_hub_that_asks_to_wait_is_asked_again(hub):
    assert fetch("toy/pause").folder.exists()
    assert len(hub.ranges) == 2


def test_after_a_failure_nothing_counts_and_the_next_attempt_succeeds(hub, empty_cache):
    with pytest.raises(ModelMissingError, match=r"broke off|incomplete"):
        fetch("toy/half")
    assert find_model("toy/half") is None and not drafts(empty_cache)
    assert not list(empty_cache.rglob("*.safetensors"))
    hub.failing.clear()
    assert load_model("toy/half", show_progress=False).next_token_logits([3]).shape == (len(tokens()),)
    assert not drafts(empty_cache)


# --- a hub that fails


@pytest.mark.parametrize(
    ("repo", "sentence"),
    [
        ("toy/nothing", "has no model of that name"),
        ("toy/busy", "is busy"),
        ("toy/gated", "accept the terms"),
        ("toy/private", "whether it is private"),
        ("toy/no-weights", r"no model\.safetensors on the hub.*pickles"),
        ("toy/no-config", r"no config\.json on the hub"),
        ("toy/no-tokenizer", "no tokenizer on the hub"),
    ],
)
def test_a_hub_that_fails_is_explained(repo, sentence, hub, empty_cache):
    with pytest.raises(ModelMissingError, match=sentence) as caught:
        fetch(repo)
    assert repo in str(caught.value) and "\n" not in str(caught.value)
    assert find_model(repo) is None and not drafts(empty_cache)
    assert hub.ranges == []  # no weights were fetched for nothing


def test_a_file_with_another_hash_is_thrown_away(hub, empty_cache):
    with pytest.raises(ModelDamagedError, match=r"model\.safetensors of toy/changed came damaged \(its SHA-256"):
        fetch("toy/changed")
    assert find_model("toy/changed") is None and not drafts(empty_cache)


def test_a_hub_that_cannot_be_reached(empty_cache, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelMissingError, match="cannot be reached"):
        fetch("toy/gpt2")


def test_only_data_is_fetched_from_the_hub():
    files = [
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "pytorch_model.bin",
        "modeling_x.py",
        "onnx/model.onnx",
    ]
    assert choose_files("x/y", files) == ["model.safetensors", "config.json", "tokenizer.json"]
    with pytest.raises(ModelMissingError, match="pickles"):
        choose_files("x/y", ["config.json", "pytorch_model.bin", "sub/model.safetensors"])


@pytest.mark.parametrize("tokenizer", ["tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "tokenizer.model"])
def test_a_tokenizer_comes_in_several_forms(tokenizer):
    assert tokenizer in choose_files("x/y", ["config.json", "model.safetensors", tokenizer])
