"""Convert a GGUF file of SmolLM2's kind (architecture "llama", byte-level BPE) in a few seconds, without torch.

In: an open GGUF file. Out: config.json, model.safetensors in float32, and the tokenizer's files.
Source: llama.cpp's convert_hf_to_gguf.py, whose steps are undone here.
"""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelDamagedError
from .gguf_reader import MERGES, TOKENS, TYPES, read_value, special_ids

if TYPE_CHECKING:
    import numpy as np

Progress = Callable[[int, int], None]  # is told (tensors done, tensors in all)

_CONTROL = 3  # GGUF's token type for tokens like <|im_end|>, which text can never become
_DIGITS_APART = ("smollm", "starcoder", "refact", "command-r")  # GGUF's names for tokenizers that cut 42 into 4 and 2
_LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_OUTER_NAMES = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}


def convert_llama(reader, about: dict, folder: Path, on_progress: Progress) -> None:
    """Write the model of an open GGUF file into `folder`."""
    write_json(folder / "config.json", _llama_config(reader, about))
    _write_tokenizer(folder, reader, about)
    _write_safetensors(folder / "model.safetensors", _llama_tensors(reader, about), on_progress)


def is_plain_llama(reader, about: dict) -> bool:
    """Tell whether all that a file holds is known here; whatever is not goes to transformers' own reader."""
    names = {_hf_name(tensor.name) for tensor in reader.tensors}
    return (
        about.get("general.architecture") == "llama"
        and about.get("tokenizer.ggml.model") == "gpt2"
        and about.get("tokenizer.ggml.pre") in (*_DIGITS_APART, "gpt-2")
        and "llama.rope.scaling.type" not in about
        and None not in names
        and MERGES in reader.fields
    )


def _hf_name(name: str) -> str | None:
    """Translate a tensor's name: `blk.0.attn_q.weight` is `model.layers.0.self_attn.q_proj.weight` in transformers."""
    match name.split("."):
        case ["blk", layer, part, "weight"] if part in _LAYER_NAMES:
            return f"model.layers.{layer}.{_LAYER_NAMES[part]}.weight"
        case [part, "weight"] if part in _OUTER_NAMES:
            return f"{_OUTER_NAMES[part]}.weight"
    return None


def _llama_config(reader, about: dict) -> dict:
    heads = about["llama.attention.head_count"]
    ids = special_ids(about)
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "vocab_size": len(reader.fields[TOKENS].data),
        "hidden_size": about["llama.embedding_length"],
        "intermediate_size": about["llama.feed_forward_length"],
        "num_hidden_layers": about["llama.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": about.get("llama.attention.head_count_kv", heads),
        "head_dim": about.get("llama.rope.dimension_count", about["llama.embedding_length"] // heads),
        "max_position_embeddings": about["llama.context_length"],
        "rms_norm_eps": about["llama.attention.layer_norm_rms_epsilon"],
        "rope_parameters": {"rope_type": "default", "rope_theta": about.get("llama.rope.freq_base", 10000.0)},
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": all(tensor.name != "output.weight" for tensor in reader.tensors),
        "use_cache": True,
        **{f"{name}_token_id": ids.get(name) for name in ("bos", "eos", "pad")},
    }


# --- the weights --------------------------------------------------------------------------------------------------


def _llama_tensors(reader, about: dict) -> Iterator[tuple[str, tuple[int, ...], Callable[[], np.ndarray]]]:
    """Give each tensor's name, shape and a function that computes its float32 numbers."""
    heads = about["llama.attention.head_count"]
    heads_of = {"attn_q": heads, "attn_k": about.get("llama.attention.head_count_kv", heads)}
    for tensor in reader.tensors:
        shape = tuple(int(size) for size in reversed(tensor.shape))  # GGUF counts from the innermost dimension
        part = tensor.name.split(".")[-2]
        yield _hf_name(tensor.name), shape, functools.partial(_numbers, tensor, heads_of.get(part))


def _numbers(tensor, heads: int | None) -> np.ndarray:
    """Dequantize one tensor. llama.cpp keeps the two halves of each query and key head interleaved: undo that."""
    import gguf
    import numpy as np

    numbers = gguf.dequantize(tensor.data, tensor.tensor_type)
    if heads:
        rows, columns = numbers.shape
        numbers = numbers.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
    return np.ascontiguousarray(numbers, dtype="<f4")


def _write_safetensors(path: Path, tensors: Iterable, on_progress: Progress) -> None:
    """Write the safetensors format: the header's length, a JSON header, then the numbers, one tensor after another.

    One tensor is in memory at a time, so the peak is the largest tensor and not the model.
    """
    tensors = list(tensors)
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape, _ in tensors:
        start, end = end, end + 4 * _product(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # the numbers start at a multiple of eight
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for done, (_, shape, numbers) in enumerate(tensors, start=1):
            values = numbers()
            if values.shape != shape:
                raise ModelDamagedError(f"{path.name}: a tensor has the shape {values.shape} instead of {shape}.")
            file.write(values.data)
            on_progress(done, len(tensors))


def _product(shape: tuple[int, ...]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product


# --- the tokenizer ------------------------------------------------------------------------------------------------


def _write_tokenizer(folder: Path, reader, about: dict) -> None:
    tokens, types = read_value(reader.fields[TOKENS]), read_value(reader.fields[TYPES])
    merges = [tuple(merge.split(" ")) for merge in read_value(reader.fields[MERGES])]
    tokenizer = _byte_level_bpe(tokens, merges, digits_apart=about["tokenizer.ggml.pre"] in _DIGITS_APART)
    tokenizer.add_special_tokens(_added(token for token, kind in zip(tokens, types, strict=True) if kind == _CONTROL))
    tokenizer.save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", _tokenizer_config(tokens, about))
    if template := about.get("tokenizer.chat_template"):
        (folder / "chat_template.jinja").write_text(template, encoding="utf-8", newline="\n")


def _byte_level_bpe(tokens: list[str], merges: list[tuple[str, str]], *, digits_apart: bool):
    """Build the tokenizer of GPT-2: split text into words, write each as bytes, merge the bytes pair by pair."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    digits = pre_tokenizers.Digits(individual_digits=True)
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, words]) if digits_apart else words
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _added(tokens: Iterable[str]) -> list:
    from tokenizers import AddedToken

    return [AddedToken(token, special=True, normalized=False) for token in tokens]


def _tokenizer_config(tokens: list[str], about: dict) -> dict:
    """Set all by hand that transformers would otherwise guess, differently from version to version."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": about["llama.context_length"],
        **{f"{name}_token": tokens[token_id] for name, token_id in special_ids(about).items()},
    }


def write_json(path: Path, content: dict) -> None:
    """Write settings as people read them."""
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n")
