"""The folder of one run: its lock, `run.json` with what the run began with, and its journal.

In: where it is, and what the teacher asked for. Out: a RunFolder, which refuses a folder that holds something else.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ... import __version__
from ...errors import GradingError
from ...language import language, languages
from ..master import Master
from .job import DEFAULT_MEMORY, DEFAULT_SECONDS, MOST_MEMORY, MOST_SECONDS, Job
from .journal import PRIVATE, Journal

RUN, JOURNAL, LOCK = "run.json", "journal.jsonl", ".lock"
PART = ".part"  # what a file is called while it is being written


@dataclass(frozen=True)
class Settings:
    """What a run began with. seed: a secret of the teacher. sandbox: what held the code in, a sentence for each way.

    language: of all that is written, such as "de"; the journal never mixes two.
    """

    sheet: str
    sheet_digest: str
    version: str
    seed: int
    seconds: int
    memory_mb: int
    sandbox: tuple[str, ...] = ()
    language: str = "en"

    def job(self, master: Master, grader: str) -> Job:
        """What a grader has to know."""
        return Job(master.number, master.notebook, self.seed, self.seconds, self.memory_mb, grader, self.language)


@dataclass(frozen=True)
class Asked:
    """What the teacher asked for; None where nothing was said."""

    seed: int | None = None
    seconds: int | None = None
    memory_mb: int | None = None
    resume: bool = False
    language: str | None = None


class RunFolder:
    """A folder for one run at a time. Use it in a `with`: then it is locked, and its journal is open."""

    def __init__(self, path: Path):
        self.path = path
        self._lock = FileLock(path / LOCK)
        self.settings: Settings
        self.journal: Journal

    def __enter__(self) -> "RunFolder":
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise GradingError(
                f"Another run is at work in {self.path}: wait until it has ended, or name another folder with --out."
            ) from None
        return self

    def __exit__(self, *_: Any) -> None:
        if hasattr(self, "journal"):
            self.journal.close()
        self._lock.release()

    def begin(self, master: Master, asked: Asked, draw_seed: Callable[[], int]) -> None:
        """Begin a run, or go on with the one that is here. Raises GradingError where the two do not fit."""
        before = self._settings_before(asked.resume)
        if before is None:
            seed = draw_seed() if asked.seed is None else asked.seed
            seconds, memory = asked.seconds or DEFAULT_SECONDS, asked.memory_mb or DEFAULT_MEMORY
            self._save(Settings(master.number, master.digest, __version__, seed, seconds, memory, (), language()))
        else:
            self._refuse_others(before, master, asked)
            self._save(replace(before, version=__version__))
        self.journal = Journal(self.path / JOURNAL)

    def held_by(self, levels: set[str]) -> None:
        """Keep what held the students' code in, for the reports."""
        self._save(replace(self.settings, sandbox=tuple(sorted({*self.settings.sandbox, *levels}))))

    def _save(self, settings):
        write_atomically(self.path / RUN, json.dumps(asdict(settings), indent=1) + "\n")
        self.settings = settings

    def _settings_before(self, resume):
        names = {each.name for each in self.path.iterdir()} - {LOCK, RUN + PART}
        if not names:
            return None
        if RUN not in names:
            raise GradingError(f"{self.path} holds other files, and no run: name a new folder with --out.")
        if not resume:
            raise GradingError(
                f"{self.path} holds a run already: go on with it with --resume, or name another folder with --out."
            )
        return _read_settings(self.path / RUN)

    def _refuse_others(self, before, master, asked):
        pairs = [
            ("sheet", before.sheet, master.number),
            ("seed", before.seed, asked.seed),
            ("time limit", before.seconds, asked.seconds),
            ("memory limit", before.memory_mb, asked.memory_mb),
            ("language", before.language, asked.language and language()),
        ]
        for name, old, new in pairs:
            if new is not None and new != old:
                was = "" if name == "seed" else f", {old}"  # the seed is a secret
                raise GradingError(
                    f"The run in {self.path} was begun with another {name}{was}: leave it as it was, or name another "
                    "folder with --out."
                )
        if before.sheet_digest != master.digest:
            raise GradingError(
                f"The sheet {master.number} has changed since the run in {self.path} was begun: name another folder "
                "with --out, so that all are graded by the same sheet."
            )


def language_of(path: Path, asked: Asked) -> str:
    """The language of a run: that which is asked for, else that of the run that goes on here, else the present one."""
    if asked.language or not asked.resume or not (path / RUN).is_file():
        return asked.language or language()
    return _read_settings(path / RUN).language


def write_atomically(path: Path, text: str) -> None:
    """Write a private file so that it is there as a whole, or as it was before."""
    part = path.with_name(path.name + PART)
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _read_settings(path):
    try:
        data = json.loads(path.read_text("utf-8"))
        data = {"language": "en", **data}  # a run that was begun when there was no other one
        if set(data) != {each.name for each in fields(Settings)}:
            raise ValueError
        settings = Settings(**{**data, "sandbox": tuple(data["sandbox"])})
        if not _is_sound(settings):
            raise ValueError
        return settings
    except (ValueError, TypeError):
        raise GradingError(f"{path} is damaged: name another folder with --out, and grade again.") from None


def _is_sound(settings):
    """Whether each value is what a run can begin with: without a seed, each grader would draw cases of its own."""
    texts = (settings.sheet, settings.sheet_digest, settings.version, *settings.sandbox)
    limits = ((settings.seconds, MOST_SECONDS), (settings.memory_mb, MOST_MEMORY))
    return (
        all(type(text) is str for text in texts)
        and settings.language in languages()
        and type(settings.seed) is int
        and all(type(value) is int and 0 < value <= most for value, most in limits)
    )
