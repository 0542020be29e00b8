"""The queue before the strong member: batches form across streams, from units of like length.

A batch is judged when there are enough units for it or when one of them has waited for long enough. What does not get
its turn before its profile's deadline counts as not answered. Beyond a bound whoever adds has to wait, so overload
becomes latency and then the profile's failure outcome, and never memory.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

import msgspec

from sluice.metrics import Metrics
from sluice.moderation.detector import Scorer
from sluice.moderation.shard import Shard
from sluice.moderation.steps import Ask
from sluice.moderation.units import take_judgement
from sluice.worker.calls import Caller

__all__ = ["Asked", "Judging"]

_BATCH = 32
"""Units in one call of the model, so that its deadline is about a model that hangs and not about a backlog."""
_BATCH_CHARS = 4_096
"""Characters in one call, for the same reason; what `_BATCH` units of the default profile have at most is less."""
_WAITING = 1_024
"""Units that wait; beyond it no more are taken until there is room."""


class Asked(msgspec.Struct, frozen=True, eq=False):
    """A unit in the queue, or with its answer."""

    shard: Shard
    ask: Ask
    since: float
    """Seconds of the monotonic clock."""

    @property
    def late(self) -> float:
        """When its answer is of no use any more."""
        return self.since + self.ask.channel.stream.profile.deadline_ms / 1000


class Judging:
    """Belongs to one event loop."""

    def __init__(
        self,
        scorer: Scorer | None,
        metrics: Metrics,
        *,
        wait: float,
        deadline: float,
        answered: Callable[[Sequence[Asked]], None],
    ) -> None:
        """Nothing runs yet.

        Args:
            scorer: whose `judge` is called; None when nothing will ever be asked.
            wait: seconds that a unit may wait for others to be judged with.
            deadline: seconds that one call may take.
            answered: is given units whose answers have come, or will not come; say `taken` when they are dealt with.
        """
        self._scorer = scorer
        self._metrics = metrics
        self._wait = wait
        self._answered = answered
        self._caller = Caller("judge", deadline)
        self._buckets: dict[int, deque[Asked]] = {}  # by the order of magnitude of their length; oldest first
        self._waiting = 0
        self._out = 0
        self._added = asyncio.Event()
        self._changed = asyncio.Condition()

    async def add(self, shard: Shard, asks: Sequence[Ask]) -> None:
        """Take units up; returns when there is room for more."""
        now = time.monotonic()
        for ask in asks:
            length = len(ask.unit.text) + len(ask.unit.context)
            self._buckets.setdefault(length.bit_length(), deque()).append(Asked(shard, ask, now))
        self._waiting += len(asks)
        self._out += len(asks)
        self._metrics.judge_queue.set(self._waiting)
        self._added.set()
        if self._waiting > _WAITING:
            async with self._changed:
                await self._changed.wait_for(lambda: self._waiting <= _WAITING)

    async def taken(self, count: int) -> None:
        """So many units with their answers have been dealt with."""
        async with self._changed:
            self._out -= count
            self._changed.notify_all()

    async def idle(self) -> None:
        """Wait until nothing is out."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._out)

    @property
    def out(self) -> int:
        """Units that were added and not dealt with."""
        return self._out

    async def run(self) -> None:
        """Judge, for as long as the worker lives."""
        while True:
            batch = await self._next()
            await self._judge(batch)
            self._answered(batch)

    def close(self) -> None:
        """Let go of the thread, without waiting for a call that hangs."""
        self._caller.close()

    async def _next(self) -> list[Asked]:
        """The next batch, of one bucket."""
        while True:
            self._added.clear()
            now = time.monotonic()
            filled = [bucket for bucket in self._buckets.values() if bucket]
            ready = [b for b in filled if len(b) >= _BATCH or now - b[0].since >= self._wait]
            if ready:
                return await self._take(min(ready, key=lambda bucket: bucket[0].since))
            due = min((bucket[0].since for bucket in filled), default=None)
            try:
                await asyncio.wait_for(self._added.wait(), None if due is None else due + self._wait - now)
            except TimeoutError:
                continue

    async def _take(self, bucket: deque[Asked]) -> list[Asked]:
        batch = [bucket.popleft()]
        chars = len(batch[0].ask.unit.text)
        while bucket and len(batch) < _BATCH and chars + len(bucket[0].ask.unit.text) <= _BATCH_CHARS:
            chars += len(bucket[0].ask.unit.text)
            batch.append(bucket.popleft())
        async with self._changed:
            self._waiting -= len(batch)
            self._changed.notify_all()
        self._metrics.judge_queue.set(self._waiting)
        return batch

    async def _judge(self, batch: Sequence[Asked]) -> None:
        """Put an answer, or that there is none, into each unit."""
        metrics, now = self._metrics, time.monotonic()
        live = [asked for asked in batch if not asked.ask.channel.stream.stopped]
        units = [asked.ask.unit for asked in live if now < asked.late]
        for asked in live:
            metrics.judge_wait.observe(now - asked.since)
            if now >= asked.late:
                asked.ask.unit.judged(None)
                metrics.unanswered.labels("late").inc()
        if not units or self._scorer is None:
            return
        began = time.perf_counter()
        found = await self._caller.call(self._scorer.judge, [unit.passage for unit in units])
        if not take_judgement(units, found, len(self._scorer.heads)):
            metrics.scoring_failures.labels("judge").inc()
            metrics.unanswered.labels("failed").inc(len(units))
            return
        metrics.judging.observe(time.perf_counter() - began)
        metrics.judge_batch.observe(len(units))
        metrics.units_judged.inc(len(units))
