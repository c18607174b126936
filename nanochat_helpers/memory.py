"""Helpers for the strategies of `history` that need a model or a search: each gives a function to hand to them.

`summarise_with` is for RunningSummary, `find_turns_with` for RelevantTurns. Which turns stay is decided in `history`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from .generation import stream, stream_messages
from .history import check_function
from .passages import Passage
from .postprocess import clean
from .prompts import encode_prompt, stop_strings
from .settings import GenerationSettings

SUMMARY_SETTINGS = GenerationSettings(do_sample=False, max_new_tokens=48)
REQUEST = "Write a short summary that keeps all names."
MOST_TOKENS = 1024  # in one request; more would take a minute to read on a slow machine
NAMES = {"user": "User", "assistant": "Assistant"}


def summarise_with(backbone: Any, settings: GenerationSettings | None = None) -> Callable[[str, list[dict]], str]:
    """Have the model itself write the summary, for `RunningSummary(summarise_with(backbone))`.

    settings: how it is written; None: always the most likely token, and at most 48 of them.
    Messages that are too many for one request are summed up in two halves, one after the other; of a single one that
    is too long, the beginning must do.
    A small model forgets things and invents others: read its summary before you rely on it.
    """
    settings = settings or SUMMARY_SETTINGS

    def summarise(summary: str, messages: list[dict]) -> str:
        request = summary_request(summary, messages)
        is_long = _count_tokens(backbone, request) > MOST_TOKENS
        if is_long and len(messages) > 1:
            middle = len(messages) // 2
            return summarise(summarise(summary, messages[:middle]), messages[middle:])
        if is_long:
            beginning = {**messages[0], "content": messages[0]["content"][:MOST_TOKENS]}
            request = summary_request(summary, [beginning])
        return _write(backbone, request, settings)

    return summarise


def _count_tokens(backbone, messages):
    if backbone.engine == "remote":
        return backbone.estimate_tokens(messages)
    return len(encode_prompt(messages, backbone.tokenizer).input_ids)


def _write(backbone, messages, settings):
    """The model's clean answer to these messages alone."""
    special_tokens: list[str] = []
    if backbone.engine == "remote":
        steps = list(stream_messages(backbone, messages, settings))
    else:
        tokenizer = backbone.tokenizer
        settings = settings.change(stop=(*settings.stop, *stop_strings(tokenizer)))
        special_tokens = tokenizer.all_special_tokens
        steps = list(stream(backbone, encode_prompt(messages, tokenizer).input_ids, settings))
    text = "".join(step.text for step in steps)
    finish_reason = (steps[-1].finish_reason if steps else None) or "length"
    return clean(text, special_tokens=special_tokens, stop=settings.stop, finish_reason=finish_reason).text


def summary_request(summary: str, messages: Sequence[dict]) -> list[dict]:
    """The one message that asks a model for a summary: what to do, the summary so far, and what was said since."""
    so_far = [f"Summary so far: {summary}"] if summary else []
    said = [f"{NAMES[message['role']]}: {message['content']}" for message in messages]
    return [{"role": "user", "content": "\n".join([REQUEST, "", *so_far, *said, "", "Summary:"])}]


def find_turns_with(search: Callable[[list[Passage]], Any]) -> Callable[[str, list[str]], list[int]]:
    """Look old turns up with a search of `retrieval`: `RelevantTurns(find_turns_with(BM25Search))`.

    search: makes a search from passages; here each turn is one. A turn without a single letter is never found.
    MiniLMSearch reads all old turns anew for each question, which takes it some milliseconds a turn.
    """
    check_function("search", search)

    def find(question: str, turns: list[str]) -> list[int]:
        passages = [Passage(text, place=str(place)) for place, text in enumerate(turns) if text.strip()]
        if not (passages and question.strip()):
            return []
        return [int(hit.passage.place) for hit in search(passages).search(question, len(passages))]

    return find
