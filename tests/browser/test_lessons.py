"""The lessons in a real JupyterLab: run them, type, drag, press keys, and look at what the page shows."""

import re
from pathlib import Path

import nbformat
import pytest
from notebook_page import (
    A_MINUTE,
    GONE,
    button,
    change_of,
    drag,
    drawing,
    move_every_slider,
    open_cells,
    open_notebook,
    percentages_add_up,
    photograph,
    photograph_wide_and_narrow,
    picture,
    press_button,
    press_keys,
    restart_kernel,
    run_all,
    run_cell,
    save_and_reload,
    slider,
    value_of,
    wait_until_idle,
)
from playwright.sync_api import Locator, Page, expect

FOLDER = Path(__file__).parents[2] / "notebooks"
LESSONS = {path.name for path in FOLDER.glob("*.ipynb")}
# A lesson that is run in a browser takes up to a minute, and nbval runs all cells of all lessons anyway. So one is
# opened whole, and of others the cells with pictures and those that they need stand in one notebook with one kernel.
WHOLE = "03_next_token.ipynb"
PARTS = {
    "00_start_here.ipynb": ("imports", "answer-chat", "map-run"),
    "01_tokenization.ipynb": (
        *("imports", "numbers-chips", "bpe-text", "bpe-guess", "bpe-stepper", "ladder-story", "ladder-tokenizers"),
        *("ladder-guess", "ladder-run"),
    ),
    "04_sampling.ipynb": (
        *("imports", "needle-toy", "needle-show", "draws-guess", "draws-run", "greedy-guess"),
        *("temperature-show", "temperature-real-guess", "temperature-real-run", "temperature-real-show"),
        *("topk-real-guess", "topk-real-run"),
        *("topp-real-guess", "topp-real-run", "penalty-prompt-run", "penalty-prompt-show", "lab", "map-run"),
    ),
    "05_generation.ipynb": ("imports", "many-prompt", "seed-guess", "seed-run", "seed-fork"),
}
# What the others show is tried out in scratch notebooks: test_pictures.py has the pictures of 02, 06, 07, 09, 10 and
# 11, test_xray.py and test_chat_panel.py those of 08 and 13, and test_gui_page.py the page of 12.
ELSEWHERE = {
    "02_prompts.ipynb",
    "06_context.ipynb",
    "07_postprocessing.ipynb",
    "08_chatbot.ipynb",
    "09_safety.ipynb",
    "10_rag_lite.ipynb",
    "11_smaller_and_bigger.ipynb",
    "12_delivery.ipynb",
    "13_build_your_own.ipynb",
}


def look_at_lesson_00(page: Page, output_path: str) -> None:
    """The map shows the seven steps with their times."""
    steps = page.locator(".nc-step")
    expect(steps).to_have_count(7)
    expect(steps.nth(3)).to_contain_text("model inference")
    expect(steps.nth(3)).to_contain_text(re.compile(r"[\d,.]+ ms"))
    photograph(steps.first.locator("xpath=ancestor::div[contains(@class,'nc')][1]"), output_path, "map")


def use_lesson_01(page: Page, output_path: str) -> None:
    """The pictures follow what is typed and dragged, by mouse and by keyboard."""
    chips = picture(page, 'chips_widget("Hello NanoChat! How are you?"')
    chips.locator("textarea").fill("<script>alert(1)</script> 😀")
    expect(chips.locator(".nc-chip", has_text="script").first).to_be_visible()
    expect(chips.locator(".nc-chip", has_text="😀")).to_have_count(1)
    chips.locator("textarea").fill("one two")
    expect(chips.locator(".nc-chip")).to_have_count(2)
    chips.locator(".nc-chip").first.focus()
    expect(chips.locator(".nc-detail").first).to_be_visible()
    photograph(chips, output_path, "chips")

    merges = picture(page, "merges_widget(toy_text)")
    before = merges.locator(".nc-words").inner_text()
    merges.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    expect(merges.locator(".nc-words")).not_to_have_text(before)
    merges.get_by_role("checkbox").check()
    expect(merges.locator(".nc-pairs")).to_be_visible()
    photograph(merges, output_path, "merges")

    ladder = picture(page, "ladder_widget(")
    ladder.locator("textarea").fill("aaaa")
    expect(ladder.locator(".nc-row").first).to_contain_text("4 tokens")
    photograph(ladder, output_path, "ladder")


