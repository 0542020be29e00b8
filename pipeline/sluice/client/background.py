"""Sending in the background: how it begins, and how it ends within a bounded time."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from sluice.client.connection import START_SECONDS
from sluice.client.sender import RecordSender
from sluice.errors import SluiceError, UnavailableError

__all__ = ["BackgroundSender"]


class BackgroundSender(ABC):
    """A task of its own writes what was handed over. Not thread-safe; belongs to the event loop that starts it."""

    def __init__(self, sender: RecordSender, name: str) -> None:
        """`name` is the task's."""
        self.failure: SluiceError | None = None
        """Why nothing more can be written."""
        self._sender = sender
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    async def start(self, timeout_s: float = START_SECONDS) -> None:
        """Connect.

        Raises:
            UnavailableError: the broker or the topic is not there.
        """
        await self._sender.start(timeout_s)
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def close(self, timeout_s: float = 10.0) -> None:
        """Write what waits, for at most `timeout_s`, and let go of the connection. Harmless when repeated.

        Raises:
            UnavailableError: not everything was written; says how much was not.
        """
        task = self._task
        if task is None or self._closing:
            return
        self._closing = True
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout_s
        try:
            with contextlib.suppress(TimeoutError):  # shows in what is left
                async with asyncio.timeout_at(deadline):
                    await self._drained()
        finally:  # also when we are cancelled
            task.cancel()
            await asyncio.wait([task])
            if self._waiting():
                self._fail(UnavailableError(f"not acknowledged within {timeout_s:g} s of closing"))
            # Once broken, there is nothing to wait for.
            await self._sender.close(0.5 if self.failure is not None else max(0.5, deadline - clock()))
        if self.failure is not None:
            raise self.failure

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.close()
        except UnavailableError:
            if error is None:
                raise

    @abstractmethod
    async def _run(self) -> None:
        """Write, for as long as nothing fails."""

    @abstractmethod
    async def _drained(self) -> None:
        """Wait until the broker has all that was handed over before, or there was a failure."""

    @abstractmethod
    def _waiting(self) -> bool:
        """Whether anything is not safe yet."""

    @abstractmethod
    def _fail(self, error: Exception) -> None:
        """Give up what waits; nothing more can be written."""
