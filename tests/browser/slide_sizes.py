"""How full each page of a deck is: measured, and photographed, in the machine's own Chromium at 1280 × 720.

    python tests/browser/slide_sizes.py 04 decks/04_sampling.html --pictures photos/

A number or a notebook is made into a deck first; what an older version of the package showed will do for that.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from conftest import NAMES, QUIET, shutil
from playwright.sync_api import Page, sync_playwright

from nanochat_helpers.publishing.lessons import find_lessons
from nanochat_helpers.publishing.slides import slides

ROOT = Path(__file__).parents[2]
SIZE = {"width": 1280, "height": 720}
SMALLEST_TEXT, SMALLEST_CODE = 24, 20
# What deck.js wrote down about each page, its heading or first words, and the smallest letters outside pictures.
LOOK = """() => [...document.querySelectorAll(".slides section:not(:has(> section))")].map((page, place) => {
  const number = Reveal.getIndices(page);
  const heading = page.querySelector("h1, h2, h3") || page.firstElementChild;
  const letters = {text: [], code: []};
  const walker = document.createTreeWalker(page, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || parent.closest(".picture, aside, style")) continue;
    letters[parent.closest(".highlight, .output_text") ? "code" : "text"].push(
      parseFloat(getComputedStyle(parent).fontSize));
  }
  return {page: place + 1, link: `#/${number.h}/${number.v || 0}`,
    heading: heading.textContent.replace(/\\s+/g, " ").trim().slice(0, 48),
    height: +page.dataset.height, width: +page.dataset.width, fits: page.dataset.fits === "true",
    zoom: page.dataset.zoom ? +page.dataset.zoom : null,
    text: letters.text.length ? Math.min(...letters.text) : null,
    code: letters.code.length ? Math.min(...letters.code) : null};
})"""


def open_deck(page: Page, deck: Path) -> None:
    """Open a deck; from then on its pages have been fitted."""
    page.set_viewport_size(SIZE)
    page.goto(deck.resolve().as_uri())
    page.wait_for_function("document.querySelector('.reveal.ready')")


def page_sizes(page: Page) -> list[dict]:
    """What there is to know about each page of the deck that is open."""
    return page.evaluate(LOOK)


def problems(sizes: dict) -> list[str]:
    """What is wrong with one page, in words."""
    found = []
    if not sizes["fits"]:
        found.append(f"TOO FULL: {sizes['height']} high, {sizes['width']} wide")
    for kind, smallest in (("text", SMALLEST_TEXT), ("code", SMALLEST_CODE)):
        if sizes[kind] is not None and sizes[kind] < smallest:
            found.append(f"{kind} of {sizes[kind]:g} px")
    return found


def photograph(page: Page, folder: Path, sizes: list[dict]) -> None:
    """Save each page, with all that appears on a key press, as a picture."""
    folder.mkdir(parents=True, exist_ok=True)
    for one in sizes:
        page.evaluate("([h, v]) => Reveal.slide(h, v, 99)", [int(part) for part in one["link"][2:].split("/")])
        page.screenshot(path=folder / f"{one['page']:02}.png")


def report(sizes: list[dict]) -> list[str]:
    """A line for each page."""
    lines = [
        "page  link    height  zoom  heading (a page ends at 658; pictures are shrunk from 1.6 to 0.76, no further)"
    ]
    for one in sizes:
        zoom = f"{one['zoom']:.2f}" if one["zoom"] else "   –"
        wrong = "".join(f"   <-- {problem}" for problem in problems(one))
        lines.append(f"{one['page']:>4}  {one['link']:<7} {one['height']:>5}  {zoom}  {one['heading']}{wrong}")
    return lines


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("decks", nargs="+", help="decks (.html), or lessons: 04, a path")
    parser.add_argument("--pictures", type=Path, help="a folder for a picture of each page")
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    asked = parser.parse_args(arguments)
    n_wrong = 0
    with sync_playwright() as playwright:
        program = next(filter(None, map(shutil.which, NAMES)))
        page = playwright.chromium.launch(executable_path=program, args=QUIET.split()).new_page()
        for name in asked.decks:
            deck = made(name, asked.pictures or Path("/tmp"))
            open_deck(page, deck)
            sizes = page_sizes(page)
            n_wrong += sum(bool(problems(one)) for one in sizes)
            print(json.dumps(sizes, indent=1) if asked.json else "\n".join([f"\n{deck}", *report(sizes)]), flush=True)
            if asked.pictures:
                photograph(page, asked.pictures / deck.stem, sizes)
    print(f"\n{n_wrong} pages need a look.")
    return 1 if n_wrong else 0


def made(name: str, folder: Path) -> Path:
    """The deck itself, or one made of a lesson."""
    if name.endswith(".html"):
        return Path(name)
    lesson = find_lessons([name], ROOT)[0]
    folder.mkdir(parents=True, exist_ok=True)
    deck = folder / f"{lesson.stem}.html"
    deck.write_text(slides(lesson, any_package=True), "utf-8")
    return deck


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
