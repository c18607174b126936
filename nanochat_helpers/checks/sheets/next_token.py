"""Sheet 03: what a model's scores say. Surprise, entropy, softmax, perplexity and the best tokens, on toy numbers."""

import math
import random
from statistics import fmean

import torch

from ... import sampling
from ..exercise import Case, Exercise, Misconception

INF = float("inf")


def _possible(probs: torch.Tensor) -> torch.Tensor:
    return probs[probs > 0]


# --- 03.1 surprise


def _natural(prob):
    return -math.log(prob) if prob else INF


def _negative(prob):
    return math.log2(prob) if prob else INF


def _one_in(prob):
    return 1 / prob if prob else INF


def _the_rest(prob):
    return 1 - prob if prob else INF


def _whole_halvings(prob):
    if prob == 0:
        return INF
    halvings = 0
    while prob < 1:
        prob, halvings = prob * 2, halvings + 1
    return halvings


def _probability(rng: random.Random) -> float:
    """From 0.001 to 1, as likely between 0.001 and 0.01 as between 0.1 and 1."""
    return round(10 ** -rng.uniform(0, 3), 4)


SURPRISE = Exercise(
    id="03.1",
    title="Surprise",
    points=1,
    signature="surprise(prob)",
    reference=sampling.surprise,
    edge_cases=(
        Case((0.125,), "1 must be halved three times to get 0.125"),
        Case((0.5,), "a coin"),
        Case((1.0,), "it was certain"),
        Case((0.3,), "between one and two halvings"),
        Case((0.0,), "it was impossible"),
    ),
    random_case=lambda rng: (_probability(rng),),
    misconceptions=(
        Misconception(
            "used the natural logarithm",
            _natural,
            "0.5 should cost 1 bit, and yours says 0.69. `math.log` counts with e; to which base are bits counted?",
        ),
        Misconception(
            "forgot the minus sign",
            _negative,
            "The right number, but below 0. Nothing surprises *less* than not at all: what is missing?",
        ),
        Misconception(
            "said how rare it is, not how many bits that are",
            _one_in,
            "Yours is 8 for 0.125: once in 8 times, that is right. But how often must 1 be halved to get there?",
        ),
        Misconception(
            "took the rest to 1",
            _the_rest,
            "1 − p never gets above 1. But ten coins in a row should surprise ten times as much as one coin.",
        ),
        Misconception(
            "counted only whole halvings",
            _whole_halvings,
            "0.125 comes out right, but what about 0.3? It lies between one halving and two. A logarithm knows the "
            "numbers in between, too.",
        ),
    ),
    hints=(
        "0.5 → 1, 0.25 → 2, 0.125 → 3. And `math.log2` of these three gives −1, −2, −3.",
        "A logarithm to base 2, and a minus in front of it.",
    ),
)

# --- 03.2 entropy


def _not_a_number(probs):
    return -(probs * probs.log2()).sum().item()


def _nats(probs):
    return -(_possible(probs) * _possible(probs).log()).sum().item()


def _negative_entropy(probs):
    return (_possible(probs) * _possible(probs).log2()).sum().item()


def _logarithm_of_0(probs):
    return -sum(prob * math.log2(prob) for prob in probs.tolist())


def _plain_sum(probs):
    return -_possible(probs).log2().sum().item()


def _mean_of_weighted(probs):
    return -(_possible(probs) * _possible(probs).log2()).mean().item()


def _probs_case(rng):
    weights = [rng.choice((0, rng.random(), rng.random() ** 3)) for _ in range(rng.randint(1, 8))] + [rng.random()]
    rng.shuffle(weights)
    return (torch.tensor(weights) / sum(weights),)


