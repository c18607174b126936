"""Where a model computes: on the processor (CPU), or on a graphics card (GPU) where there is one."""

import torch

from ..errors import EngineError

DEVICES = ("cpu", "auto", "cuda", "mps")
_MISSING = {
    "cuda": "here PyTorch finds no NVIDIA GPU that it can use (torch.cuda.is_available() is False)",
    "mps": "here PyTorch finds no Apple GPU that it can use (torch.backends.mps.is_available() is False)",
}


def choose_device(device: str = "auto") -> str:
    """Settle where a model computes: "cuda" (an NVIDIA GPU), "mps" (that of a newer Mac) or "cpu".

    "auto" is a GPU where there is one. Raises EngineError for a name that is none, and for a GPU that is not there.
    """
    check_device(device)
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if _is_there(name))
    if not _is_there(device):
        raise EngineError(f"device={device!r} cannot be used: {_MISSING[device]}. Use device='auto' or device='cpu'.")
    return device


def check_device(device: str) -> None:
    """Refuse what is no name of a device. Raises EngineError."""
    if device not in DEVICES:
        raise EngineError(f"device={device!r} is not known; allowed are {', '.join(DEVICES)}.")


def _is_there(device):
    return {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available, "cpu": lambda: True}[device]()
