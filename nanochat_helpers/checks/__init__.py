"""Exercises and their checks: what is asked, how an answer is tried, and which misunderstandings are known.

`check("04.3")` at the end of a cell is all that a sheet needs. `exercise` says what an exercise is, `sheets/` holds one
module for each sheet.
"""

from .checking import check, progress
from .exercise import Case, Exercise, Misconception
from .result import CheckResult

__all__ = ["Case", "CheckResult", "Exercise", "Misconception", "check", "progress"]