ENTROPY = Exercise(
    id="03.2",
    title="Entropy",
    points=2,
    signature="entropy(probs)",
    reference=sampling.entropy,
    edge_cases=(
        Case((torch.tensor([0.5, 0.25, 0.25]),)),
        Case((torch.tensor([0.25, 0.25, 0.25, 0.25]),), "four equally likely tokens"),
        Case((torch.tensor([0.5, 0.0, 0.5]),), "one token has the probability 0"),
        Case((torch.tensor([1.0]),), "there is only one token"),
        Case((torch.tensor([0.0, 1.0, 0.0]),), "one token is certain"),
    ),
    random_case=_probs_case,
    misconceptions=(
        Misconception(
            "calculated 0 times infinity",
            _not_a_number,
            "With a probability of 0 yours is `nan`: log2(0) is −infinity, and 0 times infinity is no number. A token "
            "that never comes adds nothing: how can you leave it out?",
        ),
        Misconception(
            "used the natural logarithm",
            _nats,
            "Two equally likely tokens have 1 bit, and yours says 0.69. `.log()` counts with e; to which base are bits "
            "counted?",
        ),
        Misconception(
            "forgot the minus sign",
            _negative_entropy,
            "The right number, but below 0. The logarithm of a probability is never above 0: what turns it round?",
        ),
        Misconception(
            "asked for the logarithm of 0",
            _logarithm_of_0,
            "`math.log2(0)` stops with an error: however often 1 is halved, it never becomes 0. What does the text "
            "above say about a token with the probability 0?",
        ),
        Misconception(
            "added up the surprises as they are",
            _plain_sum,
            "Four tokens of 0.25 have 2 bits each, and you get 8. How often does each of them really come?",
        ),
        Misconception(
            "took a mean at the end",
            _mean_of_weighted,
            "Each surprise is already multiplied by its probability, and these add up to 1. What is left to divide by?",
        ),
    ),
    hints=(
        "By hand for 0.5, 0.25, 0.25: the surprises are 1, 2 and 2 bits. Half of the time it is 1 bit, and so on.",
        "For each token: probability times surprise. Add them up, but only for probabilities above 0.",
        "`probs[probs > 0]` is a tensor without the zeros, `.log2()` works on all numbers at once, "
        "and `.item()` takes the number out of a tensor.",
    ),
)

# --- 03.3 softmax


def _too_large(logits):
    powers = logits.exp()
    return powers / powers.sum()


def _too_large_for_math(logits):
    powers = [math.exp(logit) for logit in logits.tolist()]
    return torch.tensor([power / sum(powers) for power in powers])


def _not_divided(logits):
    return (logits - logits.max()).exp()


def _shifted_above_only(logits):
    return (logits - logits.max()).exp() / logits.exp().sum()


def _base_2(logits):
    powers = 2 ** (logits - logits.max())
    return powers / powers.sum()


def _largest_divided(logits):
    powers = (logits / logits.max()).exp()
    return powers / powers.sum()


def _softmax_case(rng):
    shift = rng.choice((0, 0, 1000, -1000))
    logits = [rng.gauss(shift, 3) for _ in range(rng.randint(2, 8))]
    places = rng.sample(range(len(logits)), 2)  # one of the two always stays
    if rng.random() < 0.4:
        logits[places[0]] = -INF
    if rng.random() < 0.3:
        logits[places[1]] += 500
    return (torch.tensor(logits),)


SOFTMAX = Exercise(
    id="03.3",
    title="Softmax for large logits",
    points=3,
    signature="softmax(logits)",
    reference=sampling.to_probs,
    edge_cases=(
        Case((torch.tensor([2.0, 1.0, 0.0]),)),
        Case((torch.tensor([0.0, 0.0, 0.0, 0.0]),), "all logits are equal"),
        Case((torch.tensor([-INF, 3.0, 3.0]),), "one token was removed: its logit is -inf"),
        Case((torch.tensor([1000.0, 999.0]),), "very large logits"),
        Case((torch.tensor([-1000.0, -1001.0]),), "very small logits"),
        Case((torch.tensor([-1000.0, 1.0, 1000.0]),), "very small and very large logits together"),
    ),
    random_case=_softmax_case,
    misconceptions=(
        Misconception(
            "raised e to too large a number",
            _too_large,
            "e¹⁰⁰⁰ is too large for a computer: it becomes infinity. And e⁻¹⁰⁰⁰ becomes 0, so you divide by 0. Only "
            "*differences* of logits count: what may you do to all of them before you begin?",
        ),
        Misconception(
            "raised e to too large a number, one by one",
            _too_large_for_math,
            "That is the way of lesson 03, and fine for small logits. But e¹⁰⁰⁰ is too large for a computer, and "
            "e⁻¹⁰⁰⁰ becomes 0. Only *differences* of logits count: what may you do to all of them before you begin?",
        ),
        Misconception(
            "forgot to divide by the sum",
            _not_divided,
            "The most likely token has 1 in yours, and the others come on top. What must all of them together be?",
        ),
        Misconception(
            "divided by the sum of other powers",
            _shifted_above_only,
            "You take something away from the logits, but then divide by the sum of the *old* powers. Do yours add up "
            "to 1? Which powers belong into the sum?",
        ),
        Misconception(
            "raised 2 in place of e",
            _base_2,
            "One point of difference makes a token twice as likely in yours. It should be 2.7 times. (The 2 belongs to "
            "bits.)",
        ),
        Misconception(
            "divided by the largest logit",
            _largest_divided,
            "The numbers do get small, but the *differences* between the logits change, too, and only they count. Is "
            "there something else you can do with the largest logit?",
        ),
    ),
    hints=(
        "`logits.exp()` raises e to the power of each logit, and `.sum()` adds up. Try it on 2, 1, 0 first.",
        "Lesson 03 added 100 to all logits, and nothing changed. So you may also take something away from all of them.",
        "Shift the logits so that the largest becomes 0. Then no power is larger than 1.",
    ),
)

