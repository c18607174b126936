"""Look into a zip without trusting it: what it holds, and the bytes of one member.

In: an open file and limits. Out: Members, or bytes in memory. Nothing is written to disk, no name in an archive is used
as a path, and one bad member leaves the others readable. Format: PKWARE's APPNOTE 6.3, with its large form (Zip64).
"""

import io
import stat
import struct
import zlib
from typing import BinaryIO, NamedTuple

from ...errors import RejectedError

MAX_BYTES = 256 * 2**20  # of one file
MAX_DIRECTORY = 64 * 2**20  # of the list of members
CHUNK = 2**18
MAX_NAME = 4096  # bytes; a longer name is cut, and no system unpacks such a file
MAX_NUMBER = 2**40  # no real size or place in a file; a system refuses to go there
# A file that is packed tighter than this and is larger than that was made to fill the memory.
MAX_RATIO, RATIO_FROM = 200, 128 * 2**20
DAMAGED = "the zip is damaged"

_END, _END_64, _FIND_64, _ENTRY, _LOCAL = b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\1\2", b"PK\3\4"
_LARGE = 0xFFFFFFFF


class Member(NamedTuple):
    """One file or folder of a zip, as its directory describes it. modified: seconds that put members in order.

    name: as it stands there, also if it is hostile. twice: an earlier member has the same name.
    """

    name: str
    offset: int
    packed: int
    size: int
    crc: int
    method: int
    modified: int
    is_folder: bool = False
    is_link: bool = False
    is_locked: bool = False
    twice: bool = False


def is_zip(file: BinaryIO) -> bool:
    """Does the file begin like a zip? It may still be damaged."""
    file.seek(0)
    return file.read(4) in (_LOCAL, _END)


def members(file: BinaryIO, limit: int) -> dict[str, Member]:
    """Name → member; of two with one name the last, as when unpacked. Raises RejectedError: damaged, or too many."""
    start, length, shift = _directory(file)
    file.seek(start)
    directory = io.BytesIO(file.read(length))
    found: dict[str, Member] = {}
    n_seen = 0
    while directory.tell() < length:
        n_seen += 1
        if n_seen > limit:
            raise RejectedError(f"the zip holds more than {limit:,} files")
        member = _member(directory, shift)
        found[member.name] = member._replace(twice=member.name in found)
    return found


def unpack(file: BinaryIO, member: Member, limit: int = MAX_BYTES) -> bytes:
    """The bytes of one member, in memory. Raises RejectedError: damaged, locked, too large, packed in another way."""
    if member.is_locked:
        raise RejectedError("it is locked with a password: hand it in without one")
    if member.size > limit:
        raise RejectedError(f"it is larger than {limit // 2**20} MB")
    _go_to_data(file, member)
    if member.method == 0:
        data = file.read(min(member.packed, limit + 1))
    elif member.method == 8:
        data = _inflated(file, member)
    else:
        raise RejectedError("it is packed in a way that only few programs know: make a plain zip")
    if len(data) != member.size or zlib.crc32(data) != member.crc:
        raise RejectedError(DAMAGED)
    return bytes(data)


def _inflated(file, member):
    """Unpack piece by piece; stop as soon as there is more than the directory says."""
    engine, left, data = zlib.decompressobj(-15), member.packed, bytearray()
    while not engine.eof:
        chunk = engine.unconsumed_tail
        if not chunk:
            chunk = file.read(min(CHUNK, left))
            left -= len(chunk)
        try:
            piece = engine.decompress(chunk, CHUNK)
        except zlib.error:
            raise RejectedError(DAMAGED) from None
        if not chunk and not piece and not engine.eof:
            raise RejectedError(DAMAGED)
        data += piece
        if len(data) > member.size:
            raise RejectedError(DAMAGED)
        if len(data) > max(RATIO_FROM, MAX_RATIO * member.packed):
            raise RejectedError("it is packed so tightly that it looks like a zip bomb")
    return data


