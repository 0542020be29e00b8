"""Reports that orders were carried out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from types import TracebackType
from typing import Self

import msgspec

from sluice.client.connection import START_SECONDS, TOPICS, Connection, check_id
from sluice.client.sender import RecordSender
from sluice.contract.ack import Ack
from sluice.contract.codec import encode
from sluice.contract.topics import Topics
from sluice.errors import LimitError, SluiceError, UnavailableError

__all__ = ["AckSender", "AckStats"]

logger = logging.getLogger(__name__)

BATCH_BYTES = 256_000
"""Of one request; an ack is about 400 bytes."""


class AckStats(msgspec.Struct):
    """What became of the acks."""

    sent: int = 0
    lost: int = 0
    """Could not be written: the broker refused them, no room was left, or it was gone at `close`."""


class AckSender:
    """Writes acks to `moderation.acks`, keyed by the producer id, in order, in the background.

    An outage of the broker is waited for; nobody's text or stop waits for an ack. Not thread-safe; belongs to the
    event loop that starts it. Use it as `async with`.
    """

    def __init__(
        self,
        bootstrap: str,
        producer_id: str,
        *,
        topics: Topics = TOPICS,
        max_pending: int = 65_536,
        connection: Connection | None = None,
    ) -> None:
        """`max_pending`: acks that may wait for the broker; a further one is refused.

        Raises:
            InputError: the producer id cannot be one.
        """
        check_id(producer_id, "producer_id")
        self.stats = AckStats()
        self.failure: SluiceError | None = None
        """Why no more acks can be written."""
        self._max_pending = max_pending
        self._sender = RecordSender(bootstrap, producer_id, topics.acks, max_bytes=BATCH_BYTES, connection=connection)
        self._pending: deque[tuple[bytes, asyncio.Future[None]]] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._task: asyncio.Task[None] | None = None

    async def start(self, timeout_s: float = START_SECONDS) -> None:
        """Connect.

        Raises:
            UnavailableError: the broker or the topic is not there.
        """
        await self._sender.start(timeout_s)
        self._task = asyncio.create_task(self._run(), name="sluice acks")

    def send(self, ack: Ack) -> asyncio.Future[None]:
        """Hand over an ack; does not wait. The result is there when the broker has it safely; it need not be awaited.

        Raises:
            LimitError: too many acks wait for the broker.
            UnavailableError: acks cannot be written any more.
        """
        if self.failure is not None or self._task is None:
            self.stats.lost += 1
            raise UnavailableError(f"acks cannot be written: {self.failure or 'not started, or closed'}")
        if len(self._pending) >= self._max_pending:
            self.stats.lost += 1
            raise LimitError(f"{self._max_pending} acks already wait for the broker")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append((encode(ack), future))
        self._idle.clear()
        self._wake.set()
        return future

    async def flush(self) -> None:
        """Wait until the broker has every ack handed over so far.

        Raises:
            UnavailableError: acks cannot be written any more.
        """
        await self._idle.wait()
        if self.failure is not None:
            raise self.failure

    async def close(self, timeout_s: float = 5.0) -> None:
        """Write what waits, for at most `timeout_s`, and let go of the connection. Harmless when repeated.

        Raises:
            UnavailableError: acks were lost; says how many.
        """
        task, self._task = self._task, None
        if task is None:
            return
        clock = asyncio.get_running_loop().time
        deadline = clock() + timeout_s
        try:
            with contextlib.suppress(TimeoutError):  # shows in what is left
                async with asyncio.timeout_at(deadline):
                    await self._idle.wait()
        finally:  # also when we are cancelled
            task.cancel()
            await asyncio.wait([task])
            if self._pending:
                self._give_up(UnavailableError(f"not acknowledged within {timeout_s:g} s of closing"))
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

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                batch = self._next_batch()
                try:
                    await self._sender.send([value for value, _ in batch], None)
                except asyncio.CancelledError:
                    self._pending.extendleft(reversed(batch))
                    raise
                except Exception as error:  # noqa: BLE001  kept, logged, and raised by flush and close
                    self._pending.extendleft(reversed(batch))
                    self._give_up(error)
                    return
                self.stats.sent += len(batch)
                for _, future in batch:
                    if not future.done():
                        future.set_result(None)
            self._idle.set()

    def _next_batch(self) -> list[tuple[bytes, asyncio.Future[None]]]:
        batch = [self._pending.popleft()]
        size = len(batch[0][0])
        while self._pending and (size := size + len(self._pending[0][0]) + 512) <= BATCH_BYTES:
            batch.append(self._pending.popleft())
        return batch

    def _give_up(self, error: Exception) -> None:
        if self.failure is None:
            logger.error("acks cannot be written any more; %d are lost: %r", len(self._pending), error)
            self.failure = UnavailableError(f"{len(self._pending)} acks were not written: {error}")
            self.failure.__cause__ = error
        self.stats.lost += len(self._pending)
        for _, future in self._pending:
            if not future.done():
                future.set_exception(self.failure)
                future.exception()  # seen: flush and close raise it, for those who did not wait
        self._pending.clear()
        self._idle.set()
