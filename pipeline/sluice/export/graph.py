"""The ONNX file of a model directory: made int8 where asked for, and put into one file where it fits."""

from __future__ import annotations

from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

from sluice.classifier.manifest import MODEL_FILE, WEIGHTS_FILE
from sluice.errors import ModelError

__all__ = ["place", "quantise"]

_ONE_FILE = (2 << 30) - (1 << 24)
"""Bytes of weights up to which they stand in the ONNX file itself: protobuf's limit is 2 GiB, graph included."""


def quantise(source: Path, target: Path) -> None:
    """Write a copy whose weights are int8 (one scale for each output of a matrix), and whose activations are made
    int8 while it runs, each row by itself as the runtime feeds them.

    Raises:
        ModelError: ONNX Runtime cannot.
    """
    prepared = target.with_name(f"prepared-{target.name}")
    try:
        # Only shapes are worked out: ONNX Runtime's own optimisations would tie the file to its version.
        quant_pre_process(
            source, prepared, skip_optimization=True, skip_symbolic_shape=True, save_as_external_data=True
        )
        quantize_dynamic(prepared, target, weight_type=QuantType.QInt8, per_channel=True, use_external_data_format=True)
    except Exception as error:  # ONNX Runtime's errors have no base class of their own
        raise ModelError(f"ONNX Runtime cannot make the model int8: {error}") from error


def place(source: Path, directory: Path) -> int:
    """Write a graph into a model directory, and give its opset.

    Its weights go into `model.onnx`, or beside it where ONNX's limit for one file would be passed.

    Raises:
        ModelError: what would stand there is no valid ONNX.
    """
    model = onnx.load(source)
    large = sum(len(tensor.raw_data) for tensor in model.graph.initializer) > _ONE_FILE
    del model.metadata_props[:]
    for node in model.graph.node:
        # The exporter notes the stack of each operator, with the paths of the machine that it ran on.
        del node.metadata_props[:]
        node.doc_string = ""
    path = directory / MODEL_FILE
    try:
        onnx.save(model, path, save_as_external_data=large, location=WEIGHTS_FILE if large else None)
        onnx.checker.check_model(path, full_check=True)
    except (ValueError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ModelError(f"the exported graph is not valid ONNX: {error}") from error
    return next(int(item.version) for item in model.opset_import if item.domain in ("", "ai.onnx"))
