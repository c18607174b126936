"""What a hostile student might hand in, as the text of an answer's cell. Nothing is run here.

ASKED and PARAMETERS stand for the function that the exercise asks for, STUDENT for who hands it in, PORT for a port on
this machine that nobody may reach. No answer is right, so none may get a point. Should a wall be missing, what gets
out is small and has MARK in its name: files of a few bytes, and processes that end by themselves.
"""

from nanochat_helpers.checks.exercise import Exercise

MARK = "nanochat_was_here"

WRONG = """
def ASKED(PARAMETERS):
    return None
"""

# Attacks that end by themselves, or are stopped by a limit other than time.
ATTACKS = {
    "os._exit": """
import os

def ASKED(PARAMETERS):
    os._exit(0)
""",
    "os._exit in the cell": 'import os\nprint(\'{"status": "passed"}\', flush=True)\nos._exit(0)\n' + WRONG,
    "sys.exit in the cell": "import sys\nsys.exit(0)\n" + WRONG,
    "fork bomb": """
import os, time

def ASKED(PARAMETERS):
    for _ in range(500):
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
""",
    "100 GB": """
def ASKED(PARAMETERS):
    return len(bytearray(100 * 10**9))
""",
    "more and more memory": """
def ASKED(PARAMETERS):
    kept = []
    while len(kept) < 2000:
        kept.append(b"x" * 50_000_000)
""",
    "endless print": """
def ASKED(PARAMETERS):
    for _ in range(10**8):
        print("all passed " * 1000)
""",
    "fake results": """
import json, os
from pathlib import Path

fake = json.dumps({"status": "passed", "answers": [], "score": 100, "exercise_id": "04.1"})
print(fake, flush=True)
for number in range(1, 32):
    try:
        os.write(number, (fake + "\\n").encode())
    except OSError:
        pass
for name in ("results.json", "grades.csv", "journal.jsonl", "../results.json", "../grades.csv", "../journal.jsonl"):
    try:
        Path(name).write_text(fake)
    except OSError:
        pass
"""
    + WRONG,
    "closed channels": "import os\nos.closerange(0, 256)\n" + WRONG,
    "a socket": """
import socket

def ASKED(PARAMETERS):
    with socket.create_connection(("127.0.0.1", PORT), timeout=1) as connection:
        connection.sendall(b"what are the answers?")
        return connection.recv(1000)
""",
    "a server": """
import socket, threading

listening = socket.socket()
listening.bind(("", 0))
listening.listen()
threading.Thread(target=listening.accept, daemon=True).start()
"""
    + WRONG,
    "a program": """
import subprocess

def ASKED(PARAMETERS):
    subprocess.run(["sh", "-c", "touch ~/MARK_STUDENT /var/tmp/MARK_STUDENT; sleep 60 &"], check=True)
""",
    "the sheet's reference": """
import importlib, pkgutil

def ASKED(PARAMETERS):
    import nanochat_helpers.checks.sheets as sheets
    for info in pkgutil.iter_modules(sheets.__path__):
        for exercise in importlib.import_module(f"{sheets.__name__}.{info.name}").EXERCISES:
            if exercise.name == "ASKED":
                return exercise.reference(PARAMETERS)
""",
    "the solutions' file": """
import json, os
from pathlib import Path
import nanochat_helpers

def ASKED(PARAMETERS):
    roots = [Path(nanochat_helpers.__file__).parents[1], Path(f"/proc/{os.getppid()}/cwd"), Path.cwd(), Path.home()]
    for root in roots:
        for path in root.glob("solutions/*.ipynb"):
            for cell in json.loads(path.read_text())["cells"]:
                code = "".join(cell["source"])
                if "def ASKED" in code:
                    names = dict(globals())
                    exec(code, names)
                    return names["ASKED"](PARAMETERS)
""",
    "the parent's memory": """
import os

def ASKED(PARAMETERS):
    for pid in (os.getppid(), 1):
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
            start = int(maps.readline().partition("-")[0], 16)
            memory.seek(start)
            return memory.read(100)
""",
    "the seed": """
import os, re

def ASKED(PARAMETERS):
    said = ""
    for pid in (os.getppid(), os.getpid()):
        for name in ("cmdline", "environ"):
            with open(f"/proc/{pid}/{name}") as file:
                said += file.read()
    return re.findall(r"seed.?(\\d+)", said)
""",
    "a null pointer": """
import ctypes

def ASKED(PARAMETERS):
    return ctypes.string_at(0)
""",
    "a patched interpreter": """
import builtins, json, random

class Always:
    def __eq__(self, other):
        return True
    def __iter__(self):
        return iter(())
    def __float__(self):
        return 0.0

json.dumps = lambda *args, **kwargs: '{"status": "passed"}'
random.Random.random = lambda self: 0.5
builtins.isinstance = lambda *args: True
builtins.type = lambda value: Always

def ASKED(PARAMETERS):
    return Always()
""",
    "kill the group": """
import os, signal

def ASKED(PARAMETERS):
    os.kill(0, signal.SIGKILL)
""",
    "kill the parent": """
import os, signal

def ASKED(PARAMETERS):
    os.kill(os.getppid(), signal.SIGKILL)
""",
    "equal to all": """
class Equal:
    def __eq__(self, other):
        return True
    __ne__ = __lt__ = __gt__ = lambda self, other: False
    __hash__ = None
    shape = dtype = property(lambda self: self)
    def __getattr__(self, name):
        return self
    def __call__(self, *args, **kwargs):
        return self
    def __len__(self):
        return 1
    def __getitem__(self, place):
        return self

def ASKED(PARAMETERS):
    return Equal()
""",
    "a number equal to all": """
class Number(float):
    def __eq__(self, other):
        return True
    def __sub__(self, other):
        return 0.0
    __rsub__ = __abs__ = __sub__

def ASKED(PARAMETERS):
    return Number("nan")
""",
    "the frames": """
import sys

def ASKED(PARAMETERS):
    frame = sys._getframe(1)
    while frame is not None:
        for value in (*frame.f_locals.values(), *frame.f_globals.values()):
            if type(value).__name__ == "Exercise":
                return value.reference(PARAMETERS)
            if type(value).__name__ == "Case":
                print(value)
        for name in ("expected", "right", "answers", "reference"):
            if name in frame.f_locals:
                return frame.f_locals[name]
        frame = frame.f_back
""",
    "all objects": """
import gc

def ASKED(PARAMETERS):
    for value in gc.get_objects():
        if type(value).__name__ == "Exercise" and value.name == "ASKED":
            return value.reference(PARAMETERS)
""",
    "files everywhere": """
import tempfile
from pathlib import Path
import nanochat_helpers

package, here = Path(nanochat_helpers.__file__).parent, Path.cwd()
for folder in (Path.home(), package, package.parent, here.parent, tempfile.gettempdir(), "/dev/shm", "/var/tmp"):
    try:
        Path(folder, "MARK_STUDENT").write_text("x")
    except OSError:
        pass
"""
    + WRONG,
    "a full disk": """
def ASKED(PARAMETERS):
    with open("MARK_STUDENT", "wb") as file:
        for _ in range(300):
            file.write(bytes(1_000_000))
""",
    "children that outlive": """
import os, threading, time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(300)
    os._exit(0)
threading.Thread(target=time.sleep, args=(300,)).start()
"""
    + WRONG,
    "a deep answer": """
def ASKED(PARAMETERS):
    answer = []
    for _ in range(100_000):
        answer = [answer]
    return answer
""",
    "an answer without end": """
def ASKED(PARAMETERS):
    return [0] * 30_000_000
""",
    "a full stack": """
import sys

sys.setrecursionlimit(10**9)

class Deep:
    def __repr__(self):
        return repr(self)

def ASKED(PARAMETERS):
    return repr(Deep())
""",
}

# Attacks that only time stops: they cost the grader its time limit.
SLOW_ATTACKS = {
    "deaf to signals": """
import signal

def ASKED(PARAMETERS):
    for number in signal.valid_signals():
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass
""",
    "sleeps": """
import time

def ASKED(PARAMETERS):
    time.sleep(10**6)
""",
    "stops itself": """
import os, signal

def ASKED(PARAMETERS):
    os.kill(os.getpid(), signal.SIGSTOP)
""",
}


def attack(kind: str, exercise: Exercise, student: str, port: int) -> str:
    """The code of an attack, as the answer to an exercise."""
    code = {**ATTACKS, **SLOW_ATTACKS}[kind]
    words = {
        "ASKED": exercise.name,
        "PARAMETERS": ", ".join(exercise.parameters),
        "MARK": MARK,
        "STUDENT": student,
        "PORT": str(port),
    }
    for word, text in words.items():
        code = code.replace(word, text)
    return code.strip()
