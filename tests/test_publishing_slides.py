"""Slides: which cells stand on which page, where links lead, and that a deck loads nothing."""

import io
import re
import sys

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from nanochat_helpers import cli
from nanochat_helpers.errors import PublishingError
from nanochat_helpers.publishing import slides as module
from nanochat_helpers.publishing.command import make_slides
from nanochat_helpers.publishing.lessons import find_lessons
from nanochat_helpers.publishing.slides import slides
from nanochat_helpers.repository import colab_url, github_url

LIVE = new_output("execute_result", {"text/html": "<b>drawn</b>"}, metadata={"live": True})


def cell(kind, source, *, code=False, **more):
    metadata = {"slideshow": {"slide_type": kind}} | more.pop("metadata", {})
    return (new_code_cell if code else new_markdown_cell)(source, metadata=metadata, **more)


@pytest.fixture
def deck(tmp_path, monkeypatch):
    """Make slides of these cells, as if they had been run."""

    def make(*cells):
        path = tmp_path / "notebooks" / "40_test.ipynb"
        path.parent.mkdir(exist_ok=True)
        nbformat.write(new_notebook(cells=list(cells)), path)
        monkeypatch.setattr(module, "executed", lambda path, **_: nbformat.read(path, 4))
        return slides(path)

    return make


def pages(html):
    """The text of each page of a deck, one line each."""
    inner = re.search(r'<div class="slides">(.*)</main>', html, re.DOTALL)[1]
    found = [re.sub(r"<[^>]+>", " ", page) for page in re.split(r"(?:<section[^>]*>)+", inner)[1:]]
    return [" ".join(page.split()) for page in found]


def test_slides_and_subslides_begin_pages_and_fragments_wait_for_a_key(deck):
    html = deck(
        cell("slide", "# Title"),
        cell("slide", "One"),
        cell("fragment", "two"),
        cell("-", "three"),
        cell("subslide", "Four"),
    )
    assert pages(html) == ["Title ▶ Open this lesson live", "One two three", "Four"]
    assert html.count('<div class="fragment">') == 1
    assert re.search(r'<div class="fragment">.*two.*three.*</div></section>', html, re.DOTALL)


def test_set_up_cells_and_the_cells_that_test_the_lesson_are_left_out(deck):
    html = deck(
        cell("slide", "# Title"),
        cell("skip", "install()", code=True),
        cell("fragment", "assert x", code=True, metadata={"tags": ["remove-cell"]}),
        cell("slide", "Last"),
    )
    assert pages(html) == ["Title ▶ Open this lesson live", "Last"]


def test_a_cell_tagged_remove_input_shows_only_what_it_gives(deck):
    html = deck(
        cell("slide", "# Title"),
        cell("slide", "ask()", code=True, outputs=[LIVE], metadata={"tags": ["remove-input"]}),
    )
    assert pages(html)[1] == "drawn ▶ Move it yourself: open this lesson live"


def test_notes_belong_to_the_whole_page_and_are_not_on_it(deck):
    html = deck(cell("slide", "# Title"), cell("fragment", "two"), cell("notes", "Ask them."), cell("slide", "Next"))
    first = html[html.index("<section") : html.index("Next")]
    assert first.index('<aside class="notes">') < first.index("Ask them.") < first.index('<div class="fragment">')


def test_a_page_with_a_live_picture_has_a_link_to_the_lesson(deck):
    html = deck(
        cell("slide", "# Title"),
        cell("slide", "widget()", code=True, outputs=[LIVE]),
        cell("slide", "1 + 1", code=True, outputs=[new_output("execute_result", {"text/plain": "2"})]),
    )
    assert [("open this lesson live" in page.lower()) for page in pages(html)] == [True, True, False]
    assert html.count(f'href="{colab_url("notebooks/40_test.ipynb")}"') == 2
    assert html.count('<div class="picture">') == 1


