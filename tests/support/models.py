"""Small models, written as model directories: an encoder that counts marks, and a cascade with it as strong member."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from sluice.classifier.manifest import (
    Calibration,
    CascadeManifest,
    EncoderManifest,
    Head,
    Thresholds,
    TokenSpec,
)

__all__ = [
    "ENCODER_HEADS",
    "MAX_TOKENS",
    "encoder_graph",
    "rewrite",
    "small_tokenizer",
    "write_cascade",
    "write_encoder",
]

ENCODER_HEADS = (Head("bad", "A.4.c", "marked bad"), Head("biased", "A.2.e", "marked biased", "gender"))
MAX_TOKENS = 32
CHARACTERS = "坏偏引说天气很好。，他们"
_THRESHOLDS = Thresholds(0.7, 0.9, "for tests")


def small_tokenizer() -> Tokenizer:
    """One token a character, of those in `CHARACTERS`; all others are unknown."""
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *CHARACTERS]
    tokenizer = Tokenizer(models.WordLevel({name: number for number, name in enumerate(names)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer


def encoder_graph(labels: int, *, inputs: Sequence[str] = ("input_ids", "attention_mask", "token_type_ids")) -> Any:
    """Sums over the tokens of a row. A mark counts for its label (`坏` for the first, `偏` for the second), and `引` in
    the first segment, which the context is, against all: so masks, padding and segments all matter."""
    size = 4 + len(CHARACTERS)
    weights = np.zeros((size, labels), dtype=np.float32)
    weights[0] = 50.0  # padding that is not masked shows
    for column, mark in enumerate("坏偏"[:labels]):
        weights[4 + CHARACTERS.index(mark), column] = 8.0
    quoted = np.zeros((size, 1), dtype=np.float32)
    quoted[4 + CHARACTERS.index("引")] = -20.0
    positions = np.zeros((MAX_TOKENS, 1), dtype=np.float32)  # a longer row is out of its range
    constants = {
        "weights": weights, "quoted": quoted, "positions": positions, "bias": np.full(labels, -4, dtype=np.float32),
        "one": np.array(1, dtype=np.int64), "zero": np.array(0, dtype=np.int64), "axis": np.array([1], dtype=np.int64),
        "last": np.array([-1], dtype=np.int64), "one_f": np.array(1, dtype=np.float32),
    }  # fmt: skip
    nodes = [
        helper.make_node("Gather", ["weights", "input_ids"], ["by_label"]),
        helper.make_node("Gather", ["quoted", "input_ids"], ["by_quote"]),
        helper.make_node("Shape", ["input_ids"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["length"]),
        helper.make_node("Range", ["zero", "length", "one"], ["place"]),
        helper.make_node("Gather", ["positions", "place"], ["placed"]),
        helper.make_node("Add", ["by_label", "placed"], ["evidence"]),
        helper.make_node(
            "Cast", ["token_type_ids" if "token_type_ids" in inputs else "input_ids"], ["segment_i"], to=1
        ),
        helper.make_node("Unsqueeze", ["segment_i", "last"], ["segment_raw"]),
        helper.make_node("Min", ["segment_raw", "one_f"], ["segment"]),
        helper.make_node("Sub", ["one_f", "segment"], ["first"]),
        helper.make_node("Mul", ["by_quote", "first"], ["by_context"]),
        helper.make_node("Add", ["evidence", "by_context"], ["all"]),
    ]
    if "attention_mask" in inputs:
        nodes += [
            helper.make_node("Cast", ["attention_mask"], ["mask_f"], to=1),
            helper.make_node("Unsqueeze", ["mask_f", "last"], ["mask"]),
            helper.make_node("Mul", ["all", "mask"], ["masked"]),
        ]
    nodes += [
        helper.make_node("ReduceSum", ["masked" if "attention_mask" in inputs else "all", "axis"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sum", "bias"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "marks",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in inputs],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", labels])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def write_encoder(
    directory: Path,
    *,
    heads: Sequence[Head] = ENCODER_HEADS,
    outputs: Sequence[str | None] | None = None,
    activation: Literal["sigmoid", "softmax"] = "sigmoid",
    inputs: Sequence[str] = ("input_ids", "attention_mask", "token_type_ids"),
    precision: Literal["fp32", "int8"] = "fp32",
    fold: str = "",
    calibration: Calibration | None = None,
) -> Path:
    """Write a model directory of the kind `encoder`."""
    directory.mkdir(parents=True, exist_ok=True)
    labels = tuple(outputs or [head.name for head in heads])
    (directory / "model.onnx").write_bytes(encoder_graph(len(labels), inputs=inputs).SerializeToString())
    (directory / "tokenizer.json").write_text(small_tokenizer().to_str(), encoding="utf-8")
    manifest = EncoderManifest(
        name="marks",
        created="2026-11-26",
        sha256={name: _sha256(directory / name) for name in ("model.onnx", "tokenizer.json")},
        heads=tuple(heads),
        calibration=calibration or Calibration("none", "for tests"),
        thresholds=_THRESHOLDS,
        opset=17,
        tokens=TokenSpec(MAX_TOKENS, tuple(inputs), pair="token_type_ids" in inputs),  # type: ignore[arg-type]
        outputs=labels,
        activation=activation,
        precision=precision,
        fold=fold,
    )
    (directory / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return directory


def write_cascade(directory: Path, cheap: Path, heads: Sequence[Head], doubt: float = 0.5) -> Path:
    """Write a model directory of the kind `cascade`: a copy of `cheap`, and a small encoder with the same heads."""
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copytree(cheap, directory / "cheap")
    write_encoder(directory / "strong", heads=heads)
    manifest = CascadeManifest(
        name="both",
        created="2026-11-26",
        sha256={name: _sha256(directory / name) for name in ("cheap/manifest.json", "strong/manifest.json")},
        heads=tuple(heads),
        calibration=Calibration("none", "for tests"),
        thresholds=_THRESHOLDS,
        cheap="cheap",
        strong="strong",
        doubt={head.name: doubt for head in heads},
    )
    (directory / "manifest.json").write_bytes(msgspec.json.encode(manifest))
    return directory


def rewrite(directory: Path, name: str, content: bytes) -> None:
    """Put other content into a file and pin it."""
    (directory / name).write_bytes(content)
    path = directory / "manifest.json"
    manifest = msgspec.json.decode(path.read_bytes())
    manifest["sha256"][name] = hashlib.sha256(content).hexdigest()
    path.write_bytes(msgspec.json.encode(manifest))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
