"""Step 4, the first half: from a model's name to a model that answers.

`load_model("smollm2")` finds the files on this machine, fetches them once if they are not there, and hands them to
an engine in `backbones`. Where files come from and how they are kept is told in `weights/`.
"""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import EngineError, ModelDamagedError, NanoChatError
from .prompts import add_instruction_template
from .weights.cache import cache_dir, damaged, how_to_mend
from .weights.catalogue import CATALOGUE, ModelCard
from .weights.find import ModelFiles, find_model
from .weights.progress import quiet_libraries
from .weights.store import ModelStatus, fetch_model, list_models, remove_model

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from .backbones import Backbone

__all__ = [
    "CATALOGUE", "ENGINES", "ModelCard", "ModelFiles", "ModelStatus", "cache_dir", "chat_engine", "engine_available",
    "fetch_model", "find_model", "keep_ready", "list_models", "load_model", "load_tokenizer", "remove_model",
]  # fmt: skip

ENGINES = ("auto", "transformers", "llama.cpp")
_READY: dict[tuple[str, Path], Backbone] = {}  # only where `keep_ready` was called


def load_model(
    name: str | Path = "smollm2", *, engine: str = "auto", device: str = "cpu", show_progress: bool = True
) -> Backbone:
    """Load a model by its name, fetching it first if it is not on this machine.

    `name` is one of the CATALOGUE, a hub id ("owner/name"), a folder, or a path to a `.gguf` file.
    `engine` is "transformers" (exact logits at every step), "llama.cpp" (the same weights, several times faster, no
    logits) or "auto", which is transformers: whoever only chats asks `chat_engine` first.
    `device` is where it computes: "cpu", "cuda" (an NVIDIA GPU), "mps" (that of a newer Mac), or "auto", which is a GPU
    where there is one. llama.cpp computes on the CPU, with "auto" too. A GPU that is not there is an EngineError.
    """
    if engine not in ENGINES:
        raise EngineError(f"engine={engine!r} is not known; allowed are {', '.join(ENGINES)}.")
    if engine == "llama.cpp" and not engine_available(engine):
        raise EngineError("engine='llama.cpp' is not installed. Run: pip install xllamacpp")
    if engine != "llama.cpp" and device == "cpu" and (ready := _READY.pop((str(name), cache_dir()), None)):
        return ready
    device = _settle_device(device, engine)  # before a long download that would be of no use
    files = fetch_model(name, show_progress=show_progress)
    if engine == "llama.cpp" and files.gguf is None:
        raise EngineError(f"{name} has no .gguf file, which llama.cpp needs; load it with engine='transformers'.")
    _check(files)
    with _reading(files, files.gguf if engine == "llama.cpp" else files.folder):
        backbone = _load_gguf(files) if engine == "llama.cpp" else _load_folder(files, device)
    _settle_special_tokens(backbone.tokenizer, files)
    return backbone


def keep_ready(name: str) -> None:
    """Load a model now, for the next `load_model` of its name, here and once in each process that is forked.

    It is for a server on which many students load the same model: they then share it and need not wait.
    """
    _READY[name, cache_dir()] = load_model(name, show_progress=False)


def load_tokenizer(name: str | Path = "smollm2", *, show_progress: bool = True) -> PreTrainedTokenizerBase:
    """Load only the tokenizer of a model: enough for lessons about tokens, and quick."""
    files = fetch_model(name, show_progress=show_progress)
    quiet_libraries()
    if files.gguf is not None:
        from transformers import PreTrainedTokenizerFast as Tokenizer  # what we converted; it loads without torch
    else:
        from transformers import AutoTokenizer as Tokenizer

    with _reading(files, files.folder):
        tokenizer = Tokenizer.from_pretrained(files.folder, local_files_only=True)
    if files.card.family == "encoder-decoder":
        add_instruction_template(tokenizer)
    _settle_special_tokens(tokenizer, files)
    return tokenizer


def engine_available(engine: str) -> bool:
    """Tell whether an engine is installed; nothing is imported to find out."""
    package = {"transformers": "transformers", "llama.cpp": "xllamacpp"}.get(engine)
    return package is not None and importlib.util.find_spec(package) is not None


def chat_engine(engine: str, files: ModelFiles) -> str:
    """Choose the engine for a chat, which needs no logits: "auto" is llama.cpp where it can be used, for its speed."""
    if engine != "auto":
        return engine
    return "llama.cpp" if files.gguf is not None and engine_available("llama.cpp") else "transformers"


def _load_folder(files: ModelFiles, device: str) -> Backbone:
    quiet_libraries()
    from .backbones.encoder_decoder import EncoderDecoderBackbone
    from .backbones.local import LocalBackbone

    family = files.card.family
    kind = EncoderDecoderBackbone if family == "encoder-decoder" else LocalBackbone
    return kind.load(files.name, files.folder, family=family, device=device)


def _load_gguf(files: ModelFiles) -> Backbone:
    quiet_libraries()
    from .backbones.llama_cpp import LlamaCppBackbone

    return LlamaCppBackbone.load(files.name, files.gguf, tokenizer_folder=files.folder)


def _settle_device(device: str, engine: str) -> str:
    if device == "cpu":
        return device  # which needs no torch to find out
    from .backbones.devices import check_device, choose_device

    if engine != "llama.cpp":
        return choose_device(device)
    check_device(device)
    if device != "auto":
        raise EngineError(
            f"engine='llama.cpp' computes on the CPU here, not on device={device!r}: leave device out, "
            "or use engine='transformers'."
        )
    return "cpu"


@contextlib.contextmanager
def _reading(files: ModelFiles, path: Path) -> Iterator[None]:
    """Say which model it was when a library cannot read it; the library's own error follows as the cause."""
    try:
        yield
    except (NanoChatError, MemoryError):
        raise
    except Exception as problem:  # tokenizers raises bare Exceptions, transformers whatever its parts raise
        raise ModelDamagedError(
            f"{files.name} cannot be read from {path}: {_first_line(problem).rstrip('.')}. "
            f"If it once worked, a file is damaged. {how_to_mend(files.name, path)}"
        ) from problem


def _check(files: ModelFiles) -> None:
    """Find a cut file before an engine does, without a marker too: safetensors says how long it should be."""
    from safetensors import SafetensorError, safe_open

    for path in files.folder.glob("*.safetensors"):
        try:
            with safe_open(path, framework="numpy"):
                pass
        except (SafetensorError, OSError) as problem:
            raise damaged(files.name, path, _first_line(problem)) from problem


def _settle_special_tokens(tokenizer: PreTrainedTokenizerBase, files: ModelFiles) -> None:
    """Make sure that a model can stop: the end token is the one it was trained on, and there is a token to pad with."""
    expected = files.card.eos_token
    if expected is not None and tokenizer.eos_token != expected:
        raise ModelDamagedError(
            f"{files.folder} names {tokenizer.eos_token!r} as the end of a reply, and {files.name} was trained on "
            f"{expected!r}. {how_to_mend(files.name, files.folder)}"
        )
    if tokenizer.pad_token is None and tokenizer.eos_token is not None:
        tokenizer.pad_token = tokenizer.eos_token


def _first_line(problem: Exception) -> str:
    return next(iter(str(problem).strip().splitlines()), type(problem).__name__)
