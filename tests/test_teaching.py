"""What stands in teaching/: plans, worksheets and answers are whole, true of the lessons, and printed as they are."""

import json
import re
import sys
from pathlib import Path

import pytest

from nanochat_helpers.publishing.glossary import (
    HEADING,
    Term,
    contradictions,
    glossary_markdown,
    lesson_terms,
    plain,
)
from nanochat_helpers.publishing.lessons import all_lessons

ROOT = Path(__file__).parents[1]
TEACHING = ROOT / "teaching"
sys.path.insert(0, str(TEACHING))
import build  # noqa: E402

LESSONS = all_lessons(ROOT)
SECTIONS = ["Aim", "Prepare", "Minute by minute", "Questions to ask", "Misconceptions"]
SECTIONS += ["Short of time", "If there is more time", "Afterwards"]
PLANS = [TEACHING / "plans" / f"{lesson.stem}.md" for lesson in LESSONS]
LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)")


def names(paths):
    return [path.stem for path in paths]


def markdown_cells(lesson):
    cells = json.loads(lesson.read_text("utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def headings(lesson):
    """The parts of a lesson as a plan may name them: "4 · Temperature", or the lesson's own title."""
    lines = [line for text in markdown_cells(lesson) for line in text.splitlines()]
    title = next(line for line in lines if line.startswith("# "))
    return {"–", title.partition(" · ")[2]} | {line[3:] for line in lines if line.startswith("## ")}


def minutes(plan):
    """The rows of the table of minutes: from, to, and the parts that are named."""
    table = plan.partition("## Minute by minute")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in table.splitlines() if "|" in line][2:]
    return [(*map(int, row[0].split("–")), row[2].split(" / ")) for row in rows]


@pytest.mark.parametrize("lesson", LESSONS, ids=names(LESSONS))
@pytest.mark.parametrize("folder", build.FOLDERS)
def test_each_lesson_has_a_plan_a_worksheet_and_answers_on_two_pages_at_most(lesson, folder):
    pdf = (TEACHING / folder / f"{lesson.stem}.pdf").read_bytes()
    assert 1 <= len(re.findall(rb"/Type /Page\b(?!s)", pdf)) <= 2
    assert len(pdf) < 100_000
    assert pdf.count(b"/FontFile2") + pdf.count(b"/FontFile3") > 0, "the fonts are not in the file"


@pytest.mark.parametrize("plan", PLANS, ids=names(PLANS))
def test_a_plan_has_its_sections_in_order(plan):
    text = plan.read_text("utf-8")
    assert re.match(rf"# {plan.stem[:2]} · .+: a plan of 45 minutes\n", text)
    assert re.findall(r"^## (.+)", text, re.MULTILINE) == SECTIONS


@pytest.mark.parametrize("plan", PLANS, ids=names(PLANS))
def test_the_minutes_of_a_plan_run_from_0_to_45_without_a_gap(plan):
    rows = minutes(plan.read_text("utf-8"))
    assert rows[0][0] == 0 and rows[-1][1] == 45
    assert all(begin < end for begin, end, _ in rows)
    assert [end for _, end, _ in rows[:-1]] == [begin for begin, *_ in rows[1:]]


@pytest.mark.parametrize("lesson", LESSONS, ids=names(LESSONS))
def test_the_parts_that_a_plan_names_are_in_the_lesson(lesson):
    plan = (TEACHING / "plans" / f"{lesson.stem}.md").read_text("utf-8")
    assert {part for *_, parts in minutes(plan) for part in parts} - headings(lesson) == set()


def test_each_pdf_was_printed_from_the_markdown_of_now():
    documents = build.documents()
    assert {path.name for path in documents} >= {"course.md", "glossary.md"}
    old = [str(path.relative_to(TEACHING)) for path in documents if not build.is_up_to_date(path)]
    assert old == [], "python teaching/build.py prints them"


def test_a_change_of_text_style_or_picture_makes_a_pdf_old(tmp_path, monkeypatch):
    style, page, picture = (tmp_path / name for name in ("print.css", "page.md", "map.svg"))
    monkeypatch.setattr(build, "TEACHING", tmp_path)
    for path, text in ((style, "p {}"), (page, "# Page\n\n![A map](map.svg)\n"), (picture, "<svg/>")):
        path.write_text(text)
    seen = {build.digest(page)}
    page.with_suffix(".pdf").write_bytes(b"%PDF" + build.MARK + build.digest(page).encode() + b"\n")
    assert build.is_up_to_date(page)
    for path in (style, page, picture):
        path.write_text(path.read_text() + " ")
        path.write_text(path.read_text().replace("# Page", "# Pages").replace("p {}", "p {color: red}"))
        seen.add(build.digest(page))
        assert not build.is_up_to_date(page)
    assert len(seen) == 4


def test_marks_become_room_to_write_and_links_to_files_become_text(tmp_path, monkeypatch):
    (tmp_path / "print.css").write_text("")
    monkeypatch.setattr(build, "TEACHING", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n\nName: ______ [plan](a.md) [web](https://example.org)\n\n<!-- lines 2 -->\n\n<!-- box 40 -->\n"
    )
    made = build.page_html(page)
    assert made.count('class="line"') == 2 and "--size: 40mm" in made
    assert 'class="blank" style="width: 3.6em"' in made
    assert "a.md" not in made and 'href="https://example.org"' in made


@pytest.mark.parametrize("text", sorted(TEACHING.rglob("*.md")), ids=lambda path: str(path.relative_to(TEACHING)))
def test_what_a_page_links_to_is_there(text):
    targets = [target.partition("#")[0] for target in LINK.findall(text.read_text("utf-8"))]
    local = [target for target in targets if target and "://" not in target and not target.startswith("mailto:")]
    assert [target for target in local if not (text.parent / target).exists()] == []


# --- the glossary

TERMS = [term for lesson in LESSONS for term in lesson_terms(lesson)]


def test_the_glossary_is_what_the_lessons_say():
    made = glossary_markdown(TERMS)
    assert (TEACHING / "glossary.md").read_text("utf-8") == made, "python teaching/build.py makes it anew"
    for term in TERMS:
        assert all(f"| {word} " in made or f"| {word}, " in made for word in term.words)


def test_no_word_is_explained_twice_differently():
    assert contradictions(TERMS) == []


@pytest.mark.parametrize("lesson", LESSONS, ids=names(LESSONS))
def test_each_word_of_a_closing_table_stands_in_its_lesson_before(lesson):
    cells = ["".join(cell["source"]) for cell in json.loads(lesson.read_text("utf-8"))["cells"]]
    closing = next(place for place, text in enumerate(cells) if HEADING in text)
    text = " ".join(cells[:closing]).casefold()
    terms = lesson_terms(lesson)
    assert len(terms) >= 3
    missing = [word for term in terms for word in term.words if not all(part in text for part in parts(word))]
    assert missing == []


def parts(word):
    return plain(word).casefold().split()


def test_a_contradiction_is_found_and_an_addition_is_none():
    first = Term(("token",), "a piece of text", "01_a", "01 · A")
    assert contradictions([first, Term(("token",), "a number", "02_b", "02 · B")]) != []
    assert contradictions([first, Term(("token",), "a piece of text, with a number", "02_b", "02 · B")]) == []


def test_words_that_share_a_row_are_found_under_each_letter():
    page = glossary_markdown([Term(("to mask", "`block`"), "two actions", "09_safety", "09 · Safety")])
    assert page.index("| `block` | see *to mask* | |") < page.index("| to mask, `block` | two actions | [09 · Safety](")
