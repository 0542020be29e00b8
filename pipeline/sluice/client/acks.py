"""Reports that orders were carried out."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

import msgspec

from sluice.client.background import BackgroundSender
from sluice.client.connection import TOPICS, Connection, check_id
from sluice.client.sender import RecordSender
from sluice.contract.ack import Ack
from sluice.contract.codec import encode
from sluice.contract.topics import Topics
from sluice.errors import LimitError, UnavailableError

__all__ = ["AckSender", "AckStats"]

logger = logging.getLogger(__name__)

BATCH_BYTES = 256_000
"""Of one request; an ack is about 400 bytes."""


class AckStats(msgspec.Struct):
    """What became of the acks."""

    sent: int = 0
    lost: int = 0
    """Could not be written: the broker refused them, no room was left, or it was gone at `close`."""


class AckSender(BackgroundSender):
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
        super().__init__(
            RecordSender(bootstrap, producer_id, topics.acks, max_bytes=BATCH_BYTES, connection=connection),
            "sluice acks",
        )
        self.stats = AckStats()
        self._max_pending = max_pending
        self._pending: deque[tuple[bytes, asyncio.Future[None]]] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def send(self, ack: Ack) -> asyncio.Future[None]:
        """Hand over an ack; does not wait. The result is there when the broker has it safely; it need not be awaited.

        Raises:
            LimitError: too many acks wait for the broker.
            UnavailableError: acks cannot be written any more.
        """
        if self.failure is not None or self._task is None or self._closing:
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
        await self._drained()
        if self.failure is not None:
            raise self.failure

    async def close(self, timeout_s: float = 5.0) -> None:
        """As for any sender; acks that wait are less worth waiting for than text."""
        await super().close(timeout_s)

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
                    self._fail(error)
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

    async def _drained(self) -> None:
        await self._idle.wait()

    def _waiting(self) -> bool:
        return bool(self._pending)

    def _fail(self, error: Exception) -> None:
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
