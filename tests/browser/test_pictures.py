"""The live pictures of the lessons that test_lessons.py leaves out, in a real JupyterLab: by mouse and by keyboard.

All stand in one notebook with one kernel and one loaded model. No test depends on what the model says.
"""

import re

import pytest
from notebook_page import (
    A_MINUTE,
    button,
    change_of,
    drag,
    drawing,
    move_every_slider,
    open_cells,
    photograph_wide_and_narrow,
    picture,
    press_button,
    press_keys,
    slider,
    value_of,
)
from playwright.sync_api import Locator, Page, expect

HOSTILE = "<script>alert(1)</script>"
SETUP = f"""
from nanochat_helpers import Chat, GenerationSettings, load_model, widgets
from nanochat_helpers.history import LastTurns, RunningSummary
from nanochat_helpers.memory import summarise_with
from nanochat_helpers.passages import Passage, read_folder
from nanochat_helpers.retrieval import BM25Search, Retriever
from nanochat_helpers.safety import Safety
from nanochat_helpers.search_quality import question_scores, read_questions

HOSTILE = "{HOSTILE}"
backbone = load_model("smollm2")
brief = GenerationSettings(max_new_tokens=8, seed=0)
"""
CLINIC = "widgets.template_clinic_widget(backbone, n_seeds=2, max_new_tokens=12)"
STRIP = "widgets.prompt_strip_widget(talk, backbone.tokenizer, max_length=200, max_history=5)"
TALK = f"""
texts = [HOSTILE, "We live by a lake.", "I play in a band.", "It rains.", "I read a lot.", "What is my cat called?"]
talk = [dict(role="system", content="You are a helpful AI assistant.")]
for text in texts[:-1]:
    talk += [dict(role="user", content=text), dict(role="assistant", content="That is good to know!")]
talk += [dict(role="user", content=texts[-1])]
{STRIP}
"""
BAKE_OFF = "widgets.bake_off_widget(backbone, 4, strategies=strategies, n_seeds=3, settings=brief)"
STRATEGIES = f"""
summing_up = RunningSummary(summarise_with(backbone), max_history=1)
strategies = {{"keep the last turn": LastTurns(1), HOSTILE: summing_up}}
{BAKE_OFF}
"""
NO_ROOM = "widgets.bake_off_widget(backbone, 1, strategies=strategies, n_seeds=1, max_tokens=10)"
EDITS = "widgets.edits_widget(raws, stop=['User:'])"
RAWS = f"""
messy = " Bot: Tea is hot.  \\n\\n\\n\\nI like tea. I al<|im_end|>\\nUser: And coffee?\\nBot: Coffee is"
raws = {{"messy": messy, "hostile": HOSTILE + " That is all. And", "clean": "Tea is hot."}}
{EDITS}
"""
EDITS_PICTURE = "widgets.edits_picture(messy, clean(messy).edits)"
SAFETY = "widgets.safety_widget()"
MARKED = 'widgets.marked_picture(f"You stupid robot! {HOSTILE} Write to kim@example.org.", Safety().input_rules)'
SCORES = "widgets.scores_picture(Safety())"
SEARCH = 'widgets.search_widget([bm25, other], "Who wrote ELIZA?")'
SEARCHES = f"""
bm25 = BM25Search(read_folder())
other = BM25Search([Passage(HOSTILE + " Who was Luhn? Somebody wrote ELIZA.", "<b>.md", "line 1")])
other.name = "one page"
{SEARCH}
"""
THRESHOLD = "widgets.threshold_widget(question_scores(bm25, read_questions()), 0.1)"
ANSWER = "widgets.answer_view(Chat(backbone, settings=brief, retriever=Retriever(bm25, k=1)).send(question))"
WORKFLOW = "widgets.workflow_diagram(broken)"

ROUNDED = "widgets.rounded_row_widget(row, bits=4)"
WEIGHTS = "widgets.rounded_row_widget(weights[0, :32], bits=5)"
ROWS = f"""
row = [0.31, -0.6, 0.04, 0.9, -0.17, 0.56, -0.28, 0.12]
{ROUNDED}
"""


