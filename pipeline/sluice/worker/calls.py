"""Calls of a model outside the event loop, one at a time, that may fail or hang."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["Caller"]

_T = TypeVar("_T")


class Caller:
    """One thread. Belongs to one event loop, and to one caller at a time."""

    def __init__(self, name: str, deadline: float) -> None:
        """A call that takes longer than `deadline` seconds counts as not answered."""
        self._deadline = deadline
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._stuck: asyncio.Future[Any] | None = None

    async def call(self, function: Callable[..., _T], *args: object) -> _T | None:
        """What the function returns; None when it failed or did not answer in time."""
        if self._stuck is not None and not self._stuck.done():
            return None
        future = asyncio.get_running_loop().run_in_executor(self._executor, _answer, function, *args)
        try:
            return await asyncio.wait_for(asyncio.shield(future), self._deadline)
        except TimeoutError:
            # A call that hangs keeps its thread; until it comes back every further one counts as not answered.
            self._stuck = future
            return None

    def close(self) -> None:
        """Let go of the thread, without waiting for a call that hangs."""
        self._executor.shutdown(wait=False, cancel_futures=True)


def _answer(function: Callable[..., _T], *args: object) -> _T | None:
    """In the thread: what the function returns, None when it raises.

    Whatever a model raises, the profile's failure outcome holds; a panic in Rust is no `Exception`. Signals go to the
    main thread, so nothing but the model's own failures ends here.
    """
    try:
        return function(*args)
    except BaseException:  # noqa: BLE001
        return None
