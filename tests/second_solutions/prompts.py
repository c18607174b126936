"""Sheet 02: other right solutions, as students might write them. None of them may be refused."""

import functools
import re

DEFAULT = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"

# --- 02.1


def turn_by_adding(message):
    text = "<|im_start|>"
    text += message["role"] + "\n"
    text += message["content"]
    return text + "<|im_end|>" + "\n"


def turn_by_format(m):
    return "<|im_start|>{role}\n{content}<|im_end|>\n".format(**m)


def turn_by_join(message):
    first_line = "<|im_start|>" + message.get("role")
    return "\n".join([first_line, message.get("content") + "<|im_end|>", ""])


def turn_by_values(message):
    return "<|im_start|>{}\n{}<|im_end|>\n".format(*(message[key] for key in ("role", "content")))


# --- 02.2


def few_shot_by_adding(examples, question):
    text = ""
    for example in examples:
        text = text + example[0] + " → " + example[1] + "\n"
    return text + question + " →"


def few_shot_by_joining(examples, question):
    lines = [" → ".join(pair) for pair in examples]
    lines.append(question + " →")
    return "\n".join(lines)


def few_shot_by_stripping(examples, question):
    pairs = [*examples, (question, "")]
    return "\n".join(f"{word} → {answer}" for word, answer in pairs).rstrip()


def few_shot_by_recursion(examples, question):
    if not examples:
        return f"{question} →"
    (word, answer), *others = examples
    return f"{word} \u2192 {answer}\n{few_shot_by_recursion(others, question)}"


# --- 02.3


def prompt_by_adding(messages, add_generation_prompt=True):
    text = ""
    if messages[0]["role"] != "system":
        text = "<|im_start|>system\n" + DEFAULT + "<|im_end|>\n"
    for message in messages:
        text += turn_by_adding(message)
    if add_generation_prompt:
        text += "<|im_start|>assistant\n"
    return text


def prompt_with_an_empty_turn(messages, add_generation_prompt=True):
    """Adds an empty turn of the assistant, and takes its end away again."""
    first, *rest = messages
    before = [] if first["role"] == "system" else [{"role": "system", "content": DEFAULT}]
    after = [{"role": "assistant", "content": ""}] if add_generation_prompt else []
    text = "".join(turn_by_format(m) for m in [*before, first, *rest, *after])
    return text.removesuffix("<|im_end|>\n") if after else text


def prompt_by_reduce(messages, add_generation_prompt=True):
    start = "" if messages[0]["role"] == "system" else turn_by_join({"role": "system", "content": DEFAULT})
    text = functools.reduce(lambda so_far, message: so_far + turn_by_join(message), messages, start)
    return text + "<|im_start|>assistant\n" * bool(add_generation_prompt)


def prompt_with_a_copy(messages, add_generation_prompt=True, system=DEFAULT):
    all_messages = messages.copy()
    if all_messages[0]["role"] != "system":
        all_messages.insert(0, {"role": "system", "content": system})
    lines = []
    for message in all_messages:
        lines += ["<|im_start|>" + message["role"], message["content"] + "<|im_end|>"]
    if add_generation_prompt:
        lines.append("<|im_start|>assistant")
    return "\n".join(lines) + "\n"


# --- 02.4


def lint_with_range(messages):
    found = []
    for i in range(len(messages)):
        role, content = messages[i]["role"], messages[i]["content"]
        if content.strip() == "":
            found.append(str(i) + ": empty")
        if i > 0:
            if role == "system":
                found.append(str(i) + ": system message not first")
            if role == messages[i - 1]["role"]:
                found.append(str(i) + ": same role twice")
    return found


def lint_with_a_counter(messages):
    faults, place, last = [], 0, ""
    for message in messages:
        if not message["content"] or message["content"].isspace():
            faults += [f"{place}: empty"]
        if place and message["role"] == "system":
            faults += [f"{place}: system message not first"]
        if message["role"] == last:
            faults += [f"{place}: same role twice"]
        last = message["role"]
        place += 1  # noqa: SIM113 (as students write it)
    return faults


def lint_by_sorting(messages):
    """Rule by rule, then sorted by the place; sorted keeps the order of those at the same place."""
    n = len(messages)
    faults = [(i, "empty") for i in range(n) if not messages[i]["content"].split()]
    faults += [(i, "system message not first") for i in range(1, n) if messages[i]["role"] == "system"]
    faults += [(i, "same role twice") for i in range(1, n) if messages[i]["role"] == messages[i - 1]["role"]]
    return [f"{i}: {name}" for i, name in sorted(faults, key=lambda fault: fault[0])]


def lint_with_a_table(messages):
    befores = [{"role": None}, *messages]
    rules = {
        "empty": lambda place: not messages[place]["content"].strip(" \t\n\r"),
        "system message not first": lambda place: place and messages[place]["role"] == "system",
        "same role twice": lambda place: messages[place]["role"] == befores[place]["role"],
    }
    return [f"{place}: {name}" for place in range(len(messages)) for name, rule in rules.items() if rule(place)]


# --- 02.5


def cut_by_walking(text, control_tokens):
    parts, part = [], ""
    for place in range(len(text)):
        part += text[place]
        for token in control_tokens:
            if text.startswith(token, place):
                parts.append(part)
                part = ""
    if part:
        parts.append(part)
    return parts


def cut_by_a_mark(text, control_tokens):
    for token in control_tokens:
        text = text.replace(token, token[0] + "\0" + token[1:])
    return [part for part in text.split("\0") if part != ""]


def cut_part_by_part(text, control_tokens):
    parts = [text]
    for token in control_tokens:
        new_parts = []
        for part in parts:
            while token in part:
                end = part.index(token) + 1
                new_parts.append(part[:end])
                part = part[end:]  # noqa: PLW2901 (as students write it)
            new_parts.append(part)
        parts = new_parts
    return list(filter(None, parts))


def cut_with_find(text, control_tokens):
    places = set()
    for token in control_tokens:
        place = text.find(token)
        while place != -1:
            places.add(place + 1)
            place = text.find(token, place + 1)
    borders = [0, *sorted(places), len(text)]
    return [text[borders[i] : borders[i + 1]] for i in range(len(borders) - 1) if borders[i] < borders[i + 1]]


def cut_with_re(text, control_tokens):
    pattern = "|".join("(?<=" + re.escape(t[0]) + ")(?=" + re.escape(t[1:]) + ")" for t in control_tokens)
    return [part for part in re.split(pattern, text) if part]


SECOND = {
    "02.1": (turn_by_adding, turn_by_format, turn_by_join, turn_by_values),
    "02.2": (few_shot_by_adding, few_shot_by_joining, few_shot_by_stripping, few_shot_by_recursion),
    "02.3": (prompt_by_adding, prompt_with_a_copy, prompt_with_an_empty_turn, prompt_by_reduce),
    "02.4": (lint_with_range, lint_with_a_counter, lint_by_sorting, lint_with_a_table),
    "02.5": (cut_by_walking, cut_by_a_mark, cut_part_by_part, cut_with_find, cut_with_re),
}
