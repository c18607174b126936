"""The picture of a prediction: every guess is judged fairly, shown beside the truth, and never without words."""

import pytest
from test_views_tokens import Page

from nanochat_helpers.language import set_language
from nanochat_helpers.views.predict import (
    MOST_ROWS,
    Question,
    option_labels,
    predict_data,
    predict_html,
    question_html,
    spoken,
)

DRINKS = Question("Which one?", "choice", (" hot", " cold", " late"))
NUMBER = Question("How many?", "number", unit="tokens")
TURNS = Question("Which stay?", "several", (3, 9, 12))
TEXT = Question("What does it say?")
HOSTILE = "<script>alert(1)</script>"


def part(question, truth, guess=None, **more):
    return predict_data(question, truth, {} if guess is None else {"": guess}, **more).parts[0]


def class_part(question, truth, hands):
    return predict_data(question, truth, {}, hands={"": hands}).parts[0]


# --- one guess


@pytest.mark.parametrize(
    ("question", "truth", "guess", "verdict", "sentence"),
    [
        (DRINKS, " cold", " cold", "right", "Your guess was right: cold"),
        (DRINKS, " cold", " hot", "wrong", "You guessed hot; it is cold."),
        (DRINKS, [" cold", " late"], " late", "right", "Your guess was right: cold or late"),
        (DRINKS, " cold", None, "none", "The answer: cold"),
        (DRINKS, " purple", " hot", "wrong", "You guessed hot; it is purple."),
        (NUMBER, 32, 32.0, "right", "Your guess was right: 32 tokens"),
        (NUMBER, 32, 40, "wrong", "You guessed 40 tokens; it is 32 tokens, 8 less."),
        (NUMBER, 49152, 50, "wrong", "You guessed 50 tokens; it is 49,152 tokens, 49,102 more."),
        (NUMBER, 100, 95, "close", "Close: you guessed 95 tokens; it is 100 tokens, 5 more."),
        (NUMBER, 0, 0, "right", "Your guess was right: 0 tokens"),
        (DRINKS, [], " hot", "wrong", "You guessed hot; it is none of them."),
        (TURNS, [12, 9], [9, 12], "right", "Your guess was right: 12 and 9"),
        (TURNS, [9, 12], [9], "wrong", "You guessed 9; it is 9 and 12."),
        (TURNS, [], [], "right", "Your guess was right: none of them"),
        (TEXT, "The cat sat.", " the  cat sat.", "right", "Your guess was right: The cat sat."),
        (TEXT, "The cat sat.", "a dog", "open", "Compare the two."),
    ],
)
def test_a_guess_is_judged_in_one_sentence(question, truth, guess, verdict, sentence):
    judged = part(question, truth, guess)
    assert (judged.verdict, judged.sentence) == (verdict, sentence)


def test_all_options_are_rows_and_guess_and_truth_are_marked():
    rows = part(DRINKS, " cold", " hot").rows
    assert [(row.label, row.is_truth, row.is_guess) for row in rows] == [
        ("hot", False, True),
        ("cold", True, False),
        ("late", False, False),
    ]


def test_numbers_stand_in_their_order():
    assert [row.label for row in part(NUMBER, 32, 40).rows] == ["32 tokens", "40 tokens"]
    assert [row.label for row in part(NUMBER, 32, 4).rows] == ["4 tokens", "32 tokens"]


def test_a_later_guess_is_told_beside_the_first():
    assert part(DRINKS, " cold", " hot", later={"": " cold"}).later == "Changed after the truth was shown, to: cold"
    assert part(DRINKS, " cold", later={"": " cold"}).later == "Guessed after the truth was shown: cold"


def test_several_guesses_have_a_truth_each_by_name_or_in_order():
    question = Question("How much?", "number", names=("peaked", "flat"))
    guesses = {"peaked": 0.87, "flat": 0.5}
    for truth in ({"flat": 0.25, "peaked": 0.87}, [0.87, 0.25]):
        parts = predict_data(question, truth, guesses).parts
        assert [(each.name, each.verdict) for each in parts] == [("peaked", "right"), ("flat", "wrong")]


