"""Reading zips that nobody vouches for: all that is right is read, and damage or malice ends in one kind of error."""

import contextlib
import io
import struct
import tracemalloc
import warnings
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanochat_helpers.errors import RejectedError
from nanochat_helpers.grading.submissions import archives
from nanochat_helpers.grading.submissions.archives import Archive

FILES = st.dictionaries(st.text(min_size=1, max_size=30), st.binary(max_size=2000), max_size=8)


def packed(files, method=zipfile.ZIP_DEFLATED, comment=b""):
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
        archive.comment = comment
    return room.getvalue()


def opened(raw, most=100):
    return Archive(lambda: io.BytesIO(raw), most)


def contents(raw):
    archive = opened(raw)
    return {name: archive.unpack(member) for name, member in archive.members.items()}


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
            archive = opened(damaged)
        except RejectedError:
            continue
        for member in archive.members.values():
            with contextlib.suppress(RejectedError):
                assert zlib.crc32(archive.unpack(member)) == member.info.CRC


def test_a_zip_with_large_numbers_is_read():
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w") as archive, archive.open("a", "w", force_zip64=True) as member:
        member.write(b"text")
    assert contents(room.getvalue()) == {"a": b"text"}
    many = packed({str(n): b"" for n in range(66_000)})
    assert len(opened(many, 100_000).members) == 66_000


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


@pytest.mark.parametrize("numbers", [(4, 4, 2**63), (2**62, 4, 0), (4, 4, 2**61), (4, 4, 2**44)])
def test_numbers_that_no_file_can_have_are_refused(numbers):
    with pytest.raises(RejectedError):
        contents(with_large_numbers(*numbers))


@pytest.mark.parametrize("packed_size", [2**61, 2**64 - 1])
def test_an_impossible_packed_size_does_no_harm(packed_size):
    assert contents(with_large_numbers(4, packed_size, 0)) == {"a": b"text"}


def test_a_directory_in_which_something_else_stands_is_refused():
    raw = packed({"a": b"text", "b": b"text"})
    with pytest.raises(RejectedError, match="the zip is damaged"):
        contents(raw[: raw.rindex(b"PK\1\2")] + b"PK\1\3" + raw[raw.rindex(b"PK\1\2") + 4 :])


@pytest.mark.parametrize("flag", [1, 0x40, 0x2000])
def test_a_locked_member_is_marked(flag):
    raw = bytearray(packed({"a": b"text"}))
    raw[raw.index(b"PK\1\2") + 8 : raw.index(b"PK\1\2") + 10] = struct.pack("<H", flag)
    archive = opened(raw)
    assert archive.members["a"].is_locked
    with pytest.raises(RejectedError, match="password"):
        archive.unpack(archive.members["a"])


def test_more_members_than_the_limit_are_refused():
    raw = packed({str(n): b"" for n in range(11)})
    assert len(opened(raw, 11).members) == 11
    with pytest.raises(RejectedError, match="more than 10 files"):
        opened(raw, 10)


def with_end(raw, **changed):
    """The same zip, but with another end record: `count`, `length` and `start` of the list of members."""
    at = raw.rindex(b"PK\5\6")
    count, length, start = struct.unpack_from("<HII", raw, at + 10)
    numbers = {"count": count, "length": length, "start": start, **changed}
    return raw[: at + 8] + struct.pack("<HHII", numbers["count"], *numbers.values()) + raw[at + 20 :]


def test_millions_of_members_are_refused_before_they_are_taken_apart():
    many = packed({str(n): b"" for n in range(20_000)})
    raw = with_end(many, count=1)
    assert len(opened(raw, 20_000).members) == 20_000
    tracemalloc.start()
    with pytest.raises(RejectedError, match="more than 10 files"):
        opened(raw, 10)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2 * len(many)


def test_a_list_of_members_that_is_too_long_is_refused_before_it_is_read(monkeypatch):
    raw = packed({str(n): b"" for n in range(11)})
    monkeypatch.setattr(archives, "MAX_DIRECTORY", 100)
    with pytest.raises(RejectedError, match="list of files is far too long"):
        opened(raw)


@pytest.mark.parametrize("changed", [{"length": 2**32 - 2}, {"start": 2**32 - 2}, {"length": 45}])
def test_a_list_of_members_that_cannot_be_there_is_refused(changed):
    with pytest.raises(RejectedError):
        contents(with_end(packed({"a": b"text"}), **changed))


def test_a_member_larger_than_the_limit_is_refused():
    archive = opened(packed({"a": b"x" * 1000}))
    assert archive.unpack(archive.members["a"], 1000) == b"x" * 1000
    with pytest.raises(RejectedError, match="larger than 0 MB"):
        archive.unpack(archive.members["a"], 999)


