"""Where the lexicon and the model that come with Sluice are: inside the installed package, or in its repository."""

from __future__ import annotations

from pathlib import Path

from sluice.errors import InputError

__all__ = ["lexicon_directory", "model_directory"]

_PACKAGE = Path(__file__).parent
_REPOSITORY = _PACKAGE.parent.parent


def lexicon_directory() -> Path:
    """The starter lexicon."""
    return _find("lexicon", "lexicons/starter")


def model_directory() -> Path:
    """The default model."""
    return _find("model", "models/default")


def _find(packaged: str, in_repository: str) -> Path:
    for place in (_PACKAGE / "_shipped" / packaged, _REPOSITORY / in_repository):
        if place.is_dir():
            return place
    raise InputError(f"the shipped {packaged} is missing from this installation; name one by option")
