"""What a producer or gateway reports after carrying out an order."""

from __future__ import annotations

from typing import Literal

import msgspec

from sluice.contract.decision import OrderKind, Outcome
from sluice.contract.frame import Channel

__all__ = ["Ack", "Role"]

Role = Literal["producer", "gateway"]


class Ack(msgspec.Struct, frozen=True, omit_defaults=True):
    """One record on `moderation.acks`."""

    v: int
    decision: str
    """Id of the order that was carried out; for a local deadline the id it would have had."""
    order: OrderKind
    role: Role
    producer: str
    stream: str
    channel: Channel
    outcome: Outcome
    received_at: float
    """When the order reached this process, seconds since the epoch."""
    carried_out_at: float
    tokens_after: int | None = None
    """Producer: tokens decoded after the order arrived."""
    characters_delivered: int | None = None
    """Gateway: characters that the reader has been given, in all."""
    characters_leaked: int | None = None
    """Gateway: characters given at or after the finding's start."""
