"""The points that a teacher gives: filled into a table, read again, and then in the grades."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from nanochat_helpers.checks.result import CheckResult
from nanochat_helpers.errors import GradingError
from nanochat_helpers.grading.by_hand import read_points, with_points
from nanochat_helpers.grading.grades import GRADED, REVIEW, ExerciseGrade, Grade
from nanochat_helpers.grading.master import find_master
from nanochat_helpers.grading.reports import Run, write_reports

MASTER = find_master("03", Path(__file__).parents[1])
(QUESTION,) = MASTER.questions
RUN = Run("03", "Sheet 03", "held in", "1 s", "1")


def grade(student="Kim", answer="Model B.", **changes):
    exercises = tuple(ExerciseGrade(CheckResult(each.id, "", "passed", ""), each.points) for each in MASTER.exercises)
    made = Grade(student, REVIEW if answer else GRADED, "03", exercises, (replace(QUESTION, answer=answer),))
    return replace(made, **changes)


def table(folder, *rows):
    lines = ["student,question,points,max_points,answer", *rows]
    (folder / "questions.csv").write_text("\n".join(lines), "utf-8")
    return read_points(folder, MASTER)


def test_points_that_were_given_count_and_nothing_is_left_to_be_read(tmp_path):
    points = table(tmp_path, f"Kim,{QUESTION.number},2,3,Model B.", f"Ana,{QUESTION.number},,3,B.")
    done, waiting = with_points(grade(), points), with_points(grade("Ana"), points)
    assert (done.status, done.score, done.max_score) == (GRADED, 15, 16)
    assert (waiting.status, waiting.score) == (REVIEW, 13)
    assert done.remarks == () and "a teacher reads the answer" in waiting.remarks[0]


def test_zero_points_are_points(tmp_path):
    done = with_points(grade(), table(tmp_path, f"Kim,{QUESTION.number},0,3,"))
    assert (done.status, done.score) == (GRADED, 13)


def test_who_must_be_looked_at_for_another_reason_still_must(tmp_path):
    points = table(tmp_path, f"Kim,{QUESTION.number},3,3,")
    assert with_points(grade(to_look_at=True), points).status == REVIEW


def test_the_table_that_is_written_can_be_filled_in_and_read_and_keeps_what_was_given(tmp_path):
    students = ["Kim", "=cmd()", "a, b"]
    write_reports(tmp_path, RUN, MASTER, [grade(name) for name in students] + [grade("Zoe", "")])
    with (tmp_path / "questions.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert sorted(row[0] for row in rows) == ["'=cmd()", "Kim", "a, b"]
    with (tmp_path / "questions.csv").open("w", newline="") as file:
        csv.writer(file, delimiter=";").writerows([header, *([*row[:2], "3", *row[3:]] for row in rows)])
    points = read_points(tmp_path, MASTER)
    graded = [with_points(grade(name), points) for name in students]
    assert [each.score for each in graded] == [16, 16, 16]
    write_reports(tmp_path, RUN, MASTER, graded)
    assert read_points(tmp_path, MASTER) == points
    assert '"16","16"' in (tmp_path / "grades.csv").read_text("utf-8")


@pytest.mark.parametrize("given", ["4", "-1", "1.5", "two", "³"])
def test_what_is_no_number_of_points_is_told_with_its_line(tmp_path, given):
    with pytest.raises(GradingError, match=r"line 2: points are a whole number from 0 to 3"):
        table(tmp_path, f"Kim,{QUESTION.number},{given},3,")


def test_without_a_table_nothing_was_given_and_other_columns_are_refused(tmp_path):
    assert read_points(tmp_path, MASTER) == {}
    (tmp_path / "questions.csv").write_text("name,points\nKim,3\n")
    with pytest.raises(GradingError, match="should begin with the columns"):
        read_points(tmp_path, MASTER)
