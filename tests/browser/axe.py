"""axe-core's checks of a page, for people who use a screen reader, a keyboard or other colours. It changes nothing."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SERIOUS = ("serious", "critical")


def serious_findings(page: Page, within: str | list[str] | None = None, *, without: str | list[str] = ()) -> list[str]:
    """What axe calls serious or critical, each a sentence: the rule, the element, and why.

    within: a CSS selector, or several, of the parts to look at; None: the whole page. without: parts to leave out.
    A selector that finds nothing is an error, for then nothing would be looked at.
    """
    included, left_out = _listed(within or "html"), _listed(without)
    for selector in included:
        assert page.locator(selector).count(), f"axe has nothing to look at: no {selector} on the page"
    context = {"include": [[each] for each in included], "exclude": [[each] for each in left_out]}
    options = {"resultTypes": ["violations"], "preload": False}
    found = Axe().run(page, context=context, options=options).response["violations"]
    return [_sentence(rule, node) for rule in found if rule["impact"] in SERIOUS for node in rule["nodes"]]


def _listed(selectors):
    return [selectors] if isinstance(selectors, str) else list(selectors)


def _sentence(rule, node):
    why = "; ".join(each["message"] for each in node["any"] + node["all"] + node["none"])
    return f"{rule['id']} ({rule['impact']}): {node['html'][:200]} at {node['target']}: {why}"
