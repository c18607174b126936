"""What a client gets back, in OpenAI's shapes: a completion, the chunks of a stream, a list of models, an error.

In: the pieces and the Reply of a Chat. Out: dicts for JSON. Added to OpenAI's: `stop_reason` (the stop string that
ended the reply, as vLLM tells it), `context_length` of a model, and on request the `trace` of a reply.
"""

import json
import math
import secrets
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from fastapi import HTTPException

from .. import __version__
from ..chat import Reply
from ..tokens import token_bytes
from ..trace import VERSION
from .worker import Piece

if TYPE_CHECKING:
    from .requests import ChatRequest

# Our words for why a reply ended, and OpenAI's.
FINISH_REASONS = {"stop": "stop", "stop_string": "stop", "length": "length", "blocked": "content_filter"}
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Form:
    """What all parts of one answer share: its number, its time, its model, and how it spells probabilities."""

    backbone: object
    top_logprobs: int | None = None
    with_usage: bool = False
    with_trace: bool = False
    id: str = field(default_factory=lambda: f"chatcmpl-{secrets.token_hex(12)}")
    created: int = field(default_factory=lambda: int(time.time()))

    @classmethod
    def of(cls, request: "ChatRequest", backbone) -> "Form":
        """The form that a request asks for."""
        top = (request.top_logprobs or 0) if request.logprobs else None
        options = request.stream_options
        return cls(backbone, top, bool(options and options.include_usage), bool(request.trace))

    def completion(self, reply: Reply, pieces: list[Piece]) -> dict:
        """The whole answer at once: all that the model wrote, as in a stream. The clean text is in the trace."""
        text = "".join(piece.text for piece in pieces)
        logprobs = None if self.top_logprobs is None else {"content": self._logprobs(pieces), "refusal": None}
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": text, "refusal": None},
            "logprobs": logprobs,
            **self._end(reply),
        }
        return self._frame("chat.completion", [choice], usage=usage(reply), **self._trace(reply))

    def first_chunk(self) -> dict:
        """The chunk that says who speaks; it is sent before the model has written anything."""
        return self._chunk({"role": "assistant", "content": "", "refusal": None})

    def chunk(self, piece: Piece) -> dict | None:
        """The chunk of one token; None where there is nothing to tell, for a token may bring no text."""
        logprobs = None if self.top_logprobs is None else self._logprobs([piece])
        if not piece.text and not logprobs:
            return None
        return self._chunk({"content": piece.text}, logprobs=logprobs and {"content": logprobs, "refusal": None})

    def last_chunks(self, reply: Reply) -> list[dict]:
        """The chunk that says why the reply ended and, where it was asked for, one that counts its tokens."""
        chunks = [self._chunk({}, **self._end(reply))]
        if self.with_usage:
            chunks.append(self._frame("chat.completion.chunk", [], usage=usage(reply)))
        chunks[-1] |= self._trace(reply)
        return chunks

    def _chunk(self, delta, *, logprobs=None, finish_reason=None, **more):
        choice = {"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason, **more}
        return self._frame("chat.completion.chunk", [choice], **({"usage": None} if self.with_usage else {}))

    def _frame(self, kind, choices, **more):
        frame = {"id": self.id, "object": kind, "created": self.created, "model": self.backbone.name}
        return frame | {"system_fingerprint": f"nanochat-{__version__}", "choices": choices, **more}

    def _end(self, reply):
        stopped = reply.finish_reason == "stop_string"
        return {
            "finish_reason": FINISH_REASONS.get(reply.finish_reason, "stop"),
            "stop_reason": stop_string_of(reply, self.backbone.tokenizer) if stopped else None,
        }

    def _trace(self, reply):
        """The trace as Trace.save writes it, under its name; nothing where it was not asked for."""
        return {"trace": {"version": VERSION, **asdict(reply.trace)}} if self.with_trace else {}

    def _logprobs(self, pieces):
        """The probabilities as logarithms. The end token and tokens whose probability is not told are left out."""
        told = [
            piece for piece in pieces if piece.prob is not None and piece.token_id not in self.backbone.eos_token_ids
        ]
        return [
            self._logprob(piece.token_id, piece.prob)
            | {"top_logprobs": [self._logprob(*top) for top in piece.top_tokens[: self.top_logprobs]]}
            for piece in told
        ]

    def _logprob(self, token_id, prob):
        tokenizer = self.backbone.tokenizer
        logprob = math.log(prob) if prob > 0 else -9999.0  # OpenAI's number for "next to impossible"
        data = token_bytes(token_id, tokenizer)
        return {"token": tokenizer.decode([token_id]), "logprob": logprob, "bytes": list(data)}


def usage(reply: Reply) -> dict:
    """How many tokens went in and came out."""
    came_in, came_out = len(reply.trace.input_ids), len(reply.trace.tokens)
    return {"prompt_tokens": came_in, "completion_tokens": came_out, "total_tokens": came_in + came_out}


def stop_string_of(reply: Reply, tokenizer) -> str | None:
    """The stop string that ended a reply: the one that stands in its tokens right behind its text."""
    ids = [token.token_id for token in reply.trace.tokens]
    written = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    stop = reply.trace.settings["stop"]
    rest = written[len(reply.trace.raw_text) :]
    found = [text for text in stop if rest.startswith(text)] or [text for text in stop if text in written]
    return next(iter(found), None)


def model_card(backbone, created: int) -> dict:
    """A model as GET /v1/models lists it."""
    card = {"id": backbone.name, "object": "model", "created": created, "owned_by": "nanochat"}
    return card | {"context_length": backbone.context_length}


def as_event(data: dict) -> bytes:
    """One event of a stream (server-sent events)."""
    return f"data: {as_json(data)}\n\n".encode()


def as_json(data: dict) -> str:
    """JSON on one line, in ASCII: no character in it can be taken for the end of a line."""
    return json.dumps(data, separators=(",", ":"))


def error_body(message: str, *, kind: str = "invalid_request_error", param: str | None = None, code=None) -> dict:
    """An error as OpenAI words it."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def refuse(status: int, message: str, *, headers: dict | None = None, **more) -> HTTPException:
    """An HTTP error with OpenAI's body; see `error_body` for what more it can say."""
    return HTTPException(status, error_body(message, **more), headers)