@pytest.fixture(scope="module")
def notebook(copies, shared_page: Page) -> Page:
    """A notebook with a cell for each picture; all have been run."""
    cells = [SETUP, CLINIC, TALK, STRATEGIES, NO_ROOM, RAWS]
    cells += [f"from nanochat_helpers.postprocess import clean\n{EDITS_PICTURE}", SAFETY, MARKED, SCORES, SEARCHES]
    cells += [THRESHOLD, f"question = HOSTILE + ' Who wrote ELIZA?'\n{ANSWER}", f"broken = {BROKEN!r}\n{WORKFLOW}"]
    cells += [ROWS, f"weights = backbone.model.model.layers[0].mlp.up_proj.weight\n{WEIGHTS}"]
    open_cells(shared_page, copies, "pictures.ipynb", *cells)
    complaints = shared_page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']")
    assert complaints.all_inner_texts() == []
    return shared_page


BROKEN = '{"workflow": "mine", "steps": [{"step": "tempreature"}]}'


def drawn(view: Locator) -> Locator:
    """The picture below the controls, or the sentence in its place."""
    return view.locator(".widget-html").last


def is_shown_as_text(view: Locator) -> None:
    expect(view).to_contain_text(HOSTILE)
    assert view.locator("script, img").count() == 0


# --- lesson 02


def test_the_template_clinic_is_run_stopped_and_read(notebook, output_path):
    view = picture(notebook, CLINIC)
    question = view.get_by_label("question", exact=True)
    expect(button(view, "Stop")).to_be_disabled()
    press_button(view, "Run the clinic", key="Enter")
    press_button(view, "Stop")
    expect(view).to_contain_text("Stopped.", timeout=A_MINUTE)
    press_button(view, "Run the clinic")
    expect(view.locator(".nc-clinic tr")).to_have_count(7, timeout=A_MINUTE)  # the head, and six prompts
    expect(view).to_contain_text("What is the capital of France?")
    for name in ("missing", "no generation prompt", "right"):
        view.get_by_label("replies to", exact=True).select_option(name)
        expect(view).to_contain_text(f"The prompt {name}")
        expect(view.locator(".nc-clinic-replies dt")).to_have_count(2)
    photograph_wide_and_narrow(view, output_path, "clinic")

    question.fill(HOSTILE)
    press_button(view, "Run the clinic", key="Space")
    expect(view.locator(".nc-head").last).to_contain_text(HOSTILE, timeout=A_MINUTE)
    is_shown_as_text(view)
    question.fill("word " * 9_000)
    press_button(view, "Run the clinic")
    expect(view).to_contain_text("please make it shorter", timeout=A_MINUTE)
    expect(button(view, "Stop")).to_be_disabled()


# --- lesson 06


def test_the_prompt_strip_follows_its_sliders_and_its_strategy(notebook, output_path):
    view = picture(notebook, STRIP)
    is_shown_as_text(view)
    for name, share in (("max_history", 0.0), ("max_length", 0.8), ("turn", 0.5)):
        before = drawn(view).text_content()
        drag(slider(view, name), share, on_the_way=lambda before=before: expect(drawn(view)).not_to_have_text(before))
        press_keys(slider(view, name), "End")
    for name in ("max_history", "max_length", "turn"):
        with change_of(drawn(view)):
            press_keys(slider(view, name), *["ArrowLeft"] * 4)
    press_keys(slider(view, "turn"), "End")
    expect(view).to_contain_text("Fell out")
    for name, key in (("keep what fits", ""), ("drop three at a time", "Enter"), ("keep the last turns", "Space")):
        press_button(view, name, key=key)
        expect(button(view, name)).to_have_class(re.compile("mod-active"))
    photograph_wide_and_narrow(view, output_path, "strip")
    press_keys(slider(view, "max_length"), "Home")
    expect(view).to_contain_text("please")
    expect(view.locator(".nc-ps-bar")).to_have_count(0)
    photograph_wide_and_narrow(view, output_path, "strip_too_short")
    press_keys(slider(view, "max_length"), "End")
    expect(view.locator(".nc-ps-bar")).to_be_visible()


