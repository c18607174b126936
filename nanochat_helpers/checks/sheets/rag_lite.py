"""Sheet 10: find passages and put them into the prompt. Passages are lists of words; no model is needed."""

import math
from typing import Any

from ...language import tr
from ..comparing import difference
from ..exercise import Case, Exercise, Misconception

K1, B = 1.5, 0.75  # how soon BM25's counts are squeezed, and how much the length matters; bm25s has the same

WORDS = ("cat", "cats", "robot", "robots", "sleeps", "in", "the", "garage")


def _passage(rng, most=8):
    return [rng.choice(WORDS) for _ in range(rng.randint(1, most))]


# --- 10.1 the rarity of a word


def rarity(word: str, passages: list[list[str]]) -> float:
    """How much a word counts in a search: the fewer passages have it, the more."""
    return _rarity(len(passages), sum(word in passage for passage in passages))


def _rarity(n_all, n_with):
    return math.log(1 + (n_all - n_with + 0.5) / (n_with + 0.5))


def _each_time(word, passages):
    return _rarity(len(passages), sum(passage.count(word) for passage in passages))


def _those_without(word, passages):
    return _rarity(len(passages), sum(word not in passage for passage in passages))


def _inside_words(word, passages):
    return _rarity(len(passages), sum(word in " ".join(passage) for passage in passages))


def _at_least_one(word, passages):
    return _rarity(len(passages), int(any(word in passage for passage in passages)))


def _among_the_passages(word, passages):
    return _rarity(len(passages), passages.count(word))


TOY_PASSAGES = [["the", "cat", "sleeps"], ["the", "robot"], ["the", "cats"], ["the", "cat", "eats", "the", "fish"]]

RARITY = Exercise(
    id="10.1",
    title="The rarity of a word",
    points=1,
    signature="rarity(word, passages)",
    reference=rarity,
    edge_cases=(
        Case(("robot", TOY_PASSAGES)),
        Case(("cat", TOY_PASSAGES), "one passage has *cats*, which is another word"),
        Case(("the", TOY_PASSAGES), "all passages have the word, and one has it twice"),
        Case(("dragon", TOY_PASSAGES), "no passage has the word"),
        Case(("cat", [["cat", "cat", "cat"]]), "a single passage"),
    ),
    random_case=lambda rng: (rng.choice(WORDS[:4]), [_passage(rng, 6) for _ in range(rng.randint(2, 5))]),
    misconceptions=(
        Misconception(
            "counted a word each time it comes",
            _each_time,
            "A passage that has the word three times counts three times in yours. The question is only: *has* it the "
            "word, or not?",
        ),
        Misconception(
            "counted the passages without the word",
            _those_without,
            "In yours, *the* is rare and *robot* is not. Which passages should `n_with` count?",
        ),
        Misconception(
            "found the word inside other words",
            _inside_words,
            "Yours finds *cat* in *cats*. A passage is a list of words here: what does `in` compare in a list, and "
            "what in a text?",
        ),
        Misconception(
            "stopped at the first passage that has it",
            _at_least_one,
            "Yours knows only 0 and 1. How many passages of all have the word?",
        ),
        Misconception(
            "looked for a word in a list of passages",
            _among_the_passages,
            "Your `n_with` is always 0. `passages` is a list of lists: is one entry of it a word, or a whole passage?",
        ),
    ),
    hints=(
        "Go through the passages one by one, and count those that have the word.",
        "`word in passage` is True or False. In a sum, True counts as 1.",
    ),
)

# --- 10.2 BM25


def bm25(question: list[str], passage: list[str], rarity: dict[str, float], mean_length: float) -> float:
    """The score of a passage: rare words count most, repeats less and less, and all of them less in a long passage."""
    factor = _length_factor(passage, mean_length)
    found = [(rarity[word], passage.count(word)) for word in set(question) if word in passage]
    return sum((rare * n / (n + K1 * factor) for rare, n in found), 0.0)


def _length_factor(passage, mean_length):
    return 1 - B + B * len(passage) / mean_length


def _counted_once(question, passage, rarity, mean_length):
    squeezed = 1 / (1 + K1 * _length_factor(passage, mean_length))
    return sum((rarity[word] * squeezed for word in set(question) & set(passage)), 0.0)


def _no_length(question, passage, rarity, mean_length):
    return bm25(question, passage, rarity, len(passage) or 1)


