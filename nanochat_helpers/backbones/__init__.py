"""Step 4, model inference: the models behind the chatbot, all used in the same way.

`local` runs a model with transformers and shows its logits, `encoder_decoder` those of a model with two halves;
`llama_cpp` runs the same weights several times faster, but chooses the tokens itself. `models` finds and loads them.
"""

import os
from collections.abc import Sequence
from typing import Protocol

from ..errors import CannotChatError, EngineError
from ..tokens import check_token_ids


class Backbone(Protocol):
    """What every model has, wherever it runs."""

    name: str
    engine: str  # "transformers", "llama.cpp" or "remote"
    tokenizer: object
    device: str  # where it computes: "cpu", "cuda" or "mps"
    context_length: int  # tokens, prompt and reply together; for an encoder-decoder each may have so many
    family: str  # "decoder", "encoder" or "encoder-decoder"
    is_chat: bool  # was it trained on conversations, and has it a chat template?
    eos_token_ids: frozenset[int]  # any of these ends a reply


def usable_cores() -> int:
    """How many processor cores this process may use; a container or a hub often gives fewer than the machine has.

    OMP_NUM_THREADS, which numerical libraries obey, is obeyed here, too: with it, several models share a machine.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(allowed)) if allowed.isdecimal() and int(allowed) else cores


def check_can_write(name: str, family: str) -> None:
    """Refuse models that have no next token to give after a prompt. Raises CannotChatError."""
    if family == "encoder":
        raise CannotChatError(
            f"{name} is an encoder: it reads a text and gives numbers that stand for its meaning, but it cannot write, "
            "so it cannot chat. It is good for search and for sorting texts by topic. To chat, load 'smollm2'."
        )


def check_input_ids(input_ids: Sequence[int], backbone: Backbone) -> list[int]:
    """Make a plain list of token ids of this backbone's vocabulary; see `tokens.check_token_ids`.

    Raises EngineError for a model on a server, which has its vocabulary to itself.
    """
    if backbone.engine == "remote":
        raise EngineError(
            f"{backbone.name} runs on a server, which takes messages and no input_ids: talk to it with Chat(backbone), "
            "and use load_model where you need tokens or logits."
        )
    return check_token_ids(input_ids, getattr(backbone, "vocab_size", None) or len(backbone.tokenizer))