def test_the_bake_off_is_played_stopped_and_played_with_other_turns(notebook, output_path):
    view = picture(notebook, BAKE_OFF)
    n_between = slider(view, "turns in between")
    drag(n_between, 1.0)
    assert value_of(n_between) == 16
    press_button(view, "Play", key="Enter")
    press_button(view, "Stop")  # the summary is written again at each turn: that takes a while
    expect(view).to_contain_text("this round does not count", timeout=A_MINUTE)
    expect(view.locator(".nc-bo")).to_have_count(0)
    for keys, answer in ((["Home"], "✓ yes"), (["ArrowRight"], "✗ no")):
        press_keys(n_between, *keys)
        press_button(view, "Play")
        expect(view.locator(".nc-bo tr", has_text="keep the last turn").first).to_contain_text(answer, timeout=A_MINUTE)
        expect(view).to_contain_text("2 strategies in")
    expect(view.locator(".nc-bo-rounds .nc-bo-cell")).to_have_count(4)
    is_shown_as_text(view)
    view.locator("summary").first.click()
    expect(view.locator("details[open] dt", has_text="seed")).to_have_count(3)
    photograph_wide_and_narrow(view, output_path, "bake_off")


def test_a_bake_off_without_room_for_the_question_says_so(notebook):
    view = picture(notebook, NO_ROOM)
    press_button(view, "Play")
    expect(view).to_contain_text("only 10 are free", timeout=A_MINUTE)
    expect(button(view, "Stop")).to_be_disabled()


# --- lesson 07


def test_each_edit_can_be_switched_off_and_other_texts_are_cleaned(notebook, output_path):
    view = picture(notebook, EDITS)
    steps, reply = view.locator(".nc-ed-box .nc-mono"), view.locator(".nc-ed-end .nc-ed-text").last
    photograph_wide_and_narrow(view, output_path, "edits")
    view.get_by_label("finish_reason", exact=True).select_option("length")
    expect(view).to_contain_text("ended by length")
    names = [re.sub(r"^\d+ ", "", name) for name in steps.all_inner_texts()]
    assert len(names) > 3
    for name in names:
        box = view.get_by_label(name, exact=True)
        box.uncheck()
        expect(steps.get_by_text(name)).to_have_count(0)
        box.focus()
        notebook.keyboard.press("Space")
        expect(steps).to_have_count(len(names))
    view.get_by_label("pick a raw text", exact=True).select_option("hostile")
    is_shown_as_text(view)
    for box in view.get_by_role("checkbox").all():
        box.uncheck()
    expect(view).to_contain_text("No edit changed anything")
    view.get_by_label("raw text", exact=True).fill("")
    expect(reply).to_have_text("nothing")
    view.get_by_label("raw text", exact=True).fill("Tea.")
    expect(reply).to_have_text("Tea.")


# --- lesson 09


def test_safety_follows_what_is_typed_and_what_each_rule_does(notebook, output_path):
    view = picture(notebook, SAFETY)
    text = view.get_by_label("message", exact=True)
    expect(view.locator("mark.nc-safe-block")).to_contain_text("rude")
    photograph_wide_and_narrow(view, output_path, "safety")
    for action in ("off", "warn", "mask", "block"):
        view.get_by_label("rude", exact=True).select_option(action)
        expect(view.locator(f"mark.nc-safe-{action}", has_text="rude")).to_have_count(0 if action == "off" else 1)
        expect(view.locator(".nc-safe-row", has_text="rude")).to_have_count(0 if action == "off" else 1)
    text.fill(HOSTILE)
    is_shown_as_text(view)
    expect(view.locator("mark")).to_have_count(0)
    text.fill("a " * 6_000)
    expect(view).to_contain_text("A text may have at most 10,000 characters.")
    text.fill("")
    expect(view).to_contain_text("(nothing)")


# --- lesson 10


