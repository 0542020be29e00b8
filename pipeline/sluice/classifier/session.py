"""Opening an ONNX file with ONNX Runtime, as a manifest pins it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import onnxruntime as ort

from sluice.classifier.files import check_pinned, read_pinned
from sluice.classifier.manifest import MANIFEST_FILE, MODEL_FILE, WEIGHTS_FILE
from sluice.classifier.opset import opsets_of
from sluice.errors import ModelError

__all__ = ["Provider", "open_session"]

Provider = Literal["cpu", "cuda"]
"""Where a model runs."""

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

_MODEL_BYTES = 2 << 30
"""ONNX's own limit for one file."""
_WEIGHTS_BYTES = 64 << 30


def open_session(
    directory: Path, sha256: Mapping[str, str], opset: int, *, provider: Provider = "cpu", threads: int = 1
) -> ort.InferenceSession:
    """Open `model.onnx` of a model directory.

    Args:
        directory: of the model.
        sha256: its files as the manifest pins them.
        opset: of the file, as the manifest says it.
        provider: where it runs.
        threads: of one run on the CPU; more pays for large models only.

    Raises:
        ModelError: it is not the pinned one, cannot be loaded, is of another opset, or the provider is not there.
            Names the file.
    """
    path = directory / MODEL_FILE
    wanted = _PROVIDERS[provider]
    if wanted not in ort.get_available_providers():
        raise ModelError(f"{path}: ONNX Runtime has no {wanted} here; for it install onnxruntime-gpu")
    content = read_pinned(directory, MODEL_FILE, sha256[MODEL_FILE], _MODEL_BYTES)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # shapes change from run to run: a plan per shape would only be kept, not used
    options.add_session_config_entry("session.load_model_format", "ONNX")  # not its own format, which has no opset
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # a worker's cores are not ours to burn
    # Weights outside the graph are looked for in a folder that holds the pinned file and nothing else.
    with tempfile.TemporaryDirectory(prefix="sluice-weights-") as only:
        if WEIGHTS_FILE in sha256:
            check_pinned(directory, WEIGHTS_FILE, sha256[WEIGHTS_FILE], _WEIGHTS_BYTES)
            _put(directory / WEIGHTS_FILE, Path(only) / WEIGHTS_FILE)
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", only)
        try:
            session = ort.InferenceSession(content, options, providers=list(dict.fromkeys([wanted, _PROVIDERS["cpu"]])))
        except Exception as error:  # ONNX Runtime's errors have no base class of their own
            raise ModelError(f"{path}: ONNX Runtime does not load it: {error}") from error
    if wanted not in session.get_providers():
        raise ModelError(f"{path}: ONNX Runtime could not start {wanted}")
    opsets = opsets_of(content)
    if opsets != {opset}:
        raise ModelError(
            f"{path}: is of opset {', '.join(map(str, sorted(opsets)))}, opset of {MANIFEST_FILE} says {opset}"
        )
    return session


def _put(source: Path, target: Path) -> None:
    """The file in another place; copied only where the file system cannot name it twice."""
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
