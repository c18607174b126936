"""Each way to be wrong has a sentence of its own, and a misunderstanding is recognised by its answers."""

# ruff: noqa: PLW0108 - a lambda is what a student wrote
import dataclasses
import functools
import math
import signal
import time
from collections import Counter

import pytest
import torch

from nanochat_helpers.checks import diagnosis
from nanochat_helpers.checks.calling import Answer, Answers
from nanochat_helpers.checks.diagnosis import examine
from nanochat_helpers.checks.exercise import Case, Exercise, Misconception


def double(values):
    return [2 * value for value in values]


def exercise_for(reference=double, args=([1, 2],), signature="f(values)", misconceptions=(), **options):
    options = {"edge_cases": (Case(args, "two numbers"), Case(args), Case(args))} | options
    return Exercise(
        id="99.1",
        title="A test",
        points=1,
        signature=signature,
        reference=reference,
        misconceptions=tuple(misconceptions),
        random_case=lambda rng: ([rng.randint(0, 9) for _ in range(4)],) if reference is double else args,
        n_random=5,
        **options,
    )


def sentence_for(function, **options):
    return examine(exercise_for(**options), function, seconds=0.5).sentence


# --- what passes


class Doubler:
    def __call__(self, values):
        return double(values)

    def method(self, values):
        return double(values)


def with_a_default(values, factor=2, *rest, **more):
    return [factor * value for value in values]


@pytest.mark.parametrize(
    "function",
    [
        double,
        lambda values: double(values),
        lambda *values: double(*values),
        Doubler(),
        Doubler().method,
        functools.partial(with_a_default, factor=2),
        functools.lru_cache(with_a_default).__wrapped__,
        functools.wraps(double)(lambda values: double(values)),
    ],
)
def test_whatever_can_be_called_may_pass(function):
    result = examine(exercise_for(), function)
    assert result.passed
    assert result.sentence == "All 8 public checks passed."


def test_a_builtin_may_pass():
    assert examine(exercise_for(reference=lambda values: sum(values), args=([1, 2],)), sum).passed
    assert examine(exercise_for(reference=lambda a, b: max(a, b), args=(1, 2), signature="f(a, b)"), max).passed


def test_printing_and_a_lambda_are_remarked_on_but_cost_nothing():
    def prints(values):
        print("hello")
        return double(values)

    assert examine(exercise_for(), prints).notes == ("What it prints is not shown here, and does not count.",)
    assert "A lambda is fine" in examine(exercise_for(), lambda values: double(values)).notes[0]


def test_a_check_takes_a_few_milliseconds():
    examine(exercise_for(), double)
    began = time.perf_counter()
    examine(exercise_for(), double)
    assert time.perf_counter() - began < 0.05


# --- what cannot be called


class AsClass:
    pass


async def waits(values):
    return double(values)


async def gives_later(values):
    yield 1


class LiesAboutItsClass:
    @property
    def __class__(self):
        raise ValueError("who asks?")

    def __call__(self, values):
        return double(values)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (AsClass, "`f` is a class, and a function is asked for: begin with `def f(values):`."),
        (waits, "`f` is defined with `async def`, so calling it does nothing yet: leave out `async`."),
        (gives_later, "`f` is defined with `async def`, so calling it does nothing yet: leave out `async`."),
        (functools.partial(waits), "`f` is defined with `async def`, so calling it does nothing yet: leave out"),
        ([2, 4], "`f` should be a function, but it is a list ([2, 4]). Was the name used for something else?"),
        (None, "`f` should be a function, but it is None"),
        ("f", "'f' is a text: write the function's name without quotes, `check(\"99.1\", f)`."),
        (lambda: 1, "`f` has the parameters (), but it should have (values): mend the line"),
        (lambda values, factor: 1, "`f` has the parameters (values, factor), but it should have (values): mend"),
        (lambda *, values: 1, "`f` has the parameters (*, values), but it should have (values): mend"),
        (Doubler.method, "`f` has the parameters (self, values), but it should have (values): mend"),
    ],
)
def test_what_cannot_be_checked_says_why(function, sentence):
    result = examine(exercise_for(), function)
    assert result.status == "problem"
    assert result.sentence.startswith(sentence)


