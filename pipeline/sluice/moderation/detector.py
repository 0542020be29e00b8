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

__all__ = ["Head", "Passage", "Scorer", "Skimmer", "Verdict"]


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


class Passage(msgspec.Struct, frozen=True, gc=False):
    """What a scorer judges."""

    text: str
    context: str = ""
    """The text just before it in the same channel, for a scorer that can make use of it; it is not judged itself."""


class Skimmer(Protocol):
    """The cheap stage of a scorer: scores of a text that grows, at a cost that depends on what is added."""

    @property
    def doubt(self) -> NDArray[np.float32] | None:
        """Shape `(heads,)`, from 0 to 1: from any of these scores on a text has to be judged by `Scorer.judge`. None:
        never, what the skimmer says holds."""
        ...

    def skim(
        self, states: Sequence[object | None], pieces: Sequence[str]
    ) -> tuple[NDArray[np.float32], list[object | None]]:
        """Go on with several texts at once, each by a piece; `None` stands for a text that begins.

        Returns their scores up to there, shape `(texts, heads)`, and the states to go on from. The same for every
        cutting of a text into pieces. The states that were given stay as they are, so a failed call can be repeated.
        """
        ...


class Scorer(Protocol):
    """A model that scores texts. It may be slow; it is called outside the event loop, one call at a time."""

    @property
    def version(self) -> str: ...
    @property
    def heads(self) -> Sequence[Head]: ...
    @property
    def skimmer(self) -> Skimmer | None:
        """Its cheap stage; None: every text has to be judged."""
        ...

    def score(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        """Probabilities, shape `(len(passages), len(heads))`, whatever else is in the batch: by the cheap stage where
        it is sure, else as `judge` gives them."""
        ...

    def judge(self, passages: Sequence[Passage]) -> NDArray[np.float32]:
        """The same by the strongest member alone, whatever the cheap one would say."""
        ...
