"""Languages: each text that a reader sees comes from the catalogue, and each catalogue is whole and fits the code."""

import ast
import json
import os
import re
import string
import subprocess
import sys
import warnings

import pytest
from ipywidgets import Widget
from jinja2 import Environment
from language_gallery import gallery, read, seen_in
from language_texts import (
    PACKAGE,
    all_texts,
    loose_texts,
    missing_in,
    modules,
    templates,
    texts_of,
    texts_of_template,
)

import nanochat_helpers
from nanochat_helpers import language, widgets
from nanochat_helpers.errors import SettingsError
from nanochat_helpers.language import catalogue, grouped, languages, later, set_language, tr, tr_later, tr_n
from nanochat_helpers.models import CATALOGUE
from nanochat_helpers.postprocess import EDIT_NAMES, FINISH_REASONS
from nanochat_helpers.prompts import ROLES
from nanochat_helpers.safety import Safety
from nanochat_helpers.safety_rules import ACTIONS
from nanochat_helpers.settings import PRESETS, GenerationSettings
from nanochat_helpers.views.bake_off import SYSTEM
from nanochat_helpers.views.pipeline import MODULES as MODULES_OF_STEPS
from nanochat_helpers.workflow import STEPS

OTHERS = [code for code in languages() if code != "en"]
MODULES, TEMPLATES = dict(modules()), dict(templates())


@pytest.fixture(autouse=True)
def speak_english_again(monkeypatch):
    monkeypatch.setenv("NANOCHAT_LANGUAGE", "en")
    yield
    Widget.close_all()


@pytest.fixture
def of_test(monkeypatch):
    """German with a catalogue of a few sentences."""
    monkeypatch.setattr(language, "catalogue", lambda code: {"kept {n}": "{n} behalten", "{n:,} ids": "{n:,} Nummern"})
    monkeypatch.setenv("NANOCHAT_LANGUAGE", "de")


# --- looking up


def test_english_is_the_key_itself_with_the_values_put_in():
    assert tr("kept {kept} of {total:,}", kept=3, total=9000) == "kept 3 of 9,000"
    assert tr("{no placeholder}") == "{no placeholder}"
    assert tr("{text} and {n}", text="{x}", n=1) == "{x} and 1"  # a value is never read as a text


def test_another_language_translates_and_what_it_lacks_stays_english(of_test):
    assert tr("kept {n}", n=3) == "3 behalten"
    assert tr("removed {n}", n=3) == "removed 3"
    assert tr_later(later("kept {n}"), n=1) == "1 behalten"


def test_one_and_several_have_a_text_each(of_test):
    assert tr_n("{n:,} id", "{n:,} ids", 1) == "1 id"
    assert tr_n("{n:,} id", "{n:,} ids", 2000) == "2\u202f000 Nummern"


def test_thousands_are_apart_as_the_language_has_it():
    assert grouped(49152) == "49,152"
    set_language("de")
    assert grouped(49152) == "49\u202f152"
    assert tr("{n:.1f}, {m}", n=0.7, m="1,2") == "0.7, 1,2"  # numbers with a point, as in Python; texts as they are


# --- choosing


@pytest.mark.parametrize("code", ["de", "DE", "de_DE", "de-AT", "de_DE.UTF-8", " de "])
def test_a_language_has_the_names_that_systems_give_it(code, monkeypatch):
    set_language(code)
    assert language.language() == "de" == os.environ["NANOCHAT_LANGUAGE"]
    monkeypatch.setenv("NANOCHAT_LANGUAGE", code)
    assert language.language() == "de"


@pytest.mark.parametrize("code", ["Deutsch", "xx", "", None, 5, "de\n\n\u202e" * 90])
def test_an_unknown_language_is_refused_and_the_error_names_all_there_are(code):
    with pytest.raises(SettingsError, match=r'Choose one of these: "en" \(English\), "de" \(Deutsch\)') as refused:
        set_language(code)
    assert language.language() == "en" and len(str(refused.value)) < 200


