"""Sheet 04: from logits to one token. Toy logits only; the references are `nanochat_helpers.sampling`."""

import random

import torch

from ... import sampling
from ..exercise import Case, Exercise, Misconception

INF = float("inf")
TOY = torch.tensor([4.0, 3.0, 2.0, 1.0, -1.0])


def _logits(rng: random.Random) -> torch.Tensor:
    """Three to twelve logits around 0, no two of them equal."""
    return torch.tensor([rng.gauss(0, 3) for _ in range(rng.randint(3, 12))])


def _whole_logits(rng: random.Random) -> torch.Tensor:
    """Whole numbers, so that some of them tie."""
    return torch.tensor([float(rng.randint(-1, 2)) for _ in range(rng.randint(5, 9))])


# --- 04.1 temperature


def _multiplied(logits, temperature):
    return logits * temperature if temperature else sampling.apply_temperature(logits, 0)


def _always_divided(logits, temperature):
    return logits / temperature


def _divided_probs(logits, temperature):
    return sampling.to_probs(logits) / temperature if temperature else sampling.apply_temperature(logits, 0)


def _gave_probs(logits, temperature):
    return sampling.to_probs(sampling.apply_temperature(logits, temperature))


def _all_that_tie(logits, temperature):
    return logits / temperature if temperature else logits.masked_fill(logits < logits.max(), -INF)


def _temperature_case(rng):
    if rng.random() < 0.4:
        return rng.choice([_logits, _whole_logits, _whole_logits])(rng), 0.0
    return _logits(rng), round(rng.uniform(0.1, 3.0), 2)


TEMPERATURE = Exercise(
    id="04.1",
    title="Temperature",
    points=2,
    signature="apply_temperature(logits, temperature)",
    reference=sampling.apply_temperature,
    edge_cases=(
        Case((torch.tensor([4.0, 3.0, 1.0]), 2.0)),
        Case((TOY, 0.5)),
        Case((TOY, 1.0), "temperature 1 changes nothing"),
        Case((TOY, 0.0), "temperature 0"),
        Case((torch.tensor([1.0, 3.0, 3.0]), 0.0), "temperature 0, and two tokens tie"),
    ),
    random_case=_temperature_case,
    misconceptions=(
        Misconception(
            "multiplied instead of divided",
            _multiplied,
            "Yours gets calmer when the temperature rises. A high temperature should bring the logits *closer* "
            "together: what does 4.0 become at temperature 2?",
        ),
        Misconception(
            "divided by zero",
            _always_divided,
            "Look at what comes out for temperature 0. There is no dividing by 0: which single token should be left?",
        ),
        Misconception(
            "divided the probabilities",
            _divided_probs,
            "Logits go in and logits come out; softmax comes later, after all changes.",
        ),
        Misconception(
            "returned probabilities",
            _gave_probs,
            "The answer adds up to 1, so you went one step too far: return the changed logits, not probabilities.",
        ),
        Misconception(
            "kept all tokens that tie",
            _all_that_tie,
            "At temperature 0, two tokens share the largest logit, and you keep both. Only the first one should be "
            "left: what does `logits.argmax()` give?",
        ),
    ),
    hints=(
        "Two cases: temperature 0, and all others. The second is a single division.",
        "For temperature 0: a tensor full of -inf (`torch.full_like`), and only the best token gets its logit back.",
    ),
)

# --- 04.2 top_k


def _strictly_larger(logits, top_k):
    if top_k == 0 or top_k >= len(logits):
        return logits.clone()
    return logits.masked_fill(logits <= logits.topk(top_k).values[-1], -INF)


def _zeros(logits, top_k):
    kept = sampling.apply_top_k(logits, top_k)
    return torch.where(kept == -INF, torch.zeros_like(kept), kept)


def _only_the_kept(logits, top_k):
    return logits.topk(top_k).values if 0 < top_k < len(logits) else logits.clone()


def _ties_lost(logits, top_k):
    if top_k == 0 or top_k >= len(logits):
        return logits.clone()
    new_logits = torch.full_like(logits, -INF)
    places = logits.topk(top_k).indices
    new_logits[places] = logits[places]
    return new_logits


def _one_rank_further(logits, top_k):
    if top_k == 0 or top_k >= len(logits):
        return logits.clone()
    return logits.masked_fill(logits < logits.sort(descending=True).values[top_k], -INF)


def _top_k_case(rng):
    if rng.random() < 0.5:
        return _whole_logits(rng), rng.randint(1, 4)
    return _logits(rng), rng.choice([0, rng.randint(1, 4), rng.randint(1, 12)])


