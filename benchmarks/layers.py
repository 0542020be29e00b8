"""Where the time of the lexicon stage goes.

`LAYERS` are the steps of the stage, each with all before it and written as plainly as it can be: what one layer takes
more than the one before is what the step costs at the least, and what the stage takes more than the last is its
bookkeeping: offsets, hits that wait, findings, verdicts. `own_time` is what the profiler says about the stage itself.
"""

from __future__ import annotations

import cProfile
import pstats
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import ahocorasick

from sluice.text.fold import fold_text

__all__ = ["LAYERS", "Feed", "Layer", "Prepared", "own_time"]

Feed = Callable[[str, bool], object]
"""Reads the next delta of a stream, and whether it is the last."""


class Prepared:
    """What the layers share: the automaton, and all proper prefixes of its terms."""

    def __init__(self, folded: Sequence[str]) -> None:
        self.automaton = ahocorasick.Automaton(ahocorasick.STORE_ANY)
        for number, term in enumerate(folded):
            self.automaton.add_word(term.encode().decode("latin-1"), number)
        self.automaton.make_automaton()
        self.prefixes = frozenset(term[:n] for term in folded for n in range(1, len(term)))
        self.first = frozenset(term[0] for term in folded)
        self.longest = max(map(len, folded))


class Layer:
    """State of one stream."""

    __slots__ = ("_matches", "_prepared", "_tail", "found", "held")

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._matches = prepared.automaton.iter("")
        self._tail = ""
        self.held = 0
        """Characters that may still become a term."""
        self.found = 0

    def loop(self, text: str, final: bool) -> None:
        """Nothing but being called."""

    def fold(self, text: str, final: bool) -> None:
        fold_text(text)

    def encode(self, text: str, final: bool) -> None:
        fold_text(text).encode("utf-8", "surrogatepass").decode("latin-1")

    def match(self, text: str, final: bool) -> None:
        matches = self._matches
        matches.set(fold_text(text).encode("utf-8", "surrogatepass").decode("latin-1"))
        for _ in matches:
            self.found += 1

    def hold_back(self, text: str, final: bool) -> None:
        folded = fold_text(text)
        matches = self._matches
        matches.set(folded.encode("utf-8", "surrogatepass").decode("latin-1"))
        for _ in matches:
            self.found += 1
        prepared = self._prepared
        first, prefixes = prepared.first, prepared.prefixes
        buffer = self._tail + folded
        length = len(buffer)
        self.held = 0
        for at in range(max(length - prepared.longest + 1, 0), length):
            if buffer[at] in first and buffer[at:] in prefixes:
                self.held = length - at
                break
        self._tail = buffer[length - self.held :]


LAYERS: dict[str, Callable[[Layer], Feed]] = {
    "loop": lambda layer: layer.loop,
    "fold": lambda layer: layer.fold,
    "encode": lambda layer: layer.encode,
    "match": lambda layer: layer.match,
    "hold-back": lambda layer: layer.hold_back,
}


def own_time(run: Callable[[], object], most: int = 15) -> list[dict[str, Any]]:
    """Functions by their own share of the time of `run`, as `cProfile` sees it."""
    profile = cProfile.Profile()
    profile.runcall(run)
    # The stubs of pstats do not know its one useful attribute.
    rows: dict[tuple[str, int, str], tuple[Any, ...]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(row[2] for row in rows.values()) or 1.0
    ordered = sorted(rows.items(), key=lambda item: -item[1][2])[:most]
    return [
        {"function": f"{Path(file).name}:{name}", "calls": row[1], "share": round(row[2] / total, 3)}
        for (file, _, name), row in ordered
    ]
