"""Step 4, model inference: the models behind the chatbot, all used in the same way.

`local` runs a model with transformers and shows its logits; `llama_cpp` runs the same weights several times faster, but
chooses the tokens itself. `models` finds and loads them.
"""

from typing import Protocol


class Backbone(Protocol):
    """What every model has, wherever it runs."""

    name: str
    engine: str  # "transformers" or "llama.cpp"
    tokenizer: object
    context_length: int  # tokens, prompt and reply together
    family: str  # "decoder", "encoder" or "encoder-decoder"
    is_chat: bool  # was it trained on conversations, and has it a chat template?
    eos_token_ids: frozenset[int]  # any of these ends a reply
