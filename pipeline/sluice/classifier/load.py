"""Loading a model directory of any kind."""

from __future__ import annotations

from pathlib import Path

from sluice.classifier.cascade import Cascade
from sluice.classifier.encoder import EncoderModel, load_encoder
from sluice.classifier.manifest import (
    MANIFEST_FILE,
    CascadeManifest,
    EncoderManifest,
    NgramManifest,
    read_manifest,
)
from sluice.classifier.ngrams import NgramModel, load_ngrams
from sluice.classifier.session import Provider
from sluice.errors import ModelError

__all__ = ["Model", "load_model"]

Model = NgramModel | EncoderModel | Cascade
"""A `Scorer`, whatever its kind."""


def load_model(directory: Path, *, provider: Provider = "cpu", threads: int = 1) -> Model:
    """Load a model directory.

    Args:
        directory: it holds a `manifest.json` and what that pins.
        provider: where a transformer runs; n-grams always run on the CPU.
        threads: of one run of a transformer on the CPU; for n-grams one is enough.

    Raises:
        ModelError: something is missing, unknown, or does not match the manifest. Names the file and the field.
    """
    manifest, digest = read_manifest(directory)
    if isinstance(manifest, CascadeManifest):
        return _load_cascade(directory, manifest, digest, provider, threads)
    if isinstance(manifest, EncoderManifest):
        return load_encoder(directory, manifest, digest, provider=provider, threads=threads)
    return load_ngrams(directory, manifest, digest, threads=1)


def _load_cascade(directory: Path, manifest: CascadeManifest, digest: str, provider: Provider, threads: int) -> Cascade:
    cheap, cheap_digest = _member(directory, manifest, manifest.cheap)
    strong, strong_digest = _member(directory, manifest, manifest.strong)
    if not isinstance(cheap, NgramManifest):
        raise ModelError(f"{directory / MANIFEST_FILE}: cheap: {manifest.cheap} is no model of character_ngrams")
    if not isinstance(strong, EncoderManifest):
        raise ModelError(f"{directory / MANIFEST_FILE}: strong: {manifest.strong} is no encoder")
    return Cascade(
        manifest,
        digest,
        load_ngrams(directory / manifest.cheap, cheap, cheap_digest, threads=1),
        load_encoder(directory / manifest.strong, strong, strong_digest, provider=provider, threads=threads),
    )


def _member(
    directory: Path, manifest: CascadeManifest, folder: str
) -> tuple[NgramManifest | EncoderManifest | CascadeManifest, str]:
    member, digest = read_manifest(directory / folder, manifest.sha256[f"{folder}/{MANIFEST_FILE}"])
    if member.head_names != manifest.head_names:
        raise ModelError(
            f"{directory / folder / MANIFEST_FILE}: heads: must be those of the cascade, in its order: "
            f"{' '.join(manifest.head_names)}"
        )
    return member, digest
