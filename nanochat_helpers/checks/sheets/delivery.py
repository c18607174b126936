"""Sheet 12: what a client and a server do with the text between them. Toy requests only, and no network."""

import json

from ..comparing import value_text
from ..exercise import Case, Exercise, Misconception
from ..toys.delivery import as_chunks, with_chunks

# --- 12.1 another try


def pause(status: int, n_tries: int) -> float | None:
    """Seconds to wait after `n_tries` tries, the last of which got this status; None where no other try helps."""
    if status == 429 or 500 <= status <= 599:
        return min(0.5 * 2 ** (n_tries - 1), 8.0)
    return None


def _after_every_error(status, n_tries):
    return min(0.5 * 2 ** (n_tries - 1), 8.0) if status >= 400 else None


def _gave_up_when_busy(status, n_tries):
    return min(0.5 * 2 ** (n_tries - 1), 8.0) if status >= 500 else None


def _only_500(status, n_tries):
    return min(0.5 * 2 ** (n_tries - 1), 8.0) if status in (429, 500) else None


def _began_with_the_second(status, n_tries):
    return min(0.5 * 2**n_tries, 8.0) if status == 429 or status >= 500 else None


def _added(status, n_tries):
    return min(0.5 * n_tries, 8.0) if status == 429 or status >= 500 else None


def _without_an_end(status, n_tries):
    return 0.5 * 2 ** (n_tries - 1) if status == 429 or status >= 500 else None


def _pause_case(rng):
    status = rng.choice([429, 429, 500, 599, rng.randint(500, 599), rng.randint(500, 599), *_others(rng)])
    return status, rng.choice([1, 2, 3, 4, 5, 6, 7, 8, 9, rng.randint(10, 60)])


def _others(rng):
    return rng.randint(400, 428), rng.randint(430, 499), rng.randint(200, 399)


PAUSE = Exercise(
    id="12.1",
    title="Another try?",
    points=2,
    signature="pause(status, n_tries)",
    reference=pause,
    edge_cases=(
        Case((503, 3)),
        Case((503, 1), "the first pause"),
        Case((429, 2), "429: too many at once"),
        Case((400, 1), "400: the request itself is wrong"),
        Case((200, 1), "200: all is well"),
        Case((500, 1), "500 itself is a fault of the server, too"),
        Case((503, 6), "the pauses have become long"),
    ),
    random_case=_pause_case,
    n_random=30,
    misconceptions=(
        Misconception(
            "tried again after every error",
            _after_every_error,
            "You also wait after 400, 401 or 404. The same wrong request again: what will the server say to it?",
        ),
        Misconception(
            "gave up when the server was busy",
            _gave_up_when_busy,
            "429 begins with a 4, but nothing is wrong with the request. What will be different a few seconds later?",
        ),
        Misconception(
            "asked again after 500 only",
            _only_500,
            "502 and 503 are faults of the server, too. Which statuses does the text above name?",
        ),
        Misconception(
            "began with the second pause",
            _began_with_the_second,
            "All your pauses are twice too long. After the *first* try, the pause is 0.5 seconds: how often has it "
            "been doubled by then?",
        ),
        Misconception(
            "made each pause half a second longer",
            _added,
            "Yours grow by the same step: 0.5, 1, 1.5. They should double: 0.5, 1, 2. What comes after 2?",
        ),
        Misconception(
            "forgot the longest pause",
            _without_an_end,
            "After some tries you wait for more than 8 seconds. Which function gives the smaller of two numbers?",
        ),
    ),
    hints=(
        "Two questions, one after the other: can another try help at all? And if so, how long is the pause?",
        "Write down the pauses for 1, 2, 3 and 4 tries. How often was 0.5 doubled in each? In Python, `2**n` is 2 to "
        "the power of n.",
    ),
)

# --- 12.2 the events of a stream

DONE = "data: [DONE]"
BROKE_OFF = "The stream broke off."


