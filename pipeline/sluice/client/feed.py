"""What the workers decide about one producer's streams, read once per process and handed to whom it concerns."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from sluice.client.connection import START_SECONDS, TOPICS, Connection, check_id, partition_for
from sluice.client.log import LogReader
from sluice.contract.codec import VERSION, read_decision
from sluice.contract.decision import Decision, Flag, Order, Release
from sluice.contract.topics import Topics
from sluice.errors import SluiceError, UnavailableError

__all__ = ["DecisionFeed", "FeedStats", "Subscriber", "decode_decision"]

logger = logging.getLogger(__name__)

POLL_SECONDS = 1.0  # only bounds how long a failure of the reading itself stays unseen
BURST_RECORDS = 500
"""Records handled before other tasks get their turn: about 5 ms."""


class Subscriber(Protocol):
    """Something that follows one stream. Called in the event loop of the feed; must not block and must not raise."""

    def on_release(self, channel: str, offset: int, unscanned: bool) -> None:
        """Text of a channel before `offset` is released."""

    def on_order(self, order: Order, received_at: float) -> None:
        """An order for the stream; may come again. `received_at`: seconds since the epoch."""

    def on_failure(self, error: SluiceError) -> None:
        """Nothing more will come: the feed has ended."""


class FeedStats(msgspec.Struct):
    """What a feed has read."""

    releases: int = 0
    orders: int = 0
    flags: int = 0
    foreign: int = 0
    """Records of other producers in the same partition, or of a later version."""
    unreadable: int = 0
    forgotten: int = 0
    """Streams that nobody followed and whose decisions were let go for want of room."""
    rebuilds: int = 0
    """How often the connection was made anew after silence."""


class _Notes:
    """What is known of one stream, for those who come later."""

    __slots__ = ("marks", "orders", "subscribers")

    def __init__(self) -> None:
        self.marks: dict[str, tuple[int, bool]] = {}
        self.orders: dict[str, tuple[Order, float]] = {}
        self.subscribers: list[Subscriber] = []


class DecisionFeed:
    """Reads the one partition of `moderation.decisions` that holds this producer's decisions.

    Begins at the end of the log: what is decided after `start()` returned will be seen. An outage of the broker is
    waited for. Not thread-safe; belongs to the event loop that starts it. Use it as `async with`.
    """

    def __init__(
        self,
        bootstrap: str,
        producer_id: str,
        *,
        topics: Topics = TOPICS,
        fetch_max_wait_ms: int = 20,
        recent_streams: int = 16_384,
        connection: Connection | None = None,
    ) -> None:
        """Prepare it.

        Args:
            bootstrap: `host:port[,host:port…]`.
            producer_id: the id whose streams are followed.
            topics: names of the topics.
            fetch_max_wait_ms: how long the broker waits for news before it answers that there are none; a real
                broker answers at once when there are.
            recent_streams: streams that nobody follows (yet) whose releases and orders are kept for those who come
                late; the oldest are let go first.
            connection: security arguments for aiokafka.

        Raises:
            InputError: the producer id cannot be one.
        """
        check_id(producer_id, "producer_id")
        self.producer_id = producer_id
        self.stats = FeedStats()
        self.failure: SluiceError | None = None
        """Why reading has ended, when it was not `close` that ended it."""
        self.tap: Callable[[Decision, float], None] | None = None
        """Sees every decision of this producer and when it came (seconds since the epoch); for measuring."""
        self.partition = -1
        """The producer id's partition; known after `start`."""
        self._key = producer_id.encode()
        self._recent_streams = recent_streams
        self._topics = topics
        self._reader = LogReader(
            bootstrap,
            (topics.decisions, topics.outputs, topics.acks),
            wait_ms=fetch_max_wait_ms,
            connection=connection,
        )
        self._followed: dict[str, _Notes] = {}
        self._recent: dict[str, _Notes] = {}  # oldest first
        self._task: asyncio.Task[None] | None = None

    async def start(self, timeout_s: float = START_SECONDS) -> None:
        """Connect and begin at the end of the log.

        Raises:
            UnavailableError: the broker or a topic is not there.
            InputError: the topics do not have the same number of partitions.
        """
        topic = self._topics.decisions
        chosen = await self._reader.start(
            lambda counts: [TopicPartition(topic, partition_for(self.producer_id, counts[topic]))], "latest", timeout_s
        )
        self.partition = chosen[0].partition
        self._task = asyncio.create_task(self._run(), name=f"sluice decisions of {self.producer_id}")

    async def close(self) -> None:
        """Stop reading; never longer than some seconds. Harmless when repeated."""
        task, self._task = self._task, None
        try:
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        finally:
            await self._reader.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
        if error is None and self.failure is not None:
            raise self.failure

    def subscribe(self, stream: str, subscriber: Subscriber) -> None:
        """Follow a stream. What came about it before is told at once, within this call."""
        notes = self._followed.get(stream)
        if notes is None:
            known = self._recent.pop(stream, None)
            notes = self._followed[stream] = known if known is not None else _Notes()
        notes.subscribers.append(subscriber)
        # Orders first: what was stopped is not shown, even where its releases are known.
        for order, received_at in notes.orders.values():
            subscriber.on_order(order, received_at)
        for channel, (offset, unscanned) in notes.marks.items():
            subscriber.on_release(channel, offset, unscanned)
        if self.failure is not None:
            subscriber.on_failure(self.failure)

    def unsubscribe(self, stream: str, subscriber: Subscriber) -> None:
        """Follow it no longer. Harmless when repeated."""
        notes = self._followed.get(stream)
        if notes is None or subscriber not in notes.subscribers:
            return
        notes.subscribers.remove(subscriber)
        if not notes.subscribers:
            del self._followed[stream]
            self._remember(stream, notes)

    async def _run(self) -> None:
        try:
            while True:
                burst = 0
                for records in (await self._reader.poll(POLL_SECONDS)).values():
                    received_at = time.time()
                    for record in records:
                        self._take(record, received_at)
                        burst += 1
                        if burst % BURST_RECORDS == 0:
                            await asyncio.sleep(0)
                self.stats.rebuilds = self._reader.rebuilds
        except KafkaError as error:
            self._fail(error)
        except Exception as error:  # noqa: BLE001  handed to everyone who waits, and raised by the context manager
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        logger.error("the decisions of producer %s cannot be read any more: %r", self.producer_id, error)
        self.failure = UnavailableError(f"decisions cannot be read any more: {error!r}")
        self.failure.__cause__ = error
        for notes in list(self._followed.values()):
            for subscriber in list(notes.subscribers):
                subscriber.on_failure(self.failure)

    def _take(self, record: Any, received_at: float) -> None:
        decision = decode_decision(record.key, record.value, self._key, self.producer_id, self.stats)
        if decision is None:
            return
        if type(decision) is Release:
            self.stats.releases += 1
            for mark in decision.marks:
                self._release(mark.stream, mark.channel, mark.offset, False)
            for mark in decision.unscanned:
                self._release(mark.stream, mark.channel, mark.offset, True)
        elif type(decision) is Order:
            self.stats.orders += 1
            self._order(decision, received_at)
        elif type(decision) is Flag:
            self.stats.flags += 1
        if self.tap is not None:
            self.tap(decision, received_at)

    def _release(self, stream: str, channel: str, offset: int, unscanned: bool) -> None:
        notes = self._notes(stream)
        before, was_unscanned = notes.marks.get(channel, (-1, False))
        if offset <= before:
            return
        notes.marks[channel] = (offset, unscanned or was_unscanned)
        for subscriber in list(notes.subscribers):
            subscriber.on_release(channel, offset, unscanned)

    def _order(self, order: Order, received_at: float) -> None:
        notes = self._notes(order.stream)
        if order.id in notes.orders:
            return
        notes.orders[order.id] = (order, received_at)
        for subscriber in list(notes.subscribers):
            subscriber.on_order(order, received_at)

    def _notes(self, stream: str) -> _Notes:
        notes = self._followed.get(stream) or self._recent.get(stream)
        if notes is None:
            notes = _Notes()
            self._remember(stream, notes)
        return notes

    def _remember(self, stream: str, notes: _Notes) -> None:
        self._recent[stream] = notes
        if len(self._recent) > self._recent_streams:
            del self._recent[next(iter(self._recent))]
            self.stats.forgotten += 1


class _Counts(Protocol):
    foreign: int
    unreadable: int


def decode_decision(
    key: bytes | None, value: bytes | None, wanted_key: bytes, producer: str, counts: _Counts
) -> Decision | None:
    """The decision in a record; None, and counted, where it is not this producer's or cannot be read."""
    if key is not None and key != wanted_key:
        counts.foreign += 1
        return None
    try:
        decision = read_decision(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        counts.unreadable += 1
        return None
    if decision.v != VERSION or decision.producer != producer:
        counts.foreign += 1
        return None
    return decision
