"""The classifier as a detector: which stretches of a channel are scored and judged, and what comes of it.

A channel is read as units. The skimmer follows each while it is written; a unit that has ended is cleared by what the
skimmer says of it, or judged. Units are settled in their order, so that nothing is cleared over one that is still out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from sluice.contract.decision import Finding
from sluice.moderation.detector import Head, Skimmer
from sluice.moderation.scores import as_doubt
from sluice.moderation.units import Unit, context_of
from sluice.policy.profile import Profile
from sluice.text.fold import fold_text

__all__ = ["HeadRules", "Progress", "WindowScan"]

_STORED_CHARS = 16_384
"""Characters of units that are out, beyond which a channel is not stored in the table."""


class HeadRules:
    """A profile seen by a scorer's heads: which scores lead to anything."""

    def __init__(self, heads: Sequence[Head], profile: Profile, skimmer: Skimmer | None) -> None:
        """Look the heads up.

        Raises:
            InputError: the skimmer's doubt is no number for each head.
        """
        self.heads = tuple(heads)
        rules = [profile.rule(head.risk) for head in heads]
        lowest = [min((t for t in (r.flag, r.stop) if t is not None), default=np.inf) for r in rules]
        self.lowest: NDArray[np.float32] = np.array(lowest, dtype=np.float32)
        """Shape `(heads,)`: the lowest score that leads to anything; infinity for a risk that leads to nothing."""
        self.fails_closed = any(r.stop is not None and r.on_failure == "closed" for r in rules)
        """Whether text is blocked when the scorer does not answer."""
        self.skims = skimmer is not None
        """Whether units are skimmed; else each is judged."""
        doubt = None if skimmer is None else as_doubt(skimmer.doubt, len(self.heads))
        self.judges = doubt is not None or not self.skims
        """Whether there is anything to ask beyond the skimmer."""
        self.doubt: NDArray[np.float32] = self.lowest if doubt is None else np.minimum(doubt, self.lowest)
        """Shape `(heads,)`: the skimmer clears what is below."""


class Progress(msgspec.Struct):
    """What has become certain in a channel."""

    settled: Sequence[tuple[Unit, list[Finding]]] = ()
    """Units about which all is known, with what was found, in the order of the text."""
    asks: Sequence[Unit] = ()
    """To be judged, each once."""
    unscanned: int = 0
    """Text before this offset was passed without scores; 0 for none."""
    blocked: Unit | None = None
    """There are no scores for this one, and the profile fails closed."""


_NONE = Progress()


