"""For downstream consumers: reads what was generated and what was decided together, and gives what may be shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any, Self

import msgspec
from aiokafka import TopicPartition

from sluice.client.connection import LIMITS, START_SECONDS, TOPICS, Connection, check_id, partition_for
from sluice.client.log import LogReader, Start
from sluice.contract.codec import VERSION, BadFrameError, read_decision, read_frame
from sluice.contract.limits import Limits
from sluice.contract.topics import Topics
from sluice.delivery.events import ReleasedText, StreamStop
from sluice.delivery.partition import PartitionStats, PartitionView
from sluice.errors import InputError
from sluice.policy import Policy

__all__ = ["ReaderStats", "ReleasedReader"]

POLL_SECONDS = 0.1
"""How often deadlines are looked at when nothing comes."""
TICK_SECONDS = 0.05
"""How often they are looked at when much comes."""
STALL_SECONDS = 1.0
"""Longest step of the clock that deadlines are measured with. What a reader spends elsewhere between two events is
not the moderation's delay, and the decisions of that time are still to be read."""


class ReaderStats(PartitionStats):
    """What a reader has met."""

    frames: int = 0
    unreadable_frames: int = 0
    """Frames, and deltas in frames, that cannot be read; the workers put them into quarantine."""
    unreadable_decisions: int = 0


class _Partition:
    """The two logs of one partition."""

    __slots__ = ("decisions", "outputs", "view")

    def __init__(self, outputs: TopicPartition, decisions: TopicPartition, view: PartitionView) -> None:
        self.outputs = outputs
        self.decisions = decisions
        self.view = view


