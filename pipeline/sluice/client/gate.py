"""What stands before a reader: shows text only when it may be shown, and nothing after a stop."""

from __future__ import annotations

import asyncio
import logging
import time
from types import TracebackType
from typing import Literal, Self

import msgspec

from sluice.client.acks import AckSender
from sluice.client.connection import LIMITS
from sluice.client.feed import DecisionFeed
from sluice.client.orders import ack_for
from sluice.contract.ack import Ack
from sluice.contract.decision import Order, Outcome
from sluice.contract.frame import Channel
from sluice.contract.limits import Limits
from sluice.delivery.view import ReleasedView
from sluice.errors import SluiceError, StreamStopped
from sluice.policy.profile import Profile

__all__ = ["DeliveryGate", "GateStats"]

logger = logging.getLogger(__name__)

LATE_SECONDS = 0.2
"""A timer that fires later than this tells that the event loop was blocked. The feed then gets as much time first."""


class GateStats(msgspec.Struct, frozen=True):
    """What a gate has let through."""

    fed: int
    """Characters fed."""
    delivered: int
    """Characters that the reader was given."""
    held: int
    """Characters held back now."""
    held_mean: float
    """Characters held back after a delta was fed, mean over the deltas."""
    leaked: int
    """Characters that the reader was given at or after the start of what the stream was stopped for."""
    unscanned: int
    """Characters that were let through without the answer of every detector."""
    outcome: Outcome | None
    """None while everything was, or may still be, released as scanned."""


