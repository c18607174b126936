"""A bot that calculates: rules find the calculation and work it out, and the model only adds what it is good for.

In: a question such as "What is 12.5 % of 80?". Out: the result with its steps, or a sentence about what cannot be read.
The rules never guess: a word that they do not know could change the meaning. Change WORDS, IGNORED, or `answer`.
"""

import re

from nanochat_helpers.bots.base import Bot, sentences
from nanochat_helpers.bots.calculator import MOST_SIGNS, SIGNS, Calculation
from nanochat_helpers.errors import MessageError

NUMBERS = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
seventeen eighteen nineteen twenty"""
UNSURE = r"[1-9]\d{0,2}\.\d\d0\b"  # 1.000 is one thousand in many countries
NUMBER = rf"(?<![\w.,])(?!{UNSURE})(?:0|[1-9][0-9]{{0,14}})(?:\.[0-9]{{1,15}})?(?!\w|[.,]\d)"  # 12, 0.5; not 05 or 1,5

# What is said in words, as signs; from top to bottom. What belongs together gets brackets.
WORDS = [
    (r"\b(" + "|".join(NUMBERS.split()) + r")\b(?!-)", lambda found: str(NUMBERS.split().index(found[1]))),
    (r"(?<=\d),(?=\d{3}\b)", ""),  # 1,200 is 1200
    (r"\bplus\b", "+"),
    (r"\bminus\b|[−–]", "-"),
    (r"\btimes\b|\bmultiplied by\b|[×·]|(?<=\d)(?<!\b0) ?x ?(?=\d)", "*"),
    (r"\bdivided by\b|÷", "/"),
    (r"\bto the power of\b|\*\*", "^"),
    (r"\bsquared\b|²", "^ 2"),
    (r"\bcubed\b|³", "^ 3"),
    (rf"\bhalf of ({NUMBER})(?! *\^)", r"(1 / 2 * \1)"),
    (rf"({NUMBER}) ?(?:%|per ?cent) of ({NUMBER})(?! *\^)", r"(\1 / 100 * \2)"),
    (rf"\bsum of ({NUMBER}) and ({NUMBER})(?=[?.! ]*$)", r"(\1 + \2)"),
    (rf"\bproduct of ({NUMBER}) and ({NUMBER})(?=[?.! ]*$)", r"(\1 * \2)"),
    (rf"\bdifference (?:between|of) ({NUMBER}) and ({NUMBER})(?=[?.! ]*$)", r"(\1 - \2)"),
    (r"^([a-z' ]*)\(([^()]*)\)([=?.! ]*)$", r"\1\2\3"),  # brackets around all of it are not needed
]
# What may stand around a calculation.
IGNORED = """what what's whats is are how much many calculate compute solve work out please can could you tell me the
answer to hi hello"""
SIGN = re.compile(f"{NUMBER}|[{re.escape(SIGNS)}]")
MOST_CHARACTERS = 500
USES = {"+": "addition", "-": "subtraction", "*": "multiplication", "/": "division", "^": "powers"}


def find_calculation(text: str) -> list[str]:
    """The calculation in a question, as a list of numbers and signs. Raises MessageError where it is not sure of it."""
    if len(text) > MOST_CHARACTERS:
        raise MessageError(f"That is too long for me: I read at most {MOST_CHARACTERS} characters.")
    text = text.lower()
    for words, signs in WORDS:
        text = re.sub(words, signs, text)
    others = [word.strip("?.!,=:;\"'") for word in SIGN.sub(" ", text).split()]
    unknown = [word for word in others if word and word not in IGNORED.split()]
    signs, places = SIGN.findall(text), [found.span() for found in SIGN.finditer(text)]
    if places and not unknown:  # no words and no other signs within the calculation
        unknown = SIGN.sub(" ", text[places[0][0] : places[-1][1]]).split()
    if unknown:
        raise MessageError(f"I only do arithmetic, and I cannot read “{unknown[0]:.20}”. Write it like 3 × (4 + 1.5).")
    if not 1 < len(signs) <= MOST_SIGNS:
        raise MessageError(f"I need a calculation such as 7 + 5, with at most {MOST_SIGNS} numbers and signs.")
    return signs


class MathsBot(Bot):
    """Works out a calculation with its steps; what it is good for comes from the model."""

    instructions = "You are a friendly maths teacher. You answer in one short sentence."

    def answer(self, text: str) -> str:
        """The result, its steps, and a sentence of the model's; or what the rules cannot read."""
        try:
            done = Calculation(find_calculation(text))
        except MessageError as problem:
            self.note("Rules: no calculation was found, or it has no result. The model was not asked.")
            return str(problem)
        self.note(f"Rules: read {done.written} and worked it out, exactly.")
        lines = [str(done)]
        if len(done.steps) > 1:
            lines.append("Steps: " + ", then ".join(done.steps))
        return "\n".join([*lines, *self.good_for("percentages" if "%" in text else USES[done.last])])

    def good_for(self, topic: str) -> list[str]:
        """One sentence of the model's; none where it has a digit, for numbers are not its business."""
        first = sentences(self.ask_model(f"Why {'are' if topic.endswith('s') else 'is'} {topic} useful?"))[:1]
        if not first or re.search(r"\d", first[0]):
            self.note("Rules: left the model's sentence out, because it was cut or had a number in it.")
            return []
        self.note("Model: the last line. Nobody checked whether it is true.")
        return first
