"""NanoChat: what stands around a small language model to make it a chatbot.

Seven steps, one module each: chat (user input), tokens, prompts and history, backbones, sampling and generation,
postprocess, and delivery. The names that the lessons use most can be imported from here; each loads its module only
when it is first used, so that importing the package costs next to nothing.
"""

import importlib

__version__ = "0.1.0"

_HOME = {
    "Chat": "chat",
    "Reply": "chat",
    "nanochat": "chat",
    "GenerationSettings": "settings",
    "load_model": "models",
    "load_tokenizer": "models",
    "connect": "backbones.remote",
    "stream": "generation",
    "sample_many": "generation",
    "run_workflow": "workflow",
    "Safety": "safety",
    "Retriever": "retrieval",
    "Trace": "trace",
    "set_language": "language",
}
__all__ = list(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__():
    return sorted([*globals(), *_HOME])
