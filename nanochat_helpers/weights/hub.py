"""Fetch a model from the Hugging Face hub: its settings, its tokenizer, and its weights as safetensors, nothing else.

A `.bin` or `.pt` file is a pickle, which can run code when it is opened: such files are never fetched.
"""

from __future__ import annotations

import fnmatch
import os
import re
import shutil
from pathlib import Path

from ..errors import ModelDamagedError, ModelError, ModelMissingError
from .progress import quiet_libraries, watched

_TOKENIZERS = (
    "tokenizer.json",
    "vocab.json",
    "vocab.txt",
    "spiece.model",
    "tokenizer.model",
    "sentencepiece.bpe.model",
)
_SMALL_FILES = (
    "config.json", "generation_config.json", "chat_template.*", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "merges.txt", *_TOKENIZERS,
)  # fmt: skip

_SHARDS = r"model-\d+-of-\d+\.safetensors|model\.safetensors\.index\.json"  # a large model comes in pieces

_NOT_FOUND = "the hub{endpoint} has no model of that name. Check the spelling, capital letters too"
_GATED = "the hub asks for permission first. Open its page on the hub, accept the terms, and run: hf auth login"
_BUSY = "the hub is busy (too many requests). Wait a few minutes and try again"
_NO_NETWORK = "the hub{endpoint} cannot be reached. Connect to the internet once; after that it works offline"
_CUT = "the connection broke off. Try again"
_DISK_FULL = "the disk is full. Free some space, or set NANOCHAT_CACHE to a folder on another disk"
_PROXY = "the proxy refuses. Check HTTPS_PROXY, or ask who looks after the network to allow the hub"


def is_hub_id(name: str) -> bool:
    """Tell whether a name has the form of a hub id: "owner/name"."""
    return re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", name) is not None and ".." not in name


def fetch_from_hub(name: str, repo: str, folder: Path, *, show_progress: bool) -> str:
    """Put the files of a hub repository into `folder` and return its revision; each failure is one sentence."""
    quiet_libraries()
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    endpoint = os.environ.get("HF_ENDPOINT") or None  # the library reads it only when it is imported
    had_bars = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        info = HfApi(endpoint=endpoint).model_info(repo, files_metadata=True, timeout=20)
        files = {file.rfilename: file for file in info.siblings or ()}
        wanted = choose_files(name, list(files))
        total = sum(files[path].size or 0 for path in wanted)
        with watched(folder, total, f"Fetching {name}", show=show_progress):
            snapshot_download(repo, revision=info.sha, local_dir=folder, allow_patterns=wanted, endpoint=endpoint)
    except ModelError:
        raise
    except Exception as problem:  # httpx, httpx2 and requests each have their own tree, by version of the hub library
        raise explain_hub(name, problem) from problem
    finally:
        if had_bars:
            enable_progress_bars()
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the hub library's notes on a download
    for path in wanted:
        _check(name, folder / path, files[path])
    return info.sha or ""


def choose_files(name: str, files: list[str]) -> list[str]:
    """Choose from a repository's files those that are data: one set of safetensors, the tokenizer, the settings.

    Raises ModelMissingError where one of the three is not there.
    """
    top = [path for path in files if "/" not in path]
    weights = [path for path in top if path == "model.safetensors"]
    weights = weights or [path for path in top if re.fullmatch(_SHARDS, path)]
    if not weights:
        raise ModelMissingError(
            f"{name} has no model.safetensors on the hub. NanoChat opens no other weight files: "
            ".bin and .pt are pickles, which can run code. Choose a model that offers safetensors."
        )
    missing = [] if "config.json" in top else ["config.json"]
    missing += [] if set(_TOKENIZERS) & set(top) else ["tokenizer"]
    if missing:
        raise ModelMissingError(
            f"{name} has no {' and no '.join(missing)} on the hub, so it cannot be loaded. Choose a model that has all "
            "its files; an adapter, for example, is only an addition to one."
        )
    return weights + [path for path in top if any(fnmatch.fnmatch(path, pattern) for pattern in _SMALL_FILES)]


def find_in_hub_cache(repo: str) -> Path | None:
    """Find a model that another program has already brought from the hub into the hub library's own cache."""
    try:
        home = _hub_cache() / f"models--{repo.replace('/', '--')}"
        folder = home / "snapshots" / (home / "refs" / "main").read_text(encoding="utf-8").strip()
        has_weights = (folder / "model.safetensors").exists() or (folder / "model.safetensors.index.json").exists()
        return folder if has_weights and (folder / "config.json").exists() else None
    except (OSError, RuntimeError, ValueError):  # not there, not readable, or in the home folder of nobody
        return None


def _hub_cache() -> Path:
    """Tell where the hub library keeps its files, by its own rules, without the time that importing it takes."""
    general = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or Path(os.environ.get("HF_HOME") or general) / "hub").expanduser()


def explain_hub(name: str, problem: Exception) -> ModelError:
    """Turn an error of the hub library into one sentence: what, where, and what to do."""
    elsewhere = os.environ.get("HF_ENDPOINT")
    endpoint = f" at {elsewhere} (HF_ENDPOINT)" if elsewhere else ""
    kinds, texts, status = _chain(problem)
    if "GatedRepoError" in kinds or status in (401, 403):
        # The hub says 401 both for a model that is not there and for one that is private, so the name is named too.
        why = _GATED if "GatedRepoError" in kinds or status == 403 else _NOT_FOUND + ", and whether it is private"
    elif "RepositoryNotFoundError" in kinds or status == 404:
        why = _NOT_FOUND
    elif status == 429:
        why = _BUSY
    elif "Errno 28" in texts or "No space left" in texts:
        why = _DISK_FULL
    elif "ProxyError" in kinds:
        why = _PROXY
    elif kinds & {"RemoteProtocolError", "ReadError", "ChunkedEncodingError"} or "Consistency check" in texts:
        why = _CUT
    elif kinds & {"ConnectError", "ConnectTimeout", "ReadTimeout", "ConnectionError", "OfflineModeIsEnabled",
                  "LocalEntryNotFoundError", "IncompleteSnapshotError"}:  # fmt: skip
        why = _NO_NETWORK
    else:
        why = " ".join([f"{type(problem).__name__}:", *str(problem).strip().splitlines()[:1]])
    return ModelMissingError(f"{name} could not be fetched: {why.replace('{endpoint}', endpoint)}.")


def _chain(problem: BaseException | None) -> tuple[set[str], str, int | None]:
    """Collect, over an error and what caused it, the class names with their bases, the texts and an HTTP status."""
    kinds: set[str] = set()
    texts, status = "", None
    while problem is not None:
        kinds |= {kind.__name__ for kind in type(problem).__mro__}
        texts += f" {problem}"
        status = status or getattr(getattr(problem, "response", None), "status_code", None)
        problem = problem.__cause__ or problem.__context__
    return kinds, texts, status


def _check(name: str, path: Path, file) -> None:
    """Compare a fetched file with the size and the SHA-256 that the hub gives for it."""
    import hashlib

    if not path.exists() or (file.size is not None and path.stat().st_size != file.size):
        raise ModelMissingError(f"{name} could not be fetched: {path.name} came incomplete. Try again.")
    expected = getattr(file.lfs, "sha256", None)
    if expected:
        with path.open("rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != expected:
                raise ModelDamagedError(f"{path.name} of {name} came damaged (its SHA-256 differs). Try again.")
