"""Every error that Sluice raises on purpose.

    SluiceError
    ├── InputError            the caller's data is wrong; says what and where
    │   ├── PolicyError       a policy file: file, line, key
    │   ├── LexiconError      a lexicon file: file, line
    │   ├── ModelError        a model directory: which file or field
    │   └── LimitError        a documented limit was exceeded
    ├── UnavailableError      something needed did not answer
    └── StreamStopped         a stream was stopped by an order (carries it)

`InputError` and its children are never retried; `UnavailableError` may be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluice.contract.decision import Order

__all__ = [
    "InputError",
    "LexiconError",
    "LimitError",
    "ModelError",
    "PolicyError",
    "SluiceError",
    "StreamStopped",
    "UnavailableError",
]


class SluiceError(Exception):
    """Base of all errors raised on purpose by this package."""


class InputError(SluiceError):
    """The caller's data is wrong. The message names what and where."""


class PolicyError(InputError):
    """A policy file does not say what it must; names file, line and key."""


class LexiconError(InputError):
    """A lexicon file does not say what it must; names file and line."""


class ModelError(InputError):
    """A model directory does not match its manifest, or cannot be loaded."""


class LimitError(InputError):
    """A documented limit was exceeded; nothing was sent or changed."""


class UnavailableError(SluiceError):
    """A broker or detector did not answer in time."""


class StreamStopped(SluiceError):
    """The stream was stopped; `order` is the decision that stopped it."""

    def __init__(self, order: Order) -> None:
        super().__init__(f"stream {order.stream} stopped: {order.reason} ({order.id})")
        self.order = order
