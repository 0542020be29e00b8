"""The topics, on the real broker and on the mock."""

from __future__ import annotations

import asyncio
import sys

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from sluice.contract.topics import Topics
from sluice.errors import InputError, UnavailableError
from sluice.local import Broker, KafkaBroker, MockBroker, create_topics

PROGRAM = """
import asyncio, sys
from aiokafka import AIOKafkaProducer

async def main():
    async with AIOKafkaProducer(bootstrap_servers=sys.argv[1], enable_idempotence=True) as producer:
        for number in range(20):
            await producer.send_and_wait(sys.argv[2], b"%d" % number, partition=number % 4)

asyncio.run(main())
"""


@pytest.fixture(params=[pytest.param("kafka", marks=pytest.mark.kafka), "mock_kafka"])
def broker(request: pytest.FixtureRequest) -> Broker:
    chosen: Broker = request.getfixturevalue(request.param)
    return chosen


def named(prefix: str) -> Topics:
    """Topics of one test's own on the shared broker."""
    return Topics(**{field: f"{prefix}.{field}" for field in Topics.__struct_fields__})


async def test_records_of_another_process_arrive(broker: Broker) -> None:
    topics = named("process")
    await create_topics(broker, topics)
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, broker.bootstrap, topics.outputs)
    assert await asyncio.wait_for(child.wait(), 60) == 0
    async with AIOKafkaConsumer(
        topics.outputs, bootstrap_servers=broker.bootstrap, group_id="process", auto_offset_reset="earliest"
    ) as consumer:
        values = [(await asyncio.wait_for(consumer.getone(), 30)).value for _ in range(20)]
    assert sorted(map(int, values)) == list(range(20))
    assert len(consumer.partitions_for_topic(topics.outputs) or ()) == 4


async def test_again_is_harmless_and_another_number_is_refused(broker: Broker) -> None:
    topics = named("again")
    await create_topics(broker, topics, 3, changelog="again-streams-changelog")
    await create_topics(broker, topics, 3, changelog="again-streams-changelog")
    with pytest.raises(InputError, match=r"topic again\.\w+ has 3 partitions, 4 are needed"):
        await create_topics(broker, topics, 4)


@pytest.mark.kafka
async def test_a_name_that_kafka_refuses(kafka: KafkaBroker) -> None:
    with pytest.raises(InputError, match="not valid!"):
        await create_topics(kafka, named("refused"), extra=[("not valid!", {})])


@pytest.mark.kafka
async def test_settings_on_the_real_broker(kafka: KafkaBroker) -> None:
    topics = named("settings")
    extra = [("settings.more", {"retention.ms": "1000"})]
    await create_topics(kafka.bootstrap, topics, 2, changelog="settings-streams-changelog", extra=extra)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        found = {}
        for name in [topics.outputs, topics.controls, topics.decisions, "settings-streams-changelog", "settings.more"]:
            (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
            found[name] = {entry[0]: entry[1] for entry in answer.resources[0][4]}
        partitions = {t["topic"]: len(t["partitions"]) for t in await admin.describe_topics(list(found))}
    finally:
        await admin.close()
    assert found[topics.outputs]["cleanup.policy"] == "delete"
    assert found[topics.outputs]["retention.ms"] == "3600000"
    assert int(found[topics.outputs]["segment.ms"]) < 3_600_000
    assert int(found[topics.decisions]["retention.ms"]) > 3_600_000
    assert found[topics.controls]["cleanup.policy"] == "compact"
    assert found["settings-streams-changelog"]["cleanup.policy"] == "compact"
    assert found["settings.more"]["retention.ms"] == "1000"
    assert (partitions[topics.controls], partitions["settings-streams-changelog"]) == (1, 2)


async def test_a_broker_that_is_not_there() -> None:
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
        await create_topics("127.0.0.1:1", Topics())


def test_the_mock_is_gone_after_stop() -> None:
    mock = MockBroker()
    with mock:
        assert mock.bootstrap
        with pytest.raises(RuntimeError):
            mock.start()
    with pytest.raises(RuntimeError):
        _ = mock.bootstrap
    mock.stop()


def test_the_mock_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match="the extra `local`"):
        MockBroker().start()
