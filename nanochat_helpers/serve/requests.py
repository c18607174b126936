"""What a client may send: the fields of OpenAI's chat completions, checked, and those that NanoChat adds.

In: the bytes of a body. Out: a ChatRequest, and from it the messages and the settings of a Chat. What NanoChat cannot
do is refused with a sentence, and never quietly left out.
"""

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import SettingsError
from ..generation import TOP_TOKENS
from ..settings import DEFAULT_MAX_NEW_TOKENS, GenerationSettings
from .responses import refuse


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much one client may ask for.

    body_bytes: the size of a request; body_seconds: how long it may take to arrive.
    messages: how many a conversation may have; characters: how long each of them may be.
    max_tokens: how long a reply may be. stop_strings: how many there may be; stop_characters: the length of each.
    reader_seconds: how long a client may leave a piece of its reply untaken.
    """

    body_bytes: int = 256_000
    body_seconds: float = 20.0
    messages: int = 200
    characters: int = 32_000
    max_tokens: int = 1024
    stop_strings: int = 16
    stop_characters: int = 200
    reader_seconds: float = 30.0


class _Body(BaseModel):
    """Strict: "5" is no number. None is what clients send for "not set". Unknown fields, such as `user`, do nothing."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class Part(_Body):
    """One part of a message's content; only text is understood."""

    type: str
    text: str | None = None


class Message(_Body):
    """One message, as OpenAI's clients send it."""

    role: str
    content: str | Annotated[list[Part], Field(fail_fast=True)] | None = None
    tool_calls: list[Any] | None = None


class StreamOptions(_Body):
    """What else a stream should tell."""

    include_usage: bool | None = None


