"""What the commands of `sluice models` say about a model directory."""

from __future__ import annotations

from pathlib import Path

from sluice.classifier.manifest import (
    MANIFEST_FILE,
    CascadeManifest,
    EncoderManifest,
    Manifest,
    read_manifest,
)
from sluice.errors import ModelError

__all__ = ["heads", "kind_of", "size", "size_of", "traits"]


def kind_of(manifest: Manifest) -> str:
    """As the manifest's `kind` names it."""
    return str(manifest.__struct_config__.tag)


def traits(manifest: Manifest) -> list[str]:
    """What is worth knowing about a model beside its heads."""
    if isinstance(manifest, CascadeManifest):
        return [f"{manifest.cheap} first, {manifest.strong} where it is in doubt"]
    if isinstance(manifest, EncoderManifest):
        tokens = manifest.tokens
        pair = ["with what stands before"] if tokens.pair else []
        return [manifest.precision, f"opset {manifest.opset}", f"up to {tokens.max_tokens} tokens", *pair]
    return []


def heads(manifest: Manifest) -> list[dict[str, str]]:
    """Each head, as JSON has it."""
    return [
        {"name": head.name, "risk": head.risk, "attribute": head.attribute, "description": head.description}
        for head in manifest.heads
    ]


def size_of(directory: Path, manifest: Manifest) -> int:
    """Bytes of the manifest and of all that it pins, members of a cascade included.

    Raises:
        ModelError: one of the files is not there.
    """
    total = 0
    for name in (MANIFEST_FILE, *manifest.sha256):
        path = directory / name
        try:
            total += path.stat().st_size
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror}") from error
    if isinstance(manifest, CascadeManifest):
        for member in (manifest.cheap, manifest.strong):
            inner = directory / member
            total += size_of(inner, read_manifest(inner)[0]) - (inner / MANIFEST_FILE).stat().st_size
    return total


def size(count: int) -> str:
    """Bytes for people."""
    return f"{count / 1e6:.1f} MB" if count >= 100_000 else f"{count / 1e3:.1f} kB"