def test_a_wrong_value_of_the_variable_is_told_once_and_everything_is_english(monkeypatch):
    monkeypatch.setenv("NANOCHAT_LANGUAGE", "klingon")
    language._chosen.cache_clear()
    with pytest.warns(UserWarning, match="'klingon', which is none of en, de: texts are in English") as told:
        assert [tr("reply"), tr("reply")] == ["reply", "reply"]
    assert len(told) == 1


@pytest.mark.parametrize("value", [None, "", "en", "en_GB.UTF-8"])
def test_without_a_choice_everything_is_english_and_nothing_is_said(value, monkeypatch):
    monkeypatch.delenv("NANOCHAT_LANGUAGE")
    if value is not None:
        monkeypatch.setenv("NANOCHAT_LANGUAGE", value)
    with warnings.catch_warnings(action="error"):
        assert language.language() == "en" and tr("reply") == "reply"


def test_the_choice_holds_for_programs_that_are_started_later():
    nanochat_helpers.set_language("de")
    code = "from nanochat_helpers.language import tr; import sys; sys.stdout.buffer.write(tr('reply').encode())"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"Antwort"


# --- the catalogues


@pytest.mark.parametrize("code", OTHERS)
def test_a_language_has_every_text(code):
    assert missing_in(catalogue(code)) == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_language_has_no_text_that_nobody_uses(code):
    assert sorted(catalogue(code).keys() - all_texts()) == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_text_stands_in_one_file_only_and_there_once(code):
    files = sorted((PACKAGE / "data" / "languages" / code).glob("*.json"))
    pairs = [pair for path in files for pair in json.loads(path.read_text("utf-8"), object_pairs_hook=list)]
    keys = [key for key, _ in pairs]
    assert sorted({key for key in keys if keys.count(key) > 1}) == []


def fields_of(text):
    """Its placeholders, as (name, format, conversion)."""
    return sorted(f"{name}!{how}:{spec}" for _, name, spec, how in string.Formatter().parse(text) if name is not None)


def tags_of(text):
    return sorted(re.findall(r"</?[a-z]+|&nbsp;|&lt;", text))


def stress_of(text):
    """Signs that mean something: `code` between backticks, and the lines of a text."""
    return text.count("`"), text.count("\n"), text[:1].isspace(), text[-1:].isspace()


@pytest.mark.parametrize("code", OTHERS)
@pytest.mark.parametrize("parts_of", [fields_of, tags_of, stress_of])
def test_a_translation_has_the_placeholders_tags_and_signs_of_the_english_text(code, parts_of):
    pairs = catalogue(code).items()
    assert [text for text, translated in pairs if parts_of(text) != parts_of(translated)] == []


@pytest.mark.parametrize("code", OTHERS)
def test_no_translation_is_empty_or_left_in_english(code):
    same = {text for text, translated in catalogue(code).items() if text == translated and " " in text.strip()}
    assert {text for text in same if len(re.findall(r"[a-z]{3,}", re.sub("{[^}]*}", "", text))) > 2} == set()
    assert all(map(str.strip, catalogue(code).values()))


# --- the code


def test_every_text_is_written_out_where_it_is_given_to_the_catalogue():
    wrong = [name for name, tree in MODULES.items() if None in set(texts_of(tree))]
    assert wrong + [name for name, tree in TEMPLATES.items() if None in set(texts_of_template(tree))] == []


@pytest.mark.parametrize(
    ("code", "texts"),
    [
        ('tr("a {n}", n=1)', ["a {n}"]),
        ('tr_n("one", "many", n)', ["one", "many"]),
        ('WORDS = {"x": later("y")}', ["y"]),
        ('count(n, "id")', ["{n:,} id", "{n:,} ids"]),
        ('tr(f"a {n}")', [None]),
        ("tr(text)", [None]),
        ("tr_n('one', many, n)", ["one", None]),
        ("tr_later(text)", []),
        ("'x'.count('a', 'b')", []),
    ],
)
def test_the_search_for_texts_finds_them_in_every_form(code, texts):
    assert list(texts_of(ast.parse(code))) == texts
    if "count" not in code and "WORDS" not in code and "f" not in code.split("(")[1][:1]:
        template = Environment().parse("<p>{% if x %}{{ " + code + " }}{% endif %}</p>")
        assert list(texts_of_template(template)) == texts


