"""Drives a shard as a worker does, without Kafka."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from sluice.contract import Decision, Delta, Flag, Frame, Limits, Order, Release
from sluice.contract.codec import BadDelta
from sluice.moderation.detector import Passage
from sluice.moderation.detectors import Detectors
from sluice.moderation.shard import Shard, Step

__all__ = ["Driver", "deltas_of"]


def deltas_of(
    stream: str, parts: Sequence[str], *, profile: str = "plain", channel: str = "answer", final: bool = True
) -> list[Delta]:
    """The deltas of one channel, numbered."""
    found, start = [], 0
    for seq, part in enumerate(parts):
        last = final and seq == len(parts) - 1
        found.append(Delta(stream, seq, start, part, channel, last, profile))  # type: ignore[arg-type]
        start += len(part)
    return found


class Driver:
    """One shard, a counter for its offsets, and everything it decided."""

    def __init__(self, detectors: Detectors, limits: Limits | None = None) -> None:
        self.detectors = detectors
        self.limits = limits or Limits()
        self.shard = Shard(0, detectors, self.limits)
        self.offset = -1
        self.now = 0.0
        self.decisions: list[Decision] = []
        self.rejected: list[BadDelta] = []
        self.log: list[Frame] = []

    def send(self, *deltas: Delta, producer: str = "p") -> list[Decision]:
        """One frame, read and finished."""
        self.log.append(Frame(1, producer, list(deltas)))
        return self.read(len(self.log) - 1)

    def read(self, offset: int) -> list[Decision]:
        """A frame of the log, read (again)."""
        self.offset = max(self.offset, offset)
        step = self.shard.begin(self.log[offset], offset, now=self.now, wall=self.now)
        return self.finish(step)

    def finish(self, step: Step, *, answered: bool = True) -> list[Decision]:
        """Score a step's windows and take what comes of it."""
        self.rejected += step.rejected
        scorer = self.detectors.scorer
        scores = np.empty((0, 1), dtype=np.float32)
        if scorer is not None:
            scores = scorer.score([Passage(w.text) for _, w in step.windows])
        if not answered:
            scores[:] = np.nan
        got: list[Decision] = [*step.urgent, *self.shard.finish(step, scores, wall=self.now)]
        self.decisions += got
        return got

    def wait(self, seconds: float) -> list[Decision]:
        """Let time pass."""
        self.now += seconds
        return [d for step in self.shard.tick(now=self.now, wall=self.now) for d in self.finish(step)]

    def orders(self, decisions: Iterable[Decision] | None = None) -> list[Order]:
        return [d for d in (self.decisions if decisions is None else decisions) if isinstance(d, Order)]

    def flags(self) -> list[Flag]:
        return [d for d in self.decisions if isinstance(d, Flag)]

    def watermark(self, stream: str, channel: str = "answer") -> int:
        """The highest offset released for a channel."""
        marks = [m for d in self.decisions if isinstance(d, Release) for m in [*d.marks, *d.unscanned]]
        return max((m.offset for m in marks if m.stream == stream and m.channel == channel), default=0)


def plain(decision: Decision) -> object:
    """A decision without what depends on when it was made."""
    return msgspec.structs.replace(decision, decided_at=0.0, sent_at=0.0)