def _not_squeezed(question, passage, rarity, mean_length):
    return sum((rarity[word] * passage.count(word) for word in set(question) & set(passage)), 0.0)


def _question_twice(question, passage, rarity, mean_length):
    return sum((bm25([word], passage, rarity, mean_length) for word in question), 0.0)


def _passage_twice(question, passage, rarity, mean_length):
    return sum((bm25([word], passage, rarity, mean_length) for word in passage if word in question), 0.0)


def _no_parentheses(question, passage, rarity, mean_length):
    length = K1 * _length_factor(passage, mean_length)
    found = [(rarity[word], passage.count(word)) for word in set(question) & set(passage)]
    return sum((rare * n / n + length for rare, n in found), 0.0)


TOY_RARITY = {"the": 0.1, "robot": 2.0, "sleeps": 0.6, "cat": 1.2}


def _bm25_case(rng):
    passage = [rng.choice(WORDS[2:7]) for _ in range(rng.randint(2, 8))]
    question = [rng.choice([*passage, "cats", "garage"]) for _ in range(rng.randint(2, 5))]
    rarity = {word: round(rng.uniform(0.1, 3.0), 1) for word in WORDS}
    return question, passage, rarity, float(rng.randint(2, 8))


BM25 = Exercise(
    id="10.2",
    title="BM25",
    points=3,
    signature="bm25(question, passage, rarity, mean_length)",
    reference=bm25,
    edge_cases=(
        Case((["robot"], ["the", "robot", "sleeps", "the"], TOY_RARITY, 4.0), "as long as the mean, so L is 1"),
        Case((["robot"], ["robot", "robot", "robot", "sleeps"], TOY_RARITY, 4.0), "the word comes three times"),
        Case((["the", "robot"], ["the", "robot"], TOY_RARITY, 4.0), "a short passage"),
        Case((["robot", "robot"], ["robot", "sleeps"], TOY_RARITY, 2.0), "the question says a word twice"),
        Case((["cat"], ["the", "robot"], TOY_RARITY, 2.0), "nothing is shared"),
    ),
    random_case=_bm25_case,
    misconceptions=(
        Misconception(
            "counted a word once",
            _counted_once,
            "A passage with *robot* three times scores like one that has it once. Which letter of the formula says "
            "how often the word comes?",
        ),
        Misconception(
            "forgot the length of the passage",
            _no_length,
            "Long and short passages score alike in yours. What is L for a passage that is twice as long as the mean?",
        ),
        Misconception(
            "did not squeeze the counts",
            _not_squeezed,
            "Three times the word gives three times the points in yours. What does n ÷ (n + 1.5 · L) make of 1, and "
            "of 3?",
        ),
        Misconception(
            "counted a word of the question twice",
            _question_twice,
            "When the question says *robot* twice, you add its points twice. How do you get each *different* word?",
        ),
        Misconception(
            "counted a word of the passage twice",
            _passage_twice,
            "You go through the words of the passage, so *robot* brings its points each time it comes. n already "
            "counts that: through which words should the loop go?",
        ),
        Misconception(
            "left out the parentheses",
            _no_parentheses,
            "n / n is 1, and the rest is added. Python divides before it adds: which part belongs together below the "
            "line?",
        ),
    ),
    hints=(
        "Compute L first: it is the same for all words. Then a loop over the different words of the question.",
        "`set(question)` holds each word once; `passage.count(word)` is n; `len(passage)` is the length.",
    ),
)

# --- 10.3 the best passages


def top_passages(scores: list[float], k: int, min_score: float) -> list[int]:
    """The places of the k highest scores, the best first; of equals the earlier one first; none below min_score."""
    kept = [place for place, score in enumerate(scores) if score >= min_score]
    return sorted(kept, key=lambda place: -scores[place])[:k]


def _ascending(scores, k, min_score):
    kept = [place for place, score in enumerate(scores) if score >= min_score]
    return sorted(kept, key=lambda place: scores[place])[:k]


def _gave_scores(scores, k, min_score):
    return [scores[place] for place in top_passages(scores, k, min_score)]


def _no_threshold(scores, k, min_score):
    return top_passages(scores, k, -math.inf)


def _places_among_the_kept(scores, k, min_score):
    return top_passages([score for score in scores if score >= min_score], k, min_score)


