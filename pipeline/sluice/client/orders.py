"""Orders as a producer follows them: latched, and acknowledged once they are carried out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

import msgspec

from sluice.client.acks import AckSender
from sluice.client.connection import TOPICS, Connection
from sluice.client.feed import DecisionFeed
from sluice.contract.ack import Ack, Role
from sluice.contract.codec import VERSION
from sluice.contract.decision import Order
from sluice.contract.topics import Topics
from sluice.errors import InputError, SluiceError, StreamStopped, UnavailableError

__all__ = ["OrderListener", "OrderWatch", "ack_for"]


def ack_for(order: Order, role: Role, received_at: float) -> Ack:
    """The report that an order has just been carried out."""
    return Ack(
        v=VERSION,
        decision=order.id,
        order=order.order,
        role=role,
        producer=order.producer,
        stream=order.stream,
        channel=order.channel,
        outcome=order.outcome,
        received_at=received_at,
        carried_out_at=time.time(),
    )


class OrderWatch:
    """Follows the orders for one stream. Made by `OrderListener.watch`; use it in the feed's event loop.

    As a context manager it closes itself.
    """

    def __init__(
        self, feed: DecisionFeed, acks: AckSender, stream_id: str, on_order: Callable[[Order], None] | None
    ) -> None:
        self.stream = stream_id
        self.stopped = asyncio.Event()
        """Set when generation must stop, for good. Also set when orders cannot be read any more: see `failure`."""
        self.order: Order | None = None
        """The `stop_generation` that was received."""
        self.support: Order | None = None
        """The order to give a crisis answer, if one was received."""
        self.tokens_after = 0
        """Tokens decoded after the order had arrived, as told to `decoded`."""
        self.failure: SluiceError | None = None
        """Why no more orders can come. An order might be missed: a producer that fails closed stops."""
        self._feed = feed
        self._acks = acks
        self._on_order = on_order
        self._received: dict[str, float] = {}
        feed.subscribe(stream_id, self)

    def decoded(self, tokens: int = 1) -> None:
        """Tell that tokens were decoded; those after the order to stop has arrived are counted."""
        if self.order is not None:
            self.tokens_after += tokens

    def raise_if_stopped(self) -> None:
        """For loops that do not look at `stopped` themselves.

        Raises:
            StreamStopped: generation was ordered to stop; carries the order.
            UnavailableError: orders cannot be read any more.
        """
        if self.order is not None:
            raise StreamStopped(self.order)
        self.raise_if_failed()

    def raise_if_failed(self) -> None:
        """Tell an order from a failure, which sets `stopped` too.

        Raises:
            UnavailableError: orders cannot be read any more, and none had come.
        """
        if self.order is None and self.failure is not None:
            raise UnavailableError(str(self.failure)) from self.failure

    async def acknowledge(self, tokens_after: int | None = None, *, order: Order | None = None) -> None:
        """Report that an order was carried out, and wait until the broker has the report.

        Args:
            tokens_after: tokens decoded after the order had arrived; without it what was told to `decoded`.
            order: which one; without it the one that stopped generation.

        Raises:
            InputError: there is no order to acknowledge.
            UnavailableError: acks cannot be written any more.
            LimitError: too many acks wait for the broker.
        """
        order = order or self.order
        if order is None or order.id not in self._received:
            raise InputError(f"stream {self.stream!r} has received no such order")
        ack = ack_for(order, "producer", self._received[order.id])
        if order.order == "stop_generation":
            after = self.tokens_after if tokens_after is None else tokens_after
            ack = msgspec.structs.replace(ack, tokens_after=after)
        await self._acks.send(ack)

    def close(self) -> None:
        """Follow the stream no longer. Harmless when repeated."""
        self._feed.unsubscribe(self.stream, self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def on_release(self, channel: str, offset: int, unscanned: bool) -> None:
        """Of no interest to a producer."""

    def on_order(self, order: Order, received_at: float) -> None:
        """Called by the feed, once for each order."""
        self._received[order.id] = received_at
        if order.order == "stop_generation" and self.order is None:
            self.order = order
            self.stopped.set()
        elif order.order == "support" and self.support is None:
            self.support = order
        if self._on_order is not None:
            # In its own turn of the loop: an error in it goes to the loop's exception handler, not into the feed.
            asyncio.get_running_loop().call_soon(self._on_order, order)

    def on_failure(self, error: SluiceError) -> None:
        """Called by the feed when it has ended."""
        self.failure = error
        self.stopped.set()


class OrderListener:
    """Gives each stream of a producer its `OrderWatch`.

    With a feed and an ack sender it uses them, and whoever made them closes them. `OrderListener.open` makes its own.
    """

    def __init__(self, feed: DecisionFeed, acks: AckSender) -> None:
        self.feed = feed
        self.acks = acks
        self._own: AsyncExitStack | None = None

    @classmethod
    async def open(
        cls,
        bootstrap: str,
        producer_id: str,
        *,
        topics: Topics = TOPICS,
        fetch_max_wait_ms: int = 20,
        connection: Connection | None = None,
    ) -> Self:
        """A listener with a feed and an ack sender of its own, started; close it, or use it as `async with`.

        Raises:
            UnavailableError: the broker or a topic is not there.
            InputError: the producer id cannot be one.
        """
        feed = DecisionFeed(
            bootstrap, producer_id, topics=topics, fetch_max_wait_ms=fetch_max_wait_ms, connection=connection
        )
        acks = AckSender(bootstrap, producer_id, topics=topics, connection=connection)
        async with AsyncExitStack() as stack:
            listener = cls(await stack.enter_async_context(feed), await stack.enter_async_context(acks))
            listener._own = stack.pop_all()
        return listener

    def watch(self, stream_id: str, on_order: Callable[[Order], None] | None = None) -> OrderWatch:
        """Follow a stream's orders; those that have come already are seen at once.

        `on_order` is called in the event loop for every order, each once; it must not block.
        """
        return OrderWatch(self.feed, self.acks, stream_id, on_order)

    async def close(self) -> None:
        """Close what `open` made.

        Raises:
            UnavailableError: orders could not be read any more, or acks were lost.
        """
        own, self._own = self._own, None
        if own is not None:
            await own.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        own, self._own = self._own, None
        if own is not None:
            await own.__aexit__(kind, error, trace)
