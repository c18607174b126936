"""Scores by hand, comparisons, each check, what the tables show, and a bot of one's own as a file."""

import sys

import pytest
from scripted import ScriptedBackbone

from nanochat_helpers.bots import (
    Bot,
    Case,
    MathsBot,
    bot_file,
    compare,
    copy_bot,
    evaluate,
    load_bot,
    load_cases,
    read_cases,
)
from nanochat_helpers.bots.checks import ALICE, CHECKS
from nanochat_helpers.bots.own import NAMES
from nanochat_helpers.chat import Chat
from nanochat_helpers.errors import DocumentError, MessageError, SettingsError


class Loud(Bot):
    """Says the message in capital letters; it stumbles over a 7."""

    def answer(self, text):
        return str(1 / (text != "7")) and text.upper()


def loud():
    return Loud(ScriptedBackbone("Yes."))


CASES = [
    Case("cat", {"contains": "CAT"}),
    Case("dog?", {"contains": "cat", "questions": 0}),
    Case("7", {"number": 7}),
    Case("8", {"number": 8}),
]


# --- the score


def test_the_score_by_hand():
    """Two of four cases hold; one fails twice, one ends in an error."""
    done = evaluate(loud(), CASES)
    assert [result.passed for result in done.results] == [True, False, False, True]
    assert (done.n_passed, len(done), done.score) == (2, 4, 0.5)
    assert done.results[1].failures == ("It has no “cat”.", "It asks 1 question and should ask 0.")
    assert done.results[2].failures == ("It ended in ZeroDivisionError: division by zero",)


def test_it_tells_which_case_failed_and_why():
    lines = repr(evaluate(loud(), CASES)).splitlines()
    assert lines[0] == "Loud: 2 of 4 cases (50 %)"
    assert lines[1] == "✗ 'dog?': It has no “cat”. It asks 1 question and should ask 0."
    assert len(lines) == 3


def test_what_was_won_and_lost_by_hand():
    class Better(Loud):
        def answer(self, text):
            return {"cat": "a dog", "dog?": "a cat"}.get(text, text)

    before, after = evaluate(loud(), CASES), evaluate(Better(ScriptedBackbone("Yes.")), CASES)
    both = compare(before, after)
    assert [case.text for case in both.won] == ["dog?", "7"] and [case.text for case in both.lost] == ["cat"]
    assert "won 2, lost 1" in repr(both) and "+ 'dog?'" in repr(both) and "- 'cat'" in repr(both)


def test_each_case_begins_a_new_conversation_and_nothing_is_left_behind():
    class Counter(Bot):
        def answer(self, text):
            return str(len(self.messages))

    bot = Counter(ScriptedBackbone("Yes."))
    settings = bot.settings
    assert evaluate(bot, [Case("a", {"number": 1}), Case("b", {"number": 1})], seed=5).score == 1
    assert bot.settings == settings and len(bot.messages) == 1


def test_the_seed_is_the_luck_of_each_answer(backbone):
    class Free(Bot):
        pass

    bot = Free(backbone)
    bot.settings = bot.settings.change(temperature=1.5, max_new_tokens=4)
    cases = [Case("Name an animal.", {"contains": "dog"})]
    answers = [evaluate(bot, cases, seed=seed).results[0].answer for seed in (1, 1, 2, 3)]
    assert answers[0] == answers[1] and len(set(answers)) > 1


def test_a_plain_chat_can_be_evaluated_too():
    done = evaluate(Chat(ScriptedBackbone("It is 12.")), [Case("What is 7 + 5?", {"number": 12})], name="no rules")
    assert repr(done) == "no rules: 1 of 1 cases (100 %)"


def test_a_check_of_ones_own():
    def shouts(answer, wanted, bot):
        return None if answer.isupper() is wanted else "It should be loud."

    assert evaluate(loud(), [Case("cat", {"shouts": True})], checks={"shouts": shouts}).score == 1
    assert evaluate(loud(), [Case("cat", {"shouts": False})], checks={"shouts": shouts}).score == 0


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: evaluate("bot", CASES), "bot must be a bot"),
        (lambda: evaluate(loud(), []), "cases must be a list"),
        (lambda: evaluate(loud(), ["7 + 5"]), "cases must be a list"),
        (lambda: evaluate(loud(), [Case("a", {"nmber": 1})]), "no check 'nmber'"),
        (lambda: evaluate(loud(), CASES, seed=-1), "seed=-1"),
        (lambda: Case(7, {"number": 1}), "must look like"),
        (lambda: Case("a", {}), "must look like"),
        (lambda: compare(evaluate(loud(), CASES), 1), "two evaluations"),
        (lambda: compare(evaluate(loud(), CASES), evaluate(loud(), CASES[:2])), "different cases"),
    ],
)
def test_a_slip_is_told_in_a_sentence(make, told):
    with pytest.raises(SettingsError, match=told):
        make()


# --- the checks


