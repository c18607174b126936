"""What several test files share. The real model is fetched once, into this machine's own cache; nothing else is."""

import os

import hypothesis
import pytest

os.environ.pop("NANOCHAT_LANGUAGE", None)  # tests read English, whatever language this machine's user has set

# The same examples at each run, and no time limit for one of them: a busy machine is no defect.
hypothesis.settings.register_profile("nanochat", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("nanochat")


@pytest.fixture(scope="session")
def smollm2_files():
    """The default model's files, fetched and converted first if this machine does not have them yet."""
    from nanochat_helpers.models import fetch_model

    return fetch_model("smollm2", show_progress=False)


@pytest.fixture(scope="session")
def smollm2_tokenizer(smollm2_files):
    """The default model's tokenizer, without its weights."""
    from nanochat_helpers.models import load_tokenizer

    return load_tokenizer("smollm2")


@pytest.fixture(scope="session")
def backbone(smollm2_files):
    """The default model in transformers, shared by all tests: leave no setting of it changed."""
    from nanochat_helpers.models import load_model

    return load_model("smollm2", engine="transformers")


@pytest.fixture(scope="session")
def llama_cpp_backbone(smollm2_files):
    """The default model in llama.cpp, shared by all tests."""
    from nanochat_helpers.models import load_model

    return load_model("smollm2", engine="llama.cpp")


@pytest.fixture(scope="session")
def minilm():
    """The encoder that lesson 10 searches with, fetched first if this machine does not have it yet."""
    from nanochat_helpers.models import load_model

    return load_model("minilm", show_progress=False)


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """An empty cache for one test, with the network allowed."""
    monkeypatch.setenv("NANOCHAT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    for name in ("NANOCHAT_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "cache"
