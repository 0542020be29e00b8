"""Encoders of a given shape with random weights, as model directories: what a transformer costs does not depend on what
it has learnt, so BERT-base can be measured without its weights, and without torch.

The graph is that of BERT as exporters write it: embeddings of token, position and segment, layers of attention and a
feed-forward part with a residual and a normalisation after each, and logits from the first position.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from sluice.classifier.files import digest_of
from sluice.classifier.manifest import (
    MANIFEST_FILE,
    MODEL_FILE,
    TOKENIZER_FILE,
    Calibration,
    EncoderManifest,
    Head,
    Thresholds,
    TokenSpec,
)
from sluice.export.graph import quantise as made_int8

__all__ = ["BERT_BASE", "STRONG", "Shape", "encoder_graph", "made_tokenizer", "quantise", "write_encoder"]

OPSET = 17
_IR = 8
_INPUTS: tuple[Literal["input_ids", "attention_mask", "token_type_ids"], ...] = (
    "input_ids",
    "attention_mask",
    "token_type_ids",
)
_EPSILON = 1e-12  # of BERT's normalisations
_SPREAD = 0.02  # standard deviation of BERT's first weights
_MASKED = -1e9  # added to an attention score; its exponential is 0 in float32
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of an encoder."""

    layers: int
    width: int
    attention_heads: int
    inner: int
    """Width inside of the feed-forward part."""
    vocabulary: int
    tokens: int
    """The longest row."""


BERT_BASE = Shape(layers=12, width=768, attention_heads=12, inner=3_072, vocabulary=21_128, tokens=512)
"""bert-base-chinese and the models made from it, such as COLDetector."""
STRONG = Shape(layers=4, width=512, attention_heads=8, inner=2_048, vocabulary=11_512, tokens=192)
"""The strong member of the shipped cascade."""


class _Graph:
    """Nodes and weights, named as they come."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._rng = np.random.default_rng(seed)

    def constant(self, array: NDArray[Any]) -> str:
        name = f"constant_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def random(self, *shape: int) -> str:
        return self.constant(self._rng.standard_normal(shape, dtype=np.float32) * np.float32(_SPREAD))

    def node(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        name = output or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def linear(self, value: str, size: int, to: int, output: str = "") -> str:
        product = self.node("MatMul", value, self.random(size, to))
        return self.node("Add", product, self.constant(np.zeros(to, dtype=np.float32)), output=output)

    def normalised(self, value: str, size: int) -> str:
        scale, bias = np.ones(size, dtype=np.float32), np.zeros(size, dtype=np.float32)
        return self.node("LayerNormalization", value, self.constant(scale), self.constant(bias), epsilon=_EPSILON)

    def number(self, value: float) -> str:
        return self.constant(np.array(value, dtype=np.float32))

    def whole(self, *values: int) -> str:
        return self.constant(np.array(values, dtype=np.int64))


def encoder_graph(shape: Shape, labels: int, *, seed: int = 0) -> onnx.ModelProto:
    """A float32 graph of this shape with random weights: `input_ids`, `attention_mask` and `token_type_ids`, int64 of
    (batch, length), to `logits`, float32 of (batch, labels)."""
    graph = _Graph(seed)
    width = shape.width
    length = graph.node("Slice", graph.node("Shape", "input_ids"), graph.whole(1), graph.whole(2))
    placed = graph.node("Slice", graph.random(shape.tokens, width), graph.whole(0), length, graph.whole(0))
    words = graph.node("Gather", graph.random(shape.vocabulary, width), "input_ids")
    segments = graph.node("Gather", graph.random(2, width), "token_type_ids")
    hidden = graph.normalised(graph.node("Add", graph.node("Add", words, segments), placed), width)
    mask = graph.node("Cast", graph.node("Unsqueeze", "attention_mask", graph.whole(1, 2)), to=TensorProto.FLOAT)
    absent = graph.node("Mul", graph.node("Sub", graph.number(1), mask), graph.number(_MASKED))
    for _ in range(shape.layers):
        seen = graph.linear(_attention(graph, hidden, absent, shape), width, width)
        hidden = graph.normalised(graph.node("Add", seen, hidden), width)
        inner = _gelu(graph, graph.linear(hidden, width, shape.inner))
        hidden = graph.normalised(graph.node("Add", graph.linear(inner, shape.inner, width), hidden), width)
    first = graph.node("Gather", hidden, graph.constant(np.array(0, dtype=np.int64)), axis=1)
    graph.linear(graph.node("Tanh", graph.linear(first, width, width)), width, labels, output="logits")
    proto = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "encoder",
            [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in _INPUTS],
            [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", labels])],
            graph.weights,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR,
    )
    onnx.checker.check_model(proto)
    return proto


def _attention(graph: _Graph, hidden: str, absent: str, shape: Shape) -> str:
    """What the heads of a layer read, side by side, `(batch, length, width)`."""
    size = shape.width // shape.attention_heads
    apart = graph.whole(0, 0, shape.attention_heads, size)
    query, key, value = (
        graph.node("Transpose", graph.node("Reshape", graph.linear(hidden, shape.width, shape.width), apart), perm=perm)
        for perm in ((0, 2, 1, 3), (0, 2, 3, 1), (0, 2, 1, 3))
    )
    raw = graph.node("Div", graph.node("MatMul", query, key), graph.number(math.sqrt(size)))
    weights = graph.node("Softmax", graph.node("Add", raw, absent), axis=-1)
    read = graph.node("Transpose", graph.node("MatMul", weights, value), perm=(0, 2, 1, 3))
    return graph.node("Reshape", read, graph.whole(0, 0, shape.width))


def _gelu(graph: _Graph, value: str) -> str:
    """In the operators from which ONNX Runtime makes one of its own; Gelu itself came with opset 20."""
    error = graph.node("Erf", graph.node("Div", value, graph.number(math.sqrt(2))))
    raised = graph.node("Mul", value, graph.node("Add", error, graph.number(1)))
    return graph.node("Mul", raised, graph.number(0.5))


def quantise(graph: onnx.ModelProto) -> onnx.ModelProto:
    """A copy as exported models are made int8: the weights beforehand, the activations while it runs."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = (Path(folder) / f"{name}.onnx" for name in ("source", "target"))
        onnx.save(graph, source)
        made_int8(source, target)
        return onnx.load(target)


