"""The picture of the cleaning: nothing is lost in the comparison, and what was removed can be seen without colour."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from test_views_tokens import Page

from nanochat_helpers.errors import MessageError
from nanochat_helpers.postprocess import EDIT_NAMES, Edit, clean
from nanochat_helpers.views.edits import ENDINGS, MEANINGS, Part, compare, edits_data, edits_html

SPECIAL = ["<|im_start|>", "<|im_end|>"]
RAW = " Bot: Hi  <|im_end|>\nUser: And"
WORDS = st.lists(st.sampled_from(["a", "ab ", " ", "\n", "<|im_end|>", "Bot:", "No. No. No. No. "])).map("".join)


def kinds(before, after):
    return [(part.kind, part.text) for part in compare(before, after)]


def view_of(raw_text, **options):
    return edits_data(raw_text, clean(raw_text, special_tokens=SPECIAL, stop="\nUser:", **options).edits)


# --- comparing


@pytest.mark.parametrize(
    ("before", "after", "parts"),
    [
        ("Hi <|im_end|>", "Hi", [("kept", "Hi"), ("removed", " <|im_end|>")]),
        ("  Hi\n", "Hi", [("removed", "  "), ("kept", "Hi"), ("removed", "\n")]),
        ("a<|im_end|>b", "ab", [("kept", "a"), ("removed", "<|im_end|>"), ("kept", "b")]),
        (
            "haha\nhaha!",
            "ha\nha!",
            [("kept", "ha"), ("removed", "ha"), ("kept", "\nha"), ("removed", "ha"), ("kept", "!")],
        ),
        ("a \n\n\nb", "a\n\nb", [("kept", "a"), ("removed", " "), ("kept", "\n\n"), ("removed", "\n"), ("kept", "b")]),
        ("Hi", "", [("removed", "Hi")]),
        ("Hi", "Hi", [("kept", "Hi")]),
        ("", "", []),
        ("my mail", "[mail]", [("removed", "my mail"), ("added", "[mail]")]),
    ],
)
def test_two_texts_are_compared_in_whole_pieces(before, after, parts):
    assert kinds(before, after) == parts


@given(WORDS | st.text(), WORDS | st.text())
@example("a " * 2000, " a" * 2000)
def test_the_parts_make_both_texts(before, after):
    parts = compare(before, after)
    assert "".join(part.text for part in parts if part.kind != "added") == before
    assert "".join(part.text for part in parts if part.kind != "removed") == after


@given(WORDS)
def test_each_step_of_a_cleaning_makes_the_next_ones_text(raw_text):
    cleaned = clean(raw_text, special_tokens=SPECIAL, finish_reason="length")
    data = edits_data(raw_text, cleaned.edits)
    assert (data.raw_text, data.text) == (raw_text, cleaned.text)
    for step, edit in zip(data.steps, cleaned.edits, strict=True):
        assert step.name == edit.name
        assert step.n_removed == len(edit.before) - len(edit.after)
        assert not [part for part in step.parts if part.kind == "added"]


def test_a_name_is_removed_at_the_beginning_and_a_loop_at_the_end():
    name = edits_data("Bot: B", [Edit("remove_own_name", "Bot: B", "B")]).steps[0]
    assert name.parts == (Part("Bot: ", "removed"), Part("B", "kept"))
    loop = edits_data("No. No. No. ", [Edit("cut_loop", "No. No. No. ", "No. ")]).steps[0]
    assert loop.parts == (Part("No. ", "kept"), Part("No. No. ", "removed"))


def test_edits_of_a_trace_are_dicts_and_unknown_ones_are_drawn_too():
    data = edits_data("my mail", [{"name": "hide <mail>", "before": "my mail", "after": "my [mail]"}])
    assert data.text == "my [mail]"
    assert "hide <mail>" in Page(edits_html(data)).text


def test_every_edit_and_every_ending_is_explained():
    assert list(MEANINGS) == list(EDIT_NAMES)
    assert set(ENDINGS) == {"stop", "length", "stop_string", "blocked", "cancelled"}


# --- drawing


def test_removed_text_is_marked_without_colour_and_its_white_space_can_be_seen():
    page = Page(edits_html(view_of(RAW)))
    assert page.tags.count("del") == 4
    for seen in ("⟦<|im_end|>⟧", "⟦·Bot:·⟧", "⟦⏎\nUser:·And⟧", "⟦··⟧"):
        assert seen in page.text
    assert not page.open


def test_in_the_kept_text_only_odd_spaces_are_signs():
    assert "a⏎⏎\nb" in Page(edits_html(edits_data("a\n\nb", []))).text
    assert "a b c·⏎\n·d··e f·" in Page(edits_html(edits_data("a b c \n d  e f ", []))).text


def test_the_boxes_stand_in_order_from_the_raw_text_to_the_reply():
    text = Page(edits_html(view_of(RAW))).text
    names = ["raw text", "remove_special_tokens", "remove_own_name", "cut_at_stop_string", "tidy_white_space", "reply"]
    places = [text.index(name) for name in names[:-1]] + [text.rindex("reply")]
    assert places == sorted(places)
    assert "4 edits, 30 characters removed"[:7] in text
    assert f"{len(RAW) - 2} characters removed" in text


def test_why_the_reply_ended_is_told_where_it_is_known():
    assert "ended by length: the token limit" in Page(edits_html(edits_data("Hi", [], finish_reason="length"))).text
    assert "ended by" not in Page(edits_html(edits_data("Hi", []))).text
    assert "ended by <odd>" in Page(edits_html(edits_data("Hi", [], finish_reason="<odd>"))).text


def test_without_edits_it_says_so():
    page = Page(edits_html(edits_data("Hi.", [])))
    assert "No edit changed anything" in page.text
    assert "del" not in page.tags
    assert "nothing" in Page(edits_html(edits_data("", []))).text


def test_a_long_stretch_is_cut_in_the_middle_and_says_by_how_much():
    data = edits_data("a" * 999 + "b", [Edit("cut_loop", "a" * 999 + "b", "a" * 499)])
    page = Page(edits_html(data, limit=100))
    assert "… 399 characters not drawn …" in page.text  # of the kept ones
    assert "… 401 characters not drawn …" in page.text  # of the removed ones
    assert len(page.text) < 1500


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80), st.booleans())
@example("<script>alert(1)</script><del>", True)
def test_no_text_becomes_a_tag(text, as_name):
    page = Page(edits_html(edits_data(text, [Edit(text if as_name else "cut_loop", text, "")], finish_reason=text)))
    assert set(page.tags) <= {"style", "div", "b", "span", "ol", "li", "del"}
    assert not page.open


def test_it_has_a_label_and_ids_of_its_own():
    html = edits_html(view_of(RAW))
    assert "From the raw text to the reply: 4 edits" in Page(html).labels[0]
    assert "edit 1, remove_special_tokens: 10 characters removed" in Page(html).labels
    assert re.findall(r"\sid=", html) == []


@pytest.mark.parametrize("wrong", [(5, []), (None, []), ("Hi", "cut_loop"), ("Hi", 5), ("Hi", clean("Hi "))])
def test_what_is_no_text_or_no_list_of_edits_is_one_sentence(wrong):
    with pytest.raises(MessageError, match="must be a"):
        edits_data(*wrong)


def test_the_closing_sign_stands_on_the_line_that_it_closes():
    data = edits_data("a\n\n\n\nb", clean("a\n\n\n\nb").edits)
    assert "⟦⏎⏎⟧\nb" in Page(edits_html(data)).text
