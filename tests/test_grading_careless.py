"""Careless code, on the real sheets: what is right in spite of it has its points, and else the message says what to do.

Each is the answer to one exercise of a notebook in which another answer is right.
"""

import pytest
from grading_notebooks import Desk, right, said, with_answers

NAME = right("07.1") + "\n"


def returns(value):
    """The right answer, but it returns this; `answer` is the right value."""
    asked = f"def remove_name(text, name):\n    return {value}\n".replace("answer", "right(text, name)")
    return f"{NAME.replace('def remove_name', 'def right')}\n\n{asked}"


def inside(*lines):
    """The right answer, with some lines at the beginning of the function."""
    head, _, rest = NAME.partition("\n")
    return "\n".join([head, *(f"    {line}" for line in lines), rest])


METHOD = """
class Bot:
    def remove_name(self, text, name):
        return text
"""
WITHIN = """
def solve():
    def remove_name(text, name):
        return text
"""
ENDLESS = """def remove_name(text, name):
    return remove_name(text, name)
"""
KNOWN = """
KNOWN = {("Bot: Hi!", "Bot"): "Hi!", ("Hi!", "Bot"): "Hi!"}

def remove_name(text, name):
    return KNOWN.get((text, name), text)
"""
REMOVER = """
class Remover:
    def __call__(self, text, name):
        return right(text, name)

remove_name = Remover()
"""
LAMBDA = """
defined = remove_name
remove_name = lambda text, name: defined(text, name)
"""
FILE = "from pathlib import Path\n\n"
OOPS = "class Oops(Exception):\n    pass\n\n"

# What is wrong with the answer to 07.1 → its code, and what has to be said about it.
WRONG = {
    "mixed tabs and blanks": (
        NAME.replace("    return text", "\treturn text"),
        "no Python yet (line",
        "inconsistent use of tabs and spaces",
    ),
    "Python 2 print": (inside('print "hello"'), 'line 2: `print "hello"`', "Did you mean print(...)? Nothing"),
    "missing colon": (NAME.replace("(text, name):", "(text, name)"), "line 1: `def remove_name", "expected ':'"),
    "one = in a condition": (inside("if text = name:", "    pass"), "line 2: `if text = name:`", "'=='"),
    "parameters in another order": (NAME.replace("(text, name)", "(name, text)"), "(name, text)", "in this order"),
    "too few parameters": ("def remove_name(text):\n    return text\n", "(text)", "it should have (text, name)"),
    "a parameter too many": (NAME.replace("(text, name)", "(text, name, n)"), "it should have (text, name)"),
    "a class": ("class remove_name:\n    pass\n", "is a class, and a function is asked for"),
    "a method": (METHOD, "`remove_name`, found none"),
    "a function within a function": (WITHIN, "found `solve`"),
    "async def": (f"async {NAME}", "`async def`", "leave out `async`"),
    "yield": (NAME.replace("    return text", "    yield text"), "has a `yield`", "`return` them"),
    "only pass": ("def remove_name(text, name):\n    pass\n", "returned None; did you forget `return`"),
    "no way back for other texts": (NAME.replace("    return text", ""), "returned None; did you forget `return`"),
    "return ...": (returns("..."), "should be a text, but it is an Ellipsis"),
    "a list of the answer": (returns("[answer]"), "should be a text, but it is a list"),
    "a tuple, by a comma": (returns("answer,"), "should be a text, but it is a tuple"),
    "bytes": (returns("answer.encode()"), "should be a text, but it is bytes", ".decode()"),
    "the method, not its value": (returns("answer.strip"), "returned a function, not a value", "brackets ()"),
    "a text of its own class": (
        "class Text(str):\n    pass\n\n" + returns("Text(answer)"),
        "should be a text",
        "something of type Text",
    ),
    "keeps count from call to call": (
        "calls = []\n" + inside("calls.append(text)", "if len(calls) > 20:", "    return calls[0]"),
        "20 of 28 checks",
    ),
    "remembers in a default value": (
        inside("seen.append(text)", "text = seen[0]").replace("(text, name)", "(text, name, seen=[])"),
        "of 28 checks",
    ),
    "draws at random": (
        "import random\n" + returns("random.random()"),
        "should be a text",
        "gives two different answers",
    ),
    "depends on the time": ("import time\n" + returns("answer + str(time.time_ns())"), "gives two different answers"),
    "knows the public cases by heart": (KNOWN, "of 28 checks came out right"),
    "calls itself without end": (ENDLESS, "calls itself without end", "line 2"),
    "uses a name for a value": (f"len = 3\n{NAME}", "'int' object is not callable", "Was a name such as `sum`"),
    "uses the function's name for a value": (
        f"{NAME}\nremove_name = remove_name('Bot: Hi!', 'Bot')\n",
        "At the end, `remove_name` is no function, but a text ('Hi!')",
    ),
    "deletes it": (f"{NAME}\ndel remove_name\n", "Expected a function `remove_name`, found none"),
    "a name that is misspelled": (
        NAME.replace("return text", "return txt"),
        "name 'txt' is not defined (in line",
        "Is it spelled right",
    ),
    "a local variable too late": (inside("text = text + end", "end = ''"), "UnboundLocalError", "before this line"),
    "a module that is not there": (f"import panda\n{NAME}", "No module named 'panda'", "line 1: `import panda`"),
    "a file of its own": (FILE + inside("Path('names.txt').read_text()"), "No such file or directory: 'names.txt'"),
    "input() in the function": (inside("name = input()"), "waits for somebody to type (input())"),
    "exit() in the function": (inside("exit()"), "ends Python itself", "use `return`"),
    "exit() below the function": (f"{NAME}\nexit()\n", "ends Python itself (line 7: `exit()`)", "take that line out"),
    "a test above the function": (
        f"assert remove_name('a', 'b') == 'a'\n{NAME}",
        "stops before there is a function",
        "line 1",
        "Restart and run all",
    ),
    "an assert in the function": (inside("assert name == 'Bot'"), "AssertionError (in line 2: `assert name == 'Bot'`)"),
    "smart quotes": (NAME.replace('f"', "f“", 1), "no Python yet", "invalid character '“' (U+201C)"),
    "non-breaking blanks": (
        NAME.replace("    return text", "\u00a0   return text"),
        "invalid non-printable character U+00A0",
    ),
    "``` of a chat": (f"```python\n{NAME}```\n", "no Python yet (line 1)", "Nothing in this cell was run"),
    "words of a chat": (f"Sure! Here is the code:\n\n{NAME}", "no Python yet (line 1: `Sure! Here is the code:`)"),
    "all of it a text": (f"'''\n{NAME}'''\n", "Expected a function `remove_name`, found none"),
    "a cell for the shell": ("%%bash\nls\n", "Expected a function `remove_name`, found none"),
    "an error of its own": (OOPS + inside("raise Oops('no name')"), "It stopped with Oops: no name"),
    "an answer without measure": (returns("answer * 10_000_000 or 'x' * 10_000_000"), "too large to be looked at"),
    "a list that holds itself": (inside("loop = []", "loop.append(loop)", "return loop"), "or it holds itself"),
}
REVIEWED = {"a file of its own"}

