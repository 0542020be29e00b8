"""Ctrl-C and the other requests to end, taken only where everything that was started will be stopped."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

__all__ = ["Interrupted", "Interrupts"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_T = TypeVar("_T")


class Interrupted(BaseException):
    """A signal asked this process to end. Not an `Exception`: nothing but the end of the program handles it."""


class Interrupts:
    """Takes the signals over for its `with` block, in the main thread.

    Within `allowed()` the first signal raises `Interrupted`. Before and after, signals do nothing: what happens there
    is the bounded work of stopping, and a second Ctrl-C must not leave it half done.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None
        self._allowed = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            # What was ignored stays ignored: that is how nohup and background jobs are made.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def allowed(self) -> Iterator[None]:
        """A stretch that may be broken off."""
        self._allowed = True
        try:
            yield
        finally:
            self._allowed = False

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """`asyncio.run`, where a signal cancels the work, so that it can clean up.

        Raises:
            Interrupted: a signal came.
        """

        async def main() -> _T:
            self._task = asyncio.current_task()
            try:
                return await work
            finally:
                self._task = None

        try:
            return asyncio.run(main())
        except asyncio.CancelledError:
            raise Interrupted from None

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if not self._allowed:
            return
        self._allowed = False
        if self._task is None:
            raise Interrupted
        # Raised here, it would come up in whatever callback the loop is in.
        self._task.get_loop().call_soon_threadsafe(self._task.cancel)
