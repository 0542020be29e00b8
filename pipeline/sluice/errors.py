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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sluice.contract.decision import Order

__all__ = [
    "InputError",
    "LexiconError",
    "LimitError",
    "ModelError",
    "PolicyError",
    "Problem",
    "SluiceError",
    "StreamStopped",
    "UnavailableError",
    "is_failure",
]


class SluiceError(Exception):
    """Base of all errors raised on purpose by this package."""


class InputError(SluiceError):
    """The caller's data is wrong. The message names what and where."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or worth knowing, in a file that people write."""

    line: int
    """Counted from 1; 0 where it is about the file as a whole."""
    key: str
    """Path of keys from the top of the file, joined by dots; empty at the top."""
    message: str

    def describe(self, file: str) -> str:
        """One line for people, in the form that editors and CI systems turn into a link."""
        return ": ".join(
            part for part in (f"{file}:{self.line}" if self.line else file, self.key, self.message) if part
        )


class PolicyError(InputError):
    """A policy file does not say what it must: all its `problems`, one to a line of the message."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(problem.describe(file) for problem in problems))
        self.file = file
        self.problems = list(problems)

    def __reduce__(self) -> tuple[type[PolicyError], tuple[str, list[Problem]]]:
        return PolicyError, (self.file, self.problems)


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


def is_failure(error: BaseException) -> bool:
    """Whether what was called has failed, rather than been interrupted. A panic in Rust is no `Exception`, nor can its
    type be imported."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"
