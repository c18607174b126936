"""The sampling lab in a real JupyterLab: each slider and each button by mouse and by keyboard, and what the page shows.

They run in a notebook with nothing but the lab.
"""

import contextlib
import re
import time

import pytest
from notebook_page import (
    A_MINUTE,
    GONE,
    WINDOW,
    as_wide_as,
    button,
    change_of,
    check_width,
    drag,
    open_cells,
    percentages_add_up,
    photograph,
    picture,
    press_button,
    press_keys,
    restart_kernel,
    run_all,
    run_cell,
    save_and_reload,
    slider,
    soon,
    value_of,
)
from playwright.sync_api import Locator, Page, expect

from nanochat_helpers.models import find_model
from nanochat_helpers.settings import PRESETS, GenerationSettings
from nanochat_helpers.views.lab import PICTURES

SETUP = """
from nanochat_helpers import load_model
from nanochat_helpers.widgets import sampling_lab

backbone = load_model("smollm2")
"""
LAB = 'sampling_lab(backbone, prompt="The best thing about the sea is")'
START = GenerationSettings(max_new_tokens=40, seed=0)
# name → where a drag goes, as a share of the way; and how far one press of an arrow key goes
SLIDERS = {
    "temperature": (0.6, 0.05),
    "top_k": (0.3, 1),
    "top_p": (0.7, 0.01),
    "min_p": (0.1, 0.01),
    "repetition_penalty": (0.4, 0.05),
    "seed": (0.5, 1),
    "max_new_tokens": (0.1, 1),
}
DONE = re.compile(r"^\d+ tokens? in [\d.]+ s")


@pytest.fixture(scope="module")
def notebook(copies, shared_page: Page) -> Page:
    """A notebook with nothing but a lab, opened and run once."""
    open_cells(shared_page, copies, "lab.ipynb", SETUP, LAB)
    return shared_page


@pytest.fixture
def lab(notebook: Page) -> Locator:
    """A new lab that has written its first text."""
    notebook.set_viewport_size(WINDOW)
    lab = run_cell(notebook, LAB)
    is_done(lab)
    return lab


# --- what the page shows


def line(lab: Locator, text: str | re.Pattern) -> Locator:
    """The lab's own line."""
    return lab.locator(".widget-html").get_by_text(text)


def is_done(lab: Locator) -> None:
    """The text is written to its end."""
    soon(expect(line(lab, DONE)).to_be_visible)


def code(lab: Locator) -> Locator:
    return lab.get_by_label("as code")


def chips(lab: Locator) -> Locator:
    return lab.locator(".nc-film-strip .nc-film-chip")


def pictures(lab: Locator) -> Locator:
    """The strip and the table."""
    return lab.locator(".widget-html-content", has=lab.page.locator(".nc-ro"))


def needle_and_text_agree(lab: Locator) -> None:
    """The token that the needle points at is the first one of the text, once both are as the settings say."""
    end = time.monotonic() + A_MINUTE / 1000
    while True:
        token = lab.locator(".nc-ro p b").inner_text()  # anew each time, for it may not have come to rest yet
        try:
            return expect(chips(lab).first).to_have_text(re.compile(f"^(≠ )?{re.escape(token)}$"), timeout=2_000)
        except AssertionError:
            if time.monotonic() > end:
                raise


def code_follows(lab: Locator, name: str) -> None:
    """The settings as code say the same as the slider."""
    expect(code(lab)).to_have_value(re.compile(rf"\b{name}={value_of(slider(lab, name)):g}\b"))


def settings_are(lab: Locator, settings: GenerationSettings) -> None:
    expect(code(lab)).to_have_value(settings.as_code())
    for name in SLIDERS:
        assert value_of(slider(lab, name)) == pytest.approx(getattr(settings, name), abs=0.006)


# --- sliders


def test_pictures_follow_each_slider_while_it_is_dragged_and_the_text_follows_on_release(lab):
    for name, (share, _) in SLIDERS.items():
        if name != "max_new_tokens":
            with change_of(pictures(lab)):
                press_button(lab, "wild")
        before, code_before = pictures(lab).text_content(), code(lab).input_value()

        def look(name=name, before=before, code_before=code_before):
            expect(code(lab)).not_to_have_value(code_before)
            if name == "max_new_tokens":  # a limit changes no choice
                expect(pictures(lab)).to_have_text(before)
            else:
                expect(pictures(lab)).not_to_have_text(before)
            percentages_add_up(lab)

        drag(slider(lab, name), share, on_the_way=look)
        low, high = (float(slider(lab, name).get_by_role("slider").get_attribute(f"aria-value{end}")) for end in ENDS)
        assert value_of(slider(lab, name)) == pytest.approx(low + share * (high - low), abs=0.03 * (high - low))
        code_follows(lab, name)
        percentages_add_up(lab)
    needle_and_text_agree(lab)
    limit = int(value_of(slider(lab, "max_new_tokens")))
    expect(chips(lab)).to_have_count(limit)
    expect(line(lab, re.compile(f"^{limit} tokens in"))).to_be_visible()


