"""Make the PDFs for print beside the Markdown of teaching/: python teaching/build.py [FILE.md …]

In: plans, worksheets, answers, the course, and the glossary, which is made from the lessons first. Out: an A4 PDF
beside each. What has not changed is left as it is: a PDF ends on the digest of the page from which it was printed.
"""

import hashlib
import html
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import matplotlib
from markdown_it import MarkdownIt
from playwright.sync_api import sync_playwright

from nanochat_helpers.publishing.glossary import contradictions, glossary_markdown, lesson_terms
from nanochat_helpers.publishing.lessons import all_lessons

TEACHING = Path(__file__).parent
FOLDERS = ("plans", "worksheets", "answers")
PAGES = ("course.md", "glossary.md")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FONTS = {"": ("normal", "normal"), "-Bold": ("normal", "bold"), "-Oblique": ("italic", "normal")}
MARK = b"\n%made from "


def documents() -> list[Path]:
    """All that is printed, in order."""
    pages = [TEACHING / name for name in PAGES]
    return [path for folder in FOLDERS for path in sorted((TEACHING / folder).glob("*.md"))] + [
        path for path in pages if path.exists()
    ]


# --- Markdown to one page of HTML


def page_html(path: Path) -> str:
    """The Markdown as one page of HTML with its stylesheet; pictures stay links into their folder.

    Comments are marks for print: `page` begins a new page, `lines 4` leaves lines to write on, `box 40` a box of 40 mm,
    `cut` before a table draws where scissors go. Underscores become a line to write on.
    """
    source = path.read_text("utf-8")
    body = _without_local_links(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(source))
    body = re.sub(r"<!-- *(\w+) *(\d*) *-->", _mark, body)
    body = re.sub(r"(?<=[\s>(])_{3,}", lambda found: _blank(len(found[0])), body)
    title = html.escape(re.search(r"^# (.+)", source, re.MULTILINE)[1])
    kind = path.parent.name if path.parent.name in FOLDERS else path.stem
    style = (TEACHING / "print.css").read_text("utf-8").replace("FOOTER", title.replace('"', "”"))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<style>{style}</style></head><body class="{kind}">{body}</body></html>'
    )


def _without_local_links(body):
    """On paper, a link to a file is its text; a link within the page, or to the internet, stays."""
    return re.sub(r'<a href="(?!https?:|#)[^"]*">(.*?)</a>', r"\1", body, flags=re.DOTALL)


def _mark(found):
    mark, number = found[1], int(found[2] or 1)
    if mark == "lines":
        return '<div class="line"></div>' * number
    return f'<div class="{mark}" style="--size: {number}mm"></div>'


def _blank(n_signs):
    return f'<span class="blank" style="width: {0.6 * n_signs:.1f}em"></span>'


def digest(path: Path) -> str:
    """What a PDF depends on, in one word: the page, its style, and the pictures in it."""
    page = page_html(path)
    pictures = [(path.parent / name).read_bytes() for name in re.findall(r'<img src="([^"]+)"', page)]
    return hashlib.sha256(b"\0".join([page.encode(), *pictures])).hexdigest()[:16]


# --- HTML to PDF


def is_up_to_date(path: Path) -> bool:
    """Whether the PDF beside this Markdown was printed from it as it is now."""
    pdf = path.with_suffix(".pdf")
    return pdf.exists() and pdf.read_bytes().endswith(MARK + digest(path).encode() + b"\n")


def make(paths: list[Path]) -> Iterator[Path]:
    """Print each Markdown file beside itself; yields the PDFs."""
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        for path in paths:
            path.with_suffix(".pdf").write_bytes(_printed(browser, path) + MARK + digest(path).encode() + b"\n")
            yield path.with_suffix(".pdf")
        browser.close()


def _printed(browser, path):
    head = f'<head><base href="{path.parent.resolve().as_uri()}/"><style>{_fonts()}</style>'
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary, "page.html")
        file.write_text(page_html(path).replace("<head>", head, 1), "utf-8")
        page = browser.new_page()
        page.goto(file.as_uri())
        page.evaluate("document.fonts.ready")
        pdf = page.pdf(prefer_css_page_size=True, print_background=True)
        page.close()
    return pdf


def _fonts():
    """The font comes with matplotlib, so that a page looks the same whoever printed it."""
    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    return "".join(
        f'@font-face {{font-family: "NanoChat {name}"; src: url("{(folder / file).as_uri()}{cut}.ttf"); '
        f"font-style: {style}; font-weight: {weight}}}"
        for name, file in (("Sans", "DejaVuSans"), ("Sans Mono", "DejaVuSansMono"))
        for cut, (style, weight) in FONTS.items()
    )


def write_glossary() -> None:
    """The glossary's Markdown, from the lessons beside this folder."""
    terms = [term for path in all_lessons(TEACHING.parent) for term in lesson_terms(path)]
    if wrong := contradictions(terms):
        raise SystemExit("Explained twice, and differently:\n" + "\n".join(wrong))
    (TEACHING / "glossary.md").write_text(glossary_markdown(terms), "utf-8")


def main(names: list[str]) -> None:
    """Make what has changed, of all or of the files that are named."""
    if not names:
        write_glossary()
    paths = [Path(name).resolve() for name in names] or documents()
    old = [path for path in paths if not is_up_to_date(path)]
    for pdf in make(old) if old else ():
        sys.stdout.write(f"{pdf.parent.name}/{pdf.name}: {pdf.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    main(sys.argv[1:])
