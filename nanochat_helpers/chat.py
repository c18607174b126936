"""The whole chatbot: a message walks through the seven steps, front to back, and comes out as a Reply.

Step 1, user input, is here; each other step is one call to its module. A conversation changes only when a reply is
complete or was stopped by its reader, so an error leaves it as it was.
"""

import functools
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass

from .backbones import check_can_write
from .errors import ContextError, MessageError, ModelError, SettingsError
from .generation import new_seed, stream, stream_messages
from .history import Fitted, LastTurns, TokenBudget, check_result
from .models import CATALOGUE, chat_engine, fetch_model, load_model
from .postprocess import clean
from .prompts import check_message, check_messages, encode_prompt, encode_text, stop_strings, takes_system_message
from .retrieval import NOTHING_FITS, Hit, ground
from .safety import Safety, refusal
from .settings import GenerationSettings
from .stopping import room_for_reply
from .trace import Trace, record_token
from .transcript import as_json, as_markdown

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

    @property
    def findings(self) -> list[dict]:
        """What the rules of `safety` found in the message and in the answer; see Trace."""
        return self.trace.findings

    @property
    def sources(self) -> list[dict]:
        """The passages that the answer was to be made from; see Trace."""
        return self.trace.sources

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        sources = "".join(f"\n[{source['number']}] {source['source']}" for source in self.sources)
        unit = "pieces" if self.trace.engine == "remote" else "tokens"
        return f"{self.text}{sources}\n({len(self.trace.tokens)} {unit}, ended by {self.finish_reason!r})"


