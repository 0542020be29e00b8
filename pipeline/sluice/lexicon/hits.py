"""Hits of a scan on their way to becoming findings: put in order, and kept until nothing that follows can undo them."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable

import msgspec

from sluice.lexicon.lexicon import Pattern
from sluice.lexicon.term import MatchChannel
from sluice.lexicon.worth import worth

__all__ = ["Hit", "Hits"]

_MANY = 16
"""Findings after which those that lie behind are let go of."""


class Hit(msgspec.Struct, frozen=True, gc=False):
    """A form found in the text, in folded offsets."""

    start: int
    end: int
    pattern: Pattern
    channel: MatchChannel
    score: float

    @property
    def key(self) -> tuple[int, int, str]:
        """What it is known by across lexicons."""
        return self.start, self.end, self.pattern.rule


class Hits:
    """Those of one channel."""

    __slots__ = ("_reported", "_waiting")

    def __init__(self) -> None:
        self._waiting: list[Hit] = []  # what comes next may still undo them; in the order of `_order`
        self._reported: list[Hit] = []  # may still cover others

    def __len__(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def start(self) -> int:
        """Where the first of those that wait begins."""
        return self._waiting[0].start

    @property
    def reported(self) -> list[tuple[int, int, str]]:
        """The keys of those that were reported and reach into text that is not cleared."""
        return [hit.key for hit in self._reported]

    def add(self, hit: Hit) -> None:
        """One more."""
        insort(self._waiting, hit, key=_order)

    def take_over(self, cleared: int, reported: Iterable[tuple[int, int, str]]) -> None:
        """Of hits that were found by reading again, leave those to wait that end in text not cleared yet and were not
        reported."""
        known = set(reported)
        self._reported = [hit for hit in self._waiting if hit.key in known]
        self._waiting = [hit for hit in self._waiting if hit.end > cleared and hit.key not in known]

    def settle(self, buffer: str, origin: int, open_from: int, final: bool) -> list[Hit]:
        """In order, the hits that nothing later can change, with what they are worth.

        Args:
            buffer: the folded text that is remembered.
            origin: folded offset of its first character.
            open_from: from here on a term may have begun that is not complete.
            final: whether the text ends here.
        """
        waiting, reported = self._waiting, self._reported
        settled = []
        done = 0
        for hit in waiting:
            if hit.start >= open_from and not final:
                break  # a longer term may have begun here or before
            score = worth(hit.pattern, hit.channel, hit.score, buffer, hit.start - origin, hit.end - origin, final)
            if score is None:
                break
            done += 1
            if len(reported) > _MANY:
                reported[:] = [other for other in reported if other.end > hit.start]
            if score > 0 and not any(_covers(other, hit, score) for other in reversed(reported)):
                hit = msgspec.structs.replace(hit, score=score)
                reported.append(hit)
                settled.append(hit)
        del waiting[:done]
        # What is found later begins behind all that is cleared.
        cleared = min(open_from, waiting[0].start) if waiting else open_from
        self._reported = [hit for hit in reported if hit.end > cleared]
        return settled


def _order(hit: Hit) -> tuple[int, int, float, str]:
    return hit.start, -hit.end, -hit.score, hit.pattern.rule


def _covers(other: Hit, hit: Hit, score: float) -> bool:
    """Whether `other` says all that `hit` says: then `hit` is not reported."""
    return (
        other.start <= hit.start
        and other.end >= hit.end
        and other.pattern.term.risk == hit.pattern.term.risk
        and other.score >= score
    )
