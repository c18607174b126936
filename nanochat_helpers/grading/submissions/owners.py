"""Whose is it: sort what was found by student, from the way in which schools' systems name files and folders.

In: Entries. Out: Owners. Formats: Moodle ("Full Name_123_assignsubmission_file_…"), Canvas
("lastfirst_LATE_123_456_name.ipynb"), Gradescope (a list in `submission_metadata.yml`), nbgrader
("submitted/student/sheet/…"), a folder or a zip a student, or just files. Only what the teacher's own folder or the
system wrote is believed: names deeper down are the student's.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ...checks.sheets import SHEETS
from ...errors import RejectedError
from ...language import tr
from .entries import BOX, NOTEBOOK, OTHER, Entry, is_notebook, read_file, stem
from .metadata import submitters

# Loose files that nobody hands in as an answer: lists and remarks of the teacher.
BESIDE = (".csv", ".tsv", ".yml", ".yaml", ".md", ".xlsx", ".ods", ".db", ".log", ".json")
NBGRADER = {"source", "release", "submitted", "autograded", "feedback", "downloaded"}
METADATA = ("submission_metadata.yml", "submission_metadata.yaml", "submission_metadata.json")
_MOODLE = re.compile(r"(.*?)_(\d+)_assignsubmission_[a-z]+(?:_.*|$)", re.DOTALL)
_CANVAS = re.compile(r"(.+?)(?:_LATE)?_(?!(?:19|20)\d\d_)(\d{3,})_(\d{3,})_.+", re.DOTALL)
_CANVAS_ANONYMOUS = re.compile(r"(?:LATE_)?(anon_[^_]+)_(\d{3,})_.+", re.DOTALL)
_COPY = re.compile(r"(?: ?\(\d+\)|-Copy\d+)$")
LONGEST = 300  # letters of a name in which a sheet is looked for: longer ones would take long
_EDGE = r"[\s_.,()-]*"


@dataclass
class Owner:
    """What belongs together. labels: how the student may be called, the likeliest first. ids: kind → value."""

    labels: tuple[str, ...]
    entries: list[Entry] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def find_owners(entries: Sequence[Entry], number: str, known: Callable[[str], bool]) -> list[Owner]:
    """Sort entries by student. number: the sheet's. known: is this a student of the roster?"""
    entries = _unwrapped(list(entries), known)
    listed = _listed(entries)
    owners: dict[tuple[str, ...], Owner] = {}
    for entry in entries:
        if entry.parts[0] in listed:
            _share(owners, entry, listed[entry.parts[0]])
            continue
        key, owner, placed = _owner(entry, number)
        if key:
            owners.setdefault(key, owner).entries.append(placed)
    return _clearer(owners, number)


def without_sheet(name: str) -> str:
    """A name without that of a sheet: "04_sampling_anna" → "anna"; "" where nothing else is in it."""
    return _cut(name, _any_sheet())


def sheets_in(name: str) -> set[str]:
    """The numbers of the sheets that a name names."""
    return {number for number in SHEETS if re.search(_whole(_pattern(number)), name[:LONGEST], re.IGNORECASE)}


@lru_cache
def _any_sheet():
    return "|".join(map(_pattern, SHEETS))


def _pattern(number):
    return rf"0?{int(number)}[\s_.-]*{SHEETS[number].replace('_', r'[ _-]*')}"


def _whole(pattern):
    return rf"(?<![^\W_])(?:{pattern})(?![^\W_])"


def _cut(name, pattern):
    """A name without the words that fit a pattern, and without the signs that held them."""
    if len(name) > LONGEST:
        return name
    short = re.sub(rf"{_EDGE}{_whole(pattern)}{_EDGE}", "_", name, flags=re.IGNORECASE)
    return re.sub(r"^[\s_.,-]+|[\s_.,-]+$", "", short) if short != name else name


def _owner(entry, number):
    """Key, owner and entry; no key for what is nobody's."""
    top = entry.parts[0]
    is_loose = len(entry.parts) == 1 and entry.kind != BOX
    if found := _MOODLE.fullmatch(top):
        name, its_id = found.groups()
        return ("moodle", name, its_id), Owner((name or its_id,), ids={"moodle": its_id}), entry
    if found := _CANVAS.fullmatch(top):
        name, its_id, attachment = found.groups()
        order = entry._replace(modified=int(attachment[:15])) if is_loose else entry
        return ("canvas", name, its_id), Owner((name,), ids={"canvas": its_id}), order
    if found := _CANVAS_ANONYMOUS.fullmatch(top):
        return ("canvas", found[1]), Owner((found[1],)), entry._replace(modified=int(found[2][:15]))
    if not is_loose:
        return ("folder", top), Owner(_labels(top, number, is_folder=True)), entry
    if entry.kind == OTHER and (top.lower().endswith(BESIDE) or top.lower().startswith("readme")):
        return None, None, entry
    return ("file", top), Owner(_labels(stem(top), number)), entry