class Chat:
    """A conversation with a model that remembers what was said.

    backbone: a loaded model, or one on a server (see `connect`); without one the default model is loaded, with
        llama.cpp where it is installed.
    system: how the chatbot should behave. None is DEFAULT_SYSTEM for a chat model that takes one, else nothing; with ""
        NanoChat says nothing, and a model's template may then add a system message of its own (SmolLM2's does).
    settings: the knobs; may be changed between messages.
    history: a strategy that decides which earlier turns stay in the prompt (see `history`). None keeps what fits;
        for an encoder-decoder, which takes one instruction at a time, it keeps none of them.
    safety: rules for what comes in and what goes out, such as Safety(). A turn that they block is not kept.
    retriever: looks something up for each message (see `retrieval`). The prompt gets what it finds, the conversation
        only the message; where it finds nothing, the reply says so, and the model is not asked.
    skip_special_tokens: False leaves the model's control tokens, such as <|im_end|>, visible in its replies.
    """

    def __init__(
        self,
        backbone=None,
        *,
        system: str | None = None,
        settings: GenerationSettings | None = None,
        history: Callable[..., Fitted] | None = None,
        safety: Safety | None = None,
        retriever: Callable[[str], list[Hit]] | None = None,
        skip_special_tokens: bool = True,
    ):
        self.backbone = load_chat_model() if backbone is None else backbone
        self.settings = GenerationSettings() if settings is None else settings
        self.history = self._default_history() if history is None else history
        self.safety, self.retriever = safety, retriever
        self._check_parts()
        self.skip_special_tokens = skip_special_tokens
        self.system = self._default_system() if system is None else system
        self._cancel, self._sending = threading.Event(), threading.Lock()
        room_for_reply(self.backbone, 0, self.settings)  # an encoder is refused now, not at the first message
        self.reset()

    def _default_history(self):
        is_forgetful = getattr(self.backbone, "family", "") == "encoder-decoder"
        return LastTurns(0) if is_forgetful else TokenBudget(drop_together=4)

    def _default_system(self):
        tokenizer = self.backbone.tokenizer
        takes_one = self._is_remote or takes_system_message(tokenizer)
        return DEFAULT_SYSTEM if self.backbone.is_chat and takes_one else ""

    @property
    def _is_remote(self):
        """Does the model run on a server, which has the tokenizer and makes the prompt itself?"""
        return self.backbone.engine == "remote"

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

        The pieces are the raw text. The clean one, which the conversation keeps, is `last_reply.text`. With rules for
        what goes out there is one piece, the clean text: nothing is shown before it was looked through.
        """
        self._cancel.clear()
        before, held_back = self.messages, bool(self.safety and self.safety.output_rules)
        settings, trace = self._begin(text)
        if trace.finish_reason:
            self._deliver(before, trace)
            yield trace.text
            return
        finish_reason = None
        try:
            for step in self._write(settings, trace):
                finish_reason = step.finish_reason
                if not held_back:
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
        if held_back:
            yield trace.text

    def rewind(self, turn: int = -1) -> str:
        """Forget one of the user's messages and all that came after it; give its text, to be sent anew or changed.

        turn: 0 is the user's first message, -1 the newest. Raises MessageError where there is no such turn.
        """
        places = [place for place, message in enumerate(self.messages) if message["role"] == "user"]
        if type(turn) is not int or not -len(places) <= turn < len(places):
            raise MessageError(
                f"There is no turn {turn!r}: this conversation has {len(places)}, the first of them is 0."
            )
        place = places[turn]
        text, self.messages, self.last_reply = self.messages[place]["content"], self.messages[:place], None
        return text

    def as_json(self) -> str:
        """The conversation, with the model and the settings, as JSON text."""
        return as_json(self.messages, model=self.backbone.name, settings=asdict(self.settings))

    def as_markdown(self) -> str:
        """The conversation as Markdown, for people to read."""
        return as_markdown(self.messages, f"A conversation with {self.backbone.name}")

    def _check_parts(self):
        """Refuse what cannot work, in words: these slips are easily made."""
        if not hasattr(self.backbone, "tokenizer"):
            wrong = f"{self.backbone!r:.60}"
            raise ModelError(f"backbone must be a loaded model, as load_model gives it, not {wrong}.")
        if not isinstance(self.settings, GenerationSettings):
            raise SettingsError(f"settings must be GenerationSettings(...), not {self.settings!r:.60}.")
        if not callable(self.history):
            raise SettingsError(f"history must be a strategy such as LastTurns(2), not {self.history!r:.60}.")
        if not (self.safety is None or isinstance(self.safety, Safety)):
            raise SettingsError(f"safety must be a set of rules such as Safety(), not {self.safety!r:.60}.")
        if not (self.retriever is None or callable(self.retriever)):
            raise SettingsError(f"retriever must be like Retriever(BM25Search(passages)), not {self.retriever!r:.60}.")

    def _begin(self, text):
        """Steps 1 to 3: from the message to the prompt's input_ids; or to a reply that needs no model."""
        self._check_parts()
        check_messages(self.messages)
        tokenizer = self.backbone.tokenizer
        seed = new_seed() if self.settings.seed is None else self.settings.seed
        own_stop = () if self._is_remote else stop_strings(tokenizer)
        settings = self.settings.change(seed=seed, stop=(*self.settings.stop, *own_stop))
        knobs = {**asdict(settings), "stop": list(settings.stop)}
        trace = Trace(self.backbone.name, self.backbone.engine, knobs, text)
        with trace.timed("user input"):
            text = self._check(user_message(text)["content"], trace, "input")
            trace.messages = [*self.messages, user_message(text)]
        if not trace.finish_reason:
            with trace.timed("tokenization"):
                trace.user_ids = [] if self._is_remote else encode_text(text, tokenizer)
            with trace.timed("prompt construction"):
                self._build_prompt(text, settings, trace)
        return settings, trace

    def _build_prompt(self, text, settings, trace):
        """Step 3: look something up, choose what fits, and put it into the template."""
        messages = trace.messages
        if self.retriever is not None:
            hits = self.retriever(text)
            if not hits:
                trace.text, trace.finish_reason = NOTHING_FITS, "stop"
                return
            trace.sources = [_source(number, hit) for number, hit in enumerate(hits, start=1)]
            messages = [*self.messages, user_message(ground(text, hits))]
        fitted = check_result(self._fit(messages, settings))
        trace.kept, trace.dropped = fitted.messages, fitted.dropped
        if self._is_remote:  # what goes over the wire; its server makes the prompt
            trace.prompt = json.dumps(fitted.messages, ensure_ascii=False, indent=1)
            return
        prompt = encode_prompt(fitted.messages, self.backbone.tokenizer)
        trace.prompt, trace.input_ids, trace.roles = prompt.text, prompt.input_ids, prompt.roles

    def _check(self, text, trace, where):
        """What the rules of `safety` leave of a text. Where they block it, the trace gets the reply that says so."""
        if self.safety is None:
            return text
        checked = self.safety.check_input(text) if where == "input" else self.safety.check_output(text)
        trace.findings += [{"where": where, **asdict(finding)} for finding in checked.findings]
        if checked.blocked:
            trace.text, trace.finish_reason = refusal(checked.findings), "blocked"
        return checked.text

    def _write(self, settings, trace):
        """Steps 4 and 5: the model and the choice of tokens, in turn."""
        start = time.perf_counter()
        if self._is_remote:
            steps = stream_messages(self.backbone, trace.kept, settings, cancel=self._cancel)
        else:
            shown = self.skip_special_tokens
            steps = stream(self.backbone, trace.input_ids, settings, cancel=self._cancel, skip_special_tokens=shown)
        for step in steps:
            trace.tokens.append(record_token(step, self.backbone.tokenizer, time.perf_counter() - start))
            with trace.timed("delivery"):
                yield step  # what happens until the next token is asked for is the reader's time, step 7
            start = time.perf_counter()

    def _finish(self, before, settings, trace, finish_reason):
        """Step 6: clean the text and look through it."""
        trace.raw_text = "".join(token.text for token in trace.tokens)
        with trace.timed("post-processing"):
            hidden = self.skip_special_tokens and not self._is_remote
            special_tokens = self.backbone.tokenizer.all_special_tokens if hidden else []
            cleaned = clean(
                trace.raw_text, special_tokens=special_tokens, stop=settings.stop, finish_reason=finish_reason
            )
            trace.text, trace.finish_reason = cleaned.text, finish_reason
            trace.edits = [asdict(edit) for edit in cleaned.edits]
            text = self._check(cleaned.text, trace, "output")
        if trace.finish_reason != "blocked":
            trace.text = text
        self._deliver(before, trace)

    def _deliver(self, before, trace):
        """Step 7: the reply is there. It becomes part of the conversation, if that is still what it was before."""
        trace.close()
        if self.messages is before and trace.finish_reason != "blocked":
            self.messages = [*trace.messages, {"role": "assistant", "content": trace.text}]
        self.last_reply = Reply(trace.text, trace.finish_reason, trace)

    def count_tokens(self, messages: list[dict]) -> int:
        """The length of the prompt that these messages make, template included, in tokens; on a server, about that."""
        if self._is_remote:
            return self.backbone.estimate_tokens(messages)
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


def _source(number, hit):
    return {"number": number, **asdict(hit.passage), "score": round(float(hit.score), 4)}
