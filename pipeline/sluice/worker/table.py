"""The streams table: a Faust table whose changelog is written by the worker's own producer.

Faust writes a table's changelog without waiting for the result, and commits offsets even when that write failed. Here
every write is awaited before the offset that depends on it moves. Faust still reads the changelog back when a worker
takes up a partition, before it hands out the first frame.
"""

from __future__ import annotations

import asyncio
from typing import Any

import faust

from sluice.worker.sink import Sink

__all__ = ["StreamsTable", "changelog_topic"]

_NAME = "streams"


def changelog_topic(app_id: str) -> str:
    """Name of the changelog topic: compacted, with as many partitions as the outputs."""
    return f"{app_id}-{_NAME}-changelog"


class StreamsTable:
    """Entries of live, stopped and complete streams, bytes to bytes."""

    def __init__(self, app: faust.App, sink: Sink, app_id: str, partitions: int) -> None:
        self._sink = sink
        self._topic = changelog_topic(app_id)
        self._table: Any = app.Table(
            _NAME,
            # Only from these types does Faust conclude that the changelog holds raw bytes.
            key_type=bytes,
            value_type=bytes,
            partitions=partitions,
        )

    def entries(self) -> dict[bytes, bytes]:
        """What is known, of all partitions that are assigned here."""
        return {key: value for key, value in self._table.data.items() if value is not None}

    async def write(self, partition: int, writes: list[tuple[bytes, bytes | None]]) -> None:
        """Write entries, None to delete; returns when the broker has acknowledged all of them."""
        await asyncio.gather(*[await self._sink.write(self._topic, partition, key, value) for key, value in writes])
        store = self._table.data
        for key, value in writes:
            if value is None:
                store.data.pop(key, None)
                store._key_partition.pop(key, None)
            else:
                store.data[key] = value
                # So that Faust drops the entry when the partition goes to another worker.
                store._key_partition[key] = partition
