"""Step 2, tokenization: text goes in, pieces with numbers come out, and the numbers become text again.

Every function takes the tokenizer of a model as it is. How a tokenizer learned its pieces is in `bpe`. Nothing here
chooses a token: that is step 5.
"""

import codecs
import json
import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .errors import MessageError, TokenError


@dataclass(frozen=True)
class Piece:
    """One token of a text.

    token_id: its number, which is all that the model sees.
    token: its name in the vocabulary, such as 'Ġhello'.
    bytes: the bytes it stands for, such as b' hello'.
    is_special: is it a control token, such as '<|im_end|>'?
    """

    token_id: int
    token: str
    bytes: bytes
    is_special: bool = False

    @property
    def text(self) -> str:
        """The bytes as text; '�' stands where they are only a part of a character."""
        return self.bytes.decode("utf-8", errors="replace")


def check_text(text: str, what: str = "The text") -> None:
    """Refuse what is no text, and text that no tokenizer can read. Raises MessageError."""
    if not isinstance(text, str):
        raise MessageError(f"{what} must be text, not {type(text).__name__}.")
    lone = re.search("[\ud800-\udfff]", text)
    if lone:
        raise MessageError(
            f"{what} has half of a character (a lone surrogate) at position {lone.start()}: please remove it."
        )


# --- from text to pieces and back


def split(text: str, tokenizer: Any) -> list[Piece]:
    """Cut a text into the pieces that a model reads; no special token is added.

    A control token that is written in the text becomes one piece, as in `tokenizer.encode`.
    Raises MessageError where the text holds half a character (a lone surrogate), which no tokenizer can read.

    >>> [piece.token for piece in split("Hi you", smollm2_tokenizer)]
    ['Hi', 'Ġyou']
    """
    check_text(text)
    special_ids = special_token_ids(tokenizer)
    return [
        Piece(
            token_id,
            tokenizer.convert_ids_to_tokens(token_id),
            token_bytes(token_id, tokenizer),
            token_id in special_ids,
        )
        for token_id in tokenizer.encode(text, add_special_tokens=False)
    ]


def token_bytes(token_id: int, tokenizer: Any) -> bytes:
    """The exact bytes that a token stands for.

    A token may be less than a character: '😀' is four bytes, and SmolLM2 writes them as two tokens.

    | family            | token      | bytes          |
    |-------------------|------------|----------------|
    | byte-level BPE    | 'Ġhello'   | b' hello'      |
    | WordPiece         | '##ing'    | b'ing'         |
    | SentencePiece     | '▁hello'   | b' hello'      |
    | SentencePiece     | '<0x0A>'   | b'\\n'          |
    | any special token | '<s>'      | b'<s>'         |

    Raises TokenError where the vocabulary has no such number.
    """
    token = tokenizer.convert_ids_to_tokens(token_id) if token_id >= 0 else None
    if token is None:
        last = f"0 to {len(tokenizer) - 1}" if hasattr(tokenizer, "__len__") else "0 or more"
        raise TokenError(f"token_id={token_id} is not in this vocabulary: allowed is {last}.")
    return _Spelling.of(tokenizer).bytes_of(token, token_id)


def check_token_ids(token_ids: Iterable[int], vocab_size: int) -> list[int]:
    """Make a plain list of token ids, or refuse what is none: text, or a number outside the vocabulary.

    Raises TokenError.
    """
    try:
        plain_ids = [operator.index(token_id) for token_id in token_ids]
    except TypeError:
        raise TokenError(f"input_ids must be a list of whole numbers, not {token_ids!r:.60}: see encode.") from None
    for token_id in plain_ids:
        if not 0 <= token_id < vocab_size:
            raise TokenError(f"token_id={token_id} is not in this vocabulary: allowed is 0 to {vocab_size - 1}.")
    return plain_ids


def common_prefix_length(a: list[int], b: list[int]) -> int:
    """How many tokens two lists share from the start: [5, 6, 7] and [5, 6, 9, 7] share 2."""
    for place, (left, right) in enumerate(zip(a, b, strict=False)):
        if left != right:
            return place
    return min(len(a), len(b))


def token_text(token_id: int, tokenizer: Any) -> str:
    """One token as text; its bytes as hexadecimal numbers where they are no whole character, never '�'.

    tokenizer: of a model, or a list with the text of each token: a toy vocabulary.
    """
    if isinstance(tokenizer, (list, tuple)):
        return tokenizer[token_id]
    try:
        data = token_bytes(token_id, tokenizer)
    except TokenError:  # a model may have more outputs than its vocabulary has words
        return f"id {token_id}"
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.hex(" ").upper()


def special_token_ids(tokenizer: Any) -> frozenset[int]:
    """The numbers of the control tokens, which `skip_special_tokens` leaves out."""
    added = getattr(tokenizer, "added_tokens_decoder", {})
    ids = {token_id for token_id, token in added.items() if token.special}
    return frozenset(ids.union(getattr(tokenizer, "all_special_ids", ())))


