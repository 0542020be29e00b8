"""Whatever dies: nothing is missing, order holds, nothing leaks, and what was stopped stays stopped."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer

from e2e.world import LEXICON, POLICY, Script, observe, publish, scripts
from sluice.contract import Delta, Frame, encode
from sluice.local import KafkaBroker
from support.installation import Install

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


async def test_kill_nine_in_the_middle_of_two_hundred_streams(kafka: KafkaBroker, install: Install) -> None:
    world = scripts(200, 8, parts=70)
    place = await install(kafka, policy=POLICY, lexicon=LEXICON)
    watching = asyncio.create_task(observe(place.bootstrap, world, timeout=90, topics=place.topics))
    publishing = asyncio.create_task(publish(place.bootstrap, world, steps_per_second=12, topics=place.topics))
    for slot, pause in ((0, 2.0), (1, 2.5), (0, 1.5)):
        await asyncio.sleep(pause)
        place.kill(slot)
    await publishing
    account = await watching
    assert account.problems(world) == []
    assert sum(place.supervisor.restarts().values()) == 3


async def test_workers_that_come_and_go_leave_nothing_out(kafka: KafkaBroker, install: Install) -> None:
    world = scripts(80, 8, parts=60, seed=2)
    place = await install(kafka, policy=POLICY, lexicon=LEXICON, workers=2, session_timeout=6)
    watching = asyncio.create_task(observe(place.bootstrap, world, timeout=90, topics=place.topics))
    publishing = asyncio.create_task(publish(place.bootstrap, world, steps_per_second=6, topics=place.topics))
    await asyncio.sleep(2)
    # One slot goes for good: after its session the other takes over all partitions.
    await asyncio.to_thread(place.supervisor.stop)
    from sluice.local import Supervisor

    others = Supervisor([slot for slot in place.supervisor.slots if slot.name != "worker-1"])
    await asyncio.to_thread(others.start)
    try:
        await publishing
        account = await watching
    finally:
        await asyncio.to_thread(others.stop)
    assert account.problems(world) == []


async def test_the_broker_dies_and_comes_back(own_kafka: KafkaBroker, install: Install) -> None:
    world = scripts(60, 4, parts=60, seed=3)
    place = await install(own_kafka, policy=POLICY, lexicon=LEXICON)
    watching = asyncio.create_task(observe(place.bootstrap, world, timeout=120, topics=place.topics))
    publishing = asyncio.create_task(publish(place.bootstrap, world, steps_per_second=8, topics=place.topics))
    await asyncio.sleep(2.5)
    await asyncio.to_thread(own_kafka.kill)
    await asyncio.sleep(1)
    await asyncio.to_thread(own_kafka.start)
    await publishing
    account = await watching
    assert account.problems(world) == []


async def test_a_stopped_stream_stays_stopped_after_a_crash(kafka: KafkaBroker, install: Install) -> None:
    stopped = Script("bad", "p", ["你好，", "大赌场", "网址", "在这里", "还有很多话", "要说"], 3)
    place = await install(kafka, policy=POLICY, lexicon=LEXICON, workers=1)
    producer = AIOKafkaProducer(bootstrap_servers=place.bootstrap)
    await producer.start()
    try:
        start = 0
        for seq, text in enumerate(stopped.parts):
            if seq == 4:
                account = await observe(place.bootstrap, [stopped], timeout=20, topics=place.topics)
                await asyncio.sleep(2.5)  # so that the table has it and the log before it is committed
                place.kill(0)
                await place.ready(0, lives=2)
            delta = Delta("bad", seq, start, text, final=seq == len(stopped.parts) - 1)
            await producer.send_and_wait(place.topics.outputs, encode(Frame(1, "p", [delta])), key=b"p")
            start += len(text)
        clean = Script("good", "p", ["一句好话。"], None)
        delta = Delta("good", 0, 0, clean.parts[0], final=True)
        await producer.send_and_wait(place.topics.outputs, encode(Frame(1, "p", [delta])), key=b"p")
    finally:
        await producer.stop()
    account = await observe(place.bootstrap, [stopped, clean], timeout=30, topics=place.topics)
    assert account.problems([stopped, clean]) == []


async def test_every_frame_twice_changes_nothing(kafka: KafkaBroker, install: Install) -> None:
    world = scripts(20, 2, parts=20, seed=4)
    place = await install(kafka, policy=POLICY, lexicon=LEXICON, workers=1)
    await publish(place.bootstrap, world, steps_per_second=200, topics=place.topics)
    await publish(place.bootstrap, world, steps_per_second=200, topics=place.topics)
    account = await observe(place.bootstrap, world, timeout=30, topics=place.topics)
    assert account.problems(world) == []
