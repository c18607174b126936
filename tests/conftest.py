"""What several test files share."""

import hypothesis
import pytest

# The same examples at each run, and no time limit for one of them: a busy machine is no defect.
hypothesis.settings.register_profile("nanochat", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("nanochat")


@pytest.fixture(scope="session")
def smollm2_tokenizer():
    """The default model's tokenizer, without its weights."""
    from nanochat_helpers.models import load_tokenizer

    return load_tokenizer("smollm2")


@pytest.fixture(scope="session")
def backbone():
    """The default model with transformers: exact logits."""
    from nanochat_helpers.models import load_model

    return load_model("smollm2", engine="transformers")


@pytest.fixture(scope="session")
def llama_cpp_backbone():
    """The default model with llama.cpp: the same weights, faster, no logits."""
    from nanochat_helpers.models import load_model

    return load_model("smollm2", engine="llama.cpp")
