"""Step 2, byte-pair encoding: by hand, against the tokenizers library, and for real."""

import doctest
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from nanochat_helpers import bpe
from nanochat_helpers.bpe import (
    apply_merges,
    count_pairs,
    learn_merges,
    learning_stages,
    merge_pair,
    merge_stages,
    read_merges,
    replay_merges,
    split_words,
)
from nanochat_helpers.tokens import split

ALL_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
TOY_TEXT = st.text(alphabet="ab c", max_size=60)


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
    theirs = read_merges(PreTrainedTokenizerFast(tokenizer_object=backend))
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


def test_only_bpe_has_merges():
    wordpiece = Tokenizer(models.WordPiece({"[UNK]": 0, "hello": 1}, unk_token="[UNK]"))
    with pytest.raises(ValueError, match="WordPiece"):
        read_merges(PreTrainedTokenizerFast(tokenizer_object=wordpiece))


def test_the_examples_in_the_docstrings_are_true(smollm2_tokenizer):
    names = {"smollm2_tokenizer": smollm2_tokenizer, **vars(bpe)}
    results = doctest.testmod(bpe, extraglobs=names)
    assert results.attempted >= 7
    assert results.failed == 0
