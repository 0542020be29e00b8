"""What leaves a publisher is in order, whole and within the limits; what cannot leave is never lost in silence."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from place import Place, fail_next_produce, make_place, until

from sluice.client import OutputPublisher, partition_for
from sluice.contract import Frame, Limits, Topics, read_frame
from sluice.errors import InputError, LimitError, UnavailableError
from sluice.local import KafkaBroker


def publisher(place: Place, **options: object) -> OutputPublisher:
    return OutputPublisher(place.bootstrap, "p1", topics=place.topics, **options)  # type: ignore[arg-type]


async def frames(place: Place, limits: Limits | None = None) -> list[Frame]:
    """What is in the log; every frame must be readable by a worker."""
    found = []
    for key, value in await place.records(place.topics.outputs):
        assert key == b"p1"
        read = read_frame(value, limits or Limits())
        assert not read.bad
        found.append(read.frame)
    return found


def texts(found: list[Frame]) -> dict[tuple[str, str], str]:
    """The text of each channel; seq, start and final must fit."""
    text: dict[tuple[str, str], str] = defaultdict(str)
    seqs: dict[tuple[str, str], int] = defaultdict(int)
    for frame in found:
        for delta in frame.deltas:
            key = (delta.stream, delta.channel)
            assert delta.seq == seqs[key]
            assert delta.start == len(text[key])
            seqs[key] += 1
            text[key] += delta.text
    return text


async def test_deltas_of_many_streams_share_a_frame(place: Place) -> None:
    before = time.time()
    async with publisher(place, linger_ms=200) as out:
        streams = [out.stream(f"s{number}", profile="minor") for number in range(50)]
        for _ in range(3):
            for stream in streams:
                await stream.send("字a")
                await stream.send("thought", channel="reasoning")
        for stream in streams:
            await stream.finish()
        await out.flush()
        assert (out.stats.frames, out.stats.deltas, out.pending) == (1, 350, 0)
    (frame,) = await frames(place)
    assert frame.producer == "p1"
    assert before <= frame.sent_at <= time.time()
    assert texts([frame])["s7", "answer"] == "字a字a字a"
    assert texts([frame])["s7", "reasoning"] == "thought" * 3
    assert {delta.profile for delta in frame.deltas} == {"minor"}
    assert sum(delta.final for delta in frame.deltas) == 50


async def test_frames_go_where_every_client_looks_for_them(place: Place) -> None:
    async with publisher(place) as out:
        await out.stream().send("x")
    everything = await place.records(place.topics.outputs)
    here = await place.records(place.topics.outputs, partition_for("p1", 3))
    assert len(everything) == len(here) == 1


async def test_a_delta_leaves_after_lingering(mock_place: Place) -> None:
    async with publisher(mock_place, linger_ms=500) as out:
        stream = out.stream()
        began = time.monotonic()
        await stream.send("a")
        await asyncio.sleep(0.05)
        await stream.send("b")
        assert out.stats.frames == 0
        await until(lambda: out.stats.frames == 1)
        assert time.monotonic() - began >= 0.5
        assert out.stats.deltas == 2


async def test_a_full_frame_does_not_linger(mock_place: Place) -> None:
    limits = Limits(frame_deltas=10)
    async with publisher(mock_place, linger_ms=60_000, limits=limits) as out:
        stream = out.stream()
        for _ in range(25):
            await stream.send("x")
        await until(lambda: out.stats.deltas == 20)
        assert out.stats.frames == 2
    assert [len(frame.deltas) for frame in await frames(mock_place, limits)] == [10, 10, 5]


async def test_no_frame_is_too_large(mock_place: Place) -> None:
    limits = Limits(frame_bytes=110_000)
    async with publisher(mock_place, linger_ms=60_000, limits=limits, max_pending_chars=10**7) as out:
        stream = out.stream()
        for piece in ("\x00" * 16_384, "😀" * 16_384, "x" * 16_384, '"' * 16_384) * 3:  # NUL takes six bytes in JSON
            await stream.send(piece)
    found = await frames(mock_place, limits)
    assert len(texts(found)[stream.id, "answer"]) == 12 * 16_384
    assert all(len(value) <= 110_000 for _, value in await mock_place.records(mock_place.topics.outputs))


async def test_empty_and_nul_and_astral_text_goes_through(mock_place: Place) -> None:
    async with publisher(mock_place) as out:
        stream = out.stream()
        for piece in ("", "a\x00b", "😀", '\u202e\r\n\\"', ""):
            await stream.send(piece)
        await stream.finish()
    assert texts(await frames(mock_place))[stream.id, "answer"] == 'a\x00b😀\u202e\r\n\\"'


async def test_wrong_input_is_refused_and_changes_nothing(mock_place: Place) -> None:
    async with publisher(mock_place) as out:
        stream = out.stream("s")
        await stream.send("ok")
        with pytest.raises(InputError, match="lone surrogate at index 3"):
            await stream.send("abc\ud83d")
        for text in (None, b"bytes", 3):
            with pytest.raises(InputError, match="text must be a str"):
                await stream.send(text)  # type: ignore[arg-type]
        with pytest.raises(InputError, match="final must be a bool"):
            await stream.send("x", final="yes")  # type: ignore[arg-type]
        with pytest.raises(InputError, match="channel must be one of answer"):
            await stream.send("x", channel="aside")  # type: ignore[arg-type]
        with pytest.raises(LimitError, match=r"10000000 characters; the limit is 16384: split it"):
            await stream.send("x" * 10_000_000)
        await stream.send("!", final=True)
        for again in (False, True):
            with pytest.raises(InputError, match="nothing can follow its final delta"):
                await stream.send("more", final=again)
        await stream.finish()  # harmless when it has ended
    assert texts(await frames(mock_place)) == {("s", "answer"): "ok!"}


async def test_wrong_ids_are_refused(mock_place: Place) -> None:
    for name in ("", "x" * 201, "\ud800"):
        with pytest.raises(InputError, match="producer_id"):
            OutputPublisher(mock_place.bootstrap, name)
    async with publisher(mock_place) as out:
        wrong: list[Any] = ["", "x" * 201, "\ud800", 7]
        for bad in wrong:
            with pytest.raises(InputError, match="stream_id"):
                out.stream(bad)
            with pytest.raises(InputError, match="profile"):
                out.stream(profile=bad)
        held = out.stream("s")
        with pytest.raises(InputError, match="open already"):
            out.stream("s")
        held.close()
        out.stream("s")


async def test_limits_that_cannot_hold_a_delta_are_refused(mock_place: Place) -> None:
    with pytest.raises(InputError, match="frame_bytes is 50000"):
        publisher(mock_place, limits=Limits(frame_bytes=50_000))


async def test_a_long_text_can_be_split(mock_place: Place) -> None:
    text = "0123456789" * 19_000
    async with publisher(mock_place) as out:
        stream = out.stream()
        await stream.send("first ")
        await stream.send(text, final=True, split=True)
        assert stream.characters() == 190_006
    found = await frames(mock_place)
    assert texts(found)[stream.id, "answer"] == "first " + text
    finals = [delta.final for frame in found for delta in frame.deltas]
    assert finals == [False] * (len(finals) - 1) + [True]


async def test_a_channel_has_an_end(mock_place: Place) -> None:
    async with publisher(mock_place, limits=Limits(channel_chars=40_000)) as out:
        stream = out.stream()
        await stream.send("x" * 30_000, split=True)
        with pytest.raises(LimitError, match="would have 40001 characters; the limit is 40000"):
            await stream.send("x" * 10_001)
        await stream.send("x" * 10_000)


async def test_a_hundred_thousand_streams_meet_the_limit(mock_place: Place) -> None:
    async with publisher(mock_place) as out:
        held = [out.stream() for _ in range(4096)]
        with pytest.raises(LimitError, match="4096 streams are open"):
            out.stream()
        await held[0].finish()
        held[0] = out.stream()
        held.clear()  # nobody holds them any more
        for _ in range(100_000):
            out.stream()


async def test_two_sends_at_once_keep_the_books(mock_place: Place) -> None:
    async with publisher(mock_place, linger_ms=1, max_pending_chars=50, max_pending_deltas=5) as out:
        streams = [out.stream(f"s{number}") for number in range(20)]

        async def speak(number: int) -> None:
            for word in range(30):
                await streams[number].send(f"{number}:{word} ")

        await asyncio.gather(*map(speak, range(20)))
    found = texts(await frames(mock_place))
    for number in range(20):
        assert found[f"s{number}", "answer"] == "".join(f"{number}:{word} " for word in range(30))


@pytest.mark.kafka
async def test_a_cancelled_send_sends_nothing(own_kafka: KafkaBroker) -> None:
    place = await make_place(own_kafka)
    async with publisher(place, max_pending_chars=10) as out:
        stream = out.stream()
        await stream.send("1234567890")
        await out.flush()
        await asyncio.to_thread(own_kafka.kill)
        await stream.send("1234567890")
        waiting = asyncio.create_task(stream.send("lost"))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        await asyncio.to_thread(own_kafka.start)
        await stream.send("end")
    assert texts(await frames(place))[stream.id, "answer"] == "12345678901234567890end"


@pytest.mark.kafka
async def test_an_outage_bounds_what_waits_and_loses_nothing(own_kafka: KafkaBroker) -> None:
    place = await make_place(own_kafka)
    sent = 0
    async with publisher(place, max_pending_chars=1_000, max_pending_deltas=10_000) as out:
        stream = out.stream()
        await stream.send("begin:")
        await out.flush()
        await asyncio.to_thread(own_kafka.kill)

        async def speak() -> None:
            nonlocal sent
            for _ in range(50):
                await stream.send("x" * 100)
                sent += 1

        speaking = asyncio.create_task(speak())
        await asyncio.sleep(1.5)
        assert out.pending == 1_000
        assert sent == 10
        await asyncio.to_thread(own_kafka.start)
        await speaking
        await out.flush()
    assert texts(await frames(place))[stream.id, "answer"] == "begin:" + "x" * 5_000


@pytest.mark.kafka
async def test_an_outage_that_is_too_long_breaks_the_publisher(own_kafka: KafkaBroker) -> None:
    place = await make_place(own_kafka)
    out = publisher(place, timeout_s=1.0, max_pending_chars=100)
    await out.start()
    stream = out.stream()
    await stream.send("begin:")
    await out.flush()
    await asyncio.to_thread(own_kafka.kill)
    await stream.send("x" * 100)
    with pytest.raises(UnavailableError, match=r"1 deltas were not published: .* not acknowledged within 1 s"):
        await stream.send("y" * 100)  # waits for room, and is told
    with pytest.raises(UnavailableError, match="nothing more can be published"):
        await stream.send("z")
    with pytest.raises(UnavailableError):
        await out.flush()
    began = time.monotonic()
    with pytest.raises(UnavailableError):
        await out.close()
    await out.close()
    assert time.monotonic() - began < 5


@pytest.mark.kafka
async def test_closing_has_one_deadline(own_kafka: KafkaBroker) -> None:
    place = await make_place(own_kafka)
    out = publisher(place)
    await out.start()
    await out.stream().send("begin:")
    await out.flush()
    await asyncio.to_thread(own_kafka.kill)
    await out.stream().send("last words")
    began = time.monotonic()
    with pytest.raises(UnavailableError, match="1 deltas were not published"):
        await out.close(timeout_s=1.0)
    assert time.monotonic() - began < 3
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.kafka
async def test_closing_can_be_cancelled(own_kafka: KafkaBroker) -> None:
    place = await make_place(own_kafka)
    out = publisher(place)
    await out.start()
    await out.stream().send("begin:")
    await out.flush()
    await asyncio.to_thread(own_kafka.kill)
    await out.stream().send("last words")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await out.close()
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.kafka
async def test_a_refused_record_is_raised_from_what_comes_next(kafka: KafkaBroker) -> None:
    place = await make_place(kafka)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    small = f"{place.topics.outputs}.small"
    await admin.create_topics([NewTopic(small, 3, 1, topic_configs={"max.message.bytes": "2000"})])
    await admin.close()
    topics = Topics(outputs=small, decisions=place.topics.decisions, acks=place.topics.acks)
    with pytest.raises(UnavailableError, match="were not published"):
        async with OutputPublisher(kafka.bootstrap, "p1", topics=topics) as out:
            stream = out.stream()
            await stream.send("x")
            await out.flush()
            await stream.send("y" * 10_000)
            await until(lambda: out.failure is not None)
            with pytest.raises(UnavailableError, match="MessageSizeTooLarge"):
                await stream.send("z")
            with pytest.raises(UnavailableError):
                await out.flush()


async def test_a_refused_record_on_the_mock(mock_place: Place) -> None:
    with pytest.raises(UnavailableError, match="were not published"):
        async with publisher(mock_place) as out:
            stream = out.stream()
            fail_next_produce(mock_place.broker)
            await stream.send("x")
            with pytest.raises(UnavailableError, match="MessageSizeTooLarge"):
                await out.flush()


async def test_an_error_of_the_caller_is_not_hidden(mock_place: Place) -> None:
    with pytest.raises(ZeroDivisionError):
        async with publisher(mock_place) as out:
            fail_next_produce(mock_place.broker)
            await out.stream().send("x")
            await until(lambda: out.failure is not None)
            raise ZeroDivisionError


async def test_no_broker_and_no_topic_are_told(mock_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    out = OutputPublisher("127.0.0.1:1", "p1")
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1 cannot be reached"):
        await out.start()
    with pytest.raises(UnavailableError, match="was not started"):
        await out.flush()
    await out.close()


@pytest.mark.kafka
async def test_a_missing_topic_is_named(kafka: KafkaBroker) -> None:
    out = OutputPublisher(kafka.bootstrap, "p1", topics=Topics(outputs="nowhere.outputs"))
    with pytest.raises(UnavailableError, match=r"nowhere\.outputs"):
        await out.start(timeout_s=1.0)
    assert len(asyncio.all_tasks()) == 1


async def test_a_closed_publisher_says_so(mock_place: Place) -> None:
    async with publisher(mock_place) as out:
        stream = out.stream()
    with pytest.raises(UnavailableError, match="the publisher is closed"):
        await stream.send("x")


async def test_text_is_not_logged(mock_place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with publisher(mock_place) as out:
        await out.stream().send("a very secret text")
    assert caplog.records
    assert "secret" not in caplog.text
