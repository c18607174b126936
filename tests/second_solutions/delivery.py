"""Sheet 12, solved again, as other students would."""

import codecs
import json
import re

# --- 12.1


def pause_by_loop(status, n_tries):
    seconds = 0.5
    for _ in range(n_tries - 1):
        seconds = seconds * 2
        if seconds > 8:
            seconds = 8
    if status // 100 == 5 or status == 429:
        return seconds


def pause_by_list(status, n_tries):
    pauses = [0.5, 1, 2, 4, 8]
    if status != 429 and status < 500:
        return None
    return pauses[n_tries - 1] if n_tries <= len(pauses) else pauses[-1]


def pause_by_recursion(status, n_tries, longest=8.0):
    if status != 429 and str(status)[0] != "5":
        return None
    return 0.5 if n_tries == 1 else min(longest, 2 * pause_by_recursion(status, n_tries - 1, longest))


def pause_by_bits(status, n_tries):
    return (1 << min(n_tries - 1, 4)) / 2 if re.fullmatch("429|5..", str(status)) else None


# --- 12.2


def read_events_by_keys(lines):
    pieces = []
    for line in lines:
        if not line.startswith("data:"):
            continue
        data = line[len("data:") :].strip()
        if data == "[DONE]":
            return "".join(pieces)
        for choice in json.loads(data)["choices"]:
            if "content" in choice["delta"] and choice["delta"]["content"] is not None:
                pieces += [choice["delta"]["content"]]
    raise ValueError("no [DONE]")


def read_events_by_index(lines):
    end = lines.index("data: [DONE]")  # raises ValueError by itself
    events = [json.loads(line.split("data: ", 1)[1]) for line in lines[:end] if line[:6] == "data: "]
    deltas = [event["choices"][0]["delta"] for event in events if len(event["choices"]) > 0]
    return "".join(delta.get("content", "") or "" for delta in deltas)


def read_events_by_try(lines):
    text, is_done = "", False
    for line in lines:
        try:
            content = json.loads(line.removeprefix("data: "))["choices"][0]["delta"]["content"]
            text = text + content if not is_done else text
        except (KeyError, IndexError, TypeError, json.JSONDecodeError):
            is_done = is_done or line == "data: [DONE]"
    if not is_done:
        raise ValueError
    return text


def read_events_by_partition(lines):
    events = []
    for line in lines:
        start, _, data = line.partition("data: ")
        if data == "[DONE]":
            break
        if data and not start:
            events.append(json.loads(data))
    else:
        raise ValueError("the end is missing")
    return "".join(choice["delta"].get("content") or "" for event in events for choice in event["choices"][:1])


# --- 12.3


def whole_lines_by_byte(chunks):
    result, line = [], []
    for chunk in chunks:
        result.append([])
        for byte in chunk:
            if byte == 10:
                result[-1].append(bytes(line).decode("utf-8"))
                line = []
            else:
                line.append(byte)
    return result


def whole_lines_by_decoder(chunks):
    decoder = codecs.getincrementaldecoder("utf-8")()
    result, rest = [], ""
    for chunk in chunks:
        pieces = (rest + decoder.decode(chunk)).split("\n")
        rest = pieces.pop()
        result.append(pieces)
    return result


def whole_lines_by_find(chunks):
    buffer = b""
    result = []
    for chunk in chunks:
        buffer += chunk
        lines = []
        while (end := buffer.find(b"\n")) >= 0:
            lines.append(str(buffer[:end], "utf-8"))
            buffer = buffer[end + 1 :]
        result.append(lines)
    return result


def whole_lines_by_counting(chunks):
    everything = b"".join(chunks).split(b"\n")
    n_ends = [b"".join(chunks[: place + 1]).count(b"\n") for place in range(len(chunks))]
    return [[line.decode() for line in everything[a:b]] for a, b in zip([0, *n_ends], n_ends, strict=False)]


# --- 12.4


def find_faults_by_type(body):
    faults = []
    if "model" not in body or type(body["model"]) is not str:
        faults += ["model"]
    if not good_messages(body.get("messages")):
        faults += ["messages"]
    if body.get("temperature") is not None:
        value = body["temperature"]
        if type(value) is bool or not (type(value) is int or type(value) is float) or value < 0 or value > 100:
            faults += ["temperature"]
    if body.get("max_tokens") is not None:
        value = body["max_tokens"]
        if type(value) is not int or value not in range(1, 1025):
            faults += ["max_tokens"]
    return faults


def good_messages(messages):
    if type(messages) is not list or messages == []:
        return False
    for message in messages:
        if type(message) is not dict or "role" not in message or "content" not in message:
            return False
        if message["role"] not in {"system", "user", "assistant"} or type(message["content"]) is not str:
            return False
    return True


def find_faults_by_rules(body):
    def number(value, *kinds):
        return type(value) in kinds

    rules = [
        ("model", lambda value: isinstance(value, str)),
        ("messages", good_messages),
        ("temperature", lambda value: value is None or (number(value, int, float) and 0 <= value <= 100)),
        ("max_tokens", lambda value: value is None or (number(value, int) and 0 < value < 1025)),
    ]
    return [name for name, rule in rules if not rule(body.get(name))]


def find_faults_by_exceptions(body):
    def complain(condition):
        if not condition:
            raise ValueError

    def model(value):
        complain(isinstance(value, str))

    def messages(value):
        complain(isinstance(value, list) and value)
        for message in value:
            complain(message["role"] in ["system", "user", "assistant"])
            complain(isinstance(message["content"], str))

    def temperature(value):
        complain(value is None or (not isinstance(value, bool) and 0 <= value <= 100))

    def max_tokens(value):
        complain(value is None or (not isinstance(value, bool) and isinstance(value, int) and 1 <= value <= 1024))

    found = []
    for test in (model, messages, temperature, max_tokens):
        try:
            test(body.get(test.__name__))
        except (ValueError, TypeError, KeyError):
            found.append(test.__name__)
    return found


def find_faults_by_match(body):
    def is_right(name):
        match name, body.get(name):
            case "model", str():
                return True
            case "messages", [_, *_] as messages:
                return all(map(is_message, messages))
            case "temperature" | "max_tokens", None:
                return True
            case _, bool():
                return False
            case "temperature", int() | float() as number:
                return not (number < 0 or number > 100)
            case "max_tokens", int(number):
                return 0 < number < 1025
        return False

    def is_message(message):
        match message:
            case {"role": "system" | "user" | "assistant", "content": str()}:
                return True
        return False

    return [name for name in ("model", "messages", "temperature", "max_tokens") if not is_right(name)]


SECOND = {
    "12.1": (pause_by_loop, pause_by_list, pause_by_recursion, pause_by_bits),
    "12.2": (read_events_by_keys, read_events_by_index, read_events_by_try, read_events_by_partition),
    "12.3": (whole_lines_by_byte, whole_lines_by_decoder, whole_lines_by_find, whole_lines_by_counting),
    "12.4": (find_faults_by_type, find_faults_by_rules, find_faults_by_exceptions, find_faults_by_match),
}