def _later_first(scores, k, min_score):
    pairs = sorted(((score, place) for place, score in enumerate(scores)), reverse=True)
    return [place for score, place in pairs if score >= min_score][:k]


def _looked_up_by_score(scores, k, min_score):
    return [scores.index(score) for score in sorted(scores, reverse=True) if score >= min_score][:k]


def _places_difference(expected: Any, got: Any) -> str | None:
    """As `difference`, but numbers such as 0.9 are no whole numbers that went wrong: they are the scores."""
    found = difference(expected, got)
    if found and type(got) is list and any(type(entry) is float and entry % 1 for entry in got):
        return tr("There are scores in your list. It should hold their places: whole numbers, counted from 0.")
    return found


def _top_case(rng):
    scores = [rng.randint(0, 9) / 10 for _ in range(rng.randint(2, 8))]
    return scores, rng.randint(1, 5), rng.choice([*scores, rng.randint(0, 9) / 10])


TOP_PASSAGES = Exercise(
    id="10.3",
    title="The best passages",
    points=3,
    signature="top_passages(scores, k, min_score)",
    reference=top_passages,
    edge_cases=(
        Case(([0.1, 0.5, 0.2, 0.9], 2, 0.3)),
        Case(([0.5, 0.2, 0.9, 0.1], 3, 0.3), "fewer than k are good enough"),
        Case(([0.4, 0.7, 0.7, 0.7], 2, 0.3), "equal scores"),
        Case(([0.3, 0.1], 2, 0.3), "one score is exactly min_score"),
        Case(([0.1, 0.2], 2, 0.3), "nothing fits"),
        Case(([], 3, 0.3), "no passage at all"),
    ),
    random_case=_top_case,
    compare=_places_difference,
    misconceptions=(
        Misconception(
            "sorted ascending",
            _ascending,
            "Your list begins with the *lowest* score that is good enough. Which one should come first?",
        ),
        Misconception(
            "returned scores in place of places",
            _gave_scores,
            "You return the scores themselves. With 0.9 nobody finds the passage: at which place of the list is it?",
        ),
        Misconception(
            "took passages below the threshold",
            _no_threshold,
            "Passages with a score below `min_score` are in your list. What should happen to them?",
        ),
        Misconception(
            "counted the places among those that are left",
            _places_among_the_kept,
            "You leave out the low scores first, and then all others move up. At which place was 0.9 *before* that?",
        ),
        Misconception(
            "gave the later of two equals first",
            _later_first,
            "Where two scores are equal, your list begins with the later passage. `reverse=True` turns round the "
            "places, too, when you sort pairs. What else could you sort by?",
        ),
        Misconception(
            "looked up the place by its score",
            _looked_up_by_score,
            "`index` always finds the *first* place with a score. What does it give for the second of two equals?",
        ),
    ),
    hints=(
        "First keep the places whose score is good enough. Then sort these places by their scores. Then cut.",
        "`sorted(places, key=lambda place: …)` sorts by what the function gives; equal ones stay in their order. "
        "Which sign turns *lowest first* into *highest first*?",
    ),
)

# --- 10.4 the cosine of two vectors


def cosine(a: list[float], b: list[float]) -> float:
    """How alike two vectors point: 1 is the same direction, -1 the opposite one."""
    return _product(a, b) / (math.hypot(*a) * math.hypot(*b))


def _product(a, b):
    return float(sum(one * other for one, other in zip(a, b, strict=True)))


def _not_divided(a, b):
    return _product(a, b)


def _no_root(a, b):
    return _product(a, b) / (_product(a, a) * _product(b, b))


def _n_numbers(a, b):
    return _product(a, b) / (len(a) * len(b))


def _added_up(a, b):
    return _product(a, b) / (sum(a) * sum(b))


def _one_length(a, b):
    return _product(a, b) / math.hypot(*a)


def _multiplied_by_the_second(a, b):
    return _product(a, b) / math.hypot(*a) * math.hypot(*b)


def _cosine_case(rng):
    size = rng.randint(2, 4)
    numbers = [-4.0, -3.0, -2.0, -1.0, 1.0, 2.0, 3.0, 4.0]
    return [rng.choice(numbers) for _ in range(size)], [rng.choice(numbers) for _ in range(size)]


