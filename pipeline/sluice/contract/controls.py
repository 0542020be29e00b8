"""What is on `moderation.controls`: which lexicon is active, the lexicon itself, and what each worker made of it.

The topic is compacted, so it holds the last record of every key:

    lexicon                   the activation: which bundle is to be used
    lexicon/<sha256>/<n>      piece n of a bundle, its bytes as they are
    status/<slot>             what a worker uses now

A bundle goes in pieces because a record of 1 MiB is the broker's limit. Its pieces come first and the activation after
them, on the one partition of the topic; so whoever reads in order has the whole bundle when it is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from sluice.contract.codec import VERSION
from sluice.contract.frame import Id
from sluice.contract.limits import LEXICON_CHUNK_BYTES, MAX_LEXICON_BYTES

__all__ = [
    "ACTIVATION_KEY",
    "BadActivation",
    "ControlsView",
    "LexiconActivation",
    "LexiconRef",
    "RefusedError",
    "WorkerState",
    "WorkerStatus",
    "chunk_key",
    "join",
    "pieces",
    "read_chunk_key",
    "reference",
    "status_key",
]

ACTIVATION_KEY = b"lexicon"
_CHUNK = b"lexicon/"
_STATUS = b"status/"
_MAX_CHUNKS = -(-MAX_LEXICON_BYTES // LEXICON_CHUNK_BYTES)
_MAX_KEPT = 4 * MAX_LEXICON_BYTES
"""Bytes of pieces that a reader keeps: the bundle in use, the next one, and some that never became whole."""
_MAX_STATUSES = 10_000

WorkerState = Literal["active", "refused", "stopped"]

Reason = Annotated[str, msgspec.Meta(max_length=1_000)]
_Version = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{12}$", max_length=12)]
_Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]


class LexiconRef(msgspec.Struct, frozen=True):
    """A lexicon's bundle on the topic."""

    version: _Version
    """Of the content: what decisions pin."""
    sha256: _Sha256
    """Of the bundle's bytes."""
    size: Annotated[int, msgspec.Meta(ge=1, le=MAX_LEXICON_BYTES)]
    """Bytes."""
    chunks: Annotated[int, msgspec.Meta(ge=1, le=_MAX_CHUNKS)]
    """Pieces that it was cut into."""


class LexiconActivation(msgspec.Struct, frozen=True, omit_defaults=True, tag="lexicon", tag_field="kind"):
    """Says which lexicon every worker is to use from now on. Key: `lexicon`."""

    v: int
    id: Id
    """Of this activation; the same lexicon activated again has another one."""
    bundle: LexiconRef
    activated_at: float
    """Seconds since the epoch, by the clock of whoever activated it."""
    by: Annotated[str, msgspec.Meta(max_length=200)] = ""
    replaces: LexiconRef | None = None
    """The bundle that was activated before it; still on the topic, and what a worker that starts goes back to when it
    refuses this one."""


class WorkerStatus(msgspec.Struct, frozen=True, omit_defaults=True, tag="status", tag_field="kind"):
    """What one worker uses. Written after every activation and again every 20 seconds. Key: `status/<slot>`."""

    v: int
    slot: Id
    state: WorkerState
    """`active`: uses what is activated, or what it was started with where nothing is. `refused`: does not use what is
    activated, and goes on with what it had. `stopped`: has ended in good order."""
    lexicon: str
    """Version in use."""
    at: float
    """Seconds since the epoch, by the worker's clock."""
    bundle: LexiconRef | None = None
    """Where the lexicon in use is on the topic; nothing when it is the one that the worker was started with."""
    activation: str = ""
    """Id of the last activation that the worker has dealt with."""
    reason: Reason = ""
    """Why it was refused: a stable word, a colon, and what is wrong. No text that was moderated."""


class RefusedError(Exception):
    """A lexicon cannot be used. The message begins with a stable word: `unreadable`, `chunks`, `size`, `sha256`."""


class BadActivation(msgspec.Struct, frozen=True):
    """An activation record that cannot be read."""

    id: str
    """Of its bytes, since it gives no other."""
    reason: str


_activations = msgspec.json.Decoder(LexiconActivation)
_statuses = msgspec.json.Decoder(WorkerStatus)