# What is odd about a right answer → its code, and what the remarks say.
RIGHT = {
    "prints and warns": ("import warnings\n" + inside("print(text)", "warnings.warn('slow')"), "does not count"),
    "a lambda": (NAME + LAMBDA,),
    "an object that can be called": (returns("answer") + REMOVER,),
    "other names of the parameters": (
        NAME.replace("text", "t").replace("name", "n").replace("remove_n", "remove_name"),
    ),
    "any number of parameters": (
        returns("answer")
        .replace("remove_name(text, name)", "remove_name(*both)")
        .replace("return right(text, name)", "return right(*both)"),
    ),
    "a parameter more with a default": (NAME.replace("(text, name)", "(text, name, n=1)"),),
    "type hints": (NAME.replace("(text, name)", "(text: str, name: str) -> str"),),
    "a test below the function that fails": (
        f"{NAME}\nassert remove_name('a', 'b') == 'c'\n",
        "After the function",
        "line 7",
        "AssertionError",
    ),
    "a call below the function that fails": (
        f"{NAME}\nremove_name()\n",
        "After the function",
        "missing 2 required positional arguments",
    ),
    "a stub that was left below": (f"{NAME}    raise NotImplementedError()\n",),
    "a name that stands for something else": (f"list = id = 3\n{NAME}",),
    "star imports": (f"from math import *\nfrom re import *\n{NAME}",),
    "%%time": (f"%%time\n{NAME}",),
    "%%timeit": (f"%%timeit\n{NAME}",),
    "%matplotlib": (f"%matplotlib inline\n{NAME}",),
    "!ls below": (f"{NAME}\n!ls\n", "!ls cannot run", "the network is off"),
    "a question mark": (f"len?\n{NAME}",),
    "letters of another language": (NAME.replace("text", "tëxt"),),
    "Windows line ends": (NAME.replace("\n", "\r\n"),),
    "old Macintosh line ends": (NAME.replace("\n", "\r"),),
    "a mark at the beginning": (f"\ufeff{NAME}",),
    "tabs alone": (NAME.replace("    ", "\t"),),
    "copied with >>>": (">>> " + NAME.strip().replace("\n", "\n... "),),
    "copied with In [1]:": ("In [1]: " + NAME.strip().replace("\n", "\n   ...: "),),
    "all lines indented": ("".join(f"    {line}" for line in NAME.splitlines(keepends=True)),),
    "half a character printed": (f"print('\\ud800')\n{NAME}",),
    "check in the same cell": (f"{NAME}\ncheck('07.1')\nprogress('07')\ndisplay(3)\n",),
}