COSINE = Exercise(
    id="10.4",
    title="The cosine of two vectors",
    points=2,
    signature="cosine(a, b)",
    reference=cosine,
    edge_cases=(
        Case(([3.0, 4.0], [4.0, 3.0])),
        Case(([3.0, 4.0], [6.0, 8.0]), "the same direction"),
        Case(([2.0, 0.0], [0.0, 5.0]), "a right angle"),
        Case(([1.0, 2.0, 2.0], [-1.0, -2.0, -2.0]), "the opposite direction"),
    ),
    random_case=_cosine_case,
    misconceptions=(
        Misconception(
            "forgot to divide by the lengths",
            _not_divided,
            "Yours grows when a vector gets longer. The cosine of two vectors is never above 1: what is missing?",
        ),
        Misconception(
            "forgot the square root",
            _no_root,
            "The vector 3, 4 has the length 5, and you divide by 25. What is missing in the length?",
        ),
        Misconception(
            "took how many numbers there are for the length",
            _n_numbers,
            "`len` tells how many numbers a vector has. Its length as an arrow is another thing: how long is 3, 4?",
        ),
        Misconception(
            "added up the numbers for the length",
            _added_up,
            "The vector 3, 4 is not 7 long. Think of a triangle with the sides 3 and 4: how long is the third side?",
        ),
        Misconception(
            "divided by one length only",
            _one_length,
            "Yours does not change with the length of the first vector, but with that of the second. Which lengths "
            "does the formula have?",
        ),
        Misconception(
            "divided by one length and multiplied by the other",
            _multiplied_by_the_second,
            "`x / y * z` divides by y only, and then multiplies by z. Which two belong together in parentheses?",
        ),
    ),
    hints=(
        "Three numbers first: the sum of the products, the length of a, the length of b.",
        "`zip(a, b)` gives the numbers in pairs. The length: add up the squares, then `math.sqrt`.",
    ),
)

# --- 10.5 a grounded prompt


def grounded_prompt(question: str, hits: list[dict[str, str]]) -> str:
    """The message with the numbered sources above the question; without hits it is the question as it was."""
    return _prompt(question, _sources(hits)) if hits else question


def _sources(hits, first=1):
    return [f"[{number}] {hit['source']}: {hit['text']}" for number, hit in enumerate(hits, start=first)]


def _prompt(question, sources):
    return "\n".join(["Sources:", *sources, "", f"Answer from the sources: {question}"])


def _from_zero(question, hits):
    return _prompt(question, _sources(hits, first=0)) if hits else question


def _question_first(question, hits):
    if not hits:
        return question
    return "\n".join([f"Answer from the sources: {question}", "", "Sources:", *_sources(hits)])


def _no_names(question, hits):
    return _prompt(question, [f"[{n}] {hit['text']}" for n, hit in enumerate(hits, start=1)]) if hits else question


def _no_sources_listed(question, hits):
    return _prompt(question, _sources(hits))


def _no_empty_line(question, hits):
    return grounded_prompt(question, hits).replace("\n\n", "\n")


def _only_the_best(question, hits):
    return grounded_prompt(question, hits[:1])


ELIZA = {"source": "eliza.md", "text": "Weizenbaum wrote ELIZA."}
PARRY = {"source": "parry.md", "text": "PARRY appeared in 1972."}
_NAMES = ("eliza.md", "parry.md", "bus.txt", "tokens.md")
_TEXTS = ("The bus leaves at 7:45.", "ELIZA is from 1966.", "A token is a piece of text.", "It rains in Bremen.")
_QUESTIONS = ("Who wrote ELIZA?", "When does the bus leave?", "What is a token?")


def _prompt_case(rng):
    hits = [{"source": rng.choice(_NAMES), "text": rng.choice(_TEXTS)} for _ in range(rng.choice([0, 1, 2, 3, 4]))]
    return rng.choice(_QUESTIONS), hits


