"""Whose a file is: what a school's system wrote is understood, and what a student wrote is not believed."""

import pytest

from nanochat_helpers.grading.submissions.entries import BOX, NOTEBOOK, OTHER, Entry, is_notebook
from nanochat_helpers.grading.submissions.owners import find_owners, sheets_in, without_sheet


def owners(*names, known=()):
    """The first label of each owner → the number of its entries; a name that ends with / is a folder."""
    entries = [_entry(name) for name in names]
    folders = {tuple(each.parts[:n]) for each in entries for n in range(1, len(each.parts))}
    entries += [Entry(parts, BOX, "") for parts in folders if parts not in {each.parts for each in entries}]
    found = find_owners(entries, "04", lambda label: label in known)
    return {owner.labels[0]: sum(entry.kind != BOX for entry in owner.entries) for owner in found}


def _entry(name):
    kind = BOX if name.endswith("/") else NOTEBOOK if is_notebook(name) else OTHER
    return Entry(tuple(name.rstrip("/").split("/")), kind, "")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["class/a.ipynb", "class/b.ipynb"], {"a": 1, "b": 1}),
        (["x/class/a/04_sampling.ipynb", "x/class/b/04_sampling.ipynb", "x/read me.md"], {"a": 1, "b": 1}),
        (["anna/04_sampling.ipynb", "anna/04_sampling (1).ipynb"], {"anna": 2}),
        (["anna/04_sampling/04_sampling.ipynb"], {"anna": 1}),
        (["anna/homework.ipynb"], {"anna": 1}),
        (["class/anna/04_sampling.ipynb"], {"anna": 1}),
        (["04_sampling/anna/x.ipynb", "04_sampling/ben/x.ipynb"], {"anna": 1, "ben": 1}),
        (["03_next_token/anna/x.ipynb", "04_sampling/anna/x.ipynb", "04_sampling/ben/x.ipynb"], {"anna": 2, "ben": 1}),
        (
            ["one/Anna_1_assignsubmission_file_/x.ipynb", "two/Ben_2_assignsubmission_file_/x.ipynb"],
            {"Anna": 1, "Ben": 1},
        ),
        (["submitted/anna/ps/x.ipynb", "release/ps/x.ipynb", "gradebook.db"], {"anna": 1}),
        (["anna/submitted/x.ipynb", "ben/y.ipynb"], {"anna": 1, "ben": 1}),
        (["anna/", "ben.ipynb"], {"anna": 0, "ben": 1}),
    ],
)
def test_folders_around_all_students_are_told_from_students(names, expected):
    assert owners(*names) == expected


def test_a_student_of_the_roster_is_no_folder_around_others():
    names = ["anna/a.ipynb", "anna/b.ipynb"]
    assert owners(*names) == {"a": 1, "b": 1} and owners(*names, known=["anna"]) == {"anna": 2}


def test_what_a_student_names_like_an_export_stays_the_students():
    assert owners("anna/Ben_1_assignsubmission_file_/x.ipynb", "ben/04_sampling.ipynb") == {"anna": 1, "ben": 1}
    assert owners("Anna_1_assignsubmission_file_Ben_2_assignsubmission_file_x.ipynb") == {"Anna": 1}
    assert owners("ekanna_1234_5678_benb_4321_8765_04_sampling.ipynb") == {"ekanna": 1}


def test_a_date_in_a_name_is_no_number_of_canvas():
    assert owners("class_2026_1201_anna.ipynb", "class_2026_1202_ben.ipynb") == {
        "class_2026_1201_anna": 1,
        "class_2026_1202_ben": 1,
    }


@pytest.mark.parametrize(
    ("name", "rest", "numbers"),
    [
        ("04_sampling", "", {"04"}),
        ("4-Sampling", "", {"04"}),
        ("04_sampling_anna_ek", "anna_ek", {"04"}),
        ("Anna Ek - 04 sampling", "Anna Ek", {"04"}),
        ("anna (04_sampling) v2", "anna_v2", {"04"}),
        ("03_next_token and 10_rag_lite", "and", {"03", "10"}),
        ("sampling", "sampling", set()),
        ("x04_samplings", "x04_samplings", set()),
        ("-", "-", set()),
    ],
)
def test_the_name_of_a_sheet_in_a_name(name, rest, numbers):
    assert without_sheet(name) == rest and sheets_in(name) == numbers
