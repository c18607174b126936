"""Step 6: each edit by hand; once mended, a text stays as it is; a clean text is left alone."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nanochat_helpers.errors import MessageError, SettingsError
from nanochat_helpers.postprocess import (
    EDIT_NAMES,
    Edit,
    clean,
    cut_at_stop_string,
    cut_half_sentence,
    cut_loop,
    remove_own_name,
    remove_prompt,
    remove_special_tokens,
    tidy_white_space,
)

SPECIAL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
STOP = ("\nUser:", "\nBot:")
EDITS = {
    "remove_special_tokens": lambda text: remove_special_tokens(text, SPECIAL),
    "remove_prompt": lambda text: remove_prompt(text, "ab"),
    "remove_own_name": remove_own_name,
    "cut_at_stop_string": lambda text: cut_at_stop_string(text, STOP),
    "cut_loop": cut_loop,
    "cut_half_sentence": cut_half_sentence,
    "tidy_white_space": tidy_white_space,
}
# Letters that make loops, sentences, lists, empty lines, control tokens and stop strings likely.
MESSY = st.lists(
    st.sampled_from(
        [
            "a",
            "ab",
            "No. ",
            " ",
            "\n",
            "\t",
            "!",
            "1.",
            "。",
            '"',
            "Bot:",
            "assistant\n",
            *SPECIAL,
            "<|im_",
            "end|>",
            *STOP,
        ]
    )
).map("".join)
CLEAN = [
    "",
    "Yes.",
    "Paris is the capital of France.",
    "Ha ha ha! That is fun.",
    "1. Tea\n2. Coffee\n\nWhich one?",
    'She said: "Hi."',
    "Pi is 3.14159.",
    "你好。",
    "no end but also no trouble",
    "code:\n    indented",
    "a < b and b > c |",
]

# --- by hand


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello<|im_end|>", "Hello"),
        ("<|im_start|>Hello<|im_end|><|im_end|>\n", "Hello\n"),
        ("<|im_<|im_end|>end|>", ""),
        ("<|im_<|im_start|>end|>Hi", "Hi"),
        ("<|im_end", "<|im_end"),
        ("", ""),
    ],
)
def test_special_tokens_written_as_text_are_taken_out(text, expected):
    assert remove_special_tokens(text, SPECIAL) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi. Hello!", "Hello!"),
        (" Hi.\nHello!", "Hello!"),
        ("Hi. Hi. Hello!", "Hello!"),
        ("Hi.", ""),
        ("Hello! Hi.", "Hello! Hi."),
        ("hi. Hello!", "hi. Hello!"),
    ],
)
def test_a_prompt_that_opens_the_text_is_taken_away(text, expected):
    assert remove_prompt(text, "Hi. ") == expected


def test_half_a_word_is_no_prompt_and_no_prompt_takes_nothing_away():
    assert remove_prompt("High up", "Hi") == "High up"
    assert remove_prompt("Hi!", "Hi") == "!"
    assert remove_prompt("Hi!Hello", "Hi!") == "Hello"
    assert remove_prompt(" Hi", "") == remove_prompt(" Hi", " \n") == " Hi"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Assistant: Hi", "Hi"),
        ("\nBot:Hi", "Hi"),
        ("assistant\nHi", "Hi"),
        ("Bot: Bot: Hi", "Hi"),
        ("Bot:", ""),
        ("Assistant Hi", "Assistant Hi"),
        ("Robot: Hi", "Robot: Hi"),
        ("Hi. Bot: Hi", "Hi. Bot: Hi"),
        ("User: Hi", "User: Hi"),
    ],
)
def test_its_own_name_is_taken_away_where_it_opens_the_text(text, expected):
    assert remove_own_name(text) == expected


def test_a_bot_may_have_another_name():
    assert remove_own_name("Ada (2): Hi", ["Ada (2)"]) == "Hi"
    assert remove_own_name("Bot: Hi", ["Ada"]) == remove_own_name("Bot: Hi", []) == "Bot: Hi"


def test_without_special_tokens_nothing_is_taken_out():
    assert remove_special_tokens("<|im_end|>", []) == "<|im_end|>"
    assert remove_special_tokens("Hi", [""]) == "Hi"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fine.\nUser: And you?", "Fine."),
        ("Fine.\nBot: No\nUser: And", "Fine."),  # the first in the text, not in the list
        ("\nUser: Hi", ""),
        ("User: Hi", "User: Hi"),
        ("Fine.\nUser", "Fine.\nUser"),
        ("Fine.", "Fine."),
    ],
)
def test_the_text_ends_where_the_first_stop_string_begins(text, expected):
    assert cut_at_stop_string(text, STOP) == expected


def test_without_stop_strings_nothing_is_cut():
    assert cut_at_stop_string("Fine.\nUser: And", ()) == "Fine.\nUser: And"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No. " * 8, "No. No. "),
        ("Hm: " + "No. " * 8, "Hm: No. No."),  # the loop begins with the space before the first "No."
        ("No. " * 8 + "No", "No. No. "),
        ("x" * 30, "xx"),
        ("x" * 29, "x" * 29),
        ("ha ha ha", "ha ha ha"),
        ("What a lovely day it is. " * 2, "What a lovely day it is. " * 2),
        ("What a lovely day it is. " * 3, "What a lovely day it is. " * 2),
        ("What a lovely day it is. " * 3 + "What a", "What a lovely day it is. " * 2),
        ("No. " * 8 + "Yes.", "No. " * 8 + "Yes."),  # it found its way out
        ("", ""),
    ],
)
def test_a_loop_at_the_end_is_cut_after_two_rounds(text, expected):
    assert cut_loop(text) == expected


@pytest.mark.parametrize(("max_repeats", "left"), [(1, 1), (2, 2), (5, 5), (7, 7), (8, 8), (9, 8)])
def test_a_loop_may_have_as_many_rounds_as_it_is_told(max_repeats, left):
    assert cut_loop("No. " * 8, max_repeats) == "No. " * left


def test_a_loop_that_was_hidden_by_another_is_cut_too():
    verse = "Hello to the world " + "ha" * 20
    assert cut_loop(verse * 3 + "Hello") == verse + "Hello to the world haha"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I like tea. I also", "I like tea."),
        ("I like tea! Do you? I", "I like tea! Do you?"),
        ('She said: "Yes." And then', 'She said: "Yes."'),
        ("Really (yes!) and", "Really (yes!)"),
        ("Well… I", "Well…"),
        ("I like tea.\nAnd", "I like tea."),
        ("我喜欢茶。我也", "我喜欢茶。"),
        ("「はい。」と", "「はい。」"),
        ("I also", "I also"),
        ("Pi is 3.14 and", "Pi is 3.14 and"),
        ("It costs 5. And", "It costs 5."),
        ("1. Tea\n2. Coffee\n3. Mi", "1. Tea\n2. Coffee\n3. Mi"),  # "2." is no sentence
        ("1. Tea is hot.\n12. Cof", "1. Tea is hot."),
        ("I like tea.", "I like tea."),
        ("I like tea. \n", "I like tea. \n"),  # white space is no half sentence
        ("", ""),
    ],
)
def test_half_a_sentence_is_dropped_where_a_whole_one_is_left(text, expected):
    assert cut_half_sentence(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Hi \n", "Hi"),
        ("a  \nb\t\nc", "a\nb\nc"),
        ("a\n\n\n\nb", "a\n\nb"),
        ("a\n \n\t\n\nb", "a\n\nb"),
        ("a\r\nb\r\n", "a\nb"),
        ("a\n  b", "a\n  b"),
        ("a  b", "a  b"),
        (" \n\t", ""),
    ],
)
def test_white_space_is_tidied_at_the_ends_and_between_lines_only(text, expected):
    assert tidy_white_space(text) == expected


# --- what holds for every edit


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@given(text=MESSY)
@example(text="Hello to the world hahahahahahahahahahahahahahahahahahaha" * 3 + "Hello")
def test_an_edit_made_twice_is_made_once(edit, text):
    assert edit(edit(text)) == edit(text)


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("text", CLEAN)
def test_a_clean_text_is_left_alone(edit, text):
    assert edit(text) == text


@pytest.mark.parametrize("name", ["cut_at_stop_string", "cut_loop", "cut_half_sentence"])
@given(text=MESSY)
def test_a_cut_leaves_the_beginning_as_it_is(name, text):
    assert text.startswith(EDITS[name](text))


@given(MESSY)
def test_no_special_token_and_no_stop_string_is_left(text):
    assert not any(token in remove_special_tokens(text, SPECIAL) for token in SPECIAL)
    assert not any(string in cut_at_stop_string(text, STOP) for string in STOP)


# --- long and awkward texts

LONG = 10_000
AWKWARD = {
    "one letter": "a" * LONG,
    "a loop that ends just before the end": "ab" * (LONG // 2) + "c",
    "spaces before a letter": "x" + " " * LONG + "x",
    "empty lines": "\n" * LONG + "x",
    "full stops": "." * LONG,
    "quotes after a full stop": "." + '"' * LONG + "x",
    "digits": "1" * LONG + ".",
    "nearly a loop": ("a" * 50 + "b") * (LONG // 51),
    "no loop at all": "".join(map(chr, range(0x4E00, 0x4E00 + LONG))),
}


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_looking_for_a_loop_takes_steps_in_proportion_to_the_text(text):
    class Counted(str):
        looks = 0

        def __getitem__(self, place):
            Counted.looks += 1
            return str.__getitem__(self, place)

    cut_loop(Counted(text))
    assert Counted.looks <= 20 * LONG


@pytest.mark.parametrize("text", AWKWARD.values(), ids=AWKWARD)
def test_every_edit_copes_with_long_and_awkward_texts(text):
    cleaned = clean(text, special_tokens=SPECIAL, stop=STOP, finish_reason="length", prompt=text[:50])
    assert len(cleaned.text) <= len(text)


# --- all together

FINISH_REASONS = ["stop", "length", "stop_string", "cancelled"]
ALL = st.builds(
    dict,
    special_tokens=st.sampled_from([(), SPECIAL]),
    stop=st.sampled_from([(), STOP, "a\nb"]),
    finish_reason=st.sampled_from(FINISH_REASONS),
    prompt=st.sampled_from(["", "a", "<|im_start|>ab"]),
    only=st.none() | st.sets(st.sampled_from(EDIT_NAMES)),
)


@given(MESSY, ALL)
@example("What a fine day. What a fine day. What a fine day. Wha!", {"finish_reason": "length"})
@example("A fine day. B\nA fine day. B \nA fine day. B\n", {})  # white space hid a loop
@example("Fine a \nb", {"stop": "a\nb"})  # white space hid a stop string
def test_a_clean_text_stays_as_it_is(raw_text, settings):
    cleaned = clean(raw_text, **settings)
    assert clean(cleaned.text, **settings) == type(cleaned)(cleaned.text, [])


@given(MESSY, ALL)
def test_cleaning_never_adds_a_character(raw_text, settings):
    rest = iter(raw_text)
    assert all(character in rest for character in clean(raw_text, **settings).text)


def test_clean_lists_each_edit_with_the_text_before_and_after():
    cleaned = clean(" Fine.<|im_end|>\nUser: And", special_tokens=SPECIAL, stop=STOP)
    assert cleaned.text == "Fine."
    assert cleaned.edits == [
        Edit("remove_special_tokens", " Fine.<|im_end|>\nUser: And", " Fine.\nUser: And"),
        Edit("cut_at_stop_string", " Fine.\nUser: And", " Fine."),
        Edit("tidy_white_space", " Fine.", "Fine."),
    ]


@pytest.mark.parametrize("text", CLEAN)
@pytest.mark.parametrize("finish_reason", ["stop", "length"])
def test_a_clean_reply_has_no_edits(text, finish_reason):
    cleaned = clean(text, special_tokens=SPECIAL, stop=STOP, finish_reason=finish_reason)
    assert (cleaned.text, cleaned.edits) == (text, [])


@pytest.mark.parametrize(
    ("finish_reason", "expected"),
    [
        ("length", "I like tea."),
        ("stop", "I like tea. I also"),
        ("stop_string", "I like tea. I also"),
        ("cancelled", "I like tea. I also"),
    ],
)
def test_half_a_sentence_is_cut_only_when_the_reply_ran_out_of_length(finish_reason, expected):
    assert clean("I like tea. I also", finish_reason=finish_reason).text == expected


@given(MESSY, ALL)
def test_the_edits_lead_from_the_raw_text_to_the_clean_one(raw_text, settings):
    text = raw_text
    for edit in clean(raw_text, **settings).edits:
        assert edit.name in EDIT_NAMES
        assert edit.before == text != edit.after
        text = edit.after
    assert text == clean(raw_text, **settings).text


@given(MESSY, st.sets(st.sampled_from(EDIT_NAMES)))
def test_an_edit_that_is_switched_off_is_not_made(raw_text, only):
    cleaned = clean(raw_text, special_tokens=SPECIAL, stop=STOP, finish_reason="length", prompt="a", only=only)
    assert {edit.name for edit in cleaned.edits} <= only


def test_each_edit_can_be_the_only_one():
    raw_text = "Ab <|im_end|>Bot: 1. No. \nUser: No. No. No. No. No. No. No. No"
    options = {"special_tokens": SPECIAL, "stop": STOP, "finish_reason": "length", "prompt": "Ab <|im_end|>"}
    for name in EDIT_NAMES:
        text = "Bot: " + raw_text[15:] if name == "remove_own_name" else raw_text
        assert [edit.name for edit in clean(text, **options, only=[name]).edits] == [name], name


def test_a_whole_output_with_its_prompt_leaves_the_reply():
    prompt = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    for raw_text in (prompt + "Hello!<|im_end|>", "user\nHi\nassistant\nHello!"):
        assert clean(raw_text, special_tokens=SPECIAL, prompt=prompt).text == "Hello!"


def test_the_own_name_goes_before_a_stop_string_that_would_leave_nothing():
    assert clean("\nBot: Hi.\nUser: And", stop=STOP).text == "Hi."


@pytest.mark.parametrize("raw_text", [None, 12, b"Hi", ["Hi"]])
def test_what_is_no_text_is_one_sentence(raw_text):
    with pytest.raises(MessageError, match="raw_text"):
        clean(raw_text)
    with pytest.raises(MessageError, match="takes text"):
        clean("Hi", prompt=raw_text)


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("text", [None, 12, b"Hi", ["Hi"]])
def test_an_edit_of_what_is_no_text_is_one_sentence(edit, text):
    with pytest.raises(MessageError, match="takes text"):
        edit(text)


@pytest.mark.parametrize("edit", [remove_special_tokens, remove_own_name, cut_at_stop_string])
@pytest.mark.parametrize("wrong", [5, None, [5]])
def test_an_edit_with_no_list_of_texts_is_one_sentence(edit, wrong):
    with pytest.raises(SettingsError, match="one text or a list"):
        edit("Hi", wrong)


def test_an_edit_takes_one_text_in_place_of_a_list():
    assert remove_special_tokens("Hello<|im_end|>", "<|im_end|>") == "Hello"
    assert remove_own_name("Ada: Hi", "Ada") == "Hi"
    assert cut_at_stop_string("Here.\nUser: x", "\nUser:") == "Here."


@pytest.mark.parametrize(
    "wrong",
    [
        {"finish_reason": "lenght"},
        {"finish_reason": None},
        {"special_tokens": 5},
        {"stop": ""},
        {"stop": [1]},
        {"only": ["cut"]},
        {"only": "cut_loop"},
        {"only": ""},
        {"only": ["cut_loop", "x"]},
    ],
)
def test_a_stop_string_or_a_name_that_is_none_is_one_sentence(wrong):
    with pytest.raises(SettingsError, match="not allowed"):
        clean("Hi", **wrong)


def test_one_stop_string_or_special_token_needs_no_list():
    assert clean("Fine.\nUser: And", stop="\nUser:").text == "Fine."
    assert clean("Fine.<|im_end|>", special_tokens="<|im_end|>").text == "Fine."


@pytest.mark.parametrize("text", ["1" + "0" * 40, "| a | b |\n" + "|---" * 20 + "|", "-" * 60, "=" * 60])
def test_a_long_number_and_a_ruled_line_are_no_loops(text):
    assert cut_loop(text) == text
