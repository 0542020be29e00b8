"""The seam between what finds (a detector) and what decides (the decider)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from sluice.contract.decision import Finding

__all__ = ["Verdict"]


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """What one detector says about one channel after a piece of it."""

    cleared: int
    """Text before this offset can no longer become part of a new finding of this detector."""
    findings: Sequence[Finding] = ()
    """Findings that are new since the last verdict, ordered by end, then start."""
