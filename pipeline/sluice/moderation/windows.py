"""The classifier as a detector: which stretches of a channel it must score, and what their scores mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from sluice.contract.decision import Finding
from sluice.moderation.detector import Head, Verdict
from sluice.policy.profile import Profile
from sluice.text.fold import fold_text

__all__ = ["HeadRules", "Window", "WindowScan"]


class Window(msgspec.Struct, eq=False):
    """A stretch of a channel that has to be scored."""

    text: str
    start: int
    end: int
    whole: bool
    """False: the unit goes on; low scores release what there is of it, high ones wait for its end."""


class HeadRules:
    """A profile seen by a scorer's heads: the lowest score of each head that leads to anything."""

    def __init__(self, heads: Sequence[Head], profile: Profile) -> None:
        self.heads = tuple(heads)
        rules = [profile.rule(head.risk) for head in heads]
        lowest = [min((t for t in (r.flag, r.stop) if t is not None), default=np.inf) for r in rules]
        self.lowest: NDArray[np.float32] = np.array(lowest, dtype=np.float32)
        """Shape `(heads,)`; infinity for a risk that leads to nothing."""
        self.fails_closed = any(r.stop is not None and r.on_failure == "closed" for r in rules)
        """Whether text is blocked when the scorer does not answer."""


class WindowScan:
    """State of one channel: the unit that is being written, at most `Profile.unit_chars` of it."""

    __slots__ = ("_asked", "_hash", "_per_delta", "_rules", "_since", "_start", "_text", "_wait", "cleared", "length")

    def __init__(self, rules: HeadRules, profile: Profile, hasher: Callable[[str], str], offset: int = 0) -> None:
        self._rules = rules
        self._hash = hasher
        self._per_delta = profile.release_unit == "delta"
        self._wait = profile.unit_ms / 1000
        self._text = ""
        self._start = offset
        self._since = 0.0  # when the oldest character that is not cleared and not asked for came
        self._asked = offset  # text before this offset is in a window that was handed out
        self.length = offset
        self.cleared = offset

    def feed(self, text: str, ends: bool, now: float) -> Window | None:
        """Read the next piece; `ends` says that a unit ends with it. Returns what has to be scored now."""
        if self._asked == self.length:
            self._since = now
        self._text += text
        self.length += len(text)
        if ends:
            window = self._window(whole=True)
            self._text, self._start = "", self.length
            return window
        return self._window(whole=False) if self._per_delta and text else None

    def tick(self, now: float) -> Window | None:
        """What has to be scored because a slow unit has been waiting for its end too long."""
        if self._asked < self.length and now - self._since >= self._wait:
            return self._window(whole=False)
        return None

    def _window(self, *, whole: bool) -> Window:
        self._asked = self.length
        return Window(self._text, self._start, self.length, whole)

    def scored(self, window: Window, scores: NDArray[np.float32]) -> Verdict:
        """Take the scores of a window, shape `(heads,)`. Windows come back in the order they were handed out."""
        rules = self._rules
        over = scores >= rules.lowest
        if not over.any():
            self.cleared = max(self.cleared, window.end)
            return Verdict(self.cleared)
        if not window.whole:
            return Verdict(self.cleared)
        self.cleared = max(self.cleared, window.end)
        text_hash = self._hash(fold_text(window.text))
        findings = [
            Finding(
                risk=rules.heads[i].risk,
                source="classifier",
                rule=rules.heads[i].name,
                score=round(float(scores[i]), 4),
                start=window.start,
                end=window.end,
                attribute=rules.heads[i].attribute,
                text_hash=text_hash,
            )
            for i in sorted(np.flatnonzero(over), key=lambda i: -scores[i])
        ]
        return Verdict(self.cleared, findings)

    def unanswered(self, window: Window) -> bool:
        """Take it that a window will not be scored. Returns whether the text is blocked; else it counts as cleared."""
        if self._rules.fails_closed:
            return True
        self.cleared = max(self.cleared, window.end)
        return False

    def state(self) -> dict[str, Any]:
        """What `restore` needs. Only between frames, when no window is out."""
        return {"text": self._text, "start": self._start, "cleared": self.cleared}

    def restore(self, state: dict[str, Any], now: float) -> None:
        """Go on from a `state()`."""
        self._text, self._start, self.cleared = state["text"], state["start"], state["cleared"]
        self.length = self._start + len(self._text)
        self._asked = self.cleared
        self._since = now