def use_lesson_03(page: Page, output_path: str) -> None:
    """The bars follow the temperature; at 0 one token has everything."""
    for place, name in enumerate(["after_france", "after_my_name"]):
        bars = picture(page, "ghost_bars_widget(", place)
        percentages_add_up(bars)
        move_every_slider(bars)
        percentages_add_up(bars)
        photograph_wide_and_narrow(bars, output_path, name)
        drag(slider(bars, "temperature"), 0)
        expect(bars.locator("tbody tr").first).to_contain_text("→ 100.0")
        expect(bars.locator("tbody em").nth(1)).to_have_text(re.compile("→ –$"))
        percentages_add_up(bars)
        press_keys(slider(bars, "temperature"), "End")
        expect(bars.locator("tbody tr").first).not_to_contain_text("→ 100.0")


def use_lesson_04(page: Page, output_path: str) -> None:
    """Each picture follows its sliders and shows the numbers of the lesson; the lab and the map work."""
    roulette = picture(page, "widgets.roulette_widget(")
    move_every_slider(roulette)
    ends = {" hot": 0.641, " cold": 0.877, " good": 0.964, " late": 0.996, " purple": 1}
    for share in (0.2, 0.7, 0.9, 0.98):
        drag(slider(roulette, "u"), share)
        u = value_of(slider(roulette, "u"))
        expect(roulette.locator(".nc-rn")).to_have_text(re.compile(f"u = {f'{u:.3f}'.removesuffix('0')}"))
        token = next(token for token, end in ends.items() if u < end)
        expect(roulette.locator(".nc-ro p b")).to_have_text(token.replace(" ", "·"))
    photograph_wide_and_narrow(roulette, output_path, "roulette")

    draws = picture(page, "widgets.draws_widget(")
    move_every_slider(draws)
    counted = draws.locator(".nc-draw:not(.nc-dim) > span:last-child").all_inner_texts()
    assert len(counted) == 5
    assert sum(int(number.replace(",", "")) for number in counted) == 1000
    photograph_wide_and_narrow(draws, output_path, "draws")

    table = picture(page, "widgets.five_columns_widget(")
    move_every_slider(table)
    percentages_add_up(table)
    temperature = slider(table, "temperature")
    for key, value, percent in (("End", 2.0, "43.9"), ("Home", 0.0, "100.0")):
        press_keys(temperature, key)
        assert value_of(temperature) == value
        expect(table.locator("tbody tr").first.locator("td").last).to_have_text(percent)
        percentages_add_up(table)
    photograph_wide_and_narrow(table, output_path, "five_columns")

    bars = picture(page, "widgets.ghost_bars_widget(")
    move_every_slider(bars)
    percentages_add_up(bars)
    photograph_wide_and_narrow(bars, output_path, "ghost_bars")

    cut = picture(page, "widgets.cumulative_cut_widget(")
    kept = cut.locator(".nc-cut-kept b")
    expect(kept).to_have_text(["10", "704"])
    move_every_slider(cut)
    press_keys(slider(cut, "top_p"), "End")
    expect(kept).to_have_text(["49,152", "49,152"])
    press_keys(slider(cut, "top_p"), "Home")
    expect(kept).to_have_text(["1", "1"])
    photograph_wide_and_narrow(cut, output_path, "cut")

    arrows = picture(page, "widgets.penalty_arrows_widget(")
    move_every_slider(arrows)
    max_row = arrows.locator(".nc-pen", has_text="·Max")
    press_keys(slider(arrows, "repetition_penalty"), "End")
    expect(max_row).to_contain_text("÷ 2")
    photograph_wide_and_narrow(arrows, output_path, "arrows")

    lab = picture(page, "widgets.sampling_lab(")
    with change_of(lab.locator(".nc-ct")):
        drag(slider(lab, "temperature"), 0.6)
    percentages_add_up(lab)
    photograph_wide_and_narrow(lab, output_path, "lab")

    use_settings_map(picture(page, "widgets.settings_map_widget("), output_path)


