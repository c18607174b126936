"""Four small bots, each in one short file, and an evaluation that says how good one is. See lesson 13.

`base` is what they are built on, `own` helps to make one of your own.
"""

from .base import Bot, BotReply, plain_chat, sentences
from .coding import CodingTutor
from .evaluation import Case, Comparison, Evaluation, compare, evaluate, read_cases
from .language import LanguageBot
from .literature import LiteratureBot
from .mathematics import MathsBot
from .own import bot_file, copy_bot, load_bot, load_cases

__all__ = [
    "Bot", "BotReply", "Case", "CodingTutor", "Comparison", "Evaluation", "LanguageBot", "LiteratureBot", "MathsBot",
    "bot_file", "compare", "copy_bot", "evaluate", "load_bot", "load_cases", "plain_chat", "read_cases", "sentences",
]  # fmt: skip
