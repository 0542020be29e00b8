"""What the demo measures of the decisions that come back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from sluice.contract.decision import Decision, Flag, Order, Release, Versions

__all__ = ["Meter", "Percentiles", "percentiles"]


class Percentiles(msgspec.Struct, frozen=True):
    """In milliseconds; None where nothing was measured."""

    p50: float | None = None
    p99: float | None = None


def percentiles(milliseconds: Sequence[float]) -> Percentiles:
    """The smallest values that half, and 99 in 100, of the values do not exceed."""
    ordered = sorted(milliseconds)
    if not ordered:
        return Percentiles()
    p50, p99 = (ordered[(len(ordered) * share + 99) // 100 - 1] for share in (50, 99))
    return Percentiles(round(p50, 2), round(p99, 2))


class Meter:
    """Sees every decision of the demo's producers, each once however often it was written."""

    def __init__(self) -> None:
        self.kinds: Counter[str] = Counter()
        """Decisions by kind: `release`, `flag`, or the order."""
        self.risks: Counter[str] = Counter()
        """Stops and flags by risk id."""
        self.decision_ms: list[float] = []
        """By frame: from its `sent_at` (it is handed to the Kafka client) until its release record was read here."""
        self.versions = Versions()
        """Of the last decision."""
        self._seen: set[str] = set()
        self._frames: set[tuple[int, int]] = set()

    def tap(self, decision: Decision, received_at: float) -> None:
        """For `DecisionFeed.tap`."""
        self.versions = decision.versions
        if isinstance(decision, Release):
            self.kinds["release"] += 1
            frame = (decision.frame.partition, decision.frame.offset)
            # No sent_at: a release that the passing of time brought, not a frame.
            if decision.sent_at and frame not in self._frames:
                self._frames.add(frame)
                self.decision_ms.append((received_at - decision.sent_at) * 1000)
        elif decision.id not in self._seen:
            self._seen.add(decision.id)
            self._count(decision)

    def _count(self, decision: Order | Flag) -> None:
        kind = decision.order if isinstance(decision, Order) else "flag"
        self.kinds[kind] += 1
        if decision.finding is not None and kind in ("flag", "stop_generation"):
            self.risks[decision.finding.risk] += 1
