"""What one delta does to its channel, and what becomes of a channel whose next delta does not come."""

from __future__ import annotations

import msgspec

from sluice.contract.codec import BadDelta
from sluice.contract.decision import Reason
from sluice.contract.frame import Channel, Delta
from sluice.contract.limits import Limits
from sluice.moderation.channel import ChannelState, Fed, Place, StreamState
from sluice.moderation.live import LiveStreams
from sluice.moderation.orders import failure_orders
from sluice.moderation.steps import Counts, Step

__all__ = ["Reader"]


class Reader:
    """Reads deltas in the order of the log. Pure, as `Shard` is."""

    def __init__(self, live: LiveStreams, limits: Limits) -> None:
        self.counts = Counts()
        self.place: Place = (-1, 0)
        """Of the delta that is being read."""
        self.known_before = 0
        """Before this offset only channels that are known already are read."""
        self._live = live
        self._limits = limits

    def change_over(self, channel: ChannelState, step: Step) -> None:
        """Before a step that pins the current lexicon's version can release anything of the channel: judge it by it."""
        scan = self._live.detectors.current(channel.lexicon)
        if scan is not channel.lexicon:
            step.urgent += self._live.decide(channel, channel.change_over(scan), step.origin)

    def accept(self, delta: Delta, step: Step, now: float) -> None:
        """Read a delta; what it leads to goes into the step."""
        counts = self.counts
        stream = self._live.streams.get(delta.stream)
        if stream is not None and stream.producer != step.origin.producer:
            step.rejected.append(self._rejected(delta, "foreign_stream", "the stream belongs to another producer"))
            return
        channel = stream.channels.get(delta.channel) if stream is not None else None
        if channel is None:
            if step.origin.frame.offset < self.known_before:
                counts.deltas += 1
                counts.repeats += 1
                return
            if self._live.ended.is_stopped(delta.stream):
                counts.after_stop += 1
                return
            next_seq = self._live.ended.next_seq(delta.stream, delta.channel)
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
            step.urgent += self._live.stop(channel, failure_orders(channel, "limit", step.origin))
            return
        self.change_over(channel, step)
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
            self._live.timed.add(channel)

    def _take(self, channel: ChannelState, fed: Fed, step: Step) -> None:
        step.touched.append((channel, channel.length))
        for unit in fed.units:
            unit.origin = step.origin
        if channel.final and channel.final_at is None:
            channel.final_at = self.place
        for delta in fed.beyond:
            self._after_end(delta, channel.next_seq, step)
        if fed.findings:
            step.urgent += self._live.decide(channel, fed.findings, step.origin)
            if channel.stream.stopped:
                return
        if channel.windows is not None or channel.held_since is not None:
            self._live.timed.add(channel)

    def _open(self, delta: Delta, step: Step, now: float) -> ChannelState | None:
        """A channel for a stream or channel not seen before, or None when the stream is refused (and so stopped)."""
        stream = self._live.streams.get(delta.stream)
        refused: Reason | None = None
        if stream is None:
            policy = self._live.detectors.policy
            name = self._live.ended.profiles.get(delta.stream, delta.profile)
            profile = policy.profiles.get(name)
            if profile is None:
                refused, profile = "unknown_profile", policy.profile("default")
            elif self._live.full(step.origin.producer):
                refused = "limit"
            stream = self._live.add(delta.stream, step.origin.producer, profile)
        channel = self._channel(stream, delta.channel, step.origin.frame.offset, now)
        if refused is not None:
            step.urgent += self._live.stop(channel, failure_orders(channel, refused, step.origin))
            return None
        return channel

    def _channel(self, stream: StreamState, name: Channel, anchor: int, now: float, offset: int = 0) -> ChannelState:
        """A channel that begins; an answer's first sentence is judged with the end of its prompt."""
        context = self._live.prompt(stream, self.place) if name == "answer" and not offset else ""
        return self._live.channel(stream, name, anchor=anchor, now=now, offset=offset, context=context)

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

    def give_up_gap(self, channel: ChannelState, step: Step, now: float) -> None:
        """Do not wait any longer for the delta that a channel misses."""
        lost = channel.next_seq == 0
        reason: Reason = "context_lost" if lost else "gap"
        if lost and channel.early and channel.stream.profile.on_context_lost == "open":
            self._go_on_unscanned(channel, step, now)
            return
        step.urgent += self._live.stop(channel, failure_orders(channel, reason, step.origin))

    def _go_on_unscanned(self, channel: ChannelState, step: Step, now: float) -> None:
        """The profile fails open: what came before the first delta at hand is passed, and recorded as not scanned."""
        early = sorted(channel.early.values(), key=lambda d: d.seq)
        self._live.timed.discard(channel)
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
            self._live.timed.add(renewed)
