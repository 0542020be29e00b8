"""Where a worker writes: an idempotent producer, partition chosen by the caller, every result awaited."""

from __future__ import annotations

import asyncio
from typing import Protocol

from aiokafka import AIOKafkaProducer

__all__ = ["KafkaSink", "Sink"]

Written = asyncio.Future[object]


class Sink(Protocol):
    """Something that records can be written to."""

    async def write(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> Written:
        """Queue a record, waiting while the buffer is full. The future ends when the broker has acknowledged it."""
        ...


class KafkaSink:
    """An `AIOKafkaProducer` that keeps the order of records on a partition and makes no duplicates by retrying."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Connect. Belongs to the running event loop."""
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            enable_idempotence=True,
            acks="all",
            linger_ms=0,
            max_batch_size=256 * 1024,
            max_request_size=4 * 1024 * 1024,
            request_timeout_ms=15_000,
        )
        await self._producer.start()

    async def write(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> Written:
        if self._producer is None:
            raise RuntimeError("the sink is not started")
        future: Written = await self._producer.send(topic, value=value, key=key, partition=partition)
        return future

    async def stop(self) -> None:
        """Send what is queued and close."""
        if self._producer is not None:
            await self._producer.stop()
