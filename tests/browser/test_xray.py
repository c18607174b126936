"""The pipeline X-ray in a real JupyterLab: walk by slider, arrow keys and buttons; save a trace, load it and a bad one.

They run in a notebook with nothing but the X-ray of a reply of the real model.
"""

import re

import pytest
from notebook_page import (
    A_MINUTE,
    GONE,
    WINDOW,
    as_wide_as,
    button,
    check_width,
    drag,
    open_cells,
    photograph,
    photograph_wide_and_narrow,
    picture,
    press_button,
    press_keys,
    restart_kernel,
    run_cell,
    save_and_reload,
    slider,
    value_of,
)
from playwright.sync_api import Locator, Page, expect

from nanochat_helpers.views.xray import STATIONS, TOKEN_STATIONS

NAMES = [name for name, _, _ in STATIONS]
SETUP = """
from IPython.display import HTML

from nanochat_helpers import load_model
from nanochat_helpers.chat import Chat
from nanochat_helpers.history import LastTurns
from nanochat_helpers.settings import GenerationSettings
from nanochat_helpers.widgets import workflow_diagram, xray_widget

settings = GenerationSettings(max_new_tokens=12, temperature=0.9, seed=1)
chat = Chat(load_model("smollm2"), settings=settings, history=LastTurns(1))
replies = [chat.send(text) for text in ("Hello!", "What is the sea?", "And what lives in it?")]
"""
XRAY = "xray_widget(replies[-1])"
DIAGRAM = "workflow_diagram()"
WHOLE = "HTML(xray_widget(replies[0]).html)"  # as a page that shows saved notebooks shows it


@pytest.fixture(scope="module")
def notebook(copies, shared_page: Page) -> Page:
    """A notebook with an X-ray, a diagram and a picture that stands still, opened and run once."""
    open_cells(shared_page, copies, "xray.ipynb", SETUP, XRAY, DIAGRAM, WHOLE)
    return shared_page


@pytest.fixture
def xray(notebook: Page) -> Locator:
    """A new X-ray at its first station."""
    notebook.set_viewport_size(WINDOW)
    xray = run_cell(notebook, XRAY)
    expect(current(xray)).to_have_text("1messages", timeout=A_MINUTE)
    return xray


# --- what the page shows


def current(xray: Locator) -> Locator:
    """Where on the way we are, as the picture says it."""
    return xray.locator("li[aria-current=step]")


def is_at(xray: Locator, place: int) -> None:
    """The picture and the slider are both at this station, counted from 0."""
    expect(current(xray)).to_have_text(f"{place + 1}{NAMES[place]}")
    expect(slider(xray, "station").locator(".widget-readout")).to_have_text(str(place + 1))


def go_to(xray: Locator, name: str) -> None:
    press_keys(slider(xray, "station"), "Home", *["ArrowRight"] * NAMES.index(name))
    is_at(xray, NAMES.index(name))


def said(xray: Locator, text: str | re.Pattern) -> Locator:
    """The widget's own line."""
    return xray.locator(".widget-html").get_by_text(text)


def type_file(xray: Locator, name: str) -> None:
    field = xray.get_by_role("textbox", name="file")
    field.fill(name)
    field.press("Tab")


# --- walking


def test_the_arrow_keys_walk_through_all_stations_and_back(xray):
    for place in range(1, len(NAMES)):
        press_keys(slider(xray, "station"), "ArrowRight")
        is_at(xray, place)
    for place in reversed(range(len(NAMES) - 1)):
        press_keys(slider(xray, "station"), "ArrowLeft")
        is_at(xray, place)


def test_the_slider_can_be_dragged(xray):
    drag(slider(xray, "station"), 1.0)
    is_at(xray, len(NAMES) - 1)
    drag(slider(xray, "station"), 0.0)
    is_at(xray, 0)


def test_the_buttons_walk_by_mouse_and_by_key(xray):
    expect(button(xray, "← back")).to_be_disabled()
    press_button(xray, "next →")
    is_at(xray, 1)
    press_button(xray, "next →", key="Enter")
    is_at(xray, 2)
    press_button(xray, "← back")
    is_at(xray, 1)


