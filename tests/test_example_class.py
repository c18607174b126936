"""The class that was never there: what it says of its submissions is true, and it is always the same class."""

import ast
import json
import random
from collections import Counter

import example_attacks
import example_faults
import nbformat
import pytest
from example_answers import answers_of
from example_class import SHARES, Author, make_class

from nanochat_helpers.checks.diagnosis import examine
from nanochat_helpers.checks.result import FAILED, NOT_ATTEMPTED, PASSED
from nanochat_helpers.checks.sheets import SHEETS
from nanochat_helpers.errors import SheetError
from nanochat_helpers.grading.sheets import cell_of, read_notebook, role, source

N = 400
NOT_RUN = ("setup", "progress")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_class(tmp_path_factory.mktemp("class"), "04", N, seed=3)


@pytest.fixture
def run(request):
    """Run an answer after the sheet's own cells, and other answers that it needs, and examine its function."""
    names = {}

    def run_one(answers, exercise, code):
        if answers.number == "08":
            request.getfixturevalue("smollm2_files")
        if answers.number not in names:
            names[answers.number] = names_of(answers.sheet)
        here = dict(names[answers.number])
        for needed in sorted(answers.needs.get(code, ())):
            exec(answers.right[needed][0], here)
        exec(compile(code, "<answer>", "exec"), here)
        return examine(exercise, here.get(exercise.name))

    return run_one


def names_of(sheet):
    """What the cells of a sheet define that are no answers."""
    names = {"__name__": "__main__"}
    for cell in sheet["cells"]:
        if cell["cell_type"] == "code" and role(cell) == "read only" and cell["id"] not in NOT_RUN:
            exec(source(cell), names)
    return names


def handed_in(notebook, stub, exercise):
    """The last answer to an exercise that is no stub, or else a cell of the student's own, or else the stub."""
    cells = [cell for cell in notebook["cells"] if cell["metadata"].get("nanochat", {}).get("exercise") == exercise.id]
    written = [source(cell) for cell in cells if role(cell) == "answer" and source(cell) != stub]
    others = [
        source(cell) for cell in notebook["cells"] if role(cell) == "" and f"def {exercise.name}(" in source(cell)
    ]
    return (written or others or [stub])[-1]


def outcomes(run, answers, notebook):
    """What each answer of a notebook is worth, by a grader that knows nothing of how it was made."""
    found = {}
    for exercise in answers.exercises:
        code = handed_in(notebook, source(cell_of(answers.sheet, exercise.id, "answer")), exercise)
        try:
            found[exercise.id] = run(answers, exercise, code).status
        except (SyntaxError, EOFError, OSError):  # the cell itself broke; pytest lets nobody read from the keyboard
            found[exercise.id] = FAILED
    return {each: FAILED if status == "problem" else status for each, status in found.items()}


@pytest.mark.parametrize("number", SHEETS)
def test_every_right_answer_passes_with_nothing_but_its_notebook(number, run):
    answers = answers_of(number)
    for exercise in answers.exercises:
        assert len(answers.right[exercise.id]) > 1
        for code in answers.right[exercise.id]:
            result = run(answers, exercise, code)
            assert result.passed, f"{result}\n{code}"


@pytest.mark.parametrize("number", SHEETS)
def test_every_misconception_is_recognised_from_nothing_but_its_notebook(number, run):
    answers = answers_of(number)
    for exercise in answers.exercises:
        assert list(answers.wrong[exercise.id]) == [each.name for each in exercise.misconceptions]
        for name, code in answers.wrong[exercise.id].items():
            assert not answers.needs[code]  # it comes with its own helpers, whatever the student's others do
            result = run(answers, exercise, code)
            assert (result.status, result.misconception) == (FAILED, name), f"{result}\n{code}"


