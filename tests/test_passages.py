"""Reading documents and cutting them into passages, above all what goes wrong there."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat_helpers import passages
from nanochat_helpers.errors import DocumentError, SettingsError
from nanochat_helpers.passages import Collection, Passage, read_document, read_folder, split_passages


def write(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text, "utf-8")
    return folder


# --- cutting


def test_a_passage_begins_with_the_headings_above_it_and_knows_its_line():
    text = "# Cats\n\nThey sleep.\n\n## Food\n\nFish.\n\n# Dogs\n\nThey bark."
    assert split_passages(text, "pets.md") == [
        Passage("Cats\nThey sleep.", "pets.md", "line 3"),
        Passage("Cats › Food\nFish.", "pets.md", "line 7"),
        Passage("Dogs\nThey bark.", "pets.md", "line 11"),
    ]


def test_short_paragraphs_are_put_together_and_never_over_a_heading():
    assert [p.text for p in split_passages("one two\n\nthree\n\nfour five", max_words=3)] == [
        "one two\nthree",
        "four five",
    ]
    assert len(split_passages("one\n# Two\nthree", max_words=80)) == 2


def test_the_line_of_a_passage_is_that_of_its_first_paragraph():
    assert [p.place for p in split_passages("one\n\ntwo\n\nthree four", max_words=2)] == ["line 1", "line 5"]


def test_a_long_paragraph_is_cut_between_sentences():
    found = split_passages("One two three. Four five! Six seven?", max_words=5)
    assert [p.text for p in found] == ["One two three. Four five!", "Six seven?"]
    assert {p.place for p in found} == {"line 1"}


def test_a_sentence_that_is_too_long_is_cut_between_words():
    assert [p.text for p in split_passages("a b c d e", max_words=2)] == ["a b", "c d", "e"]


def test_lines_that_end_like_on_windows_make_the_same_passages():
    text = "# A\n\nb c\nd\n\ne"
    assert split_passages(text.replace("\n", "\r\n")) == split_passages(text)


def test_a_text_without_words_has_no_passage():
    assert split_passages(" \n\n# Only a heading\n") == []


@given(st.lists(st.text("ab .\n", max_size=60), max_size=8), st.integers(1, 20))
def test_without_headings_every_word_is_kept_in_order_and_no_passage_is_too_long(blocks, max_words):
    text = "\n\n".join(blocks)
    found = split_passages(text, max_words=max_words)
    assert " ".join(p.text for p in found).split() == text.split()
    assert all(len(p.text.split()) <= max_words for p in found)


def test_a_number_of_words_that_is_none_is_refused():
    with pytest.raises(SettingsError, match="max_words=0"):
        split_passages("a", max_words=0)


# --- reading a folder


def test_files_are_read_in_alphabetical_order_with_their_folders(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "c.MD").write_text("three")
    write(tmp_path, b="two", a="one")
    found = read_folder(tmp_path)
    assert [(p.text, p.source) for p in found] == [("one", "a.txt"), ("two", "b.txt"), ("three", "deep/c.MD")]
    assert found.sources == ["a.txt", "b.txt", "deep/c.MD"] and found.skipped == ()
    assert repr(found) == "3 passages from 3 documents"


def test_a_collection_is_a_sequence():
    one, two = Passage("one"), Passage("two")
    found = Collection((one, two))
    assert (len(found), found[1], list(found)) == (2, two, [one, two])


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"caf\xe9", "is not written in UTF-8 (byte 0xe9 at position 3). If it is text"),
        (b"\x89PNG\0\0\1", "is no text: it has a zero byte at position 4"),
        ("Hi".encode("utf-16-le"), "is no text: it has a zero byte at position 1. If it is text"),
        (b"\xff\xfeH", "is not written in UTF-16"),
    ],
)
def test_a_file_that_is_no_utf8_text_is_skipped_in_one_sentence(tmp_path, data, says):
    write(tmp_path, good="good")
    (tmp_path / "bad.txt").write_bytes(data)
    found = read_folder(tmp_path)
    assert [p.text for p in found] == ["good"]
    assert len(found.skipped) == 1 and "bad.txt" in found.skipped[0] and says in found.skipped[0]
    assert found.skipped[0] in repr(found)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_mark_at_the_beginning_tells_the_encoding(tmp_path, encoding):
    (tmp_path / "a.txt").write_text("déjà vu", encoding)
    assert read_document(tmp_path / "a.txt") == "déjà vu"


def test_a_zero_in_a_text_is_left_out_for_no_prompt_may_hold_one(tmp_path):
    (tmp_path / "a.txt").write_text("one\0 two", "utf-16")
    assert read_document(tmp_path / "a.txt") == "one two"


def test_a_file_that_is_too_big_is_refused_before_it_is_read(tmp_path, monkeypatch):
    write(tmp_path, good="good")
    with (tmp_path / "big.txt").open("wb") as file:
        file.truncate(50_000_000)
    read = []
    real = passages.Path.read_bytes
    monkeypatch.setattr(passages.Path, "read_bytes", lambda path: read.append(path.name) or real(path))
    found = read_folder(tmp_path)
    assert read == ["good.txt"]
    assert "too big: 50 MB; at most 5 MB" in found.skipped[0]


def test_other_kinds_of_files_are_named_once(tmp_path):
    write(tmp_path, a="one")
    for name in ("x.pdf", "y.pdf", "z.docx"):
        (tmp_path / name).touch()
    assert read_folder(tmp_path).skipped == ("Not read, because only .txt and .md are: .docx, .pdf files.",)


def test_links_that_lead_in_circles_end(tmp_path):
    write(tmp_path, a="one")
    (tmp_path / "circle").symlink_to(tmp_path)
    (tmp_path / "self.txt").symlink_to(tmp_path / "self.txt")
    found = read_folder(tmp_path)
    assert [p.text for p in found] == ["one"]
    assert len(found.skipped) == 1 and "self.txt cannot be read" in found.skipped[0]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    write(tmp_path, a="one")
    os.mkfifo(tmp_path / "pipe.txt")
    assert "no ordinary file" in read_folder(tmp_path).skipped[0]


def test_hidden_folders_and_files_are_left_out(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "a.txt").write_text("no")
    (tmp_path / ".b.txt").write_text("no")
    assert [p.text for p in read_folder(write(tmp_path, c="yes"))] == ["yes"]


def test_a_thousand_files_are_read(tmp_path):
    assert len(read_folder(write(tmp_path, **{f"f{number:04}": "a word" for number in range(1200)}))) == 1200


@pytest.mark.parametrize(("limit", "says"), [("MOST_FILES", "more than 2 files"), ("MOST_PASSAGES", "2 passages")])
def test_too_much_is_one_sentence(tmp_path, monkeypatch, limit, says):
    monkeypatch.setattr(passages, limit, 2)
    with pytest.raises(DocumentError, match=f"{says}.*smaller folder"):
        read_folder(write(tmp_path, a="a", b="b", c="c"))


def test_what_is_no_folder_is_one_sentence(tmp_path):
    with pytest.raises(DocumentError, match=r"There is no folder .*nowhere"):
        read_folder(tmp_path / "nowhere")
    with pytest.raises(DocumentError, match="is a file, not a folder"):
        read_folder(write(tmp_path, a="one") / "a.txt")
    for wrong in (None, "x" * 5000):
        with pytest.raises(DocumentError, match="is no folder: give its path"):
            read_folder(wrong)
    with pytest.raises(DocumentError, match="name of the folder is empty"):
        read_folder(" ")
    with pytest.raises(DocumentError, match="read_folder reads it"):
        read_document(tmp_path)
    with pytest.raises(DocumentError, match="cannot be read: No such file"):
        read_document(tmp_path / "missing.txt")


def test_a_folder_with_nothing_to_read_says_why(tmp_path):
    with pytest.raises(DocumentError, match=r"has no text: put some \.txt or \.md files"):
        read_folder(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"\0")
    with pytest.raises(DocumentError, match=r"Nothing in .* can be read\. .*a\.txt is no text"):
        read_folder(tmp_path)


# --- our own collection


def test_our_own_pages_are_read_whole():
    found = read_folder()
    assert found.skipped == () and 12 <= len(found.sources) <= 20
    assert all(len(p.text.split()) <= 100 for p in found)
