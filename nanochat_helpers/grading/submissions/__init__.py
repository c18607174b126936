"""Find what was handed in, and by whom.

In: a folder, a zip or an export of a school's system, and perhaps a roster. Out: one Submission a student, also for a
student whose work cannot be read. A notebook is only opened here to tell two of one student apart: see `answers`.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import GradingError, RejectedError
from ...language import tr
from ..master import Master
from .entries import BOX, NOTEBOOK, OTHER, Entry, list_entries, read_file, stem
from .owners import Owner, find_owners, sheets_in, without_sheet
from .roster import MAX_NAME, Matcher, Student, read_roster

__all__ = ["Student", "Submission", "find_submissions", "missing", "read_roster"]
MAX_PLACE = 300  # letters of a path that are shown
CLOSE = 120  # seconds: times nearer than this come from unpacking, not from the student
MOST_NOTES = 5  # of one kind
LOOKED_INTO, LOOKED_BYTES = 20, 32 * 2**20  # notebooks of one student that are opened to find the right one


@dataclass(frozen=True)
class Submission:
    """What one student handed in. inside: the members to follow in the archive(s) at `path`.

    problem: why there is nothing to read; "" if there is. place: where it lies, below the folder that was named.
    """

    student: str
    path: Path
    inside: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""
    place: str = ""

    def read(self) -> bytes:
        """The notebook's bytes. Raises RejectedError: too large, damaged, cannot be opened, or never there."""
        if self.problem:
            raise RejectedError(self.problem)
        return read_file(self.path, self.inside)

    @property
    def source(self) -> str:
        """Where it was found, without the teacher's own folders."""
        return self.place or "/".join((_readable(self.path.name), *self.inside))


def find_submissions(where: Path, master: Master, roster: Sequence[Student] = ()) -> list[Submission]:
    """One Submission for each student, sorted by name. Raises GradingError if there is nothing to grade."""
    entries = list_entries(where)
    if not any(entry.kind == NOTEBOOK or entry.problem for entry in entries):
        raise GradingError(f"There is no notebook in {where}: name the folder or zip with what was handed in.")
    matcher = Matcher(roster)
    owners = find_owners(entries, master.number, lambda label: matcher.find([label])[0] is not None)
    if len(owners) == 1 and where.is_file() and not without_sheet(owners[0].labels[0]):
        owners[0].labels = (stem(where.name), *owners[0].labels)
    found = [_submission(owner, master, matcher, where) for owner in owners]
    return sorted(_told_apart(found), key=lambda each: (each.student, each.place))


def missing(submissions: Iterable[Submission], roster: Iterable[Student]) -> list[str]:
    """The students of the roster who handed in nothing, in its order."""
    found = {each.student for each in submissions}
    return [student.name for student in roster if student.name not in found]


def _submission(owner: Owner, master, matcher, where):
    notes = list(map(_readable, owner.notes))
    student, note = matcher.find(map(_readable, owner.labels), owner.ids)
    if note and not matcher.is_empty:
        notes.append(note)
    name = student.name if student else _visible(_readable(owner.labels[0])[:MAX_NAME])
    readable = [entry for entry in owner.entries if entry.kind == NOTEBOOK and not entry.problem]
    if not readable:
        entry, problem = _why_nothing(owner.entries)
        return Submission(name, Path(entry.path), entry.inside, tuple(notes), problem, _place(entry, where))
    entry, why = _choose(readable, master.number)
    place = _place(entry, where)
    if why:
        taken = {"n": len(readable), "place": place, "why": why}
        notes.append(tr("{n:,} notebooks were handed in; {place} was taken: it is {why}", **taken))
    unread = [each for each in owner.entries if each.problem][:MOST_NOTES]
    notes += [tr("{place} was not read: {why}", place=_place(each, where), why=each.problem) for each in unread]
    notes += list(dict.fromkeys(each.note for each in owner.entries if each.note))[:MOST_NOTES]
    return Submission(name, Path(entry.path), entry.inside, tuple(notes), "", place)


