"""The partitions that are assigned to a worker: the shard of each, and how far it has come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from sluice.metrics import Metrics
from sluice.moderation.shard import Shard

__all__ = ["Partitions"]


class Partitions:
    """A shard that is not `held` any more belongs to another worker, and nothing may be written for it."""

    def __init__(self, new_shard: Callable[[int], Awaitable[Shard]], metrics: Metrics) -> None:
        """`new_shard` makes the shard of a partition, restored from the table, reading on from the commit."""
        self.epoch = 0
        """Counts the times that all partitions were dropped; what was read before the last time is not ours."""
        self.decided: dict[int, int] = {}
        """By partition: the last frame whose decisions are all acknowledged."""
        self.committed: dict[int, int] = {}
        self.seen: dict[int, int] = {}
        """By partition: the next offset at the last `catch_up`."""
        self._shards: dict[int, Shard] = {}
        self._new_shard = new_shard
        self._metrics = metrics

    @property
    def shards(self) -> list[Shard]:
        """Those of now; while they are gone through, partitions may come and go."""
        return list(self._shards.values())

    def held(self, shard: Shard) -> bool:
        """Whether it is still this worker's."""
        return self._shards.get(shard.partition) is shard

    def knows(self, partition: int) -> bool:
        """Whether the partition's shard is made."""
        return partition in self._shards

    async def shard(self, partition: int, epoch: int) -> Shard | None:
        """The partition's shard; None when the partitions were dropped since `epoch`."""
        if epoch != self.epoch:
            return None
        shard = self._shards.get(partition)
        if shard is None:
            shard = await self._new_shard(partition)
            if epoch != self.epoch:
                return None
            self._shards[partition] = shard
            self.decided[partition] = shard.next_offset - 1
            self.committed[partition] = shard.committed
            self._metrics.partitions.set(len(self._shards))
        return shard

    def drop(self) -> None:
        """Forget all: they were revoked. What comes next is read from the commit and the table."""
        self.epoch += 1
        self._shards.clear()
        self.decided.clear()
        self.committed.clear()
        self.seen.clear()
        self._metrics.partitions.set(0)
        self._metrics.open_streams.set(0)

    def count(self) -> None:
        """Put into the metrics what the shards have met since the last time."""
        streams = 0
        for shard in self._shards.values():
            counts = shard.take_counts()
            self._metrics.deltas.labels("read").inc(max(0, counts.deltas - counts.repeats))
            self._metrics.deltas.labels("repeat").inc(counts.repeats)
            self._metrics.deltas.labels("after_stop").inc(counts.after_stop)
            self._metrics.characters.inc(counts.characters)
            self._metrics.gaps.inc(counts.gaps)
            streams += len(shard.streams)
        self._metrics.open_streams.set(streams)
