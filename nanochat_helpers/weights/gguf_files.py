"""Turn a GGUF file (weights squeezed to four or so bits) into a folder that transformers loads: float32 safetensors.

SmolLM2 and its kin are converted in `gguf_llama`; every other architecture goes through transformers' own reader,
which is slower and knows them all. Both formats are plain data, so nothing in such a file can run.
"""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import ModelError
from .gguf_llama import Progress, convert_llama, is_plain_llama, write_json
from .gguf_reader import open_gguf, read_about, special_ids
from .progress import hushed_transformers


def convert_gguf(gguf: Path, folder: Path, *, on_progress: Progress = lambda done, total: None) -> str | None:
    """Write `gguf` into `folder` as config.json, model.safetensors and the tokenizer's files; return its end token.

    Raises ModelDamagedError for a broken file, ModelError for an architecture that nobody here can read.
    """
    reader = open_gguf(gguf)
    about = read_about(reader)
    if is_plain_llama(reader, about):
        convert_llama(reader, about, folder, on_progress)
    else:
        convert_with_transformers(gguf, folder, about)
    return json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8")).get("eos_token")


def convert_with_transformers(gguf: Path, folder: Path, about: dict) -> None:
    """Convert by transformers' own reader: load, drop the note "quantized", save."""
    with hushed_transformers():
        try:
            tokenizer, model = _read_with_transformers(gguf)
        except Exception as problem:  # the reader of each architecture fails in its own way
            raise ModelError(
                f"{gguf} cannot be converted (architecture {about.get('general.architecture')!r}): "
                f"{str(problem).strip() or type(problem).__name__} Choose another .gguf file, or the model's hub id."
            ) from problem
        _without_quantization(model).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    _set_special_tokens(folder, tokenizer, about)


def _read_with_transformers(gguf: Path) -> tuple:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = {"gguf_file": gguf.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **where)
    return tokenizer, AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.float32, **where)


def _without_quantization(model):
    """Build the same model without the note "quantized", with which save_pretrained refuses it."""
    import torch

    settings = model.config.to_dict()
    settings.pop("quantization_config", None)
    with torch.device("meta"):  # no memory for weights that are replaced at once
        plain = type(model)(type(model.config).from_dict(settings))
    plain.load_state_dict(model.state_dict(), assign=True)
    plain.tie_weights()
    return plain


def _set_special_tokens(folder: Path, tokenizer, about: dict) -> None:
    """Put the special tokens that the file names into both settings files: transformers 5.15 reads a wrong eos."""
    ids = special_ids(about)
    names = tokenizer.convert_ids_to_tokens(list(ids.values()))
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {f"{name}_token_id": token_id for name, token_id in ids.items() if name != "unk"}
    for machine in ("_name_or_path", "_model_name_or_path"):
        config.pop(machine, None)
    write_json(folder / "config.json", config)
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings |= {f"{name}_token": token for name, token in zip(ids, names, strict=True)}
    settings |= {"clean_up_tokenization_spaces": False, "model_max_length": config.get("max_position_embeddings")}
    for machine in ("is_local", "local_files_only", "name_or_path"):
        settings.pop(machine, None)
    write_json(folder / "tokenizer_config.json", settings)