def read_events(lines: list[str]) -> str:
    """The text that the events of a stream bring. Raises ValueError where [DONE] never comes."""
    text = ""
    for line in lines:
        if line == DONE:
            return text
        if line.startswith("data: "):
            text += _content(line)
    raise ValueError(BROKE_OFF)


def _content(line):
    choices = json.loads(line.removeprefix("data: "))["choices"]
    return (choices[0]["delta"].get("content") or "") if choices else ""


def _done_as_json(lines):
    text = ""
    for line in lines:
        if line.startswith("data: "):
            text += _content(line)
    raise ValueError(BROKE_OFF)


def _every_line_as_event(lines):
    text = ""
    for line in lines:
        if line == DONE:
            return text
        text += _content(line)
    raise ValueError(BROKE_OFF)


def _stopped_when_empty(lines):
    text = ""
    for line in lines:
        if line.startswith("data: "):
            if line == DONE or not _content(line):
                return text
            text += _content(line)
    raise ValueError(BROKE_OFF)


def _content_everywhere(lines):
    text = ""
    for line in lines:
        if line == DONE:
            return text
        if line.startswith("data: "):
            text += json.loads(line[6:])["choices"][0]["delta"]["content"]
    raise ValueError(BROKE_OFF)


def _left_the_loop(lines):
    for line in lines:
        if line == DONE:
            break
    raise ValueError(BROKE_OFF)


def _stripped(lines):
    text = ""
    for line in lines:
        if line == DONE:
            return text
        if line.startswith("data: "):
            text += _content(line).strip()
    raise ValueError(BROKE_OFF)


def _event(delta=None):
    """The line of one event; without a delta, it has no choice, as the one that counts the tokens."""
    return "data: " + json.dumps({"choices": [] if delta is None else [{"delta": delta}]})


def _says(content):
    return _event({"content": content})


def _events_case(rng):
    words = rng.choices(["Hello", " there", " Paris", ",", " 42", "\n", " why", "?"], k=rng.randint(2, 4))
    events = [_event({"role": "assistant"} | rng.choice([{}, {"content": ""}])), *map(_says, words)]
    if rng.random() < 0.6:
        events.insert(rng.randint(1, len(events)), _event(rng.choice([{}, {"content": None}, {"content": ""}, None])))
    if rng.random() < 0.3:
        events.append(_event())
    between = rng.choice([[""], [""], ["", ": keep-alive"], []])
    lines = [line for event in events for line in (event, *between)]
    after = rng.choice([[], [""], ["", _says(" and more")]])
    return (lines if rng.random() < 0.2 else [*lines, DONE, *after],)


READ_EVENTS = Exercise(
    id="12.2",
    title="Read the events of a stream",
    points=3,
    signature="read_events(lines)",
    reference=read_events,
    edge_cases=(
        Case(([_says("Hi"), "", _says(" Kim"), "", DONE],)),
        Case(([": no data: wait", "", _says("Hi"), DONE],), "the first line does not begin with `data: `"),
        Case(([_event({"role": "assistant"}), _says(""), _says("Hi"), DONE],), "deltas that bring no text"),
        Case(([_event({"content": None}), _says("Hi"), DONE],), "the content is null in JSON: None in Python"),
        Case(([_event(), _says("Hi"), DONE],), "choices is an empty list"),
        Case(([_says("So: data: [DONE]"), DONE],), "the model itself writes data: [DONE]: the stream goes on"),
        Case(([_says("Hi"), ""],), "[DONE] never comes"),
    ),
    random_case=_events_case,
    misconceptions=(
        Misconception(
            "took [DONE] for JSON",
            _done_as_json,
            "`json.loads` finds a line that is no JSON. Which line of a stream begins with `data: ` and holds no dict?",
        ),
        Misconception(
            "took every line for an event",
            _every_line_as_event,
            "You also give blank lines or comments to `json.loads`. How do you tell the lines that hold an event?",
        ),
        Misconception(
            "stopped at the first empty delta",
            _stopped_when_empty,
            "Your text ends too early. The first event often says only who speaks, and brings no text. What is the "
            "only sign that all is said?",
        ),
        Misconception(
            "expected a text in every event",
            _content_everywhere,
            "Some events have an empty list of choices, some deltas no `content`, or None there. Look at the one "
            "you stop at: what should be added to the text then?",
        ),
        Misconception(
            "left the loop in place of the function",
            _left_the_loop,
            "Every stream ends with the ValueError in yours. `break` leaves the loop only, and goes on behind it: what "
            "leaves the function, and takes the text along?",
        ),
        Misconception(
            "cut the spaces off each piece",
            _stripped,
            "Your words stick together. The space in front of a token belongs to it (lesson 01). Which call "
            "removes it?",
        ),
    ),
    hints=(
        "Three kinds of lines: `data: [DONE]`, lines that begin with `data: ` and hold JSON, and all others. "
        "What is to be done with each?",
        '`json.loads(line[6:])` makes a dict of an event. `delta.get("content")` gives None where there is none, '
        'and `None or ""` is the empty text.',
        "Return the text *inside* the loop, where [DONE] is met. The last line of the function is for all streams that "
        "end without it.",
    ),
    show=lambda lines: f"read_events(lines={value_text(lines, 600)})",
)

