"""The pictures of step 2: numbers that can be checked by hand, and text that stays text."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat_helpers.tokens import Piece, split
from nanochat_helpers.views.markup import bar, count, figure, message, visible
from nanochat_helpers.views.tokens import (
    Chip,
    chips_data,
    chips_html,
    ladder_data,
    ladder_html,
    merges_data,
    merges_html,
)

TOY = "hop hop top"


class Page(HTMLParser):
    """Reads HTML as a browser does: which tags there are, which classes, and the text one sees."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.classes, self.labels, self.text, self.open = [], [], [], "", []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append(tag)
        self.classes += (attrs.get("class") or "").split()
        self.labels += [attrs["aria-label"]] if "aria-label" in attrs else []
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data


def fake_pieces(text):
    return [Piece(number, character, character.encode()) for number, character in enumerate(text)]


def chips_of(text):
    return [Chip((piece,)) for piece in fake_pieces(text)]


# --- what all views share


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (" ", "·"),
        ("a\n\tb", "a⏎⇥b"),
        ("\x00\x1b\x7f", "␀␛␡"),
        ("\u202e", "U+202E"),
        ("\u200d", "U+200D"),
        ("\u00a0", "U+00A0"),
        ("\u0301", "◌\u0301"),
        ("e\u0301", "e\u0301"),
        ("<b>&\"'", "<b>&\"'"),
        ("汉😀", "汉😀"),
    ],
)
def test_every_character_can_be_seen(text, seen):
    assert Page(visible(text)).text == seen


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=150))
def test_no_text_becomes_a_tag(text):
    assert set(Page(visible(text)).tags) <= {"span"}
    assert set(Page(message(text)).tags) <= {"style", "div", "p"}
    assert set(Page(figure("", label=text)).tags) == {"style", "div"}


def test_long_text_says_how_much_is_left_out():
    assert Page(visible("a" * 1300, limit=100)).text == "a" * 100 + "… 1,200 more characters"


def test_one_is_singular():
    assert [count(number, "token") for number in (0, 1, 2, 1200)] == ["0 tokens", "1 token", "2 tokens", "1,200 tokens"]


@pytest.mark.parametrize(("share", "width"), [(0.5, "width:50.0%"), (-1, "width:0%"), (2, "width:100%")])
def test_a_bar_stays_in_its_frame_and_says_what_it_is(share, width):
    assert width in bar(share, label="half")
    assert Page(bar(share, label='"half"')).labels == ['"half"']


# --- chips


def test_an_emoji_is_one_chip_with_two_numbers(smollm2_tokenizer):
    chips = chips_data("Hi 😀", smollm2_tokenizer)
    assert [chip.label for chip in chips] == ["Hi", " 😀"]
    page = Page(chips_html(chips))
    assert "3 tokens" in page.text
    assert "4 characters · 7 bytes" in page.text
    assert page.labels == ["The text in 3 tokens", "'Hi', token 26843", "' 😀', token 40303 and 218"]


def test_half_a_character_is_shown_as_its_bytes_and_never_as_a_question_mark():
    half = Chip((Piece(177, "æ", b"\xe6\xb1"),))
    assert half.label == "E6 B1"
    assert "�" not in chips_html([half])


def test_a_replacement_character_that_was_really_written_is_shown():
    assert Chip((Piece(0, "", "�".encode()),)).label == "�"


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_the_chips_of_any_text_are_whole_html(text):
    page = Page(chips_html(chips_of(text)))
    assert page.open == []
    assert set(page.tags) <= {"style", "div", "b", "span", "br"}
    assert page.classes.count("nc-chip") == len(text)


def test_hostile_text_shows_as_text(smollm2_tokenizer):
    text = "<script>alert('x')</script>\" onmouseover=\"x <|im_end|>"
    page = Page(chips_html(chips_data(text, smollm2_tokenizer)))
    assert "script" not in page.tags
    assert "<script" not in chips_html([Chip((Piece(0, "<script>", b"<script>"),))])
    assert "nc-special" in page.classes