class ReleasedReader:
    """Iterate over it, in one task: `ReleasedText` for text that may be shown, `StreamStop` for a stopped stream.

    It needs nobody else: no producer, no gate, no group. Each reader of this kind sees everything; a stream is given
    from its beginning or not at all. Reading happens only while the next event is waited for, so a slow consumer
    slows it down, and it keeps at most about `max_held_chars` characters that are not released.

    An outage of the broker is waited for; then the deadlines of the profiles apply. Not thread-safe; belongs to the
    event loop that starts it. Use it as `async with`; the iteration does not end by itself.
    """

    def __init__(
        self,
        bootstrap: str,
        *,
        producer_ids: Collection[str] | None = None,
        partitions: Collection[int] | None = None,
        policy: Policy | None = None,
        start: Start = "latest",
        topics: Topics = TOPICS,
        limits: Limits = LIMITS,
        max_held_chars: int = 8_000_000,
        max_ahead: int = 20_000,
        fetch_max_wait_ms: int = 20,
        connection: Connection | None = None,
    ) -> None:
        """Prepare it.

        Args:
            bootstrap: `host:port[,host:port…]`.
            producer_ids: read only the streams of these producers, in their partitions.
            partitions: read only these partitions; to share the work among several readers. Neither: everything.
            policy: holds the profiles that deltas name; the shipped one by default. A profile that it does not have
                is taken for `default`.
            start: `latest` begins with what is published from now on, `earliest` with the oldest that is still there.
            topics: names of the topics.
            limits: the same as the workers'.
            max_held_chars: characters held back in all, from which on no further frames are read until some are
                released, or their deadline passes.
            max_ahead: decisions kept for frames that were not read yet, for each partition.
            fetch_max_wait_ms: how long the broker waits for news before it answers that there are none.
            connection: security arguments for aiokafka.

        Raises:
            InputError: both producers and partitions are named, or a producer id cannot be one.
        """
        if producer_ids is not None and partitions is not None:
            raise InputError("name producer_ids or partitions, not both: the ids determine the partitions")
        for producer in producer_ids or ():
            check_id(producer, "producer_id")
        self.stats = ReaderStats()
        self._producers = None if producer_ids is None else frozenset(producer_ids)
        self._wanted = None if partitions is None else frozenset(partitions)
        self._policy = policy or Policy.shipped()
        self._start: Start = start
        self._topics = topics
        self._limits = limits
        self._max_held = max_held_chars
        self._max_ahead = max_ahead
        self._log = LogReader(
            bootstrap, (topics.outputs, topics.decisions), wait_ms=fetch_max_wait_ms, connection=connection
        )
        self._partitions: list[_Partition] = []
        self._of: dict[TopicPartition, _Partition] = {}
        self._ready: list[_Partition] = []
        self._clock = 0.0
        self._polled_at = 0.0
        self._ticked_at = 0.0

    async def start(self, timeout_s: float = START_SECONDS) -> None:
        """Connect, and fix where reading begins.

        Raises:
            UnavailableError: the broker or a topic is not there.
            InputError: a partition is not there, or the topics do not have the same number of them.
        """
        await self._log.start(self._choose, self._start, timeout_s)
        outputs, decisions = self._topics.outputs, self._topics.decisions
        for number in sorted({tp.partition for tp in self._log.partitions}):
            frames = TopicPartition(outputs, number)
            part = _Partition(
                frames,
                TopicPartition(decisions, number),
                PartitionView(
                    self._policy,
                    self._limits,
                    first_offset=self._log.position(frames),
                    producers=self._producers,
                    stats=self.stats,
                ),
            )
            self._partitions.append(part)
            self._of[part.outputs] = self._of[part.decisions] = part
        self._polled_at = time.monotonic()

    async def close(self) -> None:
        """Stop reading; never longer than some seconds. Harmless when repeated."""
        await self._log.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ReleasedText | StreamStop:
        """The next event; waits for it.

        Raises:
            aiokafka.errors.KafkaError: the broker refuses for good, e.g. for want of permission.
        """
        while True:
            while self._ready:
                events = self._ready[-1].view.events
                if events:
                    return events.popleft()
                self._ready.pop()
            await self._read()

    def _choose(self, counts: Mapping[str, int]) -> list[TopicPartition]:
        count = counts[self._topics.outputs]
        if self._producers is not None:
            numbers = {partition_for(producer, count) for producer in self._producers}
        else:
            numbers = set(range(count)) if self._wanted is None else set(self._wanted)
        missing = sorted(numbers - set(range(count)))
        if missing:
            raise InputError(f"there is no partition {missing[0]}; {self._topics.outputs} has {count}")
        # Decisions first: at `latest` none may be missed that is about a frame that will be read.
        return [TopicPartition(topic, n) for topic in (self._topics.decisions, self._topics.outputs) for n in numbers]

    async def _read(self) -> None:
        records = await self._log.poll(POLL_SECONDS)
        now = time.monotonic()
        self._clock += min(now - self._polled_at, STALL_SECONDS)
        self._polled_at = now
        wall = time.time()
        for tp, found in records.items():
            view = self._of[tp].view
            if tp.topic == self._topics.decisions:
                for record in found:
                    self._decision(view, record)
            else:
                for record in found:
                    self._frame(view, record, wall)
        if self._clock - self._ticked_at >= TICK_SECONDS:
            self._ticked_at = self._clock
            await self._tick(wall)
        self._balance()
        self._ready = [part for part in self._partitions if part.view.events]
        if records:
            await asyncio.sleep(0)  # with much to read, no await above would let other tasks run

    async def _tick(self, wall: float) -> None:
        for part in self._partitions:
            # While there are decisions still to be read, a missing one is not late; unless we wait for their frames.
            if self._far(part) or await self._log.lag(part.decisions) == 0:
                part.view.tick(now=self._clock, wall=wall)

    def _decision(self, view: PartitionView, record: Any) -> None:
        try:
            decision = read_decision(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.stats.unreadable_decisions += 1
            return
        if decision.v != VERSION:
            self.stats.unreadable_decisions += 1
            return
        view.decision(decision)

    def _frame(self, view: PartitionView, record: Any, wall: float) -> None:
        self.stats.frames += 1
        frame = None
        try:
            read = read_frame(record.value or b"", self._limits)
        except (BadFrameError, RecursionError):
            self.stats.unreadable_frames += 1
        else:
            frame = read.frame
            self.stats.unreadable_frames += len(read.bad)
        view.frame(frame, record.offset, now=self._clock, wall=wall)

    def _balance(self) -> None:
        """Stop reading what is too far ahead of its other half."""
        crowded = sum(part.view.held for part in self._partitions) > self._max_held
        for part in self._partitions:
            far = self._far(part)
            self._log.pause(part.decisions, far)
            # Where the decisions are the ones ahead, the frames they are about must be read for any to be applied.
            self._log.pause(part.outputs, crowded and not far)

    def _far(self, part: _Partition) -> bool:
        return len(part.view.ahead) > self._max_ahead
