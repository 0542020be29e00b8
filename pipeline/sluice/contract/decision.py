"""What the workers decide: releases, orders and flags on `moderation.decisions`."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from sluice.contract.frame import Channel

__all__ = [
    "Decision",
    "Finding",
    "Flag",
    "FrameRef",
    "Mark",
    "Order",
    "OrderKind",
    "Outcome",
    "Reason",
    "Release",
    "Source",
    "Versions",
    "decision_id",
]

Source = Literal["lexicon", "classifier", "policy"]
OrderKind = Literal["stop_generation", "stop_transmission", "retract", "support"]
Outcome = Literal["blocked", "blocked_unavailable", "passed_unscanned"]
Reason = Literal["finding", "gap", "context_lost", "limit", "idle", "detector_failed", "deadline", "unknown_profile"]


class FrameRef(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where the frame that led to a decision stands in `moderation.outputs`."""

    partition: int
    offset: int


class Versions(msgspec.Struct, frozen=True, gc=False):
    """What decided: enough to replay and explain a decision."""

    lexicon: str = ""
    model: str = ""
    policy: str = ""


class Finding(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One thing a detector found in a channel."""

    risk: str
    """Risk id of GB/T 45654-2025, e.g. `A.2.e`."""
    source: Source
    rule: str
    """Id of the lexicon term, or head of the model."""
    score: float
    """0 to 1; for the classifier a probability."""
    start: int
    """First code point of the span in the channel."""
    end: int
    """One past the last code point of the span."""
    attribute: str = ""
    """For discrimination: the protected attribute, e.g. `gender`."""
    matched: str = ""
    """For the lexicon: how the term was found (`exact`, `folded`, `noise`, `split`, `pinyin`, `initials`, `mixed`)."""
    text_hash: str = ""
    """Keyed hash of the folded span; never the text itself."""
    hint: str = ""
    """For the lexicon: what the term's author suggests to whoever carries out the order; it decides nothing."""


class Mark(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The release watermark of one channel: text before `offset` is released."""

    stream: str
    channel: Channel
    offset: int


class Release(msgspec.Struct, frozen=True, omit_defaults=True, tag="release", tag_field="kind"):
    """One per frame: the watermarks that it moved."""

    v: int
    producer: str
    frame: FrameRef
    marks: list[Mark]
    versions: Versions
    sent_at: float
    """`sent_at` of the frame, for measuring."""
    decided_at: float
    unscanned: list[Mark] = []
    """Watermarks that moved although a detector did not answer (`passed_unscanned`)."""


class Order(msgspec.Struct, frozen=True, omit_defaults=True, tag="order", tag_field="kind"):
    """Something that a producer or gateway must do now. Latched: it is never taken back."""

    v: int
    id: str
    """Same stream, channel, span, rule and order give the same id, so a repeat is harmless."""
    order: OrderKind
    producer: str
    stream: str
    channel: Channel
    profile: str
    outcome: Outcome
    reason: Reason
    watermark: int
    """Characters of the channel released before the order."""
    frame: FrameRef
    versions: Versions
    sent_at: float
    decided_at: float
    finding: Finding | None = None
    """What was found, when `reason` is `finding`."""
    shown: int = 0
    """Characters of the finding that were released before it was found."""
    retract_from: int | None = None
    """For `retract`: first code point to withdraw."""


class Flag(msgspec.Struct, frozen=True, omit_defaults=True, tag="flag", tag_field="kind"):
    """Something for a person to review; nothing is stopped by it.

    In monitor mode it stands for what would have been ordered, a failure included; then there may be no finding.
    """

    v: int
    id: str
    producer: str
    stream: str
    channel: Channel
    profile: str
    frame: FrameRef
    versions: Versions
    sent_at: float
    decided_at: float
    finding: Finding | None = None
    reason: Reason = "finding"
    would: list[OrderKind] = []
    """In monitor mode: the orders that would have been given."""


Decision = Release | Order | Flag


def decision_id(stream: str, channel: str, kind: str, reason: str, rule: str, start: int, end: int) -> str:
    """The id of a decision, derived from its content alone (32 hexadecimal digits)."""
    content = "\x1f".join((stream, channel, kind, reason, rule, str(start), str(end)))
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