def test_parameters_in_another_order_are_noticed_but_other_names_are_fine():
    options = {"reference": lambda text, n: text * n, "args": ("ab", 2), "signature": "f(text, n)"}
    found = sentence_for(lambda n, text: text * n, **options)
    assert found == (
        "`f` has the parameters (n, text), but it should have (text, n), in this order: "
        "mend the line that begins with `def`."
    )
    assert examine(exercise_for(**options), lambda one, two: one * two).passed


def test_a_signature_may_have_defaults_with_commas():
    exercise = exercise_for(reference=lambda a, b: a, args=(1, 2), signature='f(a, b=(",", "."))')
    assert exercise.parameters == ("a", "b")
    assert examine(exercise, lambda a, b: a).passed


# --- what comes back is wrong


def calls_itself(values):
    return calls_itself(values)


def calls_the_other(values):
    return calls_back(values)


def calls_back(values):
    return calls_the_other(values)


def changes_its_input(values):
    for place in range(len(values)):
        values[place] *= 2
    return values


def prints_only(values):
    print(double(values))


def raises(values):
    raise ValueError("no   such\nnumber")


def not_known(values):
    return valuess  # noqa: F821


def known_too_late(values):
    if len(values) > 100:
        total = 0
    return total


def hidden(values):
    sum = 0
    return sum(values)


def half_written(values):
    if len(values) > 2:
        raise NotImplementedError
    return double(values)


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda values: None, "It returned None; did you forget `return`, "),
        (prints_only, "It printed `[2, 4]` and returned None: print only shows a value, `return` gives it back."),
        (lambda values: (2 * value for value in values), "`f` has a `yield`, so it gives a generator: collect"),
        (lambda values: waits(values), "`f` gives a coroutine, not a value: leave out `async`."),
        (lambda values: gives_later(values), "`f` gives an asynchronous generator, not a value: leave out `async`"),
        (lambda values: values.copy, "It returned a function, not a value: is a pair of brackets () missing after"),
        (lambda values: double, "It returned a function, not a value: is a pair of brackets () missing where"),
        (lambda values: torch.tensor(double(values)), "It should be a list, but it is a tensor: .tolist() makes"),
        (lambda values: values.append(1), "It changes `values` and returned None. That belongs to whoever called it"),
        (changes_its_input, "It changes `values`. That belongs to whoever called it: work on a copy"),
        (calls_itself, "`f` calls itself without end (in line "),
        (calls_the_other, "`f` calls itself without end (in line "),
        (raises, "It stopped with ValueError: no such number (in line "),
        (not_known, "It stopped with NameError: name 'valuess' is not defined (in line"),
        (known_too_late, "It stopped with UnboundLocalError: cannot access local variable 'total'"),
        (hidden, "It stopped with TypeError: 'int' object is not callable (in line "),
        (half_written, "A part is still to be written here (NotImplementedError): remove the `raise` line."),
        (lambda values: input("How many? "), "It waits for somebody to type (input()) (in line "),
        (lambda values: exit(), "It ends Python itself (SystemExit)"),
        (lambda values: values[7], "It stopped with IndexError: list index out of range (in line "),
        (lambda values: [0] * 10**15, "It asks for more memory than there is"),
        (len, "It should be a list, but it is a whole number."),
    ],
)
def test_a_wrong_answer_has_its_sentence(function, sentence):
    result = examine(exercise_for(), function, seconds=5)
    assert result.status == "failed"
    found = result.sentence.partition(" checks came out right. ")[2]
    assert found.startswith(sentence)
    assert found.endswith((".", "?"))


def test_an_error_that_says_little_to_a_beginner_comes_with_a_question():
    assert sentence_for(not_known).endswith("Is it spelled right, and did the cell that defines it run?")
    assert sentence_for(known_too_late).endswith("on every way through the function?")
    assert sentence_for(hidden).endswith("Was a name such as `sum` or `list` used for a value?")


def test_the_first_case_that_failed_is_shown():
    result = examine(exercise_for(), lambda values: [2 * value for value in values[:1]] + values[1:])
    assert (result.call, result.case_note) == ("f(values=[1, 2])", "two numbers")
    assert (result.expected, result.got) == ("[2, 4]", "[2, 2]")
    assert not result


def test_a_stub_is_no_wrong_answer():
    def stub(values):
        raise NotImplementedError()

    result = examine(exercise_for(), stub)
    assert result.status == "not attempted"
    assert "`# YOUR CODE HERE`" in result.sentence


