"""The streams of a partition that are live: how they begin, and how they end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sluice.contract.decision import Finding, Flag, Order
from sluice.contract.frame import Channel
from sluice.contract.limits import Limits
from sluice.moderation.channel import ChannelState, Place, StreamState
from sluice.moderation.detectors import Detectors
from sluice.moderation.ended import Ended
from sluice.moderation.orders import Origin, finding_orders, flag
from sluice.policy import Profile

__all__ = ["LiveStreams"]


class LiveStreams:
    """What is live, and what is remembered of the streams that are over. Pure, as `Shard` is."""

    def __init__(self, detectors: Detectors, limits: Limits) -> None:
        self.detectors = detectors
        """Those that a channel begins with."""
        self.streams: dict[str, StreamState] = {}
        self.ended = Ended(limits.ended_streams)
        self.timed: set[ChannelState] = set()
        """Channels that the passing of time can change."""
        self._limits = limits
        self._of_producer: Counter[str] = Counter()

    def full(self, producer: str) -> bool:
        """Whether a further stream of this producer is one too many."""
        return (
            self._of_producer[producer] >= self._limits.open_streams_per_producer
            or len(self.streams) >= self._limits.open_streams_per_worker
        )

    def add(self, stream_id: str, producer: str, profile: Profile) -> StreamState:
        """Begin a stream."""
        stream = self.streams[stream_id] = StreamState(stream_id, producer, profile)
        self._of_producer[producer] += 1
        return stream

    def channel(
        self, stream: StreamState, name: Channel, *, anchor: int, now: float, offset: int = 0, context: str = ""
    ) -> ChannelState:
        """Begin a channel, or begin it anew.

        Args:
            stream: that it belongs to.
            name: of the channel.
            anchor: offset of the first frame that it is read from.
            now: seconds of the monotonic clock.
            offset: of its first character, where what came before is lost.
            context: what its first sentence is judged with.
        """
        channel = stream.channels[name] = ChannelState(
            stream,
            name,
            self.detectors.lexicon_scan(offset),
            self.detectors.window_scan(stream.profile, offset, context),
            anchor=anchor,
            anchor_time=now,
            offset=offset,
        )
        if channel.windows is not None:
            self.timed.add(channel)
        return channel

    def adopt(
        self,
        stream_id: str,
        name: Channel,
        producer: str,
        profile: str,
        state: dict[str, Any],
        *,
        anchor: int,
        now: float,
    ) -> None:
        """Take up a live channel that the table held, as if its deltas had been read up to the frame at `anchor`.

        A profile that the policy does not have any more is replaced by `default`.
        """
        stream = self.streams.get(stream_id)
        if stream is None:
            policy = self.detectors.policy
            found = policy.profiles.get(profile)
            stream = self.add(stream_id, producer, policy.profile("default") if found is None else found)
        channel = self.channel(stream, name, anchor=anchor, now=now)
        channel.restore(state, now)
        if state["windows"] is None:  # the profile had no classifier then; if it has one now, it begins here
            channel.windows = self.detectors.window_scan(stream.profile, channel.length)
        channel.stored = True
        if channel.gap_since is not None or channel.held_since is not None:
            self.timed.add(channel)

    def prompt(self, stream: StreamState, before: Place) -> str:
        """The end of the stream's prompt, if that was complete before a place in the log; else nothing."""
        prompt = stream.channels.get("prompt")
        if prompt is None:
            return self.ended.prompt(stream.id, before)
        complete = prompt.final_at is not None and prompt.final_at < before
        return prompt.windows.tail if complete and prompt.windows is not None else ""

    def decide(self, channel: ChannelState, findings: Sequence[Finding], origin: Origin) -> list[Order | Flag]:
        """Orders and flags for new findings. The first that stops the stream ends it."""
        profile = channel.stream.profile
        records: list[Order | Flag] = []
        for finding in findings:
            verdict = profile.judge(finding)
            if verdict == "stop" and profile.mode != "monitor":
                return records + self.stop(channel, finding_orders(channel, finding, origin))
            if verdict != "pass":
                would = list(profile.rule(finding.risk).then) if verdict == "stop" else []
                records.append(flag(channel, finding, origin, would))
        return records

    def stop(self, channel: ChannelState, orders: Iterable[Order | Flag]) -> list[Order | Flag]:
        """End the stream of a channel for good; gives the orders that do it, as a list."""
        stream = channel.stream
        stream.stopped = True
        self.ended.stop(stream.id, [c for c in stream.channels.values() if c.stored])
        self.timed.difference_update(stream.channels.values())
        self._drop(stream)
        return list(orders)

    def end(self, channel: ChannelState, last: int) -> None:
        """A channel is complete, with the frame at offset `last`; its stream is over when no other of its channels is
        live."""
        stream = channel.stream
        if stream.channels.get(channel.name) is not channel:
            return  # ended already, by an earlier step that it was in too
        self.ended.finish(channel, last)
        self.timed.discard(channel)
        stream.channels.pop(channel.name, None)
        if not stream.channels:
            self._drop(stream)

    def _drop(self, stream: StreamState) -> None:
        if self.streams.get(stream.id) is stream:
            del self.streams[stream.id]
            self._of_producer[stream.producer] -= 1
            if self._of_producer[stream.producer] <= 0:
                del self._of_producer[stream.producer]
