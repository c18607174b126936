"""The whole chatbot: a message walks through the seven steps, front to back, and comes out as a Reply.

Step 1, user input, is here; each other step is one call to its module. A conversation changes only when a reply is
complete or was stopped by its reader, so an error leaves it as it was.
"""

import functools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

from .backbones import check_can_write
from .errors import ContextError, MessageError, ModelError, SettingsError
from .generation import new_seed, stream
from .history import Fitted, TokenBudget
from .models import CATALOGUE, chat_engine, fetch_model, load_model
from .postprocess import clean
from .prompts import check_message, check_messages, encode_prompt, encode_text, stop_strings, takes_system_message
from .settings import GenerationSettings
from .stopping import room_for_reply
from .trace import STEPS, Trace, record_token

RESERVED_FOR_REPLY = 64
DEFAULT_SYSTEM = "You are a helpful AI assistant."


@dataclass(frozen=True, repr=False)
class Reply:
    """What the chatbot answers.

    text: the clean answer. finish_reason: why it ended: "stop" (the model was done), "length", "stop_string",
    "blocked" or "cancelled". trace: everything that happened on the way.
    """

    text: str
    finish_reason: str
    trace: Trace

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"{self.text}\n({len(self.trace.tokens)} tokens, ended by {self.finish_reason!r})"


