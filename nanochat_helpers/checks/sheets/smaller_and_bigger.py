"""Sheet 11: weights in fewer bits, and what that costs. Rows are lists of numbers; no model is needed."""

import math
import random
from typing import Any

from ...language import tr
from ..comparing import difference
from ..exercise import Case, Exercise, Misconception

BLOCK_BITS = 32  # the step and the lowest weight of a block, 16 bits each


def _row(rng: random.Random, n_levels: int) -> list[float]:
    """Weights on the levels, halfway between two of them, or elsewhere: all of them exact in binary numbers.

    So no two right ways of calculating can end on different sides of a border.
    """
    lowest, step = float(rng.randint(-5, 5)), rng.choice([0.25, 0.5, 1.0, 2.0])
    eighths = [0, 8 * (n_levels - 1), *(rng.randint(0, 8 * (n_levels - 1)) for _ in range(rng.randint(1, 4)))]
    if rng.random() < 0.6:
        eighths.append(8 * rng.randrange(n_levels - 1) + 4)  # exactly halfway
    rng.shuffle(eighths)
    return [lowest + each / 8 * step for each in eighths]


def _row_and_bits(rng):
    bits = rng.randint(1, 5)
    return _row(rng, 2**bits), bits


# --- 11.1 the levels of a row


def grid(row: list[float], bits: int) -> tuple[float, float]:
    """The lowest level and the step from level to level."""
    return min(row), (max(row) - min(row)) / (2**bits - 1)


def _counted_levels(row, bits):
    return min(row), (max(row) - min(row)) / 2**bits


def _squared_bits(row, bits):
    return min(row), (max(row) - min(row)) / (bits**2 - 1)


def _doubled_bits(row, bits):
    return min(row), (max(row) - min(row)) / (2 * bits - 1)


def _from_zero(row, bits):
    return min(row), max(row) / (2**bits - 1)


def _hat_for_power(row, bits):
    return min(row), (max(row) - min(row)) / (2 ^ bits - 1)


def _no_parentheses(row, bits):
    return min(row), (max(row) - min(row)) / 2**bits - 1


GRID = Exercise(
    id="11.1",
    title="The levels of a row",
    points=1,
    signature="grid(row, bits)",
    reference=grid,
    edge_cases=(
        Case(([-1.0, 0.6, 2.4, 5.0], 2)),
        Case(([0.4, -0.5, 1.0, 0.25, -0.1], 4)),
        Case(([3.0, 1.0, 2.0], 1), "one bit: two levels"),
        Case(([0.5, 0.5, 0.5], 3), "all weights are equal"),
        Case(([-6.0, -3.5, -1.0], 3), "all weights are negative"),
    ),
    random_case=lambda rng: (_row(rng, 4), rng.randint(2, 5)),
    misconceptions=(
        Misconception(
            "counted the levels in place of the gaps",
            _counted_levels,
            "Your step is too small. A fence with 4 posts has 3 gaps: how many gaps do 16 levels have?",
        ),
        Misconception(
            "squared the bits",
            _squared_bits,
            "Each bit more *doubles* the number of levels. What is 2 × 2 × 2 × 2, and what is 4 × 4? And for 3 bits?",
        ),
        Misconception(
            "doubled the bits",
            _doubled_bits,
            "With 3 bits one can write 000, 001, 010 … Write down all of them and count: is that 2 · 3?",
        ),
        Misconception(
            "began at 0",
            _from_zero,
            "Your levels share the way from 0 to the highest weight. Where do they begin, when the lowest is −1?",
        ),
        Misconception(
            "wrote ^ for a power",
            _hat_for_power,
            "In Python, `2 ^ 4` is no power: try it in a cell, it gives 6. How does Python write 2 · 2 · 2 · 2?",
        ),
        Misconception(
            "left out the parentheses",
            _no_parentheses,
            "Python divides before it takes away 1. Which part should be worked out first? Put it in parentheses.",
        ),
    ),
    hints=(
        "How far is it from the lowest weight to the highest? And how many gaps are there between the levels?",
        "n bits give `2**n` levels, and there is one gap less than levels.",
    ),
)

