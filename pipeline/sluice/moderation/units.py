"""Units of text on their way through the classifier, and how a batch of them is skimmed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from sluice.moderation.detector import Passage
from sluice.moderation.scores import Scores, are_probabilities, as_scores, as_skimmed

__all__ = ["CONTEXT_CHARS", "Skimming", "Source", "Unit", "context_of", "take_judgement"]

CONTEXT_CHARS = 120
"""Most characters of the text before a unit that it is judged with."""


class Unit(msgspec.Struct, eq=False):
    """A sentence, or a bounded number of characters where none ends."""

    start: int
    """Offset of its first character in the channel."""
    number: int
    """How many units of the channel came before it."""
    context: str
    """The text just before it."""
    text: str = ""
    """What there is of it."""
    whole: bool = False
    """Whether it has ended."""
    skimmed: int = 0
    """Characters of it that `skim` is about."""
    running: object | None = None
    """The skimmer's state after them."""
    skim: Scores | None = None
    """What the skimmer says of them, shape `(heads,)`."""
    asked: bool = False
    """Whether it was handed out to be judged."""
    answer: Scores | None = None
    """What is taken as its scores, shape `(heads,)`."""
    failed: bool = False
    """No scores will come."""
    origin: object | None = None
    """What the decisions about it say of where they come from; the detectors do not look at it."""

    @property
    def end(self) -> int:
        """Offset one past its last character."""
        return self.start + len(self.text)

    @property
    def passage(self) -> Passage:
        """What there is of it, to be judged."""
        return Passage(self.text, self.context)

    def judged(self, scores: Scores | None) -> None:
        """Take the scores of a judge; None, or anything but probabilities, says that there are none."""
        if scores is not None and are_probabilities(scores):
            self.answer = scores
        else:
            self.failed = True


def take_judgement(units: Sequence[Unit], answer: object, heads: int) -> bool:
    """Give units what `Scorer.judge` returned for them. False: that is no scores, and so none of them has any."""
    rows = as_scores(answer, len(units), heads)
    for unit, row in zip(units, [None] * len(units) if rows is None else rows, strict=True):
        unit.judged(row)
    return rows is not None


def context_of(units: Sequence[str]) -> list[str]:
    """Of the units before one, the last ones that are its context: whole ones, unless the last alone is too long."""
    kept: list[str] = []
    room = CONTEXT_CHARS
    for text in reversed(units):
        if len(text) > room:
            break
        kept.insert(0, text)
        room -= len(text)
    return kept or [text[-CONTEXT_CHARS:] for text in units[-1:]]


class Source(Protocol):
    """Where units are that may have to be skimmed."""

    def unskimmed(self) -> Iterable[Unit]: ...


class Skimming:
    """What is to be skimmed together: of each unit what was added to it since the last time."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self.units = [unit for source in sources for unit in source.unskimmed()]
        self.states: list[object | None] = [unit.running for unit in self.units]
        self.pieces = [unit.text[unit.skimmed :] for unit in self.units]
        self._upto = [len(unit.text) for unit in self.units]

    def take(self, start: int, count: int, answer: object, heads: int) -> bool:
        """Take what `Skimmer.skim` returned for so many of them, from the one at `start` on.

        False: that is no scores, and so there is no answer for any of them. A unit that has grown meanwhile is tried
        again.
        """
        found = as_skimmed(answer, count, heads)
        if found is None:
            for at in range(start, start + count):
                self._fail(at)
            return False
        for at, (row, state) in enumerate(zip(*found, strict=True), start):
            if are_probabilities(row):
                unit = self.units[at]
                unit.skim, unit.running, unit.skimmed = row, state, self._upto[at]
            else:
                self._fail(at)
        return True

    def _fail(self, at: int) -> None:
        if self._upto[at] == len(self.units[at].text):
            self.units[at].failed = True