class ChatRequest(_Body):
    """The body of POST /v1/chat/completions; see GenerationSettings for what the settings do, and their defaults."""

    model: str
    messages: Annotated[list[Message], Field(fail_fast=True)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    stop: str | Annotated[list[str], Field(fail_fast=True)] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None

    # NanoChat's own
    top_k: int | None = None
    min_p: float | None = None
    repetition_penalty: float | None = None
    penalise_prompt: bool | None = None
    trace: bool | None = None

    # OpenAI's that NanoChat cannot do: see UNABLE
    n: Any = None
    tools: Any = None
    functions: Any = None
    response_format: Any = None
    frequency_penalty: Any = None
    presence_penalty: Any = None
    logit_bias: Any = None
    modalities: Any = None
    audio: Any = None
    web_search_options: Any = None


# What each field must be, for the sentence that refuses something else. A field's name is the last one on its way.
MUST_BE = {
    "model": "a text, the name of a model: GET /v1/models lists them",
    "messages": 'a list such as [{"role": "user", "content": "Hi"}]',
    "messages[]": 'an object such as {"role": "user", "content": "Hi"}',
    "role": "a text: system, user or assistant",
    "content": 'a text, or a list of parts such as {"type": "text", "text": "Hi"}',
    "content[]": 'an object such as {"type": "text", "text": "Hi"}',
    "type": 'a text: "text"',
    "text": "a text",
    "tool_calls": "left out: NanoChat calls no tools",
    "stream_options": 'an object such as {"include_usage": true}',
    "stop": "a text or a list of texts",
    "stop[]": "a text",
    **dict.fromkeys(["stream", "include_usage", "logprobs", "penalise_prompt", "trace"], "true or false"),
    **dict.fromkeys(["max_tokens", "max_completion_tokens", "seed", "top_logprobs", "top_k"], "a whole number"),
    **dict.fromkeys(["temperature", "top_p", "min_p", "repetition_penalty"], "a number"),
}
# What we cannot do: the values that ask for nothing of it, and why not.
UNABLE = {
    "n": ((1,), "NanoChat writes one reply at a time; ask again, with another seed, for another"),
    "tools": (([],), "NanoChat calls no tools: a model this small would call the wrong ones"),
    "functions": (([],), "NanoChat calls no functions: a model this small would call the wrong ones"),
    "response_format": (({"type": "text"},), 'NanoChat writes plain text, {"type": "text"}'),
    "frequency_penalty": ((0,), "NanoChat has repetition_penalty instead, where 1 is off"),
    "presence_penalty": ((0,), "NanoChat has repetition_penalty instead, where 1 is off"),
    "logit_bias": (({},), "NanoChat does not change the scores of single tokens"),
    "modalities": ((["text"],), 'NanoChat writes text only, ["text"]'),
    "audio": ((), "NanoChat writes text only"),
    "web_search_options": ((), "NanoChat does not search the web"),
}


def parse_request(body: bytes, limits: Limits) -> ChatRequest:
    """Read and check a body. Raises HTTPException, with a sentence that names the field."""
    try:
        request = ChatRequest.model_validate_json(body)
    except ValidationError as error:
        raise _complaint(error) from None
    _check_able(request)
    _check_limits(request, limits)
    return request


def messages_of(request: ChatRequest, limits: Limits) -> list[dict]:
    """The conversation as Chat has it: each content one text. Raises HTTPException."""
    if len(request.messages) > limits.messages:
        raise refuse(
            400, f"There are {len(request.messages)} messages; at most {limits.messages} are taken.", param="messages"
        )
    return [_message(message, f"messages[{place}]", limits) for place, message in enumerate(request.messages)]


def settings_of(request: ChatRequest, limits: Limits) -> GenerationSettings:
    """The settings that a request asks for. Raises HTTPException, with the sentence of the SettingsError."""
    name = "max_tokens" if request.max_completion_tokens is None else "max_completion_tokens"
    length = getattr(request, name)
    if length is not None and length > limits.max_tokens:
        raise refuse(400, f"{name}={length} is too many: a reply has at most {limits.max_tokens} tokens.", param=name)
    same = ("temperature", "top_p", "seed", "stop", "top_k", "min_p", "repetition_penalty", "penalise_prompt")
    knobs = {knob: getattr(request, knob) for knob in same if getattr(request, knob) is not None}
    knobs["max_new_tokens"] = min(DEFAULT_MAX_NEW_TOKENS, limits.max_tokens) if length is None else length
    try:
        return GenerationSettings(**knobs)
    except SettingsError as error:
        sentence = str(error).replace("max_new_tokens", name).replace(", or None", "")
        raise refuse(400, sentence, param=sentence.partition("=")[0]) from None


def _message(message, where, limits):
    content = message.content
    if isinstance(content, list):
        for part in content:
            if part.type != "text" or part.text is None:
                sentence = f"{where} has a part of type {part.type!r:.40}: NanoChat reads text only"
                raise refuse(400, f"{sentence}: it must be {MUST_BE['content']}.", param=f"{where}.content")
        content = "\n".join(part.text for part in content)
    if content is None:
        raise refuse(400, f"{where}.content is missing: it must be {MUST_BE['content']}.", param=f"{where}.content")
    if len(content) > limits.characters:
        raise refuse(
            400,
            f"{where}.content has {len(content)} characters; at most {limits.characters} are taken.",
            param=f"{where}.content",
            code="string_above_max_length",
        )
    return {"role": "system" if message.role == "developer" else message.role, "content": content}


def _check_able(request):
    """Refuse what a client cannot get here. Raises HTTPException."""
    for name, (harmless, why) in UNABLE.items():
        value = getattr(request, name)
        if value is not None and value not in harmless:
            raise refuse(400, f"{name}={value!r:.60} is not possible: {why}.", param=name, code="unsupported_value")
    if any(message.tool_calls for message in request.messages):
        raise refuse(400, f"tool_calls is not possible: {UNABLE['tools'][1]}.", param="messages")


def _check_limits(request, limits):
    top, stop = request.top_logprobs, request.stop if isinstance(request.stop, list) else [request.stop or ""]
    if top is not None and not 0 <= top <= TOP_TOKENS:
        sentence = f"top_logprobs={top} is not allowed: it must be from 0 to {TOP_TOKENS}."
        raise refuse(400, sentence, param="top_logprobs")
    if top is not None and not request.logprobs:
        raise refuse(400, "top_logprobs needs logprobs=true beside it.", param="top_logprobs")
    if len(stop) > limits.stop_strings or any(len(text) > limits.stop_characters for text in stop):
        most = f"at most {limits.stop_strings} stop strings of at most {limits.stop_characters} characters"
        raise refuse(400, f"stop is too long: {most} are taken.", param="stop")


def _complaint(error):
    """The first thing that pydantic found wrong, as one sentence."""
    first, *others = error.errors(include_url=False)
    if first["type"] == "json_invalid":
        why = first["ctx"]["error"]
        return refuse(400, f'The body is no JSON ({why}): send an object such as {{"model": …, "messages": […]}}.')
    way = _way(first)
    for other in others:  # of ["a", 5] pydantic says first that it is no text, and then where the 5 is
        if len(_way(other)) > len(way) and _way(other)[: len(way)] == way:
            first, way = other, _way(other)
    if not way:
        return refuse(400, 'The body must be an object such as {"model": "smollm2", "messages": […]}.')
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in way).lstrip(".")
    field = next(step for step in reversed(way) if not isinstance(step, int))
    must = MUST_BE[f"{field}[]" if where.endswith("]") else field]
    if first["type"] == "missing":
        return refuse(400, f"{where} is missing: it must be {must}.", param=where)
    return refuse(400, f"{where}={first['input']!r:.60} is not allowed: it must be {must}.", param=where)


def _way(problem):
    """Where in the body something is wrong, without pydantic's own marks: ["messages", 0, "content"]."""
    return [step for step in problem["loc"] if isinstance(step, int) or step in MUST_BE]
