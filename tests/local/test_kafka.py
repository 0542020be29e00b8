"""The real broker: it serves, it keeps what it acknowledged, and it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

import sluice.local.kafka
from sluice.contract.topics import Topics
from sluice.errors import UnavailableError
from sluice.local import ExternalBroker, KafkaBroker, create_topics
from sluice.local.ports import free_ports
from sluice.local.probe import cluster_of
from support.brokers import STATE
from support.waiting import alive, group_members, until

pytestmark = pytest.mark.kafka


async def produce(bootstrap: str, topic: str, values: list[bytes]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)


async def consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    async with AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        found: list[bytes] = []
        deadline = time.monotonic() + 30
        while len(found) < count and time.monotonic() < deadline:
            for records in (await consumer.getmany(timeout_ms=500)).values():
                found += [record.value for record in records]
        return found


async def test_records_survive_a_killed_broker_on_the_same_port(own_kafka: KafkaBroker) -> None:
    topics = Topics()
    await create_topics(own_kafka, topics, 2)
    values = [b"%d" % number for number in range(50)]
    await produce(own_kafka.bootstrap, topics.outputs, values)
    before = own_kafka.bootstrap
    own_kafka.kill()
    assert own_kafka.pid is None
    own_kafka.start()
    assert own_kafka.bootstrap == before
    assert await consume(own_kafka.bootstrap, topics.outputs, len(values)) == values


async def test_two_brokers_at_once_are_apart(kafka: KafkaBroker, own_kafka: KafkaBroker) -> None:
    assert kafka.bootstrap != own_kafka.bootstrap
    apart = Topics(outputs="apart.outputs")
    await create_topics(own_kafka, apart, 1)
    await create_topics(kafka, apart, 1)
    await produce(own_kafka.bootstrap, apart.outputs, [b"own"])
    await produce(kafka.bootstrap, apart.outputs, [b"shared"])
    assert await consume(own_kafka.bootstrap, apart.outputs, 1) == [b"own"]
    assert await consume(kafka.bootstrap, apart.outputs, 1) == [b"shared"]


async def test_a_kept_folder_is_served_by_the_next_broker(tmp_path: Path) -> None:
    topics = Topics()
    with KafkaBroker(STATE, data=tmp_path / "kept") as first:
        await create_topics(first, topics, 1)
        await produce(first.bootstrap, topics.outputs, [b"kept"])
    with KafkaBroker(STATE, data=tmp_path / "kept") as second:
        assert await consume(second.bootstrap, topics.outputs, 1) == [b"kept"]
        second.remove()
    assert not (tmp_path / "kept").exists()


def test_no_process_and_no_data_is_left_after_stop(kafka: KafkaBroker, tmp_path: Path) -> None:
    jars = tmp_path / "kafka" / "lib"
    jars.parent.mkdir()
    jars.symlink_to(STATE / "kafka" / "lib")  # brought for the shared broker
    with KafkaBroker(tmp_path) as broker:
        pid = broker.pid
        assert pid is not None
        assert list(jars.parent.glob("broker-*"))
    assert not alive(pid)
    assert group_members(pid) == []
    assert not list(jars.parent.glob("broker-*"))


def test_a_killed_parent_leaves_no_broker(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from sluice.local import KafkaBroker\n"
        "broker = KafkaBroker(Path(sys.argv[1]), data=Path(sys.argv[2])); broker.start()\n"
        "print(broker.pid, flush=True); time.sleep(120)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(STATE), str(tmp_path / "data")], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    assert until(lambda: not alive(pid), 10)


def test_a_port_that_is_taken_meanwhile_is_left(kafka: KafkaBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = int(kafka.bootstrap.rpartition(":")[2])
    choices = [[taken, *free_ports(1)], free_ports(2)]
    monkeypatch.setattr(sluice.local.kafka, "free_ports", lambda count: choices.pop(0))
    with KafkaBroker(STATE) as broker:
        assert broker.bootstrap != kafka.bootstrap
        assert cluster_of("127.0.0.1", int(broker.bootstrap.rpartition(":")[2]))


def test_a_broker_that_fails_shows_its_last_lines(tmp_path: Path) -> None:
    broker = KafkaBroker(STATE, data=tmp_path)
    (tmp_path / "log").mkdir()
    # A folder that names another node: Kafka refuses it.
    (tmp_path / "log" / "meta.properties").write_text("version=1\nnode.id=7\ncluster.id=SAAAAAAAQACAAAAAAAAAAA\n")
    with pytest.raises(UnavailableError, match=r"(?s)did not start; last lines of .*broker\.log.*node id"):
        broker.start()
    assert broker.pid is None


def test_a_frozen_broker_is_stopped_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sluice.local.kafka, "STOP_SECONDS", 0.5)
    with KafkaBroker(STATE) as broker:
        pid = broker.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        broker.stop()
        assert not alive(pid)


def test_an_external_broker_is_checked(kafka: KafkaBroker) -> None:
    with ExternalBroker(f"127.0.0.1:1,{kafka.bootstrap}") as broker:
        assert broker.durable
