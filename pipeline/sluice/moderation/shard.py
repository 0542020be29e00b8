"""All live streams of one partition, and what a frame does to them.

A frame goes through in two steps, so that an order of the lexicon never waits for the classifier: `begin` reads its
deltas and returns orders that are certain; when what it added to the channels has been skimmed, `finish` returns the
rest with the frame's release, and the units that have to be judged. Frames are finished in the order in which they were
begun. They do not wait for a judgement: `answered` makes a step of its own of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from sluice.contract.codec import VERSION
from sluice.contract.decision import Decision, Flag, FrameRef, Mark, Order, Release
from sluice.contract.frame import Channel, Frame
from sluice.contract.limits import Limits
from sluice.moderation.channel import ChannelState, StreamState
from sluice.moderation.detectors import Detectors
from sluice.moderation.ended import Ended
from sluice.moderation.live import LiveStreams
from sluice.moderation.orders import Origin, failure_orders
from sluice.moderation.reading import Reader
from sluice.moderation.steps import Ask, Counts, Finished, Step
from sluice.moderation.units import Unit

__all__ = ["Shard"]

_MARKS_AT_ONCE = 500
"""Marks in one release; with the longest ids in four-byte characters that is 0.4 MB, below any broker's limit."""


class Shard:
    """Pure: no I/O and no clock; every time is passed in. Not thread-safe."""

    def __init__(self, partition: int, detectors: Detectors, limits: Limits) -> None:
        self.partition = partition
        self._live = LiveStreams(detectors, limits)
        self._reader = Reader(self._live, limits)
        self._limits = limits
        self._last_offset = -1

    @property
    def streams(self) -> Mapping[str, StreamState]:
        """Those that are live, by id."""
        return self._live.streams

    @property
    def ended(self) -> Ended:
        """What is remembered of those that are not live any more."""
        return self._live.ended

    def use(self, detectors: Detectors) -> None:
        """Go on with other detectors of the same policy and model: what is begun from now on is judged by them.

        A live channel changes over when it is next read, and what it held back is judged anew. Steps begun before pin
        the versions that judged them; finish them first, or the release of one may name what a later frame cleared.
        """
        self._live.detectors = detectors

    def begin(self, frame: Frame, offset: int, *, now: float, wall: float) -> Step:
        """Read the deltas of a frame.

        Args:
            frame: decoded; within the limits.
            offset: of its record in the partition.
            now: seconds of a monotonic clock.
            wall: seconds since the epoch; only recorded.
        """
        self._last_offset = offset
        step = self._step(frame.producer, offset, frame.sent_at, wall, is_frame=True)
        for number, delta in enumerate(frame.deltas):
            self._reader.place = (offset, number)
            self._reader.accept(delta, step, now)
        return step

    def tick(self, *, now: float, wall: float) -> list[Step]:
        """What the passing of time leads to: slow units to be cleared in part, gaps that were waited for too long,
        beginnings of terms that do not go on."""
        steps: dict[str, Step] = {}
        for channel in list(self._live.timed):
            if channel.stream.stopped:
                continue
            producer = channel.stream.producer
            expired = channel.gap_expired(now)
            slow = not expired and channel.windows is not None and channel.windows.tick(now)
            let_go = not expired and channel.let_go(now)
            if not expired and not slow and not let_go:
                continue
            step = self._step_of(producer, steps, wall)
            if expired:
                self._reader.give_up_gap(channel, step, now)
                continue
            self._reader.change_over(channel, step)
            if channel.stream.stopped:
                continue
            step.touched.append((channel, channel.length))
        return list(steps.values())

    def answered(self, asks: Iterable[Ask], *, wall: float) -> list[Step]:
        """Steps for units whose answers have come; to be finished like any other."""
        steps: dict[str, Step] = {}
        for channel in dict.fromkeys(ask.channel for ask in asks):
            stream = channel.stream
            if stream.stopped or stream.channels.get(channel.name) is not channel:
                continue
            step = self._step_of(stream.producer, steps, wall)
            self._reader.change_over(channel, step)
            if not stream.stopped:
                step.touched.append((channel, 0))
        return list(steps.values())

    def _step_of(self, producer: str, steps: dict[str, Step], wall: float) -> Step:
        step = steps.get(producer)
        if step is None:
            step = steps[producer] = self._step(producer, self._last_offset, 0.0, wall, is_frame=False)
        return step

    def expire(self, *, now: float, wall: float) -> list[Step]:
        """Stop streams whose producer has been silent for too long, so that they do not stay for ever."""
        steps: list[Step] = []
        oldest = now - self._limits.idle_seconds
        for stream in list(self.streams.values()):
            channels = list(stream.channels.values())
            if channels and max(c.last_seen for c in channels) < oldest:
                step = self._step(stream.producer, self._last_offset, 0.0, wall, is_frame=False)
                step.urgent += self._live.stop(channels[0], failure_orders(channels[0], "idle", step.origin))
                steps.append(step)
        return steps

    def owed(self, *, wall: float) -> Step | None:
        """A step for the orders that an owner before this one may not have written, if there are any; to be asked for
        once, when the shard has been restored."""
        orders: list[Order | Flag] = [order for of_stream in self.ended.owed.values() for order in of_stream]
        if not orders:
            return None
        return Step(self._origin("", self._last_offset, 0.0, wall), orders, [], [], is_frame=False)

    def finish(self, step: Step, *, wall: float) -> Finished:
        """Take up what was skimmed and judged in a step's channels.

        Args:
            step: after `skimming`, and after all steps that were begun before it.
            wall: seconds since the epoch; only recorded.
        """
        origin = msgspec.structs.replace(step.origin, decided_at=wall)
        decisions: list[Decision] = []
        asks: list[Ask] = []
        touched = dict(step.touched)  # of a channel that several deltas were of, its last length
        for channel, length in touched.items():
            if channel.windows is not None and not channel.stream.stopped:
                self._advance(channel, length, origin, decisions, asks)
        marks: list[Mark] = []
        unscanned: list[Mark] = []
        for channel in touched:
            if channel.stream.stopped:
                continue
            watermark = channel.watermark
            if watermark > channel.announced:
                kind = unscanned if channel.announced < channel.unscanned_to else marks
                kind.append(Mark(channel.stream.id, channel.name, watermark))
                channel.announced = watermark
            if channel.complete:
                self._live.end(channel, self._last_offset)
        # A frame that was read is answered even when it moved nothing.
        longest = max(len(marks), len(unscanned), int(step.is_frame and not step.unread))
        decisions += [
            Release(
                v=VERSION,
                producer=origin.producer,
                frame=origin.frame,
                marks=marks[start : start + _MARKS_AT_ONCE],
                versions=origin.versions,
                sent_at=origin.sent_at,
                decided_at=wall,
                unscanned=unscanned[start : start + _MARKS_AT_ONCE],
            )
            for start in range(0, longest, _MARKS_AT_ONCE)
        ]
        return Finished(decisions, [ask for ask in asks if not ask.channel.stream.stopped])

    def _advance(
        self, channel: ChannelState, length: int, origin: Origin, decisions: list[Decision], asks: list[Ask]
    ) -> None:
        """Take up what is known about the units of one channel."""
        assert channel.windows is not None  # noqa: S101
        progress = channel.windows.advance(length)
        for unit, findings in progress.settled:
            if findings:
                decisions += self._live.decide(channel, findings, _origin_of(unit, origin))
                if channel.stream.stopped:
                    return
        channel.unscanned_to = max(channel.unscanned_to, progress.unscanned)
        if progress.blocked is not None:
            failed = _origin_of(progress.blocked, origin)
            decisions += self._live.stop(channel, failure_orders(channel, "detector_failed", failed))
            return
        asks += [Ask(channel, unit) for unit in progress.asks]

    def _step(self, producer: str, offset: int, sent_at: float, wall: float, *, is_frame: bool) -> Step:
        return Step(self._origin(producer, offset, sent_at, wall), [], [], [], is_frame)

    def _origin(self, producer: str, offset: int, sent_at: float, wall: float) -> Origin:
        return Origin(producer, FrameRef(self.partition, offset), self._live.detectors.versions, sent_at, wall)

    @property
    def idle_seconds(self) -> float:
        """After this a stream that nothing comes for is not waited for."""
        return self._limits.idle_seconds

    @property
    def next_offset(self) -> int:
        """Offset of the next frame to be begun."""
        return self._last_offset + 1

    @property
    def committed(self) -> int:
        """The commit that this shard was restored at."""
        return self._reader.known_before

    def skip(self, offset: int, *, wall: float) -> Step:
        """Go past a frame that cannot be read."""
        self._last_offset = offset
        return Step(self._origin("", offset, 0.0, wall), [], [], [], is_frame=True, unread=True)

    def take_counts(self) -> Counts:
        """What was met since the last call."""
        counts, self._reader.counts = self._reader.counts, Counts()
        return counts

    def begin_at(self, offset: int, known_before: int = 0) -> None:
        """The first frame will be the one at `offset`. Before `known_before` only channels that were adopted are read:
        all others were decided and committed."""
        self._last_offset = offset - 1
        self._reader.known_before = known_before

    def adopt_stored(
        self, stream_id: str, name: Channel, producer: str, profile: str, state: dict[str, Any], now: float
    ) -> None:
        """Take up a live channel that the table held, as if its deltas had been read up to there."""
        self._live.adopt(stream_id, name, producer, profile, state, anchor=self.next_offset, now=now)


def _origin_of(unit: Unit, step: Origin) -> Origin:
    """Where the decisions about a unit come from: the frame that ended it, whenever its answer came."""
    if not isinstance(unit.origin, Origin):
        return step
    return msgspec.structs.replace(unit.origin, decided_at=step.decided_at)
