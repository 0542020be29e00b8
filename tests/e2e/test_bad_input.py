"""Every kind of bad input against a running worker: its defined outcome, and nothing else is lost."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from e2e.world import LEXICON, POLICY, Script, observe
from sluice.contract import Delta, Frame, Order, Quarantine, Release, encode, read_decision
from sluice.local import KafkaBroker
from support.installation import Install, Installation

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def frame(*deltas: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({"v": 1, "producer": "p", "deltas": list(deltas), **fields}).encode()


def delta(stream: str, seq: int = 0, start: int = 0, text: str = "好。", **fields: Any) -> dict[str, Any]:
    return {"stream": stream, "seq": seq, "start": start, "text": text, **fields}


async def send(place: Installation, *frames: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=place.bootstrap, max_request_size=20_000_000)
    await producer.start()
    try:
        for value in frames:
            await producer.send_and_wait(place.topics.outputs, value, key=b"p")
    finally:
        await producer.stop()


async def quarantined(place: Installation, count: int) -> list[Quarantine]:
    import msgspec

    consumer = AIOKafkaConsumer(
        place.topics.quarantine, bootstrap_servers=place.bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    found: list[Quarantine] = []
    try:
        async with asyncio.timeout(30):
            while len(found) < count:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += [msgspec.json.decode(r.value, type=Quarantine) for r in records]
    finally:
        await consumer.stop()
    return found


async def test_what_cannot_be_read_goes_to_quarantine_and_its_neighbours_are_released(
    kafka: KafkaBroker, install: Install
) -> None:
    place = await install(kafka, policy=POLICY, lexicon=LEXICON, workers=1)
    good = delta("good", final=True)
    bad: dict[str, bytes] = {
        "not_json": b"{no json",
        "not_utf8": b'{"v":1,"producer":"\xff"}',
        "version": frame(good, v=2),
        "field": frame({**delta("x"), "seq": -1}, {**delta("y"), "text": 7}, {"stream": "z", "seq": 0}, good),
        "surrogate": frame(delta("half", text="a\ud800"), delta("good2", final=True)),
        "delta_too_long": frame(delta("long", text="好" * 20_000), delta("good3", final=True)),
        "after_final": frame(delta("twice", final=True), delta("twice", 1, 2, final=True), delta("twice", 2, 2)),
        "frame_too_large": frame(delta("huge", text="x" * 1_000_100)),
    }
    await send(place, *bad.values(), b"", b"[]", b"null", frame(), frame(delta("last", final=True)))
    found = await quarantined(place, 14)
    reasons = {q.reason for q in found}
    assert reasons == set(bad)
    assert all("好" not in q.detail and "a\ud800" not in q.detail for q in found)
    settled = [Script(name, "p", ["好。"], None) for name in ("good", "good2", "good3", "twice", "last")]
    account = await observe(place.bootstrap, settled, timeout=20, topics=place.topics)
    assert account.problems(settled) == []
    assert sum(place.supervisor.restarts().values()) == 0


async def test_a_delta_that_was_lost_to_quarantine_stops_its_stream_as_a_gap(
    kafka: KafkaBroker, install: Install
) -> None:
    place = await install(kafka, policy=POLICY, lexicon=LEXICON, workers=1)
    await send(
        place,
        frame(delta("s"), delta("t")),
        frame({**delta("s", 1, 2), "text": None}, delta("t", 1, 5), delta("n", 3, 0), delta("u", profile="nobody")),
        frame(delta("s", 2, 4)),
    )
    reasons = {}
    consumer = AIOKafkaConsumer(place.topics.decisions, bootstrap_servers=place.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            while len(reasons) < 4:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        decision = read_decision(record.value)
                        if isinstance(decision, Order):
                            reasons[decision.stream] = decision.reason
    finally:
        await consumer.stop()
    assert reasons == {"s": "gap", "t": "gap", "n": "context_lost", "u": "unknown_profile"}


async def test_a_hundred_thousand_streams_of_one_producer_do_not_harm_another(
    kafka: KafkaBroker, install: Install
) -> None:
    place = await install(kafka, policy=POLICY, lexicon=LEXICON, workers=1)
    producer = AIOKafkaProducer(bootstrap_servers=place.bootstrap)
    await producer.start()
    try:
        for first in range(0, 100_000, 1_000):
            deltas = [Delta(f"many-{first + i}", 0, 0, "好") for i in range(1_000)]
            await producer.send(place.topics.outputs, encode(Frame(1, "greedy", deltas)), key=b"greedy")
        await producer.flush()
        other = encode(Frame(1, "modest", [Delta("one", 0, 0, "好。", final=True)], time.time()))
        await producer.send_and_wait(place.topics.outputs, other, key=b"modest")
    finally:
        await producer.stop()
    stopped: set[str] = set()
    released = False
    consumer = AIOKafkaConsumer(place.topics.decisions, bootstrap_servers=place.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(120):
            while len(stopped) < 100_000 - 4_096 or not released:
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    for record in records:
                        decision = read_decision(record.value)
                        if isinstance(decision, Order):
                            assert decision.reason == "limit"
                            stopped.add(decision.stream)
                        elif isinstance(decision, Release) and decision.producer == "modest":
                            released = [m.stream for m in decision.marks] == ["one"]
    finally:
        await consumer.stop()
    assert len(stopped) == 100_000 - 4_096
    assert sum(place.supervisor.restarts().values()) == 0
