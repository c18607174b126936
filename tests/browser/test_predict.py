"""Prediction cells in a real JupyterLab: guessed by mouse and by keyboard, alone and as a class, before the truth."""

import re

import pytest
from notebook_page import (
    button,
    open_cells,
    photograph_wide_and_narrow,
    picture,
    press_button,
    run_cell,
    wait_until_idle,
)
from playwright.sync_api import Locator, Page, expect

ASK = 'my_guess = widgets.predict("Which token does u = 0.7 choose?", [" hot", " cold", " late"])\nmy_guess'
TRUTH = 'my_guess.reveal(" cold")'
ASK_NUMBERS = 'numbers = widgets.predict("How many?", number=True, unit="tokens", names=["peaked", "flat"])\nnumbers'
TRUE_NUMBERS = 'numbers.reveal({"peaked": 10, "flat": 704})'


@pytest.fixture(scope="module")
def notebook(copies, shared_page: Page) -> Page:
    """A notebook with two questions and their truths; all cells were run, as "Run all" does."""
    setup = "from nanochat_helpers import widgets"
    open_cells(shared_page, copies, "predict.ipynb", setup, ASK, TRUTH, ASK_NUMBERS, TRUE_NUMBERS)
    return shared_page


def status(view: Locator) -> Locator:
    return view.get_by_role("status").last


def test_a_guess_by_keys_stands_beside_the_truth_and_stays_when_it_is_changed(notebook, output_path):
    expect(picture(notebook, TRUTH)).to_contain_text("The answer: cold")
    asked = run_cell(notebook, "Which token")
    press_button(asked, "hot", key="Space")
    expect(status(asked)).to_have_text("Your guess: hot")
    photograph_wide_and_narrow(asked, output_path, "asked")
    shown = run_cell(notebook, TRUTH)
    expect(shown).to_contain_text("You guessed hot; it is cold.")
    press_button(asked, "cold", key="Enter")
    expect(shown).to_contain_text("Changed after the truth was shown, to: cold")
    expect(shown).to_contain_text("You guessed hot")
    photograph_wide_and_narrow(shown, output_path, "shown")
    asked = run_cell(notebook, "Which token")
    expect(status(asked)).to_have_text("Your guess: cold")
    press_button(asked, "Guess again")
    expect(status(asked)).to_contain_text("Guess before")


def test_a_class_raises_hands(notebook, output_path):
    asked = run_cell(notebook, "Which token")
    hands = asked.locator(".nc-hands")
    expect(hands).to_be_hidden()
    asked.get_by_label("Whole class").check()
    for name, number in (("hot", "17"), ("cold", "6"), ("late", "5")):
        hands.get_by_label(name, exact=True).fill(number)
        hands.get_by_label(name, exact=True).press("Tab")
    expect(status(asked)).to_contain_text("hands raised: 28")
    photograph_wide_and_narrow(asked, output_path, "hands")
    shown = run_cell(notebook, TRUTH)
    expect(shown).to_contain_text("17 of 28 guessed hot; it is cold.")
    expect(shown.locator(".nc-guess-row.nc-guess-true")).to_have_text(re.compile("cold.*6.*✔ truth"))
    photograph_wide_and_narrow(shown, output_path, "class")


def test_numbers_are_typed_and_the_guesses_of_a_class_are_added(notebook, output_path):
    asked = run_cell(notebook, "How many?")
    asked.get_by_label("peaked", exact=True).press_sequentially("many")
    expect(status(asked)).to_contain_text("“many” is not a number")
    asked.get_by_label("peaked", exact=True).fill("11")
    asked.get_by_label("flat", exact=True).fill("1,000")
    expect(status(asked)).to_have_text("Your guess: peaked: 11 tokens · flat: 1,000 tokens")
    shown = run_cell(notebook, "numbers.reveal")
    expect(shown).to_contain_text("Close: you guessed 11 tokens; it is 10 tokens, 1 less.")
    asked.get_by_label("Whole class").check()
    flat = asked.locator(".nc-hands > .widget-box").last
    for guess, hands in (("100", "3"), ("900", "20")):
        flat.get_by_label("guess", exact=True).fill(guess)
        flat.get_by_label("hands", exact=True).fill(hands)
        button(flat, "Add").click()
        expect(flat).to_contain_text(f"{guess} tokens: {hands}")
        wait_until_idle(notebook)  # a click overtakes what is typed while the kernel is at work
        expect(flat.get_by_label("guess", exact=True)).to_have_value("")  # the fields are ready for the next one
        expect(flat.get_by_label("hands", exact=True)).to_have_value("1")
    expect(shown).to_contain_text("0 of 23 guessed 704 tokens; 20 guessed more, 3 less.")
    photograph_wide_and_narrow(asked, output_path, "numbers_hands")
    photograph_wide_and_narrow(shown, output_path, "numbers_class")