def test_no_label_of_a_view_or_a_control_is_a_bare_string():
    drawn = {name: tree for name, tree in MODULES.items() if name.startswith(("views/", "widgets/"))}
    found = {name: [text for text in loose_texts(tree) if text not in ("finish_reason", "max_history")]
             for name, tree in drawn.items()}  # fmt: skip
    assert {name: texts for name, texts in found.items() if texts} == {}


@pytest.mark.parametrize(
    ("code", "loose"),
    [
        ("f'<b>kept {n}</b>'", ["kept "]),
        ("f'<i aria-label=\"some words\">{n}</i>'", ["some words"]),
        ("Button(description='Stop')", ["Stop"]),
        ("f'<b>{tr(\"kept\")}</b>'", []),
        ("f'<b>top_p {n}</b>'", []),
        ("'.nc-b{color:red}'", []),
        ("raise ValueError('<b>no</b>')", []),
    ],
)
def test_the_search_for_bare_strings_sees_what_a_reader_would_see(code, loose):
    assert list(loose_texts(ast.parse(code))) == loose


# --- the pictures

CODE = {
    *vars(GenerationSettings()), *PRESETS, *CATALOGUE, *EDIT_NAMES, *FINISH_REASONS, *ROLES, *ACTIONS, *STEPS,
    *(word for rule in (*Safety().input_rules, *Safety().output_rules) for word in rule.name.split()),
    *" ".join(MODULES_OF_STEPS).split(), "off", "template", "finish_reason", "max_history", "min_score", "im_start",
    "im_end", "scripted", "input", "User", "Bot", "INST", "JSON", "Markdown", "trace", "json", "BM", "ms", "gr",
    "GenerationSettings", "smollm", "distilgpt", "NUMBER", "TOTAL", "MINUTES",
}  # fmt: skip
# What is told to a model, and sentences of errors: both are in English.
ENGLISH = [SYSTEM, "Answer this question from the text", "Question", "Text", "Answer"]


class Signs(dict):
    """A language in which each letter is a sign: letters that remain were not translated."""

    def get(self, text, _default=None):
        return re.sub(r"({(?:[^{}]|{[^{}]*})*}|<[^>]*>|&\w+;)|[A-Za-z]", lambda found: found[1] or "▪", text)


@pytest.fixture
def of_signs(monkeypatch):
    monkeypatch.setattr(language, "catalogue", lambda code: Signs())
    monkeypatch.setenv("NANOCHAT_LANGUAGE", "de")


def english_words(part):
    for text in ENGLISH:
        part = part.replace(text, "")
    words = re.findall(r"[A-Za-z_]*[A-Za-z]{2}[A-Za-z_]*", re.sub(r"\b[0-9A-F]{2}\b|The step '.*", "", part))
    return [word for word in words if word not in CODE]


def test_all_widgets_are_in_the_gallery_and_none_shows_a_text_that_is_not_translated(of_signs):
    made = gallery()
    assert set(widgets.__all__) - made.keys() == set()
    found = {name: [part for part in seen_in(picture) if english_words(part)] for name, picture in made.items()}
    assert {name: parts[:3] for name, parts in found.items() if parts} == {}


def test_the_gallery_sees_what_is_not_translated(of_signs):
    assert [part for part in read("<p title='some words'>▪▪ <b>top_p</b>kept</p>") if english_words(part)] == [
        "some words",
        "kept",
    ]


def test_pictures_in_another_language_say_which_one():
    set_language("de")
    assert ' lang="de" ' in widgets.edits_picture("ναι", []).html
    set_language("en")
    assert "lang=" not in widgets.edits_picture("ναι", []).html
