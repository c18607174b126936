"""Rules on the way in and out: what they find, what happens then, that they never hang, and how well they do."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanochat_helpers.errors import MessageError, SettingsError
from nanochat_helpers.safety import (
    Checked,
    Finding,
    Labelled,
    Safety,
    check,
    default_input_rules,
    default_output_rules,
    evaluate,
    load_safety_set,
    percent,
    refusal,
)
from nanochat_helpers.safety_rules import (
    Rule,
    find_repeats,
    is_phone,
    length_rule,
    passes_iban,
    passes_luhn,
    pattern_rule,
    repetition_rule,
)
from nanochat_helpers.safety_words import everyday_words, fold, rude_words, word_list, word_rule

FOR_EVER = r"(a|a)+$"  # tries 2 to the power of n ways


def found(text, rule=None):
    findings = Safety().check_input(text).findings
    return [(f.rule, text[f.start : f.end]) for f in findings if rule in (None, f.rule)]


def spans(rule, text):
    return [text[finding.start : finding.end] for finding in rule.findings(text)]


# --- personal data


@pytest.mark.parametrize(
    ("text", "rule", "place"),
    [
        ("Mail kim@example.org, please", "email", "kim@example.org"),
        ("<jörg+1@sub.exämple.co.uk>.", "email", "jörg+1@sub.exämple.co.uk"),
        ("Call +44 20 7946 0018!", "phone", "+44 20 7946 0018"),
        ("Call (555) 010-0199.", "phone", "(555) 010-0199"),
        ("Call 0171 / 555 0123.", "phone", "0171 / 555 0123"),
        ("Card 4111 1111 1111 1111.", "card number", "4111 1111 1111 1111"),
        ("Card 378282246310005", "card number", "378282246310005"),
        ("To DE89 3704 0044 0532 0130 00 please", "IBAN", "DE89 3704 0044 0532 0130 00"),
        ("GB82WEST12345698765432", "IBAN", "GB82WEST12345698765432"),
        ("Hi<|im_end|>", "control token", "<|im_end|>"),
        ("[INST]", "control token", "[INST]"),
    ],
)
def test_each_rule_finds_its_own_and_only_its_place(text, rule, place):
    assert found(text) == [(rule, place)]
    assert Safety().check_input(text).text == text.replace(place, f"[{rule}]")


@pytest.mark.parametrize(
    "text",
    [
        "@property",
        "me @ home",
        "2026-11-23",
        "03.04.2010",
        "1.000.000",
        "0.0000001",
        "978-0-306-40615-7",
        "4111 1111 1111 1112",
        "1234 5678 1234 5678",
        "0000 0000 0000 0000",
        "DE88 3704 0044 0532 0130 00",
        "a < b | c > d",
        "20:15",
        "What is 7 + 5?",
    ],
)
def test_what_only_resembles_personal_data_is_left_alone(text):
    assert Safety().check_input(text) == Checked(text, ())


def test_the_check_digit_of_a_card_by_hand():
    # 79927398713 from the right: 3 + (1·2) + 7 + (8·2-9) + 9 + (3·2) + 7 + (2·2) + 9 + (9·2-9) + 7 = 70
    assert passes_luhn("79927398713")
    assert [digit for digit in "0123456789" if passes_luhn("7992739871" + digit)] == ["3"]


@given(st.text("0123456789", min_size=12, max_size=18).filter(lambda digits: len(set(digits)) > 1), st.data())
def test_luhn_notices_every_single_wrong_digit(digits, data):
    number = next(digits + last for last in "0123456789" if passes_luhn(digits + last))
    place = data.draw(st.integers(0, len(number) - 1))
    wrong = data.draw(st.sampled_from([digit for digit in "0123456789" if digit != number[place]]))
    spoilt = number[:place] + wrong + number[place + 1 :]
    assert not passes_luhn(spoilt)


def test_the_checks_of_numbers_know_their_examples():
    assert passes_iban("GB82 WEST 1234 5698 7654 32") and not passes_iban("GB82 WEST 1234 5698 7654 33")
    assert is_phone("+44 20 7946 0018") and not is_phone("44 20 7946 0018 1234 5678")
    assert is_phone("555-010-0199") and not is_phone("5550100199")


# --- words


def test_words_are_found_whole_in_any_capitals_accents_and_width():
    rule = word_rule(words=["stupid", "blue whale"])
    assert spans(rule, "STUPID! stúpid, ｓｔｕｐｉｄ stu\u200bpid _stupid_ stupidity unstupid") == [
        "STUPID",
        "stúpid",
        "ｓｔｕｐｉｄ",
        "stu\u200bpid",
        "stupid",
    ]
    assert spans(rule, "a Blue Whale") == ["Blue Whale"]


def test_an_accent_at_the_end_of_a_word_belongs_to_the_place():
    assert word_rule(words=["cafe"], action="mask").findings("cafe\u0301!")[0].end == 5


def test_the_longer_of_two_words_is_found():
    assert spans(word_rule(words=["blue", "blue whale"]), "blue whale") == ["blue whale"]


def test_a_folded_text_knows_where_its_letters_stood():
    assert fold("ÉTÉ") == ("ete", [0, 1, 2])
    assert fold("ﬁn\u200d!") == ("fin!", [0, 0, 1, 3])
    assert fold("Aß")[0] == "aß"  # "Er aß" must not become an English word
    assert fold("Abc") == ("abc", range(3))


@given(st.text(max_size=40))
def test_folding_keeps_places_in_order_and_inside_the_text(text):
    letters, places = fold(text)
    assert len(letters) == len(places)
    assert list(places) == sorted(places)
    assert all(0 <= place < len(text) for place in places)


def test_digits_are_read_as_letters_only_on_demand():
    assert spans(word_rule(words=["stupid"]), "5tup1d") == []
    assert spans(word_rule(words=["stupid"], lookalikes=True), "5tup1d stupid") == ["5tup1d", "stupid"]


def test_words_of_ones_own_may_have_any_signs():
    assert spans(word_rule(words=["c++", "$$$", " "]), "C++ for $$$.") == ["C++", "$$$"]
    assert spans(word_rule(words=[]), "anything") == []


def test_the_safe_words_are_the_list_without_the_everyday_ones():
    assert len(word_list()) > 900
    assert everyday_words() < {word.lower() for word in word_list()}
    assert not set(rude_words()) & everyday_words()
    assert len(rude_words()) + len(everyday_words()) == len(word_list())
    assert {"pot", "gay", "hiv", "len"} <= everyday_words()
    assert "stupid" in rude_words()
    assert word_rule(everyday=True).findings("a pot") and not word_rule().findings("a pot")


def test_without_the_library_one_is_told_what_to_do(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    word_list.cache_clear()
    with pytest.raises(SettingsError, match="pip install better-profanity"):
        word_rule()
    assert word_rule(words=["blorp"]).findings("blorp")


@pytest.mark.parametrize("words", ["blorp", [1]])
def test_words_that_are_no_list_of_texts_are_refused(words):
    with pytest.raises(SettingsError, match="must be a list of texts"):
        word_rule(words=words)


# --- the whole text


def test_a_long_text_is_blocked_and_the_later_rules_need_not_look():
    looked = []
    later = Rule("later", lambda text: looked.append(text) or [])
    checked = check("abcdef", [length_rule(5), later])
    assert checked.findings == (Finding("length", "block", 5, 6, "A text may have at most 5 characters."),)
    assert not looked
    assert not check("abcde", [length_rule(5), later]).findings
    assert looked == ["abcde"]


def test_a_long_text_may_also_be_cut():
    assert check("abcdef", [length_rule(5, "mask")]).text == "abcde[length]"


@pytest.mark.parametrize("wrong", [0, -1, True, 2.5, "9"])
def test_a_length_that_is_none_is_refused(wrong):
    with pytest.raises(SettingsError, match="max_characters="):
        length_rule(wrong)


def test_the_third_time_is_a_repeat():
    once = "I like green tea. "
    assert find_repeats(once * 2) == []
    assert find_repeats(once * 3) == [(35, 53)]
    assert find_repeats("I like green tea.\nNo, really.\n" * 3) == [(60, 77), (78, 89)]
    assert find_repeats(once * 2, max_times=1) == [(17, 35)]


def test_runs_are_repeats_but_not_long_numbers_lists_and_laughing():
    assert find_repeats("no " * 12) == [(0, 36)]
    assert find_repeats("So l" + "o" * 40 + "ng") == [(4, 44)]
    assert find_repeats("ha ha ha") == find_repeats("1" + "0" * 60) == find_repeats("- a\n- b\n- a\n- a\n") == []
    assert find_repeats("|---|---|---|---|---|---|---|---|---|---|---|") == []


def test_repetition_is_only_told():
    checked = Safety().check_output("I like tea a lot. " * 5)
    assert [(finding.rule, finding.action) for finding in checked.findings] == [("repetition", "warn")]
    assert checked.text == "I like tea a lot. " * 5 and not checked.blocked
    assert repetition_rule(action="block").action == "block"


# --- a rule of one's own, and wrong ones


def test_a_rule_is_any_function_that_finds_places():
    shouting = Rule("shouting", lambda text: [(0, len(text))] if text.isupper() else [], "warn", "That is loud.")
    assert shouting.findings("HELLO") == [Finding("shouting", "warn", 0, 5, "That is loud.")]
    assert shouting.findings("hello") == []
    assert shouting.change(action="block").findings("HELLO")[0].action == "block"


def test_places_without_a_letter_are_none():
    assert Rule("x", lambda text: [(2, 2)]).findings("baab") == []
    assert pattern_rule("x", "a*").findings("baab") == [Finding("x", "mask", 1, 3, "This looks like: x.")]


@pytest.mark.parametrize("place", [(0, 9), (-1, 2), (3, 1), "ab", 4, (0.0, 1.0), None])
def test_a_place_that_is_none_is_told_with_the_name_of_the_rule(place):
    with pytest.raises(SettingsError, match="The rule 'mine' found"):
        Rule("mine", lambda text: [place]).findings("short")


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("(a", r"missing \) at position 2"),
        ("[a-", "bad set|unterminated character set at position"),
        ("*a", "nothing to repeat at position 0"),
        ("\\", "bad escape"),
        ("a{2,1}", "at position"),
        (r"\p{Foo}", "unknown property at position 7"),
        ("((a{1000}){1000}){1000}", "is too large"),
        ("a{99999}", "is too large"),
        ("a" * 3000, "is too large"),
        ("(" * 900 + "a" + ")" * 900, "cannot be used"),
        ("", "must be a text that is not empty"),
        (None, "must be a text that is not empty"),
    ],
)
def test_a_pattern_that_is_not_valid_is_one_sentence_with_the_rule_and_the_place(pattern, says):
    with pytest.raises(SettingsError, match=says) as caught:
        pattern_rule("badge", pattern)
    assert "'badge'" in str(caught.value) and "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_wrong_pattern_is_shown_as_it_was_typed():
    with pytest.raises(SettingsError, match=r"“\\d\(”"):
        pattern_rule("x", r"\d(")
    with pytest.raises(SettingsError, match=r"'a\\n\('"):
        pattern_rule("x", "a\n(")


def test_a_pattern_that_would_try_for_ever_is_stopped_and_the_text_blocked():
    rule = pattern_rule("for ever", FOR_EVER, "warn")
    start = time.perf_counter()
    checked = check("a" * 60 + "b", [rule])
    assert time.perf_counter() - start < 60  # 0.25 s, and not for ever
    assert checked.blocked
    assert "could not be checked" in refusal(checked.findings) and "“for ever”" in refusal(checked.findings)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Rule("", lambda text: []), "A rule needs a name"),
        (lambda: Rule("x", lambda text: [], "delete"), "the actions are block, mask, warn"),
        (lambda: Rule("x", "pattern"), "needs a function"),
        (lambda: Safety(input_rules=length_rule()), "input_rules must be a list of rules"),
        (lambda: Safety(output_rules=["email"]), r"output_rules\[0\] must be a rule"),
        (lambda: Safety([word_rule(), word_rule()]), "two rules with the name 'rude'"),
    ],
)
def test_what_is_no_rule_is_refused(make, says):
    with pytest.raises(SettingsError, match=says):
        make()


@pytest.mark.parametrize("text", [None, 7, b"bytes", "\ud83d"])
def test_what_is_no_text_is_refused(text):
    with pytest.raises(MessageError, match="The text"):
        Safety().check_input(text)


# --- what happens with a finding


def test_safe_defaults():
    actions = {rule.name: rule.action for rule in Safety().input_rules}
    assert actions == {
        "length": "block",
        "email": "mask",
        "IBAN": "mask",
        "card number": "mask",
        "phone": "mask",
        "control token": "mask",
        "rude": "block",
    }
    assert {rule.name: rule.action for rule in Safety().output_rules} == {
        **{name: action for name, action in actions.items() if name != "length"},
        "repetition": "warn",
    }
    assert [rule.name for rule in default_input_rules()] == list(actions)
    assert len(default_output_rules()) == 7


def test_no_rules_is_not_the_same_as_the_default():
    assert Safety([], []).check_input("you are stupid, kim@example.org") == Checked(
        "you are stupid, kim@example.org", ()
    )
    assert Safety([]).output_rules


def test_input_and_output_have_their_own_rules():
    safety = Safety([word_rule(words=["in"])], [word_rule(words=["out"])])
    assert safety.check_input("in").blocked and not safety.check_input("out").blocked
    assert safety.check_output("out").blocked and not safety.check_output("in").blocked


def test_findings_stand_in_the_order_of_the_text_and_count_in_the_text_before():
    text = "You stupid kim@example.org"
    checked = Safety().check_input(text)
    assert [text[f.start : f.end] for f in checked.findings] == ["stupid", "kim@example.org"]
    assert checked.text == "You stupid [email]"


def test_places_that_overlap_become_one_mask_and_nothing_of_them_is_left():
    rules = [
        Rule("first", lambda text: [(2, 5)]),
        Rule("second", lambda text: [(4, 7)]),
        Rule("inside", lambda text: [(3, 4)]),
        Rule("warning", lambda text: [(3, 4)], "warn"),
    ]
    checked = check("0123456789", rules)
    assert checked.text == "01[first]789"
    assert [finding.rule for finding in checked.findings] == ["first", "warning", "second"]


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=5), st.text("abc", min_size=12, max_size=12)
)
def test_exactly_what_was_found_is_masked(places, text):
    places = [(min(place), max(place)) for place in places]
    checked = check(text, [Rule("x", lambda text: places)])
    left = "".join(c for number, c in enumerate(text) if not any(start <= number < end for start, end in places))
    assert checked.text.replace("[x]", "") == left


@given(st.text(max_size=60))
def test_any_text_is_checked_without_an_error(text):
    for checked in (Safety().check_input(text), Safety().check_output(text)):
        assert all(0 <= f.start < f.end <= len(text) for f in checked.findings)


def test_a_refusal_names_the_rules_that_blocked_each_once():
    findings = Safety().check_input("stupid stupid kim@example.org").findings
    assert refusal(findings).count("“rude”") == 1
    assert "email" not in refusal(findings)
    assert "not blocked" in refusal([])
    two = [Finding("a", "block", 0, 1, "One."), Finding("b", "block", 0, 1, "Two.")]
    assert refusal(two).startswith("Blocked by the safety rules “a”: One. “b”: Two.")


@pytest.mark.parametrize(
    "unit",
    [
        "Mail kim@example.org or 0171 1234567, you stupid é. ",
        "1 ",
        "0-",
        "a@",
        "a.",
        "+",
        "é",
        "DE89",
        "<|",
        "A1 ",
        "x" * 9,
    ],
)
def test_a_text_of_100_kb_does_not_make_the_rules_hang(unit):
    safety = Safety([*default_input_rules()[1:], repetition_rule()])
    text = (unit * 100_000)[:100_000]
    start = time.process_time()  # the time of this process alone: other work on the machine does not count
    safety.check_input(text)
    assert time.process_time() - start < 5  # 0.1 s, where nothing back-tracks


# --- how well it works


def test_precision_and_recall_by_hand():
    examples = [
        Labelled("red car", ("red",)),
        Labelled("red light", ("red",)),
        Labelled("a crimson hat", ("red",)),
        Labelled("Red Cross"),
        Labelled("blue"),
    ]
    score = evaluate(Safety([word_rule("red", ["red"])]), examples)["red"]
    assert [example.text for example in score.found] == ["red car", "red light"]
    assert [example.text for example in score.false_alarms] == ["Red Cross"]
    assert [example.text for example in score.missed] == ["a crimson hat"]
    assert score.n_silent == 1
    assert (score.precision, score.recall) == (2 / 3, 2 / 3)


def test_one_label_is_a_list_of_one():
    assert Labelled("a", "phone") == Labelled("a", ["phone"]) == Labelled("a", ("phone",))
    assert evaluate(Safety([], []), [Labelled("a", "telephone")]).keys() == {"telephone"}


def test_a_share_of_nothing_is_none():
    scores = evaluate(Safety([word_rule("red", ["red"])]), [Labelled("hi"), Labelled("Elm Grove 3", ("address",))])
    assert (scores["red"].precision, scores["red"].recall) == (None, None)
    assert (scores["address"].precision, scores["address"].recall) == (None, 0.0)


def test_a_score_shows_its_figures_and_not_the_texts():
    examples = [Labelled("red a", "red"), Labelled("crimson", "red"), Labelled("Red Cross")]
    score = evaluate(Safety([word_rule("red", ["red"])]), examples)["red"]
    assert repr(score) == "red: found 1, false alarms 1, missed 1; precision 50 %, recall 50 %"


@pytest.mark.parametrize(
    ("share", "shown"), [(10 / 16, "63 %"), (23 / 40, "58 %"), (2 / 3, "67 %"), (0, "0 %"), (None, "–")]
)
def test_half_a_per_cent_is_rounded_up_as_in_school(share, shown):
    assert percent(share) == shown


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Labelled(5, "rude"), "must be text"),
        (lambda: Labelled("a", 5), "names of rules, not 5"),
        (lambda: Labelled("a", [5]), "names of rules"),
        (lambda: evaluate([word_rule()], []), "must be a Safety"),
        (lambda: evaluate(Safety(), ["You!"]), "must be Labelled.*'You!'"),
        (lambda: evaluate(Safety(), [])["adress"], "no rule and no label 'adress'.*email"),
        (lambda: Safety(word_rule()), r"put \[ \] around the rule 'rude'"),
        (lambda: word_rule().findings(5), "must be text"),
        (lambda: passes_luhn(4111), "quotes"),
        (lambda: Rule("mine", lambda text: None).findings("hi"), "'mine' must return a list of places.*None"),
    ],
)
def test_what_cannot_be_measured_or_searched_is_one_sentence(make, says):
    with pytest.raises((SettingsError, MessageError), match=says):
        make()


def test_the_labelled_texts_are_many_different_and_labelled_with_names_of_rules():
    examples = load_safety_set()
    assert len(examples) >= 120
    assert len({example.text for example in examples}) == len(examples)
    names = {rule.name for rule in Safety().input_rules} | {"address"}
    assert {label for example in examples for label in example.labels} <= names
    assert sum(not example.labels for example in examples) >= 40
    assert all(len(example.text) < 120 for example in examples)


# What the lesson quotes; a better rule may raise these.
FLOORS = {
    "email": (7 / 8, 7 / 11),
    "phone": (8 / 12, 8 / 13),
    "card number": (4 / 5, 4 / 6),
    "IBAN": (1, 3 / 4),
    "control token": (4 / 6, 4 / 6),
    "rude": (10 / 16, 10 / 34),
}


@pytest.mark.parametrize("rule", FLOORS)
def test_the_safe_defaults_do_no_worse_than_the_lesson_says(rule):
    score = evaluate(Safety(), load_safety_set())[rule]
    assert score.precision >= FLOORS[rule][0]
    assert score.recall >= FLOORS[rule][1]


def test_no_filter_finds_what_is_said_politely_and_none_finds_an_address():
    scores = evaluate(Safety(), load_safety_set())
    polite = [
        example for example in scores["rude"].missed if "no rude word" in example.note or "polite" in example.note
    ]
    assert len(polite) >= 7
    assert scores["address"].recall == 0


def test_a_file_of_ones_own_is_read(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"text": "Ä", "labels": ["x"], "note": "n"}\n\n{"text": "b", "labels": []}\n', "utf-8")
    assert load_safety_set(path) == [Labelled("Ä", ("x",), "n"), Labelled("b")]


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"text": 1, "labels": []}', '{"text": "a", "labels": "x"}', '{"text": "a"}']
)
def test_a_wrong_line_is_told_by_its_number(tmp_path, line):
    path = tmp_path / "mine.jsonl"
    path.write_text(json.dumps({"text": "a", "labels": []}) + "\n" + line + "\n", "utf-8")
    with pytest.raises(MessageError, match=r"Line 2 of 'mine\.jsonl' must look like"):
        load_safety_set(path)


def test_a_file_that_is_missing_or_no_text_is_one_sentence(tmp_path):
    (tmp_path / "bad.jsonl").write_bytes(b"\xff\xfe\x00")
    for name in ("none.jsonl", "bad.jsonl"):
        with pytest.raises(MessageError, match="cannot be read"):
            load_safety_set(tmp_path / name)