def _go_to_data(file, member):
    """A member's data follows its own header, whose name and extra fields may be longer than in the directory."""
    head = _read_at(file, member.offset, 30)
    if not head.startswith(_LOCAL):
        raise RejectedError(DAMAGED)
    file.seek(sum(struct.unpack("<HH", head[26:])), io.SEEK_CUR)


def _directory(file):
    """Where the list of members starts, its length, and how far the offsets in it are shifted."""
    size = file.seek(0, io.SEEK_END)
    tail_at = max(size - 65_557, 0)  # the end record, and the longest comment after it
    tail = _read_at(file, tail_at, size - tail_at)
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < 22:
        raise RejectedError(DAMAGED)
    end, (count, length, start) = tail_at + at, struct.unpack_from("<HII", tail, at + 10)
    if count == 0xFFFF or _LARGE in (length, start):
        end, length, start = _large_directory(file, end) or (end, length, start)
    shift = end - length - start
    if shift < 0 or end > size or length > MAX_DIRECTORY:
        raise RejectedError(DAMAGED)
    return start + shift, length, shift


def _large_directory(file, end):
    """The same from the records of Zip64; None if there are none, as in a zip of exactly 65,535 members."""
    if end < 76:
        return None
    finder = _read_at(file, end - 20, 20)
    if not finder.startswith(_FIND_64):
        return None
    (at,) = struct.unpack_from("<Q", finder, 8)
    if at > end - 76:
        raise RejectedError(DAMAGED)
    record = _read_at(file, at, 56)
    if not record.startswith(_END_64):
        raise RejectedError(DAMAGED)
    return at, *struct.unpack_from("<QQ", record, 40)


def _member(directory, shift):
    head = directory.read(46)
    if len(head) < 46 or not head.startswith(_ENTRY):
        raise RejectedError(DAMAGED)
    made, _, flags, method, time, date, crc, packed, size, n_name, n_extra, n_comment, _, _, external, offset = (
        struct.unpack("<4xHHHHHHIIIHHHHHII", head)
    )
    raw, extra = directory.read(n_name)[:MAX_NAME], dict(_extra_fields(directory.read(n_extra)))
    directory.seek(n_comment, io.SEEK_CUR)
    size, packed, offset = _large_numbers((size, packed, offset), extra.get(1, b""))
    name = _name(raw, flags, extra.get(0x7075, b""))
    mode = external >> 16 if made >> 8 in (3, 19) else 0  # made on Unix or macOS
    return Member(
        name,
        offset + shift,
        packed,
        size,
        crc,
        method,
        _seconds(date, time),
        is_folder=name.endswith(("/", "\\")) or stat.S_ISDIR(mode),
        is_link=stat.S_ISLNK(mode),
        is_locked=bool(flags & 0x2041),
    )


def _extra_fields(data):
    while len(data) >= 4:
        kind, length = struct.unpack_from("<HH", data)
        yield kind, data[4 : 4 + length]
        data = data[4 + length :]


def _large_numbers(numbers, field):
    """The numbers that did not fit into four bytes, in the order in which Zip64 keeps them."""
    room = io.BytesIO(field)
    found = [int.from_bytes(room.read(8), "little") if number == _LARGE and field else number for number in numbers]
    if max(found) >= MAX_NUMBER:
        raise RejectedError(DAMAGED)
    return found


def _name(raw, flags, unicode_path):
    """A name is UTF-8 if it says so or is it by chance, as from macOS; else it is in the code page of old DOS."""
    if len(unicode_path) > 5 and int.from_bytes(unicode_path[1:5], "little") == zlib.crc32(raw):
        raw = unicode_path[5:]
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace") if flags & 0x800 else raw.decode("cp437")


def _seconds(date, time):
    days = ((date >> 9) * 12 + (date >> 5 & 15)) * 31 + (date & 31)
    return days * 86_400 + (time >> 11) * 3_600 + (time >> 5 & 63) * 60 + (time & 31) * 2


def _read_at(file, at, length):
    file.seek(at)
    data = file.read(length)
    if len(data) < length:
        raise RejectedError(DAMAGED)
    return data
