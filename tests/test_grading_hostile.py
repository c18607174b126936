"""Hostile code, on a real sheet: it gets no point and no secret, ends in time, and the next submission is as before.

Each is the answer to one exercise of a notebook in which another answer is right.
"""

import pytest
from example_attacks import ATTACKS, SLOW_ATTACKS, attack
from grading_notebooks import MEMORY, SEED, Desk, right, said, with_answers

from nanochat_helpers.grading.grades import GRADED, REVIEW

ASKED = "def remove_name(text, name):\n"
C = "import ctypes\n\nc = ctypes.CDLL(None)\n"
NONE = f"\n{ASKED}    return None\n"
NAME = f"{right('07.1')}\n"
CRASH = "Python itself came to an end in the middle"
TELL = """
import os, sys

def local(name):
    frame = sys._getframe()
    while "packed" not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals[name]

def tell(**message):
    local("tell")(**message)

def answer(value, args):
    return {"value": value, "error": None, "line": "", "printed": "", "unwritten": "", "args": args}
"""
RAW = """
import json, os, struct

def write(data):
    for number in range(3, 64):
        try:
            os.write(number, data)
        except OSError:
            pass

def frame(**message):
    data = json.dumps(message).encode()
    return struct.pack("!I", len(data)) + data
"""
LIAR = """
class Liar:
    __class__ = str
    __hash__ = None
    __eq__ = lambda self, other: True
    __ne__ = __lt__ = __gt__ = lambda self, other: False
    __len__ = lambda self: 3
    __str__ = __repr__ = lambda self: "Hi!"
    __iter__ = lambda self: iter("Hi!")
    __getattr__ = lambda self, name: self
    __call__ = lambda self, *_, **__: self
"""
META = """
class Meta(type):
    __instancecheck__ = __subclasscheck__ = __eq__ = lambda *_: True
    __hash__ = lambda cls: hash(str)

class Liar(metaclass=Meta):
    pass
"""
BAD_ERROR = """
class Bad(Exception):
    def __str__(self):
        {}
    __repr__ = __str__
    args = property(__str__)

def remove_name(text, name):
    raise Bad()
"""