def test_the_token_slider_shows_token_after_token_where_there_is_one_to_choose(xray):
    for place, name in enumerate(NAMES):
        go_to(xray, name)
        expect(slider(xray, "token")).to_be_visible(visible=place in TOKEN_STATIONS)
    go_to(xray, "the draw")
    for token in (2, 3):
        press_keys(slider(xray, "token"), "ArrowRight")
        expect(xray.get_by_text(f"Token {token} of 12:")).to_be_visible()
    drawn = xray.locator("p b.nc-xr-token").inner_text()
    part = xray.locator(".nc-xr-parts i.nc-xr-hit")
    expect(part).to_have_count(1)
    needle, around = xray.locator(".nc-xr-wheel").evaluate(NEEDLE), part.bounding_box()
    assert around["x"] - 2 <= needle <= around["x"] + around["width"] + 2
    press_button(xray, "← back")
    expect(xray.locator(".nc-xr-chosen th")).to_have_text(re.compile(f"^➜ {re.escape(drawn)}$"))
    assert value_of(slider(xray, "token")) == 3


# Where the line of the needle is drawn, from the left of the page.
NEEDLE = """wheel => wheel.getBoundingClientRect().left
    + wheel.getBoundingClientRect().width * parseFloat(getComputedStyle(wheel).getPropertyValue("--u"))"""


# --- files


def test_a_trace_is_saved_and_loaded_and_a_bad_file_changes_nothing(xray, copies):
    type_file(xray, "mine.json")
    press_button(xray, "Save")
    expect(said(xray, re.compile("Saved: a reply of 12 tokens"))).to_be_visible()
    saved = copies.folder / "mine.json"
    assert 1_000 < saved.stat().st_size < 300_000
    go_to(xray, "logits")
    before = xray.locator(".nc-xr").inner_text()
    for name, text, sentence in (
        ("none.json", None, "cannot be read"),
        ("broken.json", saved.read_text("utf-8")[:500], "cannot be read"),
        ("other.json", '{"version": 1}', "version"),
    ):
        if text is not None:
            (copies.folder / name).write_text(text, "utf-8")
        type_file(xray, name)
        press_button(xray, "Load")
        expect(said(xray, re.compile(sentence))).to_be_visible()
        expect(said(xray, re.compile(name))).to_be_visible()
        assert xray.locator(".nc-xr").inner_text() == before
    type_file(xray, "mine.json")
    press_button(xray, "Load")
    expect(said(xray, re.compile("Loaded: a reply of 12 tokens"))).to_be_visible()
    is_at(xray, NAMES.index("logits"))


# --- the page around it


@pytest.mark.parametrize("width", [1000, 400])
def test_no_station_sticks_out_or_has_letters_too_small_to_read(xray, width):
    as_wide_as(xray.page, xray, width)
    for name in NAMES:
        go_to(xray, name)
        check_width(xray, f"{name} at {width}")
        sizes = xray.locator(".nc-xr").evaluate(SMALLEST)
        assert sizes >= 14, (name, sizes)


# The size of the smallest letters of a view, in pixels.
SMALLEST = """view => Math.min(...[...view.querySelectorAll("*")]
    .filter(part => [...part.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()))
    .map(part => parseFloat(getComputedStyle(part).fontSize)))"""


def test_pictures_to_look_at(xray, output_path):
    for name in NAMES:
        go_to(xray, name)
        (photograph if name in ("messages", "reply") else photograph_wide_and_narrow)(xray, output_path, f"xray_{name}")
    photograph_wide_and_narrow(picture(xray.page, DIAGRAM), output_path, "workflow")
    photograph_wide_and_narrow(picture(xray.page, WHOLE), output_path, "xray_whole")


# Stands last, for it leaves a kernel that knows nothing.
def test_after_a_reload_and_a_restart_the_xray_says_what_to_do(xray):
    page = xray.page
    go_to(xray, "the draw")
    save_and_reload(page)
    expect(current(picture(page, XRAY))).to_have_text("6the draw")
    restart_kernel(page)
    expect(picture(page, XRAY).get_by_text(GONE)).to_be_visible()
