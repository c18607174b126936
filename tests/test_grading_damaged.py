"""Damaged and foreign files: each is read as far as it can be, or refused with the reason and the line; never more."""

import copy
import io
import json
import random
import zipfile

import pytest
from handed_in import ROOT, cell, read
from hypothesis import given, settings
from hypothesis import strategies as st

from nanochat_helpers.errors import RejectedError
from nanochat_helpers.grading.answers import HandedIn, cells_for, take_answers
from nanochat_helpers.grading.answers.code_names import TooMuchError, names_in, parse, same_code
from nanochat_helpers.grading.answers.damage import LARGE, read_cells, without_outputs
from nanochat_helpers.grading.answers.tricks import tricks_in
from nanochat_helpers.grading.master import find_master

MASTER = find_master("04", ROOT)
SOLVED = (ROOT / "solutions" / "04_sampling.ipynb").read_bytes()
RIGHT = take_answers(SOLVED, MASTER)


def rejection(raw):
    with pytest.raises(RejectedError) as caught:
        take_answers(raw, MASTER)
    return str(caught.value)


def with_source(text, name="ex2-answer"):
    """The solved sheet with another text in one cell."""
    notebook = read("04", "solutions")
    cell(notebook, name)["source"] = text
    return json.dumps(notebook).encode()


def zipped():
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("a.ipynb", SOLVED)
    return made.getvalue()


# --- files that are no notebook


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "The file is empty."),
        (b" \r\n\n", "The file holds nothing but blank space."),
        (bytes(5000), "The file holds nothing but blank space."),
        (b"<!DOCTYPE html>\n<html>", "(no JSON, line 1, column 1): it looks like a web page."),
        (b"%PDF-1.7\n%\xff\xfe", "it looks like a PDF."),
        (b"\x89PNG\r\n\x1a\n", "it looks like a picture."),
        (zipped(), "it looks like a zip archive, or a document of Word or Excel."),
        (b"{\\rtf1\\ansi Hello}", "it looks like a document of a word processor."),
        (b"import torch\n\ndef f():\n    pass\n", "it looks like a Python script."),
        (b"Dear teacher, my notebook is on the other computer.", "it looks like a text."),
        (b"\x01\x02\x00\x03\x00\x00\x07", "it looks like no text at all."),
        (b"[1, 2]", "The file is JSON, but no notebook: it holds no cells."),
        (b"null", "The file is JSON, but no notebook: it holds no cells."),
        (b'{"name": "x"}', "The file is JSON, but no notebook: it has no list of cells."),
        (b'{"cells": {}}', "The file is JSON, but no notebook: it has no list of cells."),
        (b'{"cells": []}', "The notebook has no cells."),
        (b'{"worksheets": []}', "The notebook has no cells."),
        (b'{"cells": [1, null, "x", {}]}', "The notebook has no readable cells."),
        (SOLVED[: len(SOLVED) // 2], "The notebook is cut off: it ends in the middle (JSON, line "),
        (b"[" * 200_000, "The file is no notebook: its brackets are nested too deeply."),
        (b'{"cells": ' + b"[" * 200_000, "The file is no notebook: its brackets are nested too deeply."),
    ],
)
def test_what_is_no_notebook_is_refused_with_the_reason(raw, said):
    assert said in rejection(raw)


def test_the_place_of_a_mistake_is_said():
    lines = SOLVED.splitlines(keepends=True)
    lines[20] = b"   this is no JSON\n"
    assert rejection(b"".join(lines)).startswith("The notebook is damaged at line 21, column 4 (JSON: ")


def test_merge_markers_are_refused_with_their_line():
    lines = SOLVED.splitlines(keepends=True)
    lines[99:99] = [b"<<<<<<< HEAD\n", b'    "a",\n', b"=======\n", b'    "b",\n', b">>>>>>> main\n"]
    assert rejection(b"".join(lines)).startswith("Line 100 begins with <<<<<<<: git joined two versions")


