"""The stages of a worker, without Faust: frames in, decisions out, and what may be committed.

Stage one (`take`) decodes frames, runs the lexicon and writes orders that are certain. Stage two (`run`) skims what
many frames have added to their channels, finishes the frames in order and waits until the broker has all of their
decisions. Units that have to be judged go to a queue (`judging`), and no frame waits for them: what comes of an answer
is finished like a frame, when it comes. A checkpoint stops stage one, lets stage two run dry, and then moves the
commit; a channel with a unit that is out holds the commit back, or takes the unit with it into the table.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec

from sluice.contract import BadFrameError, Limits, Topics, read_frame
from sluice.contract.codec import BadDelta
from sluice.metrics import Metrics
from sluice.moderation.checkpoint import Checkpoint, plan_checkpoint, stopped_entries
from sluice.moderation.detectors import Detectors
from sluice.moderation.shard import Shard
from sluice.moderation.steps import Step
from sluice.worker.judging import Asked, Judging
from sluice.worker.partitions import Partitions
from sluice.worker.record import Record
from sluice.worker.sink import Sink, Written
from sluice.worker.skimming import SkimStage
from sluice.worker.turns import Turns
from sluice.worker.writing import Store, Writer

__all__ = ["Pipeline"]

_QUEUED_FRAMES = 512
"""Frames between the stages; beyond it stage one waits, so overload becomes latency and not memory."""
_FRAMES_AT_ONCE = 256
"""Frames that stage two finishes together, so that one call of the skimmer serves them all."""


class _Begun(msgspec.Struct, eq=False):
    shard: Shard
    step: Step
    writing: list[Written]


class Pipeline:
    """Belongs to one event loop. An exception from any of its coroutines is fatal: the process must end, and until it
    does, nothing goes on."""

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
        store: Store,
        scoring_deadline: float,
        judge_wait: float,
    ) -> None:
        """Wire the stages up.

        Args:
            new_shard: makes the shard of a partition, restored from the table, reading on from the commit.
            between: reads the records of a partition from an offset up to another one.
            store: writes a partition's table entries and returns once they are acknowledged.
            scoring_deadline: seconds that one call of the classifier may take.
            judge_wait: seconds that a unit may wait for others to be judged with.
        """
        self._detectors = detectors
        self._limits = limits
        self._metrics = metrics
        self._between = between
        self._store = store
        self._partitions = Partitions(new_shard, metrics)
        self._writer = Writer(topics, sink, store, metrics, held=self._partitions.held)
        self._queue: asyncio.Queue[_Begun] = asyncio.Queue(_QUEUED_FRAMES)
        self._answers: list[Asked] = []
        self._work = asyncio.Event()
        turns = Turns()
        self._intake = turns.lock()
        self._finishing = turns.lock()  # held while decisions are made and until the broker has them
        self._skim_stage = SkimStage(metrics, scoring_deadline)
        self._judging = Judging(
            detectors.scorer, metrics, wait=judge_wait, deadline=scoring_deadline, answered=self._take_answers
        )
        metrics.uses_lexicon(detectors.lexicon.version)

    @property
    def epoch(self) -> int:
        """Counts the times that all partitions were dropped; what was read before the last time is not ours."""
        return self._partitions.epoch

    @property
    def detectors(self) -> Detectors:
        """Those that the next frame is judged by."""
        return self._detectors

    async def use(self, detectors: Detectors) -> None:
        """Go on with other detectors of the same policy and model, between two frames.

        Every frame begun before is finished with the old ones; what the classifier says later of a sentence is not
        changed by them. Streams that they stopped are put into the table first:
        after a crash the frames are read again with the new ones, which may not find what stopped a stream.
        """
        async with self._intake:
            began = time.perf_counter()
            await self._queue.join()
            async with self._finishing:
                for shard in self._partitions.shards:
                    streams = [stream for stream, stored in shard.ended.stopped.items() if not stored]
                    if streams and self._partitions.held(shard):
                        await self._store(shard.partition, stopped_entries(shard, streams))
                self._detectors = detectors
                for shard in self._partitions.shards:
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
                if record.offset >= shard.next_offset and self._partitions.held(shard):
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
                if shard.next_offset < end and self._partitions.seen.get(partition) == shard.next_offset:
                    await self._read_skipped(shard, end)
                if self._partitions.held(shard):
                    self._partitions.seen[partition] = shard.next_offset

    async def _shard(self, partition: int, epoch: int) -> Shard | None:
        """The partition's shard, and first what the owner before may not have come to write; None when the partitions
        were dropped since `epoch`."""
        known = self._partitions.knows(partition)
        shard = await self._partitions.shard(partition, epoch)
        if shard is not None and not known:
            owed = shard.owed(wall=time.time())
            if owed is not None:
                await self._pass_on(shard, owed, [])
        return shard

    async def _read_skipped(self, shard: Shard, end: int) -> None:
        """Begin the frames before offset `end` that the log has; where it has none, there is nothing to read."""
        self._metrics.skipped_reads.inc()
        async for missing in self._between(shard.partition, shard.next_offset, end):
            if not self._partitions.held(shard):
                return
            await self._begin(shard, missing)
        if shard.next_offset < end:  # transaction markers, or records that retention has deleted
            shard.begin_at(end, shard.committed)

    async def _begin(self, shard: Shard, record: Record) -> None:
        writing: list[Written] = []
        try:
            read = read_frame(record.value, self._limits)
        except BadFrameError as error:
            bad = BadDelta(str(error.reason), str(error), "", None, record.value[: self._limits.quarantine_bytes])
            writing += await self._writer.quarantine(shard, record, error.producer, [bad])
            step = shard.skip(record.offset, wall=time.time())
        else:
            now, wall = time.monotonic(), time.time()
            step = shard.begin(read.frame, record.offset, now=now, wall=wall)
            rejected = (*read.bad, *step.rejected)
            writing += await self._writer.quarantine(shard, record, read.frame.producer, rejected)
        await self._pass_on(shard, step, writing)

    async def _pass_on(self, shard: Shard, step: Step, writing: list[Written]) -> None:
        writing += await self._writer.decisions(shard, step.urgent)
        await self._queue.put(_Begun(shard, step, writing))
        self._work.set()
        self._metrics.queued_frames.set(self._queue.qsize())

    async def run(self) -> None:
        """Stage two, for as long as the worker lives."""
        judging = asyncio.create_task(self._judging.run())
        judging.add_done_callback(lambda _: self._work.set())
        try:
            while not judging.done():
                await self._work.wait()
                self._work.clear()
                while not self._queue.empty() or self._answers:
                    await self._finish_some()
            judging.result()
        finally:
            judging.cancel()
            await asyncio.gather(judging, return_exceptions=True)

    def _take_answers(self, answers: Sequence[Asked]) -> None:
        self._answers += answers
        self._work.set()

    async def _finish_some(self) -> None:
        batch: list[_Begun] = []
        while len(batch) < _FRAMES_AT_ONCE and not self._queue.empty():
            batch.append(self._queue.get_nowait())
        answers, self._answers = self._answers, []
        async with self._finishing:
            await self._finish([*await self._answered(answers), *batch])
        for _ in batch:
            self._queue.task_done()
        if answers:
            await self._judging.taken(len(answers))

    async def _answered(self, answers: Sequence[Asked]) -> list[_Begun]:
        """Steps for units whose answers have come. What was revoked meanwhile its next owner decides."""
        begun: list[_Begun] = []
        for shard in self._partitions.shards:
            asks = [answer.ask for answer in answers if answer.shard is shard]
            if not self._partitions.held(shard):
                continue
            steps = shard.answered(asks, wall=time.time())
            begun += [_Begun(shard, step, await self._writer.decisions(shard, step.urgent)) for step in steps]
        return begun

    async def _finish(self, batch: Sequence[_Begun]) -> None:
        await self._skim_stage.skim(self._detectors.scorer, [begun.step for begun in batch])
        writing: list[Written] = []
        for begun in batch:
            writing += begun.writing
            shard = begun.shard
            if not self._partitions.held(shard):
                continue  # revoked meanwhile; its next owner decides these frames again
            finished = shard.finish(begun.step, wall=time.time())
            writing += await self._writer.decisions(shard, finished.decisions)
            if finished.asks:
                await self._judging.add(shard, finished.asks)
        if writing:
            await asyncio.gather(*writing)
        wall = time.time()
        for begun in batch:
            shard, step = begun.shard, begun.step
            if not step.is_frame:
                continue
            if self._partitions.held(shard):
                self._partitions.decided[shard.partition] = step.origin.frame.offset
            self._metrics.frames.inc()
            if step.origin.sent_at:
                self._metrics.decision_latency.observe(max(0.0, wall - step.origin.sent_at))

    async def drained(self) -> None:
        """Wait until every frame that was taken is finished, all that had to be judged is, and the broker has the
        decisions."""
        while True:
            await self._queue.join()
            if not self._judging.out:
                return
            await self._judging.idle()

    async def tick(self) -> None:
        """Let time pass: slow sentences, gaps. Call it about twenty times a second."""
        async with self._intake:
            now, wall = time.monotonic(), time.time()
            for shard in self._partitions.shards:
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
                for shard in self._partitions.shards:
                    for step in shard.expire(now=now, wall=wall):
                        await self._pass_on(shard, step, [])
                await self._queue.join()
                async with self._finishing:
                    plans = self._plan(max_age)
            for shard, plan in plans:
                if plan.writes and self._partitions.held(shard):
                    await self._store(shard.partition, plan.writes)
                    self._metrics.table_writes.inc(len(plan.writes))
            committed = self._partitions.committed
            moved = {
                shard.partition: plan.commit
                for shard, plan in plans
                if self._partitions.held(shard) and plan.commit > committed[shard.partition]
            }
            if moved and await commit(moved):
                for partition, offset in moved.items():
                    if partition in committed:
                        committed[partition] = offset

    def _plan(self, max_age: float) -> list[tuple[Shard, Checkpoint]]:
        now = time.monotonic()
        self._partitions.count()
        return [
            (
                shard,
                plan_checkpoint(
                    shard,
                    decided=self._partitions.decided[shard.partition],
                    committed=self._partitions.committed[shard.partition],
                    now=now,
                    max_age=max_age,
                ),
            )
            for shard in self._partitions.shards
        ]

    def drop(self) -> None:
        """Forget all partitions: they were revoked. What comes next is read from the commit and the table."""
        self._partitions.drop()

    def close(self) -> None:
        """Let go of the model's threads, without waiting for a call that hangs."""
        self._skim_stage.close()
        self._judging.close()
