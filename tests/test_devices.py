"""One word moves a model to a GPU; what it gives comes back to the CPU, and a GPU that is not there is one sentence."""

from types import SimpleNamespace

import pytest
import torch
from scripted import ByteTokenizer
from test_backbones import tiny_model
from tiny_models import write_bert, write_gpt2, write_t5

from nanochat_helpers import GenerationSettings, load_model, sample_many
from nanochat_helpers.backbones import devices, encoder_decoder, local
from nanochat_helpers.backbones.devices import choose_device
from nanochat_helpers.backbones.local import LocalBackbone, last_logits
from nanochat_helpers.errors import EngineError


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("models")
    for name in ("gpt2", "bert", "t5"):
        (home / name).mkdir()
    return {"gpt2": write_gpt2(home / "gpt2"), "bert": write_bert(home / "bert"), "t5": write_t5(home / "t5")}


@pytest.fixture
def computer(monkeypatch):
    """Make this computer one with other GPUs, as far as PyTorch says so."""

    def has(*names):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in names)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in names)

    return has


# --- which device


@pytest.mark.parametrize(
    ("there", "chosen"), [((), "cpu"), (("cuda",), "cuda"), (("mps",), "mps"), (("mps", "cuda"), "cuda")]
)
def test_auto_is_a_gpu_where_there_is_one(there, chosen, computer):
    computer(*there)
    assert choose_device("auto") == chosen
    assert choose_device("cpu") == "cpu"
    assert choose_device(chosen) == chosen


@pytest.mark.parametrize(("device", "whose"), [("cuda", "NVIDIA"), ("mps", "Apple")])
def test_a_gpu_that_is_not_there_is_refused_before_anything_is_fetched(device, whose, computer, empty_cache):
    computer()
    with pytest.raises(EngineError, match=rf"device='{device}' cannot be used.*{whose}.*device='auto'"):
        load_model("smollm2", device=device)
    assert not empty_cache.exists()


@pytest.mark.parametrize("device", ["gpu", "CUDA", "", "cuda:0", None, 0, torch.device("cpu")])
def test_a_name_that_is_no_device_is_refused_for_either_engine(device, empty_cache):
    for engine in ("auto", "llama.cpp"):
        with pytest.raises(EngineError, match=r"is not known; allowed are cpu, auto, cuda, mps\.$"):
            load_model("smollm2", engine=engine, device=device)
    assert not empty_cache.exists()


def test_llama_cpp_stays_on_the_cpu(computer, monkeypatch):
    computer("cuda")
    with pytest.raises(EngineError, match=r"engine='llama.cpp' computes on the CPU.*engine='transformers'"):
        load_model("smollm2", engine="llama.cpp", device="cuda")
    loaded = SimpleNamespace(tokenizer=None)
    monkeypatch.setattr("nanochat_helpers.models.fetch_model", lambda *_, **__: SimpleNamespace(gguf="x", folder="y"))
    monkeypatch.setattr("nanochat_helpers.models._check", lambda files: None)
    monkeypatch.setattr("nanochat_helpers.models._load_gguf", lambda files: loaded)
    monkeypatch.setattr("nanochat_helpers.models._settle_special_tokens", lambda *_: None)
    assert load_model("smollm2", engine="llama.cpp", device="auto") is loaded


def test_a_gpu_without_room_for_the_model_is_one_sentence():
    class TooBig:
        def to(self, device):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nMore about it")

    with pytest.raises(EngineError, match=r"^big cannot be put on device='cuda' \(CUDA out .* 2 GiB\)\. Load it with"):
        local._moved(TooBig(), "cuda", "big")


# --- on a device


@pytest.mark.parametrize("name", ["gpt2", "bert", "t5"])
def test_every_family_says_where_it_computes(name, folders, computer):
    computer()
    assert load_model(folders[name]).device == "cpu"
    assert load_model(folders[name], device="auto").device == "cpu"