# --- 11.2 quantize


def quantize(row: list[float], bits: int) -> list[int]:
    """The code of each weight: the number of its nearest level; halfway, the upper one."""
    lowest, step = grid(row, bits)
    return [math.floor((weight - lowest) / step + 0.5) if step else 0 for weight in row]


def _steps_above(row, bits):
    """How many steps each weight is above the lowest; 0 where there is no step."""
    lowest, step = grid(row, bits)
    return [(weight - lowest) / step if step else 0.0 for weight in row]


def _cut_off(row, bits):
    return [int(steps) for steps in _steps_above(row, bits)]


def _lowest_forgotten(row, bits):
    step = grid(row, bits)[1]
    return [int(weight / step + 0.5) if step else 0 for weight in row]


def _one_level_too_many(row, bits):
    lowest, step = _counted_levels(row, bits)
    return [math.floor((weight - lowest) / step + 0.5) if step else 0 for weight in row]


def _boxes(row, bits):
    lowest, width = _counted_levels(row, bits)
    return [min(int((weight - lowest) / width), 2**bits - 1) if width else 0 for weight in row]


def _even_halves(row, bits):
    return [round(steps) for steps in _steps_above(row, bits)]


def _gave_weights(row, bits):
    codes = quantize(row, bits)
    return dequantize(codes, *grid(row, bits)) if any(codes) else codes  # equal weights: the sheet gives the codes


def _codes_difference(expected: Any, got: Any) -> str | None:
    """As `difference`, but it does not offer int(…) for weights, or for steps that are not rounded."""
    found = difference(expected, got)
    if found and type(got) is list and {type(entry) for entry in got} in ({float}, {int, float}) and got != expected:
        return tr(
            "A code is a whole number: the number of the nearest level. What is in your list: weights, or how many "
            "steps they are above the lowest, not rounded yet?"
        )
    return found


QUANTIZE = Exercise(
    id="11.2",
    title="Quantize",
    points=3,
    signature="quantize(row, bits)",
    reference=quantize,
    edge_cases=(
        Case(([-1.0, 0.6, 2.4, 5.0], 2)),
        Case(([0.3, -0.5, 3.25, 1.05], 4)),
        Case(([0.0, 0.5, 1.5, 2.5, 3.0], 2), "three weights are exactly halfway between two levels"),
        Case(([3.0, 1.0, 2.8, 1.3], 1), "one bit: the codes are 0 and 1"),
        Case(([0.5, 0.5, 0.5], 3), "all weights are equal, so the step is 0"),
        Case(([-6.0, -3.2, -2.5], 3), "all weights are negative"),
    ),
    random_case=_row_and_bits,
    compare=_codes_difference,
    misconceptions=(
        Misconception(
            "cut off in place of rounding",
            _cut_off,
            "A weight that is 0.8 steps above the lowest gets the code 0 in yours. `int` just drops the digits: which "
            "level is nearer?",
        ),
        Misconception(
            "forgot to take away the lowest weight",
            _lowest_forgotten,
            "The lowest weight should have the code 0, whatever it is. From where are the steps counted?",
        ),
        Misconception(
            "made one level too many",
            _one_level_too_many,
            "Look at the highest weight: your code for it does not fit into so many bits. Into how many gaps did you "
            "cut the range?",
        ),
        Misconception(
            "cut the range into boxes",
            _boxes,
            "You ask in which of `2**bits` boxes a weight lies. Levels are points: the first is the lowest weight, the "
            "last the highest. Which point is nearest?",
        ),
        Misconception(
            "rounded halves to the even code",
            _even_halves,
            "Python's `round` takes the *even* number halfway: round(0.5) is 0, round(1.5) is 2. What does adding 0.5 "
            "and then cutting off give?",
        ),
        Misconception(
            "returned weights in place of codes",
            _gave_weights,
            "You went one step too far: these are weights again. A code is only the *number* of a level: 0, 1, 2 …",
        ),
    ),
    hints=(
        "First the step, as in 11.1. Then, for each weight: how many steps is it above the lowest?",
        "`int(number + 0.5)` rounds a number of 0 or more; halfway it goes up.",
    ),
)

