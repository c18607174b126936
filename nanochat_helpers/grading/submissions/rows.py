"""Read a table that a person or a program saved as CSV: any of the usual signs between cells, any usual encoding.

In: a path. Out: rows with their lines, so that a mistake can be told with its place.
"""

import csv
import io
import re
from contextlib import suppress
from pathlib import Path

from ...errors import GradingError, RejectedError
from ...language import tr, tr_later
from .entries import read_file

MAX_BYTES = 32 * 2**20


def read_rows(path: Path, what: str) -> list[tuple[int, list[str]]]:
    """Line number and cells of each row that has any. what: what the file is, "The roster". Raises GradingError."""
    name = f"{what} {path}"
    try:
        raw = read_file(path, limit=MAX_BYTES)
    except RejectedError as error:
        shown = f"{tr_later(what)} {path}"
        raise GradingError(tr("{file} cannot be read: {why}.", file=shown, why=error)) from None
    return _rows(_decoded(raw, name), name)


def _decoded(raw, name):
    if raw.startswith(b"PK"):
        raise GradingError(f"{name} is a spreadsheet or a zip: save it as CSV.")
    for encoding in ("utf-16",) if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "cp1252"):
        with suppress(UnicodeDecodeError):
            text = raw.decode(encoding)
            if "\0" not in text:  # else it is UTF-16 that does not say so, or no text
                return text
    raise GradingError(f"{name} is not text that can be read: save it as CSV in UTF-8.")


def _rows(text, name):
    first, _, rest = text.partition("\n")
    skipped = first.strip().lower().startswith("sep=")  # a remark of Excel
    first, text = (rest.partition("\n")[0], rest) if skipped else (first, text)
    separator = max(",;\t", key=re.sub(r'"[^"]*"', "", first).count)
    reader, rows, line = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True), [], 0
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((line + 1 + skipped, row))
            line = reader.line_num
    except csv.Error as error:
        raise GradingError(f"{name}, line {line + 1 + skipped}, cannot be read ({error}).") from None
    return rows