def _why_nothing(entries):
    """The entry that says best why there is nothing to read, and the sentence."""
    for kind in (NOTEBOOK, BOX, OTHER):
        for entry in entries:
            if entry.kind == kind and entry.problem:
                name = _readable(entry.name)[:MAX_NAME]
                return entry, tr("{name} cannot be read: {why}", name=name, why=entry.problem)
    others = sorted(_readable(entry.name)[:MAX_NAME] for entry in entries if entry.kind == OTHER)
    if others:
        listed = f"{', '.join(others[:5])}{', …' * (len(others) > 5)}"
        return entries[0], tr("no notebook was handed in, but {others}", others=listed)
    return entries[0], tr("no notebook was handed in: there is nothing in it")


def _choose(entries, number) -> tuple[Entry, str]:
    """The newest notebook of this sheet, and why it was taken ("" if there is no choice)."""
    if len(entries) == 1:
        return entries[0], ""
    named = [(entry, _named(entry)) for entry in entries]
    of_sheet = [entry for entry, sheets in named if number in sheets]
    if not of_sheet:
        unnamed = [entry for entry, sheets in named if not sheets]
        of_sheet = [entry for entry in unnamed[:LOOKED_INTO] if _holds_sheet(entry, number)] or unnamed or entries
    times = [entry.modified for entry in of_sheet]
    by_time = max(times) - min(times) > CLOSE
    chosen = max(of_sheet, key=lambda each: (each.modified * by_time, _version(each.name), each.modified, each.parts))
    return chosen, tr("the newest") if len(of_sheet) > 1 else tr("the one of this sheet")


def _named(entry):
    """The sheets that its name names, or else its folder."""
    return sheets_in(stem(entry.name)) or sheets_in(entry.parts[-2] if len(entry.parts) > 1 else "")


def _holds_sheet(entry, number):
    try:
        raw = read_file(entry.path, entry.inside, LOOKED_BYTES)
    except RejectedError:
        return False
    return bool(re.search(rb'"exercise"\s*:\s*"' + number.encode() + rb"\.", raw))


def _version(name):
    """The number behind a name: 2 of "sheet (2)", "sheet-2" and "sheet_v2"."""
    found = re.search(r"(?:\((\d{1,6})\)|-(\d{1,6})|_v(\d{1,6}))$", stem(name), re.IGNORECASE)
    return int(next(filter(None, found.groups()))) if found and any(found.groups()) else 0


def _told_apart(found):
    """Each with a name of its own: two with one name are both kept, and say so."""
    groups: dict[str, list[Submission]] = {}
    for each in sorted(found, key=lambda each: (each.student, each.place)):
        groups.setdefault(each.student, []).append(each)
    taken = set(groups)
    for name, (first, *others) in groups.items():
        if not others:
            yield first
            continue
        yield _sharing(first, name, name)
        free = (f"{name} ({n})" for n in itertools.count(2) if f"{name} ({n})" not in taken)
        yield from (_sharing(each, own, name) for each, own in zip(others, free, strict=False))


def _sharing(submission, own, name):
    place = submission.source
    note = tr("more than one submission belongs to the name {name}; this one is {place}", name=name, place=place)
    return replace(submission, student=own, notes=(*submission.notes, note))


def _place(entry, where):
    """Its path below the folder that was named."""
    path = Path(entry.path)
    below = path.relative_to(where).parts if path != where and path.is_relative_to(where) else ()
    place = _readable("/".join((*below, *entry.inside)) or path.name)
    return place if len(place) <= MAX_PLACE else f"{place[: MAX_PLACE // 2]}…{place[-MAX_PLACE // 2 :]}"


def _readable(name):
    """A name as text that can be written: what stands in it for bytes that are no UTF-8 is replaced."""
    return re.sub("[\ud800-\udfff]", "\ufffd", name)


def _visible(name):
    """A name, or "?" for one of which nothing could be seen in a table, such as that of " .ipynb"."""
    return name if any(unicodedata.category(sign)[0] in "LNPS" for sign in name) else "?"
