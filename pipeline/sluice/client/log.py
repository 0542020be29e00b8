"""Reads given partitions from given offsets, for as long as it takes. No consumer group: nobody else shares them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from sluice.client.connection import Connection, no_topic, reaching
from sluice.errors import InputError, UnavailableError

__all__ = ["LogReader", "Start"]

logger = logging.getLogger(__name__)

Start = Literal["latest", "earliest"]
Choice = Callable[[Mapping[str, int]], Iterable[TopicPartition]]
"""From the partition count of each topic to the partitions that are to be read."""

STALE_SECONDS = 20.0
"""Without any answer from the broker for so long the consumer is made anew. aiokafka reconnects by itself after an
outage, but should its fetching ever end, it would not say so; and this is longer than one of its requests may take."""
RETRY_SECONDS = 0.5
REQUEST_SECONDS = 10.0
CLOSE_SECONDS = 5.0


class LogReader:
    """Not thread-safe; belongs to the event loop that starts it. One caller polls."""

    def __init__(self, bootstrap: str, topics: Sequence[str], *, wait_ms: int, connection: Connection | None) -> None:
        """`wait_ms`: how long the broker may wait for new records before it answers that there are none."""
        self._bootstrap = bootstrap
        self._topics = tuple(topics)
        self._wait_ms = wait_ms
        self._connection = dict(connection or {})
        self._consumer: Any = None
        self._missing: list[str] = []
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._answered = 0.0  # when the broker last answered, on the monotonic clock
        self._newest = 0  # the same by aiokafka's own count
        self.rebuilds = 0
        """How often the consumer was made anew."""

    async def start(self, choose: Choice, start: Start, timeout_s: float) -> list[TopicPartition]:
        """Find the partitions and fix where reading begins: every record written after this returns will be read.

        Raises:
            UnavailableError: the broker or a topic is not there.
            InputError: the topics do not have the same number of partitions.
        """
        try:
            async with reaching(f"reading {', '.join(self._topics)}", self._bootstrap, timeout_s):
                consumer = await self._open()
                counts = await self._partition_counts(consumer)
                if len(set(counts.values())) != 1:
                    told = ", ".join(f"{topic} {count}" for topic, count in counts.items())
                    raise InputError(f"these topics must have the same number of partitions: {told}")
                chosen = list(choose(counts))
                asked = consumer.end_offsets if start == "latest" else consumer.beginning_offsets
                self._positions = await asked(chosen)
                self._assign(consumer)
        except BaseException as error:
            await self.close()
            if isinstance(error, UnavailableError) and self._missing:
                raise UnavailableError(no_topic(self._bootstrap, *self._missing)) from None
            raise
        return chosen

    async def poll(self, timeout_s: float) -> Mapping[TopicPartition, Sequence[Any]]:
        """All records that are here, or those that come within `timeout_s`; perhaps none.

        Everything is taken at once: aiokafka fetches nothing more from a broker while it holds records back.
        An outage of the broker is waited for, whatever time it takes.

        Raises:
            KafkaError: the broker refuses for good, e.g. for want of permission.
        """
        try:
            if self._consumer is None:
                await self._rebuild()
            records: Mapping[TopicPartition, Sequence[Any]] = await self._consumer.getmany(
                timeout_ms=int(timeout_s * 1000)
            )
        except KafkaError as error:
            if not error.retriable:
                raise
            logger.warning("reading %s: %r; trying again", ", ".join(self._topics), error)
            await asyncio.sleep(RETRY_SECONDS)
            return {}
        now = time.monotonic()
        for partition, found in records.items():
            self._positions[partition] = found[-1].offset + 1
        newest = max((self._consumer.last_poll_timestamp(p) or 0 for p in self._positions), default=0)
        if records or newest != self._newest:  # an answer that holds nothing is an answer
            self._answered, self._newest = now, newest
        elif now - self._answered > STALE_SECONDS:
            logger.warning("no answer for %.0f s while reading %s; connecting anew", STALE_SECONDS, self._topics)
            await self._drop()
        return records

    @property
    def partitions(self) -> list[TopicPartition]:
        """Those that are read; known after `start`."""
        return list(self._positions)

    def position(self, partition: TopicPartition) -> int:
        """Offset of the next record to be read."""
        return self._positions[partition]

    async def lag(self, partition: TopicPartition) -> int:
        """Records known to be in the log and not read yet. Does not wait for the broker."""
        end = None if self._consumer is None else self._consumer.highwater(partition)
        position = self._positions[partition]
        if end is None or end <= position:
            return 0
        # Offsets can also be taken by what is no record, and records can be gone: aiokafka knows where it is. It would
        # wait while it finds its place anew.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                position = await self._consumer.position(partition)
        return int(max(0, end - position))

    def pause(self, partition: TopicPartition, paused: bool) -> None:
        """Read no more of a partition for now, or read it again."""
        if paused == (partition in self._paused):
            return
        (self._paused.add if paused else self._paused.discard)(partition)
        if self._consumer is not None:
            (self._consumer.pause if paused else self._consumer.resume)(partition)

    async def close(self) -> None:
        """Let go of the connection; never longer than some seconds. Harmless when repeated."""
        await self._drop()

    async def _open(self) -> Any:
        consumer = self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            enable_auto_commit=False,
            # Where the log lost what was to be read next, everything that is left is read: repeats are harmless.
            auto_offset_reset="earliest",
            fetch_max_wait_ms=self._wait_ms,
            request_timeout_ms=int(REQUEST_SECONDS * 1000),
            **self._connection,
        )
        await consumer.start()
        return consumer

    async def _partition_counts(self, consumer: Any) -> dict[str, int]:
        any_partition = [TopicPartition(topic, 0) for topic in self._topics]
        consumer.assign(any_partition)  # makes it ask for the topics, and no other public call does
        consumer.pause(*any_partition)
        while True:
            counts = {topic: len(consumer.partitions_for_topic(topic) or ()) for topic in self._topics}
            self._missing = [topic for topic, count in counts.items() if not count]
            if not self._missing:
                return counts
            await asyncio.sleep(0.02)

    def _assign(self, consumer: Any) -> None:
        consumer.assign(list(self._positions))
        for partition, offset in self._positions.items():
            consumer.seek(partition, offset)
        if self._paused:
            consumer.pause(*self._paused)
        self._answered = time.monotonic()

    async def _rebuild(self) -> None:
        self.rebuilds += 1
        try:
            self._assign(await self._open())
        except BaseException:
            await self._drop()
            raise

    async def _drop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is None:
            return
        # A task of its own: in aiokafka 0.14.0 a fetch that is cancelled while it backs off makes stop() raise
        # CancelledError, which must not look as if we had been cancelled, and leaves the connections open.
        stopping = asyncio.create_task(consumer.stop())
        try:
            await asyncio.wait([stopping], timeout=CLOSE_SECONDS)
        finally:  # also when we are cancelled
            if not stopping.done():
                stopping.cancel()
                await asyncio.wait([stopping])
        if stopping.cancelled() or stopping.exception() is not None:
            logger.info("reading %s: the connection was not closed in good order", ", ".join(self._topics))
            await consumer._client.close()
