"""Writes records of one producer id to its partition of one topic, and knows of each whether it is safe."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from itertools import chain
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from sluice.client.connection import START_SECONDS, Connection, no_topic, partition_for, reaching
from sluice.errors import UnavailableError

__all__ = ["RecordSender"]

logger = logging.getLogger(__name__)

REQUEST_SECONDS = 10.0
_OVERHEAD = 512  # of a batch and its record around the value; it is about 100 bytes and the key


class RecordSender:
    """Idempotent, acknowledged by all replicas, one request at a time: so records stay in order and single.

    Not thread-safe; belongs to the event loop that starts it. One caller sends.
    """

    def __init__(
        self, bootstrap: str, producer_id: str, topic: str, *, max_bytes: int, connection: Connection | None
    ) -> None:
        """`max_bytes` is the size of the largest value."""
        self._bootstrap = bootstrap
        self._producer_id = producer_id
        self._key = producer_id.encode()
        self._topic = topic
        self._max_bytes = max_bytes
        self._connection = dict(connection or {})
        self._producer: Any = None
        self.partition = -1
        """The producer id's partition; known after `start`."""

    async def start(self, timeout_s: float = START_SECONDS) -> None:
        """Connect, and learn the partition.

        Raises:
            UnavailableError: the broker or the topic is not there.
        """
        try:
            async with reaching(f"writing {self._topic}", self._bootstrap, timeout_s):
                size = self._max_bytes + len(self._key) + _OVERHEAD
                self._producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    enable_idempotence=True,
                    max_batch_size=size,
                    max_request_size=size,
                    request_timeout_ms=int(REQUEST_SECONDS * 1000),
                    **self._connection,
                )
                await self._producer.start()
                try:
                    count = len(await self._producer.partitions_for(self._topic))
                except UnknownTopicOrPartitionError:
                    raise UnavailableError(no_topic(self._bootstrap, self._topic)) from None
        except BaseException:
            await self.close(1.0)
            raise
        self.partition = partition_for(self._producer_id, count)

    async def send(self, values: Sequence[bytes], timeout_s: float | None) -> None:
        """Write them, in order, as one batch; returns when the broker has them safely.

        They must fit into one batch together. `None`: an outage of the broker is waited for, whatever time it takes.

        Raises:
            UnavailableError: they were refused, or not acknowledged in time. They may still have been written;
                nothing may be sent after them.
        """
        try:
            async with asyncio.timeout(timeout_s):
                # A batch of our own, not `send`: that logs keys and values at level DEBUG, and they hold text.
                batch = self._producer.create_batch()
                for value in values:
                    if batch.append(key=self._key, value=value, timestamp=None) is None:
                        raise ValueError("the records do not fit into one batch")
                batch.close()
                future = await self._producer.send_batch(batch, self._topic, partition=self.partition)
                await future
        except TimeoutError:
            raise UnavailableError(f"{self._topic}: not acknowledged within {timeout_s:g} s") from None
        except KafkaError as error:
            raise UnavailableError(f"{self._topic}: the broker refused a record: {error!r}") from error

    async def close(self, timeout_s: float) -> None:
        """Let go of the connection within `timeout_s`; what is not acknowledged by then is given up."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        stopping = asyncio.create_task(producer.stop())
        try:
            await asyncio.wait([stopping], timeout=timeout_s)
        finally:  # also when we are cancelled
            if not stopping.done():
                logger.warning("%s: closing without the last acknowledgements", self._topic)
                await _abandon(producer)
                await asyncio.wait([stopping])
        if not stopping.cancelled() and stopping.exception() is not None:
            logger.warning("%s: closing the connection: %r", self._topic, stopping.exception())


async def _abandon(producer: Any) -> None:
    """Make a `stop()` that waits for acknowledgements end. aiokafka has no way for it: this is made for 0.14.0."""
    sending = producer._sender.sender_task
    # The first cancel ends its loop, and then it waits for the request that is out; a further one ends that too.
    while sending is not None and not sending.done():
        sending.cancel()
        await asyncio.sleep(0)
    waiting = producer._message_accumulator
    # A batch that is to be sent again is not among the pending ones, and yet will be taken from them.
    waiting._pending_batches.update(chain.from_iterable(waiting._batches.values()))
    for batch in list(waiting._pending_batches):
        batch.future.cancel()
