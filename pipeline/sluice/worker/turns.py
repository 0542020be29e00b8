"""Locks that nobody gets any more once something has failed under one of them."""

from __future__ import annotations

import asyncio
from types import TracebackType

__all__ = ["Turn", "Turns"]


class Turns:
    """Makes locks that fail together.

    What fails, or is cancelled, leaves things half done, which a checkpoint would take for done: an order that was not
    written, in a step that never reached the queue. Whoever comes after it fails too.
    """

    def __init__(self) -> None:
        self.failed: BaseException | None = None

    def lock(self) -> Turn:
        """One more of them."""
        return Turn(self)


class Turn:
    """One such lock, for `async with`; entering it raises RuntimeError when something has failed before."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> None:
        await self._lock.acquire()
        if self._turns.failed is not None:
            self._lock.release()
            raise RuntimeError("nothing goes on after a failure") from self._turns.failed

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._turns.failed = error
        self._lock.release()
