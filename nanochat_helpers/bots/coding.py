"""A coding tutor: it reads an error message, explains it, and asks one question back. It never runs any code.

In: a Python traceback, or its last line. Rules know the common errors and what to ask; the model only looks for a
comparison from everyday life, for which it is shown three examples. Add rules to ERRORS, or change `answer`.
"""

import re

from nanochat_helpers.bots.base import Bot, sentences

# The error, what its message looks like, what it means (“{0}” is the first part in brackets), and what to ask.
ERRORS = [
    ("NameError", r"name '(.+?)' is not defined", "Python does not know the name “{0}” at this place.",
     "Where should “{0}” get its value, and is it spelt the same way there?"),
    ("UnboundLocalError", r"variable '(.+?)'", "The function uses its own “{0}” before it has given it a value.",
     "Which line of the function gives “{0}” its first value?"),
    ("IndentationError", r"expected an indented block after (.+?) on line \d+",
     "After the {0}, the next line has to begin further to the right.", "Which lines belong to that part?"),
    ("IndentationError", r"(un\w+ .*)", "The line does not begin at the same place as the other lines of its block.",
     "How many spaces are there at the beginning of this line and of the one above it?"),
    ("TabError", r"", "Some lines begin with tabs and others with spaces, so Python cannot compare them.",
     "Which of the two does your editor write when you press the tab key?"),
    ("SyntaxError", r"'(.)' was never closed", "A bracket “{0}” is opened, and nothing closes it.",
     "Which bracket should stand at the end of that line?"),
    ("SyntaxError", r"expected ':'", "A line that begins a block needs a colon at its end.",
     "Which line begins with if, for, while, def or class and has no colon?"),
    ("SyntaxError", r"unterminated .*string", "A text is opened with a quotation mark and not closed.",
     "Where should the text end?"),
    ("SyntaxError", r"'(\w+)' outside (\w+)", "A line with “{0}” belongs into a {1}, and this one is in none.",
     "How far to the right does this line begin, and how far should it?"),
    ("SyntaxError", r"(.+)", "Python cannot read this line, or the end of the one before it: {0}.",
     "What is different in this line from one that works?"),
    ("TypeError", r"can only concatenate|unsupported operand type\(s\) for .+?: ('.+?') and (?!\1)",
     "The two values around the sign are of different types, such as a text and a number, and do not go together.",
     "What does type(…) say about each of the two values?"),
    ("TypeError", r"missing (\d+ required .*)", "The function is called with too little: {0}.",
     "Which values does the line with def ask for, and which does your call give?"),
    ("TypeError", r"'(\w+)' object is not (callable|subscriptable|iterable)",
     "A value of the type “{0}” is not {1} (callable: with (…), subscriptable: with […], iterable: in a for loop).",
     "What did you expect this value to be?"),
    ("ValueError", r"invalid literal for int\(\) with base 10: (.*)", "int() cannot turn the text {0} into a number.",
     "Where does this text come from, and what in it is no digit?"),
    ("IndexError", r"(list|string|tuple) (?:assignment )?index out of range",
     "The place in the {0} is not there: the first is 0, the last len − 1.",
     "How long is it, and which place do you ask for?"),
    ("KeyError", r"^(['\"(\d-](?!pop).*)", "The dictionary has no key {0}, or the set has no such element.",
     "What does print(list(…)) show for it?"),
    ("AttributeError", r"'NoneType' object has no attribute '(\w+)'",
     "The value before “.{0}” is None, which is what a function gives that has no return.",
     "Which function gave this value, and does it have a return?"),
    ("AttributeError", r"'(\w+)' object has no attribute '(\w+)'", "Values of type “{0}” have nothing called “{1}”.",
     "What did you expect this value to be?"),
    ("AttributeError", r"module '(\w+)' has no attribute '(\w+)'", "The module “{0}” has nothing called “{1}”.",
     "Is the name spelt this way, and is there a file {0}.py beside your program?"),
    ("ZeroDivisionError", r"", "Nothing can be divided by zero.", "When does the number below the line become 0?"),
    ("ModuleNotFoundError", r"No module named '(.+?)'", "Python cannot find the module “{0}”.",
     "Is it installed here, and is its name spelt this way?"),
    ("FileNotFoundError", r"'(.+?)'", "There is no file “{0}” where Python looks for it.",
     "In which folder does your program run?"),
    ("RecursionError", r"", "A function calls itself, perhaps by way of others, too many times.",
     "In which case should it give an answer without calling itself?"),
]  # fmt: skip
# An error with its message, or alone on its line; what Python suggests after it would be the solution, and is cut off.
ERROR = r"\b((?:[A-Z]\w*)?(?:Error|Exception|Iteration|Interrupt|Exit))"
ERROR_LINE = re.compile(
    rf"{ERROR}(?::[ \t]*([^\n]+?)(?:\.? (?:Did|Maybe|Perhaps|What|Why|How) [^\n]*)?|())[ \t]*$", re.MULTILINE
)
PLACE = re.compile(r"(?:File \"(?:[^\"\n]*[/\\])?([^\"\n]*)\"|(Cell In ?\[\d+\])), line (\d+)")


class CodingTutor(Bot):
    """Explains an error message and asks one question back; reads code and never runs it."""

    instructions = "You explain Python errors with a short example from everyday life, and ask one question."
    examples = (
        ("The module “maths” is not there.", "It is like asking for a book that the library does not have."),
        ("A text is opened with a quotation mark and not closed.", "It is like a letter that never ends."),
        ("The function is called with 2 values too many.", "It is like sending two people where there is one chair."),
    )

    def answer(self, text: str) -> str:
        """What the error means, where it is, a comparison of the model's, and one question."""
        found = ERROR_LINE.findall(text)
        if not found:
            self.note("Rules: found no error message. The model was not asked.")
            return "I explain Python's error messages. Could you paste the whole message, with its last line?"
        error, message, _ = found[-1]  # the last line of a traceback says what is wrong
        meaning, question = self.look_up(error, message)
        places = [f" in line {line} of {file or cell}" for file, cell, line in PLACE.findall(text)]
        lines = [f"{error}{''.join(places[-1:])}: {meaning}"]
        like = [said for said in sentences(self.ask_model(meaning))[:1] if said.startswith("It is like")]
        self.note("Model: the comparison." if like else "Rules: left the model's sentence out: it is no comparison.")
        return "\n".join([*lines, *like, question])

    def look_up(self, error: str, message: str) -> tuple[str, str]:
        """What a rule knows about an error: its meaning, and a question back."""
        for name, pattern, meaning, question in ERRORS:
            match = re.search(pattern, message)
            if name == error and match:
                self.note(f"Rules: know this {error}.")
                parts = [part or "" for part in match.groups()]
                return meaning.format(*parts), question.format(*parts)
        self.note(f"Rules: know nothing about this {error}.")
        return f"Python says: {message.rstrip('.?') or 'nothing more'}.", "What did you want this line to do?"
