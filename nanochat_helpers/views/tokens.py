"""Pictures of step 2: the pieces of a text, one text in several tokenizers, and how merges are learned.

Each picture is two functions: `*_data` computes (tested), `*_html` draws. The live ones are in `widgets.tokens`.
"""

import html
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..bpe import Pair, Pieces, TrainingStage, learning_stages, merge_pair
from ..language import tr
from ..tokens import Piece, group_characters, split
from .markup import attribute, bar, count, figure, visible

# --- chips: text above, numbers below


@dataclass(frozen=True)
class Chip:
    """One or more pieces that make whole characters: what is drawn as one box."""

    pieces: tuple[Piece, ...]

    @property
    def bytes(self) -> bytes:
        """The bytes of all its pieces."""
        return b"".join(piece.bytes for piece in self.pieces)

    @property
    def is_special(self) -> bool:
        """Is it a control token?"""
        return any(piece.is_special for piece in self.pieces)

    @property
    def label(self) -> str:
        """Its text; its bytes as hexadecimal numbers where they are no whole character, so that no '�' is shown."""
        try:
            return self.bytes.decode("utf-8")
        except UnicodeDecodeError:
            return self.bytes.hex(" ").upper()


def chips_data(text: str, tokenizer: Any) -> list[Chip]:
    """The pieces of a text, grouped to whole characters."""
    return [Chip(pieces) for pieces in group_characters(split(text, tokenizer))]


def chips_html(chips: Sequence[Chip], *, limit: int = 400) -> str:
    """Draw the pieces in order; hover over one, or move to it with Tab, to read its name and its bytes.

    limit: how many boxes are drawn at most; a last sentence says how many were left out.
    """
    n_tokens = sum(len(chip.pieces) for chip in chips)
    n_bytes = sum(len(chip.bytes) for chip in chips)
    n_characters = sum(len(chip.bytes.decode("utf-8", errors="replace")) for chip in chips)
    head = (
        f'<div class="nc-head"><b>{count(n_tokens, "token")}</b>'
        f'<span class="nc-dim">{count(n_characters, "character")} · {count(n_bytes, "byte")}</span></div>'
    )
    boxes = "".join(_chip(chip, number) for number, chip in enumerate(chips[:limit]))
    hint = tr("Point at a piece, or press Tab, to see its name and its bytes.")
    hint = f'<span class="nc-hint">{hint}</span>' if chips else ""
    rest = sum(len(chip.pieces) for chip in chips[limit:])
    more = tr("… and {tokens} more, not drawn.", tokens=count(rest, "token"))
    note = f'<p class="nc-dim">{more}</p>' if rest else ""
    label = tr("The text in {tokens}", tokens=count(n_tokens, "token"))
    return figure(f'{head}{note}<div class="nc-chips">{boxes}{hint}</div>', label=label)


def _chip(chip, number):
    ids = "".join(f"<span>{piece.token_id}</span>" for piece in chip.pieces)
    kind = "nc-special" if chip.is_special else f"nc-{number % 4}"
    ids_spoken = tr(" and ").join(str(piece.token_id) for piece in chip.pieces)
    spoken = tr("{text}, token {ids}", text=repr(chip.label), ids=ids_spoken)
    return (
        f'<span class="nc-chip {kind}" tabindex="0" role="group" aria-label="{attribute(spoken)}">'
        f'<span class="nc-text">{visible(chip.label)}</span><span class="nc-ids">{ids}</span>'
        f'<span class="nc-detail">{_detail(chip)}</span></span> '
    )


def _detail(chip):
    if chip.is_special:
        return tr("a control token: it steers the chat and is not shown in it")
    names = " + ".join(f"{visible(piece.token)} <b>{piece.token_id}</b>" for piece in chip.pieces)
    hex_bytes = " ".join(f"{byte:02X}" for byte in chip.bytes[:16]) + (" …" if len(chip.bytes) > 16 else "")
    n_bytes = count(len(chip.bytes), "byte")
    return tr("in the vocabulary: {names}<br>{bytes}: {hex}", names=names, bytes=n_bytes, hex=hex_bytes)


# --- ladder: one text, one row a tokenizer


@dataclass(frozen=True)
class Rung:
    """One row: a tokenizer's name, the pieces it makes as (text, number of tokens, is lost), and how many tokens."""

    name: str
    pieces: tuple[tuple[str, int, bool], ...]
    n_tokens: int


def ladder_data(text: str, tokenizers: Mapping[str, Any]) -> list[Rung]:
    """Cut one text with several tokenizers.

    tokenizers: name → a tokenizer of a model, or a function that takes a text and gives a list of texts.
    A piece counts as lost when it became the 'unknown' token: what stood there cannot be brought back.
    """
    return [_rung(name, text, tokenizer) for name, tokenizer in tokenizers.items()]


def _rung(name, text, tokenizer):
    if isinstance(tokenizer, Callable) and not hasattr(tokenizer, "convert_ids_to_tokens"):
        pieces = tuple((piece, 1, False) for piece in tokenizer(text))
        return Rung(name, pieces, len(pieces))
    unknown = getattr(tokenizer, "unk_token", None)
    chips = chips_data(text, tokenizer)
    pieces = tuple((_name_on_ladder(chip), len(chip.pieces), chip.pieces[0].token == unknown) for chip in chips)
    return Rung(name, pieces, sum(len(chip.pieces) for chip in chips))


