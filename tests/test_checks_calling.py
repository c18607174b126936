"""A student's function is called within limits, and the notebook is afterwards as it was, whatever the function did."""

# ruff: noqa: SIM105, E722, B006 - these are the traps
import _thread
import builtins
import itertools
import os
import random
import re
import sys
import threading
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from nanochat_helpers.checks import limits
from nanochat_helpers.checks.calling import call_on_cases, is_students
from nanochat_helpers.checks.exercise import Case, Exercise

LIMIT = 0.3  # seconds, in place of ten


def exercise_with(*args, **options):
    """An exercise with three cases, all with these arguments; its reference gives the first of them."""
    options = {"signature": "f(x)", "reference": lambda x: x, "misconceptions": ()} | options
    cases = (Case(args or (1,)),) * 3
    return Exercise(
        id="99.1", title="A test", points=1, edge_cases=cases, random_case=lambda rng: args, n_random=0, **options
    )


def answers_of(function, *args, seconds=LIMIT, **options):
    exercise = exercise_with(*args, **options)
    return call_on_cases(exercise, function, exercise.cases(), seconds)


def in_a_thread(work):
    """Run something in a thread, and give what it returned."""
    came = []
    thread = threading.Thread(target=lambda: came.append(work()))
    thread.start()
    thread.join()
    return came[0]


# --- what comes back


def test_each_answer_comes_with_what_was_printed():
    def f(x):
        print("thinking")
        print("hard", file=sys.stderr)
        return x + 1

    came = answers_of(f, 1)
    assert [answer.value for answer in came.answers] == [2, 2, 2]
    assert {answer.printed for answer in came.answers} == {"thinking\nhard\n"}
    assert (came.ended, came.stuck, came.again.value) == ("", False, 2)


def test_an_error_comes_with_the_students_line():
    def f(x):
        y = int("z")
        return y

    answer = answers_of(f, 1).answers[0]
    assert type(answer.error) is ValueError
    assert re.fullmatch(r'line \d+: y = int\("z"\)', answer.line)


def test_the_line_is_the_students_also_where_a_library_raised():
    import statistics

    def f(x):
        return statistics.mean([])

    assert answers_of(f, 1).answers[0].line.endswith("return statistics.mean([])")


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        ("/tmp/ipykernel_7/123.py", True),
        ("<ipython-input-3-0123456789ab>", True),
        (limits.__file__, False),
        (re.__file__, False),
        ("/home/mia/.venv/lib/python3.13/site-packages/torch/functional.py", False),
        ("/usr/local/lib/python3.13/dist-packages/torch/functional.py", False),  # Colab
    ],
)
def test_a_line_is_the_students_unless_its_file_was_installed(filename, expected):
    assert is_students(filename) is expected


@pytest.mark.parametrize(
    ("value", "change"),
    [
        ([1, 2], lambda x: x.append(3)),
        ({"a": 1}, lambda x: x.update(a=2)),
        ({"a": [1]}, lambda x: x["a"].append(2)),
        ([{"role": "user"}], lambda x: x[0].update(role="bot")),
        (torch.ones(2), lambda x: x.zero_()),
        ([1], lambda x: x.append(x)),
        ([1, 2], lambda x: x.__setitem__(1, type("Odd", (), {"__eq__": lambda *_: 1 / 0})())),
        ({1, 2}, lambda x: x.clear()),
    ],
)
def test_a_changed_input_is_noticed_and_the_next_call_gets_the_old_one(value, change):
    came = answers_of(lambda x: (change(x), len(x))[1], value)
    assert [answer.changed for answer in came.answers] == ["x", "x", "x"]
    assert len({answer.value for answer in came.answers}) == 1


def test_nan_in_an_input_is_no_change():
    assert not answers_of(lambda x: None, torch.tensor([float("nan"), 0.0])).answers[0].changed


def test_an_answer_is_kept_as_it_was_when_it_came():
    def f(x, seen=[]):
        seen.append(x)
        return seen

    came = answers_of(f, 1)
    assert [answer.value for answer in came.answers] == [[1], [1, 1], [1, 1, 1]]
    assert came.again.value == [1, 1, 1, 1]


# --- stopped


def loops(x):
    while True:
        pass


def swallows(x):
    while True:
        try:
            x += 1
        except Exception:
            pass


def swallows_everything(x):
    while True:
        try:
            time.sleep(0.01)
        except:
            pass


def goes_on_with_everything(x):
    while True:
        try:
            for number in range(10):
                str(number)
        except BaseException:
            continue


def goes_on_around_a_function(x):
    def works():
        for number in range(100_000):
            str(number)

    while True:
        try:
            works()
        except:
            pass