# --- a class


def test_the_class_is_counted_and_the_longest_bar_is_the_most_hands():
    counted = class_part(DRINKS, " hot", {" cold": 17, " hot": 11, " late": 0})
    assert counted.sentence == "17 of 28 guessed cold; it is hot."
    assert [(row.label, row.n_hands, round(row.share, 2)) for row in counted.rows] == [
        ("hot", 11, 0.65),
        ("cold", 17, 1.0),
        ("late", 0, 0.0),
    ]


def test_a_class_that_is_right_is_told_so():
    assert class_part(DRINKS, " hot", {" cold": 3, " hot": 25}).sentence == "25 of 28 were right: hot"


def test_numbers_of_a_class_stand_in_order_with_the_truth_among_them():
    counted = class_part(NUMBER, 32, {50: 4, 20: 9, 30: 2})
    assert counted.sentence == "0 of 15 guessed 32 tokens; 4 guessed more, 11 less."
    assert [(row.label, row.n_hands, row.is_truth) for row in counted.rows] == [
        ("20 tokens", 9, False),
        ("30 tokens", 2, False),
        ("32 tokens", 0, True),
        ("50 tokens", 4, False),
    ]


def test_many_different_numbers_share_rows_and_no_hand_is_lost():
    hands = {float(number): 1 for number in range(28)}
    counted = class_part(NUMBER, 13.5, hands)
    assert len(counted.rows) <= MOST_ROWS + 1
    assert sum(row.n_hands for row in counted.rows) == 28
    assert [row.label for row in counted.rows if row.is_truth] == ["12 to 15 tokens"]


def test_texts_of_a_class_stand_by_the_number_of_hands_and_the_truth_below():
    counted = class_part(TEXT, "Paris", {"Rome": 2, "Bonn": 5})
    assert [(row.label, row.n_hands) for row in counted.rows] == [("Bonn", 5), ("Rome", 2), ("Paris", 0)]


# --- words


def test_options_lose_their_spaces_unless_that_makes_two_of_them_the_same():
    assert option_labels([" hot", "cold "]) == ["hot", "cold"]
    assert option_labels(["a", " a"]) == ["a", "·a"]
    assert option_labels([" ", "a"]) == ["·", "a"]


@pytest.mark.parametrize(("number", "said"), [(1200, "1,200"), (0.76543, "0.7654"), (-3.0, "-3"), (1234.56, "1,234.6")])
def test_numbers_are_said_in_four_digits(number, said):
    assert spoken(number) == said


# --- drawing


def test_the_question_on_paper_has_a_box_for_each_option_and_a_line_for_what_is_written():
    assert question_html(DRINKS).count("☐") == 3
    assert "nc-guess-line" in question_html(TEXT) and "tokens" in Page(question_html(NUMBER)).text
    many = question_html(Question("How much?", "number", names=("peaked", "flat")))
    assert many.count('class="nc-guess-line') == 2 and "peaked" in many


def test_the_truth_is_marked_by_a_word_and_a_sign_and_a_pattern():
    page = predict_html(predict_data(DRINKS, " cold", {"": " hot"}, hands={"": {" hot": 3, " cold": 1}}))
    assert page.count("✔ truth") == 1 and page.count("<i>your guess</i>") == 1
    assert "repeating-linear-gradient" in page
    assert 'aria-label="3 of 4 guessed hot; it is cold."' in page


def test_what_a_student_types_is_shown_as_text():
    data = predict_data(TEXT, HOSTILE, {"": HOSTILE + "!"}, hands={"": {HOSTILE + "?": 2}})
    for page in (predict_html(data), question_html(Question(HOSTILE, "choice", (HOSTILE, "b"), names=(HOSTILE, "c")))):
        assert "<script" not in page and HOSTILE in Page(page).text


def test_the_sentences_are_translated(monkeypatch):
    monkeypatch.setenv("NANOCHAT_LANGUAGE", "en")
    set_language("de")
    assert "it is" not in part(DRINKS, " cold", " hot").sentence
