"""The seam between what finds (a detector) and what decides (the decider).

The lexicon answers at once, for every piece of text. A classifier answers later, for whole windows of text, many
channels at a time; meanwhile the text is not cleared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from sluice.contract.decision import Finding

__all__ = ["Head", "Scorer", "Verdict"]


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What one detector says about one channel after a piece of it."""

    cleared: int
    """Text before this offset can no longer become part of a new finding of this detector."""
    findings: Sequence[Finding] = ()
    """Findings that are new since the last verdict, in the order in which the text made them certain."""


class Head(Protocol):
    """One output of a scorer."""

    @property
    def name(self) -> str: ...
    @property
    def risk(self) -> str: ...
    @property
    def attribute(self) -> str: ...


class Scorer(Protocol):
    """A model that scores texts. It may be slow; it is called outside the event loop, one call at a time."""

    @property
    def version(self) -> str: ...
    @property
    def heads(self) -> Sequence[Head]: ...

    def score(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Probabilities, shape `(len(texts), len(heads))`, whatever else is in the batch."""
        ...
