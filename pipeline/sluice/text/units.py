"""Cuts a channel into units: sentences, or a bounded number of characters where no sentence ends.

Where a unit ends depends only on the text before it, never on how the text was cut into deltas.
"""

from __future__ import annotations

import re

__all__ = ["UnitCutter"]

_END = re.compile(r"[。！？!?；\n]|(?<=\.)\s")
"""A sentence ends after one of these; after a full stop only where white space follows, so that 3.14 stays whole."""


class UnitCutter:
    """State of one channel: how long the current unit is, and the character before the next one."""

    __slots__ = ("_last", "_limit", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._last = ""

    def cut(self, text: str) -> list[int]:
        """Offsets in `text` at which a unit ends (one past its last character), ascending."""
        if not text:
            return []
        size = self._size
        seen = self._last + text
        if size + len(text) < self._limit and _END.search(seen, len(self._last) if self._last != "." else 0) is None:
            self._size += len(text)
            self._last = text[-1]
            return []
        ends: list[int] = []
        skip = len(self._last)
        begin = -size  # where the current unit began, as an offset in `text`
        for end in [m.end() - skip for m in _END.finditer(seen) if m.end() > skip] + [len(text)]:
            while end - begin >= self._limit:
                begin += self._limit
                ends.append(begin)
            marked = end < len(text) or _END.fullmatch(seen[-1]) or (seen[-2:-1] == "." and seen[-1].isspace())
            if marked and begin < end:
                begin = end
                ends.append(end)
        self._size = len(text) - begin
        self._last = text[-1]
        return ends

    def state(self) -> tuple[int, str]:
        """What `restore` needs."""
        return self._size, self._last

    def restore(self, state: tuple[int, str]) -> None:
        """Go on from a `state()`, perhaps of a cutter with a higher limit."""
        self._size, self._last = min(state[0], self._limit - 1), state[1]