# --- 12.3 lines out of chunks


def whole_lines(chunks: list[bytes]) -> list[list[str]]:
    """For each chunk the lines that it completes."""
    found, rest = [], b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        found.append([line.decode() for line in lines])
    return found


def _split_each(chunks):
    return [chunk.decode().split("\n") for chunk in chunks]


def _splitlines_each(chunks):
    return [chunk.decode().splitlines() for chunk in chunks]


def _lost_the_rest(chunks):
    return [[line.decode() for line in chunk.split(b"\n")[:-1]] for chunk in chunks]


def _decoded_each(chunks, errors="strict"):
    found, rest = [], ""
    for chunk in chunks:
        *lines, rest = (rest + chunk.decode(errors=errors)).split("\n")
        found.append(lines)
    return found


def _replaced(chunks):
    return _decoded_each(chunks, errors="replace")


def _waited(chunks):
    *lines, _ = b"".join(chunks).decode().split("\n")
    return [*([] for _ in chunks[1:]), lines]


def _chunks_case(rng):
    words = ["data: Hi ", "data: süß", "", "", ": où", "data: 日本語", "data: 🙂🙃", "data: 🙂!"]
    lines = rng.choices(words, k=rng.randint(2, 5))
    text = "\n".join(lines) + rng.choice(["\n", "\n", "\ndata: é", "\ndata"])
    n_bytes = len(text.encode())
    return text, sorted(rng.randint(1, n_bytes - 1) for _ in range(rng.randint(2, 5)))


WHOLE_LINES = Exercise(
    id="12.3",
    title="Lines out of chunks",
    points=4,
    signature="whole_lines(chunks)",
    reference=whole_lines,
    edge_cases=(
        Case(("data: 1\ndata: 2\n", [10])),
        Case(("data: 1\ndata: 2\n", [8]), "no line is cut"),
        Case(("data: ü\n", [7]), "the two bytes of ü come in two chunks"),
        Case(("data: 1\n\ndata: 2\n", [2, 5]), "a line in three chunks; then a blank line"),
        Case(("data: 1\nda", [8]), "the last line never ends"),
        Case(("data: 1\n", [0, 3]), "the first chunk is empty"),
        Case(("data: a\u2028b\n", [4]), "some functions take the character \\u2028 for a line end, too"),
    ),
    random_case=_chunks_case,
    call=with_chunks,
    show=lambda text, cuts: f"whole_lines(chunks={value_text(as_chunks(text, cuts), 600)})",
    misconceptions=(
        Misconception(
            "split each chunk by itself",
            _split_each,
            "You look at each chunk alone, but a chunk may end in the middle of a line. Where is the beginning of that "
            "line when the next chunk comes?",
        ),
        Misconception(
            "took the end of a chunk for the end of a line",
            _splitlines_each,
            "`splitlines` also gives the last piece of a chunk, even where no line end follows. Is that line whole?",
        ),
        Misconception(
            "lost what was left over",
            _lost_the_rest,
            "Lines that are cut lose their beginning. What comes after the last line end of a chunk is still needed: "
            "for what?",
        ),
        Misconception(
            "decoded each chunk by itself",
            _decoded_each,
            "A chunk may end in the middle of a character, and half an ü cannot be decoded (lesson 01). At what moment "
            "are all bytes of a line surely there?",
        ),
        Misconception(
            "replaced characters that were cut",
            _replaced,
            "There is a � where a character was cut. Its other bytes come with the next chunk: when is it "
            "early enough to decode?",
        ),
        Misconception(
            "waited for the last chunk",
            _waited,
            "All your lines come with the last chunk. A reader wants to see each of them as soon as it is whole.",
        ),
    ),
    hints=(
        "By hand first: write down the chunks of the example. After each one: which lines are whole, and which bytes "
        "are left over?",
        'Keep what is left over in a variable of its own: it goes in front of the next chunk. It begins as `b""`.',
        '`data.split(b"\\n")` cuts bytes at the line ends. Its last entry has no line end yet. Decode the others, each '
        "line as a whole.",
    ),
)

