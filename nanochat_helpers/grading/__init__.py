"""What teachers and graders need: sheets made from solutions, the proof that each is sound, and the grading of a class.

`sheets` and `verify` are for who writes sheets. For a class: `submissions` finds what was handed in, `answers` takes
the answers out of it, `grader` runs each in a `sandbox` and compares what comes back, `batch` does that for all, and
`reports` tells.
"""
