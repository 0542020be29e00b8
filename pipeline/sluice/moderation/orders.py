"""The decider: from a finding (or a failure) and a profile to the records that say what to do."""

from __future__ import annotations

import msgspec

from sluice.contract.codec import VERSION
from sluice.contract.decision import (
    Finding,
    Flag,
    FrameRef,
    Order,
    OrderKind,
    Outcome,
    Reason,
    Versions,
    decision_id,
)
from sluice.moderation.channel import ChannelState

__all__ = ["Origin", "failure_orders", "finding_orders", "flag"]

_FAILURE_ORDERS: tuple[OrderKind, ...] = ("stop_generation", "stop_transmission")


class Origin(msgspec.Struct, frozen=True):
    """What every decision of one frame has in common."""

    producer: str
    frame: FrameRef
    versions: Versions
    sent_at: float
    decided_at: float


def finding_orders(channel: ChannelState, finding: Finding, origin: Origin) -> list[Order]:
    """The orders for a finding that reached its risk's stop threshold."""
    profile = channel.stream.profile
    # In live mode the reader has all text that has been read; in hold mode, what has been released.
    shown_to = channel.length if profile.mode == "live" else channel.announced
    shown = max(0, min(shown_to, finding.end) - finding.start)
    kinds = list(profile.rule(finding.risk).then)
    if shown_to > finding.start and "retract" not in kinds:
        kinds.append("retract")
    return [
        _order(channel, kind, origin, outcome="blocked", reason="finding", finding=finding, shown=shown)
        for kind in kinds
        if kind != "retract" or shown_to > finding.start
    ]


def failure_orders(channel: ChannelState, reason: Reason, origin: Origin) -> list[Order | Flag]:
    """The orders for a stream that cannot be moderated any more; in monitor mode a flag that says so."""
    if channel.stream.profile.mode == "monitor":
        return [flag(channel, None, origin, list(_FAILURE_ORDERS), reason)]
    return [_order(channel, kind, origin, outcome="blocked_unavailable", reason=reason) for kind in _FAILURE_ORDERS]


def flag(
    channel: ChannelState,
    finding: Finding | None,
    origin: Origin,
    would: list[OrderKind],
    reason: Reason = "finding",
) -> Flag:
    """The record for something that is only to be reviewed."""
    stream = channel.stream
    kind = "would_stop" if would else "flag"
    rule, start, end = ("", 0, 0) if finding is None else (finding.rule, finding.start, finding.end)
    return Flag(
        v=VERSION,
        id=decision_id(stream.id, channel.name, kind, reason, rule, start, end),
        producer=origin.producer,
        stream=stream.id,
        channel=channel.name,
        profile=stream.profile.name,
        frame=origin.frame,
        versions=origin.versions,
        sent_at=origin.sent_at,
        decided_at=origin.decided_at,
        finding=finding,
        reason=reason,
        would=would,
    )


def _order(
    channel: ChannelState,
    kind: OrderKind,
    origin: Origin,
    *,
    outcome: Outcome,
    reason: Reason,
    finding: Finding | None = None,
    shown: int = 0,
) -> Order:
    stream = channel.stream
    if finding is None:
        # Not the length: it depends on how the deltas were cut, and a repeat must have the same id.
        identity = decision_id(stream.id, channel.name, kind, reason, "", 0, 0)
    else:
        identity = decision_id(stream.id, channel.name, kind, reason, finding.rule, finding.start, finding.end)
    return Order(
        v=VERSION,
        id=identity,
        order=kind,
        producer=origin.producer,
        stream=stream.id,
        channel=channel.name,
        profile=stream.profile.name,
        outcome=outcome,
        reason=reason,
        watermark=channel.announced,
        frame=origin.frame,
        versions=origin.versions,
        sent_at=origin.sent_at,
        decided_at=origin.decided_at,
        finding=finding,
        shown=shown,
        retract_from=finding.start if kind == "retract" and finding is not None else None,
    )
