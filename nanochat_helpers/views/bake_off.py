"""The memory bake-off: a fact is told, other things are talked about, then it is asked for. Which strategy remembers?

Two things are measured, and they are not the same: is the fact still in the prompt, and does the model say it?
`bake_off_data` asks the model; `bake_off_html` draws one round, `bake_off_rounds_html` several with more or less talk.
"""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import MessageError, SettingsError
from ..generation import sample_batch
from ..history import (
    Fitted,
    LastTurns,
    PinnedNotes,
    RelevantTurns,
    RunningSummary,
    TokenBudget,
    check_result,
    check_strategy,
)
from ..language import later, tr, tr_later
from ..memory import find_turns_with, summarise_with
from ..prompts import encode_prompt
from ..settings import GenerationSettings, check_count
from ..tokens import check_text
from .bake_off_style import STYLE
from .filmstrip import running_text
from .markup import bar, count, figure

Strategy = Callable[..., Fitted]
SYSTEM = "You are a helpful AI assistant."
SETTINGS = GenerationSettings(temperature=0.3, top_p=0.9, max_new_tokens=24, seed=0)
MAX_TOKENS = 160


@dataclass(frozen=True)
class Fact:
    """What the user tells, what is answered, how it is asked for at the end, and the word that must come."""

    told: str = "My dog is called Biscuit."
    reply: str = "Biscuit is a lovely name for a dog!"
    question: str = "What is the name of my dog?"
    answer: str = "Biscuit"

    def __post_init__(self):
        for name, text in vars(self).items():
            check_text(text, f"{name} of the fact")
        if not self.answer.strip():
            raise MessageError("answer of the fact is empty: it must be the word that shows that the fact was used.")

    def is_in(self, text: str) -> bool:
        """Does a text have the answer as a whole word, in small letters or capitals?"""
        return re.search(rf"(?<!\w){re.escape(self.answer)}(?!\w)", text, re.IGNORECASE) is not None


# What is talked about in between, as question and answer.
SMALL_TALK = (
    ("What is the capital of France?", "The capital of France is Paris."),
    ("How many legs has a spider?", "A spider has eight legs."),
    ("What colour is grass?", "Grass is green."),
    ("Tell me a big river.", "The Amazon is a big river."),
    ("What do bees make?", "Bees make honey."),
    ("How many days has a week?", "A week has seven days."),
    ("What is ice made of?", "Ice is frozen water."),
    ("Where do penguins live?", "Penguins live in the south, many of them on the ice."),
)


@dataclass(frozen=True)
class Outcome:
    """What became of the fact under one strategy.

    kept: the messages of the last prompt; n_prompt: its length in tokens; n_dropped: how many messages it lacks.
    in_prompt: is the answer a word of the prompt? samples: what the model said, one text for each seed; n_said: how
        many of them have the answer.
    """

    strategy: str
    kept: tuple[dict, ...]
    n_prompt: int
    n_dropped: int
    in_prompt: bool
    samples: tuple[str, ...]
    n_said: int


@dataclass(frozen=True)
class BakeOff:
    """One round: the fact, the number of turns between telling and asking, the first seed, an outcome a strategy."""

    fact: Fact
    n_between: int
    seed: int
    outcomes: tuple[Outcome, ...]


# --- data


def planted_conversation(
    n_between: int, fact: Fact | None = None, small_talk: Sequence[tuple[str, str]] = SMALL_TALK
) -> list[dict]:
    """A scripted conversation: the fact is told, then n_between turns of small talk, and then it is asked for."""
    check_count("n_between", n_between, least=0)
    fact = fact or Fact()
    _check_small_talk(small_talk, n_between)
    turns = [(fact.told, fact.reply), *(small_talk[n % len(small_talk)] for n in range(n_between))]
    messages = [{"role": "system", "content": SYSTEM}]
    for told, reply in turns:
        messages += [{"role": "user", "content": told}, {"role": "assistant", "content": reply}]
    return [*messages, {"role": "user", "content": fact.question}]


def _check_small_talk(small_talk, n_between):
    if n_between and not small_talk:
        raise MessageError("small_talk is empty: give at least one pair of a question and an answer.")
    if isinstance(small_talk, str) or any(not isinstance(said, (tuple, list)) or len(said) != 2 for said in small_talk):
        raise MessageError('small_talk must be pairs of a question and an answer: [("It rains.", "Oh!")].')


