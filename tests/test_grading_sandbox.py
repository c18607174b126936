"""One task after the other runs in a process that is not trusted: its cost is bounded, and no task sees another."""

import contextlib
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from nanochat_helpers.errors import GradingError
from nanochat_helpers.grading.sandbox import STRONG, WEAK, Limits, Sandbox, Task, listening, wire

HIDDEN = ["nanochat_helpers.checks.sheets"]
IMPORTS = "import itertools\nimport numpy\nimport torch"
FINE = "def f(x):\n    return [x, x + 1]"


def task(code, cases=((1,), (2,))):
    cells = code if isinstance(code, tuple) else (code,)
    return Task("99.1", "f(x)", tuple((f"cell {n}", cell) for n, cell in enumerate(cells)), cases)


def inside(code):
    """A function whose answer is what this code leaves in `out`."""
    return "def f(x):\n    out = None\n" + "".join(f"    {line}\n" for line in code.splitlines()) + "    return out"


def value(outcome):
    assert outcome.ended == "done", outcome
    assert outcome.answers[0][0].error is None, outcome.answers[0][0].error
    return outcome.answers[0][0].value


def processes_of(box):
    """All processes that a sandbox has."""
    if box._process is None:
        return []
    here = psutil.Process(box._process.pid)
    return [here, *here.children(recursive=True)]


@pytest.fixture(scope="module", params=[STRONG, WEAK])
def box(request):
    try:
        made = Sandbox(IMPORTS, HIDDEN, Limits(1, 512), level=request.param)
        assert (made.level == STRONG) == (request.param == STRONG)
    except GradingError:
        if request.param == WEAK:
            raise
        made = Sandbox(IMPORTS, HIDDEN, Limits(1, 512))  # this machine allows no namespaces: test what there is
    yield made
    made.close()


@pytest.fixture(scope="module")
def patient(box):
    """A sandbox with time enough, also on a slow machine, to run into any other limit."""
    made = Sandbox(IMPORTS, HIDDEN, Limits(30, 256), level=box.level)
    yield made
    made.close()


# --- what comes back


def test_the_answers_come_and_one_more_to_the_first(box):
    outcome = box.run(task(FINE))
    assert (outcome.ended, outcome.last_cell, outcome.problems) == ("done", 0, ())
    assert [answer.value for answer, _ in outcome.answers] == [[1, 2], [2, 3], [1, 2]]
    assert outcome.found == {"there": True, "objection": "", "near": "f", "others": ["f"]}


def test_the_same_task_twice_gives_the_same_answers(box):
    code = inside(
        "import random, numpy, torch, time\n"
        "out = [random.random(), float(numpy.random.rand()), torch.rand(3), list({'a', 'b', 'c'}), hash('a')]"
    )
    first, again = (box.run(task(code)) for _ in range(2))
    assert wire.pack(value(first)) == wire.pack(value(again))
    assert first.found == again.found


def test_arguments_come_back_as_they_are_after_the_call(box):
    outcome = box.run(task("def f(x):\n    x.append(3)", (([1],),)))
    assert outcome.answers[0] == (outcome.answers[0][0], ([1, 3],))


def test_a_cell_that_fails_is_told_with_its_line_and_stops_no_other(box):
    outcome = box.run(task(("x = 1\ny = nowhere", "def g(:", FINE)))
    assert [(each.cell, each.error) for each in outcome.problems] == [(0, "NameError"), (1, "SyntaxError")]
    assert outcome.problems[0].line == (2, "y = nowhere")
    assert value(outcome) == [1, 2]


def test_a_function_that_is_not_there_is_told_with_what_is_near(box):
    outcome = box.run(task("def F(x): pass\ndef other(): pass"))
    assert outcome.found == {"there": False, "objection": "", "near": "F", "others": ["F", "other"]}


def test_an_answer_that_is_too_large_arrives_as_such(box):
    outcome = box.run(task("def f(x): return [0] * 10**6"))
    assert "too_large" in type(outcome.answers[0][0].value).__name__
    assert len(outcome.answers) == 3


