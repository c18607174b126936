"""Sheet 07, written as other students would write it."""

import re


def remove_name(text, name):
    if text.startswith(name + ":"):
        text = text[len(name) + 1 :].lstrip()
    return text


def remove_name_by_parts(text, name):
    before, colon, after = text.partition(":")
    return after.lstrip() if colon and before == name else text


def remove_name_by_pattern(text, name):
    return re.sub(rf"^{re.escape(name)}:\s*", "", text)


def remove_name_word_by_word(text, name):
    opening = f"{name}:"
    rest = text.removeprefix(opening)
    while rest != text and rest[:1] == " ":
        rest = rest[1:]
    return rest


def cut_half_sentence(text, abbreviations):
    end = 0
    for place, character in enumerate(text):
        behind = text[place + 1 : place + 2]
        if character in ".!?" and (behind == "" or behind.isspace()):
            word = text[: place + 1].split()[-1]
            if word not in abbreviations:
                end = place + 1
    if end == 0:
        return text
    return text[:end]


def cut_half_sentence_by_pattern(text, abbreviations):
    ends = []
    for match in re.finditer(r"[.!?](?=\s|$)", text):
        before = text[: match.end()]
        if before.split()[-1] not in abbreviations:
            ends.append(match.end())
    return text[: max(ends)] if ends else text


def cut_half_sentence_from_the_end(text, abbreviations):
    shorter = text
    while shorter:
        if (
            shorter[-1] in ".!?"
            and shorter.split()[-1] not in abbreviations
            and text[len(shorter) :][:1]
            in (
                "",
                " ",
                "\n",
            )
        ):
            return shorter
        shorter = shorter[:-1]
    return text


def cut_half_sentence_by_parts(text, abbreviations):
    parts = re.split(r"(\s+)", text)
    for i in range(len(parts) - 1, -1, -1):
        if parts[i].endswith((".", "!", "?")) and parts[i] not in abbreviations:
            return "".join(parts[: i + 1])
    return text


def cut_loop(sentences, size):
    s = sentences[:]
    while len(s) >= 3 * size and s[-size:] == s[-2 * size : -size] == s[-3 * size : -2 * size]:
        s = s[:-size]
    return s


def cut_loop_recursive(sentences, size):
    one, two, three = sentences[-size:], sentences[-2 * size : -size], sentences[-3 * size : -2 * size]
    return cut_loop_recursive(sentences[:-size], size) if one == two == three else list(sentences)


def cut_loop_by_counting(sentences, size):
    last = sentences[-size:]
    n = 0
    rest = list(sentences)
    while len(rest) >= size and rest[len(rest) - size :] == last:
        rest = rest[: len(rest) - size]
        n += 1
    return rest + last * min(n, 2)


def cut_loop_by_joining(sentences, size):
    marked = [f"{sentence}\n" for sentence in sentences]
    end = "".join(marked[-size:])
    text = "".join(marked)
    while text.endswith(end * 3):
        text = text[: -len(end)]
    return text.splitlines()


def read_number(text):
    values = []
    for found in re.findall(r"-?\d[\d,]*(?:\.\d+)?", text):
        clean = found.replace(",", "")
        value = float(clean) if "." in clean else int(clean)
        if value not in values:
            values.append(value)
    if len(values) != 1:
        return None
    return values[0]


def read_number_word_by_word(text):
    numbers = set()
    for word in text.split():
        digits = word.strip(".,!?").replace(",", "")
        try:
            numbers.add(int(digits))
        except ValueError:
            try:
                numbers.add(float(digits))
            except ValueError:
                continue
    return numbers.pop() if len(numbers) == 1 else None


def read_number_simple_pattern(text):
    found = re.findall(r"-?[0-9]+\.?[0-9]*", text.replace(",", ""))
    found = {f.rstrip(".") for f in found}
    if len(found) == 1:
        number = found.pop()
        return float(number) if "." in number else int(number)


def read_number_character_by_character(text):
    numbers, current = [], ""
    for place, character in enumerate(text + " "):
        digit_next = text[place + 1 : place + 2].isdigit()
        if character.isdigit() or (character == "-" and not current and digit_next):
            current += character
        elif character in ".," and current and digit_next:
            current += character.replace(",", "")
        elif current:
            numbers.append(float(current) if "." in current else int(current))
            current = ""
    return numbers[0] if len(set(numbers)) == 1 else None


def clean(text, edits):
    record = []
    while True:
        start = text
        for name, edit in edits:
            after = edit(text)
            if after != text:
                record.append(name)
                text = after
        if text == start:
            return text, record


def clean_recursive(text, edits):
    names, result = [], text
    for name, edit in edits:
        changed = edit(result)
        names += [name] * (changed != result)
        result = changed
    if not names:
        return text, []
    result, more = clean_recursive(result, edits)
    return (result, names + more)


def clean_until_all_rest(text, edits):
    record, unchanged, turn = [], 0, 0
    while unchanged < len(edits):
        name, edit = edits[turn % len(edits)]
        turn += 1
        new_text = edit(text)
        unchanged = unchanged + 1 if new_text == text else 0
        if new_text != text:
            record.append(name)
        text = new_text
    return text, record


def clean_with_flag(text, edits):
    done, names = False, []
    while not done:
        done = True
        for pair in edits:
            if pair[1](text) != text:
                text = pair[1](text)
                names.append(pair[0])
                done = False
    return text, names


SECOND = {
    "07.1": (remove_name, remove_name_by_parts, remove_name_by_pattern, remove_name_word_by_word),
    "07.2": (
        cut_half_sentence,
        cut_half_sentence_by_pattern,
        cut_half_sentence_from_the_end,
        cut_half_sentence_by_parts,
    ),
    "07.3": (cut_loop, cut_loop_recursive, cut_loop_by_counting, cut_loop_by_joining),
    "07.4": (
        read_number,
        read_number_word_by_word,
        read_number_simple_pattern,
        read_number_character_by_character,
    ),
    "07.5": (clean, clean_recursive, clean_until_all_rest, clean_with_flag),
}
