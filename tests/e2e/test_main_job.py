"""The main job: with two workers on the real broker, with one on the mock."""

from __future__ import annotations

import aiohttp
import pytest

from e2e.world import LEXICON, POLICY, observe, publish, scripts
from sluice.local import Broker, MockBroker
from support.installation import Install
from support.ports import free_port

BROKERS = [pytest.param("kafka", marks=pytest.mark.kafka), "mock_kafka"]


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest) -> Broker:
    found: Broker = request.getfixturevalue(request.param)
    return found


async def test_workers_stop_what_violates_and_release_the_rest(broker: Broker, install: Install) -> None:
    world = scripts(40, 6, parts=30, seed=5)
    # The mock broker now and then answers two members that join together with an error of its own.
    workers = 1 if isinstance(broker, MockBroker) else 2
    place = await install(broker, policy=POLICY, lexicon=LEXICON, workers=workers)
    await publish(place.bootstrap, world, steps_per_second=40, topics=place.topics)
    account = await observe(place.bootstrap, world, timeout=60, topics=place.topics)
    assert account.problems(world) == []
    assert len([s for s in world if s.violation is not None]) > 5
    order = next(iter(o for orders in account.orders.values() for o in orders))
    assert order.versions.lexicon and order.versions.policy and order.finding is not None
    assert order.finding.text_hash and order.frame.offset >= 0


@pytest.mark.kafka
async def test_a_worker_tells_its_metrics(kafka: Broker, install: Install) -> None:
    world = scripts(10, 2, parts=20, seed=6)
    port = free_port()
    place = await install(kafka, policy=POLICY, lexicon=LEXICON, workers=1, metrics_port=port)
    await publish(place.bootstrap, world, steps_per_second=100, topics=place.topics)
    account = await observe(place.bootstrap, world, timeout=30, topics=place.topics)
    assert account.problems(world) == []
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        text = await answer.text()
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(values["sluice_frames_total"]) > 10
    stopped = sum(o.order == "stop_generation" for orders in account.orders.values() for o in orders)
    key = 'sluice_orders_total{order="stop_generation",reason="finding",risk="A.1.h"}'
    assert float(values[key]) == stopped
    assert not any("天气" in line for line in text.splitlines())