def test_a_task_may_be_large(box):
    text = "ä" * 400_000
    assert value(box.run(task(f"text = {text!r}\ndef f(x): return len(text)"))) == len(text)


# --- limits

ENDS = {
    "a loop": ("time", "def f(x):\n    while True: pass"),
    "a loop in C": ("time", "import itertools\ndef f(x): return sum(itertools.count())"),
    "a loop in a cell": ("time", "while True: pass"),
    "a sleep": ("time", "import time\ndef f(x): time.sleep(10**6)"),
    "what catches everything": (
        "time", "def f(x):\n    while True:\n        try: f(x)\n        except BaseException: pass",
    ),
    "threads that go on": (
        "time", "import threading\ndef loop():\n    while True: pass\n"
        "def f(x):\n    [threading.Thread(target=loop).start() for _ in range(4)]\n    loop()",
    ),
    "no signal is heard": (
        "time", "import signal\nfor n in range(1, 32):\n    try: signal.signal(n, signal.SIG_IGN)\n"
        "    except OSError: pass\ndef f(x):\n    while True: pass",
    ),
    "printing": ("output", "def f(x):\n    while True: print('all passed ' * 1000)"),
    "printing in a cell": ("output", "import sys\nwhile True: sys.stderr.write('x' * 10**5)"),
    "os._exit": ("crash", "import os\ndef f(x): os._exit(0)"),
    "os._exit in a cell": ("crash", "import os\nos._exit(0)"),
    "a null pointer": ("crash", "import ctypes\ndef f(x): ctypes.string_at(0)"),
    "all channels closed": ("crash", "import os\nos.closerange(0, 256)\ndef f(x): return x"),
    "all channels closed, and on": ("time", "import os, time\nos.closerange(0, 256)\ntime.sleep(10**6)"),
    "ctrl-c": ("crash", "def f(x): raise KeyboardInterrupt"),
}  # fmt: skip


@pytest.mark.parametrize("name", ENDS)
def test_what_goes_too_far_is_ended_and_told(box, name):
    ended, code = ENDS[name]
    assert box.run(task(code)).ended == ended


@pytest.mark.parametrize("name", ["a loop", "a loop in C", "no signal is heard", "threads that go on"])
def test_no_more_processor_time_is_used_than_allowed(box, name):
    outcome = box.run(task(ENDS[name][1]))
    assert 0 < outcome.seconds < 1.5


def test_what_came_before_the_end_is_kept(box):
    outcome = box.run(task("def f(x):\n    while x > 1: pass\n    return x"))
    assert (outcome.ended, [answer.value for answer, _ in outcome.answers]) == ("time", [1])


MEMORY = {
    "a list": "kept = []\nwhile True: kept.append([0] * 10**6)",
    "a bytearray": "bytearray(100 * 10**9)",
    "numpy": "numpy.ones(10**9)",
    "torch": "torch.ones(10**9)",
    "shared": "import mmap\nmmap.mmap(-1, 10**9).write(bytes(10**9))",
    "a file in memory": "import os\nos.memfd_create('a')",
    "deep": "def g(): return g()\ng()",
}


@pytest.mark.parametrize("name", MEMORY)
def test_memory_is_limited_and_the_error_comes_back(patient, name):
    outcome = patient.run(task(inside("import numpy, torch\n" + MEMORY[name])))
    assert outcome.ended == "done"
    assert isinstance(outcome.answers[0][0].error, MemoryError | RuntimeError | OSError | ValueError)


FILES = {
    "size": "with open('a', 'wb') as file:\n    while True: file.write(bytes(10**6))",
    "open at once": "kept = [open('a', 'w') for _ in range(100)]",
}


@pytest.mark.parametrize("name", FILES)
def test_files_are_limited(patient, name):
    outcome = patient.run(task(inside("import os\n" + FILES[name])))
    assert outcome.ended == "done"
    assert isinstance(outcome.answers[0][0].error, OSError)