# --- 03.4 perplexity


def _unless_empty(function):
    """The function as it is in the sheet, where the lines for an empty list are given."""

    def with_given_lines(probs):
        if not probs:
            raise ValueError("there is no token")
        return function(probs)

    return with_given_lines


def _bits(probs):
    return [-math.log2(prob) for prob in probs]


def _mean_prob(probs):
    return 1 / fmean(probs)


def _mean_bits(probs):
    return fmean(_bits(probs))


def _sum_of_bits(probs):
    return 2 ** sum(_bits(probs))


def _two_logarithms(probs):
    return 2 ** fmean(-math.log(prob) for prob in probs)


def _below_one(probs):
    return 2 ** -fmean(_bits(probs))


def _product(probs):
    return math.prod(probs) ** (-1 / len(probs))


def _text_case(rng):
    """The probabilities of a short text, or those of a long one."""
    probs = [_probability(rng) for _ in range(rng.randint(2, 9))]
    return (probs * rng.choice((1, 150)),)


PERPLEXITY = Exercise(
    id="03.4",
    title="Perplexity",
    points=3,
    signature="perplexity(probs)",
    reference=_unless_empty(sampling.perplexity),
    edge_cases=(
        Case(([0.5, 0.125],), "1 bit and 3 bits: 2 bits on average"),
        Case(([0.25],), "a single token"),
        Case(([1.0, 1.0, 1.0],), "no token was a surprise"),
        Case(([],), "no token at all"),
        Case(([0.5, 0.5, 0.125],), "two tokens have the same probability: both count"),
        Case(
            ([0.5, 0.01] * 300,),
            "a long text of 600 tokens: a product of so many numbers is no number that a computer can hold",
        ),
    ),
    random_case=_text_case,
    misconceptions=(
        Misconception(
            "took the mean of the probabilities",
            _unless_empty(_mean_prob),
            "You take the mean of the *probabilities*, and one that is nearly 0 hardly changes it. Take the mean of "
            "the *surprises*: there it counts a lot.",
        ),
        Misconception(
            "stopped at the mean surprise",
            _unless_empty(_mean_bits),
            "That is the mean surprise, in bits. One step is missing: the halving must be undone. How many tokens are "
            "2 bits?",
        ),
        Misconception(
            "took the sum in place of the mean",
            _unless_empty(_sum_of_bits),
            "Yours grows with each further token. A long text is not stranger than a short one: by what should you "
            "divide the sum of the surprises?",
        ),
        Misconception(
            "mixed two logarithms",
            _unless_empty(_two_logarithms),
            "You take the logarithm with e (`math.log`), but undo it with 2. Both must have the same base.",
        ),
        Misconception(
            "forgot the minus sign",
            _unless_empty(_below_one),
            "Yours is below 1, and nobody can choose among less than one token. Is the mean surprise above 0?",
        ),
        Misconception(
            "multiplied all the probabilities",
            _unless_empty(_product),
            "Right on paper! But the product of 600 probabilities is so small that the computer takes it for 0. Which "
            "numbers can be *added* instead?",
        ),
    ),
    hints=(
        "Three steps: the surprise of each token, their mean, and 2 to the power of that.",
        "For 0.5 and 0.125 the surprises are 1 and 3 bits. Their mean is 2 bits, and 2 bits are four tokens.",
        "In Python, 2² is `2**2`, and the mean is `sum(...) / len(...)`. A power is taken before a division: where do "
        "you need brackets?",
    ),
)

