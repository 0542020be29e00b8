"""One channel as its reader may see it.

Deltas and decisions come on two ways and at different speeds, so any order of them is right: a release may come
before the text that it speaks of, late, or twice. Nothing but the order that stops the stream is final.
"""

from __future__ import annotations

from collections import deque

from sluice.contract.codec import VERSION
from sluice.contract.decision import FrameRef, Order, Outcome, Reason, Versions, decision_id
from sluice.contract.frame import Channel
from sluice.contract.limits import Limits
from sluice.errors import InputError
from sluice.policy.profile import Profile

__all__ = ["STOPS_DELIVERY", "ReleasedView"]

STOPS_DELIVERY = ("stop_transmission", "retract")
"""Orders that end the transmission. `stop_generation` is the producer's; a stop of the policy never comes without
`stop_transmission`."""


class ReleasedView:
    """Pure: no I/O and no clock; every time is passed in. Not thread-safe.

    Bounded: it keeps the text that is not taken yet, and one entry per delta that is not released yet; both end at
    `max_chars` characters of the channel, which is stopped as `limit` beyond them.
    """

    __slots__ = (
        "_head",
        "_held_count",
        "_held_sum",
        "_stop_at",
        "_text",
        "_waiting",
        "channel",
        "delivered",
        "fed",
        "final",
        "max_chars",
        "order",
        "passed",
        "producer",
        "profile",
        "stream",
        "unscanned",
        "watermark",
    )

    def __init__(
        self,
        profile: Profile,
        stream: str,
        *,
        producer: str = "",
        channel: Channel = "answer",
        max_chars: int = Limits().channel_chars,
    ) -> None:
        self.profile = profile
        self.stream = stream
        self.producer = producer
        self.channel: Channel = channel
        self.max_chars = max_chars
        self.fed = 0
        """Characters fed."""
        self.watermark = 0
        """Text before this offset was released by decisions. It may be beyond what was fed."""
        self.passed = 0
        """Text before this offset is shown without a release: its deadline passed, and the profile fails open."""
        self.delivered = 0
        """Characters taken, that is, given to the reader."""
        self.unscanned = 0
        """Characters that may be shown although not every detector answered for them."""
        self.final = False
        """The channel's last delta was fed."""
        self.order: Order | None = None
        """What stopped the transmission: an order of the worker, or one made here at the deadline."""
        self._text: deque[str] = deque()  # not taken yet
        self._head = 0  # characters of _text[0] that were taken
        self._waiting: deque[tuple[int, float]] = deque()  # end offset and time of each delta not released yet
        self._stop_at = 0
        self._held_sum = 0
        self._held_count = 0

    @property
    def visible(self) -> int:
        """Text before this offset may be taken."""
        if self.order is not None:
            return self._stop_at
        return self.cleared if self.profile.mode == "hold" else self.fed

    @property
    def cleared(self) -> int:
        """Text before this offset is released or was passed at its deadline, and has been fed."""
        return min(self.fed, max(self.watermark, self.passed))

    @property
    def stopped(self) -> bool:
        """An order, or the deadline, stopped the transmission."""
        return self.order is not None

    @property
    def ended(self) -> bool:
        """Nothing more will come: all that may be shown was taken, and the channel is complete or stopped."""
        if self.delivered < self.visible:
            return False
        return self.order is not None or (self.final and self._settled)

    @property
    def _settled(self) -> bool:
        # In live mode the reader has all of the text already, and an order may still withdraw some of it: wait for
        # the verdict on the last character. In monitor mode nothing can follow.
        return self.profile.mode == "monitor" or self.cleared == self.fed

    @property
    def held(self) -> int:
        """Characters that are held back now."""
        return 0 if self.order is not None else self.fed - self.visible

    @property
    def held_mean(self) -> float:
        """Characters held back after a delta was fed, mean over the deltas."""
        return self._held_sum / self._held_count if self._held_count else 0.0

    @property
    def leaked(self) -> int:
        """Characters that were taken although they stand at or after the start of what the stream was stopped for."""
        finding = self.order.finding if self.order is not None and self.order.channel == self.channel else None
        return 0 if finding is None else max(0, self.delivered - finding.start)

    @property
    def retract_from(self) -> int | None:
        """First character that the reader has and must lose again; None when there is none."""
        return self.delivered - self.leaked if self.leaked else None

    @property
    def outcome(self) -> Outcome | None:
        """How it ended or will end; None while all text was, or may still be, released as scanned."""
        if self.order is not None:
            return self.order.outcome
        return "passed_unscanned" if self.unscanned else None

    @property
    def next_deadline(self) -> float | None:
        """When `tick` will have something to do, on the clock of `now`; None while nothing waits."""
        return self._waiting[0][1] + self.profile.deadline_ms / 1000 if self._waiting else None

    def feed(self, text: str, final: bool = False, *, now: float, wall: float = 0.0) -> None:
        """Add the channel's next text. Ignored once the stream is stopped.

        Args:
            text: may be empty.
            final: it is the channel's last.
            now: seconds of a monotonic clock.
            wall: seconds since the epoch; only recorded.

        Raises:
            InputError: the channel's last text was fed already.
        """
        if self.order is not None:
            return
        if self.final:
            raise InputError(f"stream {self.stream!r}: text for channel {self.channel} after its final one")
        if self.fed + len(text) > self.max_chars:
            self._stop(self.would_stop("limit", wall))
            return
        self.final = final
        if text:
            self.fed += len(text)
            self._text.append(text)
            if max(self.watermark, self.passed) < self.fed:
                self._waiting.append((self.fed, now))
        self._held_sum += self.held
        self._held_count += 1

    def release(self, offset: int, unscanned: bool = False) -> None:
        """Text before `offset` is released; `unscanned` where a detector did not answer. It never moves back."""
        if self.order is not None or offset <= self.watermark:
            return
        if unscanned:
            self.unscanned += max(0, offset - max(self.watermark, self.passed))
        self.watermark = offset
        self._forget_waiting()

    def give(self, order: Order) -> bool:
        """Take an order for this stream, of whatever channel; whether it is the one that stops this channel.

        Orders that repeat, come late or are not for a reader's gate change nothing.
        """
        if self.order is not None or order.order not in STOPS_DELIVERY or self.ended:
            return False
        self._stop(order)
        return True

    def tick(self, *, now: float, wall: float = 0.0) -> bool:
        """Apply the deadline to text that has waited for too long; whether that changed anything."""
        overdue = 0
        limit = now - self.profile.deadline_ms / 1000
        while self._waiting and self._waiting[0][1] <= limit:
            overdue = self._waiting.popleft()[0]
        if not overdue or self.order is not None:
            return False
        if self.profile.on_failure == "closed":
            self._stop(self.would_stop("deadline", wall))
        else:
            self.unscanned += overdue - max(self.watermark, self.passed)
            self.passed = overdue
        return True

    def take(self) -> str:
        """The text that may be shown and was not taken before; empty when there is none."""
        wanted = self.visible - self.delivered
        pieces: list[str] = []
        while wanted > 0:
            head, at = self._text[0], self._head
            if len(head) - at <= wanted:
                # Indexing instead of cutting: many small releases of one long text must not copy it each time.
                pieces.append(head[at:] if at else head)
                self._text.popleft()
                self._head = 0
            else:
                pieces.append(head[at : at + wanted])
                self._head += wanted
            self.delivered += len(pieces[-1])
            wanted -= len(pieces[-1])
        if self.order is not None and self._text:
            self._text.clear()
        return "".join(pieces)

    def _stop(self, order: Order) -> None:
        end = self.cleared
        if order.finding is not None and order.channel == self.channel:
            end = min(end, order.finding.start)
        self._stop_at = max(end, self.delivered)
        self.order = order
        self._waiting.clear()
        if self.delivered == self._stop_at:
            self._text.clear()

    def _forget_waiting(self) -> None:
        waiting, released = self._waiting, max(self.watermark, self.passed)
        while waiting and waiting[0][0] <= released:
            waiting.popleft()

    def would_stop(self, reason: Reason, wall: float) -> Order:
        """The order that a worker would give for a failure; its id is the one that a stop here has."""
        return Order(
            v=VERSION,
            id=decision_id(self.stream, self.channel, "stop_transmission", reason, "", 0, 0),
            order="stop_transmission",
            producer=self.producer,
            stream=self.stream,
            channel=self.channel,
            profile=self.profile.name,
            outcome="blocked_unavailable",
            reason=reason,
            watermark=self.watermark,
            frame=FrameRef(-1, -1),
            versions=Versions(),
            sent_at=0.0,
            decided_at=wall,
        )
