"""Somebody downstream sees what was released, all of it, once, and nothing else."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict

import pytest
from decider import POLICY, Decider
from decisions import order, release
from place import Place, make_place, until

from sluice.client import ModerationClient, OutputPublisher, ReleasedReader, ReleasedText, StreamStop, partition_for
from sluice.contract import Delta, Frame, Limits, encode
from sluice.errors import InputError, UnavailableError
from sluice.local import KafkaBroker

CLEAN = "今天天气很好，我们去公园散步。The river runs quietly to the sea. 明天也许会下雨。"
BAD = "前面的话都很好。来这个赌博网看看吧，后面还有很多话。"


def reader_of(place: Place, **options: object) -> ReleasedReader:
    return ReleasedReader(place.bootstrap, policy=POLICY, topics=place.topics, **options)  # type: ignore[arg-type]


class Account:
    """What a reader was told, checked as it comes."""

    def __init__(self) -> None:
        self.text: dict[str, str] = defaultdict(str)
        self.final: set[str] = set()
        self.stops: dict[str, StreamStop] = {}

    def add(self, event: ReleasedText | StreamStop) -> None:
        assert event.stream not in self.stops
        if isinstance(event, ReleasedText):
            assert event.start == len(self.text[event.stream])
            assert event.stream not in self.final
            self.text[event.stream] += event.text
            if event.final:
                self.final.add(event.stream)
        else:
            self.stops[event.stream] = event

    async def read(self, reader: ReleasedReader, streams: int, seconds: float = 30.0) -> None:
        """Until so many streams are over."""
        async with asyncio.timeout(seconds):
            while len(self.final) + len(self.stops) < streams:
                self.add(await anext(reader))


async def publish(place: Place, producer: str, texts: dict[str, str], *, seed: int = 0) -> None:
    """All streams side by side, cut at random."""
    rng = random.Random(seed)
    async with OutputPublisher(place.bootstrap, producer, topics=place.topics, linger_ms=1) as out:
        streams = {name: out.stream(name) for name in texts}
        at = dict.fromkeys(texts, 0)
        while at:
            for name in list(at):
                end = at[name] + rng.randint(0, 7)
                final = end >= len(texts[name])
                await streams[name].send(texts[name][at[name] : end], final=final)
                at[name] = end
                if final:
                    del at[name]
            await asyncio.sleep(0.002)


async def test_all_producers_are_read_and_stops_are_told(place: Place) -> None:
    async with Decider(place.bootstrap, place.topics, repeat=2), reader_of(place) as reader:
        account = Account()
        wanted = {}
        async with asyncio.TaskGroup() as tasks:
            for producer in ("p1", "p2", "p3", "p4"):
                texts = {f"{producer}-{n}": BAD if n % 3 == 0 else CLEAN for n in range(9)}
                wanted.update(texts)
                tasks.create_task(publish(place, producer, texts))
            tasks.create_task(account.read(reader, 36))
    bad = {name for name, text in wanted.items() if text is BAD}
    assert set(account.stops) == bad
    for name, text in wanted.items():
        if name in bad:
            assert BAD[: BAD.index("赌")].startswith(account.text[name])
            assert account.stops[name].order.reason == "finding"
            assert account.stops[name].retract_from is None
        else:
            assert account.text[name] == text
    assert reader.stats.stops == len(bad)
    assert reader.stats.partial == reader.stats.unreadable_frames == 0


async def test_the_past_can_be_read_whole(place: Place) -> None:
    texts = {f"s{n}": BAD if n % 4 == 0 else CLEAN * 3 for n in range(40)}
    async with Decider(place.bootstrap, place.topics) as decider:
        await publish(place, "p1", texts)
        await until(lambda: len({d.stream for d in decider.seen if hasattr(d, "stream")}) == 10)
        await asyncio.sleep(0.5)
    runs = []
    # Once as it is, once with hardly any room: what is read must not depend on it.
    for options in ({}, {"max_held_chars": 10, "max_ahead": 2}):
        async with reader_of(place, start="earliest", **options) as reader:
            account = Account()
            await account.read(reader, 40)
            runs.append(account)
    assert runs[0].text == runs[1].text
    assert set(runs[0].stops) == set(runs[1].stops) == {name for name, text in texts.items() if text is BAD}
    assert all(runs[0].text[name] == text for name, text in texts.items() if text is not BAD)


async def test_a_stream_that_runs_already_is_not_shown_from_its_middle(mock_place: Place) -> None:
    async with Decider(mock_place.bootstrap, mock_place.topics):
        async with ModerationClient(mock_place.bootstrap, "p1", policy=POLICY, topics=mock_place.topics) as sluice:
            old, new = sluice.stream("old"), sluice.stream("new")
            await old.send("the beginning ")
            await sluice.publisher.flush()
            async with reader_of(mock_place) as reader:
                await old.send("the end", final=True)
                await new.send("all of it", final=True)
                account = Account()
                await account.read(reader, 1)
        assert account.text == {"new": "all of it"}


async def test_only_what_was_asked_for_is_read(mock_place: Place) -> None:
    async with Decider(mock_place.bootstrap, mock_place.topics), reader_of(mock_place, producer_ids=["p1"]) as mine:
        here = [partition_for("p2", 3)]
        async with reader_of(mock_place, partitions=here) as of_partition:
            for producer in ("p1", "p2", "p3", "p4", "p5"):
                await publish(mock_place, producer, {f"{producer}-s": "text. "})
            account, there = Account(), Account()
            await account.read(mine, 1)
            assert set(account.text) == {"p1-s"}
            same = [p for p in ("p1", "p2", "p3", "p4", "p5") if partition_for(p, 3) in here]
            await there.read(of_partition, len(same))
            assert set(there.text) == {f"{p}-s" for p in same}


async def test_what_cannot_be_read_is_counted_and_passed_over(mock_place: Place) -> None:
    partition = partition_for("p1", 3)
    good = Frame(1, "p1", [Delta("s", 0, 0, "text", final=True)])
    frames = [
        b"",
        b"no json",
        encode(Frame(2, "p1", [Delta("t", 0, 0, "later version")])),
        b'{"v":1,"producer":"p1","deltas":[{"stream":"s","seq":-1,"start":0,"text":"x"}]}',
        b'{"v":1,"producer":"p1","deltas":[],"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        encode(good),
        encode(good),
        encode(Frame(1, "p1", [Delta("end", 0, 0, "", final=True)])),
    ]
    async with reader_of(mock_place) as reader:
        await mock_place.write(mock_place.topics.outputs, *frames, key="p1", partition=partition)
        decisions = [b"", b"no json", b"\xff", encode(release("s", 4, frame=5))]
        await mock_place.write(mock_place.topics.decisions, *decisions, key="p1", partition=partition)
        account = Account()
        await account.read(reader, 2)
        assert account.text == {"s": "text", "end": ""}
        stats = reader.stats
        assert (stats.frames, stats.unreadable_frames, stats.unreadable_decisions) == (8, 5, 3)
        assert reader.stats.repeats == 1


async def test_without_moderation_the_deadline_closes_or_opens(mock_place: Place) -> None:
    async with reader_of(mock_place) as reader:
        async with OutputPublisher(mock_place.bootstrap, "p1", topics=mock_place.topics) as out:
            await out.stream("shut", profile="impatient").send("text", final=True)
            await out.stream("open", profile="open").send("text", final=True)
        account = Account()
        await account.read(reader, 2)
    assert account.text == {"open": "text"}
    assert account.stops["shut"].order.reason == "deadline"
    assert (reader.stats.unscanned, reader.stats.stops) == (4, 1)


async def test_a_consumer_who_takes_his_time_does_not_run_into_deadlines(mock_place: Place) -> None:
    out = OutputPublisher(mock_place.bootstrap, "p1", topics=mock_place.topics)
    async with Decider(mock_place.bootstrap, mock_place.topics), reader_of(mock_place) as reader, out:
        first, second = out.stream("a", profile="brisk"), out.stream("b", profile="brisk")
        await first.send("one. ", final=True)
        await second.send("two. ")
        await out.flush()
        account = Account()
        await account.read(reader, 1)
        await second.send("three. ", final=True)
        await out.flush()
        await asyncio.sleep(3.0)  # longer than the deadline
        await account.read(reader, 2)
    assert account.text == {"a": "one. ", "b": "two. three. "}


async def test_what_is_held_is_bounded_by_reading_no_further(mock_place: Place) -> None:
    async with reader_of(mock_place, max_held_chars=1_000) as reader:
        waiting = asyncio.create_task(anext(reader))
        async with OutputPublisher(mock_place.bootstrap, "p1", topics=mock_place.topics, linger_ms=0) as out:
            stream = out.stream("s")
            for _ in range(100):
                await stream.send("x" * 100)
                await out.flush()
        await until(lambda: sum(part.view.held for part in reader._partitions) > 1_000)
        await asyncio.sleep(0.5)
        held = sum(part.view.held for part in reader._partitions)
        assert held < 10_000
        await mock_place.write(
            mock_place.topics.decisions, encode(release("s", 10_000)), key="p1", partition=partition_for("p1", 3)
        )
        account = Account()
        account.add(await asyncio.wait_for(waiting, 20))
        async with asyncio.timeout(20):
            while len(account.text["s"]) < 10_000:
                account.add(await anext(reader))


@pytest.mark.kafka
async def test_an_outage_of_the_broker_is_waited_for(own_kafka: KafkaBroker) -> None:
    place = await make_place(own_kafka)
    async with reader_of(place) as reader, Decider(place.bootstrap, place.topics):
        account = Account()
        await publish(place, "p1", {"before": CLEAN})
        await account.read(reader, 1)
        waiting = asyncio.create_task(anext(reader))
        await asyncio.sleep(0.2)
        await asyncio.to_thread(own_kafka.kill)
        await asyncio.sleep(1.0)
        await asyncio.to_thread(own_kafka.start)
        await publish(place, "p1", {"after": CLEAN})
        account.add(await asyncio.wait_for(waiting, 30))
        await account.read(reader, 2)
    assert account.text == {"before": CLEAN, "after": CLEAN}


async def test_bad_options_are_refused(mock_place: Place) -> None:
    with pytest.raises(InputError, match="not both"):
        reader_of(mock_place, producer_ids=["p1"], partitions=[0])
    with pytest.raises(InputError, match="producer_id"):
        reader_of(mock_place, producer_ids=[""])
    with pytest.raises(InputError, match="there is no partition 9"):
        await reader_of(mock_place, partitions=[1, 9]).start()
    with pytest.raises(UnavailableError):
        await ReleasedReader("127.0.0.1:1").start()
    assert len(asyncio.all_tasks()) == 1


async def test_a_read_that_is_given_up_loses_nothing(mock_place: Place) -> None:
    async with Decider(mock_place.bootstrap, mock_place.topics), reader_of(mock_place) as reader:
        publishing = asyncio.create_task(publish(mock_place, "p1", {f"s{n}": CLEAN for n in range(5)}))
        account = Account()
        async with asyncio.timeout(30):
            while len(account.final) < 5:
                try:
                    async with asyncio.timeout(0.003):
                        account.add(await anext(reader))
                except TimeoutError:
                    await asyncio.sleep(0)
        await publishing
        assert set(account.text.values()) == {CLEAN}


async def test_an_order_for_a_stream_that_was_never_seen_is_told(mock_place: Place) -> None:
    partition = partition_for("p1", 3)
    async with reader_of(mock_place, start="earliest", limits=Limits()) as reader:
        await mock_place.write(mock_place.topics.outputs, encode(Frame(1, "p1", [])), key="p1", partition=partition)
        await mock_place.write(mock_place.topics.decisions, encode(order("s")), key="p1", partition=partition)
        account = Account()
        await account.read(reader, 1)
        assert set(account.stops) == {"s"}
