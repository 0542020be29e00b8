"""A feed sees every decision of its producer from its start on, whatever else is in the log, and never dies unheard."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from decisions import flag, order, release
from place import Place, make_place, until

import sluice.client.log
from sluice.client import DecisionFeed, partition_for
from sluice.contract import Order, Topics, encode
from sluice.errors import InputError, SluiceError, UnavailableError
from sluice.local import KafkaBroker, create_topics

PARTITION = partition_for("p1", 3)


class Follower:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.releases: list[tuple[str, int, bool]] = []
        self.orders: list[str] = []
        self.failure: SluiceError | None = None

    def on_release(self, channel: str, offset: int, unscanned: bool) -> None:
        self.releases.append((channel, offset, unscanned))

    def on_order(self, order: Order, received_at: float) -> None:
        assert received_at > 1e9
        self.orders.append(order.order)

    def on_failure(self, error: SluiceError) -> None:
        self.failure = error


def feed_of(place: Place, **options: Any) -> DecisionFeed:
    return DecisionFeed(place.bootstrap, "p1", topics=place.topics, **options)


async def write(place: Place, *decisions: object, key: str = "p1") -> None:
    values = [d if isinstance(d, bytes) else encode(d) for d in decisions]
    await place.write(place.topics.decisions, *values, key=key, partition=PARTITION)


async def test_nothing_after_start_is_missed_and_nothing_before_is_seen(place: Place) -> None:
    for number in range(5):
        await write(place, release("s", number * 2 + 1))
        async with feed_of(place) as feed:
            follower = Follower()
            feed.subscribe("s", follower)
            await write(place, release("s", number * 2 + 2))
            await until(lambda follower=follower: follower.releases)  # type: ignore[misc]
            assert follower.releases == [("answer", number * 2 + 2, False)]
            assert feed.partition == PARTITION


async def test_releases_and_orders_reach_their_streams(place: Place) -> None:
    async with feed_of(place) as feed:
        one, two, late = Follower(), Follower(), Follower()
        feed.subscribe("one", one)
        feed.subscribe("two", two)
        await write(
            place,
            release("one", 5),
            release("one", 5),  # a repeat
            release("one", 3),  # does not move back
            release("one", 9, unscanned=True),
            release("two", 2, channel="reasoning"),
            flag("one"),
            order("two", "stop_generation", 1),
            order("two", "stop_generation", 1),
            order("two", "stop_transmission", 1),
            release("end", 1),
        )
        feed.subscribe("end", late)
        await until(lambda: late.releases)
        assert one.releases == [("answer", 5, False), ("answer", 9, True)]
        assert two.releases == [("reasoning", 2, False)]
        assert two.orders == ["stop_generation", "stop_transmission"]
        assert (feed.stats.releases, feed.stats.orders, feed.stats.flags) == (6, 3, 1)


async def test_who_comes_late_is_told_what_came_before(mock_place: Place) -> None:
    async with feed_of(mock_place) as feed:
        await write(mock_place, release("s", 5, unscanned=True), order("s", "stop_generation", 3), release("end", 1))
        await until(lambda: feed.stats.releases == 2)
        first, second = Follower(), Follower()
        feed.subscribe("s", first)
        assert (first.orders, first.releases) == (["stop_generation"], [("answer", 5, True)])
        feed.unsubscribe("s", first)
        feed.unsubscribe("s", first)
        feed.subscribe("s", second)
        assert second.orders == ["stop_generation"]


async def test_what_is_kept_for_those_who_come_late_is_bounded(mock_place: Place) -> None:
    async with feed_of(mock_place, recent_streams=10) as feed:
        followed = Follower()
        feed.subscribe("followed", followed)
        await write(mock_place, release("followed", 1), *(release(f"s{number}", 1) for number in range(100)))
        await until(lambda: feed.stats.releases == 101)
        assert feed.stats.forgotten == 90
        assert len(feed._recent) == 10
        await write(mock_place, release("followed", 2))
        await until(lambda: len(followed.releases) == 2)


async def test_foreign_and_unreadable_records_are_counted_and_passed_over(place: Place) -> None:
    async with feed_of(place) as feed:
        follower = Follower()
        feed.subscribe("s", follower)
        await write(place, encode(release("s", 90)), key="p9")
        await write(
            place,
            release("s", 91, producer="p9"),
            msgspec.structs.replace(release("s", 92), v=2),
            b"",
            b"no json",
            b"\xff\xfe",
            b'{"kind":"novel"}',
            b'{"kind":"release","v":1}',
            b'{"x":' + b"[" * 100_000,
            release("s", 1),
        )
        await until(lambda: follower.releases)
        assert follower.releases == [("answer", 1, False)]
        assert (feed.stats.foreign, feed.stats.unreadable) == (3, 6)


@pytest.mark.kafka
async def test_an_outage_of_the_broker_is_waited_for(own_kafka: KafkaBroker) -> None:
    place = await make_place(own_kafka)
    async with feed_of(place) as feed:
        follower = Follower()
        feed.subscribe("s", follower)
        await write(place, release("s", 1))
        await until(lambda: len(follower.releases) == 1)
        await asyncio.to_thread(own_kafka.kill)
        await asyncio.sleep(1.0)
        await asyncio.to_thread(own_kafka.start)
        await write(place, release("s", 2), order("s"))
        await until(lambda: follower.orders)
        assert [offset for _, offset, _ in follower.releases] == [1, 2]
        assert feed.failure is None


async def test_a_reading_that_ended_unheard_is_begun_anew(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    async with feed_of(place) as feed:
        follower = Follower()
        feed.subscribe("s", follower)
        await write(place, release("s", 1))
        await until(lambda: follower.releases)
        fetcher = feed._reader._consumer._fetcher
        fetcher._fetch_task.cancel()
        # A request that is on its way would still bring what is written next, and nothing would have to be begun anew.
        await asyncio.wait([fetcher._fetch_task, *fetcher._pending_tasks])
        # Only now: a new topic may be without a leader for so long, and the reading that was ended be an old one.
        assert feed._reader.rebuilds == 0
        monkeypatch.setattr(sluice.client.log, "STALE_SECONDS", 0.5)
        await write(place, release("s", 2), release("s", 3))
        await until(lambda: len(follower.releases) == 3)
        assert feed.stats.rebuilds >= 1


async def test_silence_of_the_moderation_is_no_reason_to_begin_anew(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sluice.client.log, "STALE_SECONDS", 2.0)
    monkeypatch.setattr(sluice.client.feed, "POLL_SECONDS", 0.1)
    async with feed_of(place) as feed:
        await asyncio.sleep(3.0)
        assert feed._reader.rebuilds == 0


async def test_a_crash_of_the_reading_reaches_everyone(mock_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError("a mistake of ours")

    before, after = Follower(), Follower()
    with pytest.raises(UnavailableError, match="a mistake of ours"):
        async with feed_of(mock_place) as feed:
            feed.subscribe("s", before)
            monkeypatch.setattr(sluice.client.feed, "decode_decision", crash)
            await write(mock_place, release("s", 1))
            await until(lambda: before.failure)
            feed.subscribe("t", after)
            assert after.failure is before.failure is feed.failure
    assert isinstance(feed.failure, UnavailableError)
    assert isinstance(feed.failure.__cause__, ZeroDivisionError)


async def test_the_tap_sees_all_decisions(mock_place: Place) -> None:
    async with feed_of(mock_place) as feed:
        seen: list[str] = []
        feed.tap = lambda decision, received_at: seen.append(type(decision).__name__)
        await write(mock_place, release("s", 1), flag("s"), order("s"))
        await until(lambda: len(seen) == 3)
        assert seen == ["Release", "Flag", "Order"]


async def test_a_broker_that_is_not_there_is_told() -> None:
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1 cannot be reached"):
        await DecisionFeed("127.0.0.1:1", "p1").start()
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.kafka
async def test_missing_and_unequal_topics_are_told(kafka: KafkaBroker) -> None:
    with pytest.raises(UnavailableError, match=r"no topic no\.decisions, no\.outputs, no\.acks"):
        await DecisionFeed(
            kafka.bootstrap, "p1", topics=Topics(decisions="no.decisions", outputs="no.outputs", acks="no.acks")
        ).start(timeout_s=1.0)
    uneven = Topics(outputs="uneven.outputs", decisions="uneven.decisions", acks="uneven.acks")
    await create_topics(kafka, Topics(**{name: f"even.{name}" for name in Topics.__struct_fields__}), 2)
    await create_topics(kafka, Topics(**{name: f"uneven.{name}" for name in Topics.__struct_fields__}), 3)
    mixed = Topics(outputs="even.outputs", decisions=uneven.decisions, acks=uneven.acks)
    with pytest.raises(InputError, match=r"uneven\.decisions 3, even\.outputs 2"):
        await DecisionFeed(kafka.bootstrap, "p1", topics=mixed).start()
    assert len(asyncio.all_tasks()) == 1
