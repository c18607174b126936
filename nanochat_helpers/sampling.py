"""Step 5, generation control: from logits to one token.

Logits go through up to five changes, are turned into probabilities, and a number `u` picks one token. Every function is
pure: a 1-D tensor of shape (vocab_size,) goes in, a new one comes out, the input stays as it was. Removed tokens have a
logit of -inf. The results equal those of Hugging Face transformers (`transformers/generation/logits_process.py`).
What GenerationSettings refuses is refused here, too. The model is not here: see `backbones`.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from .errors import SettingsError
from .settings import GenerationSettings, check_count
from .tokens import check_token_ids


def apply_repetition_penalty(logits: torch.Tensor, input_ids: list[int], penalty: float) -> torch.Tensor:
    """Weaken every token that was already used: positive logits are divided by the penalty, negative multiplied.

    Both push a token down when the penalty is above 1: 4.0 ÷ 2 = 2.0, and -4.0 × 2 = -8.0.
    A token counts once, however often it was used. 1.0 = off. Source: Keskar et al. 2019, CTRL.
    """
    GenerationSettings(repetition_penalty=penalty)  # here and below: refuses what is not allowed
    used = torch.tensor(sorted(set(check_token_ids(input_ids, len(logits)))), dtype=torch.long)
    new_logits = logits.clone()
    values = logits[used]
    new_logits[used] = torch.where(values < 0, values * penalty, values / penalty)
    return new_logits


def apply_temperature(logits: torch.Tensor, temperature: float) -> torch.Tensor:
    """Divide every logit by the temperature: below 1 the favourites gain, above 1 the outsiders do.

    At 0 only the most likely token is left (the first one, if several tie): dividing by 0 is not possible, and this is
    where ever smaller temperatures lead.
    """
    GenerationSettings(temperature=temperature)
    if temperature == 0:
        return _keep(logits, logits.argmax().view(1))
    return logits / temperature


def apply_top_k(logits: torch.Tensor, top_k: int) -> torch.Tensor:
    """Keep the k tokens with the largest logits. 0 = off. Tokens that tie with rank k are kept too."""
    GenerationSettings(top_k=top_k)
    if top_k == 0 or top_k >= len(logits):
        return logits.clone()
    rank_k = logits.topk(top_k).values[-1]
    return logits.masked_fill(logits < rank_k, float("-inf"))


def apply_top_p(logits: torch.Tensor, top_p: float) -> torch.Tensor:
    """Keep the most likely tokens until their probabilities add up to p. 1.0 = off.

    The token that crosses p is kept, so at least one always is. With probabilities 0.5, 0.3, 0.2 and p = 0.6 the first
    two are kept. Of equally likely tokens the one with the larger id comes first (transformers leaves that open).
    Source: Holtzman et al. 2019, The Curious Case of Neural Text Degeneration.
    """
    GenerationSettings(top_p=top_p)
    if top_p >= 1:
        return logits.clone()
    probs = to_probs(logits)
    # Even all tokens below (1 - p) / vocab_size together have less than 1 - p. They can never be kept, so they need no
    # sorting, and sorting is what takes time here. (Half of that floor, to be safe from rounding.)
    candidates = (probs >= (1 - top_p) / len(logits) / 2).nonzero().flatten()
    ranked = candidates[_argsort(logits[candidates]).flip(0)]
    sum_before = probs[ranked].cumsum(dim=0) - probs[ranked]
    crossed = sum_before >= top_p
    crossed[0] = False
    return _keep(logits, ranked[~crossed])


def apply_min_p(logits: torch.Tensor, min_p: float) -> torch.Tensor:
    """Keep the tokens that are at least `min_p` times as likely as the most likely one. 0.0 = off.

    Source: Nguyen et al. 2024, Min-p Sampling.
    """
    GenerationSettings(min_p=min_p)
    probs = to_probs(logits)
    return logits.masked_fill(probs < min_p * probs.max(), float("-inf"))


def to_probs(logits: torch.Tensor) -> torch.Tensor:
    """Softmax: raise e to the power of each logit and divide by the sum, so that all probabilities add up to 1."""
    return torch.softmax(logits, dim=-1)


def draw(probs: torch.Tensor, u: float) -> int:
    """Pick the token at which the needle u points (0 <= u < 1), when all tokens share a bar of length 1.

    The tokens lie on the bar by descending probability (of equals, the smaller id first), each as long as it is likely.
    With probabilities 0.2, 0.5, 0.3 the bar reads: token 1 up to 0.5, token 2 up to 0.8, token 0 up to 1.0, so u = 0.6
    draws token 2. A token with probability 0 is never drawn.
    """
    return draw_many(probs, [u])[0]


def draw_many(probs: torch.Tensor, needles: Sequence[float]) -> list[int]:
    """Draw one token for each needle u from the same probabilities, as `draw` does."""
    ranked, ends = roulette(probs)
    return ranked[point_at(ends, needles)].tolist()


def point_at(ends: torch.Tensor, needles: Sequence[float]) -> torch.Tensor:
    """The part of a roulette bar that each needle u points at: its place in `ends`. Raises SettingsError."""
    for u in needles:
        if not 0 <= u < 1:
            raise SettingsError(f"u={u!r} is not allowed: it must be at least 0 and below 1.")
    pointed_at = torch.tensor(needles, dtype=torch.double) * ends[-1]
    return torch.searchsorted(ends, pointed_at, right=True).clamp(max=len(ends) - 1)


def roulette(probs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The bar that `draw` points at: the possible tokens by descending probability, and where each of them ends."""
    possible = probs.nonzero().flatten()
    ranked = possible[_argsort(-probs[possible])]
    return ranked, probs[ranked].double().cumsum(dim=0)


