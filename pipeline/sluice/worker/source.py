"""Reading the outputs without skipping any: what Faust and aiokafka leave out is put right here.

At the end of a rebalance Faust throws away what it has fetched meanwhile and asks aiokafka to go back to the commit;
aiokafka does not go back when that is 0 or there is none. `SeekingApp` does. And whatever else skips records, `between`
reads them from the log.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from sluice.worker.record import Record

__all__ = ["SeekingApp", "between"]

_SILENT_READS = 4


class _Thread(driver.AIOKafkaConsumerThread):
    async def seek_to_committed(self) -> Mapping[TP, int]:
        committed: Mapping[TP, int] = await self.call_thread(self._seek)
        return committed

    async def _seek(self) -> Mapping[TP, int]:
        consumer = self._ensure_consumer()
        committed: dict[TP, int] = await consumer.seek_to_committed()
        unmoved = [tp for tp, offset in committed.items() if not offset]
        if unmoved:
            await consumer.seek_to_beginning(*unmoved)
        return committed


class _Consumer(driver.Consumer):
    def _new_consumer_thread(self) -> _Thread:
        return _Thread(self, loop=self.loop, beacon=self.beacon)


class _Transport(driver.Transport):
    Consumer = _Consumer


class SeekingApp(faust.App):
    """A Faust application whose consumer goes back to the commit also when that is the beginning of the log."""

    def _new_transport(self) -> Any:
        return _Transport(self.conf.broker_consumer, self)


async def between(bootstrap: str, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Record]:
    """The records of a partition from offset `start` up to `end`, which itself is not read.

    There may be fewer than `end - start`: transaction markers and deleted records are no records.
    """
    place = TopicPartition(topic, partition)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([place])
        consumer.seek(place, start)
        silent = 0
        while silent < _SILENT_READS and await consumer.position(place) < end:
            fetched = await consumer.getmany(place, timeout_ms=500)
            if not fetched:
                # Nothing there up to `end`, or a broker that is slow: it is asked again before that is believed.
                silent += 1
                continue
            silent = 0
            for record in fetched[place]:
                if record.offset >= end:
                    return
                yield Record(partition, record.offset, record.value or b"")
    finally:
        await consumer.stop()