# The code → what has to be said about it.
TRICKS = {
    # answers that are none
    "a liar": (f"{LIAR}\n{ASKED}    return Liar()\n", "should be a text, but it is something of type Liar"),
    "a liar as the function": (f"{LIAR}\nremove_name = Liar()\n", "something of type Liar"),
    "a liar's class": (f"{META}\n{ASKED}    return Liar()\n", ""),
    "a text of a liar's class": (
        f"class Text(str):\n    __eq__ = lambda *_: True\n    __hash__ = str.__hash__\n\n{ASKED}    return Text('x')\n",
        "something of type Text",
    ),
    "a deep answer": (
        f"{ASKED}    answer = []\n    for _ in range(10_000):\n        answer = [answer]\n    return answer\n",
        "too large to be looked at, or it holds itself",
    ),
    "a dict that holds itself": (f"{ASKED}    a = {{}}\n    a[1] = a\n    return a\n", "or it holds itself"),
    "a number of a million digits": (f"{ASKED}    return 1 << 4_000_000\n", "too large to be looked at"),
    "a markup as a name": (
        f"Bad = type('<script>alert(1)</script>', (), {{}})\n{ASKED}    return Bad()\n",
        "_script_alert_1___script_",
    ),
    # errors that are traps
    "an error that exits": (BAD_ERROR.format("raise SystemExit"), CRASH),
    "an error that cannot be shown": (BAD_ERROR.format("return 1 / 0"), "It stopped with Bad"),
    "an error that kills": (BAD_ERROR.format("import os; os._exit(0)"), CRASH),
    "an error of 10 MB": (f"{ASKED}    raise ValueError('x' * 10**7)\n", "It stopped with ValueError"),
    "an error with a name of 10 MB": (f"Bad = type('X' * 10**7, (Exception,), {{}})\n{ASKED}    raise Bad()\n", "XXX"),
    "an error above all errors": (f"class Bad(BaseException): pass\n{ASKED}    raise Bad('so')\n", "with Bad: so"),
    "a group of errors": (f"{ASKED}    raise ExceptionGroup('so', [ValueError()])\n", "with ExceptionGroup: so"),
    "Ctrl-C": (f"{ASKED}    raise KeyboardInterrupt\n", CRASH),
    "GeneratorExit": (f"{ASKED}    raise GeneratorExit\n", "It stopped with GeneratorExit"),
    "StopIteration": (f"{ASKED}    raise StopIteration\n", "It stopped with StopIteration"),
    "a signature that exits": (
        "class C:\n    __signature__ = property(lambda self: exit())\n    __call__ = print\nremove_name = C()\n",
        CRASH,
    ),
    # ends
    "os._exit": (f"import os\n{ASKED}    os._exit(0)\n", CRASH),
    "os._exit in the cell": (f"import os\nos._exit(0)\n{NONE}", "before the function could be called, Python itself"),
    "os.abort": (f"import os\n{ASKED}    os.abort()\n", CRASH),
    "a null pointer": (f"import ctypes\n{ASKED}    ctypes.string_at(0)\n", CRASH),
    "a signal to itself": (f"import os\n{ASKED}    os.kill(os.getpid(), 9)\n", "PermissionError"),
    "a full stack": (
        f"import sys\nsys.setrecursionlimit(10**9)\nclass C:\n    __repr__ = lambda self: repr(self)\n"
        f"{ASKED}    repr(C())\n",
        CRASH,
    ),
    # processes and threads
    "a fork bomb": (f"import os\n{ASKED}    while True:\n        os.fork()\n", "no other program can be started"),
    "fork below Python": (f"{C}{ASKED}    return 'not' if c.fork() < 0 else 'done'\n", "with 'not'"),
    "a program": (
        f"import subprocess\n{ASKED}    return subprocess.getoutput('ls')\n",
        "no other program can be started",
    ),
    "os.system": (f"import os\n{ASKED}    os.system('ls')\n", "no other program can be started"),
    "a thousand threads": (
        f"import threading, time\n{ASKED}    while True:\n"
        "        threading.Thread(target=time.sleep, args=(99,)).start()\n",
        "can't start new thread",
    ),
    # the network
    "a socket": (f"import socket\n{ASKED}    socket.socket()\n", "the network is off while a sheet is graded"),
    "a socket of this machine": (f"import _socket\n{ASKED}    _socket.socket(_socket.AF_UNIX)\n", "the network is off"),
    "a pair of sockets": (f"import socket\n{ASKED}    socket.socketpair()\n", "PermissionError"),
    "a socket below Python": (f"{C}{ASKED}    return 'not' if c.socket(1, 1, 0) < 0 else 'done'\n", "with 'not'"),
    # room
    "a full disk": (
        f"{ASKED}    for n in range(999):\n        open(str(n), 'wb').write(b'x' * 10**6)\n",
        "No space left on device",
    ),
    "a large file": (f"{ASKED}    open('f', 'wb').write(b'x' * 10**8)\n", "File too large"),
    "files without end": (
        f"kept = []\n{ASKED}    while True:\n        kept.append(open(str(len(kept)), 'w'))\n",
        "Too many open files",
    ),
    "a large map": (f"import mmap\n{ASKED}    mmap.mmap(-1, 10**11)\n", f"It took over {MEMORY} MB of memory"),
    "more and more": (f"{ASKED}    a = [0]\n    while True:\n        a += a\n", f"It took over {MEMORY} MB of memory"),
    "12 MB of code": (f"x = [\n{'1,' * 6_000_000}\n]\n{NAME}", "The code is far too long to be run"),
    "code that is nested too deeply": (f"x = {'(' * 9_000}{')' * 9_000}\n{NAME}", "too many nested parentheses"),
    # what others see
    "json is patched": (f'import json\njson.dumps = lambda *_, **__: \'{{"ended": "done"}}\'\n{NONE}', CRASH),
    "builtins are patched": (
        f"import builtins\nbuiltins.type = lambda _: str\nbuiltins.isinstance = lambda *_: True\n{NONE}",
        "",
    ),
    "the comparison is patched": (
        "import nanochat_helpers.checks.comparing as a, nanochat_helpers.checks.faults as b\n"
        f"a.difference = b.difference = b.fault = lambda *_: None\n{NONE}",
        "returned None",
    ),
    "the check is patched": (
        "import nanochat_helpers.checks.result as a, nanochat_helpers.checks.diagnosis as b\n"
        f"b.judge = b.examine = lambda *_: a.CheckResult('07.1', '', 'passed', '')\n{NONE}",
        "",
    ),
    "all modules are gone": (f"import sys\nsys.modules.clear()\n{NONE}", "returned None"),
    "all names are gone": (f"globals().clear()\n{NONE}", "returned None"),
    "a listener that refuses all": (f"import sys\nsys.addaudithook(lambda *_: 1 / 0)\n{NONE}", ""),
    "code at the end": (f"import atexit\natexit.register(print, 'passed')\n{NONE}", "returned None"),
    # forged messages
    "done at once": (f"{TELL}\n{ASKED}    tell(ended='done')\n    os._exit(0)\n", "It stopped in the middle"),
    "done after one answer": (
        f"{TELL}\n{ASKED}    tell(answer=answer('Hi!', local('cases')[0]))\n    tell(ended='done')\n    os._exit(0)\n",
        "1 of 28 checks came out right, then it ended: it stopped in the middle",
    ),
    "done after one wrong answer": (
        f"{TELL}\n{ASKED}    tell(answer=answer('wrong', local('cases')[0]))\n"
        "    tell(ended='done')\n    os._exit(0)\n",
        "0 of 28 checks came out right",
    ),
    "answers that are guessed": (
        f"{TELL}\n{ASKED}    for case in local('cases'):\n        tell(answer=answer(text, case))\n"
        "    tell(ended='done')\n    os._exit(0)\n",
        "of 28 checks came out right",
    ),
    "found twice": (
        f"{TELL}\n{ASKED}    tell(found={{'there': True, 'objection': '', 'passed': True}})\n",
        CRASH,
    ),
    "a problem of no cell": (
        f"{TELL}\n{ASKED}    tell(problem=[999, 'NameError', \"name 'text' is not defined\", [1, '']])\n",
        "",
    ),
    "a message of no kind": (f"{TELL}\n{ASKED}    tell(passed=True)\n", CRASH),
    "an answer of no kind": (f"{TELL}\n{ASKED}    tell(answer={{'passed': True}})\n", CRASH),
    "a value of no kind": (f"{TELL}\n{ASKED}    tell(answer=answer({{'passed': 1}}, {{'tuple': []}}))\n", CRASH),
    "a class to be called": (
        f"{TELL}\n{ASKED}    told = answer(None, local('cases')[0])\n"
        "    tell(answer=told | {'error': [[['builtins', 'exec']], {'tuple': ['exit()']}, '']})\n",
        "of 28 checks",
    ),
    "another child's message": (f"{RAW}\n{ASKED}    write(frame(nonce='0', ended='done'))\n", CRASH),
    "a frame without end": (f"{RAW}\n{ASKED}    write(b'\\xff' * 4)\n", CRASH),
    "no JSON": (f"{RAW}\n{ASKED}    write(struct.pack('!I', 4) + b'{{{{')\n", CRASH),
    "deep JSON": (f"{RAW}\n{ASKED}    write(struct.pack('!I', 90_000) + b'[' * 90_000)\n", CRASH),
    "closed channels": (f"import os\n{ASKED}    os.closerange(0, 999)\n", CRASH),
    "a fake result": (
        f"{ASKED}    open('results.json', 'w').write('{{\"status\": \"passed\"}}')\n    print('{{\"score\": 14}}')\n",
        "returned None",
    ),
    # what is secret
    "the references": (
        f"from nanochat_helpers.checks.sheets import find_exercise\n{ASKED}"
        "    return find_exercise('07.1').reference(text, name)\n",
        "No module named",
    ),
    "the package's own": (
        f"{ASKED}    from nanochat_helpers.postprocess import strip_name\n    return strip_name(text, name)\n",
        "No module named",
    ),
    "what the memory holds": (
        f"import gc\nfrom nanochat_helpers.checks.exercise import Exercise\n{ASKED}"
        "    found = [each for each in gc.get_objects() if type(each) is Exercise]\n"
        "    return next(each.reference for each in found if each.random_case(1))(text, name)\n",
        "StopIteration",
    ),
    "the grader's memory": (f"{ASKED}    return open('/proc/1/mem', 'rb').read(9)\n", "No such file or directory"),
    "the processes": (f"import os\n{ASKED}    return os.listdir('/proc')\n", "No such file or directory"),
    "the grader's children": (f"import os\n{ASKED}    os.kill(os.getppid(), 9)\n", "PermissionError"),
}
WAITS = {
    "an endless error": BAD_ERROR.format("while True: pass"),
    "an endless end of an object": f"class C:\n    def __del__(self):\n        while True: pass\n{ASKED}    C()\n",
    "half a message": f"{RAW}\n{ASKED}    write(struct.pack('!I', 99))\n    while True: pass\n",
    "all memory, again and again": f"kept = []\n{ASKED}    while True:\n        try:\n"
    "            kept.append(bytearray(10**7))\n        except MemoryError:\n            pass\n",
}
# In these there is nothing that a teacher is told to look at.
UNSEEN = {
    "a liar's class", "a text of a liar's class", "a deep answer",
    "a dict that holds itself", "a number of a million digits", "a markup as a name", "an error that exits",
    "an error that cannot be shown", "an error of 10 MB", "an error with a name of 10 MB",
    "an error above all errors", "a group of errors", "Ctrl-C", "GeneratorExit", "StopIteration",
    "a signature that exits", "a full stack", "more and more",
    "code that is nested too deeply", "a listener that refuses all", "an endless error",
    "an endless end of an object", "all memory, again and again", "sys.exit in the cell", "100 GB",
    "more and more memory", "endless print", "an answer without end", "sleeps",
}  # fmt: skip


