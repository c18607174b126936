"""Before a search: documents go in, passages come out, short enough for a prompt.

Only `.txt` and `.md` files are read, and only as text. A file that cannot be read is named, with the reason and what to
do; the others are read all the same. Searching in the passages is in `retrieval`.
"""

import codecs
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import DocumentError
from .settings import check_count

KINDS = (".txt", ".md")
MOST_MEGABYTES = 5  # of one file; the seven Harry Potter books together have about six
MOST_FILES = 5000
MOST_PASSAGES = 20_000
OWN_FOLDER = Path(__file__).parent / "data" / "collection"

# The marks with which a file may begin to say how it was written; the longer one first where one begins another.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class Passage:
    """A piece of a document: the text, the document's name, and where in it the text begins ("line 12")."""

    text: str
    source: str = ""
    place: str = ""


@dataclass(frozen=True, repr=False)
class Collection(Sequence):
    """The passages of a folder, and a sentence for each thing in it that was not read."""

    passages: tuple[Passage, ...]
    skipped: tuple[str, ...] = ()

    def __getitem__(self, place):
        return self.passages[place]

    def __len__(self):
        return len(self.passages)

    @property
    def sources(self) -> list[str]:
        """The documents' names, in the order in which they were read."""
        return list(dict.fromkeys(passage.source for passage in self.passages))

    def __repr__(self) -> str:
        lines = [f"{len(self):,} passages from {len(self.sources):,} documents", *self.skipped]
        return "\n".join(lines)


# --- reading


def read_folder(folder: str | Path = OWN_FOLDER, *, max_words: int = 80) -> Collection:
    """Read the `.txt` and `.md` files of a folder, and of the folders in it, as passages.

    folder: NanoChat's own little collection, unless another one is named. Hidden folders and links to folders are left
    out. What cannot be read is told in `skipped`.
    Raises DocumentError where there is no such folder, nothing to read in it, or far too much.
    """
    folder = _folder(folder)
    passages, skipped, others = [], [], set()
    for path in _files(folder, skipped):
        source = path.relative_to(folder).as_posix()
        if path.suffix.lower() not in KINDS:
            others.add(path.suffix.lower() or path.name)
            continue
        try:
            passages += split_passages(read_document(path), source, max_words=max_words)
        except DocumentError as error:
            skipped.append(str(error))
        if len(passages) > MOST_PASSAGES:
            raise DocumentError(f"{folder} has more than {MOST_PASSAGES:,} passages: choose a smaller folder in it.")
    if others:
        skipped.append(f"Not read, because only {' and '.join(KINDS)} are: {_some(sorted(others))} files.")
    if not passages:
        raise DocumentError(_nothing(folder, skipped))
    return Collection(tuple(passages), tuple(skipped))


def read_document(path: str | Path) -> str:
    """Read one file as text: UTF-8, or whatever the mark at its beginning names.

    Raises DocumentError for a file that is missing, too big, no text, or in an encoding that nothing tells.
    """
    path = Path(path)
    try:
        _check_file(path)
        data = path.read_bytes()
    except OSError as problem:
        raise DocumentError(f"{path} cannot be read: {problem.strerror or problem}.") from problem
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and b"\0" in data:
        raise DocumentError(f"{path} is no text: it has a zero byte at position {data.index(0)}. {_SAVE_AS}")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as problem:
        found = f"byte {data[problem.start]:#04x} at position {problem.start}"
        raise DocumentError(f"{path} is not written in {encoding.upper()} ({found}). {_SAVE_AS}") from problem
    return text.replace("\0", "")  # no prompt may hold one


_SAVE_AS = "If it is text, open it in an editor and save it again with the encoding UTF-8."


def _check_file(path):
    if path.is_dir():
        raise DocumentError(f"{path} is a folder: read_folder reads it.")
    if path.exists() and not path.is_file():
        raise DocumentError(f"{path} is no ordinary file, so it is not read.")
    megabytes = path.stat().st_size / 1e6
    if megabytes > MOST_MEGABYTES:
        raise DocumentError(
            f"{path} is too big: {megabytes:.0f} MB; at most {MOST_MEGABYTES} MB are read. Cut it into smaller ones."
        )


