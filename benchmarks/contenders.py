"""What the classifier benchmark holds side by side: a cascade with its members, and BERT-base with random weights."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from tokenizers import Tokenizer

from random_encoder import Shape, encoder_graph, made_tokenizer, quantise, write_encoder
from sluice.classifier import Model, load_model
from sluice.classifier.cascade import Cascade
from sluice.classifier.files import digest_of
from sluice.classifier.manifest import (
    MANIFEST_FILE,
    TOKENIZER_FILE,
    Calibration,
    CascadeManifest,
    EncoderManifest,
    NgramManifest,
    load_manifest,
)
from sluice.text.fold import FOLD_VERSION, fold_text

__all__ = ["BERT_FP32", "BERT_INT8", "CASCADE", "CHEAP", "STRONG_MEMBER", "Contenders", "open_contenders"]

CHEAP, STRONG_MEMBER, CASCADE = "cheap member", "strong member", "cascade"
BERT_INT8 = ("BERT-base int8", "BERT-base int8, batches")
"""As the runtime runs int8, each row alone; and in padded batches, though then a score depends on its neighbours."""
BERT_FP32 = "BERT-base fp32"

_CONTEXT_TOKENS = 64  # that the strong member of the shipped cascade reads of what stands before


@dataclass(frozen=True, slots=True)
class Contenders:
    """Loaded models, each for one thread."""

    cascade: Cascade
    bert: dict[str, Model]
    """By name; they read each sentence without its context, which is to their advantage."""
    about: dict[str, Any]
    """For the report."""

    @property
    def models(self) -> dict[str, Model]:
        """All of them by name."""
        own: dict[str, Model] = {
            CHEAP: self.cascade.cheap,
            STRONG_MEMBER: self.cascade.strong,
            CASCADE: self.cascade,
        }
        return own | self.bert


def open_contenders(
    directory: Path, scratch: Path, texts: Iterable[str], *, bert: Shape, strong: Shape, step: Callable[[str], None]
) -> Contenders:
    """Load a model directory, and make what is to stand beside it.

    Args:
        directory: a cascade; or its cheap member alone, which then gets a strong one with random weights.
        scratch: an empty folder for what is made.
        texts: for the vocabulary of a tokenizer, where one has to be made.
        bert: of the BERT.
        strong: of a strong member that has to be made.
        step: told what is done next.

    Raises:
        SystemExit: the model is an encoder alone.
        ModelError: it cannot be loaded.
    """
    manifest = load_manifest(directory)
    if isinstance(manifest, EncoderManifest):
        raise SystemExit(f"{directory}: an encoder alone has no cheap member; name a cascade, or n-grams")
    made = isinstance(manifest, NgramManifest)
    if isinstance(manifest, NgramManifest):
        step("make a strong member")
        directory = _stand_in(directory, manifest, scratch / "cascade", texts, strong)
    cascade = load_model(directory)
    assert isinstance(cascade, Cascade)  # as its manifest says
    spec = cascade.strong.manifest
    tokenizer = (directory / cascade.manifest.strong / TOKENIZER_FILE).read_bytes()
    ids = max(Tokenizer.from_buffer(tokenizer).get_vocab(with_added_tokens=True).values()) + 1
    bert = replace(bert, vocabulary=max(bert.vocabulary, ids))
    step("make BERT-base")
    graph = encoder_graph(bert, len(cascade.heads), seed=1)
    step("make BERT-base int8")
    small = quantise(graph)
    models: dict[str, Model] = {}
    for name, proto, alone in (
        (BERT_INT8[0], small, True), (BERT_INT8[1], small, False), (BERT_FP32, graph, False),
    ):  # fmt: skip
        step(f"load {name}")
        write_encoder(
            scratch / "bert",
            proto,
            tokenizer,
            heads=cascade.heads,
            tokens=bert.tokens,
            precision="int8" if alone else "fp32",
            pad=spec.tokens.pad,
            fold=spec.fold,
        )
        models[name] = load_model(scratch / "bert")
        shutil.rmtree(scratch / "bert")
    return Contenders(
        cascade,
        models,
        {
            "cascade": "the cheap member, and a stand-in" if made else cascade.version,
            "cheap": cascade.cheap.version,
            "strong": f"stand-in with random weights: {msgspec.to_builtins(strong)}"
            if made
            else cascade.strong.version,
            "strong_precision": spec.precision,
            "doubt": "thresholds.flag of the cheap member" if made else "of the cascade's manifest",
            "bert": f"random weights: {msgspec.to_builtins(bert)}; the strong member's tokenizer; without context",
        },
    )


def _stand_in(directory: Path, manifest: NgramManifest, out: Path, texts: Iterable[str], shape: Shape) -> Path:
    """A cascade of a cheap member and a strong one with random weights, which is asked from the score on at which the
    cheap one would be believed."""
    cheap, strong = "cheap", "strong"
    shutil.copytree(directory, out / cheap)
    write_encoder(
        out / strong,
        quantise(encoder_graph(shape, len(manifest.heads))),
        made_tokenizer(map(fold_text, texts), shape.vocabulary).encode(),
        heads=manifest.heads,
        tokens=shape.tokens,
        precision="int8",
        context=_CONTEXT_TOKENS,
        fold=FOLD_VERSION,
    )
    pinned = [f"{member}/{MANIFEST_FILE}" for member in (cheap, strong)]
    cascade = CascadeManifest(
        name="stand-in",
        created=manifest.created,
        sha256={name: digest_of((out / name).read_bytes()) for name in pinned},
        heads=manifest.heads,
        calibration=Calibration("none", manifest.calibration.mix),
        thresholds=manifest.thresholds,
        cheap=cheap,
        strong=strong,
        doubt=dict.fromkeys(manifest.head_names, manifest.thresholds.flag),
    )
    (out / MANIFEST_FILE).write_bytes(msgspec.json.encode(cascade))
    return out
