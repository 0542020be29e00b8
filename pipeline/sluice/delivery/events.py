"""What a downstream reader is told."""

from __future__ import annotations

import msgspec

from sluice.contract.decision import Order
from sluice.contract.frame import Channel

__all__ = ["ReleasedText", "StreamStop"]


class ReleasedText(msgspec.Struct, frozen=True):
    """The next text of a channel that may be shown."""

    stream: str
    channel: Channel
    text: str
    """May be empty, where only the end of the channel is new."""
    start: int
    """Offset of its first character in the channel, in Unicode code points."""
    final: bool
    """The channel is complete."""


class StreamStop(msgspec.Struct, frozen=True):
    """A stream was stopped. Nothing of any of its channels follows."""

    order: Order
    retract_from: int | None = None
    """In the order's channel: first character that was given as released text and must be withdrawn."""

    @property
    def stream(self) -> str:
        """The stream's id."""
        return self.order.stream
