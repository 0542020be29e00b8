"""Every bound on what a stream may make Sluice hold or do."""

from __future__ import annotations

import msgspec

__all__ = ["LEXICON_CHUNK_BYTES", "MAX_ID_CHARS", "MAX_LEXICON_BYTES", "Limits"]

MAX_ID_CHARS = 200
"""Longest stream, producer or profile id, in characters."""

MAX_LEXICON_BYTES = 64 << 20
"""Bytes of a lexicon's bundle that goes over `moderation.controls`. It is compressed; 500,000 terms take a third."""

LEXICON_CHUNK_BYTES = 512 * 1024
"""Bytes of one piece of it; the broker's own default limit is 1 MiB a record."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds enforced by the SDK before sending and again by the worker.

    The defaults keep one live channel under about 20 KiB and one frame under the
    broker's default record size of 1 MiB, even when every character is four bytes long.
    """

    delta_chars: int = 16_384
    """Characters in one delta. Longer: `LimitError` at the SDK, quarantine at the worker."""
    frame_bytes: int = 1_000_000
    """Bytes of one encoded frame; the broker's own default limit is 1 MiB a record."""
    frame_deltas: int = 4_096
    """Deltas in one frame."""
    channel_chars: int = 2_000_000
    """Characters in one channel over its whole life; more is stopped as `limit`."""
    open_streams_per_producer: int = 4_096
    """Live streams of one producer id; a further one is stopped as `limit`."""
    open_streams_per_worker: int = 50_000
    """Live streams on one worker process; a further one is stopped as `limit`."""
    gap_deltas: int = 64
    """Deltas of one channel kept while an earlier one is missing; more ends the wait."""
    idle_seconds: float = 600.0
    """A live stream that nothing has come for in this time is stopped as `idle`."""
    ended_streams: int = 100_000
    """Stopped or finished streams remembered per partition; the oldest is forgotten first."""
    quarantine_bytes: int = 65_536
    """Bytes of an unreadable record that are kept in its quarantine record."""