ENDS = ("min", "max")


def test_arrow_keys_move_each_slider_by_one_step(lab):
    for name, (_, step) in SLIDERS.items():
        if name != "max_new_tokens":
            with change_of(pictures(lab)):
                press_button(lab, "wild")
        there, back, way = ("ArrowLeft", "ArrowRight", -1) if name == "top_p" else ("ArrowRight", "ArrowLeft", 1)
        before = value_of(slider(lab, name))
        with contextlib.nullcontext() if name == "max_new_tokens" else change_of(pictures(lab)):
            press_keys(slider(lab, name), there, there, back)
        assert value_of(slider(lab, name)) == pytest.approx(before + way * step)
        code_follows(lab, name)
        percentages_add_up(lab)
    needle_and_text_agree(lab)


def test_the_needle_points_at_the_first_token_of_the_text_for_every_luck(lab):
    seen = set()
    for _ in range(4):
        with change_of(pictures(lab)):
            press_keys(slider(lab, "seed"), "ArrowRight", "ArrowRight")
        code_follows(lab, "seed")
        needle_and_text_agree(lab)
        seen.add(chips(lab).first.inner_text())
    assert len(seen) > 1


# --- buttons


def test_presets_and_reset(lab):
    press_keys(slider(lab, "seed"), "ArrowRight")
    for (name, preset), key in zip(PRESETS.items(), ("", "Enter", "Space", ""), strict=True):
        with change_of(pictures(lab)):
            press_button(lab, name, key=key)
        settings_are(lab, preset.change(max_new_tokens=40, seed=1))
        percentages_add_up(lab)
        if preset.greedy:
            expect(lab.locator(".nc-ct th", has_text="kept?")).to_contain_text("1 of 49,152")
            best = lab.locator(".nc-ct tbody tr").first
            expect(best.locator("em")).to_have_text(re.compile("→ 100.0$"))
            expect(lab.locator(".nc-ro p b")).to_have_text(best.locator("th").inner_text())
        needle_and_text_agree(lab)
    press_button(lab, "reset", key="Enter")
    settings_are(lab, START)


def test_writing_can_be_stopped_and_begun_again(lab):
    press_keys(slider(lab, "max_new_tokens"), "End")
    press_button(lab, "greedy")
    for key, counting, begun in (("", "1, 2, 3, 4, 5, 6, 7,", " 8,"), ("Space", "2, 4, 6, 8, 10, 12,", " 14,")):
        lab.get_by_label("prompt", exact=True).fill(counting)  # a text without an end
        expect(lab.get_by_label("The text so far")).to_contain_text(counting + begun)
        press_button(lab, "stop", key=key)
        expect(line(lab, re.compile(r"^stopped after \d+ tokens? in"))).to_be_visible()
        n_tokens = int(re.search(r"\d+", line(lab, "stopped after").inner_text()).group())
        assert n_tokens < 120
        expect(chips(lab)).to_have_count(n_tokens)
        needle_and_text_agree(lab)
        press_button(lab, "write", key=key)
        is_done(lab)
        assert int(re.search(r"(\d+) remembered", line(lab, DONE).inner_text())[1]) >= n_tokens
        expect(chips(lab)).to_have_count(120)


def test_pinned_settings_are_compared_up_to_the_first_difference(lab, output_path):
    comparison = lab.locator("[aria-label^='Two texts']")
    press_button(lab, "pin")
    expect(comparison).to_contain_text("No difference: all 40 tokens are the same")
    press_button(lab, "wild", key="Enter")
    expect(comparison).to_contain_text("First difference: token", timeout=A_MINUTE)
    place = int(re.search(r"First difference: token (\d+)", comparison.inner_text())[1])
    different = lab.locator(".nc-film-chip.nc-film-diff")
    expect(different).to_have_text(re.compile("^≠ "))
    assert chips(lab).nth(place - 1).inner_text() == different.inner_text()
    titles = comparison.locator("code").all_inner_texts()
    assert titles == [START.as_code(), code(lab).input_value()]
    expect(comparison.locator("mark small")).to_have_text([str(place), str(place)])
    photograph(lab, output_path, "pinned")
    press_button(lab, "unpin", key="Enter")
    expect(comparison).to_have_count(0)
    expect(different).to_have_count(0)


def test_a_fork_takes_another_token_and_keeps_all_before_it(lab, output_path):
    before = chips(lab).all_inner_texts()
    chips(lab).nth(2).focus()
    lab.page.keyboard.press("Enter")
    expect(lab.get_by_text("(token 3 of the text)")).to_be_visible()
    expect(lab.locator(".nc-ro p b")).to_have_text(before[2])
    instead = lab.get_by_label("take instead")
    instead.select_option(index=1)
    press_button(lab, "Fork here")
    comparison = lab.locator("[aria-label^='Two texts']")
    expect(comparison).to_contain_text("First difference: token 3", timeout=A_MINUTE)
    after = chips(lab).all_inner_texts()
    assert after[:2] == before[:2]
    assert after[2] != before[2]
    photograph(lab, output_path, "fork")