def test_a_stub_with_given_code_around_it_is_not_attempted_either():
    def stub(values):
        values = list(values)
        raise NotImplementedError()
        return values

    assert examine(exercise_for(), stub).status == "not attempted"


def test_an_untouched_stub_is_not_called_and_loads_no_model():
    def stub(values):
        """Return all values doubled."""
        raise NotImplementedError()

    loaded = []
    exercise = exercise_for(call=lambda function, *args: (loaded.append(1), function(*args))[1])
    assert examine(exercise, stub).status == "not attempted"
    assert loaded == []


def test_loading_a_model_takes_nothing_of_the_students_time():
    @functools.cache
    def model():
        time.sleep(0.6)
        print("loaded")
        return double

    exercise = exercise_for(call=lambda function, *args: (model(), function(*args))[1])
    assert examine(exercise, double, seconds=0.3).passed


@pytest.mark.parametrize(
    ("got", "sentence"),
    [
        (torch.tensor([1.0, math.nan]), "At place 1 (counted from 0) it should be 2, but it is nan (not a number"),
        (torch.tensor([1, 2]), "The tensor should hold float32, but it holds int64: use .float()."),
        (torch.tensor([[1.0, 2.0]]), "The tensor should have the shape (2,), but it has (1, 2)."),
        (torch.nn.Parameter(torch.tensor([1.0, 2.0])), "It should be a tensor, but it is a parameter of a model"),
        (torch.ones(2).to_sparse(), "The answer (a tensor) cannot be compared: "),
    ],
)
def test_a_wrong_tensor_has_its_sentence(got, sentence):
    assert sentence in sentence_for(lambda values: got, reference=lambda values: torch.tensor([1.0, 2.0]))


def test_a_comparison_of_the_sheet_that_breaks_gives_way_to_the_usual_one():
    def compare(expected, got):
        return None if len(got) == len(expected) else "Another length."

    assert "Another length." in sentence_for(lambda values: [], compare=compare)
    assert "It should be a list, but it is a whole number." in sentence_for(lambda values: 5, compare=compare)


def test_a_right_tensor_may_need_a_gradient():
    exercise = exercise_for(reference=lambda values: torch.tensor([1.0, 2.0]))
    assert examine(exercise, lambda values: torch.tensor([1.0, 2.0], requires_grad=True)).passed


def test_a_counter_is_as_good_as_a_dict():
    assert examine(exercise_for(reference=lambda values: dict(Counter(values))), Counter).status == "problem"
    assert examine(exercise_for(reference=lambda values: dict(Counter(values))), lambda values: Counter(values)).passed


def test_an_answer_that_says_it_is_equal_is_not_believed():
    class Yes(list):
        def __eq__(self, other):
            return True

        __hash__ = None

    assert "something of type Yes" in sentence_for(lambda values: Yes())


def test_an_answer_that_lies_about_its_class_is_named_by_its_type():
    assert "something of type LiesAboutItsClass" in sentence_for(lambda values: LiesAboutItsClass())


def test_where_an_error_is_right_another_class_or_none_is_not():
    def positive(value):
        if value < 0:
            raise ValueError("below 0")
        return value

    def other(value):
        return {}["a"] if value < 0 else value

    options = {"reference": positive, "signature": "f(value)", "args": (-1,)}
    assert "Here it should raise a ValueError, but it returned -1." in sentence_for(lambda value: value, **options)
    assert "Here it should raise a ValueError, but it raised a KeyError (in line" in sentence_for(other, **options)
    assert examine(exercise_for(**options), lambda value: positive(value)).passed
    result = examine(exercise_for(**options), other)
    assert (result.expected, result.got) == ("raises ValueError", "raises KeyError")


def test_what_is_kept_from_call_to_call_is_remarked_on():
    def grows(values, seen=[]):  # noqa: B006
        seen.extend(2 * value for value in values)
        return seen

    result = examine(exercise_for(), grows)
    assert result.sentence.startswith("1 of 8 checks came out right.")
    assert "a default such as `x=[]`" in result.notes[0]


def test_the_same_answer_twice_is_not_remarked_on_where_it_cannot_be_compared():
    numpy = pytest.importorskip("numpy")
    for answer in (lambda values: numpy.array(values), lambda values: {1: 2}.values(), lambda values: object()):
        assert examine(exercise_for(), answer).notes[1:] == ()