def made_tokenizer(texts: Iterable[str], size: int) -> str:
    """A `tokenizer.json` as BERT's for Chinese and English are: a token a character, and the texts' Latin words as far
    as there is room, the others in letters. `texts` are folded."""
    characters: Counter[str] = Counter()
    words: Counter[str] = Counter()
    for text in texts:
        characters.update(char for char in text if not char.isspace())
        words.update(_WORD.findall(text))
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    names = [*_SPECIAL, *letters, *(f"##{letter}" for letter in letters)]
    names += [name for name, _ in (*characters.most_common(), *words.most_common())]
    vocabulary = {name: number for number, name in enumerate(list(dict.fromkeys(names))[:size])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")],
    )
    return tokenizer.to_str()


def write_encoder(
    directory: Path,
    graph: onnx.ModelProto,
    tokenizer: bytes,
    *,
    heads: Sequence[Head],
    tokens: int,
    precision: Literal["fp32", "int8"] = "fp32",
    context: int = 0,
    pad: int = 0,
    fold: str = "",
) -> None:
    """Write a model directory of the kind `encoder`.

    Args:
        directory: where to; made if need be.
        graph: with one logit for each of the heads.
        tokenizer: content of its `tokenizer.json`.
        heads: what its outputs are called.
        tokens: the longest row.
        precision: as the runtime is to take it: each row alone if `int8`, in padded batches if `fp32`.
        context: tokens of the text before that are read; 0 for none.
        pad: id of padding.
        fold: how text is folded before.
    """
    directory.mkdir(parents=True)
    files = {MODEL_FILE: graph.SerializeToString(), TOKENIZER_FILE: tokenizer}
    for name, content in files.items():
        (directory / name).write_bytes(content)
    manifest = EncoderManifest(
        name="random-weights",
        created="2026-11-26",
        sha256={name: digest_of(content) for name, content in files.items()},
        heads=tuple(heads),
        calibration=Calibration("none", "random weights"),
        thresholds=Thresholds(1.0, 1.0, "random weights: for measuring its cost"),
        opset=OPSET,
        tokens=TokenSpec(tokens, _INPUTS, pair=context > 0, context=context, pad=pad),
        outputs=tuple(head.name for head in heads),
        activation="sigmoid",
        precision=precision,
        fold=fold,
    )
    (directory / MANIFEST_FILE).write_bytes(msgspec.json.encode(manifest))
