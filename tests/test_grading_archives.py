"""Reading zips that nobody vouches for: all that is right is read, and damage or malice ends in one kind of error."""

import contextlib
import io
import struct
import warnings
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanochat_helpers.errors import RejectedError
from nanochat_helpers.grading.submissions import archives
from nanochat_helpers.grading.submissions.archives import Member, members, unpack

FILES = st.dictionaries(st.text(min_size=1, max_size=30), st.binary(max_size=2000), max_size=8)


def packed(files, method=zipfile.ZIP_DEFLATED, comment=b""):
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
        archive.comment = comment
    return room.getvalue()


def contents(raw):
    file = io.BytesIO(raw)
    return {name: unpack(file, member) for name, member in members(file, 100).items()}


@settings(deadline=None)
@given(FILES, st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]), st.binary(max_size=40))
def test_any_zip_is_read_as_pythons_own_reader_does(files, method, prefix):
    files = {name: data for name, data in files.items() if "\0" not in name and _is_text(name)}
    raw = packed(files, method, b"a comment")
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        expected = {each.orig_filename: archive.read(each) for each in archive.infolist()}
    assert contents(raw) == expected == contents(prefix + raw)


def _is_text(name):
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@settings(deadline=None)
@given(FILES, st.data())
def test_cuts_and_flipped_bytes_only_ever_raise_rejected_error(files, data):
    files = {name: content for name, content in files.items() if _is_text(name)}
    raw = bytearray(packed({"a.ipynb": b"x" * 500, **files}))
    for _ in range(data.draw(st.integers(0, 5))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(raw)))
    for damaged in (bytes(raw), bytes(raw[:cut]), bytes(raw[cut:])):
        try:
            listed = members(io.BytesIO(damaged), 100)
        except RejectedError:
            continue
        for member in listed.values():
            with contextlib.suppress(RejectedError):
                assert zlib.crc32(unpack(io.BytesIO(damaged), member)) == member.crc


def test_a_zip_with_large_numbers_is_read():
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w") as archive, archive.open("a", "w", force_zip64=True) as member:
        member.write(b"text")
    assert contents(room.getvalue()) == {"a": b"text"}
    many = packed({str(n): b"" for n in range(66_000)})
    assert len(members(io.BytesIO(many), 100_000)) == 66_000


def with_large_numbers(*numbers):
    """A zip with the member "a" (b"text"), whose size, packed size and offset stand in its extra field."""
    raw = bytearray(packed({"a": b"text"}, zipfile.ZIP_STORED))
    at = raw.index(b"PK\1\2")
    field = struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers)
    raw[at + 20 : at + 28] = b"\xff" * 8
    raw[at + 42 : at + 46] = b"\xff" * 4
    raw[at + 30 : at + 32] = struct.pack("<H", len(field))
    raw[at + 47 : at + 47] = field
    end = raw.rindex(b"PK\5\6")
    raw[end + 12 : end + 16] = struct.pack("<I", end - at)
    return bytes(raw)


def test_large_numbers_of_a_member_come_from_its_extra_field():
    assert contents(with_large_numbers(4, 4, 0)) == {"a": b"text"}


@pytest.mark.parametrize(
    "numbers", [(4, 4, 2**63), (4, 2**64 - 1, 0), (2**62, 4, 0), (4, 4, 2**61), (4, 2**61, 0), (4, 4, 2**44)]
)
def test_numbers_that_no_file_can_have_are_refused(numbers):
    with pytest.raises(RejectedError):
        contents(with_large_numbers(*numbers))


def test_a_directory_in_which_something_else_stands_is_refused():
    raw = packed({"a": b"text", "b": b"text"})
    with pytest.raises(RejectedError, match="the zip is damaged"):
        contents(raw[: raw.rindex(b"PK\1\2")] + b"PK\1\3" + raw[raw.rindex(b"PK\1\2") + 4 :])


@pytest.mark.parametrize("flag", [1, 0x40, 0x2000])
def test_a_locked_member_is_marked(flag):
    raw = bytearray(packed({"a": b"text"}))
    raw[raw.index(b"PK\1\2") + 8 : raw.index(b"PK\1\2") + 10] = struct.pack("<H", flag)
    assert members(io.BytesIO(raw), 9)["a"].is_locked