def with_sizes(raw, packed_size, size):
    """The same zip, but its only member has other sizes in the list."""
    at = raw.index(b"PK\1\2") + 20
    return raw[:at] + struct.pack("<II", packed_size or struct.unpack_from("<I", raw, at)[0], size) + raw[at + 8 :]


def test_a_member_that_says_it_is_small_is_not_unpacked_further():
    archive = opened(with_sizes(packed({"a": b"x" * 50 * 2**20}), 0, 1000))
    tracemalloc.start()
    with pytest.raises(RejectedError, match="damaged"):
        archive.unpack(archive.members["a"])
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 2**20


@pytest.mark.parametrize("size", [501, 10_000])
def test_a_member_that_says_it_is_larger_than_it_is_is_damaged(size):
    with pytest.raises(RejectedError, match="damaged"):
        contents(with_sizes(packed({"a": b"x" * 500}), 0, size))
    with pytest.raises(RejectedError, match="damaged"):
        contents(with_sizes(packed({"a": b"x" * 500}, zipfile.ZIP_STORED), size, size))


def test_a_member_with_bad_data_leaves_the_others_readable():
    raw = bytearray(packed({"a": b"first", "b": b"second", "c": b"third"}, zipfile.ZIP_STORED))
    raw[raw.index(b"second")] ^= 1
    archive = opened(bytes(raw))
    with pytest.raises(RejectedError, match="the zip is damaged"):
        archive.unpack(archive.members["b"])
    assert [archive.unpack(archive.members[name]) for name in "ac"] == [b"first", b"third"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (NotImplementedError, "the zip is damaged"),
        (OSError, "the zip is damaged"),
        (OverflowError, "the zip is damaged"),
        (MemoryError, "does not fit into this computer's memory"),
    ],
)
def test_whatever_zipfile_raises_is_one_kind_of_error(monkeypatch, error, sentence):
    archive = opened(packed({"a": b"text"}))

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(zipfile.ZipFile, "open", fail)
    with pytest.raises(RejectedError, match=sentence):
        archive.unpack(archive.members["a"])
    monkeypatch.setattr(zipfile.ZipFile, "__init__", fail)
    with pytest.raises(RejectedError, match=sentence):
        opened(b"")


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
        ("├⌐".encode(), 0x800, "├⌐"),  # not "é", as which macOS would have meant it without the flag
    ],
)
def test_names_are_read_in_the_encodings_that_exist(stored, flag, name):
    raw = bytearray(packed({"x" * len(stored): b"text"})).replace(b"x" * len(stored), stored)
    for flags in (6, raw.index(b"PK\1\2") + 8):
        raw[flags : flags + 2] = struct.pack("<H", flag)
    assert contents(bytes(raw)) == {name: b"text"}


def test_a_name_that_is_no_text_is_refused():
    raw = bytearray(packed({"x.ipynb": b"text"})).replace(b"x", b"\xff")
    raw[raw.index(b"PK\1\2") + 8 : raw.index(b"PK\1\2") + 10] = struct.pack("<H", 0x800)
    with pytest.raises(RejectedError, match="the zip is damaged"):
        opened(bytes(raw))


def test_of_two_members_with_one_name_the_last_is_taken_and_marked():
    room = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(room, "w") as archive:
        warnings.simplefilter("ignore")
        archive.writestr("a", b"old")
        archive.writestr("a", b"new")
    assert contents(room.getvalue()) == {"a": b"new"} and opened(room.getvalue()).members["a"].twice


def test_folders_and_links_are_marked():
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w") as archive:
        archive.writestr("folder/", b"")
        link = zipfile.ZipInfo("link")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "target")
    listed = opened(room.getvalue()).members
    assert listed["folder/"].is_folder and not listed["folder/"].is_link
    assert listed["link"].is_link and not listed["link"].is_folder


def test_later_members_have_later_times():
    room = io.BytesIO()
    with zipfile.ZipFile(room, "w") as archive:
        for time in ((2025, 12, 31, 23, 59, 58), (2026, 1, 1, 0, 0, 0), (2026, 1, 1, 0, 1, 0)):
            archive.writestr(zipfile.ZipInfo(str(time), time), b"")
    times = [each.modified for each in opened(room.getvalue()).members.values()]
    assert times == sorted(set(times)) and times[2] - times[1] == 60


def test_a_day_that_is_in_no_calendar_is_a_time_too():
    raw = bytearray(packed({"a": b"text"}))
    raw[raw.index(b"PK\1\2") + 12 : raw.index(b"PK\1\2") + 16] = b"\0\0\0\0"
    assert opened(bytes(raw)).members["a"].modified == 0
