"""What a model directory says about itself, read and checked before the model is trusted.

There are three kinds: `character_ngrams`, whose scores can be kept up to date while a text grows; `encoder`, a
transformer that reads a text with what stands before it; and `cascade`, one of the first kind and one of the second in
folders of their own. A manifest pins every file that its model needs by SHA-256 and maps the outputs to risk ids.
"""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from sluice.classifier.features import HASH_NAME, MAX_ORDER
from sluice.classifier.files import digest_of, read_file, read_pinned
from sluice.errors import ModelError
from sluice.risks import RISKS, suggest
from sluice.text.fold import FOLD_VERSION

__all__ = [
    "MANIFEST_FILE",
    "MODEL_FILE",
    "RESERVED_HEADS",
    "TOKENIZER_FILE",
    "VOCABULARY_FILE",
    "WEIGHTS_FILE",
    "Calibration",
    "CascadeManifest",
    "EncoderManifest",
    "FeatureSpec",
    "Head",
    "Manifest",
    "NgramManifest",
    "Thresholds",
    "TokenSpec",
    "Training",
    "load_manifest",
    "read_manifest",
]

MANIFEST_FILE = "manifest.json"
MODEL_FILE = "model.onnx"
WEIGHTS_FILE = "model.onnx.data"
"""Beside `model.onnx` where the weights do not fit into it (ONNX's own limit is 2 GB)."""
VOCABULARY_FILE = "vocabulary.npy"
TOKENIZER_FILE = "tokenizer.json"

_MANIFEST_BYTES = 1 << 20

_Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
_File = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}(/manifest[.]json)?\Z")]
_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}\Z")]
_Order = Annotated[int, msgspec.Meta(ge=1, le=MAX_ORDER)]
_Probability = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Opset = Annotated[int, msgspec.Meta(ge=11)]
# Calibration keeps the order of scores, and stays far inside float32.
_Slope = Annotated[float, msgspec.Meta(ge=1e-9, le=1e9)]
_Offset = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]

RESERVED_HEADS = frozenset(("any", "clean", "ignore"))
"""No head has such a name: where texts are labelled by heads, these words say something else."""


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One output of a model."""

    name: _Name
    risk: str
    """Its id, e.g. `A.1.a`."""
    description: str
    attribute: str = ""
    """For discrimination: the protected attribute, e.g. `gender`."""


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How logits become probabilities. A graph of n-grams applies it itself, and it stands here to be read; the logits
    of an encoder are calibrated by its loader."""

    method: Literal["platt", "temperature", "none"]
    mix: str
    """The mix of texts under which the scores are probabilities."""
    slope: dict[str, _Slope] = {}
    """By head: what its logit is multiplied with; 1 for a head that is not named."""
    offset: dict[str, _Offset] = {}
    """By head: what is added then; 0 for a head that is not named."""


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


class FeatureSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How text becomes the ids that a model of n-grams reads."""

    low: _Order
    """Characters of the shortest n-gram."""
    high: _Order
    """Characters of the longest n-gram."""
    slots: Annotated[int, msgspec.Meta(ge=2, le=1 << 24)]
    """Size of the vocabulary, a power of two; the model's id of padding is one past the last slot."""
    hash: str
    fold: str


class TokenSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How text becomes the tensors that an encoder reads."""

    max_tokens: Annotated[int, msgspec.Meta(ge=8, le=8192)]
    """The longest row, special tokens included. A text of more tokens is scored in parts."""
    inputs: Annotated[
        tuple[Literal["input_ids", "attention_mask", "token_type_ids"], ...], msgspec.Meta(min_length=1, max_length=3)
    ]
    """The ONNX inputs, int64 of (batch, length). Without `attention_mask` no row is ever padded."""
    pair: bool = False
    """Whether the text before a sentence is read with it, as the first of two segments."""
    context: Annotated[int, msgspec.Meta(ge=0, le=8192)] = 8192
    """Tokens of the text before that are read at most, its last ones; the more, the more a judgement costs."""
    pad: Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)] = 0
    """The id of padding, on the right."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind"):
    """What `manifest.json` holds for every kind."""

    format: Literal[1] = 1
    name: _Name
    created: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
    sha256: dict[_File, _Digest]
    """Of every file that the model needs, by its name beside the manifest."""
    heads: Annotated[tuple[Head, ...], msgspec.Meta(min_length=1, max_length=256)]
    calibration: Calibration
    thresholds: Thresholds
    training: Training | None = None

    @property
    def head_names(self) -> tuple[str, ...]:
        """In the order of the columns of a score."""
        return tuple(head.name for head in self.heads)

    def check(self) -> str:
        """What is wrong with it beyond the types, as `field: cause`; empty when nothing is."""
        names = self.head_names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            return f"heads: named more than once: {', '.join(twice)}"
        for number, head in enumerate(self.heads):
            if head.name in RESERVED_HEADS:
                return f"heads[{number}].name: {head.name} is a word of `sluice eval`, no name of a head"
            if head.risk not in RISKS:
                return f"heads[{number}].risk: unknown risk id {head.risk!r:.60}{suggest(head.risk)}"
        for field in ("slope", "offset"):
            unknown = sorted(set(getattr(self.calibration, field)) - set(names))
            if unknown:
                return f"calibration.{field}: no such head: {', '.join(unknown)}"
        if self.thresholds.flag > self.thresholds.stop:
            return f"thresholds.flag: {self.thresholds.flag} is more than thresholds.stop, {self.thresholds.stop}"
        return ""

    def check_files(self, needed: Set[str], possible: Set[str] = frozenset()) -> str:
        """Whether `sha256` names what the kind needs and nothing that it does not know, as `check` says it."""
        missing, unknown = sorted(needed - set(self.sha256)), sorted(set(self.sha256) - needed - possible)
        if missing:
            return f"sha256: does not name {', '.join(missing)}"
        return f"sha256: a model of this kind has no file {', '.join(unknown)}" if unknown else ""


