"""Checks speak the language that is set when they are shown, whole, and judge the same in each of them."""

import ast
import re

import numpy
import pytest
import torch
from language_texts import PACKAGE
from sheet_texts import Signs, english_in, texts_of_exercise

from nanochat_helpers import language
from nanochat_helpers.checks import check, checking, progress
from nanochat_helpers.checks.comparing import difference
from nanochat_helpers.checks.diagnosis import ENDS, examine, not_attempted
from nanochat_helpers.checks.sheets import SHEETS, find_exercise, sheet_exercises
from nanochat_helpers.checks.showing import kind, value_text
from nanochat_helpers.language import catalogue, set_language

# With the real model a check takes seconds.
EXERCISES = [each for sheet in SHEETS for each in sheet_exercises(sheet) if each.id != "08.5"]
TEMPERATURE = find_exercise("04.1")


@pytest.fixture(autouse=True)
def fresh_session(monkeypatch):
    monkeypatch.setattr(checking, "_SESSION", checking.Session())
    monkeypatch.setenv("NANOCHAT_LANGUAGE", "en")
    for name in ("NBGRADER_EXECUTION", "NANOCHAT_STRICT_CHECKS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def of_signs(monkeypatch):
    """A language in which what is not translated can be seen."""
    monkeypatch.setattr(language, "catalogue", lambda code: Signs())
    monkeypatch.setenv("NANOCHAT_LANGUAGE", "de")


wrong = TEMPERATURE.misconceptions[0].wrong


# --- the sheets


@pytest.mark.parametrize("sheet", SHEETS)
def test_every_misconception_has_a_german_name_and_a_hint_that_leads_on(sheet):
    german = catalogue("de")
    for exercise in sheet_exercises(sheet):
        for misconception in exercise.misconceptions:
            name, hint = german[misconception.name], german[misconception.hint]
            assert name != misconception.name and hint != misconception.hint
            assert ("?" in hint) == ("?" in misconception.hint), hint


@pytest.mark.parametrize("sheet", SHEETS)
def test_the_german_texts_of_a_sheet_show_the_same_code_and_stress_as_much(sheet):
    german = catalogue("de")
    for text in (text for exercise in sheet_exercises(sheet) for text in texts_of_exercise(exercise)):
        assert sorted(re.findall(r"`[^`]*`", text)) == sorted(re.findall(r"`[^`]*`", german[text])), text
        assert text.count("*") == german[text].count("*"), text


def test_no_hint_speaks_to_a_student_formally():
    hints = [text for exercise in EXERCISES for text in (*exercise.hints, *(m.hint for m in exercise.misconceptions))]
    formal = re.compile(r"(?<![.?:] )(?<!^)\b(Sie|Ihnen|Ihre?[nmrs]?)\b")
    assert [catalogue("de")[hint] for hint in hints if formal.search(catalogue("de")[hint])] == []


# --- a check


def test_a_check_speaks_the_language_of_the_moment_not_that_of_the_import():
    english = check("04.1", wrong)
    set_language("de")
    german = check("04.1", wrong)
    assert english.title == "Temperature" and german.title == "Temperatur"
    assert english.sentence.startswith("8 of 25 checks came out right. ")
    assert german.sentence.startswith("8 von 25 Prüfungen stimmen. ")
    assert german.hints[0].startswith("Bei dir wird es ruhiger, wenn die Temperatur steigt.")
    assert german.misconception == english.misconception == "multiplied instead of divided"
    assert "erwartet" in repr(german) and "erhalten" in german._repr_html_()
    set_language("en")
    assert check("04.1", wrong).sentence == english.sentence


def test_further_hints_and_the_list_of_a_sheet_speak_it_too():
    check("04.1", wrong)
    set_language("de")
    result = check("04.1", wrong)
    assert result.hints[1].startswith("Zwei Fälle: Temperatur 0 und alle anderen.")
    assert result.notes[-1] == "Wenn der nächste Versuch auch nicht klappt, gibt es noch einen Tipp."
    shown = repr(progress("04"))
    assert "✘ 04.1 Temperatur: Noch nicht" in shown and "Blatt 04, bis jetzt" in shown
    set_language("en")
    assert "✘ 04.1 Temperature: Not yet" in repr(progress("04"))


@pytest.mark.parametrize("sheet", ["01", "07"])
def test_each_language_judges_the_same(sheet):
    functions = [(each, m.wrong) for each in sheet_exercises(sheet) for m in each.misconceptions]
    functions += [(each, each.reference) for each in sheet_exercises(sheet)]
    verdicts = []
    for code in language.languages():
        set_language(code)
        results = [examine(*each) for each in functions]
        verdicts.append([(r.status, r.n_passed, r.n_cases, r.misconception) for r in results])
    assert verdicts[0] == verdicts[1]


# --- nothing stays English


def seen(result):
    """The prose of a result, part by part."""
    return [result.title, result.sentence, result.case_note, *result.hints, *result.notes]


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda each: each.id)
def test_no_result_of_an_exercise_has_english_words_left(exercise, of_signs):
    for function in (exercise.misconceptions[0].wrong, exercise.reference):
        result = examine(exercise, function)
        assert [part for part in seen(result) if english_in(part)] == []


