"""What could not be read, kept with the reason."""

from __future__ import annotations

import msgspec

__all__ = ["Quarantine"]


class Quarantine(msgspec.Struct, frozen=True, omit_defaults=True):
    """One record on `moderation.quarantine`. It holds the bytes, so it is kept as short as outputs are."""

    v: int
    topic: str
    partition: int
    offset: int
    reason: str
    """A stable code such as `not_json`, `version`, `field`, `surrogate`, `delta_too_long`, `after_final`."""
    detail: str
    """What is wrong and where; never any of the text."""
    size: int
    """Bytes of the record or delta that could not be read."""
    producer: str = ""
    stream: str = ""
    seq: int | None = None
    payload: bytes = b""
    """Its first bytes (`Limits.quarantine_bytes`), base64 in JSON."""