class Chat:
    """A conversation with a model that remembers what was said.

    backbone: a loaded model; without one the default model is loaded, with llama.cpp where it is installed.
    system: how the chatbot should behave. None is DEFAULT_SYSTEM for a chat model that takes one, else nothing; with ""
        NanoChat says nothing, and a model's template may then add a system message of its own (SmolLM2's does).
    settings: the knobs; may be changed between messages.
    history: a strategy that decides which earlier turns stay in the prompt (see `history`).
    skip_special_tokens: False leaves the model's control tokens, such as <|im_end|>, visible in its replies.
    """

    def __init__(
        self,
        backbone=None,
        *,
        system: str | None = None,
        settings: GenerationSettings | None = None,
        history: Callable[..., Fitted] | None = None,
        skip_special_tokens: bool = True,
    ):
        self.backbone = load_chat_model() if backbone is None else backbone
        self.settings = GenerationSettings() if settings is None else settings
        self.history = TokenBudget() if history is None else history
        self._check_parts()
        self.skip_special_tokens = skip_special_tokens
        self.system = self._default_system() if system is None else system
        self._cancel, self._sending = threading.Event(), threading.Lock()
        room_for_reply(self.backbone, 0, self.settings)  # an encoder is refused now, not at the first message
        self.reset()

    def _default_system(self):
        tokenizer = self.backbone.tokenizer
        return DEFAULT_SYSTEM if self.backbone.is_chat and takes_system_message(tokenizer) else ""

    def reset(self) -> None:
        """Forget the conversation; the system message stays."""
        check_message(self.system, "The system message")
        self.messages: list[dict] = [{"role": "system", "content": self.system}] if self.system else []
        self.last_reply: Reply | None = None

    def cancel(self) -> None:
        """Stop the reply that is being written, at its next token; may be called from another thread."""
        self._cancel.set()

    def send(self, text: str) -> Reply:
        """Say something and wait for the whole reply; messages from several threads are answered one by one."""
        with self._sending:
            for _ in self.stream(text):
                pass
            return self.last_reply

    def stream(self, text: str) -> Iterator[str]:
        """Say something and get the reply piece by piece, as the model writes it; then see `last_reply`.

        The pieces are the raw text. The clean one, which the conversation keeps, is `last_reply.text`.
        """
        self._cancel.clear()
        before = self.messages
        settings, trace = self._prepare(text)
        finish_reason = None
        try:
            for step in self._write(settings, trace):
                finish_reason = step.finish_reason
                yield step.text
        except (GeneratorExit, KeyboardInterrupt):
            # The reader stopped listening half-way: what was written so far is the reply. Unless the conversation has
            # gone on without it: a reader may have kept this iterator for long.
            if trace.tokens and self.messages is before:
                self._finish(before, settings, trace, finish_reason or "cancelled")
            raise
        # llama.cpp may end at the length limit within a character, of which it then tells nothing.
        without_a_word = "cancelled" if self._cancel.is_set() else "length"
        self._finish(before, settings, trace, finish_reason or without_a_word)

    def _check_parts(self):
        """Refuse what cannot work, in words: these slips are easily made."""
        if not hasattr(self.backbone, "tokenizer"):
            wrong = f"{self.backbone!r:.60}"
            raise ModelError(f"backbone must be a loaded model, as load_model gives it, not {wrong}.")
        if not isinstance(self.settings, GenerationSettings):
            raise SettingsError(f"settings must be GenerationSettings(...), not {self.settings!r:.60}.")
        if not callable(self.history):
            raise SettingsError(f"history must be a strategy such as LastTurns(2), not {self.history!r:.60}.")

    def _prepare(self, text):
        """Steps 1 to 3: from the message to the prompt's input_ids."""
        self._check_parts()
        check_messages(self.messages)
        tokenizer = self.backbone.tokenizer
        seed = new_seed() if self.settings.seed is None else self.settings.seed
        settings = self.settings.change(seed=seed, stop=(*self.settings.stop, *stop_strings(tokenizer)))
        knobs = {**asdict(settings), "stop": list(settings.stop)}
        trace = Trace(self.backbone.name, self.backbone.engine, knobs, text)
        with _timed(trace, "user input"):
            trace.messages = messages = [*self.messages, user_message(text)]
        with _timed(trace, "tokenization"):
            trace.user_ids = encode_text(text, tokenizer)
        with _timed(trace, "prompt construction"):
            fitted = self._fit(messages, settings)
            prompt = encode_prompt(fitted.messages, tokenizer)
        trace.dropped, trace.prompt = fitted.dropped, prompt.text
        trace.input_ids, trace.roles = prompt.input_ids, prompt.roles
        return settings, trace

    def _write(self, settings, trace):
        """Steps 4 and 5: the model and the choice of tokens, in turn."""
        start = time.perf_counter()
        steps = stream(
            self.backbone,
            trace.input_ids,
            settings,
            cancel=self._cancel,
            skip_special_tokens=self.skip_special_tokens,
        )
        for step in steps:
            trace.tokens.append(record_token(step, self.backbone.tokenizer, time.perf_counter() - start))
            with _timed(trace, "delivery"):
                yield step  # what happens until the next token is asked for is the reader's time, step 7
            start = time.perf_counter()

    def _finish(self, before, settings, trace, finish_reason):
        """Steps 6 and 7: clean the text, and keep it, if the conversation is still what it was before."""
        trace.raw_text = "".join(token.text for token in trace.tokens)
        trace.finish_reason = finish_reason
        with _timed(trace, "post-processing"):
            special_tokens = self.backbone.tokenizer.all_special_tokens if self.skip_special_tokens else []
            cleaned = clean(
                trace.raw_text, special_tokens=special_tokens, stop=settings.stop, finish_reason=finish_reason
            )
        trace.text, trace.edits = cleaned.text, [asdict(edit) for edit in cleaned.edits]
        writing = sum(token.seconds for token in trace.tokens)
        trace.seconds["model inference"] = writing
        if self.backbone.engine == "transformers":  # llama.cpp does not tell its two shares apart
            trace.seconds["model inference"] = inference = sum(token.model_seconds for token in trace.tokens)
            trace.seconds["generation control"] = writing - inference
        trace.seconds = {name: round(trace.seconds[name], 6) for name in STEPS if name in trace.seconds}
        if self.messages is before:
            self.messages = [*trace.messages, {"role": "assistant", "content": cleaned.text}]
        self.last_reply = Reply(cleaned.text, finish_reason, trace)

    def count_tokens(self, messages: list[dict]) -> int:
        """The length of the prompt that these messages make, template included, in tokens."""
        return len(encode_prompt(messages, self.backbone.tokenizer).input_ids)

    def _fit(self, messages, settings):
        """Drop old turns so that the reply has room; where even the newest message takes it, one token must do."""
        context = limit = self.backbone.context_length
        if settings.max_new_tokens is None:
            limit = min(context, settings.max_length or context)
        reserved = min(settings.max_new_tokens or RESERVED_FOR_REPLY, limit // 2)
        for room in (limit - reserved, max(1, limit - 1)):
            with suppress(ContextError):
                return self.history(messages, self.count_tokens, room)
        # A message that max_length has no room for is refused by `generation`, which can say so.
        return self.history(messages, self.count_tokens, context - 1)


def load_chat_model(name: str = "smollm2", *, engine: str = "auto", show_progress: bool = True):
    """Load a model to chat with: "auto" is llama.cpp where it can be used, for a chat needs speed and no logits."""
    if name in CATALOGUE:
        check_can_write(name, CATALOGUE[name].family)  # before a long download that would be of no use
    files = fetch_model(name, show_progress=show_progress)
    return load_model(name, engine=chat_engine(engine, files), show_progress=show_progress)


def user_message(text: str) -> dict:
    """Step 1, user input: check what was typed and give it its role. Raises MessageError."""
    check_message(text)
    if not text.strip():
        raise MessageError("The message is empty: please type something.")
    return {"role": "user", "content": text}


def nanochat(prompt: str, **settings) -> str:
    """The one-line chatbot: a question in, an answer out, no memory.

    nanochat("What is the capital of France?", temperature=0)
    """
    return Chat(_default_backbone(), settings=GenerationSettings().change(**settings)).send(prompt).text


@functools.cache
def _default_backbone():
    return load_chat_model()


@contextmanager
def _timed(trace: Trace, step: str):
    start = time.perf_counter()
    yield
    trace.seconds[step] = trace.seconds.get(step, 0.0) + time.perf_counter() - start
