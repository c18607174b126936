"""One bar at a time, and only ours: libraries are hushed while it runs."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from .cache import folder_size

_QUIET = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}


def quiet_libraries() -> None:
    """Ask the Hugging Face libraries to be quiet; call it before importing them. A user's own choice is kept."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)


@contextlib.contextmanager
def hushed_transformers() -> Iterator[None]:
    """Keep transformers' bars and remarks off the screen for a while."""
    quiet_libraries()
    from transformers.utils import logging

    had_bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # for the bar of its GGUF reader, which has no switch
            yield
    finally:
        logging.set_verbosity(level)
        if had_bars:
            logging.enable_progress_bar()


@contextlib.contextmanager
def watched(folder: Path, total: int, title: str, *, show: bool) -> Iterator[None]:
    """Show how a folder grows towards `total` bytes while someone else writes into it."""
    from tqdm.auto import tqdm

    done = threading.Event()
    start = folder_size(folder)
    with tqdm(total=total, desc=title, unit="B", unit_scale=True, leave=False, disable=not show) as bar:

        def look() -> None:
            bar.update(max(0, min(total, folder_size(folder) - start) - bar.n))

        def keep_looking() -> None:
            while not done.wait(0.25):
                look()

        watcher = threading.Thread(target=keep_looking, daemon=True)
        if show:
            watcher.start()
        try:
            yield
        finally:
            done.set()
            if show:
                watcher.join()
                look()


@contextlib.contextmanager
def counted(title: str, *, show: bool) -> Iterator[Callable[[int, int], None]]:
    """Show a bar and give a function that moves it: `count(done, total)`."""
    from tqdm.auto import tqdm

    with tqdm(desc=title, unit=" tensors", leave=False, disable=not show) as bar:

        def count(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield count
