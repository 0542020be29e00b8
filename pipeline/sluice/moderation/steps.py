"""What goes through a shard, and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from sluice.contract.codec import BadDelta
from sluice.contract.decision import Decision, Flag, Order
from sluice.moderation.channel import ChannelState
from sluice.moderation.orders import Origin
from sluice.moderation.units import Skimming, Unit

__all__ = ["Ask", "Counts", "Finished", "Step", "skimming"]


class Counts(msgspec.Struct):
    """What was met since the last time they were read; for metrics."""

    deltas: int = 0
    characters: int = 0
    repeats: int = 0
    """Deltas already read: a producer's retry, or frames read again after a crash."""
    after_stop: int = 0
    """Deltas of a stream that was already stopped."""
    gaps: int = 0


class Step(msgspec.Struct, eq=False):
    """A frame (or the passing of time) on its way through."""

    origin: Origin
    urgent: list[Order | Flag]
    """Certain already; to be published without waiting."""
    rejected: list[BadDelta]
    """Deltas for quarantine."""
    touched: list[tuple[ChannelState, int]]
    """Channels that it has changed, each with its length then."""
    is_frame: bool
    unread: bool = False
    """The frame could not be read, so there is nothing to release and nobody to tell."""


class Ask(msgspec.Struct, frozen=True, eq=False):
    """A unit that has to be judged. The answer is put into the unit."""

    channel: ChannelState
    unit: Unit


class Finished(msgspec.Struct):
    """What a step led to in the end."""

    decisions: list[Decision]
    """Orders and flags first, then the release (for a step that no frame caused: where it moved anything)."""
    asks: list[Ask]


def skimming(steps: Iterable[Step]) -> Skimming:
    """What these steps have added to their channels, to be skimmed before they are finished."""
    channels = dict.fromkeys(channel for step in steps for channel, _ in step.touched)
    return Skimming(channel.windows for channel in channels if channel.windows is not None)
