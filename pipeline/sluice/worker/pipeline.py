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

from sluice.contract import BadFrameError, Flag, Limits, Order, Quarantine, Release, Topics, encode, read_frame
from sluice.contract.codec import VERSION, BadDelta
from sluice.metrics import Metrics
from sluice.moderation.checkpoint import Checkpoint, plan_checkpoint, stopped_entries
from sluice.moderation.detectors import Detectors
from sluice.moderation.scores import as_skimmed
from sluice.moderation.shard import Shard
from sluice.moderation.steps import Step, skimming
from sluice.worker.calls import Caller
from sluice.worker.judging import Asked, Judging
from sluice.worker.sink import Sink, Written

__all__ = ["Pipeline", "Record"]

Writes = list[tuple[bytes, bytes | None]]

_QUEUED_FRAMES = 512
"""Frames between the stages; beyond it stage one waits, so overload becomes latency and not memory."""
_UNITS_AT_ONCE = 256
"""Units in one call of the skimmer, so that its deadline is about a model that hangs and not about a backlog."""
_FRAMES_AT_ONCE = 256
"""Frames that stage two finishes together, so that one call of the skimmer serves them all."""


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
        self._topics = topics
        self._sink = sink
        self._metrics = metrics
        self._new_shard = new_shard
        self._between = between
        self._store = store
        self._shards: dict[int, Shard] = {}
        self._decided: dict[int, int] = {}  # partition -> last frame whose decisions are all acknowledged
        self._committed: dict[int, int] = {}
        self._seen: dict[int, int] = {}  # partition -> next offset at the last `catch_up`
        self._queue: asyncio.Queue[_Begun] = asyncio.Queue(_QUEUED_FRAMES)
        self._answers: list[Asked] = []
        self._work = asyncio.Event()
        self._intake = asyncio.Lock()
        self._finishing = asyncio.Lock()  # held while decisions are made and until the broker has them
        self.epoch = 0
        """Counts the times that all partitions were dropped; what was read before the last time is not ours."""
        self._skimmer = Caller("skim", scoring_deadline)
        self._judging = Judging(
            detectors.scorer, metrics, wait=judge_wait, deadline=scoring_deadline, answered=self._take_answers
        )
        metrics.uses_lexicon(detectors.lexicon.version)

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
        for shard in list(self._shards.values()):
            asks = [answer.ask for answer in answers if answer.shard is shard]
            if self._shards.get(shard.partition) is not shard:
                continue
            steps = shard.answered(asks, wall=time.time())
            begun += [_Begun(shard, step, await self._write_all(shard, step.urgent)) for step in steps]
        return begun

    async def _finish(self, batch: Sequence[_Begun]) -> None:
        await self._skim([begun.step for begun in batch])
        writing: list[Written] = []
        for begun in batch:
            writing += begun.writing
            shard = begun.shard
            if self._shards.get(shard.partition) is not shard:
                continue  # revoked meanwhile; its next owner decides these frames again
            finished = shard.finish(begun.step, wall=time.time())
            writing += await self._write_all(shard, finished.decisions)
            if finished.asks:
                await self._judging.add(shard, finished.asks)
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

    async def _skim(self, steps: Sequence[Step]) -> None:
        """Have the skimmer read what these steps have added to their channels."""
        scorer, skim, metrics = self._detectors.scorer, skimming(steps), self._metrics
        if scorer is None or scorer.skimmer is None:
            return
        for start in range(0, len(skim.units), _UNITS_AT_ONCE):
            pieces = skim.pieces[start : start + _UNITS_AT_ONCE]
            began = time.perf_counter()
            answer = await self._skimmer.call(scorer.skimmer.skim, skim.states[start : start + len(pieces)], pieces)
            found = as_skimmed(answer, len(pieces), len(scorer.heads))
            if found is None:
                metrics.scoring_failures.labels("skim").inc()
                skim.fail(start, start + len(pieces))
                continue
            skim.take(start, *found)
            metrics.skimming.observe(time.perf_counter() - began)
            metrics.units_skimmed.inc(len(pieces))

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
                await self._queue.join()
                async with self._finishing:
                    plans = self._plan(max_age)
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

    def _plan(self, max_age: float) -> list[tuple[Shard, Checkpoint]]:
        now = time.monotonic()
        self._count(self._shards.values())
        return [
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
        """Let go of the model's threads, without waiting for a call that hangs."""
        self._skimmer.close()
        self._judging.close()

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
