"""Vectors for texts: what an encoder such as MiniLM gives instead of a next token.

In: texts. Out: one vector for each, of length 1, so that a product of two vectors is their cosine similarity.
"""

from collections.abc import Sequence

import torch

from ..errors import EngineError
from ..tokens import check_text

LONGEST = 256  # tokens of a text that are read; MiniLM was trained on texts up to here


def embed(backbone, texts: Sequence[str], *, batch_size: int = 16) -> torch.Tensor:
    """One vector for each text, shape (texts, hidden_size), float32, CPU: the mean over its tokens, made 1 long.

    Of a long text only the beginning is read, 256 tokens. The batch size changes the speed and not the vectors.
    Raises EngineError for a model that is no encoder, MessageError for what is no text.
    Source: Reimers and Gurevych 2019, Sentence-BERT (mean pooling).
    """
    if backbone.family != "encoder":
        raise EngineError(f"{backbone.name} is no encoder, so it gives no vectors for texts. Load 'minilm' for that.")
    for number, text in enumerate(texts):
        check_text(text, f"Text {number}")
    vectors = torch.empty(len(texts), backbone.model.config.hidden_size)
    by_length = sorted(range(len(texts)), key=lambda place: len(texts[place]))  # so little as possible is padding
    for start in range(0, len(texts), batch_size):
        places = by_length[start : start + batch_size]
        vectors[places] = _vectors(backbone, [texts[place] for place in places])
    return vectors


def _vectors(backbone, texts):
    longest = min(LONGEST, backbone.context_length)
    batch = backbone.tokenizer(texts, padding=True, truncation=True, max_length=longest, return_tensors="pt")
    batch = batch.to(backbone.device)
    with torch.inference_mode():
        of_tokens = backbone.model(**batch).last_hidden_state  # (texts, tokens, hidden_size)
    mask = batch["attention_mask"].unsqueeze(-1)  # 0 where a short text was filled up
    means = (of_tokens * mask).sum(dim=1) / mask.sum(dim=1)
    return torch.nn.functional.normalize(means, dim=1).cpu()
