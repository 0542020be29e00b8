"""A lexicon as one file: what its directory says, checked, in a form that is the same wherever it is made.

A bundle is gzip-compressed JSON. Nothing in it is executable, and the automaton is built anew from it: that takes less
time than reading one would. Its version is that of its content; the SHA-256 is that of the file.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path

import msgspec

from sluice.errors import LexiconError
from sluice.lexicon.files import MAX_TERMS, Content, Place, Reading, check_harmless, check_term, survey
from sluice.lexicon.problem import raise_for, shown
from sluice.lexicon.settings import check_settings
from sluice.lexicon.term import SEVERITY_SCORES
from sluice.risks import RISKS
from sluice.text.fold import FOLD_VERSION, fold_text

__all__ = [
    "FORMAT",
    "MAX_BUNDLE_BYTES",
    "decode_bundle",
    "encode_bundle",
    "read_lexicon",
    "survey_lexicon",
    "version_of",
]

FORMAT = "sluice-lexicon-1"

MAX_BUNDLE_BYTES = 256 << 20
"""Of the JSON. 500,000 terms with notes take less."""


class _Bundle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format: str
    fold: str
    version: str
    content: Content


def version_of(content: Content) -> str:
    """12 hexadecimal digits of the SHA-256 of all that decides what is found and what a finding says. Notes, reviewers
    and the order of the terms do not."""
    rows = sorted(
        msgspec.json.encode(
            [
                term.folded,
                *(term.category, term.risk, term.severity, term.word, term.boundary, term.hint),
                sorted(map(fold_text, term.allow)),
                None if term.channels is None else sorted(term.channels),
                None if term.expires is None else term.expires.isoformat(),
            ]
        )
        for term in content.terms
    )
    settings = content.settings
    head = msgspec.json.encode(
        [
            FOLD_VERSION,
            sorted(settings.noise),
            sorted((risk, sorted(channels.items())) for risk, channels in settings.channels.items()),
            sorted(map(fold_text, content.harmless)),
        ]
    )
    return hashlib.sha256(b"\n".join([head, *rows])).hexdigest()[:12]


def encode_bundle(content: Content) -> bytes:
    """The bundle of a content: the same bytes for the same content."""
    bundle = _Bundle(FORMAT, FOLD_VERSION, version_of(content), content)
    return gzip.compress(msgspec.json.encode(bundle, order="deterministic"), compresslevel=9, mtime=0)


def decode_bundle(data: bytes, name: str = "bundle") -> Content:
    """Read a bundle; `name` is what errors call it.

    Raises:
        LexiconError: it is not one, is damaged, was made for another folding, or is too large.
    """
    unzip = zlib.decompressobj(wbits=31)
    try:
        text = unzip.decompress(data, MAX_BUNDLE_BYTES)
    except zlib.error as error:
        raise LexiconError(f"{name}: not a lexicon bundle: {error}") from None
    if not unzip.eof or unzip.unused_data:
        large = len(text) >= MAX_BUNDLE_BYTES
        raise LexiconError(f"{name}: larger than {MAX_BUNDLE_BYTES >> 20} MiB" if large else f"{name}: damaged")
    try:
        bundle = msgspec.json.decode(text, type=_Bundle)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LexiconError(f"{name}: not a lexicon bundle: {error}") from None
    if bundle.format != FORMAT:
        raise LexiconError(f"{name}: the format is {bundle.format!r:.40}, this version reads {FORMAT!r}")
    if bundle.fold != FOLD_VERSION:
        raise LexiconError(f"{name}: made for folding {bundle.fold!r:.40}, this version folds as {FOLD_VERSION!r}")
    content = bundle.content
    if len(content.terms) > MAX_TERMS:
        raise LexiconError(f"{name}: {len(content.terms)} terms, the limit is {MAX_TERMS}")
    try:
        check_settings(content.settings)
        for term in content.terms:
            if term.risk not in RISKS or term.severity not in SEVERITY_SCORES:
                raise LexiconError("unknown risk or severity")
            check_term(term)
        for harmless in content.harmless:
            check_harmless(harmless)
    except LexiconError as error:
        raise LexiconError(f"{name}: {error}") from None
    if version_of(content) != bundle.version:
        raise LexiconError(f"{name}: the content is not that of version {bundle.version!r:.40}")
    return content


def read_lexicon(path: Path) -> Content:
    """Read a lexicon from its directory or from a bundle.

    Raises:
        LexiconError: names every file and line that is wrong (the first 50).
    """
    reading = survey_lexicon(path)
    raise_for(reading.problems)
    return reading.content


def survey_lexicon(path: Path) -> Reading:
    """`read_lexicon`, for those who want to say where something stands: of a bundle, only the file is known.

    Raises:
        LexiconError: it is a bundle, and not a good one. What is wrong with a directory is in the reading.
    """
    if path.is_dir():
        return survey(path)
    try:
        if path.exists() and not path.is_file():
            raise LexiconError(f"{shown(path)}: neither a directory nor a file")
        with path.open("rb") as file:
            data = file.read(MAX_BUNDLE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise LexiconError(f"{shown(path)}: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > MAX_BUNDLE_BYTES:
        raise LexiconError(f"{shown(path)}: larger than {MAX_BUNDLE_BYTES >> 20} MiB")
    content = decode_bundle(data, shown(path))
    place = Place(str(path))
    return Reading(content, (place,) * len(content.terms), (place,) * len(content.harmless))