# --- what can go wrong


def test_a_wrong_prompt_is_told_in_the_line_and_the_rest_stays_usable(lab):
    prompt = lab.get_by_label("prompt", exact=True)
    wrong = {"": "The prompt is empty", "   \n ": "The prompt is empty", "word " * 9_000: "8192"}
    press_keys(slider(lab, "max_new_tokens"), "Home")  # each text is written anew, and one token is enough
    for text, sentence in wrong.items():
        prompt.fill(text)
        told = line(lab, re.compile(sentence))
        expect(told).to_be_visible(timeout=A_MINUTE)
        check_width(lab, "the lab")
        with change_of(pictures(lab)):
            press_keys(slider(lab, "temperature"), "ArrowRight")
        code_follows(lab, "temperature")
        prompt.fill("The sea is")
        is_done(lab)
        expect(told).to_have_count(0)
        needle_and_text_agree(lab)


def test_a_hostile_prompt_is_shown_as_text(lab, output_path):
    page, dialogs = lab.page, []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    hostile = "<script>alert(1)</script><img src=x onerror=alert(2)> \u202e\"'&lt; <|im_end|>"
    lab.get_by_label("prompt", exact=True).fill(hostile)
    expect(lab.get_by_label("The text so far")).to_contain_text(hostile, timeout=A_MINUTE)
    expect(lab.get_by_text("What comes after")).to_contain_text("U+202E")
    is_done(lab)
    assert lab.locator("script, img").count() == 0
    assert dialogs == []
    photograph(lab, output_path, "hostile")


@pytest.mark.skipif(find_model("distilgpt2") is not None, reason="this model is on this machine")
def test_a_model_that_is_not_there_is_told_and_the_one_before_stays(lab):
    model = lab.get_by_label("model", exact=True)
    model.select_option("distilgpt2")
    expect(line(lab, "distilgpt2 is not on this computer")).to_be_visible()
    expect(model).to_have_value("smollm2")
    press_keys(slider(lab, "seed"), "ArrowRight")
    is_done(lab)
    needle_and_text_agree(lab)


def test_sliders_may_be_moved_while_the_model_is_loading(copies, page):
    open_cells(page, copies, "loading.ipynb", "from nanochat_helpers.widgets import sampling_lab", "sampling_lab()")
    lab = picture(page, "sampling_lab()")
    drag(slider(lab, "temperature"), 0.6)
    code_follows(lab, "temperature")
    is_done(lab)
    needle_and_text_agree(lab)


def test_the_cell_can_be_run_again_while_it_is_writing(lab):
    page = lab.page
    press_keys(slider(lab, "max_new_tokens"), "End")
    lab.get_by_label("prompt", exact=True).fill("1, 2, 3, 4, 5, 6, 7,")
    expect(lab.get_by_label("The text so far")).to_contain_text("1, 2, 3, 4, 5, 6, 7, 8,")
    lab = run_cell(page, LAB)
    settings_are(lab, START)
    with change_of(pictures(lab)):
        drag(slider(lab, "temperature"), 0.1)
    is_done(lab)
    needle_and_text_agree(lab)
    percentages_add_up(lab)


def test_the_lab_lives_on_after_a_reload_and_says_so_when_its_kernel_is_gone(lab, output_path):
    page, gone = lab.page, lab.get_by_text(GONE)
    expect(gone).to_be_hidden()
    save_and_reload(page)
    expect(chips(lab).first).to_be_visible(timeout=A_MINUTE)
    with change_of(pictures(lab)):
        drag(slider(lab, "temperature"), 0.7)
    code_follows(lab, "temperature")
    needle_and_text_agree(lab)

    restart_kernel(page)
    expect(gone).to_be_visible()
    photograph(lab, output_path, "kernel_gone")
    press_keys(slider(lab, "seed"), "ArrowRight")
    expect(gone).to_be_visible()
    run_all(page)
    expect(gone).to_be_hidden()
    is_done(lab)
    with change_of(pictures(lab)):
        drag(slider(lab, "top_p"), 0.5)
    code_follows(lab, "top_p")
    needle_and_text_agree(lab)


# --- how it looks


def test_every_picture_fits_into_its_place(lab, output_path):
    page = lab.page
    press_button(lab, "pin")
    press_button(lab, "wild")
    expect(lab.locator("[aria-label^='Two texts']")).to_contain_text("First difference", timeout=A_MINUTE)
    for width in (1280, 400):
        as_wide_as(page, lab, width)
        for name in PICTURES:
            press_button(lab, name)
            expect(button(lab, name)).to_have_class(re.compile("mod-active"))
            expect(lab.locator(SIGN_OF[name])).to_be_visible()
            photograph(lab, output_path, f"{re.sub('[^a-z0]+', '_', name)}_{width}")


SIGN_OF = {
    "table": ".nc-ct",
    "cumulative cut": ".nc-cut-plot",
    "1,000 draws": ".nc-draws",
    "penalty arrows": ".nc-pens",
}
