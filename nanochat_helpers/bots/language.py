"""A partner to practise English with: it stays in English, corrects gently, and keeps the conversation going.

In: what a learner writes. Rules find common mistakes and tell the reason, and notice when somebody leaves the language;
the small talk is the model's, which sees three examples first. Add to MISTAKES, or make it speak another language.
"""

import re

from nanochat_helpers.bots.base import Bot, sentences

# The most common short words of each language: whoever writes a sentence can hardly do without them.
COMMON = {
    "English": """the a an is are am was were i you he she it we they me us my your his her not no do does did have has
    had and or to of in on at as if for with that this what how why when where who like go went be very yes can""",
    "German": """der die das ein eine ist sind bin war ich du er sie es wir ihr mein dein nicht und oder zu von im auf
    mit dass was wie warum wann wo wer habe hat auch sehr ja nein hallo guten heute gern""",
    "French": """le la les un une est sont suis je tu il elle nous vous ils mon ton ne pas et ou de du dans sur avec
    que quoi comment pourquoi quand qui ai as avez très oui non bonjour""",
    "Spanish": """el la un una es son soy yo tú él ella nosotros mi no y o de del en con que qué cómo por
    cuándo quién he tiene muy sí hola me gusta estoy está""",
}
# Where a sentence or a part of it begins: "Does he like it?" and "I saw him and he likes it" are right.
START = r"(?:^|(?<=[.!?] )|(?<=because ))"
AN = "apple|animal|aunt|egg|elephant|exam|hour|ice cream|idea|island|orange|umbrella|uncle"
# What is wrong (as a pattern), what should stand there, and why. A rule must be sure: better none than a wrong one.
MISTAKES = [
    (START + r"(he|she|it) don't\b", r"\1 doesn't", "after he, she and it: doesn't"),
    (START + r"(he|she) (like|want|need|play|live|work|eat|drink|love)\b(?! not)", r"\1 \2s",
     "after he and she, the verb has an s"),
    (START + r"(he|she|it) have\b", r"\1 has", "after he, she and it: has"),
    (START + r"(i|you|we|they) doesn't\b", r"\1 don't", "after I, you, we and they: don't"),
    (START + r"(i|you|he|she|it|we|they) didn't (went|ate|had|came|bought)\b(?! better)",
     lambda found: f"{found[1]} didn't {PRESENT[found[2].lower()]}", "after didn't, the verb has its short form"),
    (START + r"(yesterday|last (?:week|year|month|night)),? (i|you|he|she|we|they) (go|see|eat|come|buy)\b",
     lambda found: f"{found[1]} {found[2]} {PAST[found[3].lower()]}", "it is over, so the verb goes into the past"),
    (START + r"i am agree\b", "I agree", "agree is a verb of its own"),
    (START + r"i have (1\d|\w+teen) years(?: old)?(?=[.!?]|$)", r"I am \1 years old", "in English one is an age"),
    (r"(?<!there )\b(am|is|was) more (better|bigger|smaller|older|faster|easier)(?= than\b|[.!?]|$)", r"\1 \2",
     "better and bigger already mean more"),
    (rf"\b(?-i:a) (?=(?:{AN})\b)", "an ", "an before words that sound as if they begin with a, e, i, o or u"),
    (r"\b(have|get|got|need) (?:many|a lot of) (information|advice|homework|furniture)s\b", r"\1 a lot of \2",
     "this word has no plural"),
    (START + r"(i|you|we|they) listen (?=music\b|songs\b|the radio\b)", r"\1 listen to ",
     "one listens to something"),
    (START + r"it depends of\b(?! course)", "it depends on", "it depends on something"),
    (r"\bexplain me (this|that|the \w+)(?=[.!?]|$)", r"explain \1 to me", "one explains something to somebody"),
    (START + r"(i|we|you|they) (live|work) ((?:(?:here|there|in \w+) )?)"
     r"since (two|three|four|five|\d+) (days|weeks|months|years)(?=[.!?]|$)",
     lambda found: f"{found[1]} have {found[2].rstrip('e')}ed {found[3]}for {found[4]} {found[5]}",
     "it began in the past and goes on; how long: for"),
]  # fmt: skip
PAST = {"go": "went", "see": "saw", "eat": "ate", "have": "had", "come": "came", "buy": "bought"}
PRESENT = {past: present for present, past in PAST.items()}
UNFIT = {"sorry", "wine", "beer", "alcohol"}  # no excuses, and no drinks for learners
QUESTIONS = ("What do you like to do after school?", "Can you tell me more about it?", "And what happened then?")


