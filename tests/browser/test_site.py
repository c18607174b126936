"""The site, opened from its folder without a network: links, search, a phone's width, and axe's checks."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe import serious_findings
from playwright.sync_api import BrowserContext, Page, expect

from nanochat_helpers.publishing.site import build_site

ROOT = Path(__file__).parents[2]
LOOKED_AT = ("index.html", "lessons/04_sampling.html", "exercises.html", "teaching/glossary.html")


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site") / "site"
    build_site(ROOT, out, lambda _: None)
    return out


@pytest.fixture(scope="module")
def page(site: Path, shared_context: BrowserContext):
    with shared_context.new_page() as page:
        yield page


@pytest.fixture
def asked(page: Page):
    """What the page asked of the network."""
    heard = []

    def hear(request):
        if not request.url.startswith(("file:", "data:", "blob:", "about:")):
            heard.append(request.url)

    page.on("request", hear)
    yield heard
    page.remove_listener("request", hear)


def test_every_link_inside_the_site_leads_somewhere(site: Path):
    texts = {path: path.read_text("utf-8") for path in site.rglob("*.html") if path.name != "404.html"}
    ids = {path: set(re.findall(r'\sid="([^"]+)"', text)) for path, text in texts.items()}
    lost, n_links = [], 0
    for path, text in texts.items():
        for link in re.findall(r'<(?:a|img|link|script)\s[^>]*?(?:href|src)="([^"]+)"', text):
            parts = urlsplit(link.replace("&amp;", "&"))
            if parts.scheme or parts.netloc:
                continue
            n_links += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.exists() or (anchor and target in ids and anchor not in ids[target]):
                lost.append(f"{path.relative_to(site)}: {link}")
    assert lost == []
    assert n_links > 500


def test_every_lesson_has_its_pictures_and_a_way_to_the_next(site: Path):
    for lesson in (ROOT / "notebooks").glob("*.ipynb"):
        text = (site / "lessons" / f"{lesson.stem}.html").read_text("utf-8")
        assert "@@nanochat" not in text and "remove-cell" not in text
        assert "This cell tests the lesson itself" not in text
        assert 'class="nc-shown"' in text, lesson.stem
        assert re.search("md-footer__link--(next|prev)", text)
    assert "@@nanochat" not in (site / "search" / "search_index.js").read_text("utf-8")


@pytest.mark.parametrize("width", [400, 1280])
def test_no_page_scrolls_sideways_and_none_asks_the_network(site: Path, page: Page, asked, width):
    page.set_viewport_size({"width": width, "height": 800})
    wide = {}
    for path in ["index.html", "exercises.html", *(f"lessons/{each.name}" for each in (site / "lessons").iterdir())]:
        page.goto((site / path).as_uri())
        scrolled = page.evaluate("document.documentElement.scrollWidth")
        wide |= {path: scrolled} if scrolled > width else {}
    assert wide == {}
    assert asked == []


@pytest.mark.parametrize("path", LOOKED_AT)
def test_axe_finds_nothing_serious(site: Path, page: Page, path):
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto((site / path).as_uri())
    page.wait_for_timeout(200)
    assert serious_findings(page) == []


def test_the_search_finds_a_word_without_a_server(site: Path, page: Page, asked):
    page.goto((site / "index.html").as_uri())
    page.get_by_role("textbox", name="Search").fill("temperature")
    results = page.locator(".md-search-result__item")
    expect(results.filter(has_text="Temperature: how much luck").first).to_be_visible()
    assert asked == []
