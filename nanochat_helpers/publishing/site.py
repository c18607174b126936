"""The whole series as a static site, made by MkDocs with the Material theme; it needs no network and no server.

In: a copy of the repository. Out: a folder of pages. The lessons are run if that was not done yet.
"""

import json
import logging
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from ..errors import PublishingError
from ..repository import binder_url, colab_url, github_url
from .execute import executed, read_notebook
from .lesson_page import filled_in, for_markdown, lesson_page
from .lessons import all_lessons
from .links import files_below, moved_links, relative_address
from .site_pages import exercises_page, front_page, navigation

DATA = Path(__file__).parents[1] / "data" / "site"
NAMELESS = '<div class="md-search" data-md-component="search" role="dialog">'  # a screen reader wants its name
TEACHING = ("teaching/**/*.md", "teaching/**/*.pdf", "teaching/**/*.png", "teaching/**/*.svg")


def build_site(folder: Path, out: Path, say: Callable[[str], object], *, any_package: bool = False) -> None:
    """Build the site of a copy of the repository into `out`, in place of what an earlier build left there.

    any_package: what the lessons showed with an older NanoChat will do.
    """
    lessons = all_lessons(folder)
    _check_out(out)
    places = _places(folder)
    with tempfile.TemporaryDirectory(prefix="nanochat-site-") as draft:
        pages = Path(draft) / "pages"
        shutil.copytree(DATA / "assets", pages / "assets")
        drawings = _write_lessons(lessons, pages, places, say, any_package)
        _write_others(folder, pages, lessons, places)
        _run_mkdocs(pages, Path(draft) / "site")
        _fill_in(Path(draft) / "site", drawings)
        _replace(Path(draft) / "site", out)


def _places(folder: Path) -> dict[str, str]:
    """Where each file of the repository stands in the site; what is missing here has its place on GitHub."""
    lessons = {path: f"lessons/{Path(path).stem}.md" for path in files_below(folder, "notebooks/*.ipynb")}
    sheets = {path: f"exercises.md#{Path(path).stem}" for path in files_below(folder, "exercises/*.ipynb")}
    pictures = files_below(folder, "notebooks/pictures/*.png")
    teaching = files_below(folder, *TEACHING)
    folders = {"notebooks": "index.md", "exercises": "exercises.md"}
    for path in sorted(teaching, key=lambda path: (not path.endswith("README.md"), path)):
        if path.endswith(".md"):
            folders.setdefault(str(Path(path).parent.as_posix()), path)  # a link to a folder leads to its first page
    same = {path: path for path in [*pictures, *teaching]}
    return {"README.md": "index.md"} | folders | lessons | sheets | same


def _address(page: str, places: dict[str, str]) -> Callable[[str], str]:
    def address(path: str) -> str:
        target, sign, anchor = places.get(path, "").partition("#")
        return relative_address(target, page) + sign + anchor if target else github_url(path)

    return address


def _write_lessons(lessons, pages, places, say, any_package) -> dict[str, str]:
    drawings = {}
    for lesson in lessons:
        say(f"lesson {lesson.stem}")
        page = f"lessons/{lesson.stem}.md"
        made = lesson_page(
            lesson.stem,
            executed(lesson, any_package=any_package),
            _open_links(lesson.stem),
            lambda text, page=page: moved_links(text, "notebooks", _address(page, places)),
        )
        _write(pages / page, made.text)
        drawings |= made.drawings
    return drawings


def _open_links(stem: str) -> str:
    path = f"notebooks/{stem}.ipynb"
    return (
        f'<p class="nc-open"><a class="md-button md-button--primary" href="{colab_url(path)}">Open live in Colab</a> '
        f'<a class="md-button" href="{binder_url(path)}">Open on Binder</a> '
        f'<a class="md-button" href="../{path}" download>Download the notebook</a></p>'
    )


def _write_others(folder: Path, pages: Path, lessons: list[Path], places: dict[str, str]) -> None:
    """All pages that no lesson has, and the files that are linked to."""
    for path in files_below(folder, "notebooks/*.ipynb", "exercises/*.ipynb", "notebooks/pictures/*.png", *TEACHING):
        if path.endswith(".md"):
            text = moved_links((folder / path).read_text("utf-8"), str(Path(path).parent), _address(path, places))
            _write(pages / path, for_markdown(_with_pdf(text, folder / path)))
        else:
            (pages / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / path, pages / path)
    _write(pages / "index.md", front_page([(path.stem, read_notebook(path)) for path in lessons]))
    _write(pages / "exercises.md", exercises_page())
    nav = navigation(lessons, files_below(folder, "teaching/**/*.md"), folder)
    _write(pages.parent / "mkdocs.yml", json.dumps(_settings(nav), indent=1))  # JSON is YAML


def _with_pdf(text: str, path: Path) -> str:
    """A page with a link to its form for the printer, where there is one."""
    pdf = path.with_suffix(".pdf")
    heading, _, rest = text.partition("\n")
    return f"{heading}\n\n[To print: PDF]({pdf.name}){{ .md-button }}\n{rest}" if pdf.is_file() else text


def _settings(nav: list) -> dict:
    settings = json.loads((DATA / "mkdocs.json").read_text("utf-8"))
    return settings | {"nav": nav, "docs_dir": "pages", "site_dir": "site"}


def _run_mkdocs(pages: Path, target: Path) -> None:
    """Let MkDocs build; what it warns of, such as a link that leads nowhere, is an error."""
    from mkdocs.commands.build import build
    from mkdocs.config import load_config
    from mkdocs.exceptions import Abort, MkDocsException

    heard = _Heard()
    logging.getLogger("mkdocs").addHandler(heard)
    try:
        build(load_config(str(pages.parent / "mkdocs.yml"), site_dir=str(target), strict=True))
    except (MkDocsException, Abort) as problem:
        raise PublishingError(f"The site has a mistake: {'; '.join(heard.lines) or problem}.") from problem
    finally:
        logging.getLogger("mkdocs").removeHandler(heard)


class _Heard(logging.Handler):
    """Keeps the first warnings."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.lines = []

    def emit(self, record: logging.LogRecord) -> None:
        if len(self.lines) < 3:
            self.lines.append(" ".join(re.sub(r"\x1b\[[0-9;]*m", "", record.getMessage()).split()))


def _fill_in(site: Path, drawings: dict[str, str]) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text("utf-8").replace(NAMELESS, NAMELESS.replace("<div", '<div aria-label="Search"'))
        page.write_text(filled_in(text, drawings), "utf-8")
    for index in (site / "search").glob("search_index.js*"):
        index.write_text(filled_in(index.read_text("utf-8"), dict.fromkeys(drawings, "")), "utf-8")


def _check_out(out: Path) -> None:
    """Refuse to replace what is no site: someone may have named the folder with their own files."""
    if out.exists() and not (out / "assets" / "nanochat-site.css").is_file() and (out.is_file() or any(out.iterdir())):
        raise PublishingError(f"{out} is there already, and no site of NanoChat: name a new folder with --out.")


def _replace(site: Path, out: Path) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.exists():
            shutil.rmtree(out)
        shutil.move(site, out)
    except OSError as problem:
        raise PublishingError(
            f"{out} cannot be written: {problem.strerror or problem}. Give another folder with --out."
        ) from problem


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