GROUNDED_PROMPT = Exercise(
    id="10.5",
    title="A grounded prompt",
    points=3,
    signature="grounded_prompt(question, hits)",
    reference=grounded_prompt,
    edge_cases=(
        Case(("Who wrote ELIZA?", [ELIZA, PARRY])),
        Case(("Who wrote ELIZA?", [ELIZA]), "a single source"),
        Case(("How do I bake a cake?", []), "nothing was found"),
        Case(("When?", [PARRY, ELIZA, PARRY]), "the same passage twice: both stay"),
    ),
    random_case=_prompt_case,
    misconceptions=(
        Misconception(
            "counted the sources from 0",
            _from_zero,
            "Your first source is [0]. People count from 1: which number does `enumerate` begin with?",
        ),
        Misconception(
            "put the question before the sources",
            _question_first,
            "Your prompt begins with the question. What should the model read last, right before it answers?",
        ),
        Misconception(
            "left out the names of the sources",
            _no_names,
            "Your prompt tells what a passage says, but not where it is from. What stands between the number and the "
            "text?",
        ),
        Misconception(
            "announced sources where there are none",
            _no_sources_listed,
            "When nothing was found, your prompt still says *Sources:* and asks for an answer from them. What should "
            "the function return there?",
        ),
        Misconception(
            "left out the empty line",
            _no_empty_line,
            "Between the last source and the question there should be an empty line. How many line breaks make one?",
        ),
        Misconception(
            "took only the first source",
            _only_the_best,
            "Your prompt has a single source, however many were found. Where does your loop end?",
        ),
    ),
    hints=(
        "Make a list of lines first, one for each line of the prompt; an empty line is the empty text.",
        '`enumerate(hits, start=1)` gives numbers and hits, and `"\\n".join(lines)` makes one text of the lines.',
    ),
)

# --- 10.6 how good is a search?


def mean_reciprocal_rank(places: list[int | None], k: int) -> float:
    """The mean of 1 ÷ place over all questions, where what is not among the first k counts as 0."""
    return sum(1 / place for place in _found(places, k)) / len(places)


def _found(places, k):
    return [place for place in places if place is not None and place <= k]


def _by_the_found(places, k):
    return mean_reciprocal_rank(_found(places, k), k)


def _hit_rate(places, k):
    return len(_found(places, k)) / len(places)


def _without_k(places, k):
    return mean_reciprocal_rank(places, max(_found(places, math.inf)))


def _one_over_the_mean(places, k):
    return len(_found(places, k)) / sum(_found(places, k))


def _places_from_zero(places, k):
    return sum(1 / (place + 1) for place in _found(places, k)) / len(places)


def _first_questions(places, k):
    return sum(1 / place for place in places[:k] if place is not None) / len(places)


def _mrr_case(rng):
    places = [1, *(rng.choice([1, 1, 2, 2, 3, 4, 5, 7, None]) for _ in range(rng.randint(2, 6)))]
    rng.shuffle(places)
    return places, rng.randint(2, 5)


MEAN_RECIPROCAL_RANK = Exercise(
    id="10.6",
    title="How good is a search?",
    points=2,
    signature="mean_reciprocal_rank(places, k)",
    reference=mean_reciprocal_rank,
    edge_cases=(
        Case(([1, None, 2, 5], 4)),
        Case(([1, 2, 3], 3), "all were found, and place k counts, too"),
        Case(([5, 1], 3), "a place behind the first k"),
        Case(([None, 2, None, 2, 1], 3), "more questions than k"),
    ),
    random_case=_mrr_case,
    misconceptions=(
        Misconception(
            "divided by the number of hits",
            _by_the_found,
            "A search that finds one of ten pages looks perfect in yours. By how many questions should you divide?",
        ),
        Misconception(
            "returned the hit rate",
            _hit_rate,
            "Yours only counts whether a page was found. Place 1 should bring more than place 3: how many points?",
        ),
        Misconception(
            "forgot k",
            _without_k,
            "Yours gives points for place 5, although only the first k count. What does `k` say?",
        ),
        Misconception(
            "took 1 ÷ the mean place",
            _one_over_the_mean,
            "You take the mean of the places. Turn each place into points first, and then take the mean of the points.",
        ),
        Misconception(
            "counted the places from 0",
            _places_from_zero,
            "The best place gets only ½ in yours. These places already begin with 1: what is 1 ÷ 1?",
        ),
        Misconception(
            "looked at the first k questions only",
            _first_questions,
            "You cut the list of *questions* at k. But k is about places: which numbers in the list are too large?",
        ),
    ),
    hints=(
        "Write down the points of each question first: 1 ÷ place, or 0. The answer is their mean.",
        "Ask for `None` before you compare: `place is not None and place <= k`.",
    ),
)

EXERCISES = (RARITY, BM25, TOP_PASSAGES, COSINE, GROUNDED_PROMPT, MEAN_RECIPROCAL_RANK)
