"""Read what a GGUF file says about itself. Its table of contents comes first, the numbers of the model after it.

Source: the GGUF specification (ggml, docs/gguf.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import ModelDamagedError

TOKENS, TYPES, MERGES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type", "tokenizer.ggml.merges"
_LONG = (TOKENS, TYPES, MERGES, "tokenizer.ggml.scores")  # lists as long as the vocabulary
_SPECIAL = {"bos": "bos", "eos": "eos", "pad": "padding", "unk": "unknown"}  # transformers' words, and GGUF's


def open_gguf(gguf: Path):
    """Open a GGUF file; its tensors stay on the disk until they are used. Raises ModelDamagedError."""
    from gguf import GGUFReader

    try:
        return GGUFReader(gguf)
    except (ValueError, IndexError, KeyError, OverflowError, MemoryError, OSError) as problem:
        raise ModelDamagedError(
            f"{gguf} is no complete GGUF file ({str(problem) or type(problem).__name__}). Fetch it again."
        ) from problem


def read_about(reader) -> dict[str, Any]:
    """Read the table of contents as a dict, without the lists that are as long as the vocabulary."""
    return {key: read_value(field) for key, field in reader.fields.items() if key not in _LONG}


def read_value(field) -> Any:
    """Read one entry of the table of contents: a text, a number, or a list of those."""
    from gguf import GGUFValueType

    if field.types[-1] == GGUFValueType.STRING:
        values = [str(bytes(field.parts[i]), "utf-8", "replace") for i in field.data]
    else:
        values = [item for i in field.data for item in field.parts[i].tolist()]
    return values if field.types[0] == GGUFValueType.ARRAY else values[0]


def special_ids(about: dict) -> dict[str, int]:
    """Find bos, eos, pad and unk. A file without a pad token pads with eos, as is usual for decoders."""
    ids = {short: about.get(f"tokenizer.ggml.{long}_token_id") for short, long in _SPECIAL.items()}
    ids["pad"] = ids["eos"] if ids["pad"] is None else ids["pad"]
    return {short: token_id for short, token_id in ids.items() if token_id is not None}