TOP_K = Exercise(
    id="04.2",
    title="Top-k",
    points=2,
    signature="apply_top_k(logits, top_k)",
    reference=sampling.apply_top_k,
    edge_cases=(
        Case((torch.tensor([4.0, 3.0, 1.0]), 2)),
        Case((TOY, 1), "only the best token is left"),
        Case((TOY, 0), "top_k=0 means: off"),
        Case((TOY, 9), "top_k is larger than the vocabulary"),
        Case((torch.tensor([1.0, 3.0, 2.0, 2.0, 0.0]), 2), "two tokens tie at rank k: both stay"),
    ),
    random_case=_top_k_case,
    misconceptions=(
        Misconception(
            "removed the token at rank k",
            _strictly_larger,
            "One token too few is left. The token *at* rank k stays, too: is your comparison `<` or `<=`?",
        ),
        Misconception(
            "set removed tokens to 0",
            _zeros,
            "A logit of 0 is no removal: e to the power of 0 is 1, so that token is still drawn. Which logit gives "
            "the probability 0?",
        ),
        Misconception(
            "returned only the tokens that stay",
            _only_the_kept,
            "The answer is too short. Each place belongs to one token of the vocabulary: the length must not change.",
        ),
        Misconception(
            "lost a tie",
            _ties_lost,
            "Two tokens have the same logit at rank k, and you keep only one of them. Compare with the *value* at "
            "rank k in place of using places.",
        ),
        Misconception(
            "took the logit at rank k + 1",
            _one_rank_further,
            "You keep one token too many. Places are counted from 0: at which place of the sorted logits is rank k?",
        ),
    ),
    hints=(
        "`logits.topk(k).values` holds the k largest logits, the largest first. Which of them is the limit?",
        "`logits.masked_fill(condition, float('-inf'))` puts -inf where the condition is true, in a new tensor.",
    ),
)

# --- 04.3 top_p


def _ranked_and_sums(logits):
    probs = sampling.to_probs(logits)
    order = probs.sort(descending=True, stable=True).indices
    return order, probs[order].cumsum(dim=0), probs[order]


def _keep(logits, places):
    new_logits = torch.full_like(logits, -INF)
    new_logits[places] = logits[places]
    return new_logits


def _dropped_the_crossing_token(logits, top_p):
    if top_p >= 1:
        return logits.clone()
    order, sums, _ = _ranked_and_sums(logits)
    n_kept = max(int((sums <= top_p).sum()), 1)
    return _keep(logits, order[:n_kept])


def _may_keep_none(logits, top_p):
    if top_p >= 1:
        return logits.clone()
    order, sums, _ = _ranked_and_sums(logits)
    return _keep(logits, order[sums <= top_p])


def _threshold_on_each(logits, top_p):
    probs = sampling.to_probs(logits)
    return logits.masked_fill(probs < top_p, -INF) if top_p < 1 else logits.clone()


def _not_sorted(logits, top_p):
    if top_p >= 1:
        return logits.clone()
    probs = sampling.to_probs(logits)
    return logits.masked_fill(probs.cumsum(dim=0) - probs >= top_p, -INF)


def _places_of_the_sorted(logits, top_p):
    if top_p >= 1:
        return logits.clone()
    order, sums, ranked = _ranked_and_sums(logits)
    return logits[order].masked_fill(sums - ranked >= top_p, -INF)


def _probs_of_the_kept(logits, top_p):
    if top_p >= 1:
        return logits.clone()
    kept = sampling.apply_top_p(logits, top_p)
    return sampling.to_probs(logits).masked_fill(kept == -INF, -INF)


def _top_p_case(rng):
    return _logits(rng), 1.0 if rng.random() < 0.1 else round(rng.uniform(0.05, 0.97), 2)


