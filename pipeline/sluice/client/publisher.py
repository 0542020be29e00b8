"""Publishes what a producer generates: the deltas of many streams, together, in frames."""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
import weakref
from collections import deque

import msgspec

from sluice.client.background import BackgroundSender
from sluice.client.connection import LIMITS, TOPICS, Connection, check_id
from sluice.client.outbox import Outbox
from sluice.client.sender import RecordSender
from sluice.client.stream import OutputStream
from sluice.contract.codec import VERSION, encode
from sluice.contract.frame import Delta, Frame
from sluice.contract.limits import Limits
from sluice.contract.topics import Topics
from sluice.errors import InputError, LimitError, UnavailableError

__all__ = ["OutputPublisher", "PublisherStats"]

logger = logging.getLogger(__name__)

_ESCAPED_BYTES = 6  # of a character in JSON at most: control characters become \\u0000
_REST_BYTES = 5_000  # of a frame with one delta without its text: three ids of 200 characters, names, numbers


class PublisherStats(msgspec.Struct):
    """What a publisher has sent."""

    frames: int = 0
    deltas: int = 0
    characters: int = 0
    bytes: int = 0


class OutputPublisher(BackgroundSender):
    """Batches deltas into frames on `moderation.outputs`, keyed by the producer id.

    A frame leaves `linger_ms` after its first delta came, or at once when it is full; while the broker has not
    acknowledged one, the next one fills. So order is kept, also over an outage of the broker, and load makes frames
    larger, not queues longer. What waits is bounded; `send` waits for room.

    A frame that cannot be written breaks the publisher: the next `send`, `flush` or `close` raises, and so does every
    later one. Make a new one then, and new streams: the old ones have a gap.

    Not thread-safe; belongs to the event loop that starts it. Use it as `async with`.
    """

    def __init__(
        self,
        bootstrap: str,
        producer_id: str,
        *,
        topics: Topics = TOPICS,
        limits: Limits = LIMITS,
        linger_ms: float = 5.0,
        max_pending_chars: int = 1_000_000,
        max_pending_deltas: int = 32_768,
        timeout_s: float = 30.0,
        connection: Connection | None = None,
    ) -> None:
        """Prepare it.

        Args:
            bootstrap: `host:port[,host:port…]`.
            producer_id: who publishes; no two publishers with the same id may be open at the same time.
            topics: names of the topics.
            limits: the same as the workers'.
            linger_ms: how long a delta may wait for others to come into its frame.
            max_pending_chars: characters that may wait for the broker; a single longer delta still goes through.
            max_pending_deltas: deltas that may wait for the broker.
            timeout_s: how long a frame may take to be acknowledged; an outage of the broker that is longer breaks
                the publisher.
            connection: security arguments for aiokafka.

        Raises:
            InputError: the producer id cannot be one, or the limits leave no room for one delta in a frame.
        """
        check_id(producer_id, "producer_id")
        longest = limits.delta_chars * _ESCAPED_BYTES + _REST_BYTES
        if longest > limits.frame_bytes:
            raise InputError(f"limits: a delta can take {longest} bytes, and frame_bytes is {limits.frame_bytes}")
        super().__init__(
            RecordSender(bootstrap, producer_id, topics.outputs, max_bytes=limits.frame_bytes, connection=connection),
            f"sluice outputs of {producer_id}",
        )
        self.producer_id = producer_id
        self.limits = limits
        self.stats = PublisherStats()
        self._linger = linger_ms / 1000
        self._timeout = timeout_s
        self._outbox = Outbox(limits, max_pending_chars, max_pending_deltas)
        self._open: weakref.WeakValueDictionary[str, OutputStream] = weakref.WeakValueDictionary()
        self._flushes: deque[tuple[int, asyncio.Future[None]]] = deque()  # by the count of deltas they wait for
        self._wake = asyncio.Event()

    @property
    def pending(self) -> int:
        """Characters handed over that the broker does not have safely yet."""
        return self._outbox.chars

    def stream(self, stream_id: str | None = None, *, profile: str = "default") -> OutputStream:
        """Begin a stream; without an id it gets a random one.

        It counts as open until its channels are final, it is closed, or nobody holds it any more.

        Raises:
            InputError: an id cannot be one, or a stream of this id is open.
            LimitError: `Limits.open_streams_per_producer` streams are open.
        """
        if stream_id is None:
            stream_id = str(uuid.uuid4())
        check_id(stream_id, "stream_id")
        check_id(profile, "profile")
        if stream_id in self._open:
            raise InputError(f"stream {stream_id!r} is open already")
        if len(self._open) >= self.limits.open_streams_per_producer:
            raise LimitError(f"{len(self._open)} streams are open, which is the limit for one producer id")
        stream = self._open[stream_id] = OutputStream(self, stream_id, profile)
        return stream

    async def flush(self) -> None:
        """Send what waits without lingering, and wait until the broker has all that was handed over before.

        Raises:
            UnavailableError: the publisher is broken.
        """
        self._check()
        await self._drained()
        self._check()

    async def room(self, chars: int) -> None:
        """For `OutputStream`: wait until `put` may be called with so many characters."""
        await self._outbox.room(chars, self._check)

    def put(self, delta: Delta) -> None:
        """For `OutputStream`: take a delta; nothing may be awaited between `room` and this."""
        if self._outbox.put(delta, asyncio.get_running_loop().time()):
            self._wake.set()

    def forget(self, stream: OutputStream) -> None:
        """For `OutputStream`: it is not open any more."""
        if self._open.get(stream.id) is stream:
            del self._open[stream.id]

    def _check(self) -> None:
        if self.failure is not None:
            raise UnavailableError(f"nothing more can be published: {self.failure}") from self.failure
        if self._task is None or self._closing:
            raise UnavailableError("the publisher is closed" if self._closing else "the publisher was not started")

    async def _drained(self) -> None:
        wanted = self._outbox.accepted
        if self.stats.deltas < wanted and self.failure is None:
            reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._flushes.append((wanted, reached))
            self._wake.set()
            await reached

    async def _run(self) -> None:
        while True:
            await self._until_due()
            deltas, value = self._frame()
            try:
                await self._sender.send([value], self._timeout)
            except Exception as error:  # noqa: BLE001  raised by whatever is called next
                self._fail(error)
                return
            self._outbox.done(deltas)
            stats = self.stats
            stats.frames += 1
            stats.deltas += len(deltas)
            stats.characters += sum(len(delta.text) for delta in deltas)
            stats.bytes += len(value)
            while self._flushes and self._flushes[0][0] <= stats.deltas:
                _resolve(self._flushes.popleft()[1])

    async def _until_due(self) -> None:
        """Wait until a frame is full, its first delta has lingered, or somebody flushes."""
        loop = asyncio.get_running_loop()
        while True:
            outbox, timer = self._outbox, None
            if outbox:
                due = outbox.first_at + self._linger
                if outbox.full or self._flushes or loop.time() >= due:
                    return
                timer = loop.call_at(due, self._wake.set)
            self._wake.clear()
            try:
                await self._wake.wait()
            finally:
                if timer is not None:
                    timer.cancel()

    def _frame(self) -> tuple[list[Delta], bytes]:
        deltas = self._outbox.take()
        while True:
            value = encode(Frame(VERSION, self.producer_id, deltas, time.time()))
            if len(value) <= self.limits.frame_bytes:
                return deltas, value
            # Many characters that JSON must escape. One delta always fits.
            half = len(deltas) // 2
            self._outbox.give_back(deltas[half:])
            deltas = deltas[:half]

    def _waiting(self) -> bool:
        return bool(self._outbox.deltas)

    def _fail(self, error: Exception) -> None:
        lost = self._outbox.clear()
        logger.error("producer %s: %d deltas were not published: %s", self.producer_id, lost, error)
        self.failure = UnavailableError(f"{lost} deltas were not published: {error}")
        self.failure.__cause__ = error
        while self._flushes:
            _resolve(self._flushes.popleft()[1])


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
