"""Step 4 with smaller numbers: weights kept in 8 bits or fewer instead of 32.

`quantize` rounds weights to a grid, block by block; `rounded` shows what a model is like with weights rounded so;
`int8_copy` makes a model that really takes a quarter of the memory. What that costs is measured in `model_costs`.
"""

import contextlib
import copy
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from .backbones.local import LocalBackbone
from .errors import EngineError, SettingsError

BLOCK_SIZE = 32  # weights that share a step and a lowest value, as in llama.cpp's files


@dataclass(frozen=True, eq=False)
class Quantized:
    """Weights as whole numbers. A weight is about lowest + code × step; its block has the step and the lowest value.

    codes: shape (n_blocks, block_size), from 0 to 2**bits - 1; steps, lowest: shape (n_blocks, 1), of 16 bits each.
    shape: of the weights that were quantized.
    """

    codes: torch.Tensor
    steps: torch.Tensor
    lowest: torch.Tensor
    bits: int
    shape: tuple[int, ...]

    @property
    def bits_per_weight(self) -> float:
        """The bits of a code, and its share of the 2 × 16 bits of its block: 4 + 32/32 = 5."""
        return self.bits + 32 / self.codes.shape[1]

    def dequantize(self) -> torch.Tensor:
        """The weights that a model calculates with: float32, in the old shape, rounded to the grid."""
        return (self.steps.float() * self.codes + self.lowest.float()).reshape(self.shape)


def quantize(weights: torch.Tensor, bits: int = 4, *, block_size: int = BLOCK_SIZE) -> Quantized:
    """Cut each row into blocks and write each weight as the number of the level that is nearest to it.

    A block has 2**bits levels, equally far apart, from its smallest weight to its largest. With 4 bits, the weights
    -0.6, 0.04 and 0.9 have a step of 1.5 / 15 = 0.1, and the codes 0, 6 and 15. Halfway, the upper level is taken.
    weights: float32, shape (…, row length). Raises SettingsError.
    Source: with 4 bits and blocks of 32 it is Q4_1 of llama.cpp (ggml-quants.c).
    """
    weights = as_numbers(weights)
    _check(weights, bits, block_size)
    blocks = weights.reshape(-1, block_size)
    lowest = blocks.amin(dim=1, keepdim=True)
    steps = (blocks.amax(dim=1, keepdim=True) - lowest) / (2**bits - 1)
    per_step = torch.where(steps == 0, 0, 1 / steps)  # a block of equal weights has no step
    codes = ((blocks - lowest) * per_step + 0.5).clamp(max=2**bits - 1).to(torch.uint8)
    steps, lowest = steps.half(), lowest.half()
    if not (steps.isfinite().all() and lowest.isfinite().all()):
        raise SettingsError("A weight is too large: a step and a lowest value have 16 bits and end at 65,504.")
    return Quantized(codes, steps, lowest, bits, tuple(weights.shape))


def as_numbers(values: Any, what: str = "Weights") -> torch.Tensor:
    """A tensor of float32, out of a list, too. Raises SettingsError for what holds something else than numbers."""
    try:
        numbers = torch.as_tensor(values, dtype=torch.float32).detach()
    except (TypeError, ValueError, RuntimeError, OverflowError):
        raise SettingsError(f"{what} must be numbers, such as [0.5, -1.27], not {values!r:.60}.") from None
    if not numbers.isfinite().all():
        raise SettingsError(f"{what} must be numbers, and one of these is infinite or nan (not a number).")
    return numbers


def _check(weights, bits, block_size):
    if type(bits) is not int or not 1 <= bits <= 8:
        raise SettingsError(f"bits={bits!r} is not allowed: a weight gets a whole number of bits, from 1 to 8.")
    row = weights.shape[-1] if weights.dim() else 0
    if type(block_size) is not int or block_size < 1 or not row or row % block_size:
        raise SettingsError(
            f"block_size={block_size!r} is not allowed: rows of {row} weights must be cut into equal blocks."
        )


# --- a whole model


@contextlib.contextmanager
def rounded(backbone: LocalBackbone, bits: int = 4, *, block_size: int = BLOCK_SIZE) -> Iterator[LocalBackbone]:
    """Inside `with`, the model calculates with rounded weights in its linear layers; afterwards with its own again.

    The vectors of the tokens stay as they are. It shows what rounding does to the answers; the memory stays the same,
    because the rounded weights are float32, too. Raises EngineError, SettingsError.
    """
    layers = list(_linear_layers(backbone).values())
    own = [layer.weight.data for layer in layers]
    try:
        for layer in layers:
            layer.weight.data = quantize(layer.weight.data, bits, block_size=block_size).dequantize()
        backbone.forget()  # the cache comes from the weights before
        yield backbone
    finally:
        for layer, weights in zip(layers, own, strict=True):
            layer.weight.data = weights
        backbone.forget()


def _linear_layers(backbone) -> dict[str, nn.Linear]:
    """The linear layers by name, without the last one: SmolLM2's shares its weights with the vectors of the tokens."""
    if getattr(backbone, "engine", None) != "transformers" or backbone.device != "cpu":
        raise EngineError(
            f"The weights of {_name(backbone)} cannot be rounded where they are: give a model that was loaded with "
            "load_model, engine='transformers' and device='cpu'."
        )
    head = backbone.model.get_output_embeddings()
    named = backbone.model.named_modules()
    layers = {name: layer for name, layer in named if isinstance(layer, nn.Linear) and layer is not head}
    if not layers:
        raise EngineError(f"{backbone.name} has no linear layers whose weights could be rounded. Take 'smollm2'.")
    return layers


