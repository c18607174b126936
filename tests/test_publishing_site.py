"""The site's pages: lists and links as Markdown wants them, drawings that no Markdown touches, a folder kept safe."""

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from nanochat_helpers.errors import PublishingError
from nanochat_helpers.publishing.command import make_site
from nanochat_helpers.publishing.lesson_page import filled_in, for_markdown, lesson_page
from nanochat_helpers.publishing.links import moved_links, outside_address, relative_address
from nanochat_helpers.publishing.site import _check_out, _places
from nanochat_helpers.publishing.site_pages import exercises_page, front_page, navigation, question
from nanochat_helpers.repository import colab_url, github_url


def page_of(*cells):
    return lesson_page("40_test", new_notebook(cells=list(cells)), "<p>links</p>", lambda text: text)


def test_the_links_to_open_a_lesson_stand_below_its_title():
    page = page_of(new_markdown_cell("# Title\n\nA question?"), new_markdown_cell("More"))
    assert page.text == "# Title\n\n<p>links</p>\n\n\nA question?\n\nMore\n"


def test_code_is_a_block_and_what_it_shows_a_mark_that_is_filled_in_later():
    outputs = [
        new_output("stream", text="<b>\x1b[31mred\x1b[0m"),
        new_output("display_data", {"text/html": "<p>a\n\n*b*</p>"}),
        new_output("display_data", {"image/png": "abc\n"}, metadata={"image/png": {"alt": 'say "x"'}}),
    ]
    page = page_of(new_markdown_cell("# T"), new_code_cell("x = 1", outputs=outputs))
    (mark,) = page.drawings
    assert f"```python\nx = 1\n```\n\n<div>{mark}</div>" in page.text
    shown = filled_in(f"<div>{mark}</div>", page.drawings)
    for part in ("&lt;b&gt;red<", "<p>a\n\n*b*</p>", 'alt="say &quot;x&quot;"', "base64,abc"):
        assert part in shown


def test_a_cell_without_outputs_has_no_mark():
    assert "<div>" not in page_of(new_markdown_cell("# T"), new_code_cell("x = 1")).text


def test_cells_that_test_the_lesson_are_left_out_and_notes_can_be_opened():
    page = page_of(
        new_markdown_cell("# T"),
        new_code_cell("assert secret", metadata={"tags": ["remove-cell"]}),
        new_markdown_cell("For the teacher: ask.\n\n- one\n- two", metadata={"slideshow": {"slide_type": "notes"}}),
    )
    assert "secret" not in page.text
    assert '??? note "For the teacher"\n\n    ask.\n\n    - one\n    - two' in page.text


def test_a_cell_whose_code_is_hidden_shows_only_what_it_gives():
    outputs = [new_output("display_data", {"text/html": "<p>How many?</p>"})]
    hidden = {"tags": ["remove-input"]}
    page = page_of(new_markdown_cell("# T"), new_code_cell("ask()", metadata=hidden, outputs=outputs))
    (mark,) = page.drawings
    assert f"<div>{mark}</div>" in page.text and "How many?" in page.drawings[mark]
    assert "ask()" not in page.text and "```" not in page.text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("One:\n- a\n- b\nend", "One:\n\n- a\n- b\nend"),
        ("One:\n1. a\n2. b", "One:\n\n1. a\n2. b"),
        ("One:\n| a |\n|---|", "One:\n\n| a |\n|---|"),
        ("- a\n  more\n- b", "- a\n  more\n- b"),
        ("```\nx\n- a\n```", "```\nx\n- a\n```"),
        ("One\n\n- a", "One\n\n- a"),
        ("2 - 1 is one\n*so*", "2 - 1 is one\n*so*"),
    ],
)
def test_a_list_or_a_table_begins_after_an_empty_line(text, wanted):
    assert for_markdown(text) == wanted


def test_links_are_moved_with_their_anchors_and_outside_ones_stay():
    text = "[a](../sheets/x.ipynb#p) [b](y.ipynb) [c](https://z.org/q) [d](#e) ![f](g.png)"
    moved = "[a](<sheets/x.ipynb>#p) [b](<notebooks/y.ipynb>) [c](https://z.org/q) [d](#e) ![f](<notebooks/g.png>)"
    assert moved_links(text, "notebooks", lambda path: f"<{path}>") == moved
    assert moved_links(text, "notebooks", lambda path: f"<{path}>", str.upper).endswith(" ![f](NOTEBOOKS/G.PNG)")


def test_addresses_in_the_site_and_outside():
    assert relative_address("lessons/04.md", "index.md") == "lessons/04.md"
    assert relative_address("exercises.md", "teaching/plans/04.md") == "../../exercises.md"
    assert outside_address("notebooks/04.ipynb") == colab_url("notebooks/04.ipynb")
    assert outside_address("LICENSE") == github_url("LICENSE")


def test_every_kind_of_file_has_its_place(tmp_path):
    for name in ("notebooks/04_a.ipynb", "exercises/04_a.ipynb", "teaching/plans/04_a.md", "teaching/plans/04_a.pdf"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert _places(tmp_path) == {
        "README.md": "index.md",
        "notebooks": "index.md",
        "exercises": "exercises.md",
        "teaching/plans": "teaching/plans/04_a.md",
        "notebooks/04_a.ipynb": "lessons/04_a.md",
        "exercises/04_a.ipynb": "exercises.md#04_a",
        "teaching/plans/04_a.md": "teaching/plans/04_a.md",
        "teaching/plans/04_a.pdf": "teaching/plans/04_a.pdf",
    }


def test_a_card_shows_the_question_of_its_lesson():
    notebook = new_notebook(cells=[new_markdown_cell("# 04 · *Name*\n\nWho\nchooses?\n\n**You need** it.")])
    assert question(notebook) == "Who chooses?"
    page = front_page([("04_name", notebook)])
    for part in ("[04 · Name](lessons/04_name.md)", "Who chooses?", colab_url("notebooks/04_name.ipynb"), "download"):
        assert part in page
    assert "CARDS" not in page


def test_every_sheet_is_on_the_page_of_the_exercises():
    page = exercises_page()
    assert "{ #04_sampling }" in page and "| 04.3 |" in page and "{ #12_delivery }" in page


def test_the_menu_has_the_teachers_pages_in_their_parts(tmp_path):
    paths = ["teaching/grading.md", "teaching/hub/setup.md", "teaching/plans/04.md"]
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(f"# Page {path[9:]}\n")
    menu = navigation([tmp_path / "04_a.ipynb"], paths, tmp_path)
    assert menu[-1] == {
        "For teachers": [
            {"Page grading.md": "teaching/grading.md"},
            {"Lesson plans": [{"Page plans/04.md": "teaching/plans/04.md"}]},
            {"Hub": [{"Page hub/setup.md": "teaching/hub/setup.md"}]},
        ]
    }


def test_a_folder_with_other_files_is_never_replaced(tmp_path):
    _check_out(tmp_path / "new")
    _check_out(tmp_path)
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "nanochat-site.css").touch()
    _check_out(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    for path in (tmp_path / "mine", tmp_path / "mine" / "thesis.txt"):
        with pytest.raises(PublishingError, match="no site of NanoChat"):
            _check_out(path)


def test_a_folder_that_is_no_repository_is_refused(tmp_path):
    with pytest.raises(PublishingError, match="--folder"):
        make_site(tmp_path / "site", print, folder=tmp_path)
