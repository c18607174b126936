"""Step 5, generation control: the loop that writes a reply, one token after another.

In: a backbone, input_ids and settings. Out: one GenerationStep for each token. How one token is chosen from the logits
is in `sampling`; which text the model gets is in `prompts`.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .backbones import check_input_ids
from .settings import GenerationSettings, check_count
from .stopping import GrowingText, StopStringWatch, room_for_reply

if TYPE_CHECKING:
    import torch

    from .sampling import Stages

TOP_TOKENS = 12
MAX_BATCH_TOKENS = 8192  # in all texts of a batch: SmolLM2 keeps 46 kB for each (the KV cache), so about 380 MB


@dataclass(frozen=True)
class GenerationStep:
    """One round of the loop.

    token_id: the token that was chosen, None where a server did that; text: the text that became certain with it. A
        token may bring no text (half a character, the possible start of a stop string, the end token) or that of
        earlier tokens as well.
    prob: the model's own probability of the token, before any setting changed it.
    top_tokens: the most likely tokens with their own probabilities, the best first.
    u: where the needle pointed. logits: the model's, shape (vocab_size,). Both None for llama.cpp, which keeps them.
    used_ids: the tokens that the repetition penalty counted as used. settings: what the loop was given.
    model_seconds: how long the model took for the logits; None for llama.cpp, where it is not told apart.
    finish_reason: None while the reply goes on; "stop" (the end token), "stop_string" or "length" on its last step.
    """

    token_id: int | None
    text: str
    prob: float | None
    top_tokens: tuple[tuple[int, float], ...] = ()
    u: float | None = None
    logits: "torch.Tensor | None" = None
    used_ids: Sequence[int] = ()
    settings: GenerationSettings | None = None
    model_seconds: float | None = None
    finish_reason: str | None = None

    @property
    def stages(self) -> "Stages | None":
        """The logits after each setting, None without logits. Made anew when asked for: kept, they fill the memory."""
        if self.logits is None:
            return None
        from .sampling import process_logits

        return process_logits(self.logits, list(self.used_ids), self.settings)


def stream(
    backbone,
    input_ids: list[int],
    settings: GenerationSettings,
    *,
    cancel: threading.Event | None = None,
    skip_special_tokens: bool = True,
) -> Iterator[GenerationStep]:
    """Write a reply token by token, until an end token, a stop string or the length limit.

    cancel: looked at before each token; once set, the reply just ends, without a finish_reason.
    skip_special_tokens: False leaves control tokens, the end token too, in the text.
    The same seed gives the same reply. Raises TokenError, ContextError, SettingsError, CannotChatError.
    """
    input_ids = check_input_ids(input_ids, backbone)
    max_new_tokens = room_for_reply(backbone, len(input_ids), settings)
    if cancel and cancel.is_set():
        return
    reply = GrowingText(backbone, settings, max_new_tokens, skip_special_tokens=skip_special_tokens)
    for token_id, details in _choose_tokens(backbone, input_ids, settings, max_new_tokens, cancel):
        text = reply.push(token_id)
        yield GenerationStep(token_id=token_id, text=text, finish_reason=reply.finish_reason, **details)
        if reply.finish_reason or (cancel and cancel.is_set()):
            break


def stream_messages(
    backbone, messages: list[dict], settings: GenerationSettings, *, cancel: threading.Event | None = None
) -> Iterator[GenerationStep]:
    """Let a model on a server write a reply to these messages; a step is then what came at once, a token or several.

    The same as `stream` from the reader's side: stop strings, the length limit and `cancel` end it alike.
    """
    watch = StopStringWatch(settings.stop)
    limit = room_for_reply(backbone, backbone.estimate_tokens(messages), settings)
    with closing(backbone.stream_text(messages, settings, limit)) as pieces:
        for piece in pieces:
            text, reason = watch.push(piece.text), piece.finish_reason
            if watch.found:
                reason = "stop_string"
            elif reason:
                text += watch.flush()
            if text or reason:
                yield GenerationStep(token_id=None, text=text, prob=None, finish_reason=reason)
            if watch.found or (cancel and cancel.is_set()):
                return  # a server that is done itself is listened to until it closes the line


@dataclass(frozen=True)
class Sample:
    """One of many texts: its tokens, why it ended (None: it was cancelled), and how open each choice was.

    entropies: in bits, of the probabilities from which each token was drawn; empty for llama.cpp, which keeps them.
    """

    text: str
    token_ids: tuple[int, ...]
    finish_reason: str | None
    entropies: tuple[float, ...]


def sample_many(backbone, input_ids: list[int], settings: GenerationSettings, n: int) -> list[str]:
    """Write n texts that go on from the same tokens, all at once: many times faster than one after another.

    They differ by their luck: text number i is the one that `stream` writes with the seed settings.seed + i.
    """
    check_count("n", n, least=0)
    seed = new_seed() if settings.seed is None else settings.seed
    rows = [settings.change(seed=seed + number) for number in range(n)]
    return [sample.text for sample in sample_batch(backbone, input_ids, rows)]


def sample_batch(
    backbone,
    input_ids: list[int],
    rows: Sequence[GenerationSettings],
    *,
    cancel: threading.Event | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Sample]:
    """Write one text for each of the settings, all going on from the same tokens; see `sample_many`.

    cancel: looked at before each token; once set, what is written so far is returned.
    on_progress: called with the number of tokens that are done and that there can be at most.
    """
    input_ids = check_input_ids(input_ids, backbone)
    texts = [_Text.begin(backbone, len(input_ids), settings) for settings in rows]
    total = sum(text.reply.max_new_tokens for text in texts)
    longest = max((text.reply.max_new_tokens for text in texts), default=0)
    together = max(1, MAX_BATCH_TOKENS // (len(input_ids) + longest))
    write = _write_together if hasattr(backbone, "start_batch") else _write_in_turn
    for start in range(0, len(texts), together):
        if cancel and cancel.is_set():
            break
        for _ in write(backbone, input_ids, texts[start : start + together]):
            if on_progress:
                on_progress(sum(text.n_done for text in texts), total)
            if cancel and cancel.is_set():
                break
    return [text.sample() for text in texts]


def token_probs(backbone, input_ids: list[int]) -> list[float | None]:
    """How likely the model found each token of a text, given the tokens before it: its own probabilities.

    The first is None: before it there is nothing from which a model could guess.
    """
    from .sampling import to_probs

    input_ids = check_input_ids(input_ids, backbone)
    probs = [
        to_probs(backbone.next_token_logits(input_ids[:place]))[input_ids[place]].item()
        for place in range(1, len(input_ids))
    ]
    return [None, *probs] if input_ids else []


def used_ids(backbone, input_ids: list[int], new_ids: list[int], settings: GenerationSettings) -> list[int]:
    """The tokens that the repetition penalty counts as used: the reply so far and, with penalise_prompt, the prompt.

    The decoder of an encoder-decoder does not have the prompt but a start token, so that counts (as in `generate`).
    """
    if not settings.penalise_prompt:
        return new_ids
    return ([backbone.decoder_start_id] if backbone.family == "encoder-decoder" else input_ids) + new_ids


def new_seed() -> int:
    """A seed that nobody chose: for settings without one."""
    return random.SystemRandom().randrange(2**32)


def _choose_tokens(backbone, input_ids, settings, max_new_tokens, cancel):
    """Pairs of a token id and what is known about the choice, from whichever engine the backbone has."""
    seed = new_seed() if settings.seed is None else settings.seed
    if backbone.engine == "llama.cpp":
        limits = {"max_new_tokens": max_new_tokens, "cancel": cancel}
        for token in backbone.draw_tokens(input_ids, settings, seed=seed, **limits):
            yield token.token_id, {"prob": token.prob, "top_tokens": token.top_tokens}
    else:
        yield from _sample_tokens(backbone, input_ids, settings, max_new_tokens, seed)


def _sample_tokens(backbone, input_ids, settings, max_new_tokens, seed):
    """The loop itself: logits, the changes that the settings ask for, a draw; then the same with one token more."""
    from .sampling import draw, luck, process_logits, to_probs  # here, because llama.cpp does without torch

    new_ids = []
    for u in luck(seed, max_new_tokens):
        start = time.perf_counter()
        logits = backbone.next_token_logits(input_ids + new_ids)  # shape (vocab_size,)
        model_seconds = time.perf_counter() - start
        used = used_ids(backbone, input_ids, new_ids.copy(), settings)
        token_id = draw(process_logits(logits, used, settings).probs, u)
        new_ids.append(token_id)
        own_probs = to_probs(logits)
        top = own_probs.topk(min(TOP_TOKENS, len(own_probs)))
        yield (
            token_id,
            {
                "prob": own_probs[token_id].item(),
                "top_tokens": tuple(zip(top.indices.tolist(), top.values.tolist(), strict=True)),
                "u": u,
                "logits": logits,
                "used_ids": used,
                "settings": settings,
                "model_seconds": model_seconds,
            },
        )


@dataclass(eq=False)
class _Text:
    """One of many texts while it is written."""

    backbone: object
    settings: GenerationSettings
    reply: GrowingText
    needles: list[float]
    entropies: list[float]

    @classmethod
    def begin(cls, backbone, prompt_length, settings):
        from .sampling import luck

        max_new_tokens = room_for_reply(backbone, prompt_length, settings)
        settings = settings if settings.seed is not None else settings.change(seed=new_seed())
        reply = GrowingText(backbone, settings, max_new_tokens)
        return cls(backbone, settings, reply, luck(settings.seed, max_new_tokens), [])

    @property
    def n_done(self) -> int:
        """How many tokens need no more waiting for: those it has, or all it could have had if it ended early."""
        return self.reply.max_new_tokens if self.reply.finish_reason else len(self.reply.token_ids)

    def sample(self) -> Sample:
        reply = self.reply
        return Sample(reply.text, tuple(reply.token_ids), reply.finish_reason, tuple(self.entropies))

    def add_token(self, logits, input_ids) -> int:
        """Choose the next token as `stream` does."""
        from .sampling import draw, entropy, process_logits

        new_ids = self.reply.token_ids
        counted = used_ids(self.backbone, input_ids, new_ids, self.settings)
        probs = process_logits(logits, counted, self.settings).probs
        token_id = draw(probs, self.needles[len(new_ids)])
        self.entropies.append(entropy(probs))
        self.reply.push(token_id)
        return token_id


def _write_together(backbone, input_ids, texts):
    """The loop for many texts; yields after each round. Texts that are still the same go through the model as one."""
    batch = backbone.start_batch(input_ids)
    places = dict.fromkeys(texts, 0)  # unfinished text → its place in the batch
    while places:
        branches = {}  # (place, token_id) → place in the next batch
        for text, place in list(places.items()):
            token_id = text.add_token(batch.logits[place], input_ids)
            if text.reply.finish_reason:
                del places[text]
            else:
                places[text] = branches.setdefault((place, token_id), len(branches))
        yield
        if branches:
            batch.step([place for place, _ in branches], [token_id for _, token_id in branches])


def _write_in_turn(backbone, input_ids, texts):
    """One text after another, for engines that choose the tokens themselves; yields after each token."""
    for text in texts:
        for step in stream(backbone, input_ids, text.settings):
            text.reply.push(step.token_id)
            yield
