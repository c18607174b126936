"""Find a model's files on this machine, by whatever name it goes. Nothing here uses the network or writes anything.

A name means one of four things, in this order: an entry of the catalogue, a path to a `.gguf` file, a folder, a hub id.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from ..errors import ModelDamagedError, ModelMissingError
from . import cache
from .catalogue import CATALOGUE, ModelCard, card_for_folder, unknown_model
from .hub import find_in_hub_cache, is_hub_id


@dataclass(frozen=True)
class ModelFiles:
    """Where a model stands on this machine.

    `folder` is what transformers loads (safetensors, tokenizer, settings); `gguf` is what llama.cpp loads, if any.
    """

    name: str
    folder: Path
    gguf: Path | None
    card: ModelCard


@cache.reading()
def find_model(name: str | Path = "smollm2") -> ModelFiles | None:
    """Find a model on this machine; None when it has to be fetched first.

    Raises UnknownModelError for a name that cannot be any model, and offers the nearest one.
    """
    name = str(name)
    card = known_card(name)
    if card is None and is_folder(name):
        return _own_folder(name, Path(name).expanduser())
    home = home_of(name, card)
    if is_gguf(name):
        return _find_converted(name, home, own_gguf(name), source=home)
    if card is not None and card.source == "wheel":
        return _find_wheel(card)
    return _find_hub(name, card, home)


@cache.reading()
def check_files(files: ModelFiles) -> None:
    """Look at each file of a model without opening it: is it as long as it was, and may it be read?

    Raises ModelDamagedError, or ModelError where reading is forbidden.
    """
    cache.check_sizes(files.name, files.folder)
    if files.gguf is not None:
        cache.check_sizes(files.name, files.gguf.parent)
        cache.check_readable(files.gguf)
    for path in files.folder.glob("*.safetensors"):
        cache.check_readable(path)


def find_whole(name: str) -> ModelFiles | None:
    """Find a model whose files are all as long as they were; None when it has to be fetched, once more or at all."""
    try:
        found = find_model(name)
        if found is not None:
            check_files(found)
    except ModelDamagedError:
        if known_card(name) is None and is_folder(name):
            raise  # a folder of one's own: nobody can fetch it again
        return None
    return found


# --- what a name means --------------------------------------------------------------------------------------------


def known_card(name: str) -> ModelCard | None:
    """Look a model up in the catalogue, by its short name or by its name on the hub."""
    by_repo = {card.repo: card for card in CATALOGUE.values() if card.source == "hub"}
    return CATALOGUE.get(name) or by_repo.get(name)


def is_gguf(name: str) -> bool:
    """Tell whether a name is the path of a `.gguf` file, there or not."""
    return name.lower().endswith(".gguf")


def is_folder(name: str) -> bool:
    """Tell whether a name is that of a folder."""
    try:
        return bool(name.strip()) and Path(name).expanduser().is_dir()
    except (OSError, RuntimeError):  # too long for a path, or the home folder of nobody
        return False


def own_gguf(name: str) -> Path:
    """Give the path of somebody's own `.gguf` file. Raises ModelMissingError where there is none."""
    try:
        path = Path(name).expanduser().absolute()
        found = path.is_file()
    except PermissionError:
        raise
    except (OSError, RuntimeError):  # too long for a path, or the home folder of nobody
        path, found = Path(name), False
    if not found:
        raise ModelMissingError(f"There is no file {path}. Check the path.")
    return path


def home_of(name: str, card: ModelCard | None) -> str:
    """Name the folder in the cache: a `.gguf` file goes by its content, so a changed file is converted anew."""
    if card is not None:
        return card.name
    if is_gguf(name):
        with own_gguf(name).open("rb") as file:
            return f"gguf-{hashlib.file_digest(file, 'sha256').hexdigest()[:24]}"
    if is_hub_id(name):
        return name.replace("/", "--")
    raise unknown_model(name)


# --- where files of each kind stand -------------------------------------------------------------------------------


def _find_wheel(card: ModelCard) -> ModelFiles | None:
    download = find_download(card)
    if download is None or not is_gguf(card.member):
        return download and ModelFiles(card.name, download, None, card)
    gguf = download / Path(card.member).name
    return _find_converted(card.name, card.name, gguf, source=card.sha256, card=card)


def find_download(card: ModelCard) -> Path | None:
    """Find what came out of the wheel; a download that an older entry of the catalogue asked for does not count."""
    download = cache.model_dir(card.name) / "download"
    return download if (cache.read_marker(download) or {}).get("source") == card.sha256 else None


def _find_converted(
    name: str, home: str, gguf: Path, *, source: str, card: ModelCard | None = None
) -> ModelFiles | None:
    """Find what was made from a GGUF file; what was made from another version of it does not count."""
    folder = cache.model_dir(home) / "converted"
    if (cache.read_marker(folder) or {}).get("source") != source:
        return None
    return ModelFiles(name, folder, gguf, card or card_for_folder(name, folder))


def _find_hub(name: str, card: ModelCard | None, home: str) -> ModelFiles | None:
    folder: Path | None = cache.model_dir(home) / "download"
    if cache.read_marker(folder) is None:
        folder = find_in_hub_cache(card.repo if card else name)
    if folder is None:
        return None
    return ModelFiles(card.name if card else name, folder, None, card or card_for_folder(name, folder))


def _own_folder(name: str, folder: Path) -> ModelFiles:
    missing = [what for what in ("config.json", "*.safetensors") if not any(folder.glob(what))]
    if missing:
        pickles = any(folder.glob("*.bin")) or any(folder.glob("*.pt"))
        note = " Its .bin or .pt files are pickles, which can run code and are never opened." if pickles else ""
        raise ModelMissingError(
            f"The folder {folder.absolute()} holds no {' and no '.join(missing)}, so it is no model that can be loaded."
            f"{note} Give a folder written by save_pretrained, or a path to a .gguf file."
        )
    return ModelFiles(name, folder.absolute(), None, card_for_folder(name, folder))
