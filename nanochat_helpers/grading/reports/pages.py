"""What all pages share: templates in which every text is escaped, and the signs for results.

In: a template's name and its values. Out: HTML in the present language, that needs no script and no network.
"""

import re
from functools import cache
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...language import language, tr, tr_later, tr_n
from ...views.check import CLASSES, SIGNS, WORDS, _prose
from .text import clean, one_line

TEMPLATES = Path(__file__).parents[2] / "data" / "reports"


def page(template: str, **values: object) -> str:
    """A page made of a template of `data/reports`."""
    return _environment().get_template(template).render(**values)


def prose(text: str) -> Markup:
    """A sentence in which `code` stands between backticks, as HTML."""
    return Markup(_prose(clean(text)))


def heading(title: str) -> str:
    """A title of the sheet without its points, which stand beside it: "03.6 · Which model?"."""
    return re.sub(r" \(\d+ (?:points?|Punkte?)\b[^()]*\)$", "", one_line(tr_later(title)))


def student_page(name: str) -> str:
    """Where a student's page lies in the folder of reports."""
    return f"students/{name}.html"


@cache
def _environment():
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(prose=prose, clean=clean, one_line=one_line, heading=heading, quote=quote)
    made.globals.update(SIGNS=SIGNS, WORDS=WORDS, CLASSES=CLASSES)
    made.globals.update(tr=tr, tr_n=tr_n, tr_later=tr_later, language=language)
    return made
