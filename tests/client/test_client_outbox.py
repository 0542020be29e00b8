"""Laws of the outbox: order is kept, bounds hold, and nobody waits for ever."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.client.outbox import Outbox
from sluice.contract import Delta, Limits
from sluice.errors import UnavailableError

LIMITS = Limits(frame_deltas=4, frame_bytes=1_000)


def fine() -> None:
    """Nothing is wrong."""


@given(st.lists(st.text(max_size=60), max_size=40), st.lists(st.integers(0, 3), max_size=60))
def test_frames_hold_what_was_put_in_in_order(texts: list[str], plan: list[int]) -> None:
    outbox = Outbox(LIMITS, 10**6, 10**6)
    deltas = [Delta("s", seq, 0, text) for seq, text in enumerate(texts)]
    left, sent = list(deltas), []
    for step in plan + [0] * len(left) + [1] * (len(left) + 1):
        if step == 0 and left:
            outbox.put(left.pop(0), 0.0)
        elif step == 1:
            frame = outbox.take()
            assert len(frame) <= LIMITS.frame_deltas
            sent += frame
            outbox.done(frame)
        elif step == 2 and len(outbox) > 1:  # a frame that turned out too large
            frame = outbox.take()
            outbox.give_back(frame[1:])
            sent += frame[:1]
            outbox.done(frame[:1])
    assert sent == deltas
    assert (outbox.chars, outbox.deltas, len(outbox), outbox.full) == (0, 0, 0, False)
    assert outbox.accepted == len(deltas)


@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=20),
    st.integers(1, 40),
    st.integers(1, 5),
    st.lists(st.booleans(), max_size=80),
)
def test_the_bounds_hold_and_everyone_gets_his_turn(
    sizes: list[int], max_chars: int, max_deltas: int, turns: list[bool]
) -> None:
    async def run() -> None:
        outbox = Outbox(LIMITS, max_chars, max_deltas)
        entered: list[int] = []

        async def speak(number: int, size: int) -> None:
            await outbox.room(size, fine)
            outbox.put(Delta("s", number, 0, "x" * size), 0.0)
            entered.append(number)

        speaking = [asyncio.create_task(speak(number, size)) for number, size in enumerate(sizes)]
        for turn in turns + [True] * len(sizes) * 2:
            for _ in range(4):
                await asyncio.sleep(0)
            assert outbox.deltas <= max_deltas
            assert outbox.chars <= max(max_chars, max(sizes))
            if turn:
                outbox.done(outbox.take())
        async with asyncio.timeout(5):
            await asyncio.gather(*speaking)
        assert entered == sorted(entered)

    asyncio.run(run())


async def test_those_who_wait_are_told_when_it_is_in_vain() -> None:
    outbox = Outbox(LIMITS, 10, 10)
    broken = False

    def check() -> None:
        if broken:
            raise UnavailableError("broken")

    outbox.put(Delta("s", 0, 0, "x" * 10), 0.0)
    waiting = [asyncio.create_task(outbox.room(5, check)) for _ in range(3)]
    await asyncio.sleep(0)
    broken = True
    assert outbox.clear() == 1
    for task in waiting:
        with pytest.raises(UnavailableError):
            await asyncio.wait_for(task, 5)