def five_strategies(backbone: Any, fact: Fact | None = None) -> dict[str, Strategy]:
    """The five strategies that are compared, by their English names.

    The summary is written by the model; the search is by words.
    """
    from ..retrieval import BM25Search

    fact = fact or Fact()
    return {
        later("keep the last 2 turns"): LastTurns(2),
        later("drop the oldest"): TokenBudget(),
        later("pinned notes"): PinnedNotes([fact.told], LastTurns(2)),
        later("running summary"): RunningSummary(summarise_with(backbone), 2),
        later("relevant turns"): RelevantTurns(find_turns_with(BM25Search), n=1, max_history=1),
    }


def bake_off_data(
    backbone: Any,
    n_between: int = 6,
    *,
    fact: Fact | None = None,
    strategies: Mapping[str, Strategy] | None = None,
    n_seeds: int = 8,
    settings: GenerationSettings | None = None,
    max_tokens: int = MAX_TOKENS,
    small_talk: Sequence[tuple[str, str]] = SMALL_TALK,
    cancel: threading.Event | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> BakeOff:
    """Play one scripted conversation under each strategy, and ask the last question n_seeds times at once.

    Each strategy is called at each turn, as in a chat; a summary therefore grows turn by turn. The replies to the small
    talk are given, so that all strategies see the same. max_tokens: room for the prompt. settings.seed (None: 0) is
    the first of the seeds. cancel: once set, only strategies that are done are in the result.
    on_progress: called with the number of strategies that are done, and of all.
    """
    check_count("n_seeds", n_seeds, least=1)
    check_count("max_tokens", max_tokens, least=1)
    fact, settings = fact or Fact(), settings or SETTINGS
    _check_round(fact, settings, strategies)
    seed = settings.seed or 0
    rows = [settings.change(seed=seed + number) for number in range(n_seeds)]
    messages = planted_conversation(n_between, fact, small_talk)
    strategies = five_strategies(backbone, fact) if strategies is None else strategies
    outcomes = []
    for name, strategy in strategies.items():
        if cancel and cancel.is_set():
            break
        fitted = _last_prompt(strategy, messages, backbone.tokenizer, max_tokens, cancel)
        if fitted is None:
            break
        input_ids = encode_prompt(fitted.messages, backbone.tokenizer).input_ids
        samples = [sample.text.strip() for sample in sample_batch(backbone, input_ids, rows, cancel=cancel)]
        if cancel and cancel.is_set():
            break
        outcomes.append(_outcome(name, fitted, len(input_ids), samples, fact))
        if on_progress:
            on_progress(len(outcomes), len(strategies))
    return BakeOff(fact, n_between, seed, tuple(outcomes))


def _check_round(fact, settings, strategies):
    if not isinstance(fact, Fact):
        raise SettingsError(f"fact={fact!r:.60} is not allowed: it must be a Fact(told, reply, question, answer).")
    if not isinstance(settings, GenerationSettings):
        raise SettingsError(f"settings={settings!r:.60} is not allowed: it must be GenerationSettings(…).")
    if strategies is None:
        return
    if not isinstance(strategies, Mapping) or not all(isinstance(name, str) for name in strategies):
        raise SettingsError('strategies must be names with their strategies: {"last 2 turns": LastTurns(2)}.')
    for strategy in strategies.values():
        check_strategy(strategy)


def _last_prompt(strategy, messages, tokenizer, max_tokens, cancel):
    """Call the strategy at each turn, for some remember what they did; None where it was cancelled."""

    def count_tokens(messages):
        return len(encode_prompt(messages, tokenizer).input_ids)

    fitted = None
    for n in range(2, len(messages) + 1, 2):  # the system message, then a user's message each time
        if cancel and cancel.is_set():
            return None
        fitted = check_result(strategy(messages[:n], count_tokens, max_tokens))
    return fitted


def _outcome(name, fitted, n_prompt, samples, fact):
    in_prompt = any(fact.is_in(message["content"]) for message in fitted.messages)
    n_said = sum(fact.is_in(sample) for sample in samples)
    return Outcome(name, tuple(fitted.messages), n_prompt, len(fitted.dropped), in_prompt, tuple(samples), n_said)


# --- drawings


def bake_off_html(data: BakeOff) -> str:
    """Draw one round as a table; the prompt and the answers of each strategy can be opened below it."""
    rows = "".join(_row(outcome) for outcome in data.outcomes)
    heads = tr("strategy"), tr("is it still in the prompt?"), tr("did the model say it?"), tr("the prompt")
    head = "".join(f'<th scope="col">{text}</th>' for text in heads)
    table = f'<table class="nc-bo"><tr>{head}</tr>{rows}</table>'
    texts = "".join(_texts(outcome, data) for outcome in data.outcomes)
    label = tr("Memory bake-off: the fact, {turns}, and the question", turns=count(data.n_between, "turn"))
    return figure(f"{STYLE}{_head(data)}{table}{texts}", label=label)


def _head(data):
    between = tr("{turns} of small talk", turns=count(data.n_between, "turn"))
    told = f"“{running_text(data.fact.told)}” → {between} → “{running_text(data.fact.question)}”"
    return f'<div class="nc-head"><b>{told}</b></div>'


def _row(outcome):
    tokens, messages = count(outcome.n_prompt, "token"), count(outcome.n_dropped, "message")
    prompt = tr("{tokens}, {messages} dropped", tokens=tokens, messages=messages)
    return (
        f'<tr><th scope="row">{_name(outcome.strategy)}</th><td>{_in_prompt(outcome)}</td>'
        f'<td>{_said(outcome)}</td><td class="nc-dim">{prompt}</td></tr>'
    )


def _name(strategy):
    return running_text(tr_later(strategy))


def _in_prompt(outcome):
    answer = ("nc-bo-yes", "✓", tr("yes")) if outcome.in_prompt else ("nc-bo-no", "✗", tr("no"))
    return '<b class="{}">{}<span> {}</span></b>'.format(*answer)


def _said(outcome):
    said = tr("{n} of {total}", n=outcome.n_said, total=len(outcome.samples))
    return f'<span class="nc-bo-said">{bar(_share(outcome), label=said)}<b>{said}</b></span>'


def _share(outcome):
    return outcome.n_said / len(outcome.samples) if outcome.samples else 0.0


def _texts(outcome, data):
    said = "".join(
        f"<dt>{tr('seed {n}', n=data.seed + number)} {'✓' if data.fact.is_in(sample) else '✗'}</dt>"
        f"<dd>{running_text(sample)}</dd>"
        for number, sample in enumerate(outcome.samples)
    )
    prompt = "".join(f"<dt>{said['role']}</dt><dd>{running_text(said['content'])}</dd>" for said in outcome.kept)
    title = tr("{strategy}: its answers and its prompt", strategy=_name(outcome.strategy))
    return (
        f'<details class="nc-bo-more"><summary>{title}'
        f'</summary><p><b>{tr("Said")}</b></p><dl class="nc-bo-texts">{said}</dl>'
        f'<p><b>{tr("Prompt")}</b></p><dl class="nc-bo-texts">{prompt}</dl></details>'
    )


def bake_off_rounds_html(rounds: Sequence[BakeOff]) -> str:
    """Draw several rounds: for each strategy one line "in the prompt" and another "said", a column for each n_between.

    Of several rounds with the same n_between, the last one counts. A cell stays empty where nothing was measured.
    """
    by_turns = {data.n_between: {outcome.strategy: outcome for outcome in data.outcomes} for data in rounds}
    columns = sorted(by_turns)
    names = dict.fromkeys(name for n in columns for name in by_turns[n])
    head = "".join(f'<th scope="col">{n}</th>' for n in columns)
    rows = "".join(_two_lines(name, [by_turns[n].get(name) for n in columns]) for name in names)
    table = (
        f'<table class="nc-bo nc-bo-rounds"><tr><th scope="col" colspan="2">{tr("turns in between →")}</th>{head}</tr>'
        f"{rows}</table>"
    )
    return figure(f"{STYLE}{table}", label=tr("Memory bake-off: the strategies after more and more turns"))


def _two_lines(name, outcomes):
    """Two rows of a table: where the fact was in the prompt, and how often it was said."""
    in_prompt = "".join(f"<td>{_in_prompt(outcome) if outcome else ''}</td>" for outcome in outcomes)
    said = "".join(_share_cell(outcome) for outcome in outcomes)
    return (
        f'<tr class="nc-bo-first"><th scope="row" rowspan="2">{_name(name)}</th>'
        f'<th scope="row">{tr("in the prompt")}</th>{in_prompt}</tr><tr><th scope="row">{tr("said")}</th>{said}</tr>'
    )


def _share_cell(outcome):
    if outcome is None:
        return "<td></td>"
    told = tr("said {n} of {total} times", n=outcome.n_said, total=len(outcome.samples))
    share = round(100 * _share(outcome))
    return f'<td class="nc-bo-cell" title="{told}" style="--nc-share:{share / 100:g}">{share} %</td>'