# --- 11.3 dequantize


def dequantize(codes: list[int], lowest: float, step: float) -> list[float]:
    """The weights that the codes stand for."""
    return [lowest + code * step for code in codes]


def _only_steps(codes, lowest, step):
    return [code * step for code in codes]


def _added_before(codes, lowest, step):
    return [(lowest + code) * step for code in codes]


def _taken_away(codes, lowest, step):
    return [code * step - lowest for code in codes]


def _back_to_whole(codes, lowest, step):
    return [round(lowest + code * step) for code in codes]


def _codes_case(rng):
    codes = [rng.randrange(16) for _ in range(rng.randint(2, 6))]
    return codes, round(rng.uniform(-3, 1), 1), rng.choice([0.1, 0.125, 0.3, 0.75])


DEQUANTIZE = Exercise(
    id="11.3",
    title="Dequantize",
    points=1,
    signature="dequantize(codes, lowest, step)",
    reference=dequantize,
    edge_cases=(
        Case(([0, 1, 2, 3], -1.0, 2.0)),
        Case(([15, 0, 6], -0.5, 0.1)),
        Case(([0, 0, 0], 0.5, 0.0), "all weights were equal, so the step is 0"),
        Case(([2, 0, 1], 0.0, 0.5), "the lowest weight is 0"),
        Case(([1, 3, 6], -0.3, 0.125), "a step with three digits"),
    ),
    random_case=_codes_case,
    misconceptions=(
        Misconception(
            "forgot to add the lowest weight",
            _only_steps,
            "Code 0 stands for the *lowest* weight. Which weight does it give in yours?",
        ),
        Misconception(
            "added the lowest weight before multiplying",
            _added_before,
            "Only the code is a number of steps, but you multiply the lowest weight, too. What should come first?",
        ),
        Misconception(
            "took the lowest weight away",
            _taken_away,
            "Quantizing takes the lowest weight away. What is the way back?",
        ),
        Misconception(
            "rounded the weights",
            _back_to_whole,
            "You round on the way back, too. Codes are whole numbers; need weights be?",
        ),
    ),
    hints=(
        "On paper: the lowest weight is −1 and the step 2. Which weight has the code 0? The code 1? The code 3?",
        "One expression for each code: where do you begin, and how many steps do you go up?",
    ),
)

# --- 11.4 the errors


def errors(row: list[float], back: list[float]) -> tuple[float, float]:
    """The largest and the mean error, without their signs."""
    apart = _apart(row, back)
    return max(apart), sum(apart) / len(apart)


def _apart(row, back):
    return [abs(one - other) for one, other in zip(row, back, strict=True)]


def _with_signs(row, back):
    signed = [one - other for one, other in zip(row, back, strict=True)]
    return max(signed), sum(signed) / len(signed)


def _not_divided(row, back):
    return max(_apart(row, back)), sum(_apart(row, back))


def _with_other_signs(row, back):
    return _with_signs(back, row)


def _squares(row, back):
    squares = [apart**2 for apart in _apart(row, back)]
    return max(squares), sum(squares) / len(squares)


def _only_the_moved(row, back):
    moved = [apart for apart in _apart(row, back) if apart] or [0.0]
    return max(moved), sum(moved) / len(moved)


def _errors_case(rng):
    row = [round(rng.gauss(0, 2), 1) for _ in range(rng.randint(2, 6))]
    moves = [rng.choice([0.0, 0.1, 0.2, 0.3, -0.2, -0.4, -0.5]) for _ in row]
    return row, [round(weight + move, 1) for weight, move in zip(row, moves, strict=True)]


SIGNS = "One error up and one down cancel each other in yours. How do you get rid of a minus sign?"

