"""Topics of a test's own on some broker."""

from __future__ import annotations

import asyncio
import ctypes
import uuid
from collections.abc import Callable

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from sluice.contract import Topics
from sluice.local import Broker, MockBroker, create_topics

PARTITIONS = 3


class Place:
    """Where a test works."""

    def __init__(self, broker: Broker, topics: Topics) -> None:
        self.broker = broker
        self.topics = topics

    @property
    def bootstrap(self) -> str:
        return self.broker.bootstrap

    async def records(self, topic: str, *only: int) -> list[tuple[bytes | None, bytes]]:
        """Key and value of all records that a topic, or some of its partitions, holds."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, fetch_max_wait_ms=20)
        async with consumer:
            partitions = [TopicPartition(topic, number) for number in only or range(PARTITIONS)]
            ends = await consumer.end_offsets(partitions)
            consumer.assign(partitions)
            for partition in partitions:
                consumer.seek(partition, 0)
            found: dict[TopicPartition, list[tuple[bytes | None, bytes]]] = {tp: [] for tp in partitions}
            while any(len(found[tp]) < ends[tp] for tp in partitions):
                for tp, records in (await consumer.getmany(timeout_ms=100)).items():
                    found[tp] += [(record.key, record.value) for record in records]
        return [record for records in found.values() for record in records]

    async def write(self, topic: str, *values: bytes, key: str, partition: int) -> None:
        async with AIOKafkaProducer(bootstrap_servers=self.bootstrap) as producer:
            for value in values:
                await producer.send_and_wait(topic, value, key=key.encode(), partition=partition)


async def make_place(broker: Broker) -> Place:
    """New topics on a broker."""
    prefix = f"t{uuid.uuid4().hex[:10]}"
    topics = Topics(**{name: f"{prefix}.{name}" for name in Topics.__struct_fields__})
    await create_topics(broker, topics, PARTITIONS)
    return Place(broker, topics)


async def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait until it holds; fail when it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  it is a condition of many parts, none of which tells
            await asyncio.sleep(0.01)


def fail_next_produce(broker: Broker) -> None:
    """Make the mock broker refuse the next produce request: MESSAGE_TOO_LARGE, for good."""
    assert isinstance(broker, MockBroker)
    library, cluster = broker._running()
    push = library.rd_kafka_mock_push_request_errors_array
    push.restype, push.argtypes = None, [ctypes.c_void_p, ctypes.c_int16, ctypes.c_size_t, ctypes.c_void_p]
    errors = (ctypes.c_int * 1)(10)
    push(cluster, 0, 1, errors)