@pytest.mark.parametrize(
    ("name", "wanted", "good", "bad"),
    [
        ("contains", ["cat", "dog"], "A Cat and a dog.", "A cat."),
        ("contains", "it's", "It’s here.", "It is here."),
        ("contains_any", ["cat", "dog"], "A dog.", "A cow."),
        ("lacks", ["cat"], "A dog.", "A cat."),
        ("number", 12, "7 + 5 = 12", "7 + 5 = 13"),
        ("number", 12, "You can add 7 and 5, which is 12.", "7 and 5, which is 13, not 12."),
        ("declines", True, "I found nothing.", "“I cannot tell,” it says; it has nothing to do with “I don't know”."),
        ("number", 10, "12.5 ÷ 100 × 80 = 10\nSteps: 12.5 ÷ 100 = 0.125", "8 or 10"),
        ("number", -3, "2 − 5 = −3", "3"),
        ("questions", 1, "Yes. And you?!", "Really? And you?"),
        ("questions", 0, "Yes.", "Yes?"),
        ("declines", True, "I don’t know.", "It is Paris."),
        ("declines", False, "It is Paris.", "I cannot say."),
        ("quotes", "pink", "“a White Rabbit with pink eyes” (lines 17–18)", "pink"),
        ("quotes", "pink", "“Rabbit with pink eyes” (line 18)", "“Rabbit with pink eyes” (line 19)"),
        ("quotes", "pink", "“Rabbit with pink eyes” (line 18)", "“Rabbit with pink shoes” (line 18)"),
        ("quotes", "pink", "“Rabbit with pink eyes” (line 18)", "“ran close by her.” (line 18)"),
        ("quotes", "pink", "“Rabbit with pink eyes” (line 18)", "“pink” (lines 900000–900001)"),
        ("quotes", "pink", "“Rabbit with pink eyes” (line 18)", "“pink” (line 0)"),
        ("language", "English", "I have a cat.", "Ich habe eine Katze."),
        ("most_words", 3, "One two three.", "One two three four."),
    ],
)  # fmt: skip
def test_a_check_tells_good_from_bad(name, wanted, good, bad):
    assert CHECKS[name](good, wanted, None) is None
    assert CHECKS[name](bad, wanted, None).endswith((".", "?"))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("number", "12"),
        ("questions", True),
        ("most_words", "five"),
        ("declines", "yes"),
        ("quotes", 7),
        ("language", 7),
    ],
)
def test_a_check_for_something_of_another_kind_is_a_slip(name, wanted):
    with pytest.raises(SettingsError, match=f"'{name}' needs"):
        CHECKS[name]("An answer.", wanted, None)


@pytest.mark.parametrize(
    ("check", "told"),
    [
        (7, "cannot judge"),
        (lambda answer, wanted: None, "function of"),
        (lambda answer, wanted, bot: 1 / 0, "ZeroDivisionError"),
        (lambda answer, wanted, bot: True, "must give None or a sentence"),
    ],
)
def test_a_check_of_ones_own_that_does_not_work_is_told_by_its_name(check, told):
    with pytest.raises(SettingsError, match=f"(?s)'mine'.*{told}"):
        evaluate(loud(), [Case("a", {"mine": 1})], checks={"mine": check})


def test_checks_have_names():
    with pytest.raises(SettingsError, match="checks must look like"):
        evaluate(loud(), CASES, checks=[len])


@pytest.mark.parametrize("wanted", ["", [], [""], 7, None])
def test_a_check_for_no_text_is_a_slip(wanted):
    with pytest.raises(SettingsError, match="needs a text"):
        CHECKS["contains"]("An answer.", wanted, None)


# --- cases as a file


def test_cases_are_read_from_a_file(tmp_path):
    path = tmp_path / "mine.jsonl"
    path.write_text('{"text": "Hi", "must": {"contains": "hello"}}\n\n', "utf-8")
    assert read_cases(path) == [Case("Hi", {"contains": "hello"})]


@pytest.mark.parametrize("line", ["", "{", "[1]", '{"text": "Hi"}', '{"text": 1, "must": {"a": 1}}', "[" * 10_000])
def test_what_is_no_case_is_told_with_its_line(tmp_path, line):
    path = tmp_path / "mine.jsonl"
    path.write_text(line, "utf-8")
    with pytest.raises(DocumentError, match=r"mine\.jsonl"):
        read_cases(path)


@pytest.mark.parametrize("source", ["cooking", "", None, 7, "no/such/file.jsonl"])
def test_cases_that_are_not_there_are_told(source):
    with pytest.raises(DocumentError, match="mathematics"):
        read_cases(source)


@pytest.mark.parametrize("name", NAMES[:-1])
def test_the_own_cases_use_checks_that_there_are(name):
    assert all(check in CHECKS for case in read_cases(name) for check in case.must)


# --- tables