ERRORS = Exercise(
    id="11.4",
    title="The largest and the mean error",
    points=2,
    signature="errors(row, back)",
    reference=errors,
    edge_cases=(
        Case(([-1.0, 0.6, 2.4, 5.0], [-1.0, 1.0, 3.0, 5.0])),
        Case(([0.5, 1.5], [0.75, 1.25]), "one error up, one down"),
        Case(([2.0, 4.0], [2.0, 4.0]), "nothing was lost"),
        Case(([-3.0], [-2.5]), "a single weight"),
        Case(([0.25, -1.0], [-0.25, -1.0]), "a weight comes back with the other sign"),
    ),
    random_case=_errors_case,
    misconceptions=(
        Misconception(
            "kept the signs of old minus new",
            _with_signs,
            SIGNS,
        ),
        Misconception(
            "kept the signs of new minus old",
            _with_other_signs,
            SIGNS,
        ),
        Misconception(
            "added up in place of the mean",
            _not_divided,
            "Your second number grows with the length of the row. What makes a mean out of a sum?",
        ),
        Misconception(
            "squared the errors",
            _squares,
            "An error of 0.5 becomes 0.25 in yours. Squares lose the sign, but the size, too: what keeps the size?",
        ),
        Misconception(
            "left out the weights without an error",
            _only_the_moved,
            "A weight that came back exactly has an error, too: 0. By how many weights should you divide?",
        ),
    ),
    hints=(
        "Make a list of all errors first: `zip(row, back)` gives old and new weights in pairs.",
        "`abs` takes the sign away, `max` finds the largest; the mean is the sum divided by how many there are.",
    ),
)

# --- 11.5 the size of a file


def file_megabytes(n_weights: int, bits: int, block_size: int | None) -> float:
    """Millions of bytes: each weight with its bits, each block with its step and its lowest weight."""
    return _megabytes(n_weights, bits + _share(block_size))


def _megabytes(n_weights, bits):
    return n_weights * bits / 8 / 1e6


def _share(block_size):
    return BLOCK_BITS / block_size if block_size else 0


def _bits_for_bytes(n_weights, bits, block_size):
    return file_megabytes(n_weights, bits, block_size) * 8


def _no_blocks(n_weights, bits, block_size):
    return file_megabytes(n_weights, bits, None)


def _only_the_step(n_weights, bits, block_size):
    return _megabytes(n_weights, bits + _share(block_size) / 2)


def _each_pays_all(n_weights, bits, block_size):
    return _megabytes(n_weights, bits + (BLOCK_BITS if block_size else 0))


def _by_1024(n_weights, bits, block_size):
    return file_megabytes(n_weights, bits, block_size) * 1e6 / 1024**2


def _gave_bytes(n_weights, bits, block_size):
    return file_megabytes(n_weights, bits, block_size) * 1e6


def _size_case(rng):
    return rng.randint(1, 800) * 128_000, rng.randint(2, 16), rng.choice([None, 8, 16, 32, 64, 128])


FILE_MEGABYTES = Exercise(
    id="11.5",
    title="The size of a file",
    points=2,
    signature="file_megabytes(n_weights, bits, block_size)",
    reference=file_megabytes,
    edge_cases=(
        Case((32_000_000, 4, 32)),
        Case((1_000_000, 32, None), "no blocks, as in float32"),
        Case((134_515_008, 4, 32), "as many weights as SmolLM2 has"),
        Case((8_000_000_000, 4, 64), "a large model"),
        Case((16_000_000, 4, 8), "small blocks"),
    ),
    random_case=_size_case,
    misconceptions=(
        Misconception(
            "took bits for bytes",
            _bits_for_bytes,
            "Your file is eight times too large. How many bits are a byte?",
        ),
        Misconception(
            "forgot the step and the lowest weight",
            _no_blocks,
            "Your file is a little too small: it holds hardly more than the codes. How many blocks are there, and what "
            "does each of them keep?",
        ),
        Misconception(
            "counted one number for each block",
            _only_the_step,
            "Each block keeps *two* numbers of 16 bits. Which one did you leave out?",
        ),
        Misconception(
            "let each weight pay for the whole block",
            _each_pays_all,
            "In yours each weight pays 32 bits more. How many weights share the step and the lowest weight?",
        ),
        Misconception(
            "divided by 1024 · 1024",
            _by_1024,
            "Your answer is about 5 % too small. How many bytes is a megabyte, as the text above says?",
        ),
        Misconception(
            "returned bytes",
            _gave_bytes,
            "A million times too large: these are bytes. How many *mega*bytes are they?",
        ),
    ),
    hints=(
        "First all bits: those of the codes, and those of the blocks. How many blocks are there?",
        "Then from bits to bytes, and from bytes to millions of bytes. Without blocks, there are only codes.",
    ),
)

