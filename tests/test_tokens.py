"""Step 2: text to pieces and back."""

import doctest
import subprocess
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from nanochat_helpers import tokens
from nanochat_helpers.errors import MessageError, TokenError
from nanochat_helpers.tokens import (
    Piece,
    TextDecoder,
    byte_symbols,
    common_prefix_length,
    group_characters,
    special_token_ids,
    split,
    text_of,
    token_bytes,
)

ALL_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def as_transformers(backend, **special):
    return PreTrainedTokenizerFast(tokenizer_object=backend, clean_up_tokenization_spaces=False, **special)


@pytest.fixture(scope="session")
def byte_tokenizer():
    """One token for each byte, number = byte, and one control token: it can read every text."""
    backend = Tokenizer(models.BPE({symbol: byte for byte, symbol in byte_symbols().items()}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return as_transformers(backend, eos_token="<|end|>")


@pytest.fixture(scope="session")
def wordpiece_tokenizer():
    words = ["[UNK]", "hello", "play", "##ing", "world", ".", "!"]
    backend = Tokenizer(models.WordPiece({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(cleanup=True)
    return as_transformers(backend, unk_token="[UNK]")


def sentencepiece_backend(decoder):
    words = ["<unk>", "▁", "▁hello", "▁you", "lo", "<0xC3>", "<0xA9>", "<0x0A>"]
    backend = Tokenizer(models.BPE({word: number for number, word in enumerate(words)}, [], unk_token="<unk>"))
    backend.decoder = decoder
    return as_transformers(backend, unk_token="<unk>")


@pytest.fixture(scope="session")
def llama_like_tokenizer():
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    return sentencepiece_backend(decoders.Sequence(steps))


@pytest.fixture(scope="session")
def t5_like_tokenizer():
    return sentencepiece_backend(decoders.Metaspace(replacement="▁", prepend_scheme="always"))


def decode_one_by_one(token_ids, tokenizer, **options):
    decoder = TextDecoder(tokenizer, **options)
    return "".join([*map(decoder.push, token_ids), decoder.flush()])


# --- pieces and bytes


def test_the_sign_of_the_space_is_256_higher_than_the_space():
    assert byte_symbols()[ord(" ")] == "Ġ" == chr(ord(" ") + 256)


def test_byte_symbols_are_those_of_the_tokenizers_library():
    assert set(byte_symbols().values()) == set(pre_tokenizers.ByteLevel.alphabet())
    every_byte = bytes(range(256))
    by_library, _ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str("Aé\n ")[0]
    assert by_library == "".join(byte_symbols()[byte] for byte in "Aé\n ".encode())
    assert len({byte_symbols()[byte] for byte in every_byte}) == 256


def test_an_emoji_is_two_tokens_and_one_group(smollm2_tokenizer):
    assert [piece.bytes for piece in split("Hi 😀", smollm2_tokenizer)] == [b"Hi", b" \xf0\x9f\x98", b"\x80"]
    assert [text_of(group) for group in group_characters(split("Hi 😀", smollm2_tokenizer))] == ["Hi", " 😀"]


def test_a_control_token_in_the_text_is_one_special_piece(smollm2_tokenizer):
    *_, last = split("Hi<|im_end|>", smollm2_tokenizer)
    assert (last.bytes, last.is_special) == (b"<|im_end|>", True)
    assert last.token_id in special_token_ids(smollm2_tokenizer)


@given(text=ALL_TEXT)
def test_pieces_together_are_the_text(byte_tokenizer, text):
    assert text_of(split(text, byte_tokenizer)) == text


@given(text=st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"], include_characters="\n\t\r")))
def test_real_pieces_together_are_the_text(smollm2_tokenizer, text):
    # SmolLM2 has no token for six control characters and for bytes of planes that Unicode has not filled yet.
    assert text_of(split(text, smollm2_tokenizer)) == text


def test_what_smollm2_cannot_read_is_left_out_by_the_tokenizer_itself(smollm2_tokenizer):
    assert (
        text_of(split("a\x04b", smollm2_tokenizer))
        == smollm2_tokenizer.decode(smollm2_tokenizer.encode("a\x04b"))
        == "ab"
    )


def test_wordpiece_marks_what_continues_a_word(wordpiece_tokenizer):
    pieces = split("hello playing", wordpiece_tokenizer)
    assert [piece.token for piece in pieces] == ["hello", "play", "##ing"]
    assert [piece.bytes for piece in pieces] == [b"hello", b"play", b"ing"]
    assert split("xyz", wordpiece_tokenizer)[0].is_special


@pytest.mark.parametrize(
    ("token", "expected"), [("▁hello", b" hello"), ("<0x0A>", b"\n"), ("lo", b"lo"), ("<unk>", b"<unk>")]
)
def test_sentencepiece_has_its_own_space_and_spells_bytes_in_hex(llama_like_tokenizer, token, expected):
    assert token_bytes(llama_like_tokenizer.convert_tokens_to_ids(token), llama_like_tokenizer) == expected


@pytest.mark.parametrize("token_id", [-1, 49_152])
def test_a_number_outside_the_vocabulary_is_named(smollm2_tokenizer, token_id):
    with pytest.raises(TokenError, match=rf"token_id={token_id} .* 0 to 49151"):
        token_bytes(token_id, smollm2_tokenizer)


@pytest.mark.parametrize("text", ["a\ud83d", b"bytes", None])
def test_what_is_no_text_is_refused(byte_tokenizer, text):
    with pytest.raises(MessageError, match=r"lone surrogate. at position 1|must be text"):
        split(text, byte_tokenizer)


def test_an_empty_text_has_no_pieces(byte_tokenizer):
    assert split("", byte_tokenizer) == group_characters([]) == []


@given(data=st.binary(), borders=st.sets(st.integers(0, 30)))
def test_groups_keep_every_piece_in_order_and_end_between_characters(data, borders):
    cuts = sorted({0, len(data), *(border for border in borders if border < len(data))})
    pieces = [Piece(0, "", data[start:end]) for start, end in zip(cuts, cuts[1:], strict=False)]
    groups = group_characters(pieces)
    assert [piece for group in groups for piece in group] == pieces
    assert "".join(text_of(group) for group in groups) == data.decode("utf-8", errors="replace")


def test_a_control_token_never_joins_half_a_character():
    half, control = Piece(1, "", "é".encode()[:1]), Piece(2, "<s>", b"<s>", is_special=True)
    assert group_characters([half, control]) == [(half,), (control,)]


def test_the_text_of_a_token_is_never_a_replacement_character(smollm2_tokenizer):
    ids = smollm2_tokenizer.encode("Paris 😀")
    texts = [tokens.token_text(token_id, smollm2_tokenizer) for token_id in ids]
    assert texts[0] == "Paris"
    assert texts[-1] == tokens.token_bytes(ids[-1], smollm2_tokenizer).hex(" ").upper()
    assert not any("\ufffd" in text for text in texts)


def test_a_list_of_texts_is_a_vocabulary_and_a_number_beyond_the_words_is_named(smollm2_tokenizer):
    assert tokens.token_text(1, ["cat", " dog"]) == " dog"
    assert tokens.token_text(10**6, smollm2_tokenizer) == "id 1000000"


# --- decoding


@given(text=ALL_TEXT)
def test_the_decoder_never_shows_half_a_character(byte_tokenizer, text):
    decoder = TextDecoder(byte_tokenizer)
    shown = ""
    for token_id in text.encode():
        shown += decoder.push(token_id)
        assert text.startswith(shown)
    assert decoder.flush() == ""
    assert shown == text


@given(token_ids=st.lists(st.integers(0, 256)), skip=st.booleans())
def test_the_decoder_gives_what_the_tokenizer_gives_even_for_bytes_that_are_no_text(byte_tokenizer, token_ids, skip):
    whole = byte_tokenizer.decode(token_ids, skip_special_tokens=skip)
    assert decode_one_by_one(token_ids, byte_tokenizer, skip_special_tokens=skip) == whole


@given(token_ids=st.lists(st.integers(0, 49_200)), skip=st.booleans())
def test_the_decoder_gives_what_the_real_tokenizer_gives(smollm2_tokenizer, token_ids, skip):
    whole = smollm2_tokenizer.decode(token_ids, skip_special_tokens=skip)
    assert decode_one_by_one(token_ids, smollm2_tokenizer, skip_special_tokens=skip) == whole


@given(token_ids=st.lists(st.integers(0, 6)), skip=st.booleans())
def test_wordpiece_gets_its_spaces_back(wordpiece_tokenizer, token_ids, skip):
    whole = wordpiece_tokenizer.decode(token_ids, skip_special_tokens=skip)
    assert decode_one_by_one(token_ids, wordpiece_tokenizer, skip_special_tokens=skip) == whole


@given(token_ids=st.lists(st.sampled_from([2, 3, 4, 7])))
def test_sentencepiece_loses_only_its_first_space(llama_like_tokenizer, t5_like_tokenizer, token_ids):
    assert decode_one_by_one(token_ids, llama_like_tokenizer) == llama_like_tokenizer.decode(token_ids)
    no_hex = [token_id for token_id in token_ids if token_id != 7]  # T5 knows no bytes
    assert decode_one_by_one(no_hex, t5_like_tokenizer) == t5_like_tokenizer.decode(no_hex)


def test_bytes_spelled_in_hex_make_a_character(llama_like_tokenizer):
    decoder = TextDecoder(llama_like_tokenizer)
    assert [decoder.push(token_id) for token_id in (2, 5, 6)] == ["hello", "", "é"]


def test_flush_shows_a_character_that_was_never_finished_once(byte_tokenizer):
    decoder = TextDecoder(byte_tokenizer)
    assert decoder.push("é".encode()[0]) == ""
    assert (decoder.flush(), decoder.flush()) == ("�", "")


def test_special_tokens_show_only_when_asked_for(byte_tokenizer):
    end = byte_tokenizer.eos_token_id
    assert decode_one_by_one([104, end], byte_tokenizer) == "h"
    assert decode_one_by_one([104, end], byte_tokenizer, skip_special_tokens=False) == "h<|end|>"


def test_the_decoder_keeps_no_text(byte_tokenizer):
    decoder = TextDecoder(byte_tokenizer)
    decoder.push(97)
    tracemalloc.start()
    for _ in range(20_000):
        decoder.push(97)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 2_000


# --- the module itself


def test_the_examples_in_the_docstrings_are_true(smollm2_tokenizer):
    names = {"smollm2_tokenizer": smollm2_tokenizer, **vars(tokens)}
    results = doctest.testmod(tokens, extraglobs=names)
    assert results.attempted >= 3
    assert results.failed == 0


def test_importing_the_module_loads_neither_torch_nor_transformers():
    code = (
        "import sys, nanochat_helpers.tokens; print(sorted({'torch', 'transformers', 'tokenizers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# --- what two lists share

IDS = st.lists(st.integers(0, 3), max_size=8)


@given(IDS, IDS)
def test_the_common_prefix_is_what_two_lists_share_from_the_start(a, b):
    length = common_prefix_length(a, b)
    assert a[:length] == b[:length]
    assert length == min(len(a), len(b)) or a[length] != b[length]
    assert common_prefix_length([5, 6, 7], [5, 6, 9, 7]) == 2
