"""Writes the strong member and the cascade as model directories."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from encoder import MAX_TOKENS, Encoder, batch_of
from heads import HEADS
from sluice.classifier.files import digest_of
from sluice.classifier.manifest import (
    MANIFEST_FILE,
    MODEL_FILE,
    TOKENIZER_FILE,
    Calibration,
    CascadeManifest,
    EncoderManifest,
    Head,
    Manifest,
    Thresholds,
    TokenSpec,
    Training,
)
from sluice.export.graph import place, quantise
from sluice.text.fold import FOLD_VERSION

CHEAP, STRONG = "cheap", "strong"
OPSET = 18
CONTEXT_READ = 32
"""Tokens of the context that workers read, about a sentence, of the 64 that were trained with: a longer one costs more
and makes harm look safer (EXPERIMENTS.md)."""
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")

HEAD_RECORDS = tuple(Head(name, spec.risk, spec.description, spec.attribute) for name, spec in HEADS.items())


def write_strong(
    out: Path,
    model: Encoder,
    tokenizer: Mapping[str, Any],
    *,
    name: str,
    created: str,
    calibration: Calibration,
    training: Training,
    thresholds: Thresholds,
) -> None:
    """Write the model directory of the strong member, int8."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        graph, small = Path(scratch) / "graph.onnx", Path(scratch) / "int8.onnx"
        _write_graph(graph, model)
        quantise(graph, small)
        opset = place(small, out)
    text = json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":"))
    (out / TOKENIZER_FILE).write_text(text, encoding="utf-8")
    manifest = EncoderManifest(
        name=name,
        created=created,
        sha256={file: digest_of((out / file).read_bytes()) for file in (MODEL_FILE, TOKENIZER_FILE)},
        heads=HEAD_RECORDS,
        calibration=calibration,
        training=training,
        thresholds=thresholds,
        opset=opset,
        fold=FOLD_VERSION,
        tokens=TokenSpec(max_tokens=MAX_TOKENS, inputs=_INPUTS, pair=True, context=CONTEXT_READ),
        outputs=tuple(HEADS),
        activation="sigmoid",
        precision="int8",
    )
    _write_manifest(out, manifest)


def write_cascade(
    out: Path,
    *,
    name: str,
    created: str,
    doubt: Mapping[str, float],
    mix: str,
    training: Training,
    thresholds: Thresholds,
) -> None:
    """Write the manifest above the two members, which are there."""
    files = [f"{member}/{MANIFEST_FILE}" for member in (CHEAP, STRONG)]
    manifest = CascadeManifest(
        name=name,
        created=created,
        sha256={file: digest_of((out / file).read_bytes()) for file in files},
        heads=HEAD_RECORDS,
        calibration=Calibration(method="none", mix=mix),
        training=training,
        thresholds=thresholds,
        cheap=CHEAP,
        strong=STRONG,
        doubt=dict(doubt),
    )
    _write_manifest(out, manifest)


def _write_manifest(out: Path, manifest: Manifest) -> None:
    (out / MANIFEST_FILE).write_bytes(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")


def _write_graph(path: Path, model: Encoder) -> None:
    """The model as ONNX with dynamic batch and length; in float32, whatever it was trained in."""
    reader_row = ([2, 3, 4, 5, 6, 7], 3)
    example = batch_of([reader_row, (reader_row[0][:4], 0)])
    program = torch.onnx.export(
        model.eval(),
        (),
        kwargs=dict(zip(_INPUTS, example, strict=True)),
        dynamo=True,
        opset_version=OPSET,
        input_names=list(_INPUTS),
        output_names=["logits"],
        dynamic_shapes={name: {0: "batch", 1: "length"} for name in _INPUTS},
        verbose=False,
    )
    if program is None:
        raise SystemExit("torch wrote no graph")
    program.save(path, external_data=True)


def by_head(values: Sequence[float] | NDArray[np.float64]) -> dict[str, float]:
    """Numbers in the order of the heads, by their names."""
    return {head: round(float(value), 6) for head, value in zip(HEADS, values, strict=True)}
