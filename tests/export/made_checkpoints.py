"""Small checkpoints with random weights, saved as transformers saves them, with tokenizers built on the spot."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

__all__ = ["KINDS", "LABELS", "edit_config", "make_checkpoint"]

LABELS = ("clean", "toxic", "hateful")

_SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
_DECODER = {**_SMALL, "num_key_value_heads": 2, "max_position_embeddings": 256, "tokenizer": "bytes"}
_DEBERTA = {
    **_SMALL, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "type_vocab_size": 0,
    "position_biased_input": False, "max_relative_positions": -1, "max_position_embeddings": 128,
}  # fmt: skip

KINDS: dict[str, dict[str, Any]] = {
    "bert": {**_SMALL, "max_position_embeddings": 128},
    "minilm": {**_SMALL, "max_position_embeddings": 128, "model_type": "bert", "num_hidden_layers": 1},
    "roberta": {**_SMALL, "max_position_embeddings": 130, "type_vocab_size": 1, "tokenizer": "bytes"},
    "xlm-roberta": {**_SMALL, "max_position_embeddings": 130, "type_vocab_size": 1, "tokenizer": "pieces"},
    "deberta": {**_DEBERTA, "tokenizer": "bytes"},
    "deberta-v2": {
        **_DEBERTA, "tokenizer": "pieces", "position_buckets": 16, "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
    },
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "max_position_embeddings": 128},
    "electra": {**_SMALL, "embedding_size": 16, "max_position_embeddings": 128},
    "modernbert": {**_SMALL, "max_position_embeddings": 256, "local_attention": 16},
    "qwen2": _DECODER,
    "qwen3": {**_DECODER, "head_dim": 8},
}  # fmt: skip
"""What is not a default of each kind, and which tokenizer it has (`words` where none is named)."""


def make_checkpoint(
    directory: Path, kind: str = "bert", *, texts: Iterable[str], labels: Iterable[str] = LABELS, **more: Any
) -> Path:
    """Save a checkpoint of a kind; `more` goes into its config."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    settings = {"model_type": kind, "tokenizer": "words", **KINDS[kind]}
    tokenizer = _TOKENIZERS[settings.pop("tokenizer")](list(texts))
    names = list(labels)
    torch.manual_seed(5)
    config = AutoConfig.for_model(
        settings.pop("model_type"),
        **{
            **settings,
            "vocab_size": len(tokenizer) + 8,  # a kind's own tokenizer may add special tokens when it is loaded
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": None,
            "eos_token_id": None,
            "cls_token_id": None,
            "sep_token_id": None,
            "id2label": dict(enumerate(names)),
            "label2id": {name: number for number, name in enumerate(names)},
            "problem_type": "single_label_classification",
            "initializer_range": 0.3,  # random weights of the usual size would say 1/3 to everything
            **more,
        },
    )
    model = AutoModelForSequenceClassification.from_config(config)
    model.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def edit_config(directory: Path, **changes: Any) -> None:
    """Change config.json; None takes a key away."""
    path = directory / "config.json"
    config = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}), encoding="utf-8")


def _words(texts: list[str]) -> Any:
    """WordPiece of single characters and a few words, as the BERT of Chinese text has."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(texts, trainers.WordPieceTrainer(vocab_size=900, special_tokens=special))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return _wrapped(tokenizer, pad="[PAD]", unk="[UNK]", names=["input_ids", "token_type_ids", "attention_mask"])


def _bytes(texts: list[str]) -> Any:
    """Byte-level BPE, as RoBERTa and Qwen have."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=["<s>", "<pad>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return _wrapped(tokenizer, pad="<pad>", unk=None, names=["input_ids", "attention_mask"])


def _pieces(texts: list[str]) -> Any:
    """Unigram pieces, as sentencepiece makes them for XLM-RoBERTa and DeBERTa-v3."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["[CLS]", "[PAD]", "[SEP]", "[UNK]"]
    tokenizer.train_from_iterator(
        texts, trainers.UnigramTrainer(vocab_size=800, special_tokens=special, unk_token="[UNK]")
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 0), ("[SEP]", 2)]
    )
    return _wrapped(tokenizer, pad="[PAD]", unk="[UNK]", names=["input_ids", "token_type_ids", "attention_mask"])


def _wrapped(tokenizer: Any, *, pad: str, unk: str | None, names: list[str]) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=pad, unk_token=unk, model_input_names=names, model_max_length=128
    )


_TOKENIZERS: dict[str, Callable[[list[str]], Any]] = {"words": _words, "bytes": _bytes, "pieces": _pieces}
