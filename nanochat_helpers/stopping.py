"""Step 5, when to stop: an end token, a stop string, or the length limit, whichever comes first.

In: the tokens of a reply, one after another. Out: its text, and the reason why it ended. Tokens are chosen elsewhere:
see `generation`.
"""

from collections.abc import Sequence

from .backbones import check_can_write
from .errors import ContextError, SettingsError
from .settings import GenerationSettings, as_stop_strings
from .tokens import TextDecoder


def room_for_reply(backbone, prompt_length: int, settings: GenerationSettings) -> int:
    """How many tokens a reply to this prompt can have: what the settings allow, and the context has room for.

    An encoder-decoder writes into a text of its own, where the prompt takes no room: its reply may be as long as the
    context, and max_length counts, as in transformers, only the start token before it.
    """
    check_can_write(backbone.name, backbone.family)
    if not isinstance(settings, GenerationSettings):
        raise SettingsError(f"settings must be GenerationSettings(...), not {settings!r:.60}.")
    apart = backbone.family == "encoder-decoder"
    room = backbone.context_length - (0 if apart else prompt_length)
    if room < 1 or prompt_length > backbone.context_length:
        raise ContextError(
            f"The prompt has {prompt_length} tokens, but {backbone.name} takes {backbone.context_length}"
            f"{'' if apart else ', its reply included'}: please make it shorter."
        )
    budget = settings.token_budget(1 if apart else prompt_length)
    if budget == 0:
        counted = "the start token" if apart else f"the prompt, too, which already has {prompt_length} tokens"
        raise SettingsError(
            f"max_length={settings.max_length} counts {counted}: raise it, or set max_new_tokens instead."
        )
    return min(budget, room)


class StopStringWatch:
    r"""Lets text through until a stop string appears, also one that is spread over several tokens.

    Text that could be the start of a stop string waits until the next text decides. With the stop string "\nUser:",
    push("Hi\nUs") gives "Hi", and push("ual") then gives "\nUsual".

    stop: one text or several, none of them empty, as in GenerationSettings. Raises SettingsError.
    """

    def __init__(self, stop: str | Sequence[str]):
        self.stop, self.found, self._waiting = as_stop_strings(stop), False, ""

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


class GrowingText:
    """A reply while it is written: it takes token ids, and knows its text and whether it has ended.

    finish_reason: None while it goes on; "stop" (an end token), "stop_string" or "length" from then on.
    """

    def __init__(
        self, backbone, settings: GenerationSettings, max_new_tokens: int, *, skip_special_tokens: bool = True
    ):
        self.text, self.token_ids, self.finish_reason = "", [], None
        self.max_new_tokens, self._eos_token_ids = max_new_tokens, backbone.eos_token_ids
        self._skip_special_tokens = skip_special_tokens
        self._decoder = TextDecoder(backbone.tokenizer, skip_special_tokens=skip_special_tokens)
        self._watch = StopStringWatch(settings.stop)

    def push(self, token_id: int) -> str:
        """Take the next token; give the text that became certain with it."""
        self.token_ids.append(token_id)
        is_end = token_id in self._eos_token_ids
        if is_end:
            self.finish_reason = "stop"
        elif len(self.token_ids) == self.max_new_tokens:
            self.finish_reason = "length"
        text = "" if is_end and self._skip_special_tokens else self._watch.push(self._decoder.push(token_id))
        if self._watch.found:
            self.finish_reason = "stop_string"
        elif self.finish_reason:
            text += self._watch.push(self._decoder.flush()) + self._watch.flush()
        self.text += text
        return text


def _overlap(text: str, string: str) -> int:
    """The length of the longest end of `text` with which `string` begins."""
    sizes = range(min(len(text), len(string) - 1), 0, -1)
    return next((size for size in sizes if text.endswith(string[:size])), 0)