def test_a_question_is_searched_for_once_enter_is_pressed(notebook, output_path):
    view = picture(notebook, SEARCH)
    question, passages = view.get_by_label("question", exact=True), view.locator(".nc-found-row")
    is_shown_as_text(view)
    n_passages = slider(view, "passages (k)")
    drag(n_passages, 1.0)
    expect(passages.nth(3)).to_be_visible()
    press_keys(n_passages, "Home", "ArrowRight")
    expect(passages).to_have_count(3)  # the other column has one, and no more
    press_keys(n_passages, "ArrowLeft")
    expect(passages).to_have_count(2)  # one in each column
    question.fill("Who is Luhn?")
    expect(view.locator("mark", has_text="ELIZA").first).to_be_visible()
    question.press("Enter")
    expect(view.locator("mark", has_text="Luhn").first).to_be_visible()
    photograph_wide_and_narrow(view, output_path, "search")
    for name, key, columns in (("BM25", "", 1), ("one page", "Enter", 1), ("side by side", "Space", 2)):
        press_button(view, name, key=key)
        expect(view.locator(".nc-found-column")).to_have_count(columns)
    for text, sentence in (("", "The question is empty"), ("Zzyzx?", "Nothing fits.")):
        question.fill(text)
        question.press("Enter")
        expect(view).to_contain_text(sentence)


def test_the_threshold_follows_its_slider(notebook, output_path):
    view = picture(notebook, THRESHOLD)
    full = view.locator(".nc-thr-full")
    move_every_slider(view)
    photograph_wide_and_narrow(view, output_path, "threshold")
    press_keys(slider(view, "min_score"), "End")
    expect(drawing(view)).to_contain_text("40 refused")
    expect(full).to_have_count(0)
    drag(slider(view, "min_score"), 0.0)
    expect(full.nth(20)).to_be_visible()


# --- lesson 11


def test_a_row_is_rounded_to_as_many_bits_as_the_slider_says(notebook, output_path):
    view = picture(notebook, ROUNDED)
    codes, bits = view.locator("tr", has_text="code").locator("td"), slider(view, "bits")
    expect(codes).to_have_text(["9", "0", "6", "15", "4", "12", "3", "7"])
    photograph_wide_and_narrow(view, output_path, "rounded")
    drag(bits, 1.0, on_the_way=lambda: expect(codes.nth(3)).not_to_have_text("15"))
    expect(view.locator(".nc-head").first).to_contain_text("8 bits: 256 levels")
    expect(codes.nth(3)).to_have_text("255")
    press_keys(bits, *["ArrowLeft"] * 5)
    expect(codes).to_have_text(["4", "0", "3", "7", "2", "5", "1", "3"])  # 0 to 7: a step is 1.5 / 7
    press_keys(bits, "Home")
    expect(codes).to_have_text(["2", "0", "1", "3", "1", "2", "1", "1"])
    expect(view.locator(".nc-qn-level")).to_have_count(4)
    photograph_wide_and_narrow(view, output_path, "rounded_2_bits")


def test_the_weights_of_the_model_lie_on_the_16_levels_of_its_file(notebook, output_path):
    view = picture(notebook, WEIGHTS)
    expect(view.locator(".nc-qn-plot .nc-qn-column")).to_have_count(32)
    photograph_wide_and_narrow(view, output_path, "rounded_model")
    press_keys(slider(view, "bits"), "ArrowLeft")
    expect(view.locator(".nc-head").last).to_contain_text("largest error 0")
    rings, squares = (view.locator(f".nc-qn-column .nc-qn-{part}").all() for part in ("ring", "square"))
    assert [ring.get_attribute("style") for ring in rings] == [square.get_attribute("style") for square in squares]


# --- pictures that stand still


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (EDITS_PICTURE, "raw text"),
        (MARKED, HOSTILE),
        (SCORES, "How often each rule is right"),
        (ANSWER, HOSTILE),
        (WORKFLOW, "tempreature"),
    ],
    ids=["edits", "marked", "scores", "answer", "workflow_with_a_mistake"],
)
def test_a_picture_that_stands_still(notebook, output_path, code, says, request):
    view = picture(notebook, code)
    expect(view).to_contain_text(says)
    assert view.locator("script, img").count() == 0
    photograph_wide_and_narrow(view, output_path, request.node.callspec.id)