class NgramManifest(Manifest, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="character_ngrams"):
    """A linear model of hashed character n-grams; see `sluice.classifier.ngrams`."""

    opset: _Opset
    features: FeatureSpec

    @property
    def stamp(self) -> dict[str, str]:
        """What the ONNX file must carry as metadata: a manifest beside the wrong model, or heads in another order,
        would give every score the wrong name."""
        spec = self.features
        return {
            "heads": " ".join(self.head_names),
            "features": f"character_ngrams {spec.low}-{spec.high} {spec.slots} {spec.hash} {spec.fold}",
            "opset": str(self.opset),
        }

    def check(self) -> str:
        spec = self.features
        if spec.fold != FOLD_VERSION:
            return f"features.fold: trained with {spec.fold!r}, this version folds as {FOLD_VERSION!r}"
        if spec.hash != HASH_NAME:
            return f"features.hash: trained with {spec.hash!r}, this version hashes as {HASH_NAME!r}"
        if spec.low > spec.high:
            return f"features.low: {spec.low} is more than features.high, {spec.high}"
        if spec.slots & (spec.slots - 1):
            return f"features.slots: {spec.slots} is not a power of two"
        return super().check() or self.check_files({MODEL_FILE, VOCABULARY_FILE})


class EncoderManifest(Manifest, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="encoder"):
    """A transformer that classifies; see `sluice.classifier.encoder`."""

    opset: _Opset
    tokens: TokenSpec
    outputs: Annotated[tuple[str | None, ...], msgspec.Meta(min_length=1, max_length=1024)]
    """For each logit the head it counts for, or null."""
    activation: Literal["sigmoid", "softmax"]
    precision: Literal["fp32", "fp16", "bf16", "int8"] = "fp32"
    fold: str = ""
    """How text is folded before it becomes tokens; empty: it is read as it is."""

    def check(self) -> str:
        names = self.head_names
        unknown = sorted({name for name in self.outputs if name is not None} - set(names))
        missing = sorted(set(names) - set(self.outputs))
        slopes = {self.calibration.slope.get(name, 1.0) for name in names}
        if self.fold not in ("", FOLD_VERSION):
            return f"fold: trained with {self.fold!r}, this version folds as {FOLD_VERSION!r}"
        if unknown:
            return f"outputs: no such head: {', '.join(unknown)}"
        if missing:
            return f"outputs: no logit for the head {', '.join(missing)}"
        if self.activation == "softmax" and (len(slopes) > 1 or any(self.calibration.offset.values())):
            return "calibration: a softmax has one temperature: the same slope for every head, and no offset"
        if "input_ids" not in self.tokens.inputs or len(set(self.tokens.inputs)) < len(self.tokens.inputs):
            return "tokens.inputs: must name input_ids, and each input once"
        return super().check() or self.check_files({MODEL_FILE, TOKENIZER_FILE}, {WEIGHTS_FILE})


class CascadeManifest(Manifest, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="cascade"):
    """A cheap model for every text and a strong one where it is in doubt; see `sluice.classifier.cascade`."""

    cheap: _Name
    """Folder of the cheap model, of a kind that can be kept up to date."""
    strong: _Name
    """Folder of the strong one."""
    doubt: dict[str, _Probability]
    """By head: the cheap score from which the strong model is asked; not above `thresholds.flag`."""

    def check(self) -> str:
        names = set(self.head_names)
        if set(self.doubt) != names:
            odd = ", ".join(sorted(set(self.doubt) ^ names))
            return f"doubt: must name every head, and no other: {odd}"
        for head, score in self.doubt.items():
            if score > self.thresholds.flag:
                return f"doubt.{head}: {score} is more than thresholds.flag, {self.thresholds.flag}"
        if self.cheap == self.strong:
            return f"strong: {self.strong!r} is the folder of the cheap model too"
        return super().check() or self.check_files({f"{self.cheap}/{MANIFEST_FILE}", f"{self.strong}/{MANIFEST_FILE}"})


_AnyKind = NgramManifest | EncoderManifest | CascadeManifest
_decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(_AnyKind)


def read_manifest(directory: Path, pinned: str = "") -> tuple[_AnyKind, str]:
    """The checked `manifest.json` of a model directory, and its SHA-256 in hexadecimal.

    Args:
        directory: of the model.
        pinned: the SHA-256 that another manifest says it has; empty for none.

    Raises:
        ModelError: the file is missing, not readable or another one than the pinned, a field is missing, unknown or
            out of range, or the model needs a folding or a hash that this version does not have. Names the file and
            the field.
    """
    path = directory / MANIFEST_FILE
    if pinned:
        content = read_pinned(directory.parent, f"{directory.name}/{MANIFEST_FILE}", pinned, _MANIFEST_BYTES)
    else:
        content = read_file(directory, MANIFEST_FILE, _MANIFEST_BYTES)
    try:
        manifest = _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: {error}") from error
    except RecursionError as error:
        raise ModelError(f"{path}: is nested too deeply") from error
    wrong = manifest.check()
    if wrong:
        raise ModelError(f"{path}: {wrong}")
    return manifest, digest_of(content)


def load_manifest(directory: Path) -> _AnyKind:
    """What `read_manifest` reads, alone."""
    return read_manifest(directory)[0]