def luck(seed: int, n: int) -> list[float]:
    """The first n numbers u that belong to a seed: one for each token. The same seed always gives the same numbers."""
    check_count("seed", seed, least=0)
    check_count("n", n, least=0)
    numbers = random.Random(seed)
    return [numbers.random() for _ in range(n)]


def surprise(prob: float) -> float:
    """How surprising a token is, in bits: 0 for one that was certain, 1 for a coin toss (0.5), 10 for one in 1024.

    Raises SettingsError for what is no probability.
    """
    prob = prob.item() if hasattr(prob, "item") else prob  # a single number of torch's or numpy's
    if not isinstance(prob, (int, float)) or not 0 <= prob <= 1 + 1e-6:  # sums of float32 numbers may end above 1
        raise SettingsError(f"prob={prob!r} is not allowed: a probability is a number from 0 to 1.")
    return math.inf if prob == 0 else 0 - math.log2(min(prob, 1))  # "0 -" because -math.log2(1) would be -0.0


def entropy(probs: torch.Tensor) -> float:
    """How surprising the next token will be on average, in bits. Four tokens of 0.25 each: 2 bits.

    0 when one token is certain; log2(vocab_size) when all are equally likely. Source: Shannon 1948.
    """
    probs = torch.as_tensor(probs)
    possible = probs[probs > 0].double()
    return abs((possible * possible.log2()).sum().item())


def perplexity(probs: Sequence[float]) -> float:
    """Among how many equally likely tokens a text seems to have been chosen: 2 to the power of its mean surprise.

    probs: the probability that the model gave each token of the text. With 0.5 and 0.125 the mean surprise is 2 bits,
    so the perplexity is 4. Raises SettingsError when there is none.
    """
    if not probs:
        raise SettingsError("probs=[] is not allowed: a perplexity needs the probability of at least one token.")
    return 2 ** (sum(map(surprise, probs)) / len(probs))


@dataclass(frozen=True)
class Stages:
    """The logits after each change, in the order in which they were made, each of shape (vocab_size,).

    A change that is switched off passes its input on, so the same tensor may stand here twice.
    """

    logits: torch.Tensor
    after_repetition_penalty: torch.Tensor
    after_temperature: torch.Tensor
    after_top_k: torch.Tensor
    after_top_p: torch.Tensor
    after_min_p: torch.Tensor

    @property
    def probs(self) -> torch.Tensor:
        """The final probabilities: what the token is drawn from."""
        return to_probs(self.after_min_p)


def process_logits(logits: torch.Tensor, input_ids: list[int], settings: GenerationSettings) -> Stages:
    """Apply all changes that the settings ask for, in transformers' order, and keep every stage.

    input_ids: the tokens that count as used for the repetition penalty.
    """
    penalised = tempered = logits
    if settings.repetition_penalty != 1:
        penalised = tempered = apply_repetition_penalty(logits, input_ids, settings.repetition_penalty)
    if settings.greedy:
        tempered = apply_temperature(penalised, 0)
        return Stages(logits, penalised, tempered, tempered, tempered, tempered)
    if settings.temperature != 1:
        tempered = apply_temperature(penalised, settings.temperature)
    top_k = apply_top_k(tempered, settings.top_k) if settings.top_k else tempered
    top_p = apply_top_p(top_k, settings.top_p) if settings.top_p < 1 else top_k
    min_p = apply_min_p(top_p, settings.min_p) if settings.min_p else top_p
    return Stages(logits, penalised, tempered, top_k, top_p, min_p)


def _keep(logits: torch.Tensor, token_ids: torch.Tensor) -> torch.Tensor:
    """A copy in which only these tokens keep their logits; all others get -inf."""
    new_logits = torch.full_like(logits, float("-inf"))
    new_logits[token_ids] = logits[token_ids]
    return new_logits


def _argsort(values: torch.Tensor) -> torch.Tensor:
    """`values.argsort(stable=True)`, ten times faster for the float32 numbers of a whole vocabulary.

    The bits of a positive float, read as a whole number, have the float's order; those of a negative one the reverse.
    With its place appended, each number is another, so that the fastest sort, numpy's, which is not stable, will do.
    """
    if values.dtype != torch.float32:
        return values.argsort(stable=True)
    bits = (values + 0.0).view(torch.int32)  # + 0.0 makes -0.0, which equals 0.0, have the same bits
    in_order = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    keys = in_order << 32 | torch.arange(len(values))
    return torch.from_numpy(np.sort(keys.numpy())) & 0xFFFFFFFF