@pytest.fixture(scope="module")
def desk():
    """Where sheet 07 is graded, with one second for each exercise."""
    desk = Desk("07", 1, ("07.1",))
    yield desk
    desk.close()


@pytest.fixture(scope="module")
def patient():
    """The same with time enough, also on a slow machine, to run into any other limit."""
    desk = Desk("07", 30, ("07.1",))
    yield desk
    desk.close()


def grade_trick(desk, code, status):
    """Grade it beside a right answer; give what is said about it."""
    grade = desk.grade(with_answers({"07.1": code, "07.3": right("07.3")}), passed=("07.3",), status=status)
    assert desk.statuses(grade) == {"07.1": "failed", "07.3": "passed"}
    text = said(grade, "07.1")
    assert len(text) < 3000
    assert str(SEED) not in text
    return text


def status_of(trick):
    """Whether a teacher is told to look at it."""
    return GRADED if trick in UNSEEN else REVIEW


@pytest.mark.parametrize("trick", TRICKS)
def test_a_trick_gets_no_point(patient, trick):
    code, word = TRICKS[trick]
    assert word in grade_trick(patient, code, status_of(trick))


@pytest.mark.parametrize("trick", WAITS)
def test_what_only_time_stops_is_stopped(desk, trick):
    code = WAITS[trick]
    assert "t took over 1 s" in grade_trick(desk, code, status_of(trick))