def _name_on_ladder(chip):
    """WordPiece marks a piece inside a word with '##': keep that mark, for the bytes alone do not tell."""
    token = chip.pieces[0].token
    return token if token.startswith("##") and len(chip.pieces) == 1 else chip.label


def ladder_html(rungs: Sequence[Rung], *, limit: int = 150) -> str:
    """Draw one row a tokenizer, with the number of tokens at the right as a number and a bar."""
    most = max((rung.n_tokens for rung in rungs), default=0) or 1
    rows = "".join(_row(rung, most, limit) for rung in rungs)
    label = "; ".join(f"{rung.name}: {count(rung.n_tokens, 'token')}" for rung in rungs)
    return figure(f'<div class="nc-rows">{rows}</div>', label=label)


def _row(rung, most, limit):
    pieces = " ".join(_ladder_piece(*piece) for piece in rung.pieces[:limit])
    rest = sum(n_tokens for _, n_tokens, _ in rung.pieces[limit:])
    more = f' <span class="nc-dim">{tr("… {n:,} more", n=rest)}</span>' if rest else ""
    tokens = count(rung.n_tokens, "token")
    return (
        f'<div class="nc-row"><b>{html.escape(rung.name)}</b><div class="nc-pieces">{pieces}{more}</div>'
        f"<div>{tokens}{bar(rung.n_tokens / most, label=f'{rung.name}: {tokens}')}</div></div>"
    )


def _ladder_piece(text, n_tokens, is_lost):
    times = f" <small>×{n_tokens}</small>" if n_tokens > 1 else ""
    return f'<span class="nc-piece{" nc-lost" if is_lost else ""}">{visible(text)}{times}</span>'


# --- merges: learning a vocabulary, one step at a time


@dataclass(frozen=True)
class MergeView:
    """What the stepper shows: the merges so far, and the stage of the learning that they lead to."""

    merges: tuple[Pair, ...]
    stage: TrainingStage


def merges_data(text: str, n_merges: int) -> MergeView:
    """The state of the learning after some merges; see `bpe.learning_stages` for the rule."""
    stages = learning_stages(text, n_merges + 1)
    merges = tuple(stage.next_pair for stage in stages[:n_merges] if stage.next_pair)
    return MergeView(merges, stages[min(n_merges, len(stages) - 1)])


def merges_html(view: MergeView, *, show_next: bool = True) -> str:
    """Draw the words in pieces, the merges so far and the five best pairs.

    show_next: outline the pair that is merged next and list the pair counts; False leaves them to be guessed.
    """
    next_pair = view.stage.next_pair if show_next else None
    merges, pieces = count(len(view.merges), "merge"), count(_total(view.stage.words), "piece")
    head = (
        f'<div class="nc-head"><b>{tr("After {merges}", merges=merges)}</b>'
        f'<span class="nc-dim">{tr("the text is {pieces} long", pieces=pieces)}</span></div>'
    )
    words = "".join(_word(pieces, times, next_pair) for pieces, times in view.stage.words.items())
    guess = f"<p>{tr('Which pair is merged next? Guess, then look.')}</p>"
    side = _best_pairs(view.stage) if show_next else guess
    learned = ", ".join(f"{number}. {visible(a)} + {visible(b)}" for number, (a, b) in enumerate(view.merges, start=1))
    body = f'{head}<div class="nc-two"><div class="nc-words">{words}</div><div>{side}</div></div>'
    return figure(
        f'{body}<p class="nc-mono"><span class="nc-dim">{tr("Learned:")}</span> {learned or tr("nothing yet")}</p>',
        label=tr("After {merges} the text is {pieces} long", merges=merges, pieces=pieces),
    )


def _total(words):
    return sum(len(pieces) * times for pieces, times in words.items())


def _word(pieces: Pieces, times, next_pair):
    return (
        f'<span class="nc-word">{" ".join(_outlined(pieces, next_pair))} <span class="nc-dim">×{times}</span></span> '
    )


def _outlined(pieces, pair):
    """The pieces as HTML; each place where the pair would be merged has one frame around both."""
    rest = list(pieces)
    for glued in merge_pair(pieces, pair) if pair else pieces:
        if rest[0] == glued:
            yield _piece(rest.pop(0))
        else:
            yield f'<span class="nc-next">{_piece(rest.pop(0))}{_piece(rest.pop(0))}</span>'


def _piece(text):
    return f'<span class="nc-piece">{visible(text)}</span>'


def _best_pairs(stage):
    if not stage.best_pairs:
        return f"<p>{tr('No pair is left: every word is one piece.')}</p>"
    most = stage.best_pairs[0][1]
    rows = [_pair_row(pair, times, most, pair == stage.next_pair) for pair, times in stage.best_pairs[:5]]
    return f'<p>{tr("The five most frequent pairs:")}</p><div class="nc-pairs">{"".join(rows)}</div>'


def _pair_row(pair, times, most, is_next):
    name = f"{_piece(pair[0])} {_piece(pair[1])}"
    drawn = bar(times / most, label=f"{pair[0]} + {pair[1]}: {count(times, 'time')}")
    first = ' class="nc-first"' if is_next else ""
    told = tr("{n} ← next", n=times) if is_next else times
    return f"<span>{name}</span>{drawn}<span{first}>{told}</span>"
