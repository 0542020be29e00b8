"""All streams of one partition, as somebody sees them who only reads the log.

Outputs and decisions are two topics, read at different speeds. A decision names the frame that led to it, so one that
is read ahead of its frame waits for it: what comes out is the same as if the two had been one log.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Any

import msgspec

from sluice.contract.decision import Decision, Flag, Order, Release
from sluice.contract.frame import Channel, Delta, Frame
from sluice.contract.limits import Limits
from sluice.delivery.events import ReleasedText, StreamStop
from sluice.delivery.sequence import Piece, Sequence
from sluice.delivery.view import STOPS_DELIVERY, ReleasedView
from sluice.policy import Policy, Profile

__all__ = ["PartitionStats", "PartitionView"]

Event = ReleasedText | StreamStop


class PartitionStats(msgspec.Struct):
    """What was met in a partition, or in all that are read."""

    deltas: int = 0
    repeats: int = 0
    """Deltas of streams that are over, or that were read before."""
    stops: int = 0
    partial: int = 0
    """Channels whose beginning was not in the log that was read; they are not shown."""
    dropped: int = 0
    """Streams let go because they were idle for too long or because there were too many."""
    unscanned: int = 0
    """Characters shown at the deadline without the answer of every detector (the profile fails open)."""


class _Channel:
    __slots__ = ("sequence", "view")

    def __init__(self, view: ReleasedView, limits: Limits) -> None:
        self.view = view
        self.sequence = Sequence(limits)


class _Stream:
    __slots__ = ("channels", "last_seen", "profile")

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.channels: dict[Channel, _Channel] = {}
        self.last_seen = 0.0


class PartitionView:
    """Pure: no I/O and no clock; every time is passed in. Not thread-safe. Bounded by the limits."""

    def __init__(
        self,
        policy: Policy,
        limits: Limits,
        *,
        first_offset: int = 0,
        producers: Collection[str] | None = None,
        stats: PartitionStats | None = None,
    ) -> None:
        """`first_offset`: of the first frame that will be read. `producers`: all others are passed over."""
        self.events: deque[Event] = deque()
        """To be taken from the left by whoever reads."""
        self.held = 0
        """Characters that are held back now."""
        self.ahead: deque[Release | Order] = deque()
        """Decisions about frames that were not read yet."""
        self.stats = stats if stats is not None else PartitionStats()
        self._policy = policy
        self._limits = limits
        self._producers = producers
        self._next_offset = first_offset
        self._streams: dict[str, _Stream] = {}  # the one that was heard of longest ago first
        self._waiting: set[_Channel] = set()  # with text that has a deadline
        self._over: dict[str, None] = {}  # stopped or dropped streams; oldest first
        self._complete: dict[tuple[str, str], None] = {}  # channels; oldest first

    @property
    def open_streams(self) -> int:
        """Streams that are followed now."""
        return len(self._streams)

    def frame(self, frame: Frame | None, offset: int, *, now: float, wall: float = 0.0) -> None:
        """Read the frame at this offset; None for one that cannot be read."""
        due: list[Release] = []
        while self.ahead and self.ahead[0].frame.offset <= offset:
            decision = self.ahead.popleft()
            if isinstance(decision, Release):
                due.append(decision)
            else:
                # Before the text of its frame: in live mode the reader then never sees what it is about.
                self._obey(decision)
        self._next_offset = offset + 1
        if frame is not None and (self._producers is None or frame.producer in self._producers):
            for delta in frame.deltas:
                self._read(delta, frame.producer, now, wall)
        for release in due:
            self._release(release)

    def decision(self, decision: Decision) -> None:
        """Read a decision: applied now, or once its frame is read; always in the order of the log."""
        if isinstance(decision, Flag) or (self._producers is not None and decision.producer not in self._producers):
            return
        # A decision may name an older frame than the one before it: a repeat, or after a worker's restart none (-1).
        if self.ahead or decision.frame.offset >= self._next_offset:
            self.ahead.append(decision)
        elif isinstance(decision, Release):
            self._release(decision)
        else:
            self._obey(decision)

    def tick(self, *, now: float, wall: float) -> None:
        """Apply the deadlines, and let go of streams that nothing has come for in a long time."""
        for channel in list(self._waiting):
            if channel not in self._waiting:
                continue  # its stream was stopped for another channel just now
            before, unscanned = channel.view.held, channel.view.unscanned
            if channel.view.tick(now=now, wall=wall):
                self.stats.unscanned += channel.view.unscanned - unscanned
                self._settle(channel, before)
                if channel.view.order is not None:
                    self._stop(channel.view.order)
        oldest = now - self._limits.idle_seconds
        while self._streams and (first := next(iter(self._streams))) and self._streams[first].last_seen < oldest:
            self._drop(first)

    def _read(self, delta: Delta, producer: str, now: float, wall: float) -> None:
        stream_id = delta.stream
        if stream_id in self._over or (stream_id, delta.channel) in self._complete:
            self.stats.repeats += 1
            return
        # Taken out and put in again, so that the order of `_streams` is that of the last sign of life.
        stream = self._streams.pop(stream_id, None) or self._open(delta.profile)
        self._streams[stream_id] = stream
        stream.last_seen = now
        channel = stream.channels.get(delta.channel)
        if channel is None:
            view = ReleasedView(
                stream.profile,
                stream_id,
                producer=producer,
                channel=delta.channel,
                max_chars=self._limits.channel_chars,
            )
            channel = stream.channels[delta.channel] = _Channel(view, self._limits)
        view = channel.view
        self.stats.deltas += 1
        before = view.held
        for piece in channel.sequence.accept(Piece(delta.seq, delta.start, delta.text, delta.final)):
            if view.final:
                break  # after its end; the worker has put it into quarantine
            view.feed(piece.text, piece.final, now=now, wall=wall)
        self._settle(channel, before)
        if view.order is not None:
            self._stop(view.order)

    def _open(self, profile: str) -> _Stream:
        if len(self._streams) >= self._limits.open_streams_per_worker:
            self._drop(next(iter(self._streams)))
        profiles = self._policy.profiles
        return _Stream(profiles.get(profile) or profiles["default"])

    def _release(self, release: Release) -> None:
        for marks, unscanned in ((release.marks, False), (release.unscanned, True)):
            for mark in marks:
                stream = self._streams.get(mark.stream)
                channel = None if stream is None else stream.channels.get(mark.channel)
                if channel is not None:
                    view = channel.view
                    before, count = view.held, view.unscanned
                    view.release(mark.offset, unscanned)
                    self.stats.unscanned += view.unscanned - count
                    self._settle(channel, before)

    def _obey(self, order: Order) -> None:
        if order.order in STOPS_DELIVERY:
            self._stop(order)

    def _stop(self, order: Order) -> None:
        if order.stream in self._over:
            return
        retract_from = None
        stream = self._streams.pop(order.stream, None)
        if stream is not None:
            for channel in stream.channels.values():
                before = channel.view.held
                channel.view.give(order)
                self._settle(channel, before)
                if channel.view.channel == order.channel:
                    retract_from = channel.view.retract_from
        self._end(self._over, order.stream)
        self.stats.stops += 1
        self.events.append(StreamStop(order, retract_from))

    def _settle(self, channel: _Channel, held_before: int) -> None:
        """After any change of a view: pass on what may be shown, and keep the books."""
        view = channel.view
        start = view.delivered
        text = view.take()
        self.held += view.held - held_before
        complete = view.ended and view.order is None
        if text or complete:
            self.events.append(ReleasedText(view.stream, view.channel, text, start, complete))
        if view.next_deadline is None:
            self._waiting.discard(channel)
        else:
            self._waiting.add(channel)
        if complete:
            self._end(self._complete, (view.stream, view.channel))
            stream = self._streams.get(view.stream)
            if stream is not None:
                stream.channels.pop(view.channel, None)
                if not stream.channels:
                    del self._streams[view.stream]

    def _drop(self, stream_id: str) -> None:
        for channel in self._streams.pop(stream_id).channels.values():
            self.held -= channel.view.held
            self._waiting.discard(channel)
            if channel.sequence.next_seq == 0:
                self.stats.partial += 1
        self._end(self._over, stream_id)
        self.stats.dropped += 1

    def _end(self, ended: dict[Any, None], key: object) -> None:
        ended[key] = None
        if len(ended) > self._limits.ended_streams:
            del ended[next(iter(ended))]