TOP_P = Exercise(
    id="04.3",
    title="Top-p",
    points=4,
    signature="apply_top_p(logits, top_p)",
    reference=sampling.apply_top_p,
    edge_cases=(
        Case((torch.tensor([0.5, 0.3, 0.2]).log(), 0.6), "the probabilities are 0.5, 0.3 and 0.2"),
        Case((torch.tensor([0.2, 0.5, 0.3]).log(), 0.6), "the same in another order"),
        Case((torch.tensor([0.1, 0.7, 0.2]).log(), 0.4), "the best token alone is already above p"),
        Case((TOY, 1.0), "top_p=1 means: off"),
        Case((torch.tensor([0.1, 0.2, 0.7]).log(), 0.95), "all tokens are needed to reach p"),
    ),
    random_case=_top_p_case,
    misconceptions=(
        Misconception(
            "dropped the token that crosses p",
            _dropped_the_crossing_token,
            "With 0.5, 0.3, 0.2 and p = 0.6 you keep one token, with 0.5 together. Is that already 0.6? Which token "
            "is needed to get there?",
        ),
        Misconception(
            "may keep no token at all",
            _may_keep_none,
            "With 0.5, 0.3, 0.2 and p = 0.6 you keep 0.5, which is less than 0.6. And when the best token alone has "
            "more than p, nothing is left of yours. Which token is needed to get to p?",
        ),
        Misconception(
            "compared each probability by itself",
            _threshold_on_each,
            "You look at each token alone. Top-p looks at the *sum*, from the most likely token downwards.",
        ),
        Misconception(
            "forgot to sort",
            _not_sorted,
            "You add in the order of the vocabulary. Begin with the most likely token, wherever it stands.",
        ),
        Misconception(
            "left the logits in sorted order",
            _places_of_the_sorted,
            "The right values, but in the wrong places: each token must find its logit where it was. "
            "`sort` also gives the places (`indices`).",
        ),
        Misconception(
            "returned probabilities",
            _probs_of_the_kept,
            "The right tokens stay, but with their probabilities. Probabilities tell *which* tokens stay; the answer "
            "holds their logits.",
        ),
    ),
    hints=(
        "By hand first: sort the probabilities, write the sum *before* each token next to it. Which sums are below p?",
        "`probs.sort(descending=True)` gives values and places; `values.cumsum(dim=0) - values` the sum before each.",
        "Make a tensor full of -inf, and copy the logits of the places that stay: `new[places] = logits[places]`.",
    ),
)

# --- 04.4 repetition penalty


def _all_divided(logits, input_ids, penalty):
    new_logits = logits.clone()
    used = sorted(set(input_ids))
    new_logits[used] = logits[used] / penalty
    return new_logits


def _once_for_each_use(logits, input_ids, penalty):
    new_logits = logits.clone()
    for token_id in input_ids:
        new_logits[token_id] = _penalised(new_logits[token_id], penalty)
    return new_logits


def _subtracted(logits, input_ids, penalty):
    new_logits = logits.clone()
    used = sorted(set(input_ids))
    new_logits[used] = logits[used] - penalty
    return new_logits


def _all_tokens(logits, input_ids, penalty):
    return torch.where(logits < 0, logits * penalty, logits / penalty)


def _divided_for_each_use(logits, input_ids, penalty):
    new_logits = logits.clone()
    for token_id in input_ids:
        new_logits[token_id] /= penalty
    return new_logits


def _made_stronger(logits, input_ids, penalty):
    return sampling.apply_repetition_penalty(logits, input_ids, 1 / penalty)


def _penalised(logit, penalty):
    return logit * penalty if logit < 0 else logit / penalty


def _penalty_case(rng):
    logits = _logits(rng)
    used = [rng.randrange(len(logits)) for _ in range(rng.randint(0, 8))]
    return logits, used, round(rng.uniform(1.05, 2.0), 2)


REPETITION_PENALTY = Exercise(
    id="04.4",
    title="Repetition penalty",
    points=3,
    signature="apply_repetition_penalty(logits, input_ids, penalty)",
    reference=sampling.apply_repetition_penalty,
    edge_cases=(
        Case((torch.tensor([4.0, 2.0, -4.0]), [0, 2], 2.0)),
        Case((torch.tensor([4.0, 2.0, -4.0]), [2], 2.0), "the used token has a negative logit"),
        Case((torch.tensor([4.0, 2.0, -4.0]), [0, 0, 0], 2.0), "a token was used three times"),
        Case((torch.tensor([4.0, 2.0, -4.0]), [], 2.0), "nothing was used yet"),
        Case((torch.tensor([4.0, 2.0, -4.0]), [0, 1, 2], 1.0), "penalty 1 means: off"),
    ),
    random_case=_penalty_case,
    misconceptions=(
        Misconception(
            "divided negative logits",
            _all_divided,
            "−4 ÷ 2 is −2: that is *more* likely than before. What makes a negative logit smaller?",
        ),
        Misconception(
            "penalised a token for each use",
            _once_for_each_use,
            "A token that was used three times gets the penalty three times in yours. It should count once.",
        ),
        Misconception(
            "subtracted the penalty",
            _subtracted,
            "You take the penalty away from the logit. Here it is a factor: read the two rules again.",
        ),
        Misconception(
            "penalised all tokens",
            _all_tokens,
            "Also tokens that were never used got weaker. `input_ids` says which ones were used.",
        ),
        Misconception(
            "divided at each use, whatever the sign",
            _divided_for_each_use,
            "Two things. −4 ÷ 2 is −2: is that weaker? And a token that was used three times is divided three times in "
            "yours, but counts once.",
        ),
        Misconception(
            "made the used tokens stronger",
            _made_stronger,
            "It is the wrong way round: a used token gets *larger* in yours. 4 should become 2, and −4 become −8.",
        ),
    ),
    hints=(
        "`set(input_ids)` holds each used token once.",
        "For each used token: is its logit below 0? Then multiply, else divide. Write into a copy: `logits.clone()`.",
    ),
)