class ShownBadly:
    def __repr__(self):
        raise ValueError


DIFFERENT = [
    (1, 2), (1.0, float("nan")), (1, 2.5), (1, None), (1, "1"), ([1], 5), ([1], range(1)), ([1, 2], []), ([1, 2], [1]),
    ([1, 2], [1, 2, 3]), (["a", "b"], ["a"]), (["a"], ["a", "b"]), ([[1, 2]], [[1, 3]]), ([1, 2], [1, 3]),
    ({"a": 1}, {}), ({"a": 1}, {"b": 1}), ({"a": 1}, {"a": 1, "b": 2}), ({1: 1}, {"1": 1}), ({1}, {2}), ({1}, {1, 2}),
    ("abc", ""), ("abc", "ab"), ("ab", "abc"), ("abc", "xbc"), ("abc", "abx"), (["abc"], ["abx"]), ("a ", "a"),
    (" a", "a"), (b"a", "a"), (torch.ones(2), torch.ones(3)), (torch.ones(2), torch.ones(2).long()),
    (torch.ones(2).bool(), torch.ones(2)), (torch.ones(2), numpy.ones(2)), (1.0, numpy.float32(1)), (1, ShownBadly()),
]  # fmt: skip


@pytest.mark.parametrize("pair", DIFFERENT)
def test_no_sentence_on_a_difference_has_english_words_left(pair, of_signs):
    assert english_in(difference(*pair).replace("ShownBadly", "")) == []


def printing(logits, temperature):
    print("words")


async def coroutine(logits, temperature):
    pass


def generator(logits, temperature):
    yield logits


def for_ever(logits, temperature):
    return for_ever(logits, temperature)


def typed(logits, temperature):
    return input()


def ended(logits, temperature):
    raise SystemExit


def misspelled(logits, temperature):
    return lenght  # noqa: F821


def changing(logits, temperature):
    logits /= temperature
    return logits


def luck(logits, temperature):
    return torch.rand(len(logits))


FAULTS = [
    dict, "apply_temperature", 5, coroutine, lambda logits: logits, lambda temperature, logits: logits, printing,
    generator, for_ever, typed, ended, misspelled, changing, luck, lambda logits, temperature: print,
    lambda logits, temperature: logits + logits.sum, lambda logits, temperature: ShownBadly(), misspelled,
]  # fmt: skip


@pytest.mark.parametrize("function", FAULTS, ids=lambda each: getattr(each, "__name__", str(each)))
def test_no_sentence_on_a_function_that_fails_has_english_words_left(function, of_signs):
    result = check("04.1", function)
    assert [part for part in seen(result) if english_in(part.replace("ShownBadly", ""))] == []