@pytest.fixture
def on_meta(folders, monkeypatch):
    """Load a model on PyTorch's "meta" device, which knows shapes and no numbers; its answers are zeros on the CPU."""
    monkeypatch.setattr(devices, "check_device", lambda device: None)
    monkeypatch.setattr(devices, "_is_there", lambda device: True)
    given = []

    def zeros(output):
        given.append(output.logits.device.type)
        return torch.zeros(output.logits[:, -1].shape)

    monkeypatch.setattr(local, "last_logits", zeros)
    monkeypatch.setattr(encoder_decoder, "last_logits", zeros)
    monkeypatch.setattr(local, "tune", None)  # whose trials are for the CPU alone
    return given, lambda name: load_model(folders[name], device="meta")


@pytest.mark.parametrize(("name", "ids"), [("gpt2", [5, 6, 7]), ("t5", [5, 6, 1])])
def test_the_tokens_go_to_the_models_device_one_text_or_many(name, ids, on_meta):
    given, load = on_meta
    model = load(name)
    assert model.device == "meta"
    seen = []
    for layer in model.model.modules():
        if isinstance(layer, torch.nn.Embedding):
            layer.register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0].device.type))
    model.next_token_logits(ids)
    model.next_token_logits([*ids, 9])
    batch = model.start_batch(ids)
    batch.step([0, 0], [8, 9])
    assert batch.logits.shape == (2, model.vocab_size)
    assert given == ["meta"] * 4 and len(seen) >= 4 and set(seen) == {"meta"}


def test_texts_go_to_the_encoders_device_and_their_vectors_come_back(on_meta, monkeypatch):
    bert, seen = on_meta[1]("bert"), []

    def forward(**batch):  # BERT itself looks into the mask, where "meta" has no numbers
        seen.extend(tensor.device.type for tensor in batch.values())
        return SimpleNamespace(last_hidden_state=torch.ones(*batch["input_ids"].shape, 16, device="meta"))

    def cpu(tensor):
        seen.append(tensor.device.type)
        return torch.zeros(tensor.shape)

    monkeypatch.setattr(bert.model, "forward", forward)
    monkeypatch.setattr(torch.Tensor, "cpu", cpu)
    vectors = bert.embed(["hello", "the cat sat on the mat"])
    assert vectors.shape == (2, 16) and vectors.device.type == "cpu"
    assert seen == ["meta"] * 4  # ids, mask and token types on the way in, the vectors on the way out


def test_logits_come_back_as_float32_of_their_own():
    output = SimpleNamespace(logits=torch.ones(2, 3, 5, dtype=torch.float16))
    logits = last_logits(output)
    assert logits.shape == (2, 5) and logits.dtype == torch.float32
    plain = SimpleNamespace(logits=torch.ones(1, 1, 5))
    last_logits(plain).zero_()
    assert plain.logits.sum() == 5


def test_only_the_cpu_is_tuned(monkeypatch):
    tuned = []
    monkeypatch.setattr(local, "tune", tuned.append)
    LocalBackbone("on a gpu", tiny_model().to("meta"), ByteTokenizer())
    assert tuned == []
    model = tiny_model()
    LocalBackbone("here", model, ByteTokenizer())
    assert tuned == [model]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU here")
@pytest.mark.parametrize(("name", "ids"), [("gpt2", [5, 6, 7]), ("t5", [5, 6, 1])])
def test_a_gpu_gives_the_logits_and_texts_of_the_cpu(name, ids, folders):
    here, there = load_model(folders[name]), load_model(folders[name], device="cuda")
    assert there.device == "cuda" and there.next_token_logits(ids).device.type == "cpu"
    for new_ids in ([], [9], [9, 10]):
        ours, theirs = here.next_token_logits(ids + new_ids), there.next_token_logits(ids + new_ids)
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-3)
    settings = GenerationSettings(do_sample=False, max_new_tokens=8)
    assert sample_many(there, ids, settings, 2) == sample_many(here, ids, settings, 2)
