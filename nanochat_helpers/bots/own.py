"""A bot of one's own: a copy of a bot's file beside the notebook, and the way back from such a file to a bot."""

import importlib.machinery
import importlib.util
import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import DocumentError
from .base import Bot
from .evaluation import Case

NAMES = ("literature", "coding", "language", "mathematics", "template")


def bot_file(name: str) -> Path:
    """Where the file of one of NanoChat's bots is: "literature", "coding", "language", "mathematics" or "template"."""
    if name not in NAMES:
        raise DocumentError(f"There is no bot {name!r}: the files are {', '.join(NAMES)}.")
    return Path(__file__).with_name(f"{name}.py")


def copy_bot(name: str, path: str | Path = "my_bot.py") -> Path:
    """Copy a bot's file, to be changed: `copy_bot("mathematics", "my_bot.py")`. It never writes over a file.

    Raises DocumentError where there is no such bot, where the file is there already or where it cannot be written.
    """
    source = bot_file(name)
    try:
        path = Path(path)
        if path.suffix != ".py":
            raise DocumentError(f"{str(path)!r} is no name for a bot: it must end in .py, such as my_bot.py.")
        with path.open("x", encoding="utf-8") as file:
            file.write(source.read_text("utf-8"))
    except FileExistsError as problem:
        raise DocumentError(f"{path} is there already, and stays as it is: choose another name.") from problem
    except (OSError, TypeError, ValueError) as problem:
        if isinstance(problem, DocumentError):
            raise
        raise DocumentError(f"{path!r:.80} cannot be written: {problem}.") from problem
    return path


def load_bot(path: str | Path, backbone: Any = None) -> Bot:
    """Make a bot from a file with one class that is built on Bot; each call reads the file anew.

    The file is run as any Python file is: load only what you or somebody you trust has written.
    Raises DocumentError where the file is missing, cannot be run, or has no such class.
    """
    module = _run(path)
    kinds = [each for each in vars(module).values() if inspect.isclass(each) and each.__module__ == module.__name__]
    bots = [kind for kind in kinds if issubclass(kind, Bot)]
    if len(bots) != 1:
        found = ", ".join(kind.__name__ for kind in bots) or "none"
        raise DocumentError(f"{path} must have one class such as `class MyBot(Bot):`, and it has {found}.")
    return bots[0](backbone)


def load_cases(path: str | Path) -> list[Case]:
    """The cases in a bot's file: its list CASES of (message, what must hold). Raises DocumentError, SettingsError."""
    cases = getattr(_run(path), "CASES", None)
    is_list = isinstance(cases, (list, tuple)) and cases
    if not is_list or not all(isinstance(case, (list, tuple)) and len(case) == 2 for case in cases):
        raise DocumentError(f'{path} needs a list such as CASES = [("What is 7 + 5?", {{"number": 12}})].')
    return [Case(*case) for case in cases]


class _Fresh(importlib.machinery.SourceFileLoader):
    """Reads the source each time: Python's own cache does not notice a change within the same second."""

    def path_stats(self, path):
        raise OSError


def _run(path) -> ModuleType:
    try:
        path = Path(path)
        if not path.is_file():
            raise DocumentError(f"There is no file {path} (seen from {Path.cwd()}): copy_bot makes one.")
        loader = _Fresh(f"own_bot_{path.stem}", str(path))
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
        loader.exec_module(module)
    except DocumentError:
        raise
    except SyntaxError as problem:
        raise DocumentError(f"{path}, line {problem.lineno}, is no Python: {problem.msg}.") from problem
    except Exception as problem:  # whatever somebody's own file does wrong
        raise DocumentError(f"{path} cannot be run: {type(problem).__name__}: {problem}.") from problem
    return module