def test_where_the_rows_would_read_alike_they_are_written_in_full():
    result = examine(exercise_for(), lambda values: [2.0 * value for value in values])
    assert (result.expected, result.got) == ("[2, 4]", "[2.0, 4.0]")
    right = torch.arange(30.0)
    result = examine(exercise_for(reference=lambda values: right), lambda values: right * (right != 20))
    assert " 20., " in result.expected and " 20., " not in result.got


def test_what_a_library_cannot_do_is_no_stub():
    def f(values):
        raise NotImplementedError("sparse tensors")

    result = examine(exercise_for(), f)
    assert result.status == "failed"
    assert "It stopped with NotImplementedError: sparse tensors (in line" in result.sentence


def test_long_arguments_and_answers_are_shown_short():
    text = "word " * 2_000
    exercise = exercise_for(reference=str.upper, args=(text,), signature="f(text)")
    result = examine(exercise, lambda text: text[:5000].upper() + "x" + text[5001:].upper())
    assert len(result.call) < 300
    assert "x" in result.got and "x" not in result.expected
    assert len(result.got) < 250


def test_a_huge_wrong_answer_is_told_at_once():
    began = time.perf_counter()
    assert "There should be 2 entries, but there are 1000000" in sentence_for(lambda values: [1] * 1_000_000)
    assert "It should be a list, but it is a text" in sentence_for(lambda values: "a" * 10_000_000)
    assert time.perf_counter() - began < 2


# --- too slow, too large, stopped


def never_comes_back(values):
    while True:
        pass


def test_the_sentence_tells_a_loop_without_end_from_slow_code():
    def slow(values):
        time.sleep(0.13)
        return double(values)

    calls = []

    def stuck_later(values):
        calls.append(1)
        return double(values) if len(calls) < 3 else never_comes_back(values)

    found = sentence_for(never_comes_back)
    assert found.startswith("0 of 8 checks came out right; then it did not come back")
    assert "Is there a loop that never ends?" in found
    assert "it is too slow" in sentence_for(slow)
    result = examine(exercise_for(), stuck_later, seconds=0.4)
    assert result.sentence.startswith("2 of 8 checks came out right; then it did not come back")
    assert (result.n_passed, result.call) == (2, "f(values=[1, 2])")


def test_the_seconds_are_those_of_the_call_that_did_not_come_back():
    exercise, came = exercise_for(), Answers((Answer([2, 4]),), "time", last_call=6.0)
    result = diagnosis._unfinished(exercise, exercise.cases(), came, (), 10.0)
    assert result.sentence.startswith("1 of 8 checks came out right; then it did not come back within 6 s.")


def test_memory_that_grows_without_end_has_its_sentence(monkeypatch):
    monkeypatch.setattr("nanochat_helpers.checks.limits.MEMORY", 100 * 1024**2)

    def grows(values):
        while True:
            values += [0] * 10_000

    result = examine(exercise_for(), grows)
    assert "it took more and more memory" in result.sentence
    assert result.call == "f(values=[1, 2])"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no alarms on Windows")
def test_to_stop_a_check_is_no_failed_try():
    def stopped(values):
        signal.raise_signal(signal.SIGINT)
        return never_comes_back(values)

    result = examine(exercise_for(), stopped, seconds=5)
    assert (result.status, result.sentence) == ("problem", "Stopped. 0 of 8 checks came out right until then.")


# --- misunderstandings


def added_two(values):
    return [value + 2 for value in values]


def fails_on_long_ones(values):
    if len(values) > 2:
        raise IndexError("too long")
    return double(values)


def never_ends(values):
    return never_comes_back(values) if len(values) > 2 else double(values)


ADDED = Misconception("added 2", added_two, "Twice 3 is not 5.")
FAILS = Misconception("failed on long lists", fails_on_long_ones, "How long may a list be?")
ENDLESS = Misconception("never ended", never_ends, "When does it end?")


def test_a_misunderstanding_is_recognised_by_its_answers():
    result = examine(exercise_for(misconceptions=[FAILS, ADDED]), lambda values: [2 + value for value in values])
    assert (result.misconception, result.hints) == ("added 2", ("Twice 3 is not 5.",))


def test_one_answer_more_or_less_is_no_misunderstanding():
    exercise = exercise_for(misconceptions=[FAILS, ADDED])
    result = examine(exercise, lambda values: added_two(values) if len(values) == 2 else double(values))
    assert (result.misconception, result.hints) == ("", ())


