"""One entry of a lexicon."""

from __future__ import annotations

import hashlib
from datetime import date

import msgspec

from sluice.text.fold import fold_text

__all__ = ["MAX_TERM_CHARS", "SEVERITY_SCORES", "Term"]

MAX_TERM_CHARS = 64
"""Longest term or allowed context, folded. It bounds what a channel keeps and may hold back."""

SEVERITY_SCORES = {1: 0.6, 2: 0.9, 3: 1.0}
"""Score of a hit: 1 is a weak signal, 2 is strong, 3 is unambiguous. Profiles compare it with their thresholds."""


class Term(msgspec.Struct, frozen=True):
    """A term as it was written in its file, and where it stands."""

    text: str
    risk: str
    severity: int
    category: str
    """Name of the file without its ending, e.g. `drugs`."""
    word: bool = False
    """Only a whole word is a hit (for terms in Latin letters)."""
    allow: tuple[str, ...] = ()
    """Longer contexts in which the term is harmless."""
    attribute: str = ""
    """For discrimination: the protected attribute of the risk."""
    note: str = ""
    added: date | None = None
    reviewer: str = ""
    expires: date | None = None
    """The term is not used from this day on."""

    @property
    def folded(self) -> str:
        """What the automaton looks for: the term under the same folding as the text."""
        return fold_text(self.text)

    @property
    def score(self) -> float:
        """0 to 1, from the severity."""
        return SEVERITY_SCORES[self.severity]

    @property
    def rule(self) -> str:
        """Id that stays the same when the file is sorted or other terms come and go."""
        digest = hashlib.blake2b(f"{self.risk}\x1f{self.folded}".encode(), digest_size=4).hexdigest()
        return f"{self.category}-{digest}"