# --- files that can be read


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_usual_encoding_is_read(encoding):
    assert take_answers(SOLVED.decode().encode(encoding), MASTER) == RIGHT


def test_format_3_is_read():
    notebook = read("04", "solutions")
    for each in notebook["cells"]:
        if each["cell_type"] == "code":
            each["input"] = each.pop("source")
        del each["id"]
    notebook["cells"].append({"cell_type": "heading", "level": 2, "source": "Mine", "metadata": {}})
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": notebook["cells"]}]}
    assert take_answers(json.dumps(old).encode(), MASTER) == RIGHT


def test_damaged_cells_are_left_out_and_counted():
    notebook = read("04", "solutions")
    notebook["cells"] += [None, 5, {"cell_type": "code"}, {"cell_type": ["code"], "source": ""}]
    cell(notebook, "ex2-answer")["source"] = ["x = 1\n", 7]
    handed_in = take_answers(json.dumps(notebook).encode(), MASTER)
    assert handed_in.notes == (
        "Cells that are damaged and cannot be read: 5. The others were graded.",
        "The answer cell of 04.2 is gone, and no other cell defines `apply_top_k`.",
    )
    assert {**handed_in.answers, "04.2": ""} == {**RIGHT.answers, "04.2": ""}


def test_strange_metadata_do_no_harm():
    notebook = read("04", "solutions")
    for each, strange in zip(
        notebook["cells"], [None, [], 7, "x", {"nbgrader": 1}, {"nanochat": []}] * 9, strict=False
    ):
        each["metadata"] = strange
    assert take_answers(json.dumps(notebook).encode(), MASTER).answers == RIGHT.answers


def test_damaged_characters_are_replaced_and_noted():
    raw = with_source("def apply_top_k(logits, top_k):\n    return 'XYZ'\n").replace(b"XYZ", b"X\xffZ")
    handed_in = take_answers(raw, MASTER)
    assert "X�Z" in handed_in.answers["04.2"]
    assert handed_in.notes == ("Some characters of the file are damaged; � stands in their place.",)


@pytest.mark.parametrize("bad", ["\0", "\ud800", "\udfff"])
def test_what_is_no_character_is_replaced(bad):
    code = take_answers(with_source(f"def apply_top_k(logits, top_k):\n    return '{bad}'\n"), MASTER).answers["04.2"]
    assert "�" in code
    assert code.encode().decode() == code


def test_numbers_that_are_none_and_huge_ones_are_read():
    strange = b'{"a": NaN, "b": -Infinity, "c": 1e999999, "d": ' + b"9" * 1_000_000 + b', "cells": 1,'
    assert take_answers(strange + SOLVED.lstrip()[1:], MASTER) == RIGHT  # the last of two equal keys counts


def test_large_outputs_are_dropped():
    notebook = read("04", "solutions")
    text = 'a "quoted" ]}[{ \\ line 😀\n' * 40
    outputs = [{"output_type": "stream", "name": "stdout", "text": [text] * 1000}]
    for each in notebook["cells"]:
        if each["cell_type"] == "code":
            each["outputs"] = outputs * 2  # 30 MB in all
    notebook["metadata"]["widgets"] = {"state": {"a": text * 1000}}
    raw = json.dumps(notebook, ensure_ascii=False, indent=1).encode()
    assert len(raw) > 2 * LARGE
    assert take_answers(raw, MASTER) == RIGHT
    small = without_outputs(raw)
    assert len(small) < 100_000
    assert small.count(b"\n") == raw.count(b"\n")


def test_a_mistake_behind_large_outputs_has_its_own_line():
    begin = b'{"cells": [{"outputs": [\n"' + b"a" * LARGE + b'"\n]\n},\n'
    assert "damaged at line 5, column 1 " in rejection(begin + b"oops]}")


def test_a_large_file_with_a_quote_lost_in_its_outputs_loses_no_cell():
    notebook = read("04", "solutions")
    cell(notebook, "ex2-answer")["outputs"] = [{"text": ["lost"] + ["a" * 1000] * 6000}]
    raw = json.dumps(notebook).encode()
    assert take_answers(raw, MASTER) == RIGHT
    assert rejection(raw.replace(b'["lost"', b'["lost\\"')).startswith("The outputs that begin in line 1 are damaged")
    assert "damaged" in rejection(raw.replace(b'"lost"', b"["))


