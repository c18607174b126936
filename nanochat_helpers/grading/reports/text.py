"""Text from students, made fit for reports: cut, without signs that do harm, as a cell of a table, as a file's name.

In: text from anywhere. Out: text that any file can hold. HTML and XML are escaped where they are written.
"""

import hashlib
import re
import unicodedata

LONG, SHORT = 2_000, 300  # characters that are kept of a text, and of a sentence in a table
FORMULA = "=+-@\t\r\n＝＋－＠"  # a table program takes what begins so for a formula
NAME_BYTES = 60  # of the readable part of a file's name
# Marks that turn the writing direction: a text could be shown as another one.
_TURNING = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}
# Names that end like those with a hash, and those that no file may have on Windows.
_TAKEN = re.compile(r"-[0-9a-f]{12}$|^(con|prn|aux|nul|com\d|lpt\d)$")
_PLAIN = re.compile(r"[a-z0-9_-]+")
_HARMLESS = re.compile(r"[\n\t -~\u00a1-\u00ac\u00ae-\u02ff]*")


def clean(text: str, limit: int = LONG) -> str:
    """A text cut after `limit` characters, in which each control character has become a sign that can be seen.

    >>> clean("a\\x00b" + 9 * "c", limit=5)
    'a␀bcc …'
    """
    kept = text[:limit].replace("\r\n", "\n").replace("\r", "\n")
    if not _HARMLESS.fullmatch(kept):
        kept = "".join(map(_seen, kept))
    return f"{kept} …" if len(text) > limit else kept


def _seen(character):
    number = ord(character)
    if character in "\n\t":
        return character
    if number < 0x20:
        return chr(0x2400 + number)
    if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or number in _TURNING or number & 0xFFFE == 0xFFFE:
        return f"‹U+{number:04X}›"
    return character


def one_line(text: str, limit: int = SHORT) -> str:
    """A text on one line."""
    return " ".join(clean(text, limit).split())


def cell(value: str | int | None, limit: int = LONG) -> str | int:
    """A value for a table. What a table program would take for a formula gets a ' before it; None is an empty cell."""
    if value is None:
        return ""
    if isinstance(value, int):
        return value
    line = one_line(value, limit)
    return f"'{line}" if value.startswith(tuple(FORMULA)) or line.startswith(tuple(FORMULA)) else line


def file_name(student: str) -> str:
    """The name of a student's files, without an ending: readable, never a path, another one for every student.

    What is no plain name in small letters gets a hash, so that two names stay apart also where a disk takes "Anna" and
    "anna" for the same.
    >>> file_name("s1234"), file_name("../Anna B.")
    ('s1234', 'anna-b-9f04d93d8ef8')
    """
    if _PLAIN.fullmatch(student) and len(student) <= NAME_BYTES and not _TAKEN.search(student):
        return student
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", student[:SHORT]).casefold())
    words = "".join(each if each.isalnum() else " " for each in folded).split()
    readable = "-".join(words).encode()[:NAME_BYTES].decode("utf-8", "ignore").strip("-")
    return f"{readable or 'student'}-{short_hash(student)}"


def short_hash(text: str) -> str:
    """Twelve signs that stand for a text."""
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]
