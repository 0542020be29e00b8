"""What a worker reads."""

from __future__ import annotations

import msgspec

__all__ = ["Record"]


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record of `moderation.outputs`."""

    partition: int
    offset: int
    value: bytes
