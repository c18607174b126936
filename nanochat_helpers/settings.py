"""The knobs of step 5, checked: how many tokens to write and how each one is chosen.

In: keyword arguments. Out: a frozen GenerationSettings. It chooses nothing itself; `sampling` and `generation` do.
"""

from dataclasses import dataclass, fields, replace

from .errors import SettingsError

DEFAULT_MAX_NEW_TOKENS = 256


@dataclass(frozen=True, kw_only=True)
class GenerationSettings:
    """How a reply is written, token by token.

    max_new_tokens: how many tokens the reply may have. None: see `max_length`.
    max_length: the same limit, but counted with the prompt. `max_new_tokens` wins when both are set;
        with neither, a reply has at most 256 tokens. (Hugging Face `generate` would stop after 20.)
    do_sample: False always takes the most likely token, whatever the other knobs say.
    temperature: divides the logits; 0 means "always the most likely token", as do_sample=False does.
    top_k: keep only the k most likely tokens; 0 = off. (`generate` uses 50 unless told otherwise.)
    top_p: keep the smallest set of tokens whose probabilities reach p; 1.0 = off.
    min_p: keep tokens at least this fraction as likely as the most likely one; 0.0 = off.
    repetition_penalty: weakens tokens that were already used; 1.0 = off.
    penalise_prompt: count the prompt's tokens as used, too (as `generate` does).
    seed: fixes the luck; None takes a new one for each reply.
    stop: texts at which the reply ends; they are not part of the reply.

    Raises SettingsError, naming the knob, its value and what is allowed.
    """

    max_new_tokens: int | None = None
    max_length: int | None = None
    do_sample: bool = True
    temperature: float = 0.7
    top_k: int = 0
    top_p: float = 0.9
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    penalise_prompt: bool = True
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def __new__(cls, **settings):
        """Refuse a misspelt name with the nearest known one; Python's own error would only say that it is unknown."""
        check_names(settings)
        return super().__new__(cls)

    def __post_init__(self):
        for name, value in list(vars(self).items()):
            if getattr(value, "ndim", None) == 0:  # a single number of numpy's or torch's becomes one of Python's
                object.__setattr__(self, name, value.item())
        check_count("max_new_tokens", self.max_new_tokens, least=1, none_allowed=True)
        check_count("max_length", self.max_length, least=1, none_allowed=True)
        check_count("top_k", self.top_k, least=0)
        check_count("seed", self.seed, least=0, none_allowed=True)
        # A temperature nearer to 0 than this would turn logits into infinities.
        least = 1e-5 if isinstance(self.temperature, (int, float)) and self.temperature != 0 else 0
        _check_number("temperature", self.temperature, least, 100, "from 0.00001 to 100, or 0 for greedy")
        _check_number("top_p", self.top_p, 0, 1, "between 0 and 1 (1 = off)")
        _check_number("min_p", self.min_p, 0, 1, "between 0 and 1 (0 = off)")
        _check_number("repetition_penalty", self.repetition_penalty, 0.01, 100, "from 0.01 to 100 (1 = off)")
        _check_flag("do_sample", self.do_sample)
        _check_flag("penalise_prompt", self.penalise_prompt)
        object.__setattr__(self, "stop", as_stop_strings(self.stop))

    @property
    def greedy(self) -> bool:
        """Is the most likely token always taken?"""
        return not self.do_sample or self.temperature == 0

    def change(self, **changes) -> "GenerationSettings":
        """A copy with some knobs changed."""
        return replace(self, **changes)

    def as_code(self) -> str:
        """The line of Python that makes these settings; what has its default value is left out."""
        changed = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in fields(self)
            if getattr(self, field.name) != field.default
        ]
        return f"GenerationSettings({', '.join(changed)})"

    def token_budget(self, prompt_length: int) -> int:
        """How many new tokens may follow a prompt of this many tokens; 0 when max_length is used up."""
        if self.max_new_tokens is not None:
            return self.max_new_tokens
        if self.max_length is not None:
            return max(0, self.max_length - prompt_length)
        return DEFAULT_MAX_NEW_TOKENS


def check_names(settings: dict) -> None:
    """Refuse names that are no setting, offering the nearest one. Raises SettingsError."""
    import difflib

    known = [field.name for field in fields(GenerationSettings)]
    for name in settings:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"the settings are {', '.join(known)}."
            raise SettingsError(f"There is no setting called {name!r}: {hint}")


def check_count(name: str, value: object, *, least: int, none_allowed: bool = False) -> None:
    """Refuse what is no whole number of `least` or more. Raises SettingsError, which names the knob."""
    if value is None and none_allowed:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        allowed = f"a whole number of {least} or more" + (", or None" if none_allowed else "")
        raise SettingsError(f"{name}={value!r} is not allowed: it must be {allowed}.")


def _check_number(name, value, low, high, allowed):
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:  # NaN is in no range
        raise SettingsError(f"{name}={value!r} is not allowed: it must be a number {allowed}.")


def _check_flag(name, value):
    if not isinstance(value, bool):
        raise SettingsError(f"{name}={value!r} is not allowed: it must be True or False.")


def as_stop_strings(stop: object) -> tuple[str, ...]:
    """Stop strings as a tuple, from one text or a list of texts. Raises SettingsError when one is empty or no text."""
    strings = (stop,) if isinstance(stop, str) else stop
    if not isinstance(strings, (list, tuple)) or not all(isinstance(text, str) and text for text in strings):
        raise SettingsError(
            f"stop={stop!r} is not allowed: it must be one text or a list of texts, none of them empty."
        )
    return tuple(strings)


# Four characters for one model, from "always the same" to "nearly anything".
PRESETS = {
    "greedy": GenerationSettings(temperature=0.0, top_p=1.0),
    "careful": GenerationSettings(temperature=0.3, top_p=0.8),
    "balanced": GenerationSettings(),
    "wild": GenerationSettings(temperature=1.5, top_p=1.0),
}
