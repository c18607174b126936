"""What axe finds on every widget, on the report pages and on the chat page: nothing serious.

The widgets stand in a real JupyterLab, with their controls, in one notebook; JupyterLab's own page is not looked at.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe import serious_findings
from notebook_page import A_MINUTE, ERROR, open_cells, soon
from playwright.sync_api import Page, expect
from test_grading_reports import some_class, write
from test_gui_page import SCRIPTED_PAGE, Tab, free_port, wait_for

from nanochat_helpers import widgets

SETUP = """
import torch
from nanochat_helpers import Chat, GenerationSettings, load_model, widgets
from nanochat_helpers.passages import read_folder
from nanochat_helpers.postprocess import clean
from nanochat_helpers.retrieval import BM25Search, Retriever
from nanochat_helpers.safety import Safety
from nanochat_helpers.search_quality import question_scores, read_questions

backbone = load_model("smollm2")
tokenizer, brief = backbone.tokenizer, GenerationSettings(max_new_tokens=6, seed=0)
ids = tokenizer.encode("The cat and the cat and the")
logits = backbone.next_token_logits(ids)
search = BM25Search(read_folder())
reply = Chat(backbone, settings=brief, retriever=Retriever(search, k=1)).send("Who wrote ELIZA?")
talk = [{"role": "user", "content": "Hello"}]
raw = " Bot: Tea is hot. I al<|im_end|>"
"""
# name → the code that shows it
CELLS = {
    "chips_widget": "widgets.chips_widget('Grüße 🦊', tokenizer)",
    "ladder_widget": "widgets.ladder_widget('12.0*50', {'smollm2': tokenizer})",
    "merges_widget": "widgets.merges_widget('low lower lowest', 3)",
    "pipeline_map": "widgets.pipeline_map(reply.trace)",
    "five_columns_widget": "widgets.five_columns_widget(logits, tokenizer, brief, input_ids=ids)",
    "ghost_bars_widget": "widgets.ghost_bars_widget(logits, tokenizer, brief)",
    "roulette_widget": "widgets.roulette_widget(logits, tokenizer, brief)",
    "cumulative_cut_widget": "widgets.cumulative_cut_widget(logits, tokenizer, brief)",
    "draws_widget": "widgets.draws_widget(logits, tokenizer, brief)",
    "penalty_arrows_widget": "widgets.penalty_arrows_widget(logits, tokenizer, prompt_ids=ids[:3], new_ids=ids[3:])",
    "filmstrip_widget": "widgets.filmstrip_widget(backbone, ids, brief)",
    "comparison_widget": "widgets.comparison_widget(backbone, ids, brief, brief.change(seed=1))",
    "settings_map_widget": "widgets.settings_map_widget(backbone, ids, n_seeds=2, max_new_tokens=2)",
    "prompt_strip_widget": "widgets.prompt_strip_widget(talk, tokenizer)",
    "bake_off_widget": "widgets.bake_off_widget(backbone, 1)",
    "template_clinic_widget": "widgets.template_clinic_widget(backbone)",
    "edits_widget": "widgets.edits_widget(raw)",
    "edits_picture": "widgets.edits_picture(raw, clean(raw).edits)",
    "safety_widget": "widgets.safety_widget()",
    "marked_picture": "widgets.marked_picture('You stupid robot!', Safety().input_rules)",
    "scores_picture": "widgets.scores_picture(Safety())",
    "sampling_lab": "widgets.sampling_lab(backbone)",
    "search_widget": "widgets.search_widget(search, 'Who wrote ELIZA?')",
    "answer_view": "widgets.answer_view(reply)",
    "threshold_widget": "widgets.threshold_widget(question_scores(search, read_questions()), 0.1)",
    "chat_panel": "widgets.chat_panel(backbone)",
    "xray_widget": "widgets.xray_widget(reply)",
    "rounded_row_widget": "widgets.rounded_row_widget([0.31, -0.6, 0.04, 0.9])",
    "workflow_diagram": "widgets.workflow_diagram()",
    "predict": """
guesses = [
    widgets.predict("Which one?", [" hot", " cold"]), widgets.predict("How many?", number=True, names=["a", "b"]),
    widgets.predict("Which ones?", [1, 2, 3], several=True), widgets.predict("What does it say?"),
]
for guess, truth in zip(guesses, (" hot", (3, 4), [1, 2], "Hello"), strict=True):
    guess.whole_class.value = True
    display(guess)
    guess.reveal(truth)
guesses[0].hands[""].counters[1].value = 17
""",
}
NO_PICTURE = {"presenter"}  # it shows no output: its bar is looked at in test_presenter.py
# ipywidgets draws the handle of a slider and gives it no name for a screen reader; no setting of a slider changes that.
# The name stands before the slider as text, and its value behind it.
NOT_OURS = [".noUi-handle"]


@pytest.fixture(scope="module")
def notebook(copies, shared_page: Page) -> Page:
    """A notebook with a cell for each widget; all have been run."""
    open_cells(shared_page, copies, "access.ipynb", SETUP, *CELLS.values())
    assert shared_page.locator(ERROR).all_inner_texts() == []
    soon(expect(shared_page.locator(".jp-OutputArea .nc").last).to_be_visible, timeout=A_MINUTE)
    return shared_page


def test_every_widget_is_looked_at():
    assert CELLS.keys() | NO_PICTURE == set(widgets.__all__)


def test_no_widget_has_a_serious_finding(notebook):
    assert notebook.locator(".jp-CodeCell .jp-OutputArea-output .nc").count() >= len(CELLS)
    assert serious_findings(notebook, ".jp-OutputArea-output", without=NOT_OURS) == []


def test_no_report_page_has_a_serious_finding(tmp_path, page):
    out = write(tmp_path, some_class())
    pages = sorted(out.rglob("*.html"), key=lambda path: path.stat().st_size)
    students = [path for path in pages if path.parent.name == "students"]
    for path in [out / "class.html", out / "similar.html", students[0], students[len(students) // 2], students[-1]]:
        page.goto(path.as_uri())
        assert serious_findings(page) == [], path.name


@pytest.fixture(scope="module")
def chat_page(tmp_path_factory) -> Iterator[str]:
    """The address of the page of `nanochat gui`, with a scripted model."""
    log, port = tmp_path_factory.mktemp("gui") / "log", free_port()
    tests = str(Path(__file__).parents[1])
    with log.open("w") as out:
        command = [sys.executable, "-c", SCRIPTED_PAGE, str(port)]
        server = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": tests}, stdout=out, stderr=out)
    try:
        wait_for(server, port, log)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(timeout=20)


def test_the_chat_page_has_no_serious_finding(chat_page, page):
    tab = Tab(page, chat_page)
    tab.send("one")
    assert serious_findings(page) == []


def test_axe_sees_a_picture_without_words_and_pale_text(page):
    page.set_content('<html lang="en"><title>t</title><main><img src="x.png"><p style="color:#ccc">pale</p></main>')
    found = " ".join(serious_findings(page))
    assert "image-alt (critical)" in found and "color-contrast (serious)" in found
    assert serious_findings(page, "main", without=["img", "p"]) == []
    with pytest.raises(AssertionError, match="nothing to look at"):
        serious_findings(page, ".nowhere")
