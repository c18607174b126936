"""Find the faults of a prompt that was written by hand, and say how to mend each.

In: a prompt as text and the tokenizer of the model that will read it. Out: a list of faults. What a turn must look like
is read off the tokenizer's own chat template, so this works for every model whose turns have an opening and an end.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile

from ..tokens import check_text
from .build import build_prompt, has_template

# What gives away a template, and the models that were trained with it.
FOREIGN = {
    r"\[/?INST\]": "[INST] is the template of Llama 2 and Mistral",
    r"^### ?(Instruction|Response|Human|Assistant)\b": "### is the template of Alpaca and Vicuna",
    r"<\|im_start\|>": "<|im_start|> is the template called ChatML",
    r"<\|start_header_id\|>": "<|start_header_id|> is the template of Llama 3",
    r"<start_of_turn>": "<start_of_turn> is the template of Gemma",
    r"<\|(user|assistant|system)\|>": "<|user|> is the template of Zephyr and Phi",
}
SCRIPT = r"^(User|Human|Bot|Assistant|AI|Q|A) ?:"


@dataclass(frozen=True)
class Fault:
    """One fault of a prompt.

    name: such as "unclosed turn"; place: the number of the character where it stands.
    says: what is wrong; mend: how to mend it.
    """

    name: str
    place: int
    says: str
    mend: str

    def __str__(self):
        return f"{self.name}, at character {self.place}: {self.says} {self.mend}"


def lint_prompt(text: str, tokenizer) -> list[Fault]:
    """Look for the faults of a prompt, in the order in which they stand. No fault: [].

    It sees only text. Whether a control token was written by the template or typed by a user cannot be told from that:
    a user's message that copies a whole turn is found only where it breaks a rule. `encode_prompt` is the safe way.
    A template whose turns have no opening and end of their own is not looked at: [].
    Raises MessageError for what is no text, TokenError for what is no tokenizer.
    """
    check_text(text, "The prompt")
    is_chat = has_template(tokenizer)
    if not text.strip():
        return [Fault("empty prompt", 0, "There is nothing to go on from.", "Write a message.")]
    if not is_chat:
        return sorted(_base_faults(text), key=lambda fault: fault.place)
    form = _Form.of(tokenizer)
    if form is None:
        return []
    if not form.opening.search(text):
        return [_missing_template(text, form)]
    return sorted([*_start_faults(text, form), *_turn_faults(text, form)], key=lambda fault: fault.place)


# --- the form of a template


@dataclass(frozen=True)
class _Form:
    """What a chat template writes around messages.

    start: what stands before the first turn, such as a start token; often nothing.
    before: how each opening begins, such as "<|im_start|>". opening: finds one, with its "start" and its "role".
    end: what closes a turn. reply: the words that open the assistant's turn.
    names: what this template calls the roles. control_tokens: all of the tokenizer.
    """

    start: str
    before: str
    opening: re.Pattern
    end: str
    reply: str
    names: tuple[str, ...]
    control_tokens: tuple[str, ...]

    @classmethod
    def of(cls, tokenizer) -> "_Form | None":
        """Read the form off a little conversation; None where turns have no opening and end of their own."""
        mark = "\ue000"
        user, answer = {"role": "user", "content": mark}, {"role": "assistant", "content": mark}
        parts = build_prompt([user, answer, user], tokenizer, add_generation_prompt=False).split(mark)
        end = parts[-1].strip()
        if len(parts) != 4 or not end:
            return None
        reply, ask = (part.partition(end)[2].lstrip("\n") for part in parts[1:3])
        before = _common_start(reply, ask)
        after = _common_start(reply[::-1], ask[::-1])[::-1]
        names = ["system", *(opening.removeprefix(before).removesuffix(after) for opening in (reply, ask))]
        if not (before and after and all(names)):
            return None
        # Where the name is part of the token, as in <|user|>, only the known names tell an opening.
        role = r"[^\n<|]*" if before.endswith(">") else "|".join(map(re.escape, names))
        opening = re.compile(rf"(?P<start>(?:{re.escape(before)})+)(?P<role>{role}){re.escape(after)}")
        start = parts[0][: opening.search(parts[0]).start()]  # the first turn may be a built-in system message
        control_tokens = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
        return cls(start.strip(), before, opening, end, reply, tuple(names), tuple(control_tokens))

    def marks(self, text: str) -> Iterator[re.Match]:
        """All openings, and all control tokens that are in none; an opening has the last group "role"."""
        tokens = dict.fromkeys([self.end, *self.control_tokens])
        return re.finditer("|".join([self.opening.pattern, *map(re.escape, tokens)]), text)


def _common_start(one, other):
    return "".join(a for a, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


# --- faults of a prompt for a chat model


def _missing_template(text, form):
    mend = f"Let build_prompt write it: the turn of the model is opened by {form.reply!r}."
    for pattern, says in FOREIGN.items():
        if found := re.search(pattern, text, re.MULTILINE):
            return Fault("wrong template", found.start(), f"{says}; this model was trained with another.", mend)
    if found := re.search(SCRIPT, text, re.MULTILINE):
        says = f"{found[0]} makes it a script, which is for base models; this model has a template of its own."
        return Fault("wrong template", found.start(), says, mend)
    return Fault("missing template", 0, "Nothing says that this is a conversation and whose turn it is.", mend)


def _start_faults(text, form):
    """A start token that stands twice: before the first turn, or as the beginning of any."""
    places = [turn.start() for turn in form.opening.finditer(text) if turn["start"] != form.before]
    if form.start and text.count(form.start) > 1:
        places.append(text.index(form.start, 1))
    for place in places:
        says = f"{form.start if text.startswith(form.start, place) and form.start else form.before} stands twice."
        yield Fault("doubled start token", place, says, "Write it once; encode with add_special_tokens=False.")


def _turn_faults(text, form):
    """Walk over the openings and the ends of turns. role: whose turn is open, None between two turns."""
    role, begin, n_turns = None, 0, 0
    first = form.opening.search(text).start()
    if (text[:first].replace(form.start, "") if form.start else text[:first]).strip():
        yield Fault("text outside of the turns", 0, "It belongs to nobody.", "Put it into a message, or leave it out.")
    for mark in form.marks(text):
        if mark.start() < first:
            continue
        if mark.lastgroup == "role":
            if role is not None:
                yield _unclosed(role, begin, form)
            role, begin, n_turns = mark["role"], mark.end(), n_turns + 1
            yield from _role_faults(mark, n_turns, form)
        elif form.reply.startswith(text[mark.start() :].rstrip()):
            says, mend = "The opening of the assistant's turn is cut off.", f"End the prompt with {form.reply!r}."
            yield Fault("no generation prompt", mark.start(), says, mend)
            return
        elif role is None or not _ends_turn(mark, text, form):
            yield _typed_token(mark)
        else:
            if not text[begin : mark.start()].strip():
                yield Fault("empty message", begin, f"The message of the {role} has no words.", "Leave the turn out.")
            role = None
    yield from _last_faults(text, role, begin, form)


def _role_faults(mark, n_turns, form):
    role, place = mark["role"], mark.start("role")
    if role not in form.names:
        yield Fault("unknown role", place, f"{role!r} is no role of this model.", f"Use {', '.join(form.names)}.")
    elif role == "system" and n_turns > 1:
        yield Fault("system message not first", place, "The model expects it only at the start.", "Move it there.")


def _ends_turn(mark, text, form):
    """Is this the end of a turn: the right token, and another turn or nothing after it?"""
    rest = text[mark.end() :].lstrip()
    return mark[0] == form.end and (not rest or rest.startswith(form.before))


def _typed_token(mark):
    says = f"{mark[0]} stands where the template has none: somebody typed it."
    return Fault("control token in a message", mark.start(), says, "Let encode_prompt make the ids: it cuts it.")


def _unclosed(role, begin, form):
    says = f"The turn of the {role} has no end."
    return Fault("unclosed turn", begin, says, f"Write {form.end!r} after the message.")


def _last_faults(text, role, begin, form):
    """What is wrong with the end of the prompt: it must open the assistant's turn; the reply may have begun."""
    if role is None:
        says = "After the last message nobody's turn is opened."
        yield Fault("no generation prompt", len(text), says, f"End the prompt with {form.reply!r}.")
    elif role != form.names[1]:
        yield _unclosed(role, begin, form)
    elif text[begin:] != text[begin:].rstrip():
        yield _white_space(text)


def _white_space(text):
    says = "White space belongs to the next word: after it the model has to write half a token."
    return Fault("white space at the end", len(text.rstrip()), says, "Take it away.")


# --- faults of a prompt for a base model


def _base_faults(text):
    for pattern, says in FOREIGN.items():
        if re.match(pattern, text):
            mend = "Use build_prompt, which writes a script, or a plain text to go on from."
            yield Fault("wrong template", 0, f"{says}; this model was trained with none.", mend)
    for empty in re.finditer(r"^(?:User|Bot):\s*\n(?=User:|Bot:)", text, re.MULTILINE):
        yield Fault("empty message", empty.start(), "This line has a name but no words.", "Leave it out.")
    names = re.findall(r"^(User|Bot):", text, re.MULTILINE)
    if names and names[-1] == "User":
        yield Fault("no generation prompt", len(text), "The line of the bot is not begun.", r"End with '\nBot:'.")
    if text != text.rstrip(" \t"):
        yield _white_space(text)
