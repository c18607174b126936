"""What a check found out, as a notebook, a terminal and a screen reader show it.

In: what `checking` decided. Out: a CheckResult. It decides nothing, and says nothing about points that count.
"""

from dataclasses import dataclass

from ..language import later
from ..views.check import check_html, check_text

PASSED, FAILED, NOT_ATTEMPTED, PROBLEM = "passed", "failed", "not attempted", "problem"


@dataclass(frozen=True)
class CheckResult:
    """The result of a check; a cell that ends with it shows it.

    status: "passed", "failed", "not attempted", or "problem" where nothing could be checked. sentence: what was found.
    n_passed of n_cases public cases came out right. call, expected, got: the first case that did not, as text.
    misconception: the name of the misunderstanding that gives these very answers, in English, or "". hints: from gentle
    to plain. notes: remarks that cost nothing. All sentences are in the language in which it was made.
    """

    exercise_id: str
    title: str
    status: str
    sentence: str
    n_passed: int = 0
    n_cases: int = 0
    call: str = ""
    expected: str = ""
    got: str = ""
    case_note: str = ""
    misconception: str = ""
    hints: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all public cases came out right."""
        return self.status == PASSED

    def __bool__(self) -> bool:
        return self.passed

    @property
    def rows(self) -> list[tuple[str, str]]:
        """The case that did not come out right, as pairs of an English word, for `tr_later`, and a text."""
        words = (later("call"), later("note"), later("expected"), later("got"))
        texts = (self.call, self.case_note, self.expected, self.got)
        return [(word, text) for word, text in zip(words, texts, strict=True) if text]

    def __repr__(self) -> str:
        return check_text(self)

    def _repr_html_(self) -> str:
        return check_html(self)

    def _ipython_display_(self) -> None:
        """Show it beside the cell's value, and not as that: nbgrader would look for points in a value."""
        from IPython.display import display

        display({"text/html": check_html(self), "text/plain": check_text(self)}, raw=True)