@pytest.mark.parametrize("asked", ["04.99", "4.1", "", "99.1", 4.1])
def test_no_sentence_on_an_unknown_exercise_has_english_words_left(asked, of_signs):
    result = check(asked, wrong)
    assert english_in(result.sentence) == [] and english_in(result.title) == []


def test_what_nothing_was_written_for_and_what_is_not_there_is_told_in_the_language(of_signs):
    names = {"check": check, "apply_temp": wrong}
    exec("result = check('04.1')", names)
    assert english_in(names["result"].sentence) == []
    exec("result = check('04.2')", names)
    assert english_in(names["result"].sentence) == [] == english_in(not_attempted(TEMPERATURE, 3).sentence)


def test_values_that_are_cut_say_so_in_the_language(of_signs):
    shown = [value_text(list(range(5000))), value_text(torch.zeros(500)), value_text("x " * 50_000, 500_000)]
    assert [english_in(text.replace("tensor", "").replace("x ", "")) for text in shown[:2]] == [[], []]
    assert english_in(kind(ShownBadly()).replace("ShownBadly", "")) == []


def test_the_reasons_for_an_end_are_in_the_catalogue():
    assert all(reason in catalogue("de") for reason in ENDS.values())


# --- the code


def sentences_of(tree):
    """Texts of three words and more that no call gives to the catalogue; not docstrings."""
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            child.parent = node
    for node in ast.walk(tree):
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if is_text and re.search(r"[a-z]{2,} [a-z]{1,} [a-z]{2,}", node.value) and not is_excused(node):
            yield node.value


def is_excused(node):
    if isinstance(node.parent, ast.Expr):
        return True
    while node := getattr(node, "parent", None):
        called = getattr(getattr(node, "func", None), "id", "")
        if called in ("tr", "tr_n", "later", "tr_later", "CheckError", "GradingError", "WireError", "TooMuchError"):
            return True
        if called in ("SheetError", "Case", "Misconception", "Exercise"):  # texts of a sheet, and of its author
            return True
    return False


# What speaks to teachers at the command line, and to authors of sheets; data; and faults of the machine.
SPEAKS_ENGLISH = ("grading/command.py", "grading/verify.py", "grading/sheets.py", "grading/batch/progress.py")
FOLDERS = ("checks", "grading")
DATA = ("checks/cures.py", "checks/showing.py", "checks/sheets/")
ENGLISH = {
    "object is not callable", "the answer cell of ", "a value that is too large to be looked at",
    "failed in the grader",
    "\nWhat was graded is kept: the same command with --resume goes on.\n", ", and this machine has ",
    "What was graded is kept: when the cluster is there again, go on with --resume.",
    "lacks NanoChat, which workers and the scheduler need", "the warm process has ended", "it ended at once",
    "no landlock here", "no namespaces for this processor", "there is no ", "no filter of system calls for ",
    "the time is over",
}  # fmt: skip


def sources():
    for path in sorted(path for folder in FOLDERS for path in (PACKAGE / folder).rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name not in SPEAKS_ENGLISH and not name.startswith(DATA):
            yield name, ast.parse(path.read_text("utf-8"))


def test_no_sentence_for_a_student_is_written_past_the_catalogue():
    assert {text for _, tree in sources() for text in sentences_of(tree)} == ENGLISH


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("x = 'it is too large'", ["it is too large"]),
        ("raise RejectedError(f'it is larger than {n} MB')", ["it is larger than "]),
        ("raise RejectedError(tr('it is larger than {n} MB', n=n))", []),
        ("raise GradingError('it is too large')", []),
        ("def f():\n    'It is a docstring.'", []),
    ],
)
def test_the_search_for_sentences_finds_them(code, found):
    assert list(sentences_of(ast.parse(code))) == found