# --- 11.6 the KL divergence


def kl(probs: list[float], other: list[float]) -> float:
    """How many bits more surprise `other` brings, on average, when the tokens really come by `probs`."""
    return sum(p * math.log2(p / q) for p, q in zip(probs, other, strict=True))


def _other_way_round(probs, other):
    return kl(other, probs)


def _natural_log(probs, other):
    return kl(probs, other) * math.log(2)


def _terms(probs, other):
    """The difference of the surprises of each token, with its probability."""
    return [(one, math.log2(one) - math.log2(two)) for one, two in zip(probs, other, strict=True)]


def _not_weighted(probs, other):
    return sum(more for _, more in _terms(probs, other))


def _whole_surprise(probs, other):
    return -sum(one * math.log2(two) for one, two in zip(probs, other, strict=True))


def _turned_round(probs, other):
    return -sum(one * more for one, more in _terms(probs, other))


def _mean_of_the_mean(probs, other):
    return sum(one * more for one, more in _terms(probs, other)) / len(probs)


def _probs(rng, size):
    weights = [rng.randint(1, 9) for _ in range(size)]
    return [weight / sum(weights) for weight in weights]


def _kl_case(rng):
    size = rng.randint(2, 5)
    return _probs(rng, size), _probs(rng, size)


KL = Exercise(
    id="11.6",
    title="The KL divergence",
    points=2,
    signature="kl(probs, other)",
    reference=kl,
    edge_cases=(
        Case(([0.5, 0.5], [0.125, 0.875])),
        Case(([0.25, 0.25, 0.5], [0.5, 0.25, 0.25])),
        Case(([0.2, 0.3, 0.5], [0.2, 0.3, 0.5]), "both are the same"),
        Case(([0.9, 0.1], [0.1, 0.9]), "they disagree about nearly everything"),
    ),
    random_case=_kl_case,
    misconceptions=(
        Misconception(
            "took the two the other way round",
            _other_way_round,
            "You compute it from the other side. By which probabilities do the tokens *really* come, and so which ones "
            "are the weights of the mean?",
        ),
        Misconception(
            "took the natural logarithm",
            _natural_log,
            "Your answers are right, but not in bits: `math.log` counts in another unit. Which logarithm counts bits?",
        ),
        Misconception(
            "forgot to weight the tokens",
            _not_weighted,
            "A token that hardly ever comes counts as much as all others in yours. By what is each difference "
            "multiplied?",
        ),
        Misconception(
            "counted the whole surprise",
            _whole_surprise,
            "Yours is not 0 when both are the same. Who trusts `probs` is surprised, too: what should be taken away?",
        ),
        Misconception(
            "turned the difference round",
            _turned_round,
            "Yours is below 0. Who trusts `other` is surprised *more*: which of the two surprises is the larger one, "
            "on average?",
        ),
        Misconception(
            "divided by the number of tokens, too",
            _mean_of_the_mean,
            "The probabilities add up to 1, so adding up with them gives the mean already. What else do you divide by?",
        ),
    ),
    hints=(
        "For each token: the surprise in `other` minus the surprise in `probs`, and this times its probability.",
        "The surprise of a probability is `-math.log2(prob)`.",
    ),
)

EXERCISES = (GRID, QUANTIZE, DEQUANTIZE, ERRORS, FILE_MEGABYTES, KL)