def use_settings_map(view: Locator, output_path: str) -> None:
    """Draw the map by mouse and by keyboard, stop it, choose what is measured, and read the texts of a cell."""
    cells = view.locator(".nc-map-cell")
    expect(cells).to_have_count(25)
    expect(cells.first).to_be_disabled()
    press_button(view, "Draw the map", key="Enter")
    expect(view.get_by_text("Writing 100 texts")).to_be_visible()
    press_button(view, "Stop")
    expect(view.get_by_text(re.compile("^Stopped after"))).to_be_visible(timeout=A_MINUTE)
    press_button(view, "Draw the map")
    expect(view.get_by_text(re.compile(r"^100 texts in [\d.]+ s"))).to_be_visible(timeout=3 * A_MINUTE)
    expect(cells.first).to_be_enabled()
    for measure, key in (("loops", ""), ("entropy", "Enter"), ("distinct pairs", "Space")):
        with change_of(view.locator(".nc-map-head")):
            press_button(view, measure, key=key)
        assert all(re.fullmatch(r"[\d.]+ ?%?|–", text) for text in cells.all_inner_texts())
    cells.nth(24).focus()
    view.page.keyboard.press("Space")
    expect(view.locator(".nc-map-texts dd")).to_have_count(4)
    photograph_wide_and_narrow(view, output_path, "map")


def use_lesson_05(page: Page, output_path: str) -> None:
    """Two texts are compared, and the filmstrip is written, stopped, looked behind, and forked."""
    compared = picture(page, "widgets.comparison_widget(")
    expect(compared).to_contain_text("First difference: token")
    photograph_wide_and_narrow(compared, output_path, "comparison")

    film = picture(page, "widgets.filmstrip_widget(")
    chips = film.locator(".nc-film-chip")
    expect(film.get_by_text("Done: 30 tokens.")).to_be_visible(timeout=A_MINUTE)
    first = chips.all_inner_texts()
    drag(slider(film, "seed"), 0.5)
    press_keys(slider(film, "seed"), "ArrowRight")
    press_button(film, "Write again")
    expect(film.get_by_text("Writing …")).to_be_visible()
    press_button(film, "Stop", key="Enter")
    stopped = film.get_by_text(re.compile(r"^Stopped after \d+ tokens?\."))
    expect(stopped).to_be_visible()
    n_tokens = int(re.search(r"\d+", stopped.inner_text()).group())
    assert n_tokens < 30
    expect(chips).to_have_count(n_tokens)
    press_button(film, "Write again", key="Space")
    expect(film.get_by_text(re.compile("^Done: "))).to_be_visible(timeout=A_MINUTE)
    assert chips.all_inner_texts() != first

    chips.nth(1).click()
    expect(film.locator(".nc-film-line").first).to_contain_text("token 2:")
    chips.nth(3).focus()
    page.keyboard.press("Enter")
    expect(film.locator(".nc-film-line").first).to_contain_text("token 4:")
    percentages_add_up(film)
    before = chips.all_inner_texts()
    film.get_by_label("take instead").select_option(index=2)
    press_button(film, "Fork here")
    expect(film.get_by_text("First difference: token 4")).to_be_visible(timeout=A_MINUTE)
    film.get_by_label("take instead").select_option("other luck")
    press_button(film, "Fork here", key="Space")
    expect(film.locator(".nc-film-title").last).to_contain_text("from token 4 on", timeout=A_MINUTE)
    assert chips.all_inner_texts() == before
    expect(film.get_by_text(re.compile("^Done: "))).to_be_visible(timeout=A_MINUTE)
    photograph_wide_and_narrow(film, output_path, "filmstrip")

    press_button(film, "Write again")
    film = run_cell(page, "widgets.filmstrip_widget(")
    expect(film.get_by_text("Done: 30 tokens.")).to_be_visible(timeout=A_MINUTE)
    assert film.locator(".nc-film-chip").all_inner_texts() == first


