"""Step 2: text to pieces and back, and byte-pair encoding by hand and for real."""

import doctest
import string
import subprocess
import sys
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from nanochat_helpers import tokens
from nanochat_helpers.errors import MessageError
from nanochat_helpers.tokens import (
    Piece,
    TextDecoder,
    apply_merges,
    byte_symbols,
    count_pairs,
    group_characters,
    learn_merges,
    learning_stages,
    merge_pair,
    merge_stages,
    read_merges,
    replay_merges,
    special_token_ids,
    split,
    split_words,
    text_of,
    token_bytes,
)

ALL_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
TOY_TEXT = st.text(alphabet="ab c", max_size=60)


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
    with pytest.raises(IndexError, match=rf"token_id={token_id} .* 0 to 49151"):
        token_bytes(token_id, smollm2_tokenizer)


@pytest.mark.parametrize("text", ["a\ud83d", b"bytes", None])
def test_what_is_no_text_is_refused(byte_tokenizer, text):
    with pytest.raises(MessageError, match=r"half a character at position 1|is not a text"):
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


# --- byte-pair encoding by hand


def test_neighbours_count_as_often_as_their_word_occurs():
    assert count_pairs({("h", "o", "p"): 3, ("t", "o", "p"): 1}) == {("h", "o"): 3, ("o", "p"): 4, ("t", "o"): 1}


def test_a_pair_is_merged_from_left_to_right_and_never_overlaps():
    assert merge_pair("banana", ("a", "n")) == ("b", "an", "an", "a")
    assert merge_pair("aaaaa", ("a", "a")) == ("aa", "aa", "a")


def test_merges_of_a_toy_text_are_those_learned_by_hand():
    # The words are hop, ' hop' and twice ' top'. o+p comes 4 times; then h+op, t+op, ' '+t twice each: ' ' is oldest.
    assert learn_merges("hop hop top top", 2) == [("o", "p"), (" ", "t")]


def test_ties_go_to_the_pair_that_is_older_in_the_vocabulary():
    assert learn_merges("cdab", 1) == [("a", "b")]
    assert learn_merges("ab", 5) == [("a", "b")]  # no pair is left after one


def test_a_word_never_seen_is_cut_into_pieces_that_were_learned():
    merges = learn_merges("hop hop hop stop", 2)
    assert merges == [("o", "p"), ("h", "op")]
    assert apply_merges("shopper", merges) == ("s", "hop", "p", "e", "r")
    assert apply_merges("xyz", merges) == ("x", "y", "z")


@given(text=TOY_TEXT)
def test_words_together_are_the_text(text):
    assert "".join(split_words(text)) == text


@given(text=TOY_TEXT, n_merges=st.integers(0, 12))
def test_each_merge_makes_the_text_shorter_by_its_count_and_loses_nothing(text, n_merges):
    stages = learning_stages(text, n_merges)
    for before, after in zip(stages, stages[1:], strict=False):
        assert length(after.words) < length(before.words)
        assert letters(after.words) == letters(before.words)
    assert stages[-1].next_pair is None
    assert len(stages) <= n_merges + 1


def length(words):
    return sum(len(pieces) * times for pieces, times in words.items())


def letters(words):
    return {"".join(pieces): times for pieces, times in words.items()}


@given(text=st.text(alphabet="abcd e", min_size=2, max_size=80))
@settings(max_examples=200)
def test_learned_merges_are_those_of_the_tokenizers_library(text):
    text = " ".join(text.split()) or "a"
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(r" ?\S+|\s"), behavior="isolated")
    alphabet = sorted(set(text))
    trainer = trainers.BpeTrainer(vocab_size=len(alphabet) + 6, show_progress=False, min_frequency=1)
    backend.train_from_iterator([text], trainer)
    theirs = read_merges(as_transformers(backend))
    assert learn_merges(text, len(theirs)) == theirs
    for word in split_words(text):
        assert list(apply_merges(word, theirs)) == backend.encode(word).tokens


def test_a_negative_number_of_merges_is_refused():
    with pytest.raises(ValueError, match="n_merges=-1"):
        learn_merges("ab", -1)


def test_of_two_ways_to_make_a_piece_the_first_learned_counts():
    merges = [("b", "c"), ("a", "bc"), ("a", "b")]
    assert merge_stages("abc", merges)[1].pieces == ("a", "bc")


# --- the real merges


@pytest.fixture(scope="session")
def real_merges(smollm2_tokenizer):
    return read_merges(smollm2_tokenizer)


def test_smollm2_learned_space_t_first(real_merges):
    assert (len(real_merges), real_merges[0]) == (48_900, ("Ġ", "t"))


@given(word=st.text(string.ascii_letters + "éßñ汉字ωж", min_size=1, max_size=25), space=st.sampled_from(["", " "]))
@settings(deadline=None, max_examples=60)
def test_replayed_merges_end_at_the_tokenizers_own_pieces(smollm2_tokenizer, real_merges, word, space):
    stages = replay_merges(space + word, smollm2_tokenizer, merges=real_merges)
    assert list(stages[-1].pieces) == [piece.token for piece in split(space + word, smollm2_tokenizer)]
    assert stages[-1].pair is None


def test_two_words_are_not_replayed_as_one(smollm2_tokenizer, real_merges):
    with pytest.raises(ValueError, match="'two words' is not one word"):
        replay_merges("two words", smollm2_tokenizer, merges=real_merges)


def test_only_bpe_has_merges(wordpiece_tokenizer):
    with pytest.raises(ValueError, match="WordPiece"):
        read_merges(wordpiece_tokenizer)


# --- the module itself


def test_the_examples_in_the_docstrings_are_true(smollm2_tokenizer):
    names = {"smollm2_tokenizer": smollm2_tokenizer, **vars(tokens)}
    results = doctest.testmod(tokens, extraglobs=names)
    assert results.attempted >= 10
    assert results.failed == 0


def test_importing_the_module_loads_neither_torch_nor_transformers():
    code = (
        "import sys, nanochat_helpers.tokens; print(sorted({'torch', 'transformers', 'tokenizers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
