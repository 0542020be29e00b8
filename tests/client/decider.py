"""A worker in miniature: the real core between the real topics, for as long as a test needs it."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from sluice.contract import BadFrameError, Decision, Limits, Topics, encode, read_frame
from sluice.lexicon import Lexicon, Term
from sluice.moderation.detectors import Detectors
from sluice.moderation.shard import Shard
from sluice.policy import Policy

POLICY = Policy.parse(
    """
version: 1
profiles:
  default: {extends: default, detectors: [lexicon], deadline_ms: 20000}
  impatient: {extends: default, unit_ms: 100, deadline_ms: 300}
  brisk: {extends: default, unit_ms: 100, deadline_ms: 2000}
  open: {extends: default, unit_ms: 100, deadline_ms: 300, on_failure: open, risks: {"*": {on_failure: open}}}
  live: {extends: default, mode: live}
  watch: {extends: default, mode: monitor}
""",
    "test.yaml",
)

LEXICON = Lexicon(
    [
        Term("赌博网", "A.1.h", 3, "test"),
        Term("真人百家乐在线", "A.1.h", 3, "test"),
        Term("forbidden phrase", "A.1.f", 3, "test", word=True),
    ]
)


class Decider:
    """Reads outputs from the beginning, and decides by a lexicon of two terms. Use it as `async with`."""

    def __init__(self, bootstrap: str, topics: Topics, *, repeat: int = 1, limits: Limits | None = None) -> None:
        """`repeat`: how often each decision is written."""
        self.seen: list[Decision] = []
        self._bootstrap = bootstrap
        self._topics = topics
        self._repeat = repeat
        self._limits = limits or Limits()
        self._detectors = Detectors(LEXICON, None, POLICY, hasher=str)
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, fetch_max_wait_ms=20, auto_offset_reset="earliest"
        )
        self._producer = AIOKafkaProducer(bootstrap_servers=self._bootstrap, enable_idempotence=True)
        await self._producer.start()
        partitions = await self._producer.partitions_for(self._topics.outputs)
        await self._consumer.start()
        self._consumer.assign([TopicPartition(self._topics.outputs, number) for number in partitions])
        self._shards = {number: Shard(number, self._detectors, self._limits) for number in partitions}
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        crashed = self._task.done()
        self._task.cancel()
        await asyncio.wait([self._task])
        await self._consumer.stop()
        await self._producer.stop()
        if crashed:
            self._task.result()

    async def _run(self) -> None:
        while True:
            for tp, records in (await self._consumer.getmany(timeout_ms=50)).items():
                for record in records:
                    await self._frame(tp.partition, record)
            for number, shard in self._shards.items():
                for step in shard.tick(now=time.monotonic(), wall=time.time()):
                    await self._write(
                        number,
                        [*step.urgent, *shard.finish(step, wall=time.time()).decisions],
                    )

    async def _frame(self, number: int, record: Any) -> None:
        try:
            read = read_frame(record.value, self._limits)
        except BadFrameError:
            return
        shard = self._shards[number]
        step = shard.begin(read.frame, record.offset, now=time.monotonic(), wall=time.time())
        await self._write(number, [*step.urgent, *shard.finish(step, wall=time.time()).decisions])

    async def _write(self, number: int, decisions: list[Decision]) -> None:
        self.seen += decisions
        for decision in decisions:
            for _ in range(self._repeat):
                await self._producer.send(
                    self._topics.decisions, encode(decision), key=decision.producer.encode(), partition=number
                )
        await self._producer.flush()
