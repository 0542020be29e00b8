"""The tokenizer of an encoder: read, and tried before it is trusted.

A `tokenizer.json` is a small program of its maker's. One that fails, loses the text, makes a book of a word, or reads a
text in another way each time, should be noticed when the model is loaded, and not by the first stream that meets it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from tokenizers import Encoding, Tokenizer

from sluice.classifier.files import read_pinned
from sluice.classifier.manifest import MANIFEST_FILE, TOKENIZER_FILE, EncoderManifest, TokenSpec
from sluice.errors import ModelError, is_failure

__all__ = ["load_tokenizer", "named_errors", "rows_of"]

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
        ModelError: it is not the pinned one, cannot be loaded, does not match the manifest, fails on text, loses or
            repeats some of it, makes far more of it than there is, or is random. Names the file and the field.
    """
    path = directory / TOKENIZER_FILE
    content = read_pinned(directory, TOKENIZER_FILE, manifest.sha256[TOKENIZER_FILE], _TOKENIZER_BYTES)
    with named_errors(path, "not a tokenizer"):
        tokenizer = Tokenizer.from_str(content.decode())
        tokenizer.no_padding()
        tokenizer.no_truncation()
        most = _growth(msgspec.json.decode(content, type=_Stated).normalizer)
    _check_special(path, tokenizer, manifest.tokens)
    if tokenizer.id_to_token(manifest.tokens.pad) is None:
        raise ModelError(
            f"{directory / MANIFEST_FILE}: tokens.pad: {TOKENIZER_FILE} has no token with the id {manifest.tokens.pad}"
        )
    if getattr(tokenizer.model, "dropout", None):  # BPE has it alone
        raise ModelError(f"{path}: model.dropout: makes other tokens of a text each time; must be null")
    if most > _MOST_STATED:
        raise ModelError(f"{path}: normalizer: may make {most} characters of one; {_MOST_STATED} at most")
    tried = [_try(path, tokenizer, text) for text in _TRIAL]
    if not any(len(encoding) for encoding in tried):
        raise ModelError(f"{path}: makes no tokens of a text")
    for encoding in tried:
        _try_rows(path, tokenizer, encoding, manifest.tokens)
    return tokenizer


def rows_of(tokenizer: Tokenizer, text: Encoding, max_tokens: int) -> list[Encoding]:
    """The rows, of `max_tokens` at most, that a text without what stands before it is read in: one, unless it is too
    long. `text` is encoded without special tokens, and cut."""
    text.truncate(max_tokens - tokenizer.num_special_tokens_to_add(False))
    first = tokenizer.post_process(text)
    return [first, *first.overflowing]


def _check_special(path: Path, tokenizer: Tokenizer, tokens: TokenSpec) -> None:
    for pair in (False, True) if tokens.pair else (False,):
        with named_errors(path, "fails on a text"):
            special = tokenizer.num_special_tokens_to_add(pair)
        if special >= tokens.max_tokens:
            raise ModelError(
                f"{path}: post_processor: adds {special} special tokens to a {'pair' if pair else 'text'}, "
                f"tokens.max_tokens of {MANIFEST_FILE} leaves no room for text"
            )


def _try(path: Path, tokenizer: Tokenizer, text: str) -> Encoding:
    limit = _MOST_TRIED * len(text) + _MOST_ADDED
    with named_errors(path, "fails on a text"):
        normalized = text if tokenizer.normalizer is None else tokenizer.normalizer.normalize_str(text)
    if len(normalized) > limit:
        raise ModelError(f"{path}: normalizer: makes {len(normalized)} characters of {len(text)}; {limit} at most")
    with named_errors(path, "fails on a text"):
        encoding = tokenizer.encode(text, add_special_tokens=False)
    if len(encoding) > limit:
        raise ModelError(f"{path}: makes {len(encoding)} tokens of {len(text)} characters; {limit} at most")
    return encoding


def _try_rows(path: Path, tokenizer: Tokenizer, encoding: Encoding, tokens: TokenSpec) -> None:
    """Whether the post-processor keeps the text: on a text longer than a row, and on one with another before it."""
    text = Encoding.merge([encoding] * (1 + tokens.max_tokens // max(len(encoding), 1)))
    with named_errors(path, "fails on a text"):
        rows = rows_of(tokenizer, Encoding.merge([text]), tokens.max_tokens)
    _check_kept(path, tokenizer, rows, text.ids)
    longest = max(len(row) for row in rows)
    if longest > tokens.max_tokens:
        raise ModelError(
            f"{path}: post_processor: makes a row of {longest} tokens, tokens.max_tokens of {MANIFEST_FILE} is "
            f"{tokens.max_tokens}"
        )
    if not tokens.pair:
        return
    context = Encoding.merge([encoding] * 2)  # longer, so that neither text twice passes for the two
    with named_errors(path, "fails on a text"):
        row = tokenizer.post_process(context, encoding)
    _check_kept(path, tokenizer, [row], context.ids + encoding.ids)
    if len(row) != len(context) + len(encoding) + tokenizer.num_special_tokens_to_add(True):
        raise ModelError(f"{path}: post_processor: adds more special tokens to a pair than it says")
    kinds = [kind for kind, added in zip(row.type_ids, row.special_tokens_mask, strict=True) if not added]
    if "token_type_ids" in tokens.inputs and set(kinds[: len(context)]) & set(kinds[len(context) :]):
        raise ModelError(
            f"{path}: post_processor: must give the two texts of a pair type ids of their own, as tokens.pair and "
            f"tokens.inputs of {MANIFEST_FILE} say"
        )


def _check_kept(path: Path, tokenizer: Tokenizer, rows: list[Encoding], ids: list[int]) -> None:
    """Whether rows hold a text's tokens, each once and in order, between special ones that there are."""
    unknown = sorted(number for number in {n for row in rows for n in row.ids} if tokenizer.id_to_token(number) is None)
    if unknown:
        raise ModelError(f"{path}: post_processor: adds the id {unknown[0]}, which no token has")
    kept = [n for row in rows for n, added in zip(row.ids, row.special_tokens_mask, strict=True) if not added]
    if kept != ids:
        raise ModelError(
            f"{path}: post_processor: must keep every token of a text, or of both texts of a pair, once; of {len(ids)} "
            f"it gives {len(kept)}"
        )


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
def named_errors(path: Path, what: str) -> Iterator[None]:
    """Whatever tokenizers and ONNX Runtime raise, as a `ModelError` that names the file. Their errors have no base
    class of their own."""
    try:
        yield
    except BaseException as error:
        if not is_failure(error):
            raise
        raise ModelError(f"{path}: {what}: {error}") from error