def reference(bundle: bytes, version: str) -> LexiconRef:
    """What an activation says of a bundle.

    Raises:
        msgspec.ValidationError: it is empty or larger than `MAX_LEXICON_BYTES`.
    """
    chunks = -(-len(bundle) // LEXICON_CHUNK_BYTES)
    return msgspec.convert(
        {"version": version, "sha256": hashlib.sha256(bundle).hexdigest(), "size": len(bundle), "chunks": chunks},
        LexiconRef,
    )


def pieces(bundle: bytes, ref: LexiconRef) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a bundle's pieces, in order."""
    for number in range(ref.chunks):
        start = number * LEXICON_CHUNK_BYTES
        yield chunk_key(ref.sha256, number), bundle[start : start + LEXICON_CHUNK_BYTES]


def chunk_key(sha256: str, number: int) -> bytes:
    """Key of a bundle's piece. By its content, so that two bundles of one version never mix."""
    return _CHUNK + f"{sha256}/{number}".encode()


def status_key(slot: str) -> bytes:
    """Key of a worker's status."""
    return _STATUS + slot.encode()


def read_chunk_key(key: bytes) -> tuple[str, int] | None:
    """SHA-256 and number that a piece's key names; None when it is no such key."""
    sha256, _, number = key.removeprefix(_CHUNK).partition(b"/")
    if not key.startswith(_CHUNK) or len(sha256) != 64 or not number.isdigit() or len(number) > 9:
        return None
    return sha256.decode("ascii", "replace"), int(number)


class ControlsView:
    """What the topic says, from the records that were applied so far. Bounded, and never raises on a bad record."""

    def __init__(self, *, keep_bytes: bool = True) -> None:
        """Without `keep_bytes` the pieces of bundles are only counted."""
        self.wanted: LexiconActivation | BadActivation | None = None
        """The last activation; None when there is none, or when it was deleted."""
        self.statuses: dict[str, WorkerStatus] = {}
        """By slot."""
        self.unread = 0
        """Records that could not be read, and were left out."""
        self._keep_bytes = keep_bytes
        self._chunks: dict[str, dict[int, bytes]] = {}  # by SHA-256, the one with the newest piece last
        self._kept = 0

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Take in the next record; without a value it deletes what its key had."""
        key = key or b""
        if key == ACTIVATION_KEY:
            self.wanted = None if value is None else _read_activation(value)
        elif key.startswith(_STATUS):
            self._apply_status(key, value)
        elif (place := read_chunk_key(key)) is not None:
            self._apply_chunk(*place, value)
        else:
            self.unread += 1

    def bundle(self, ref: LexiconRef) -> list[bytes]:
        """The pieces of a bundle, in order; `join` makes one of them.

        Raises:
            RefusedError: one is missing.
        """
        chunks = self._chunks.get(ref.sha256, {})
        missing = [number for number in range(ref.chunks) if number not in chunks]
        if missing:
            raise RefusedError(f"chunks: {len(missing)} of {ref.chunks} are not there")
        return [chunks[number] for number in range(ref.chunks)]

    def bundles(self) -> dict[str, list[int]]:
        """Numbers of the pieces that are there, by SHA-256."""
        return {sha256: sorted(chunks) for sha256, chunks in self._chunks.items()}

    def forget(self, sha256: str) -> None:
        """Let go of a bundle's pieces."""
        self._kept -= sum(map(len, self._chunks.pop(sha256, {}).values()))

    def _apply_status(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.statuses.pop(key.removeprefix(_STATUS).decode("utf-8", "replace"), None)
            return
        try:
            status = _statuses.decode(value)
            if status.v != VERSION or status_key(status.slot) != key:
                raise msgspec.DecodeError("another version, or another slot than the key's")
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            self.unread += 1
            return
        self.statuses[status.slot] = status
        if len(self.statuses) > _MAX_STATUSES:
            del self.statuses[next(iter(self.statuses))]

    def _apply_chunk(self, sha256: str, number: int, value: bytes | None) -> None:
        chunks = self._chunks.pop(sha256, {})
        self._kept -= len(chunks.pop(number, b""))
        if value is not None and (number >= _MAX_CHUNKS or len(value) > LEXICON_CHUNK_BYTES):
            self.unread += 1
        elif value is not None:
            chunks[number] = value if self._keep_bytes else b""
            self._kept += len(chunks[number])
        if chunks:
            self._chunks[sha256] = chunks
        while self._kept > _MAX_KEPT:
            self.forget(next(iter(self._chunks)))


def join(chunks: list[bytes], ref: LexiconRef) -> bytes:
    """A bundle from its pieces, checked against what was said of it. Takes time for a large one.

    Raises:
        RefusedError: it is not what was activated.
    """
    data = b"".join(chunks)
    if len(data) != ref.size:
        raise RefusedError(f"size: {len(data)} bytes, {ref.size} were announced")
    found = hashlib.sha256(data).hexdigest()
    if found != ref.sha256:
        raise RefusedError(f"sha256: {found[:12]}…, {ref.sha256[:12]}… was announced")
    return data


def _read_activation(value: bytes) -> LexiconActivation | BadActivation:
    try:
        activation = _activations.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        reason = "unreadable: not an activation"
    else:
        if activation.v == VERSION:
            return activation
        reason = f"unreadable: version {activation.v} of the record, this reads {VERSION}"
    return BadActivation(hashlib.sha256(value).hexdigest()[:32], reason)