@pytest.fixture(scope="module")
def desk():
    """Where sheet 07 is graded."""
    desk = Desk("07", 2, ("07.1",))
    yield desk
    desk.close()


@pytest.mark.parametrize("case", WRONG)
def test_careless_code_has_no_points_and_is_told_why(desk, case):
    code, *words = WRONG[case]
    notebook = with_answers({"07.1": code, "07.3": right("07.3")})
    grade = desk.grade(notebook, passed=("07.3",), status="review" if case in REVIEWED else "graded")
    assert desk.statuses(grade) == {"07.1": "failed", "07.3": "passed"}
    for word in words:
        assert word in said(grade, "07.1")


@pytest.mark.parametrize("case", RIGHT)
def test_right_code_has_its_points_whatever_is_odd_about_it(desk, case):
    code, *words = RIGHT[case]
    grade = desk.grade(with_answers({"07.1": code, "07.3": right("07.3")}), passed=("07.1", "07.3"))
    for word in words:
        assert word in said(grade, "07.1")


PACKAGE = f"from nanochat_helpers import bpe\n{NAME}print(bpe)"


@pytest.mark.parametrize(
    "code",
    [
        "%%time\n" + PACKAGE,
        "    " + PACKAGE.replace("\n", "\n    "),
        ">>> " + PACKAGE.replace("\n", "\n... "),
        "In [12]: " + PACKAGE.replace("\n", "\n    ...: "),
    ],
)
def test_what_jupyter_makes_of_a_cell_hides_nothing_from_the_teacher(desk, code):
    grade = desk.grade(with_answers({"07.1": code}), passed=("07.1",), status="review")
    assert "`nanochat_helpers.bpe`" in grade.notes[0]


def test_what_only_jupyter_can_read_is_for_a_teacher(desk):
    grade = desk.grade(
        with_answers({"07.1": f"%matplotlib inline\n/print 3\n{PACKAGE}"}), passed=("07.1",), status="review"
    )
    assert "lines that only Jupyter understands" in grade.notes[0]


@pytest.mark.parametrize(
    "code",
    [
        "# def remove_name(text, name):\n#     return text\n",
        NAME.replace("    if text", "    raise NotImplementedError()\n    if text"),
        f"{NAME}\n\ndef remove_name(text, name):\n    # YOUR CODE HERE\n    raise NotImplementedError()\n",
    ],
    ids=["all of it a comment", "the raise line above the code", "the stub below the code"],
)
def test_what_still_raises_is_not_attempted_and_not_wrong(desk, code):
    grade = desk.grade(with_answers({"07.1": code, "07.3": right("07.3")}), passed=("07.3",))
    assert desk.statuses(grade) == {"07.3": "passed"}
    assert "remove the `raise` line" in said(grade, "07.1")


def test_a_restart_is_advised_for_names_of_other_cells_only(desk):
    local, other = inside("text = text + end", "end = ''"), inside("text = text + end")
    assert "Restart" not in said(desk.grade(with_answers({"07.1": local})), "07.1")
    assert "Restart and run all" in said(desk.grade(with_answers({"07.1": other})), "07.1")


def test_an_error_of_its_own_each_time_is_no_change(desk):
    grade = desk.grade(with_answers({"07.1": OOPS + inside("raise Oops('no name')")}))
    assert "two different answers" not in said(grade, "07.1")


def test_an_error_within_a_library_names_the_students_line(desk):
    grade = desk.grade(with_answers({"07.1": inside("import re", "re.compile('(')")}))
    assert "(in line 3: `re.compile('(')`)" in said(grade, "07.1")
