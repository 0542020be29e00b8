"""What a worker writes: decisions, and what it could not read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from sluice.contract import Flag, Order, Quarantine, Release, Topics, encode
from sluice.contract.codec import VERSION, BadDelta
from sluice.metrics import Metrics
from sluice.moderation.checkpoint import stopped_entries
from sluice.moderation.shard import Shard
from sluice.worker.record import Record
from sluice.worker.sink import Sink, Written

__all__ = ["Store", "Writer"]

Store = Callable[[int, list[tuple[bytes, bytes | None]]], Awaitable[None]]
"""Writes a partition's table entries and returns once they are acknowledged."""


class Writer:
    """Counts what it writes. For a shard that is not held any more nothing is begun. Belongs to one event loop."""

    def __init__(
        self, topics: Topics, sink: Sink, store: Store, metrics: Metrics, *, held: Callable[[Shard], bool]
    ) -> None:
        self._topics = topics
        self._sink = sink
        self._store = store
        self._metrics = metrics
        self._held = held

    async def quarantine(self, shard: Shard, record: Record, producer: str, bad: Sequence[BadDelta]) -> list[Written]:
        """Put away what could not be read, a whole record or deltas of it."""
        return [await self._put_away(record, producer, one) for one in bad if self._held(shard)]

    async def _put_away(self, record: Record, producer: str, bad: BadDelta) -> Written:
        self._metrics.quarantined.labels(bad.reason).inc()
        quarantine = Quarantine(
            v=VERSION,
            topic=self._topics.outputs,
            partition=record.partition,
            offset=record.offset,
            reason=bad.reason,
            detail=bad.detail,
            size=len(bad.payload) if bad.stream else len(record.value),
            producer=producer,
            stream=bad.stream,
            seq=bad.seq,
            payload=bad.payload,
        )
        return await self._sink.write(
            self._topics.quarantine, record.partition, producer.encode() or None, encode(quarantine)
        )

    async def decisions(self, shard: Shard, decisions: Sequence[Release | Order | Flag]) -> list[Written]:
        """Write decisions. A stop that reading the log again would not repeat, because time or an outage caused it, is
        first put into the table, with its orders: from then on a next owner takes the stream for stopped, and writes
        what stands there and no more. What was begun is written also when the shard goes meanwhile."""
        if not self._held(shard):
            return []
        lasting = [
            d
            for d in decisions
            if isinstance(d, Order) and d.reason != "finding" and d not in shard.ended.owed.get(d.stream, ())
        ]
        if lasting:
            await self._store(shard.partition, stopped_entries(shard, (), lasting))
        return [await self._write(shard.partition, decision) for decision in decisions]

    async def _write(self, partition: int, decision: Release | Order | Flag) -> Written:
        metrics = self._metrics
        if isinstance(decision, Order):
            metrics.orders.labels(
                decision.order, decision.reason, decision.finding.risk if decision.finding else ""
            ).inc()
        elif isinstance(decision, Flag):
            metrics.flags.labels(decision.finding.risk if decision.finding else "").inc()
        elif decision.unscanned:
            metrics.unscanned.inc(len(decision.unscanned))
        return await self._sink.write(self._topics.decisions, partition, decision.producer.encode(), encode(decision))
