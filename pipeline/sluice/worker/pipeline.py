"""The two stages of a worker, without Faust: frames in, decisions out, and what may be committed.

Stage one (`take`) decodes frames, runs the lexicon and writes orders that are certain. Stage two (`run`) scores what
the classifier has to see, many frames at a time, finishes the frames in order and waits until the broker has all of
their decisions. A checkpoint stops stage one, lets stage two run dry, and then moves the commit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from sluice.contract import BadFrameError, Flag, Limits, Order, Quarantine, Release, Topics, encode, read_frame
from sluice.contract.codec import VERSION, BadDelta
from sluice.metrics import Metrics
from sluice.moderation.checkpoint import plan_checkpoint, stopped_entries
from sluice.moderation.detector import Passage, Scorer
from sluice.moderation.detectors import Detectors
from sluice.moderation.shard import Shard, Step
from sluice.worker.sink import Sink, Written

__all__ = ["Pipeline", "Record"]

Writes = list[tuple[bytes, bytes | None]]

_QUEUED_FRAMES = 512
"""Frames between the stages; beyond it stage one waits, so overload becomes latency and not memory."""
_TEXTS_AT_ONCE = 128
"""Texts in one call of the classifier, so that its deadline is about a model that hangs and not about a backlog."""
_FRAMES_AT_ONCE = 256
"""Frames that stage two finishes together, so that one call of the classifier serves them all."""


class Record(msgspec.Struct, frozen=True, gc=False):
    """One record of `moderation.outputs`."""

    partition: int
    offset: int
    value: bytes


class _Begun(msgspec.Struct, eq=False):
    shard: Shard
    step: Step
    writing: list[Written]


class Pipeline:
    """Belongs to one event loop. An exception from any of its coroutines is fatal: the process must end."""

    def __init__(
        self,
        detectors: Detectors,
        limits: Limits,
        topics: Topics,
        sink: Sink,
        metrics: Metrics,
        *,
        new_shard: Callable[[int], Awaitable[Shard]],
        between: Callable[[int, int, int], AsyncIterator[Record]],
        store: Callable[[int, Writes], Awaitable[None]],
        scoring_deadline: float,
    ) -> None:
        """Wire the stages up.

        Args:
            new_shard: makes the shard of a partition, restored from the table, reading on from the commit.
            between: reads the records of a partition from an offset up to another one.
            store: writes a partition's table entries and returns once they are acknowledged.
            scoring_deadline: seconds that one call of the classifier may take; it gets 128 texts at most.
        """
        self._detectors = detectors
        self._limits = limits
        self._topics = topics
        self._sink = sink
        self._metrics = metrics
        self._new_shard = new_shard
        self._between = between
        self._store = store
        self._scoring_deadline = scoring_deadline
        self._shards: dict[int, Shard] = {}
        self._decided: dict[int, int] = {}  # partition -> last frame whose decisions are all acknowledged
        self._committed: dict[int, int] = {}
        self._seen: dict[int, int] = {}  # partition -> next offset at the last `catch_up`
        self._queue: asyncio.Queue[_Begun] = asyncio.Queue(_QUEUED_FRAMES)
        self._intake = asyncio.Lock()
        self.epoch = 0
        """Counts the times that all partitions were dropped; what was read before the last time is not ours."""
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="scorer")
        self._stuck: asyncio.Future[NDArray[np.float32]] | None = None
        metrics.uses_lexicon(detectors.lexicon.version)

    @property
    def detectors(self) -> Detectors:
        """Those that the next frame is judged by."""
        return self._detectors

    async def use(self, detectors: Detectors) -> None:
        """Go on with other detectors of the same policy and model, between two frames.

        Every frame begun before is finished with the old ones. Streams that they stopped are put into the table first:
        after a crash the frames are read again with the new ones, which may not find what stopped a stream.
        """
        async with self._intake:
            began = time.perf_counter()
            await self.drained()
            for partition, shard in list(self._shards.items()):
                streams = [stream for stream, stored in shard.ended.stopped.items() if not stored]
                if streams and self._shards.get(partition) is shard:
                    await self._store(partition, stopped_entries(shard, streams))
            self._detectors = detectors
            for shard in self._shards.values():
                shard.use(detectors)
            self._metrics.uses_lexicon(detectors.lexicon.version)
            self._metrics.lexicon_swaps.inc()
            self._metrics.lexicon_swap.observe(time.perf_counter() - began)

    async def take(self, records: Iterable[Record]) -> None:
        """Stage one. Records of a partition come in order of their offsets; one read already is skipped."""
        epoch = self.epoch
        async with self._intake:
            for record in records:
                shard = await self._shard(record.partition, epoch)
                if shard is None:
                    return
                if record.offset > shard.next_offset:
                    await self._read_skipped(shard, record.offset)
                if record.offset >= shard.next_offset:
                    await self._begin(shard, record)

    async def catch_up(self, ends: Mapping[int, int], epoch: int) -> None:
        """Read what the source skipped at the end of the log, where no later record would show it. Call it about
        once a second.

        Args:
            ends: by partition assigned here, the offset that the next record will have.
            epoch: `epoch` from before the ends were asked for.
        """
        async with self._intake:
            for partition, end in ends.items():
                shard = await self._shard(partition, epoch)
                if shard is None:
                    return
                # Behind, and not moved since the last call: nothing is coming.
                if shard.next_offset < end and self._seen.get(partition) == shard.next_offset:
                    await self._read_skipped(shard, end)
                self._seen[partition] = shard.next_offset

    async def _shard(self, partition: int, epoch: int) -> Shard | None:
        """The partition's shard; None when the partitions were dropped since `epoch`."""
        if epoch != self.epoch:
            return None
        shard = self._shards.get(partition)
        if shard is None:
            shard = await self._new_shard(partition)
            if epoch != self.epoch:
                return None
            self._shards[partition] = shard
            self._decided[partition] = shard.next_offset - 1
            self._committed[partition] = shard.committed
            self._metrics.partitions.set(len(self._shards))
        return shard

    async def _read_skipped(self, shard: Shard, end: int) -> None:
        """Begin the frames before offset `end` that the log has; where it has none, there is nothing to read."""
        self._metrics.skipped_reads.inc()
        async for missing in self._between(shard.partition, shard.next_offset, end):
            await self._begin(shard, missing)
        if shard.next_offset < end:  # transaction markers, or records that retention has deleted
            shard.begin_at(end, shard.committed)

    async def _begin(self, shard: Shard, record: Record) -> None:
        writing: list[Written] = []
        try:
            read = read_frame(record.value, self._limits)
        except BadFrameError as error:
            bad = BadDelta(str(error.reason), str(error), "", None, record.value[: self._limits.quarantine_bytes])
            writing.append(await self._quarantine(record, error.producer, bad))
            step = shard.skip(record.offset, wall=time.time())
        else:
            now, wall = time.monotonic(), time.time()
            step = shard.begin(read.frame, record.offset, now=now, wall=wall)
            rejected = (*read.bad, *step.rejected)
            writing = [await self._quarantine(record, read.frame.producer, bad) for bad in rejected]
        await self._pass_on(shard, step, writing)

    async def _pass_on(self, shard: Shard, step: Step, writing: list[Written]) -> None:
        writing += await self._write_all(shard, step.urgent)
        await self._queue.put(_Begun(shard, step, writing))
        self._metrics.queued_frames.set(self._queue.qsize())

    async def run(self) -> None:
        """Stage two, for as long as the worker lives."""
        queue = self._queue
        while True:
            batch = [await queue.get()]
            while len(batch) < _FRAMES_AT_ONCE and not queue.empty():
                batch.append(queue.get_nowait())
            await self._finish(batch)
            for _ in batch:
                queue.task_done()

    async def _finish(self, batch: Sequence[_Begun]) -> None:
        scores = await self._score([Passage(window.text) for begun in batch for _, window in begun.step.windows])
        writing: list[Written] = []
        at = 0
        for begun in batch:
            count = len(begun.step.windows)
            part = scores[at : at + count]
            at += count
            writing += begun.writing
            shard = begun.shard
            if self._shards.get(shard.partition) is not shard:
                continue  # revoked meanwhile; its next owner decides these frames again
            writing += await self._write_all(shard, shard.finish(begun.step, part, wall=time.time()))
        if writing:
            await asyncio.gather(*writing)
        wall = time.time()
        for begun in batch:
            shard, step = begun.shard, begun.step
            if not step.is_frame:
                continue
            if self._shards.get(shard.partition) is shard:
                self._decided[shard.partition] = step.origin.frame.offset
            self._metrics.frames.inc()
            if step.origin.sent_at:
                self._metrics.decision_latency.observe(max(0.0, wall - step.origin.sent_at))

    async def _score(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        """Scores, shape `(passages, heads)`; a row of NaN for each one that was not scored."""
        scorer = self._detectors.scorer
        scores = np.full((len(passages), len(scorer.heads) if scorer is not None else 1), np.nan, dtype=np.float32)
        if scorer is not None:
            for start in range(0, len(passages), _TEXTS_AT_ONCE):
                some = passages[start : start + _TEXTS_AT_ONCE]
                found = await self._call(scorer, some)
                if found is not None and found.shape == (len(some), scores.shape[1]):
                    scores[start : start + len(some)] = found
                else:
                    self._metrics.scoring_failures.inc()
        return scores

    async def _call(self, scorer: Scorer, passages: Sequence[Passage]) -> NDArray[np.float32] | None:
        """One call of the classifier; None when it failed or did not answer in time."""
        if self._stuck is not None and not self._stuck.done():
            return None
        began = time.perf_counter()
        future = asyncio.get_running_loop().run_in_executor(self._executor, scorer.score, passages)
        try:
            scores = await asyncio.wait_for(asyncio.shield(future), self._scoring_deadline)
        except Exception:  # noqa: BLE001 - whatever a model raises, the profile's failure outcome holds
            # A call that hangs keeps its thread; until it comes back every further one counts as not answered.
            self._stuck = future
            future.add_done_callback(_retrieve)
            return None
        self._metrics.scoring.observe(time.perf_counter() - began)
        self._metrics.windows.inc(len(passages))
        return scores

    async def drained(self) -> None:
        """Wait until every frame that was taken is finished and its decisions are acknowledged."""
        await self._queue.join()

    async def tick(self) -> None:
        """Let time pass: slow sentences, gaps. Call it about twenty times a second."""
        async with self._intake:
            now, wall = time.monotonic(), time.time()
            for shard in self._shards.values():
                for step in shard.tick(now=now, wall=wall):
                    await self._pass_on(shard, step, [])

    async def checkpoint(
        self,
        max_age: float,
        commit: Callable[[dict[int, int]], Awaitable[bool]],
    ) -> None:
        """Write what a new owner could not rebuild from the log, then move the commit.

        Args:
            max_age: seconds of log that may have to be read again.
            commit: commits offsets by partition; False when they are not this worker's any more.
        """
        with self._metrics.checkpoint.time():
            async with self._intake:
                now, wall = time.monotonic(), time.time()
                for shard in self._shards.values():
                    for step in shard.expire(now=now, wall=wall):
                        await self._pass_on(shard, step, [])
                await self.drained()
                now = time.monotonic()
                plans = [
                    (
                        shard,
                        plan_checkpoint(
                            shard,
                            decided=self._decided[partition],
                            committed=self._committed[partition],
                            now=now,
                            max_age=max_age,
                        ),
                    )
                    for partition, shard in self._shards.items()
                ]
                self._count(shard for shard, _ in plans)
            for shard, plan in plans:
                if plan.writes and self._shards.get(shard.partition) is shard:
                    await self._store(shard.partition, plan.writes)
                    self._metrics.table_writes.inc(len(plan.writes))
            moved = {
                shard.partition: plan.commit
                for shard, plan in plans
                if self._shards.get(shard.partition) is shard and plan.commit > self._committed[shard.partition]
            }
            if moved and await commit(moved):
                for partition, offset in moved.items():
                    if partition in self._committed:
                        self._committed[partition] = offset

    def drop(self) -> None:
        """Forget all partitions: they were revoked. What comes next is read from the commit and the table."""
        self.epoch += 1
        self._shards.clear()
        self._decided.clear()
        self._committed.clear()
        self._seen.clear()
        self._metrics.partitions.set(0)
        self._metrics.open_streams.set(0)

    def close(self) -> None:
        """Let go of the scoring thread, without waiting for a call that hangs."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _quarantine(self, record: Record, producer: str, bad: BadDelta) -> Written:
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

    async def _write_all(self, shard: Shard, decisions: Sequence[Release | Order | Flag]) -> list[Written]:
        """Write decisions. A stop that reading the log again would not repeat, because time or an outage caused it, is
        first put into the table."""
        lasting = {d.stream for d in decisions if isinstance(d, Order) and d.reason != "finding"}
        if lasting:
            await self._store(shard.partition, stopped_entries(shard, lasting))
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

    def _count(self, shards: Iterable[Shard]) -> None:
        streams = 0
        for shard in shards:
            counts = shard.take_counts()
            self._metrics.deltas.labels("read").inc(max(0, counts.deltas - counts.repeats))
            self._metrics.deltas.labels("repeat").inc(counts.repeats)
            self._metrics.deltas.labels("after_stop").inc(counts.after_stop)
            self._metrics.characters.inc(counts.characters)
            self._metrics.gaps.inc(counts.gaps)
            streams += len(shard.streams)
        self._metrics.open_streams.set(streams)


def _retrieve(future: asyncio.Future[Any]) -> None:
    """Take the exception of a call nobody waits for any more, so that it is not reported as forgotten."""
    if not future.cancelled():
        future.exception()