def test_ten_thousand_characters_stay_readable(smollm2_tokenizer):
    source = chips_html(chips_data("word " * 2000, smollm2_tokenizer))
    assert len(source) < 200_000
    tokens = len(split("word " * 2000, smollm2_tokenizer))
    assert f"and {tokens - 400:,} tokens more, not drawn" in Page(source).text


def test_every_chip_can_be_reached_with_the_keyboard():
    assert chips_html(chips_of("abc")).count('tabindex="0"') == 3


def test_no_text_is_no_chips():
    assert "0 tokens" in Page(chips_html([])).text


# --- ladder


def test_each_tokenizer_has_its_row_and_its_count(smollm2_tokenizer):
    rungs = ladder_data("Hi 😀", {"characters": list, "words": str.split, "SmolLM2": smollm2_tokenizer})
    assert [(rung.name, rung.n_tokens) for rung in rungs] == [("characters", 4), ("words", 2), ("SmolLM2", 3)]
    assert rungs[2].pieces == (("Hi", 1, False), (" 😀", 2, False))
    page = Page(ladder_html(rungs))
    assert "characters: 4 tokens; words: 2 tokens; SmolLM2: 3 tokens" in page.labels
    assert "·😀 ×2" in page.text


def test_a_word_that_became_unknown_is_marked_as_lost():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordPiece({"[UNK]": 0, "play": 1, "##ing": 2}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")
    (rung,) = ladder_data("playing 汉", {"WordPiece": tokenizer})
    assert rung.pieces == (("play", 1, False), ("##ing", 1, False), ("[UNK]", 1, True))
    assert "nc-lost" in Page(ladder_html([rung])).classes


def test_a_long_row_counts_everything_and_draws_the_first_part():
    page = Page(ladder_html(ladder_data("a" * 10_000, {"characters": list}), limit=10))
    assert "… 9,990 more" in page.text
    assert "10,000 tokens" in page.text


def test_a_ladder_with_no_tokenizer_or_no_text_is_drawn():
    assert Page(ladder_html([])).open == []
    assert "0 tokens" in Page(ladder_html(ladder_data("", {"characters": list}))).text


def test_a_name_cannot_break_the_page():
    assert "img" not in Page(ladder_html(ladder_data("a", {"<img src=x>": list}))).tags


# --- merges


def test_the_first_merges_of_a_toy_text_are_those_made_by_hand():
    # hop, ' hop', ' top': o+p 3 times; then h+op twice and ' '+h, ' '+t, t+op once each.
    start, after_two = merges_data(TOY, 0), merges_data(TOY, 2)
    assert (start.merges, start.stage.best_pairs[0]) == ((), (("o", "p"), 3))
    assert after_two.merges == (("o", "p"), ("h", "op"))
    assert after_two.stage.words == {("hop",): 1, (" ", "hop"): 1, (" ", "t", "op"): 1}


def test_the_next_pair_is_outlined_wherever_it_stands():
    page = Page(merges_html(merges_data(TOY, 0)))
    assert page.classes.count("nc-next") == 3
    assert "3 ← next" in page.text
    assert "the text is 11 pieces long" in page.text


def test_nothing_gives_the_answer_away_before_the_guess():
    page = Page(merges_html(merges_data(TOY, 0), show_next=False))
    assert "nc-next" not in page.classes
    assert "next" not in page.text.replace("Which pair is merged next?", "")
    assert "Guess" in page.text


def test_steps_beyond_the_last_merge_stay_at_the_end():
    view = merges_data("ab", 50)
    assert (view.merges, view.stage.next_pair) == ((("a", "b"),), None)
    assert "No pair is left" in Page(merges_html(view)).text


@given(text=st.text(alphabet="ab <", max_size=30), n_merges=st.integers(0, 5))
def test_the_stepper_draws_any_text(text, n_merges):
    page = Page(merges_html(merges_data(text, n_merges)))
    assert page.open == []
    assert set(page.tags) <= {"style", "div", "b", "span", "p", "i"}
