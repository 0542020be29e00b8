"""Orders reach the producer once, stay, and are reported as carried out."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest
from decisions import order, release
from place import Place, until
from test_client_feed import write

from sluice.client import AckSender, DecisionFeed, ModerationClient, OrderListener
from sluice.contract import Ack, Order
from sluice.errors import InputError, LimitError, StreamStopped, UnavailableError


def listening(place: Place) -> ModerationClient:
    return ModerationClient(place.bootstrap, "p1", topics=place.topics)


async def acks(place: Place) -> list[Ack]:
    found = await place.records(place.topics.acks)
    assert {key for key, _ in found} <= {b"p1"}
    return [msgspec.json.decode(value, type=Ack) for _, value in found]


async def test_an_order_is_seen_counted_after_and_acknowledged(place: Place) -> None:
    before = time.time()
    async with listening(place) as sluice:
        watch = sluice.watch("s")
        watch.decoded(10)
        assert not watch.stopped.is_set()
        watch.raise_if_stopped()
        await write(place, order("s", "stop_generation", 4), order("s", "stop_transmission", 4))
        await asyncio.wait_for(watch.stopped.wait(), 20)
        watch.decoded()
        watch.decoded(2)
        with pytest.raises(StreamStopped) as stopped:
            watch.raise_if_stopped()
        assert stopped.value.order is watch.order
        await watch.acknowledge()
    (ack,) = await acks(place)
    assert (ack.decision, ack.order, ack.role, ack.tokens_after) == (
        "s-stop_generation-4",
        "stop_generation",
        "producer",
        3,
    )
    assert (ack.producer, ack.stream, ack.channel, ack.outcome) == ("p1", "s", "answer", "blocked")
    assert before <= ack.received_at <= ack.carried_out_at <= time.time()
    assert ack.characters_delivered is None


async def test_an_order_that_was_faster_than_the_watch_is_seen(mock_place: Place) -> None:
    async with listening(mock_place) as sluice:
        await write(mock_place, order("s", "stop_generation"), order("s", "support"))
        await until(lambda: sluice.feed.stats.orders == 2)
        seen: list[Order] = []
        with sluice.watch("s", seen.append) as watch:
            assert watch.stopped.is_set()
            assert watch.support is not None
            await until(lambda: len(seen) == 2)
            await watch.acknowledge(0)
            await watch.acknowledge(order=watch.support)
    assert {(ack.order, ack.tokens_after) for ack in await acks(mock_place)} == {
        ("stop_generation", 0),
        ("support", None),
    }


async def test_repeats_are_not_told_again(mock_place: Place) -> None:
    async with listening(mock_place) as sluice:
        seen: list[Order] = []
        sluice.watch("s", seen.append)
        await write(mock_place, *[order("s", "stop_generation")] * 5, release("end", 1))
        await until(lambda: sluice.feed.stats.releases)
        assert len(seen) == 1


async def test_only_its_own_stream_is_stopped_and_only_by_the_producers_order(mock_place: Place) -> None:
    async with listening(mock_place) as sluice:
        watch = sluice.watch("s")
        await write(
            mock_place, order("other", "stop_generation"), order("s", "stop_transmission"), order("s", "retract", 1)
        )
        await until(lambda: sluice.feed.stats.orders == 3)
        assert not watch.stopped.is_set()
        with pytest.raises(InputError, match="no such order"):
            await watch.acknowledge()


async def test_a_mistake_in_a_callback_hits_nobody_else(mock_place: Place) -> None:
    told: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))

    def crash(order: Order) -> None:
        raise ZeroDivisionError

    async with listening(mock_place) as sluice:
        bad, good = sluice.watch("s", crash), sluice.watch("s")
        await write(mock_place, order("s", "stop_generation"))
        await asyncio.wait_for(good.stopped.wait(), 20)
        assert bad.stopped.is_set()
        await until(lambda: told)
        assert isinstance(told[0]["exception"], ZeroDivisionError)
        assert sluice.feed.failure is None


async def test_a_closed_watch_hears_nothing(mock_place: Place) -> None:
    async with listening(mock_place) as sluice:
        watch = sluice.watch("s")
        watch.close()
        watch.close()
        await write(mock_place, order("s", "stop_generation"))
        await until(lambda: sluice.feed.stats.orders)
        assert not watch.stopped.is_set()


async def test_a_watch_hears_that_nothing_more_can_come(mock_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(UnavailableError):
        async with listening(mock_place) as sluice:
            watch = sluice.watch("s")
            monkeypatch.setattr("sluice.client.feed.decode_decision", crash)
            await write(mock_place, release("s", 1))
            await asyncio.wait_for(watch.stopped.wait(), 20)
            assert watch.order is None
            with pytest.raises(UnavailableError):
                watch.raise_if_stopped()


async def test_a_listener_of_its_own(mock_place: Place) -> None:
    async with await OrderListener.open(mock_place.bootstrap, "p1", topics=mock_place.topics) as listener:
        watch = listener.watch("s")
        await write(mock_place, order("s", "stop_generation"))
        await asyncio.wait_for(watch.stopped.wait(), 20)
        await watch.acknowledge(1)
    assert len(await acks(mock_place)) == 1
    assert len(asyncio.all_tasks()) == 1
    with pytest.raises(UnavailableError):
        await OrderListener.open("127.0.0.1:1", "p1")
    assert len(asyncio.all_tasks()) == 1


def an_ack(number: int) -> Ack:
    return Ack(1, f"d{number}", "stop_generation", "producer", "p1", "s", "answer", "blocked", 0.0, 0.0)


async def test_many_acks_stay_in_order(place: Place) -> None:
    async with AckSender(place.bootstrap, "p1", topics=place.topics) as sender:
        for number in range(5_000):
            sender.send(an_ack(number))
        await sender.flush()
        assert (sender.stats.sent, sender.stats.lost) == (5_000, 0)
    assert [ack.decision for ack in await acks(place)] == [f"d{number}" for number in range(5_000)]


async def test_acks_that_cannot_be_written_are_counted_and_raised(mock_place: Place) -> None:
    with pytest.raises(UnavailableError, match="acks were not written"):
        async with AckSender(mock_place.bootstrap, "p1", topics=mock_place.topics, max_pending=3) as sender:
            await sender._sender.close(1.0)  # from now on every write fails
            for number in range(3):
                sender.send(an_ack(number))
            with pytest.raises(LimitError, match="3 acks already wait"):
                sender.send(an_ack(4))
            with pytest.raises(UnavailableError):
                await sender.flush()
            with pytest.raises(UnavailableError):
                sender.send(an_ack(5))
    assert (sender.stats.sent, sender.stats.lost) == (0, 5)


async def test_acks_before_start_are_refused(mock_place: Place) -> None:
    sender = AckSender(mock_place.bootstrap, "p1", topics=mock_place.topics)
    with pytest.raises(UnavailableError, match="not started"):
        sender.send(an_ack(1))
    await sender.close()


async def test_a_feed_without_acks_needs_a_sender_to_acknowledge(mock_place: Place) -> None:
    async with DecisionFeed(mock_place.bootstrap, "p1", topics=mock_place.topics) as feed:
        sender = AckSender(mock_place.bootstrap, "p1", topics=mock_place.topics)
        watch = OrderListener(feed, sender).watch("s")
        await write(mock_place, order("s", "stop_generation"))
        await asyncio.wait_for(watch.stopped.wait(), 20)
        with pytest.raises(UnavailableError):
            await watch.acknowledge()
