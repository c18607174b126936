"""Look into a zip without trusting it: what it holds, and the bytes of one member.

In: how to open a file, and limits. Out: Members, or bytes in memory. Python's `zipfile` reads; the limits are ours. No
name is used as a path, nothing is written to disk, and a member with bad data leaves the others readable.
"""

import io
import shutil
import stat
import struct
import zlib
from collections.abc import Callable
from contextlib import contextmanager
from typing import BinaryIO, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from ...errors import RejectedError
from ...language import later, tr, tr_later

MAX_BYTES = 256 * 2**20  # of one file
MAX_DIRECTORY = 32 * 2**20  # bytes of the list of members
CHUNK = 2**18
MAX_NAME = 4096  # letters; a longer name is cut, and no system unpacks such a file
# A file that is packed tighter than this and is larger than that was made to fill the memory.
MAX_RATIO, RATIO_FROM = 200, 128 * 2**20
DAMAGED = later("the zip is damaged")
LOCKED = later("it is locked with a password: hand it in without one")
_BAD = (BadZipFile, zlib.error, struct.error, EOFError, ValueError, OSError, RuntimeError, OverflowError)


class Member(NamedTuple):
    """One file or folder of a zip. name: as it stands there, also if it is hostile. modified: puts members in order.

    twice: an earlier member has the same name.
    """

    name: str
    info: ZipInfo
    modified: int
    is_folder: bool
    is_link: bool
    is_locked: bool
    twice: bool


class Archive:
    """A zip. Its file is open only while it is read: a process that is started in between could inherit it."""

    def __init__(self, opened: Callable[[], BinaryIO], most: int, too_many: str = ""):
        """List the members. Raises RejectedError: damaged, or more members than `most`; and what `opened` raises."""
        self._file = _Watched(opened, most, too_many or tr("the zip holds more than {n:,} files", n=most))
        with self._file, _one_kind_of_error():
            self._zip = ZipFile(self._file)
        self.members: dict[str, Member] = {}  # of two with one name the last, as when unpacked
        for info in self._zip.infolist():
            name = _name(info)[:MAX_NAME]
            self.members[name] = _member(name, info, name in self.members)

    def unpack(self, member: Member, limit: int = MAX_BYTES) -> bytes:
        """Its bytes, in memory. Raises RejectedError: damaged, locked, too large, packed in another way."""
        info, room = member.info, io.BytesIO()
        if member.is_locked:
            raise RejectedError(tr_later(LOCKED))
        if info.file_size > limit:
            raise RejectedError(tr("it is larger than {n} MB", n=limit // 2**20))
        if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise RejectedError(tr("it is packed in a way that only few programs know: make a plain zip"))
        if info.file_size > max(RATIO_FROM, MAX_RATIO * info.compress_size):
            raise RejectedError(tr("it is packed so tightly that it looks like a zip bomb"))
        with self._file, _one_kind_of_error(), self._zip.open(info) as packed:
            shutil.copyfileobj(packed, room, CHUNK)  # never more than file_size
        if room.tell() != info.file_size:
            raise RejectedError(tr_later(DAMAGED))
        return room.getvalue()


class _Watched:
    """A file as ZipFile reads it: the list of members in one piece, which is looked at before it is taken apart.

    So a list takes at most MAX_DIRECTORY, and what ZipFile makes of it about 1 kB for each of `most` members.
    """

    def __init__(self, opened, most, too_many):
        self._opened, self._most, self._too_many = opened, most, too_many

    def __enter__(self):
        self._file = self._opened()
        self.seek, self.tell, self.seekable = self._file.seek, self._file.tell, self._file.seekable

    def __exit__(self, *_):
        self._file.close()

    def read(self, size=-1):
        if size > MAX_DIRECTORY:
            raise RejectedError(tr("its list of files is far too long"))
        data = self._file.read(size)
        if data.startswith(b"PK\1\2") and data.count(b"PK\1\2") > self._most:
            raise RejectedError(self._too_many)
        return data


@contextmanager
def _one_kind_of_error():
    try:
        yield
    except RejectedError:
        raise
    except MemoryError:
        raise RejectedError(tr("it does not fit into this computer's memory")) from None
    except _BAD:
        raise RejectedError(tr_later(DAMAGED)) from None


def is_zip(file: BinaryIO) -> bool:
    """Does the file begin like a zip? It may still be damaged."""
    return file.read(4) in (b"PK\3\4", b"PK\5\6")


def _member(name, info, twice):
    mode = info.external_attr >> 16 if info.create_system in (3, 19) else 0  # made on Unix or macOS
    year, month, day, hour, minute, second = info.date_time  # perhaps of no calendar
    seconds = (((((year - 1980) * 12 + month) * 31 + day) * 24 + hour) * 60 + minute) * 60 + second
    is_folder = name.endswith(("/", "\\")) or stat.S_ISDIR(mode)
    return Member(name, info, seconds, is_folder, stat.S_ISLNK(mode), bool(info.flag_bits & 0x2041), twice)


def _name(info):
    """ZipFile takes a name for one in the letters of old DOS if it does not say more; macOS means UTF-8 then."""
    try:
        return info.filename if info.flag_bits & 0x800 else info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return info.filename
