"""Read a notebook that may be damaged: bytes in, its cells out, without outputs. Nothing is run here.

Every kind of file that is no notebook is refused with a RejectedError, which says what it is, and where it breaks.
"""

import codecs
import json
import re
from dataclasses import dataclass
from typing import Any

from ...errors import RejectedError
from ...language import later, tr, tr_later

LARGE = 5_000_000  # bytes from which the outputs are cut out before the file is read: that needs little memory
MOST = 20_000_000  # bytes without outputs; a class writes some thousands
MOST_TOKENS = 5_000_000  # texts and brackets of a file; 100 MB of printed lines have about half of them
LONGEST_NUMBER = 400  # digits; no notebook has such numbers, and to read one takes time
KINDS = ("code", "markdown", "raw")
AGAIN = later("Save the notebook and hand it in again.")
BEGINNINGS = {  # how a file begins, and what it is then
    b"PK": later("a zip archive, or a document of Word or Excel"),
    b"%PDF": later("a PDF"),
    b"\x89PNG": later("a picture"),
    b"\xff\xd8\xff": later("a picture"),
    b"\x1f\x8b": later("a packed file"),
    b"{\\rtf": later("a document of a word processor"),
    b"<!doctype": later("a web page"),
    b"<html": later("a web page"),
    b"<?xml": later("a web page or an XML file"),
}
# A key whose value is not needed and may be large; a whole text; a bracket.
TOKENS = re.compile(
    rb'(?P<large>"(?:outputs|attachments|widgets)"\s*+:\s*+[\[{])|"(?:[^"\\]++|\\.)*+"?|(?P<open>[\[{])|(?P<close>[\]}])',
    re.DOTALL,
)


@dataclass(frozen=True)
class Cell:
    """A cell as it was handed in. kind: "code", "markdown" or "raw". grade_id, exercise: what its metadata say."""

    kind: str
    source: str
    id: str = ""
    grade_id: str = ""
    exercise: str = ""


def read_cells(raw: bytes) -> tuple[list[Cell], list[str]]:
    """The cells of a notebook of format 3 or 4, and a sentence for each damage. Raises RejectedError."""
    if not raw.strip(b"\0 \t\r\n"):
        what = tr("The file holds nothing but blank space.") if raw else tr("The file is empty.")
        raise RejectedError(_again(what))
    data = _utf8(raw)
    if len(data) > LARGE:
        data = without_outputs(data)
        if len(data) > MOST:
            n = len(data) // 10**6
            raise RejectedError(_again(tr("The notebook is too large: {n} MB without its outputs.", n=n)))
    text = data.decode("utf-8", "replace")
    found = [_cell(each) for each in _cells_in(_json(text, raw))]
    cells = [cell for cell in found if cell is not None]
    if not cells:
        what = tr("The notebook has no readable cells.") if found else tr("The notebook has no cells.")
        raise RejectedError(_again(what))
    notes = []
    if "\ufffd" in text and b"\xef\xbf\xbd" not in data:
        notes.append(tr("Some characters of the file are damaged; � stands in their place."))
    if len(cells) < len(found):
        n = len(found) - len(cells)
        notes.append(tr("Cells that are damaged and cannot be read: {n}. The others were graded.", n=n))
    return cells, notes


def _again(what):
    """A sentence on what is wrong, and what to do next."""
    return f"{what} {tr_later(AGAIN)}"