def test_links_lead_somewhere_from_anywhere(deck):
    html = deck(
        cell("slide", "[a](05_x.ipynb) [b](../exercises/04_y.ipynb) [c](../README.md#top) [d](https://x.org) [e](#f)")
    )
    for address in (
        colab_url("notebooks/05_x.ipynb"),
        colab_url("exercises/04_y.ipynb"),
        github_url("README.md") + "#top",
        "https://x.org",
        "#f",
    ):
        assert f'href="{address}"' in html


def test_a_deck_loads_nothing(deck, tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "map.png").write_bytes(b"a picture")
    html = deck(cell("slide", "# Title"), cell("slide", "![map](map.png)"))
    html = re.sub(r"(<script[^>]*>).*?</script>", r"\1", html, flags=re.DOTALL)  # what they hold runs in a browser test
    assert re.findall(r"\ssrc=.{11}", html) == [' src="data:image']
    assert not re.search(r"<link|@import|url\((?!data:|#)", html)


def test_a_text_of_the_model_stays_text(deck):
    said = new_output("stream", name="stdout", text="<script>alert(1)</script>")
    html = deck(cell("slide", "# Title"), cell("slide", "chat()", code=True, outputs=[said]))
    assert "<script>alert(1)" not in html


def test_a_picture_that_is_missing_is_named(deck):
    with pytest.raises(PublishingError, match=r"map\.png cannot be read"):
        deck(cell("slide", "![map](map.png)"))


def test_a_notebook_without_slides_is_refused(deck):
    with pytest.raises(PublishingError, match="begins a slide"):
        deck(cell("skip", "x"))


# --- lessons and files


@pytest.fixture
def repository(tmp_path):
    """A folder that looks like a copy of the repository, with three lessons."""
    (tmp_path / "notebooks").mkdir()
    for name in ("00_start", "04_sampling", "10_more"):
        nbformat.write(new_notebook(cells=[cell("slide", "# Title")]), tmp_path / "notebooks" / f"{name}.ipynb")
    return tmp_path


def test_a_lesson_is_found_by_number_name_or_path(repository):
    for name in ("04", "4", "04_sampling", "04_sampling.ipynb", str(repository / "notebooks/04_sampling.ipynb")):
        assert [path.stem for path in find_lessons([name], repository)] == ["04_sampling"]
    assert [path.stem for path in find_lessons([], repository)] == ["00_start", "04_sampling", "10_more"]
    assert len(find_lessons(["4", "04"], repository)) == 1


def test_what_is_no_lesson_is_refused_with_those_that_are(repository, tmp_path):
    with pytest.raises(PublishingError, match=r"no lesson '17'.*00_start, 04_sampling, 10_more"):
        find_lessons(["17"], repository)
    with pytest.raises(PublishingError, match="--folder"):
        find_lessons([], tmp_path / "elsewhere")


def test_a_file_is_written_for_each_lesson_and_said(repository, monkeypatch):
    monkeypatch.setattr(module, "executed", lambda path, **_: nbformat.read(path, 4))
    said = []
    assert make_slides(["4", "10"], repository / "out" / "decks", said.append, folder=repository) == 0
    assert sorted(path.name for path in (repository / "out" / "decks").iterdir()) == [
        "04_sampling.html",
        "10_more.html",
    ]
    assert [line for line in said if "04_sampling.html" in line]


def test_the_command_says_a_mistake_in_one_line(repository, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    out = ["--out", str(repository / "decks"), "--folder", str(repository)]
    with pytest.raises(SystemExit) as left:
        cli.main(["slides", "99", *out])
    said = capsys.readouterr()
    assert left.value.code == 2
    assert said.err.startswith("nanochat: There is no lesson '99'") and said.err.count("\n") == 1
    assert not (repository / "decks").exists()


def test_a_folder_that_cannot_be_made_is_one_sentence(repository):
    with pytest.raises(PublishingError, match="--out"):
        make_slides(["4"], repository / "notebooks" / "04_sampling.ipynb", print, folder=repository)
