"""A gate shows what is released and nothing else, and says what it did."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest
from decider import POLICY
from decisions import order, release
from place import Place, until
from test_client_feed import write
from test_client_orders import acks

from sluice.client import DeliveryGate, ModerationClient
from sluice.contract import decision_id
from sluice.errors import InputError, StreamStopped, UnavailableError


def client(place: Place) -> ModerationClient:
    return ModerationClient(place.bootstrap, "p1", policy=POLICY, topics=place.topics)


async def read(gate: DeliveryGate) -> str:
    """All text until the end; a stop is raised."""
    async with asyncio.timeout(20):
        return "".join([text async for text in gate])


async def test_text_is_shown_when_it_is_released(mock_place: Place) -> None:
    async with client(mock_place) as sluice:
        gate = sluice.gate("s")
        gate.feed("hello ")
        waiting = asyncio.create_task(anext(gate))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        await write(mock_place, release("s", 3), release("other", 6), release("s", 6, channel="reasoning"))
        assert await asyncio.wait_for(waiting, 20) == "hel"
        assert gate.take() == ""
        gate.feed("world", final=True)
        await write(mock_place, release("s", 11))
        assert await read(gate) == "lo world"
        assert gate.decision is None
        assert (gate.stats.fed, gate.stats.delivered, gate.stats.held, gate.stats.outcome) == (11, 11, 0, None)
        gate.feed("ignored: it is closed")
    assert await acks(mock_place) == []


async def test_decisions_that_were_faster_than_the_text_count(mock_place: Place) -> None:
    async with client(mock_place) as sluice:
        await write(mock_place, release("s", 6), release("t", 4), order("t", start=4))
        await until(lambda: sluice.feed.stats.orders)
        gate = sluice.gate("s")
        gate.feed("hello ", final=True)
        assert await read(gate) == "hello "
        stopped = sluice.gate("t", on_stop="end")
        stopped.feed("good bad")
        assert await read(stopped) == ""  # what was released and is not there yet is not worth a risk
        assert stopped.decision is not None


async def test_a_stop_raises_and_is_acknowledged(mock_place: Place) -> None:
    async with client(mock_place) as sluice:
        gate = sluice.gate("s")
        gate.feed("good bad")
        await write(mock_place, release("s", 7))
        assert await asyncio.wait_for(anext(gate), 20) == "good ba"
        orders = [order("s", kind, 5) for kind in ("stop_generation", "stop_transmission", "retract")]
        await write(mock_place, *orders, *orders)
        with pytest.raises(StreamStopped) as stopped:
            await read(gate)
        assert stopped.value.order is gate.decision
        assert (gate.retract_from, gate.stats.leaked, gate.stats.outcome) == (5, 2, "blocked")
        await until(lambda: gate.retract)
        assert gate.retract is not None
        assert not sluice.feed._followed
        await gate.acknowledge(gate.retract)
    found = {ack.order: ack for ack in await acks(mock_place)}
    assert set(found) == {"stop_transmission", "retract"}
    ack = found["stop_transmission"]
    assert (ack.role, ack.characters_delivered, ack.characters_leaked, ack.tokens_after) == ("gateway", 7, 2, None)
    assert ack.received_at <= ack.carried_out_at


async def test_what_was_released_before_the_stop_is_still_shown_and_counted(mock_place: Place) -> None:
    async with client(mock_place) as sluice:
        gate = sluice.gate("s", on_stop="end")
        gate.feed("good bad")
        await write(mock_place, release("s", 5), order("s", start=5), release("s", 8))
        await until(lambda: gate.decision)
        assert await read(gate) == "good "
    (ack,) = await acks(mock_place)
    assert (ack.characters_delivered, ack.characters_leaked) == (5, 0)


async def test_live_shows_at_once_and_says_what_to_withdraw(mock_place: Place) -> None:
    async with client(mock_place) as sluice:
        gate = sluice.gate("s", "live")
        gate.feed("good bad", final=True)
        assert await asyncio.wait_for(anext(gate), 20) == "good bad"
        await write(mock_place, order("s", start=5), order("s", "retract", 5))
        with pytest.raises(StreamStopped):
            await read(gate)
        assert gate.retract_from == 5


async def test_at_the_deadline_it_closes_by_itself(mock_place: Place) -> None:
    async with client(mock_place) as sluice:
        gate = sluice.gate("s", "impatient")
        began = time.monotonic()
        gate.feed("nobody answers")
        with pytest.raises(StreamStopped) as stopped:
            await read(gate)
        assert 0.3 <= time.monotonic() - began < 2
        assert (stopped.value.order.reason, stopped.value.order.outcome) == ("deadline", "blocked_unavailable")
        assert stopped.value.order.producer == "p1"
    (ack,) = await acks(mock_place)
    assert ack.decision == decision_id("s", "answer", "stop_transmission", "deadline", "", 0, 0)
    assert (ack.outcome, ack.characters_delivered, ack.characters_leaked) == ("blocked_unavailable", 0, 0)


async def test_at_the_deadline_it_opens_if_the_profile_says_so(mock_place: Place) -> None:
    async with client(mock_place) as sluice:
        gate = sluice.gate("s", "open")
        gate.feed("nobody ")
        await asyncio.sleep(0.15)
        gate.feed("answers", final=True)
        assert await asyncio.wait_for(anext(gate), 20) == "nobody "
        assert await read(gate) == "answers"
        assert (gate.stats.unscanned, gate.stats.outcome, gate.decision) == (14, "passed_unscanned", None)
    (ack,) = await acks(mock_place)
    assert (ack.outcome, ack.decision) == (
        "passed_unscanned",
        decision_id("s", "answer", "stop_transmission", "deadline", "", 0, 0),
    )


async def test_released_text_has_no_deadline(mock_place: Place) -> None:
    async with client(mock_place) as sluice:
        gate = sluice.gate("s", "impatient")
        for number in range(1, 6):
            gate.feed("x" * 10)
            await asyncio.sleep(0.1)
            sluice.feed._release("s", "answer", 10 * number, False)
        await asyncio.sleep(0.5)
        assert gate.decision is None
        gate.close()


async def test_a_blocked_event_loop_is_not_taken_for_a_silent_moderation(mock_place: Place) -> None:
    async with client(mock_place) as sluice:
        gate = sluice.gate("s", "brisk")
        gate.feed("all is well", final=True)
        await write(mock_place, release("s", 1))
        await asyncio.wait_for(anext(gate), 20)
        writing = asyncio.create_task(write(mock_place, release("s", 11)))
        await asyncio.sleep(0.1)
        time.sleep(3.0)  # noqa: ASYNC251  somebody's mistake, on purpose
        assert await read(gate) == "ll is well"
        await writing


async def test_a_cancelled_read_loses_nothing(mock_place: Place) -> None:
    async with client(mock_place) as sluice:
        gate = sluice.gate("s")
        gate.feed("hello", final=True)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await anext(gate)
        await write(mock_place, release("s", 5))
        assert await read(gate) == "hello"


async def test_a_reader_who_leaves_ends_the_waiting(mock_place: Place) -> None:
    async with client(mock_place) as sluice:
        with sluice.gate("s") as gate:
            gate.feed("hello")
            reading = asyncio.create_task(read(gate))
            await asyncio.sleep(0)
        assert await reading == ""
        gate.close()
        assert not sluice.feed._followed


async def test_gate_input_is_checked(mock_place: Place) -> None:
    async with client(mock_place) as sluice:
        gate = sluice.gate("s")
        gate.feed("", final=True)
        with pytest.raises(InputError, match="after its final one"):
            gate.feed("more")
        assert await read(gate) == ""
        with pytest.raises(InputError, match="unknown profile"):
            sluice.gate("t", "nonesuch")


async def test_channels_have_gates_of_their_own_and_fall_together(mock_place: Place) -> None:
    async with client(mock_place) as sluice:
        answer, thoughts = sluice.gate("s"), sluice.gate("s", channel="reasoning")
        answer.feed("fine")
        thoughts.feed("bad")
        await write(mock_place, release("s", 4), order("s", start=0, channel="reasoning"))
        with pytest.raises(StreamStopped):
            await read(thoughts)
        with pytest.raises(StreamStopped):
            await read(answer)
        assert (answer.stats.delivered, answer.stats.leaked) == (4, 0)
    assert {(ack.channel, ack.characters_delivered) for ack in await acks(mock_place)} == {
        ("answer", 4),
        ("reasoning", 0),
    }


@pytest.mark.parametrize(("profile", "raises"), [("default", True), ("open", False)])
async def test_the_end_of_the_feed_is_told_unless_the_profile_fails_open(
    mock_place: Place, monkeypatch: pytest.MonkeyPatch, profile: str, raises: bool
) -> None:
    def crash(*_: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(UnavailableError, match="cannot be read any more"):
        async with client(mock_place) as sluice:
            gate = sluice.gate("s", profile)
            gate.feed("text", final=True)
            monkeypatch.setattr("sluice.client.feed.decode_decision", crash)
            await write(mock_place, release("s", 4))
            await until(lambda: gate.failure)
            if raises:
                with pytest.raises(UnavailableError):
                    await read(gate)
            else:
                assert await read(gate) == "text"


async def test_acks_that_cannot_be_sent_do_not_stop_the_reader(mock_place: Place) -> None:
    with pytest.raises(UnavailableError, match="acks"):
        async with client(mock_place) as sluice:
            await sluice.acks._sender.close(1.0)
            for name in ("s", "t"):
                gate = sluice.gate(name, on_stop="end")
                gate.feed("good")
                await write(mock_place, release(name, 4), order(name))
                assert await read(gate) == "good"
                await until(lambda: sluice.acks.failure)
            assert sluice.acks.stats.lost == 2


async def test_thousands_of_gates_are_cheap(mock_place: Place) -> None:
    async with client(mock_place) as sluice:
        tasks_before = len(asyncio.all_tasks())
        gates = [sluice.gate(f"s{number}") for number in range(5_000)]
        began = time.process_time()
        for number, gate in enumerate(gates):
            for turn in range(1, 11):
                gate.feed("four")
                sluice.feed._release(f"s{number}", "answer", 4 * turn - 2, False)
        spent = time.process_time() - began
        assert len(asyncio.all_tasks()) == tasks_before
        assert all(gate.take() == "four" * 9 + "fo" for gate in gates)
        assert spent < 3  # measured: 0.4 s for 50,000 deltas and as many releases
        for gate in gates:
            gate.close()


def test_stats_can_be_written_down() -> None:
    from sluice.client import GateStats

    assert msgspec.json.encode(GateStats(1, 1, 0, 0.0, 0, 0, None))
