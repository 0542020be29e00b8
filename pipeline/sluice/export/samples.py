"""Texts that a model is tried on: what services write and read, short and long, Chinese and English, and odd ones."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from sluice.errors import InputError

__all__ = ["MAX_SAMPLES", "read_samples", "sample_texts"]

MAX_SAMPLES = 1_000
_MAX_BYTES = 4 << 20


def sample_texts() -> list[str]:
    """The texts that come with Sluice."""
    return _lines(resources.files(__package__).joinpath("samples.txt").read_text(encoding="utf-8"))


def read_samples(path: Path) -> list[str]:
    """The lines of a file, empty ones left out.

    Raises:
        InputError: it cannot be read, is too large, not UTF-8, or has no text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}") from None
    found = _lines(text)
    if len(content) > _MAX_BYTES or len(found) > MAX_SAMPLES:
        raise InputError(f"{path}: more than {MAX_SAMPLES} lines or {_MAX_BYTES} bytes")
    if not found:
        raise InputError(f"{path}: has no text")
    return found


def _lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line.strip()]
