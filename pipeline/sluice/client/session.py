"""All that one process needs to publish, to obey and to deliver, over one connection of each kind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Literal, Self

from sluice.client.acks import AckSender
from sluice.client.connection import LIMITS, TOPICS, Connection
from sluice.client.feed import DecisionFeed
from sluice.client.gate import DeliveryGate
from sluice.client.orders import OrderListener, OrderWatch
from sluice.client.publisher import OutputPublisher
from sluice.client.stream import OutputStream
from sluice.contract.decision import Order
from sluice.contract.frame import Channel
from sluice.contract.limits import Limits
from sluice.contract.topics import Topics
from sluice.policy import Policy, Profile

__all__ = ["ModerationClient"]


class ModerationClient:
    """Owns a publisher, a decision feed and an ack sender for one producer id; hands out streams, watches and gates.

    The feed is there before the first delta can leave, so no decision is missed. On leaving, the publisher is closed
    first, then the acks, then the feed. Not thread-safe; belongs to the event loop that enters it. Only as
    `async with`.
    """

    def __init__(
        self,
        bootstrap: str,
        producer_id: str,
        *,
        policy: Policy | None = None,
        topics: Topics = TOPICS,
        limits: Limits = LIMITS,
        linger_ms: float = 5.0,
        fetch_max_wait_ms: int = 20,
        connection: Connection | None = None,
    ) -> None:
        """See `OutputPublisher`, `DecisionFeed` and `DeliveryGate` for the arguments; `policy` holds the gates'
        profiles, the shipped one by default.

        Raises:
            InputError: the producer id cannot be one.
        """
        self.policy = policy or Policy.shipped()
        self.limits = limits
        self.publisher = OutputPublisher(
            bootstrap, producer_id, topics=topics, limits=limits, linger_ms=linger_ms, connection=connection
        )
        self.feed = DecisionFeed(
            bootstrap, producer_id, topics=topics, fetch_max_wait_ms=fetch_max_wait_ms, connection=connection
        )
        self.acks = AckSender(bootstrap, producer_id, topics=topics, connection=connection)
        self.orders = OrderListener(self.feed, self.acks)
        self._stack = AsyncExitStack()

    def stream(self, stream_id: str | None = None, *, profile: str = "default") -> OutputStream:
        """Begin a stream; see `OutputPublisher.stream`."""
        return self.publisher.stream(stream_id, profile=profile)

    def watch(self, stream_id: str, on_order: Callable[[Order], None] | None = None) -> OrderWatch:
        """Follow a stream's orders; see `OrderListener.watch`."""
        return self.orders.watch(stream_id, on_order)

    def gate(
        self,
        stream_id: str,
        profile: str | Profile = "default",
        *,
        channel: Channel = "answer",
        on_stop: Literal["raise", "end"] = "raise",
    ) -> DeliveryGate:
        """A gate for one channel of a stream; see `DeliveryGate`.

        Raises:
            InputError: there is no profile of this name in the policy.
        """
        if isinstance(profile, str):
            profile = self.policy.profile(profile)
        return DeliveryGate(
            self.feed, stream_id, profile, channel=channel, acks=self.acks, on_stop=on_stop, limits=self.limits
        )

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            for part in (self.feed, self.acks, self.publisher):
                await stack.enter_async_context(part)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)
