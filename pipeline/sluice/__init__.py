"""Sluice moderates generated text on Kafka while it is being generated, and stops it before a reader sees it.

What a user needs is here; importing it brings in neither Kafka nor ONNX Runtime until something of them is used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sluice.errors import (
    InputError,
    LexiconError,
    LimitError,
    ModelError,
    PolicyError,
    SluiceError,
    StreamStopped,
    UnavailableError,
)

if TYPE_CHECKING:
    from sluice.client import DeliveryGate, ModerationClient, OrderListener, OutputPublisher, ReleasedReader
    from sluice.moderation.moderator import Moderation, Moderator
    from sluice.policy import Policy, Profile

__all__ = [
    "DeliveryGate",
    "InputError",
    "LexiconError",
    "LimitError",
    "ModelError",
    "Moderation",
    "ModerationClient",
    "Moderator",
    "OrderListener",
    "OutputPublisher",
    "Policy",
    "PolicyError",
    "Profile",
    "ReleasedReader",
    "SluiceError",
    "StreamStopped",
    "UnavailableError",
]

__version__ = "0.1.0"

_HOMES = {
    "DeliveryGate": "sluice.client",
    "Moderation": "sluice.moderation.moderator",
    "ModerationClient": "sluice.client",
    "Moderator": "sluice.moderation.moderator",
    "OrderListener": "sluice.client",
    "OutputPublisher": "sluice.client",
    "Policy": "sluice.policy",
    "Profile": "sluice.policy",
    "ReleasedReader": "sluice.client",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'sluice' has no attribute {name!r}")
    return getattr(import_module(home), name)
