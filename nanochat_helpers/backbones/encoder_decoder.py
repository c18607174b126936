"""Step 4 for a model of two halves, such as flan-t5-small: the encoder reads the prompt, the decoder writes the reply.

Each half has a text of its own. Everywhere else in NanoChat they are one list of input_ids, as for any model: first the
prompt, which ends with the end token (T5's </s>), then the tokens of the reply so far. Here the list is cut in two.
"""

from __future__ import annotations

from functools import partial

import torch

from ..errors import TokenError
from ..prompts import INSTRUCTION_TEMPLATE, add_instruction_template
from .batch import Batch
from .local import LocalBackbone, last_logits


class EncoderDecoderBackbone(LocalBackbone):
    """A model that was trained to follow one instruction. It gets the newest message alone; see `prompts`.

    context_length: how many tokens the prompt may have, and as many again the reply.
    decoder_start_id: the token that stands before each reply; the decoder goes on from it.
    """

    def __init__(self, name: str, model, tokenizer, *, family: str = "encoder-decoder"):
        self._encoder_ids, self._encoder_output = [], None
        super().__init__(name, model, tokenizer, family=family)
        self.decoder_start_id = _decoder_start_id(model)
        add_instruction_template(tokenizer)
        self.is_chat = tokenizer.chat_template != INSTRUCTION_TEMPLATE

    def next_token_logits(self, input_ids: list[int]) -> torch.Tensor:
        """The model's score for every token of the vocabulary to come next: shape (vocab_size,), float32.

        input_ids: a prompt up to its end token, and the reply so far. The encoder reads a prompt once.
        Raises ContextError when one of the two is too long, TokenError for a prompt without an end.
        """
        prompt_ids, reply_ids = self._halves(input_ids)
        with self._lock:
            if prompt_ids != self._encoder_ids:
                self.forget()
                self._encoder_output = self._encode(prompt_ids)
                self._encoder_ids = prompt_ids
            return self._next_token_logits([self.decoder_start_id, *reply_ids])

    def start_batch(self, input_ids: list[int]) -> Batch:
        """Begin many texts that all go on from these tokens; see `Batch`. It keeps a cache of its own."""
        prompt_ids, reply_ids = self._halves(input_ids)
        forward = partial(self._decode, self._encode(prompt_ids))
        return Batch(forward, self._new_cache(), [self.decoder_start_id, *reply_ids])

    def forget(self) -> None:
        """Drop what is kept of the last prompt and reply; the next ones go through the model as a whole."""
        super().forget()
        self._encoder_ids, self._encoder_output = [], None

    def _halves(self, input_ids):
        """Cut the ids behind the first end token: ([5, 6, 1], [8]) from [5, 6, 1, 8], where 1 is the end token."""
        input_ids, end = self._checked(input_ids), self.tokenizer.eos_token_id
        if end not in input_ids:
            raise TokenError(
                f"These input_ids have no {self.tokenizer.eos_token}, with which a prompt for {self.name} must end: "
                "make them with encode_prompt or encode_beginning."
            )
        cut = input_ids.index(end) + 1
        return self._fitting(input_ids[:cut]), self._fitting(input_ids[cut:], "tokens of a reply")

    def _encode(self, prompt_ids):
        """What the encoder makes of a prompt: shape (1, prompt tokens, hidden_size)."""
        with torch.inference_mode():
            prompt_ids = torch.tensor([prompt_ids], device=self.device)
            return self.model.get_encoder()(input_ids=prompt_ids).last_hidden_state

    def _forward(self, new_ids, cache):
        return self._decode(self._encoder_output, new_ids, cache)

    def _decode(self, encoder_output, new_ids, cache):
        """Run the decoder on the new tokens of each text: (n_texts, n_new) gives logits (n_texts, vocab_size)."""
        from transformers.modeling_outputs import BaseModelOutput

        read = BaseModelOutput(last_hidden_state=encoder_output.expand(len(new_ids), -1, -1))
        new_ids = torch.tensor(new_ids, device=self.device)
        with torch.inference_mode():
            output = self.model(decoder_input_ids=new_ids, encoder_outputs=read, past_key_values=cache, use_cache=True)
        return last_logits(output)

    def _new_cache(self):
        from transformers import DynamicCache, EncoderDecoderCache

        return EncoderDecoderCache(DynamicCache(), DynamicCache())


def _decoder_start_id(model) -> int:
    places = (model.generation_config, model.config)
    names = ("decoder_start_token_id", "bos_token_id", "pad_token_id")  # in the order in which `generate` looks for it
    known = (getattr(place, name, None) for name in names for place in places)
    return next(token_id for token_id in known if token_id is not None)
