"""What a model costs and what a smaller one loses: megabytes, tokens a second, and how far its guesses have moved.

Guesses are compared by the KL divergence, in bits: how much more surprised one is, on average, who takes the guesses of
the smaller model for those of the reference. Speeds are measured where this runs, and differ from run to run.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .backbones import usable_cores
from .errors import EngineError, SettingsError
from .generation import stream
from .models import find_model
from .quantization import as_numbers, module_of
from .settings import GenerationSettings, check_count
from .tokens import check_text

TOP_N = 1000  # tokens whose probabilities llama.cpp is asked for; all 49,152 would take it half a second each time
MOST_PLACES = 1000  # the probabilities of so many places, all tokens each, are 200 MB


def kl_divergence(probs: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """How many bits more surprise `other` brings, on average, when the tokens really come by `probs`.

    0 where both are equal, never below. (0.5, 0.5) against (0.75, 0.25): half the time -0.585, half the time 1 bit, in
    the mean 0.21 bits. Infinite where `other` excludes what is possible.
    probs, other: shape (…, vocab_size), each row adds up to 1; gives shape (…). Raises SettingsError.
    Source: Kullback and Leibler 1951.
    """
    probs, other = (as_numbers(numbers, "Probabilities").double() for numbers in (probs, other))
    _check_probs(probs, other)
    terms = torch.where(probs > 0, probs * (probs.log2() - other.log2()), 0)
    return terms.sum(dim=-1).clamp(min=0)  # rounding can end a little below 0


def _check_probs(probs, other):
    if probs.shape != other.shape or not probs.dim():
        raise SettingsError(
            f"Probabilities of the shapes {tuple(probs.shape)} and {tuple(other.shape)} cannot be compared: "
            "give equally many of both."
        )
    for numbers in (probs, other):
        if (numbers < 0).any() or ((numbers.sum(dim=-1) - 1).abs() > 0.01).any():
            raise SettingsError("These are no probabilities: they must be 0 or more, and add up to 1.")


@dataclass(frozen=True)
class Distance:
    """How far the guesses of a model are from those of the reference, over all places of some texts.

    kl: the mean KL divergence in bits; same_favourite: the share of the places with the same most likely token.
    """

    kl: float
    same_favourite: float
    n_places: int


class Reference:
    """A model's guesses for the next token at every place of some texts, kept to compare other models with.

    probs: one tensor for each text, shape (n_tokens, vocab_size). Raises EngineError for a model without logits,
    SettingsError and MessageError for texts that cannot be used; all together may have 1,000 tokens.
    """

    def __init__(self, backbone: Any, texts: Sequence[str]):
        _check_engine(backbone)
        self.input_ids = _encoded(backbone, texts)
        self.probs = [_probs(backbone, input_ids) for input_ids in self.input_ids]

    def distance(self, backbone: Any) -> Distance:
        """How far this model's guesses are from the kept ones. It must have the same vocabulary."""
        is_llama_cpp = getattr(backbone, "engine", None) == "llama.cpp"
        measure = _against_llama_cpp if is_llama_cpp else _against_logits
        pairs = [
            pair
            for input_ids, probs in zip(self.input_ids, self.probs, strict=True)
            for pair in measure(backbone, input_ids, probs)
        ]
        kls, same = zip(*pairs, strict=True)
        return Distance(sum(kls) / len(kls), sum(same) / len(same), len(pairs))


def _encoded(backbone, texts):
    """The texts as token ids. Raises SettingsError, MessageError."""
    if not isinstance(texts, (list, tuple)) or not texts:
        raise SettingsError("To compare models, give a list of texts, none of them empty.")
    for text in texts:
        check_text(text, "A text to compare models with")
    input_ids = [backbone.tokenizer.encode(text) for text in texts]
    if not all(input_ids):
        raise SettingsError("To compare models, give a list of texts, none of them empty.")
    if sum(map(len, input_ids)) > MOST_PLACES:
        raise SettingsError(
            f"The texts have {sum(map(len, input_ids)):,} tokens: take shorter ones, of {MOST_PLACES:,} together."
        )
    return input_ids


def _check_engine(backbone):
    if getattr(backbone, "engine", None) != "transformers" or backbone.family != "decoder":
        raise EngineError(
            f"{getattr(backbone, 'name', backbone)} does not give its logits for every place of a text: load a "
            "decoder, such as 'smollm2', with engine='transformers'."
        )


def _probs(backbone, input_ids):
    """One pass gives the guesses at all places of a text: shape (n_tokens, vocab_size)."""
    _check_engine(backbone)
    with torch.inference_mode():
        logits = backbone.model(torch.tensor([input_ids], device=backbone.device), use_cache=False).logits[0]
    return logits.softmax(dim=-1).cpu()


