/* Wide tables scroll: by keyboard, too, once they can be reached. Material wraps them when a page has come. */
document$.subscribe(() => setTimeout(() => {
  for (const place of document.querySelectorAll(".md-typeset__scrollwrap")) {
    place.tabIndex = 0;
    place.setAttribute("role", "group");
    place.setAttribute("aria-label", "Table");
  }
}));
