"""Publisher, feed, watch and gate together, with the real core deciding."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from decider import POLICY, Decider
from place import Place, make_place, until

from sluice.client import DeliveryGate, ModerationClient
from sluice.contract import Ack
from sluice.errors import LimitError, StreamStopped
from sluice.local import KafkaBroker

CLEAN = "今天天气很好，我们去公园散步。The river runs quietly to the sea. 明天也许会下雨。"
BAD = "前面的话都很好。来这个赌博网看看吧，后面还有很多话。"


def client(place: Place, producer: str = "p1") -> ModerationClient:
    return ModerationClient(place.bootstrap, producer, policy=POLICY, topics=place.topics)


async def test_a_clean_stream_is_delivered_whole(place: Place) -> None:
    async with Decider(place.bootstrap, place.topics), client(place) as sluice:
        stream = sluice.stream()
        gate = sluice.gate(stream.id)
        for at in range(0, len(CLEAN), 4):
            final = at + 4 >= len(CLEAN)
            gate.feed(CLEAN[at : at + 4], final)
            await stream.send(CLEAN[at : at + 4], final=final)
        async with asyncio.timeout(20):
            assert "".join([text async for text in gate]) == CLEAN
        assert gate.decision is None
        assert gate.stats.outcome is None


async def test_a_violating_stream_stops_producer_and_gate(place: Place) -> None:
    async with Decider(place.bootstrap, place.topics, repeat=2), client(place) as sluice:
        stream = sluice.stream()
        watch, gate = sluice.watch(stream.id), sluice.gate(stream.id)
        shown: list[str] = []

        async def read() -> None:
            async for text in gate:
                shown.append(text)  # noqa: PERF401  a stop raises, and what came before it is looked at

        reading = asyncio.create_task(read())
        async with asyncio.timeout(20):
            for at in range(0, len(BAD), 2):
                gate.feed(BAD[at : at + 2])
                await stream.send(BAD[at : at + 2])
                if at == 6:  # what is sent together is decided together
                    await until(lambda: len("".join(shown)) == 8)
            await watch.stopped.wait()
            with pytest.raises(StreamStopped) as stopped:
                await reading
            await watch.acknowledge(tokens_after=3)
        text = "".join(shown)
        assert BAD[: BAD.index("赌")].startswith(text)
        assert len(text) >= 8
        assert stopped.value.order.finding is not None
        assert stopped.value.order.finding.risk == "A.1.h"
        assert gate.stats.leaked == 0
        assert gate.retract_from is None
    acks = [msgspec.json.decode(value, type=Ack) for _, value in await place.records(place.topics.acks)]
    assert {(a.role, a.order, a.tokens_after, a.characters_delivered, a.characters_leaked) for a in acks} == {
        ("producer", "stop_generation", 3, None, None),
        ("gateway", "stop_transmission", None, len(text), 0),
    }
    assert len(acks) == 2


async def test_live_text_is_withdrawn_from_where_it_went_wrong(place: Place) -> None:
    async with Decider(place.bootstrap, place.topics), client(place) as sluice:
        stream = sluice.stream(profile="live")
        gate = sluice.gate(stream.id, "live", on_stop="end")
        gate.feed(BAD)
        assert gate.take() == BAD
        await stream.send(BAD)
        async with asyncio.timeout(20):
            assert [text async for text in gate] == []
        assert gate.retract_from == BAD.index("赌")
        await until(lambda: gate.retract)
        assert gate.retract is not None
        assert gate.retract.retract_from == gate.retract_from


async def test_a_stop_in_one_channel_ends_all_channels(place: Place) -> None:
    async with Decider(place.bootstrap, place.topics), client(place) as sluice:
        stream = sluice.stream()
        answer, thoughts = sluice.gate(stream.id), sluice.gate(stream.id, channel="reasoning")
        answer.feed("A fine answer. ")
        await stream.send("A fine answer. ")
        async with asyncio.timeout(20):
            assert await anext(answer)
            thoughts.feed("赌博网")
            await stream.send("赌博网", channel="reasoning")
            for gate in (thoughts, answer):
                with pytest.raises(StreamStopped):
                    await anext(gate)
        assert thoughts.stats.delivered == 0
        assert answer.stats.leaked == 0


async def test_as_much_as_a_channel_may_hold_can_be_sent_in_one_call(mock_place: Place) -> None:
    text = "x" * 1_900_000
    async with Decider(mock_place.bootstrap, mock_place.topics), client(mock_place) as sluice:
        stream = sluice.stream()
        gate = sluice.gate(stream.id)
        with pytest.raises(LimitError, match="limit is 2000000"):
            await stream.send("x" * 10_000_000, split=True)
        gate.feed(text, final=True)
        await stream.send(text, final=True, split=True)
        async with asyncio.timeout(60):
            assert "".join([part async for part in gate]) == text


@pytest.mark.kafka
async def test_an_outage_in_the_middle_leaks_and_loses_nothing(own_kafka: KafkaBroker) -> None:
    place = await make_place(own_kafka)
    async with Decider(place.bootstrap, place.topics), client(place) as sluice:
        shown: dict[str, str] = {}
        stopped: set[str] = set()

        async def read(name: str, gate: DeliveryGate) -> None:
            shown[name] = ""
            try:
                async for text in gate:
                    shown[name] += text
            except StreamStopped:
                stopped.add(name)

        async def speak(name: str, text: str) -> None:
            stream, gate = sluice.stream(name), sluice.gate(name)
            reading = asyncio.create_task(read(name, gate))
            for at in range(0, len(text), 3):
                gate.feed(text[at : at + 3], at + 3 >= len(text))
                await stream.send(text[at : at + 3], final=at + 3 >= len(text))
                await asyncio.sleep(0.05)
            await reading

        texts = {f"s{n}": (CLEAN + BAD if n % 3 == 0 else CLEAN * 2) for n in range(12)}
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            for name, text in texts.items():
                tasks.create_task(speak(name, text))
            await asyncio.sleep(0.5)
            await asyncio.to_thread(own_kafka.kill)
            await asyncio.sleep(1.0)
            await asyncio.to_thread(own_kafka.start)
    assert stopped == {name for name, text in texts.items() if BAD in text}
    for name, text in texts.items():
        if name in stopped:
            assert text[: text.index("赌")].startswith(shown[name])
        else:
            assert shown[name] == text