@pytest.mark.parametrize("number", SHEETS)
def test_no_answer_uses_what_a_grader_hides_or_changes_what_another_exercise_asks_for(number):
    answers = answers_of(number)
    asked = {exercise.name for exercise in answers.exercises} | {"check", "progress"}
    for exercise in answers.exercises:
        for code in (*answers.right[exercise.id], *answers.wrong[exercise.id].values()):
            for module in ("checks.sheets", *(each.reference.__module__ for each in answers.exercises)):
                imported = {
                    f"from {module} ",
                    f"import {module}",
                    f"from {module.rpartition('.')[0]} import {module.rpartition('.')[2]}",
                }
                assert not any(each in code for each in imported), code
            assert "SOLUTION" not in code
            tree = ast.parse(code)
            defined = {each.name for each in tree.body if isinstance(each, ast.FunctionDef | ast.ClassDef)}
            imported = {each.asname or each.name for node in tree.body for each in getattr(node, "names", ())}
            assert (defined | imported) & asked == {exercise.name}, code


@pytest.mark.parametrize("number", SHEETS)
def test_careless_code_is_worth_what_is_said(number, run):
    answers = answers_of(number)
    kinds = {**dict.fromkeys(example_faults.WRONG_CODE, FAILED), **dict.fromkeys(example_faults.RIGHT_CODE, PASSED)}
    author, rng = Author(answers, random.Random(number)), random.Random(number)
    for fault, wanted in kinds.items():
        exercise = rng.choice([each for each in answers.exercises if each.id != "08.5"])  # its model takes seconds
        right = author._right(exercise.id, alone=True)
        code = (example_faults.WRONG_CODE | example_faults.RIGHT_CODE)[fault](exercise, right)
        assert code != right
        try:
            passed = run(answers, exercise, code).passed
        except (SyntaxError, EOFError, OSError):
            passed = False
        assert passed == (wanted == PASSED), f"{fault}\n{code}"


@pytest.mark.parametrize("fault", [*example_faults.WRONG_CODE, *example_faults.RIGHT_CODE, *example_faults.CELLS])
def test_a_careless_sheet_is_worth_what_is_said(fault, run):
    answers = answers_of("04")
    data, expected, _ = Author(answers, random.Random(5)).hand_in("student", f"careless: {fault}")
    assert outcomes(run, answers, json.loads(data)) == expected
    assert list(expected.values()).count(PASSED) >= len(expected) - 1


@pytest.mark.parametrize("kind", ["right", "partly right", "misconception", "untouched"])
def test_a_sheet_is_worth_what_is_said(kind, run):
    answers = answers_of("04")
    author, seen = Author(answers, random.Random(7)), Counter()
    for _ in range(8):
        data, expected, _ = author.hand_in("student", kind)
        assert outcomes(run, answers, json.loads(data)) == expected
        seen.update(expected.values())
    assert seen[PASSED] == {"right": 48, "misconception": 40, "untouched": 0}.get(kind, seen[PASSED])
    assert (seen[FAILED], seen[NOT_ATTEMPTED] > 0) == {
        "right": (0, False),
        "partly right": (16, True),
        "misconception": (8, False),
        "untouched": (0, True),
    }[kind]


def test_where_an_answer_needs_others_and_these_may_be_wrong_another_is_taken(run):
    answers = answers_of("01")
    assert any(answers.needs.values())  # the solution of 01.5 calls two other functions
    author = Author(answers, random.Random(0))
    for _ in range(30):
        data, _, _ = author.hand_in("student", "partly right")
        notebook = json.loads(data)
        for exercise in answers.exercises:
            assert not answers.needs.get(source(cell_of(notebook, exercise.id, "answer")))


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(tmp_path):
    classes = {name: make_class(tmp_path / name, "03", 40, seed) for name, seed in {"a": 1, "b": 1, "c": 2}.items()}
    data = {name: [each.path.read_bytes() for each in made] for name, made in classes.items()}
    assert data["a"] == data["b"] != data["c"]
    assert [each.expected for each in classes["a"]] == [each.expected for each in classes["b"]]