def test_what_is_too_large_without_outputs_is_refused():
    assert "too large: 21 MB without its outputs" in rejection(b'{"cells": ["' + b"a" * 21_500_000 + b'"]}')


def test_outputs_without_number_are_refused():
    assert "too many outputs" in rejection(b'{"cells": [{"outputs": [' + b"[]," * 2_600_000 + b"[]]}]}")


def test_a_text_that_speaks_of_outputs_is_kept():
    data = json.dumps({"cells": ['"outputs": [1]', {"outputs": [[1], {"a": "]"}], "source": "x"}]})
    assert json.loads(without_outputs(data.encode())) == {"cells": ['"outputs": [1]', {"outputs": [], "source": "x"}]}


# --- hostile code

HOSTILE = {
    "brackets": "(" * 100_000,
    "pairs": "[" * 100_000 + "]" * 100_000,
    "minus": "-" * 40_000 + "1",
    "plus": "1" + "+1" * 20_000,
    "dots": "a" + ".a" * 20_000,
    "ten megabytes": "x = 1\n" * 1_700_000,
    "one line": "a" * 10_000_000,
    "blank": " " * 10_000_000 + "x",
    "blank lines": "\n" * 5_000_000 + "x",
    "almost magic": ("a, " * 10_000 + "\n") * 3,
    "NUL": "x = 1\0",
    "digits": "9" * 40_000,
    "tabs": "\t" * 40_000 + "x =",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("end", ["", "\ndef apply_top_k(logits, top_k):\n    return logits\n"])
def test_hostile_code_breaks_nothing_and_no_other_answer(name, end):
    handed_in = take_answers(with_source(HOSTILE[name] + end), MASTER)
    assert {**handed_in.answers, "04.2": ""} == {**RIGHT.answers, "04.2": ""}
    assert cells_for(handed_in, MASTER, "04.2")[-1].exercise in ("04.2", "04.6")
    assert [each.label for each in cells_for(handed_in, MASTER, "04.3")] == [
        "the cell `imports`",
        "the answer cell of 04.3",
    ]


def test_code_that_is_too_much_needs_everything_and_is_for_a_teacher():
    text = "1" + "+1" * 20_000 + "\ndef apply_top_k(logits, top_k):\n    return logits\n"
    with pytest.raises(TooMuchError):
        parse(text)
    assert (names_in(text).binds, names_in(text).needs) == ({"apply_top_k"}, None)
    assert tricks_in(text) == "code that is too long, or nested too deeply, to be looked into"
    handed_in = take_answers(with_source(text), MASTER)
    assert [each.exercise for each in cells_for(handed_in, MASTER, "04.2")] == ["", *MASTER.stubs]
    assert handed_in.needs_review


def test_many_copies_and_many_own_cells_are_read():
    notebook = read("04", "solutions")
    answer = cell(notebook, "ex2-answer")
    notebook["cells"] += [{**answer, "source": f"def apply_top_k(a, b):\n    return {n}"} for n in range(3000)]
    notebook["cells"] += [{"cell_type": "code", "source": f"x{n} = {n}", "metadata": {}} for n in range(3000)]
    handed_in = take_answers(json.dumps(notebook).encode(), MASTER)
    assert handed_in.answers["04.2"].endswith("return 2999")
    assert handed_in.elsewhere["x2999"] == "a cell of your own"


# --- fuzz: a HandedIn or a RejectedError, whatever comes


def try_to_take(raw):
    """Take what can be taken, ask for the cells of each exercise, and check that all of it can be sent on."""
    try:
        handed_in = take_answers(raw, MASTER)
    except RejectedError as error:
        assert 10 < len(str(error)) < 400
        return None
    assert isinstance(handed_in, HandedIn)
    assert set(handed_in.answers) == set(MASTER.stubs)
    for exercise_id in MASTER.stubs:
        pieces = cells_for(handed_in, MASTER, exercise_id)
        assert exercise_id in [each.exercise for each in pieces]
        assert all(each.source.encode() for each in pieces)
    return handed_in


@pytest.mark.parametrize("seed", range(60))
def test_a_cut_file_is_refused(seed):
    end = random.Random(f"cut {seed}").randrange(len(SOLVED) - 2)
    assert try_to_take(SOLVED[:end]) is None


@pytest.mark.parametrize("seed", range(60))
def test_flipped_bytes_never_raise_anything_else(seed):
    rng, raw = random.Random(f"flip {seed}"), bytearray(SOLVED)
    for _ in range(rng.choice([1, 3, 30, 1000])):
        raw[rng.randrange(len(raw))] = rng.randrange(256)
    try_to_take(bytes(raw))


@pytest.mark.parametrize("seed", range(60))
def test_a_file_with_a_part_lost_or_doubled_never_raises_anything_else(seed):
    rng = random.Random(f"part {seed}")
    begin, end = sorted(rng.randrange(len(SOLVED)) for _ in range(2))
    try_to_take(SOLVED[:begin] + SOLVED[end:])
    try_to_take(SOLVED[:end] + SOLVED[begin:])


STRANGE = (None, True, 0, -1.5, "", "x", "\ud800", [], {}, [[]], {"a": 1}, "def apply_top_k(", "ex1-answer", 10**30)


def places(value):
    """All places in plain data that can be changed: pairs of a list or dict, and a key in it."""
    found, waiting = [], [value]
    while waiting:
        inner = waiting.pop()
        keys = list(inner) if isinstance(inner, dict) else range(len(inner))
        found += [(inner, key) for key in keys]
        waiting += [inner[key] for key in keys if isinstance(inner[key], (dict, list))]
    return found


@pytest.mark.parametrize("seed", range(100))
def test_random_edits_of_the_data_never_raise_anything_else(seed):
    rng, notebook, other = random.Random(f"edit {seed}"), read("04", "solutions"), read("03")
    for _ in range(rng.choice([1, 5, 50])):
        inner, key = rng.choice(places(notebook) or [({0: 0}, 0)])
        if rng.random() < 0.3:
            del inner[key]
        elif rng.random() < 0.3:
            inner[key] = copy.deepcopy(rng.choice(other["cells"]))
        else:
            inner[key] = rng.choice(STRANGE)
    try_to_take(json.dumps(notebook).encode())


@pytest.mark.parametrize("seed", range(60))
def test_a_broken_neighbour_never_changes_another_answer(seed):
    rng, notebook = random.Random(f"neighbour {seed}"), read("04", "solutions")
    number = rng.randrange(1, 7)
    answer = cell(notebook, f"ex{number}-answer")
    text = "".join(answer["source"])
    answer["source"] = "".join(rng.choice("()[]{}:\"'\\\n\t%!?=#\0 @def") if rng.random() < 0.1 else c for c in text)
    handed_in = try_to_take(json.dumps(notebook).encode())
    for exercise_id in set(MASTER.stubs) - {f"04.{number}"}:
        assert handed_in.answers[exercise_id] == RIGHT.answers[exercise_id]
        assert cells_for(handed_in, MASTER, exercise_id) == cells_for(RIGHT, MASTER, exercise_id)


@given(st.binary(max_size=300))
def test_any_bytes_give_cells_or_a_reason(raw):
    try:
        read_cells(raw)
    except RejectedError as error:
        assert str(error).strip()


@settings(max_examples=300)
@given(st.text(alphabet="ab=:()[]{}'\"\\\n\t %!?.,#@*def", max_size=80), st.text(max_size=40))
def test_any_code_can_be_looked_into(one, other):
    for text in (one, other, one + other):
        names = names_in(text)
        assert names.imports <= names.binds
        assert same_code(text, text)
        assert isinstance(tricks_in(text), str)