# --- 03.5 the best tokens


def _best_tokens(logits, n):
    probs = sampling.to_probs(logits).tolist()
    ranked = sorted(range(len(probs)), key=lambda token_id: -probs[token_id])
    return [(token_id, probs[token_id]) for token_id in ranked[:n]]


def _only_among_them(logits, n):
    token_ids = [token_id for token_id, _ in _best_tokens(logits, n)]
    return list(zip(token_ids, sampling.to_probs(logits[token_ids]).tolist(), strict=True))


def _first_place_of_each(logits, n):
    probs = sampling.to_probs(logits).tolist()
    return [(probs.index(prob), prob) for prob in sorted(probs, reverse=True)[:n]]


def _with_places(logits, n):
    return [(place, prob) for place, (_, prob) in enumerate(_best_tokens(logits, n))]


def _swapped(logits, n):
    return [(prob, token_id) for token_id, prob in _best_tokens(logits, n)]


def _least_likely(logits, n):
    return sorted(_best_tokens(logits, len(logits)), key=lambda pair: pair[1])[:n]


def _larger_id_first(logits, n):
    pairs = sorted(((prob, token_id) for token_id, prob in _best_tokens(logits, len(logits))), reverse=True)
    return [(token_id, prob) for prob, token_id in pairs[:n]]


def _best_case(rng):
    return torch.tensor([float(rng.randint(-4, 4)) for _ in range(rng.randint(3, 9))]), rng.randint(1, 7)


BEST_TOKENS = Exercise(
    id="03.5",
    title="The best tokens",
    points=4,
    signature="best_tokens(logits, n)",
    reference=_best_tokens,
    edge_cases=(
        Case((torch.tensor([0.1, 0.5, 0.4]).log(), 2), "the probabilities are 0.1, 0.5 and 0.4"),
        Case((torch.tensor([0.1, 0.5, 0.4]).log(), 1)),
        Case((torch.tensor([1.0, 3.0, 1.0, 3.0]), 3), "two pairs of tokens tie: of each, the smaller id comes first"),
        Case((torch.tensor([1.0, 2.0]), 5), "there are fewer than n tokens"),
        Case((torch.tensor([2.0, -INF, 1.0]), 3), "one token has the probability 0"),
    ),
    random_case=_best_case,
    misconceptions=(
        Misconception(
            "shared 100 % among the best tokens only",
            _only_among_them,
            "The best n alone add up to 1 in yours, and for n = 1 the token gets 100 %. The others exist, too: when "
            "should softmax be used, before or after choosing?",
        ),
        Misconception(
            "found the same token twice",
            _first_place_of_each,
            "Where tokens tie, the same id comes twice in yours: `index` finds only the first place. Could you sort "
            "the ids, so that none has to be looked for?",
        ),
        Misconception(
            "gave the rank in place of the token id",
            _with_places,
            "The first numbers of your pairs are 0, 1, 2, ...: that is the rank. Whose probability is it? Keep the id "
            "with it when you sort.",
        ),
        Misconception(
            "swapped the two numbers of a pair",
            _swapped,
            "All is there, but each pair is the wrong way round: what comes first, the token id or the probability?",
        ),
        Misconception(
            "began with the least likely token",
            _least_likely,
            "Sorting begins with the smallest number unless it is told otherwise. Which end do you need?",
        ),
        Misconception(
            "put the larger id first where tokens tie",
            _larger_id_first,
            "Look at the tokens with the same logit: the smaller id should come first. Sorting backwards turns the ids "
            "round, too. Could you sort by something else, such as *minus* the probability?",
        ),
    ),
    hints=(
        "Begin with `probs = logits.softmax(dim=-1).tolist()`: the place of a probability in it is its token id.",
        "`sorted(..., key=...)` leaves what ties in its old order. So does a tensor's "
        "`sort(descending=True, stable=True)`, but `topk` promises nothing.",
        "Sort the *ids* by their probability, keep the first n with `[:n]`, and make the pairs at the very end. Or n "
        "times: take the largest that is left. `probs.index(max(probs))` is its id; what must happen to it then?",
    ),
)

EXERCISES = (SURPRISE, ENTROPY, SOFTMAX, PERPLEXITY, BEST_TOKENS)