def _folder(folder):
    try:
        path = Path(folder).expanduser()
        is_file = path.is_file()  # raises where a name is too long
    except (TypeError, RuntimeError, OSError) as problem:
        raise DocumentError(f"{folder!r:.80} is no folder: give its path as a text, such as 'my_texts'.") from problem
    if not str(folder).strip():
        raise DocumentError("The name of the folder is empty: give its path as a text, such as 'my_texts'.")
    if is_file:
        raise DocumentError(f"{path} is a file, not a folder: give the folder that it is in.")
    if not path.is_dir():
        raise DocumentError(f"There is no folder {path} (seen from {Path.cwd()}). Check the name, or make it.")
    return path


def _files(folder, skipped) -> Iterator[Path]:
    """The files of a folder in alphabetical order; `os.walk` follows no links, so it cannot run in circles."""
    n_files = 0

    def closed(problem):
        skipped.append(f"{problem.filename} cannot be read: {problem.strerror}.")

    for root, folders, names in os.walk(folder, onerror=closed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in names if not name.startswith(".")):
            n_files += 1
            if n_files > MOST_FILES:
                raise DocumentError(f"{folder} has more than {MOST_FILES:,} files: choose a smaller folder in it.")
            yield Path(root) / name


def _nothing(folder, skipped):
    if skipped:
        return f"Nothing in {folder} can be read. {' '.join(skipped[:3])}"
    return f"{folder} has no text: put some {' or '.join(KINDS)} files with words into it."


def _some(names, most=5):
    return ", ".join(names[:most]) + (" …" if len(names) > most else "")


# --- cutting


def split_passages(text: str, source: str = "", *, max_words: int = 80) -> list[Passage]:
    """Cut a document into passages of at most `max_words` words, headings apart.

    A passage never goes over a heading (a line that begins with #). It begins with the headings above it, for they
    often say what "it" in the text is; a heading with no text below it is left out. Short paragraphs are put together;
    long ones are cut between sentences, or, where a sentence is too long, between words.
    """
    check_count("max_words", max_words, least=1)
    passages, headings, held = [], [], []  # held: the pieces (line, text) of the passage that is being filled

    def close():
        if held:
            passages.append(Passage(_joined(headings, held), source, f"line {held[0][0]}"))
            held.clear()

    for line, block in _blocks(text):
        found = _HEADING.match(block)
        if found:
            close()
            headings[len(found[1]) - 1 :] = [found[2].strip("# \t")]
            continue
        for piece in _pieces(block, max_words):
            if sum(len(other.split()) for _, other in held) + len(piece.split()) > max_words:
                close()
            held.append((line, piece))
    close()
    return passages


_HEADING = re.compile(r"(#{1,6})[ \t]+(.*)")


def _joined(headings, held):
    """The headings on a line of their own; then the paragraphs, each on its line."""
    text = " › ".join(filter(None, headings))
    for place, (line, piece) in enumerate(held):
        same_paragraph = place > 0 and held[place - 1][0] == line
        text += (" " if same_paragraph else "\n") + piece
    return text.strip()


def _blocks(text) -> Iterator[tuple[int, str]]:
    """The paragraphs and headings of a text, each with the number of its first line."""
    block, first = [], 1
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        is_heading = _HEADING.match(line)
        if block and (is_heading or not line.strip()):
            yield first, "\n".join(block)
            block = []
        if is_heading:
            yield number, line
        elif line.strip():
            first = first if block else number
            block.append(line.strip())


def _pieces(block, max_words) -> Iterator[str]:
    """A paragraph in pieces of at most max_words words: whole, or its sentences, or runs of words."""
    if len(block.split()) <= max_words:
        yield block
        return
    for sentence in re.split(r"(?<=[.!?…])\s+", block):
        words = sentence.split()
        for start in range(0, len(words), max_words):
            yield " ".join(words[start : start + max_words])
