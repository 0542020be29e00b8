"""Deltas that wait for the broker: bounded, and cut into frames in the order in which they came."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from sluice.contract.frame import Delta
from sluice.contract.limits import Limits

__all__ = ["Outbox"]

_DELTA_BYTES = 96  # names, numbers and marks of one delta in JSON, without its ids and its text
_FILL = 0.5  # of `Limits.frame_bytes`, at which a frame is full; the sizes added up here are estimates


class Outbox:
    """Single-threaded. Several tasks may wait for room, in the order in which they asked; one takes frames.

    What was taken counts against the bounds until it is `done`.
    """

    def __init__(self, limits: Limits, max_chars: int, max_deltas: int) -> None:
        self.chars = 0
        """Characters that wait or are on their way."""
        self.deltas = 0
        """Deltas that wait or are on their way."""
        self.accepted = 0
        """Deltas put in, in all."""
        self.first_at = 0.0
        """When the oldest delta that waits was put in, or one before it."""
        self._limits = limits
        self._max_chars = max_chars
        self._max_deltas = max_deltas
        self._full_bytes = int(limits.frame_bytes * _FILL)
        self._waiting: deque[Delta] = deque()
        self._bytes = 0
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def full(self) -> bool:
        """There is enough for a whole frame."""
        return len(self._waiting) >= self._limits.frame_deltas or self._bytes >= self._full_bytes

    async def room(self, chars: int, check: Callable[[], None]) -> None:
        """Wait until so many characters may be put in; `check` raises where waiting has become pointless.

        A delta that is larger than the bound by itself goes in when nothing else is there.
        The caller puts in what it has before it awaits anything else.
        """
        check()
        if not self._turn.locked() and self._fits(chars):
            return
        async with self._turn:
            while not self._fits(chars):
                self._freed.clear()
                await self._freed.wait()
            check()

    def put(self, delta: Delta, now: float) -> bool:
        """Add a delta; whether whoever sends should look: it is the first one, or makes a frame full."""
        text = delta.text
        was_full, first = self.full, not self._waiting
        if first:
            self.first_at = now
        self._waiting.append(delta)
        self._bytes += _size(text)
        self.chars += len(text)
        self.deltas += 1
        self.accepted += 1
        return first or (self.full and not was_full)

    def take(self) -> list[Delta]:
        """The deltas of the next frame, in order."""
        waiting = self._waiting
        taken: list[Delta] = []
        size = 0
        while waiting and len(taken) < self._limits.frame_deltas and size < self._full_bytes:
            delta = waiting.popleft()
            size += _size(delta.text)
            taken.append(delta)
        self._bytes -= size
        return taken

    def give_back(self, deltas: list[Delta]) -> None:
        """Put deltas that were taken in front again."""
        self._waiting.extendleft(reversed(deltas))
        self._bytes += sum(_size(delta.text) for delta in deltas)

    def done(self, deltas: list[Delta]) -> None:
        """Deltas that were taken are safe: make room."""
        self.chars -= sum(len(delta.text) for delta in deltas)
        self.deltas -= len(deltas)
        self._freed.set()

    def clear(self) -> int:
        """Drop everything, and wake those who wait for room; how many deltas were not safe."""
        lost = self.deltas
        self._waiting.clear()
        self.chars = self.deltas = self._bytes = 0
        self._freed.set()
        return lost

    def _fits(self, chars: int) -> bool:
        if not self.deltas:
            return True
        return self.deltas < self._max_deltas and self.chars + chars <= self._max_chars


def _size(text: str) -> int:
    """About the bytes of a delta in JSON: other than ASCII is mostly Chinese here, of three bytes each."""
    return _DELTA_BYTES + (len(text) if text.isascii() else 3 * len(text))
