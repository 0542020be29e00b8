"""Drives a shard as a worker does, without Kafka."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from sluice.contract import Decision, Delta, Flag, Frame, Limits, Order, Release
from sluice.contract.codec import BadDelta
from sluice.moderation.detectors import Detectors
from sluice.moderation.shard import Shard
from sluice.moderation.steps import Ask, Step, skimming
from sluice.moderation.units import take_judgement

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
        self.asks: list[Ask] = []
        """Out to be judged."""
        self.judging = True
        """Whether that is done at once."""

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
        """Skim and judge what a step has brought and take what comes of it. Not answered: the model fails."""
        self.rejected += step.rejected
        got = self._finish(step, answered)
        self.decisions += got
        return [*got, *self.judge(answered=answered)] if self.judging else got

    def _finish(self, step: Step, answered: bool) -> list[Decision]:
        scorer, skim = self.detectors.scorer, skimming([step])
        if skim.units and not answered:
            skim.take(0, len(skim.units), None, 0)
        elif skim.units and scorer is not None and scorer.skimmer is not None:
            answer = scorer.skimmer.skim(skim.states, skim.pieces)
            assert skim.take(0, len(skim.units), answer, len(scorer.heads))
        finished = self.shard.finish(step, wall=self.now)
        self.asks += finished.asks
        return [*step.urgent, *finished.decisions]

    def judge(self, count: int | None = None, *, answered: bool = True) -> list[Decision]:
        """Judge what is asked for, or the first few of it, until nothing more comes of it."""
        got: list[Decision] = []
        while self.asks:
            asks = self.asks[: count or len(self.asks)]
            del self.asks[: len(asks)]
            got += self.answer(asks, answered=answered)
            if count is not None:
                break
        return got

    def answer(self, asks: Sequence[Ask], *, answered: bool = True) -> list[Decision]:
        """Judge these."""
        scorer = self.detectors.scorer
        assert scorer is not None
        rows = scorer.judge([ask.unit.passage for ask in asks])
        taken = take_judgement([ask.unit for ask in asks], rows if answered else None, len(scorer.heads))
        assert taken == answered
        steps = self.shard.answered(asks, wall=self.now)
        got = [decision for step in steps for decision in self._finish(step, answered)]
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
