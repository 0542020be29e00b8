"""Names of the topics."""

from __future__ import annotations

import msgspec

__all__ = ["Topics"]


class Topics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Topic names. Outputs, decisions and acks have the same number of partitions."""

    outputs: str = "moderation.outputs"
    decisions: str = "moderation.decisions"
    acks: str = "moderation.acks"
    verdicts: str = "moderation.verdicts"
    controls: str = "moderation.controls"
    quarantine: str = "moderation.quarantine"

    @classmethod
    def prefixed(cls, prefix: str) -> Topics:
        """The names with something in front, for several installations on one cluster."""
        return cls(*(prefix + name for name in msgspec.structs.astuple(cls())))