# --- 04.5 draw


def _by_id(probs, u):
    return int(torch.searchsorted(probs.double().cumsum(dim=0), u, right=True).clamp(max=len(probs) - 1))


def _always_best(probs, u):
    return int(probs.argmax())


def _place_in_ranking(probs, u):
    order = probs.sort(descending=True, stable=True)
    return int(torch.searchsorted(order.values.double().cumsum(dim=0), u, right=True).clamp(max=len(probs) - 1))


def _looked_up(probs, u):
    numbers, end = probs.tolist(), 0.0
    for prob in sorted(numbers, reverse=True):
        end += prob
        if u < end:
            return numbers.index(prob)
    return numbers.index(min(numbers))


def _ascending(probs, u):
    order = probs.sort(stable=True)
    place = torch.searchsorted(order.values.double().cumsum(dim=0), u, right=True).clamp(max=len(probs) - 1)
    return int(order.indices[place])


def _border_to_the_left(probs, u):
    order = probs.sort(descending=True, stable=True)
    place = torch.searchsorted(order.values.double().cumsum(dim=0), u).clamp(max=len(probs) - 1)
    return int(order.indices[place])


def _draw_case(rng):
    if rng.random() < 0.5:  # eighths, which have no rounding: the needle stands exactly on a border
        eighths = rng.choice([[5, 2, 1], [4, 3, 1], [4, 2, 2], [4, 2, 2], [3, 3, 2]])
        u = rng.choice([eighths[0], eighths[0] + eighths[1]]) / 8
        return torch.tensor(rng.sample(eighths, 3)) / 8, u
    weights = [rng.random() ** 2 + 0.01 for _ in range(rng.randint(2, 9))]
    return torch.tensor(weights) / sum(weights), rng.random()


DRAW = Exercise(
    id="04.5",
    title="Draw a token",
    points=3,
    signature="draw(probs, u)",
    reference=sampling.draw,
    edge_cases=(
        Case((torch.tensor([0.2, 0.5, 0.3]), 0.6), "the bar reads: token 1 up to 0.5, token 2 up to 0.8, token 0"),
        Case((torch.tensor([0.2, 0.5, 0.3]), 0.0), "the needle stands at the very beginning"),
        Case((torch.tensor([0.2, 0.5, 0.3]), 0.999), "the needle stands at the end"),
        Case((torch.tensor([0.0, 1.0, 0.0]), 0.7), "one token is certain"),
        Case((torch.tensor([0.125, 0.5, 0.375]), 0.5), "the needle stands exactly on a border: the next token begins"),
        Case((torch.tensor([0.25, 0.5, 0.25]), 0.8), "token 0 and token 2 are equally likely: 0 lies first"),
    ),
    random_case=_draw_case,
    misconceptions=(
        Misconception(
            "left the tokens in the order of the vocabulary",
            _by_id,
            "Your bar begins with token 0. It should begin with the most likely token.",
        ),
        Misconception(
            "always took the most likely token",
            _always_best,
            "Yours gives the same token for every u. Where does the needle point when u is 0.95?",
        ),
        Misconception(
            "returned the place on the bar",
            _place_in_ranking,
            "You return *where on the bar* the needle points (0 for the first). Which token lies there?",
        ),
        Misconception(
            "looked for the token by its probability",
            _looked_up,
            "Two tokens may be equally likely, and you find the first of them both times. What could you sort in place "
            "of the probabilities, so that you always know which token it is?",
        ),
        Misconception(
            "began with the least likely token",
            _ascending,
            "Your bar begins with the least likely token. Sort the other way round.",
        ),
        Misconception(
            "counted a border to the token before it",
            _border_to_the_left,
            "Where u is exactly the end of a token, the next token begins. Is your comparison `<` or `<=`?",
        ),
    ),
    hints=(
        "Sort the tokens by probability, the largest first, and add up. Whose sum is the first that is *above* u?",
        "A loop is fine: `total = total + prob`, and as soon as `u < total`, return that token's id (as an `int`).",
    ),
)

