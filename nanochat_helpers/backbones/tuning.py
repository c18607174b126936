"""Step 4, faster: how this machine multiplies best. It changes the speed of a model, never its answers.

Writing one token reads every weight once, so nearly all of the time goes into `linear` layers, and how PyTorch computes
these makes the difference. Both choices are made by short trials when a model is loaded, because both depend on the
processor and on what else it is doing.
"""

import time
from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from . import usable_cores


def tune(model: nn.Module) -> None:
    """Choose the faster way to multiply for this model, and then the number of threads (for the whole process)."""
    choose_multiplication(model)
    torch.set_num_threads(choose_threads(lambda: _write_one_token(model)))


def choose_multiplication(model: nn.Module) -> None:
    """Let oneDNN compute the linear layers where it is faster than what PyTorch takes by itself.

    PyTorch brings both MKL and oneDNN and uses MKL, which on many processors is 2 to 4 times slower when a large matrix
    meets a single token. The op is PyTorch's own (its compiler uses it); builds without it keep the usual way.
    """
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    head = model.get_output_embeddings()
    if not _has_onednn() or head not in layers:
        return
    token = torch.zeros(1, 1, head.in_features)
    usual = trial(lambda: head(token))
    for layer in layers:
        layer.forward = partial(_onednn_linear, layer)
    if trial(lambda: head(token)) > usual:
        for layer in layers:
            del layer.forward


def choose_threads(run: Callable[[], object]) -> int:
    """How many threads run the model fastest here and now; more than one only if they help.

    Memory is the limit and not the number of cores: with a busy neighbour, two threads can be slower than one.
    """
    cores, before = usable_cores(), torch.get_num_threads()
    seconds = {}
    try:
        for threads in sorted({1, cores // 2 or 1, cores}):
            torch.set_num_threads(threads)
            seconds[threads] = trial(run)
    finally:
        torch.set_num_threads(before)
    # Of counts that are about as fast, the largest: long prompts do gain from it.
    return max(threads for threads, taken in seconds.items() if taken <= min(seconds.values()) * 1.1)


def trial(run: Callable[[], object], repeats: int = 3) -> float:
    """The seconds that `run` takes: the best of a few times, after one that warms up."""
    taken = []
    with torch.inference_mode():
        for _ in range(1 + repeats):
            start = time.perf_counter()
            run()
            taken.append(time.perf_counter() - start)
    return min(taken[1:])


def _write_one_token(model):
    token = torch.tensor([[0]])
    model(input_ids=token, use_cache=False, **({"decoder_input_ids": token} if model.config.is_encoder_decoder else {}))


def _onednn_linear(layer: nn.Linear, inputs: torch.Tensor) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(inputs, layer.weight, layer.bias, "none", [], "")


def _has_onednn() -> bool:
    try:
        _onednn_linear(nn.Linear(2, 2), torch.zeros(1, 1, 2))
    except (AttributeError, RuntimeError):  # a build without oneDNN, or without this op
        return False
    return True
