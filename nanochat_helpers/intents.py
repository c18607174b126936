"""What does somebody want? A message gets the label of the example whose meaning is nearest to its own.

In: a message, and a few examples of each intent. Out: the intent. The meanings are vectors, from an encoder such as
MiniLM; nothing is trained. With hundreds of examples a trained classifier would be better; this module trains none.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .errors import MessageError, SettingsError
from .prompts import check_message

THRESHOLD = 0.35  # measured with MiniLM and six intents: of twelve messages that had none, the nearest came to 0.26


@dataclass(frozen=True)
class Intent:
    """What a message was taken for.

    label: the intent, or None where no example is near enough. example: the nearest one.
    score: how near, the cosine similarity of the two: 1 is the same meaning, 0 none in common.
    """

    label: str | None
    example: str
    score: float


class NearestExample:
    """Tells the intent of a message by its nearest example (a nearest-neighbour classifier with one neighbour).

    embed: gives each text of a list a vector of length 1, as `load_model("minilm").embed` does.
    examples: for each intent some messages, such as {"greeting": ["hi", "good morning"], "goodbye": ["see you"]}.
    threshold: a message less near than that to every example has no intent; 1 asks for the very words of an example.

    >>> what = NearestExample(minilm.embed, {"greeting": ["hi", "hello"], "goodbye": ["see you later"]})
    >>> what("good morning").label
    'greeting'
    """

    def __init__(
        self,
        embed: Callable[[Sequence[str]], Any],
        examples: Mapping[str, Sequence[str]],
        *,
        threshold: float = THRESHOLD,
    ):
        self.threshold = _checked_threshold(threshold)
        self.examples = [(label, text) for label, texts in _checked(examples).items() for text in texts]
        if not callable(embed):
            raise SettingsError(f"embed must be a function such as load_model('minilm').embed, not {embed!r:.60}.")
        self._embed = embed
        self._vectors = embed([text for _, text in self.examples])  # (examples, vector)

    def __call__(self, text: str) -> Intent:
        """Tell the intent of a message; of equally near examples, the first decides. Raises MessageError."""
        check_message(text)
        if not text.strip():
            raise MessageError("The message is empty: please type something.")
        scores = (self._vectors @ self._embed([text])[0]).tolist()
        score = max(scores)
        label, example = self.examples[scores.index(score)]
        return Intent(label if score >= self.threshold else None, example, score)


def _checked(examples):
    """Refuse what holds no examples. Raises SettingsError, which names the intent."""
    if not isinstance(examples, Mapping) or not examples:
        raise SettingsError(f'examples must be like {{"greeting": ["hi", "hello"]}}, not {examples!r:.60}.')
    for label, texts in examples.items():
        if isinstance(texts, str) or not isinstance(texts, Sequence) or not texts:
            raise SettingsError(f"The intent {label!r} needs a list of examples, not {texts!r:.60}.")
        for text in texts:
            check_message(text, f"An example of the intent {label!r}")
    return examples


def _checked_threshold(threshold):
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not -1 <= threshold <= 1:
        raise SettingsError(f"threshold={threshold!r} is not allowed: it must be a number from -1 to 1.")
    return threshold