def sleeps(x):
    time.sleep(1000)


def searches(x):
    return re.match(r"(a+)+$", "a" * 40 + "b")


def multiplies(x):
    return 10 ** (10**9)


def prints(x):
    while True:
        print("on and on")


def endless(x):
    while True:
        yield 1


NEVER_END = [
    *(loops, swallows, swallows_everything, goes_on_with_everything, goes_on_around_a_function),
    *(sleeps, searches, multiplies, prints),
]


@pytest.mark.skipif(not hasattr(limits.signal, "setitimer"), reason="there are no alarms on Windows")
@pytest.mark.parametrize("function", NEVER_END, ids=lambda function: function.__name__)
def test_what_never_ends_is_stopped(function):
    began = time.monotonic()
    came = answers_of(function)
    assert (came.answers, came.ended, came.stuck) == ((), "time", False)
    assert time.monotonic() - began < LIMIT + 1
    assert sys.gettrace() is None


def test_a_generator_without_end_is_stopped_while_it_is_collected():
    came = answers_of(endless, call=lambda function, x: list(function(x)))
    assert came.ended in ("time", "memory")


@pytest.mark.parametrize("function", [loops, swallows, prints], ids=lambda each: each.__name__)
def test_what_never_ends_is_stopped_in_another_thread_too(function):
    came = in_a_thread(lambda: answers_of(function))
    assert (came.answers, came.ended, came.stuck) == ((), "time", False)


def test_what_cannot_be_stopped_is_said_and_hurts_nobody(monkeypatch, capsys):
    monkeypatch.setattr(limits, "PATIENCE", 0.1)
    wake = threading.Event()

    def f(x):
        while not wake.is_set():
            try:
                time.sleep(0.02)
            except:
                print("still here")

    streams = sys.stdout, sys.stderr, builtins.input
    came = in_a_thread(lambda: answers_of(f))
    assert (came.ended, came.stuck) == ("time", True)
    assert (sys.stdout, sys.stderr, builtins.input) == streams
    wake.set()


def test_the_answers_before_the_end_are_kept():
    calls = itertools.count()
    came = answers_of(lambda x: x if next(calls) < 2 else sleeps(x), 7)
    assert [answer.value for answer in came.answers] == [7, 7]
    assert came.last_call > LIMIT / 2


def test_an_end_after_the_last_case_does_not_count():
    calls = itertools.count()
    came = answers_of(lambda x: x if next(calls) < 3 else sleeps(x), 7)
    assert (len(came.answers), came.ended, came.again) == (3, "", None)


@pytest.mark.parametrize("double", [False, True])
def test_memory_that_grows_without_end_is_given_back(monkeypatch, double):
    monkeypatch.setattr(limits, "MEMORY", 200 * 1024**2)

    def f(x):
        row = [0] * 1000
        while True:
            row.extend(row if double else range(1000))

    came = answers_of(f, seconds=20)
    assert (came.answers, came.ended) == ((), "memory")


def test_where_little_memory_is_free_half_of_it_is_the_limit(monkeypatch):
    free = SimpleNamespace(available=100 * 1024**2)
    monkeypatch.setattr(limits.psutil, "virtual_memory", lambda: free)
    watch = limits.Watch(LIMIT)
    assert watch.most - watch.process.memory_info().rss < 60 * 1024**2


@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.parametrize("allowed", [1_000, 1_000_000])
def test_recursion_without_end_is_an_error_also_where_the_limit_was_raised(in_thread, allowed):
    def f(x):
        return g(x)

    def g(x):
        return sorted([x, x], key=f)

    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(allowed)
    try:
        came = in_a_thread(lambda: answers_of(f, 1, seconds=10)) if in_thread else answers_of(f, 1, seconds=10)
        assert sys.getrecursionlimit() == allowed
    finally:
        sys.setrecursionlimit(usual)
    assert [type(answer.error) for answer in came.answers] == [RecursionError] * 3


@pytest.mark.skipif(not hasattr(limits.signal, "setitimer"), reason="there are no alarms on Windows")
def test_ctrl_c_stops_the_calls_and_nothing_else():
    def f(x):
        _thread.interrupt_main()
        time.sleep(1000)

    came = answers_of(f, seconds=10)
    assert (came.answers, came.ended) == ((), "interrupted")