def _against_logits(backbone, input_ids, probs):
    other = _probs(backbone, input_ids)
    if other.shape != probs.shape:
        raise EngineError(f"{backbone.name} has another vocabulary, so its guesses cannot be compared one by one.")
    same = probs.argmax(dim=-1) == other.argmax(dim=-1)
    return list(zip(kl_divergence(probs, other).tolist(), same.tolist(), strict=True))


def _against_llama_cpp(backbone, input_ids, probs):
    for place in range(len(input_ids)):
        known = backbone.next_token_probs(input_ids[: place + 1], TOP_N)
        token_ids, listed = list(known), list(known.values())
        mine, theirs = probs[place][token_ids].double(), torch.tensor(listed, dtype=torch.double)
        # All tokens that are not listed count as one; that can only make the divergence smaller.
        rest = [(1 - part.sum()).clamp(min=1e-9).view(1) for part in (mine, theirs)]
        kl = kl_divergence(torch.cat([mine, rest[0]]), torch.cat([theirs, rest[1]]))
        yield kl.item(), token_ids[0] == probs[place].argmax().item()


# --- size and speed


def megabytes(backbone: Any) -> float:
    """The size of a model's weights in millions of bytes: in memory, or of its file for llama.cpp.

    Raises EngineError for a model that is on a server.
    """
    if getattr(backbone, "engine", None) == "llama.cpp":
        return find_model(backbone.name).gguf.stat().st_size / 1e6
    model = module_of(backbone)
    tensors = [*model.parameters(), *model.buffers()]  # one that is used twice stands here once
    return sum(tensor.nbytes for tensor in tensors) / 1e6


def tokens_per_second(backbone: Any, *, n_tokens: int = 24) -> float:
    """How fast a model writes here and now, after its first token. Raises SettingsError."""
    check_count("n_tokens", n_tokens, least=2)
    settings = GenerationSettings(temperature=0, max_new_tokens=n_tokens)
    steps = stream(backbone, backbone.tokenizer.encode("Once upon a time"), settings)
    next(steps)  # it has to wait until the prompt is read
    start = time.perf_counter()
    n_written = sum(1 for _ in steps)
    return n_written / (time.perf_counter() - start)


def memory_speed(*, megabytes: int = 400) -> float:
    """How many gigabytes a second this machine reads from its memory: a short trial, with one thread and with all.

    No model writes one reply faster than this, divided by its size: each token needs every weight once. (Unless the
    processor's own small memory holds it all; or the model leaves most of its weights out, as mixtures of experts do.)
    Raises SettingsError.
    """
    check_count("megabytes", megabytes, least=1)
    numbers = torch.ones(megabytes * 250_000)  # 4 bytes each
    before, seconds = torch.get_num_threads(), []
    try:
        for threads in (1, 1, 1, usable_cores(), usable_cores(), usable_cores()):
            torch.set_num_threads(threads)
            start = time.perf_counter()
            numbers.sum()
            seconds.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
    return megabytes / 1000 / min(seconds)


# --- side by side


@dataclass(frozen=True)
class ModelCost:
    """One row of a comparison; see `Distance`, `megabytes` and `tokens_per_second`."""

    name: str
    megabytes: float
    tokens_per_second: float
    kl: float
    same_favourite: float


@dataclass(frozen=True, repr=False)
class Comparison:
    """Models side by side, one row each; it shows itself as a table."""

    rows: tuple[ModelCost, ...]

    def __getitem__(self, name: str) -> ModelCost:
        rows = {row.name: row for row in self.rows}
        if name not in rows:
            raise SettingsError(f"The table has no row {name!r:.60}. Its rows are: {'; '.join(rows)}.")
        return rows[name]

    def __repr__(self) -> str:
        width = max(len(row.name) for row in self.rows)
        lines = [f"{'':{width}}  megabytes  tokens/s  KL in bits  same favourite"]
        lines += [
            f"{row.name:{width}}  {row.megabytes:9.0f}  {row.tokens_per_second:8.0f}  {row.kl:10.4f}  "
            f"{row.same_favourite:14.0%}"
            for row in self.rows
        ]
        return "\n".join(lines)


def compare(reference: Reference, models: Mapping[str, Any], *, n_tokens: int = 24) -> Comparison:
    """Measure each model: its size, its speed here and now, and how far its guesses are from the reference.

    models: name → backbone. Raises SettingsError, EngineError.
    """
    if not isinstance(reference, Reference) or not isinstance(models, Mapping) or not models:
        raise SettingsError('To compare models, give a Reference and the models by name: {"float32": backbone}.')
    rows = []
    for name, backbone in models.items():
        distance, speed = reference.distance(backbone), tokens_per_second(backbone, n_tokens=n_tokens)
        rows.append(ModelCost(name, megabytes(backbone), speed, distance.kl, distance.same_favourite))
    return Comparison(tuple(rows))