def test_the_mix_is_the_one_that_is_described(made):
    groups = Counter(each.kind.partition(":")[0] for each in made)
    assert groups == {group: round(N * share) for group, share in SHARES.items()} | {"right": round(0.55 * N)}
    assert sum(each.is_slow for each in made) == N // 200
    assert len({each.student for each in made}) == N
    assert "right" in {each.kind for each in made[-N // 10 :]}  # they are not in the order of their groups


def test_every_misconception_and_every_right_answer_is_there(made):
    answers = answers_of("04")
    cells = {source(cell) for each in made if "broken" not in each.kind for cell in read_notebook(each.path)["cells"]}
    for exercise in answers.exercises:
        for code in (*answers.right[exercise.id], *answers.wrong[exercise.id].values()):
            assert code in cells, code


def test_what_is_not_broken_is_a_valid_notebook(made):
    for each in made:
        if not each.kind.startswith("broken"):
            nbformat.validate(nbformat.reads(each.path.read_text("utf-8"), as_version=nbformat.NO_CONVERT))
            assert set(each.expected) == {exercise.id for exercise in answers_of("04").exercises}


def test_what_is_broken_is_no_notebook_of_this_sheet(tmp_path):
    author = Author(answers_of("04"), random.Random(1))
    for fault in example_faults.BROKEN:
        data, expected, status = author.hand_in("student", f"broken: {fault}")
        assert (set(expected.values()), status) == ({NOT_ATTEMPTED}, "rejected")
        path = tmp_path / "broken.ipynb"
        path.write_bytes(data)
        if fault == "another sheet":
            assert cell_of(read_notebook(path), "04.1", "answer") is None
        else:
            with pytest.raises((SheetError, UnicodeDecodeError)):
                read_notebook(path)


def test_an_attack_is_code_with_the_asked_function_or_ends_before_it_and_is_worth_nothing():
    exercise = answers_of("04").exercises[2]
    for kind in (*example_attacks.ATTACKS, *example_attacks.SLOW_ATTACKS):
        code = example_attacks.attack(kind, exercise, "student_0007", 4567)
        compile(code, kind, "exec")
        assert not any(word in code for word in ("ASKED", "PARAMETERS", "STUDENT", "PORT"))
        assert "def apply_top_p(logits, top_p):" in code
    data, expected, _ = Author(answers_of("04"), random.Random(1), port=4567).hand_in(
        "student_0007", "hostile: a socket"
    )
    assert sorted(expected.values()) == [FAILED] + [PASSED] * 5
    assert b"4567" in data
    data, _, _ = Author(answers_of("04"), random.Random(1)).hand_in("student_0007", "hostile: files everywhere")
    assert f"{example_attacks.MARK}_student_0007" in data.decode()


def test_where_an_answer_uses_our_own_package_a_teacher_may_look_at_it():
    author, seen = Author(answers_of("01"), random.Random(0)), {}
    for _ in range(30):
        data, _, status = author.hand_in("student", "misconception")
        answers = [source(cell) for cell in json.loads(data)["cells"] if role(cell) == "answer"]
        seen["nanochat_helpers" in "".join(answers)] = status
    assert seen == {True: None, False: "graded"}


def test_a_folder_a_student(tmp_path):
    made = make_class(tmp_path, "04", 3, folder_each=True)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.ipynb")) == [
        f"student_000{n}/04_sampling.ipynb" for n in (1, 2, 3)
    ]
    assert [each.student for each in made] == ["student_0001", "student_0002", "student_0003"]


def test_an_answered_question_asks_for_a_teacher():
    author = Author(answers_of("03"), random.Random(2))
    seen = {}
    for _ in range(20):
        data, _, status = author.hand_in("student", "right")
        question = next(cell for cell in json.loads(data)["cells"] if role(cell) == "question")
        seen[status] = source(question) != "YOUR ANSWER HERE"
    assert seen == {"review": True, "graded": False}