def _labels(name, number, is_folder=False):
    """What a file or folder may be called after: all of its name, or all but the sheet's."""
    short = without_sheet(name)
    barer = [_cut(short, SHEETS[number].replace("_", r"[ _-]*")), _cut(short, f"0?{int(number)}")]
    likeliest = name if is_folder else short
    return tuple(dict.fromkeys(label for label in (likeliest or name, name, short, *barer) if label))


def _clearer(owners, number):
    """What the other files make clear: "anna (1)" and "anna.pdf" beside "anna.ipynb" are Anna's."""
    files = {key: owner for key, owner in owners.items() if key[0] == "file"}
    notebooks = {stem(name): (kind, name) for kind, name in files if is_notebook(name)}
    alone = [key for name, key in notebooks.items() if not _rest(name)]  # then all lies in one student's folder
    for key in files:
        name = stem(key[1])
        base = notebooks.get(_COPY.sub("", name)) or notebooks.get(name)
        if not base and len(alone) == 1 and not is_notebook(key[1]):
            base = alone[0]
        if base and base != key and base in owners:
            owners[base].entries += owners.pop(key).entries
    _shorten({key: owners[key] for key in files if key in owners}, SHEETS[number].replace("_", r"[ _-]*"))
    return list(owners.values())


def _shorten(files, word):
    """A word that is in the names of all files is the sheet's, not a student's."""
    short = {key: _cut(owner.labels[0], word) for key, owner in files.items()}
    if len(files) > 1 and all(label and label != files[key].labels[0] for key, label in short.items()):
        for key, label in short.items():
            files[key].labels = tuple(dict.fromkeys((label, *files[key].labels)))


def _listed(entries):
    """Gradescope's list: folder → the students who handed it in. Only one beside the folders is believed."""
    for entry in entries:
        if len(entry.parts) == 1 and entry.name in METADATA and not entry.problem:
            try:
                return submitters(read_file(entry.path, entry.inside, 64 * 2**20), entry.name)
            except RejectedError:
                return {}
    return {}


def _share(owners, entry, people):
    """A group's work counts for each of its students."""
    for person in people:
        name = person.get("name") or person.get("email") or person.get("sid")
        others = ", ".join(each["name"] for each in people if each is not person and each.get("name"))
        ids = {kind: person[kind] for kind in ("email", "sid") if person.get(kind)}
        notes = (tr("handed in together with {others}", others=others),) if others else ()
        owner = owners.setdefault(("listed", entry.parts[0], json.dumps(person)), Owner((name,), ids=ids, notes=notes))
        owner.entries.append(entry)


def _unwrapped(entries, known):
    """Without folders around all students: that of an export, of a sheet, "submitted" of nbgrader."""
    while True:
        tops = {entry.parts[0] for entry in entries if entry.kind != OTHER or len(entry.parts) > 1}
        deeper = [entry for entry in entries if len(entry.parts) > 1]
        if "submitted" in tops and tops <= NBGRADER:
            deeper = [entry for entry in deeper if entry.parts[0] == "submitted"]
        elif not _are_wrapped(entries, deeper, tops, known):
            return entries
        entries = [entry._replace(parts=entry.parts[1:]) for entry in deeper]


def _are_wrapped(entries, deeper, tops, known):
    if not deeper or any(entry.kind == NOTEBOOK and len(entry.parts) == 1 for entry in entries):
        return False
    return _are_wrappers(deeper) or (len(tops) == 1 and _is_wrapper(min(tops), deeper, known))


def _are_wrappers(deeper):
    """Several folders with an export each, or one for each sheet."""
    if all(sheets_in(entry.parts[0]) and not without_sheet(entry.parts[0]) for entry in deeper):
        return any(len(entry.parts) > 2 for entry in deeper)
    of_system = [any(form.fullmatch(entry.parts[1]) for form in (_MOODLE, _CANVAS)) for entry in deeper]
    return all(of_system) and not any(_MOODLE.fullmatch(entry.parts[0]) for entry in deeper)


def _is_wrapper(top, deeper, known):
    """Is the only folder a class's, not a student's?"""
    if known(top) or _MOODLE.fullmatch(top) or _CANVAS.fullmatch(top):
        return False
    inner = [entry for entry in deeper if entry.kind != OTHER]
    notebooks = [entry for entry in inner if entry.kind == NOTEBOOK]
    if all(not _rest(entry.parts[1]) for entry in inner):
        return False
    if len(notebooks) == 1:
        return len(notebooks[0].parts) > 2 and not _rest(notebooks[0].name)
    return True


def _rest(name):
    """What a name says besides a sheet's name and the mark of a copy."""
    return without_sheet(_COPY.sub("", stem(name) if is_notebook(name) else name))