def int8_copy(backbone: LocalBackbone, *, whole_numbers: bool = False) -> LocalBackbone:
    """The same decoder with weights of 8 bits: a quarter of the memory. The model itself stays as it was.

    whole_numbers: see `Int8Linear`. Raises EngineError.
    """
    _linear_layers(backbone)
    if backbone.family != "decoder":
        raise EngineError(f"{backbone.name} is no decoder, and int8 copies are made of decoders. Take 'smollm2'.")
    shared = {id(weights): weights for weights in backbone.model.parameters()}
    model = copy.deepcopy(backbone.model, shared)  # new modules; the weights are not copied
    matrices: dict[int, tuple] = {}  # a matrix that is used twice is kept once
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear):
            new = Int8Linear(*_int8(module.weight, matrices), module.bias, whole_numbers=whole_numbers)
        elif module is model.get_input_embeddings():
            new = Int8Embedding(*_int8(module.weight, matrices))
        else:
            continue
        model.set_submodule(name, new)
    return _with_model(backbone, f"{backbone.name} in int8", model)


def _with_model(backbone, name, model):
    """A backbone like this one with another model. It is not tuned anew: threads are chosen for the whole process."""
    new = copy.copy(backbone)
    vars(new).pop("logits_cache", None)  # see LogitsCache.of
    new.name, new.model, new._lock = name, model, threading.RLock()
    new.forget()
    return new


def _int8(weights, matrices):
    if id(weights) not in matrices:
        matrices[id(weights)] = to_int8(weights.data)
    return matrices[id(weights)]


def to_int8(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Whole numbers from -127 to 127 and one scale for each row: a number is about its code × the scale of its row.

    The row 0.5, -1.27, 0.02 has the scale 1.27 / 127 = 0.01 and the codes 50, -127 and 2.
    rows: shape (n_rows, n_columns); codes: the same shape, int8; scales: shape (n_rows, 1), float32.
    Raises SettingsError.
    """
    rows = as_numbers(rows)
    if rows.dim() != 2 or not rows.shape[1]:
        raise SettingsError(f"Rows of shape {tuple(rows.shape)} cannot be rounded: give a list of rows of weights.")
    return _to_int8(rows)


def _to_int8(rows):
    scales = rows.abs().amax(dim=1, keepdim=True) / 127
    codes = (rows / torch.where(scales == 0, 1, scales)).round().to(torch.int8)
    return codes, scales


class Int8Linear(nn.Module):
    """A linear layer with weights of 8 bits.

    whole_numbers=False: the weights are turned into float32 for each product. That is exact, and it takes time.
    whole_numbers=True: the inputs are rounded to 8 bits, too, and whole numbers are multiplied. Many processors have
    instructions for just that; but the inputs lose something as well.
    """

    def __init__(self, codes: torch.Tensor, scales: torch.Tensor, bias=None, *, whole_numbers: bool = False):
        super().__init__()
        self.register_buffer("codes", codes)  # (n_outputs, n_inputs)
        self.register_buffer("scales", scales)  # (n_outputs, 1)
        self.bias, self.whole_numbers = bias, whole_numbers

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """(…, n_inputs) gives (…, n_outputs)."""
        rows = inputs.reshape(-1, inputs.shape[-1])
        if self.whole_numbers:
            input_codes, input_scales = _to_int8(rows)
            outputs = torch._int_mm(input_codes, self.codes.T) * input_scales * self.scales.T
        else:
            outputs = rows @ self.codes.float().T * self.scales.T
        outputs = outputs if self.bias is None else outputs + self.bias
        return outputs.reshape(*inputs.shape[:-1], -1)


class Int8Embedding(nn.Module):
    """The vectors of the tokens in 8 bits: those that are asked for are turned into float32."""

    def __init__(self, codes: torch.Tensor, scales: torch.Tensor):
        super().__init__()
        self.register_buffer("codes", codes)  # (vocab_size, hidden_size)
        self.register_buffer("scales", scales)  # (vocab_size, 1)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """(…) gives (…, hidden_size)."""
        return self.codes[input_ids].float() * self.scales[input_ids]


def weights_megabytes(n_parameters: float, bits: float) -> float:
    """The size of a model's weights: parameters × bits / 8 bytes, in megabytes (millions of bytes).

    Raises SettingsError.
    """
    for name, value in (("n_parameters", n_parameters), ("bits", bits)):
        if not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            raise SettingsError(f"{name}={value!r} is not allowed: it must be a number of 0 or more.")
    return n_parameters * bits / 8 / 1e6


def count_parameters(backbone: Any) -> int:
    """How many weights a model has; those that are used twice count once. Raises EngineError."""
    return sum(weights.numel() for weights in module_of(backbone).parameters())


def module_of(backbone: Any) -> nn.Module:
    """The model as PyTorch has it. Raises EngineError where it is elsewhere: in llama.cpp, or on a server."""
    model = getattr(backbone, "model", None)
    if not isinstance(model, nn.Module):
        raise EngineError(
            f"The weights of {_name(backbone)} are not in PyTorch: give a model that was loaded with load_model and "
            "engine='transformers'."
        )
    return model


def _name(backbone):
    return getattr(backbone, "name", f"{backbone!r:.40}")