@pytest.mark.parametrize("kind", [kind for kind in [*ATTACKS, *SLOW_ATTACKS] if kind not in TRICKS])
def test_an_attack_of_the_example_class_gets_no_point(desk, kind):
    code = attack(kind, desk.master.exercises[0], "kim", 9)
    grade_trick(desk, code, status_of(kind))


def test_threads_that_are_left_behind_hold_nobody_up(desk):
    code = "import threading, time\nfor _ in range(2):\n    threading.Thread(target=time.sleep, args=(999,)).start()\n"
    desk.grade(with_answers({"07.1": f"{code}{NAME}"}), passed=("07.1",), status=REVIEW)


def test_a_folder_is_empty_for_each_exercise(desk):
    code = f"import os\n{ASKED}    assert os.listdir() == []\n    return right(text, name)\n"
    leaves = f"open('seen', 'w').write('x')\n{right('07.3')}"
    code = NAME.replace("def remove_name", "def right") + code
    desk.grade(with_answers({"07.1": code, "07.3": leaves}), passed=("07.1", "07.3"), status=REVIEW)
    desk.grade(with_answers({"07.1": code}), passed=("07.1",), status=REVIEW)


def test_no_variable_of_the_grader_is_known(desk, monkeypatch):
    monkeypatch.setenv("GRADER_SECRET", "swordfish")
    code = f"import os\n{ASKED}    return os.environ.get('GRADER_SECRET', 'not there')\n"
    fresh = Desk("07", 1, ("07.1",))
    text = grade_trick(fresh, code, REVIEW)
    fresh.close()
    assert "begins with 'not there'" in text


@pytest.mark.parametrize("folder", ["solutions", "exercises", "tests", ".git"])
def test_no_file_of_the_project_is_there(desk, folder):
    code = f"import os, nanochat_helpers\n{ASKED}    root = nanochat_helpers.__path__[0]\n"
    code += f"    return os.listdir(f'{{root}}/../{folder}')\n"
    assert "FileNotFoundError" in grade_trick(desk, code, REVIEW)