def test_a_table_shows_hostile_text_as_text():
    class Hostile(Bot):
        def answer(self, text):
            return "<script>alert(1)</script>"

    bot = Hostile(ScriptedBackbone("Yes."))
    done = evaluate(bot, [Case("<b>", {"contains": "<i>"}), Case("<u>", {"lacks": "x"})])
    for shown in (done._repr_html_(), compare(evaluate(loud(), CASES), evaluate(loud(), CASES))._repr_html_()):
        assert "<script>" not in shown and 'role="figure"' in shown
    assert done._repr_html_().index("&lt;b&gt;") < done._repr_html_().index("&lt;u&gt;")  # what failed comes first
    assert "It has no “&lt;i&gt;”." in done._repr_html_()


# --- a file of one's own


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_of_each_file_works_beside_the_notebook(tmp_path, name):
    path = copy_bot(name, tmp_path / "my_bot.py")
    bot = load_bot(path, ScriptedBackbone("It is so. Is it?", context_length=9000))
    assert isinstance(bot, Bot) and bot.reply("What is 7 + 5?").text


def test_a_file_is_never_written_over(tmp_path):
    path = tmp_path / "my_bot.py"
    path.write_text("mine", "utf-8")
    with pytest.raises(DocumentError, match="is there already"):
        copy_bot("mathematics", path)
    assert path.read_text("utf-8") == "mine"


@pytest.mark.parametrize(
    ("name", "path"), [("cooking", "a.py"), ("coding", "a.txt"), ("coding", 7), ("coding", "no/a.py")]
)
def test_a_copy_that_cannot_be_made_is_told(tmp_path, monkeypatch, name, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DocumentError):
        copy_bot(name, path)
    assert list(tmp_path.iterdir()) == []


def test_a_change_within_the_same_second_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = copy_bot("template", tmp_path / "my_bot.py")
    for word in ("animals", "flowers", "animals"):
        path.write_text(bot_file("template").read_text("utf-8").replace("animals", word), "utf-8")
        assert word in load_bot(path, ScriptedBackbone("Yes.")).instructions
    assert [each.name for each in tmp_path.iterdir()] == ["my_bot.py"]


def test_a_change_wins_a_case(tmp_path):
    """The exercise of the lesson: one more line in WORDS."""
    path = copy_bot("mathematics", tmp_path / "my_bot.py")
    text = path.read_text("utf-8")
    path.write_text(text.replace("WORDS = [\n", 'WORDS = [\n    (r"\\bdouble\\b", "2 *"),\n'), "utf-8")
    cases = [case for case in read_cases("mathematics") if "%" not in case.text]
    before = evaluate(MathsBot(ScriptedBackbone("Yes.")), cases)
    after = evaluate(load_bot(path, ScriptedBackbone("Yes.")), cases)
    assert [case.text for case in compare(before, after).won] == ["What is double 21?"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x = (", "line 1, is no Python"),
        ("1 / 0", "cannot be run: ZeroDivisionError"),
        ("import no_such_module", "ModuleNotFoundError"),
        ("x = 1", "it has none"),
        ("from nanochat_helpers.bots import MathsBot", "it has none"),
        ("from nanochat_helpers.bots import Bot\nclass A(Bot): pass\nclass B(Bot): pass", "it has A, B"),
    ],
)
def test_a_file_that_is_no_bot_is_told(tmp_path, text, told):
    path = tmp_path / "my_bot.py"
    path.write_text(text, "utf-8")
    with pytest.raises(DocumentError, match=told):
        load_bot(path, ScriptedBackbone("Yes."))


def test_a_file_that_is_missing_is_told(tmp_path):
    with pytest.raises(DocumentError, match="copy_bot makes one"):
        load_bot(tmp_path / "my_bot.py")


def test_the_cases_of_the_template_can_be_evaluated(tmp_path):
    path = copy_bot("template", tmp_path / "my_bot.py")
    done = evaluate(load_bot(path, ScriptedBackbone("A dog and a horse.")), load_cases(path))
    assert done.score == 1
    path.write_text("x = 1", "utf-8")
    with pytest.raises(DocumentError, match="needs a list such as CASES"):
        load_cases(path)


def test_a_wrong_name_of_a_bot_is_told():
    with pytest.raises(DocumentError, match="There is no bot 'maths'"):
        bot_file("maths")


def test_no_bot_reads_a_message_that_is_no_text():
    with pytest.raises(MessageError):
        loud().reply(7)


@pytest.mark.parametrize("name", ["mathematics", "coding", "language", "literature"])
def test_nobody_passes_by_repeating_the_question_or_by_saying_everything(name):
    class Echo(Bot):
        def answer(self, text):
            return text

    class EchoAsks(Bot):
        def answer(self, text):
            return text.rstrip("?.!") + "?"

    class WholeBook(Bot):
        def answer(self, text):
            return ALICE.read_text("utf-8")

    cases = read_cases(name)
    assert [evaluate(bot(ScriptedBackbone("x")), cases).n_passed for bot in (Echo, EchoAsks)] == [0, 0]
    declined = sum("declines" in case.must for case in cases)
    assert evaluate(WholeBook(ScriptedBackbone("x")), cases).n_passed <= declined + 4
