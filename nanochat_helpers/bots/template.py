"""A bot of my own. In: what somebody writes. Out: what the rules and the model make of it.

Fill in the four places marked with a number, then: load_bot("my_bot.py", backbone).reply("…").
"""

from nanochat_helpers.bots.base import Bot, sentences


class MyBot(Bot):
    """What is this bot for? (1)"""

    # (2) How should the model behave? Two or three examples help it more than long instructions.
    instructions = "You are a friendly person who knows a lot about animals. You answer in one short sentence."
    examples = (
        ("Tell me about cats.", "Cats can see well in the dark."),
        ("Tell me about whales.", "Whales sing songs that travel far through the sea."),
    )

    def answer(self, text: str) -> str:
        """The whole answer to one message."""
        # (3) What can rules do before the model is asked? Look something up, refuse, calculate, ask back.
        if len(text.split()) > 30:
            self.note("Rules: the message was too long.")
            return "Could you say that in fewer words?"
        # (4) What can rules do with the model's words? Shorten them, check them, leave them out, add something.
        said = sentences(self.ask_model(text))[:1]
        self.note("Model: the answer." if said else "Rules: the model wrote no whole sentence.")
        return said[0] if said else "I have no answer to that."


CASES = [
    # A message, and what must hold of the answer. The checks: nanochat_helpers/bots/checks.py.
    ("Tell me about dogs.", {"contains": "dog", "most_words": 20}),
    ("Tell me about horses.", {"contains": "horse", "most_words": 20}),
    ("What is the best animal? " + "Tell me! " * 30, {"questions": 1}),
]
