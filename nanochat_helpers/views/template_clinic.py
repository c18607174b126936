"""The template clinic: one question, wrapped in the right way and in wrong ones, and what the model makes of each.

`clinic_cases` writes the prompts, `template_clinic_data` counts what happened, `template_clinic_html` draws it.
The replies come from `generation.sample_batch`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import MessageError
from ..generation import Sample
from ..language import later, tr, tr_later
from ..prompts import build_prompt, encode_beginning, encode_text, has_template, plain_template
from ..tokens import special_token_ids
from .filmstrip import running_text
from .markup import attribute, count, figure
from .template_clinic_style import STYLE

# A line that begins like this is said by somebody: the reply has gone on as another speaker. Names that are not in this
# list are missed.
SPEAKERS = re.compile(
    r"^(?:(?:User|Bot|Human|Assistant|AI|System|Student|Teacher|Question|Q|A) ?:"
    r"|#{2,3} ?(?:Instruction|Response|Question|Human|Assistant)|\[/?INST\])",
    re.MULTILINE,
)


@dataclass(frozen=True)
class Case:
    """One way to wrap a question. name: in English. says: what was done. text, input_ids: the prompt."""

    name: str
    says: str
    text: str
    input_ids: tuple[int, ...]


@dataclass(frozen=True)
class ClinicReply:
    """One reply with its control tokens left in.

    is_silent: it has no words. self_talk: the character from which it goes on as another speaker or opens a turn; None
    where it does not.
    """

    seed: int | None
    text: str
    n_tokens: int
    finish_reason: str | None
    is_silent: bool
    self_talk: int | None


@dataclass(frozen=True)
class ClinicRow:
    """All replies to one prompt."""

    case: Case
    replies: tuple[ClinicReply, ...]

    @cached_property
    def n_stopped(self) -> int:
        """How many ended with the end token."""
        return sum(reply.finish_reason == "stop" for reply in self.replies)

    @cached_property
    def n_silent(self) -> int:
        """How many have no words."""
        return sum(reply.is_silent for reply in self.replies)

    @cached_property
    def n_self_talk(self) -> int:
        """How many open a turn or go on as another speaker."""
        return sum(reply.self_talk is not None for reply in self.replies)


@dataclass(frozen=True)
class TemplateClinic:
    """What the clinic found out: one row for each way to wrap the question."""

    question: str
    rows: tuple[ClinicRow, ...]
    control_tokens: tuple[str, ...] = ()

    def row(self, name: str) -> ClinicRow:
        """The row of one case."""
        return next(row for row in self.rows if row.case.name == name)


# Each measure is an attribute of ClinicRow: its heading, and what it means.
MEASURES = {
    "n_stopped": (later("stopped"), later("The model ended its reply itself, before the limit cut it off.")),
    "n_silent": (later("silent"), later("The reply has no words at all.")),
    "n_self_talk": (later("talked to itself"), later("The reply opens a turn, or goes on as another speaker.")),
}


# --- data


def clinic_cases(question: str, tokenizer: Any) -> tuple[Case, ...]:
    """Wrap a question in the right way and in all the wrong ones; the first is the right one.

    What the question holds can never become a control token. Raises MessageError for what cannot be sent.
    """
    encode_beginning(question, tokenizer)  # refuses what no prompt can hold
    if not question.strip():
        raise MessageError("There is no question yet: please type one.")
    mark = "\ue000"
    messages = [{"role": "user", "content": mark}]
    right = build_prompt(messages, tokenizer)
    opened = build_prompt(messages, tokenizer, add_generation_prompt=False)
    forms = {
        later("right"): (tr("as the model was trained"), right),
        later("missing"): (tr("only the question"), mark),
    }
    if has_template(tokenizer):
        forms[later("wrong: a script")] = ("User: … Bot: …", plain_template(messages))
    forms[later("wrong: [INST]")] = (tr("another model's template"), f"[INST] {mark} [/INST]")
    forms[later("no generation prompt")] = (tr("nobody's turn is opened"), opened)
    start = getattr(tokenizer, "bos_token", None)
    if start and right.startswith(start):
        forms[later("doubled start token")] = (tr("{token} twice", token=start), start + right)
    return tuple(_case(name, says, form.split(mark), question, tokenizer) for name, (says, form) in forms.items())


def _case(name, says, around, question, tokenizer):
    """around: what stands before the question and after it. A space before the question belongs to its first word."""
    before, after = around
    space = " " if before.endswith(" ") else ""
    start_ids = [] if has_template(tokenizer) else encode_beginning("", tokenizer)
    parts = [tokenizer.encode(part, add_special_tokens=False) for part in (before.removesuffix(" "), after)]
    input_ids = [*start_ids, *parts[0], *encode_text(space + question, tokenizer), *parts[1]]
    return Case(name, says, before + question + after, tuple(input_ids))


def template_clinic_data(
    question: str, cases: Sequence[Case], samples: Sequence[Sequence[Sample]], tokenizer: Any, *, first_seed: int = 0
) -> TemplateClinic:
    """Read the replies. samples: for each case its replies, whose seeds are first_seed and the next ones."""
    rows = tuple(
        ClinicRow(case, tuple(_reply(first_seed + place, sample, tokenizer) for place, sample in enumerate(of_case)))
        for case, of_case in zip(cases, samples, strict=True)
    )
    control = special_token_ids(tokenizer)
    return TemplateClinic(question, rows, tuple(sorted(map(tokenizer.convert_ids_to_tokens, control))))


def _reply(seed, sample, tokenizer):
    # skip_special_tokens=False: a turn that the model opens itself is made of just these tokens.
    text = tokenizer.decode(list(sample.token_ids), skip_special_tokens=False)
    words = tokenizer.decode(list(sample.token_ids), skip_special_tokens=True)
    place = self_talk(sample.token_ids, tokenizer, ended=sample.finish_reason == "stop")
    return ClinicReply(seed, text, len(sample.token_ids), sample.finish_reason, not words.strip(), place)


def self_talk(token_ids: Sequence[int], tokenizer: Any, *, ended: bool = False) -> int | None:
    """The character at which a reply opens a turn or goes on as another speaker; None where it does not.

    ended: the last token is the end token, which is as it should be; any other control token opens a turn.
    """
    body = list(token_ids)[: -1 if ended else None]
    control = special_token_ids(tokenizer)
    first = next((place for place, token_id in enumerate(body) if token_id in control), None)
    spoken = SPEAKERS.search(tokenizer.decode(body, skip_special_tokens=False))
    places = [spoken.start()] if spoken else []
    if first is not None:
        places.append(len(tokenizer.decode(body[:first], skip_special_tokens=False)))
    return min(places, default=None)


# --- drawings


def template_clinic_html(data: TemplateClinic) -> str:
    """A table: one row for each way to wrap the question, with three bars that say how many replies did what."""
    measures = [(tr_later(heading), tr_later(meaning)) for heading, meaning in MEASURES.values()]
    head = "".join(f'<th scope="col" title="{attribute(meaning)}">{heading}</th>' for heading, meaning in measures)
    rows = "".join(_row(row) for row in data.rows)
    meanings = " ".join(f"<b>{heading}</b>: {meaning}" for heading, meaning in measures)
    return figure(
        f'{STYLE}<div class="nc-head"><b>{tr("Template clinic")}</b><span>{running_text(data.question)}</span></div>'
        f'<table class="nc-clinic"><thead><tr><th scope="col">{tr("the prompt")}</th>{head}</tr></thead>{rows}</table>'
        f'<p class="nc-dim nc-clinic-key">{meanings}</p>',
        label=tr("Template clinic: what became of the replies to each prompt"),
    )


def _row(row):
    cells = "".join(_cell(row, measure) for measure in MEASURES)
    name = f'<b>{tr_later(row.case.name)}</b><span class="nc-dim">{running_text(row.case.says)}</span>'
    return f'<tr><th scope="row">{name}</th>{cells}</tr>'


def _cell(row, measure):
    number, n, heading = getattr(row, measure), len(row.replies), tr_later(MEASURES[measure][0])
    share, told = 100 * number / n if n else 0, tr("{n} of {total}", n=number, total=n)
    return (
        f'<td><small>{heading}</small><span class="nc-clinic-bar nc-clinic-{measure[2:]}" role="img" '
        f'aria-label="{attribute(f"{tr_later(row.case.name)}: {told} {heading}")}">'
        f'<i style="width:{share:.1f}%"></i></span>{told}</td>'
    )


def clinic_replies_html(data: TemplateClinic, name: str) -> str:
    """One prompt as the model got it, and the replies to it; what talks to itself is marked from where it begins."""
    return figure(
        f"{STYLE}{_replies(data, data.row(name))}", label=tr("The replies to the prompt: {name}", name=tr_later(name))
    )


def standing_clinic_html(data: TemplateClinic) -> str:
    """The table, and all replies in lists that can be opened: for where no widget runs."""
    lists = "".join(
        f"<details><summary>{tr_later(row.case.name)}</summary>{_replies(data, row)}</details>" for row in data.rows
    )
    replies = figure(f"<p><b>{tr('The replies')}</b></p>{lists}", label=tr("All replies"))
    return template_clinic_html(data) + replies


def _replies(data, row):
    texts = "".join(_reply_html(reply, data.control_tokens) for reply in row.replies)
    return (
        f"<p>{tr('The prompt <b>{name}</b>, as the model got it:', name=tr_later(row.case.name))}</p>"
        f'<p class="nc-clinic-text nc-clinic-prompt">{_with_tokens(row.case.text, data)}</p>'
        f'<dl class="nc-clinic-replies">{texts}</dl>'
    )


def _with_tokens(text, data):
    """The prompt with its control tokens framed; in the question itself they are letters."""
    before, question, after = text.partition(data.question)
    return _framed(before, data.control_tokens) + running_text(question) + _framed(after, data.control_tokens)


def _reply_html(reply, control_tokens):
    cut = len(reply.text) if reply.self_talk is None else reply.self_talk
    ended = tr("stopped") if reply.finish_reason == "stop" else tr("cut off at the limit")
    told = [count(reply.n_tokens, "token"), ended]
    told += [tr("silent")] * reply.is_silent + [tr("talked to itself")] * (reply.self_talk is not None)
    rest = _framed(reply.text[cut:], control_tokens)
    aside = f'<span class="nc-clinic-aside"><b>↯ </b>{rest}</span>' if rest else ""
    return (
        f'<dt><b>{tr("seed {n}", n=reply.seed)}</b> <span class="nc-dim">{", ".join(told)}</span></dt>'
        f'<dd class="nc-clinic-text">{_framed(reply.text[:cut], control_tokens)}{aside}</dd>'
    )


def _framed(text, control_tokens):
    """Text as HTML in which each control token has a frame."""
    pattern = "|".join(map(re.escape, control_tokens)) or "(?!)"
    parts = re.split(f"({pattern})", text)
    return "".join(
        f'<span class="nc-clinic-token">{running_text(part)}</span>' if part in control_tokens else running_text(part)
        for part in parts
    )
