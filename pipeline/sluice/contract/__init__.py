"""The records on the wire: what is written to each topic, and its limits."""

from sluice.contract.ack import Ack
from sluice.contract.codec import BadDelta, BadFrameError, ReadFrame, encode, read_decision, read_frame
from sluice.contract.decision import (
    Decision,
    Finding,
    Flag,
    FrameRef,
    Mark,
    Order,
    OrderKind,
    Outcome,
    Reason,
    Release,
    Versions,
    decision_id,
)
from sluice.contract.frame import CHANNELS, Channel, Delta, Frame
from sluice.contract.limits import Limits
from sluice.contract.quarantine import Quarantine
from sluice.contract.topics import Topics

__all__ = [
    "CHANNELS",
    "Ack",
    "BadDelta",
    "BadFrameError",
    "Channel",
    "Decision",
    "Delta",
    "Finding",
    "Flag",
    "Frame",
    "FrameRef",
    "Limits",
    "Mark",
    "Order",
    "OrderKind",
    "Outcome",
    "Quarantine",
    "ReadFrame",
    "Reason",
    "Release",
    "Topics",
    "Versions",
    "decision_id",
    "encode",
    "read_decision",
    "read_frame",
]