def _utf8(raw):
    """The same text as UTF-8, without a mark at its beginning."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16", "replace").encode("utf-8", "replace")
    for place, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if not any(raw[place:40:2]) and all(raw[1 - place : 40 : 2]):
            return raw.decode(name, "replace").encode("utf-8", "replace")
    return raw.removeprefix(codecs.BOM_UTF8)


def without_outputs(data: bytes) -> bytes:
    """JSON with empty lists in place of stored outputs, and as many lines as before. Raises RejectedError."""
    kept, begin, depth = [], 0, 0
    for number, token in enumerate(TOKENS.finditer(data)):
        kind = token.lastgroup
        if number > MOST_TOKENS:
            raise RejectedError(_again(tr("The notebook holds too many outputs: clear all outputs in Jupyter.")))
        if kind == "large" or (kind == "open" and depth):
            depth += 1
            if depth == 1:
                kept.append(data[begin : token.end()])
                begin = token.end()
        elif kind == "close" and depth:
            depth -= 1
            if depth == 0:
                _refuse_swallowed(data, begin, token.start())
                kept.append(b"\n" * data.count(b"\n", begin, token.start()))
                begin = token.start()
    return b"".join([*kept, data[begin:]])


def _refuse_swallowed(data, begin, end):
    """Raise RejectedError where outputs seem to hold a cell: then a bracket or a quote is lost in them."""
    if any(data.find(key, begin, end) >= 0 for key in (b'"cell_type"', b'"source"')):
        line = data.count(b"\n", 0, begin) + 1
        what = tr("The outputs that begin in line {line} are damaged: clear all outputs in Jupyter.", line=line)
        raise RejectedError(_again(what))


def _json(text, raw):
    try:
        return json.loads(text, parse_int=_number, strict=False)
    except RecursionError:
        what = tr("The file is no notebook: its brackets are nested too deeply.")
        raise RejectedError(_again(what)) from None
    except json.JSONDecodeError as error:
        raise RejectedError(_why_no_json(text, raw, error)) from None


def _number(digits):
    return int(digits) if len(digits) < LONGEST_NUMBER else 0


def _why_no_json(text, raw, error):
    marker = re.search(r"^<{7}", text, re.MULTILINE)
    if marker:
        return tr(
            "Line {line} begins with <<<<<<<: git joined two versions of the notebook and could not decide. "
            "Take one of the two, open it in Jupyter, and hand it in again.",
            line=text.count("\n", 0, marker.start()) + 1,
        )
    where = tr("line {line}, column {column}", line=error.lineno, column=error.colno)
    if not text.lstrip().startswith("{") or raw.startswith(tuple(BEGINNINGS)):
        return tr(
            "The file is no notebook (no JSON, {where}): it looks like {kind}. Hand in the .ipynb.",
            where=where,
            kind=tr_later(_kind_of_file(text, raw)),
        )
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated"):
        return _again(tr("The notebook is cut off: it ends in the middle (JSON, {where}).", where=where))
    damaged = tr("The notebook is damaged at {where} (JSON: {error}).", where=where, error=error.msg)
    return f"{_again(damaged)} {tr('Or take an older copy of it.')}"


def _kind_of_file(text, raw):
    start = raw.lstrip()[:100].lower()
    for beginning, kind in BEGINNINGS.items():
        if start.startswith(beginning.lower()):
            return kind
    if b"\0" in raw[:1000]:
        return later("no text at all")
    if re.search(r"^(def \w+\(|import \w|from \w+ import |# %%)", text, re.MULTILINE):
        return later("a Python script")
    return later("a text")


def _cells_in(notebook: Any) -> list[Any]:
    """The list of cells, wherever this version of the format keeps it."""
    if not isinstance(notebook, dict):
        raise RejectedError(
            tr("The file is JSON, but no notebook: it holds no cells. Hand in the .ipynb of the sheet.")
        )
    sheets = notebook.get("worksheets")
    if "cells" not in notebook and isinstance(sheets, list):
        lists = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
        return [cell for cells in lists if isinstance(cells, list) for cell in cells]
    if not isinstance(notebook.get("cells"), list):
        raise RejectedError(
            tr("The file is JSON, but no notebook: it has no list of cells. Hand in the .ipynb of the sheet.")
        )
    return notebook["cells"]


def _cell(data: Any) -> Cell | None:
    """One cell; None if it is damaged."""
    if not isinstance(data, dict):
        return None
    kind = {"heading": "markdown", "html": "raw"}.get(str(data.get("cell_type")), data.get("cell_type"))
    source = _text(data.get("source", data.get("input")))
    if kind not in KINDS or source is None:
        return None
    metadata = _dict(data.get("metadata"))
    marks, ours = _dict(metadata.get("nbgrader")), _dict(metadata.get("nanochat"))
    name = data.get("id", metadata.get("id"))  # Colab keeps it in the metadata
    return Cell(kind, source, _name(name), _name(marks.get("grade_id")), _name(ours.get("exercise")))


def _text(source):
    """The text of a cell, with plain line ends and without what is no character; None if it is no text."""
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return None
    text = source.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd").removeprefix("\ufeff")
    return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")


def _dict(value):
    return value if isinstance(value, dict) else {}


def _name(value):
    return value if isinstance(value, str) else ""