def test_a_function_that_raises_is_recognised_by_the_class_of_its_error():
    def raises_elsewhere(values):
        return double(values) if len(values) == 2 else list()[1]  # noqa: C408

    exercise = exercise_for(misconceptions=[ADDED, FAILS])
    assert examine(exercise, raises_elsewhere).misconception == "failed on long lists"
    assert examine(exercise, lambda values: double(values) if len(values) == 2 else {}[1]).misconception == ""


def added_2_and_fails_on_two(values):
    return [2 + value for value in values] if len(values) > 2 else {}[1]


def test_a_misconception_is_recognised_beside_a_crash_on_a_special_case():
    edge_cases = (Case(([1, 2],)), Case(([1, 2, 3],)))
    exercise = exercise_for(misconceptions=[FAILS, ADDED], edge_cases=edge_cases)
    assert examine(exercise, added_2_and_fails_on_two).misconception == "added 2"


def test_a_misconception_is_recognised_before_the_error_of_a_special_case_is_raised():
    def refuses_two(values):
        if len(values) == 2:
            raise ValueError("two")
        return double(values)

    edge_cases = (Case(([1, 2],)), Case(([1, 2, 3],)))
    exercise = exercise_for(reference=refuses_two, misconceptions=[ADDED], edge_cases=edge_cases)
    exercise = dataclasses.replace(exercise, random_case=lambda rng: ([rng.randint(3, 9) for _ in range(4)],))
    assert examine(exercise, lambda values: [2 + value for value in values]).misconception == "added 2"


def test_one_wrong_answer_beside_a_crash_is_no_misconception():
    def wrong_on_three(values):
        return added_two(values) if len(values) == 3 else double(values)

    def also_fails_on_two(values):
        return wrong_on_three(values) if len(values) > 2 else {}[1]

    known = Misconception("wrong on three", wrong_on_three, "?")
    edge_cases = (Case(([1, 2],)), Case(([1, 2, 3],)))
    assert examine(exercise_for(misconceptions=[known], edge_cases=edge_cases), also_fails_on_two).misconception == ""
    edge_cases = (*edge_cases, Case(([3, 4, 5],)))
    found = examine(exercise_for(misconceptions=[known], edge_cases=edge_cases), also_fails_on_two)
    assert found.misconception == "wrong on three"


def test_a_misconception_is_not_seen_where_most_calls_crash():
    exercise = exercise_for(misconceptions=[ADDED], edge_cases=(Case(([1, 2],)),) * 6)
    assert examine(exercise, added_2_and_fails_on_two).misconception == ""


def test_a_function_that_calls_a_stub_is_told_to_begin_there():
    def helper(values):
        raise NotImplementedError()

    result = examine(exercise_for(), lambda values: helper(values))
    assert (result.status, result.sentence.partition("right. ")[2]) == (
        "failed",
        "It calls `helper`, which is still to be written (NotImplementedError): begin there.",
    )


def test_a_misconception_that_never_comes_back_does_not_hang_the_check(monkeypatch):
    monkeypatch.setattr(diagnosis, "SEARCH_LIMIT", 0.3)
    began = time.monotonic()
    result = examine(exercise_for(misconceptions=[ENDLESS]), lambda values: double(values)[:2])
    assert (result.status, result.misconception) == ("failed", "")
    assert time.monotonic() - began < 2


def test_an_unfinished_run_is_compared_as_far_as_it_came():
    def wrong_and_endless(values):
        return added_two(values)[:1] if len(values) == 2 else never_comes_back(values)

    result = examine(exercise_for(misconceptions=[ADDED]), wrong_and_endless, seconds=0.3)
    assert "There should be 2 entries, but there is 1" in result.sentence
    assert result.notes == ("It was stopped after 3 checks: the time was over.",)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no alarms on Windows")
def test_a_wrong_answer_before_an_interruption_is_shown_with_a_note():
    def wrong_and_stopped(values):
        return added_two(values)[:1] if len(values) == 2 else signal.raise_signal(signal.SIGINT)

    result = examine(exercise_for(), wrong_and_stopped)
    assert "There should be 2 entries, but there is 1" in result.sentence
    assert result.notes == ("It was stopped after 3 checks: you interrupted it.",)


def test_no_coroutine_is_left_waiting(recwarn):
    examine(exercise_for(), lambda values: waits(values))
    assert not [warning for warning in recwarn if "never awaited" in str(warning.message)]