def test_with_namespaces_all_files_together_are_limited(patient):
    if patient.level != STRONG:
        return  # there, nothing counts them but the time
    for code in ("open(str(n), 'wb').write(bytes(10**6))", "open(str(n), 'w').close()"):
        outcome = patient.run(task(inside(f"for n in range(10**5): {code}")))
        assert isinstance(outcome.answers[0][0].error, OSError)


# --- forged messages

FORGE = """
import gc, json, socket, struct
channel = next(each for each in gc.get_objects() if isinstance(each, socket.socket) and each.fileno() > 2)
import sys
frame = sys._getframe()
while "nonce" not in frame.f_locals:
    frame = frame.f_back
nonce = frame.f_locals["nonce"]
def say(text):
    data = text.replace("NONCE", nonce).encode()
    channel.sendall(struct.pack("!I", len(data)) + data)
"""
FORGED = {
    "another nonce": '{"nonce": "0", "ended": "done"}',
    "no nonce": '{"ended": "done"}',
    "a list": "[]",
    "infinity": '{"nonce": "NONCE", "cell": 1e999}',
    "cell -1": '{"nonce": "NONCE", "cell": -1}',
    "cell not there": '{"nonce": "NONCE", "cell": 10}',
    "a text": '{"nonce": "NONCE", "cell": "many"}',
    "a problem": '{"nonce": "NONCE", "problem": [1]}',
    "a problem without line": '{"nonce": "NONCE", "problem": [0, 1, 2, []]}',
    "found": '{"nonce": "NONCE", "found": 5}',
    "found more": '{"nonce": "NONCE", "found": {"there": 1, "objection": [], "near": {}, "others": 5}}',
    "found less": '{"nonce": "NONCE", "found": {}}',
    "an answer": '{"nonce": "NONCE", "answer": {"value": {"tensor": ["float32", [1000000000, 1000000000], []]}}}',
    "deep": '{"nonce": "NONCE", "ended": ' + "[" * 940 + "]" * 940 + "}",
    "deeper": '{"nonce": "NONCE", "found": ' + '{"others":' * 3000 + "1" + "}" * 3000 + "}",
    "no JSON": "{",
    "nothing": "",
    "null": "null",
    "infra": '{"nonce": "NONCE", "ended": "infra"}',
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_message_ends_the_task_and_is_no_fault_of_the_grader(box, name):
    outcome = box.run(task(FORGE + f"say({FORGED[name]!r})\nimport os\nos._exit(0)"))
    assert outcome.ended == "crash"
    assert not outcome.answers


def test_a_child_that_says_done_early_gets_no_more_answers(box):
    outcome = box.run(task(FORGE + """say('{"nonce": "NONCE", "ended": "done"}')\n""" + FINE))
    assert not outcome.answers
    assert outcome.ended == "done"


def test_a_child_that_speaks_very_much_is_not_listened_to_for_ever(box):
    code = FORGE + """text = '{"nonce": "NONCE", "cell": 0, "more": "' + "x" * 900_000 + '"}'\nwhile True: say(text)"""
    assert box.run(task(code)).ended in ("crash", "time")


def test_a_child_that_speaks_one_byte_at_a_time_is_ended(box):
    code = FORGE + "import time\nchannel.sendall(bytes([0, 0, 1, 0]))\nwhile True:\n"
    code += "    channel.sendall(b' ')\n    time.sleep(0.05)"
    assert box.run(task(code)).ended in ("crash", "time")


def test_a_child_cannot_reach_the_pipe_of_the_warm_process_with_a_lie(box):
    code = "import os\nfor n in range(3, 64):\n    try: os.write(n, b'infra')\n    except OSError: pass\nos._exit(0)"
    assert box.run(task(code)).ended == "crash"


# --- nothing stays


DEEP = "import ctypes\nlibc = ctypes.CDLL(None)\nfor _ in range(1200): libc.mkdir(b'd', 0o777), libc.chdir(b'd')"


def test_the_next_child_finds_nothing_of_the_one_before(box):
    leave = (
        "import os, sys, builtins, numpy, nanochat_helpers\n"
        "for module in (builtins, numpy, nanochat_helpers): module.left = 1\n"
        "os.environ['LEFT'] = sys.modules['left'] = '1'\n"
        "open('left.txt', 'w').close()\n"
        "os.mkdir('none', 0)\n" + DEEP
    )
    look = inside(
        "import os, sys, builtins, numpy, nanochat_helpers\n"
        "out = [os.listdir(), os.environ.get('LEFT'), 'left' in sys.modules]\n"
        "out += [hasattr(module, 'left') for module in (builtins, numpy, nanochat_helpers)]"
    )
    assert value(box.run(task((leave, FINE)))) == [1, 2]
    assert value(box.run(task(look))) == [[], None, False, False, False, False]


def test_no_process_is_left_after_hostile_tasks(box):
    box.run(task(FINE))
    before = {each.pid for each in processes_of(box)}
    hostile = [
        "import os\nos._exit(0)", "import os\nos.fork()", "import os\nos.closerange(0, 99)", "raise SystemExit",
        "import threading, time\nfor _ in range(9): threading.Thread(target=time.sleep, args=(99,)).start()",
        "import subprocess\nsubprocess.Popen(['sleep', '99'])", "import os\nos.setsid()",
        "import ctypes\nctypes.string_at(0)",
        "import os\nos.posix_spawn('/bin/sleep', ['sleep', '99'], {})",
        "import multiprocessing\nmultiprocessing.get_context('fork').Process(target=print).start()",
    ]  # fmt: skip
    for code in hostile * 5:
        box.run(task(code))
    assert {each.pid for each in processes_of(box)} == before
    assert all(each.status() != psutil.STATUS_ZOMBIE for each in processes_of(box))
    assert value(box.run(task(FINE))) == [1, 2]


def test_after_close_no_process_and_no_folder_is_left(box):
    other = Sandbox("", HIDDEN, Limits(1, 512), level=box.level)
    other.run(task("open('a', 'w').close()"))
    processes, root = processes_of(other), other._root
    assert root.is_dir()
    other.close()
    alive = psutil.wait_procs(processes, 5)[1]
    assert not alive
    assert not root.exists()


def test_the_mounts_of_this_machine_stay_as_they_were(box):
    mounts = Path("/proc/self/mountinfo")
    before = mounts.read_text()
    box.run(task(inside("open('a', 'w').close()")))
    assert mounts.read_text() == before


# --- faults of the grader


@pytest.fixture
def small(box):
    """Another sandbox of the same level, that may be broken."""
    made = Sandbox("", HIDDEN, Limits(1, 512), level=box.level)
    yield made
    made.close()


def test_a_warm_process_that_is_killed_between_two_tasks_is_started_again(small):
    assert value(small.run(task(FINE))) == [1, 2]
    small._process.kill()
    small._process.wait()
    assert value(small.run(task(FINE))) == [1, 2]


def test_a_warm_process_that_is_killed_in_the_middle_is_the_graders_fault_and_the_next_task_works(small):
    small.level  # noqa: B018 - it starts
    victim = small._process
    original = small._told

    def kill_when_told(*arguments):
        threading.Timer(0.2, victim.kill).start()
        return original(*arguments)

    small._told = kill_when_told
    assert small.run(task("import time\ndef f(x): time.sleep(99)")).ended == "infra"
    small._told = original
    assert value(small.run(task(FINE))) == [1, 2]


def test_a_child_that_the_system_kills_is_the_graders_fault(small):
    small.level  # noqa: B018 - it starts
    original = small._listen

    def kill_the_child(channel, heard):
        wire.receive(channel)  # the first cell has begun
        heard.last_cell = 0
        processes_of(small)[-1].kill()
        original(channel, heard)

    small._listen = kill_the_child
    assert small.run(task("import time\ntime.sleep(99)")).ended == "infra"


def test_when_the_grader_is_killed_all_its_processes_end(box, tmp_path):
    code = f"""
import sys
from nanochat_helpers.grading.sandbox import *
box = Sandbox("", {HIDDEN!r}, Limits(60, 512), level={box.level!r})
box.level
print(box._process.pid, box._root, flush=True)
box.run(Task("99.1", "f(x)", (("a", "import time\\ntime.sleep(999)"),), ((1,),)))
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as grader:
        warm, root = grader.stdout.readline().split()
        warm = psutil.Process(int(warm))
        while len(warm.children(recursive=True)) < (2 if box.level == STRONG else 1):
            pass
        processes = [warm, *warm.children(recursive=True)]
        grader.send_signal(signal.SIGKILL)
    alive = psutil.wait_procs(processes, 10)[1]
    assert not alive
    with contextlib.suppress(OSError):
        Path(root).rmdir()


def test_two_sandboxes_at_once_do_not_disturb_each_other(small):
    outcomes = {}

    def use(name, box, code):
        outcomes[name] = box.run(task(code))

    other = Sandbox("", HIDDEN, Limits(1, 512), level=small.level)
    threads = [
        threading.Thread(target=use, args=("loop", small, "while True: pass")),
        threading.Thread(target=use, args=("fine", other, FINE)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert outcomes["loop"].ended == "time"
    assert value(outcomes["fine"]) == [1, 2]


REFUSES_NAMESPACES = """
import ctypes, struct, sys
from nanochat_helpers.grading.sandbox import system, system_calls
step = lambda code, value, yes=0, no=0: struct.pack("HBBI", code, yes, no, value)
program = b"".join([
    step(system_calls.LOAD, 0), step(system_calls.JUMP_EQUAL, system_calls._NUMBERS["unshare"], 0, 1),
    step(system_calls.RETURN, system_calls.REFUSE), step(system_calls.RETURN, system_calls.ALLOW),
])
code = ctypes.create_string_buffer(program, len(program))
head = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
system.call("prctl", system.NO_NEW_PRIVS, 1, 0, 0, 0)
system.call("prctl", system.SET_SECCOMP, 2, head, 0, 0)
from nanochat_helpers.grading.sandbox import *
box = Sandbox("", [], Limits(1, 512))
outcome = box.run(Task("99.1", "f(x)", (("a", "def f(x): return x + 1"),), ((1,),)))
print(box.level, outcome.ended, outcome.answers[0][0].value)
box.close()
try:
    Sandbox("", [], Limits(1, 512), level="namespaces").level
except Exception as error:
    print(type(error).__name__, error)
"""


def test_where_namespaces_are_refused_the_weaker_level_is_used_and_told():
    if sys.platform != "linux":
        return
    said = subprocess.run(
        [sys.executable, "-c", REFUSES_NAMESPACES], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert said[0] in ("landlock done 2", "process done 2")
    assert said[1].startswith("GradingError The sandbox for students' code cannot be started: ")
    assert "unshare: Operation not permitted" in said[1]


def test_a_sheet_whose_imports_fail_is_told_once():
    with pytest.raises(GradingError, match="No module named 'not_there'"):
        Sandbox("import not_there", HIDDEN, Limits(1, 512)).level  # noqa: B018


def test_nothing_is_left_in_the_folder_for_temporary_files():
    box = Sandbox("", HIDDEN, Limits(1, 512), level=WEAK)
    box.level  # noqa: B018 - it starts
    root, victim = box._root, box._process
    threading.Timer(0.5, victim.kill).start()
    assert box.run(task(DEEP + "\nimport time\ntime.sleep(99)")).ended == "infra"
    assert not root.exists()


def test_the_limits_of_the_wire_are_those_of_the_sandbox():
    assert wire.MOST < listening.MOST < wire.MOST_TOLD
