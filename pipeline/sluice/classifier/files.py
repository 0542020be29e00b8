"""Reads the files of a model directory: each within its size, inside the directory, and the one that is pinned."""

from __future__ import annotations

import hashlib
from pathlib import Path

from sluice.errors import ModelError

__all__ = ["check_pinned", "digest_of", "read_file", "read_pinned"]

_CHUNK = 1 << 20


def digest_of(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def read_file(directory: Path, name: str, limit: int) -> bytes:
    """The content of a file of a model directory, of `limit` bytes at most.

    Raises:
        ModelError: it is not there, no plain file, too large, or a link out of the directory.
    """
    path = _inside(directory, name, limit)
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    if len(content) > limit:
        raise _too_large(path, limit)
    return content


def read_pinned(directory: Path, name: str, digest: str, limit: int) -> bytes:
    """The same, if its SHA-256 is `digest`.

    Raises:
        ModelError: as `read_file`, or it is another file.
    """
    content = read_file(directory, name, limit)
    _compare(directory / name, digest_of(content), digest)
    return content


def check_pinned(directory: Path, name: str, digest: str, limit: int) -> None:
    """The same for a file that is too large to be held in memory.

    Raises:
        ModelError: as `read_pinned`.
    """
    path = _inside(directory, name, limit)
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    _compare(path, found.hexdigest(), digest)


def _inside(directory: Path, name: str, limit: int) -> Path:
    path = directory / name
    try:
        real, size = path.resolve(strict=True), path.stat().st_size
        inside = real.is_relative_to(directory.resolve())
    except (OSError, RuntimeError) as error:  # RuntimeError: links that go round in a circle
        raise ModelError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    if not inside:
        raise ModelError(f"{path}: is a link to a place outside the model directory")
    if not real.is_file():
        raise ModelError(f"{path}: is no plain file")
    if size > limit:
        raise _too_large(path, limit)
    return path


def _too_large(path: Path, limit: int) -> ModelError:
    return ModelError(f"{path}: is larger than {limit} bytes")


def _compare(path: Path, found: str, pinned: str) -> None:
    if found != pinned:
        raise ModelError(f"{path}: SHA-256 is {found}, manifest.json says {pinned}")
