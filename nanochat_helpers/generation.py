"""Step 5, generation control: the loop that writes a reply, one token after another.

In: a backbone, input_ids and settings. Out: one GenerationStep for each token. How one token is chosen from the logits
is in `sampling`; which text the model gets is in `prompts`.
"""

import operator
import random
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .backbones import check_can_write
from .errors import ContextError, SettingsError, TokenError
from .settings import GenerationSettings
from .tokens import TextDecoder

if TYPE_CHECKING:
    from .sampling import Stages

TOP_TOKENS = 12


@dataclass(frozen=True)
class GenerationStep:
    """One round of the loop.

    token_id: the token that was chosen; text: the text that became certain with it. A token may bring no text (half a
        character, the possible start of a stop string, the end token) or that of earlier tokens as well.
    prob: the model's own probability of the token, before any setting changed it.
    top_tokens: the most likely tokens with their own probabilities, the best first.
    u: where the needle pointed; stages: the logits after each setting. Both None for llama.cpp, which keeps them.
    model_seconds: how long the model took for the logits; None for llama.cpp, where it is not told apart.
    finish_reason: None while the reply goes on; "stop" (the end token), "stop_string" or "length" on its last step.
    """

    token_id: int
    text: str
    prob: float | None
    top_tokens: tuple[tuple[int, float], ...] = ()
    u: float | None = None
    stages: "Stages | None" = None
    model_seconds: float | None = None
    finish_reason: str | None = None


class StopStringWatch:
    r"""Lets text through until a stop string appears, also one that is spread over several tokens.

    Text that could be the start of a stop string waits until the next text decides. With the stop string "\nUser:",
    push("Hi\nUs") gives "Hi", and push("ual") then gives "\nUsual".
    """

    def __init__(self, stop: tuple[str, ...]):
        self.stop, self.found, self._waiting = stop, False, ""

    def push(self, text: str) -> str:
        """Take new text; give what is certainly no part of a stop string. Sets `found` when one is complete."""
        text = self._waiting + text
        starts = [text.find(string) for string in self.stop if string in text]
        if starts:
            self.found, self._waiting = True, ""
            return text[: min(starts)]
        cut = len(text) - max((_overlap(text, string) for string in self.stop), default=0)
        self._waiting = text[cut:]
        return text[:cut]

    def flush(self) -> str:
        """Give what was still waiting: nothing follows, so it was no stop string."""
        text, self._waiting = self._waiting, ""
        return text


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
    decoder = TextDecoder(backbone.tokenizer, skip_special_tokens=skip_special_tokens)
    watch = StopStringWatch(settings.stop)
    chosen = _choose_tokens(backbone, input_ids, settings, max_new_tokens)
    for count, (token_id, details) in enumerate(chosen, start=1):
        finish_reason = "length" if count == max_new_tokens else None
        is_end = token_id in backbone.eos_token_ids
        finish_reason = "stop" if is_end else finish_reason
        text = "" if is_end and skip_special_tokens else watch.push(decoder.push(token_id))
        if watch.found:
            finish_reason = "stop_string"
        elif finish_reason:
            text += watch.push(decoder.flush()) + watch.flush()
        yield GenerationStep(token_id=token_id, text=text, finish_reason=finish_reason, **details)
        if finish_reason or (cancel and cancel.is_set()):
            break


def check_input_ids(input_ids: Sequence[int], backbone) -> list[int]:
    """Make a plain list of token ids, or refuse what is none: text, or a number outside the vocabulary."""
    vocab_size = getattr(backbone, "vocab_size", None) or len(backbone.tokenizer)
    try:
        plain_ids = [operator.index(token_id) for token_id in input_ids]
    except TypeError:
        raise TokenError(f"input_ids must be a list of whole numbers, not {input_ids!r:.60}: see encode.") from None
    for token_id in plain_ids:
        if not 0 <= token_id < vocab_size:
            raise TokenError(f"token_id={token_id} is not in this vocabulary: allowed is 0 to {vocab_size - 1}.")
    return plain_ids


def room_for_reply(backbone, prompt_length: int, settings: GenerationSettings) -> int:
    """How many tokens a reply to this prompt can have: what the settings allow, and the context has room for."""
    check_can_write(backbone.name, backbone.family)
    if prompt_length >= backbone.context_length:
        raise ContextError(
            f"The prompt has {prompt_length} tokens, but {backbone.name} takes {backbone.context_length}, "
            "its reply included: please make it shorter."
        )
    budget = settings.token_budget(prompt_length)
    if budget == 0:
        raise SettingsError(
            f"max_length={settings.max_length} counts the prompt, too, which already has {prompt_length} tokens: "
            "raise it, or set max_new_tokens instead."
        )
    return min(budget, backbone.context_length - prompt_length)


def new_seed() -> int:
    """A seed that nobody chose: for settings without one."""
    return random.SystemRandom().randrange(2**32)


def _choose_tokens(backbone, input_ids, settings, max_new_tokens):
    """Pairs of a token id and what is known about the choice, from whichever engine the backbone has."""
    seed = new_seed() if settings.seed is None else settings.seed
    if backbone.engine == "llama.cpp":
        for token_id, prob in backbone.draw_tokens(input_ids, settings, max_new_tokens=max_new_tokens, seed=seed):
            yield token_id, {"prob": prob}
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
        used_ids = input_ids + new_ids if settings.penalise_prompt else new_ids
        stages = process_logits(logits, used_ids, settings)
        token_id = draw(stages.probs, u)
        new_ids.append(token_id)
        own_probs = to_probs(logits)
        top = own_probs.topk(min(TOP_TOKENS, len(own_probs)))
        yield (
            token_id,
            {
                "prob": own_probs[token_id].item(),
                "top_tokens": tuple(zip(top.indices.tolist(), top.values.tolist(), strict=True)),
                "u": u,
                "stages": stages,
                "model_seconds": model_seconds,
            },
        )


def _overlap(text: str, string: str) -> int:
    """The length of the longest end of `text` with which `string` begins."""
    sizes = range(min(len(text), len(string) - 1), 0, -1)
    return next((size for size in sizes if text.endswith(string[:size])), 0)
