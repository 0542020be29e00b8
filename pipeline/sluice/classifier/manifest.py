"""What a model directory says about itself, read and checked before the model is trusted.

A model directory holds `manifest.json`, `model.onnx` and `vocabulary.npy`. The manifest pins the other two by SHA-256,
names the folding and the hash that the model was trained with, and maps every output to a risk id.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from sluice.classifier.features import HASH_NAME, MAX_ORDER
from sluice.errors import ModelError
from sluice.text.fold import FOLD_VERSION

__all__ = [
    "MANIFEST_FILE",
    "MODEL_FILE",
    "VOCABULARY_FILE",
    "Calibration",
    "Digests",
    "FeatureSpec",
    "Head",
    "Manifest",
    "Thresholds",
    "Training",
    "load_manifest",
    "read_pinned",
]

MANIFEST_FILE = "manifest.json"
MODEL_FILE = "model.onnx"
VOCABULARY_FILE = "vocabulary.npy"

_Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
_Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_.-]{0,63}$")]
_RiskId = Annotated[str, msgspec.Meta(pattern=r"^A\.[1-5]\.[a-z]$")]
_Order = Annotated[int, msgspec.Meta(ge=1, le=MAX_ORDER)]
_Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One output of a model."""

    name: _Name
    risk: _RiskId
    description: str
    attribute: str = ""
    """For discrimination: the protected attribute, e.g. `gender`."""


class Digests(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """SHA-256 of the files beside the manifest, in hexadecimal."""

    model: _Digest
    vocabulary: _Digest


class FeatureSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How text becomes the ids that the model reads."""

    kind: Literal["character_ngrams"]
    low: _Order
    """Characters of the shortest n-gram."""
    high: _Order
    """Characters of the longest n-gram."""
    slots: Annotated[int, msgspec.Meta(ge=2, le=1 << 24)]
    """Size of the vocabulary, a power of two; the model's id of padding is one past the last slot."""
    hash: str
    fold: str


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How logits became probabilities. The model applies it; it stands here to be read."""

    method: Literal["platt"]
    mix: str
    """The mix of texts under which the scores are probabilities."""
    slope: dict[str, float]
    offset: dict[str, float]


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the model was trained on, in numbers of texts."""

    sources: dict[str, int]
    harmful: dict[str, int]
    """By head."""


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scores at which the model's makers would act; a profile decides."""

    flag: _Probability
    stop: _Probability
    note: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `manifest.json`."""

    format: Literal[1]
    name: _Name
    created: Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    sha256: Digests
    opset: Annotated[int, msgspec.Meta(ge=13)]
    features: FeatureSpec
    heads: Annotated[tuple[Head, ...], msgspec.Meta(min_length=1)]
    calibration: Calibration
    training: Training
    thresholds: Thresholds

    @property
    def stamp(self) -> dict[str, str]:
        """What the ONNX file must carry as metadata: a manifest beside the wrong model, or heads in another order,
        would give every score the wrong name."""
        spec = self.features
        return {
            "heads": " ".join(head.name for head in self.heads),
            "features": f"{spec.kind} {spec.low}-{spec.high} {spec.slots} {spec.hash} {spec.fold}",
            "opset": str(self.opset),
        }


def load_manifest(directory: Path) -> Manifest:
    """Read and check `manifest.json` of a model directory.

    Raises:
        ModelError: the file is missing or not readable, a field is missing, unknown or out of range, or the model
            needs a folding or a hash that this version does not have. Names the file and the field.
    """
    path = directory / MANIFEST_FILE
    try:
        manifest = msgspec.json.decode(_read(path), type=Manifest)
    except msgspec.DecodeError as error:
        raise ModelError(f"{path}: {error}") from error
    spec = manifest.features
    if spec.fold != FOLD_VERSION:
        raise ModelError(f"{path}: features.fold: trained with {spec.fold!r}, this version folds as {FOLD_VERSION!r}")
    if spec.hash != HASH_NAME:
        raise ModelError(f"{path}: features.hash: trained with {spec.hash!r}, this version hashes as {HASH_NAME!r}")
    if spec.low > spec.high:
        raise ModelError(f"{path}: features.low: {spec.low} is more than features.high, {spec.high}")
    if spec.slots & (spec.slots - 1):
        raise ModelError(f"{path}: features.slots: {spec.slots} is not a power of two")
    names = [head.name for head in manifest.heads]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ModelError(f"{path}: heads: named more than once: {', '.join(twice)}")
    return manifest


def read_pinned(path: Path, digest: str) -> bytes:
    """The content of a file, if its SHA-256 is `digest`.

    Raises:
        ModelError: it cannot be read, or it is another file.
    """
    content = _read(path)
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise ModelError(f"{path}: SHA-256 is {found}, {MANIFEST_FILE} says {digest}")
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
