"""Running a lesson: what is kept of its outputs, when it is run again, and the sentence when a cell fails."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from nanochat_helpers.errors import PublishingError
from nanochat_helpers.publishing import execute, outputs
from nanochat_helpers.publishing.execute import executed, keep_static

WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def notebook(tmp_path):
    """Write a notebook with these code cells below a sentence, and give its path."""

    def write(*codes, text="# Title"):
        path = tmp_path / "40_test.ipynb"
        nbformat.write(new_notebook(cells=[new_markdown_cell(text), *map(new_code_cell, codes)]), path)
        return path

    return write


@pytest.fixture
def runs(empty_cache, monkeypatch):
    """A stand-in for the kernel: each cell prints its own code. It counts how often a notebook was run."""
    ran = []

    def run(path, notebook):
        ran.append(path)
        for cell in outputs.code_cells(notebook):
            cell.outputs = [new_output("stream", name="stdout", text=cell.source)]

    monkeypatch.setattr(execute, "_run", run)
    return ran


def said(notebook):
    return ["".join(output.text for output in cell.outputs) for cell in outputs.code_cells(notebook)]


# --- with a real kernel


def test_a_notebook_is_run_where_it_lies_and_its_pictures_stand_still(notebook, empty_cache):
    picture = f"{{'text/plain': 'a live picture', 'text/html': '<b>drawn</b>', '{WIDGET}': {{'model_id': 'x'}}}}"
    bar = f"{{'text/plain': 'a bar', '{WIDGET}': {{'model_id': 'y'}}}}"
    path = notebook(
        "from pathlib import Path\nprint(Path('40_test.ipynb').is_file())",
        f"display({picture}, raw=True)\ndisplay({bar}, raw=True)",
        "6 * 7",
    )
    first, second, third = outputs.code_cells(executed(path))
    assert first.outputs[0].text == "True\n"
    assert [(output.data, output.metadata) for output in second.outputs] == [
        ({"text/html": "<b>drawn</b>"}, {"live": True})
    ]
    assert third.outputs[0].data == {"text/plain": "42"}


def test_a_cell_that_fails_is_named_in_one_sentence(notebook, empty_cache):
    path = notebook("x = 1", "x / 0\n")
    cell = nbformat.read(path, 4).cells[2].id
    with pytest.raises(PublishingError) as found:
        executed(path)
    assert str(found.value).startswith(f"40_test.ipynb, cell '{cell}': ZeroDivisionError: division by zero. ")
    assert not list((empty_cache / "lessons").glob("*"))


# --- when it is run again


def test_what_was_run_is_not_run_again_until_the_code_changes(notebook, runs):
    assert said(executed(notebook("1", "2"))) == said(executed(notebook("1", "2", text="# Another"))) == ["1", "2"]
    assert len(runs) == 1
    assert said(executed(notebook("1", "3"))) == ["1", "3"]
    assert len(runs) == 2


def test_another_package_or_language_runs_it_again_unless_one_says_that_an_older_one_will_do(
    notebook, runs, monkeypatch
):
    path = notebook("1")
    executed(path)
    monkeypatch.setenv("NANOCHAT_LANGUAGE", "de")
    executed(path)
    assert len(runs) == 2
    monkeypatch.setattr(outputs, "_package_key", lambda language: "newer" + language)
    assert said(executed(path, any_package=True)) == ["1"]
    assert len(runs) == 2
    executed(path)
    assert len(runs) == 3


def test_only_the_latest_runs_of_a_lesson_are_kept(notebook, runs, empty_cache):
    for number in range(outputs.KEPT + 3):
        path = notebook(str(number))
        executed(path)
    assert len(list((empty_cache / "lessons").iterdir())) == outputs.KEPT
    executed(path)
    assert len(runs) == outputs.KEPT + 3


def test_a_damaged_file_in_the_cache_counts_as_none(notebook, runs, empty_cache):
    path = notebook("1")
    executed(path)
    (kept,) = (empty_cache / "lessons").iterdir()
    for damage in ("", "{}", "[]", '[["x"'):
        kept.write_text(damage)
        assert said(executed(path)) == ["1"]
    assert len(runs) == 5


def test_a_cache_that_nothing_can_be_written_to_does_no_harm(notebook, runs, empty_cache):
    empty_cache.write_text("a file stands here")
    assert said(executed(notebook("1"))) == ["1"]


def test_a_file_that_is_no_notebook_is_named(tmp_path, empty_cache):
    (tmp_path / "x.ipynb").write_text("no JSON")
    for name, reason in (("x.ipynb", "it is no notebook"), ("y.ipynb", "No such file or directory")):
        with pytest.raises(PublishingError, match=reason):
            executed(tmp_path / name)


# --- details


def test_what_changes_from_run_to_run_is_not_kept():
    cell = new_code_cell("1", outputs=[new_output("execute_result", {"text/plain": "1"}, execution_count=7)])
    book = new_notebook(cells=[cell], metadata={"widgets": {}})
    keep_static(book)
    assert book.cells[0].outputs[0].execution_count is None
    assert "widgets" not in book.metadata


def test_a_plot_has_a_text_for_those_who_cannot_see_it(notebook, runs, monkeypatch):
    def run(path, book):
        for cell in outputs.code_cells(book):
            cell.outputs = [new_output("display_data", {"image/png": "abc"})]

    monkeypatch.setattr(execute, "_run", run)
    path = notebook("a = 1\nplots.bars(a)", "2")
    book = nbformat.read(path, 4)
    book.cells[2].metadata.alt = "Two bars."
    nbformat.write(book, path)
    texts = [cell.outputs[0].metadata["image/png"].alt for cell in outputs.code_cells(executed(path))]
    assert texts == ["Plot drawn by: plots.bars(a)", "Two bars."]


def test_what_is_printed_bit_by_bit_is_one_text(notebook, runs, monkeypatch):
    def run(path, book):
        bits = [("stdout", "Fox"), ("stdout", "es"), ("stderr", "!"), ("stdout", " run")]
        outputs.code_cells(book)[0].outputs = [new_output("stream", name=name, text=text) for name, text in bits]

    monkeypatch.setattr(execute, "_run", run)
    for _ in range(2):
        shown = outputs.code_cells(executed(notebook("stream()")))[0].outputs
        assert [output.text for output in shown] == ["Foxes", "!", " run"]


def test_the_page_of_a_server_that_has_ended_is_not_asked_for(notebook, runs, monkeypatch):
    def run(path, book):
        page = '<div><iframe src="http://127.0.0.1:7860/" width="100%"></iframe></div>'
        outputs.code_cells(book)[0].outputs = [new_output("display_data", {"text/html": page})]

    monkeypatch.setattr(execute, "_run", run)
    for _ in range(2):  # also from the cache
        (output,) = outputs.code_cells(executed(notebook("launch()")))[0].outputs
        assert "127.0.0.1" not in output.data["text/html"] and "Open it live" in output.data["text/html"]


def test_the_package_key_knows_the_sources_but_not_what_no_lesson_shows():
    counted = {
        file.relative_to(outputs.PACKAGE).as_posix() for file in outputs.PACKAGE.rglob("*") if outputs._counts(file)
    }
    assert {"sampling.py", "widgets/lab.py", "data/workflow.json"} <= counted
    assert not {name for name in counted if name.startswith(("publishing/", "grading/", "data/slides/"))}
