"""Locks that nobody gets any more once something has failed under one of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Turns"]


class Turns:
    """What fails, or is cancelled, leaves things half done, which a checkpoint would take for done: an order that was
    not written, in a step that never reached the queue. Whoever comes after it fails too."""

    def __init__(self) -> None:
        self._failed: BaseException | None = None

    @asynccontextmanager
    async def hold(self, lock: asyncio.Lock) -> AsyncIterator[None]:
        """Have the lock to oneself.

        Raises:
            RuntimeError: something has failed before.
        """
        async with lock:
            if self._failed is not None:
                raise RuntimeError("nothing goes on after a failure") from self._failed
            try:
                yield
            except BaseException as error:
                self._failed = error
                raise
