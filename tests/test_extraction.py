"""Step 6, parsing: each value by hand; what is not sure is None; and no text makes it stumble."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat_helpers.errors import MessageError, SettingsError
from nanochat_helpers.extraction import extract_choice, extract_code, extract_json, extract_number

YES_NO, LETTERS = ["yes", "no"], ["A", "B", "C"]
EXTRACT = {
    "number": extract_number,
    "yes or no": lambda text: extract_choice(text, YES_NO),
    "letter": lambda text: extract_choice(text, LETTERS),
    "json": extract_json,
    "code": extract_code,
}
# Pieces that make numbers, brackets, fences and choices likely.
MESSY = st.lists(
    st.sampled_from(
        [*"0123456789.,-−=+(){}[]:\"'` \n", "```", "answer is ", "Yes", "no", "A", "B", "not ", "\\", "null"]
    )
    | st.characters()
).map("".join)

# --- a number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12),
        ("It is 12.", 12),
        ("**12**", 12),
        ("-4 degrees", -4),
        ("−4", -4),  # the minus sign of print
        ("About 3.5 km", 3.5),
        ("3.5km", 3.5),
        ("50%", 50),
        ("$5", 5),
        ("There are 1,200 cats", 1200),
        ("1,234,567.5", 1234567.5),
        ("7 + 5 = 12", 12),
        ("7 + 5 = **12**.", 12),
        ("x = -4", -4),
        ("7 plus 5 equals 12", 12),
        ("You have 3 and 4. Answer: 7", 7),
        ("Of 3 and 4 the sum is 7", 7),
        ("12. Yes, 12!", 12),
        ("12 or 12.0", 12),
        ("12 * 3 = 36, and 36 + 0 = 36", 36),
        ("```\n12\n```", 12),
        ("٣", 3),
    ],
)
def test_the_one_number_of_a_text_is_read(text, number):
    assert extract_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "twelve",
        "from 3 to 5",
        "3-5",
        "3/4",
        "10:30",
        "2026-05-01",
        "1. Tea\n2. Milk",
        "1,5",
        "1,2,3",
        "1.2.3",
        "1e5",
        "5²",
        ".5",
        "the 2nd of May",
        "the 4th",
        "It is 3. No, it is 4.",
        "x = 3 and y = 4",
        "x >= 3, not 4",
        "the sum of 7 and 5 is 12",  # nothing says which of them is meant
        "9" * 5000,
    ],
)
def test_a_text_without_one_sure_number_gives_none(text):
    assert extract_number(text) is None


@pytest.mark.parametrize("text", ["H2O has 3 atoms", "GPT4 says 3", "a3 is 3"])
def test_a_digit_inside_a_name_is_no_number(text):
    assert extract_number(text) == 3


@given(st.integers(-(10**12), 10**12))
def test_every_whole_number_is_read_as_it_was_written(number):
    assert extract_number(f"The answer is {number}.") == number
    assert extract_number(f"It is {number:,}!") == number


@given(st.integers(), st.integers())
def test_two_different_numbers_are_never_one(one, other):
    found = extract_number(f"{one} or {other}")
    assert found == one if one == other and abs(one) < 10**90 else found is None


# --- a choice


@pytest.mark.parametrize(
    ("text", "choices", "choice"),
    [
        ("Yes, it is.", YES_NO, "yes"),
        ("NO!", YES_NO, "no"),
        ("No, it is not.", YES_NO, "no"),
        ("My notes: yes", YES_NO, "yes"),  # no "no" in "notes" and "piano"
        ("A piano? Yes", YES_NO, "yes"),
        ("B", LETTERS, "B"),
        ("(B)", LETTERS, "B"),
        ("**B**", LETTERS, "B"),
        ("B. A", ["B", "C"], "B"),
        ("A: the cat", LETTERS, "A"),
        ("A\nThe cat", LETTERS, "A"),
        ("B because it is big", LETTERS, "B"),
        ("a B", LETTERS, "B"),
        ("The answer is B, not A.", LETTERS, "B"),
        ("A or B? Answer: B", LETTERS, "B"),
        ("New York is big.", ["York", "New York"], "New York"),
        ("Groß", ["groß", "klein"], "groß"),
        ("C++!", ["C", "C++"], "C++"),
    ],
)
def test_the_one_choice_that_is_named_is_read(text, choices, choice):
    assert extract_choice(text, choices) == choice


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("", YES_NO),
        ("perhaps", YES_NO),
        ("Yes and no.", YES_NO),
        ("It is not good.", ["good", "bad"]),
        ("It isn't a good one", ["good", "bad"]),
        ("The answer is not B", LETTERS),
        ("A cat sleeps.", LETTERS),
        ("A and B", LETTERS),
        ("A: A cat (A) is larger than an elephant (B).", LETTERS),
        ("I think so", ["I", "V"]),
        ("abc", LETTERS),
        ("b", LETTERS),
    ],
)
def test_a_text_that_names_no_one_choice_for_sure_gives_none(text, choices):
    assert extract_choice(text, choices) is None


@pytest.mark.parametrize("choices", [[], "yes", ["yes", ""], ["yes", "Yes"], ["yes", 1], None, ["A", "A"]])
def test_choices_that_are_none_are_one_sentence(choices):
    with pytest.raises(SettingsError, match="a list of different texts"):
        extract_choice("yes", choices)


# --- JSON


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"age": 3}', {"age": 3}),
        ('Here it is: {"age": 3}. Bye!', {"age": 3}),
        ('```json\n{"a": [1, {"b": null}]}\n```', {"a": [1, {"b": None}]}),
        ("[1, 2]", [1, 2]),
        ("{}", {}),
        ('{"a": 1} and again {"a":1}', {"a": 1}),
        ('{"a": "}{"}', {"a": "}{"}),
    ],
)
def test_the_one_json_value_is_read(text, value):
    assert extract_json(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        "no braces",
        '{"a": 1',
        '{"a": [1, 2], }',  # what stands inside a broken value is not the answer
        "{'a': 1}",
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        '{"a": 1} or {"a": 2}',
        '{"a": 1} or {"a": true}',
        '[1] or {"a": 1}',
        "[" * 100_000,
        "[" * 900 + "]" * 900 + "[1]",
        "[" + "9" * 5000 + "]",
    ],
)
def test_a_text_without_one_sound_json_value_gives_none(text):
    assert extract_json(text) is None


@given(
    st.recursive(
        st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text(), max_size=3),
        lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    )
)
def test_every_json_value_comes_back_out_of_a_sentence(value):
    assert extract_json(f"Of course: {json.dumps(value)} That is all.") == value


# --- code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Run:\n```python\nx = 1\n```", "x = 1\n"),
        ("```\nx\n\ny\n```\nDone.", "x\n\ny\n"),
        ("```\n```", ""),
        ("  ```py\n  x\n  ```", "  x\n"),
        ("```\nx\n```\nAgain:\n```\nx\n```", "x\n"),
        ("```\nprint('`')\n```", "print('`')\n"),
    ],
)
def test_the_one_block_of_code_is_read(text, code):
    assert extract_code(text) == code


@pytest.mark.parametrize(
    "text", ["", "x = 1", "`x`", "```python\nx = 1", "```\nx\n```\n```\ny\n```", "```x```\n```y```"]
)
def test_a_text_without_one_whole_block_gives_none(text):
    assert extract_code(text) is None


# --- what holds for all


@pytest.mark.parametrize("extract", EXTRACT.values(), ids=EXTRACT)
@given(text=MESSY)
def test_no_text_makes_it_stumble(extract, text):
    extract(text)


@given(MESSY)
def test_what_is_read_stands_in_the_text(text):
    choice, code = extract_choice(text, LETTERS), extract_code(text)
    assert choice is None or choice in text
    assert code is None or code in text


@pytest.mark.parametrize("extract", EXTRACT.values(), ids=EXTRACT)
@pytest.mark.parametrize("text", [None, 12, b"12", ["12"]])
def test_what_is_no_text_is_one_sentence(extract, text):
    with pytest.raises(MessageError, match=r"reply\.text"):
        extract(text)


@pytest.mark.parametrize("extract", EXTRACT.values(), ids=EXTRACT)
@pytest.mark.parametrize("piece", ["1", "1,", "- ", "= ", "answer ", "not ", "A ", "{}", "```\n", " "])
def test_a_long_text_takes_no_long_time(extract, piece):
    start = time.process_time()
    extract(piece * 20_000)
    assert time.process_time() - start < 10  # a few hundredths; where it tries for ever, minutes