class TextDecoder:
    """Turns tokens into text one by one, and never shows half a character.

    The bytes of an unfinished character wait until the next token completes it. '�' appears only where the bytes are
    no text at all. All pushes and the flush together give what `tokenizer.decode` gives for the whole list (byte-level
    tokenizers: exactly), but each step looks only at the new token, however long the text has become.

    >>> decoder = TextDecoder(smollm2_tokenizer)
    >>> [decoder.push(token_id) for token_id in (26843, 40303, 218)]    # Hi, half of an emoji, the other half
    ['Hi', ' ', '😀']
    """

    def __init__(self, tokenizer: Any, *, skip_special_tokens: bool = True):
        self._tokenizer = tokenizer
        self._spelling = _Spelling.of(tokenizer)
        self._skipped = special_token_ids(tokenizer) if skip_special_tokens else frozenset()
        self._utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._at_start = True

    def push(self, token_id: int) -> str:
        """The text that this token completes, often '' or a little more than the token.

        A number without a token gives '': some models have more outputs than their vocabulary has words.
        """
        token = self._tokenizer.convert_ids_to_tokens(token_id)
        if token is None or token_id in self._skipped:
            return ""
        data = self._spelling.joined(token, token_id, at_start=self._at_start)
        self._at_start = False
        return self._utf8.decode(data)

    def flush(self) -> str:
        """What is left at the end: '' or, for a character that was never finished, '�'. Ready for a new text."""
        self._at_start = True
        return self._utf8.decode(b"", final=True)


def group_characters(pieces: Iterable[Piece]) -> list[tuple[Piece, ...]]:
    """Put pieces together until their bytes make whole characters; most groups hold one piece.

    An emoji over two tokens becomes one group, so that it can be shown as itself. A special token stands alone.
    """
    groups: list[tuple[Piece, ...]] = []
    waiting: list[Piece] = []
    utf8 = codecs.getincrementaldecoder("utf-8")(errors="replace")
    for piece in pieces:
        if piece.is_special and waiting:
            groups.append(tuple(waiting))
            waiting = []
            utf8.reset()
        waiting.append(piece)
        utf8.decode(piece.bytes)
        unfinished, _ = utf8.getstate()
        if not unfinished:
            groups.append(tuple(waiting))
            waiting = []
    return groups + ([tuple(waiting)] if waiting else [])


def text_of(pieces: Iterable[Piece]) -> str:
    """The text of some pieces together; '�' where their bytes are not whole characters."""
    return b"".join(piece.bytes for piece in pieces).decode("utf-8", errors="replace")


# --- how a vocabulary spells bytes


def byte_symbols() -> dict[int, str]:
    """The sign that stands for each byte in a byte-level vocabulary (as in GPT-2's code).

    A vocabulary file should hold no blanks or control characters. So bytes that can be printed stand for themselves,
    and the others are moved up, in order, to the signs from number 256 on. Space is byte 32: 'Ġ' is sign 256 + 32.
    """
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    moved_up = (chr(number) for number in range(256, 512))
    return {byte: chr(byte) if byte in printable else next(moved_up) for byte in range(256)}


@dataclass(frozen=True)
class _Spelling:
    """How one tokenizer writes bytes in its vocabulary. kind: byte-level, wordpiece, sentencepiece or plain."""

    kind: str
    tokenizer: Any
    prefix: str = "##"
    strips_first_space: bool = False
    cleans_up: bool = False

    @classmethod
    def of(cls, tokenizer: Any) -> "_Spelling":
        """Read it off the decoder that the tokenizer brings along, not off the model's name."""
        backend = getattr(tokenizer, "backend_tokenizer", None)
        decoder = getattr(backend, "decoder", None)
        if decoder is None:
            return cls("plain", tokenizer)
        outer = json.loads(decoder.__getstate__())
        parts = {part["type"]: part for part in outer.get("decoders", [outer])}
        if "ByteLevel" in parts:
            return cls("byte-level", tokenizer)
        if "WordPiece" in parts:
            wordpiece = parts["WordPiece"]
            return cls("wordpiece", tokenizer, prefix=wordpiece["prefix"], cleans_up=wordpiece["cleanup"])
        if parts.keys() & {"Metaspace", "ByteFallback"}:
            strips = "Strip" in parts or parts.get("Metaspace", {}).get("prepend_scheme", "never") != "never"
            return cls("sentencepiece", tokenizer, strips_first_space=strips)
        return cls("plain", tokenizer)

    def bytes_of(self, token: str, token_id: int) -> bytes:
        """The bytes of the token alone."""
        if self.kind == "byte-level" and all(sign in _BYTE_OF for sign in token):
            return bytes(_BYTE_OF[sign] for sign in token)
        if self.kind == "sentencepiece":
            hex_byte = re.fullmatch(r"<0x([0-9A-Fa-f]{2})>", token)
            return bytes.fromhex(hex_byte[1]) if hex_byte else token.replace("▁", " ").encode()
        if self.kind == "wordpiece":
            return token.removeprefix(self.prefix).encode()
        if self.kind == "plain":
            return self.tokenizer.decode([token_id], skip_special_tokens=False).encode()
        return token.encode()

    def joined(self, token: str, token_id: int, *, at_start: bool) -> bytes:
        """The bytes of the token in a text: WordPiece leaves out spaces, SentencePiece begins with one too many."""
        data = self.bytes_of(token, token_id)
        if self.kind == "wordpiece":
            if at_start:
                return token.encode()  # the library, too, keeps the '##' of a text that begins inside a word
            closes_up = token.startswith(self.prefix) or (self.cleans_up and token in {".", "?", "!", ","})
            return data if closes_up else b" " + data
        return data.removeprefix(b" ") if at_start and self.strips_first_space else data


_BYTE_OF = {sign: byte for byte, sign in byte_symbols().items()}
