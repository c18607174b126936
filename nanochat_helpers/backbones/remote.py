"""Step 4 on another machine: a server that speaks OpenAI's language, as vLLM, Ollama, llama.cpp and our own do.

In: messages and settings. Out: pieces of text. Tokenization, the prompt and the choice of tokens (steps 2 to 5) happen
on the server, which tells only the text: there are no ids and no logits. `connect` makes such a backbone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from ..errors import RemoteError, SettingsError
from ..settings import GenerationSettings, check_count
from .connection import CHECK, check_address, explained, is_openai, make_client

if TYPE_CHECKING:
    from openai import OpenAI

DEFAULT_CONTEXT = 4096  # tokens; for servers that do not tell
# Settings that OpenAI's own interface does not have, and most other servers do. They are sent even when they are off,
# because a server may have them on by itself: llama.cpp takes top_k=40 and min_p=0.05 unless told otherwise.
EXTRA = ("top_k", "min_p", "repetition_penalty")
OTHER_NAMES = {"repetition_penalty": "repeat_penalty"}  # llama.cpp's
MAX_STOP = 4  # OpenAI takes no more; those left out are watched for here (see `generation.stream_messages`)


class Piece(NamedTuple):
    """What came in one event. finish_reason: None until the last; then "stop", "stop_string" or "length"."""

    text: str
    finish_reason: str | None = None


def connect(
    base_url: str,
    model: str | None = None,
    api_key: str | None = None,
    *,
    timeout: float = 60.0,
    max_retries: int = 3,
    context_length: int | None = None,
) -> RemoteBackbone:
    """Use a model that runs on a server: any that speaks OpenAI's chat completions.

    base_url: such as "http://127.0.0.1:8000/v1". model: None takes the server's model, where it has only one.
    api_key: better kept out of notebooks, in the environment: NANOCHAT_API_KEY, or OPENAI_API_KEY for OpenAI itself.
    timeout: seconds to wait for the next sign of life. max_retries: how often to ask again, each time after a longer
        pause, when the server is busy (429), broken (5xx) or out of reach.
    context_length: in tokens; None asks the server, and is 4096 where it does not say.
    Raises RemoteError when the server cannot be reached, refuses the key or has no such model.
    """
    check_address(base_url)
    check_count("context_length", context_length, least=1, none_allowed=True)
    client = make_client(base_url, api_key, timeout, max_retries)
    models = _list_models(client)
    name = _choose_model(model, models, base_url)
    told = _told_context_length(models.get(name))
    return RemoteBackbone(name, client, base_url, context_length=context_length or told or DEFAULT_CONTEXT)


class RemoteBackbone:
    """A model on a server. Messages go out and text comes back; whoever wants ids or logits needs `load_model`."""

    engine = "remote"
    family = "decoder"
    is_chat = True
    tokenizer = None  # the server has it

    def __init__(self, name: str, client: OpenAI, base_url: str, *, context_length: int):
        self.name, self.base_url, self.context_length = name, base_url, context_length
        self._client, self._takes_extra, self._takes_seed = client, not is_openai(base_url), True

    def __repr__(self) -> str:
        return f"RemoteBackbone({self.name!r} at {self.base_url})"

    def stream_text(self, messages: list[dict], settings: GenerationSettings, max_new_tokens: int) -> Iterator[Piece]:
        """Yield the reply piece by piece. Closing the iterator hangs up, so that the server can stop.

        Raises RemoteError when the server refuses, breaks off or stays silent; SettingsError for a setting that it does
        not have.
        """
        is_done = False
        try:
            with explained(self._client), self._ask(messages, settings, max_new_tokens) as events:
                for event in events:
                    if event.choices:  # the last event may hold nothing but the usage
                        piece = _read(event.choices[0])
                        is_done = is_done or piece.finish_reason is not None
                        yield piece
        except RemoteError:
            if not is_done:  # else the reply is whole, and what went wrong behind it does not matter
                raise
        if not is_done:
            raise RemoteError(f"{self.base_url} broke off in the middle of a reply. Try again.")

    def estimate_tokens(self, messages: list[dict]) -> int:
        """About how many tokens the server will count for these messages; rather too many than too few.

        Only the server has the tokenizer. English takes about four characters a token; three bytes are the cautious
        guess that also holds for other languages, and a template adds a few tokens to each message.
        """
        return sum(len(message["content"].encode()) // 3 + 8 for message in messages)

    def _ask(self, messages, settings, max_new_tokens):
        """Send the request; once more without what a server does not know: extra settings that are off, and the seed.

        Without its seed a reply has other luck each time, and nothing else: so it may go (Google's server has none).
        """
        from openai import BadRequestError

        switched_on = [name for name in EXTRA if getattr(settings, name) != getattr(_OFF, name)]
        if switched_on and not self._takes_extra:
            raise _no_such_setting(self.base_url, switched_on)
        try:
            return self._send(messages, settings, max_new_tokens)
        except BadRequestError as refusal:
            said = f"{refusal} {refusal.body}"
            no_extra = self._takes_extra and any(name in said for name in EXTRA)
            no_seed = self._takes_seed and re.search(r"\bseed\b", said) is not None
            if not (no_extra or no_seed):
                raise
            if no_extra and switched_on:
                raise _no_such_setting(self.base_url, switched_on) from refusal
            self._takes_extra, self._takes_seed = self._takes_extra and not no_extra, self._takes_seed and not no_seed
            return self._ask(messages, settings, max_new_tokens)

    def _send(self, messages, settings, max_new_tokens):
        body = {
            "model": self.name,
            "messages": messages,
            "temperature": 0.0 if settings.greedy else settings.temperature,
            "top_p": settings.top_p,
            # OpenAI's newer models take only the newer name, and most other servers only the older one.
            "max_completion_tokens" if is_openai(self.base_url) else "max_tokens": max_new_tokens,
        }
        if settings.seed is not None and self._takes_seed:
            body["seed"] = settings.seed % 2**31
        if settings.stop:
            body["stop"] = list(settings.stop[:MAX_STOP])
        return self._client.chat.completions.create(**body, stream=True, extra_body=self._extra(settings))

    def _extra(self, settings):
        if not self._takes_extra:
            return None
        extra = {name: getattr(settings, name) for name in EXTRA}
        extra |= {other: extra[name] for name, other in OTHER_NAMES.items()}
        return extra | ({} if settings.penalise_prompt else {"penalise_prompt": False})


_OFF = GenerationSettings(top_k=0, min_p=0.0, repetition_penalty=1.0)


# --- the server's models


def _list_models(client):
    """The server's models by name; {} where it keeps no list."""
    from openai import NotFoundError

    with explained(client):
        try:
            return {model.id: model for model in client.models.list() if isinstance(model.id, str)}
        except NotFoundError:
            return {}
        except (AttributeError, TypeError, ValueError) as error:  # a web page, or something else than a list
            raise RemoteError(f"{client.base_url} answers, but with no list of models. {CHECK}") from error


def _choose_model(model, models, base_url):
    known = ", ".join(sorted(models)[:8]) + (", …" if len(models) > 8 else "")
    if model is None:
        if len(models) == 1:
            return next(iter(models))
        has = f"these models: {known}." if models else f"no list of models. {CHECK} If it does:"
        raise RemoteError(f'{base_url} has {has} Name the one you want: connect(base_url, "…").')
    if not isinstance(model, str) or not model:
        raise RemoteError(f"{model!r:.80} is no name of a model: write it as a text, or leave it out.")
    if models and model not in models:
        raise RemoteError(f"{base_url} has no model {model!r}; it has {known}.")
    return model


def _told_context_length(model):
    """The context length that a server tells of its model: ours, vLLM's or llama.cpp's way; None where it does not."""
    told = getattr(model, "model_extra", None) or {}
    meta = told.get("meta") if isinstance(told.get("meta"), dict) else {}
    found = [told.get("context_length"), told.get("max_model_len"), meta.get("n_ctx"), meta.get("n_ctx_train")]
    return next((length for length in found if type(length) is int and length > 0), None)


# --- answers


def _read(choice):
    reason = choice.finish_reason
    if reason == "content_filter":
        raise RemoteError("The server's own filter stopped this reply: put the question in other words.")
    if reason == "stop" and isinstance((choice.model_extra or {}).get("stop_reason"), str):
        reason = "stop_string"  # ours and vLLM say which stop string it was
    text = getattr(choice.delta, "content", None) or ""
    return Piece(text, reason if reason in (None, "stop_string", "length") else "stop")


def _no_such_setting(base_url, names):
    return SettingsError(
        f"{base_url} does not know {' and '.join(names)}: leave {'it' if len(names) == 1 else 'them'} off for this "
        "server, or use another."
    )
