"""What several test files share."""

import pytest


@pytest.fixture(scope="session")
def smollm2_tokenizer():
    """The default model's tokenizer, without its weights."""
    from nanochat_helpers.models import load_tokenizer

    return load_tokenizer("smollm2")
