"""The language of all texts that a reader sees. In: an English sentence; out: the same in the language that is set.

The English sentence in the code is the key: `tr("kept {kept} of {total}", kept=3, total=9)`. Translations are files
in `data/languages/<code>/`: {English: translation}; a new folder there is a new language. Names of parameters, code,
what a model writes and errors stay as they are.
"""

import json
import os
import string
import warnings
from functools import lru_cache
from importlib.resources import files

from .errors import SettingsError

VARIABLE = "NANOCHAT_LANGUAGE"
NAMES = {"en": "English", "de": "Deutsch"}
_THOUSANDS = {"de": "\u202f"}  # a narrow space; 1.000 would be read as one, for numbers are written as in Python


def tr(text: str, /, **values: object) -> str:
    """An English text in the present language, with the values put in; the English one where there is no other.

    text: written out in the code, so that a test can find it. Halves of a sentence cannot be translated: always give
        a whole one, with a {name} for each part that changes.

    >>> tr("kept {kept} of {total}", kept=3, total=9)
    'kept 3 of 9'
    """
    code = language()
    if code != "en":
        text = catalogue(code).get(text, text)
    if not values:
        return text
    return _FORMATTER.vformat(text, (), values) if ":," in text and code in _THOUSANDS else text.format(**values)


def tr_n(one: str, many: str, n: int, /, **values: object) -> str:
    """A text about one thing or about several, as {n}; each has its own translation.

    >>> tr_n("{n} token", "{n} tokens", 1), tr_n("{n} token", "{n} tokens", 2)
    ('1 token', '2 tokens')
    """
    return tr(one if n == 1 else many, n=n, **values)


def later(text: str) -> str:
    """A text that is kept in a list or a table and shown by `tr_later`: English as it is, known to the catalogue."""
    return text


def tr_later(text: str, /, **values: object) -> str:
    """`tr` for a text that was marked with `later` where it is written."""
    return tr(text, **values)


def grouped(number: int) -> str:
    """A whole number with its thousands apart: 49,152 in English."""
    return tr("{number:,}", number=number)


def set_language(code: str) -> None:
    """Show all texts from now on in another language, here and in every program that is started from here.

    code: "en", "de" or as a system names them, such as "de_DE". What was shown before stays as it is.
    """
    if _code(code) not in languages():
        known = ", ".join(f'"{each}" ({NAMES.get(each, each)})' for each in languages())
        raise SettingsError(f"There is no language {code!r:.60}. Choose one of these: {known}.")
    os.environ[VARIABLE] = _code(code)


def language() -> str:
    """The code of the present language: "en", unless `set_language` or NANOCHAT_LANGUAGE says something else."""
    return _chosen(os.environ.get(VARIABLE, ""))


@lru_cache
def languages() -> tuple[str, ...]:
    """The codes of all languages, English first."""
    folders = (each for each in _folder().iterdir() if each.is_dir())
    return ("en", *sorted(each.name for each in folders))


@lru_cache
def catalogue(code: str) -> dict[str, str]:
    """All translations into one language: {English: translation}, from all files of its folder."""
    if code == "en":
        return {}
    parts = sorted((each for each in (_folder() / code).iterdir() if each.name.endswith(".json")), key=str)
    return {text: translated for part in parts for text, translated in json.loads(part.read_text("utf-8")).items()}


@lru_cache
def _chosen(value):
    """The language that a value of the variable means; for an unknown one English, with a warning, once."""
    if not value or _code(value) in languages():
        return _code(value) or "en"
    known = ", ".join(languages())
    warnings.warn(f"{VARIABLE} is {value!r:.60}, which is none of {known}: texts are in English.", stacklevel=4)
    return "en"


def _code(value):
    """de_DE.UTF-8, de-AT and DE all mean de."""
    return value.strip().lower().replace("-", "_").replace(".", "_").split("_")[0] if isinstance(value, str) else None


def _folder():
    return files(__package__) / "data" / "languages"


class _Formatter(string.Formatter):
    """As `str.format`, but `{n:,}` with the thousands apart as the language has it."""

    def format_field(self, value, format_spec):
        shown = super().format_field(value, format_spec)
        return shown.replace(",", _THOUSANDS[language()]) if "," in format_spec else shown


_FORMATTER = _Formatter()
