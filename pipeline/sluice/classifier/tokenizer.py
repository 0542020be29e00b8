"""The tokenizer of an encoder: read, and tried before it is trusted.

A `tokenizer.json` is a small program of its maker's. One that fails, or makes a book of a word, should be noticed when
the model is loaded, and not by the first stream that meets it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from tokenizers import Tokenizer

from sluice.classifier.files import read_pinned
from sluice.classifier.manifest import MANIFEST_FILE, TOKENIZER_FILE, EncoderManifest
from sluice.errors import ModelError

__all__ = ["load_tokenizer"]

_TOKENIZER_BYTES = 64 << 20  # the largest vocabularies in use take a quarter of it
_MOST_STATED = 1_024
"""Characters that a normaliser may make of one by what it states; it keeps the trial itself from filling the memory."""
_MOST_TRIED = 8
"""Characters, or tokens, that may come of one in the trial; bytes as tokens make four at most."""
_MOST_ADDED = 64
"""The same for a whole text, whatever its length."""
_TRIAL = ("a", "".join(chr(code) for code in range(0x20, 0x110000, 257) if not 0xD800 <= code < 0xE000))
"""A short text, and one of characters from everywhere in Unicode: no vocabulary knows all of them, and as one word it
is longer than any model of words takes."""


class _Stated(msgspec.Struct):
    """What is looked at in the file."""

    normalizer: Any = None


def load_tokenizer(directory: Path, manifest: EncoderManifest) -> Tokenizer:
    """Load the tokenizer that a checked manifest pins.

    Raises:
        ModelError: it is not the pinned one, cannot be loaded, does not match the manifest, fails on text, or makes
            far more of a text than there is. Names the file and the field.
    """
    path = directory / TOKENIZER_FILE
    content = read_pinned(directory, TOKENIZER_FILE, manifest.sha256[TOKENIZER_FILE], _TOKENIZER_BYTES)
    with _named(path, "not a tokenizer"):
        tokenizer = Tokenizer.from_str(content.decode())
        tokenizer.no_padding()
        tokenizer.no_truncation()
        special = tokenizer.num_special_tokens_to_add(True)
        most = _growth(msgspec.json.decode(content, type=_Stated).normalizer)
    if special >= manifest.tokens.max_tokens:
        raise ModelError(
            f"{path}: adds {special} special tokens, tokens.max_tokens of {MANIFEST_FILE} leaves no room for text"
        )
    if tokenizer.id_to_token(manifest.tokens.pad) is None:
        raise ModelError(
            f"{directory / MANIFEST_FILE}: tokens.pad: {TOKENIZER_FILE} has no token with the id {manifest.tokens.pad}"
        )
    if most > _MOST_STATED:
        raise ModelError(f"{path}: normalizer: may make {most} characters of one; {_MOST_STATED} at most")
    for text in _TRIAL:
        _try(path, tokenizer, text, pair=manifest.tokens.pair)
    return tokenizer


def _try(path: Path, tokenizer: Tokenizer, text: str, *, pair: bool) -> None:
    limit = _MOST_TRIED * len(text) + _MOST_ADDED
    with _named(path, "fails on a text"):
        normalized = text if tokenizer.normalizer is None else tokenizer.normalizer.normalize_str(text)
    if len(normalized) > limit:
        raise ModelError(f"{path}: normalizer: makes {len(normalized)} characters of {len(text)}; {limit} at most")
    with _named(path, "fails on a text"):
        encoding = tokenizer.encode(text, add_special_tokens=False)
    if len(encoding) > limit:
        raise ModelError(f"{path}: makes {len(encoding)} tokens of {len(text)} characters; {limit} at most")
    with _named(path, "fails on a text"):
        ids = set(tokenizer.post_process(encoding).ids)
        if pair:
            ids.update(tokenizer.post_process(encoding, encoding).ids)
    unknown = sorted(number for number in ids if tokenizer.id_to_token(number) is None)
    if unknown:
        raise ModelError(f"{path}: post_processor: adds the id {unknown[0]}, which no token has")


def _growth(normalizer: Any, most: int = 1) -> int:
    """Characters that what stood as `most` characters may be after a normaliser, by what that says it puts in."""
    if not isinstance(normalizer, dict):
        return most
    for inner in normalizer.get("normalizers", ()):
        most = _growth(inner, most)
    match normalizer:
        case {"type": "Prepend", "prepend": str(put)}:
            return most + len(put)
        case {"type": "Replace", "content": str(put), "pattern": {"String": str(pattern)}} if pattern:
            return most * max(len(put), 1)
        case {"type": "Replace", "content": str(put)}:
            return most * (len(put) + 1)  # an expression may also match where nothing is
    return most


@contextmanager
def _named(path: Path, what: str) -> Iterator[None]:
    """Whatever the library raises, as an error that names the file. Its errors have no base class of their own, and a
    panic in Rust is no `Exception`, nor can its type be imported."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ModelError(f"{path}: {what}: {error}") from error
