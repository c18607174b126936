"""A model that says what a test tells it to, and a tokenizer with one token for each byte: nothing has to be loaded."""

from collections.abc import Callable, Iterator

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from nanochat_helpers.backbones.llama_cpp import DrawnToken
from nanochat_helpers.tokens import byte_symbols

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
IM_START, IM_END, VOCAB_SIZE = 256, 257, 258


class ByteTokenizer(PreTrainedTokenizerFast):
    """A real tokenizer that reads every text: token 65 is byte 65 ("A"); 256 is <|im_start|>, 257 <|im_end|>.

    is_chat: with SmolLM2's form of chat template, though without its built-in system message; a base model has none.
    """

    def __init__(self, *, is_chat: bool = True):
        backend = Tokenizer(models.BPE({symbol: byte for byte, symbol in byte_symbols().items()}, []))
        backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        backend.decoder = decoders.ByteLevel()
        backend.add_special_tokens(["<|im_start|>", "<|im_end|>"])
        super().__init__(
            tokenizer_object=backend,
            bos_token="<|im_start|>",
            eos_token="<|im_end|>",
            clean_up_tokenization_spaces=False,
            chat_template=CHAT_TEMPLATE if is_chat else None,
        )


class ScriptedBackbone:
    """A backbone without a model.

    script: the text of every reply; or a list of texts, one for each reply in turn; or a function that gets the
        input_ids and gives logits of shape (vocab_size,). A text is written byte by byte and followed by the end token,
        each of them all but certain. With `ends=False` spaces follow instead, for ever.
    calls: all input_ids that were asked for.
    engine: with "llama.cpp" it chooses the tokens itself, as that engine does.
    """

    def __init__(
        self,
        script: str | list[str] | Callable[[list[int]], torch.Tensor],
        *,
        tokenizer=None,
        context_length: int = 2000,
        family: str = "decoder",
        engine: str = "transformers",
        ends: bool = True,
    ):
        self.name, self.engine, self.family, self.context_length = "scripted", engine, family, context_length
        self.tokenizer = tokenizer or ByteTokenizer()
        self.is_chat = bool(self.tokenizer.chat_template)
        self.eos_token_ids = frozenset([self.tokenizer.eos_token_id])
        self.vocab_size = len(self.tokenizer)
        self.calls: list[list[int]] = []
        self._script = [script] if isinstance(script, str) else script
        self._ends, self._reply, self._place = ends, -1, 0

    def next_token_logits(self, input_ids: list[int]) -> torch.Tensor:
        is_new_reply = not self.calls or self.calls[-1] != input_ids[:-1]
        self.calls.append(list(input_ids))
        if callable(self._script):
            return self._script(list(input_ids))
        self._reply, self._place = (self._reply + 1, 0) if is_new_reply else (self._reply, self._place + 1)
        return almost_certain(self._scripted_id(self._reply, self._place), self.vocab_size)

    def draw_tokens(
        self, input_ids: list[int], settings, *, max_new_tokens: int, seed: int, cancel=None
    ) -> Iterator[DrawnToken]:
        self.calls.append(list(input_ids))
        self._reply += 1
        for place in range(max_new_tokens):
            token_id = self._scripted_id(self._reply, place)
            yield DrawnToken(token_id, 0.5)
            if token_id in self.eos_token_ids:
                return

    def _scripted_id(self, reply, place):
        data = self._script[reply % len(self._script)].encode()
        if place < len(data):
            return data[place]
        return self.tokenizer.eos_token_id if self._ends else ord(" ")


def almost_certain(token_id: int, vocab_size: int = VOCAB_SIZE) -> torch.Tensor:
    """Logits under which one token has all but the whole probability."""
    logits = torch.zeros(vocab_size)
    logits[token_id] = 40.0
    return logits