class WindowScan:
    """State of one channel: the unit that is being written, and those that are not settled yet."""

    __slots__ = (
        "_asked", "_before", "_due", "_every", "_fresh", "_hash", "_part", "_per_delta", "_restored", "_rules",
        "_since", "_unit", "_wait", "_waiting", "cleared", "length",
    )  # fmt: skip

    def __init__(
        self, rules: HeadRules, profile: Profile, hasher: Callable[[str], str], offset: int = 0, context: str = ""
    ) -> None:
        """A channel that is read from `offset` on; `context` is what its first unit is judged with."""
        self._rules = rules
        self._hash = hasher
        self._per_delta = profile.release_unit == "delta"
        self._every = profile.strong_every if rules.judges else None
        self._wait = profile.unit_ms / 1000
        self._unit = Unit(offset, 0, context)
        self._before: list[str] = []  # the last units, as much as is context
        self._waiting: deque[Unit] = deque()  # whole ones that are not settled
        self._fresh: deque[Unit] = deque()  # those of them that were not looked at yet
        self._part: Unit | None = None  # the beginning of a unit, out to be judged
        self._since = 0.0  # when the oldest character that is not cleared and not asked for came
        self._asked = offset  # text before this offset is to be cleared, without waiting for the unit's end
        self._due = offset  # text before this offset belongs to frames that are being finished
        self._restored = False
        self.length = offset
        self.cleared = offset

    @property
    def settled(self) -> bool:
        """Whether nothing is known that is still to be settled."""
        return not self._waiting

    @property
    def storable(self) -> bool:
        """Whether `state` is small enough for the table."""
        return sum(len(unit.text) for unit in self._waiting) <= _STORED_CHARS

    @property
    def tail(self) -> str:
        """The end of the text that has ended."""
        return "".join(self._before)

    def feed(self, text: str, ends: bool, now: float) -> Unit | None:
        """Read the next piece; `ends` says that a unit ends with it. Returns the unit that has ended."""
        if self._asked == self.length:
            self._since = now
        unit = self._unit
        unit.text += text
        self.length += len(text)
        if not ends:
            if self._per_delta:
                self._asked = self.length
            return None
        self._asked = self.length
        if not unit.text:
            return None  # the channel ends where a unit has ended
        unit.whole = True
        self._waiting.append(unit)
        self._fresh.append(unit)
        self._before = context_of([*self._before, unit.text])
        self._unit = Unit(self.length, unit.number + 1, self.tail)
        return unit

    def tick(self, now: float) -> bool:
        """Whether there is anything to do now: a slow unit has been waiting for its end for too long."""
        restored, self._restored = self._restored, False
        if self._asked < self.length and now - self._since >= self._wait:
            self._asked = self.length
            return True
        return restored

    def unskimmed(self) -> Iterator[Unit]:
        """Units with text that the skimmer has not read."""
        if not self._rules.skims:
            return
        for unit in self._fresh:
            if unit.skim is None or unit.skimmed < len(unit.text):
                yield unit
        if self._unit.skimmed < len(self._unit.text):
            yield self._unit

    def advance(self, due: int | None = None) -> Progress:
        """Take up what is known about the units before offset `due`, and before the highest one of earlier calls."""
        if due is not None and due > self._due:
            self._due = due
        if not self._waiting and self._asked <= self.cleared:
            self._unit.failed = False
            return _NONE
        progress = Progress(settled := [], self._look())
        waiting = self._waiting
        while waiting and waiting[0].end <= self._due and (waiting[0].answer is not None or waiting[0].failed):
            unit = waiting.popleft()
            if unit.answer is not None:
                settled.append((unit, self._findings(unit, unit.answer)))
            elif not self._pass_unscanned(unit, unit.end, progress):
                return progress
            self.cleared = max(self.cleared, unit.end)
        if not waiting and self.cleared < min(self._asked, self._due):
            self._clear_part(progress)
        self._unit.failed = False  # it is tried again when more of it has come
        return progress

    def _look(self) -> list[Unit]:
        """Whole units that have to be judged; the others of those that are due have their answer then."""
        asks: list[Unit] = []
        rules, fresh = self._rules, self._fresh
        while fresh and fresh[0].end <= self._due:
            unit = fresh[0]
            if not unit.failed:
                if rules.skims and (unit.skim is None or unit.skimmed < len(unit.text)):
                    break
                if unit.skim is not None and not self._in_doubt(unit, unit.skim):
                    unit.answer = unit.skim
                else:
                    unit.asked = True
                    asks.append(unit)
            fresh.popleft()
        return asks

    def _in_doubt(self, unit: Unit, skim: NDArray[np.float32]) -> bool:
        if not self._rules.judges:
            return False
        turn = self._every is not None and (unit.number + 1) % self._every == 0
        return turn or bool((skim >= self._rules.doubt).any())

    def _clear_part(self, progress: Progress) -> None:
        """Clear what there is of the unit that is being written, where its scores are low; high ones wait for its
        end."""
        unit, end = self._unit, min(self._asked, self._due)
        if not self._rules.skims:
            self._judge_part(end, progress)
        elif unit.failed:
            if self._pass_unscanned(unit, end, progress):
                self.cleared = end
        elif unit.skim is not None and not (unit.skim >= self._rules.doubt).any():
            self.cleared = max(self.cleared, min(end, unit.start + unit.skimmed))

    def _judge_part(self, end: int, progress: Progress) -> None:
        """The same where nothing skims: one beginning of the unit after another is judged, as much as is there."""
        part, self._part = self._part, None
        if part is not None and part.number == self._unit.number:
            if part.failed:
                if not self._pass_unscanned(part, part.end, progress):
                    return
                self.cleared = max(self.cleared, part.end)
            elif part.answer is None:
                self._part = part
                return
            elif not (part.answer >= self._rules.lowest).any():
                self.cleared = max(self.cleared, part.end)
            if end <= part.end:
                return
        unit = self._unit
        self._part = Unit(unit.start, unit.number, unit.context, unit.text[: end - unit.start], asked=True)
        progress.asks = [*progress.asks, self._part]

    def _pass_unscanned(self, unit: Unit, end: int, progress: Progress) -> bool:
        """Take it that there are no scores. False: the text is blocked; else it counts as cleared up to `end`."""
        if self._rules.fails_closed:
            progress.blocked = unit
            return False
        progress.unscanned = max(progress.unscanned, end)
        return True

    def _findings(self, unit: Unit, scores: NDArray[np.float32]) -> list[Finding]:
        over = scores >= self._rules.lowest
        if not over.any():
            return []
        text_hash = self._hash(fold_text(unit.text))
        heads = self._rules.heads
        return [
            Finding(
                risk=heads[i].risk,
                source="classifier",
                rule=heads[i].name,
                score=round(float(scores[i]), 4),
                start=unit.start,
                end=unit.end,
                attribute=heads[i].attribute,
                text_hash=text_hash,
            )
            for i in sorted(np.flatnonzero(over), key=lambda i: -scores[i])
        ]

    def state(self) -> dict[str, Any]:
        """What `restore` needs, bounded if `storable`. What is out is asked for again after a restore."""
        unit = self._unit
        return {
            "start": unit.start,
            "text": unit.text,
            "number": unit.number,
            "context": unit.context,
            "before": self._before,
            "waiting": [(u.start, u.number, u.context, u.text) for u in self._waiting],
            "cleared": self.cleared,
        }

    def restore(self, state: dict[str, Any], now: float) -> None:
        """Go on from a `state()`."""
        self._unit = Unit(state["start"], state["number"], state["context"], state["text"])
        self._before = list(state["before"])
        self._waiting = deque(_whole(*fields) for fields in state["waiting"])
        self._fresh = deque(self._waiting)
        self._restored = bool(self._waiting)
        self.cleared = state["cleared"]
        self.length = self._due = self._unit.end
        self._asked = max(self.cleared, self._unit.start)
        self._since = now


def _whole(start: int, number: int, context: str, text: str) -> Unit:
    return Unit(start, number, context, text, whole=True)
