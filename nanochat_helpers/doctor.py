"""Is this machine ready? Looks at versions, memory, cache, model and engines, and says what to fix, one sentence each.

Gives findings one by one, because the last ones take seconds; changes nothing and fetches nothing.
"""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata

from . import __version__
from .errors import ModelDamagedError, NanoChatError

DISTRIBUTION = "nanochat_helpers"
PACKAGES = ("torch", "transformers", "tokenizers", "huggingface_hub", "numpy", "matplotlib", "ipywidgets", "jupyterlab")
PACKAGES += ("xllamacpp",)
SMALLEST_MEMORY_GB = {"llama.cpp": 0.45, "transformers": 1.1}
OLDEST_PYTHON = (3, 11)
LIGHT_TRANSFORMERS = "5.18"  # before it, transformers imports torch along with any tokenizer


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report; `fix` says what to do about it, and is empty where all is well."""

    name: str
    value: str
    fix: str = ""


def examine(*, model: str = "smollm2", measure: bool = True) -> Iterator[Finding]:
    """Look at everything, the quick things first. measure: also load the model with each engine and time it."""
    yield Finding("nanochat", __version__)
    yield look_at_python()
    yield from look_at_packages()
    yield look_at_memory()
    yield look_at_cache()
    finding = look_at_model(model)
    yield finding
    if not finding.fix:
        for engine in ("transformers", "llama.cpp"):
            yield look_at_engine(engine, model, measure=measure)


def look_at_python() -> Finding:
    """The Python that runs this, and the machine."""
    too_old = tuple(map(int, platform.python_version_tuple()[:2])) < OLDEST_PYTHON
    oldest = ".".join(map(str, OLDEST_PYTHON))
    fix = f"This Python is too old: install Python {oldest} or newer from python.org." if too_old else ""
    return Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}", fix)


def look_at_packages() -> Iterator[Finding]:
    """The versions of the packages that matter, held against what NanoChat asks for."""
    needed = _requirements()
    for name in dict.fromkeys((*PACKAGES, *needed)):
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            fix = f"Install what is missing with: pip install '{needed[name]}'" if name in needed else ""
            yield Finding(name, "not installed", fix)
            continue
        fits = name not in needed or needed[name].specifier.contains(version, prereleases=True)
        if fits and name not in PACKAGES:
            continue
        fix = "" if fits else f"This version does not fit: pip install '{needed[name]}'"
        yield Finding(name, version + _remark(name, version), fix)


def _remark(name: str, version: str) -> str:
    from packaging.version import Version

    if name != "transformers" or Version(version) >= Version(LIGHT_TRANSFORMERS):
        return ""
    return f" (from {LIGHT_TRANSFORMERS} on, a chat with llama.cpp leaves torch out and takes less memory)"


def _requirements():
    """What NanoChat needs, by name; nothing where it runs from its folder without having been installed."""
    from packaging.requirements import Requirement

    try:
        lines = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return {}
    parsed = [Requirement(line) for line in lines]
    return {need.name: need for need in parsed if need.marker is None or need.marker.evaluate({"extra": ""})}


def look_at_memory() -> Finding:
    """How much memory is free now."""
    import psutil

    memory = psutil.virtual_memory()
    free = memory.available / 1e9
    fix = ""
    if free < SMALLEST_MEMORY_GB["llama.cpp"]:
        fix = f"Free some memory, for a chat needs {SMALLEST_MEMORY_GB['llama.cpp']} GB: close other programs."
    elif free < SMALLEST_MEMORY_GB["transformers"]:
        fix = "Free some memory for the lessons: they need 1.1 GB. A chat with --engine llama.cpp fits already."
    return Finding("memory", f"{free:.1f} GB free of {memory.total / 1e9:.1f} GB", fix)


def look_at_cache() -> Finding:
    """The folder of the models: where it is and what it holds."""
    from .models import cache_dir, list_models

    try:
        folder = cache_dir()
        held = sum(status.bytes_on_disk for status in list_models() if status.on_this_machine)
    except NanoChatError as error:
        return Finding("cache", "cannot be used", str(error))
    return Finding("cache", f"{folder}, {megabytes(held)}")


def look_at_model(name: str) -> Finding:
    """Is the model here, and is every file of it whole and to be read?"""
    from .models import find_model
    from .weights.cache import folder_size
    from .weights.find import check_files

    try:
        files = find_model(name)
        if files is None:
            return Finding(name, "not on this machine", f"Fetch the model with: nanochat models fetch {name}")
        check_files(files)
    except NanoChatError as error:
        return Finding(name, "damaged" if isinstance(error, ModelDamagedError) else "cannot be used", str(error))
    size = folder_size(files.folder) + (files.gguf.stat().st_size if files.gguf else 0)
    return Finding(name, f"complete, {megabytes(size)}")


def look_at_engine(engine: str, model: str, *, measure: bool) -> Finding:
    """Is an engine installed, and how many tokens a second does it write?"""
    from .models import engine_available

    if not engine_available(engine):
        fix = "" if engine == "llama.cpp" else "Install transformers with: pip install transformers torch"
        return Finding(
            engine, "not installed" + (" (chats are faster with it: pip install xllamacpp)" * (not fix)), fix
        )
    if not measure:
        return Finding(engine, "installed")
    try:
        return Finding(engine, f"{tokens_per_second(engine, model):.0f} tokens per second")
    except NanoChatError as error:
        return Finding(engine, "does not work", str(error))
    except Exception as error:  # a half-installed engine may fail in any way, and this is where to hear of it
        why = str(error).strip().splitlines()[0] if str(error).strip() else "no reason given"
        return Finding(engine, "does not work", f"{type(error).__name__}: {why}. Install the engine again.")


def tokens_per_second(engine: str, model: str, *, max_new_tokens: int = 24) -> float:
    """Load a model, let it write a little, and give its pace after the first token."""
    from .chat import Chat
    from .models import load_model
    from .settings import GenerationSettings

    backbone = load_model(model, engine=engine, show_progress=False)
    settings = GenerationSettings(do_sample=False, max_new_tokens=max_new_tokens)
    tokens = Chat(backbone, settings=settings).send("Tell me a long story.").trace.tokens[1:]
    return len(tokens) / max(sum(token.seconds for token in tokens), 1e-9)


def megabytes(size: int) -> str:
    """Bytes as people read them: 371200000 gives "371 MB"."""
    return f"{size / 1e6:,.0f} MB"
