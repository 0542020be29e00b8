"""The worker's two stages without Kafka: what is written when, and what may be committed after which failure."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sluice.contract import Decision, Delta, Frame, Limits, Order, Release, Topics, encode, read_decision
from sluice.metrics import Metrics
from sluice.moderation.checkpoint import restore
from sluice.moderation.detector import Passage
from sluice.moderation.detectors import Detectors
from sluice.moderation.shard import Shard
from sluice.worker.pipeline import Pipeline
from sluice.worker.record import Record
from sluice.worker.sink import Written
from support.drive import deltas_of
from support.marks import MarkCascade, MarkScorer, mark_detectors


class MemorySink:
    """Keeps what is written; can fail a write or hold back its acknowledgement."""

    def __init__(self) -> None:
        self.written: list[tuple[str, bytes]] = []
        self.fail_on: bytes | None = None

    async def write(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> Written:
        future: Written = asyncio.get_running_loop().create_future()
        if self.fail_on is not None and value is not None and self.fail_on in value:
            future.set_exception(OSError("the broker refused it"))
        else:
            self.written.append((topic, value or b""))
            future.set_result(None)
        return future

    def decisions(self) -> list[Decision]:
        return [read_decision(value) for topic, value in self.written if topic.endswith("decisions")]

    def orders(self) -> list[Order]:
        return [d for d in self.decisions() if isinstance(d, Order)]


class Bench:
    """A pipeline, a log that it can read what was skipped from, and what was committed."""

    def __init__(self, detectors: Detectors, scoring_deadline: float = 2.0, judge_wait: float = 0.0) -> None:
        self.sink = MemorySink()
        self.log: list[bytes] = []
        self.commits: list[dict[int, int]] = []
        self.stored: list[tuple[bytes, bytes | None]] = []
        self.metrics = Metrics()
        self.pipeline = Pipeline(
            detectors,
            Limits(),
            Topics(),
            self.sink,
            self.metrics,
            new_shard=self._shard,
            between=self._between,
            store=self._store,
            scoring_deadline=scoring_deadline,
            judge_wait=judge_wait,
        )
        self._detectors = detectors

    async def _shard(self, partition: int) -> Shard:
        return Shard(partition, self._detectors, Limits())

    async def _store(self, partition: int, writes: list[tuple[bytes, bytes | None]]) -> None:
        self.stored += writes

    async def _between(self, partition: int, start: int, end: int) -> AsyncIterator[Record]:
        for offset in range(start, end):
            yield Record(partition, offset, self.log[offset])

    def add(self, *deltas: Delta) -> Record:
        self.log.append(encode(Frame(1, "p", list(deltas), time.time())))
        return Record(0, len(self.log) - 1, self.log[-1])

    async def checkpoint(self, max_age: float = 0.0) -> None:
        async def commit(offsets: dict[int, int]) -> bool:
            self.commits.append(offsets)
            return True

        await self.pipeline.checkpoint(max_age, commit)


@asynccontextmanager
async def running(bench: Bench) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(bench.pipeline.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        bench.pipeline.close()


async def settle(bench: Bench) -> None:
    """Wait until stage two has nothing left."""
    await asyncio.wait_for(bench.pipeline.drained(), 10)


async def test_frames_are_decided_and_then_committed() -> None:
    bench = Bench(mark_detectors())
    async with running(bench):
        await bench.pipeline.take(
            [bench.add(*deltas_of("s", ["好。", "坏人。"])), bench.add(*deltas_of("t", ["行。"]))]
        )
        await bench.checkpoint()
    assert [o.order for o in bench.sink.orders()] == ["stop_generation", "stop_transmission"]
    assert [r.frame.offset for r in bench.sink.decisions() if isinstance(r, Release)] == [0, 1]
    assert bench.commits == [{0: 2}]


async def test_nothing_is_committed_past_a_write_that_failed() -> None:
    bench = Bench(mark_detectors())
    bench.sink.fail_on = b'"frame":[0,1]'
    async with running(bench) as task:
        await bench.pipeline.take([bench.add(*deltas_of("a", ["好。"]))])
        await settle(bench)
        await bench.pipeline.take([bench.add(*deltas_of("b", ["好。"])), bench.add(*deltas_of("c", ["好。"]))])
        with pytest.raises(OSError, match="refused"):
            await asyncio.wait_for(task, 10)
        with pytest.raises(RuntimeError, match="after a failure"):
            await bench.checkpoint()
    assert bench.commits == []


class SlowScorer(MarkScorer):
    """Answers only when it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.called = threading.Event()
        self.calls = 0

    def score(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        self.calls += 1
        self.called.set()
        self.let.wait(20)
        return super().score(passages)


async def test_an_order_of_the_lexicon_does_not_wait_for_the_classifier() -> None:
    scorer = SlowScorer()
    bench = Bench(mark_detectors(scorer), scoring_deadline=30)
    async with running(bench):
        await bench.pipeline.take([bench.add(*deltas_of("slow", ["一句话。"]))])
        await asyncio.to_thread(scorer.called.wait, 10)
        await bench.pipeline.take([bench.add(*deltas_of("bad", ["去赌博网"], final=False))])
        assert {o.stream for o in bench.sink.orders()} == {"bad"}
        assert not any(isinstance(d, Release) for d in bench.sink.decisions())
        scorer.let.set()
        await settle(bench)
    assert [m.stream for d in bench.sink.decisions() if isinstance(d, Release) for m in d.marks] == ["slow"]


async def test_a_classifier_that_hangs_blocks_and_later_calls_do_not_wait_for_it() -> None:
    scorer = SlowScorer()
    bench = Bench(mark_detectors(scorer), scoring_deadline=0.2)
    async with running(bench):
        for number in range(5):
            await bench.pipeline.take([bench.add(*deltas_of(f"s{number}", ["一句话。"]))])
            await settle(bench)
        assert scorer.calls == 1
        assert {(o.stream, o.reason, o.outcome) for o in bench.sink.orders()} == {
            (f"s{number}", "detector_failed", "blocked_unavailable") for number in range(5)
        }
        scorer.let.set()
        await asyncio.sleep(0.3)
        await bench.pipeline.take([bench.add(*deltas_of("later", ["一句话。"]))])
        await settle(bench)
    last = [m.stream for d in bench.sink.decisions() if isinstance(d, Release) for m in d.marks]
    assert last == ["later"]


class FailingScorer(MarkScorer):
    """Raises on one text, returns too few rows for another, and no number for a third."""

    def score(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        if any("炸" in p.text for p in passages):
            raise RuntimeError("no")
        rows = super().score(passages)
        if any("空" in p.text for p in passages):
            rows[0, 0] = np.nan
        return rows[:-1] if any("缺" in p.text for p in passages) else rows


async def test_a_classifier_that_fails_costs_only_its_own_call() -> None:
    bench = Bench(mark_detectors(FailingScorer()))
    async with running(bench):
        for stream, text in (("a", "好。"), ("b", "炸。"), ("c", "缺。"), ("n", "空。"), ("d", "好。")):
            await bench.pipeline.take([bench.add(*deltas_of(stream, [text]))])
            await settle(bench)
    assert {(o.stream, o.reason) for o in bench.sink.orders()} == {(s, "detector_failed") for s in "bcn"}
    released = [m.stream for d in bench.sink.decisions() if isinstance(d, Release) for m in d.marks]
    assert released == ["a", "d"]


async def test_records_that_the_source_skips_are_read_from_the_log() -> None:
    bench = Bench(mark_detectors())
    records = [bench.add(delta) for delta in deltas_of("s", ["一。", "二。", "三。", "四。"])]
    async with running(bench):
        await bench.pipeline.take([records[2]])
        await settle(bench)
        released = [m.offset for d in bench.sink.decisions() if isinstance(d, Release) for m in d.marks]
        assert released == [2, 4, 6]
        await bench.pipeline.take(records[:3])
        assert bench.metrics.skipped_reads._value.get() == 1
        # The last one is skipped too, and no later record shows it.
        await bench.pipeline.catch_up({0: 4}, 0)
        await bench.pipeline.catch_up({0: 4}, 0)
        await settle(bench)
    assert [m.offset for d in bench.sink.decisions() if isinstance(d, Release) for m in d.marks] == [2, 4, 6, 8]


async def test_what_was_revoked_is_neither_decided_nor_committed() -> None:
    scorer = SlowScorer()
    bench = Bench(mark_detectors(scorer), scoring_deadline=30)
    async with running(bench):
        await bench.pipeline.take([bench.add(*deltas_of("s", ["坏人。"]))])
        await asyncio.to_thread(scorer.called.wait, 10)
        bench.pipeline.drop()
        scorer.let.set()
        await settle(bench)
        await bench.checkpoint()
    assert bench.sink.decisions() == [] and bench.commits == []


async def test_unreadable_records_go_to_quarantine_and_are_passed_by_the_commit() -> None:
    bench = Bench(mark_detectors())
    bench.log.append(b"{no json")
    async with running(bench):
        await bench.pipeline.take([Record(0, 0, bench.log[0]), bench.add(*deltas_of("s", ["好。"]))])
        await bench.checkpoint()
    assert [topic for topic, _ in bench.sink.written] == ["moderation.quarantine", "moderation.decisions"]
    assert bench.commits == [{0: 2}]


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("\ud800"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["v", "producer", "deltas", "stream", "seq", "text", "\ud800"]), inner)
    ),
    max_leaves=12,
)
frames = st.builds(
    lambda fields, deltas: json.dumps({"v": 1, "producer": "p", "deltas": deltas, **fields}).encode(),
    st.dictionaries(st.sampled_from(["v", "producer", "sent_at", "x"]), json_like, max_size=2),
    st.lists(
        st.builds(
            lambda fields: {"stream": "s", "seq": 0, "start": 0, "text": "好", **fields},
            st.dictionaries(
                st.sampled_from(["stream", "seq", "start", "text", "channel", "final", "profile"]), json_like
            ),
        ),
        max_size=3,
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(frames | st.binary(max_size=50), min_size=1, max_size=5))
def test_no_bytes_whatever_stop_a_worker(values: list[bytes]) -> None:
    async def run() -> None:
        bench = Bench(mark_detectors())
        async with running(bench):
            bench.log = values
            await bench.pipeline.take(Record(0, n, value) for n, value in enumerate(values))
            await bench.pipeline.tick()
            await bench.checkpoint()
        for topic, value in bench.sink.written:
            assert len(value) < 1_000_000
            if topic.endswith("decisions"):
                read_decision(value)
        assert bench.commits == [] or set(bench.commits[0]) == {0}

    asyncio.run(run())


async def test_a_long_producer_id_is_cut_in_quarantine() -> None:
    bench = Bench(mark_detectors())
    bench.log = [
        encode({"v": 9, "producer": "x" * 900_000}),
        encode({"v": 1, "producer": "p", "deltas": [{"stream": "y" * 900_000}]}),
    ]
    async with running(bench):
        await bench.pipeline.take(Record(0, n, value) for n, value in enumerate(bench.log))
        await settle(bench)
    assert [t for t, _ in bench.sink.written][:2] == ["moderation.quarantine"] * 2
    assert all(len(value) < 200_000 for _, value in bench.sink.written)


async def test_a_repeat_of_a_complete_stream_is_only_counted() -> None:
    bench = Bench(mark_detectors())
    delta = deltas_of("s", ["好。"])[0]
    async with running(bench):
        for _ in range(3):
            await bench.pipeline.take([bench.add(delta)])
            await bench.checkpoint()
    assert bench.metrics.deltas.labels("repeat")._value.get() == 2
    assert not bench.sink.orders()


class UnhurriedScorer(MarkScorer):
    """Takes a millisecond a text."""

    def score(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        time.sleep(0.001 * len(passages))
        return super().score(passages)


async def test_a_backlog_becomes_latency_and_not_a_failure() -> None:
    bench = Bench(mark_detectors(UnhurriedScorer()), scoring_deadline=0.5)
    async with running(bench):
        await bench.pipeline.take(
            [
                bench.add(*(Delta(f"s{n}-{i}", 0, 0, "好。", final=True, profile="plain") for i in range(20)))
                for n in range(60)
            ]
        )
        await settle(bench)
    assert not bench.sink.orders()


async def test_a_stop_that_the_log_cannot_repeat_is_in_the_table_before_its_order() -> None:
    bench = Bench(mark_detectors())
    seen: list[int] = []

    async def store(_partition: int, writes: list[tuple[bytes, bytes | None]]) -> None:
        seen.append(len(bench.sink.orders()))
        bench.stored += writes

    bench.pipeline._writer._store = store
    async with running(bench):
        await bench.pipeline.take([bench.add(Delta("s", 0, 0, "好", profile="nobody"))])
        await settle(bench)
    assert seen == [0] and len(bench.sink.orders()) == 2
    assert [key for key, _ in bench.stored] == [b'[0,"s",""]']


def owner(
    table: dict[bytes, bytes | None], log: list[bytes], detectors: Detectors | None = None, committed: int = 0
) -> Bench:
    """A worker that takes over what the table and the log hold."""
    bench = Bench(detectors or mark_detectors())
    bench.log = list(log)

    async def shard(partition: int) -> Shard:
        made = Shard(partition, bench.pipeline.detectors, Limits())
        entries = {key: value for key, value in table.items() if value is not None}
        restore(made, entries, committed=committed, now=time.monotonic())
        return made

    bench.pipeline._partitions._new_shard = shard
    return bench


async def orders_of_next_owner(table: dict[bytes, bytes | None], log: list[bytes]) -> list[str]:
    bench = owner(table, log)
    async with running(bench):
        await bench.pipeline.take([Record(0, 0, log[0])])
        await settle(bench)
    return [order.order for order in bench.sink.orders()]


async def test_orders_that_a_crash_kept_from_being_written_are_written_by_the_next_owner() -> None:
    first = owner({}, [])
    first.sink.fail_on = b"stop_"
    async with running(first) as task:
        await first.pipeline.take([first.add(Delta("s", 0, 0, "好", profile="nobody"))])
        with pytest.raises(OSError, match="refused"):
            await asyncio.wait_for(asyncio.shield(task), 10)
    assert not first.sink.orders()
    table = dict(first.stored)

    second = owner(table, first.log)
    async with running(second):
        await second.pipeline.catch_up({0: 1}, 0)
        await second.pipeline.catch_up({0: 1}, 0)
        await settle(second)
        assert not second.stored, "they stand in the table already"
        await second.checkpoint()
        await second.checkpoint()
    assert [o.order for o in second.sink.orders()] == ["stop_generation", "stop_transmission"]
    assert {o.stream for o in second.sink.orders()} == {"s"} and second.commits == [{0: 1}]
    table |= dict(second.stored)

    third = owner(table, first.log)
    async with running(third):
        await third.pipeline.catch_up({0: 1}, 0)
        await third.pipeline.take([third.add(Delta("s", 1, 1, "好"))])
        await settle(third)
    assert not third.sink.orders(), "written once more only while it is not certain"


class RefusingSink(MemorySink):
    """Refuses to take a write at all."""

    async def write(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> Written:
        if value is not None and b"stop_" in value:
            raise OSError("no room")
        return await super().write(topic, partition, key, value)


@pytest.mark.parametrize("delta", [Delta("s", 0, 0, "好", profile="nobody"), Delta("s", 0, 0, "赌博网")])
async def test_after_a_failure_no_checkpoint_says_that_an_order_is_written(delta: Delta) -> None:
    first = owner({}, [])
    first.pipeline._writer._sink = RefusingSink()
    async with running(first):
        with pytest.raises(OSError, match="no room"):
            await first.pipeline.take([first.add(delta)])
        with pytest.raises(RuntimeError, match="after a failure"):
            await first.checkpoint()
    table = dict(first.stored)

    if table:  # what the log would not repeat; what it would is found again
        second = owner(table, first.log)
        second.pipeline._writer._sink = RefusingSink()
        async with running(second):
            with pytest.raises(OSError, match="no room"):
                await second.pipeline.catch_up({0: 1}, 0)
            with pytest.raises(RuntimeError, match="after a failure"):
                await second.checkpoint()
        table |= dict(second.stored)
    assert await orders_of_next_owner(table, first.log) == ["stop_generation", "stop_transmission"]


class PendingSink(MemorySink):
    """Orders are not acknowledged until the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: list[Written] = []
        self.both = asyncio.Event()

    async def write(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> Written:
        if value is None or b"stop_" not in value:
            return await super().write(topic, partition, key, value)
        self.pending.append(asyncio.get_running_loop().create_future())
        if len(self.pending) == 2:
            self.both.set()
        return self.pending[-1]


class FailingJudge(MarkCascade):
    def judge(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        raise OSError("the model is gone")


@pytest.mark.parametrize("scorer", [FailingJudge(), MarkCascade()], ids=["outage", "finding"])
async def test_a_checkpoint_that_waits_for_answers_writes_nothing_when_they_fail(scorer: MarkCascade) -> None:
    bench = owner({}, [], mark_detectors(scorer))
    bench.pipeline._writer._sink = bench.sink = sink = PendingSink()
    async with running(bench) as task:
        await bench.pipeline.take([bench.add(*deltas_of("s", ["坏。", "好"], final=False))])
        await asyncio.wait_for(sink.both.wait(), 10)
        checkpoint = asyncio.create_task(bench.checkpoint())
        await asyncio.sleep(0.05)
        stored = list(bench.stored)
        for write in sink.pending:
            write.set_exception(OSError("the broker refused it"))
        with pytest.raises(OSError, match="refused"):
            await asyncio.wait_for(asyncio.shield(task), 10)
        with pytest.raises(RuntimeError, match="after a failure"):
            await asyncio.wait_for(checkpoint, 10)
        assert bench.stored == stored


async def test_what_is_taken_while_partitions_are_revoked_makes_no_shard() -> None:
    scorer = SlowScorer()
    bench = Bench(mark_detectors(scorer), scoring_deadline=30)
    async with running(bench):
        records = [bench.add(*deltas_of(f"s{n}", ["好。"])) for n in range(2_000)]
        taking = asyncio.create_task(bench.pipeline.take(records))
        await asyncio.to_thread(scorer.called.wait, 10)
        await asyncio.sleep(0.05)
        bench.pipeline.drop()
        scorer.let.set()
        await asyncio.wait_for(taking, 10)
        await bench.pipeline.catch_up({0: 2_000}, 0)
        await settle(bench)
        await bench.checkpoint()
    assert bench.sink.decisions() == [] and bench.commits == []


async def test_a_partition_that_is_revoked_in_the_middle_of_a_tick_is_left_to_its_next_owner() -> None:
    bench = Bench(mark_detectors())
    async with running(bench):
        for partition in (0, 1):
            frame = encode(Frame(1, "p", [Delta(f"s{partition}", 1, 1, "好", profile="plain")]))
            await bench.pipeline.take([Record(partition, 0, frame)])
        await settle(bench)
        stored: list[int] = []

        async def store(partition: int, _writes: list[tuple[bytes, bytes | None]]) -> None:
            stored.append(partition)
            bench.pipeline.drop()

        bench.pipeline._writer._store = store
        for shard in bench.pipeline._partitions.shards:
            for channel in shard.streams[f"s{shard.partition}"].channels.values():
                channel.gap_since = float("-inf")
        await bench.pipeline.tick()
        await settle(bench)
    # What the table holds as stopped, its next owner says nothing of: the orders go out all the same.
    assert stored == [0]
    assert {(order.order, order.stream) for order in bench.sink.orders()} == {
        ("stop_generation", "s0"),
        ("stop_transmission", "s0"),
    }


async def test_what_was_skipped_is_not_read_on_when_the_partition_goes() -> None:
    bench = Bench(mark_detectors())
    async with running(bench):
        for n in range(6):
            bench.add(Delta(f"s{n}", 0, 0, "x" * 20_000, profile="plain"))  # too long: each is put into quarantine
        await bench.pipeline.take([Record(0, 0, bench.log[0])])

        async def between(partition: int, start: int, end: int) -> AsyncIterator[Record]:
            for offset in range(start, end):
                yield Record(partition, offset, bench.log[offset])
                if offset == 1:
                    bench.pipeline.drop()

        bench.pipeline._between = between
        written = len(bench.sink.written)
        await bench.pipeline.take([Record(0, 5, bench.log[5])])
        await bench.pipeline.catch_up({0: 6}, 0)
        await settle(bench)
    assert len(bench.sink.written) == written + 1
    assert bench.pipeline._partitions.seen == {}