# --- 12.4 check a request

ROLES = ("system", "user", "assistant")


def _is_set(value):
    return value is not None


def _is_number(value, kinds, least, most):
    return isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= most


def _are_messages(messages):
    return isinstance(messages, list) and len(messages) > 0 and all(map(_is_message, messages))


def _is_message(message):
    return isinstance(message, dict) and message.get("role") in ROLES and isinstance(message.get("content"), str)


def find_faults(body: dict) -> list[str]:
    """The names of the fields that are wrong, in this order: model, messages, temperature, max_tokens."""
    return _faults(body)


def _faults(body, are_messages=_are_messages, is_number=_is_number, is_set=_is_set):
    """The faults; a misconception puts something of its own in the place of one of the questions."""
    temperature, max_tokens = body.get("temperature"), body.get("max_tokens")
    is_right = {
        "model": isinstance(body.get("model"), str),
        "messages": are_messages(body.get("messages")),
        "temperature": not is_set(temperature) or is_number(temperature, (int, float), 0, 100),
        "max_tokens": not is_set(max_tokens) or is_number(max_tokens, int, 1, 1024),
    }
    return [name for name, right in is_right.items() if not right]


def _true_is_a_number(body):
    def is_number(value, kinds, least, most):
        return isinstance(value, kinds) and least <= value <= most

    return _faults(body, is_number=is_number)


def _zero_is_not_set(body):
    return _faults(body, is_set=bool)


def _a_text_is_a_number(body):
    def is_number(value, kinds, least, most):
        try:
            return least <= (int(value) if kinds is int else float(value)) <= most
        except ValueError:
            return False

    return _faults(body, is_number=is_number)


def _once_for_each_message(body):
    messages = body.get("messages")
    n_wrong = sum(not _is_message(message) for message in messages) if isinstance(messages, list) else 1
    return [name for name in _faults(body) for _ in range(max(n_wrong, 1) if name == "messages" else 1)]


def _any_role(body):
    def is_message(message):
        return isinstance(message, dict) and "role" in message and isinstance(message.get("content"), str)

    return _faults(body, lambda messages: isinstance(messages, list) and messages and all(map(is_message, messages)))


def _first_fault(body):
    return _faults(body)[:1]


def _said(role, content):
    return {"role": role, "content": content}


