"""The pictures of safety: marked where the rules found something, escaped, and one square for each text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat_helpers.safety import Labelled, Safety, check, evaluate
from nanochat_helpers.safety_rules import Rule
from nanochat_helpers.safety_words import word_rule
from nanochat_helpers.views.safety import (
    SHOWN,
    marked_data,
    marked_html,
    scores_data,
    scores_html,
    share_text,
)


def rule(name, *places, action="mask"):
    return Rule(name, lambda text: places, action, f"{name} says <b>so</b>.")


def marked(text, *rules):
    return marked_data(text, check(text, rules))


def tiles(html):
    return [html.count(f'<i class="nc-safe-tile nc-safe-{kind}"></i>') for kind in ("missed", "found", "alarm")]


def test_a_text_is_cut_where_findings_begin_and_end():
    data = marked("0123456789", rule("a", (2, 5), action="warn"), rule("b", (4, 7)))
    assert [(piece.text, [finding.rule for finding in piece.findings]) for piece in data.pieces] == [
        ("01", []),
        ("23", ["a"]),
        ("4", ["a", "b"]),
        ("56", ["b"]),
        ("789", []),
    ]


@given(st.text(max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=4))
def test_the_pieces_together_are_the_text(text, places):
    places = [(min(place), max(place)) for place in places if max(place) <= len(text)]
    assert "".join(piece.text for piece in marked(text, rule("x", *places)).pieces) == text


@pytest.mark.parametrize(
    ("action", "verdict", "goes_on"),
    [
        ("block", "⛔ Blocked", None),
        ("mask", "▒ It goes on, with 1 place masked", "[x]cd"),
        ("warn", "⚠ It goes", "abcd"),
    ],
)
def test_what_happens_is_said_first_and_what_goes_on_is_shown(action, verdict, goes_on):
    data = marked("abcd", rule("x", (0, 2), action=action))
    assert data.verdict.startswith(verdict)
    assert data.goes_on == goes_on
    html = marked_html(data)
    assert f'<mark class="nc-safe-{action}">ab<small>' in html
    assert (goes_on or "Blocked by the safety rule “x”") in html
    assert ("What goes on:" in html) == (goes_on is not None)


def test_a_harmless_text_has_no_mark():
    html = marked_html(marked("abcd"))
    assert "Nothing was found" in html and "<mark" not in html and "<li>" not in html


def test_the_place_of_a_finding_is_its_first_and_its_last_character():
    assert "characters 4 to 9:" in marked_html(marked("You stupid robot", rule("rude", (4, 10))))


def test_nothing_is_run_that_somebody_typed():
    html = marked_html(marked("<script>x</script>", rule("<i>name", (0, 8))))
    assert "<script" not in html and "<i>name" not in html and "<b>so" not in html
    assert "&lt;script&gt;" in html and "&lt;i&gt;name" in html


def test_the_strongest_action_gives_a_place_its_mark_and_all_rules_are_named():
    html = marked_html(marked("abcd", rule("soft", (0, 4), action="warn"), rule("hard", (0, 4), action="block")))
    assert '<mark class="nc-safe-block">abcd<small>⛔ soft, hard</small></mark>' in html


def test_a_long_text_is_cut_and_the_rest_is_counted():
    data = marked("x" * (SHOWN + 5), rule("a", (SHOWN - 1, SHOWN + 3)), rule("later", (SHOWN + 4, SHOWN + 5)))
    assert data.n_hidden == 5
    assert [len(piece.text) for piece in data.pieces] == [SHOWN - 1, 1]
    assert "5 more characters" in marked_html(data)
    many = marked("x" * 40, rule("a", *((place, place + 1) for place in range(0, 40, 2))))
    assert "… and 8 more" in marked_html(many)
    assert marked("").pieces == () and "(nothing)" in marked_html(marked(""))


EXAMPLES = [Labelled("red a", ("red",)), Labelled("crimson", ("red",)), Labelled("Red Cross"), Labelled("blue")]


def test_one_square_for_each_text_that_matters():
    rows = scores_data(evaluate(Safety([word_rule("red", ["red"]), word_rule("never", ["x"])]), EXAMPLES))
    assert [(row.rule, row.n_missed, row.n_found, row.n_false_alarms) for row in rows] == [("red", 1, 1, 1)]
    html = scores_html(rows)
    assert tiles(html) == [2, 2, 2]  # one of each in the legend
    assert re.search(r'aria-label="red: 1 missed, 1 found, 1 false alarms"', html)
    assert "recall</i> 1 of 2 = 50 %" in html and "precision</i> 1 of 2 = 50 %" in html


def test_where_nothing_is_to_be_shown_a_sentence_says_so():
    assert "No rule is on" in scores_html(())


def test_a_share_of_nothing_is_a_dash():
    assert share_text(None, 0, 0) == "–"
    assert share_text(5 / 8, 5, 8) == "5 of 8 = 63 %"
    assert share_text(0.0, 0, 3) == "0 of 3 = 0 %"