# --- 04.6 from logits to probabilities


def next_probs(logits: torch.Tensor, temperature: float, min_p: float) -> torch.Tensor:
    """What a token is drawn from: first the temperature, then min_p, and what is left adds up to 1 again."""
    tempered = sampling.apply_temperature(logits, temperature)
    return sampling.to_probs(sampling.apply_min_p(tempered, min_p))


def _filtered_before_temperature(logits, temperature, min_p):
    return sampling.to_probs(sampling.apply_temperature(sampling.apply_min_p(logits, min_p), temperature))


def _not_renormalised(logits, temperature, min_p):
    probs = sampling.to_probs(logits / temperature)
    return probs.masked_fill(probs < min_p * probs.max(), 0.0)


def _min_p_as_limit(logits, temperature, min_p):
    probs = sampling.to_probs(logits / temperature)
    kept = probs.masked_fill(probs < min_p, 0.0)
    return kept / kept.sum()


def _limit_from_logits(logits, temperature, min_p):
    tempered = logits / temperature
    return sampling.to_probs(tempered.masked_fill(tempered < min_p * tempered.max(), -INF))


def _softmax_again(logits, temperature, min_p):
    return sampling.to_probs(_not_renormalised(logits, temperature, min_p))


def _temperature_on_probs(logits, temperature, min_p):
    probs = sampling.to_probs(logits) / temperature
    kept = probs.masked_fill(probs < min_p * probs.max(), 0.0)
    return kept / kept.sum()


def _next_probs_case(rng):
    return _logits(rng), rng.choice([0.5, 0.7, 1.5, 2.0, 2.5]), rng.choice([0.0, 0.05, 0.1, 0.2, 0.3, 0.5])


# In halves, quarters and eighths, so that everything can be worked out by hand.
EIGHTHS = torch.tensor([0.5, 0.25, 0.125, 0.125]).log()
NEXT_PROBS = Exercise(
    id="04.6",
    title="From logits to probabilities",
    points=3,
    signature="next_probs(logits, temperature, min_p)",
    reference=next_probs,
    edge_cases=(
        Case((EIGHTHS, 1.0, 0.4), "after softmax, the probabilities are 0.5, 0.25, 0.125 and 0.125"),
        Case((torch.tensor([4.0, 2.0, -2.0]), 2.0, 0.2), "before the temperature, min_p would remove two of the three"),
        Case((torch.tensor([4.0, 3.0, -2.0]), 0.5, 0.2), "before the temperature, min_p would keep two"),
        Case((TOY, 1.5, 0.0), "min_p=0 removes nothing"),
        Case((TOY, 0.7, 1.0), "min_p=1 leaves only the best"),
    ),
    random_case=_next_probs_case,
    misconceptions=(
        Misconception(
            "filtered before temperature",
            _filtered_before_temperature,
            "You remove tokens first, and divide by the temperature afterwards. Which of the two comes first in the "
            "text above?",
        ),
        Misconception(
            "forgot to renormalise",
            _not_renormalised,
            "Add up your answer: it is less than 1, as the removed tokens took their part along. What must each of the "
            "others be divided by?",
        ),
        Misconception(
            "compared with min_p itself",
            _min_p_as_limit,
            "Your limit is min_p. It should be min_p *times the largest probability*: with 0.5 and min_p = 0.4, how "
            "much is that?",
        ),
        Misconception(
            "compared logits, not probabilities",
            _limit_from_logits,
            "Your limit is a part of the largest *logit*. `min_p` speaks of how likely a token is: what must be done "
            "with the logits first?",
        ),
        Misconception(
            "took softmax of probabilities",
            _softmax_again,
            "A removed token has a chance again in yours: softmax makes something of every 0, as e to the power of 0 "
            "is 1. How else do numbers become parts of 1?",
        ),
        Misconception(
            "divided the probabilities by the temperature",
            _temperature_on_probs,
            "The temperature has no effect in yours: you divide *all probabilities* by it. What does it divide, and "
            "when?",
        ),
    ),
    hints=(
        "Four steps, a line each: temperature, softmax, remove, divide. Print the tensor after each of them.",
        "`probs.max()` is the largest probability. `probs.masked_fill(condition, 0.0)` puts 0 where the condition is "
        "true.",
        "In the example, 0.5 and 0.25 stay. Their sum is 0.75: what comes out when each of them is divided by it?",
    ),
)

EXERCISES = (TEMPERATURE, TOP_K, TOP_P, REPETITION_PENALTY, DRAW, NEXT_PROBS)