_MISSING = object()
_HI = [_said("user", "Hi")]
_RIGHT = {
    "model": ["toy", "toy", "smollm2"],
    "messages": [_HI, [_said("system", "Be kind."), *_HI], [*_HI, _said("assistant", "Hello."), _said("user", "")]],
    "temperature": [_MISSING, None, 0, 0.7, 1, 100],
    "max_tokens": [_MISSING, None, 1, 20, 1024],
}
_WRONG = {
    "model": [_MISSING, None, 7],
    "messages": [
        _MISSING,
        [],
        "Hi",
        _said("user", "Hi"),
        ["Hi"],
        [*_HI, _said("assistant", "Hello."), _said("", "Hi")],
        [*_HI, {"role": "user"}],
        [_said("wizard", "Hi")],
        [_said("wizard", "Hi"), _said("robot", "Hi")],
        [_said("robot", "Hi"), *_HI, _said("robot", "Bye")],
        [_said("wizard", "Hi"), *_HI, {"role": "user"}],
        [_said("wizard", "Hi"), *_HI],
        [*_HI, _said("robot", "Hi")],
        [_said("user", None), {"role": "user"}],
        ["Hi", _said("user", 5)],
        [{"role": "user"}, *_HI],
        [{"content": "Hi"}],
    ],
    "temperature": [True, True, False, False, "0.7", "1", "hot", -1, 100.5],
    "max_tokens": [True, True, 0, 0, 0, "20", "20", 2.5, -3, 1025],
}


def _body_case(rng):
    body = {"user": "kim"} if rng.random() < 0.2 else {}
    for name in _RIGHT:
        value = rng.choice((_WRONG if rng.random() < 0.5 else _RIGHT)[name])
        if value is not _MISSING:
            body[name] = value
    return (body,)


FIND_FAULTS = Exercise(
    id="12.4",
    title="Check a request",
    points=4,
    signature="find_faults(body)",
    reference=find_faults,
    edge_cases=(
        Case(({"model": "toy", "messages": [], "max_tokens": 0},)),
        Case(
            ({"model": "toy", "messages": [_said("user", "")], "temperature": 0, "max_tokens": 1024},),
            "0 and 1024 are allowed, and an empty text is a text",
        ),
        Case(({"model": "toy", "messages": _HI, "temperature": None, "user": "kim"},), "None means: not set"),
        Case(({"model": "toy", "messages": _HI, "temperature": True, "max_tokens": "20"},), "True is no number"),
        Case(
            ({"model": "toy", "messages": [_said("wizard", "Hi"), {"role": "user"}]},),
            "two wrong messages, one wrong field",
        ),
        Case(({"model": "toy", "messages": [*_HI, _said("wizard", "Hi")]},), "only the second message is wrong"),
        Case(({},), "an empty body"),
    ),
    random_case=_body_case,
    n_random=40,
    show=lambda body: f"find_faults(body={value_text(body, 600)})",
    misconceptions=(
        Misconception(
            "accepted True as a number",
            _true_is_a_number,
            "Try `isinstance(True, int)` in a cell of its own. What must you ask besides, so that True does not pass?",
        ),
        Misconception(
            "took 0 for not set",
            _zero_is_not_set,
            "`if value:` is false for None, but also for 0 and for False. Only None means *not set*: how do you ask "
            "for just that?",
        ),
        Misconception(
            "took a text for a number",
            _a_text_is_a_number,
            '"20" in quotation marks is a text, also when `int` or `float` can read it; and they can read True, '
            "too. Which function tells the *type* of a value?",
        ),
        Misconception(
            "named a field once for each wrong message",
            _once_for_each_message,
            "With two wrong messages, you name the field `messages` twice. The list tells *which fields* are wrong, "
            "each of them once: when is it time to stop looking?",
        ),
        Misconception(
            "accepted every role",
            _any_role,
            "A wizard may speak in yours. Which three roles are there?",
        ),
        Misconception(
            "stopped at the first fault",
            _first_fault,
            "You give at most one name. Whoever sent the request wants to mend all faults at once: when should the "
            "function return?",
        ),
    ),
    hints=(
        "Begin with `faults = []`, and treat one field after the other, in the order of the table: `body.get(name)` "
        "gives None where it is missing.",
        "Type first, value second: `0 <= value` stops with an error where the value is a text.",
        "For the messages, a small function of its own helps: is this *one* message right?",
    ),
)

EXERCISES = (PAUSE, READ_EVENTS, WHOLE_LINES, FIND_FAULTS)