def test_more_members_than_the_limit_are_refused():
    raw = packed({str(n): b"" for n in range(11)})
    assert len(members(io.BytesIO(raw), 11)) == 11
    with pytest.raises(RejectedError, match="more than 10 files"):
        members(io.BytesIO(raw), 10)


def test_a_directory_that_is_too_long_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(archives, "MAX_DIRECTORY", 100)
    with pytest.raises(RejectedError, match="damaged"):
        members(io.BytesIO(packed({str(n): b"" for n in range(11)})), 1000)


def test_a_member_larger_than_the_limit_is_refused():
    raw = packed({"a": b"x" * 1000})
    (member,) = members(io.BytesIO(raw), 9).values()
    assert unpack(io.BytesIO(raw), member, 1000) == b"x" * 1000
    with pytest.raises(RejectedError, match="larger than 0 MB"):
        unpack(io.BytesIO(raw), member, 999)


def test_a_member_that_says_it_is_small_is_not_unpacked_further():
    raw = packed({"a": b"x" * 50 * 2**20})
    (member,) = members(io.BytesIO(raw), 9).values()
    asked = []

    class Counting(io.BytesIO):
        def read(self, size=-1):
            asked.append(size)
            return super().read(size)

    with pytest.raises(RejectedError, match="damaged"):
        unpack(Counting(raw), member._replace(size=1000))
    assert len(asked) < 5


def test_a_zip_bomb_is_refused_and_a_tight_but_small_file_is_not(monkeypatch):
    raw = packed({"a": b"x" * 2**20})
    assert len(contents(raw)["a"]) == 2**20
    monkeypatch.setattr(archives, "RATIO_FROM", 2**19)
    with pytest.raises(RejectedError, match="zip bomb"):
        contents(raw)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_rare_way_of_packing_is_named(method):
    with pytest.raises(RejectedError, match="plain zip"):
        contents(packed({"a": b"x" * 100}, method))


@pytest.mark.parametrize(
    ("stored", "flag", "name"),
    [
        ("Müller.ipynb".encode(), 0, "Müller.ipynb"),
        ("Müller.ipynb".encode(), 0x800, "Müller.ipynb"),
        ("Müller.ipynb".encode("cp437"), 0, "Müller.ipynb"),
        (b"M\xff.ipynb", 0x800, "M\ufffd.ipynb"),
    ],
)
def test_names_are_read_in_the_encodings_that_exist(stored, flag, name):
    raw = bytearray(packed({"x" * len(stored): b"text"})).replace(b"x" * len(stored), stored)
    raw[raw.index(b"PK\1\2") + 8 : raw.index(b"PK\1\2") + 10] = struct.pack("<H", flag)
    assert contents(bytes(raw)) == {name: b"text"}


def test_a_name_may_stand_in_an_extra_field():
    room, info = io.BytesIO(), zipfile.ZipInfo("M_ller.ipynb")
    better = "Müller.ipynb".encode()
    info.extra = struct.pack("<HHBI", 0x7075, 5 + len(better), 1, zlib.crc32(b"M_ller.ipynb")) + better
    with zipfile.ZipFile(room, "w") as archive:
        archive.writestr(info, b"text")
    assert contents(room.getvalue()) == {"Müller.ipynb": b"text"}


def test_of_two_members_with_one_name_the_last_is_taken_and_marked():
    room = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(room, "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("a", b"old")
        archive.writestr("a", b"new")
    listed = members(io.BytesIO(room.getvalue()), 9)
    assert contents(room.getvalue()) == {"a": b"new"} and listed["a"].twice


def test_folders_links_and_locked_members_are_marked():
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w") as archive:
        archive.writestr("folder/", b"")
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "target")
    listed = members(io.BytesIO(room.getvalue()), 9)
    assert listed["folder/"].is_folder and not listed["folder/"].is_link
    assert listed["link"].is_link and not listed["link"].is_folder
    with pytest.raises(RejectedError, match="password"):
        unpack(room, Member("a", 0, 0, 0, 0, 0, 0, is_locked=True))


def test_later_members_have_later_times():
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w") as archive:
        for time in ((2025, 12, 31, 23, 59, 58), (2026, 1, 1, 0, 0, 0), (2026, 1, 1, 0, 1, 0)):
            archive.writestr(zipfile.ZipInfo(str(time), time), b"")
    times = [each.modified for each in members(io.BytesIO(room.getvalue()), 9).values()]
    assert times == sorted(set(times)) and times[2] - times[1] == 60