def language_of(text: str) -> str | None:
    """The language from which most of the common words of a text are; of equals English. None where there are none.

    A text in other letters is in "another language".

    >>> language_of("I have a cat and she is very small."), language_of("Ich habe eine Katze.")
    ('English', 'German')
    """
    letters = [character for character in text if character.isalpha()]
    if sum(not character.isascii() for character in letters) > 0.3 * len(letters):
        return "another language"
    found = set(re.findall(r"[^\W\d_]+", text.lower()))
    counts = {name: sum(word in common.split() for word in found) for name, common in COMMON.items()}
    best = max(counts, key=counts.get)
    return best if counts[best] else None


def correct(text: str) -> tuple[str, list[str]]:
    """The text without the mistakes that the rules know, and the reason for each change."""
    text, reasons = text.strip().replace("’", "'"), []
    for wrong, right, reason in MISTAKES:
        changed = re.sub(wrong, right, text, flags=re.IGNORECASE)
        if changed != text:
            text, reasons = changed, [*reasons, reason]
    text = re.sub(r"(?<!\S)i(?=[ ',!?]|$)", "I", text)
    return text[:1].upper() + text[1:], reasons


class LanguageBot(Bot):
    """Practises English with a learner."""

    instructions = "You are a friendly English teacher. You answer in one short sentence and ask one short question."
    examples = (
        ("I have a cat.", "How lovely! What is the name of your cat?"),
        ("I play the guitar.", "That sounds fun! How often do you play?"),
        ("We went to the sea last summer.", "I like the sea, too! Did you swim there?"),
    )

    def answer(self, text: str) -> str:
        """A correction with its reason where one is needed, the model's small talk, and one question."""
        language = language_of(text)
        if language not in ("English", None):
            self.note(f"Rules: this seems to be {language}. The model was not asked.")
            return "Let's stay in English, even with mistakes! Can you say it in simple English words?"
        better, reasons = correct(text)
        lines = [f"Better: “{better}” ({'; '.join(reasons)})"] if reasons else []
        self.note(f"Rules: found {len(reasons)} of the {len(MISTAKES)} kinds of mistakes that they know.")
        return "\n".join([*lines, self.small_talk(better)])

    def small_talk(self, text: str) -> str:
        """What the model says, up to its first question; each of its sentences has to be fit."""
        kept = []
        for said in sentences(self.ask_model(text)):
            if self.is_fit(said, text):
                kept.append(said)
            if said.endswith("?"):
                break
        if not kept or not kept[-1].endswith("?"):
            self.note("Rules: added a question, because the model asked none that could be used.")
            kept.append(QUESTIONS[len(self.messages) // 2 % len(QUESTIONS)])
        return " ".join(kept[-2:])

    def is_fit(self, said: str, text: str) -> bool:
        """Is a sentence of the model's short, in English, no echo of the learner or of the examples, and not UNFIT?"""
        words, echo = re.findall(r"[\w']+", said.lower()), re.findall(r"[\w']+", text.lower())
        leaked = {"cat", "guitar", "sea"} & set(words) - set(echo)
        fits = len(words) <= 15 and language_of(said) in ("English", None) and not UNFIT & set(words) and not leaked
        if not fits or sum(word in echo for word in words) > 0.8 * len(words):
            self.note(f"Rules: left out what the model said: “{said:.60}”")
            return False
        return True
