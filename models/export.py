"""Writes a trained model as a model directory: ONNX graph, vocabulary and manifest.

The graph: ids -> rows of an int8 table -> their sum, added to what earlier pieces of the text summed up to -> over the
root of the summed squared norms -> logits -> calibrated probabilities. Sums of int8 in float32 are exact far beyond the
longest window, so padding, order, batch and the cutting of a text into pieces change no score.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from corpus import EPSILON, HIGH, LOW, SLOTS, Vocabulary
from heads import HEADS
from sluice.classifier.features import HASH_NAME
from sluice.classifier.manifest import (
    MANIFEST_FILE,
    MODEL_FILE,
    VOCABULARY_FILE,
    Calibration,
    FeatureSpec,
    Head,
    NgramManifest,
    Thresholds,
    Training,
)
from sluice.text.fold import FOLD_VERSION

OPSET = 17


@dataclass(frozen=True, slots=True)
class Linear:
    """The fitted model, one column per head."""

    heads: tuple[str, ...]
    weights: NDArray[np.float32]
    """`(SLOTS, heads)`: the rows of `corpus.matrix` times these, and the bias, are the logits."""
    bias: NDArray[np.float32]
    slope: NDArray[np.float32]
    offset: NDArray[np.float32]


def write(
    out: Path,
    model: Linear,
    vocabulary: Vocabulary,
    *,
    name: str,
    created: str,
    mix: str,
    training: Training,
    thresholds: Thresholds,
) -> None:
    """Write the three files of a model directory."""
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / VOCABULARY_FILE, vocabulary.owners, allow_pickle=False)
    manifest = NgramManifest(
        name=name,
        created=created,
        sha256={VOCABULARY_FILE: _sha256(out / VOCABULARY_FILE)},
        opset=OPSET,
        features=FeatureSpec(LOW, HIGH, SLOTS, HASH_NAME, FOLD_VERSION),
        heads=tuple(
            Head(name=head, risk=HEADS[head].risk, description=HEADS[head].description, attribute=HEADS[head].attribute)
            for head in model.heads
        ),
        calibration=Calibration("platt", mix, _by_head(model.heads, model.slope), _by_head(model.heads, model.offset)),
        training=training,
        thresholds=thresholds,
    )
    (out / MODEL_FILE).write_bytes(_graph(model, vocabulary, manifest.stamp).SerializeToString())
    manifest.sha256[MODEL_FILE] = _sha256(out / MODEL_FILE)
    (out / MANIFEST_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


def _graph(model: Linear, vocabulary: Vocabulary, stamp: dict[str, str]) -> onnx.ModelProto:
    steps, scale = _table(model, vocabulary)
    table = np.zeros((SLOTS + 1, len(model.heads) + 1), dtype=np.int8)  # the last row, of zeros, is padding
    table[:-1, :-1] = steps
    table[:-1, -1] = vocabulary.norms  # the last column adds up to the squared norm
    constants: dict[str, NDArray[Any]] = {
        "table": table,
        "scale": np.append(scale, vocabulary.step).astype(np.float32),
        "epsilon": np.array(EPSILON, dtype=np.float32),
        "bias": model.bias,
        "slope": model.slope,
        "offset": model.offset,
        "over_length": np.array([1], dtype=np.int64),
        "parts": np.array([len(model.heads), 1], dtype=np.int64),
    }
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"], axis=0),
        helper.make_node("Cast", ["rows"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["floats", "over_length"], ["steps"], keepdims=0),
        helper.make_node("Add", ["carried", "steps"], ["sums"]),
        helper.make_node("Mul", ["sums", "scale"], ["scaled"]),
        helper.make_node("Split", ["scaled", "parts"], ["evidence", "square"], axis=1),
        helper.make_node("Add", ["square", "epsilon"], ["positive"]),
        helper.make_node("Sqrt", ["positive"], ["norm"]),
        helper.make_node("Div", ["evidence", "norm"], ["normalised"]),
        helper.make_node("Add", ["normalised", "bias"], ["logits"]),
        helper.make_node("Mul", ["logits", "slope"], ["sloped"]),
        helper.make_node("Add", ["sloped", "offset"], ["calibrated"]),
        helper.make_node("Sigmoid", ["calibrated"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "ngrams",
        [
            helper.make_tensor_value_info("ids", TensorProto.INT32, ["batch", "length"]),
            helper.make_tensor_value_info("carried", TensorProto.FLOAT, ["batch", len(model.heads) + 1]),
        ],
        [
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", len(model.heads)]),
            helper.make_tensor_value_info("sums", TensorProto.FLOAT, ["batch", len(model.heads) + 1]),
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    helper.set_model_props(proto, stamp)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def _table(model: Linear, vocabulary: Vocabulary) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What an occurrence of an n-gram adds to each head's sum: whole steps within int8, and the size of a step."""
    sums = model.weights * vocabulary.idf[:, None]
    scale = (np.abs(sums).max(axis=0) / 127).astype(np.float32)
    return np.round(sums / scale), scale


def _by_head(heads: tuple[str, ...], values: NDArray[np.float32]) -> dict[str, float]:
    return {head: round(float(value), 6) for head, value in zip(heads, values, strict=True)}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
