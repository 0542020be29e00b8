"""All live streams of one partition, and what a frame does to them.

A frame goes through in two steps, so that an order of the lexicon never waits for the classifier: `begin` reads its
deltas and returns orders that are certain; when what it added to the channels has been skimmed, `finish` returns the
rest with the frame's release, and the units that have to be judged. Frames are finished in the order in which they were
begun. They do not wait for a judgement: `answered` makes a step of its own of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from sluice.contract.codec import VERSION, BadDelta
from sluice.contract.decision import Decision, Finding, Flag, FrameRef, Mark, Order, Reason, Release
from sluice.contract.frame import Channel, Delta, Frame
from sluice.contract.limits import Limits
from sluice.moderation.channel import ChannelState, Fed, Place, StreamState
from sluice.moderation.detectors import Detectors
from sluice.moderation.ended import Ended
from sluice.moderation.orders import Origin, failure_orders, finding_orders, flag
from sluice.moderation.units import Skimming, Unit
from sluice.policy import Profile

__all__ = ["Ask", "Counts", "Finished", "Shard", "Step", "skimming"]

_MARKS_AT_ONCE = 500
"""Marks in one release; with the longest ids in four-byte characters that is 0.4 MB, below any broker's limit."""


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


class Shard:
    """Pure: no I/O and no clock; every time is passed in. Not thread-safe."""

    def __init__(self, partition: int, detectors: Detectors, limits: Limits) -> None:
        self.partition = partition
        self.streams: dict[str, StreamState] = {}
        self.ended = Ended(limits.ended_streams)
        self.counts = Counts()
        self._detectors = detectors
        self._limits = limits
        self._of_producer: Counter[str] = Counter()
        self._timed: set[ChannelState] = set()  # channels that the passing of time can change
        self._last_offset = -1
        self._place: Place = (-1, 0)  # of the delta that is being read
        self._known_before = 0  # before this offset only channels that are known already are read

    def use(self, detectors: Detectors) -> None:
        """Go on with other detectors of the same policy and model: what is begun from now on is judged by them.

        A live channel changes over when it is next read, and what it held back is judged anew. Steps begun before pin
        the versions that judged them; finish them first, or the release of one may name what a later frame cleared.
        """
        self._detectors = detectors

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
            self._place = (offset, number)
            self._accept(delta, step, now)
        return step

    def tick(self, *, now: float, wall: float) -> list[Step]:
        """What the passing of time leads to: slow units to be cleared in part, gaps that were waited for too long,
        beginnings of terms that do not go on."""
        steps: dict[str, Step] = {}
        for channel in list(self._timed):
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
                self._give_up_gap(channel, step, now)
                continue
            self._change_over(channel, step)
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
            self._change_over(channel, step)
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
                step.urgent += self._stop(channels[0], failure_orders(channels[0], "idle", step.origin))
                steps.append(step)
        return steps

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
                self._end(channel)
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
                decisions += self._decide(channel, findings, _origin_of(unit, origin))
                if channel.stream.stopped:
                    return
        channel.unscanned_to = max(channel.unscanned_to, progress.unscanned)
        if progress.blocked is not None:
            failed = _origin_of(progress.blocked, origin)
            decisions += self._stop(channel, failure_orders(channel, "detector_failed", failed))
            return
        asks += [Ask(channel, unit) for unit in progress.asks]

    def _step(self, producer: str, offset: int, sent_at: float, wall: float, *, is_frame: bool) -> Step:
        return Step(self._origin(producer, offset, sent_at, wall), [], [], [], is_frame)

    def _origin(self, producer: str, offset: int, sent_at: float, wall: float) -> Origin:
        return Origin(producer, FrameRef(self.partition, offset), self._detectors.versions, sent_at, wall)

    def _accept(self, delta: Delta, step: Step, now: float) -> None:
        counts = self.counts
        stream = self.streams.get(delta.stream)
        if stream is not None and stream.producer != step.origin.producer:
            step.rejected.append(self._rejected(delta, "foreign_stream", "the stream belongs to another producer"))
            return
        channel = stream.channels.get(delta.channel) if stream is not None else None
        if channel is None:
            if step.origin.frame.offset < self._known_before:
                counts.deltas += 1
                counts.repeats += 1
                return
            if self.ended.is_stopped(delta.stream):
                counts.after_stop += 1
                return
            next_seq = self.ended.next_seq(delta.stream, delta.channel)
            if next_seq is not None:
                self._after_end(delta, next_seq, step)
                return
            channel = self._open(delta, step, now)
            if channel is None:
                return
        elif channel.final and delta.seq >= channel.next_seq:
            self._after_end(delta, channel.next_seq, step)
            return
        counts.deltas += 1
        if delta.seq >= channel.next_seq and channel.length + len(delta.text) > self._limits.channel_chars:
            step.urgent += self._stop(channel, failure_orders(channel, "limit", step.origin))
            return
        self._change_over(channel, step)
        if channel.stream.stopped:
            return
        had_gap = channel.gap_since
        fed = channel.accept(delta, self._limits, now)
        if fed is not None:
            counts.characters += len(delta.text)
            self._take(channel, fed, step)
        elif channel.gap_since is None:
            counts.repeats += 1
        elif had_gap is None:
            counts.gaps += 1
        if channel.gap_since is not None and not channel.stream.stopped:
            self._timed.add(channel)

    def _change_over(self, channel: ChannelState, step: Step) -> None:
        """Before a step that pins the current lexicon's version can release anything of the channel: judge it by it."""
        scan = self._detectors.current(channel.lexicon)
        if scan is not channel.lexicon:
            step.urgent += self._decide(channel, channel.change_over(scan), step.origin)

    def _take(self, channel: ChannelState, fed: Fed, step: Step) -> None:
        step.touched.append((channel, channel.length))
        for unit in fed.units:
            unit.origin = step.origin
        if channel.final and channel.final_at is None:
            channel.final_at = self._place
        for delta in fed.beyond:
            self._after_end(delta, channel.next_seq, step)
        if fed.findings:
            step.urgent += self._decide(channel, fed.findings, step.origin)
            if channel.stream.stopped:
                return
        if channel.windows is not None or channel.held_since is not None:
            self._timed.add(channel)

    def _open(self, delta: Delta, step: Step, now: float) -> ChannelState | None:
        """A channel for a stream or channel not seen before, or None when the stream is refused (and so stopped)."""
        stream = self.streams.get(delta.stream)
        refused: Reason | None = None
        if stream is None:
            policy = self._detectors.policy
            name = self.ended.profiles.get(delta.stream, delta.profile)
            profile = policy.profiles.get(name)
            if profile is None:
                refused, profile = "unknown_profile", policy.profile("default")
            elif (
                self._of_producer[step.origin.producer] >= self._limits.open_streams_per_producer
                or len(self.streams) >= self._limits.open_streams_per_worker
            ):
                refused = "limit"
            stream = self._add_stream(delta.stream, step.origin.producer, profile)
        channel = self._channel(stream, delta.channel, step.origin.frame.offset, now)
        if refused is not None:
            step.urgent += self._stop(channel, failure_orders(channel, refused, step.origin))
            return None
        return channel

    def _channel(self, stream: StreamState, name: Channel, anchor: int, now: float, offset: int = 0) -> ChannelState:
        channel = stream.channels[name] = ChannelState(
            stream,
            name,
            self._detectors.lexicon_scan(offset),
            self._detectors.window_scan(
                stream.profile, offset, self._prompt(stream) if name == "answer" and not offset else ""
            ),
            anchor=anchor,
            anchor_time=now,
            offset=offset,
        )
        if channel.windows is not None:
            self._timed.add(channel)
        return channel

    def _prompt(self, stream: StreamState) -> str:
        """The end of the stream's prompt, if that is complete; else nothing."""
        prompt = stream.channels.get("prompt")
        if prompt is None:
            return self.ended.prompt(stream.id, self._place)
        complete = prompt.final_at is not None and prompt.final_at < self._place
        return prompt.windows.tail if complete and prompt.windows is not None else ""

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
        return self._known_before

    def skip(self, offset: int, *, wall: float) -> Step:
        """Go past a frame that cannot be read."""
        self._last_offset = offset
        return Step(self._origin("", offset, 0.0, wall), [], [], [], is_frame=True, unread=True)

    def take_counts(self) -> Counts:
        """What was met since the last call."""
        counts, self.counts = self.counts, Counts()
        return counts

    def begin_at(self, offset: int, known_before: int = 0) -> None:
        """The first frame will be the one at `offset`. Before `known_before` only channels that were adopted are read:
        all others were decided and committed."""
        self._last_offset = offset - 1
        self._known_before = known_before

    def adopt_stored(
        self, stream_id: str, name: Channel, producer: str, profile: str, state: dict[str, Any], now: float
    ) -> None:
        """Take up a live channel that the table held, as if its deltas had been read up to there.

        A profile that the policy does not have any more is replaced by `default`.
        """
        stream = self.streams.get(stream_id)
        if stream is None:
            policy = self._detectors.policy
            found = policy.profiles.get(profile)
            stream = self._add_stream(stream_id, producer, policy.profile("default") if found is None else found)
        channel = self._channel(stream, name, self._last_offset + 1, now)
        channel.restore(state, now)
        if state["windows"] is None:  # the profile had no classifier then; if it has one now, it begins here
            channel.windows = self._detectors.window_scan(stream.profile, channel.length)
        channel.stored = True
        if channel.gap_since is not None or channel.held_since is not None:
            self._timed.add(channel)

    def _add_stream(self, stream_id: str, producer: str, profile: Profile) -> StreamState:
        stream = self.streams[stream_id] = StreamState(stream_id, producer, profile)
        self._of_producer[producer] += 1
        return stream

    def _after_end(self, delta: Delta, next_seq: int, step: Step) -> None:
        if delta.seq < next_seq:
            self.counts.deltas += 1
            self.counts.repeats += 1
            return
        detail = f"stream's channel {delta.channel} has ended before seq {next_seq}"
        step.rejected.append(self._rejected(delta, "after_final", detail))

    def _rejected(self, delta: Delta, reason: str, detail: str) -> BadDelta:
        payload = msgspec.json.encode(delta)[: self._limits.quarantine_bytes]
        return BadDelta(reason, detail, delta.stream, delta.seq, payload)

    def _decide(self, channel: ChannelState, findings: Sequence[Finding], origin: Origin) -> list[Order | Flag]:
        """Orders and flags for new findings. The first that stops the stream ends it."""
        profile = channel.stream.profile
        records: list[Order | Flag] = []
        for finding in findings:
            verdict = profile.judge(finding)
            if verdict == "stop" and profile.mode != "monitor":
                return records + self._stop(channel, finding_orders(channel, finding, origin))
            if verdict != "pass":
                would = list(profile.rule(finding.risk).then) if verdict == "stop" else []
                records.append(flag(channel, finding, origin, would))
        return records

    def _stop(self, channel: ChannelState, orders: Iterable[Order | Flag]) -> list[Order | Flag]:
        stream = channel.stream
        stream.stopped = True
        self.ended.stop(stream.id, [c for c in stream.channels.values() if c.stored])
        for other in stream.channels.values():
            self._timed.discard(other)
        self._drop_stream(stream)
        return list(orders)

    def _end(self, channel: ChannelState) -> None:
        """A channel is complete; its stream is over when no other of its channels is live."""
        stream = channel.stream
        if stream.channels.get(channel.name) is not channel:
            return  # ended already, by an earlier step that it was in too
        self.ended.finish(channel, self._last_offset)
        self._timed.discard(channel)
        stream.channels.pop(channel.name, None)
        if not stream.channels:
            self._drop_stream(stream)

    def _drop_stream(self, stream: StreamState) -> None:
        if self.streams.get(stream.id) is stream:
            del self.streams[stream.id]
            self._of_producer[stream.producer] -= 1
            if self._of_producer[stream.producer] <= 0:
                del self._of_producer[stream.producer]

    def _give_up_gap(self, channel: ChannelState, step: Step, now: float) -> None:
        lost = channel.next_seq == 0
        reason: Reason = "context_lost" if lost else "gap"
        if lost and channel.early and channel.stream.profile.on_context_lost == "open":
            self._go_on_unscanned(channel, step, now)
            return
        step.urgent += self._stop(channel, failure_orders(channel, reason, step.origin))

    def _go_on_unscanned(self, channel: ChannelState, step: Step, now: float) -> None:
        """The profile fails open: what came before the first delta at hand is passed, and recorded as not scanned."""
        early = sorted(channel.early.values(), key=lambda d: d.seq)
        self._timed.discard(channel)
        renewed = self._channel(channel.stream, channel.name, channel.anchor, now, offset=early[0].start)
        renewed.next_seq = early[0].seq
        renewed.announced = 0
        renewed.unscanned_to = early[0].start
        for delta in early:
            fed = renewed.accept(delta, self._limits, now)
            if fed is not None:
                self._take(renewed, fed, step)
            if renewed.stream.stopped:
                return
        if renewed.gap_since is not None:
            self._timed.add(renewed)


def _origin_of(unit: Unit, step: Origin) -> Origin:
    """Where the decisions about a unit come from: the frame that ended it, whenever its answer came."""
    if not isinstance(unit.origin, Origin):
        return step
    return msgspec.structs.replace(unit.origin, decided_at=step.decided_at)