def survive(page: Page, cells: list[str], *, alive: list[str]) -> None:
    """After a reload all live pictures live on; after a restart they say that they do not; run again, they live.

    cells: what is run again. alive: those of them that show a live picture.
    """
    pictures = page.locator(".nc-live")
    count = pictures.count()
    save_and_reload(page)
    expect(pictures).to_have_count(count, timeout=A_MINUTE)
    for code in alive:
        move_first_slider(page, code)
    expect(page.get_by_text(GONE).and_(page.locator(":visible"))).to_have_count(0)
    restart_kernel(page)
    expect(page.get_by_text(GONE).and_(page.locator(":visible"))).to_have_count(count)
    for code in cells:
        run_cell(page, code)
    for code in alive:
        move_first_slider(page, code)
        expect(picture(page, code).get_by_text(GONE)).to_be_hidden()


def move_first_slider(page: Page, code: str) -> None:
    """The first slider of a picture moves the number behind it, and the drawing where that follows at once."""
    view = picture(page, code)
    one = view.locator(".widget-slider").first
    if "filmstrip" in code:
        drag(one, 0.4)
        return
    before = drawing(view).text_content()
    drag(one, 0.35, on_the_way=lambda: expect(drawing(view)).not_to_have_text(before))


USE = {
    "00_start_here.ipynb": look_at_lesson_00,
    "01_tokenization.ipynb": use_lesson_01,
    "04_sampling.ipynb": use_lesson_04,
    "05_generation.ipynb": use_lesson_05,
}


def test_every_lesson_is_tried_out_here_or_elsewhere():
    assert {WHOLE, *USE} | ELSEWHERE == LESSONS
    assert not {WHOLE, *USE} & ELSEWHERE
    assert USE.keys() == PARTS.keys()


def no_cell_complains(page: Page) -> None:
    expect(page.locator(".jp-OutputArea-output").first).to_be_attached()
    for kind in ("application/vnd.jupyter.error", "application/vnd.jupyter.stderr"):
        complaints = page.locator(f".jp-OutputArea-output[data-mime-type='{kind}']")
        assert complaints.all_inner_texts() == []
    expect(page.locator(".jp-Dialog")).to_have_count(0)


def test_every_cell_runs_none_complains_and_the_pictures_live(copies, page: Page, output_path: str):
    open_notebook(page, copies.address, f"notebooks/{WHOLE}")
    run_all(page)
    for _ in range(2):  # between two cells it is idle, too
        wait_until_idle(page)
        page.wait_for_timeout(1_000)
    no_cell_complains(page)
    use_lesson_03(page, output_path)


# --- the lessons of which only a part is opened


@pytest.fixture(scope="module")
def parts(copies, shared_page: Page) -> Page:
    """A notebook with cells of several lessons, opened and run."""
    open_cells(shared_page, copies, "parts.ipynb", *(code for lesson in PARTS for code in cells_of(lesson)))
    wait_until_idle(shared_page)
    return shared_page


def cells_of(lesson: str) -> list[str]:
    """The code of the cells that are opened of a lesson."""
    code = {cell.id: cell.source for cell in nbformat.read(FOLDER / lesson, as_version=4).cells}
    return [code[name] for name in PARTS[lesson]]


def test_no_cell_of_a_part_complains(parts: Page):
    no_cell_complains(parts)


@pytest.mark.parametrize("lesson", PARTS)
def test_the_pictures_of_a_lesson_live(parts: Page, lesson: str, output_path: str):
    USE[lesson](parts, output_path)


# Stands last, for it leaves a kernel that knows only what a few cells say.
def test_the_pictures_survive_a_reload_and_say_when_their_kernel_is_gone(parts: Page):
    roulette, bars, film = "widgets.roulette_widget(", "widgets.ghost_bars_widget(", "widgets.filmstrip_widget("
    cells = [
        "torch.set_printoptions",
        "toy_logits = torch",
        roulette,
        "How much is left of Paris",
        "heated = sampling",
        bars,
    ]
    cells += ["import StopStringWatch", "foxes_ids =", "cooler =", film]
    survive(parts, cells, alive=[roulette, bars, film])
    expect(picture(parts, film).get_by_text("Done: 30 tokens.")).to_be_visible(timeout=A_MINUTE)
    expect(button(picture(parts, film), "Fork here")).to_be_disabled()
