"""The result of a check says the same in signs, words and colours, and shows what a student wrote as text."""

import html

import pytest
from test_views_tokens import Page

from nanochat_helpers.checks.result import FAILED, NOT_ATTEMPTED, PASSED, PROBLEM, CheckResult
from nanochat_helpers.views.check import WORDS, check_html, check_text, progress_html, progress_text

RESULTS = {
    PASSED: CheckResult("04.3", "Top-p", PASSED, "All 25 public checks passed.", 25, 25),
    NOT_ATTEMPTED: CheckResult("04.3", "Top-p", NOT_ATTEMPTED, "Write `apply_top_p`.", 0, 25),
    PROBLEM: CheckResult("04.3", "Top-p", PROBLEM, "There is no function `apply_top_p` yet.", 0, 25),
    FAILED: CheckResult(
        "04.3",
        "Top-p",
        FAILED,
        "17 of 25 checks came out right. At place 1 (counted from 0) it should be -1.20397, but it is -inf.",
        17,
        25,
        call="apply_top_p(logits=tensor([-0.69, -1.2, -1.61]), top_p=0.6)",
        expected="tensor([-0.69, -1.2, -inf])",
        got="tensor([-0.69, -inf, -inf])",
        case_note="the probabilities are 0.5, 0.3 and 0.2",
        misconception="dropped the token that crosses p",
        hints=("Is that *already* 0.6?", "`probs.sort()` sorts."),
        notes=("What it prints is not shown here, and does not count.",),
    ),
}
EVIL = "<script>alert('`')</script>\n&amp; *a* \x1b[31m"


@pytest.mark.parametrize("status", RESULTS)
def test_the_card_says_in_words_what_its_colour_says(status):
    page = Page(check_html(RESULTS[status]))
    assert f"{WORDS[status]}: 04.3 Top-p" in page.text
    assert f'aria-label="{WORDS[status]}: exercise 04.3, Top-p"' in check_html(RESULTS[status])


def test_a_failed_check_shows_the_case_then_the_hints_then_the_notes():
    result = RESULTS[FAILED]
    text = Page(check_html(result)).text
    words = ["came out right", "call", result.call, "note", "expected", result.expected, "got", result.got]
    words += ["Hint: Is that already 0.6?", "Hint: probs.sort() sorts.", "What it prints"]
    places = [text.find(word) for word in words]
    assert -1 not in places
    assert places == sorted(places)


def test_code_and_stressed_words_are_set_apart_but_a_product_is_not():
    shown = check_html(CheckResult("1", "t", PROBLEM, "`a * b * c` is *not* 2 * 3 * 4 nor **kwargs* nor `lonely"))
    assert "<code>" not in shown  # an odd number of backticks: text as it is
    shown = check_html(CheckResult("1", "t", PROBLEM, "`a * b * c` is *not* 2 * 3 * 4"))
    assert "<code>a * b * c</code> is <em>not</em> 2 * 3 * 4" in shown


@pytest.mark.parametrize("name", ["sentence", "title", "call", "expected", "got", "case_note", "exercise_id"])
def test_what_a_student_wrote_is_text(name):
    fields = {"exercise_id": "1", "title": "t", "status": FAILED, "sentence": "s"} | {name: EVIL}
    shown = check_html(CheckResult(**fields))
    assert "<script" not in shown
    assert html.escape("&amp;") in shown
    assert "<script" not in check_html(CheckResult("1", "t", FAILED, "s", hints=(EVIL,), notes=(EVIL,)))


def test_no_line_in_a_terminal_is_longer_than_80_characters_and_nothing_is_lost():
    value = "[" + ", ".join(f"'word {number}'" for number in range(60)) + "]"
    result = CheckResult("1", "t", FAILED, "so " * 60 + "on.", call=value, expected="x" * 200, hints=("look " * 40,))
    text = check_text(result)
    assert max(map(len, text.splitlines())) <= 80
    assert value.replace(" ", "") in text.replace(" ", "").replace("\n", "")
    assert "x" * 200 in text.replace(" ", "").replace("\n", "")


def test_a_value_goes_on_below_its_beginning():
    result = CheckResult("1", "t", FAILED, "s", call="f(" + "1, " * 40 + ")", expected="first\nsecond")
    lines = check_text(result).splitlines()
    assert lines[2].startswith("  call      f(1, 1")
    assert lines[3].startswith("            1, 1")
    assert lines[-2:] == ["  expected  first", "            second"]


def test_the_whole_text_of_a_failed_check():
    assert check_text(RESULTS[FAILED]) == (
        "Not yet: 04.3 Top-p\n"
        "17 of 25 checks came out right. At place 1 (counted from 0) it should be\n"
        "-1.20397, but it is -inf.\n"
        "  call      apply_top_p(logits=tensor([-0.69, -1.2, -1.61]), top_p=0.6)\n"
        "  note      the probabilities are 0.5, 0.3 and 0.2\n"
        "  expected  tensor([-0.69, -1.2, -inf])\n"
        "  got       tensor([-0.69, -inf, -inf])\n"
        "Hint: Is that *already* 0.6?\n"
        "Hint: `probs.sort()` sorts.\n"
        "What it prints is not shown here, and does not count."
    )


def test_progress_counts_the_points_of_what_passed():
    rows = [(result, points) for points, result in enumerate(RESULTS.values(), start=1)]
    assert progress_text("Sheet 04, so far", rows) == (
        "✔ 04.3 Top-p: Passed (1 of 1 point)\n"
        "○ 04.3 Top-p: Not attempted yet (0 of 2 points)\n"
        "! 04.3 Top-p: Could not be checked (0 of 3 points)\n"
        "✘ 04.3 Top-p: Not yet (0 of 4 points)\n"
        "Sheet 04, so far: 1 of 10 points"
    )
    page = Page(progress_html("Sheet 04, so far", rows))
    assert "Sheet 04, so far" in page.text and "1 of 10" in page.text
    assert 'aria-label="Sheet 04, so far: 1 of 10 points"' in progress_html("Sheet 04, so far", rows)
    assert Page(progress_html("Nothing", [])).text


def test_a_question_that_a_teacher_reads_has_a_row_and_no_share_in_the_sum():
    text = progress_text("Sheet 03, so far", [], 3)
    assert text == "  the question: your teacher reads it (up to 3 points)\nSheet 03, so far: 0 of 0 points"
    assert "your teacher reads it</td><td>up to 3</td>" in progress_html("Sheet 03, so far", [], 3)
    assert "teacher" not in progress_html("Sheet 04, so far", [])