class DeliveryGate:
    """One channel of one stream. Fed with its text by whoever holds it; iterate over it for what may be shown.

        gate = DeliveryGate(feed, stream_id, profile, acks=acks)
        gate.feed("Hello, ")          # from the task that generates
        async for text in gate:       # in the task that serves the reader
            await response.write(text)

    The iteration ends when the channel is complete; when the stream is stopped it raises `StreamStopped`, or, with
    `on_stop="end"`, just ends: then look at `decision`, because what was shown is not the whole answer.

    It is cheap: no task of its own, and a timer only while text waits. Not thread-safe; belongs to the feed's event
    loop; one task iterates. Close it, or use it as a context manager, when its text is not wanted any more.
    """

    def __init__(
        self,
        feed: DecisionFeed,
        stream_id: str,
        profile: Profile,
        *,
        channel: Channel = "answer",
        acks: AckSender | None = None,
        on_stop: Literal["raise", "end"] = "raise",
        limits: Limits = LIMITS,
    ) -> None:
        """Open it; a stream that was stopped before is stopped from the beginning.

        Args:
            feed: of the producer that generates the stream; started.
            stream_id: the stream.
            profile: the same that its deltas name.
            channel: which of its texts.
            acks: where a stop is acknowledged; None leaves that to the caller.
            on_stop: how the iteration ends on a stop.
            limits: `channel_chars` bounds what is kept.
        """
        self._view = ReleasedView(
            profile, stream_id, producer=feed.producer_id, channel=channel, max_chars=limits.channel_chars
        )
        self.retract: Order | None = None
        """The order to withdraw text that was shown, for `acknowledge`; it comes right after the stop. `retract_from`
        says from where, and does so at once."""
        self.failure: SluiceError | None = None
        """Why no more decisions can come."""
        self._feed = feed
        self._acks = acks
        self._on_stop = on_stop
        self._received: dict[str, float] = {}
        self._news = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self._ended = False
        self._passed = False
        feed.subscribe(stream_id, self)

    @property
    def stream(self) -> str:
        """The stream's id."""
        return self._view.stream

    @property
    def decision(self) -> Order | None:
        """What stopped the stream: a worker's order, or one made here at the deadline; None while it is not stopped."""
        return self._view.order

    @property
    def retract_from(self) -> int | None:
        """First character that the reader was given and must lose again; None when there is none."""
        return self._view.retract_from

    @property
    def stats(self) -> GateStats:
        """Counts so far."""
        view = self._view
        return GateStats(
            fed=view.fed,
            delivered=view.delivered,
            held=view.held,
            held_mean=view.held_mean,
            leaked=view.leaked,
            unscanned=view.unscanned,
            outcome=view.outcome,
        )

    def feed(self, text: str, final: bool = False) -> None:
        """Add the channel's next text; does not block. Ignored once the stream is stopped or the gate is closed.

        Raises:
            InputError: the channel's last text was fed already.
        """
        if self._closed:
            return
        self._view.feed(text, final, now=self._loop.time(), wall=time.time())
        self._after()

    def take(self) -> str:
        """What may be shown and was not taken yet, without waiting; perhaps nothing. For those who do not iterate."""
        return self._view.take()

    async def acknowledge(self, order: Order) -> None:
        """Report an order that only the caller can carry out, such as `retract`; a stop is reported by itself.

        Raises:
            UnavailableError: acks cannot be written any more.
            LimitError: too many acks wait for the broker.
        """
        if self._acks is not None:
            await self._acks.send(self._ack(order))

    def close(self) -> None:
        """End it, e.g. because the reader has gone. Harmless when repeated."""
        self._closed = True
        self._feed.unsubscribe(self._view.stream, self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._news.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        """The next released text, each character once; waits for it. Cancelling it loses nothing.

        Raises:
            StreamStopped: the stream was stopped; carries the order. Not with `on_stop="end"`.
            UnavailableError: no more decisions can come, and the profile fails closed.
        """
        view = self._view
        while True:
            text = view.take()
            if text:
                return text
            if view.ended or self._closed:
                self._end()
                if view.order is not None and self._on_stop == "raise":
                    raise StreamStopped(view.order)
                raise StopAsyncIteration
            if self.failure is not None and view.profile.on_failure == "closed":
                self.close()
                raise self.failure
            self._news.clear()
            await self._news.wait()

    def on_release(self, channel: str, offset: int, unscanned: bool) -> None:
        """Called by the feed."""
        if channel == self._view.channel:
            self._view.release(offset, unscanned)
            self._after()

    def on_order(self, order: Order, received_at: float) -> None:
        """Called by the feed, once for each order."""
        self._received[order.id] = received_at
        self._view.give(order)
        if order.order == "stop_transmission":
            self._report(order)
        self._after()
        if order.order == "retract":
            self.retract = order
            if self._ended:
                self.close()

    def on_failure(self, error: SluiceError) -> None:
        """Called by the feed when it has ended."""
        self.failure = error
        self._news.set()

    def _end(self) -> None:
        """The iteration is over. Where text is to be withdrawn, the order that says so may be just behind the stop."""
        self._ended = True
        if self._view.retract_from is None or self.retract is not None:
            self.close()

    def _after(self) -> None:
        """Something may have changed: report what was decided here, see to the deadline, and tell whoever iterates."""
        view = self._view
        order = view.order
        if order is not None and order.id not in self._received:
            self._received[order.id] = order.decided_at
            self._report(order)
        elif order is None and view.unscanned and not self._passed:
            # Recorded once, under the id that a stop at the deadline would have had.
            self._passed = True
            self._report(view.would_stop("deadline", time.time()), "passed_unscanned")
        if self._timer is None and view.next_deadline is not None and not self._closed:
            self._timer = self._loop.call_at(view.next_deadline, self._on_timer)
        if view.delivered < view.visible or view.ended:
            self._news.set()

    def _on_timer(self) -> None:
        # Set once and not moved with every release, which would make a timer for each delta: so it may be early.
        timer, self._timer = self._timer, None
        now = self._loop.time()
        if timer is not None and now - timer.when() > LATE_SECONDS:
            # The loop was blocked, so the feed had no chance either: what is missing may only not have been read.
            self._timer = self._loop.call_at(now + LATE_SECONDS, self._on_timer)
            return
        self._view.tick(now=now, wall=time.time())
        self._after()

    def _ack(self, order: Order, outcome: Outcome | None = None) -> Ack:
        view = self._view
        # Released and not taken yet counts as delivered: it will be.
        delivered = max(view.delivered, view.visible) if view.order is not None else view.delivered
        return msgspec.structs.replace(
            ack_for(order, "gateway", self._received.get(order.id, time.time())),
            channel=view.channel,
            outcome=outcome or order.outcome,
            characters_delivered=delivered,
            characters_leaked=view.leaked,
        )

    def _report(self, order: Order, outcome: Outcome | None = None) -> None:
        if self._acks is None:
            return
        try:
            self._acks.send(self._ack(order, outcome))
        except SluiceError as error:  # counted by the sender, and raised when it is closed; the reader goes on
            logger.warning("stream %s: an order was carried out and could not be acknowledged: %s", self.stream, error)