@pytest.mark.skipif(not hasattr(limits.signal, "setitimer"), reason="there are no alarms on Windows")
def test_ctrl_c_while_the_alarm_is_set_leaves_no_alarm_behind(monkeypatch):
    signal, usual = limits.signal, limits.signal.setitimer
    bell = signal.getsignal(signal.SIGALRM)

    def set_and_interrupted(*args):
        monkeypatch.undo()
        usual(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(signal, "setitimer", set_and_interrupted)
    with pytest.raises(KeyboardInterrupt):
        answers_of(lambda x: x)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) is bell


@pytest.mark.skipif(not hasattr(limits.signal, "setitimer"), reason="there are no alarms on Windows")
def test_the_trace_of_a_debugger_is_put_back():
    def trace(frame, event, arg):
        return None

    usual = sys.gettrace()
    sys.settrace(trace)
    try:
        answers_of(swallows)
        assert sys.gettrace() is trace
    finally:
        sys.settrace(usual)


def test_an_alarm_of_somebody_else_is_put_back():
    signal = pytest.importorskip("signal")
    if not hasattr(signal, "setitimer"):
        pytest.skip("there are no alarms on Windows")

    def bell(*_):
        pass

    usual = signal.signal(signal.SIGALRM, bell)
    signal.setitimer(signal.ITIMER_REAL, 100)
    try:
        answers_of(loops)
        assert signal.getsignal(signal.SIGALRM) is bell
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 90
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, usual)


# --- the notebook afterwards


def test_what_is_displayed_stays_out_of_the_notebook_for_once():
    displaypub = pytest.importorskip("IPython.core.displaypub")
    usual = displaypub.CapturingDisplayPublisher()
    shell = SimpleNamespace(display_pub=usual)
    (undo,) = limits._displays(SimpleNamespace(get_ipython=lambda: shell))
    shell.display_pub.publish({"text/plain": "a picture"})
    assert usual.outputs == []
    undo[0](undo[1])
    assert shell.display_pub is usual
    assert limits._displays(None) == limits._displays(SimpleNamespace(get_ipython=lambda: None)) == []


def test_input_is_refused_and_works_again_afterwards():
    asks = builtins.input
    came = answers_of(lambda x: input("Your name? "))
    assert type(came.answers[0].error) is EOFError
    assert builtins.input is asks


def test_a_function_may_throw_anything():
    class Own(BaseException):
        pass

    def f(x):
        raise Own

    assert [type(answer.error) for answer in answers_of(f).answers] == [Own] * 3
    assert type(answers_of(lambda x: sys.exit(3)).answers[0].error) is SystemExit


def test_streams_that_the_function_replaced_are_put_back():
    before = sys.stdout, sys.stderr

    def f(x):
        sys.stdout = sys.stderr = None

    answers_of(f)
    assert (sys.stdout, sys.stderr) == before


@pytest.mark.parametrize("around", [lambda work: work(), in_a_thread])
def test_output_that_the_function_closed_hurts_nobody(around):
    def f(x):
        sys.stdout.close()
        return x

    assert [answer.value for answer in around(lambda: answers_of(f, 7)).answers] == [7, 7, 7]


def test_random_numbers_go_on_as_if_nothing_had_been_called():
    numpy = pytest.importorskip("numpy")

    def draws():
        return random.random(), torch.rand(1).item(), numpy.random.rand()

    def f(x):
        random.seed(0)
        torch.manual_seed(0)
        numpy.random.seed(0)

    for seed in (random.seed, torch.manual_seed, numpy.random.seed):
        seed(7)
    expected = draws()
    for seed in (random.seed, torch.manual_seed, numpy.random.seed):
        seed(7)
    answers_of(f)
    assert draws() == expected


def test_what_torch_keeps_for_all_is_as_before():
    def sets(x):
        torch.set_default_dtype(torch.float64)
        torch.set_grad_enabled(False)
        return x

    assert answers_of(sets).answers[0].value == 1
    assert (torch.get_default_dtype(), torch.is_grad_enabled()) == (torch.float32, True)


def test_the_folder_and_the_warnings_are_as_before(tmp_path):
    folder, filters = Path.cwd(), list(warnings.filters)

    def f(x):
        os.chdir(tmp_path)
        warnings.simplefilter("error")
        return x

    assert [answer.value for answer in answers_of(f, 5).answers] == [5, 5, 5]
    assert folder == Path.cwd()
    assert warnings.filters == filters


def test_a_warning_is_no_error():
    def f(x):
        warnings.warn("careful", stacklevel=1)
        return x

    assert [answer.value for answer in answers_of(f, 5).answers] == [5, 5, 5]


def test_what_is_printed_is_kept_short():
    answer = answers_of(lambda x: [print("a" * 1_000_000) for _ in range(5)]).answers[0]
    assert len(answer.printed) <= limits.PRINTED
